"""The I/O contract of SSLSocket: select(), deadlines, non-blocking sends, two threads, closing in either order.

With `--module ssl` the interpreter's own module has to pass too, but for what is marked as ours.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import select
import socket
import ssl
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

PATIENCE = 10.0
VERSIONS = ["TLSv1_2", "TLSv1_3"]
RECORD = 16384


@pytest.fixture(params=VERSIONS)
def contexts(request, tls, pki):
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.ca)
    server.maximum_version = client.maximum_version = getattr(tls.TLSVersion, request.param)
    return client, server


@pytest.fixture
def pair(contexts):
    """A client and a server, connected, past the handshake and its tickets; blocking with a timeout for safety."""
    client, server = contexts
    with contextlib.ExitStack() as stack:
        one, other = socket.socketpair()
        for sock in (one, other):
            sock.settimeout(PATIENCE)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 19)
        with ThreadPoolExecutor() as pool:
            accepted = pool.submit(server.wrap_socket, other, server_side=True)
            c = stack.enter_context(client.wrap_socket(one, server_hostname="localhost"))
            s = stack.enter_context(accepted.result(PATIENCE))
        s.sendall(b"!")
        assert c.recv(1) == b"!"
        yield c, s


def readable(sock, seconds=0.0):
    return bool(select.select([sock], [], [], seconds)[0])


def receive(sock, size):
    data = bytearray()
    while len(data) < size:
        piece = sock.recv(size - len(data))
        assert piece, f"the end after {len(data)} of {size} bytes"
        data += piece
    return bytes(data)


def repeat(action):
    """Until it raises."""
    while True:
        action()


# select()


@pytest.mark.parametrize("timeout", [None, PATIENCE, 0.0])
@pytest.mark.parametrize("sizes", [[1] * 40, [100, 1, RECORD, 5, 0, 7], [RECORD] * 5, [3, 20000, 3]])
def test_a_reader_that_asks_select_first_gets_everything(pair, timeout, sizes):
    """Programs call recv() only when select() says so, or while pending() does: nothing may be left unseen."""
    c, s = pair
    message = bytes(range(256)) * 80
    for size in sizes:
        s.sendall((message * 2)[:size])
    expected, got = b"".join((message * 2)[:size] for size in sizes), bytearray()
    c.settimeout(timeout)
    while len(got) < len(expected):
        assert c.pending() or readable(c, PATIENCE), f"{len(got)} of {len(expected)} bytes, then silence"
        try:
            got += c.recv(4096)
        except ssl.SSLWantReadError:
            continue
    assert got == expected
    assert not c.pending()
    assert not readable(c)


def test_close_notify_without_a_fin_is_seen(pair):
    c, s = pair
    c.settimeout(0.5)
    s.settimeout(0)
    s.sendall(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        s.unwrap()
    assert receive(c, 10) == b"last words"
    assert readable(c, PATIENCE)
    assert c.recv(10) == b""


def test_pending_counts_the_rest_of_a_record(pair):
    c, s = pair
    s.sendall(bytes(RECORD))
    assert c.recv(10) == bytes(10)
    assert c.pending() == RECORD - 10
    assert len(c.recv(1 << 20)) == RECORD - 10
    assert c.pending() == 0


def test_recv_gives_no_more_than_was_asked_for(pair):
    c, s = pair
    s.sendall(bytes(3 * RECORD))
    c.settimeout(None)
    assert len(receive(c, 3 * RECORD)) == 3 * RECORD
    s.sendall(b"0123456789")
    buffer = bytearray(b"." * 20)
    assert c.recv_into(memoryview(buffer)[5:], 4) == 4
    assert buffer == b"....." + b"0123" + b"." * 11
    assert c.recv_into(buffer) == 6
    assert buffer[:6] == b"456789"


def test_nothing(pair):
    c, _ = pair
    assert c.recv(0) == b""
    assert c.send(b"") == 0
    with pytest.raises(ValueError, match="size should not be negative"):
        c.recv(-1)


# Deadlines


@pytest.mark.parametrize("role", ["client", "server"])
def test_the_handshake_has_one_deadline(contexts, role):
    """A peer that keeps sending one byte at a time does not keep the handshake alive."""
    client, server = contexts
    one, other = socket.socketpair()
    stop = threading.Event()

    def drip():
        other.sendall(b"\x16\x03\x03\x40\x00" + (b"\x01\x00\x3f\xfc" if role == "server" else b"\x02\x00\x3f\xfc"))
        while not stop.wait(0.05):
            with contextlib.suppress(OSError):
                other.send(b"\0")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        one.settimeout(0.4)
        context = client if role == "client" else server
        name = "localhost" if role == "client" else None
        with pytest.raises(TimeoutError, match="timed out"):
            context.wrap_socket(one, server_side=role == "server", server_hostname=name)
        assert thread.is_alive()  # it would have gone on for ever
    finally:
        stop.set()
        thread.join()
        one.close()
        other.close()


def test_a_read_has_one_deadline(pair):
    c, s = pair
    raw = socket.socket(fileno=socket.dup(s.fileno()))
    record = b"\x17\x03\x03\x40\x11"
    stop = threading.Event()

    def drip():
        raw.send(record)
        while not stop.wait(0.05):
            with contextlib.suppress(OSError):
                raw.send(b"\0")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        c.settimeout(0.4)
        with pytest.raises(TimeoutError, match="The read operation timed out"):
            c.recv(10)
        assert thread.is_alive()  # it would have gone on for ever
    finally:
        stop.set()
        thread.join()
        raw.close()


def test_a_write_has_a_deadline(pair):
    c, _ = pair
    c.settimeout(0.3)
    with pytest.raises(TimeoutError, match="The write operation timed out"):
        repeat(lambda: c.send(bytes(1 << 20)))


def test_unwrap_has_a_deadline(pair):
    c, _ = pair
    c.settimeout(0.3)
    with pytest.raises(TimeoutError):
        c.unwrap()


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_blocking_send_takes_everything(pair, timeout):
    """Programs, asyncio's tests among them, do not look at what send() returns."""
    c, s = pair
    c.settimeout(timeout)
    with ThreadPoolExecutor() as pool:
        got = pool.submit(receive, s, 3 << 20)
        assert c.send(bytes(3 << 20)) == 3 << 20
        assert got.result(PATIENCE) == bytes(3 << 20)


# Non-blocking


def test_a_non_blocking_send_resumes_with_the_same_data(pair):
    """The queue is filled, then emptied by the peer: what send() reported, and nothing else, arrives once."""
    c, s = pair
    c.setblocking(False)
    data = bytes(range(251)) * 20000
    reported, view, received = 0, memoryview(data), bytearray()

    def read_some():
        received.extend(s.recv(RECORD))

    while reported < len(data):
        try:
            count = c.send(bytes(view[reported : reported + 300_000]))  # another buffer each time
        except ssl.SSLWantWriteError:
            assert len(received) <= reported + 300_000
            read_some()
        else:
            assert count > 0
            reported += count
    s.settimeout(PATIENCE)
    while len(received) < len(data):
        read_some()
    assert received == data


def test_a_retry_with_less_is_refused(pair):
    c, _ = pair
    c.setblocking(False)
    with pytest.raises(ssl.SSLWantWriteError):
        repeat(lambda: c.send(bytes(100_000)))
    with pytest.raises((ssl.SSLError, ssl.SSLWantWriteError)):
        c.send(b"x")


def test_non_blocking_reads(pair):
    c, s = pair
    c.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError) as caught:
        c.recv(10)
    assert caught.value.errno == ssl.SSL_ERROR_WANT_READ
    s.sendall(b"data")
    assert readable(c, PATIENCE)
    assert c.recv(10) == b"data"


@pytest.mark.parametrize("timeout", [None, PATIENCE, 0.0])
def test_a_record_that_comes_in_two_pieces(pair, timeout):
    """Whichever way a read begins, what it found of a record is there for the next one."""
    client, server = pair
    for cut in (1, 4, 5, 6, 12, 25):
        record = server._sslobj._conn.write_record(b"data")
        socket.socket.send(server, record[:cut])
        client.settimeout(0.0)
        for _ in range(2):
            with pytest.raises(ssl.SSLWantReadError):
                client.recv(100)
        socket.socket.send(server, record[cut:])
        client.settimeout(timeout)
        assert client.recv(100) == b"data"


def test_a_non_blocking_handshake(contexts):
    client, server = contexts
    one, other = socket.socketpair()
    one.setblocking(False)
    other.setblocking(False)
    c = client.wrap_socket(one, server_hostname="localhost", do_handshake_on_connect=False)
    s = server.wrap_socket(other, server_side=True, do_handshake_on_connect=False)
    waiting = [c, s]
    deadline = time.monotonic() + PATIENCE
    while waiting:
        assert time.monotonic() < deadline
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
    assert c.version() == s.version()
    c.close()
    s.close()


# Threads


def test_one_thread_reads_while_another_writes(pair):
    c, s = pair
    size = 8 << 20
    data = bytes(range(256)) * (size // 256)

    def send(sock):
        sock.sendall(data)

    def receive_all(sock):
        return receive(sock, size)

    with ThreadPoolExecutor(4) as pool:
        sends = [pool.submit(send, sock) for sock in (c, s)]
        got = [pool.submit(receive_all, sock) for sock in (c, s)]
        assert [future.result(60) == data for future in got] == [True, True]
        assert [future.result(60) for future in sends] == [None, None]


def test_a_blocked_reader_does_not_stop_a_writer(pair):
    c, s = pair
    for sock in pair:
        sock.settimeout(None)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(c.recv, 10)
        time.sleep(0.1)
        c.sendall(b"ping")
        assert receive(s, 4) == b"ping"
        s.sendall(b"pong")
        assert reading.result(PATIENCE) == b"pong"


def test_concurrent_handshakes_from_one_context(contexts):
    client, server = contexts

    def handshake(_):
        one, other = socket.socketpair()
        for sock in (one, other):
            sock.settimeout(PATIENCE)
        with ThreadPoolExecutor() as inner:
            accepted = inner.submit(server.wrap_socket, other, server_side=True)
            with client.wrap_socket(one, server_hostname="localhost") as c, accepted.result(PATIENCE) as s:
                c.sendall(b"hello")
                return receive(s, 5)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(handshake, range(24))) == [b"hello"] * 24


# The end


def test_unwrap_on_both_sides_leaves_a_plain_socket(pair):
    c, s = pair
    with ThreadPoolExecutor() as pool:
        other = pool.submit(s.unwrap)
        plain = c.unwrap()
        assert other.result(PATIENCE) is s
    assert plain is c
    assert c._sslobj is None
    assert c.version() is None
    c.sendall(b"in the clear")
    assert s.recv(100) == b"in the clear"
    with pytest.raises(ValueError, match="No SSL wrapper around"):
        c.unwrap()
    with pytest.raises(ValueError, match="Read on closed or unwrapped SSL socket"):
        c.read(1)
    with pytest.raises(ValueError, match="Write on closed or unwrapped SSL socket"):
        c.write(b"x")


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_no_byte_after_close_notify_is_lost(pair, timeout):
    """The peer says goodbye and goes on in clear text without waiting for our goodbye."""
    c, s = pair
    c.settimeout(timeout)
    s.sendall(b"over")
    s.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        s.unwrap()
    raw = socket.socket(fileno=socket.dup(s.fileno()))
    raw.sendall(b"220 plain text")
    assert receive(c, 4) == b"over"
    assert c.recv(100) == b""
    c.unwrap()
    assert receive(c, 1) == b"2"
    buffer = bytearray(1)
    assert c.recv_into(buffer) == 1
    assert buffer == b"2"
    assert receive(c, 12) == b"0 plain text"
    raw.close()


def test_half_close(pair):
    """After the peer's close_notify we may still write; after our own, no more."""
    c, s = pair
    s.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        s.unwrap()
    for _ in range(3):
        assert c.recv(10) == b""
    c.sendall(b"still here")
    with pytest.raises(ssl.SSLError) as caught:
        repeat(s.unwrap)
    assert caught.value.reason in ("APPLICATION_DATA_AFTER_CLOSE_NOTIFY", None)
    with pytest.raises(ssl.SSLError) as refused:
        s.write(b"x")
    assert refused.value.reason == "PROTOCOL_IS_SHUTDOWN"


def test_data_instead_of_close_notify(pair):
    c, s = pair
    s.sendall(b"not yet")
    with pytest.raises(ssl.SSLError) as caught:
        c.unwrap()
    assert caught.value.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"


def test_a_ragged_end(pair):
    c, s = pair
    s._sslobj = None
    s.close()
    assert c.recv(10) == b""
    assert c.recv(10) == b""
    c.suppress_ragged_eofs = False
    with pytest.raises(ssl.SSLEOFError) as caught:
        c.recv(10)
    assert caught.value.args[0] == ssl.SSL_ERROR_EOF
    assert "EOF occurred in violation of protocol" in str(caught.value)


def test_a_ragged_end_that_is_allowed(contexts, tls):
    client, server = contexts
    client.options |= tls.OP_IGNORE_UNEXPECTED_EOF
    one, other = socket.socketpair()
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(server.wrap_socket, other, server_side=True)
        c = client.wrap_socket(one, server_hostname="localhost", suppress_ragged_eofs=False)
        s = accepted.result(PATIENCE)
    s.close()
    assert c.recv(10) == b""
    c.close()


def test_shutdown_drops_the_tls_layer(pair):
    c, s = pair
    c.shutdown(socket.SHUT_WR)
    assert c._sslobj is None
    assert c.cipher() is None
    assert s.recv(10) == b""  # a ragged end


def test_detach_hands_over_a_clean_descriptor(pair, contexts):
    """A second TLS session on the descriptor that was detached, as python-oracledb does it."""
    client, server = contexts
    c, s = pair
    s.sendall(b"again")
    assert receive(c, 5) == b"again"
    one, other = (socket.socket(fileno=end.detach()) for end in (c, s))
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(server.wrap_socket, other, server_side=True)
        with client.wrap_socket(one, server_hostname="localhost") as second, accepted.result(PATIENCE) as far:
            far.sendall(b"fresh")
            assert receive(second, 5) == b"fresh"


def test_makefile_and_close(pair):
    c, s = pair
    with c.makefile("rwb") as stream:
        c.close()
        stream.write(b"one line\n")
        stream.flush()
        assert receive(s, 9) == b"one line\n"
        s.sendall(b"and back\n")
        assert stream.readline() == b"and back\n"
    assert c.fileno() == -1


def test_no_reference_cycle_keeps_a_connection(pair):
    """A connection goes with its last reference, without the garbage collector."""
    c, s = pair
    client, server = c.context, s.context
    one, other = socket.socketpair()
    gc.disable()
    try:
        with ThreadPoolExecutor() as pool:
            accepted = pool.submit(server.wrap_socket, other, server_side=True)
            sock = client.wrap_socket(one, server_hostname="localhost")
            far = accepted.result(PATIENCE)
        del accepted
        sock.sendall(b"x")
        assert far.recv(1) == b"x"
        watched = [weakref.ref(sock)]
        if not isinstance(sock._sslobj, ssl._ssl._SSLSocket):  # which knows no weak references
            watched.append(weakref.ref(sock._sslobj))
        sock.close()
        del sock
        assert not any(ref() for ref in watched)
        far.close()
    finally:
        gc.enable()


def test_sendfile(pair, tmp_path):
    c, s = pair
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)
    with ThreadPoolExecutor() as pool, path.open("rb") as file:
        got = pool.submit(receive, s, 200_000)
        assert c.sendfile(file, 100, 200_000) == 200_000
        assert got.result(PATIENCE) == path.read_bytes()[100:200_100]


def test_what_is_refused(pair):
    c, _ = pair
    with pytest.raises(NotImplementedError, match="Can't dup"):
        c.dup()
    for name in ("recvmsg", "recvmsg_into", "sendmsg"):
        with pytest.raises(NotImplementedError, match="not allowed on instances of"):
            getattr(c, name)(10)
    for name, arguments in (("recvfrom", (10,)), ("recvfrom_into", (bytearray(10),)), ("sendto", (b"x", ("a", 1)))):
        with pytest.raises(ValueError, match=f"{name} not allowed on instances of"):
            getattr(c, name)(*arguments)
    for name, data in (("send", b"x"), ("sendall", b"x"), ("recv", 10), ("recv_into", bytearray(10))):
        with pytest.raises(ValueError, match=f"non-zero flags not allowed in calls to {name}"):
            getattr(c, name)(*((data, None, 1) if name == "recv_into" else (data, 1)))


def test_wrapping_what_cannot_be_wrapped(contexts):
    client, server = contexts
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, pytest.raises(NotImplementedError):
        client.wrap_socket(datagrams, server_hostname="localhost")
    for arguments in ({}, {"server_hostname": ""}, {"server_hostname": ".leading.dot"}):
        with socket.socket() as sock, pytest.raises(ValueError):
            client.wrap_socket(sock, **arguments)
    one, other = socket.socketpair()
    with one, other, pytest.raises(TypeError):
        client.wrap_socket(one, server_hostname="nul\0byte", do_handshake_on_connect=False)
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match="server_hostname can only be specified in client mode"),
    ):
        server.wrap_socket(sock, server_side=True, server_hostname="localhost")


def test_listening_and_connecting(contexts):
    client, server = contexts
    with socket.create_server(("127.0.0.1", 0)) as plain, server.wrap_socket(plain, server_side=True) as listener:
        address = listener.getsockname()
        with ThreadPoolExecutor() as pool:
            accepted = pool.submit(listener.accept)
            with client.wrap_socket(socket.socket(), server_hostname="localhost") as c:
                assert c.version() is None
                assert c.recv is not None
                c.connect(address)
                far, peer = accepted.result(PATIENCE)
                with far:
                    assert peer == c.getsockname()
                    assert far.server_side
                    c.sendall(b"hello")
                    assert receive(far, 5) == b"hello"
                with pytest.raises(ValueError, match="already-connected"):
                    c.connect(address)
        with pytest.raises(ValueError, match="can't connect in server-side mode"):
            listener.connect(address)
    with client.wrap_socket(socket.socket(), server_hostname="localhost") as c:
        assert c.connect_ex(address) == errno.ECONNREFUSED
        with pytest.raises(OSError):
            c.getpeercert()
