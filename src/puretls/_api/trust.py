"""What an SSLContext trusts: load_verify_locations() and the default locations, with the errors of `ssl`.

Beyond `ssl`, `cadata` may be `cryptography` certificates and CRLs, bytes may contain PEM, and CRLs and files may be
DER.  `_x509/store.py` looks things up in a store.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cryptography import x509

from puretls._api import native, pem
from puretls._api.errors import SSLError, fault_error, noted, ssl_error
from puretls._api.pem import pem_error
from puretls._api.types import StrOrBytesPath
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._x509 import certificate
from puretls._x509.pem import BAD_BASE64, BAD_END_LINE, CERTIFICATES, blocks, decoded
from puretls._x509.store import BAD_DER, NOTHING_FOUND, Bundle, Store, load_file, parse_pem

if TYPE_CHECKING:
    from puretls._x509 import crl
    from puretls._x509.crl import Crl
    from puretls._x509.odd import Odd
else:
    crl = deferred("puretls._x509.crl")

_NUMBERS = {BAD_BASE64: 100, BAD_END_LINE: 102, NOTHING_FOUND: 136, BAD_DER: 524301}

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
    """Trust what the system trusts; as with OpenSSL, a file that cannot be read is ignored without an error."""
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
        store.add_directories(directory)


def _any_exist(*paths: str) -> bool:
    return any(map(os.path.exists, paths))


def load(store: Store, cafile: Any, capath: Any, cadata: Any) -> None:
    """SSLContext.load_verify_locations().  Everything is read before anything is trusted: all of it, or nothing."""
    if cafile is None and capath is None and cadata is None:
        raise TypeError("cafile, capath and cadata cannot be all omitted")
    for name, value in (("cafile", cafile), ("capath", capath)):
        if value is not None and not isinstance(value, str | bytes | os.PathLike):
            raise TypeError(f"{name} should be a valid filesystem path")
    data = None if cadata is None else _read_data(cadata)
    file = None if cafile is None else read_file(_named(cafile))
    directories = None if capath is None else _checked_path(_named(capath))
    if data is not None:
        store.add_each(data)
    if file is not None:
        store.add_bundle(file)
    if directories is not None:
        store.add_directories(directories)


def _checked_path(capath: str) -> str:
    if not capath:  # not what an empty part of a path means to a shell
        raise ssl_error(113, "invalid directory", reason="INVALID_DIRECTORY", library="X509")
    return capath


def _named(path: StrOrBytesPath) -> str:
    """The name of a file or directory; what Python says of one with a zero in it differs from call to call."""
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError("embedded null byte")
    return name


def read_file(name: str) -> Bundle:
    """What is in a file, PEM or DER; SSLError if there is nothing."""
    try:
        bundle = load_file(name)
    except Abort as abort:
        raise pem_error("X509", f"{name}: {abort.detail or abort.fault.text}") from None
    if not bundle.empty:
        return bundle
    with open(name, "rb") as file:  # noqa: PTH123  # a name, as everywhere here
        items, rest = pem.der_items(file.read())
    if rest or not items:
        raise _error(Abort(NOTHING_FOUND, name))
    return _bundle(items)


def _error(abort: Abort) -> SSLError:
    return fault_error(abort.fault, abort.detail, _NUMBERS[abort.fault])


def _read_data(cadata: Any) -> Bundle:
    """PEM text, DER bytes, or `cryptography` objects."""
    if isinstance(cadata, x509.Certificate | x509.CertificateRevocationList):
        cadata = [cadata]
    if isinstance(cadata, list | tuple):
        return _bundle([_encoded(item) for item in cadata])
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
    return _read_pem(data) if isinstance(cadata, str) or pem.is_pem(data) else _read_der(data)


def _encoded(item: Any) -> bytes:
    if isinstance(item, x509.Certificate | x509.CertificateRevocationList):
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # they come with it

        return item.public_bytes(Encoding.DER)
    raise TypeError("cadata should be an ASCII string or a bytes-like object")


def _nothing(reason: str, detail: str = "") -> SSLError:
    return noted(ssl_error(0, f"{reason}: cadata does not contain a certificate"), detail)


def _read_pem(data: bytes) -> Bundle:
    try:
        bundle = parse_pem(data)
        bundle.named()
    except Abort as abort:
        raise (_error(abort) if _begins_well(data) else _nothing("no start line", abort.detail)) from None
    if not bundle.certificates:
        raise _nothing("no start line")
    return bundle


def _begins_well(data: bytes) -> bool:
    """Whether the first certificate can be read, so that the error is about a later one."""
    try:
        body = next(body for label, body, _ in blocks(data) if label in CERTIFICATES)
        return bool(certificate.listed(decoded(body)))
    except (StopIteration, ValueError, Abort):
        return False


def _read_der(data: bytes) -> Bundle:
    items, rest = pem.der_items(data)
    if not items:
        raise _nothing("not enough data")
    bundle = _bundle(items)
    if rest:
        reason = "NOT_ENOUGH_DATA" if len(rest) > 1 else "HEADER_TOO_LONG"
        number = 142 if len(rest) > 1 else 123
        raise ssl_error(number, reason.lower().replace("_", " "), reason=reason, library="ASN1")
    if not bundle.certificates:
        raise _nothing("not enough data")
    return bundle


def _bundle(items: list[bytes]) -> Bundle:
    """Load certificates and CRLs, whichever each of them is."""
    certificates: list[certificate.Certificate] = []
    crls: list[Crl | Odd] = []
    for der in items:
        try:
            certificates.append(certificate.listed(der))
            continue
        except ValueError as error:
            why = str(error)
        try:
            crls.append(crl.listed_crl(der))
        except ValueError:
            raise _nothing("not enough data", why) from None
    bundle = Bundle(certificates, crls)
    bundle.named()
    return bundle
