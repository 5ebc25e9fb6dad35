"""Nothing but SSLError and OSError comes out of a connection, whatever its peer says and whatever state it is in.

A server of `http.server` or `socketserver` ends for good with the first exception of another kind that leaves accept()
or do_handshake(): each such exception would be a way to stop it from outside.
"""

from __future__ import annotations

import os
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls
from puretls._base.registry import CLIENT_HELLO, FINISHED
from puretls._engine.handshake import State
from puretls._engine.server_start import ExpectClientHello
from puretls._wire.codec import message, vec8, vec16
from puretls._wire.hello import HELLO_RETRY_REQUEST, ClientHello
from support import Pki
from support.bios import ObjectPair, join
from support.ours import client_context, server_context

VERSIONS = ["TLSv1_3", "TLSv1_2"]
BAD_RECORD = b"\x17\x03\x03\x00\x20" + bytes(32)


def contexts(pki: Pki, version: str = "TLSv1_3") -> tuple[Any, Any]:
    client = client_context(puretls, pki, version=getattr(puretls.TLSVersion, version), identity="client")
    client.post_handshake_auth = True
    server = server_context(puretls, pki)
    server.post_handshake_auth = True
    server.verify_mode = puretls.CERT_OPTIONAL
    return client, server


def plain(data: bytes) -> bytes:
    """Records without protection that hold one handshake message, however long it is."""
    return b"".join(b"\x16\x03\x03" + vec16(data[at : at + 16384]) for at in range(0, len(data), 16384))


def retry_with_cookie(offer: bytes, size: int) -> bytes:
    """A HelloRetryRequest that asks nothing but to have a cookie back (RFC 8446 4.2.2)."""
    session_id = offer[44 : 44 + offer[43]]
    block = b"\x00\x2b\x00\x02\x03\x04" + b"\x00\x2c" + vec16(vec16(os.urandom(size)))
    return plain(message(2, b"\x03\x03" + HELLO_RETRY_REQUEST + vec8(session_id) + b"\x13\x01\x00" + vec16(block)))


@pytest.mark.parametrize("size", [64_300, 65_000, 65_500])
def test_a_cookie_that_no_second_hello_has_room_for(pki: Pki, size: int) -> None:
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    client = client_context(puretls, pki).wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(puretls.SSLWantReadError):
        client.do_handshake()
    incoming.write(retry_with_cookie(outgoing.read(), size))
    with pytest.raises(puretls.SSLError) as caught:
        client.do_handshake()
    assert caught.value.reason == "INTERNAL_ERROR"
    assert outgoing.read().endswith(b"\x15\x03\x03\x00\x02\x02\x50")  # internal_error, as OpenSSL says


Stage = Callable[[ObjectPair], None]


def before(_: ObjectPair) -> None:
    """Nothing has happened."""


def half_way(pair: ObjectPair) -> None:
    """The server has answered, the client has not."""
    pair.client.shake()
    pair.move()
    pair.server.shake()


def done(pair: ObjectPair) -> None:
    pair.ok()


def said_goodbye(pair: ObjectPair) -> None:
    pair.ok().goodbye()


def failed(pair: ObjectPair) -> None:
    pair.ok()
    for side in (pair.client, pair.server):
        side.incoming.write(BAD_RECORD)
        with pytest.raises(puretls.SSLError):
            side.obj.read(100)


def failed_early(pair: ObjectPair) -> None:
    for side in (pair.client, pair.server):
        side.incoming.write(BAD_RECORD)
        with pytest.raises(puretls.SSLError):
            side.obj.do_handshake()


def ended(pair: ObjectPair) -> None:
    pair.ok()
    pair.end(pair.client)
    pair.end(pair.server)


STAGES: list[Stage] = [before, half_way, done, said_goodbye, failed, failed_early, ended]
CALLS: dict[str, Callable[[Any], Any]] = {
    "do_handshake": lambda obj: obj.do_handshake(),
    "read": lambda obj: obj.read(10),
    "read into": lambda obj: obj.read(10, bytearray(10)),
    "write": lambda obj: obj.write(b"data"),
    "unwrap": lambda obj: obj.unwrap(),
    "pending": lambda obj: obj.pending(),
    "getpeercert": lambda obj: obj.getpeercert(),
    "getpeercert DER": lambda obj: obj.getpeercert(True),
    "chain": lambda obj: obj.get_unverified_chain(),
    "verified chain": lambda obj: obj.get_verified_chain(),
    "cipher": lambda obj: obj.cipher(),
    "shared_ciphers": lambda obj: obj.shared_ciphers(),
    "version": lambda obj: obj.version(),
    "alpn": lambda obj: obj.selected_alpn_protocol(),
    "tls-unique": lambda obj: obj.get_channel_binding(),
    "tls-exporter": lambda obj: obj.get_channel_binding("tls-exporter"),
    "tls-server-end-point": lambda obj: obj.get_channel_binding("tls-server-end-point"),
    "export": lambda obj: obj._sslobj.export_keying_material("label", 32),
    "session": lambda obj: obj.session,
    "session_reused": lambda obj: obj.session_reused,
    "verify_client_post_handshake": lambda obj: obj.verify_client_post_handshake(),
    "repr": repr,
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_no_call_raises_anything_else_in_any_state(pki: Pki, stage: Stage, call: str, version: str) -> None:
    for side in ("client", "server"):
        pair = join(*contexts(pki, version))
        stage(pair)
        obj = getattr(pair, side).obj
        for _ in range(2):
            try:
                CALLS[call](obj)
            except (OSError, ValueError) as error:  # ValueError: "handshake not done yet"
                assert isinstance(error, puretls.SSLError) or type(error) is ValueError  # noqa: PT017


def test_asking_again_in_the_middle_of_the_answer(pki: Pki) -> None:
    """Whichever of the three messages of the answer is the last that has arrived (RFC 8446 4.6.2)."""
    pair = join(*contexts(pki)).ok()
    server, reasons = pair.server, []
    pair.client.obj._sslobj._conn.records.outbound.fragment = 16  # so that each message is several records
    server.obj.verify_client_post_handshake()
    assert pair.send(server, b"please") == b"please"
    answer = pair.client.outgoing.read()
    while answer:
        size = 5 + int.from_bytes(answer[3:5], "big")
        server.incoming.write(answer[:size])
        answer = answer[size:]
        server.step(lambda: server.obj.read(1))
        try:
            server.obj.verify_client_post_handshake()
        except puretls.SSLError as error:
            reasons.append(error.reason)
        else:
            break
    assert list(dict.fromkeys(reasons)) == ["REQUEST_PENDING", "STILL_IN_INIT"]
    assert server.obj.getpeercert()["subject"]


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_fault_of_ours_that_a_peer_has_found(
    pki: Pki, monkeypatch: pytest.MonkeyPatch, version: str, side: str
) -> None:
    """Whatever is raised where a message is handled: the peer is told internal_error, the caller gets an SSLError."""
    pair = join(*contexts(pki, version))
    attacked = getattr(pair, side)

    def broken(*_: object) -> Any:
        raise KeyError("secret")

    for state in subclasses(State):
        if FINISHED in state.expects:
            _, *handler = state.expects[FINISHED]
            monkeypatch.setitem(state.expects, FINISHED, (broken, *handler))
    other = pair.server if attacked is pair.client else pair.client
    pair.shake()
    assert type(attacked.error) is puretls.SSLError or type(other.error) is puretls.SSLError
    first = attacked if attacked.error and attacked.error.reason == "INTERNAL_ERROR" else other
    assert first.error.reason == "INTERNAL_ERROR"
    assert isinstance(first.error.__cause__, KeyError)
    assert "secret" not in str(first.error)
    with pytest.raises(puretls.SSLError) as again:
        first.obj.read(1)
    assert again.value.reason == "INTERNAL_ERROR"


def subclasses(cls: type) -> list[Any]:
    found = cls.__subclasses__()
    return found + [deeper for one in found for deeper in subclasses(one)]


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals here")
def test_an_exception_of_a_signal_handler_is_nobodys_fault(pki: Pki, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes out as it is, whatever its class; the step that it has interrupted cannot be gone on with."""

    def handler(*_: object) -> None:
        raise KeyError("alarm")

    def interrupted(raw: bytes) -> Any:
        signal.raise_signal(signal.SIGINT)
        return ClientHello.parse(raw)

    pair = join(*contexts(pki))
    monkeypatch.setitem(
        ExpectClientHello.expects, CLIENT_HELLO, (interrupted, *ExpectClientHello.expects[CLIENT_HELLO][1:])
    )
    pair.client.shake()
    pair.move()
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(KeyError, match="alarm"):
            pair.server.obj.do_handshake()
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(puretls.SSLError, match="INTERNAL_ERROR"):
        pair.server.obj.do_handshake()


@pytest.mark.parametrize("module", [puretls, ssl], ids=lambda module: module.__name__)
def test_a_name_that_server_name_has_no_room_for(module: Any) -> None:
    """RFC 1035 2.3.4: 255 bytes; it is refused before anything is sent."""
    context = module.create_default_context()
    with pytest.raises(module.SSLError) as caught:
        context.wrap_bio(module.MemoryBIO(), module.MemoryBIO(), server_hostname=".".join(["a" * 60] * 6))
    assert (caught.value.args[0], caught.value.reason) == (319, "SSL3_EXT_INVALID_SERVERNAME")


class LostKey:
    """A key that lives somewhere else, and cannot be reached."""

    def __init__(self, key: Any) -> None:
        self.public_key = key.public_key

    def sign(self, *_: Any) -> bytes:
        raise LookupError("no such slot")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_of_the_users_that_fails(pki: Pki, version: str) -> None:
    """It is not the peer's fault, but the peer's handshake: the server goes on with the next."""
    server = server_context(puretls, pki)
    key = load_pem_private_key(Path(pki.key("P-256")).read_bytes(), None)
    server.load_cert_chain(pki.chain("P-256"), LostKey(key))
    pair = join(client_context(puretls, pki, version=getattr(puretls.TLSVersion, version)), server).shake()
    assert pair.server.error.reason == "CALLBACK_FAILED"
    assert isinstance(pair.server.error.__cause__, LookupError)
    assert pair.client.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    if hasattr(pair.server.error, "add_note"):
        assert f"raised in {__name__}" in pair.server.error.__notes__[0]
