"""The profile of the public web: what the CA/Browser Forum demands of servers' certificates beyond the rules of `ssl`.

The rules are those of its Baseline Requirements (BR) 3.2.2.6, 6.1.5, 6.3.2, 7.1.2 and 7.1.3.  They are checked last:
the path has satisfied everything else, in strict mode, with names from subjectAltName alone and 112 bits of security.
Rules that older valid paths do not meet are left to the CAs: docs/recipes/public-web.md lists them.
"""

from __future__ import annotations

import calendar
import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from puretls._x509 import algorithms, codes, names
from puretls._x509.certificate import Certificate
from puretls._x509.checks import STRICT, Path
from puretls._x509.codes import refusal
from puretls._x509.extensions import (
    ANY_USAGE,
    AUTHORITY_KEY,
    CERT_SIGN,
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    EXTENDED_KEY_USAGE,
    SERVER_AUTH,
    SUBJECT_ALT_NAME,
)

NAME = "webpki"
SECURITY_LEVEL = 2  # at least
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})  # 6.1.5
DIGESTS = frozenset({"sha256", "sha384", "sha512"})  # 7.1.3.2
LEAST_RSA = 2048  # bits
DAY = 86400
VERSION_3 = 2


def _date(year: int, month: int, day: int) -> int:
    return calendar.timegm((year, month, day, 0, 0, 0))


FORBIDDEN = frozenset({  # purposes that a server's certificate must not have beside its own (7.1.2.7.10)
    ANY_USAGE,
    "1.3.6.1.5.5.7.3.3",  # codeSigning
    "1.3.6.1.5.5.7.3.4",  # emailProtection
    "1.3.6.1.5.5.7.3.8",  # timeStamping
    "1.3.6.1.5.5.7.3.9",  # OCSPSigning
    "1.3.6.1.4.1.11129.2.4.4",  # signing precertificates (RFC 6962 3.1)
})  # fmt: skip

LIFETIMES = (  # of certificates from that day on, in days (6.3.2, and what it said before); later rows first
    (_date(2029, 3, 15), 47),
    (_date(2027, 3, 15), 100),
    (_date(2026, 3, 15), 200),
    (_date(2020, 9, 1), 398),
    (_date(2018, 3, 1), 825),
    (_date(2015, 4, 1), 1188),  # 39 months
    (_date(2012, 7, 1), 1827),  # 60 months
)

_NUMERIC = re.compile(rb":|(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)  # an address, in whatever notation
_LABEL = re.compile(rb"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


class Suffixes:
    """A list of public suffixes, as publicsuffix.org has it: rules, `*.` for all below a name, `!` for exceptions."""

    def __init__(self, rules: Iterable[str]) -> None:
        found = [rule.split()[0] for line in rules if (rule := line.strip()) and not rule.startswith("//")]
        ascii_ = frozenset(map(_a_labels, found))
        self.exceptions = frozenset(rule[1:] for rule in ascii_ if rule.startswith(b"!"))
        self.parents = frozenset(rule[2:] for rule in ascii_ if rule.startswith(b"*."))
        self.names = ascii_ - {b"!" + rule for rule in self.exceptions} - {b"*." + rule for rule in self.parents}

    @cached_property
    def digest(self) -> bytes:
        """A digest, equal for equal lists."""
        return sha256(
            b"\n".join(b" ".join(sorted(part)) for part in (self.names, self.parents, self.exceptions))
        ).digest()

    def __contains__(self, name: bytes) -> bool:
        """Whether this is a public suffix, in A-labels and lower case; a single label always is."""
        if name in self.exceptions:
            return False
        _, dot, parent = name.partition(b".")
        return not dot or name in self.names or parent in self.parents


def _a_labels(rule: str) -> bytes:
    return b".".join(_a_label(label) for label in rule.lower().strip(".").split("."))


def _a_label(label: str) -> bytes:
    return label.encode("ascii") if label.isascii() else b"xn--" + label.encode("punycode")


class WebPki:
    """The profile, with the public suffixes that wildcards must not stand over, if a list is given."""

    __slots__ = ("suffixes",)

    def __init__(self, suffixes: Suffixes | None = None) -> None:
        self.suffixes = suffixes

    @property
    def name(self) -> str:
        """A name, equal for equal profiles in any process."""
        return NAME if self.suffixes is None else f"{NAME} {self.suffixes.digest.hex()}"

    def tightened(self, flags: int, host_flags: int, level: int) -> tuple[int, int, int]:
        """Flags of verification and of the comparison of hosts, and the security level, as the rules need them."""
        subject = host_flags & ~names.ALWAYS_CHECK_SUBJECT | names.NEVER_CHECK_SUBJECT
        return flags | STRICT, subject, max(level, SECURITY_LEVEL)

    def check(self, path: Path) -> None:
        """VerifyAbort unless the path satisfies the profile."""
        chain = path.chain
        for depth, x in enumerate(chain):
            _key(x, depth)
            if x.version != VERSION_3:
                raise _broken(depth, "it is no version 3")
        for depth, x in enumerate(chain[:-1]):
            _signature(x, depth)
        anchor = len(chain) - 1
        if anchor and chain[anchor].self_issued:
            _root(chain[anchor], anchor)
        _leaf(chain[0])
        _names(chain[0], self.suffixes)


def _broken(depth: int, why: str, code: int = codes.INVALID_EXTENSION) -> Exception:
    text = codes.VERDICTS[code][0]
    return refusal(code, depth, f"{text}: {why} (CA/Browser Forum)")


def _key(x: Certificate, depth: int) -> None:
    """6.1.5, 7.1.3.1: RSA from 2,048 bits on, in whole octets, as rsaEncryption; three curves; nothing else."""
    key: Any = x.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        good = key.key_size >= LEAST_RSA and key.key_size % 8 == 0 and x.key_algorithm == algorithms.RSA
    else:
        good = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in CURVES
    if not good:
        raise _broken(depth, "its key is not permitted", codes.CA_KEY_TOO_SMALL if depth else codes.LEAF_KEY_TOO_SMALL)


def _signature(x: Certificate, depth: int) -> None:
    """7.1.3.2.  The keys of issuers are checked by themselves, so only the digest is left."""
    digest = x.signature.digest
    if digest is None or digest.name not in DIGESTS:
        raise _broken(depth, "its signature algorithm is not permitted", codes.CA_DIGEST_TOO_WEAK)


def _root(x: Certificate, depth: int) -> None:
    """7.1.2.1: what an anchor that has signed itself may say of its purposes and its key."""
    if x.extended_key_usage is not None:
        raise _broken(depth, "a root has extKeyUsage")
    named = x.authority_key
    if named is not None and (named.key is None or named.key != x.subject_key):
        raise _broken(depth, "a root's authorityKeyIdentifier is not its own")
    _plain(x, depth)


def _plain(x: Certificate, depth: int) -> None:
    """7.1.2.11.1: an authorityKeyIdentifier is a keyIdentifier and nothing else."""
    named = x.authority_key
    if named is not None and (named.issuer is not None or named.serial is not None):
        raise _broken(depth, "authorityKeyIdentifier names an issuer or a serial number")


def _leaf(x: Certificate) -> None:
    """7.1.2.7: the purposes and the lifetime of a server's certificate."""
    if x.ca:
        raise _broken(0, "it calls itself a CA", codes.INVALID_NON_CA)
    if (x.key_usage or 0) & (CERT_SIGN | CRL_SIGN):
        raise _broken(0, "its keyUsage is a CA's", codes.INVALID_NON_CA)
    usages = x.extended_key_usage
    if usages is None or SERVER_AUTH not in usages:
        raise _broken(0, "extKeyUsage has no serverAuth", codes.INVALID_PURPOSE)
    if not FORBIDDEN.isdisjoint(usages):
        raise _broken(0, "extKeyUsage has what a server's certificate must not be for", codes.INVALID_PURPOSE)
    if isinstance(x.public_key(), ec.EllipticCurvePublicKey) and not x.usable_for(DIGITAL_SIGNATURE):
        raise _broken(0, "its keyUsage has no digitalSignature", codes.INVALID_PURPOSE)
    if x.critical(EXTENDED_KEY_USAGE):
        raise _broken(0, "extKeyUsage is critical")
    if x.critical(AUTHORITY_KEY):
        raise _broken(0, "authorityKeyIdentifier is critical")
    _plain(x, 0)
    most = next((days for since, days in LIFETIMES if x.not_before >= since), None)
    if most is not None and x.not_after - x.not_before > most * DAY:
        raise _broken(0, f"it is valid for more than {most} days", codes.REJECTED)


def _names(x: Certificate, suffixes: Suffixes | None) -> None:
    """7.1.2.7.12, 7.1.4.3: hosts and addresses; a common name repeats one of them, character for character."""
    alternative = x.alternative_names
    if not alternative:
        raise _broken(0, "it has no subjectAltName")
    if x.subject and x.critical(SUBJECT_ALT_NAME):
        raise _broken(0, "subjectAltName is critical beside a subject")
    for tag, value in alternative:
        if tag == names.DNS:
            _host(value, suffixes)
        elif tag != names.IP or len(value) not in (4, 16):
            raise _broken(0, "subjectAltName has what is neither a host nor an address")
    written = sum(a.oid == names.COMMON_NAME for rdn in x.subject_rdns for a in rdn)
    common = names.common_names(x)
    if len(common) != written or written > 1 or not all(_repeats(name, alternative) for name in common):
        raise _broken(0, "its common name is none of its subjectAltName")


def _host(name: bytes, suffixes: Suffixes | None) -> None:
    """A name of a host, or `*.` before one that is no public suffix (3.2.2.6)."""
    wildcard = name.startswith(b"*.")
    base = name[2:] if wildcard else name
    labels = base.split(b".")
    if len(name) > 253 or not all(map(_is_label, labels)):
        raise _broken(0, "subjectAltName has a host that is none")
    if wildcard and (len(labels) < 2 or (suffixes is not None and base.lower() in suffixes)):
        raise _broken(0, "a wildcard stands over a public suffix")


def _is_label(label: bytes) -> bool:
    """Letters, digits and hyphens; two of these at the third place mean that it stands for a U-label (RFC 5890 2.3)."""
    if not _LABEL.fullmatch(label):
        return False
    if label[2:4] != b"--":
        return True
    try:
        return label[:2].lower() == b"xn" and not label[4:].decode("punycode").isascii()
    except UnicodeError:
        return False


def _repeats(common: bytes, alternative: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a common name repeats one of the other names exactly; an address as RFC 5952 writes it.

    Apart from addresses and names of a single label, which no public CA certifies, any notation that differs is
    refused.
    """
    if _NUMERIC.search(common):
        try:
            text = common.decode("ascii")
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        return str(address) == text and (names.IP, address.packed) in alternative
    hosts = [name for tag, name in alternative if tag == names.DNS]
    return common in hosts or not any(b"." in name for name in hosts)
