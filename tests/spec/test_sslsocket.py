"""SSL sockets: what they have of sockets, and what they have besides."""

from __future__ import annotations

import select
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from support import PATIENCE
from support.bios import join
from support.both_ends import client, connected, dialled, echoing, served, server, silent

END = "-----END CERTIFICATE-----\n"


def until_gone(conn):
    with suppress(OSError):
        conn.recv(1)


def test_it_is_a_socket(tls, pki):
    with echoing(tls, pki) as conn:
        assert isinstance(conn, socket.socket)
        assert issubclass(tls.SSLSocket, socket.socket)
        assert conn.fileno() > 0
        assert conn.getpeername()[0] == conn.getsockname()[0] == "127.0.0.1"
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        assert conn.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert conn.gettimeout() == PATIENCE
        conn.sendall(b"ready")
        assert select.select([conn], [], [], PATIENCE)[0]
        assert conn.recv(5) == b"ready"


def test_data_methods(tls, pki, tmp_path):
    with echoing(tls, pki) as conn:
        assert conn.send(b"abc") == 3
        assert conn.recv(10) == b"abc"
        assert conn.sendall(memoryview(b"defgh")) is None
        buffer = bytearray(10)
        assert conn.recv_into(buffer) == 5
        assert buffer == b"defgh" + bytes(5)
        assert conn.send(b"") == 0
        path = tmp_path / "file"
        path.write_bytes(b"0123456789" * 1000)
        with path.open("rb") as file:
            assert conn.sendfile(file, 5, 100) == 100
        received = b""
        while len(received) < 100:
            received += conn.recv(100)
        assert received == path.read_bytes()[5:105]
        with conn.makefile("rwb") as both:
            both.write(b"a line\n")
            both.flush()
            assert both.readline() == b"a line\n"
        assert conn.write(b"low") == 3
        assert conn.read(10) == b"low"
        conn.write(b"level")
        assert conn.read(3, buffer) == 3
        assert bytes(buffer[:3]) == b"lev"
        assert conn.pending() == 2
        assert conn.read() == b"el"


def test_flags_are_not_allowed(tls, pki):
    with echoing(tls, pki) as conn:
        for call in (
            lambda: conn.recv(1, socket.MSG_PEEK),
            lambda: conn.recv_into(bytearray(1), 1, socket.MSG_PEEK),
            lambda: conn.send(b"x", socket.MSG_OOB),
            lambda: conn.sendall(b"x", socket.MSG_OOB),
            lambda: conn.sendto(b"x", conn.getpeername()),
            lambda: conn.recvfrom(1),
            lambda: conn.recvfrom_into(bytearray(1)),
        ):
            with pytest.raises(ValueError):
                call()
        for call in (conn.dup, lambda: conn.recvmsg(1), lambda: conn.sendmsg([b"x"]), lambda: conn.recvmsg_into([])):
            with pytest.raises(NotImplementedError):
                call()


def test_large_data(tls, pki):
    data = bytes(range(256)) * 20000
    with echoing(tls, pki) as conn, ThreadPoolExecutor(1) as pool:
        sending = pool.submit(conn.sendall, data)
        received = bytearray()
        while len(received) < len(data):
            received += conn.recv(1 << 20)
        sending.result()
        assert received == data


MOMENTS = 100  # so long a peer is slow, and then it is quick, so that nobody waits for ever who should not have waited


def drained(sock, stop):
    """A peer that takes a little again and again."""
    for moment in range(1 << 20):
        if stop.wait(0.02 if moment < MOMENTS else 0):
            return
        try:
            if not socket.socket.recv(sock, 1 << 10 if moment < MOMENTS else 1 << 20):
                return
        except OSError:
            return


def dripped(sock, stop):
    """A peer that sends a record byte by byte, and leaves in the middle of it."""
    for octet in b"\x17\x03\x03\x40\x11" + bytes(MOMENTS):
        try:
            socket.socket.send(sock, bytes((octet,)))
        except OSError:
            return
        if stop.wait(0.02):
            return
    socket.socket.shutdown(sock, socket.SHUT_WR)


OPERATIONS = {
    "read": lambda conn: conn.read(1 << 10),
    "read into": lambda conn: conn.read(1 << 10, bytearray(1 << 10)),
    "unwrap": lambda conn: conn.unwrap(),
    "write": lambda conn: conn.write(bytes(1 << 24)),
    "sendall": lambda conn: conn.sendall(bytes(1 << 24)),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_timeout_is_the_total_whatever_moves_meanwhile(tls, pki, operation):
    """Bytes come, or go, all the time, and each of them in time."""
    stop, moving = threading.Event(), "write" if operation in {"write", "sendall"} else "read"
    ours, theirs = socket.socketpair()
    if moving == "write":
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
    with ours, theirs, ThreadPoolExecutor(2) as pool:
        wrapping = pool.submit(server(tls, pki).wrap_socket, theirs, server_side=True)
        conn = client(tls, pki).wrap_socket(ours, server_hostname="localhost")
        with conn, wrapping.result(PATIENCE) as peer:
            peer.sendall(b"!")
            assert conn.recv(1) == b"!"
            moved = pool.submit(drained if moving == "write" else dripped, peer, stop)
            conn.settimeout(0.4)
            with pytest.raises(TimeoutError, match=f"The {moving} operation timed out"):
                OPERATIONS[operation](conn)
            assert not moved.done()  # it would have gone on
            stop.set()


@pytest.mark.parametrize("operation", ["do_handshake", "read", "unwrap"])
def test_the_timeout_is_the_total(tls, pki, operation):
    """A peer that sends a little again and again does not prolong it."""
    stop = threading.Event()

    def trickle(sock):
        while not stop.wait(0.05):
            try:
                sock.send(b"\x16\x03\x03\x40\x00"[:1] if operation == "do_handshake" else b"")
            except OSError:
                return

    ours, theirs = socket.socketpair()
    with ours, theirs, ThreadPoolExecutor(2) as pool:
        if operation == "do_handshake":
            theirs.sendall(b"\x16\x03\x03\x40\x00")
            pool.submit(trickle, theirs)
            conn = client(tls, pki).wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
        else:
            wrapping = pool.submit(server(tls, pki).wrap_socket, theirs, server_side=True)
            conn = client(tls, pki).wrap_socket(ours, server_hostname="localhost")
            peer = wrapping.result(PATIENCE)
            if operation == "read":
                conn.settimeout(PATIENCE)
        conn.settimeout(0.3)
        with pytest.raises(TimeoutError, match="timed out"):
            getattr(conn, operation)()
        stop.set()
        conn.close()
        if operation != "do_handshake":
            peer.close()


def test_reading_and_writing_need_a_connection(tls):
    with client(tls).wrap_socket(socket.socket(), server_hostname="localhost") as conn:
        assert conn.version() is None
        assert conn.cipher() is None
        assert conn.get_channel_binding() is None
        assert conn.session is None
        with pytest.raises(ValueError):
            conn.read()
        with pytest.raises(OSError):  # not even a connection
            conn.getpeercert()


def test_getpeercert(tls, pki):
    """Empty unless it was validated; DER in any case; ValueError before the handshake."""
    pair = join(client(tls, pki, identity="client"), server(tls, pki, asks=tls.CERT_REQUIRED))
    with pytest.raises(ValueError):
        pair.client.obj.getpeercert()
    pair.ok()
    cert = pair.client.obj.getpeercert()
    assert cert["subject"] == ((("commonName", "localhost"),),)
    assert cert["issuer"] == ((("commonName", "Test intermediate"),),)
    assert cert["subjectAltName"] == (("DNS", "localhost"), ("IP Address", "127.0.0.1"))
    assert cert["version"] == 3
    assert {"serialNumber", "notBefore", "notAfter"} <= cert.keys()
    assert tls.cert_time_to_seconds(cert["notAfter"]) > time.time()
    der = pair.client.obj.getpeercert(binary_form=True)
    assert tls.DER_cert_to_PEM_cert(der) in pki.chain("P-256").read_text()
    assert pair.server.obj.getpeercert(True) == tls.PEM_cert_to_DER_cert(
        pki.chain("client").read_text().split(END)[0] + END
    )
    unverified = client(tls)
    unverified.check_hostname = False
    unverified.verify_mode = tls.CERT_NONE
    assert join(unverified, server(tls, pki)).ok().client.obj.getpeercert() == {}


def test_chains(tls, pki):
    obj = connected(tls, pki).client.obj
    if not hasattr(obj, "get_verified_chain"):
        pytest.skip("new in Python 3.13")
    ders = [tls.PEM_cert_to_DER_cert(block + END) for block in pki.chain("P-256").read_text().split(END) if block]
    assert obj.get_unverified_chain() == ders
    assert obj.get_verified_chain() == [*ders, tls.PEM_cert_to_DER_cert(pki.root.pem.decode())]
    unverified = client(tls)
    unverified.check_hostname = False
    unverified.verify_mode = tls.CERT_NONE
    obj = join(unverified, server(tls, pki)).ok().client.obj
    assert obj.get_verified_chain() == obj.get_unverified_chain() == ders


def test_what_was_negotiated(tls, pki):
    version = tls.TLSVersion.TLSv1_2
    dialing = client(tls, pki, version=version)
    dialing.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    dialing.set_alpn_protocols(["h2", "http/1.1"])
    listening = server(tls, pki, version=version)
    listening.set_alpn_protocols(["http/1.1"])
    pair = join(dialing, listening)
    for obj in (pair.client.obj, pair.server.obj):
        assert obj.cipher() is obj.shared_ciphers() is obj.version() is obj.selected_alpn_protocol() is None
        assert obj.get_channel_binding() is None
    pair.ok()
    name = ("ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2", 256)
    assert pair.client.obj.cipher() == pair.server.obj.cipher() == name
    assert pair.client.obj.shared_ciphers() is None
    assert pair.server.obj.shared_ciphers() == [name, ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", 128)]
    assert pair.client.obj.version() == "TLSv1.2"
    assert pair.client.obj.selected_alpn_protocol() == pair.server.obj.selected_alpn_protocol() == "http/1.1"
    with silent():
        assert pair.client.obj.selected_npn_protocol() is None
    assert pair.client.obj.get_channel_binding("tls-unique") == pair.server.obj.get_channel_binding()
    with pytest.raises(ValueError):
        pair.client.obj.get_channel_binding("tls-something")


def test_unwrap_goes_back_to_clear_text(tls, pki):
    def serve(conn):
        plain = conn.unwrap()
        plain.sendall(b"clear")

    with served(server(tls, pki), serve) as address, dialled(client(tls, pki), address) as conn:
        plain = conn.unwrap()
        assert plain is conn
        assert plain.recv(10) == b"clear"
        with pytest.raises(ValueError):
            conn.unwrap()


def test_shutdown_drops_tls(tls, pki):
    with served(server(tls, pki), until_gone) as address, dialled(client(tls, pki), address) as conn:
        conn.shutdown(socket.SHUT_WR)
        assert conn.version() is None
        with pytest.raises(ValueError):
            conn.write(b"x")


def test_detach_leaves_the_descriptor(tls, pki):
    with served(server(tls, pki), until_gone) as address, dialled(client(tls, pki), address) as conn:
        number = conn.detach()
        assert conn.fileno() == -1
        with socket.socket(fileno=number) as plain:
            assert plain.getpeername() == address


def test_attributes(tls, pki):
    context = client(tls, pki)
    pair = join(context, server(tls, pki)).ok()
    for obj, side in ((pair.client.obj, False), (pair.server.obj, True)):
        assert obj.server_side is side
    assert pair.client.obj.context is context
    assert (pair.client.obj.server_hostname, pair.server.obj.server_hostname) == ("localhost", None)
    assert isinstance(pair.client.obj.session, tls.SSLSession)
    assert isinstance(pair.server.obj.session, tls.SSLSession)
    assert pair.client.obj.session_reused is False


def test_international_names_are_kept_as_a_labels(tls):
    obj = client(tls).wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname="pythön.org")
    assert obj.server_hostname == "xn--pythn-mua.org"


def test_post_handshake_authentication(tls, pki):
    """Asked for with the next write of the server, answered with the next read of the client."""
    dialing, listening = client(tls, pki, identity="client"), server(tls, pki, asks=tls.CERT_OPTIONAL)
    dialing.post_handshake_auth = listening.post_handshake_auth = True
    pair = join(dialing, listening).ok()
    assert pair.server.obj.getpeercert() is None
    pair.server.obj.verify_client_post_handshake()
    assert pair.send(pair.server, b"who?") == b"who?"
    assert pair.send(pair.client, b"me") == b"me"
    assert pair.server.obj.getpeercert()["subject"]
    with pytest.raises(tls.SSLError):
        pair.client.obj.verify_client_post_handshake()
    older = connected(tls, pki, version=tls.TLSVersion.TLSv1_2)
    with pytest.raises(tls.SSLError):
        older.server.obj.verify_client_post_handshake()
    dialing.post_handshake_auth = False
    with pytest.raises(tls.SSLError):
        join(dialing, listening).ok().server.obj.verify_client_post_handshake()


# Notes on non-blocking sockets


def test_a_non_blocking_handshake(tls, pki):
    """The synopsis with select()."""
    with (
        served(server(tls, pki), lambda conn: conn.sendall(b"done")) as address,
        socket.create_connection(address) as plain,
    ):
        plain.setblocking(False)
        sock = client(tls, pki).wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)
        while True:
            try:
                sock.do_handshake()
                break
            except tls.SSLWantReadError:
                select.select([sock], [], [], PATIENCE)
            except tls.SSLWantWriteError:
                select.select([], [sock], [], PATIENCE)
        while True:
            try:
                assert sock.recv(10) == b"done"
                break
            except tls.SSLWantReadError:
                select.select([sock], [], [], PATIENCE)
        sock.close()


def test_want_read_and_not_blocking_io_error(tls, pki):
    stop = threading.Event()
    with (
        served(server(tls, pki), lambda _c: stop.wait(PATIENCE)) as address,
        dialled(client(tls, pki), address) as conn,
    ):
        conn.setblocking(False)
        with pytest.raises(tls.SSLWantReadError):
            conn.recv(1)
        conn.settimeout(0)
        with pytest.raises(tls.SSLWantReadError):
            conn.unwrap()
        stop.set()


def test_part_of_a_record_is_not_enough(tls, pki):
    """select() may say that there is something: recv() has to be tried again."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with ThreadPoolExecutor(1) as pool:
            wrapping = pool.submit(server(tls, pki).wrap_socket, theirs, server_side=True)
            conn = client(tls, pki).wrap_socket(ours, server_hostname="localhost")
            peer = wrapping.result(PATIENCE)
        peer.sendall(b"0" * 10)
        assert conn.recv(10) == b"0" * 10
        conn.setblocking(False)
        raw = socket.socket(fileno=peer.detach())
        raw.sendall(b"\x17\x03\x03")
        assert select.select([conn], [], [], PATIENCE)[0]
        with pytest.raises(tls.SSLWantReadError):
            conn.recv(10)
        raw.close()
        conn.close()


def test_data_that_select_does_not_know_of(tls, pki):
    with (
        served(server(tls, pki), lambda conn: conn.sendall(b"0123456789")) as address,
        dialled(client(tls, pki), address) as conn,
    ):
        assert conn.recv(4) == b"0123"
        assert conn.pending() == 6
        assert conn.recv(100) == b"456789"


@pytest.mark.parametrize("suppressed", [True, False])
def test_ragged_ends(tls, pki, suppressed):
    with (
        served(server(tls, pki), lambda conn: conn.sendall(b"x")) as address,
        dialled(client(tls, pki), address, suppress_ragged_eofs=suppressed) as conn,
    ):
        assert conn.recv(10) == b"x"
        if suppressed:
            assert conn.recv(10) == b""
        else:
            with pytest.raises(tls.SSLEOFError):
                conn.recv(10)
