"""SVCB and HTTPS records of the DNS (RFC 9460), which tell a client the server's ECH configurations (RFC 9848)."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise
from typing import Any

MANDATORY, ALPN, NO_DEFAULT_ALPN, PORT, IPV4HINT, ECH, IPV6HINT = range(7)  # SvcParamKey (RFC 9460 14.3.2)
MAX_NAME, MAX_LABEL = 255, 63  # bytes (RFC 1035 3.1)


class Malformed(ValueError):
    """The data of a record cannot be read."""


def _u16(data: bytes, at: int) -> int:
    if at + 2 > len(data):
        raise Malformed("the record is cut off")
    return data[at] << 8 | data[at + 1]


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A domain name without compression, which has no place here (RFC 9460 2.2); "." is the root."""
    labels, start = [], at
    while True:
        if at >= len(data):
            raise Malformed("the target's name is cut off")
        size = data[at]
        at += 1
        if not size:
            break
        label = data[at : at + size]
        if size > MAX_LABEL or len(label) != size or at + size - start >= MAX_NAME:
            raise Malformed("the target's name is none")
        labels.append("".join(map(_character, label)))
        at += size
    return ".".join(labels) or ".", at


def _character(octet: int) -> str:
    """As a zone file has it (RFC 1035 5.1)."""
    if octet in b".\\":
        return "\\" + chr(octet)
    return chr(octet) if 0x20 < octet < 0x7F else f"\\{octet:03d}"


def _mandatory(value: bytes) -> tuple[int, ...]:
    keys = tuple(_u16(value, at) for at in range(0, len(value), 2))
    if not keys or MANDATORY in keys or any(one >= other for one, other in pairwise(keys)):
        raise Malformed("mandatory keys are out of order, or none")
    return keys


def _protocols(value: bytes) -> list[str]:
    at, found = 0, []
    while at < len(value):
        name = value[at + 1 : at + 1 + value[at]]
        if not name or len(name) != value[at]:
            raise Malformed("the list of protocols cannot be read")
        found.append(name.decode("latin-1"))
        at += 1 + len(name)
    if not found:
        raise Malformed("the list of protocols is empty")
    return found


def _nothing(value: bytes) -> bool:
    if value:
        raise Malformed("no-default-alpn has a value")
    return True


def _port(value: bytes) -> int:
    if len(value) != 2:
        raise Malformed("the port is none")
    return value[0] << 8 | value[1]


def _addresses(size: int, written: Callable[[bytes], str]) -> Callable[[bytes], list[str]]:
    def read(value: bytes) -> list[str]:
        if not value or len(value) % size:
            raise Malformed("the addresses cannot be read")
        return [written(value[at : at + size]) for at in range(0, len(value), size)]

    return read


def _configs(value: bytes) -> bytes:
    if len(value) < 6 or _u16(value, 0) != len(value) - 2:
        raise Malformed("ech is no ECHConfigList")
    return value


READERS: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    MANDATORY: ("mandatory", _mandatory),
    ALPN: ("alpn", _protocols),
    NO_DEFAULT_ALPN: ("no_default_alpn", _nothing),
    PORT: ("port", _port),
    IPV4HINT: ("ipv4hint", _addresses(4, lambda packed: str(IPv4Address(packed)))),
    ECH: ("ech", _configs),
    IPV6HINT: ("ipv6hint", _addresses(16, lambda packed: str(IPv6Address(packed)))),
}


def parse(rdata: bytes) -> dict[str, Any]:
    """The fields of a record; Malformed, which is a ValueError, if it cannot be read."""
    priority = _u16(rdata, 0)
    target, at = _name(rdata, 2)
    found: dict[str, Any] = {
        "priority": priority,
        "target": target,
        "mandatory": (),
        "alpn": [],
        "no_default_alpn": False,
        "port": None,
        "ipv4hint": [],
        "ech": None,
        "ipv6hint": [],
    }
    last, there = -1, set()
    while at < len(rdata):
        key, size = _u16(rdata, at), _u16(rdata, at + 2)
        value = rdata[at + 4 : at + 4 + size]
        if len(value) != size or key <= last:  # each once, in order (RFC 9460 2.2)
            raise Malformed("the parameters are cut off, or out of order")
        at, last = at + 4 + size, key
        if not priority:  # an alias: parameters mean nothing (RFC 9460 2.4.2)
            continue
        there.add(key)
        name, read = READERS.get(key, (f"key{key}", bytes))
        found[name] = read(value)
    if not there.issuperset(found["mandatory"]):
        raise Malformed("a mandatory parameter is missing")
    if NO_DEFAULT_ALPN in there and ALPN not in there:  # RFC 9460 7.1.1
        raise Malformed("no-default-alpn without alpn")
    return found
