"""`puretls ca revoke` and `crl`: the list of certificates that are good no more (RFC 5280 5), beside the CA.

The list is `ca-crl.pem`, and the record of what was revoked at the same time: it is read, added to and replaced at one
moment, by one program at a time.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from puretls.cli import portrait
from puretls.cli.authority import Development, replaced
from puretls.cli.certs import Authority
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.issuing import certificate_of
from puretls.cli.render import screen

REASONS = {
    "unspecified": None,
    "key-compromise": x509.ReasonFlags.key_compromise,
    "affiliation-changed": x509.ReasonFlags.affiliation_changed,
    "superseded": x509.ReasonFlags.superseded,
    "cessation-of-operation": x509.ReasonFlags.cessation_of_operation,
}


def add_revoke(parser: argparse.ArgumentParser) -> None:
    """The arguments of `revoke`."""
    parser.epilog = (
        "examples:\n"
        "  puretls ca revoke app.test.pem --reason key-compromise\n"
        "  puretls ca revoke 5f1c...                        by its serial number, in hexadecimal\n"
    )
    parser.add_argument("which", metavar="FILE|SERIAL", help="a certificate of this CA, or its serial number")
    parser.add_argument("--reason", choices=REASONS, default="unspecified", help="why (default: unspecified)")


def revoke(arguments: argparse.Namespace, development: Development) -> int:
    """Add a certificate to the list."""
    ca = development.load()
    builder = x509.RevokedCertificateBuilder().serial_number(_serial(arguments.which, development))
    builder = builder.revocation_date(datetime.now(timezone.utc))
    flag = REASONS[arguments.reason]
    if flag is not None:
        builder = builder.add_extension(x509.CRLReason(flag), critical=False)
    path = _update(development, ca, builder.build())
    shown = screen()
    shown.good(f"revoked; {path} is the list")
    shown.pairs([("for servers and clients", "load_verify_locations() of it, and VERIFY_CRL_CHECK_LEAF")])
    return 0


def add_crl(parser: argparse.ArgumentParser) -> None:
    """The arguments of `crl`."""
    parser.add_argument("--pem", action="store_true", help="print it, and nothing else")


def crl(arguments: argparse.Namespace, development: Development) -> int:
    """The list, made anew: it is good for a month."""
    path = _update(development, development.load())
    if arguments.pem:
        print(path.read_text("ascii"), end="")
        return 0
    found = x509.load_pem_x509_crl(path.read_bytes())
    shown = screen()
    shown.good(f"{path}, good until {found.next_update_utc:%Y-%m-%d}")
    shown.pairs([(f"{one.serial_number:x}", f"revoked {one.revocation_date_utc:%Y-%m-%d}") for one in found])
    return 0


def _serial(which: str, development: Development) -> int:
    path = Path(which)
    if path.exists():
        return certificate_of(path, development).serial_number
    try:
        serial = int(which.replace(":", ""), 16)
    except ValueError:
        raise Misuse(f"{which}: neither a file that is there nor a serial number in hexadecimal") from None
    if not 0 < serial < 1 << 159:
        raise Misuse(f"{which}: not a serial number (RFC 5280 4.1.2.2)")
    return serial


def _update(development: Development, ca: Authority, *entries: x509.RevokedCertificate) -> Path:
    path = development.folder / "ca-crl.pem"
    try:
        with _alone(development.folder / ".ca-crl.lock"):
            replaced(path, ca.revoke(_list(path, ca), *entries))
    except OSError as error:
        raise Failure(f"{path}: {reason(error)}") from None
    return path


def _list(path: Path, ca: Authority) -> x509.CertificateRevocationList | None:
    """The list that is there.  It is the record: one that cannot be read, or is somebody else's, is not replaced."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        found = x509.load_pem_x509_crl(data)
        if found.is_signature_valid(ca.key.public_key()):
            portrait.extensions(found).get_extension_for_class(x509.CRLNumber)
            return found
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
        pass
    raise Failure(f"{path} is not a list of this CA's: move it away")


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise Failure(f"another program is changing the list; if none is, remove {lock}") from None
    try:
        yield
    finally:
        lock.unlink()
