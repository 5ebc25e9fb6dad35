"""Trust anchors that are trusted within limits: SSLContext.add_trust_anchor()."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from puretls._api.errors import abort_error
from puretls._api.types import CertificateSource
from puretls._api.unraisable import report_unraisable
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._engine.policy import identity_of

if TYPE_CHECKING:
    from puretls._api import credentials
    from puretls._api.settings import Settings
    from puretls._x509 import anchors, verify
    from puretls._x509.anchors import Accept, Limits
else:
    credentials = deferred("puretls._api.credentials")
    anchors = deferred("puretls._x509.anchors")
    verify = deferred("puretls._x509.verify")


class _AnchorSettings:
    """The method of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    def add_trust_anchor(
        self,
        certificate: CertificateSource,
        *,
        permitted: Iterable[Any] | None = None,
        excluded: Iterable[Any] | None = None,
        distrust_after: datetime | float | None = None,
        accept: Callable[[list[bytes]], object] | None = None,
    ) -> None:
        """Trust one certificate, and only for so much.

        `certificate` is a file, PEM, DER or a certificate of `cryptography`.  `permitted` are the DNS names and
        networks that it is good for, `excluded` those that it is not good for, as if they were its name constraints
        (RFC 5280 4.2.1.10): "example.org" is that host and all below it, ".example.org" only what is below,
        "10.0.0.0/8" or an object of `ipaddress` a network.  Who asks for an address is not served by names, nor the
        reverse.  `distrust_after` (a datetime, UTC if it has no zone, or seconds since the epoch): leaves that have
        been issued later are refused.  `accept(path)` is asked last, with the path in DER, and refuses it unless what
        it returns is true; if it raises, the path is refused and sys.unraisablehook is told.

        A path that is not within all of them is not used, and verification looks for another; if there is none, the
        verify_code is 47 or 48 for names and 28 for the rest.  Trusting the same certificate again with other limits
        adds to what it is good for; without limits, also by load_verify_locations(), it is good for everything.
        Without any limit this is load_verify_locations() for one certificate.
        """
        store = self._settings.store
        try:
            anchor = verify.first(credentials.read(certificate, "certificate"))
        except Abort as abort:
            raise abort_error(abort) from None
        if permitted is None and excluded is None and distrust_after is None and accept is None:
            store.add(anchor)
        else:
            store.add_limited(anchor, _limits(permitted, excluded, distrust_after, accept))
        self._settings.changed()  # they may contain issuers that are sent with our own certificate


def _limits(permitted: Any, excluded: Any, distrust_after: Any, accept: Any) -> Limits:
    from cryptography import x509  # noqa: PLC0415  # few programs need it

    subtrees, time, ask = b"", None, None
    both = [None if given is None else _names(given, which) for given, which in _named(permitted, excluded)]
    if both != [None, None]:
        subtrees = x509.NameConstraints(*both).public_bytes()
    if distrust_after is not None:
        time = _seconds(distrust_after)
    if accept is not None:
        ask = _asking(accept)
    text = subtrees + f" {time} ".encode() + (b"" if accept is None else identity_of(accept))
    return anchors.Limits(subtrees, time, ask, text)


def _named(permitted: Any, excluded: Any) -> list[tuple[Any, str]]:
    return [(permitted, "permitted"), (excluded, "excluded")]


def _names(given: Any, which: str) -> list[Any]:
    """DNS names and networks as general names; ValueError for anything else, and for an empty list."""
    found = [_name(one) for one in ([given] if isinstance(given, str) else given)]
    if not found:
        raise ValueError(f"{which} names nothing: leave it out, or do not trust the certificate")
    return found


def _name(given: Any) -> Any:
    import ipaddress  # noqa: PLC0415  # few programs need it

    from cryptography import x509  # noqa: PLC0415  # as above

    if isinstance(given, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return x509.IPAddress(given)
    if isinstance(given, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return x509.IPAddress(ipaddress.ip_network(given))
    if not isinstance(given, str):
        raise TypeError(f"a DNS name or a network, not {type(given).__name__}")
    if "/" in given or ":" in given or given.replace(".", "").isdigit():
        return x509.IPAddress(ipaddress.ip_network(given))
    dot, host = ("." if given.startswith(".") else ""), given.removeprefix(".").removesuffix(".")
    if not host.isascii():
        host = host.encode("idna").decode("ascii")
    if not host or "*" in host or not all(host.split(".")) or any(c in " \0@\t\r\n" for c in host):
        raise ValueError(f"not a DNS name: {given!r}; a leading dot stands for all that is below")
    return x509.DNSName(dot + host.lower())


def _seconds(given: datetime | float) -> float:
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=timezone.utc)).timestamp()
    seconds = float(given)
    if not math.isfinite(seconds):
        raise ValueError("distrust_after has to be a datetime, or a finite number of seconds")
    return seconds


def _asking(accept: Any) -> Accept:
    """Wrap the program's function, so that only yes or no comes of it."""
    if not callable(accept):
        raise TypeError("accept must be a callable or None")

    def accepts(path: list[bytes]) -> bool:
        try:
            return bool(accept(path))
        except BaseException as error:  # noqa: BLE001  # whatever it is, the path is not accepted
            report_unraisable(error)
            return False

    return accepts
