"""A grade for what a server accepts, and what keeps it from a better one: docs/commands/scan.md has the rules in prose.

Every remark caps the grade; the lowest cap is the grade, and without a remark it is A+. A remark says what was found,
why that matters, and what to do about it. Nothing is weighed and nothing averaged: one open door is an open door.
"""

from __future__ import annotations

from collections.abc import Iterator

from puretls._analysis import suites
from puretls._analysis.findings import Findings, Identity
from puretls._analysis.suites import suite
from puretls._analysis.survey import POST_QUANTUM
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS12, TLS13
from puretls._base.tuples import NamedTuple

GRADES = ("A+", "A", "A-", "B", "C", "D", "F")
_SHORT_CURVES = frozenset({1, 2, 3, 4, 5, 15, 16, 17, 18, 19})  # below 112 bits of security (NIST SP 800-57)
_SOON = 14  # days
_HALF_A_YEAR = 15_552_000  # seconds


_REFUSED = "clients refuse to connect, or have learnt to look away, and then anybody can be this server"
_REFUSALS = {  # by OpenSSL's number for what is wrong: what that is, and what to do
    9: ("is not valid yet", "wait, or set the clock of whoever issued it"),
    10: ("has expired", "renew it, and let a program do so from now on"),
    18: ("is self-signed", "have it issued by a CA that clients trust, or tell all clients of it"),
    19: (
        "leads to a CA that is not trusted",
        "have it issued by a CA that clients trust, or tell all clients of that one",
    ),
    23: ("has been revoked", "install another, with a new key"),
    28: ("is not accepted for this use", "have it issued by a CA that clients trust for servers"),
    62: ("is for other names", "install one for the name that clients use"),
    64: ("is for other addresses", "install one for the address that clients use"),
}
NO_ISSUER = (2, 20, 21)


class Remark(NamedTuple):
    """One thing that keeps the grade at `cap`."""

    cap: str
    what: str
    why: str
    fix: str
    names: tuple[str, ...] = ()  # of the suites, groups or schemes that are meant


class Verdict(NamedTuple):
    """The grade and why it is not better, the weightiest first."""

    grade: str
    remarks: list[Remark]


def judge(found: Findings) -> Verdict:
    """The verdict on what was found."""
    rules = (_identities, _versions, _weak_suites, _key_exchange, _handshake, _web, _faults)
    remarks = [remark for rule in rules for remark in rule(found)]
    remarks.sort(key=lambda remark: -GRADES.index(remark.cap))
    return Verdict(remarks[0].cap if remarks else GRADES[0], remarks)


def reaches(grade: str, wanted: str) -> bool:
    """Whether a grade is at least the wanted one."""
    return GRADES.index(grade) <= GRADES.index(wanted)


def _identities(found: Findings) -> Iterator[Remark]:
    for one in found.identities:
        if one.refusal:
            yield _refused(one)
        elif one.days is not None and one.days < _SOON:
            yield Remark(
                "A",
                f"the {one.key} certificate ends in {one.days} days",
                "from then on clients refuse to connect",
                "renew it, and let a program do so from now on",
            )
        weak = {"RSA": 2048, "DSA": 2048, "EC": 224}.get(one.kind, 0)
        if one.bits < weak:
            yield Remark(
                "F" if one.bits < weak / 2 else "C",
                f"the key of the certificate is {one.key}",
                "keys of this size are within reach of those who can pay (NIST SP 800-57)",
                "make a new key: P-256, or RSA of 2048 bits or more",
            )
        for digest, cap in (("md5", "F"), ("sha1", "C")):
            if digest in one.digests:
                yield Remark(
                    cap,
                    f"a signature in the chain of the {one.key} certificate is over {digest.upper()}",
                    "collisions are practical: a forged certificate can have the same signature",
                    "have the certificate reissued",
                )


def _refused(one: Identity) -> Remark:
    """Each fault of a certificate has a sentence of its own, as each has its own cure."""
    if one.code in NO_ISSUER and one.missing:
        what = f"the chain of the {one.key} certificate is incomplete, or ends at a CA that is not trusted"
        cure = "send the intermediates as well (fullchain.pem), from a CA that clients trust"
        return Remark("F", what, f"nobody can tell who vouches for it: {one.missing} is not sent", cure)
    said, cure = _REFUSALS.get(
        one.code,
        (
            f"is not accepted: {one.refusal}",
            "install a certificate for this name from a CA that clients trust, with its intermediates",
        ),
    )
    return Remark("F", f"the {one.key} certificate {said}", _REFUSED, cure)


def _versions(found: Findings) -> Iterator[Remark]:
    spoken = found.suites.keys()
    if found.ssl2:
        yield Remark(
            "F",
            "SSL 2.0 is accepted",
            "with it even connections of TLS with the same key can be decrypted (DROWN, RFC 6176)",
            "switch it off, here and wherever the key is used",
        )
    if SSL3 in spoken:
        yield Remark(
            "D",
            "SSL 3.0 is accepted",
            "it leaks what it encrypts (POODLE), and must not be used (RFC 7568)",
            "switch it off: TLS 1.2 as the lowest version",
        )
    old = [version for version in spoken if SSL3 < version < TLS12]
    if old:
        names = " and ".join(f"TLS 1.{version - registry.TLS10}" for version in sorted(old))
        yield Remark(
            "B",
            f"{names} {'is' if len(old) == 1 else 'are'} accepted",
            "they rest on SHA-1 and MD5 and know no authenticated encryption; they must not be used (RFC 8996)",
            "TLS 1.2 as the lowest version",
        )
    if not spoken & {TLS12, TLS13}:
        yield Remark(
            "C",
            "neither TLS 1.2 nor TLS 1.3 is spoken",
            "today's clients cannot connect, and those that can have no protection worth the name",
            "switch TLS 1.3 and TLS 1.2 on",
        )
    elif TLS13 not in spoken:
        yield Remark(
            "A-",
            "TLS 1.3 is not spoken",
            "it is the quicker one, hides the certificate, and leaves no weak choices",
            "switch it on",
        )


_SUITE_RULES = (  # fault, cap, what, why, fix
    (suites.NULL, "F", "suites without encryption", "everybody on the way reads along", "remove them"),
    (
        suites.ANONYMOUS,
        "F",
        "suites without authentication",
        "anybody on the way can be this server (RFC 9325 4.1)",
        "remove them",
    ),
    (suites.EXPORT, "F", "suites of export strength", "40 or 56 bits are broken in minutes (FREAK)", "remove them"),
    (suites.DES, "F", "suites with DES", "56 bits are broken in a day", "remove them"),
    (suites.RC4, "D", "suites with RC4", "it is biased and must not be used (RFC 7465)", "remove them"),
    (
        suites.SHORT_BLOCK,
        "C",
        "suites with blocks of 64 bits (3DES and the like)",
        "long connections leak cookies (Sweet32, RFC 9325 4.1)",
        "remove them",
    ),
)


def _weak_suites(found: Findings) -> Iterator[Remark]:
    accepted = {code for one in found.suites.values() for code in one.picks}
    for fault, cap, what, why, fix in _SUITE_RULES:
        named = _named(accepted, fault)
        if named:
            yield Remark(cap, f"{what} are accepted", why, fix, named)
    static, cbc = _named(accepted, suites.STATIC), _named(accepted, suites.CBC)
    if static:
        alone = len(static) == len(accepted)
        yield Remark(
            "B" if alone else "A-",
            "suites without forward secrecy are " + ("all that is accepted" if alone else "accepted"),
            "whoever records today and steals the key later can read it all; static RSA has also been Bleichenbacher's",
            "allow only ECDHE (and DHE) suites in TLS 1.2",
            static,
        )
    modern = {code for version in (TLS12, TLS13) if version in found.suites for code in found.suites[version].picks}
    if modern and not any(suite(code).aead for code in modern):
        yield Remark(
            "B",
            "no suite with authenticated encryption is accepted",
            "CBC with MAC has a history of padding attacks (Lucky 13)",
            "allow AES-GCM and ChaCha20-Poly1305",
        )
    elif cbc and TLS12 in found.suites:
        yield Remark(
            "A",
            "suites with CBC are accepted",
            "they are correct only in implementations that hide all timing (Lucky 13)",
            "allow only AES-GCM and ChaCha20-Poly1305 in TLS 1.2, if all clients are from this decade",
            cbc,
        )
    for version, one in found.suites.items():
        if (
            one.order == "client"
            and version < TLS13
            and any(set(suite(code).faults) - {suites.CBC} for code in one.picks)
        ):
            yield Remark(
                "A-",
                "the client's order of suites decides, though some of them are weak",
                "an old client gets the weak ones though it could do better",
                "let the server's order decide, or remove the weak suites",
            )
            break


def _key_exchange(found: Findings) -> Iterator[Remark]:
    bits = found.dh_bits
    if bits and bits < 2048:
        yield Remark(
            "F" if bits < 1024 else "B",
            f"Diffie-Hellman with a prime of {bits} bits",
            "precomputation for common primes of this size is within reach (Logjam)",
            "a group of RFC 7919 with 2048 bits or more, or no DHE suites at all",
        )
    groups = {code for one in found.groups.values() for code in one.picks}
    short = tuple(iana.GROUPS[code] for code in sorted(groups & _SHORT_CURVES))
    if short:
        yield Remark("B", "curves that are too short", "they have less than 112 bits of security", "remove them", short)
    if TLS13 in found.suites and TLS13 in found.groups and not groups & POST_QUANTUM:
        yield Remark(
            "A",
            "no post-quantum key exchange",
            "what is recorded today can be read once there are quantum computers for it",
            "enable X25519MLKEM768 (OpenSSL 3.5 or newer has it)",
        )


def _handshake(found: Findings) -> Iterator[Remark]:
    if found.compresses:
        yield Remark(
            "C",
            "TLS compresses",
            "the length of what is sent tells secrets within it (CRIME)",
            "switch compression off",
        )
    if found.answers_with(registry.RENEGOTIATION_INFO) is False:
        yield Remark(
            "B",
            "renegotiation is not secured (RFC 5746)",
            "an attacker can put a request of his own before that of a client",
            "update the TLS library",
        )
    if found.tried.get("client-initiated renegotiation"):
        yield Remark(
            "A-",
            "clients may renegotiate whenever they like (CVE-2011-1473)",
            "one connection can keep the server busy with one handshake after the other",
            "switch renegotiation off, or leave it to the server",
        )
    if found.answers_with(registry.EXTENDED_MASTER_SECRET) is False:
        yield Remark(
            "A-",
            "no extended master secret (RFC 7627)",
            "two connections can be made to share their keys (triple handshake)",
            "update the TLS library",
        )
    if found.refuses_fallback is False and min(found.suites) < TLS12:
        yield Remark(
            "A-",
            "TLS_FALLBACK_SCSV is not understood (RFC 7507)",
            "an attacker can talk old clients down to the lowest version",
            "update the TLS library, or switch the old versions off",
        )
    if found.tolerates_unknown is False:
        yield Remark(
            "A-",
            "hellos with values that do not exist yet are refused (RFC 8701)",
            "tomorrow's clients will not be able to connect",
            "update the server, or what stands before it",
        )
    signs = found.schemes.get(TLS12, [])
    for digest, cap in (("md5", "C"), ("sha1", "A-")):
        named = tuple(iana.SCHEMES[code] for code in signs if iana.SCHEMES[code].endswith(digest))
        if named:
            yield Remark(
                cap,
                f"the server signs with {digest.upper()} when a client asks for it",
                "handshakes can be forged with collisions (SLOTH, RFC 9155)",
                "allow only signature schemes with SHA-256 or better",
                named,
            )


def _web(found: Findings) -> Iterator[Remark]:
    if found.hsts is not None and found.hsts < _HALF_A_YEAR:
        yield Remark(
            "A",
            "browsers are not told to come by HTTPS only, or not for long (HSTS, RFC 6797)",
            "who is between can keep them on plain HTTP, where nothing is protected",
            "send Strict-Transport-Security with a max-age of half a year or more",
        )


_FAULTS = {
    "Heartbleed": "anybody can read the memory of the server: keys, passwords, what others send (CVE-2014-0160)",
    "CCS injection": "who is between can have both sides use keys that he knows (CVE-2014-0224)",
    "Ticketbleed": "anybody can read the memory of the server, a little at a time (CVE-2016-9244)",
    "ROBOT": "its answers let anybody decrypt what was recorded, and sign in its name (CVE-2017-13099 and others)",
}


def _faults(found: Findings) -> Iterator[Remark]:
    for name, why in _FAULTS.items():
        if found.tried.get(name):
            yield Remark("F", f"the server is open to {name}", why, "update its TLS library today, then renew its keys")


def _named(codes: set[int], fault: str) -> tuple[str, ...]:
    return tuple(suite(code).name for code in sorted(codes) if fault in suite(code).faults)
