"""The known attacks on TLS, and what tells that a server is open to them.

Most follow from what is accepted.  Some are faults of implementations, or settings, which only a question shows: each
asks for no more than the proof, and no connection comes to an end that could do harm.  `cli.attacks` carries the
questions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from puretls._analysis import suites
from puretls._analysis.findings import Findings
from puretls._analysis.suites import suite
from puretls._base import iana, registry
from puretls._base.registry import CHANGE_CIPHER_SPEC, CLIENT_KEY_EXCHANGE, HANDSHAKE, SSL3, TLS10, TLS12
from puretls._base.tuples import NamedTuple
from puretls._wire import messages12
from puretls._wire.codec import StructError, vec16

HEARTBEAT_RECORD = 24  # RFC 6520 3
CLAIMED = 64  # bytes that the heartbeat is said to have; a server with the fault tells as many of its memory
BROKEN_MAC = (20, 21)  # bad_record_mac, decryption_failed
SHORT_ID = 16  # bytes of the session id that goes with a ticket; a server with the fault returns 32
WEAK_DH = 1024  # bits; below that a prime is within anybody's reach


class Attack(NamedTuple):
    """One row: a name, where it is described, and whether what was found lets it work; None if that is unknown."""

    name: str
    source: str
    works: Callable[[Findings], bool | None]


def _tried(name: str) -> Callable[[Findings], bool | None]:
    return lambda found: found.tried.get(name)


def _accepts(fault: str, *, below: int = 0x10000, **exchange: str) -> Callable[[Findings], bool | None]:
    """Whether a suite with this fault is accepted, in a version below one and with one kind of key exchange."""

    def works(found: Findings) -> bool:
        picked = (suite(code) for version, line in found.suites.items() if version < below for code in line.picks)
        wanted = exchange.get("exchange", "")
        return any(fault in one.faults and one.exchange.startswith(wanted) for one in picked)

    return works


def _not(answer: bool | None) -> bool | None:
    return None if answer is None else not answer


ATTACKS = (
    Attack("Heartbleed", "CVE-2014-0160", _tried("Heartbleed")),
    Attack("CCS injection", "CVE-2014-0224", _tried("CCS injection")),
    Attack("Ticketbleed", "CVE-2016-9244", _tried("Ticketbleed")),
    Attack("ROBOT", "CVE-2017-13099 and others", _tried("ROBOT")),
    Attack("DROWN", "CVE-2016-0800", lambda found: found.ssl2),
    Attack("POODLE", "CVE-2014-3566", _accepts(suites.CBC, below=TLS10)),
    Attack("BEAST", "CVE-2011-3389", _accepts(suites.CBC, below=TLS10 + 1)),
    Attack("FREAK", "CVE-2015-0204", _accepts(suites.EXPORT, exchange="RSA")),
    Attack(
        "Logjam",
        "CVE-2015-4000",
        lambda found: _accepts(suites.EXPORT, exchange="DH")(found) or 0 < (found.dh_bits or 0) < WEAK_DH,
    ),
    Attack("Sweet32", "CVE-2016-2183", _accepts(suites.SHORT_BLOCK)),
    Attack("RC4 biases", "RFC 7465", _accepts(suites.RC4)),
    Attack("CRIME", "CVE-2012-4929", lambda found: found.compresses if found.hellos else False),
    Attack(
        "insecure renegotiation",
        "CVE-2009-3555",
        lambda found: _not(found.answers_with(registry.RENEGOTIATION_INFO)) or False,
    ),
    Attack("client-initiated renegotiation", "CVE-2011-1473", _tried("client-initiated renegotiation")),
    Attack(
        "fallback to an older version",
        "RFC 7507",
        lambda found: found.refuses_fallback is False and min(found.suites) < TLS12,
    ),
    Attack(
        "SLOTH",
        "CVE-2015-7575",
        lambda found: any(iana.SCHEMES.get(code, "").endswith("md5") for code in found.schemes.get(TLS12, [])),
    ),
)


def verdicts(found: Findings) -> dict[str, bool | None]:
    """Of each attack, whether it works."""
    return {one.name: one.works(found) for one in ATTACKS}


# What the questions are made of


def record(kind: int, body: bytes, version: int) -> bytes:
    """A record without protection."""
    return bytes((kind,)) + max(version, SSL3).to_bytes(2, "big") + vec16(body)


def heartbeat(version: int) -> bytes:
    """A request that says that it has more in it than it has (RFC 6520 4: it MUST be discarded)."""
    return record(HEARTBEAT_RECORD, b"\x01" + CLAIMED.to_bytes(2, "big"), version)


def early_change(version: int) -> bytes:
    """ChangeCipherSpec, where it does not belong."""
    return record(CHANGE_CIPHER_SPEC, b"\x01", version)


def premasters(public: Any, version: int, random: bytes) -> dict[str, bytes]:
    """Encrypted premaster secrets, which all fail alike where the server is right (RFC 5246 7.4.7.1)."""
    size = (public.key_size + 7) // 8
    number = version.to_bytes(2, "big")

    def sealed(content: bytes) -> bytes:
        return bytes(public.encrypt(content, PKCS1v15()))

    return {
        "well formed": sealed(number + random[:46]),
        "of another version": sealed(b"\x02\x02" + random[:46]),
        "too short": sealed(number + random[:45]),
        "without padding": b"\0" + random[: size - 1],
    }


def rest_of_flight(premaster: bytes, version: int, random: bytes) -> bytes:
    """ClientKeyExchange with it, ChangeCipherSpec, and a Finished that nobody can open."""
    body = vec16(premaster) if version > SSL3 else premaster
    message = bytes((CLIENT_KEY_EXCHANGE,)) + len(body).to_bytes(3, "big") + body
    return (
        record(HANDSHAKE, message, version)
        + record(CHANGE_CIPHER_SPEC, b"\x01", version)
        + record(HANDSHAKE, random[:64], version)
    )


def ticket_of(message: bytes) -> bytes:
    """The ticket in a NewSessionTicket of TLS 1.2; b"" if there is none in it."""
    try:
        return messages12.NewSessionTicket.parse(message).ticket
    except (IndexError, StructError):
        return b""


def tells_memory(sent: bytes, received: bytes) -> bool:
    """Whether the session id that came back is longer than the one that was sent, and begins with it."""
    return len(received) > len(sent) and received.startswith(sent)
