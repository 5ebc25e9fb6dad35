"""Certificate compression (RFC 8879): both roles, every algorithm that is here, and what has to be refused.

`Pair` lies in the place of an honest sender, so that both transcripts agree and nothing but the message is wrong.
"""

from __future__ import annotations

import asyncio
import importlib.util
import random
import socket
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls._base import registry
from puretls._engine import compression
from puretls._engine.config import Config
from puretls._wire import compression as algorithms
from puretls._wire.codec import vec24
from support import PATIENCE
from support.bios import join
from support.both import V12, client_of, only, server_of
from support.pair import (
    CLIENT,
    SERVER,
    Pair,
    client_config,
    configured,
    identity,
    message,
    remote_key,
    server_config,
    store,
)
from support.staples import response

HERE = {
    "zlib": True,
    "zstd": bool(importlib.util.find_spec("compression") or importlib.util.find_spec("backports")),
    "brotli": bool(importlib.util.find_spec("brotli")),
}
NAMES = [name for name, there in HERE.items() if there]
each_algorithm = pytest.mark.parametrize("name", NAMES)
CODES = {"zlib": 1, "brotli": 2, "zstd": 3}


def watched(context: Any) -> list[int]:
    """The kinds of handshake messages that a context's connections read."""
    seen: list[int] = []
    context._msg_callback = lambda _conn, way, _version, content, kind, _data: (
        seen.append(int(kind)) if (way, content) == ("read", registry.HANDSHAKE) else None
    )
    return seen


def compressing(context: Any, *names: str) -> Any:
    context.set_cert_compression(names or ["zlib"])
    return context


@each_algorithm
def test_the_servers_certificate(name, pki):
    client, server = compressing(client_of(puretls, pki), name), compressing(server_of(puretls, pki), name)
    seen = watched(client)
    pair = join(client, server).ok()
    assert pair.client.obj.cert_compression() == name
    assert pair.server.obj.cert_compression() is None
    assert registry.COMPRESSED_CERTIFICATE in seen
    assert registry.CERTIFICATE not in seen
    assert pair.client.obj.getpeercert()["subject"]
    assert pair.send(pair.client, b"hello") == b"hello"


@each_algorithm
def test_the_clients_certificate(name, pki):
    client = compressing(client_of(puretls, pki, identity="client"), name)
    server = compressing(server_of(puretls, pki, asks=puretls.CERT_REQUIRED), name)
    pair = join(client, server).ok()
    assert (pair.client.obj.cert_compression(), pair.server.obj.cert_compression()) == (name, name)
    assert pair.server.obj.getpeercert()["subject"]


@pytest.mark.parametrize("who", ["nobody", "the client", "the server", "with TLS 1.2", "with nothing in common"])
def test_it_is_off_unless_both_want_it(who, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    if who not in {"nobody", "the server"}:
        compressing(client)
    if who not in {"nobody", "the client"}:
        compressing(server)
    if who == "with TLS 1.2":
        only(V12, client)
    if who == "with nothing in common":
        client.set_cert_compression([])
        client.add_cert_compression(77, None, lambda data, _length: data)
    pair = join(client, server).ok()
    assert pair.client.obj.cert_compression() is None


def test_the_senders_order_decides(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    for context, codes in ((client, (70, 71)), (server, (71, 70))):
        for code in codes:
            context.add_cert_compression(code, zlib.compress, lambda data, _: zlib.decompress(data))
    assert join(client, server).ok().client.obj.cert_compression() == "71"


def test_what_gets_no_shorter_is_sent_as_it_is(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    for context in (client, server):
        context.add_cert_compression(70, lambda data: data, lambda data, _: data)
    assert join(client, server).ok().client.obj.cert_compression() is None


def test_it_is_compressed_once_for_a_credential_and_a_staple(pki):
    counted: list[int] = []

    def compress(data: bytes) -> bytes:
        counted.append(len(data))
        return zlib.compress(data)

    client, server = compressing(client_of(puretls, pki)), server_of(puretls, pki)
    server.add_cert_compression(1, compress, None)
    server.ocsp_response = response(pki)
    asking = compressing(client_of(puretls, pki))
    asking.request_ocsp = True
    for _ in range(3):
        plain, stapled = join(client, server).ok(), join(asking, server).ok()
        assert (plain.client.obj.cert_compression(), stapled.client.obj.cert_compression()) == ("zlib", "zlib")
        assert (plain.client.obj.ocsp_response, stapled.client.obj.ocsp_response) == (None, server.ocsp_response)
    assert len(counted) == len(set(counted)) == 2
    staple = response(pki)
    server.ocsp_response = lambda _sslobj: staple
    for _ in range(3):
        assert join(asking, server).ok().client.obj.ocsp_response == staple
    assert len(counted) <= 3


def test_with_hello_retry_request_and_resumption(pki):
    client, server = compressing(client_of(puretls, pki)), compressing(server_of(puretls, pki))
    server.set_groups("secp384r1")
    pair = join(client, server).ok()
    assert pair.client.obj.cert_compression() == "zlib"
    again = join(client, server, session=pair.client.obj.session).ok()
    assert again.client.obj.session_reused
    assert again.client.obj.cert_compression() is None  # no certificate came


def test_a_context_that_sni_callback_chooses_compresses_as_it_says(pki):
    client = compressing(client_of(puretls, pki))
    first, chosen = server_of(puretls, pki), server_of(puretls, pki)
    first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", chosen)
    compressing(first)
    assert join(client, first).ok().client.obj.cert_compression() is None
    compressing(chosen)
    assert join(client, first).ok().client.obj.cert_compression() == "zlib"


def test_not_after_the_handshake(pki):
    client = compressing(client_of(puretls, pki, identity="client"))
    server = compressing(server_of(puretls, pki, asks=puretls.CERT_REQUIRED))
    client.post_handshake_auth = server.post_handshake_auth = True
    seen = watched(server)
    pair = join(client, server).ok()
    pair.server.obj.verify_client_post_handshake()
    pair.send(pair.server, b"who are you?")
    pair.send(pair.client, b"me")
    assert pair.server.obj.getpeercert()["subject"]
    assert registry.CERTIFICATE in seen
    assert registry.COMPRESSED_CERTIFICATE not in seen


def test_over_sockets(pki):
    client, server = compressing(client_of(puretls, pki, identity="client")), compressing(server_of(puretls, pki))
    server.verify_mode = puretls.CERT_REQUIRED
    ours, theirs = socket.socketpair()
    found: list[Any] = []

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as tls:
            found.append(tls.cert_compression())
            tls.sendall(tls.recv(10))

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as tls:
        tls.sendall(b"ping")
        assert tls.recv(10) == b"ping"
        assert tls.cert_compression() == "zlib"
    thread.join(PATIENCE)
    assert found == ["zlib"]


def test_over_asyncio(pki):
    client, server = compressing(client_of(puretls, pki)), compressing(server_of(puretls, pki))

    async def main() -> str | None:
        async def echo(reader: Any, writer: Any) -> None:
            writer.write(await reader.readexactly(4))
            await writer.drain()
            writer.close()

        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server) as serving:
            port = serving.sockets[0].getsockname()[1]
            reader, writer = await puretls.asyncio.open_connection(
                "127.0.0.1", port, ssl=client, server_hostname="localhost"
            )
            writer.write(b"ping")
            assert await reader.readexactly(4) == b"ping"
            found: str | None = writer.get_extra_info("ssl_object").cert_compression()
            writer.close()
            return found

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == "zlib"


# What is refused


ZLIB = algorithms.by_name("zlib")


def wanting(config: Config, **changes: Any) -> Config:
    return configured(config, compressions=(ZLIB,), **changes)


def compressed(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """A CompressedCertificate whose fields are others: `change` gets algorithm, length and data."""
    return lambda raw: message(registry.COMPRESSED_CERTIFICATE, change(raw[4:]))


def of(body: bytes, *, length: int | None = None, code: int = 1, data: bytes | None = None) -> bytes:
    said = len(body) if length is None else length
    return code.to_bytes(2, "big") + said.to_bytes(3, "big") + vec24(zlib.compress(body) if data is None else data)


def unpacked(fields: bytes) -> bytes:
    return zlib.decompress(fields[8:])


WRONG: dict[str, tuple[Callable[[bytes], bytes], str, int]] = {
    "another algorithm": (lambda b: b"\x00\x02" + b[2:], "BAD_COMPRESSION_ALGORITHM", registry.ILLEGAL_PARAMETER),
    "algorithm 0": (lambda b: b"\x00\x00" + b[2:], "BAD_COMPRESSION_ALGORITHM", registry.ILLEGAL_PARAMETER),
    "length 0": (lambda b: of(unpacked(b), length=0), "BAD_DECOMPRESSION", registry.BAD_CERTIFICATE),
    "too long": (lambda b: of(unpacked(b), length=102_401), "BAD_DECOMPRESSION", registry.BAD_CERTIFICATE),
    "16 MiB": (lambda _b: of(bytes(0xFFFFFF)), "BAD_DECOMPRESSION", registry.BAD_CERTIFICATE),
    "a byte less": (
        lambda b: of(unpacked(b), length=len(unpacked(b)) - 1),
        "BAD_DECOMPRESSION",
        registry.BAD_CERTIFICATE,
    ),
    "a byte more": (
        lambda b: of(unpacked(b), length=len(unpacked(b)) + 1),
        "BAD_DECOMPRESSION",
        registry.BAD_CERTIFICATE,
    ),
    "a bomb": (lambda b: of(bytes(10_000_000), length=len(unpacked(b))), "BAD_DECOMPRESSION", registry.BAD_CERTIFICATE),
    "rubbish": (lambda b: of(unpacked(b), data=b"rubbish"), "BAD_DECOMPRESSION", registry.BAD_CERTIFICATE),
    "cut off": (
        lambda b: of(unpacked(b), data=zlib.compress(unpacked(b))[:-1]),
        "BAD_DECOMPRESSION",
        registry.BAD_CERTIFICATE,
    ),
    "something behind the stream": (
        lambda b: of(unpacked(b), data=zlib.compress(unpacked(b)) + b"x"),
        "BAD_DECOMPRESSION",
        registry.BAD_CERTIFICATE,
    ),
    "no data": (lambda b: of(unpacked(b), data=b""), "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "a byte behind the vector": (lambda b: b + b"\x00", "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "a short vector": (lambda b: b[:-1], "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "three bytes": (lambda b: b[:3], "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "nothing": (lambda _b: b"", "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "a Certificate that is none": (lambda _b: of(b"\x00" * 9), "LENGTH_MISMATCH", registry.DECODE_ERROR),
    "a byte behind the Certificate": (lambda b: of(unpacked(b) + b"x"), "LENGTH_MISMATCH", registry.DECODE_ERROR),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("who", [CLIENT, SERVER])
def test_refusals(who, what):
    change, reason, alert = WRONG[what]
    pair = Pair(
        wanting(client_config(), credentials=(identity(),)),
        wanting(server_config(), verify_mode=puretls.CERT_REQUIRED, store=store()),
    )
    (pair.server if who == CLIENT else pair.client).lies["CompressedCertificate"] = compressed(change)
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.reason, refusal.fault.alert) == (who, reason, alert)


@pytest.mark.parametrize("who", [CLIENT, SERVER])
def test_who_has_not_asked_takes_none(who):
    def squeeze(raw: bytes) -> bytes:
        return message(registry.COMPRESSED_CERTIFICATE, of(raw[4:]))

    pair = Pair(
        client_config(credentials=(identity(),)), server_config(verify_mode=puretls.CERT_REQUIRED, store=store())
    )
    (pair.server if who == CLIENT else pair.client).lies["Certificate"] = squeeze
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.reason) == (who, "UNEXPECTED_MESSAGE")


@pytest.mark.parametrize(
    "body", [b"", b"\x00", b"\x01\x00", b"\x02\x00", b"\x03\x00\x01\x00", b"\x02\x00\x01\x00", b"\x04\x00\x01\x00\x01"]
)
@pytest.mark.parametrize("who", [CLIENT, SERVER])
def test_lists_that_are_none(who, body):
    """In a ClientHello and in a CertificateRequest, whether or not the receiver compresses."""
    from support.pair import extensions, hello

    for config in (client_config(), wanting(client_config())):
        asking = server_config(verify_mode=puretls.CERT_REQUIRED, store=store())
        pair = Pair(configured(config, credentials=(identity(),)), asking)
        if who == SERVER:
            pair.client.lies["ClientHello"] = hello({registry.COMPRESS_CERTIFICATE: body})
        else:
            pair.server.lies["CertificateRequest"] = extensions(x27=body)
        refusal = pair.refusal()
        assert (refusal.by, refusal.fault.alert) == (who, registry.DECODE_ERROR)


def test_the_extension_is_no_answer():
    from support.pair import extensions

    pair = Pair(wanting(client_config()), wanting(server_config()))
    pair.server.lies["EncryptedExtensions"] = extensions(x27=b"\x02\x00\x01")
    refusal = pair.refusal()
    assert (refusal.by, refusal.fault.alert) == (CLIENT, registry.ILLEGAL_PARAMETER)


@each_algorithm
def test_what_is_announced_bounds_what_is_allocated(name):
    """16 MiB that shrink to a few hundred bytes: no way of packing them makes us hold what they were."""
    algorithm = algorithms.by_name(name)
    assert algorithm.compress
    assert algorithm.decompress
    bomb = algorithm.compress(bytes(1 << 24))
    assert bomb
    assert len(bomb) < 1 << 15
    algorithm.decompress(algorithm.compress(b"x" * 100) or b"", 100)
    tracemalloc.start()
    try:
        with pytest.raises(Exception, match=r".*") as caught:
            algorithm.decompress(bomb, 5000)
        assert isinstance(caught.value, Exception)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(not HERE["zstd"], reason="no zstd")
def test_zstd_has_no_huge_window():
    """A frame of 30 bytes may demand a window of 128 MiB; what RFC 8878 has for a window has a limit here."""
    header = bytes.fromhex("28b52ffd 00 88 010000 00".replace(" ", ""))  # Window_Descriptor 0x88: 2^27
    algorithm = algorithms.by_name("zstd")
    assert algorithm.decompress
    with pytest.raises(Exception, match=r"(?i)window|memory|large|unsupported|unable"):
        algorithm.decompress(header, 100)


@each_algorithm
def test_mutations_never_give_another_certificate(name):
    """Whatever becomes of the compressed bytes: the same certificate comes out, or bad_certificate."""
    algorithm = algorithms.by_name(name)
    conn = Pair(configured(client_config(), compressions=(algorithm,))).client.handshake
    raw = identity().message13
    assert algorithm.compress
    packed = algorithm.compress(raw[4:]) or b""
    chosen = random.Random(8879)
    for _ in range(300):
        data = bytearray(packed)
        for _ in range(chosen.randint(1, 3)):
            data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        made = compression.messages.CompressedCertificate(b"raw", algorithm.code, len(raw) - 4, bytes(data))
        try:
            alert = None if compression.expand(conn, made).raw == b"raw" else -1
        except compression.Abort as abort:
            alert = abort.fault.alert
        assert alert in {None, registry.BAD_CERTIFICATE, registry.DECODE_ERROR}


# Functions of the program


@pytest.mark.parametrize("wrong", [ZeroDivisionError("no"), b"", b"short", 5, None, MemoryError(), bytes(20_000)])
def test_a_decompress_that_fails(wrong, pki):
    def decompress(_data: bytes, _length: int) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    client, server = client_of(puretls, pki), compressing(server_of(puretls, pki))
    client.add_cert_compression(1, None, decompress)
    pair = join(client, server).shake()
    assert pair.client.error.reason == "BAD_DECOMPRESSION"
    assert pair.server.error.reason == "SSLV3_ALERT_BAD_CERTIFICATE"


@pytest.mark.parametrize("wrong", [ZeroDivisionError("no"), "text", 5])
def test_a_compress_that_fails(wrong, pki, monkeypatch):
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    def compress(_data: bytes) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    client, server = compressing(client_of(puretls, pki)), server_of(puretls, pki)
    server.add_cert_compression(1, compress, None)
    assert join(client, server).ok().client.obj.cert_compression() is None
    assert len(told) == 1


def test_one_direction_only(pki):
    """A server that only compresses does not offer to take what is compressed, and the other way round."""
    client = client_of(puretls, pki, identity="client")
    server = server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    client.add_cert_compression(1, zlib.compress, lambda data, length: zlib.decompressobj().decompress(data, length))
    server.add_cert_compression(1, zlib.compress, None)
    pair = join(client, server).ok()
    assert (pair.client.obj.cert_compression(), pair.server.obj.cert_compression()) == ("zlib", None)


def test_settings():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    assert puretls.HAS_CERT_COMPRESSION
    assert context.max_cert_list == 102_400
    for wrong in ("deflate", "ZLIB", ""):
        with pytest.raises(ValueError, match="unknown"):
            context.set_cert_compression([wrong])
    with pytest.raises(ValueError, match="twice"):
        context.set_cert_compression(["zlib", "zlib"])
    for odd in ("zlib", b"zlib", [b"zlib"], [1], 5, None):
        with pytest.raises(TypeError):
            context.set_cert_compression(odd)
    for code in (0, -1, 65536):
        with pytest.raises(ValueError, match="65535"):
            context.add_cert_compression(code, zlib.compress, None)
    with pytest.raises(ValueError, match="has to"):
        context.add_cert_compression(1, None, None)
    with pytest.raises(TypeError):
        context.add_cert_compression(1, "zlib", None)
    for size in (0, -1, 1 << 24):
        with pytest.raises(ValueError, match="max_cert_list"):
            context.max_cert_list = size
    for code in range(1, 128):
        context.add_cert_compression(code, zlib.compress, zlib.decompress)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="127"):
        context.add_cert_compression(128, zlib.compress, None)


@pytest.mark.parametrize("name", ["zstd", "brotli"])
def test_a_library_that_is_missing(name, monkeypatch):
    for module in ("compression", "backports", "brotli"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match="not available"):
        puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).set_cert_compression([name])


def test_max_cert_list(pki):
    client, server = compressing(client_of(puretls, pki)), compressing(server_of(puretls, pki))
    client.max_cert_list = 100
    pair = join(client, server).shake()
    assert pair.client.error.reason == "BAD_DECOMPRESSION"
    client.max_cert_list = 102_400
    assert join(client, server).ok().client.obj.cert_compression() == "zlib"


def test_keys_elsewhere_sign_what_is_compressed():
    config = wanting(server_config(), credentials=(remote_key(),))
    pair = Pair(wanting(client_config()), config).handshake().echo()
    assert pair.client.certificate_compression == CODES["zlib"]
