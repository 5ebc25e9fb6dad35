"""Raw public keys (RFC 7250) on contexts: our own, those that are trusted, which types of certificates are taken."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from puretls._api.errors import ssl_error
from puretls._api.types import KeySource, Password
from puretls._base.deferred import deferred
from puretls._crypto import signatures
from puretls._engine.config import RawCredential
from puretls._engine.policy import RAW, X509
from puretls._x509 import strength

if TYPE_CHECKING:
    from puretls._api import credentials
    from puretls._api.settings import Settings
    from puretls._x509 import raw_key
else:
    credentials = deferred("puretls._api.credentials")
    raw_key = deferred("puretls._x509.raw_key")

TYPES = {"raw": RAW, "x509": X509}
NAMES = {number: name for name, number in TYPES.items()}


class _RawKeySettings:
    """The methods and attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    def load_raw_public_key(self, key: KeySource, password: Password | None = None) -> None:
        """Show the public half of a private key in the place of a certificate, to peers that take it (RFC 7250).

        `key` is what load_cert_chain() takes for one: a file, PEM, DER, an object of `cryptography`, or any object with
        `public_key()` and `sign()`.  It goes before a certificate, if there is one, unless `server_certificate_types`
        or `client_certificate_types` say otherwise.  One key is kept for each kind.  SSLError if it cannot be read, or
        is too weak for the security level.
        """
        settings = self._settings
        private = credentials.load_key(key, password)
        try:
            public = private.public_key()
            shown = raw_key.RawKey(raw_key.encoded(public))
            kind = signatures.key_kind(shown.public, shown.algorithm)
        except ValueError:
            kind = ""
        if not kind:
            raise ssl_error(247, "unknown certificate type", reason="UNKNOWN_CERTIFICATE_TYPE", library="SSL")
        if shown.bits < strength.floor(settings.security_level):
            raise ssl_error(399, "ee key too small", reason="EE_KEY_TOO_SMALL", library="SSL")
        own = RawCredential([shown.der], private, shown.public, kind, None, credentials.rules_of(private))
        settings.raw_keys = {**settings.raw_keys, kind: own}

    @property
    def server_certificate_types(self) -> list[str]:
        """What a server may show in this context's handshakes, best first: "x509", "raw"; ["x509"] unless set.

        On a client these are the types that it accepts, and "raw" needs check_hostname to be False, as a key has no
        name: see set_trusted_public_keys().  On a server they are those that it shows, of what it has loaded; unless
        set, that is whatever it has loaded.  None takes back what was set.  ValueError for other names, and for an
        empty list.
        """
        return _names(self._settings.server_types)

    @server_certificate_types.setter
    def server_certificate_types(self, value: Sequence[str] | None) -> None:
        types = _types(value)
        if types is not None and RAW in types and self._settings.check_hostname:
            raise ValueError("raw public keys have no names: check_hostname has to be False")
        self._settings.server_types = types

    @property
    def client_certificate_types(self) -> list[str]:
        """The same of what a client shows: a server accepts these types, a client shows them."""
        return _names(self._settings.client_types)

    @client_certificate_types.setter
    def client_certificate_types(self, value: Sequence[str] | None) -> None:
        self._settings.client_types = _types(value)

    def set_trusted_public_keys(self, keys: Iterable[Any], /) -> None:
        """Accept these raw public keys of peers, and no others: SubjectPublicKeyInfo in DER, or objects.

        They take the place of those that were set before.  With none, a raw public key is only accepted if
        `verify_callback` is set and accepts it, or with CERT_NONE.  ValueError for what is no key.
        """
        if isinstance(keys, (str, bytes, bytearray, memoryview)):
            raise TypeError(f"the keys must be in a list, not {type(keys).__name__}")
        self._settings.trusted_keys = tuple(dict.fromkeys(map(_der, keys)))


def _der(key: Any) -> bytes:
    """The SubjectPublicKeyInfo of a public key, or of the public half of a private one."""
    if hasattr(key, "public_key"):
        key = key.public_key()
    if hasattr(key, "public_bytes"):
        return raw_key.encoded(key)
    der = bytes(memoryview(key))
    raw_key.RawKey(der)  # or it is none
    return der


def _types(value: Sequence[str] | None) -> tuple[int, ...] | None:
    if value is None:  # as it was before anything was set
        return None
    if isinstance(value, (str, bytes)):
        raise TypeError(f"types of certificates must be in a list, not {type(value).__name__}")
    names = list(value)
    if not names or len(set(names)) != len(names) or not all(name in TYPES for name in names):
        raise ValueError(f'types of certificates are "x509" and "raw", each once, not {names!r}')
    return tuple(TYPES[name] for name in names)


def _names(types: tuple[int, ...] | None) -> list[str]:
    return [NAMES[number] for number in types or (X509,)]
