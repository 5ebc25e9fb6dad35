"""`verify_profile`: rules for certificates beyond those of `ssl`, as a context and verify_chain() take them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from puretls._api.settings import PROTOCOL_TLS_SERVER

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._x509.webpki import WebPki

WEBPKI = "webpki"
PublicSuffixes = str | os.PathLike[str] | Iterable[str] | None


class _ProfileSettings:
    """The two attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    @property
    def verify_profile(self) -> str | None:
        """Rules that a client holds servers' certificates to beyond those of `ssl`; None unless set.

        "webpki" is the public web: what the CA/Browser Forum's Baseline Requirements demand.  Names count from
        subjectAltName alone, and a common name has to repeat one of them; extKeyUsage is there, with serverAuth and
        without anyExtendedKeyUsage; keys are RSA of 2,048 bits and more or P-256, P-384, P-521, signatures SHA-2; the
        leaf is no CA and not valid for longer than was allowed when it was issued; and wildcards do not stand over
        public suffixes, as far as `public_suffixes` tells.  It includes VERIFY_X509_STRICT.  A certificate that breaks
        a rule is refused with the `verify_code` that comes next to it and a `verify_message` that says which.
        ValueError for another name, and on a context for servers.
        """
        return self._settings.verify_profile

    @verify_profile.setter
    def verify_profile(self, value: str | None) -> None:
        check_name(value)
        if value is not None and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("verify_profile cannot be set on a PROTOCOL_TLS_SERVER context")
        settings = self._settings
        settings.verify_profile = value
        settings.webpki = None if value is None else webpki_of(settings.public_suffixes)

    @property
    def public_suffixes(self) -> tuple[str, ...] | None:
        """The public suffixes that "webpki" lets no wildcard stand over; None unless set.

        May be set to the text of the list of publicsuffix.org, to a path to it, or to its rules one by one.  Without,
        only top-level domains are known to be public.
        """
        return self._settings.public_suffixes

    @public_suffixes.setter
    def public_suffixes(self, value: PublicSuffixes) -> None:
        settings = self._settings
        settings.public_suffixes = rules_of(value)
        settings.webpki = None if settings.verify_profile is None else webpki_of(settings.public_suffixes)


def check_name(profile: object) -> None:
    """The checked name of a profile."""
    if profile is not None and profile != WEBPKI:
        raise ValueError(f"verify_profile has to be {WEBPKI!r} or None, not {profile!r}")


def rules_of(value: PublicSuffixes) -> tuple[str, ...] | None:
    """The rules of a list of public suffixes, given in any of its forms."""
    if value is None:
        return None
    if isinstance(value, os.PathLike):
        with open(value, encoding="utf-8") as file:  # noqa: PTH123  # pathlib is not loaded for this
            value = file.read()
    lines = value.splitlines() if isinstance(value, str) else list(value)
    for line in lines:
        if not isinstance(line, str):
            raise TypeError(f"a public suffix must be str, not {type(line).__name__}")
    return tuple(rule for line in lines if (rule := line.strip()) and not rule.startswith("//"))


@lru_cache(maxsize=4)
def webpki_of(rules: tuple[str, ...] | None) -> WebPki:
    from puretls._x509 import webpki  # noqa: PLC0415  # few programs ask for it

    return webpki.WebPki(None if rules is None else webpki.Suffixes(rules))
