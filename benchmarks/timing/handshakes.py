"""Handshakes: RSA key exchange, sessions by id, tickets, binders, Finished.  What is timed is one step of a server."""

from __future__ import annotations

import os
import time
from typing import Any
from unittest.mock import patch

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

import puretls
from benchmarks.timing.ends import Ends, contexts, records
from benchmarks.timing.measure import Experiment, Make, Operation

CLIENT_KEY_EXCHANGE = 16
SHARE = 0.02  # of the samples: each input takes a handshake


# RSA key exchange (RFC 5246 7.4.7.1)


def rsa_key_exchange() -> Experiment:
    client, server = contexts("RSA", tls12=True, ciphers="AES128-GCM-SHA256:@SECLEVEL=0")
    ends = Ends(client, server).handshake()
    key = x509.load_der_x509_certificate(ends.client.getpeercert(True)).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    numbers, size = key.public_numbers(), key.key_size // 8

    def encrypted(head: bytes, secret: bytes) -> bytes:
        padding = bytes(byte or 1 for byte in os.urandom(size - len(head) - len(secret) - 1))
        block = head + padding + b"\x00" + secret
        return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(size, "big")

    def variant(head: bytes, secret_head: bytes, rest: int) -> Make:
        def make() -> Operation:
            ends = Ends(client, server)
            ends.incoming.write(ends.step_client())
            ends.client_in.write(ends.step_server())
            first, *others = records(ends.step_client())
            assert first[5] == CLIENT_KEY_EXCHANGE
            body = encrypted(head, secret_head + os.urandom(rest))
            ends.incoming.write(first[: 5 + 4 + 2] + body + b"".join(others))
            return ends.judge

        return make

    return Experiment(
        "RSA key exchange: what was decrypted",
        {
            "good, another secret": variant(b"\x00\x02", b"\x03\x03", 46),
            "another version": variant(b"\x00\x02", b"\x03\x02", 46),
            "47 bytes": variant(b"\x00\x02", b"\x03\x03", 45),
            "no bytes": variant(b"\x00\x02", b"", 0),
            "first byte wrong": variant(b"\x01\x02", b"\x03\x03", 46),
            "second byte wrong": variant(b"\x00\x01", b"\x03\x03", 46),
        },
        SHARE,
    )


# Sessions


def greeting(client: puretls.SSLContext, server: puretls.SSLContext, session: object, touched: int = 0) -> Operation:
    """A server that has got the ClientHello for this session, one byte of which may be another."""
    ends = Ends(client, server, session)
    hello = bytearray(ends.step_client())
    if touched:
        hello[touched] ^= 1
    ends.incoming.write(bytes(hello))
    return ends.judge


def session_of(client: puretls.SSLContext, server: puretls.SSLContext) -> object:
    session = Ends(client, server).handshake().client.session
    assert session.has_ticket or session.id
    return session


def tickets() -> Experiment:
    """What a server does with a ticket that it does not take: which of the reasons, no class of its own may hide."""
    client, server = contexts()
    stranger = contexts(number=1)[1]

    def hello() -> tuple[Any, bytearray]:
        ends = Ends(client, server, session_of(client, server))
        return ends, bytearray(ends.step_client())

    def damaged() -> Operation:
        ends, said = hello()
        said[-120] ^= 1  # in the ticket, before the binders
        ends.incoming.write(bytes(said))
        return ends.judge

    def foreign() -> Operation:
        ends = Ends(client, stranger)
        ends.incoming.write(bytes(hello()[1]))
        return ends.judge

    def expired() -> Operation:
        with patch("time.time", lambda now=time.time: now() - 8000):
            said = hello()[1]
        ends = Ends(client, server)
        ends.incoming.write(bytes(said))
        return ends.judge

    return Experiment(
        "TLS 1.3 tickets that are not taken", {"damaged": damaged, "expired": expired, "foreign": foreign}, SHARE
    )


def binders() -> Experiment:
    client, server = contexts()

    def touched(at: int) -> Make:
        return lambda: greeting(client, server, session_of(client, server), at)

    return Experiment(
        "TLS 1.3 binders: where one is wrong", {"first byte": touched(-32), "last byte": touched(-1)}, SHARE
    )


def session_ids() -> Experiment:
    client, server = contexts(tls12=True)
    server.options |= puretls.OP_NO_TICKET

    def named(at: int) -> Make:
        def make() -> Operation:
            return greeting(client, server, session_of(client, server), at)

        return make

    head = 5 + 4 + 2 + 32 + 1  # up to session_id
    places = {"first byte": named(head), "last byte": named(head + 31)}
    return Experiment("TLS 1.2 sessions by id: where an unknown one differs", places, SHARE)


def finished() -> Experiment:
    """The tag of a protected Finished is an AEAD's; so the message itself is made with another verify_data."""
    client, server = contexts()

    def wrong(at: int) -> Make:
        def make() -> Operation:
            ends = Ends(client, server)
            ends.incoming.write(ends.step_client())
            ends.client_in.write(ends.step_server())
            handshake = ends.client._sslobj._conn.handshake
            send = handshake.send_message

            def lie(raw: bytes) -> None:
                changed = bytearray(raw)
                changed[4 + at] ^= 1
                send(bytes(changed))

            with patch.object(type(handshake), "send_message", lambda _, raw: lie(raw)):
                flight = ends.step_client()
            ends.incoming.write(flight)
            return ends.judge

        return make

    return Experiment("TLS 1.3 Finished: where it is wrong", {"first byte": wrong(0), "last byte": wrong(31)}, SHARE)


def experiments() -> list[Experiment]:
    return [rsa_key_exchange(), tickets(), binders(), session_ids(), finished()]
