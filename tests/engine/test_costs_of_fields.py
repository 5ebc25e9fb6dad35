"""What Diffie-Hellman over a peer's prime costs (RFC 5246 7.4.3), and who can make us pay.

Whether p is a safe prime takes a hundred times as long to find out as a handshake with it: 0.2 s for 2048 bits, 3 s
for 4096.  The primes of RFC 3526 and RFC 7919 need no such proof.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import TLS12
from puretls._crypto.finite_field import FiniteField, rfc3526_prime, rfc7919
from puretls._crypto.groups import BY_NAME, FFDHE2048
from puretls._engine.policy import CERT_NONE, CERT_REQUIRED
from puretls._engine.requests import PskClientRequest, PskServerRequest
from puretls._wire.codec import vec16
from support.pair import Pair, client_config, identity, message, server_config, store, suite

SUITE = "DHE-RSA-AES128-GCM-SHA256"
NAMED = FFDHE2048.field


def unnamed(name: str = "ffdhe2048", generator: int = 3) -> FiniteField:
    """A safe prime with a generator that no RFC gives it: who meets the pair has to check it."""
    return FiniteField(BY_NAME[name].field.p, generator)  # type: ignore[attr-defined]  # only finite fields have one


def pair(dh: FiniteField, verify: int = CERT_REQUIRED, name: str = SUITE) -> Pair:
    common: dict[str, Any] = {"versions": (TLS12,), "suites": (suite(name),), "security_level": 0}
    return Pair(
        client_config(store=store("RSA"), verify_mode=verify, check_hostname=bool(verify), **common),
        server_config(credentials=(identity("RSA"),), dh=dh, **common),
    )


def seconds(action: Callable[[], object]) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin


def client_seconds(joined: Pair) -> float:
    """What the client takes over the server's flight."""
    joined.advance(joined.client)
    joined.deliver(joined.server, joined.client.take())
    flight = joined.server.take()
    return seconds(lambda: joined.deliver(joined.client, flight))


def impostor(dh: FiniteField) -> Pair:
    """The true certificate, which anybody has, and a signature that is none."""
    joined = pair(NAMED)
    numbers = [n.to_bytes(-(-n.bit_length() // 8), "big") for n in (dh.p, dh.g, dh.p // 3)]
    params = b"".join(map(vec16, numbers))
    joined.server.wire["ServerKeyExchange"] = lambda _: message(12, params + b"\x08\x04" + vec16(bytes(256)))
    return joined


def refused_in(joined: Pair) -> float:
    """What the client takes to refuse it."""
    begin = time.process_time()
    with pytest.raises(Abort) as caught:
        client_seconds(joined)
    assert caught.value.fault is faults.BAD_SIGNATURE
    return time.process_time() - begin


@pytest.mark.parametrize("name", ["ffdhe2048", "ffdhe4096"])
def test_nothing_is_computed_before_the_signature_is_verified(name: str) -> None:
    usual = min(refused_in(impostor(NAMED)) for _ in range(5))
    assert refused_in(impostor(unnamed(name))) < 10 * usual


def test_a_prime_is_checked_once() -> None:
    """And not by a server whose configuration has it, whoever says hello."""
    usual = min(client_seconds(pair(NAMED)) for _ in range(5))
    pair(unnamed(generator=7)).handshake()
    assert min(client_seconds(pair(unnamed(generator=7))) for _ in range(3)) < 20 * usual


def test_a_field_of_ones_own_is_made_once() -> None:
    """A ClientHello of 67 bytes and a ClientKeyExchange are all that it takes to have a server use its parameters."""

    def server_seconds(joined: Pair) -> float:
        joined.advance(joined.client)
        offer = joined.client.take()
        hello = seconds(lambda: joined.deliver(joined.server, offer))
        joined.deliver(joined.client, joined.server.take())
        rest = joined.client.take()
        return hello + seconds(lambda: joined.deliver(joined.server, rest))

    def again(joined: Pair) -> float:
        """Another connection of the same configurations."""
        return server_seconds(Pair(joined.client.config, joined.server.config))

    usual, own = pair(NAMED).handshake(), pair(unnamed(generator=11)).handshake()
    assert min(again(own) for _ in range(3)) < 20 * min(again(usual) for _ in range(5))


def table() -> list[Any]:
    """Field of the server, the client's verify_mode, what it makes of it; None: a handshake."""
    large = faults.BAD_DH_VALUE
    return [
        pytest.param(NAMED, CERT_NONE, None),
        pytest.param(rfc7919(8192), CERT_NONE, None),
        pytest.param(FiniteField(rfc3526_prime(8192) or 0, 2), CERT_NONE, None),
        pytest.param(unnamed(), CERT_NONE, None),
        pytest.param(unnamed("ffdhe3072"), CERT_NONE, None),
        pytest.param(unnamed("ffdhe4096"), CERT_REQUIRED, None),
        pytest.param(unnamed("ffdhe4096"), CERT_NONE, large),
        pytest.param(unnamed("ffdhe6144"), CERT_REQUIRED, large),
        pytest.param(unnamed("ffdhe8192"), CERT_NONE, large),
    ]


@pytest.mark.parametrize("name", ["DHE-PSK-AES128-GCM-SHA256", "ADH-AES128-GCM-SHA256"])
def test_nothing_is_checked_where_nobody_signs(name: str) -> None:
    """Whoever is on the way could name a prime: there, only known ones will do."""
    for dh, fault in (
        (NAMED, None),
        (FiniteField(rfc3526_prime(2048) or 0, 2), None),
        (unnamed(), faults.BAD_DH_VALUE),
    ):
        joined = pair(dh, CERT_NONE, name)
        for side in (joined.client, joined.server):
            side.config = replace(side.config, psk_client=side is joined.client, psk_server=side is joined.server)
        joined.answers.update({PskClientRequest: (b"i", b"k"), PskServerRequest: b"k"})
        if fault is None:
            joined.handshake()
        else:
            assert joined.refusal() == ("client", fault)


@pytest.mark.parametrize(("dh", "verify", "fault"), table())
def test_how_large_a_prime_may_be_that_has_to_be_checked(dh: FiniteField, verify: int, fault: Any) -> None:
    """Up to 4096 bits behind a verified path, up to 3072 behind a signature alone."""
    joined = pair(dh, verify)
    if fault is None:
        joined.handshake()
    else:
        assert joined.refusal() == ("client", fault)
