"""A server's choices from a ClientHello: suite, group and others, each from the lists of both sides.

These are pure functions of a Config and a ClientHello.  What they return goes into the answer; if there is nothing to
choose they raise Abort.  What was chosen for one hello of a kind (`familiar`) holds for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.groups import Group
from puretls._crypto.kdf import SHA256
from puretls._crypto.signatures import Scheme
from puretls._crypto.suites import BY_CODE, SUITES, Suite
from puretls._engine.config import OP_CIPHER_SERVER_PREFERENCE, OP_PRIORITIZE_CHACHA, Config, Credential
from puretls._wire import extensions, familiar
from puretls._wire.codec import Ranks, tuple_of
from puretls._wire.extensions import OfferedPsks
from puretls._wire.familiar import Hello
from puretls._wire.hello import ClientHello

CHACHA = frozenset(suite.code for suite in SUITES if suite.cipher.name.startswith("CHACHA20"))


def in_order(config: Config, ours: Sequence[Suite], theirs: Ranks) -> list[Suite]:
    """The suites that both sides have, in the order of the side that decides."""
    shared = [suite for suite in ours if suite.code in theirs]
    if not config.options & OP_CIPHER_SERVER_PREFERENCE:
        shared.sort(key=lambda suite: theirs[suite.code])
    elif config.options & OP_PRIORITIZE_CHACHA and _favourite(theirs) in CHACHA:
        shared.sort(key=lambda suite: suite.code not in CHACHA)  # the client's processor seems to have no AES
    return shared


def _favourite(theirs: Ranks) -> int | None:
    """The first of a client's suites that we know, enabled or not."""
    return min((code for code in BY_CODE if code in theirs), key=theirs.__getitem__, default=None)


def first_common(ours: Iterable[Group], theirs: Ranks, version: int) -> Group | None:
    for group in ours:
        if group.code in theirs and group.since <= version <= group.until:
            return group
    return None


class Offer13(NamedTuple):
    """The extensions of a ClientHello that a server of TLS 1.3 uses."""

    groups: Ranks
    shares: dict[int, bytes]
    schemes: Ranks
    psks: OfferedPsks | None
    takes_tickets: bool  # whether the client can use our tickets, which are for psk_dhe_ke (RFC 8446 4.2.9)


def read_offer13(hello: ClientHello) -> Offer13:
    """Read the extensions of a ClientHello, and check what they demand of each other (RFC 8446 9.2, 4.2.8, 4.2.9,
    4.2.11).
    """
    _, _, _, _, _, compression, found = hello
    if compression != b"\x00":
        raise Abort(faults.INVALID_COMPRESSION_ALGORITHM)
    psks = None
    if registry.PRE_SHARED_KEY in found:
        if not hello.psk_is_last():
            raise Abort(faults.MISPLACED_EXTENSION, "pre_shared_key is not last")
        if registry.PSK_KEY_EXCHANGE_MODES not in found:
            raise Abort(faults.MISSING_PSK_KEX_MODES)
        psks = extensions.offered_psks(found[registry.PRE_SHARED_KEY])
    takes_tickets = False
    if registry.PSK_KEY_EXCHANGE_MODES in found:
        takes_tickets = registry.PSK_DHE_KE in extensions.psk_modes(found[registry.PSK_KEY_EXCHANGE_MODES])
        if not takes_tickets:
            psks = None
    if (registry.KEY_SHARE in found) != (registry.SUPPORTED_GROUPS in found):
        raise Abort(faults.MISSING_KEY_SHARE if registry.KEY_SHARE not in found else faults.MISSING_SUPPORTED_GROUPS)
    if registry.KEY_SHARE not in found:
        raise Abort(faults.MISSING_KEY_SHARE)
    groups = extensions.numbers(found[registry.SUPPORTED_GROUPS])
    shares: dict[int, bytes] = {}
    for group, share in extensions.key_shares(found[registry.KEY_SHARE]):
        if group in shares or group not in groups:
            raise Abort(faults.BAD_KEY_SHARE, "key_share disagrees with supported_groups")
        shares[group] = share
    schemes: Ranks = {}
    if registry.SIGNATURE_ALGORITHMS in found:
        schemes = extensions.numbers(found[registry.SIGNATURE_ALGORITHMS])
    elif psks is None:
        raise Abort(faults.MISSING_SIGALGS)
    return tuple_of(Offer13, (groups, shares, schemes, psks, takes_tickets))


def group13(config: Config, theirs: Ranks, shares: dict[int, bytes]) -> tuple[Group, bytes | None]:
    """Our most preferred group that came with a share, or else one to ask for in a HelloRetryRequest."""
    for group in config.groups13:
        if group.code in shares:
            return group, shares[group.code]
    for group in config.groups13:
        if group.code in theirs:
            return group, None
    raise Abort(faults.NO_SUITABLE_KEY_SHARE)


class Choice13:
    """What a server of TLS 1.3 chooses, whatever the connection's own parts of a ClientHello are."""

    __slots__ = ("early", "group", "later", "psks", "said", "schemes", "shown", "suite", "takes_tickets", "version")

    def __init__(self, suite: Suite, group: Group, offer: Offer13, found: dict[int, bytes]) -> None:
        self.version, self.suite, self.group = TLS13, suite, group
        self.schemes, self.takes_tickets, self.psks = offer.schemes, offer.takes_tickets, offer.psks is not None
        self.early = registry.EARLY_DATA in found
        self.later = registry.POST_HANDSHAKE_AUTH in found  # the client can authenticate after the handshake
        # Found out when they are needed; for a kind of hello they are kept if they are the same for all of it
        self.shown: tuple[Credential, Scheme, bytes] | None = None  # what we sign with, and our Certificate
        self.said: dict[object, Any] = {}  # the answers to its extensions (`negotiated`)


def choose13(
    config: Config, message: Hello, suites: Ranks, known: Choice13 | None
) -> tuple[Choice13, bytes | None, OfferedPsks | None]:
    """The choice, the client's share, if it has sent one of that group, and its pre-shared keys."""
    kind, raw = message.kind, message.raw
    if known is not None and kind is not None:
        share = kind.shares.get(known.group.code)
        return known, None if share is None else raw[share], kind.psks(raw) if known.psks else None
    hello = message.full
    offer = read_offer13(hello)
    shared = in_order(config, config.suites13, suites)
    if not shared:
        raise Abort(faults.NO_SHARED_CIPHER)
    if config.psk_server:  # an external key goes with SHA-256 (RFC 8446 4.2.11): let there be a suite for it
        shared.sort(key=lambda suite: suite.hash is not SHA256)
    group, public = group13(config, offer.groups, offer.shares)
    choice = Choice13(shared[0], group, offer, hello.extensions)
    remember(config, message, choice)
    return choice, public, offer.psks


MOST = familiar.MOST


def remember(config: Config, message: Hello, choice: object) -> None:
    """Choose the same for all hellos of this kind, once it is known."""
    kind = message.kind
    if kind is None:
        kind = familiar.learn(message.full)
    if kind is not None:
        known = config.choices
        if len(known) >= MOST:
            known.clear()
        known[kind] = choice
