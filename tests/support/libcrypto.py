"""The interpreter's own OpenSSL as an oracle: X509_verify_cert through ctypes, with every parameter that `ssl` sets.

`ssl` itself gives no time and no security level to verify with, and a handshake per chain is slow; this is the function
that it calls, in the library that it is linked with.
"""

from __future__ import annotations

import _ssl
import ctypes
from collections.abc import Sequence
from typing import Any


def load() -> Any:
    """The library, or None where `_ssl` does not expose it."""
    try:
        lib = ctypes.CDLL(_ssl.__file__)
        lib.X509_verify_cert  # noqa: B018 - is it there
    except (AttributeError, OSError, TypeError):
        return None
    pointers = ("X509_STORE_new", "X509_STORE_CTX_new", "X509_STORE_CTX_get0_param", "OPENSSL_sk_new_null", "d2i_X509",
                "d2i_X509_CRL", "X509_STORE_CTX_get0_chain", "OPENSSL_sk_value", "d2i_X509_AUX")  # fmt: skip
    for function in pointers:
        getattr(lib, function).restype = ctypes.c_void_p
    lib.X509_verify_cert_error_string.restype = ctypes.c_char_p
    return lib


LIB = load()
SSL_CLIENT, SSL_SERVER = 1, 2  # X509_PURPOSE_*
TRUST_CLIENT, TRUST_SERVER = 2, 3  # X509_TRUST_*


def _der(function: Any, der: bytes) -> Any:
    buffer = ctypes.c_char_p(der)
    found = function(None, ctypes.byref(buffer), ctypes.c_long(len(der)))
    if not found:
        LIB.ERR_clear_error()
        raise ValueError("not read")
    return ctypes.c_void_p(found)


def verify(
    chain: Sequence[bytes],
    roots: Sequence[bytes],
    *,
    crls: Sequence[bytes] = (),
    time: int,
    purpose: str = "serverAuth",
    flags: int = 0x8000,
    host: str | None = None,
    ip: bytes | None = None,
    host_flags: int = 4,
    depth: int | None = None,
    level: int = 1,
) -> tuple[int, int]:
    """(code, depth), code 0 if the chain is accepted.  ValueError if a certificate cannot be read."""
    lib, freed = LIB, []
    certificates = [_der(lib.d2i_X509, der) for der in chain]
    anchors = [_der(lib.d2i_X509_AUX, der) for der in roots]
    lists = [_der(lib.d2i_X509_CRL, der) for der in crls]
    freed += [(lib.X509_free, x) for x in certificates + anchors] + [(lib.X509_CRL_free, x) for x in lists]
    store = ctypes.c_void_p(lib.X509_STORE_new())
    for x in anchors:
        lib.X509_STORE_add_cert(store, x)
    for x in lists:
        lib.X509_STORE_add_crl(store, x)
    stack = ctypes.c_void_p(lib.OPENSSL_sk_new_null())
    for x in certificates:
        lib.OPENSSL_sk_push(stack, x)
    context = ctypes.c_void_p(lib.X509_STORE_CTX_new())
    try:
        lib.X509_STORE_CTX_init(context, store, certificates[0], stack)
        server = purpose == "serverAuth"
        lib.X509_STORE_CTX_set_default(context, b"ssl_server" if server else b"ssl_client")
        parameters = ctypes.c_void_p(lib.X509_STORE_CTX_get0_param(context))
        lib.X509_VERIFY_PARAM_set_flags(parameters, ctypes.c_ulong(flags))
        if not flags & 0x8000:
            lib.X509_VERIFY_PARAM_clear_flags(parameters, ctypes.c_ulong(0x8000))
        lib.X509_VERIFY_PARAM_set_time(parameters, ctypes.c_long(time))
        lib.X509_VERIFY_PARAM_set_hostflags(parameters, ctypes.c_uint(host_flags))
        lib.X509_VERIFY_PARAM_set_auth_level(parameters, ctypes.c_int(level))
        if depth is not None:
            lib.X509_VERIFY_PARAM_set_depth(parameters, ctypes.c_int(depth))
        if host is not None:
            encoded = host.encode()
            lib.X509_VERIFY_PARAM_set1_host(parameters, encoded, ctypes.c_size_t(len(encoded)))
        if ip is not None:
            lib.X509_VERIFY_PARAM_set1_ip(parameters, ip, ctypes.c_size_t(len(ip)))
        if lib.X509_verify_cert(context) == 1:
            return 0, 0
        return lib.X509_STORE_CTX_get_error(context), lib.X509_STORE_CTX_get_error_depth(context)
    finally:
        lib.X509_STORE_CTX_free(context)
        lib.X509_STORE_free(store)
        lib.OPENSSL_sk_free(stack)
        for free, x in freed:
            free(x)
        lib.ERR_clear_error()
