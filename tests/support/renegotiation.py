"""A client over BIOs that a server of the engine asks to renegotiate, answering with other things than before."""

from __future__ import annotations

import time
from typing import Any

import puretls
from puretls._base.registry import HANDSHAKE, HELLO_REQUEST, RENEGOTIATION_INFO
from puretls._crypto.transcript import Transcript
from puretls._engine.outcome import Outcome
from puretls._engine.server_start import ExpectClientHello
from puretls._wire.codec import vec8
from support.bios import ObjectSide
from support.both import V12, client_of, only, server_of
from support.pair import Side as Engine
from support.pair import hello, message, replace


class Renegotiation:
    """A client that has been asked, and a server that answers with other things than before."""

    def __init__(self, pki: Any) -> None:
        context = client_of(puretls, pki)
        only(V12, context)
        context.set_alpn_protocols(["h2"])
        listening = server_of(puretls, pki)
        listening.set_alpn_protocols(["h2"])
        listening.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
        config = listening._config(server_side=True)
        self.server = Engine(config, server_side=True, clock=time.time)
        self.server.outbound.each = True  # a message a record, so that there is something in between
        self.connect(context)
        self.other = server_of(puretls, pki, "RSA")
        self.other.set_ciphers("ECDHE-RSA-CHACHA20-POLY1305")
        self.other.set_ecdh_curve("secp384r1")

    def connect(self, context: Any) -> None:
        self.client = ObjectSide("client", context, server_hostname="localhost")
        while not self.client.done:
            self.client.shake()
            assert self.client.error is None
            self.deliver()
            self.client.incoming.write(self.server.take())

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
