"""Choices by the first message of clients of other makes: ten names in one context, protocols, JA4, timestamps."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._wire.codec import vec16
from puretls.cli.certs import Authority, Identity
from support import PATIENCE, need
from support.both_ends import serving_each
from support.golang import built

NAMES = [f"host{number}.example" for number in range(10)]


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("Ten names")


@pytest.fixture(scope="module")
def identities(root: Authority) -> dict[str, Identity]:
    return {name: root.issue(name, kind=("P-256", "RSA", "Ed25519")[place % 3]) for place, name in enumerate(NAMES)}


@contextmanager
def serving(context: Any) -> Iterator[tuple[int, list[Any]]]:
    """A server that says which protocol was chosen, and what its clients said."""
    hellos: list[Any] = []

    def serve(conn: Any) -> None:
        conn.sendall(f"{conn.selected_alpn_protocol()}\n".encode())
        conn.recv(1)

    context.sni_callback = lambda sslobj, *_: hellos.append(sslobj.client_hello)
    with serving_each(context, serve) as port:
        yield port, hellos


def ten(identities: dict[str, Identity], **more: Any) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for identity in identities.values():
        context.add_cert_chain(identity.chain_pem, identity.key_pem, **more)
    return context


def s_client(port: int, name: str, *more: str) -> str:
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name, "-ign_eof", *more]
    done = subprocess.run(argv, input="x", capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("groups", ["P-256:X25519", "X25519:P-256"])
def test_openssl_meets_ten_names(identities: dict[str, Identity], version: str, groups: str) -> None:
    """The second list of groups costs a HelloRetryRequest."""
    need("openssl")
    context = ten(identities)
    context.set_groups("P-256")
    with serving(context) as (port, hellos):
        for name in NAMES:
            assert f"CN = {name}" in s_client(port, name, version, "-groups", groups)
        assert [hello.server_name for hello in hellos] == NAMES
        assert all(re.fullmatch(r"t1[23]d\d{4}00_[0-9a-f]{12}_[0-9a-f]{12}", hello.ja4) for hello in hellos)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_the_interpreter_s_ssl_meets_ten_names(identities: dict[str, Identity], root: Authority, version: str) -> None:
    client = ssl.create_default_context(cadata=root.pem.decode())
    client.maximum_version = client.minimum_version = ssl.TLSVersion[version]
    with serving(ten(identities)) as (port, _):
        for name in NAMES:
            raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
            with client.wrap_socket(raw, server_hostname=name) as conn:
                assert conn.getpeercert()["subjectAltName"] == (("DNS", name),)


def test_openssl_and_the_choice_of_a_protocol(identities: dict[str, Identity]) -> None:
    need("openssl")
    context = ten(identities)
    context.set_alpn_select_callback(lambda _conn, offered: offered[-1])
    with serving(context) as (port, _):
        assert "ALPN protocol: two" in s_client(port, NAMES[0], "-alpn", "one,two")

        def refuse(_conn: Any, _offered: list[str]) -> None:
            raise LookupError

        context.set_alpn_select_callback(refuse)
        assert "no application protocol" in s_client(port, NAMES[0], "-alpn", "one,two")


def test_openssl_sees_timestamps(identities: dict[str, Identity], tmp_path: Path) -> None:
    """RFC 6962 3.3.1: for clients that ask, in TLS 1.2 in ServerHello, in TLS 1.3 beside the certificate."""
    need("openssl")
    logs = tmp_path / "logs.cnf"
    logs.write_text("enabled_logs =\n")
    sct = b"\0" + bytes(32) + (1700000000000).to_bytes(8, "big") + b"\0\0" + b"\x04\x03" + vec16(bytes(70))
    with serving(ten(identities, sct_list=[sct])) as (port, _):
        for version in ("-tls1_2", "-tls1_3"):
            said = s_client(port, NAMES[0], version, "-ct", "-ctlogfile", str(logs))
            assert "Signed Certificate Timestamp" in said or "SCTs present (1)" in said, said
            assert "Signed Certificate Timestamp" not in s_client(port, NAMES[0], version)


GO = """
package main

import ("crypto/tls"; "crypto/x509"; "fmt"; "os")

func main() {
	pem, _ := os.ReadFile(os.Args[2])
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	for _, name := range os.Args[3:] {
		config := &tls.Config{RootCAs: pool, ServerName: name, NextProtos: []string{"h2"}}
		conn, err := tls.Dial("tcp", os.Args[1], config)
		if err != nil { fmt.Println(err); os.Exit(1) }
		state := conn.ConnectionState()
		fmt.Println(state.PeerCertificates[0].DNSNames[0], state.NegotiatedProtocol)
		conn.Close()
	}
}
"""


@pytest.mark.timeout(300)  # the first time Go builds its library, too
def test_go_meets_ten_names(identities: dict[str, Identity], root: Authority, tmp_path: Path) -> None:
    program = built(tmp_path, GO)
    (tmp_path / "ca.pem").write_bytes(root.pem)
    context = ten(identities)
    context.set_alpn_select_callback(lambda _conn, offered: offered[0])
    with serving(context) as (port, hellos):
        argv = [str(program), f"127.0.0.1:{port}", str(tmp_path / "ca.pem"), *NAMES]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert done.stdout.splitlines() == [f"{name} h2" for name in NAMES]
    assert len({hello.ja4 for hello in hellos}) == 1
