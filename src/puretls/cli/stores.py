"""Where a machine keeps the CAs it trusts: the system's store and the NSS databases of browsers.

Each store knows whether it has a CA, how to add it and how to take it away. Nothing asks for more rights than the user
has: what they do not suffice for is a Failure with the command to run instead.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from puretls.cli.authority import fingerprint
from puretls.cli.failure import Failure, reason
from puretls.cli.home import home
from puretls.cli.text import decoded

SYSTEM_PROGRAMS = os.pathsep.join(("/usr/sbin", "/sbin", "/usr/local/sbin"))  # not on everybody's PATH


@dataclass(frozen=True)
class Root:
    """The CA certificate, and the file that has it."""

    certificate: x509.Certificate
    file: Path

    @property
    def nickname(self) -> str:
        """What stores know it by; no other certificate has the same."""
        return f"puretls-ca-{fingerprint(self.certificate)[:16]}"


class Store:
    """A place where trusted CAs are kept."""

    label: str

    def has(self, root: Root) -> bool:
        """Whether the CA is trusted there."""
        raise NotImplementedError

    def add(self, root: Root) -> None:
        """Have it trusted."""
        raise NotImplementedError

    def remove(self, root: Root) -> None:
        """No longer."""
        raise NotImplementedError


def program(name: str) -> str | None:
    """Where a program is, if it is installed."""
    return shutil.which(name) or shutil.which(name, path=SYSTEM_PROGRAMS)


def by_hand(*commands: Sequence[object]) -> str:
    """Commands as one types them."""
    return " && ".join(shlex.join(map(str, command)) for command in commands)


def call(*command: object) -> str:
    """Run a program; Failure with what it says if it fails."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603 - no shell
    except OSError as error:
        raise Failure(f"{words[0]}: {reason(error)}") from None
    if done.returncode:
        said = decoded((done.stderr or done.stdout).strip()) or f"exit status {done.returncode}"
        raise Failure(f"{shlex.join(words)}: {said}")
    return done.stdout.decode("utf-8", "replace")


class Anchors(Store):
    """A directory of certificates and a program that makes the system's bundle from it: most Linux systems."""

    links = Path("/etc/ssl/certs")  # where some systems link to them

    def __init__(self, folder: Path, suffix: str, *command: str) -> None:
        self.folder, self.suffix, self.command = folder, suffix, command
        self.label = f"the system ({folder})"

    def file(self, root: Root) -> Path:
        """Where the certificate goes."""
        return self.folder / (root.nickname + self.suffix)

    def has(self, root: Root) -> bool:
        """It is there."""
        return self.file(root).exists()

    def add(self, root: Root) -> None:
        """Put it there and have the bundle made."""
        file = self.file(root)
        if not os.access(self.folder, os.W_OK):
            copy = ("sudo", "install", "-m", "644", root.file, file)
            raise Failure(f"needs an administrator: {by_hand(copy, ('sudo', *self.command))}")
        file.write_bytes(root.certificate.public_bytes(Encoding.PEM))
        file.chmod(0o644)
        try:
            call(*self.command)
        except Failure:
            file.unlink()
            raise

    def remove(self, root: Root) -> None:
        """Take it away and have the bundle made."""
        file = self.file(root)
        if not os.access(self.folder, os.W_OK):
            raise Failure(f"needs an administrator: {by_hand(('sudo', 'rm', file), ('sudo', *self.command))}")
        file.unlink(missing_ok=True)
        for link in self.links.glob("*"):  # update-ca-certificates leaves them, leading nowhere
            if link.is_symlink() and link.readlink().stem == root.nickname:
                link.unlink()
        call(*self.command)


ANCHORS = (
    ("/usr/local/share/ca-certificates", ".crt", "update-ca-certificates"),  # Debian, Ubuntu, Alpine
    ("/etc/pki/ca-trust/source/anchors", ".pem", "update-ca-trust"),  # Fedora, RHEL
    ("/etc/ca-certificates/trust-source/anchors", ".crt", "update-ca-trust"),  # Arch
    ("/usr/share/pki/trust/anchors", ".pem", "update-ca-certificates"),  # SUSE
)


class Keychain(Store):
    """macOS: the user's login keychain; the system asks the user for a password."""

    label = "the login keychain"
    keychain = Path("Library/Keychains/login.keychain-db")

    def has(self, root: Root) -> bool:
        """It is there and trusted."""
        try:
            call("security", "verify-cert", "-c", root.file, "-l", "-L")
        except Failure:
            return False
        return True

    def add(self, root: Root) -> None:
        """Add it as a root to trust."""
        call("security", "add-trusted-cert", "-r", "trustRoot", "-k", home() / self.keychain, root.file)

    def remove(self, root: Root) -> None:
        """Take away the trust, and the certificate."""
        call("security", "remove-trusted-cert", root.file)
        call("security", "delete-certificate", "-Z", sha1(root), home() / self.keychain)


class WindowsRoot(Store):
    """Windows: the user's store of roots; the system asks the user to confirm."""

    label = "the user's Windows certificate store"

    def has(self, root: Root) -> bool:
        """It is there."""
        try:
            call("certutil", "-user", "-verifystore", "Root", sha1(root))
        except Failure:
            return False
        return True

    def add(self, root: Root) -> None:
        """Add it."""
        call("certutil", "-user", "-f", "-addstore", "Root", root.file)

    def remove(self, root: Root) -> None:
        """Take it away."""
        call("certutil", "-user", "-delstore", "Root", sha1(root))


def sha1(root: Root) -> str:
    """The name these systems have for a certificate."""
    return root.certificate.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303 - a name, not a protection


class Nss(Store):
    """A database of NSS: Firefox has one in each profile, Chromium on Linux one for the user."""

    def __init__(self, folder: Path, browser: str) -> None:
        self.folder = folder
        self.label = f"{browser} ({folder})"

    @property
    def database(self) -> str:
        """As certutil wants it."""
        return f"sql:{self.folder}"

    def has(self, root: Root) -> bool:
        """It is there, and trusted to issue to servers: the first of its flags has a C."""
        try:
            listed = call(self.certutil(), "-L", "-d", self.database)
        except Failure:
            return False
        flags = (line.split()[-1] for line in listed.splitlines() if line.startswith(f"{root.nickname} "))
        return any("C" in one.partition(",")[0] for one in flags)

    def add(self, root: Root) -> None:
        """Add it as a CA that issues to servers."""
        certutil = self.certutil("-A", "-d", self.database, "-t", "C,,", "-n", root.nickname, "-i", root.file)
        if not (self.folder / "cert9.db").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            call(certutil, "-N", "-d", self.database, "--empty-password")
        call(certutil, "-A", "-d", self.database, "-t", "C,,", "-n", root.nickname, "-i", root.file)

    def remove(self, root: Root) -> None:
        """Take it away."""
        certutil = self.certutil("-D", "-d", self.database, "-n", root.nickname)
        call(certutil, "-D", "-d", self.database, "-n", root.nickname)

    @staticmethod
    def certutil(*then: object) -> str:
        """The program; Failure if it is not installed, with what to do once it is."""
        found = program("certutil")
        if not found:
            what = f", then: {by_hand(('certutil', *then))}" if then else ""
            raise Failure(f"needs certutil (Debian: libnss3-tools, Fedora: nss-tools, Homebrew: nss){what}")
        return found


CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")
CHROMIUM_FOLDERS = (".pki/nssdb", "snap/chromium/current/.pki/nssdb")
FIREFOX_FOLDERS = (
    ".mozilla/firefox",
    ".config/mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    "Library/Application Support/Firefox/Profiles",
)


def stores() -> Iterator[Store]:
    """Those of this machine and user."""
    if sys.platform == "win32":
        yield WindowsRoot()
        return  # Firefox takes what Windows trusts, and certutil is another program here
    if sys.platform == "darwin":
        yield Keychain()
    else:
        yield from system_anchors()
    yield from browsers(home())


def system_anchors() -> Iterator[Store]:
    """The system's store, on Linux and its kin."""
    for folder, suffix, command in ANCHORS:
        found = program(command)
        if found and Path(folder).is_dir():
            yield Anchors(Path(folder), suffix, found)
            return


def browsers(home: Path) -> Iterator[Store]:
    """The browsers' databases below a home directory."""
    first, *others = (home / folder for folder in CHROMIUM_FOLDERS)
    if sys.platform != "darwin" and ((first / "cert9.db").exists() or any(map(shutil.which, CHROMIUM))):
        yield Nss(first, "Chromium")
    yield from (Nss(folder, "Chromium") for folder in others if (folder / "cert9.db").exists())
    for folder in FIREFOX_FOLDERS:
        for database in sorted((home / folder).glob("*/cert9.db")):
            yield Nss(database.parent, "Firefox")
