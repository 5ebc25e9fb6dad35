"""Keys in a token (SoftHSM2 over PKCS #11) and in a TPM (swtpm): as server, and as client with a certificate.

Ours on the other side with every scheme, and OpenSSL and Go, which know nothing of where our key is.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import puretls
from puretls.cli.certs import Authority, Identity
from puretls.keys import PKCS11Key, TPM2Key, operation
from support import PATIENCE, Program, dial, free_port, need, running, until
from support.bios import join
from support.both import V12, V13, only
from support.both_ends import serving_each
from support.golang import built

KINDS = ("RSA", "P-256", "P-384", "P-521", "Ed25519")
PIN = "12345678"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
)
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Keys elsewhere")


class SoftToken:
    """A SoftHSM2 token with a key of each kind, and a certificate for each."""

    def __init__(self, folder: Path, root: Authority) -> None:
        self.module = next(path for path in MODULES if Path(path).exists())
        (folder / "tokens").mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
        )
        os.environ["SOFTHSM2_CONF"] = str(config)
        self.run("--init-token", "--free", "--label", "puretls test", "--so-pin", PIN, "--pin", PIN)
        self.identities: dict[str, Identity] = {}
        for number, kind in enumerate(KINDS):
            self.identities[kind] = identity = root.issue("localhost", kind=kind)
            file = folder / f"{kind}.pem"
            file.write_bytes(identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            self.run("--import", file, "--token", "puretls test", "--label", kind, "--id", f"a{number}", "--pin", PIN)

    def run(self, *argv: object) -> None:
        subprocess.run(["softhsm2-util", *map(str, argv)], check=True, capture_output=True, timeout=PATIENCE)

    def uri(self, kind: str, pin: str = f"&pin-value={PIN}") -> str:
        return f"pkcs11:token=puretls%20test;object={kind};type=private?module-path={self.module}{pin}"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, root: Authority) -> SoftToken:
    pytest.importorskip("pkcs11")
    need("softhsm2-util")
    return SoftToken(tmp_path_factory.mktemp("softhsm"), root)


def pair(
    identity: Identity, key: Any, root: Authority, role: str, version: Any, password: Any = None, **more: Any
) -> Any:
    """A handshake in which one side shows this certificate."""
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(cadata=root.pem.decode())
    only(version, client)
    shown = server if role == "server" else client
    shown.load_cert_chain(identity.chain_pem, key, password)
    if role == "client":
        other = root.issue("localhost")
        server.load_cert_chain(other.chain_pem, other.key_pem)
        server.load_verify_locations(cadata=root.pem.decode())
        server.verify_mode = puretls.CERT_REQUIRED
        server.verify_flags |= puretls.VERIFY_X509_PARTIAL_CHAIN
        server.set_cert_verify_callback(lambda *_: None)  # the certificates are for servers
    for setting, value in more.items():
        getattr(client, setting)(value)
    return join(client, server)


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_token(token: SoftToken, root: Authority, kind: str, role: str, version: Any) -> None:
    made = pair(token.identities[kind], token.uri(kind), root, role, version).ok()
    name = made.client.obj.server_sigalg() if role == "server" else made.server.obj.client_sigalg()
    assert {"RSA": "rsa_pss_rsae", "Ed25519": "ed25519"}.get(kind, "ecdsa") in name
    assert made.send(made.client, b"x") == b"x"


def test_certificates_that_are_renewed_for_a_key_in_a_token(token: SoftToken, root: Authority, tmp_path: Path) -> None:
    """The file of the certificate changes, the key stays where it is."""
    identity, file = token.identities["P-256"], tmp_path / "chain.pem"
    file.write_bytes(identity.chain_pem)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file, token.uri("P-256"), reload=0)
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=root.pem.decode())
    renewed = root.certify(identity.key.public_key(), "localhost")
    for certificate in (identity.certificate, renewed):
        file.write_bytes(certificate.public_bytes(Encoding.PEM))
        met = join(client, server).ok()
        assert met.client.obj.getpeercert(True) == certificate.public_bytes(Encoding.DER)
    assert server.reload_error is None
    with pytest.raises(ValueError, match="password"):
        server.load_cert_chain(file, token.uri("P-256", pin=""), reload=0)


RSA_SCHEMES = [f"rsa_{how}_sha{bits}" for how in ("pss_rsae", "pkcs1") for bits in (256, 384, 512)]


@pytest.mark.parametrize("scheme", RSA_SCHEMES)
def test_every_scheme_of_rsa(token: SoftToken, root: Authority, scheme: str) -> None:
    version = V12 if "pkcs1" in scheme else V13
    made = pair(
        token.identities["RSA"], token.uri("RSA"), root, "server", version,
        set_server_sigalgs=f"{scheme}:ecdsa_secp256r1_sha256",
    ).ok()  # fmt: skip
    assert made.client.obj.server_sigalg() == scheme


def test_pins(token: SoftToken, root: Authority, tmp_path: Path) -> None:
    identity, file = token.identities["P-256"], tmp_path / "pin"
    file.write_text(f"{PIN}\n")
    for uri, password in (
        (token.uri("P-256", ""), PIN),
        (token.uri("P-256", ""), PIN.encode),
        (token.uri("P-256", f"&pin-source=file:{file}"), None),
        (token.uri("P-256", f"&pin-source={file}"), None),
        (token.uri("P-256").replace("object=", "manufacturer=SoftHSM%20project;model=SoftHSM%20v2;object="), None),
        (token.uri("P-256").replace("object=P-256", "id=%a1"), None),
    ):
        pair(identity, uri, root, "server", V13, password).ok()


WRONG = [
    ("object=P-256", "object=none", puretls.SSLError),
    ("token=puretls%20test", "token=none", puretls.SSLError),
    ("token=puretls%20test", "token=puretls%20test;model=another", puretls.SSLError),
    ("token=puretls%20test", "token=puretls%20test;slot-id=99999", puretls.SSLError),
    ("token=puretls%20test", "token=puretls%20test;library-version=9", ValueError),
    ("libsofthsm2.so", "no-such-module.so", puretls.SSLError),
    ("type=private", "type=cert", ValueError),
    ("type=private", "flavour=sour", ValueError),
    ("type=private", "type=private;type=private", ValueError),
    ("type=private", "type", ValueError),
]


@pytest.mark.parametrize(("this", "that", "error"), WRONG, ids=[row[1] for row in WRONG])
def test_what_is_wrong_with_a_uri(token: SoftToken, this: str, that: str, error: type[Exception]) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    uri = token.uri("P-256").replace(this, that)
    assert uri != token.uri("P-256")
    with pytest.raises(error) as caught:
        context.load_cert_chain(token.identities["P-256"].chain_pem, uri)
    shown = f"{caught.value!r} {getattr(caught.value, '__notes__', '')}"
    assert PIN not in shown
    assert "87654321" not in shown
    assert context._config(server_side=True).credentials == ()


def test_a_wrong_pin(token: SoftToken, tmp_path: Path) -> None:
    """In a process that has not logged in: a login is the process's, and not a session's."""
    certificate, uri = tmp_path / "chain.pem", token.uri("P-256", "&pin-value=87654321")
    certificate.write_bytes(token.identities["P-256"].chain_pem)
    code = f"import puretls; puretls.SSLContext(17).load_cert_chain({str(certificate)!r}, {uri!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "PinIncorrect" in done.stderr
    assert "ssl.SSLError: the private key in the token cannot be used" in done.stderr
    assert "87654321" not in done.stderr.replace(uri, "")


def test_another_certificate_s_key(token: SoftToken) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    with pytest.raises(puretls.SSLError) as caught:
        context.load_cert_chain(token.identities["P-256"].chain_pem, token.uri("P-384"))
    assert caught.value.reason == "KEY_VALUES_MISMATCH"


def test_a_key_object_of_python_pkcs11(token: SoftToken, root: Authority) -> None:
    import pkcs11

    found = pkcs11.lib(token.module).get_token(token_label="puretls test")
    try:
        opened = found.open(user_pin=PIN)
    except pkcs11.UserAlreadyLoggedIn:  # by an earlier test
        opened = found.open()
    with opened as session:
        for kind in KINDS:
            key = PKCS11Key(session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=kind))
            assert key.public_key() == token.identities[kind].key.public_key()
            assert not hasattr(key, "decrypt")
            assert PIN not in repr(key)
            pair(token.identities[kind], key, root, "server", V13).ok()
        named = PKCS11Key(
            session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="RSA"),
            public_key=token.identities["RSA"].key.public_key(),
            signature_algorithms=["rsa_pss_rsae_sha384"],
        )
        made = pair(token.identities["RSA"], named, root, "server", V13).ok()
        assert made.client.obj.server_sigalg() == "rsa_pss_rsae_sha384"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_a_fork(token: SoftToken, tmp_path: Path) -> None:
    """A child opens the token anew; the parent's session goes on."""
    certificate = tmp_path / "chain.pem"
    certificate.write_bytes(token.identities["P-256"].chain_pem)
    code = f"""
import os, puretls
from support.bios import join
server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
server.load_cert_chain({str(certificate)!r}, {token.uri("P-256")!r})
client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
join(client, server).ok()
child = os.fork()
join(client, server).ok()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
join(client, server).ok()
print("both")
"""
    path = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.stdout == "both\n", done.stderr


def test_many_threads(token: SoftToken, root: Authority) -> None:
    from concurrent.futures import ThreadPoolExecutor

    identity = token.identities["RSA"]
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(cadata=root.pem.decode())
    server.load_cert_chain(identity.chain_pem, token.uri("RSA"))
    with ThreadPoolExecutor(8) as pool:
        for made in pool.map(lambda _: join(client, server).ok(), range(40)):
            assert made.client.done


# A TPM


def two_ports() -> int:
    """One that is free, and the next, too: swtpm is controlled over that."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first, suppress(OSError):
            port = int(first.getsockname()[1])
            socket.create_server(("127.0.0.1", port + 1)).close()
            return port


class Tpm:
    """swtpm, with a persistent key of each kind that it is given."""

    HANDLES = {"RSA": 0x81000001, "P-256": 0x81000002}  # noqa: RUF012  # a table

    def __init__(self, folder: Path, root: Authority) -> None:
        import tpm2_pytss as tss

        port = two_ports()
        self.tcti = f"swtpm:host=127.0.0.1,port={port}"
        self.program = Program(
            folder, "swtpm", "socket", "--tpm2", "--server", f"type=tcp,port={port},bindaddr=127.0.0.1",
            "--ctrl", f"type=tcp,port={port + 1},bindaddr=127.0.0.1", "--tpmstate", f"dir={folder}",
            "--flags", "not-need-init,startup-clear",
        )  # fmt: skip
        try:
            self.fill(tss, root)
        except BaseException:
            self.program.stop()
            raise

    def fill(self, tss: Any, root: Authority) -> None:
        esapi: Any = until(lambda: self.opened(tss), "swtpm", 3 * PATIENCE)
        try:
            for kind, handle in self.HANDLES.items():
                template = "rsa2048" if kind == "RSA" else "ecc"
                public = tss.TPM2B_PUBLIC.parse(
                    template,
                    objectAttributes="fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign",
                )
                sensitive = tss.TPM2B_SENSITIVE_CREATE(tss.TPMS_SENSITIVE_CREATE(userAuth=b"secret"))
                made, *_ = esapi.create_primary(sensitive, public, tss.ESYS_TR.OWNER)
                esapi.evict_control(tss.ESYS_TR.OWNER, made, handle)
                esapi.flush_context(made)
        finally:
            esapi.close()
        self.identities = {}
        for kind, handle in self.HANDLES.items():
            key = TPM2Key(handle, tcti=self.tcti, auth="secret")
            self.identities[kind] = Identity(root.certify(key.public_key(), "localhost"), None), key

    def opened(self, tss: Any) -> Any:
        assert self.program.process.poll() is None, self.program.said()
        try:
            return tss.ESAPI(self.tcti)
        except tss.TSS2_Exception:  # it is starting
            return None


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory, root: Authority) -> Iterator[Tpm]:
    pytest.importorskip("tpm2_pytss")
    need("swtpm")
    made = Tpm(tmp_path_factory.mktemp("tpm"), root)
    try:
        yield made
    finally:
        made.program.stop()


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize("kind", ["RSA", "P-256"])
def test_a_tpm(tpm: Tpm, root: Authority, kind: str, role: str, version: Any) -> None:
    identity, key = tpm.identities[kind]
    made = pair(identity, key, root, role, version).ok()
    name = made.client.obj.server_sigalg() if role == "server" else made.server.obj.client_sigalg()
    assert name == ("rsa_pss_rsae_sha256" if kind == "RSA" else "ecdsa_secp256r1_sha256")
    assert "secret" not in repr(key)


def test_a_tpm_with_pkcs1(tpm: Tpm, root: Authority) -> None:
    identity, key = tpm.identities["RSA"]
    made = pair(identity, key, root, "server", V12, set_server_sigalgs="rsa_pkcs1_sha256:ecdsa_secp256r1_sha256").ok()
    assert made.client.obj.server_sigalg() == "rsa_pkcs1_sha256"


def test_without_the_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, make in (("pkcs11", lambda: PKCS11Key(object())), ("tpm2_pytss", lambda: TPM2Key(1))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ImportError, match=r"puretls\["):
            make()
    with pytest.raises(ValueError, match="no operation"):
        operation(ec.SECP256R1())


# OpenSSL and Go on the other side


PLACES = [("token", kind) for kind in KINDS] + [("tpm", kind) for kind in Tpm.HANDLES]


@pytest.fixture(params=PLACES, ids=[f"{where}-{kind}" for where, kind in PLACES])
def kept(request: pytest.FixtureRequest) -> tuple[Identity, Any]:
    """A certificate, and its key where that is."""
    where, kind = request.param
    place = request.getfixturevalue(where)
    return (place.identities[kind], place.uri(kind)) if where == "token" else place.identities[kind]


def greet(conn: Any) -> None:
    conn.sendall(b"hello\n")
    conn.recv(1)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_as_client(kept: tuple[Identity, Any], root: Authority, version: str, tmp_path: Path) -> None:
    need("openssl")
    ca = tmp_path / "ca.pem"
    ca.write_bytes(root.pem)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(kept[0].chain_pem, kept[1])
    with serving_each(server, greet) as port:
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", version, "-CAfile", ca, "-verify_return_error",
             "-verify_hostname", "localhost", "-ign_eof"],
            input="x", capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert "Verify return code: 0 (ok)" in done.stdout, done.stderr
        assert "hello" in done.stdout


def client_with(kept: tuple[Identity, Any], root: Authority, version: Any) -> Any:
    client = puretls.create_default_context(cadata=root.pem.decode())
    only(version, client)
    client.load_cert_chain(kept[0].chain_pem, kept[1])
    return client


@each_version
def test_openssl_as_server(kept: tuple[Identity, Any], root: Authority, version: Any, tmp_path: Path) -> None:
    """It demands our certificate, whose key is elsewhere."""
    need("openssl")
    identity, ca, port = root.issue("localhost"), tmp_path / "ca.pem", free_port()
    ca.write_bytes(root.pem)
    (tmp_path / "chain.pem").write_bytes(identity.chain_pem)
    (tmp_path / "key.pem").write_bytes(identity.key_pem)
    argv = ("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "chain.pem", "-key", "key.pem",
            "-CAfile", ca, "-Verify", "2", "-purpose", "any", "-rev")  # fmt: skip
    client = client_with(kept, root, version)
    with running(tmp_path, *argv), client.wrap_socket(dial(port), server_hostname="localhost") as conn:
        conn.sendall(b"abc\n")
        assert conn.recv(10) == b"cba\n"


GO = """
package main

import ("crypto/tls"; "crypto/x509"; "fmt"; "os")

func main() {
	pem, _ := os.ReadFile(os.Args[2])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	buffer := make([]byte, 5)
	if os.Args[1] != "server" {
		conn, err := tls.Dial("tcp", os.Args[1], &tls.Config{RootCAs: pool, ServerName: "localhost"})
		if err != nil { fmt.Println(err); os.Exit(1) }
		conn.Read(buffer)
		fmt.Println(string(buffer))
		return
	}
	own, _ := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
	config := &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil { fmt.Println(err); os.Exit(1) }
	fmt.Println(listener.Addr())
	for {
		accepted, _ := listener.Accept()
		conn := accepted.(*tls.Conn)
		if err := conn.Handshake(); err != nil { fmt.Println(err); continue }
		_, err = conn.ConnectionState().PeerCertificates[0].Verify(
			x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
		fmt.Fprintln(conn, "client", err)
		conn.Close()
	}
}
"""


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("go"), GO)


@pytest.mark.timeout(300)  # the first time Go builds its library, too
def test_go_as_client(kept: tuple[Identity, Any], root: Authority, go: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(root.pem)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(kept[0].chain_pem, kept[1])
    with serving_each(server, greet) as port:
        done = subprocess.run(
            [go, f"127.0.0.1:{port}", tmp_path / "ca.pem"],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.stdout == "hello\n"


@pytest.fixture(scope="module")
def go_server(go: Path, root: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """One that demands certificates of clients."""
    folder, identity = tmp_path_factory.mktemp("go"), root.issue("localhost")
    for name, pem in (("ca", root.pem), ("chain", identity.chain_pem), ("key", identity.key_pem)):
        (folder / name).write_bytes(pem)
    with running(folder, go, "server", "ca", "chain", "key") as program:
        address = b""
        while not address.endswith(b"\n"):
            address += program.recv(1)
        yield int(address.rpartition(b":")[2])


@pytest.mark.timeout(300)
@each_version
def test_go_as_server(kept: tuple[Identity, Any], root: Authority, go_server: int, version: Any) -> None:
    """It demands our certificate, whose key is elsewhere."""
    client = client_with(kept, root, version)
    with client.wrap_socket(dial(go_server), server_hostname="localhost") as conn:
        assert conn.recv(100) == b"client <nil>\n"
