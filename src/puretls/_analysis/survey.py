"""What to ask a server, and in which order, to learn all that it accepts: by elimination.

A server picks one of what it is offered. Without that one it is asked again, until it picks nothing: then everything it
accepts is known, in the order in which it picks. Whoever can `ask` (an Offer goes out, an Answer comes back) can
survey; connections, time and politeness are theirs. Each function here is one line of questions, independent of the
others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from puretls._analysis.probe import DEFLATE, Alert, Answer, Hello, Nonsense, Offer, Silence
from puretls._analysis.suites import Suite, suite
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS11, TLS12, TLS13

Ask = Callable[[Offer], Answer]
Pick = Callable[[Hello], int]

VERSIONS = (TLS13, TLS12, TLS11, TLS10, SSL3)  # as they are asked for
POST_QUANTUM = frozenset({0x0200, 0x0201, 0x0202, 0x11EB, 0x11EC, 0x11ED, 0x11EE, 0x6399, 0x639A})
_P256 = 0x0017
_FIRST = (0x001D, _P256, 0x0018, 0x0019, 0x0100)  # what everybody has
GROUPS13 = (*_FIRST, *sorted(iana.GROUPS.keys() - set(_FIRST)))
GROUPS12 = tuple(code for code in GROUPS13 if code not in POST_QUANTUM and not 0x1F <= code <= 0x21)
SCHEMES = tuple(sorted(iana.SCHEMES, key=lambda code: (-(code >> 8 in range(4, 9)), code)))  # SHA-1 and MD5 last
_USUAL = ("AES_128_GCM", "AES_256_GCM", "CHACHA20", "AES_128_CBC_SHA", "AES_256_CBC_SHA", "3DES_EDE_CBC_SHA", "RC4_128")
_CHUNK = 60


def all_suites(version: int) -> tuple[int, ...]:
    """Everything there is for a version, the best first: a server without an order of its own takes the client's."""
    table = iana.SUITES13 if version >= TLS13 else iana.SUITES12.keys() - {0}  # TLS_NULL_WITH_NULL_NULL is no offer
    return tuple(sorted(table, key=lambda code: (*_rank(suite(code)), code)))


def _rank(one: Suite) -> tuple[int, int, bool]:
    return len(one.faults), -one.bits, not one.exchange.startswith("ECDHE")


@dataclass
class Found:
    """What one line of questions gave."""

    picks: list[int] = field(default_factory=list)  # in the order in which the server took them
    hellos: list[Hello] = field(default_factory=list)  # its answers, one for each
    last: Answer | None = None  # the one that ended it: a refusal, normally
    order: str = ""  # "server" or "client": whose order decides; "" if that cannot be told
    odd: str = ""  # what was not as it should be: a pick that was not on offer, an end without an answer


def offer(version: int, suites: Sequence[int], name: str) -> Offer:
    """What is common to all questions: groups, signature schemes and compression as broad as can be."""
    groups = GROUPS13 if version >= TLS13 else GROUPS12
    compression = b"\x00" if version >= TLS13 else bytes((DEFLATE, 0))
    return Offer(version, tuple(suites), groups, SCHEMES, name, compression=compression)


def eliminate(ask: Callable[[tuple[int, ...]], Answer], offered: Sequence[int], pick: Pick, version: int) -> Found:
    """Ask until nothing is picked any more. At most as many questions as there are things on offer, and one."""
    found, left = Found(), list(offered)
    while left:
        found.last = ask(tuple(left))
        if found.picks and isinstance(found.last, Silence) and found.last.lost:
            found.last = ask(tuple(left))  # once more: so much depends on it
            if isinstance(found.last, Silence) and found.last.lost:
                found.odd = f"not complete: {found.last}"
        if not isinstance(found.last, Hello) or found.last.version != version:
            break
        picked = pick(found.last)
        if picked not in left:
            found.odd = f"0x{picked:04X} was picked, which was not on offer" if picked else ""
            break
        left.remove(picked)
        found.picks.append(picked)
        found.hellos.append(found.last)
    return found


def suites_of(ask: Ask, version: int, name: str) -> Found:
    """The suites of a version; none if the server does not speak it."""

    def question(codes: tuple[int, ...]) -> Answer:
        return ask(offer(version, codes, name))

    def pick(hello: Hello) -> int:
        return hello.suite

    everything = all_suites(version)
    found = eliminate(question, everything, pick, version)
    if not found.picks and isinstance(found.last, Silence | Nonsense) and version < TLS13:
        # Some old servers cannot read a long hello. If they answer a short one, they are asked in parts.
        usual = tuple(code for code in everything if any(word in suite(code).name for word in _USUAL))[:_CHUNK]
        if isinstance(question(usual), Hello):
            for start in range(0, len(everything), _CHUNK):
                part = eliminate(question, everything[start : start + _CHUNK], pick, version)
                found.picks += part.picks
                found.hellos += part.hellos
                found.last, found.odd = part.last, found.odd or part.odd
    if len(found.picks) > 1:
        again = question(tuple(reversed(found.picks)))
        if isinstance(again, Hello):
            found.order = {found.picks[0]: "server", found.picks[-1]: "client"}.get(again.suite, "")
    return found


def groups_of(ask: Ask, version: int, suites: Sequence[int], name: str) -> Found:
    """The groups of a version. A server with an ECDSA certificate of P-256 wants that group in a hello of TLS 1.2 (RFC
    8422 5.1), whichever it then takes: there the groups behind it stay unknown, so it is offered last.
    """
    groups = GROUPS13
    if version < TLS13:
        exchanging = [code for code in suites if suite(code).exchange.startswith("ECDHE")]
        suites = [code for code in exchanging if suite(code).auth == "RSA"] or exchanging
        groups = (*(code for code in GROUPS12 if code != _P256), _P256)
    if not suites:
        return Found()
    base = offer(version, suites, name)
    return eliminate(lambda codes: ask(base._replace(groups=codes)), groups, lambda hello: hello.group, version)


def schemes_of(ask: Ask, suites: Sequence[int], name: str) -> Found:
    """With which schemes the server signs in TLS 1.2, where that is in the clear; for each kind of certificate."""
    found = Found()
    for auth in dict.fromkeys(suite(code).auth for code in suites if suite(code).signed):
        signing = [code for code in suites if suite(code).signed and suite(code).auth == auth]
        base = offer(TLS12, signing, name)
        line = eliminate(partial(_with_schemes, ask, base), SCHEMES, lambda hello: hello.scheme, TLS12)
        found.picks += [code for code in line.picks if code not in found.picks]
        found.last, found.odd = line.last, found.odd or line.odd
    return found


def _with_schemes(ask: Ask, base: Offer, codes: tuple[int, ...]) -> Answer:
    return ask(base._replace(schemes=codes))


def refuses_fallback(ask: Ask, version: int, suites: Sequence[int], name: str) -> bool | None:
    """Whether a hello below the server's best version that admits to be a second try is refused (RFC 7507)."""
    answer = ask(offer(version, (*suites, registry.FALLBACK_SCSV), name))
    return _told(answer, isinstance(answer, Alert) and answer.description == registry.INAPPROPRIATE_FALLBACK)


def tolerates_unknown(ask: Ask, version: int, suites: Sequence[int], name: str) -> bool | None:
    """Whether a hello with suites, groups, schemes and extensions that do not exist yet is answered (RFC 8701)."""
    base = offer(version, (registry.GREASE[0], *suites), name)
    grease = base._replace(
        groups=(registry.GREASE[1], *base.groups),
        schemes=(registry.GREASE[2], *base.schemes),
        unknown=registry.GREASE[3:5],
    )
    answer = ask(grease)
    return _told(answer, isinstance(answer, Hello))


def _told(answer: Answer, verdict: bool) -> bool | None:
    """A lost answer tells nothing."""
    return None if isinstance(answer, Silence) and answer.lost else verdict
