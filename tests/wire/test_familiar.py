"""ClientHellos whose kind is known: what is not read again is what was read before, and memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread

import pytest

from puretls._base.faults import Abort
from puretls._base.registry import ALPN, COOKIE, KEY_SHARE, PRE_SHARED_KEY, SERVER_NAME, SESSION_TICKET, TLS12
from puretls._engine.config import Config
from puretls._wire import extensions, familiar, places
from puretls._wire.hello import ClientHello
from support.pair import HOST, Pair, client_config, hello, server_config


def forget() -> None:
    for memory in (familiar.KINDS, familiar.LAYOUTS, familiar.MET):
        memory.clear()


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Nothing is known before, or after."""
    forget()
    yield
    forget()


def said(client: Config, server: Config | None = None, *, resumed: bool = False) -> bytes:
    """A ClientHello of this client; `resumed`: it offers a session of this server."""
    session = None
    if resumed:
        pair = Pair(client, server).handshake()
        pair.send(pair.server, b"with tickets")
        session = pair.client.handshake.session
        forget()
    pair = Pair(client, server, session=session)
    pair.advance(pair.client)
    return pair.client.take()[5:]


def learn(raw: bytes) -> familiar.Kind:
    """Two like it come."""
    assert familiar.learn(ClientHello.parse(raw)) is None
    kind = familiar.learn(ClientHello.parse(raw))
    assert kind is not None
    return kind


CLIENT = client_config(alpn=(b"h2", b"http/1.1"), ech_grease=True)
OLDER = client_config(versions=(TLS12,))
HELLOS = {
    "first": lambda: said(CLIENT),
    "resumed": lambda: said(CLIENT, server_config(), resumed=True),
    "1.2": lambda: said(OLDER),
    "1.2 ticket": lambda: said(OLDER, server_config(), resumed=True),
    "without a name": lambda: hello({SERVER_NAME: None})(said(CLIENT)),
    "without extensions": lambda: hello(dict.fromkeys(ClientHello.parse(said(OLDER)).extensions))(said(OLDER)),
}
EACH = pytest.mark.parametrize("name", HELLOS)


def same_as_read(found: familiar.FamiliarHello) -> None:
    """What is taken from its places is what a reader of the whole finds."""
    whole, kind, raw = ClientHello.parse(found.raw), found.kind, found.raw
    places.check(whole.extensions, places.CH)
    assert (found.random, found.session_id, found.full) == (whole.random, whole.session_id, whole)
    bodies = whole.extensions
    for number, place in ((SERVER_NAME, kind.name), (SESSION_TICKET, kind.ticket)):
        assert (None if place is None else raw[place]) == bodies.get(number)
    shares = extensions.key_shares(bodies[KEY_SHARE]) if KEY_SHARE in bodies else ()
    assert tuple((group, raw[place]) for group, place in kind.shares.items()) == shares
    if PRE_SHARED_KEY in bodies:
        theirs, ours = extensions.offered_psks(bodies[PRE_SHARED_KEY]), kind.psks(raw)
        assert tuple(map(tuple, theirs[:2])) == tuple(map(tuple, ours[:2]))
        assert theirs.binders_size == ours.binders_size
    assert len(kind.suites) == len(set(kind.suites)) == len(whole.cipher_suites) // 2


@EACH
def test_others_of_its_kind_are_found(name: str) -> None:
    raw = HELLOS[name]()
    assert familiar.find(raw) is None
    kind = learn(raw)
    others = (HELLOS[name]() for _ in range(1000)) if name in ("first", "1.2") else iter(())
    for like in (raw, next((other for other in others if len(other) == len(raw)), raw)):  # GREASE has four lengths
        found = familiar.find(like)
        assert found is not None
        assert found.kind is kind
        same_as_read(found)


@EACH
def test_a_change_in_any_byte_is_a_change_of_its_own_parts_or_read(name: str) -> None:
    raw = HELLOS[name]()
    learn(raw)
    found = 0
    for at in range(len(raw)):
        for bits in (1, 0xFF):
            changed = raw[:at] + bytes((raw[at] ^ bits,)) + raw[at + 1 :]
            like = familiar.find(changed)
            if like is not None:
                found += 1
                try:
                    same_as_read(like)
                except Abort:  # a name that is none, which is read anew each time
                    assert like.kind.name is not None
                    assert like.kind.name.start <= at < like.kind.name.stop
    assert 2 * (32 + raw[38]) <= found < 2 * len(raw)  # random and session id at least


@EACH
def test_nothing_is_kept_that_is_a_connections_own(name: str) -> None:
    raw = HELLOS[name]()
    learn(raw)
    (cut,), whole = familiar.KINDS, ClientHello.parse(raw)
    kept = b"|".join((*cut, *(part for _, part in familiar.LAYOUTS)))
    own = [whole.random, whole.session_id, HOST.encode()]
    own += [share for _, share in extensions.key_shares(whole.extensions.get(KEY_SHARE, bytes(2)))]
    if PRE_SHARED_KEY in whole.extensions:
        psks = extensions.offered_psks(whole.extensions[PRE_SHARED_KEY])
        own += [*(identity for identity, _ in psks.identities), *psks.binders]
    own += [whole.extensions.get(SESSION_TICKET, b"")]
    assert len(kept) > 40
    for part in filter(None, own):
        assert part[:8] not in kept


def test_it_is_learnt_when_it_comes_again() -> None:
    raw = said(CLIENT)
    assert familiar.read(raw) == familiar.read(raw) == ClientHello.parse(raw)  # to read is not to learn
    learn(raw)
    assert type(familiar.read(raw)) is familiar.FamiliarHello


def test_the_answer_to_a_retry_is_not_learnt() -> None:
    raw = hello({COOKIE: b"\x00\x01c"})(said(CLIENT))
    assert [familiar.learn(ClientHello.parse(raw)) for _ in range(3)] == [None] * 3


def test_memory_is_bounded() -> None:
    raw = said(CLIENT)
    for one in range(3 * familiar.MOST):
        other = hello({ALPN: b"\x00\x04\x03" + one.to_bytes(3, "big")})(raw)  # in the same order
        familiar.learn(ClientHello.parse(other))
    assert 0 < len(familiar.KINDS) <= familiar.MOST
    for one in range(3 * familiar.MOST_MET):  # of a browser, each another
        familiar.learn(ClientHello.parse(hello({0x3A00 + one: b""})(raw)))
    assert 0 < len(familiar.MET) <= familiar.MOST_MET
    assert len(familiar.LAYOUTS) <= familiar.MOST
    long = hello({0x3A3A: bytes(familiar.LONGEST)})(raw)
    assert [familiar.learn(ClientHello.parse(long)) for _ in range(3)] == [None] * 3
    assert max(sum(map(len, cut)) for cut in familiar.KINDS) <= familiar.LONGEST
    assert sum(len(part) for order in familiar.MET for part in order if isinstance(part, bytes)) < 1 << 18


def test_threads_may_learn_and_forget_at_once() -> None:
    raw, wrong = said(CLIENT), []

    def work(first: int) -> None:
        for one in range(400):
            other = hello({ALPN: b"\x00\x04\x03" + bytes((first, one & 127, 0))})(raw)
            familiar.learn(ClientHello.parse(other))
            found = familiar.find(other)
            if found is not None and found.full != ClientHello.parse(other):
                wrong.append(other)
            if one % 50 == 0:
                familiar.KINDS.clear()

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
