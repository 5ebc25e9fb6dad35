"""`puretls ca issue` and `renew`: certificates for new keys, for keys of others, and the same again before they end."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from puretls._base.tuples import NamedTuple
from puretls.cli import authority, stores
from puretls.cli.authority import Development, replaced, write_new
from puretls.cli.certs import KINDS, Authority, Identity
from puretls.cli.client import first_line
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.render import Plain, describe, screen
from puretls.cli.typing_in import typed

DAYS = 365.0


def add_issue(parser: argparse.ArgumentParser) -> None:
    """The arguments of `issue`."""
    parser.epilog = (
        "examples:\n"
        "  puretls ca issue localhost 127.0.0.1 ::1\n"
        "  puretls ca issue '*.app.test' app.test --kind RSA --out /srv/app\n"
        "  puretls ca issue app.test --cert-file tls.crt --key-file tls.key\n"
        "  puretls ca issue --csr app.csr                   the key stays where it is\n"
        "  puretls ca issue alice@example.org --client --days 30 --pkcs12\n"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a host, *.host, an address, a mailbox or a URI")
    parser.add_argument(
        "--csr", type=Path, metavar="FILE", help="for the key of this request (PEM or DER), and its names unless given"
    )
    parser.add_argument("--client", action="store_true", help="for a client, which shows who it is")
    add_kind(parser)
    add_days(parser, DAYS)
    parser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="where the files go (default: here)")
    parser.add_argument("--cert-file", type=Path, metavar="FILE", help="the certificate's file (default: NAME.pem)")
    parser.add_argument("--key-file", type=Path, metavar="FILE", help="the key's file (default: NAME-key.pem)")
    parser.add_argument(
        "--pkcs12", "--p12", action="store_true", help="both, and the CA's certificate, in NAME.p12 instead"
    )
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="the first line is the password of --pkcs12 (else: typed)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")


def issue(arguments: argparse.Namespace, development: Development) -> int:
    """A certificate, and unless it is for a request its key, in new files."""
    if arguments.csr and (arguments.pkcs12 or arguments.key_file):
        raise Misuse("--csr leaves the key where it is: --pkcs12 and --key-file have nothing to keep")
    request = _request(arguments.csr) if arguments.csr else None
    names = arguments.names or (requested_names(request) if request else [])
    if not names:
        raise Misuse("who is it for? NAME... or a --csr with names")
    password = _password(arguments.password_file) if arguments.pkcs12 else b""
    ca = development.load_or_make()
    options = {"days": arguments.days, "client": arguments.client}
    if request:
        made = Identity(authority.certified(ca, request.public_key(), names, **options), None)
    else:
        made = authority.leaf(ca, names, kind=arguments.kind, **options)
    stem = "".join(one if one.isalnum() or one in "-._@" else "_" for one in names[0]).lstrip(".")
    files: list[File] = []
    if arguments.pkcs12:
        files.append(File("PKCS #12", arguments.out / f"{stem}.p12", _bundle(stem, made, ca, password), private=True))
    else:
        if made.key is not None:
            place = arguments.key_file or arguments.out / f"{stem}-key.pem"
            files.append(File("private key", place, made.key_pem, private=True))
        place = arguments.cert_file or arguments.out / f"{stem}.pem"
        files.append(File("certificate", place, made.chain_pem, private=False))
    _write(files, force=arguments.force)
    shown = screen()
    shown.good(describe(made.certificate))
    shown.pairs([(one.what, str(one.path)) for one in reversed(files)] + [("CA", str(development.certificate_file))])
    hint_at_trust(shown, development, ca)
    return 0


class File(NamedTuple):
    """What is to be written."""

    what: str
    path: Path
    data: bytes
    private: bool


def _write(files: list[File], *, force: bool) -> None:
    for one in files:
        if one.path.exists() and not force:
            raise Failure(f"{one.path} is there already; --force replaces it")
    for one in files:
        try:
            if force:
                one.path.unlink(missing_ok=True)
            write_new(one.path, one.data, private=one.private)
        except OSError as error:
            raise Failure(f"{one.path}: {reason(error)}") from None


def hint_at_trust(shown: Plain, development: Development, ca: Authority) -> None:
    """Say that the CA has to be trusted, as long as no store trusts it."""
    root = stores.Root(ca.certificate, development.certificate_file)
    with suppress(Failure, OSError):
        if not any(store.has(root) for store in stores.stores()):
            shown.pairs([("not trusted yet", "puretls ca trust has this machine's system and browsers trust the CA")])


# renew


def add_renew(parser: argparse.ArgumentParser) -> None:
    """The arguments of `renew`."""
    parser.epilog = (
        "example:\n  puretls ca renew app.test.pem                    for the same names and key, in the same file\n"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a certificate of this CA, which is replaced")
    add_days(parser, None)


def renew(arguments: argparse.Namespace, development: Development) -> int:
    """Renew a certificate: the same content for the same key and the same length of time, in its old place."""
    ca, old = development.load(), certificate_of(arguments.file, development)
    names = requested_names(old)
    lasted = (old.not_valid_after_utc - old.not_valid_before_utc).total_seconds() / 86400 - 1
    days = arguments.days or max(lasted, 1)
    made = authority.certified(ca, old.public_key(), names, days=days, client=_is_for_a_client(old))
    try:
        replaced(arguments.file, made.public_bytes(Encoding.PEM))
    except OSError as error:
        raise Failure(f"{arguments.file}: {reason(error)}") from None
    shown = screen()
    shown.good(describe(made))
    shown.pairs([("certificate", str(arguments.file)), ("private key", "as before")])
    return 0


def certificate_of(path: Path, development: Development) -> x509.Certificate:
    """A certificate that this CA has signed; Failure if the file holds another, or none."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise Failure(f"{path}: {reason(error)}") from None
    except ValueError:
        raise Failure(f"{path}: not a certificate in PEM") from None
    try:
        found.verify_directly_issued_by(development.load().certificate)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise Failure(f"{path}: not a certificate of the CA in {development.folder}") from None
    return found


def requested_names(asked: x509.Certificate | x509.CertificateSigningRequest) -> list[str]:
    """The names in subjectAltName, or else the common names."""
    with suppress(x509.ExtensionNotFound):
        found = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kinds = x509.DNSName | x509.IPAddress | x509.RFC822Name | x509.UniformResourceIdentifier
        return [str(name.value) for name in found if isinstance(name, kinds)]
    return [str(name.value) for name in asked.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]


def _is_for_a_client(certificate: x509.Certificate) -> bool:
    with suppress(x509.ExtensionNotFound):
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return ExtendedKeyUsageOID.CLIENT_AUTH in usages
    return False


def _request(path: Path) -> x509.CertificateSigningRequest:
    """Somebody's request, made with the key it is for.  Only its key and names are heeded: it cannot ask to be a CA."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Failure(f"--csr {path}: {reason(error)}") from None
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
        whole = found.is_signature_valid
        requested_names(found)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise Failure(f"--csr {path}: not a certificate signing request") from None
    if not whole:
        raise Failure(f"--csr {path}: it is not signed with the key that it is for")
    return found


def _bundle(name: str, made: Identity, ca: Authority, password: bytes) -> bytes:
    others = [*made.intermediates, ca.certificate]
    return pkcs12.serialize_key_and_certificates(
        name.encode(), made.key, made.certificate, others, BestAvailableEncryption(password)
    )


def _password(file: Path | None) -> bytes:
    """The password of the PKCS #12 file: the first line of a file, or typed."""
    if file:
        found = first_line(file)
    else:
        typed_in = typed("Password for the PKCS #12 file: ")
        if typed_in is None:
            raise Failure("--pkcs12 needs a password, and there is no terminal to ask for it: --password-file FILE")
        found = typed_in
    if not found:
        raise Failure("--pkcs12 needs a password: that of the file is empty")
    return found.encode()


# What several actions take


def add_kind(parser: argparse.ArgumentParser) -> None:
    """--kind."""
    parser.add_argument(
        "--kind", choices=KINDS, default="P-256", metavar="KIND", help=f"of key: {', '.join(KINDS)} (default P-256)"
    )


def add_days(parser: argparse.ArgumentParser, default: float | None) -> None:
    """--days; without a default: as long as before."""
    said = "as before" if default is None else f"{default:g}"
    parser.add_argument(
        "--days", type=number_of_days, default=default, metavar="N", help=f"how long it is good (default {said})"
    )


def number_of_days(text: str) -> float:
    """A time in days; a type for argparse."""
    try:
        days = float(text)
    except ValueError:
        days = 0
    if not 0 < days < 36525:
        raise argparse.ArgumentTypeError(f"not a number of days: {text!r}")
    return days
