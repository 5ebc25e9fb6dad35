"""`puretls ca`: what it makes, how it guards it, and that systems and browsers come to trust it, and stop again."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from puretls import (
    VERIFY_CRL_CHECK_LEAF,
    Purpose,
    SSLCertVerificationError,
    create_default_context,
    verify_chain,
)
from puretls.cli.authority import Development, checked
from puretls.cli.certs import Authority
from puretls.cli.failure import Failure
from puretls.cli.issuing import requested_names
from puretls.cli.stores import Anchors, Nss, Root
from support import PATIENCE, need
from support.commands import COMMAND, Done, called, puretls

Ca = Callable[..., Done]


@pytest.fixture
def ca(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Ca:
    """`puretls ca` with a CA of this test, in this process."""

    def run(action: str, *argv: object) -> Done:
        return called(capsys, "ca", action, "--ca", tmp_path / "ca", *argv)

    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def root(tmp_path: Path) -> Root:
    development = Development(tmp_path / "ca")
    return Root(development.load_or_make().certificate, development.certificate_file)


def test_it_is_made_once_and_guarded(ca: Ca, tmp_path: Path) -> None:
    assert ca("init", "--name", "Mine", "--kind", "P-384").status == 0
    folder = tmp_path / "ca"
    assert (mode(folder), mode(folder / "ca-key.pem"), mode(folder / "ca.pem")) == (0o700, 0o600, 0o644)
    assert sorted(path.name for path in folder.iterdir()) == ["ca-key.pem", "ca.pem"]
    before = (folder / "ca-key.pem").read_bytes()
    again = ca("init")
    assert (again.status, again.out) == (1, "")
    assert "never overwritten" in again.err
    assert (folder / "ca-key.pem").read_bytes() == before
    told = json.loads(ca("show", "--json").out)
    assert (told["facts"]["subject"], told["facts"]["key"]) == ("CN=Mine", "P-384")
    assert ca("show", "--pem").out == (folder / "ca.pem").read_text()
    (folder / "ca-key.pem").chmod(0o640)
    opened = ca("show")
    assert opened.status == 1
    assert "chmod 600" in opened.err


def test_two_that_make_it_at_once_have_the_same(tmp_path: Path) -> None:
    """Whoever comes second uses what the first has made, complete."""
    argv = [*COMMAND, "ca", "issue", "--ca", str(tmp_path / "ca")]
    both = [
        subprocess.Popen([*argv, name, "--out", str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for name in ("one.test", "two.test")
    ]
    for process in both:
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
    issuer = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    for name in ("one.test", "two.test"):
        x509.load_pem_x509_certificate((tmp_path / f"{name}.pem").read_bytes()).verify_directly_issued_by(issuer)


def test_the_place_is_the_users_or_the_environments(tmp_path: Path) -> None:
    at_home = puretls("ca", "init", HOME=tmp_path, XDG_DATA_HOME="", PURETLS_CA="", SUDO_USER="")
    assert (at_home.status, at_home.err) == (0, "")
    assert [path.name for path in tmp_path.rglob("ca-key.pem")] == ["ca-key.pem"]
    elsewhere = puretls("ca", "init", HOME=tmp_path, PURETLS_CA=tmp_path / "elsewhere")
    assert (elsewhere.status, (tmp_path / "elsewhere" / "ca.pem").exists()) == (0, True)
    by_sudo = puretls("ca", "trust", HOME=tmp_path, PURETLS_CA="", SUDO_USER="alice")
    assert (by_sudo.status, by_sudo.out) == (1, "")
    assert "with sudo this would be root's CA, and not alice's" in by_sudo.err


@pytest.mark.parametrize("kind", ["P-256", "RSA", "Ed25519"])
def test_issued_certificates_are_good(ca: Ca, tmp_path: Path, kind: str) -> None:
    """For OpenSSL, and for our own strict verification; the key in a file for its owner only."""
    need("openssl")
    names = ("*.app.test", "app.test", "127.0.0.1", "::1", "b\u00fccher.test")
    done = ca("issue", *names, "--kind", kind, "--out", tmp_path)
    assert (done.status, done.err) == (0, "")
    chain, key = tmp_path / "_.app.test.pem", tmp_path / "_.app.test-key.pem"
    assert (mode(key), mode(chain)) == (0o600, 0o644)
    verify = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", tmp_path / "ca" / "ca.pem"]
    for check in ("www.app.test", "app.test", "xn--bcher-kva.test"):
        subprocess.run([*verify, "-verify_hostname", check, chain], check=True, capture_output=True)
    subprocess.run([*verify, "-verify_ip", "::1", chain], check=True, capture_output=True)
    create_default_context(Purpose.CLIENT_AUTH).load_cert_chain(chain, key)
    leaf = x509.load_pem_x509_certificate(chain.read_bytes())
    assert leaf.public_key() == load_pem_private_key(key.read_bytes(), None).public_key()


def test_client_certificates_and_files_that_are_there(ca: Ca, tmp_path: Path) -> None:
    need("openssl")
    issue = ("alice@example.org", "--client", "--days", "3", "--out", tmp_path)
    assert ca("issue", *issue).status == 0
    chain = tmp_path / "alice@example.org.pem"
    verify = ["openssl", "verify", "-purpose", "sslclient", "-verify_email", "alice@example.org"]
    subprocess.run([*verify, "-CAfile", tmp_path / "ca" / "ca.pem", chain], check=True, capture_output=True)
    before = chain.read_bytes()
    refused = ca("issue", *issue)
    assert refused.status == 1
    assert "--force replaces it" in refused.err
    assert chain.read_bytes() == before
    assert ca("issue", *issue, "--force").status == 0
    assert chain.read_bytes() != before


@pytest.mark.parametrize("name", ["", "two words", "-x-", "a..b", "x" * 64, "../up", "new\nline", "a@b c"])
def test_what_is_no_name(ca: Ca, tmp_path: Path, name: str) -> None:
    done = ca("issue", "--out", tmp_path, "--", name)
    assert done.status == 2
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("*.pem"))


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
@pytest.mark.parametrize("kind", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_request_gets_its_names_and_nothing_else(ca: Ca, tmp_path: Path, kind: Any, form: Encoding) -> None:
    """It asks to be a CA, for good: it becomes a leaf for its names, and its key never comes here."""
    need("openssl")
    names = [x509.DNSName("app.test"), x509.IPAddress(ip_address("127.0.0.1"))]
    digest = None if isinstance(kind, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Some CA")]))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(kind, digest)
    )
    file = tmp_path / "app.csr"
    file.write_bytes(request.public_bytes(form))
    done = ca("issue", "--csr", file, "--out", tmp_path)
    assert (done.status, done.err) == (0, "")
    assert sorted(path.name for path in tmp_path.glob("app.test*")) == ["app.test.pem"]
    leaf = x509.load_pem_x509_certificate((tmp_path / "app.test.pem").read_bytes())
    assert leaf.public_key() == kind.public_key()
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names
    verify = ["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "ca" / "ca.pem"]
    subprocess.run([*verify, tmp_path / "app.test.pem"], check=True, capture_output=True)
    assert ca("issue", "other.test", "--csr", file, "--cert-file", tmp_path / "crt").status == 0
    other = x509.load_pem_x509_certificate((tmp_path / "crt").read_bytes())
    assert requested_names(other) == ["other.test"]


def test_requests_that_are_none(ca: Ca, tmp_path: Path) -> None:
    key, file = ec.generate_private_key(ec.SECP256R1()), tmp_path / "csr"
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app.test")])
    good = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    der = bytearray(good.public_bytes(Encoding.DER))
    der[der.index(b"app.test")] ^= 1  # not what was signed
    for data, said in ((bytes(der), "is not signed with the key"), (b"no", "not a certificate signing request")):
        file.write_bytes(data)
        done = ca("issue", "--csr", file)
        assert done.status == 1
        assert said in done.err
    assert "no such file" in ca("issue", "--csr", tmp_path / "none").err
    assert ca("issue").status == 2
    file.write_bytes(good.public_bytes(Encoding.PEM))
    assert ca("issue", "--csr", file, "--pkcs12").status == 2
    assert ca("issue", "--csr", file, "--out", tmp_path).status == 0  # the common name will do


def test_pkcs12_for_browsers_and_java(ca: Ca, tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text("secret\nmore")
    done = ca("issue", "alice@example.org", "--client", "--p12", "--password-file", word, "--out", tmp_path)
    assert (done.status, done.err) == (0, "")
    file = tmp_path / "alice@example.org.p12"
    assert mode(file) == 0o600
    assert not list(tmp_path.glob("alice*.pem"))
    key, leaf, others = pkcs12.load_key_and_certificates(file.read_bytes(), b"secret")
    assert leaf is not None
    assert key is not None
    assert leaf.public_key() == key.public_key()
    assert [one.subject for one in others] == [leaf.issuer]
    create_default_context().load_cert_chain(file, password="secret")
    word.write_text("")
    assert "password" in ca("issue", "x.test", "--p12", "--password-file", word, "--out", tmp_path).err


def test_names_of_files_and_a_hint(ca: Ca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crt, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    class Nobody:
        def has(self, _root: Root) -> bool:
            return False

    monkeypatch.setattr("puretls.cli.stores.stores", lambda: [Nobody()])
    done = ca("issue", "app.test", "--cert-file", crt, "--key-file", key)
    assert "not trusted yet  puretls ca trust" in done.out
    assert (mode(key), mode(crt)) == (0o600, 0o644)
    create_default_context(Purpose.CLIENT_AUTH).load_cert_chain(crt, key)
    monkeypatch.setattr(Nobody, "has", lambda _self, _root: True)
    assert "not trusted yet" not in ca("issue", "app.test", "--cert-file", crt, "--key-file", key, "--force").out


def test_renewed_in_place_for_the_same_key(ca: Ca, tmp_path: Path) -> None:
    ca("issue", "app.test", "127.0.0.1", "--days", "9", "--out", tmp_path)
    file, key = tmp_path / "app.test.pem", (tmp_path / "app.test-key.pem").read_bytes()
    before = x509.load_pem_x509_certificate(file.read_bytes())
    done = ca("renew", file)
    assert (done.status, done.err) == (0, "")
    after = x509.load_pem_x509_certificate(file.read_bytes())
    assert after.serial_number != before.serial_number
    assert (after.public_key(), requested_names(after)) == (before.public_key(), ["app.test", "127.0.0.1"])
    lasts = after.not_valid_after_utc - after.not_valid_before_utc
    assert abs(lasts - (before.not_valid_after_utc - before.not_valid_before_utc)) < timedelta(seconds=5)
    assert (tmp_path / "app.test-key.pem").read_bytes() == key
    create_default_context(Purpose.CLIENT_AUTH).load_cert_chain(file, tmp_path / "app.test-key.pem")
    ca("issue", "a@b.test", "--client", "--out", tmp_path)
    ca("renew", tmp_path / "a@b.test.pem")
    client = x509.load_pem_x509_certificate((tmp_path / "a@b.test.pem").read_bytes())
    usages = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    other = tmp_path / "other.pem"
    other.write_bytes(Authority("Another").issue("app.test").chain_pem)
    assert "not a certificate of the CA" in ca("renew", other).err
    assert "not a certificate of the CA" in ca("revoke", other).err


def test_revoked_for_openssl_and_for_us(ca: Ca, tmp_path: Path) -> None:
    need("openssl")
    for name in ("a.test", "b.test", "c.test"):
        ca("issue", name, "--out", tmp_path)
    done = ca("revoke", tmp_path / "a.test.pem", "--reason", "key-compromise")
    assert (done.status, done.err) == (0, "")
    serial = x509.load_pem_x509_certificate((tmp_path / "b.test.pem").read_bytes()).serial_number
    assert ca("revoke", f"{serial:x}").status == 0
    assert ca("revoke", f"{serial:x}").status == 0  # twice is once
    path, root_pem = tmp_path / "ca" / "ca-crl.pem", tmp_path / "ca" / "ca.pem"
    found = x509.load_pem_x509_crl(path.read_bytes())
    assert len(list(found)) == 2
    assert found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 3
    for name, code in (("a", 23), ("b", 23), ("c", 0)):
        leaf = tmp_path / f"{name}.test.pem"
        verify = ["openssl", "verify", "-crl_check", "-CRLfile", path, "-CAfile", root_pem, leaf]
        said = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert (said.returncode == 0) == (code == 0)
        roots = [x509.load_pem_x509_certificate(root_pem.read_bytes())]
        try:
            verify_chain(leaf.read_bytes(), [], roots, crls=path.read_bytes(), flags=VERIFY_CRL_CHECK_LEAF)
            ours = 0
        except SSLCertVerificationError as error:
            ours = error.verify_code
        assert ours == code
    again = ca("crl", "--pem")
    assert len(list(x509.load_pem_x509_crl(again.out.encode()))) == 2
    assert f"{serial:x}" in ca("crl").out
    path.write_bytes(b"something else")
    assert "move it away" in ca("crl").err
    assert path.read_bytes() == b"something else"


def test_what_is_no_serial_number(ca: Ca) -> None:
    ca("init")
    for which in ("nothing", "0", "f" * 41, "-1"):
        assert ca("revoke", "--", which).status == 2


def test_two_that_revoke_at_once(ca: Ca, tmp_path: Path) -> None:
    ca("init")
    lock = tmp_path / "ca" / ".ca-crl.lock"
    lock.touch()
    assert f"remove {lock}" in ca("revoke", "1").err
    assert lock.exists()
    lock.unlink()
    assert ca("revoke", "1").status == 0
    assert not lock.exists()


@pytest.mark.parametrize(("given", "length"), [((), 0), (("--pathlen", "2"), 2), (("--pathlen", "any"), None)])
def test_how_many_cas_are_below(ca: Ca, tmp_path: Path, given: tuple[str, ...], length: int | None) -> None:
    assert ca("init", *given).status == 0
    made = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == length
    assert ca("init", "--pathlen", "x").status == 2


ONLY = [
    (
        ("app.test",),
        ["app.test"],
        ("app.test", "www.app.test", "*.app.test"),
        ("other.test", "app.test.org", "127.0.0.1"),
    ),
    (("app.test", "127.0.0.1"), ["app.test", "127.0.0.1/32"], ("app.test", "127.0.0.1"), ("127.0.0.2", "::1")),
    (("10.0.0.0/8",), ["10.0.0.0/8"], ("10.1.2.3",), ("11.0.0.1", "app.test")),
    (("bücher.test",), ["xn--bcher-kva.test"], ("www.bücher.test",), ("buecher.test",)),
]


@pytest.mark.parametrize(("names", "reach", "good", "bad"), ONLY, ids=str)
@pytest.mark.parametrize("action", ["init", "install"])
def test_a_ca_that_is_good_for_some_names(
    ca: Ca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: str, names: Any, reach: Any, good: Any, bad: Any
) -> None:
    monkeypatch.setattr("puretls.cli.stores.stores", lambda: [Shelf()])
    assert ca(action, "--only", *names).status == 0
    made = x509.load_pem_x509_certificate((tmp_path / "ca" / "ca.pem").read_bytes())
    extension = made.extensions.get_extension_for_class(x509.NameConstraints)
    assert extension.critical
    assert [str(one.value) for one in extension.value.permitted_subtrees or ()] == reach
    for name in good:
        assert ca("issue", name, "--out", tmp_path).status == 0
    for name in bad:
        done = ca("issue", name, "--out", tmp_path)
        assert done.status == 2
        assert "good for" in done.err
        assert reach[0] in done.err
    # OpenSSL's verdict on what was issued, and on what somebody with the key might sign all the same
    own = Authority.of(made, load_pem_private_key((tmp_path / "ca" / "ca-key.pem").read_bytes(), None))
    for name in (*good, *bad):
        leaf = tmp_path / "leaf.pem"
        leaf.write_bytes(own.issue(checked(name)).chain_pem)
        done = subprocess.run(
            ["openssl", "verify", "-x509_strict", "-CAfile", tmp_path / "ca" / "ca.pem", leaf],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) is (name in good), done.stderr


class Shelf:
    """A store that takes whatever comes."""

    label = "a shelf"

    def __init__(self) -> None:
        self.roots: list[Any] = []

    def has(self, root: Any) -> bool:
        return root in self.roots

    def add(self, root: Any) -> None:
        self.roots.append(root)


def test_install_never_changes_what_is_there(ca: Ca, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("puretls.cli.stores.stores", lambda: [Shelf()])
    assert ca("install", "--only", "a.test", "b.test").status == 0
    before = (tmp_path / "ca" / "ca.pem").read_bytes()
    assert ca("install").status == 0  # whatever it is
    assert ca("install", "--only", "b.test", "a.test").status == 0
    done = ca("install", "--only", "c.test")
    assert done.status == 1
    assert "a.test, b.test" in done.err
    assert (tmp_path / "ca" / "ca.pem").read_bytes() == before


@pytest.mark.parametrize("name", ["*.app.test", "https://app.test", "me@app.test", "10.0.0.1/8", "a b"])
def test_what_no_ca_is_good_for(ca: Ca, tmp_path: Path, name: str) -> None:
    assert ca("install", "--only", name).status == 2
    assert not (tmp_path / "ca").exists()


IN_A_COPY_OF_THE_SYSTEM = """
set -e
mount -t tmpfs none {scratch}
mkdir {scratch}/1 {scratch}/2 {scratch}/3 {scratch}/4
mount -t overlay -o lowerdir=/etc/ssl,upperdir={scratch}/1,workdir={scratch}/2 none /etc/ssl
mount -t overlay -o lowerdir={folder},upperdir={scratch}/3,workdir={scratch}/4 none {folder}
{puretls} trust
openssl verify {leaf}
{puretls} show --json
{puretls} untrust
openssl verify {leaf} 2>&1 && exit 9
ls {folder} /etc/ssl/certs
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounts a copy of the system's store")
def test_debian_and_the_browsers_trust_it_and_stop_again(ca: Ca, tmp_path: Path) -> None:
    """The real update-ca-certificates and certutil; what they change is seen by this process only."""
    need("openssl", "certutil", "unshare")
    folder = Path("/usr/local/share/ca-certificates")
    if not folder.is_dir() or not shutil.which("update-ca-certificates"):
        pytest.skip("not a Debian system")
    profile = tmp_path / ".mozilla" / "firefox" / "x.default"
    profile.mkdir(parents=True)
    subprocess.run(["certutil", "-N", "-d", f"sql:{profile}", "--empty-password"], check=True)
    (tmp_path / "scratch").mkdir()
    assert ca("issue", "app.test", "--out", tmp_path).status == 0
    script = IN_A_COPY_OF_THE_SYSTEM.format(
        scratch=tmp_path / "scratch",
        folder=folder,
        leaf=tmp_path / "app.test.pem",
        puretls=f"{' '.join(COMMAND)} ca",
    )
    environment = {**os.environ, "HOME": str(tmp_path), "PURETLS_CA": str(tmp_path / "ca")}
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", script],
        capture_output=True, text=True, check=False, timeout=3 * PATIENCE, env=environment,
    )  # fmt: skip
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip("mounting is not permitted here")
    assert done.returncode == 0, done.stdout + done.stderr
    trusting, _, rest = done.stdout.partition("{")
    assert trusting.count("trusts the CA") >= 2
    assert "app.test.pem: OK" in trusting
    told = json.loads("{" + rest[: rest.rindex("}") + 1])
    assert all(told["trusted"].values())
    assert {label.partition(" (")[0] for label in told["trusted"]} >= {"the system", "Firefox"}
    assert "verification failed" in rest
    assert "puretls-ca" not in rest.rpartition("verification failed")[2]


def test_what_takes_an_administrator_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    store, found = Anchors(tmp_path / "anchors", ".crt", "/usr/sbin/update-ca-certificates"), root(tmp_path)
    with pytest.raises(Failure) as caught:
        store.add(found)
    file = tmp_path / "anchors" / f"{found.nickname}.crt"
    assert f"sudo install -m 644 {found.file} {file} && sudo /usr/sbin/update-ca-certificates" in str(caught.value)


def test_a_bundle_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "anchors").mkdir()
    store = Anchors(tmp_path / "anchors", ".crt", "false")
    with pytest.raises(Failure, match="exit status 1"):
        store.add(root(tmp_path))
    assert not store.has(root(tmp_path))


def test_without_certutil_it_is_said_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match=r"needs certutil .* then: certutil -A -d sql:"):
        Nss(tmp_path, "Firefox").add(root(tmp_path))
