"""What SSLContext trusts: load_verify_locations() and the default places, with `ssl`'s errors.

Beyond `ssl`, `cadata` may be `cryptography` certificates and CRLs, bytes may hold PEM, and CRLs and files may be DER.
How a store looks things up is `_x509/store.py`'s business.
"""

from __future__ import annotations

import os
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from puretls._api import native, pem
from puretls._api.errors import SSLError, fault_error, ssl_error
from puretls._api.pem import pem_error
from puretls._base.faults import Abort
from puretls._x509 import certificate
from puretls._x509.crl import Crl
from puretls._x509.store import NOTHING_FOUND, Store

_NUMBERS = {"BAD_END_LINE": 102, "HEADER_TOO_LONG": 123, "NO_CERTIFICATE_OR_CRL_FOUND": 136, "NOT_ENOUGH_DATA": 142}

# Where distributions keep their bundle, for interpreters whose OpenSSL looks elsewhere or that have none.
_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # BSDs, macOS
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
)
_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/system/etc/security/cacerts")


def openssl_paths() -> tuple[str, str, str, str]:
    """The environment's name of a CA file, the file, the name of a directory, the directory."""
    if native.ssl is not None:
        return native._ssl.get_default_verify_paths()  # type: ignore[no-any-return]  # such a tuple
    file = next(filter(os.path.isfile, _FILES), _FILES[0])
    directory = next(filter(os.path.isdir, _DIRECTORIES), _DIRECTORIES[0])
    return "SSL_CERT_FILE", file, "SSL_CERT_DIR", directory


def load_defaults(store: Store) -> None:
    """What the system trusts; as with OpenSSL, what cannot be read is not trusted and not reported."""
    file_env, file, path_env, path = openssl_paths()
    file, path = os.environ.get(file_env, file), os.environ.get(path_env, path)
    files, directories = [file], path.split(os.pathsep)
    if file_env not in os.environ and path_env not in os.environ and not _any_exist(file, *directories):
        files = [next(filter(os.path.isfile, _FILES), file)]
    for name in filter(os.path.isfile, files):
        try:
            store.add_file(name)
        except (Abort, OSError):
            continue
    for directory in filter(os.path.isdir, directories):
        store.add_directory(directory)


def _any_exist(*paths: str) -> bool:
    return any(map(os.path.exists, paths))


def load(store: Store, cafile: Any, capath: Any, cadata: Any) -> None:
    """SSLContext.load_verify_locations()."""
    if cafile is None and capath is None and cadata is None:
        raise TypeError("cafile, capath and cadata cannot be all omitted")
    for name, value in (("cafile", cafile), ("capath", capath)):
        if value is not None and not isinstance(value, str | bytes | os.PathLike):
            raise TypeError(f"{name} should be a valid filesystem path")
    if cadata is not None:
        load_data(store, cadata)
    if cafile is not None:
        _load_file(store, os.fsdecode(cafile))
    if capath is not None:
        store.add_directory(os.fsdecode(capath))


def _load_file(store: Store, name: str) -> None:
    try:
        store.add_file(name)
    except Abort as abort:
        if abort.fault is not NOTHING_FOUND:
            raise pem_error("X509") from None
        with open(name, "rb") as file:  # noqa: PTH123  # a name, as everywhere here
            items, rest = pem.der_items(file.read())
        if rest or not items:
            raise _error(abort) from None
        _add_items(store, items)


def _error(abort: Abort) -> SSLError:
    return fault_error(abort.fault, abort.detail, _NUMBERS.get(abort.fault.reason, 0))


def load_data(store: Store, cadata: Any) -> None:
    """PEM text, DER bytes, or `cryptography` objects."""
    if isinstance(cadata, x509.Certificate | x509.CertificateRevocationList):
        cadata = [cadata]
    if isinstance(cadata, list | tuple):
        for item in cadata:
            _load_object(store, item)
        return
    if isinstance(cadata, str):
        if not cadata.isascii():
            raise TypeError("cadata should be an ASCII string or a bytes-like object")
        data = cadata.encode("ascii")
    else:
        try:
            data = bytes(memoryview(cadata))
        except TypeError:
            raise TypeError("cadata should be an ASCII string or a bytes-like object") from None
    if not data:
        raise ValueError("Empty certificate data")
    if isinstance(cadata, str) or pem.is_pem(data):
        _load_pem(store, data)
    else:
        _load_der(store, data)


def _load_object(store: Store, item: Any) -> None:
    if isinstance(item, x509.Certificate):
        store.add(certificate.load(item.public_bytes(Encoding.DER)))
    elif isinstance(item, x509.CertificateRevocationList):
        store.add_crl(Crl(item.public_bytes(Encoding.DER)))
    else:
        raise TypeError("cadata should be an ASCII string or a bytes-like object")


def _nothing(reason: str) -> SSLError:
    return ssl_error(0, f"{reason}: cadata does not contain a certificate")


def _load_pem(store: Store, data: bytes) -> None:
    try:
        found = store.add_pem(data)
    except Abort as abort:
        raise (_error(abort) if _begins_well(data) else _nothing("no start line")) from None
    if not found:
        raise _nothing("no start line")


def _begins_well(data: bytes) -> bool:
    """Whether the first certificate is a good one, so that the error is about a later one."""
    try:
        certificate.load(next(pem.decode(body) for _, body, _ in pem.blocks(data)))
    except (StopIteration, ValueError, SSLError):
        return False
    return True


def _load_der(store: Store, data: bytes) -> None:
    items, rest = pem.der_items(data)
    if not items:
        raise _nothing("not enough data")
    _add_items(store, items)
    if rest:
        reason = "NOT_ENOUGH_DATA" if len(rest) > 1 else "HEADER_TOO_LONG"
        raise ssl_error(_NUMBERS[reason], reason.lower().replace("_", " "), reason=reason, library="ASN1")


def _add_items(store: Store, items: list[bytes]) -> None:
    """Certificates and CRLs, all of them or none."""
    found = [_certificate_or_crl(der) for der in items]
    for item in found:
        if isinstance(item, Crl):
            store.add_crl(item)
        else:
            store.add(item)


def _certificate_or_crl(der: bytes) -> certificate.Certificate | Crl:
    try:
        return certificate.load(der)
    except ValueError:
        pass
    try:
        return Crl(der)
    except ValueError:
        raise _nothing("not enough data") from None
