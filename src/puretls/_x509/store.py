"""Stores of trusted certificates, by subject, and of CRLs, by issuer: from memory, files and hashed directories.

A file is a `Bundle`, which contexts share as long as the file does not change; its certificates are read when one with
the wanted name is looked up.  A `Store` belongs to one context.  Like OpenSSL's it may grow at any time, also while
connections use it.  Directories are searched for each name (`c_rehash` file names).  This is the only module of the
engine that opens files.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes

from puretls._base.deferred import deferred
from puretls._base.faults import Abort, Fault
from puretls._base.recent import Recent
from puretls._base.slotted import slotted
from puretls._x509 import ber, certificate, names, pem, shapes
from puretls._x509.certificate import Certificate, Trust
from puretls._x509.odd import Odd

if TYPE_CHECKING:
    from puretls._x509 import crl as crl_
    from puretls._x509.anchors import Limits
    from puretls._x509.crl import Crl
else:
    crl_ = deferred("puretls._x509.crl")

NOT_ENOUGH_DATA = Fault("NOT_ENOUGH_DATA", None, "not enough data", "ASN1")
BAD_DER = Fault("", None, "ASN1 lib", "PEM")
NOTHING_FOUND = Fault("NO_CERTIFICATE_OR_CRL_FOUND", None, "no certificate or crl found", "X509")


@slotted("certificates", "crls", "left")
class Bundle:
    """Certificates and CRLs from one source; it never changes."""

    def __init__(self, certificates: Iterable[Certificate], crls: Iterable[Crl | Odd] = ()) -> None:
        self.certificates = tuple(certificates)
        crls = tuple(crls)
        self.crls = tuple(crl for crl in crls if not isinstance(crl, Odd))
        self.left = tuple(crl for crl in crls if isinstance(crl, Odd))  # CRLs that nobody can read

    @property
    def empty(self) -> bool:
        """Whether it has no content, not even unreadable."""
        return not (self.certificates or self.crls or self.left)

    def holds_the_same_as(self, other: Bundle) -> bool:
        """Whether both have the same content, in the same order."""
        return self is other or (
            self.certificates == other.certificates and self.crls == other.crls and self.left == other.left
        )

    def alone(self) -> Bundle:
        """A copy, which stands for one file of one store."""
        return Bundle(self.certificates, (*self.crls, *self.left))

    @cached_property
    def unread(self) -> tuple[Certificate, ...]:
        """Its certificates that cannot be read, and are not used."""
        return tuple(x for x in self.certificates if _is_unread(x))

    def named(self) -> list[tuple[Certificate, names.Name | None]]:
        """Its certificates and their subjects, None for a certificate that cannot be read; Abort if a subject is no
        name.
        """
        try:
            return [(x, None if _is_unread(x) else x.subject) for x in self.certificates]
        except ValueError as error:
            raise Abort(BAD_DER, str(error)) from None

    @cached_property
    def subjects(self) -> dict[names.Name, list[Certificate]]:
        """Its certificates by subject; one whose subject cannot be read is no issuer."""
        found: dict[names.Name, list[Certificate]] = {}
        for x in self.certificates:
            try:
                found.setdefault(x.subject, []).append(x)
            except ValueError:
                continue
        return found


def _is_unread(x: Certificate) -> bool:
    return x.odd is not None and x.odd.twin is None


class Store:
    """The trust anchors and CRLs of one context.

    It grows by single steps of a list or a dict, after the new content was read completely: so there is no lock, and no
    thread waits.  Only a bundle can be replaced, by another one.
    """

    def __init__(self) -> None:
        self._bundles: list[Bundle] = []
        self._passing: dict[int, Bundle] = {}  # the bundles that may be replaced
        self._directories: dict[str, None] = {}
        self._own: dict[bytes, Certificate] = {}  # added one by one
        self._found: dict[bytes, Certificate] = {}  # found in directories
        self._by_subject: dict[names.Name, dict[bytes, Certificate]] = {}  # both
        self._crls: dict[Crl, None] = {}
        self._left: dict[Odd, None] = {}  # CRLs that cannot be read
        self.limited: dict[names.Name, dict[Certificate, tuple[Limits, ...]]] = {}  # anchors with limits
        self.revision = object()  # a new one after each change
        self._digest: tuple[object, bytes] = None, b""  # the digest, behind the revision that it belongs to

    def copy(self) -> Store:
        """Another store with the same content."""
        other = Store()
        other._bundles, other._directories = list(self._bundles), dict(self._directories)
        other._passing = dict(self._passing)
        other._own, other._found, other._crls = dict(self._own), dict(self._found), dict(self._crls)
        other._left = dict(self._left)
        other.limited = {subject: dict(found) for subject, found in list(self.limited.items())}
        other._by_subject = {subject: dict(found) for subject, found in list(self._by_subject.items())}
        return other

    # Adding

    def add(self, x: Certificate) -> None:
        """Trust a certificate; a second time changes nothing.  ValueError if its name is none."""
        self._put([(x, x.subject)])

    def add_limited(self, x: Certificate, limits: Limits) -> None:
        """Trust a certificate within limits; each call adds further limits that may be satisfied instead.  ValueError
        if its name is none.
        """
        named = self.limited.setdefault(x.subject, {})
        named[x] = (*named.get(x, ()), limits)
        self.revision = object()

    def add_crl(self, crl: Crl) -> None:
        """Use a CRL."""
        self._crls.setdefault(crl)
        self.revision = object()

    def add_bundle(self, bundle: Bundle) -> None:
        """Trust all of a bundle, which other stores may share."""
        passing = self._passing
        if not any(bundle.holds_the_same_as(other) for other in self._bundles if id(other) not in passing):
            self._bundles.append(bundle)
            self.revision = object()

    def add_passing(self, bundle: Bundle) -> None:
        """Trust all of a bundle until there is another in its place; no other store may have it."""
        self._passing[id(bundle)] = bundle
        self._bundles.append(bundle)
        self.revision = object()

    def replace_bundle(self, old: Bundle, new: Bundle) -> None:
        """Replace the old bundle by the new one: the only way to trust less."""
        self._passing[id(new)] = new
        self._bundles = [new if bundle is old else bundle for bundle in self._bundles]
        self._passing.pop(id(old), None)
        self.revision = object()

    def add_each(self, bundle: Bundle) -> None:
        """Trust all of a bundle, each by itself, and use its CRLs.  Abort, and nothing added, if a name is none."""
        self._put(bundle.named())
        for crl in bundle.crls:
            self.add_crl(crl)
        self._left.update(dict.fromkeys(bundle.left))

    def _put(self, named: Iterable[tuple[Certificate, names.Name | None]], *, found: bool = False) -> None:
        """Add a certificate; `found`: in a directory, whose content is trusted already."""
        kept = self._found if found else self._own
        for x, subject in named:
            if subject is not None:
                self._by_subject.setdefault(subject, {}).setdefault(x.der, x)
            kept.setdefault(x.der, x)
        if not found:
            self.revision = object()

    def add_pem(self, data: str | bytes) -> int:
        """Trust the certificates in a text, and use its CRLs; how many there were."""
        bundle = parse_pem(data.encode("ascii") if isinstance(data, str) else data)
        self.add_each(bundle)
        return len(bundle.certificates) + len(bundle.crls)

    def add_der(self, data: bytes) -> int:
        """Trust the certificates that stand one after the other; how many there were."""
        bundle = parse_der(data)
        self.add_each(bundle)
        return len(bundle.certificates)

    def add_file(self, path: str | os.PathLike[str]) -> int:
        """Trust the certificates of a PEM file, and use its CRLs; how many there were.  OSError if it is not there."""
        bundle = load_file(path)
        if bundle.empty:
            raise Abort(NOTHING_FOUND)
        self.add_bundle(bundle)
        return len(bundle.certificates) + len(bundle.crls)

    def add_directories(self, paths: str) -> None:
        """Look for certificates and CRLs in directories with hashed file names, as they are needed.

        There may be several, with what stands between the parts of PATH between them, as for OpenSSL.
        """
        self._directories.update(dict.fromkeys(filter(None, paths.split(os.pathsep))))
        self.revision = object()

    # Looking up

    def by_subject(self, subject: names.Name) -> list[Certificate]:
        """The trusted certificates with this name, without those that cannot be read."""
        found = self._without_limits(subject)
        if self.limited:
            found += [x for x in list(self.limited.get(subject, ())) if x not in found]
        return found

    def limits_of(self, anchor: Certificate) -> tuple[Limits, ...]:
        """The limits of an anchor, of which one set has to be satisfied; empty if there are none."""
        limits = self.limited.get(anchor.subject, {}).get(anchor, ())
        return () if limits and anchor in self._without_limits(anchor.subject) else limits

    def _without_limits(self, subject: names.Name) -> list[Certificate]:
        found = list(self._by_subject.get(subject, {}).values())
        for bundle in self._bundles:
            found += bundle.subjects.get(subject, ())
        for bundle in self._hashed(subject, "") if self._directories and not found else ():
            for x in bundle.subjects.get(subject, ()):
                self._put([(x, subject)], found=True)
                found.append(x)
        return [x for x in found if x.readable]

    def unread(self, subject: names.Name) -> list[Certificate]:
        """The unreadable certificates with this name."""
        bundles = [Bundle({**self._found, **self._own}.values()), *self._bundles, *self._hashed(subject, "")]
        return [x for bundle in bundles for x in bundle.unread if x.odd is not None and x.odd.is_called(subject)]

    def unread_crls(self, issuer: names.Name) -> list[Odd]:
        """The unreadable CRLs of this issuer."""
        bundles = [*self._bundles, *self._hashed(issuer, "r")]
        left = [*list(self._left), *(crl for bundle in bundles for crl in bundle.left)]
        return [crl for crl in left if crl.is_called(issuer)]

    def crls_of(self, issuer: names.Name) -> list[Crl]:
        """The CRLs of this issuer, the newest file of a directory included."""
        found = [crl for crl in list(self._crls) if crl.issuer == issuer]
        for bundle in self._bundles:
            found += [crl for crl in bundle.crls if crl.issuer == issuer]
        for bundle in self._hashed(issuer, "r") if self._directories else ():
            found += [crl for crl in bundle.crls if crl.issuer == issuer and crl not in found]
        return found

    def _hashed(self, name: names.Name, kind: str) -> Iterator[Bundle]:
        """The files of the directories for this name: its hash, a dot, and numbers from 0 on."""
        stem = f"{name_hash(name):08x}.{kind}"
        for directory in list(self._directories):
            for number in range(MOST_WITH_ONE_HASH):
                path = os.path.join(directory, f"{stem}{number}")
                try:
                    yield load_file(path)
                except (Abort, OSError):  # a broken file, or a dangling link, hides no other file
                    if not os.path.lexists(path):
                        break

    def certificates(self) -> list[Certificate]:
        """All loaded certificates, each once."""
        found = dict.fromkeys(x for bundle in self._bundles for x in bundle.certificates)
        limited = [x for named in list(self.limited.values()) for x in list(named)]
        return list(dict.fromkeys([*found, *list(self._own.values()), *list(self._found.values()), *limited]))

    def stats(self) -> dict[str, int]:
        """The numbers of cert_store_stats()."""
        certificates = self.certificates()
        crls = {crl for bundle in self._bundles for crl in bundle.crls}.union(list(self._crls))
        left = {crl for bundle in self._bundles for crl in bundle.left}.union(list(self._left))
        return {"x509": len(certificates), "crl": len(crls) + len(left), "x509_ca": sum(map(is_ca, certificates))}

    def digest(self) -> bytes:
        """A digest of everything trusted and the CRLs, in any order; directories count by their paths.

        It is valid until there is another `revision`.
        """
        known = self._digest
        if known[0] is not (revision := self.revision):
            items = {b"directory " + os.fsencode(path) for path in list(self._directories)}
            for x in (x for bundle in self._bundles for x in bundle.certificates):
                items.add(_trusted_as(x))
            items |= {_trusted_as(x) for x in list(self._own.values())}
            for x, limits in [item for named in list(self.limited.values()) for item in list(named.items())]:
                items |= {b"limited " + one.text + _trusted_as(x) for one in limits}
            crls = {crl for bundle in self._bundles for crl in bundle.crls}.union(list(self._crls))
            items |= {b"crl " + crl.der for crl in crls}
            digest = hashes.Hash(hashes.SHA256())
            for item in sorted(items):
                digest.update(len(item).to_bytes(4, "big"))
                digest.update(item)
            self._digest = known = revision, digest.finalize()
        return known[1]

    def __contains__(self, x: Certificate) -> bool:
        return x in self.by_subject(x.subject)


def _trusted_as(x: Certificate) -> bytes:
    """A certificate with its trust settings, as one string."""
    settings = x.trust and (x.trust.trust and sorted(x.trust.trust), sorted(x.trust.reject))
    return f"certificate {settings} ".encode() + x.der


MOST_WITH_ONE_HASH = 100


def is_ca(x: Certificate) -> bool:
    """Whether get_ca_certs() lists it."""
    try:
        return x.ca_kind != 0
    except ValueError:
        return False


# Reading

Stamp = tuple[int, ...]
CACHED_FILES = 64
_cache: Recent[str, tuple[Stamp, bytes, Bundle]] = Recent(CACHED_FILES)  # by file: its state, its digest, its content
SETTLED = 2_000_000_000  # ns; changes that are closer than that may have the same timestamp, as on FAT


def load_file(path: str | os.PathLike[str]) -> Bundle:
    """The certificates and CRLs of a PEM file, which is read again when it has changed.

    A replaced file may have the same size and the same modification time (`cp -p`); then the file system's change time
    shows it, except on Windows.  A file that has changed within the last moments may change again without another
    timestamp: it is read each time, and parsed if its content is different.
    """
    path = os.fspath(path)
    if not path:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.path.isabs(path):
        path = os.path.join(os.getcwd(), path)
    status = os.stat(path)
    stamp = status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev
    settled = os.name != "nt" and time.time_ns() - max(stamp[:2]) > SETTLED
    known = _cache.get(path)
    if known is not None and known[0] == stamp and settled:
        return known[2]
    with open(path, "rb") as file:
        data = file.read()
    digest = b"" if settled and known is None else _digest(hashes.SHA256(), data)  # only what may have to be compared
    bundle = known[2] if known is not None and known[1] == digest else parse_pem(data)
    _cache.put(path, (stamp if settled else (), digest, bundle))
    return bundle


def parse_pem(data: bytes) -> Bundle:
    """The certificates and CRLs in a text; Abort if one of them is none, or a block of anything does not end."""
    certificates: list[Certificate] = []
    crls: list[Crl | Odd] = []
    try:
        for label, body, _ in pem.blocks(data):
            if label == b"X509 CRL":
                crls.append(crl_.listed_crl(pem.decoded(body)))
            elif label in pem.CERTIFICATES:
                certificates.append(Certificate(pem.decoded(body)))
            elif label == pem.TRUSTED:
                certificates.append(_trusted(pem.decoded(body)))
        return Bundle(_read(certificates), crls)
    except ValueError as error:
        raise Abort(BAD_DER, str(error)) from None


def _read(certificates: list[Certificate]) -> list[Certificate]:
    """All certificates; an odd one does not prevent the others from being read.  ValueError if one is no certificate at
    all.
    """
    parsed = list(certificate.parse(certificates))
    return [x if good else certificate.oddly(_first(x)) for x, good in zip(certificates, parsed, strict=True)]


def _first(x: Certificate) -> Certificate:
    """The certificate in a block without trailing data, as OpenSSL reads it."""
    whole, end = ber.value(x.der)
    return x if end == len(x.der) else Certificate(whole.whole, x.trust)


def parse_der(data: bytes) -> Bundle:
    """Certificates one after the other; Abort if there is anything else."""
    try:
        values = shapes.read(shapes.Values, shapes.sequence(shapes.sequence(data))).item
    except ValueError:
        raise Abort(NOT_ENOUGH_DATA) from None
    try:
        return Bundle(_read([Certificate(shapes.whole(value)) for value in values]))
    except ValueError as error:
        raise Abort(BAD_DER, str(error)) from None


def _trusted(der: bytes) -> Certificate:
    """A certificate with OpenSSL's trust settings behind it, or without."""
    whole, end = ber.value(der)
    if end == len(der):
        return Certificate(der)
    aux = shapes.read(shapes.CertAux, der[end:])
    trust = None if aux.trust is None else frozenset(oid.dotted_string for oid in aux.trust)
    reject = frozenset(oid.dotted_string for oid in aux.reject or ())
    return Certificate(whole.whole, Trust(trust, reject))


def name_hash(name: names.Name) -> int:
    """OpenSSL's hash of a name, as in the file names of `openssl rehash`: the first 32 bits of SHA-1 over the canonical
    encoding.
    """
    return int.from_bytes(_digest(hashes.SHA1(), names.canonical_der(name))[:4], "little")  # noqa: S303 - a file name


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
