"""OCSP responses, timestamps, protocols and sessions with GnuTLS, NSS, Go, nginx and node: whichever of these each has.

OpenSSL is in tests/api/test_ocsp.py and test_choices.py, browsers are in test_browsers.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import puretls
from puretls import OCSPPolicy
from puretls._wire.codec import vec16
from support import PATIENCE, Pki, dial, free_port, need, running, until
from support.both import V12, V13, only
from support.browser import trusting
from support.golang import built
from support.staples import GOOD, REVOKED, stapled
from support.web import serving

pytestmark = pytest.mark.timeout(300)  # the first time Go builds its library, too
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
SCT = b"\0" + bytes(32) + (1700000000000).to_bytes(8, "big") + b"\0\0" + b"\x04\x03" + vec16(bytes(70))


class Files(NamedTuple):
    """What a server is given."""

    folder: Path
    ca: Path
    chain: Path
    key: Path
    staple: Path


@pytest.fixture(params=[GOOD, REVOKED], ids=["good", "revoked"])
def files(request: pytest.FixtureRequest, pki: Pki, tmp_path: Path) -> Files:
    found = Files(tmp_path, pki.ca, pki.chain("P-256"), pki.key("P-256"), tmp_path / "staple.der")
    found.staple.write_bytes(stapled(pki.issuer, pki.identity("P-256").certificate, request.param))
    return found


# As servers


@contextmanager
def gnutls_serv(files: Files) -> Iterator[int]:
    need("gnutls-serv")
    port = free_port()
    argv = ("gnutls-serv", "--port", port, "--http", "--x509certfile", files.chain, "--x509keyfile", files.key,
            "--ocsp-response", files.staple, "--ignore-ocsp-response-errors", "--alpn", "two",
            "--disable-client-cert")  # fmt: skip
    with running(files.folder, *argv):
        yield port


@contextmanager
def nginx(files: Files) -> Iterator[int]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("nginx is not installed")
    port, folder = free_port(), files.folder
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; events {{}}
http {{
    access_log off; client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 127.0.0.1:{port} ssl; ssl_certificate {files.chain}; ssl_certificate_key {files.key};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_stapling on; ssl_stapling_file {files.staple};
        return 200 "hello";
    }}
}}
""")
    with running(folder, program, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "nginx.log"):
        yield port


NODE_SERVER = """
const tls = require('tls'), fs = require('fs');
const [chain, key, staple] = process.argv.slice(1).map(name => fs.readFileSync(name));
const server = tls.createServer({cert: chain, key, ALPNProtocols: ['two']}, conn => {
    conn.on('error', () => {});
    conn.on('data', () => conn.end('HTTP/1.0 200 OK\\r\\n\\r\\nhello'));
});
server.on('OCSPRequest', (certificate, issuer, answer) => answer(null, staple));
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@contextmanager
def node(files: Files) -> Iterator[int]:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    with running(files.folder, "node", "-e", NODE_SERVER, files.chain, files.key, files.staple) as program:
        yield line_of(program)


def line_of(program: Any) -> int:
    read = b""
    while not read.endswith(b"\n"):
        piece = program.recv(1)
        assert piece, program.said()
        read += piece
    return int(read)


GO = """
package main

import ("bufio"; "crypto/tls"; "crypto/x509"; "fmt"; "net"; "os"; "strings")

func server(chain, key, staple string) {
	pair, err := tls.LoadX509KeyPair(chain, key)
	if err != nil { panic(err) }
	pair.OCSPStaple, _ = os.ReadFile(staple)
	pair.SignedCertificateTimestamps = [][]byte{[]byte("SCT")}
	listener, _ := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{pair}, NextProtos: []string{"two"}})
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		conn, _ := listener.Accept()
		go func() {
			bufio.NewReader(conn).ReadString('\\n')
			fmt.Fprint(conn, "HTTP/1.0 200 OK\\r\\n\\r\\nhello")
			conn.Close()
		}()
	}
}

func main() {
	if os.Args[1] == "server" { server(os.Args[2], os.Args[3], os.Args[4]) }
	pem, _ := os.ReadFile(os.Args[2])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"one", "two"},
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	for range strings.Repeat(" ", 2) {
		conn, err := tls.Dial("tcp", os.Args[1], config)
		if err != nil { fmt.Println(err); os.Exit(1) }
		state := conn.ConnectionState()
		fmt.Fprint(conn, "GET /5 HTTP/1.0\\r\\n\\r\\n")
		bufio.NewReader(conn).ReadString('x')
		fmt.Println(len(conn.OCSPResponse()), len(state.SignedCertificateTimestamps), state.NegotiatedProtocol,
			state.DidResume)
		conn.Close()
	}
}
""".replace('[]byte("SCT")', "[]byte{" + ", ".join(map(str, SCT)) + "}")


@pytest.fixture(scope="module")
def go_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("go"), GO)


Server = Callable[[Files], AbstractContextManager[int]]
SERVERS: dict[str, Server] = {"gnutls-serv": gnutls_serv, "nginx": nginx, "node": node}


@pytest.fixture(params=[*SERVERS, "go"])
def served(request: pytest.FixtureRequest, files: Files) -> Iterator[tuple[str, int]]:
    """A server with a staple: who it is, and its port."""
    if request.param != "go":
        with SERVERS[request.param](files) as port:
            yield request.param, port
        return
    program = request.getfixturevalue("go_program")
    with running(files.folder, program, "server", files.chain, files.key, files.staple) as going:
        yield "go", line_of(going)


@each_version
def test_our_client(served: tuple[str, int], files: Files, version: Any, request: pytest.FixtureRequest) -> None:
    """It demands a good response, takes the protocol, and resumes by itself."""
    name, port = served
    client = puretls.create_default_context(cafile=files.ca)
    only(version, client)
    client.request_ocsp, client.ocsp_policy, client.request_sct = True, OCSPPolicy.REQUIRE, True
    client.set_alpn_protocols(["one", "two", "http/1.1"])
    client.client_session_cache = True
    if "revoked" in request.node.callspec.id:
        with dial(port) as raw, pytest.raises(puretls.SSLCertVerificationError, match="revoked"):
            client.wrap_socket(raw, server_hostname="localhost")
        return
    for again in (False, True):
        with dial(port) as raw, client.wrap_socket(raw, server_hostname="localhost") as conn:
            assert conn.session_reused == again
            assert conn.selected_alpn_protocol() == ("http/1.1" if name == "nginx" else "two")
            if not again:
                assert conn.ocsp_response == files.staple.read_bytes()
                assert conn.sct_list == (vec16(vec16(SCT)) if name == "go" else None)
            conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
            said = b""
            while b"\r\n\r\n" not in said:  # the tickets come before
                said += conn.recv(4096)
            assert b" 200 " in said


# As clients


def server_for(files: Files, version: Any) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    only(version, context)
    context.add_cert_chain(files.chain, files.key, ocsp_response=files.staple.read_bytes(), sct_list=[SCT])
    context.set_alpn_select_callback(lambda _conn, offered: offered[-1])
    return context


def asked(*argv: object, given: str = "") -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in argv]
    return subprocess.run(words, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)


NODE_CLIENT = """
const tls = require('tls'), fs = require('fs');
const [port, ca, staple] = process.argv.slice(1);
const seen = [];
function visit(session) {
    const conn = tls.connect({port, host: '127.0.0.1', servername: 'localhost', ca: fs.readFileSync(ca), session,
                              requestOCSP: true, ALPNProtocols: ['one', 'two']});
    let stapled = false, latest, facts;
    conn.on('OCSPResponse', response => { stapled = response !== null && response.equals(fs.readFileSync(staple)); });
    conn.on('session', made => { latest = made; });
    conn.on('secureConnect', () => {
        facts = [conn.authorized, stapled, conn.alpnProtocol, conn.isSessionReused()];
        conn.write('GET /5 HTTP/1.0\\r\\n\\r\\n');
    });
    conn.on('data', () => {});
    conn.on('close', () => {
        seen.push(facts);
        if (seen.length < 2) visit(latest); else console.log(JSON.stringify(seen));
    });
}
visit();
"""


@each_version
def test_node_connects(files: Files, version: Any) -> None:
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    with serving(server_for(files, version)) as site:
        done = asked("node", "-e", NODE_CLIENT, site.server_port, files.ca, files.staple)
    first, second = json.loads(done.stdout)
    assert first == [True, True, "two", False]
    assert (second[2], second[3]) == ("two", True)


@each_version
def test_go_connects(files: Files, version: Any, go_program: Path) -> None:
    with serving(server_for(files, version)) as site:
        done = asked(go_program, f"127.0.0.1:{site.server_port}", files.ca)
    first, second = done.stdout.splitlines()
    assert first == f"{files.staple.stat().st_size} 1 two false"
    assert second.endswith("two true")


@each_version
def test_gnutls_connects(files: Files, version: Any, request: pytest.FixtureRequest) -> None:
    """It verifies what is stapled."""
    need("gnutls-cli")
    with serving(server_for(files, version)) as site:
        argv = ("gnutls-cli", "--port", site.server_port, "--x509cafile", files.ca, "--alpn", "one", "--alpn", "two")
        done = asked(*argv, "localhost", given="GET /5 HTTP/1.0\r\n\r\n")
    if "revoked" in request.node.callspec.id:
        assert "The certificate chain is revoked" in done.stdout + done.stderr
        assert "xxxxx" not in done.stdout
    else:
        assert "OCSP status request," in done.stdout
        assert "Application protocol: two" in done.stdout
        assert "xxxxx" in done.stdout


@each_version
def test_nss_connects(files: Files, version: Any) -> None:
    need("tstclnt", "certutil")
    database = files.folder / "nss"
    trusting(database, files.ca)
    tls = {V12: "tls1.2:tls1.2", V13: "tls1.3:tls1.3"}[version]
    argv = ("tstclnt", "-d", f"sql:{database}", "-h", "127.0.0.1", "-a", "localhost", "-p")
    with (
        serving(server_for(files, version)) as site,
        running(files.folder, *argv, site.server_port, "-V", tls, "-T", "-U", "-v") as program,
    ):
        program.send(b"GET /5 HTTP/1.0\r\n\r\n")
        assert b" 200 " in program.recv(20), program.said()
        until(lambda: "Received 1 Cert Status items" in program.said(), "the count of staples")
