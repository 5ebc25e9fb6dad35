"""What is left when a peer's certificate is odd or refused: a server that goes on, the same error again, its chain."""

from __future__ import annotations

import gc
import http.server
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import puretls
from support import PATIENCE, Pki
from support import pki as ca
from support.bios import join
from support.both import OPENSSL_30, client_of, server_of
from support.pki import Issued, bits, moment, oid, seq, tlv

V12, V13 = puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3
VERSIONS = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
TIMES = {"not_before": time.time() - ca.DAY, "not_after": time.time() + ca.DAY}
ROOT = ca.ca("A well known root", private=ca.key("rsa2048", 40), **TIMES)
GOOD = ca.leaf("localhost", ROOT, **TIMES)
NO_PARAMETERS = seq(oid(ca.RSA_PSS)), lambda _: bytes(256)  # RFC 4055 3.1 wants some
STRANGER = ca.leaf("localhost", ROOT, scheme=NO_PARAMETERS, **TIMES)


def context(side: int, tls: ModuleType = puretls, *, shows: Issued | None = None, trusts: bool = True) -> Any:
    made = tls.SSLContext(side)
    if shows:
        if shows is not GOOD:  # whose own certificate would not do otherwise
            made.set_ciphers("DEFAULT@SECLEVEL=0")
        made.load_cert_chain(shows.pem.encode(), shows.key_pem.encode())
    if trusts:
        made.load_verify_locations(cadata=ROOT.pem)
    return made


@VERSIONS
def test_a_stranger_with_a_broken_signature_algorithm(version: Any) -> None:
    """RSASSA-PSS without parameters: an SSLError in either role, and again when asked again."""
    for by in ("client", "server"):
        client = context(puretls.PROTOCOL_TLS_CLIENT, shows=STRANGER if by == "client" else None)
        server = context(puretls.PROTOCOL_TLS_SERVER, shows=STRANGER if by == "server" else GOOD)
        client.maximum_version = version
        server.verify_mode = puretls.CERT_REQUIRED if by == "client" else puretls.CERT_NONE
        pair = join(client, server).shake()
        victim = pair.server if by == "client" else pair.client
        assert isinstance(victim.error, puretls.SSLCertVerificationError)
        with pytest.raises(puretls.SSLCertVerificationError) as again:
            victim.obj.do_handshake()
        assert str(again.value) == str(victim.error)


class Quiet(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def port() -> Iterator[int]:
    """An http.server that wants certificates, as the documentation of `ssl` shows it: the listening socket wrapped."""
    server = context(puretls.PROTOCOL_TLS_SERVER, shows=GOOD)
    server.verify_mode = puretls.CERT_REQUIRED
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    httpd.socket = server.wrap_socket(httpd.socket, server_side=True)
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            httpd.serve_forever(0.05)
        except BaseException as error:  # noqa: BLE001  # the test shows it
            failed.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield httpd.server_address[1]
        assert failed == []
    finally:
        if not failed:
            httpd.shutdown()
        thread.join(PATIENCE)
        httpd.server_close()


def status(port: int, shows: Issued) -> bytes:
    """What a client with this certificate gets; b"" if it is refused."""
    client = context(puretls.PROTOCOL_TLS_CLIENT, shows=shows)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
            client.wrap_socket(sock, server_hostname="localhost") as tls,
        ):
            tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return tls.recv(12)
    except (puretls.SSLError, ConnectionError):
        return b""


def test_a_server_outlives_a_stranger(port: int) -> None:
    client = ca.leaf("client", ROOT, **TIMES)
    assert status(port, client) == b"HTTP/1.0 204"
    assert status(port, STRANGER) == b""
    assert status(port, client) == b"HTTP/1.0 204"


# The second error


@VERSIONS
@pytest.mark.parametrize("over", ["bio", "socket"])
@pytest.mark.parametrize("by", ["client", "server"])
def test_the_second_error_is_the_first(pki: Pki, version: Any, over: str, by: str) -> None:
    """Class, text, code, message and depth, whatever is called next."""
    client = client_of(puretls, pki, trusts=by == "server", identity="client")
    server = server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    if by == "server":
        server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        server.verify_mode = puretls.CERT_REQUIRED
    client.maximum_version = version
    if over == "bio":
        pair = join(client, server).shake()
        victim = pair.client if by == "client" else pair.server
        obj, first = victim.obj, victim.error
    else:
        obj, first = refused_socket(client, server, by)
    assert isinstance(first, puretls.SSLCertVerificationError)
    for again in (obj.do_handshake, lambda: obj.read(1), lambda: obj.write(b"x"), obj.do_handshake):
        with pytest.raises(puretls.SSLCertVerificationError) as caught:
            again()
        assert alike(caught.value) == alike(first)
    if over == "socket":
        obj.close()


def alike(error: Any) -> tuple[Any, ...]:
    names = ("errno", "library", "reason", "verify_code", "verify_message", "depth")
    return type(error), re.sub(r"_ssl\.c:\d+", "", str(error)), *(getattr(error, name) for name in names)


def refused_socket(client: Any, server: Any, by: str) -> tuple[Any, BaseException | None]:
    """The socket of the side that refuses, and its error."""
    one, other = socket.socketpair()
    for end in (one, other):
        end.settimeout(PATIENCE)
    found: dict[str, tuple[Any, BaseException | None]] = {}

    def run(name: str, end: Any) -> None:
        error = None
        try:
            end.do_handshake()
            end.recv(1)
        except OSError as caught:
            error = caught
        found[name] = end, error

    sides = {
        "client": client.wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False),
        "server": server.wrap_socket(other, server_side=True, do_handshake_on_connect=False),
    }
    threads = [threading.Thread(target=run, args=side) for side in sides.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    sides["server" if by == "client" else "client"].close()
    return found[by]


# The chain of a peer that was refused


def seen_after_refusal(tls: ModuleType, pki: Pki, version: Any, by: str) -> list[Any]:
    """What a side that has refused says of the other's certificates."""
    client = client_of(tls, pki, trusts=by == "server", identity="client")
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.verify_mode = tls.CERT_REQUIRED
    if by == "client":
        server.load_verify_locations(pki.ca)
    client.maximum_version = version
    pair = join(client, server).shake()
    side = pair.client if by == "client" else pair.server
    assert isinstance(side.error, tls.SSLCertVerificationError)
    found: list[Any] = []
    for question in (
        lambda: [one.public_bytes(2) for one in side.obj._sslobj.get_unverified_chain() or ()],
        side.obj.getpeercert,
        lambda: side.obj.getpeercert(True),
        side.obj.version,
    ):
        try:
            found.append(question())
        except ValueError as error:
            found.append(repr(error))
    return found


@pytest.mark.skipif(not OPENSSL_30, reason="another OpenSSL keeps the chain of clients, too")
@VERSIONS
def test_the_chain_of_a_refused_peer_as_with_ssl(pki: Pki, version: Any) -> None:
    for by in ("client", "server"):
        assert seen_after_refusal(puretls, pki, version, by) == seen_after_refusal(ssl, pki, version, by)


def test_a_refused_server_shows_its_chain(pki: Pki) -> None:
    """Programs that explain a refusal (and those that fetch what is missing) look at it."""
    pair = join(client_of(puretls, pki, trusts=False), server_of(puretls, pki)).shake()
    assert len(pair.client.obj.get_unverified_chain()) == 2
    with pytest.raises(ValueError, match="not done"):
        pair.client.obj.getpeercert()


# Odd certificates that nobody verifies


def odd(subject: bytes, algorithm: bytes = seq(oid("1.2.3.4"))) -> Issued:
    """A certificate whose signature algorithm nobody knows and whose subject is this."""
    private = ca.key("p256", 41)
    valid = seq(moment(TIMES["not_before"]), moment(TIMES["not_after"]))
    tbs = seq(tlv(0xA0, ca.integer(2)), ca.integer(5), algorithm, ca.name("x"), valid, subject, ca.spki(private))
    return Issued(seq(tbs, algorithm, bits(bytes(64))), private, subject, 5)


ODD_NAMES = {
    "no name": seq(),
    "an empty RDN": seq(tlv(0x31)),
    "two values": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0C, b"a")), seq(oid("2.5.4.10"), tlv(0x0C, b"b")))),
    "a surrogate": seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x1E, b"\xd8\x3d\xde\0")))),
    "bits": seq(tlv(0x31, seq(oid("2.5.4.45"), tlv(3, b"\0abc")))),
    "signs": ca.name('CN=a"b+c\\d;<e>#f\0g'),
    "a sharp first": ca.name("CN=# a "),
    "an unknown type": seq(tlv(0x31, seq(oid("1.2.3.4"), tlv(0x0C, b"x")))),
    "a long country": ca.name("C=Nowhere"),
    "umlauts": ca.name("CN=Bücher"),
    "plain": ca.name("CN=a,O=b,C=DE"),
}  # fmt: skip


def unverified(tls: ModuleType, shown: Issued) -> Any:
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, tls.CERT_NONE
    return join(client, context(puretls.PROTOCOL_TLS_SERVER, shows=shown, trusts=False)).ok().client.obj


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_odd_certificate_answers_questions(name: str) -> None:
    """repr(), getpeercert() and every channel binding, of whatever a handshake has taken."""
    obj = unverified(puretls, odd(ODD_NAMES[name], seq(oid("1.2.840.10045.4.3.2"))))
    shown = repr(obj._sslobj.get_unverified_chain())
    assert obj.getpeercert() == {}
    try:
        wanted = repr(
            unverified(ssl, odd(ODD_NAMES[name], seq(oid("1.2.840.10045.4.3.2"))))._sslobj.get_unverified_chain()
        )
    except ssl.SSLError:  # which fails to print an empty name, and surrogates
        assert shown == "[<_ssl.Certificate ''>]" or name == "a surrogate"
    else:
        assert shown == wanted


@pytest.mark.parametrize(
    "algorithm",
    [seq(oid("1.2.3.4")), seq(oid(ca.RSA_PSS)), seq(oid(ca.RSA_PSS), seq(tlv(0xA0, seq(oid("1.2.3")))))],
    ids=["nobody's", "PSS without parameters", "PSS with nobody's digest"],
)
def test_an_end_point_whose_digest_is_not_defined(algorithm: bytes) -> None:
    """RFC 5929 4.1: without one hash function in the signature algorithm this binding is undefined."""
    obj = unverified(puretls, odd(ca.name("x"), algorithm))
    assert obj.get_channel_binding("tls-server-end-point") is None
    for other in ("tls-unique", "tls-exporter"):
        obj.get_channel_binding(other)


# Reference cycles


def refuse(client: Any, server: Any, host: str) -> int:
    """A handshake that fails; how many errors there were, none of which is kept."""
    one, other, errors = puretls.MemoryBIO(), puretls.MemoryBIO(), 0
    ends = [client.wrap_bio(one, other, server_hostname=host), server.wrap_bio(other, one, server_side=True)]
    for end in ends * 3:
        try:
            end.do_handshake()
        except puretls.SSLWantReadError:
            continue
        except puretls.SSLError:
            errors += 1
    return errors


def test_a_refused_chain_leaves_no_cycle(pki: Pki) -> None:
    """Whatever a refusal held is gone with the connection: no garbage waits for the collector."""
    cases = [
        (client_of(puretls, pki, trusts=False), server_of(puretls, pki), "localhost"),
        (client_of(puretls, pki), server_of(puretls, pki, "stranger"), "localhost"),
        (client_of(puretls, pki), server_of(puretls, pki, "expired"), "localhost"),
        (client_of(puretls, pki), server_of(puretls, pki, "wrong"), "localhost"),
        (client_of(puretls, pki), server_of(puretls, pki), "elsewhere.test"),
        (client_of(puretls, pki), server_of(puretls, pki, "client"), "localhost"),
    ]
    for version in (V12, V13):
        for client, server, host in cases:
            client.maximum_version = version
            assert refuse(client, server, host)
            gc.collect()
            gc.disable()
            try:
                for _ in range(3):
                    refuse(client, server, host)
                assert gc.collect() == 0
            finally:
                gc.enable()
