"""A client's side of Encrypted Client Hello (RFC 9849 6): the inner hello is sealed inside an outer one.

Both have the same extensions where that tells an observer nothing.  What differs comes first: the name, the mark of the
inner hello, the versions, and the protocols if others are to be seen.  The rest is one block, which the outer hello
contains and the inner one refers to.  Two transcripts are kept until the server's hello shows which of the two it has
accepted.
"""

from __future__ import annotations

from collections.abc import Callable

from puretls._base import faults
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALPN,
    COOKIE,
    EARLY_DATA,
    ENCRYPTED_CLIENT_HELLO,
    KEY_SHARE,
    PRE_SHARED_KEY,
    SUPPORTED_VERSIONS,
    TLS12,
)
from puretls._base.tuples import NamedTuple
from puretls._crypto.hpke import KEMS, TAG, Context
from puretls._crypto.kdf import Digest
from puretls._crypto.transcript import Transcript
from puretls._engine.client_hello import (
    EARLY,
    GREASED,
    NAMED,
    RESUMING,
    ClientOffer,
    Hello,
    OfferedPsk,
    blank_psks,
    varying,
    with_binders,
)
from puretls._engine.config import Config, once
from puretls._engine.ech_config import Chosen
from puretls._engine.ech_confirmation import HELLO, RETRY, confirmation
from puretls._engine.negotiated import offers
from puretls._engine.peer import ip_address
from puretls._wire import ech, extensions, hello
from puretls._wire.codec import extension, vec8, vec16
from puretls._wire.ech import Sealed
from puretls._wire.hello import ServerHello


class Hellos(NamedTuple):
    """The outer hello, which is sent, and the inner one inside it, if there is one."""

    outer: Hello
    inner: Hello | None


class Parts(NamedTuple):
    """What all hellos of a configuration have in common, encoded."""

    inner: bytes  # the inner hello alone
    outer: bytes
    shared: bytes
    kinds: tuple[int, ...]  # of the shared extensions, in their order


@once
def parts(config: Config) -> Parts:
    """Which extensions each of the two hellos has."""
    found = dict(offers(config).extensions)
    inner = outer = found.pop(SUPPORTED_VERSIONS)
    if config.outer_alpn is not None:
        inner += found.pop(ALPN, b"")
        outer += extensions.build_protocols(config.outer_alpn) if config.outer_alpn else b""
    return Parts(inner, outer, b"".join(found.values()), tuple(found))


class EchClient:
    """The inner hello of one handshake."""

    __slots__ = (
        "_context",
        "_enc",
        "_extension",
        "_identities",
        "chosen",
        "config_id",
        "name",
        "offered",
        "outer_name",
        "random",
        "retried",
        "secret",
        "transcript",
    )

    def __init__(self, config: Config, chosen: Chosen, name: str | None, random: Callable[[int], bytes]) -> None:
        """`name` is the server's, as in `compose`; `random` gives so many bytes."""
        kem, (kdf, aead) = KEMS[chosen.config.kem], chosen.suite
        self.chosen = chosen
        self.name = name if name and ip_address(name) is None else None
        self.outer_name = config.outer_name or chosen.public_name
        self.config_id = random(1)[0] if config.ech_random_id else chosen.config.config_id
        self.random = random(32)  # of the inner hello
        self.secret, self._enc = kem.encapsulate(chosen.config.public_key)
        self._context: Context | None = Context(kem, kdf, aead, self.secret, chosen.config.info)
        self._extension = b""  # of the first outer hello
        self._identities: dict[OfferedPsk, bytes] = {}  # random bytes in the outer hello, in the place of the inner's
        self.transcript = Transcript()  # with the inner hello
        self.offered: frozenset[int] = frozenset()  # extensions of the inner hello
        self.retried: bool | None = None  # whether a HelloRetryRequest was for the inner hello; None: there was none

    def compose(
        self, config: Config, offer: ClientOffer, outer_random: bytes, random: Callable[[int], bytes]
    ) -> Hellos:
        """Both hellos of an offer; only the sealing context moves on."""
        own_inner, own_outer, shared, kinds = parts(config)
        shared += varying(offer)
        kinds += (KEY_SHARE, COOKIE)[: 1 + bool(offer.cookie)]
        if offer.early is not None:
            kinds += (EARLY_DATA,)
        last = self._psks(offer.psks, random) if offer.psks else b""
        if self._context is None:
            return Hellos(self._outer(config, offer, outer_random, own_outer + shared + self._extension, last), None)
        inner, encoded = self._inner(config, offer, own_inner, shared, kinds)
        size = len(encoded) + TAG
        sealed = Sealed(self.chosen.suite, self.config_id, self._enc, bytes(size)).build()
        raw, offered = self._outer(config, offer, outer_random, own_outer + shared + sealed, last)
        payload, end = self._context.seal(raw[4:], encoded), len(raw) - len(last)
        self._extension, self._enc = sealed[:-size] + payload, b""
        return Hellos(Hello(raw[: end - size] + payload + raw[end:], offered), inner)

    def _inner(
        self, config: Config, offer: ClientOffer, own: bytes, shared: bytes, kinds: tuple[int, ...]
    ) -> tuple[Hello, bytes]:
        """The inner hello, and how it is encoded for sealing."""
        head, offered = ech.INNER_MARK + own, offers(config).answerable | _early(offer)
        if self.name is not None:
            head = extensions.build_server_name(self.name.encode("ascii")) + head
            offered |= NAMED
        last = blank_psks(offer.psks) if offer.psks else b""
        raw = hello.client_hello(TLS12, self.random, offer.session_id, config.first_suites, head + shared + last)
        if last:
            raw = with_binders(raw, offer.psks, self.transcript)
            last, offered = raw[-len(last) :], offered | RESUMING
        encoded = ech.encoded_inner(raw, head + ech.outer_extensions(kinds) + last)
        padding = ech.padding(self.name, self.chosen.config.maximum_name_length, len(encoded))
        return Hello(raw, offered), encoded + bytes(padding)

    def _outer(
        self,
        config: Config,
        offer: ClientOffer,
        outer_random: bytes,
        block: bytes,
        last: bytes,
    ) -> Hello:
        block = extensions.build_server_name(self.outer_name.encode("ascii")) + block + last
        offered = offers(config).answerable | NAMED | GREASED | _early(offer)
        if last:
            offered |= RESUMING
        raw = hello.client_hello(TLS12, outer_random, offer.session_id, config.first_suites, block)
        return Hello(raw, offered)

    def _psks(self, psks: list[OfferedPsk], random: Callable[[int], bytes]) -> bytes:
        """pre_shared_key of random bytes, as long as the inner hello's: never what names a session (RFC 9849 6.1.2).

        The identities are the same after a HelloRetryRequest.
        """
        identities = binders = b""
        for psk in psks:
            identity = self._identities.get(psk)
            if identity is None:
                identity = self._identities[psk] = random(len(psk.identity))
            identities += vec16(identity) + random(4)
            binders += vec8(random(psk.digest.size))
        return extension(PRE_SHARED_KEY, vec16(identities) + vec16(binders))

    # What the server made of it (RFC 9849 7.2)

    def read(self, d: Digest, message: ServerHello) -> bool:
        """Whether a ServerHello confirms the inner hello.  `transcript` does not contain that message yet.

        What a HelloRetryRequest has shown stays as it is.
        """
        if self.retried is False:
            return False
        if self.retried is None:
            self.transcript.choose(d)
        raw, size = message.raw, ech.CONFIRMATION
        end = 38  # of the random
        digest = self.transcript.digest_with(raw[: end - size] + bytes(size) + raw[end:])
        if compare_digest(confirmation(d, self.random, HELLO, digest), message.random[-size:]):
            return True
        if self.retried:
            raise Abort(faults.BAD_ECH_EXTENSION, "accepted in HelloRetryRequest only")
        return False

    def retry(self, d: Digest, message: ServerHello) -> bool:
        """The same of a HelloRetryRequest, which goes into the transcript of the inner hello; a second one follows."""
        body = message.extensions.get(ENCRYPTED_CLIENT_HELLO)
        self.retried = False
        if body is not None:
            said, transcript = ech.confirmation(body), self.transcript
            transcript.choose(d)
            transcript.rewrite_for_retry()
            digest = transcript.digest_with(ech.without_confirmation(message.raw))
            if compare_digest(confirmation(d, self.random, RETRY, digest), said):
                transcript.update(message.raw)
                self.retried = True
        if not self.retried:
            self._context = None
        return self.retried


def _early(offer: ClientOffer) -> frozenset[int]:
    return frozenset() if offer.early is None else EARLY
