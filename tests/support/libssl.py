"""OpenSSL 3.5 through ctypes, for what neither the system's `openssl` nor pyOpenSSL can be told to do.

The wheel of psycopg (PyPI: psycopg-binary) brings the library, built with zlib.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from support import PATIENCE

X509, RAW = 0, 2  # TLSEXT_cert_type_*, RFC 7250
ZLIB = 1  # TLSEXT_comp_cert_*, RFC 8879
VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
MIN_PROTO, MAX_PROTO = 123, 124  # SSL_CTRL_SET_*_PROTO_VERSION
VERIFY_PEER, FAIL_IF_NO_PEER_CERT = 1, 2
PEM = 1
KINDS = {"p": ctypes.c_void_p, "i": ctypes.c_int, "l": ctypes.c_long, "z": ctypes.c_size_t, "s": ctypes.c_char_p}
FUNCTIONS = {  # what it returns, what it takes
    "TLS_server_method": "p", "TLS_client_method": "p", "SSL_CTX_new": "pp", "SSL_CTX_free": "ip", "SSL_new": "pp",
    "SSL_free": "ip", "SSL_CTX_ctrl": "lpilp", "SSL_CTX_use_certificate_chain_file": "ips",
    "SSL_CTX_use_PrivateKey_file": "ipsi", "SSL_CTX_load_verify_locations": "ipss", "SSL_CTX_set_verify": "ipip",
    "SSL_CTX_set1_server_cert_type": "ipsz", "SSL_CTX_set1_client_cert_type": "ipsz",
    "SSL_CTX_set1_cert_comp_preference": "ippz", "SSL_CTX_compress_certs": "ipi", "SSL_CTX_dane_enable": "ip",
    "SSL_dane_enable": "ips", "SSL_add_expected_rpk": "ipp", "SSL_set_fd": "ipi", "SSL_connect": "ip",
    "SSL_accept": "ip", "SSL_read": "ippi", "SSL_write": "ipsi", "SSL_shutdown": "ip", "SSL_get0_peer_rpk": "pp",
    "SSL_get_negotiated_server_cert_type": "ip", "SSL_get_negotiated_client_cert_type": "ip",
    "SSL_get_verify_result": "lp", "SSL_session_reused": "ip", "d2i_PUBKEY": "pppl", "i2d_PUBKEY": "ipp",
    "EVP_PKEY_free": "ip", "ERR_get_error": "l", "ERR_reason_error_string": "sl",
}  # fmt: skip


@cache
def load() -> Any:
    """The library; the test is skipped where it is not."""
    try:
        files = importlib.metadata.files("psycopg-binary") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    paths = [Path(str(file.locate())) for file in files if Path(file).name.startswith("libssl")]
    if not paths:
        pytest.skip("no psycopg-binary that brings OpenSSL 3.5")
    lib = ctypes.CDLL(str(paths[0]))  # which finds libcrypto beside it
    for name, (result, *arguments) in FUNCTIONS.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = KINDS[result], [KINDS[kind] for kind in arguments]
    return lib


class LibsslError(Exception):
    """What OpenSSL's queue of errors says."""


class Libssl:
    """One context.  Its connections are made by `connected`, in a thread."""

    def __init__(self, version: str, *, server: bool) -> None:
        self.lib, self.server, self.expected = load(), server, list[bytes]()
        method = self.lib.TLS_server_method() if server else self.lib.TLS_client_method()
        self.context = self.lib.SSL_CTX_new(method)
        for which in (MIN_PROTO, MAX_PROTO):
            self.do("SSL_CTX_ctrl", self.context, which, VERSIONS[version], None)

    def do(self, name: str, *arguments: Any) -> int:
        """Call what returns a number above 0, or raise."""
        found = getattr(self.lib, name)(*arguments)
        if found > 0:
            return int(found)
        code = self.lib.ERR_get_error()
        raise LibsslError(f"{name}: {(self.lib.ERR_reason_error_string(code) or b'').decode()}")

    def shows(self, key: Path, chain: Path | None = None) -> None:
        """Without a chain: a raw public key."""
        if chain:
            self.do("SSL_CTX_use_certificate_chain_file", self.context, bytes(chain))
        self.do("SSL_CTX_use_PrivateKey_file", self.context, bytes(key), PEM)

    def trusts(self, ca: Path) -> None:
        self.do("SSL_CTX_load_verify_locations", self.context, bytes(ca), None)
        self.lib.SSL_CTX_set_verify(self.context, VERIFY_PEER | FAIL_IF_NO_PEER_CERT, None)

    def types(self, whose: str, *types: int) -> None:
        """Which kinds of certificate of "server" or "client" are wanted or shown (RFC 7250)."""
        self.do(f"SSL_CTX_set1_{whose}_cert_type", self.context, bytes(types), len(types))

    def expects(self, *keys: bytes) -> None:
        """Raw public keys of the peer, as SubjectPublicKeyInfo."""
        self.expected += keys
        self.do("SSL_CTX_dane_enable", self.context)
        self.lib.SSL_CTX_set_verify(self.context, VERIFY_PEER | FAIL_IF_NO_PEER_CERT, None)

    def compresses(self, *algorithms: int) -> None:
        """Certificate compression (RFC 8879), both ways; a server has its certificate by now."""
        numbers = (ctypes.c_int * len(algorithms))(*algorithms)
        self.do("SSL_CTX_set1_cert_comp_preference", self.context, numbers, len(algorithms))
        if self.server:  # a client does when it is asked
            self.do("SSL_CTX_compress_certs", self.context, 0)

    def connected(self, sock: socket.socket) -> LibsslConnection:
        return LibsslConnection(self, sock)

    def close(self) -> None:
        self.lib.SSL_CTX_free(self.context)


class LibsslConnection:
    def __init__(self, its: Libssl, sock: socket.socket) -> None:
        sock.setblocking(True)  # OpenSSL reads and writes by the number of the file
        self.its, self.lib, self.sock = its, its.lib, sock
        self.conn = its.lib.SSL_new(its.context)
        for der in its.expected:
            its.do("SSL_dane_enable", self.conn, None)
            at = ctypes.cast(ctypes.c_char_p(der), ctypes.c_void_p)
            key = self.lib.d2i_PUBKEY(None, ctypes.byref(at), len(der))
            its.do("SSL_add_expected_rpk", self.conn, key)
            self.lib.EVP_PKEY_free(key)
        its.do("SSL_set_fd", self.conn, sock.fileno())
        self.pool = ThreadPoolExecutor(1)
        self.ready: Future[int] = self.pool.submit(its.do, "SSL_accept" if its.server else "SSL_connect", self.conn)

    def shaken(self) -> None:
        """Wait for the handshake; LibsslError if it failed."""
        self.ready.result(PATIENCE)

    def refused(self) -> None:
        """The same, and the first read: a server of TLS 1.3 is done before the client has judged it."""
        self.shaken()
        self.read()

    def peer_key(self) -> bytes | None:
        """The peer's raw public key."""
        key = self.lib.SSL_get0_peer_rpk(self.conn)
        if not key:
            return None
        buffer = ctypes.create_string_buffer(self.lib.i2d_PUBKEY(key, None))
        at = ctypes.cast(buffer, ctypes.c_void_p)
        self.lib.i2d_PUBKEY(key, ctypes.byref(at))
        return buffer.raw

    def read(self) -> bytes:
        buffer = ctypes.create_string_buffer(4096)
        size = self.its.do("SSL_read", self.conn, buffer, 4096)
        return buffer.raw[:size]

    def write(self, data: bytes) -> None:
        self.its.do("SSL_write", self.conn, data, len(data))

    def close(self) -> None:
        self.pool.shutdown()
        self.lib.SSL_free(self.conn)
        self.sock.close()
