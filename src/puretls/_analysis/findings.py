"""All that was learnt of a server, and what it adds up to. What could not be learnt is None."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from puretls._analysis.probe import HEARTBEAT, Hello
from puretls._analysis.suites import suite
from puretls._analysis.survey import Found
from puretls._base import registry
from puretls._base.registry import SSL3, TLS13


class Identity(NamedTuple):
    """A certificate that the server presents, as far as the grade cares."""

    key: str  # "RSA 2048"
    kind: str  # "RSA", "EC" or another
    bits: int
    digests: tuple[str, ...] = ()  # of the signatures in the chain, below the root
    refusal: str = ""  # why a client refuses it
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
    refuses_fallback: bool | None = None
    tolerates_unknown: bool | None = None

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
    def habits(self) -> dict[str, bool | None]:
        """What a server does or does not, by name."""
        hellos = self.hellos
        return {
            "secure renegotiation": self.answers_with(registry.RENEGOTIATION_INFO),
            "extended master secret": self.answers_with(registry.EXTENDED_MASTER_SECRET),
            "encrypt-then-MAC": self.answers_with(registry.ENCRYPT_THEN_MAC),
            "session tickets before TLS 1.3": self.answers_with(registry.SESSION_TICKET),
            "heartbeat": self.answers_with(HEARTBEAT),
            "compression": self.compresses if hellos else None,
            "OCSP response stapled": any(one.stapled for one in hellos) if hellos else None,
            "asks for a client certificate": self.asks or any(one.asks for one in hellos) if hellos else self.asks,
            "takes early data": None if self.early_data is None else self.early_data > 0,
            "refuses a fallback": self.refuses_fallback,
            "tolerates unknown values": self.tolerates_unknown,
        }
