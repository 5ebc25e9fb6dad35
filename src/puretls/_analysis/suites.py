"""What a cipher suite is worth, read off its IANA name: also one that puretls does not speak (RFC 9325)."""

from __future__ import annotations

import re
from functools import cache

from puretls._base import iana
from puretls._base.tuples import NamedTuple
from puretls._crypto.suites import SUITES

NULL, ANONYMOUS, EXPORT, DES, RC4, SHORT_BLOCK, STATIC, CBC = (
    "no encryption",
    "no authentication",
    "export strength",
    "DES of 56 bits",
    "RC4",
    "blocks of 64 bits",
    "no forward secrecy",
    "CBC",
)
_FORWARD = {"ECDHE", "DHE", "ECDHE_PSK", "DHE_PSK", "ECCPWD", "SRP"}
_BITS = (  # the first that is found in the cipher's name
    ("NULL", 0),
    (r"_40\b|_40_|DES40", 40),
    ("_56_", 56),
    ("3DES", 112),
    ("DES_", 56),
    ("[A-Z]_256|CHACHA20|KUZNYECHIK|MAGMA|28147", 256),
    ("", 128),
)


class Suite(NamedTuple):
    """One suite's parts. `faults` is what is wrong with it, the worst first."""

    code: int
    name: str
    exchange: str  # "ECDHE", "RSA", "DHE_PSK" and so on; "" in TLS 1.3, which leaves it open
    auth: str  # "RSA", "ECDSA", "DSS", "PSK", "anon", ...; "" in TLS 1.3
    bits: int
    aead: bool
    faults: tuple[str, ...]

    @property
    def signed(self) -> bool:
        """Whether ServerKeyExchange carries a signature (RFC 5246 7.4.3)."""
        return self.exchange in {"ECDHE", "DHE", "SRP"} and self.auth not in {"anon", "PSK", "SRP"}


@cache
def suite(code: int) -> Suite:
    """Of any code; an unassigned one is called by its number and nothing is known of it."""
    name = iana.SUITES.get(code, f"0x{code:04X}")
    if code in iana.SUITES13 or code not in iana.SUITES:
        cipher = name.removeprefix("TLS_")
        nothing = bool(re.fullmatch(r"SHA\d+_SHA\d+", cipher))  # RFC 9150
        return Suite(code, name, "", "", 0 if nothing else _bits(cipher), not nothing, (NULL,) if nothing else ())
    before, export, cipher = name.removeprefix("TLS_").partition("_EXPORT")
    if not export:
        before, _, cipher = before.partition("_WITH_")
    exchange, auth = _exchange(before)
    aead = bool(re.search("GCM|CCM|CHACHA20|MGM", cipher))
    wrong = {
        NULL: "NULL" in cipher,
        ANONYMOUS: auth == "anon" or before == "NULL",
        EXPORT: bool(export),
        DES: bool(re.search(r"(?<!3)DES_CBC", cipher)),
        RC4: "RC4" in cipher,
        SHORT_BLOCK: bool(re.search("3DES|IDEA|RC2|MAGMA|28147", cipher)),
        STATIC: exchange not in _FORWARD,
        CBC: "CBC" in cipher,
    }
    faults = tuple(fault for fault, is_so in wrong.items() if is_so)
    return Suite(code, name, exchange, auth, _bits(cipher), aead, faults)


def iana_name(name: str) -> str:
    """IANA's name for what OpenSSL calls a suite; the same where it has no other."""
    return next((suite.name for suite in SUITES if suite.openssl == name), name)


def _exchange(words: str) -> tuple[str, str]:
    if words in {"DH_anon", "ECDH_anon"}:  # ephemeral, though the name has no E
        return words.replace("_anon", "E"), "anon"
    if words == "PSK_DHE":  # RFC 6655 has it the other way round
        return "DHE_PSK", "PSK"
    if words.endswith("PSK"):
        return words, "RSA" if words == "RSA_PSK" else "PSK"
    if words.startswith("SRP_SHA"):
        return "SRP", words.removeprefix("SRP_SHA").removeprefix("_") or "SRP"
    exchange, _, auth = words.partition("_")
    return exchange, auth or exchange


def _bits(cipher: str) -> int:
    return next(bits for pattern, bits in _BITS if re.search(pattern, cipher))
