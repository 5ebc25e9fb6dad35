"""All contenders in one shape: `ssl` and puretls as `puretls bench` has them, pyOpenSSL, and plain TCP."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from puretls._api import settings
from puretls.cli.contenders import Case, Files, Module

MOST = 1 << 20  # of one bio_read, which makes a buffer of that size


class PyOpenSSLSide:
    """One end of a connection over memory, for pyOpenSSL."""

    def __init__(
        self, module: Any, context: Any, *, server: bool, session: Any = None, name: str = "localhost"
    ) -> None:
        host = name.encode()
        self.tls = tls = module.Connection(context, None)
        self.wants_more = module.WantReadError
        self.closed = module.SENT_SHUTDOWN | module.RECEIVED_SHUTDOWN
        if server:
            tls.set_accept_state()
        else:
            tls.set_connect_state()
            tls.set_tlsext_host_name(host)
            lib, ffi = module._lib, module._ffi
            lib.X509_VERIFY_PARAM_set1_host(lib.SSL_get0_param(tls._ssl), ffi.new("char[]", host), len(host))
            if session:
                tls.set_session(session)
        self.give, self.read, self.write = tls.bio_write, tls.read, tls.sendall

    def take(self) -> bytes:
        parts = []
        try:
            while True:
                parts.append(self.tls.bio_read(MOST))
                if len(parts[-1]) < MOST:
                    break
        except self.wants_more:
            pass
        return b"".join(parts)

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
        groups = b"X25519:P-256" if case.version == "1.2" else case.group.encode()
        ssl._lib.SSL_CTX_set1_curves_list(context._context, groups)
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

    def side(self, context: Any, *, server: bool, session: Any = None, name: str = "localhost") -> Any:
        return PyOpenSSLSide(self.module, context, server=server, session=session, name=name)

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


UNGREASED = "ungreased"  # ours, with `ech_grease = False` in every context; also the variable that says so to programs


def contender(name: str) -> Any:
    """By the name in the table."""
    if name == UNGREASED:
        os.environ[UNGREASED], name = "1", "puretls"
    if UNGREASED in os.environ:
        settings.Settings.ech_grease = False
    return {"pyopenssl": PyOpenSSL, "tcp": PlainTCP}[name]() if name in ("pyopenssl", "tcp") else Module(name)
