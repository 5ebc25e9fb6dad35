"""The interpreter's `ssl` beside puretls: the pairs of modules to compare, and contexts of either.

`ssl` with `ssl` is the reference; the three pairs with puretls in one or both roles have to do as it does.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

import puretls
from support import Pki

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
PAIRS: tuple[tuple[ModuleType, ModuleType], ...] = ((puretls, ssl), (ssl, puretls), (puretls, puretls))
REFERENCE = (ssl, ssl)
OPENSSL_30 = (3, 0) <= ssl.OPENSSL_VERSION_INFO[:2] < (3, 2)
like_openssl_30 = pytest.mark.skipif(not OPENSSL_30, reason="another OpenSSL says it in other words")

Outcome = Callable[[ModuleType, ModuleType], Any]


def client_of(tls: ModuleType, pki: Pki, *, trusts: bool = True, identity: str = "") -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    if trusts:
        context.load_verify_locations(pki.ca)
    if identity:
        context.load_cert_chain(pki.chain(identity), pki.key(identity))
    return context


def server_of(tls: ModuleType, pki: Pki, identity: str = "P-256", *, asks: int = ssl.CERT_NONE) -> Any:
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_verify_locations(pki.ca)
    if identity:
        context.load_cert_chain(pki.chain(identity), pki.key(identity))
    context.verify_mode = asks
    return context


def only(version: Any, *contexts: Any) -> None:
    with quiet():
        for context in contexts:
            context.minimum_version = context.maximum_version = version


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def compare(outcome: Outcome, *pairs: tuple[ModuleType, ModuleType]) -> Any:
    """What the reference does, which all the others do too."""
    wanted = outcome(*REFERENCE)
    for pair in pairs or PAIRS:
        found = outcome(*pair)
        if found != wanted:
            pytest.fail(f"{pair[0].__name__} client, {pair[1].__name__} server: {difference(wanted, found)}")
    return wanted


def difference(wanted: Any, found: Any) -> str:
    """The innermost places that are not alike."""
    if isinstance(wanted, list | tuple) and type(found) is type(wanted) and len(found) == len(wanted):
        pairs: Any = enumerate(zip(wanted, found, strict=True))
    elif isinstance(wanted, dict) and isinstance(found, dict) and wanted.keys() == found.keys():
        pairs = ((key, (wanted[key], found[key])) for key in wanted)
    else:
        return f"{wanted!r} became {found!r}"
    return ", ".join(f"[{place}] {difference(*both)}" for place, both in pairs if both[0] != both[1])
