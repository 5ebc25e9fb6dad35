"""All that was learnt of a server, and what it adds up to. What could not be learnt is None."""

from __future__ import annotations

from dataclasses import dataclass, field

from puretls._analysis.probe import HEARTBEAT, Hello
from puretls._analysis.suites import suite
from puretls._analysis.survey import Found
from puretls._base import registry
from puretls._base.registry import SSL3, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto.groups import BY_NAME, Ffdhe


class Identity(NamedTuple):
    """A certificate that the server presents, as far as the grade cares."""

    key: str  # "RSA 2048"
    kind: str  # "RSA", "EC" or another
    bits: int
    digests: tuple[str, ...] = ()  # of the signatures in the chain, below the root
    refusal: str = ""  # why a client refuses it
    code: int = 0  # OpenSSL's number for that
    missing: str = ""  # who issued the last certificate that is sent, and is neither sent nor known here
    days: int | None = None  # that are left


@dataclass
class Findings:
    """What the questions gave."""

    suites: dict[int, Found] = field(default_factory=dict)  # by version, of those that are spoken
    groups: dict[int, Found] = field(default_factory=dict)
    schemes: dict[int, list[int]] = field(default_factory=dict)
    identities: list[Identity] = field(default_factory=list)
    ssl2: bool = False  # SSL 2.0 is answered
    early_data: int | None = None  # bytes that tickets of TLS 1.3 allow
    asks: bool | None = None  # for a client certificate, in TLS 1.3
    staples: bool | None = None  # an OCSP response, in whole handshakes
    refuses_fallback: bool | None = None
    tolerates_unknown: bool | None = None
    hsts: int | None = None  # seconds for which browsers are told to come by HTTPS only
    tried: dict[str, bool | None] = field(default_factory=dict)  # faults of implementations: see attacks.py

    @property
    def hellos(self) -> list[Hello]:
        """Every answer of every version before TLS 1.3, which shows less."""
        return [hello for version, found in self.suites.items() if version < TLS13 for hello in found.hellos]

    def answers_with(self, extension: int) -> bool | None:
        """Whether the server has this extension; None if no version is spoken that would show it."""
        told = [hello for hello in self.hellos if hello.version > SSL3]
        return any(extension in hello.extensions for hello in told) if told else None

    @property
    def compresses(self) -> bool:
        """Whether TLS compression was picked at all."""
        return any(hello.compression for hello in self.hellos)

    @property
    def dh_bits(self) -> int | None:
        """The size of the smallest prime of Diffie-Hellman; None without DHE."""
        sizes = [one.bits for one in self.hellos if one.bits and suite(one.suite).exchange.startswith("DHE")]
        return min(sizes, default=None)

    @property
    def dh_group(self) -> str | None:
        """The name of the group of that prime, if it is one of RFC 7919's."""
        primes = {one.prime for one in self.hellos if one.prime and one.bits == self.dh_bits}
        return known_group(min(primes)) if primes else None

    @property
    def habits(self) -> dict[str, bool | None]:
        """What a server does or does not, by name."""
        hellos = self.hellos
        return {
            "secure_renegotiation": self.answers_with(registry.RENEGOTIATION_INFO),
            "extended_master_secret": self.answers_with(registry.EXTENDED_MASTER_SECRET),
            "encrypt_then_mac": self.answers_with(registry.ENCRYPT_THEN_MAC),
            "session_tickets": self.answers_with(registry.SESSION_TICKET),
            "heartbeat": self.answers_with(HEARTBEAT),
            "compression": self.compresses if hellos else None,
            "ocsp_stapled": self.staples or any(one.stapled for one in hellos) if hellos else self.staples,
            "client_certificate": self.asks or any(one.asks for one in hellos) if hellos else self.asks,
            "early_data": None if self.early_data is None else self.early_data > 0,
            "fallback_refused": self.refuses_fallback,
            "unknown_tolerated": self.tolerates_unknown,
        }


def known_group(prime: int) -> str | None:
    """A group of RFC 7919 by its prime."""
    group = BY_NAME.get(f"ffdhe{prime.bit_length()}")
    return group.name if isinstance(group, Ffdhe) and group.field.p == prime else None
