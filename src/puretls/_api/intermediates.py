"""Issuers that servers do not send: loading them in advance, and fetching them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from puretls._api import trust
from puretls._api.settings import PROTOCOL_TLS_SERVER
from puretls._api.types import StrOrBytesPath, TrustSource
from puretls._x509.store import Store

if TYPE_CHECKING:
    from puretls._api.settings import Settings

Fetch = Callable[[str], Any]  # a URL to bytes, or to a future of them


class _IntermediateSettings:
    """The method and the attributes of an SSLContext."""

    if TYPE_CHECKING:
        _settings: Settings

    def load_intermediates(self, cafile: StrOrBytesPath | None = None, cadata: TrustSource | None = None) -> None:
        """Load certificates that paths may be built of, and that nobody trusts: for servers that leave them out.

        A file of PEM or DER, or data as for load_verify_locations(); what is loaded adds to what was there.  The lists
        of intermediates that browsers preload are such files.
        """
        if cafile is None and cadata is None:
            raise TypeError("cafile and cadata cannot be both omitted")
        store = Store() if self._settings.intermediates is None else self._settings.intermediates.copy()
        trust.load(store, cafile, None, cadata)
        self._settings.intermediates = store

    @property
    def aia(self) -> bool | Fetch:
        """Whether a client fetches the issuer of a server's certificate if it was not sent; False unless set.

        The URL is the one in the certificate (RFC 5280 4.2.2.1), so whoever answers as the server decides what is
        asked: True has a fetcher that speaks plain HTTP, to public addresses only (but see `aia_private`), follows one
        redirect, and takes three seconds and 64 KiB at most; what it gets it keeps for a day.  A function is called
        as `f(url)` with an http or https URL, returns bytes or a future, and has to see to such things itself.  At most
        three URLs are asked in one handshake.  What comes is no more trusted than what the server sends, and if it does
        not help, the error is the one without it.  ValueError on a context for servers.
        """
        value: bool | Fetch = self._settings.aia
        return value

    @aia.setter
    def aia(self, value: bool | Fetch | None) -> None:
        value = False if value is None else value
        if not callable(value) and not isinstance(value, bool):
            raise TypeError(f"aia must be True, False or a function, not {type(value).__name__}")
        if value and self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ValueError("aia cannot be set on a PROTOCOL_TLS_SERVER context")
        settings = self._settings
        settings.aia, settings.fetch = value, _fetcher(value, settings.aia_private)

    @property
    def aia_private(self) -> bool:
        """Whether `aia = True` may connect to addresses that are not public, such as those of a company's own CA.

        False unless set: then a server cannot have its clients ask what is in their own network.
        """
        return self._settings.aia_private

    @aia_private.setter
    def aia_private(self, value: bool) -> None:
        settings = self._settings
        settings.aia_private, settings.fetch = bool(value), _fetcher(settings.aia, bool(value))


def _fetcher(aia: bool | Fetch, private: bool) -> Fetch | None:
    """The function that handshakes use for fetching.  The modules that they need are loaded now, as no connection
    imports anything.
    """
    if not aia:
        return None
    from puretls._x509 import published  # noqa: F401, PLC0415 - it has much to import, and few contexts fetch

    if callable(aia):
        return aia
    from puretls._api import fetcher  # noqa: PLC0415 - as above

    return partial(fetcher.fetch, private=private)
