"""Other TLS implementations in one shape: each `Peer` can serve and connect, and gives the test its end of the line.

An `End` is the peer's application: it sends and receives bytes, says goodbye, and tells which alerts it received and
whether it resumed. Programs are processes with pipes; libraries run in a thread beside the test.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_PEM

from puretls._base.registry import ALERTS
from support import MIB, PATIENCE, Pki, Program, dial, free_port, need, until

V12, V13 = "TLSv1.2", "TLSv1.3"


@dataclass(frozen=True)
class Setup:
    """What the peer is told to do. Names of certificates are those of Pki."""

    version: str = V13
    identity: str = ""  # its certificate: a server's must be given, a client's may
    asks: bool = False  # server: a client certificate is required
    trusts: bool = True  # knows the CA of the other side
    host: str = "localhost"  # client: the name it wants to see
    alpn: str = ""
    curve: str = ""  # the one group it knows, in OpenSSL's spelling
    ciphers: str = ""  # of this version, in OpenSSL's spelling
    resumes: bool = False  # client: it will connect twice


class End:
    """The peer's end of one connection."""

    echoes = False  # all it can do is send back what it got
    port = 0  # a server's

    def again(self) -> None:
        """A server is told to take another connection; programs do anyway."""

    def send(self, data: bytes) -> None:
        raise NotImplementedError

    def recv(self, size: int) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Say close_notify."""
        raise NotImplementedError

    def alerts(self) -> list[str]:
        """The alerts it received, by their RFC names."""
        raise NotImplementedError

    def saw(self, alert: str) -> None:
        """Wait until it has received this alert."""
        until(lambda: alert in self.alerts(), f"{alert} at the peer, which has {self.alerts()}")


def receive(conn: Any, size: int) -> bytes:
    data = bytearray()
    while len(data) < size and (piece := conn.recv(size - len(data))):
        data += piece
    return bytes(data)


def exchange(conn: Any, theirs: End, size: int = MIB) -> None:
    """`size` bytes each way. In lines: some programs can only echo those, others obey letters at the start of one."""
    up, down = (f"{os.urandom(2000).hex()}.\n".encode() * (size // 4002 + 1) for _ in range(2))
    if theirs.echoes:
        for line in up.splitlines(keepends=True):
            conn.sendall(line)
            assert receive(conn, len(line)) == line
        return
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(conn.sendall, up)
        assert theirs.recv(len(up)) == up
        sending.result()
        sending = pool.submit(theirs.send, down)
        assert receive(conn, len(down)) == down
        sending.result()


class Peer:
    """An implementation. `accept` serves one setup on a port; `connect` is its client."""

    name: str
    names_host = True  # its client checks host names

    def accept(self, pki: Pki, setup: Setup) -> AbstractContextManager[End]:
        raise NotImplementedError

    def connect(self, pki: Pki, setup: Setup, port: int, again: End | None = None) -> AbstractContextManager[End]:
        """`again` is an earlier connection: resume its session."""
        raise NotImplementedError


# Programs


class Piped(End):
    """A program whose standard input and output are the application."""

    def __init__(self, program: Program, port: int = 0) -> None:
        self.program, self.port = program, port

    def send(self, data: bytes) -> None:
        self.program.send(data)

    def recv(self, size: int) -> bytes:
        return self.program.recv(size)

    def close(self) -> None:
        self.program.end_input()


class OpenSSLEnd(Piped):
    msgfile: Path
    session: Path

    def alerts(self) -> list[str]:
        log = self.msgfile.read_text() if self.msgfile.exists() else ""
        return [ALERTS[int(code, 16)] for code in re.findall(r"<<< [^\n]*Alert [^\n]*\n\s+\w\w (\w\w)", log)]


class OpenSSLProgram(Peer):
    """`openssl s_client` and `s_server`, whatever version the system has."""

    name = "openssl"

    @contextmanager
    def run(self, pki: Pki, setup: Setup, port: int, *argv: object) -> Iterator[OpenSSLEnd]:
        need("openssl")
        msgfile = pki.folder / f"msg-{port}-{id(setup)}"
        msgfile.unlink(missing_ok=True)
        argv += ("-msg", "-msgfile", msgfile, "-CAfile", pki.ca if setup.trusts else pki.other_ca)
        argv += ("-" + setup.version.lower().replace("v1", "1").replace(".", "_"),)
        if setup.identity:
            argv += ("-cert", pki.chain(setup.identity), "-cert_chain", pki.chain(setup.identity))
            argv += ("-key", pki.key(setup.identity))
        if setup.alpn:
            argv += ("-alpn", setup.alpn)
        if setup.curve:
            argv += ("-groups", setup.curve)
        if setup.ciphers:
            argv += ("-ciphersuites" if setup.version == V13 else "-cipher", setup.ciphers)
        program = Program(pki.folder, "openssl", *argv)
        end = OpenSSLEnd(program, port)
        end.msgfile = msgfile
        try:
            yield end
        finally:
            program.stop()

    def accept(self, pki: Pki, setup: Setup) -> AbstractContextManager[End]:
        port = free_port()
        verify = ("-Verify", 3, "-verify_return_error") if setup.asks else ()
        return self.run(pki, setup, port, "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", *verify)

    @contextmanager
    def connect(self, pki: Pki, setup: Setup, port: int, again: End | None = None) -> Iterator[OpenSSLEnd]:
        session = pki.folder / f"session-{port}"
        argv: list[object] = ["s_client", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{port}"]
        argv += ["-servername", "localhost", "-verify_return_error", "-verify_hostname", setup.host]
        argv += ["-sess_in" if again else "-sess_out", session]
        with self.run(pki, setup, port, *argv) as end:
            yield end


class GnuTLSEnd(Piped):
    def alerts(self) -> list[str]:
        said = self.program.said()
        return [ALERTS[int(code)] for code in re.findall(r"Alert\[\d+\|(\d+)\] - .* - was received", said)]


class GnuTLSEcho(GnuTLSEnd):
    echoes = True


CURVES = {"P-256": "SECP256R1", "X25519": "X25519", "P-384": "SECP384R1"}


class GnuTLSProgram(Peer):
    """`gnutls-cli` and `gnutls-serv`."""

    name = "gnutls"

    def priority(self, setup: Setup) -> str:
        words = ["NORMAL", "-VERS-ALL", "+VERS-TLS1.2" if setup.version == V12 else "+VERS-TLS1.3"]
        if setup.curve:
            words += ["-GROUP-ALL", *(f"+GROUP-{CURVES[curve]}" for curve in setup.curve.split(":"))]
        if "CHACHA20" in setup.ciphers:
            words += ["-CIPHER-ALL", "+CHACHA20-POLY1305"]
        return ":".join(words)

    def options(self, pki: Pki, setup: Setup) -> list[object]:
        argv: list[object] = ["-d", 5, "--priority", self.priority(setup)]
        argv += ["--x509cafile", pki.ca if setup.trusts else pki.other_ca]
        if setup.identity:
            argv += ["--x509certfile", pki.chain(setup.identity), "--x509keyfile", pki.key(setup.identity)]
        if setup.alpn:
            argv += ["--alpn", setup.alpn]
        return argv

    @contextmanager
    def accept(self, pki: Pki, setup: Setup) -> Iterator[GnuTLSEnd]:
        need("gnutls-serv")
        port = free_port()
        argv: list[object] = [
            "--port",
            port,
            "--echo",
            "--require-client-cert" if setup.asks else "--disable-client-cert",
        ]
        if setup.asks:
            argv.append("--verify-client-cert")
        program = Program(pki.folder, "gnutls-serv", *argv, *self.options(pki, setup))
        try:
            yield GnuTLSEcho(program, port)
        finally:
            program.stop()

    @contextmanager
    def connect(self, pki: Pki, setup: Setup, port: int, again: End | None = None) -> Iterator[GnuTLSEnd]:
        need("gnutls-cli")
        if again:  # it connects twice on its own
            assert isinstance(again, GnuTLSEnd)
            yield again
            return
        argv: list[object] = [
            "--port",
            port,
            "--logfile",
            pki.folder / f"gnutls-cli-{port}",
            "--verify-hostname",
            setup.host,
        ]
        if setup.resumes:
            argv += ["--resume", *(["--waitresumption"] if setup.version == V13 else [])]
        if ":" in setup.curve:
            argv.append("--single-key-share")
        program = Program(pki.folder, "gnutls-cli", *argv, *self.options(pki, setup), "localhost")
        try:
            yield GnuTLSEnd(program)
        finally:
            program.stop()


# Libraries


class LibraryEnd(End):
    """A connection of a library whose handshake runs in a thread, so that the test can do its own side meanwhile."""

    def __init__(self, context: Any, handshake: Callable[[], Any], stack: ExitStack, port: int = 0) -> None:
        self.context, self.handshake, self.port = context, handshake, port
        self.pool = stack.enter_context(ThreadPoolExecutor(1))
        self.again()

    def again(self) -> None:
        """A server: take the next connection."""
        self.ready: Future[Any] = self.pool.submit(self.handshake)

    @property
    def conn(self) -> Any:
        return self.ready.result(PATIENCE)

    def send(self, data: bytes) -> None:
        self.conn.sendall(data)

    def recv(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size and (piece := self.conn.recv(min(65536, size - len(data)))):
            data += piece
        return bytes(data)

    def alerts(self) -> list[str]:
        with suppress(OSError, SSL.Error, TimeoutError):  # what comes after the handshake shows only to who reads
            self.conn.recv(1)
        return [ALERTS[code] for code in self.context.received]


def opened(stack: ExitStack, conn: Any) -> Any:
    """A connection that is closed at the end of the test."""
    stack.callback(conn.close)
    return conn


class Library(Peer):
    """Sockets, and a handshake in a thread. A context of either kind collects the alerts in `received`."""

    def context(self, pki: Pki, setup: Setup, *, server: bool) -> Any:
        raise NotImplementedError

    def wrap(self, context: Any, sock: socket.socket, setup: Setup, session: Any, *, server: bool) -> Any:
        raise NotImplementedError

    @contextmanager
    def accept(self, pki: Pki, setup: Setup) -> Iterator[LibraryEnd]:
        with ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.settimeout(PATIENCE)
            context = self.context(pki, setup, server=True)

            def handshake() -> Any:
                sock = stack.enter_context(listener.accept()[0])
                return opened(stack, self.wrap(context, sock, setup, None, server=True))

            yield self.end(context, handshake, stack, listener.getsockname()[1])

    @contextmanager
    def connect(self, pki: Pki, setup: Setup, port: int, again: End | None = None) -> Iterator[LibraryEnd]:
        with ExitStack() as stack:
            context = again.context if isinstance(again, LibraryEnd) else self.context(pki, setup, server=False)
            session = self.session(again.conn) if isinstance(again, LibraryEnd) else None

            def handshake() -> Any:
                sock = stack.enter_context(dial(port))
                return opened(stack, self.wrap(context, sock, setup, session, server=False))

            yield self.end(context, handshake, stack)

    end: type[LibraryEnd]

    def session(self, conn: Any) -> Any:
        raise NotImplementedError


class StdlibContext(ssl.SSLContext):
    received: list[int]


class StdlibEnd(LibraryEnd):
    def close(self) -> None:
        sock = self.conn
        with suppress(OSError):  # the other side need not answer
            sock.settimeout(0.5)
            sock.unwrap()


class Stdlib(Library):
    """The interpreter's own `ssl`."""

    name = "ssl"
    end = StdlibEnd

    def context(self, pki: Pki, setup: Setup, *, server: bool) -> Any:
        context = StdlibContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.received = []

        def watch(_conn: Any, direction: str, _version: Any, content: int, _kind: Any, data: bytes) -> None:
            if direction == "read" and content == 21:
                context.received.append(data[1])

        context._msg_callback = watch  # type: ignore[attr-defined] # a hook without a public name
        only = {V12: ssl.TLSVersion.TLSv1_2, V13: ssl.TLSVersion.TLSv1_3}[setup.version]
        context.minimum_version = context.maximum_version = only
        context.load_verify_locations(pki.ca if setup.trusts else pki.other_ca)
        if server and setup.asks:
            context.verify_mode = ssl.CERT_REQUIRED
        if setup.identity:
            context.load_cert_chain(pki.chain(setup.identity), pki.key(setup.identity))
        if setup.alpn:
            context.set_alpn_protocols([setup.alpn])
        if setup.curve == "P-256":  # of several it offers X25519 first anyway
            context.set_ecdh_curve("prime256v1")
        if setup.ciphers:
            context.set_ciphers(setup.ciphers)
        return context

    def wrap(self, context: Any, sock: socket.socket, setup: Setup, session: Any, *, server: bool) -> Any:
        sock.settimeout(PATIENCE)
        host = None if server else setup.host
        return context.wrap_socket(
            sock, server_side=server, server_hostname=host, session=session, suppress_ragged_eofs=False
        )

    def session(self, conn: Any) -> Any:
        return conn.session


class PyOpenSSLEnd(LibraryEnd):
    def close(self) -> None:
        self.conn.shutdown()


class PyOpenSSL(Library):
    """pyOpenSSL, which brings `cryptography`'s OpenSSL: a newer one than the system's, with post-quantum groups."""

    name = "pyopenssl"
    names_host = False
    end = PyOpenSSLEnd

    def context(self, pki: Pki, setup: Setup, *, server: bool) -> Any:
        context: Any = SSL.Context(SSL.TLS_SERVER_METHOD if server else SSL.TLS_CLIENT_METHOD)
        context.received = []

        def watch(_conn: Any, where: int, code: int) -> None:
            if where & SSL.SSL_CB_ALERT and where & SSL.SSL_CB_READ:
                context.received.append(code & 255)

        context.set_info_callback(watch)
        only = {V12: SSL.TLS1_2_VERSION, V13: SSL.TLS1_3_VERSION}[setup.version]
        context.set_min_proto_version(only)
        context.set_max_proto_version(only)
        context.load_verify_locations(str(pki.ca if setup.trusts else pki.other_ca))
        if not server or setup.asks:
            context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
        context.set_session_id(b"tests")
        if setup.identity:
            context.use_certificate_chain_file(str(pki.chain(setup.identity)))
            context.use_privatekey_file(str(pki.key(setup.identity)), FILETYPE_PEM)
        if setup.alpn and server:
            context.set_alpn_select_callback(lambda _conn, _offers: setup.alpn.encode())
        elif setup.alpn:
            context.set_alpn_protos([setup.alpn.encode()])
        if setup.curve == "P-256":
            context.set_tmp_ecdh(ec.SECP256R1())
        if setup.ciphers and setup.version == V12:
            context.set_cipher_list(setup.ciphers.encode())
        elif setup.ciphers:
            context.set_tls13_ciphersuites(setup.ciphers.encode())
        return context

    def wrap(self, context: Any, sock: socket.socket, setup: Setup, session: Any, *, server: bool) -> Any:
        limit = struct.pack("ll", int(PATIENCE), 0)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            sock.setsockopt(socket.SOL_SOCKET, option, limit)
        sock.settimeout(None)  # it takes only blocking sockets: the kernel keeps the time
        conn = SSL.Connection(context, sock)
        if server:
            conn.set_accept_state()
        else:
            conn.set_connect_state()
            conn.set_tlsext_host_name(setup.host.encode())
            if session:
                conn.set_session(session)
        conn.do_handshake()
        return conn

    def session(self, conn: Any) -> Any:
        return conn.get_session()


PEERS: tuple[Peer, ...] = (OpenSSLProgram(), GnuTLSProgram(), Stdlib(), PyOpenSSL())
