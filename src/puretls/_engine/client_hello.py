"""The ClientHello: extensions, key shares, pre-shared keys with their binders.

RFC 8446 4.1.2, 4.2 and 4.1.4; sessions of TLS 1.2 are offered in the same message (RFC 5246 7.4.1.2, RFC 5077 3.2).
What is the same for every connection of a context is encoded once, by `negotiated.offers`; here is what differs.
"""

from __future__ import annotations

from functools import lru_cache

from puretls._base import registry
from puretls._base.registry import TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.groups import Offer
from puretls._crypto.kdf import Digest
from puretls._crypto.schedule import EarlySecret, finished
from puretls._crypto.transcript import Transcript
from puretls._engine.config import Config
from puretls._engine.negotiated import offers
from puretls._engine.peer import ip_address
from puretls._engine.session import Session
from puretls._wire import extensions, hello
from puretls._wire.codec import extension, tuple_of, vec8, vec16

NAMED, RESUMING = frozenset({registry.SERVER_NAME}), frozenset({registry.PRE_SHARED_KEY})
GREASED, EARLY = frozenset({registry.ENCRYPTED_CLIENT_HELLO}), frozenset({registry.EARLY_DATA})


class OfferedPsk:
    """A pre-shared key that is offered: from a ticket, or external (RFC 8446 2.2)."""

    __slots__ = ("age", "digest", "early", "external", "identity", "session")

    def __init__(self, identity: bytes, age: int, digest: Digest, key: bytes, session: Session | None) -> None:
        self.identity, self.age, self.digest, self.session = identity, age, digest, session
        self.external = session is None
        self.early = EarlySecret(digest, key)

    def binder(self, transcript_digest: bytes) -> bytes:
        key = self.early.binder_key(external=self.external)
        return finished(self.digest, key, transcript_digest)


class ClientOffer:
    """What a ClientHello has offered, with which the answers are compared."""

    __slots__ = ("cookie", "early", "extra", "offered", "psks", "session12", "session_id", "shares")

    def __init__(self, session_id: bytes, shares: dict[int, Offer], psks: list[OfferedPsk]) -> None:
        self.session_id, self.shares, self.psks = session_id, shares, psks
        self.cookie = b""
        self.early: Session | None = None  # the session under whose ticket early data follows
        self.session12: Session | None = None  # of TLS 1.2 or older
        self.offered: frozenset[int] = frozenset()  # extensions
        self.extra = b""  # encrypted_client_hello as GREASE (RFC 9849 6.2)


class Hello(NamedTuple):
    """A ClientHello, and the extensions in it that may be answered."""

    raw: bytes
    offered: frozenset[int]


def compose(
    config: Config,
    offer: ClientOffer,
    random: bytes,
    name: str | None,
    transcript: Transcript,
    verify_data: bytes | None = None,
) -> Hello:
    """The ClientHello of an offer, composed without sending or changing anything.

    `transcript` has the messages before it; `verify_data` is that of our last Finished, in a renegotiation.
    """
    suites, (_, block, offered) = config.first_suites, offers(config)
    asked = named(name) if name else b""
    if asked:
        block = asked + block
        offered = both(offered, NAMED)
    if config.min_version < TLS13:
        if verify_data is not None:  # RFC 5746 3.5
            suites = config.hello_suites
            block += extension(registry.RENEGOTIATION_INFO, vec8(verify_data))
        session = offer.session12
        if config.tickets12:
            block += extension(registry.SESSION_TICKET, session.ticket if session else b"")
    block += varying(offer)
    if offer.early is not None:
        offered |= EARLY
    if offer.extra:
        block += offer.extra
        offered = both(offered, GREASED)
    version = min(config.max_version, TLS12)
    if not offer.psks:
        return tuple_of(Hello, (hello.client_hello(version, random, offer.session_id, suites, block), offered))
    block += blank_psks(offer.psks)
    raw = with_binders(hello.client_hello(version, random, offer.session_id, suites, block), offer.psks, transcript)
    return tuple_of(Hello, (raw, both(offered, RESUMING)))


@lru_cache(maxsize=512)
def named(name: str) -> bytes:
    """server_name; nothing for a literal address, which is not permitted there (RFC 6066 3)."""
    return extensions.build_server_name(name.encode("ascii")) if ip_address(name) is None else b""


@lru_cache(maxsize=64)
def both(offered: frozenset[int], more: frozenset[int]) -> frozenset[int]:
    """What of a configuration's extensions may be answered, with one more: each connection has the same."""
    return offered | more


def varying(offer: ClientOffer) -> bytes:
    """The extensions that may differ in a second ClientHello, except for the last one (RFC 8446 4.1.2)."""
    block = b""
    if offer.shares:
        block = extensions.build_shares([(code, share.public) for code, share in offer.shares.items()])
    if offer.cookie:
        block += extension(registry.COOKIE, vec16(offer.cookie))
    if offer.early is not None:
        block += extension(registry.EARLY_DATA, b"")
    return block


def blank_psks(psks: list[OfferedPsk]) -> bytes:
    """pre_shared_key, which comes last, with room for its binders (RFC 8446 4.2.11)."""
    identities = b"".join([vec16(psk.identity) + psk.age.to_bytes(4, "big") for psk in psks])
    return extension(registry.PRE_SHARED_KEY, vec16(identities) + bytes(_binders_size(psks)))


def _binders_size(psks: list[OfferedPsk]) -> int:
    """The length of the vector of binders."""
    size = 2 + len(psks)
    for psk in psks:
        size += psk.digest.size
    return size


def with_binders(raw: bytes, psks: list[OfferedPsk], transcript: Transcript) -> bytes:
    """A ClientHello that ends in `blank_psks`, with its binders: each covers everything before the binders (RFC 8446
    4.2.11.2).
    """
    raw, binders = raw[: -_binders_size(psks)], b""
    for psk in psks:
        binders += vec8(psk.binder(transcript.digest_with(raw, psk.digest)))
    return raw + vec16(binders)
