"""The development CA on disk: made once, never overwritten, with a private key that only its owner can read.

`ca-key.pem` holds the private key and the root certificate, so the CA is created as a whole or not at all, and only
once even if two programs create it at the same time. `ca.pem` is a copy of the certificate, for others to trust.
"""

from __future__ import annotations

import getpass
import ipaddress
import os
import platform
import re
import stat
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from puretls import SSLCertVerificationError, verify_chain
from puretls.cli.certs import LONGEST_COMMON_NAME, Authority, Identity
from puretls.cli.failure import Failure, Misuse, reason
from puretls.cli.home import home
from puretls.cli.idn import a_labels

VARIABLE = "PURETLS_CA"
YEARS = 10
LONGEST_HOST = 253
HOST = re.compile(r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)


def directory(chosen: Path | None = None) -> Path:
    """Where the CA lives: as chosen, as the environment says, or where this platform keeps a user's data."""
    if chosen or os.environ.get(VARIABLE):
        return Path(chosen or os.environ[VARIABLE])
    if user := os.environ.get("SUDO_USER"):
        raise Failure(f"with sudo this would be root's CA, and not {user}'s: go without, or say which with --ca DIR")
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or home() / ".local" / "share")
    return base / "puretls" / "ca"


class MadeAlready(Failure):
    """The CA exists already."""


class Development:
    """The CA of one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_file, self.key_file = folder / "ca.pem", folder / "ca-key.pem"

    @property
    def exists(self) -> bool:
        """Whether it has been made."""
        try:
            return self.key_file.exists()
        except OSError as error:  # a directory that is closed to us
            raise Failure(f"{self.key_file}: {reason(error)}") from None

    def make(
        self,
        *,
        kind: str = "P-256",
        name: str = "",
        days: float = YEARS * 365.25,
        path_length: int | None = 0,
        only: Sequence[str] = (),
    ) -> Authority:
        """A new root, with so many CAs allowed below it (None: any number); Failure if there is one already.

        `only`: the hosts and networks that it is good for; Misuse if one is none.
        """
        only = [within_reach(one) for one in only]
        name = (name or f"puretls development CA ({owner()})")[:LONGEST_COMMON_NAME]
        authority = Authority(name, kind=kind, days=days, path_length=path_length, only=only)
        key = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_new(self.key_file, key + authority.pem, private=True)
        except FileExistsError:
            raise MadeAlready(f"{self.key_file} is there already, and a CA is never overwritten") from None
        except OSError as error:
            raise Failure(f"{self.folder}: {reason(error)}") from None
        self.publish(authority)
        return authority

    def load(self) -> Authority:
        """The existing CA; Failure if there is none, or its files are not as expected, or can be read by others."""
        try:
            with self.key_file.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read()
        except FileNotFoundError:
            raise Failure(f"there is no CA in {self.folder}: puretls ca init makes one") from None
        except OSError as error:
            raise Failure(f"{self.key_file}: {reason(error)}") from None
        if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
            raise Failure(f"{self.key_file} is open to others than its owner: chmod 600 {self.key_file}")
        try:
            key = load_pem_private_key(data, None)
            certificate = x509.load_pem_x509_certificate(data)
        except (ValueError, TypeError) as error:
            raise Failure(f"{self.key_file}: not a CA's key and certificate: {error}") from None
        if key.public_key() != certificate.public_key():
            raise Failure(f"{self.key_file}: the key is not the certificate's")
        if certificate.not_valid_after_utc < datetime.now(timezone.utc):
            raise Failure(f"the CA in {self.folder} has expired: remove it (puretls ca untrust first) and make another")
        authority = Authority.of(certificate, key)
        self.publish(authority)
        return authority

    def load_or_make(self) -> Authority:
        """The CA; made if this is the first time it is needed."""
        if not self.exists:
            with suppress(MadeAlready):  # by another program, at the same moment
                return self.make()
        return self.load()

    def publish(self, authority: Authority) -> None:
        """Leave a copy of the certificate for others; Failure if something else is there by that name."""
        try:
            if not self.certificate_file.exists():  # else the directory need not be writable
                with suppress(FileExistsError):
                    write_new(self.certificate_file, authority.pem)
            if self.certificate_file.read_bytes() == authority.pem:
                return
        except OSError as error:
            raise Failure(f"{self.certificate_file}: {reason(error)}") from None
        raise Failure(f"{self.certificate_file} is not the certificate of {self.key_file}")


def owner() -> str:
    """The owner of the CA, so that people recognise it in a list of trusted ones."""
    try:
        return f"{getpass.getuser()}@{platform.node()}"
    except (OSError, KeyError, ImportError):  # a user without a name
        return platform.node()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def write_new(path: Path, data: bytes, *, private: bool = False) -> None:
    """Create a file that is complete from its first moment; FileExistsError if it exists."""
    descriptor, name = tempfile.mkstemp(prefix=".puretls-", dir=path.parent)  # 0600
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
        if not private:
            Path(name).chmod(0o644)
        os.link(name, path)
    finally:
        Path(name).unlink()


def replaced(path: Path, data: bytes) -> None:
    """Replace the content of a public file, which is complete at every moment."""
    descriptor, name = tempfile.mkstemp(prefix=".puretls-", dir=path.parent)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def leaf(authority: Authority, names: list[str], *, kind: str, days: float, client: bool = False) -> Identity:
    """A certificate for these names, that does not outlive the CA; Misuse if a name is none."""
    try:
        made = authority.issue(*map(checked, names), kind=kind, client=client, days=_within(authority, days))
    except ValueError as error:
        raise Misuse(str(error)) from None
    _check_reach(authority, made.certificate, client=client)
    return made


def certified(
    authority: Authority, public_key: Any, names: list[str], *, days: float, client: bool = False
) -> x509.Certificate:
    """The same for a key that somebody else keeps."""
    try:
        made = authority.certify(public_key, *map(checked, names), client=client, days=_within(authority, days))
    except (ValueError, TypeError) as error:
        raise Misuse(str(error)) from None
    _check_reach(authority, made, client=client)
    return made


def reach(certificate: x509.Certificate) -> list[str]:
    """The hosts and networks that a CA is good for; none: for any."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return []
    return [str(one.value) for one in found.permitted_subtrees or ()]


def _check_reach(authority: Authority, made: x509.Certificate, *, client: bool) -> None:
    """Misuse if no verifier would accept the certificate, since the CA is not permitted to have that name."""
    if only := reach(authority.certificate):
        try:
            verify_chain(made, [], authority.certificate, purpose="clientAuth" if client else "serverAuth")
        except SSLCertVerificationError as error:
            raise Misuse(f"the CA is good for {', '.join(only)} only: {error.verify_message}") from None


def within_reach(name: str) -> str:
    """A host or a network that a CA may be good for, as it goes into its certificate."""
    with suppress(ValueError):
        return str(ipaddress.ip_network(name))
    if "://" in name or "@" in name or "*" in name or "/" in name:
        raise Misuse(f"{name!r} is neither a host nor a network: a host stands for all that is below it, too")
    try:
        return checked(name)
    except ValueError as error:
        raise Misuse(str(error)) from None


def _within(authority: Authority, days: float) -> tuple[float, float]:
    left = (authority.certificate.not_valid_after_utc - datetime.now(timezone.utc)).total_seconds() / 86400
    return -1, min(days, left)


def checked(name: str) -> str:
    """A name as it goes into a certificate, in A-labels; ValueError if it cannot."""
    with suppress(ValueError):
        return str(ipaddress.ip_address(name))
    if "://" in name or "@" in name:
        if name.isascii() and name.isprintable() and " " not in name:
            return name
    else:
        host = a_labels(name)
        if HOST.fullmatch(host.lower()) and len(host) <= LONGEST_HOST:
            return host
    raise ValueError(f"not a host name, an address, a mailbox or a URI: {name!r}")
