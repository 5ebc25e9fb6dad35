"""The three libraries in one shape: contexts pinned to one version, suite and group, and sides over memory BIOs.

Only what is timed goes through these classes, and they are as thin as they can be: a `Side` does what a program
without a socket would do with that library.
"""

from __future__ import annotations

import ctypes
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """What both sides are forced to."""

    version: str = "1.3"
    suite: str = "TLS_AES_128_GCM_SHA256"
    key: str = "P-256"
    mutual: bool = False


class Files(NamedTuple):
    """Where the certificates are: every contender reads the same ones."""

    folder: str

    def of(self, name: str) -> str:
        return str(Path(self.folder, name))


class Side:
    """One end of a connection over memory, for ssl and puretls."""

    def __init__(self, module: Any, context: Any, *, server: bool, session: Any = None) -> None:
        self.incoming, self.outgoing = module.MemoryBIO(), module.MemoryBIO()
        name = None if server else "localhost"
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server, name, session)
        self.wants_more = module.SSLWantReadError
        self.give, self.take = self.incoming.write, self.outgoing.read
        self.read, self.write = self.tls.read, self.tls.write

    def step(self) -> bool:
        """Handshake as far as it goes; True when done."""
        try:
            self.tls.do_handshake()
        except self.wants_more:
            return False
        return True

    def session(self) -> Any:
        return self.tls.session

    def resumed(self) -> bool:
        return bool(self.tls.session_reused)


class Module:
    """ssl, or what imitates it."""

    def __init__(self, name: str) -> None:
        self.name, self.module = name, import_module(name)

    def context(self, files: Files, case: Case, *, server: bool) -> Any:
        tls = self.module
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER if server else tls.PROTOCOL_TLS_CLIENT)
        version = tls.TLSVersion.TLSv1_3 if case.version == "1.3" else tls.TLSVersion.TLSv1_2
        context.minimum_version = context.maximum_version = version
        if case.version == "1.2":  # x25519 is what it takes; to force it would forbid P-256 keys (RFC 8422 5.1)
            context.set_ciphers(case.suite)
        else:
            force = context if hasattr(context, "set_groups") else Forced(context)
            force.set_groups("X25519")
            force.set_ciphersuites(case.suite)
        context.load_verify_locations(files.of("ca.pem"))
        if server or case.mutual:
            name = case.key if server else "client"
            context.load_cert_chain(files.of(f"{name}.pem"), files.of(f"{name}.key"))
        if server and case.mutual:
            context.verify_mode = tls.CERT_REQUIRED
        return context

    def side(self, context: Any, *, server: bool, session: Any = None) -> Any:
        return Side(self.module, context, server=server, session=session)

    def wrap(self, context: Any, sock: Any, *, server: bool) -> Any:
        return context.wrap_socket(sock, server_side=server, server_hostname=None if server else "localhost")


class Forced:
    """What `ssl` cannot choose before Python 3.15, though the OpenSSL below it can."""

    def __init__(self, context: Any) -> None:
        self.library = ctypes.CDLL(import_module("_ssl").__file__)
        self.pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)

    def set_ciphersuites(self, suite: str) -> None:
        if self.library.SSL_CTX_set_ciphersuites(self.pointer, suite.encode()) != 1:
            raise ValueError(suite)

    def set_groups(self, groups: str) -> None:
        set_groups_list = 92  # SSL_CTRL_SET_GROUPS_LIST
        if self.library.SSL_CTX_ctrl(self.pointer, set_groups_list, ctypes.c_long(0), groups.encode()) != 1:
            raise ValueError(groups)


class PyOpenSSLSide:
    """One end of a connection over memory, for pyOpenSSL."""

    def __init__(self, module: Any, context: Any, *, server: bool, session: Any = None) -> None:
        self.tls = tls = module.Connection(context, None)
        self.wants_more = module.WantReadError
        self.closed = module.SENT_SHUTDOWN | module.RECEIVED_SHUTDOWN
        if server:
            tls.set_accept_state()
        else:
            tls.set_connect_state()
            tls.set_tlsext_host_name(b"localhost")
            lib, ffi = module._lib, module._ffi
            lib.X509_VERIFY_PARAM_set1_host(lib.SSL_get0_param(tls._ssl), ffi.new("char[]", b"localhost"), 9)
            if session:
                tls.set_session(session)
        self.give, self.read, self.write = tls.bio_write, tls.read, tls.sendall

    def take(self) -> bytes:
        try:
            return self.tls.bio_read(1 << 20)
        except self.wants_more:
            return b""

    def step(self) -> bool:
        try:
            self.tls.do_handshake()
        except self.wants_more:
            return False
        return True

    def session(self) -> Any:
        self.tls.set_shutdown(self.closed)  # OpenSSL forgets the session of a connection that ends without
        return self.tls.get_session()

    def resumed(self) -> bool:
        return bool(import_module("OpenSSL.SSL")._lib.SSL_session_reused(self.tls._ssl))


class PyOpenSSL:
    """pyOpenSSL and the OpenSSL inside `cryptography`."""

    name = "pyopenssl"

    def __init__(self) -> None:
        self.module = import_module("OpenSSL.SSL")

    def context(self, files: Files, case: Case, *, server: bool) -> Any:
        ssl = self.module
        context = ssl.Context(ssl.TLS_SERVER_METHOD if server else ssl.TLS_CLIENT_METHOD)
        version = ssl.TLS1_3_VERSION if case.version == "1.3" else ssl.TLS1_2_VERSION
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        ssl._lib.SSL_CTX_set1_curves_list(context._context, b"X25519:P-256")
        if case.version == "1.2":
            context.set_cipher_list(case.suite.encode())
        else:
            context.set_tls13_ciphersuites(case.suite.encode())
        context.load_verify_locations(files.of("ca.pem"))
        context.set_session_id(b"bench")
        if server or case.mutual:
            name = case.key if server else "client"
            context.use_certificate_chain_file(files.of(f"{name}.pem"))
            context.use_privatekey_file(files.of(f"{name}.key"))
        if not server or case.mutual:
            context.set_verify(ssl.VERIFY_PEER | ssl.VERIFY_FAIL_IF_NO_PEER_CERT)
        return context

    def side(self, context: Any, *, server: bool, session: Any = None) -> Any:
        return PyOpenSSLSide(self.module, context, server=server, session=session)

    def wrap(self, context: Any, sock: Any, *, server: bool) -> Any:
        tls = self.module.Connection(context, sock)
        if server:
            tls.set_accept_state()
        else:
            tls.set_connect_state()
            tls.set_tlsext_host_name(b"localhost")
        tls.do_handshake()
        return tls


class PlainTCP:
    """No TLS at all: what the kernel and Python's sockets allow."""

    name = "tcp"

    def context(self, *_arguments: Any, **_options: Any) -> None:
        return None

    def wrap(self, _context: Any, sock: Any, **_options: Any) -> Any:
        return sock


def contender(name: str) -> Any:
    """By the name in the table."""
    return {"pyopenssl": PyOpenSSL, "tcp": PlainTCP}[name]() if name in ("pyopenssl", "tcp") else Module(name)
