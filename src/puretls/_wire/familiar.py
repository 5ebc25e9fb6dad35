"""ClientHellos that are like others before them.

Programs of one kind send the same bytes in every ClientHello, but for what is a connection's own: random, session id,
name of the server, key shares, tickets, binders, and what is encrypted.  The other bytes have the number of every
extension and the length of everything, so they say where those parts are.  If they are equal to those of a hello that
was read and checked before, they need not be read again, and nor need anything be chosen again that follows from them.

Known are a few kinds of limited size, and of none what is a connection's own.  A kind is learnt when it comes again:
who sends another hello each time, as a browser that shuffles its extensions, costs no more than to be read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from operator import itemgetter

from puretls._base import registry
from puretls._base.slotted import slotted
from puretls._wire.codec import Ranks, ranks, tuple_of
from puretls._wire.ech import INNER, OUTER
from puretls._wire.extensions import OfferedPsks, key_shares, offered_psks
from puretls._wire.hello import ClientHello

MOST = 64  # kinds; then memory begins anew
MOST_MET = 256  # that have come once
LONGEST = 1024  # bytes of a hello of such a kind that are not a connection's own
MANY = 8  # shares, or pre-shared keys
BEGINNING = 48  # bytes behind the session id by which a layout is looked up: most of the suites


class Kind:
    """What ClientHellos of one kind have in common, and where their own parts are in the message."""

    __slots__ = (
        "binders", "binders_size", "cut", "identities", "inner", "name", "sealed", "shares", "suites", "ticket",
    )  # fmt: skip

    def __init__(self, suites: Ranks) -> None:
        self.suites = suites
        self.cut: Cut | None = None  # what finds it: no other layout does, even where it cuts out the same bytes
        self.sealed = False  # it has an encrypted hello in it, or what looks like one, or was in one
        self.inner = False  # the latter
        self.name: slice | None = None  # the body of server_name
        self.ticket: slice | None = None  # that of session_ticket
        self.shares: dict[int, slice] = {}  # by group
        self.identities: list[tuple[slice, slice]] = []  # of pre-shared keys: identity, obfuscated_ticket_age
        self.binders: list[slice] = []
        self.binders_size = 0  # as in OfferedPsks

    def psks(self, raw: bytes) -> OfferedPsks:
        """The pre-shared keys that a hello of this kind offers."""
        identities = [(raw[name], int.from_bytes(raw[age], "big")) for name, age in self.identities]
        return tuple_of(OfferedPsks, (identities, [raw[one] for one in self.binders], self.binders_size))


@slotted("kind", "random", "raw", "session_id")
class FamiliarHello:
    """A ClientHello of a kind that is known; `full` is the whole of it, read."""

    kind: Kind
    random: bytes
    raw: bytes
    session_id: bytes

    def __init__(self, raw: bytes, session_id: bytes, kind: Kind) -> None:
        self.raw, self.random, self.session_id, self.kind = raw, raw[6:38], session_id, kind

    @cached_property
    def full(self) -> ClientHello:
        return ClientHello.parse(self.raw)


Hello = ClientHello | FamiliarHello
Cut = Callable[[bytes], "tuple[bytes, ...]"]  # all that is not a connection's own

# Adding, finding and clearing are one step each for all threads
KINDS: dict[tuple[bytes, ...], Kind] = {}
LAYOUTS: dict[tuple[int, bytes], Cut] = {}
MET: set[tuple[bytes | int, ...]] = set()


def read(raw: bytes) -> Hello:
    """Read a ClientHello, unless its kind is known."""
    return find(raw) or ClientHello.parse(raw)


def find(raw: bytes) -> FamiliarHello | None:
    """The ClientHello, if its kind is known."""
    start = 39 + raw[38]
    cut = LAYOUTS.get((len(raw), raw[start : start + BEGINNING]))
    if cut is not None:
        kind = KINDS.get(cut(raw))
        if kind is not None and kind.cut is cut:
            return FamiliarHello(raw, raw[39:start], kind)
    return None


def learn(hello: ClientHello) -> Kind | None:
    """The kind of a hello that was checked from beginning to end, if one like it has come before."""
    _, _, _, session_id, suites, compression, found = hello
    if len(suites) + 4 * len(found) > LONGEST:
        return None
    order: tuple[bytes | int, ...] = (suites, *found)
    if order not in MET:
        if len(MET) >= MOST_MET:
            MET.clear()
        MET.add(order)
        return None
    raw, kind = hello.raw, Kind(ranks(suites))
    start = end = 39 + len(session_id)
    pos = start + 2 + len(suites) + 1 + len(compression) + 2
    common = [slice(0, 6), slice(38, 39)]  # up to the random; the length of the session id
    for number, body in found.items():
        pos += 4
        if number in OWN:
            parts = OWN[number](kind, body, pos)
            if parts is None:
                return None
            for part in parts:
                common.append(slice(end, part.start))
                end = part.stop
        pos += len(body)
    common.append(slice(end, len(raw)))
    kind.cut = cut = itemgetter(*common)
    key = cut(raw)
    if sum(map(len, key)) > LONGEST:
        return None
    if len(KINDS) >= MOST or len(LAYOUTS) >= MOST:
        KINDS.clear()
        LAYOUTS.clear()
    kind = KINDS.setdefault(key, kind)
    if kind.cut is not None:
        LAYOUTS[len(raw), raw[start : start + BEGINNING]] = kind.cut
    return kind


# The parts of an extension that are a connection's own, in order; its body begins at `pos` of the message.  The length
# in front of a part does not belong to it.  None: hellos with this extension are not learnt.


def _name(kind: Kind, body: bytes, pos: int) -> list[slice]:
    kind.name = whole = slice(pos, pos + len(body))
    return [whole]


def _ticket(kind: Kind, body: bytes, pos: int) -> list[slice]:
    kind.ticket = whole = slice(pos, pos + len(body))
    return [whole]


def _padding(_: Kind, body: bytes, pos: int) -> list[slice]:
    return [slice(pos, pos + len(body))]


def _sealed(kind: Kind, body: bytes, pos: int) -> list[slice] | None:
    kind.sealed, kind.inner = True, body == bytes((INNER,))
    if kind.inner:
        return []
    return [slice(pos + 1, pos + len(body))] if body[:1] == bytes((OUTER,)) else None


def _shares(kind: Kind, body: bytes, pos: int) -> list[slice] | None:
    shares = key_shares(body)
    pos += 2
    for group, share in shares:
        kind.shares[group] = slice(pos + 4, pos + 4 + len(share))
        pos += 4 + len(share)
    return list(kind.shares.values()) if len(kind.shares) == len(shares) <= MANY else None


def _psks(kind: Kind, body: bytes, pos: int) -> list[slice] | None:
    identities, binders, kind.binders_size = offered_psks(body)
    if len(identities) > MANY:
        return None
    end, pos = pos + len(body), pos + 2
    parts = []
    for identity, _ in identities:
        middle = pos + 2 + len(identity)
        kind.identities.append((slice(pos + 2, middle), slice(middle, middle + 4)))
        parts.append(slice(pos + 2, middle + 4))
        pos = middle + 4
    pos = end - kind.binders_size + 2
    for binder in binders:
        kind.binders.append(slice(pos + 1, pos + 1 + len(binder)))
        pos += 1 + len(binder)
    return parts + kind.binders


def _never(_: Kind, __: bytes, ___: int) -> None:
    return None


OWN: dict[int, Callable[[Kind, bytes, int], list[slice] | None]] = {
    registry.SERVER_NAME: _name,
    registry.SESSION_TICKET: _ticket,
    registry.PADDING: _padding,
    registry.ENCRYPTED_CLIENT_HELLO: _sealed,
    registry.KEY_SHARE: _shares,
    registry.PRE_SHARED_KEY: _psks,
    registry.COOKIE: _never,  # of an answer to a HelloRetryRequest
}
