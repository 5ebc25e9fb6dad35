"""What to ask a server, and in which order, to learn all that it accepts: by elimination.

A server picks one of what it is offered. Without that one it is asked again, until it picks nothing: then everything it
accepts is known, in the order in which it picks. Whoever can `ask` (an Offer goes out, an Answer comes back) can
survey; connections, time and politeness are theirs. Each method of Survey is one line of questions, which may be asked
beside the others once it is known which versions are spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from puretls._analysis.probe import DEFLATE, Alert, Answer, Hello, Offer, Silence
from puretls._analysis.suites import Suite, suite
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS11, TLS12, TLS13

Ask = Callable[[Offer], Answer]
Pick = Callable[[Hello], int]

VERSIONS = (TLS13, TLS12, TLS11, TLS10, SSL3)  # as they are asked for
POST_QUANTUM = frozenset({0x0200, 0x0201, 0x0202, 0x11EB, 0x11EC, 0x11ED, 0x11EE, 0x6399, 0x639A})
_P256 = 0x0017
_FIRST = (0x001D, _P256, 0x0018, 0x0019, 0x0100)  # what everybody has
_OLD = frozenset({*range(0x01, 0x17), *range(0x1A, 0x1D), 0xFF01, 0xFF02})  # MUST NOT be offered with TLS 1.3
_NEW = POST_QUANTUM | frozenset(range(0x1F, 0x22))  # for TLS 1.3 only
_ALL = (*_FIRST, *sorted(iana.GROUPS.keys() - set(_FIRST)))
GROUPS13 = tuple(code for code in _ALL if code not in _OLD)  # RFC 8446 4.2.7, RFC 8734
GROUPS12 = tuple(code for code in _ALL if code not in _NEW)
SCHEMES = tuple(sorted(iana.SCHEMES, key=lambda code: (-(code >> 8 in range(4, 9)), code)))  # SHA-1 and MD5 last
USUAL_GROUPS = (*_FIRST, 0x001E, 0x11EC)
USUAL_SCHEMES = (0x0403, 0x0503, 0x0603, 0x0807, *range(0x0804, 0x0807), 0x0401, 0x0501, 0x0601, 0x0203, 0x0201)
_USUAL = ("AES_128_GCM", "AES_256_GCM", "CHACHA20", "AES_128_CBC_SHA", "AES_256_CBC_SHA", "3DES_EDE_CBC_SHA", "RC4_128")
_CHUNK = 60
_REFUSALS = {registry.PROTOCOL_VERSION, registry.HANDSHAKE_FAILURE, registry.INSUFFICIENT_SECURITY}


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


class Survey:
    """All there is to ask of one server."""

    def __init__(self, ask: Ask, name: str) -> None:
        self.ask, self.name = ask, name
        self.modest: set[int] = set()  # versions in which it cannot bear to be offered everything

    def offer(self, version: int, suites: Sequence[int]) -> Offer:
        """What is common to all questions: groups, signature schemes and compression as broad as can be."""
        groups, schemes = GROUPS13 if version >= TLS13 else GROUPS12, SCHEMES
        if version in self.modest:
            groups, schemes = tuple(code for code in USUAL_GROUPS if code in groups), USUAL_SCHEMES
        compression = b"\x00" if version >= TLS13 else bytes((DEFLATE, 0))
        return Offer(version, tuple(suites), groups, schemes, self.name, compression=compression)

    def suites(self, version: int) -> Found:
        """The suites of a version; none if the server does not speak it."""
        everything = all_suites(version)
        found = self._suites(version, everything)
        refused = isinstance(found.last, Alert) and found.last.description in _REFUSALS
        if not found.picks and not refused and not isinstance(found.last, Hello):
            self._suites_modestly(found, version, everything)
        if len(found.picks) > 1:
            again = self.ask(self.offer(version, tuple(reversed(found.picks))))
            if isinstance(again, Hello):
                found.order = {found.picks[0]: "server", found.picks[-1]: "client"}.get(again.suite, "")
        return found

    def _suites(self, version: int, codes: Sequence[int]) -> Found:
        return eliminate(lambda left: self.ask(self.offer(version, left)), codes, lambda hello: hello.suite, version)

    def _suites_modestly(self, found: Found, version: int, everything: tuple[int, ...]) -> None:
        """Some servers cannot read a long hello, or one with rare values: if they answer a plain one, that is asked."""
        why = str(found.last)
        self.modest.add(version)
        usual = tuple(code for code in everything if any(word in suite(code).name for word in _USUAL))[:_CHUNK]
        answer = self.ask(self.offer(version, usual))
        if isinstance(answer, Hello) and answer.version == version:
            for start in range(0, len(everything), _CHUNK):
                part = self._suites(version, everything[start : start + _CHUNK])
                found.picks += part.picks
                found.hellos += part.hellos
                found.last, found.odd = part.last, found.odd or part.odd
            found.odd = found.odd or f"only what is usual was asked for, as a hello with everything is refused: {why}"

    def groups(self, version: int, suites: Sequence[int]) -> Found:
        """The groups of a version.

        A server with an ECDSA certificate of P-256 wants that group in a hello of TLS 1.2 (RFC 8422 5.1), whichever it
        then takes: there the groups behind it stay unknown, so it is offered last.
        """
        if version < TLS13:
            exchanging = [code for code in suites if suite(code).exchange.startswith("ECDHE")]
            suites = [code for code in exchanging if suite(code).auth == "RSA"] or exchanging
        if not suites:
            return Found()
        base = self.offer(version, suites)
        codes = base.groups if version >= TLS13 else (*(code for code in base.groups if code != _P256), _P256)
        return eliminate(lambda left: self.ask(base._replace(groups=left)), codes, lambda hello: hello.group, version)

    def groups_and_schemes(self, suites: Sequence[int]) -> tuple[Found, Found]:
        """Both of TLS 1.2; where RSA signs, a question that tells of one tells of the other, too."""
        rsa = [code for code in suites if suite(code).exchange.startswith("ECDHE") and suite(code).auth == "RSA"]
        if not rsa:
            return self.groups(TLS12, suites), self.schemes(suites)
        base, groups, schemes = self.offer(TLS12, rsa), Found(), Found()
        left, signing = list(base.groups), list(base.schemes)
        while left and signing:
            answer = self.ask(base._replace(groups=tuple(left), schemes=tuple(signing)))
            if not isinstance(answer, Hello) or answer.group not in left or answer.scheme not in signing:
                break  # one of them is used up: what is left of each is asked for on its own
            for found, pick, offered in ((groups, answer.group, left), (schemes, answer.scheme, signing)):
                found.picks.append(pick)
                found.hellos.append(answer)
                offered.remove(pick)
        for found, more in (
            (groups, eliminate(lambda few: self.ask(base._replace(groups=few)), left, lambda one: one.group, TLS12)),
            (schemes, eliminate(partial(self._with_schemes, base), signing, lambda one: one.scheme, TLS12)),
        ):
            found.picks += more.picks
            found.hellos += more.hellos
            found.last, found.odd = more.last, more.odd
        others = self.schemes([code for code in suites if suite(code).auth != "RSA"])
        schemes.picks += [code for code in others.picks if code not in schemes.picks]
        schemes.odd = schemes.odd or others.odd
        return groups, schemes

    def schemes(self, suites: Sequence[int]) -> Found:
        """With which schemes the server signs in TLS 1.2, where that is in the clear; for each kind of certificate."""
        found = Found()
        for auth in dict.fromkeys(suite(code).auth for code in suites if suite(code).signed):
            base = self.offer(TLS12, [code for code in suites if suite(code).signed and suite(code).auth == auth])
            line = eliminate(partial(self._with_schemes, base), base.schemes, lambda hello: hello.scheme, TLS12)
            found.picks += [code for code in line.picks if code not in found.picks]
            found.last, found.odd = line.last, found.odd or line.odd
        return found

    def _with_schemes(self, base: Offer, codes: tuple[int, ...]) -> Answer:
        return self.ask(base._replace(schemes=codes))

    def refuses_fallback(self, version: int, suites: Sequence[int]) -> bool | None:
        """Whether a hello below the server's best version that admits to be a second try is refused (RFC 7507)."""
        answer = self.ask(self.offer(version, (*suites, registry.FALLBACK_SCSV)))
        return _told(answer, isinstance(answer, Alert) and answer.description == registry.INAPPROPRIATE_FALLBACK)

    def tolerates_unknown(self, version: int, suites: Sequence[int]) -> bool | None:
        """Whether a hello with suites, groups, schemes and extensions that do not exist yet is answered (RFC 8701)."""
        base = self.offer(version, (registry.GREASE[0], *suites))
        answer = self.ask(
            base._replace(
                groups=(registry.GREASE[1], *base.groups),
                schemes=(registry.GREASE[2], *base.schemes),
                unknown=registry.GREASE[3:5],
            )
        )
        return _told(answer, isinstance(answer, Hello))


def _told(answer: Answer, verdict: bool) -> bool | None:
    """A lost answer tells nothing."""
    return None if isinstance(answer, Silence) and answer.lost else verdict
