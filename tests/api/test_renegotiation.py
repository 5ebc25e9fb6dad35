"""What a TLS 1.2 client says of its connection while a server has it renegotiate: what was agreed on before.

The client is asked through the public API; the server is an engine that takes a second ClientHello, as OpenSSL's does.
"""

from __future__ import annotations

import time
from typing import Any

import puretls
from bios import Side
from both import V12, client_of, only, server_of
from pair import Side as Engine
from pair import hello, message, replace
from puretls._base.registry import HANDSHAKE, HELLO_REQUEST, RENEGOTIATION_INFO
from puretls._crypto.transcript import Transcript
from puretls._engine.outcome import Outcome
from puretls._engine.server_start import ExpectClientHello
from puretls._wire.codec import vec8


class Renegotiation:
    """A client that has been asked, and a server that answers with other things than before."""

    def __init__(self, pki: Any) -> None:
        context = client_of(puretls, pki)
        only(V12, context)
        context.set_alpn_protocols(["h2"])
        listening = server_of(puretls, pki)
        listening.set_alpn_protocols(["h2"])
        listening.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        self.client = Side("client", context, server_hostname="localhost")
        config = listening._config(server_side=True)
        self.server = Engine(config, server_side=True, clock=time.time)
        self.server.outbound.each = True  # a message a record, so that there is something in between
        while not self.client.done:
            self.client.shake()
            assert self.client.error is None
            self.deliver()
            self.client.incoming.write(self.server.take())
        self.other = server_of(puretls, pki, "RSA")
        self.other.set_ciphers("ECDHE-RSA-CHACHA20-POLY1305")
        self.other.set_ecdh_curve("secp384r1")

    def deliver(self) -> None:
        self.server.receive(self.client.outgoing.read())
        self.server.advance()
        self.server.advance()

    def ask(self) -> None:
        """HelloRequest, and a server that is ready for the answer."""
        server = self.server
        server.outbound.put(HANDSHAKE, message(HELLO_REQUEST, b""))
        both = vec8(server.outcome.finished_received + server.outcome.finished_sent)
        server.lies["ServerHello"] = hello({RENEGOTIATION_INFO: both})
        server.state, server.transcript, server.established = ExpectClientHello(), Transcript(), False
        before, server.outcome, server.draft = server.outcome, Outcome(), Outcome()
        server.outcome.finished_received = before.finished_received  # which the client proves to know
        server.config = replace(self.other._config(server_side=True), sessions=server.config.sessions)

    def read(self) -> bytes | None:
        """What the client reads; None while it waits."""
        return self.client.step(lambda: self.client.obj.read(10))

    def said(self) -> dict[str, Any]:
        obj = self.client.obj
        return {
            "cipher": obj.cipher(),
            "version": obj.version(),
            "certificate": obj.getpeercert(True),
            "chain": obj.get_verified_chain(),
            "alpn": obj.selected_alpn_protocol(),
            "group": obj.group(),
            "session": obj.session.id,
            "reused": obj.session_reused,
            "binding": obj.get_channel_binding(),
            "end point": obj.get_channel_binding("tls-server-end-point"),
            "exported": obj.export_keying_material("EXPORTER-x", 16),
        }


def records(data: bytes) -> list[bytes]:
    found = []
    while data:
        size = 5 + int.from_bytes(data[3:5], "big")
        found.append(data[:size])
        data = data[size:]
    return found


def test_the_old_is_said_until_the_new_is_finished(pki):
    run = Renegotiation(pki)
    before = run.said()
    run.ask()
    run.client.incoming.write(run.server.take())
    assert run.read() is None
    steps = 0
    while not run.server.established:
        assert run.said() == before
        run.server.receive(run.client.outgoing.read())
        run.server.advance()
        for record in records(bytes(run.server.take())):
            if not run.server.established:
                run.client.incoming.write(record)
                assert run.read() is None
                assert run.said() == before
            else:
                run.client.incoming.write(record)
            steps += 1
        assert steps < 50
    assert run.client.error is None
    run.server.write(memoryview(b"data"))
    run.client.incoming.write(run.server.take())
    assert run.read() == b"data"
    after = run.said()
    assert {name for name in before if before[name] == after[name]} == {"version", "reused"}
    assert after["cipher"][0] == "ECDHE-RSA-CHACHA20-POLY1305"
    assert after["group"] == "secp384r1"
    assert after["alpn"] is None
