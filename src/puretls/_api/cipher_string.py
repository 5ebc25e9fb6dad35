"""OpenSSL's cipher list language, and cipher suites as `ssl` describes them.

`select("ECDHE+AESGCM:!aNULL@STRENGTH")` gives the suites that OpenSSL 3.0 would, in its order, less those that puretls
does not have (DSS, SRP, ARIA, 3DES).  A list is a sequence of rules.  Each picks suites by name or by class (classes
joined with "+" must all apply) and adds them, moves them to the end ("+"), takes them out ("-") or takes them out for
good ("!").  The order in which rules find the suites is a list of such rules itself (`_PREFERENCE`).  The suites of
TLS 1.3 are not part of the language; `ciphersuites()` reads their list.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from puretls._api.types import Cipher
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13, VERSIONS
from puretls._base.tuples import NamedTuple
from puretls._crypto.suites import BY_CODE, BY_NAME, SUITES, Aead, Block, Suite

DEFAULT = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"  # CPython's
_OPENSSL_DEFAULT = "ALL:!COMPLEMENTOFDEFAULT:!eNULL"
DEFAULT_13 = tuple(BY_CODE[code] for code in (0x1302, 0x1303, 0x1301))

# The profiles of RFC 6460 stand for the whole list; the first prefix that fits wins.
_SUITE_B = (
    ("SUITEB128ONLY", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("SUITEB128C2", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("SUITEB128", "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("SUITEB192", "ECDHE-ECDSA-AES256-GCM-SHA384"),
)


class InvalidList(ValueError):
    """The list breaks the grammar of the language; an unknown name does not."""


class Traits(NamedTuple):
    """The properties of a suite that rules can select.  In a pattern None selects everything, otherwise the sets must
    overlap.
    """

    kx: frozenset[str] | None = None
    auth: frozenset[str] | None = None
    cipher: frozenset[str] | None = None
    mac: frozenset[str] | None = None
    strength: frozenset[str] | None = None
    extra: frozenset[str] | None = None  # NOT_DEFAULT: what the list "DEFAULT" leaves out
    since: frozenset[int] | None = None
    code: frozenset[int] | None = None


def _traits(suite: Suite) -> Traits:
    cipher = suite.cipher
    strength = frozenset({"HIGH"} if cipher.key else {"NONE"})
    if cipher.name.startswith(("AESGCM", "AES(")):
        strength |= {"FIPS"}
    unusual = cipher.key and (suite.auth == "NULL" or cipher.name.startswith(("Camellia", "AESCCM")))
    return Traits(
        kx=frozenset({suite.kx}),
        auth=frozenset({suite.auth}),
        cipher=frozenset({cipher.name}),
        mac=frozenset({suite.mac.name if suite.mac else "AEAD"}),
        strength=strength,
        extra=frozenset({"NOT_DEFAULT"}) if unusual else frozenset(),
        since=frozenset({suite.since}),
        code=frozenset({suite.code}),
    )


_TRAITS12 = {suite: _traits(suite) for suite in SUITES if suite.since < TLS13}


def _pattern(**wanted: Any) -> Traits:
    return Traits(**{field: frozenset(values) for field, values in wanted.items()})


def _others(field: str, value: str) -> frozenset[Any]:
    found: frozenset[Any] = frozenset().union(*(getattr(traits, field) for traits in _TRAITS12.values()))
    return found - {value}


def _ciphers(*starts: str) -> list[str]:
    return [suite.cipher.name for suite in SUITES if suite.cipher.name.startswith(starts)]


_AUTHENTICATED = _others("auth", "NULL")
_EVERY_PSK = ("PSK", "RSA_PSK", "DHE_PSK", "ECDHE_PSK")
_AES_GCM = _pattern(cipher=_ciphers("AESGCM"))
_CHACHA = _pattern(cipher=_ciphers("CHACHA20"))
_ALIASES: dict[str, Traits] = {
    "ALL": _pattern(cipher=_others("cipher", "None")),
    "COMPLEMENTOFALL": _pattern(cipher=["None"]),
    "COMPLEMENTOFDEFAULT": _pattern(extra=["NOT_DEFAULT"]),
    # key exchange
    "kRSA": _pattern(kx=["RSA"]),
    **dict.fromkeys(("kEDH", "kDHE", "DH"), _pattern(kx=["DHE"])),
    **dict.fromkeys(("kEECDH", "kECDHE", "ECDH"), _pattern(kx=["ECDHE"])),
    "kPSK": _pattern(kx=["PSK"]),
    "kRSAPSK": _pattern(kx=["RSA_PSK"]),
    "kDHEPSK": _pattern(kx=["DHE_PSK"]),
    "kECDHEPSK": _pattern(kx=["ECDHE_PSK"]),
    "PSK": _pattern(kx=_EVERY_PSK),
    # authentication
    "aRSA": _pattern(auth=["RSA"]),
    "aNULL": _pattern(auth=["NULL"]),
    **dict.fromkeys(("aECDSA", "ECDSA"), _pattern(auth=["ECDSA"])),
    "aPSK": _pattern(auth=["PSK"]),
    # both
    **dict.fromkeys(("EDH", "DHE"), _pattern(kx=["DHE"], auth=_AUTHENTICATED)),
    **dict.fromkeys(("EECDH", "ECDHE"), _pattern(kx=["ECDHE"], auth=_AUTHENTICATED)),
    "RSA": _pattern(kx=["RSA"], auth=["RSA"]),
    "ADH": _pattern(kx=["DHE"], auth=["NULL"]),
    "AECDH": _pattern(kx=["ECDHE"], auth=["NULL"]),
    # encryption
    **dict.fromkeys(("NULL", "eNULL"), _pattern(cipher=["None"])),
    "AES128": _pattern(cipher=[name for name in _ciphers("AES") if "128" in name]),
    "AES256": _pattern(cipher=[name for name in _ciphers("AES") if "256" in name]),
    "AES": _pattern(cipher=_ciphers("AES")),
    "AESGCM": _AES_GCM,
    "AESCCM": _pattern(cipher=_ciphers("AESCCM")),
    "AESCCM8": _pattern(cipher=_ciphers("AESCCM8")),
    "CAMELLIA128": _pattern(cipher=["Camellia(128)"]),
    "CAMELLIA256": _pattern(cipher=["Camellia(256)"]),
    "CAMELLIA": _pattern(cipher=_ciphers("Camellia")),
    "CHACHA20": _CHACHA,
    "CBC": _pattern(cipher=[suite.cipher.name for suite in SUITES if isinstance(suite.cipher, Block)]),
    # MAC
    "MD5": _pattern(mac=["md5"]),
    **dict.fromkeys(("SHA", "SHA1"), _pattern(mac=["sha1"])),
    "SHA256": _pattern(mac=["sha256"]),
    "SHA384": _pattern(mac=["sha384"]),
    # the lowest version
    "SSLv3": _pattern(since=[SSL3]),
    **dict.fromkeys(("TLSv1", "TLSv1.0"), _pattern(since=[TLS10])),
    "TLSv1.2": _pattern(since=[TLS12]),
    # strength
    "LOW": _pattern(strength=["LOW"]),
    "MEDIUM": _pattern(strength=["MEDIUM"]),
    "HIGH": _pattern(strength=["HIGH"]),
    "FIPS": _pattern(strength=["FIPS"]),
}


@lru_cache(maxsize=64)
def _meeting(pattern: Traits) -> frozenset[Suite]:
    """The suites that match a pattern."""
    found = set(_TRAITS12)
    for field, wanted in enumerate(pattern):
        if wanted is not None:
            found = {suite for suite in found if not wanted.isdisjoint(_TRAITS12[suite][field] or ())}
    return frozenset(found)


class _Order:
    """Suites in order of preference, some of them switched on.  Every rule of the language is one method."""

    def __init__(self, suites: list[Suite]) -> None:
        self.suites = suites
        self.active: set[Suite] = set()

    def _matching(self, pattern: Traits) -> list[Suite]:
        met = _meeting(pattern)
        return [suite for suite in self.suites if suite in met]

    def _move(self, moved: list[Suite], *, to_front: bool) -> None:
        chosen = set(moved)
        rest = [suite for suite in self.suites if suite not in chosen]
        self.suites = moved + rest if to_front else rest + moved

    def add(self, pattern: Traits) -> None:
        new = [suite for suite in self._matching(pattern) if suite not in self.active]
        self._move(new, to_front=False)
        self.active.update(new)

    def last(self, pattern: Traits) -> None:
        self._move([suite for suite in self._matching(pattern) if suite in self.active], to_front=False)

    def first(self, pattern: Traits) -> None:
        self._move([suite for suite in self._matching(pattern) if suite in self.active], to_front=True)

    def delete(self, pattern: Traits) -> None:
        """Switch suites off; the last one that was switched off comes first when they are added again."""
        gone = [suite for suite in self._matching(pattern) if suite in self.active]
        self._move(gone, to_front=True)
        self.active.difference_update(gone)

    def kill(self, pattern: Traits) -> None:
        gone = set(self._matching(pattern))
        self.suites = [suite for suite in self.suites if suite not in gone]
        self.active -= gone

    def by_strength(self) -> None:
        chosen = [suite for suite in self.suites if suite in self.active]
        self._move(sorted(chosen, key=lambda suite: -suite.cipher.key), to_front=False)


_ANY = Traits()
_FORWARD_SECRET = ["DHE", "ECDHE"]
_PREFERENCE = (  # from the highest code downwards to OpenSSL's order
    (_Order.add, _pattern(kx=["ECDHE"], auth=["ECDSA"])),
    (_Order.add, _pattern(kx=["ECDHE"])),
    (_Order.delete, _pattern(kx=["ECDHE"])),
    (_Order.add, _AES_GCM),
    (_Order.add, _CHACHA),
    (_Order.add, _ALIASES["AES"]),
    (_Order.add, _ANY),
    (_Order.last, _pattern(mac=["md5"])),
    (_Order.last, _pattern(auth=["NULL"])),
    (_Order.last, _pattern(kx=["RSA"])),
    (_Order.last, _pattern(kx=["PSK"])),
    (lambda order, _: order.by_strength(), _ANY),
    (_Order.first, _pattern(since=[TLS12])),
    (_Order.first, _pattern(mac=["AEAD"])),
    (_Order.first, _pattern(kx=_FORWARD_SECRET)),
    (_Order.first, _pattern(kx=_FORWARD_SECRET, mac=["AEAD"])),
    (_Order.delete, _ANY),
)


@lru_cache(maxsize=1)
def _preferred() -> tuple[Suite, ...]:
    order = _Order(sorted(_TRAITS12, key=lambda suite: -suite.code))
    for rule, pattern in _PREFERENCE:
        rule(order, pattern)
    return tuple(order.suites)


_RULES = {"-": _Order.delete, "+": _Order.last, "!": _Order.kill}
_SEPARATORS = ": ;,"
_NAME = re.compile(r"[A-Za-z0-9\-_.=]+")
_REST = re.compile(rf"[^{_SEPARATORS}]*")


@lru_cache(maxsize=64)
def select(text: str) -> tuple[tuple[Suite, ...], int | None]:
    """The suites of a cipher list, without those of TLS 1.3, and the security level if the list sets one."""
    for prefix, stands_for in _SUITE_B:
        if text.startswith(prefix):
            text = stands_for
            break
    order, level = _Order(list(_preferred())), None
    if text.startswith("DEFAULT"):
        _apply(order, _OPENSSL_DEFAULT)
        text = text[7:].removeprefix(":")
    level = _apply(order, text)
    return tuple(suite for suite in order.suites if suite in order.active), level


def _apply(order: _Order, text: str) -> int | None:
    level, pos = None, 0
    while pos < len(text):
        if text[pos] in _SEPARATORS:
            pos += 1
            continue
        special = text[pos] == "@"
        rule = _RULES.get(text[pos], _Order.add)
        pos += special or rule is not _Order.add
        if special:
            match = _NAME.match(text, pos)
            command = match[0] if match else ""
            if command == "STRENGTH":
                order.by_strength()
            elif re.fullmatch(r"SECLEVEL=[0-5]", command):
                level = int(command[-1])
            else:
                raise InvalidList(f"@{command}")
            pos = _end(text, pos)
            continue
        pattern, pos = _read_pattern(text, pos)
        if pattern is not None:
            rule(order, pattern)
    return level


def _end(text: str, pos: int) -> int:
    rest = _REST.match(text, pos)
    return rest.end() if rest else pos


def _read_pattern(text: str, pos: int) -> tuple[Traits | None, int]:
    """Names joined with "+" and where they end; None if they exclude each other or one is unknown."""
    pattern = _ANY
    while True:
        match = _NAME.match(text, pos)
        if match is None:
            raise InvalidList(text[pos:])
        pos = match.end()
        more = text[pos : pos + 1] == "+"
        pos += more
        joined = _join(pattern, _named(match[0]))
        if joined is None:
            return None, _end(text, pos)
        pattern = joined
        if not more:
            return pattern, pos


def _named(name: str) -> Traits | None:
    suite = BY_NAME.get(name)
    if suite in _TRAITS12:
        return _TRAITS12[suite]._replace(since=None)  # a name stands for its suite: the version is not asked for
    return _ALIASES.get(name)


def _join(pattern: Traits, other: Traits | None) -> Traits | None:
    """The pattern of suites that match both; None if there can be none."""
    if other is None:
        return None
    fields: list[Any] = []
    for mine, theirs in zip(pattern, other, strict=True):
        both = (mine & theirs if mine and theirs else mine or theirs) or None
        if both is None and mine and theirs:
            return None
        fields.append(both)
    joined = Traits(*fields)
    if other.strength and not pattern.strength:  # OpenSSL forgets NOT_DEFAULT when a strength follows it
        joined = joined._replace(extra=other.extra or None)
    if pattern.code and other.code:
        joined = joined._replace(code=other.code)
    return joined


def ciphersuites(text: str) -> tuple[Suite, ...]:
    """A list of TLS 1.3 suites: names with colons between.  Empty text is an empty list."""
    names = [name for name in text.split(":") if name]
    suites = tuple(dict.fromkeys(BY_NAME[name] for name in names if name in BY_NAME and BY_NAME[name].since == TLS13))
    if names and not suites:
        raise InvalidList(text)
    return suites


_LEVEL_BITS = (0, 80, 112, 128, 192, 256)


def permitted(suite: Suite, level: int) -> bool:
    """Whether a security level permits a suite (SSL_CTX_set_security_level(3))."""
    if not level:
        return True
    bits = _LEVEL_BITS[min(level, 5)]
    mac = suite.mac.name if suite.mac else ""
    return (
        8 * suite.cipher.key >= bits
        and suite.auth != "NULL"
        and mac != "md5"
        and not (mac == "sha1" and bits > 160)
        and (level < 3 or suite.since == TLS13 or "DHE" in suite.kx)
    )


_KX = {"DHE": "DH", "ECDHE": "ECDH", "ANY": "any"}
_AUTH = {"NULL": "None", "ANY": "any"}


def describe(suite: Suite) -> Cipher:
    """One entry of SSLContext.get_ciphers()."""
    cipher, version = suite.cipher, VERSIONS[suite.since]
    kx = _KX.get(suite.kx, suite.kx.replace("_", ""))
    auth = _AUTH.get(suite.auth, suite.auth)
    mac = suite.mac.name.upper() if suite.mac else "AEAD"
    bits = 8 * cipher.key
    return {
        "id": 0x03000000 | suite.code,
        "name": suite.openssl,
        "protocol": protocol(suite),
        "description": f"{suite.openssl:<30} {version:<7} Kx={kx:<8} Au={auth:<5} Enc={cipher.name:<22} Mac={mac:<4}",
        "strength_bits": bits,
        "alg_bits": bits,
        "aead": isinstance(cipher, Aead),
        "symmetric": cipher.symmetric,
        "digest": suite.mac.name if suite.mac else None,
        "kea": "kx-" + suite.kx.lower().replace("_", "-"),
        "auth": "auth-" + suite.auth.lower(),
    }


def protocol(suite: Suite) -> str:
    """The version that defines a suite, as cipher() and get_ciphers() write it."""
    return "TLSv1.0" if suite.since == TLS10 else VERSIONS[suite.since]
