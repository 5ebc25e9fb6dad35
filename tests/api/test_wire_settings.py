"""Attributes of contexts about the wire: what a peer sees of them, and which values are refused."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cryptography import x509

import puretls
import puretls.asyncio
from puretls._base.registry import GREASE, HANDSHAKE
from puretls._wire import extensions
from puretls._wire.hello import ClientHello
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
CLIENT_HELLO, CERTIFICATE_REQUEST = 1, 13


def watched(context: Any) -> list[tuple[str, int, bytes]]:
    """The handshake messages of a context's connections, as they come and go."""
    seen: list[tuple[str, int, bytes]] = []

    def note(_conn: Any, direction: str, _version: Any, content: int, kind: int, data: bytes) -> None:
        if content == HANDSHAKE:
            seen.append((direction, int(kind), data))

    context._msg_callback = note
    return seen


def hellos(seen: list[tuple[str, int, bytes]]) -> list[ClientHello]:
    return [ClientHello.parse(data) for direction, kind, data in seen if (direction, kind) == ("write", CLIENT_HELLO)]


def sizes(pair: ObjectPair, data: bytes) -> list[int]:
    """The lengths of the records in which a server sends data."""
    pair.server.obj.write(data)
    sent, found = pair.server.outgoing.read(), []
    pair.client.incoming.write(sent)
    while sent:
        length = int.from_bytes(sent[3:5], "big")
        found.append(length)
        sent = sent[5 + length :]
    assert pair.client.read() == data
    return found


@each_version
def test_record_size_limit(version, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.record_size_limit = 1000
    pair = join(client, server).ok()
    assert max(sizes(pair, bytes(10_000))) <= 1000 + 40
    client.record_size_limit = None
    assert max(sizes(join(client, server).ok(), bytes(10_000))) > 10_000


@each_version
@pytest.mark.parametrize(
    ("own", "theirs", "most"), [(512, None, 512), (1000, 700, 700), (700, 1000, 700), (16384, 600, 600)]
)
def test_max_send_fragment(version, own, theirs, most, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    server.max_send_fragment = own
    client.record_size_limit = theirs
    pair = join(client, server)
    lengths: list[int] = []
    move = pair.move

    def count() -> bool:
        sent = rest = pair.server.outgoing.read()
        while rest:
            lengths.append(int.from_bytes(rest[3:5], "big"))
            rest = rest[5 + lengths[-1] :]
        pair.server.outgoing.write(sent)
        return move()

    pair.move = count  # type: ignore[method-assign]
    pair.ok()
    assert max(lengths) <= own + 40  # messages of the handshake, too
    assert len(sizes(pair, bytes(10_000))) == -(-10_000 // most)


def test_fragments_that_are_refused():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    assert (context.max_send_fragment, context.dynamic_record_sizes) == (16384, False)
    for wrong in (0, 511, 16385, -1):
        with pytest.raises(ValueError, match="from 512 to 16384"):
            context.max_send_fragment = wrong
    with pytest.raises(TypeError):
        context.max_send_fragment = "512"
    assert context.max_send_fragment == 16384
    assert puretls.HAS_RECORD_SIZES


@each_version
@pytest.mark.parametrize("piece", [100, 1186, 5000, 1 << 14, 1 << 17, (1 << 17) + 1, 1 << 18])
def test_dynamic_record_sizes(version, piece, pki):
    """One segment each until 128 KiB of data are out, whatever the sizes of the writes; full ones afterwards."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    server.dynamic_record_sizes = True
    pair = join(client, server).ok()
    done, most = 0, 0
    while done < 1 << 17:
        found = sizes(pair, bytes(piece))
        small = [length for length in found if length + 5 <= 1208]
        if done + piece <= 1 << 17:
            assert small == found
        if piece >= 5000 and not most:
            assert small[0] + 5 == 1208
        most, done = max(small), done + piece
    assert most + 5 <= 1208
    assert len(sizes(pair, bytes(1 << 16))) == 4
    assert pair.server.obj._sslobj._records.fast_sealer is not None
    assert len(sizes(join(client, server_of(puretls, pki)).ok(), bytes(1 << 16))) == 4


@each_version
@pytest.mark.parametrize("transport", ["socket", "asyncio"])
def test_sizes_of_records_over_transports(version, transport, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    server.dynamic_record_sizes, server.max_send_fragment = True, 4096
    data = bytes(range(256)) * 2048

    def read_all() -> bytes:
        with (
            socket.create_connection(listener.getsockname()[:2]) as raw,
            client.wrap_socket(raw, server_hostname="localhost") as conn,
        ):
            found = b""
            while piece := conn.recv(1 << 16):
                found += piece
            return found

    listener = socket.create_server(("127.0.0.1", 0))
    with listener, ThreadPoolExecutor(1) as pool:
        if transport == "socket":
            reading = pool.submit(read_all)
            raw, _ = listener.accept()
            with server.wrap_socket(raw, server_side=True) as conn:
                conn.sendall(data)
            assert reading.result() == data
        else:

            async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                for pos in range(0, len(data), 3000):
                    writer.write(data[pos : pos + 3000])
                await writer.drain()
                writer.close()

            async def work() -> bytes:
                async with await puretls.asyncio.start_server(answer, sock=listener, ssl=server):
                    return await asyncio.get_running_loop().run_in_executor(pool, read_all)

            assert asyncio.run(work()) == data


def test_limits_that_are_refused():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    assert context.record_size_limit == 16384
    for wrong in (63, 16385, -1, 0):
        with pytest.raises(ValueError, match="from 64 to 16384"):
            context.record_size_limit = wrong
    with pytest.raises(TypeError):
        context.record_size_limit = "64"
    assert context.record_size_limit == 16384


@pytest.mark.parametrize("cookie", [True, False])
def test_retry_cookie(cookie, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    server.set_groups("secp256r1")
    server.retry_cookie = cookie
    seen = watched(client)
    join(client, server).ok()
    first, second = hellos(seen)
    assert extensions.registry.COOKIE not in first.extensions
    assert (extensions.registry.COOKIE in second.extensions) == cookie


@each_version
def test_client_ca_names(version, pki):
    client, server = client_of(puretls, pki, identity="client"), server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    only(version, client)
    root, issuer = pki.root.certificate, pki.issuer.certificate
    names = tuple(one.subject.public_bytes() for one in (root, issuer))
    server.client_ca_names = [root, issuer.subject.public_bytes(), root]
    assert server.client_ca_names == names
    seen = watched(client)
    join(client, server).ok()
    (request,) = (data for direction, kind, data in seen if (direction, kind) == ("read", CERTIFICATE_REQUEST))
    assert all(name in request for name in names)


def test_a_client_tells_them_too(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    client.client_ca_names = [pki.root.certificate]
    seen = watched(client)
    join(client, server).ok()
    assert pki.root.certificate.subject.public_bytes() in hellos(seen)[0].raw


def test_names_that_are_refused():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for wrong in (b"", b"rubbish", b"\x30\x02\x05\x00"):
        with pytest.raises(ValueError, match="parsing"):
            context.client_ca_names = [wrong]
    with pytest.raises(TypeError):
        context.client_ca_names = ["CN=me"]
    many = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"CA {n}")]).public_bytes() for n in range(4000)]
    with pytest.raises(ValueError, match="too long"):
        context.client_ca_names = many
    assert context.client_ca_names == ()


@pytest.mark.parametrize("on", [True, False])
def test_grease(on, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert client.grease
    client.grease = on
    seen = watched(client)
    join(client, server).ok()
    (hello,) = hellos(seen)
    assert any(number in GREASE for number in hello.extensions) == on


@pytest.mark.parametrize("name", ["MLKEM768", "MLKEM1024"])
def test_mlkem_without_a_curve(name, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    seen = watched(client)
    client.set_groups(f"{name}:x25519")
    server.set_groups(f"{name}:x25519")
    assert join(client, server).ok().client.obj.group() == name
    (hello,) = hellos(seen)
    assert len(extensions.key_shares(hello.extensions[extensions.registry.KEY_SHARE])) == 2
    seen.clear()
    assert join(client, server_of(puretls, pki)).ok().client.obj.group() == "x25519"  # who does not have it
    assert len(hellos(seen)) == 1
    assert name not in puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).get_groups()
