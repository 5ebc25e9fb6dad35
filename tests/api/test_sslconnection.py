"""What libraries reach for below the documented surface: `_wrap_bio`, `_wrap_socket`, `_sslobj`, super(), foreign BIOs.

Each test is somebody's use: gevent, eventlet, truststore, httpcore, PyMongo, asyncio, aiofastnet.
"""

from __future__ import annotations

import contextlib
import copy
import pickle
import re
import socket
import ssl
import subprocess
import sys
import threading
import warnings
import weakref

import pytest

import puretls
from puretls import SSLContext, SSLObject, SSLSocket

PROTOCOLS = (puretls.PROTOCOL_TLS_CLIENT, puretls.PROTOCOL_TLS_SERVER)


@pytest.fixture
def contexts(pki):
    server = SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    client = SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.ca)
    return client, server


def shake(*ends):
    for _ in range(4):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()


# Contexts


def test_a_subclass_of_the_interpreters_context_with_descriptors_between():
    base = super(SSLContext, SSLContext)
    context = SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    base.check_hostname.__set__(context, False)
    base.verify_mode.__set__(context, 0)
    base.options.__set__(context, 0x80000054)
    base.verify_flags.__set__(context, 0x20)
    base.minimum_version.__set__(context, 0x304)
    base.maximum_version.__set__(context, 0x304)
    base._msg_callback.__set__(context, None)
    assert (context.options, context.verify_mode, context.verify_flags) == (0x80000054, 0, 0x20)
    assert (context.minimum_version, context.maximum_version) == (0x304, 0x304)
    server = SSLContext(puretls.PROTOCOL_TLS_SERVER)
    base.sni_callback.__set__(server, print)
    assert server.sni_callback is print


@pytest.mark.parametrize(
    "name",
    ["options", "verify_flags", "verify_mode", "minimum_version", "maximum_version", "_msg_callback", "protocol"],
)
def test_attributes_are_properties_that_can_be_extended(name):
    assert isinstance(vars(SSLContext)[name], property)

    class Extended(SSLContext):
        __slots__ = ()
        locals()[name] = getattr(SSLContext, name).setter(lambda _self, _value: None)

    context = Extended(puretls.PROTOCOL_TLS_CLIENT)
    before = getattr(context, name)
    setattr(context, name, 99)
    assert getattr(context, name) == before


def test_descriptors_pass_on_contexts_that_are_the_interpreters():
    """After injection the interpreter's own setters arrive at ours, with its contexts."""
    base = super(SSLContext, SSLContext)
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        old = ssl.SSLContext(protocol)
        base.options.__set__(old, int(old.options) | 4)
        assert old.options & 4
        base.verify_flags.__set__(old, 0x8020)
        assert base.verify_flags.__get__(old) == 0x8020
        base.minimum_version.__set__(old, 0x304)
        base.maximum_version.__set__(old, 0x304)
        assert old.minimum_version == 0x304
        base.verify_mode.__set__(old, 2)
        assert old.verify_mode == 2
        base._msg_callback.__set__(old, None)
    base.sni_callback.__set__(old, None)


def test_another_class_can_be_assigned():
    class Green(SSLContext):
        __slots__ = ()

    context = SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.__class__ = Green
    assert type(context) is Green
    assert context.check_hostname


def test_globals_of_the_factories():
    assert SSLSocket._create.__func__.__globals__["SSLSocket"] is SSLSocket
    assert SSLContext.wrap_socket.__globals__["SSLContext"] is SSLContext


@pytest.mark.parametrize("attempt", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_context_cannot_be_copied(attempt):
    with pytest.raises(TypeError, match="cannot pickle 'SSLContext' object"):
        attempt(SSLContext(puretls.PROTOCOL_TLS_CLIENT))


def test_identity():
    one, other = (SSLContext(puretls.PROTOCOL_TLS_CLIENT) for _ in range(2))
    assert one == one  # noqa: PLR0124
    assert one != other
    assert {one: 1}[one] == 1
    assert bool(one)
    assert weakref.ref(one)() is one
    one.anything = 1


def test_the_inherited_context_is_inert(pki):
    """Native code that takes the OpenSSL context out of ours gets one that can neither verify nor connect."""
    context = SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(pki.ca)
    context.check_hostname = False
    context.verify_mode = puretls.CERT_NONE
    native = ssl._ssl._SSLContext
    assert context._aiofastnet_force_fallback_ssl is True
    assert native.verify_mode.__get__(context) == ssl.CERT_REQUIRED
    assert native.check_hostname.__get__(context) is True
    assert native.options.__get__(context) != int(context.options)
    assert native.cert_store_stats(context)["x509"] == 0
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = native._wrap_bio(context, incoming, outgoing, False, "localhost")
    with pytest.raises(ssl.SSLError, match="NO_PROTOCOLS_AVAILABLE"):
        connection.do_handshake()


def test_setters_on_a_context_in_use_do_not_touch_its_connections(contexts, pki):
    client, server = contexts
    one, other = puretls.MemoryBIO(), puretls.MemoryBIO()
    c = client.wrap_bio(one, other, server_hostname="localhost")
    s = server.wrap_bio(other, one, server_side=True)
    client.set_alpn_protocols(["h2"])
    client.verify_mode = puretls.CERT_REQUIRED
    client.maximum_version = puretls.TLSVersion.TLSv1_2
    client.load_verify_locations(str(pki.ca), None, None)
    shake(c, s)
    assert c.version() == "TLSv1.3"
    assert client._config(server_side=False) is client._config(server_side=False)


# Objects


class Queue:
    """A BIO that is no MemoryBIO: only what `ssl`'s callers may rely on."""

    def __init__(self):
        self.data, self.ended = b"", False

    def read(self, size=-1):
        size = len(self.data) if size < 0 else size
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def write(self, data):
        self.data += bytes(data)
        return len(data)

    def write_eof(self):
        self.ended = True

    @property
    def pending(self):
        return len(self.data)

    @property
    def eof(self):
        return self.ended and not self.data


@pytest.mark.parametrize("bio", [puretls.MemoryBIO, ssl.MemoryBIO, Queue])
def test_any_bio(contexts, bio):
    client, server = contexts
    one, other = bio(), bio()
    c = client.wrap_bio(incoming=one, outgoing=other, server_hostname=b"localhost")
    s = server.wrap_bio(other, one, True, None, None)
    shake(c, s)
    c.write(b"hello")
    assert s.read(100) == b"hello"
    s.write(bytes(100_000))
    got = bytearray()
    while len(got) < 100_000:
        got += c.read(65536)
    other.write_eof()
    with pytest.raises(ssl.SSLEOFError):
        s.read(1)
    with pytest.raises(ssl.SSLEOFError):
        s.read(1)


def test_what_is_no_bio_is_refused(contexts):
    with pytest.raises(TypeError, match=re.escape("_wrap_bio() argument 'incoming' must be _ssl.MemoryBIO, not int")):
        contexts[0].wrap_bio(1, 2, server_hostname="localhost")


def test_before_the_handshake(contexts):
    client, _ = contexts
    c = client.wrap_bio(puretls.MemoryBIO(), puretls.MemoryBIO(), server_hostname="localhost")
    for name in (
        "cipher",
        "version",
        "compression",
        "selected_alpn_protocol",
        "shared_ciphers",
        "group",
        "client_sigalg",
    ):
        assert getattr(c, name)() is None
    assert c.get_channel_binding() is None
    assert c.get_verified_chain() == c.get_unverified_chain() == []
    assert (c.pending(), c.session, c.session_reused) == (0, None, False)
    with pytest.raises(ValueError, match="handshake not done yet"):
        c.getpeercert()
    with pytest.raises(ValueError, match="'tls-foo' channel binding type not implemented"):
        c.get_channel_binding("tls-foo")
    assert c.read(0) == b""
    for begin in (lambda: c.read(10), lambda: c.write(b""), lambda: c.read(10, bytearray(3))):
        with pytest.raises(ssl.SSLWantReadError):
            begin()
    with pytest.raises(ssl.SSLError) as caught:
        c.unwrap()
    assert caught.value.reason == "SHUTDOWN_WHILE_IN_INIT"
    with pytest.raises(ssl.SSLError) as caught:
        c.verify_client_post_handshake()
    assert (caught.value.reason, caught.value.args[0]) == ("WRONG_SSL_VERSION", 266)
    for wrong in (1, None):
        with pytest.raises(TypeError, match="Value is not a SSLSession"):
            c.session = wrong
    with pytest.raises(TypeError, match="The value must be a SSLContext"):
        c.context = 1


def test_a_handshake_that_has_failed_says_so_again(contexts):
    incoming = puretls.MemoryBIO()
    wrapped = contexts[1].wrap_bio(incoming, puretls.MemoryBIO(), server_side=True)
    incoming.write(b"GET / HTTP/1.1\r\n\r\n")
    for operation in (wrapped.do_handshake, wrapped.read, lambda: wrapped.write(b"x"), wrapped.unwrap) * 2:
        with pytest.raises(ssl.SSLError) as caught:
            operation()
        assert caught.value.reason == "HTTP_REQUEST"


def test_the_interpreters_own_python_layer_runs_on_our_seam(contexts):
    """truststore and PyMongo assign subclasses of the interpreter's SSLObject; its methods talk to `_sslobj` only."""
    client, server = contexts

    class Traced(ssl.SSLObject):
        calls = 0

        def do_handshake(self):
            type(self).calls += 1
            super().do_handshake()

    client.sslobject_class = Traced
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = client.wrap_bio(one, other, server_hostname="localhost")
    s = server.wrap_bio(other, one, server_side=True)
    shake(c, s)
    assert type(c) is Traced
    assert Traced.calls
    assert c.version() == "TLSv1.3"
    assert c.getpeercert()["subjectAltName"]
    if sys.version_info >= (3, 13):
        assert c.get_verified_chain()[0] == c.getpeercert(True)
    s.write(b"data")
    assert c.read() == b"data"
    assert c._sslobj.owner is c


def test_sockets_of_the_interpreters_class_on_our_seam(contexts):
    """As gevent's and eventlet's SSLSocket, which are copies of the interpreter's."""
    client, server = contexts
    client.sslsocket_class = ssl.SSLSocket
    one, other = socket.socketpair()
    done = []
    thread = threading.Thread(target=lambda: done.append(server.wrap_socket(other, server_side=True)))
    thread.start()
    create = ssl.SSLSocket._create
    with create(one, context=client, server_hostname="localhost") as c:
        thread.join()
        with done[0] as s:
            assert type(c) is ssl.SSLSocket
            c.sendall(b"hello")
            assert s.recv(10) == b"hello"
            s.sendall(b"hello")
            assert c.recv(10) == b"hello"


def test_wrap_socket_below_with_a_socket_of_another_kind(contexts):
    """gevent hands over an object that only looks like a socket, and no owner."""
    client, server = contexts
    one, other = socket.socketpair()
    seen = []

    class Plain:
        def __init__(self, sock):
            self.sock = sock

        def fileno(self):
            return self.sock.fileno()

        def send(self, *arguments):
            return self.sock.send(*arguments)

        def recv(self, *arguments):
            return self.sock.recv(*arguments)

        def recv_into(self, *arguments):
            return self.sock.recv_into(*arguments)

        def gettimeout(self):
            return 0.0

    one.setblocking(False)
    other.setblocking(False)
    raw, far = Plain(one), Plain(other)
    server.sni_callback = lambda sock, name, context: seen.append((sock, name, context))
    c = client._wrap_socket(raw, False, "localhost")
    s = server._wrap_socket(far, True)
    shake(c, s)
    assert c.version() == "TLSv1.3"
    assert seen == [(far, "localhost", server)]
    assert [type(one) for one in c.get_unverified_chain()] == [puretls.Certificate] * 2
    der = c.get_unverified_chain()[0].public_bytes(puretls._ssl.ENCODING_DER)
    assert der == c.getpeercert(True)
    one.close()
    other.close()


def test_certificate_objects(contexts):
    client, server = contexts
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    c = client.wrap_bio(one, other, server_hostname="localhost")
    shake(c, server.wrap_bio(other, one, server_side=True))
    chain = c._sslobj.get_verified_chain()
    leaf, again = chain[0], c._sslobj.get_unverified_chain()[0]
    assert leaf == again
    assert hash(leaf) == hash(again)
    assert leaf != chain[1]
    assert leaf != 5
    assert leaf.get_info() == c.getpeercert()
    assert ssl.PEM_cert_to_DER_cert(leaf.public_bytes()) == leaf.public_bytes(2) == c.getpeercert(True)
    assert "CN=" in repr(leaf)
    with pytest.raises(ValueError):
        leaf.public_bytes(9)
    for cls in (puretls.Certificate, puretls.SSLSession):
        with pytest.raises(TypeError):
            cls()


def test_constructors_are_not_public():
    for cls, maker in ((SSLSocket, "wrap_socket"), (SSLObject, "wrap_bio")):
        with pytest.raises(TypeError, match=f"{cls.__name__} does not have a public constructor.*{maker}"):
            cls()


def test_a_hostname_that_is_missing_fails_closed(contexts):
    client, _ = contexts
    c = client.wrap_bio(puretls.MemoryBIO(), puretls.MemoryBIO())
    with pytest.raises(ValueError, match="check_hostname requires server_hostname"):
        c.do_handshake()


def test_exceptions_fit_into_hierarchies_as_aiohttp_has_them():
    base = type("ClientSSLError", (OSError,), {})
    for parent in (puretls.CertificateError, puretls.SSLError):
        assert issubclass(type("Both", (base, parent), {}), ssl.SSLError)


def test_wrong_roles(contexts):
    client, server = contexts
    bios = puretls.MemoryBIO(), puretls.MemoryBIO()
    with pytest.raises(ssl.SSLError, match="Cannot create a server socket with a PROTOCOL_TLS_CLIENT context"):
        client.wrap_bio(*bios, server_side=True)
    with pytest.raises(ssl.SSLError, match="Cannot create a client socket with a PROTOCOL_TLS_SERVER context"):
        server.wrap_bio(*bios)


def test_deprecations_point_at_the_caller():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        context = SSLContext(puretls.PROTOCOL_TLS)
        context.options |= puretls.OP_NO_TLSv1_3
        context.minimum_version = puretls.TLSVersion.TLSv1
    assert [warning.filename for warning in caught] == [__file__] * 3


IMPORT = "import puretls, sys; print([name for name in ('asyncio', 'http', 'OpenSSL') if name in sys.modules])"


def test_importing_is_modest():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
