"""Encrypted Client Hello done wrong: every refusal of RFC 9849 with its alert, both roles; hellos changed at random.

PURETLS_HELLOS says how many of the latter; `make fuzz` has 10,000.  They are the same every time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from puretls._base import faults, registry
from puretls._base.faults import Abort, EchRejected
from puretls._base.registry import (
    ALPN,
    CERTIFICATE_AUTHORITIES,
    COOKIE,
    ECH_OUTER_EXTENSIONS,
    ENCRYPTED_CLIENT_HELLO,
    HANDSHAKE,
    KEY_SHARE,
    PRE_SHARED_KEY,
    SERVER_NAME,
    SIGNATURE_ALGORITHMS,
    SUPPORTED_GROUPS,
    SUPPORTED_VERSIONS,
)
from puretls._crypto import hpke
from puretls._crypto.groups import SECP256R1
from puretls._engine import ech_config, ech_outcome
from puretls._engine.connection import Connection
from puretls._wire import ech
from puretls._wire.codec import extension, split_extensions, vec8, vec16, vec16_of
from puretls._wire.ech import INNER_MARK, Sealed
from puretls._wire.hello import ClientHello
from support.pair import (
    CLIENT,
    HOST,
    NOW,
    SERVER,
    Edit,
    Pair,
    client_config,
    extensions,
    hello,
    record,
    server_config,
)

HELLOS = int(os.environ.get("PURETLS_HELLOS", "600"))
KEM, SUITE = hpke.KEMS[0x20], (1, 1)


def key(config_id: int = 3, *, retry: bool = True, name: str = HOST, suites: Any = (SUITE,)) -> ech_config.ServerKey:
    private = X25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    config = ech.build_config(config_id, KEM.code, public, suites, 0, name.encode())
    return ech_config.ServerKey(config, private, retry=retry)


def client(own: ech_config.ServerKey, **more: Any) -> Any:
    return client_config(ech=ech_config.usable(own.config), **more)


def server(*keys: ech_config.ServerKey, **more: Any) -> Any:
    return server_config(ech_keys=keys, ech_retry=ech_config.retry_list(keys), **more)


OWN = key()
RETRY = {"groups": (SECP256R1,)}


def pair(**more: Any) -> Pair:
    return Pair(client(OWN), server(OWN, **more))


def refused(pair: Pair, by: str, alert: int) -> None:
    found = pair.refusal()
    assert (found.by, registry.ALERTS[found.fault.alert]) == (by, registry.ALERTS[alert])


# Inner hellos of a client that lies


def opened(outer: ClientHello) -> bytes:
    """What a client has sealed for OWN."""
    sealed = Sealed.parse(outer.extensions[ENCRYPTED_CLIENT_HELLO])
    aad = ech.authenticated(outer, len(sealed.payload))
    return OWN.agreed(sealed.suite, sealed.enc)[1].open(aad, sealed.payload)


def resealed(outer: ClientHello, encoded: bytes) -> bytes:
    """The outer hello with something else inside."""
    enc, context = hpke.sender(KEM, *SUITE, OWN.config.public_key, OWN.config.info)
    sealed = Sealed(SUITE, OWN.config.config_id, enc, bytes(len(encoded) + 16))
    made = hello({ENCRYPTED_CLIENT_HELLO: sealed.build()[4:]})(outer.raw)
    return ech.with_payload(ClientHello.parse(made), context.seal(made[4:], encoded))


def inside(change: Callable[[bytes], bytes], outer: dict[int, bytes | None] | None = None) -> Edit:
    """An edit of the ClientHello: another encoded inner hello, and perhaps other extensions outside."""

    def edit(raw: bytes) -> bytes:
        found = ClientHello.parse(raw)
        encoded = change(opened(found))
        return resealed(ClientHello.parse(hello(outer or {})(raw)), encoded)

    return edit


def parts(encoded: bytes) -> tuple[bytes, dict[int, bytes], bytes]:
    """Up to the extensions, the extensions, the padding."""
    pos = 35 + 2 + int.from_bytes(encoded[35:37], "big") + 2
    size = int.from_bytes(encoded[pos : pos + 2], "big")
    return encoded[:pos], split_extensions(encoded[pos + 2 : pos + 2 + size]), encoded[pos + 2 + size :]


def with_extensions(change: Callable[[dict[int, bytes]], bytes]) -> Callable[[bytes], bytes]:
    """An encoded inner hello with another block of extensions."""

    def changed(encoded: bytes) -> bytes:
        head, found, padding = parts(encoded)
        return head + vec16(change(found)) + padding

    return changed


def block(found: dict[int, bytes]) -> bytes:
    return b"".join(extension(kind, body) for kind, body in found.items())


def but(changes: dict[int, bytes | None]) -> Callable[[bytes], bytes]:
    return with_extensions(
        lambda found: block({kind: body for kind, body in {**found, **changes}.items() if body is not None})
    )


def referring(change: Callable[[list[int]], list[int]]) -> Callable[[bytes], bytes]:
    """Other references to the outer hello."""

    def changed(found: dict[int, bytes]) -> bytes:
        body = found[ECH_OUTER_EXTENSIONS][1:]
        kinds = [int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2)]
        return block({**found, ECH_OUTER_EXTENSIONS: vec8(vec16_of(tuple(change(kinds)))[2:])})

    return with_extensions(changed)


WRONG_INSIDE: dict[str, Callable[[bytes], bytes]] = {
    "padding that is not zero": lambda encoded: encoded[:-1] + b"\x01",
    "padding that is not zero at its start": lambda encoded: encoded + b"\x01" + bytes(31),
    "a reference to nothing": referring(lambda kinds: [*kinds, 0x1234]),
    "a reference twice": referring(lambda kinds: [kinds[0], *kinds]),
    "a reference twice, at the end": referring(lambda kinds: [*kinds, kinds[-1]]),
    "references out of order": referring(lambda kinds: [kinds[1], kinds[0], *kinds[2:]]),
    "references backwards": referring(lambda kinds: kinds[::-1]),
    "a reference to itself": referring(lambda kinds: [*kinds, ENCRYPTED_CLIENT_HELLO]),
    "a reference to references": referring(lambda kinds: [*kinds, ECH_OUTER_EXTENSIONS]),
    "a reference to what is there": but({KEY_SHARE: b"\x00\x00"}),
    "a reference to the name, which is there": referring(lambda kinds: [SERVER_NAME, *kinds]),
    "no references in the list": but({ECH_OUTER_EXTENSIONS: b"\x00"}),
    "an odd list": but({ECH_OUTER_EXTENSIONS: b"\x03\x00\x0a\x00"}),
    "a list that is longer": but({ECH_OUTER_EXTENSIONS: b"\x02\x00\x0a\x00\x0d"}),
    "an empty body of references": but({ECH_OUTER_EXTENSIONS: b""}),
    "references twice": with_extensions(
        lambda found: block(found) + extension(ECH_OUTER_EXTENSIONS, found[ECH_OUTER_EXTENSIONS])
    ),
    "no mark": but({ENCRYPTED_CLIENT_HELLO: None}),
    "a mark with content": but({ENCRYPTED_CLIENT_HELLO: b"\x01\x00"}),
    "the mark of an outer hello": but({ENCRYPTED_CLIENT_HELLO: b"\x00"}),
    "an empty mark": but({ENCRYPTED_CLIENT_HELLO: b""}),
    "TLS 1.2": but({SUPPORTED_VERSIONS: b"\x04\x03\x04\x03\x03"}),
    "TLS 1.2 alone": but({SUPPORTED_VERSIONS: b"\x02\x03\x03"}),
    "no version": but({SUPPORTED_VERSIONS: None}),
    "a session id": lambda encoded: encoded[:34] + b"\x01x" + encoded[35:],
    "nothing at all": lambda _: b"",
    "half of it": lambda encoded: encoded[: len(encoded) // 2 - 40],
    "a list of suites beyond the end": lambda encoded: encoded[:35] + b"\xff\xff" + encoded[37:],
    "no suites": lambda encoded: encoded[:35] + b"\x00\x00" + encoded[37 + int.from_bytes(encoded[35:37], "big") :],
    "an extension beyond the end": with_extensions(lambda found: block(found) + b"\x12\x34\x00\x05"),
}
DECODED = {"no suites", "an extension beyond the end"}  # the rules of any ClientHello: with the alerts of any


@pytest.mark.parametrize("what", WRONG_INSIDE)
def test_wrong_inner_hellos(what):
    both = pair()
    both.client.lies["ClientHello"] = inside(WRONG_INSIDE[what])
    found = both.refusal()
    alerts = {registry.ILLEGAL_PARAMETER, registry.DECODE_ERROR} if what in DECODED else {registry.ILLEGAL_PARAMETER}
    assert found.by == SERVER
    assert found.fault.alert in alerts


def test_the_lies_are_only_what_they_say():
    """The same way without a change is a good handshake: so it was the change that was refused."""
    both = pair()
    seen: list[bytes] = []

    def note(encoded: bytes) -> bytes:
        seen.append(encoded)
        return encoded

    outer = Connection(client(OWN), False, lambda: 0, HOST)
    outer.advance()
    raw = outer.take()[5:]
    made = inside(note)(raw)
    assert opened(ClientHello.parse(made)) == seen[0] == opened(ClientHello.parse(raw))
    assert both.handshake().server.handshake.draft.ech.status == ech_outcome.SUCCESS


WRONG_OUTSIDE: dict[str, tuple[Edit, int]] = {
    "of an unknown type": (hello({ENCRYPTED_CLIENT_HELLO: b"\x02"}), registry.ILLEGAL_PARAMETER),
    "an inner hello in the clear": (hello({ENCRYPTED_CLIENT_HELLO: b"\x01"}), registry.ILLEGAL_PARAMETER),
    "an inner hello in the clear with content": (
        hello({ENCRYPTED_CLIENT_HELLO: b"\x01\x00"}),
        registry.ILLEGAL_PARAMETER,
    ),
    "empty": (hello({ENCRYPTED_CLIENT_HELLO: b""}), registry.DECODE_ERROR),
    "cut off": (hello({ENCRYPTED_CLIENT_HELLO: bytes(7)}), registry.DECODE_ERROR),
    "without a payload": (hello({ENCRYPTED_CLIENT_HELLO: bytes(10)}), registry.DECODE_ERROR),
    "with something behind": (hello({ENCRYPTED_CLIENT_HELLO: bytes(8) + b"\x00\x01xy"}), registry.DECODE_ERROR),
    "with references": (hello({ECH_OUTER_EXTENSIONS: b"\x02\x00\x0a"}), registry.ILLEGAL_PARAMETER),
}


@pytest.mark.parametrize("what", WRONG_OUTSIDE)
def test_wrong_outer_hellos(what):
    edit, alert = WRONG_OUTSIDE[what]
    both = pair()
    both.client.lies["ClientHello"] = edit
    refused(both, SERVER, alert)


def second(edit: Edit) -> Edit:
    """Of the second ClientHello only."""
    count = 0

    def edited(raw: bytes) -> Any:
        nonlocal count
        count += 1
        return edit(raw) if count == 2 else raw

    return edited


def sealed_otherwise(**fields: Any) -> Edit:
    def edit(raw: bytes) -> Any:
        found = Sealed.parse(ClientHello.parse(raw).extensions[ENCRYPTED_CLIENT_HELLO])
        return hello({ENCRYPTED_CLIENT_HELLO: found._replace(**fields).build()[4:]})(raw)

    return edit


def other_payload(raw: bytes) -> Any:
    message = ClientHello.parse(raw)
    found = Sealed.parse(message.extensions[ENCRYPTED_CLIENT_HELLO])
    return ech.with_payload(message, bytes(len(found.payload)))


WRONG_SECOND: dict[str, tuple[Edit, int]] = {
    "missing": (hello({ENCRYPTED_CLIENT_HELLO: None}), registry.MISSING_EXTENSION),
    "of the other type": (hello({ENCRYPTED_CLIENT_HELLO: b"\x01"}), registry.ILLEGAL_PARAMETER),
    "of an unknown type": (hello({ENCRYPTED_CLIENT_HELLO: b"\x05"}), registry.ILLEGAL_PARAMETER),
    "with another suite": (sealed_otherwise(suite=(1, 3)), registry.ILLEGAL_PARAMETER),
    "with another config_id": (sealed_otherwise(config_id=9), registry.ILLEGAL_PARAMETER),
    "with another key": (sealed_otherwise(enc=bytes(32)), registry.ILLEGAL_PARAMETER),
    "that does not open": (other_payload, registry.DECRYPT_ERROR),
    "that is cut off": (hello({ENCRYPTED_CLIENT_HELLO: b"\x00\x00"}), registry.DECODE_ERROR),
    "beside another name": (hello({SERVER_NAME: b"\x00\x06\x00\x00\x03abc"}), registry.DECRYPT_ERROR),
}


@pytest.mark.parametrize("what", WRONG_SECOND)
def test_wrong_second_hellos(what):
    edit, alert = WRONG_SECOND[what]
    both = pair(**RETRY)
    both.client.lies["ClientHello"] = second(edit)
    refused(both, SERVER, alert)
    assert both.server.handshake.draft.ech.opened is None  # the key goes with the other secrets


# Servers that lie


def same(raw: bytes) -> bytes:
    return raw


def random_end(raw: bytes) -> bytes:
    return raw[:30] + bytes(8) + raw[38:]


LISTED = ech_config.retry_list((OWN,))
RETRY_CONFIGS = {f"x{ENCRYPTED_CLIENT_HELLO}": LISTED}
WRONG_ANSWERS: dict[str, tuple[dict[str, Any], dict[str, Edit], int]] = {
    "accepted in HelloRetryRequest only": (RETRY, {"ServerHello": random_end}, registry.ILLEGAL_PARAMETER),
    "a short confirmation": (
        RETRY,
        {"HelloRetryRequest": hello({ENCRYPTED_CLIENT_HELLO: bytes(7)})},
        registry.DECODE_ERROR,
    ),
    "a long confirmation": (
        RETRY,
        {"HelloRetryRequest": hello({ENCRYPTED_CLIENT_HELLO: bytes(9)})},
        registry.DECODE_ERROR,
    ),
    "retry configurations though it was accepted": (
        {},
        {"EncryptedExtensions": extensions(**RETRY_CONFIGS)},
        registry.UNSUPPORTED_EXTENSION,
    ),
    "the extension in ServerHello": (
        {},
        {"ServerHello": hello({ENCRYPTED_CLIENT_HELLO: bytes(8)})},
        registry.ILLEGAL_PARAMETER,
    ),
}


@pytest.mark.parametrize("what", WRONG_ANSWERS)
def test_wrong_answers(what):
    settings, lies, alert = WRONG_ANSWERS[what]
    both = pair(**settings)
    both.server.lies.update(lies)
    refused(both, CLIENT, alert)


@pytest.mark.parametrize("grease", [True, False], ids=["GREASE", "rejected"])
def test_retry_configurations_that_cannot_be_read(grease):
    for body in (b"", b"\x00", b"\x00\x00", LISTED[:-1], LISTED + b"\x00", b"\x00\x04\xfe\x0d\x00\x00"):
        ours = client_config(ech_grease=True) if grease else client(key())
        both = Pair(ours, server(OWN))
        both.server.lies["EncryptedExtensions"] = extensions(**{f"x{ENCRYPTED_CLIENT_HELLO}": body})
        refused(both, CLIENT, registry.DECODE_ERROR)


def test_a_confirmation_of_grease_means_nothing():
    both = Pair(client_config(ech_grease=True), server(OWN, **RETRY))
    both.server.lies["HelloRetryRequest"] = hello({ENCRYPTED_CLIENT_HELLO: bytes(8)})
    both.handshake().echo()
    assert both.client.handshake.draft.ech.status == ech_outcome.GREASE_ECH


@pytest.mark.parametrize("place", ["HelloRetryRequest", "EncryptedExtensions"])
def test_an_answer_to_nothing(place):
    both = Pair(client_config(), server(OWN, **RETRY))
    both.server.lies[place] = (
        hello({ENCRYPTED_CLIENT_HELLO: bytes(8)}) if place == "HelloRetryRequest" else extensions(**RETRY_CONFIGS)
    )
    refused(both, CLIENT, registry.UNSUPPORTED_EXTENSION)


def test_a_pre_shared_key_that_was_offered_inside_only():
    """Who has not opened the inner hello cannot choose what stands for its key outside (RFC 9849 6.1.6)."""
    first = pair().handshake()
    both = Pair(client(key(), sessions=first.client.config.sessions), server(OWN), session=first.client.session)
    both.server.lies["ServerHello"] = hello({PRE_SHARED_KEY: b"\x00\x00"})
    refused(both, CLIENT, registry.ILLEGAL_PARAMETER)


def test_a_rejected_client_says_nothing_after_its_alert():
    both = Pair(client(key()), server(OWN))
    with pytest.raises(Abort):
        both.run()
    assert isinstance(both.client.machine.refusal, EchRejected)
    assert both.client.failure[0] is faults.ECH_WAS_REQUIRED
    for call in (lambda: both.client.write(memoryview(b"data")), both.client.advance):
        with pytest.raises(EchRejected):
            call()


# Backends: an inner hello that somebody else has opened


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
def test_a_backend_confirms(retried):
    """Split mode (RFC 9849 3.1): who has the keys hands the inner hello on, and the answers back."""
    backend = Connection(server_config(**(RETRY if retried else {})), True, lambda: NOW)
    both = pair()
    away = both.client
    away.advance()
    raw = away.take()
    outer = ClientHello.parse(raw[5:])
    _, context = OWN.agreed(SUITE, Sealed.parse(outer.extensions[ENCRYPTED_CLIENT_HELLO]).enc)

    def handed_on(outer: ClientHello) -> bytes:
        sealed = Sealed.parse(outer.extensions[ENCRYPTED_CLIENT_HELLO])
        encoded = context.open(ech.authenticated(outer, len(sealed.payload)), sealed.payload)
        return record(HANDSHAKE, ech.rebuilt(encoded, outer).raw)

    backend.receive(handed_on(outer))
    backend.advance()
    if retried:
        away.receive(backend.take())
        away.advance()
        data = away.take()
        data = data[6:] if data[0] == registry.CHANGE_CIPHER_SPEC else data
        backend.receive(handed_on(ClientHello.parse(data[5:])))
        backend.advance()
    away.receive(backend.take())
    away.advance()
    backend.receive(away.take())
    backend.advance()
    assert away.established
    assert backend.established
    assert backend.handshake.draft.ech.status == ech_outcome.BACKEND
    assert away.handshake.draft.ech.status == ech_outcome.SUCCESS


def test_a_backend_refuses_a_mark_with_content():
    both = Pair(client_config(), server_config())
    both.client.lies["ClientHello"] = hello({ENCRYPTED_CLIENT_HELLO: b"\x01\x00"})
    refused(both, SERVER, registry.ILLEGAL_PARAMETER)


def test_a_backend_wants_the_mark_again():
    both = Pair(client_config(), server_config(**RETRY))
    marked = hello({ENCRYPTED_CLIENT_HELLO: b"\x01"})
    both.client.lies["ClientHello"] = marked
    both.client.advance()
    both.server.receive(both.client.take())
    both.server.advance()
    assert b"\xfe\x0d\x00\x08" in both.server.take()
    both.server.receive(record(HANDSHAKE, hello({ENCRYPTED_CLIENT_HELLO: None})(marked(_plain_hello()))))
    with pytest.raises(Abort) as caught:
        both.server.advance()
    assert caught.value.fault.alert == registry.MISSING_EXTENSION


def _plain_hello() -> bytes:
    conn = Connection(client_config(), False, lambda: 0, HOST)
    conn.advance()
    return conn.take()[5:]


# What both hellos say


def test_what_the_outer_hello_has_is_what_the_inner_refers_to():
    """Name, mark and versions, then one block of the outer hello, in its order; the pre-shared key comes last."""
    conn = Connection(client(OWN, alpn=(b"h2",), ca_names=(b"0\x00",)), False, lambda: 0, HOST)
    conn.advance()
    outer = ClientHello.parse(conn.take()[5:])
    _, found, padding = parts(opened(outer))
    assert list(found) == [SERVER_NAME, ENCRYPTED_CLIENT_HELLO, SUPPORTED_VERSIONS, ECH_OUTER_EXTENSIONS]
    body = found[ECH_OUTER_EXTENSIONS][1:]
    kinds = [int.from_bytes(body[at : at + 2], "big") for at in range(0, len(body), 2)]
    assert {ALPN, KEY_SHARE, SUPPORTED_GROUPS, SIGNATURE_ALGORITHMS, CERTIFICATE_AUTHORITIES} <= set(kinds)
    order = list(outer.extensions)
    start = order.index(kinds[0])
    assert order[start : start + len(kinds)] == kinds
    assert order[:start] == [SERVER_NAME, SUPPORTED_VERSIONS]
    assert order[-1] == ENCRYPTED_CLIENT_HELLO
    assert not padding.strip(b"\x00")
    assert registry.TLS12 not in {
        int.from_bytes(outer.extensions[SUPPORTED_VERSIONS][at : at + 2], "big") for at in (1, 3)
    }
    inner = ech.rebuilt(opened(outer), outer)
    assert inner.session_id == outer.session_id
    assert inner.random != outer.random
    assert INNER_MARK in inner.raw


def test_a_cookie_is_in_both():
    both = pair(retry_cookie=True, **RETRY)
    hellos: list[ClientHello] = []

    def note(raw: bytes) -> bytes:
        hellos.append(ClientHello.parse(raw))
        return raw

    both.client.lies["ClientHello"] = note
    both.handshake()
    assert [COOKIE in one.extensions for one in hellos] == [False, True]
    first, then = (Sealed.parse(one.extensions[ENCRYPTED_CLIENT_HELLO]) for one in hellos)
    assert (then.enc, then.suite, then.config_id) == (b"", first.suite, first.config_id)


# Cost


class Walked(dict[int, bytes]):
    """Extensions that count how often they are looked at."""

    steps = 0

    def items(self) -> Any:
        for one in super().items():
            self.steps += 1
            yield one


@pytest.mark.parametrize("size", [100, 1000, 10000])
def test_references_are_followed_in_one_walk(size):
    outer = Walked({0x2000 + number: b"" for number in range(size)})
    kinds = tuple(range(0x2000 + size - 90, 0x2000 + size))
    found = dict(ech._referenced(kinds, outer))
    assert tuple(found) == kinds
    assert outer.steps == size
    outer.steps = 0
    with pytest.raises(Abort):
        list(ech._referenced(kinds[::-1], outer))
    assert outer.steps == size


@pytest.mark.parametrize("trial", [False, True])
def test_a_hello_has_us_try_eight_keys_at_most(monkeypatch, trial):
    tries = 0
    decapsulate = hpke.Kem.decapsulate

    def counted(self: hpke.Kem, *arguments: Any) -> bytes:
        nonlocal tries
        tries += 1
        return decapsulate(self, *arguments)

    monkeypatch.setattr(hpke.Kem, "decapsulate", counted)
    keys = [key(number if trial else OWN.config.config_id) for number in range(40)]
    both = Pair(client(OWN), server(*keys, ech_trial=trial))
    with pytest.raises(Abort):
        both.run()
    assert tries == 8


def test_a_key_is_not_tried_for_what_it_is_not_for(monkeypatch):
    """Neither one of another number, nor one without the suite."""
    monkeypatch.setattr(hpke.Kem, "decapsulate", None)
    for other in (key(OWN.config.config_id + 1), key(OWN.config.config_id, suites=((2, 2),))):
        with pytest.raises(Abort):
            Pair(client(OWN), server(other)).run()


# Hellos changed at random


def fields(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where each field of a ClientHello begins and ends, message header included."""
    yield from ((1, 4), (4, 6), (6, 38), (38, 39))
    pos = 39 + raw[38]
    yield 39, pos
    size = raw[pos] << 8 | raw[pos + 1]
    yield from ((pos, pos + 2), (pos + 2, pos + 2 + size))
    pos += 2 + size
    yield from ((pos, pos + 1), (pos + 1, pos + 1 + raw[pos]))
    pos += 1 + raw[pos]
    yield pos, pos + 2
    pos += 2
    while pos < len(raw):
        end = pos + 4 + (raw[pos + 2] << 8 | raw[pos + 3])
        yield from ((pos, pos + 2), (pos + 2, pos + 4), (pos + 4, end))
        pos = end


def changed(data: bytes, start: int, end: int, draw: random.Random) -> bytes:
    """One field with other bytes, fewer or more of them."""
    old = data[start:end]
    kind = draw.randrange(5)
    if kind == 0 or not old:
        new = old + draw.randbytes(draw.choice((1, 2, 33)))
    elif kind == 1:
        new = old[: draw.randrange(len(old))]
    elif kind == 2:
        new = bytes(len(old))
    elif kind == 3:
        new = b"\xff" * len(old)
    else:
        at = draw.randrange(len(old))
        new = old[:at] + bytes((old[at] ^ 1 << draw.randrange(8),)) + old[at + 1 :]
    return data[:start] + new + data[end:]


def framed(raw: bytes) -> bytes:
    """Its length as it is, so that what is in there is looked at."""
    return raw[:1] + (len(raw) - 4).to_bytes(3, "big") + raw[4:]


def test_hellos_changed_at_random():
    """Every field of both: an answer or an alert, and nothing else; the inner name counts only if all was right."""
    conn = Connection(client(OWN, alpn=(b"h2",)), False, lambda: NOW, HOST)
    conn.advance()
    outer = ClientHello.parse(conn.take()[5:])
    encoded = opened(outer)
    inner_raw = b"\x01" + len(encoded).to_bytes(3, "big") + encoded
    places = [(False, *place) for place in fields(outer.raw)] + [
        (True, *place) for place in fields(inner_raw[: 4 + len(encoded.rstrip(b"\x00"))]) if place[0] >= 4
    ]
    config = replace(server(OWN), num_tickets=0)
    ends = {"alert": 0, "outer": 0, "inner": 0}
    for number in range(HELLOS):
        draw = random.Random(number)
        inside_it, start, end = places[number % len(places)]
        if inside_it:
            raw = resealed(outer, changed(inner_raw, start, end, draw)[4:])
        else:
            raw = framed(changed(outer.raw, start, end, draw))
            if raw == outer.raw:
                continue
        side = Connection(config, True, lambda: NOW)
        side.receive(b"".join(record(HANDSHAKE, raw[at : at + 16384]) for at in range(0, len(raw), 16384)))
        try:
            side.advance()
        except Abort as abort:
            assert abort.fault is not faults.INTERNAL, number  # noqa: PT017  # an answer is fine as well
            assert side.failure
            ends["alert"] += 1
            continue
        record_ = side.handshake.draft.ech
        opened_it = record_ is not None and record_.status == ech_outcome.SUCCESS
        if not inside_it:
            assert not opened_it, number  # the AAD covers all of it
        ends["inner" if opened_it else "outer"] += 1
    assert all(ends.values()), ends


def test_an_inner_hello_is_chosen_for_by_what_it_says() -> None:
    """Whatever was chosen for outer hellos of the same kind, which did not open."""
    own, other = key(), key()  # two keys for the same name
    ours = server(own, alpn=(b"inner", b"outer"))
    asks = client(own, outer_alpn=(b"outer",), alpn=(b"inner",))
    stranger = replace(asks, ech=ech_config.usable(other.config))
    for _ in range(4):  # its outer hello is all that is read
        both = Pair(stranger, ours)
        with suppress(Abort):
            both.run()
        assert both.server.draft.alpn == b"outer"
    assert [kind for kind in ours.choices if kind is not None and kind.sealed and not kind.inner]
    for _ in range(4):
        both = Pair(asks, ours).handshake()
        assert both.server.alpn == both.client.alpn == b"inner"
        assert both.server.ech.status == ech_outcome.SUCCESS
