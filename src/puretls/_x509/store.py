"""What is trusted: certificates by subject, CRLs by issuer, from memory, files and hashed directories.

A file is a `Bundle`, which contexts share as long as the file stays the same; its certificates are read when one with
the wanted name is asked for.  A `Store` belongs to one context and may grow at any time, connections in progress
included, as OpenSSL's does.  Directories are looked into for each name (`c_rehash` file names).  The one module of the
engine that opens files.
"""

from __future__ import annotations

import binascii
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property

from cryptography.hazmat.primitives import hashes

from puretls._base.faults import Abort, Fault
from puretls._base.slotted import slotted
from puretls._x509 import certificate, names, shapes
from puretls._x509.certificate import Certificate, Trust
from puretls._x509.checks import ca_kind
from puretls._x509.crl import Crl

BAD_END_LINE = Fault("BAD_END_LINE", None, "bad end line", "PEM")
NOT_ENOUGH_DATA = Fault("NOT_ENOUGH_DATA", None, "not enough data", "ASN1")
BAD_BASE64 = Fault("BAD_BASE64_DECODE", None, "bad base64 decode", "PEM")
BAD_DER = Fault("ASN1_LIB", None, "ASN1 lib", "X509")
NOTHING_FOUND = Fault("NO_CERTIFICATE_OR_CRL_FOUND", None, "no certificate or crl found", "X509")

_BOM = b"\xef\xbb\xbf"
_BEGIN = re.compile(rb"^-----BEGIN ([^-\r\n]*)-----[ \t\r]*$", re.MULTILINE)
_END = re.compile(rb"^-----END ([^-\r\n]*)-----[ \t\r]*$", re.MULTILINE)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_GAP = re.compile(rb"\n[ \t\r]*\n")


@slotted("certificates", "crls")
class Bundle:
    """Certificates and CRLs that came together; not changed once made."""

    def __init__(self, certificates: Iterable[Certificate], crls: Iterable[Crl] = ()) -> None:
        self.certificates = tuple(certificates)
        self.crls = tuple(crls)

    def holds_the_same_as(self, other: Bundle) -> bool:
        """Whether there is nothing in the one that is not in the other, in the same order."""
        return self is other or (self.certificates == other.certificates and self.crls == other.crls)

    @cached_property
    def subjects(self) -> dict[names.Name, list[Certificate]]:
        """Its certificates by subject; one whose subject cannot be read is nobody's issuer."""
        found: dict[names.Name, list[Certificate]] = {}
        for x in self.certificates:
            try:
                found.setdefault(x.subject, []).append(x)
            except ValueError:
                continue
        return found


class Store:
    """The trust anchors and CRLs of one context."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bundles: tuple[Bundle, ...] = ()
        self._directories: tuple[str, ...] = ()
        self._own: dict[bytes, Certificate] = {}  # added one by one; replaced, never changed
        self._by_subject: dict[names.Name, tuple[Certificate, ...]] = {}
        self._crls: tuple[Crl, ...] = ()

    def copy(self) -> Store:
        """Another store with the same content."""
        other = Store()
        with self._lock:
            other._bundles, other._directories, other._crls = self._bundles, self._directories, self._crls
            other._own, other._by_subject = dict(self._own), dict(self._by_subject)
        return other

    # Adding

    def add(self, x: Certificate) -> None:
        """Trust a certificate; a second time changes nothing."""
        with self._lock:
            if x.der in self._own:
                return
            subject = x.subject
            self._own[x.der] = x
            self._by_subject[subject] = (*self._by_subject.get(subject, ()), x)

    def add_crl(self, crl: Crl) -> None:
        """Use a CRL."""
        with self._lock:
            if crl not in self._crls:
                self._crls = (*self._crls, crl)

    def add_bundle(self, bundle: Bundle) -> None:
        """Trust all of a bundle."""
        with self._lock:
            if not any(bundle.holds_the_same_as(other) for other in self._bundles):
                self._bundles = (*self._bundles, bundle)

    def add_pem(self, data: str | bytes) -> int:
        """Trust the certificates in a text, and use its CRLs; how many there were."""
        bundle = parse_pem(data.encode("ascii") if isinstance(data, str) else data)
        self._add_all(bundle)
        return len(bundle.certificates) + len(bundle.crls)

    def add_der(self, data: bytes) -> int:
        """Trust the certificates that stand one after the other; how many there were."""
        bundle = parse_der(data)
        self._add_all(bundle)
        return len(bundle.certificates)

    def _add_all(self, bundle: Bundle) -> None:
        for x in bundle.certificates:
            self.add(x)
        for crl in bundle.crls:
            self.add_crl(crl)

    def add_file(self, path: str | os.PathLike[str]) -> int:
        """Trust the certificates of a PEM file, and use its CRLs; how many there were.  OSError if it is not there."""
        bundle = load_file(path)
        if not bundle.certificates and not bundle.crls:
            raise Abort(NOTHING_FOUND)
        self.add_bundle(bundle)
        return len(bundle.certificates) + len(bundle.crls)

    def add_directory(self, path: str | os.PathLike[str]) -> None:
        """Look for certificates and CRLs in a directory with hashed file names, as they are needed."""
        with self._lock:
            if (directory := os.fspath(path)) not in self._directories:
                self._directories = (*self._directories, directory)

    # Looking up

    def by_subject(self, subject: names.Name) -> list[Certificate]:
        """What is trusted under this name; what cannot be read anchors nothing."""
        found = list(self._by_subject.get(subject, ()))
        for bundle in self._bundles:
            found += bundle.subjects.get(subject, ())
        for bundle in self._hashed(subject, "") if self._directories and not found else ():
            for x in bundle.subjects.get(subject, ()):
                self.add(x)
                found.append(x)
        return [x for x in found if x.readable]

    def crls_of(self, issuer: names.Name) -> list[Crl]:
        """The CRLs of this issuer, the newest file of a directory included."""
        found = [crl for crl in self._crls if crl.issuer == issuer]
        for bundle in self._bundles:
            found += [crl for crl in bundle.crls if crl.issuer == issuer]
        for bundle in self._hashed(issuer, "r") if self._directories else ():
            found += [crl for crl in bundle.crls if crl.issuer == issuer and crl not in found]
        return found

    def _hashed(self, name: names.Name, kind: str) -> Iterator[Bundle]:
        """The files of the directories for this name: its hash, a dot, and numbers from 0 on."""
        stem = f"{name_hash(name):08x}.{kind}"
        for directory in self._directories:
            for number in range(MOST_WITH_ONE_HASH):
                try:
                    yield load_file(os.path.join(directory, f"{stem}{number}"))
                except OSError:
                    break
                except Abort:
                    continue  # a broken file hides no other

    def certificates(self) -> list[Certificate]:
        """All that are loaded, each once."""
        found = dict.fromkeys(x for bundle in self._bundles for x in bundle.certificates)
        return list(dict.fromkeys([*found, *self._own.values()]))

    def stats(self) -> dict[str, int]:
        """How many there are, as cert_store_stats() says it."""
        certificates = self.certificates()
        crls = {crl for bundle in self._bundles for crl in bundle.crls}.union(self._crls)
        return {"x509": len(certificates), "crl": len(crls), "x509_ca": sum(map(is_ca, certificates))}

    def __contains__(self, x: Certificate) -> bool:
        return x in self.by_subject(x.subject)


MOST_WITH_ONE_HASH = 100


def is_ca(x: Certificate) -> bool:
    """Whether get_ca_certs() lists it."""
    try:
        return ca_kind(x) != 0
    except ValueError:
        return False


# Reading

_cache: OrderedDict[str, tuple[tuple[int, int, int], Bundle]] = OrderedDict()
_cache_lock = threading.Lock()
CACHED_FILES = 64


def load_file(path: str | os.PathLike[str]) -> Bundle:
    """The certificates and CRLs of a PEM file, read again when the file has changed."""
    path = os.fspath(path)
    if not os.path.isabs(path):
        path = os.path.join(os.getcwd(), path)
    status = os.stat(path)
    stamp = status.st_mtime_ns, status.st_size, status.st_ino
    with _cache_lock:
        known = _cache.get(path)
        if known is not None and known[0] == stamp:
            _cache.move_to_end(path)
            return known[1]
    with open(path, "rb") as file:
        bundle = parse_pem(file.read())
    with _cache_lock:
        _cache[path] = stamp, bundle
        while len(_cache) > CACHED_FILES:
            _cache.popitem(last=False)
    return bundle


def parse_pem(data: bytes) -> Bundle:
    """The certificates and CRLs in a text; Abort if one of them is broken, or a block of anything else does not end."""
    certificates: list[Certificate] = []
    crls: list[Crl] = []
    data = data.removeprefix(_BOM)
    place = 0
    while begin := _BEGIN.search(data, place):
        end = _END.search(data, begin.end())
        label = begin[1]
        if end is None or end[1] != label:
            raise Abort(BAD_END_LINE)
        place = end.end()
        try:
            if label == b"X509 CRL":
                crls.append(Crl(_decoded(data[begin.end() : end.start()])))
            elif label in (b"CERTIFICATE", b"X509 CERTIFICATE"):
                certificates.append(Certificate(_decoded(data[begin.end() : end.start()])))
            elif label == b"TRUSTED CERTIFICATE":
                certificates.append(_trusted(_decoded(data[begin.end() : end.start()])))
        except ValueError:
            raise Abort(BAD_DER) from None
    return _checked(certificates, crls)


def _decoded(body: bytes) -> bytes:
    """Base64 in lines; an empty line may come first, where headers would be, and no headers."""
    compact = b"".join(body.split())
    if len(compact) % 4 or not _BASE64.fullmatch(compact) or _GAP.search(body.lstrip()):
        raise Abort(BAD_BASE64)
    return binascii.a2b_base64(compact)


def _checked(certificates: list[Certificate], crls: list[Crl]) -> Bundle:
    """A bundle of certificates that can all be read; the rest of them is looked at when they are used."""
    if not all(certificate.parse(certificates)):
        raise Abort(BAD_DER)
    return Bundle(certificates, crls)


def parse_der(data: bytes) -> Bundle:
    """Certificates one after the other; Abort if there is anything else."""
    try:
        values = shapes.read(shapes.Values, shapes.sequence(shapes.sequence(data))).item
    except ValueError:
        raise Abort(NOT_ENOUGH_DATA) from None
    return _checked([Certificate(shapes.whole(value)) for value in values], [])


def _trusted(der: bytes) -> Certificate:
    """A certificate with OpenSSL's trust settings behind it, or without."""
    try:
        pair = shapes.read(shapes.TrustedPair, shapes.sequence(der))
    except ValueError:
        return Certificate(der)
    aux = pair.aux
    trust = None if aux.trust is None else frozenset(oid.dotted_string for oid in aux.trust)
    reject = frozenset(oid.dotted_string for oid in aux.reject or ())
    return Certificate(shapes.whole(pair.certificate), Trust(trust, reject))


def name_hash(name: names.Name) -> int:
    """OpenSSL's hash of a name, which `openssl rehash` names files by: SHA-1 of the canonical encoding, its start."""
    return int.from_bytes(_sha1(names.canonical_der(name))[:4], "little")


def _sha1(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA1())  # noqa: S303 - a file name, not a promise
    digest.update(data)
    return digest.finalize()
