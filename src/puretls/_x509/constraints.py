"""Name constraints (RFC 5280 4.2.1.10, 6.1.4 g): which names certificates below a CA may have, as OpenSSL applies them.

If the host that was asked for has matched a common name of the leaf, it has to satisfy the constraints as well.

The constraints of a certificate are compiled once.  Names are then compared in C (suffixes, sets) or as numbers, so
that thousands of constraints and thousands of names cost milliseconds.  More than that is refused without being
compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from cryptography.hazmat.asn1 import TLV

from puretls._x509 import codes, names
from puretls._x509.budget import Budget
from puretls._x509.certificate import Certificate
from puretls._x509.checks import STRICT, Path, Policy
from puretls._x509.codes import refusal
from puretls._x509.extensions import directory_name, other_name
from puretls._x509.shapes import GeneralSubtree, OtherName

SMTP_UTF8 = "1.3.6.1.5.5.7.8.9"  # id-on-SmtpUTF8Mailbox
_UTF8 = b"\x0c"


def check(path: Path, policy: Policy, budget: Budget) -> None:
    """Check each certificate against the constraints of all certificates above it, including the anchor's."""
    chain = path.chain
    for x in chain:
        if x.name_constraints is not None or x.proxy is not None:
            break
    else:
        return  # nearly always
    constrained = [i for i, x in enumerate(chain) if x.name_constraints is not None]
    for i in range(len(chain) - 1, -1, -1):
        x = chain[i]
        if i and x.self_issued:
            continue
        if x.proxy is not None and not proxy_name_fits(x):
            raise refusal(codes.PROXY_SUBJECT_VIOLATION, i)
        for above in reversed(constrained):
            if above <= i:
                break
            code = violation(x, _compiled(chain[above]), budget, () if i else hosts(x, policy))
            if code:
                raise refusal(code, i)
    for i in constrained if policy.flags & STRICT else ():
        if _compiled(chain[i]).malformed:
            raise refusal(codes.UNSUPPORTED_CONSTRAINT_SYNTAX, i)


def hosts(x: Certificate, policy: Policy) -> list[bytes | None]:
    """The common names of the leaf that count as hosts; None among them stands for one with a NUL."""
    if policy.ip is not None or policy.host_flags & names.NEVER_CHECK_SUBJECT:
        return []
    if not policy.host_flags & names.ALWAYS_CHECK_SUBJECT and any(tag == names.DNS for tag, _ in x.alternative_names):
        return []
    found: list[bytes | None] = []
    for name in names.common_names(x):
        name = name.rstrip(b"\0")
        if b"\0" in name:
            found.append(None)
        elif host := names.as_host(name):
            found.append(host)
    if policy.hostname is not None:  # which is one of them: checks.identity came first
        found.append(policy.hostname.encode("ascii").lower().removesuffix(b"."))
    return found


def proxy_name_fits(x: Certificate) -> bool:
    """RFC 3820 3.4: the subject is the issuer's with one common name more."""
    subject, issuer = x.subject, x.issuer
    return (
        len(subject) > 1
        and len(subject) == len(issuer) + 1
        and subject[:-1] == issuer
        and len(subject[-1]) == 1
        and subject[-1][0][0] == names.COMMON_NAME
    )


def violation(x: Certificate, constraints: Constraints, budget: Budget, hosts: Sequence[bytes | None] = ()) -> int:
    """0, or the code with which a CA's constraints refuse a name of the certificate, or a host that it stands for."""
    subject = [a for rdn in x.subject_rdns for a in rdn]
    alternative = x.alternative_names
    if not budget.compare(len(subject) + len(alternative), constraints.size):
        return codes.UNSPECIFIED
    if x.subject:
        code = constraints.of_directory(x.subject)
        if code:
            return code
    for attribute in subject:
        if attribute.oid == names.EMAIL_ADDRESS:
            if attribute.tag != b"\x16":  # IA5String
                return codes.UNSUPPORTED_NAME_SYNTAX
            code = constraints.of(names.EMAIL, attribute.value)
            if code:
                return code
    for tag, value in alternative:
        code = constraints.of(tag, value)
        if code:
            return code
    for host in hosts:
        code = codes.UNSUPPORTED_NAME_SYNTAX if host is None else constraints.of(names.DNS, host)
        if code:
            return code
    return 0


class _Malformed(Exception):
    """A name or a constraint does not have the syntax of its type."""


class Bases:
    """The constraints of one type in one list, permitted or excluded."""

    def __init__(self, bases: Iterable[bytes]) -> None:
        self.bases = tuple(bases)

    def match(self, name: bytes) -> bool:
        """Whether the name is within one of them."""
        raise NotImplementedError

    def cover(self, name: bytes) -> bool:
        """Whether the name, if it is a wildcard, covers a name within them."""
        return self.match(name)


class Hosts(Bases):
    """dNSName: a host and all below it; with a leading dot only what is below."""

    def __init__(self, bases: Iterable[bytes]) -> None:
        super().__init__(base.lower() for base in bases)
        self.all = b"" in self.bases
        self.exact = frozenset(self.bases)
        self.suffixes = tuple(base if base.startswith(b".") else b"." + base for base in self.bases)
        self.parents = frozenset(parent for base in self.bases for _, dot, parent in (base.partition(b"."),) if dot)

    def match(self, name: bytes) -> bool:
        if name.startswith(b"."):
            raise _Malformed
        name = name.lower()
        return self.all or name in self.exact or name.endswith(self.suffixes)

    def cover(self, name: bytes) -> bool:
        name = name.removesuffix(b".")  # hosts are matched with and without a dot at the end
        return self.match(name) or (name.startswith(b"*.") and name[2:].lower() in self.parents)


class Mailboxes(Bases):
    """rfc822Name: a mailbox, a host, or with a leading dot all hosts below."""

    def __init__(self, bases: Iterable[bytes]) -> None:
        super().__init__(bases)
        boxes = [base.rpartition(b"@") for base in self.bases]
        self.boxes = frozenset((local, host.lower()) for local, at, host in boxes if at and local)
        self.hosts = frozenset(host.lower() for local, _, host in boxes if not local)
        self.bare_hosts = frozenset(host.lower() for _, at, host in boxes if not at)
        self.suffixes = tuple(host.lower() for _, at, host in boxes if not at and host.startswith(b"."))

    def match(self, name: bytes) -> bool:
        local, at, host = name.rpartition(b"@")
        if not at or (b"@" in local and not (local[:1] == local[-1:] == b'"')):
            raise _Malformed
        host = host.lower()
        return (local, host) in self.boxes or host in self.hosts or name.lower().endswith(self.suffixes)

    def holds(self, name: str, *, whole: bool) -> bool:
        """The same for a SmtpUTF8Mailbox (RFC 9598 6), by its host.  If the constraint is a `whole` mailbox, a match
        cannot be excluded, and counts where that is safer.
        """
        local, at, domain = name.rpartition("@")
        if not at:
            raise _Malformed
        try:
            host = (domain if domain.isascii() else domain.encode("idna").decode()).encode().lower()
        except UnicodeError:
            raise _Malformed from None
        if whole and ((local.encode(), host) in self.boxes or host in self.hosts):
            return True
        return host in self.bare_hosts or (at.encode() + host).endswith(self.suffixes)


class Uris(Bases):
    """uniformResourceIdentifier: by its host, or with a leading dot all hosts below."""

    def __init__(self, bases: Iterable[bytes]) -> None:
        super().__init__(base.lower() for base in bases)
        self.exact = frozenset(self.bases)
        self.suffixes = tuple(base for base in self.bases if base.startswith(b"."))

    def match(self, name: bytes) -> bool:
        _, colon, rest = name.partition(b":")
        if not colon or not rest.startswith(b"//"):
            raise _Malformed
        rest = rest[2:].lower()
        host = rest.partition(b":" if b":" in rest else b"/")[0]
        if not host:
            raise _Malformed
        return host in self.exact or host.endswith(self.suffixes)


class Addresses(Bases):
    """iPAddress: a network and its mask."""

    def __init__(self, bases: Iterable[bytes]) -> None:
        super().__init__(bases)
        self.malformed = False
        self.networks: dict[int, set[tuple[int, int]]] = {4: set(), 16: set()}
        for base in self.bases:
            size = len(base) // 2
            mask = int.from_bytes(base[size:], "big")
            hosts = mask ^ ((1 << size * 8) - 1)
            if len(base) in (8, 32) and not hosts & (hosts + 1):  # RFC 4632: ones, then zeros
                self.networks[size].add((int.from_bytes(base[:size], "big") & mask, mask))
            else:
                self.malformed = True

    def match(self, name: bytes) -> bool:
        if len(name) not in (4, 16):
            raise _Malformed
        address = int.from_bytes(name, "big")
        if any(address & mask == network for network, mask in self.networks[len(name)]):
            return True
        if self.malformed:
            raise _Malformed
        return False


_KINDS: dict[bytes, type[Bases]] = {
    names.DNS: Hosts,
    names.EMAIL: Mailboxes,
    names.URI: Uris,
    names.IP: Addresses,
}


class Constraints:
    """The constraints of one certificate, ready for use."""

    def __init__(self, permitted: Sequence[GeneralSubtree] | None, excluded: Sequence[GeneralSubtree] | None) -> None:
        permitted, excluded = permitted or (), excluded or ()
        self.size = len(permitted) + len(excluded)
        self.bounded = {_kind(s.base) for s in (*permitted, *excluded) if s.minimum or s.maximum is not None}
        self.permitted, self.permitted_directories = _sorted_out(permitted)
        self.excluded, self.excluded_directories = _sorted_out(excluded)
        addresses = (self.permitted.get(names.IP), self.excluded.get(names.IP))
        self.malformed = any(isinstance(found, Addresses) and found.malformed for found in addresses)

    def of(self, tag: bytes, value: bytes) -> int:
        """0, or the code with which a name of a certificate is refused."""
        if tag == names.DIRECTORY:
            try:
                return self.of_directory(names.canonical(directory_name(value)))
            except ValueError:
                return codes.UNSUPPORTED_NAME_SYNTAX
        kind = tag
        if tag == names.OTHER:
            other = other_name(value)
            kind = names.EMAIL if other.type.dotted_string == SMTP_UTF8 else _other(other)
        permitted, excluded = self.permitted.get(kind), self.excluded.get(kind)
        if permitted is None and excluded is None:
            return 0
        if kind in self.bounded:
            return codes.SUBTREE_MINMAX
        if kind not in _KINDS:
            return codes.UNSUPPORTED_CONSTRAINT_TYPE
        try:
            if tag == names.OTHER:
                return _mailbox(other.value, permitted, excluded)
            if permitted is not None and not permitted.match(value):
                return codes.PERMITTED_VIOLATION
            return codes.EXCLUDED_VIOLATION if excluded is not None and excluded.cover(value) else 0
        except _Malformed:
            return codes.UNSUPPORTED_NAME_SYNTAX

    def of_directory(self, name: names.Name) -> int:
        """The same for a distinguished name."""
        permitted, excluded = self.permitted_directories, self.excluded_directories
        if (permitted or excluded) and names.DIRECTORY in self.bounded:
            return codes.SUBTREE_MINMAX
        if permitted and not _within(name, permitted):
            return codes.PERMITTED_VIOLATION
        return codes.EXCLUDED_VIOLATION if excluded and _within(name, excluded) else 0


def _mailbox(value: TLV, permitted: Bases | None, excluded: Bases | None) -> int:
    """0, or the code with which constraints of mailboxes refuse a SmtpUTF8Mailbox."""
    if value.tag_bytes != _UTF8:
        raise _Malformed
    try:
        name = bytes(value.data).decode()
    except UnicodeDecodeError:
        raise _Malformed from None
    if isinstance(permitted, Mailboxes) and not permitted.holds(name, whole=False):
        return codes.PERMITTED_VIOLATION
    return codes.EXCLUDED_VIOLATION if isinstance(excluded, Mailboxes) and excluded.holds(name, whole=True) else 0


def _kind(base: TLV) -> bytes:
    """The type of a name, for which constraints are kept: an otherName's includes its own type."""
    tag = bytes(base.tag_bytes)
    return _other(other_name(bytes(base.data))) if tag == names.OTHER else tag


def _other(name: OtherName) -> bytes:
    return names.OTHER + name.type.dotted_string.encode()


Directories = dict[int, set[names.Name]]  # by their length


def _within(name: names.Name, bases: Directories) -> bool:
    return any(name[:size] in same for size, same in bases.items() if size <= len(name))


def _sorted_out(subtrees: Sequence[GeneralSubtree]) -> tuple[dict[bytes, Bases], Directories]:
    """Subtrees by their type."""
    found: dict[bytes, list[bytes]] = {}
    directories: Directories = {}
    for subtree in subtrees:
        tag, value = _kind(subtree.base), bytes(subtree.base.data)
        if tag == names.DIRECTORY:
            name = names.canonical(directory_name(value))
            directories.setdefault(len(name), set()).add(name)
        else:
            found.setdefault(tag, []).append(value)
    return {tag: _KINDS.get(tag, Bases)(bases) for tag, bases in found.items()}, directories


@lru_cache(maxsize=64)
def _compiled(x: Certificate) -> Constraints:
    constraints = x.name_constraints
    return Constraints(None, None) if constraints is None else Constraints(constraints.permitted, constraints.excluded)
