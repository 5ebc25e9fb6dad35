"""`puretls scan` of real servers, which are told what to accept: it finds just that, and grades it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import jsonschema
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import puretls as tls
from puretls._analysis.clients import KNOWN
from puretls._base.registry import TLS12
from puretls._wire import messages12
from puretls._wire.hello import server_hello
from puretls.cli.certs import Authority
from support import PATIENCE, Pki, dial, free_port, need, running
from support.commands import COMMAND, puretls
from support.ours import server_context
from support.scanning import SCHEMA, accepted, answering, each_connection, facts, openssl, remarks, scan
from support.staples import GOOD, REVOKED, response
from support.web import serving


def test_all_that_openssl_has(lasting: Pki) -> None:
    """The suites of every version are those that openssl lists for it, and both certificates are found."""
    ciphers = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
    with openssl(lasting, "RSA", "P-256", options=("-cipher", ciphers, "-serverpref")) as port:
        found = facts(port, lasting)
    said = subprocess.run(
        ["openssl", "ciphers", "-s", "-v", "-stdname", ciphers], capture_output=True, text=True, check=True, timeout=20
    ).stdout
    rows = re.findall(r"^(\S+) +- \S+ +(\S+) +Kx=\S+ +Au=(\S+)", said, re.MULTILINE)
    can = [(name, since) for name, since, auth in rows if auth in ("RSA", "ECDSA", "None") and "PSK" not in name]
    older = {name for name, since in can if since in ("SSLv3", "TLSv1")}
    assert set(accepted(found, "TLS 1.2")) == older | {name for name, since in can if since == "TLSv1.2"}
    assert set(accepted(found, "TLS 1.1")) == older
    assert {"TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"} <= set(accepted(found, "TLS 1.3"))
    assert found["versions"]["SSL 3.0"] is False
    assert found["suites"]["TLS 1.2"]["order"] == "server"
    assert found["grade"] == "F"
    assert {one["key"] for one in found["certificates"]} == {"P-256", "RSA 2048"}
    assert all(one["accepted"] for one in found["certificates"])
    assert {"ecdsa_secp256r1_sha256", "rsa_pkcs1_sha1"} <= set(found["signature_schemes"]["TLS 1.2"])
    assert found["resumption"] == {"TLS 1.3": "by ticket", "TLS 1.2": "by ticket"}


def test_known_attacks_and_profiles(lasting: Pki) -> None:
    """A server of today has none of the faults that are asked for, and old suites keep it from a profile."""
    ciphers = "ECDHE+AESGCM:AES128-GCM-SHA256:@SECLEVEL=0"
    with openssl(lasting, "RSA", options=("-cipher", ciphers)) as port:
        found = facts(port, lasting)
        good = scan(port, "--ca-file", lasting.ca, "--profile", "old")
        bad = scan(port, "--ca-file", lasting.ca, "--profile", "intermediate")
    works = {name: one["works"] for name, one in found["attacks"].items()}
    assert set(works.values()) == {False}
    assert found["profiles"]["intermediate"][0] == "accepts TLS_RSA_WITH_AES_128_GCM_SHA256"
    assert (good.status, bad.status) == (1, 1)  # it speaks neither TLS 1.1 nor 1.0
    assert "safe from" in bad.out


def test_what_clients_would_get(lasting: Pki) -> None:
    with openssl(
        lasting, "RSA", options=("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-groups", "P-256")
    ) as port:
        found = facts(port, lasting)
    assert {one["name"] for one in found["clients"]} == {one.name for one in KNOWN}
    got = {(one["version"], one["suite"], one["group"]) for one in found["clients"] if one["connects"]}
    assert got == {("TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "secp256r1")}
    refused = {one["name"]: one["refusal"] for one in found["clients"] if not one["connects"]}
    old = {one.name for one in KNOWN if one.highest < TLS12}  # of which none is asked: it is known what they hear
    assert {refused[name] for name in old} == {found["refused"]["TLS 1.0"]}
    assert set(refused) - old == {"IE 11 on Windows 7", "Safari 6 on iOS 6.0.1", "Safari 8 on iOS 8.4"}
    with openssl(lasting, "P-256", options=("-tls1_3", "-groups", "X448")) as port:
        found = facts(port, lasting)
    connects = {one["name"].split()[0]: one["connects"] for one in found["clients"]}
    assert (connects["OpenSSL"], connects["Chromium"]) == (True, False)


def test_several_servers_and_all_addresses(lasting: Pki) -> None:
    with openssl(lasting, "P-256") as port:
        argv = ("scan", f"localhost:{port}", f"127.0.0.1:{port}", "localhost:1", "--ca-file", lasting.ca, "--pause", 0)
        done = puretls(*argv, "-4")
        told = json.loads(puretls(*argv, "-4", "--json").out)
        alone = json.loads(
            puretls("scan", f"localhost:{port}", "--all-addresses", "-4", "--ca-file", lasting.ca, "--json").out
        )
    jsonschema.validate(told, json.loads(SCHEMA.read_text("utf-8")))
    assert done.status == 1  # the third is nobody
    assert re.search(r"All of them\n.*localhost:\d+ \(127.0.0.1\)\n.*127.0.0.1:\d+", done.out)
    assert "localhost:1: connection refused" in done.out.splitlines()[-1]
    assert [one.get("grade") for one in told] == [told[0]["grade"], told[1]["grade"], None]
    assert (alone["host"], alone["address"]) == ("localhost", "127.0.0.1")
    assert alone["certificates"][0]["accepted"] is True


def test_what_browsers_are_told(lasting: Pki) -> None:
    class Handler(BaseHTTPRequestHandler):
        told = "max-age=63072000; includeSubDomains"

        def do_GET(self) -> None:
            self.send_response(404)
            if self.told:
                self.send_header("Strict-Transport-Security", self.told)
            self.send_header("X-Frame-Options", "\x1b[31mDENY")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = server_context(tls, lasting).wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        good = facts(port, lasting, "--http")
        Handler.told = "max-age=100"
        short = facts(port, lasting, "--http")
        shown = scan(port, "--ca-file", lasting.ca, "--http")
        server.shutdown()
    assert good["http"]["status"] == 404
    assert good["http"]["headers"]["Strict-Transport-Security"] == "max-age=63072000; includeSubDomains"
    assert not [what for what in remarks(good) if "HSTS" in what]
    assert [what for what in remarks(short) if "HSTS" in what]
    assert "\x1b" not in shown.out
    with openssl(lasting, "P-256", options=("-alpn", "h2")) as port:
        assert facts(port, lasting)["http"] is None  # not asked for


def test_the_grade_is_the_last_line(lasting: Pki) -> None:
    with openssl(lasting, "P-256") as port:
        last = scan(port, "--ca-file", lasting.ca).out.splitlines()[-1]
    assert "is the grade" in last


def test_groups_in_the_order_of_the_server(lasting: Pki) -> None:
    options = ("-groups", "P-384:X448:P-256:ffdhe3072", "-serverpref")
    with openssl(lasting, "RSA", options=options) as port:
        found = facts(port, lasting)
    assert found["groups"] == {
        "TLS 1.3": ["secp384r1", "x448", "secp256r1", "ffdhe3072"],
        "TLS 1.2": ["secp384r1", "x448", "secp256r1"],
    }


def test_a_server_that_is_up_to_date_but_for_post_quantum(lasting: Pki) -> None:
    options = ("-cipher", "ECDHE+AESGCM:ECDHE+CHACHA20", "-groups", "X25519:P-256")
    with openssl(lasting, "P-256", options=options) as port:
        found = facts(port, lasting, "--min-grade", "A")
        refused = scan(port, "--ca-file", lasting.ca, "--min-grade", "A+")
    assert found["grade"] == "A"
    assert list(remarks(found)) == ["no post-quantum key exchange"]
    assert refused.status == 1
    assert "enable X25519MLKEM768" in refused.out


def test_what_gnutls_can_still_do(lasting: Pki) -> None:
    need("gnutls-serv")
    port = free_port()
    priority = (
        "NONE:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:+AES-128-CBC:+3DES-CBC:+ARCFOUR-128:+SHA1:+DHE-RSA:+RSA:+ANON-ECDH"
        ":+SIGN-ALL:+COMP-NULL:+GROUP-ALL:%NO_SESSION_HASH:%NO_ETM:%SERVER_PRECEDENCE"
    )
    argv = ["gnutls-serv", "--port", port, "--echo", "--disable-client-cert", "--priority", priority]
    argv += ["--x509certfile", lasting.chain("RSA"), "--x509keyfile", lasting.key("RSA")]
    with running(lasting.folder, *argv):
        dial(port).close()
        found = facts(port, lasting)
    assert accepted(found, "TLS 1.2") == accepted(found, "TLS 1.0") == [
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_RC4_128_SHA",
        "TLS_ECDH_anon_WITH_AES_128_CBC_SHA",
        "TLS_ECDH_anon_WITH_3DES_EDE_CBC_SHA",
        "TLS_ECDH_anon_WITH_RC4_128_SHA",
    ]  # fmt: skip
    assert "TLS 1.3" not in found["suites"]
    assert found["suites"]["TLS 1.2"]["order"] == "server"
    caps = remarks(found)
    assert caps["suites with RC4 are accepted"] == "D"
    assert caps["suites without authentication are accepted"] == "F"
    assert caps["no extended master secret (RFC 7627)"] == "A-"
    assert found["habits"]["encrypt_then_mac"] is False
    assert (found["dh_bits"], found["dh_group"]) == (2048, "ffdhe2048")


def test_our_own_server_can_have_the_best_grade(lasting: Pki) -> None:
    context = server_context(tls, lasting)
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with serving(context) as server:
        found = facts(server.server_address[1], lasting, "--min-grade", "A+")
    assert (found["grade"], found["remarks"]) == ("A+", [])
    assert found["groups"]["TLS 1.3"][0] == "X25519MLKEM768"
    assert found["alpn"] == ["h2", "http/1.1"]
    assert set(found["suites"]) == {"TLS 1.3", "TLS 1.2"}
    page = (Path(__file__).parents[2] / "docs" / "commands" / "scan.md").read_text("utf-8")
    assert [key for key in found if f"`{key}`" not in page] == []


@pytest.mark.parametrize(
    ("identity", "ca", "why", "sentence"),
    [
        ("expired", "ca", "certificate has expired", "The P-256 certificate has expired"),
        ("wrong", "ca", "Hostname mismatch", "The P-256 certificate is for other names"),
        ("P-256", "other_ca", "unable to get local issuer", "CN=Test root is not sent"),
    ],
)
def test_a_certificate_that_clients_refuse(pki: Pki, identity: str, ca: str, why: str, sentence: str) -> None:
    with openssl(pki, identity, options=("-tls1_3",)) as port:
        done = scan(port, "--ca-file", getattr(pki, ca), "--min-grade", "C")
    assert done.status == 1
    assert why in done.out
    assert sentence in done.out
    assert "NOT ACCEPTED" in done.out
    assert re.search(r"^  F   is the grade", done.out, re.MULTILINE)


@pytest.mark.parametrize("only", ["-tls1_3", "-tls1_2"])
def test_of_two_certificates_each_is_judged(lasting: Pki, only: str) -> None:
    lasting.made["stranger-RSA"] = lasting.elsewhere.issue("localhost", kind="RSA", days=(-1, 90))
    with openssl(lasting, "P-256", "stranger-RSA", options=(only,)) as port:
        found = facts(port, lasting)
    assert {one["key"]: (one["accepted"], one["refusal"]) for one in found["certificates"]} == {
        "P-256": (True, None),
        "RSA 2048": (False, "unable to get local issuer certificate"),
    }
    assert found["grade"] == "F"


def test_behind_starttls(lasting: Pki) -> None:
    context = server_context(tls, lasting)
    context.set_ciphers("ECDHE+AESGCM")

    def talk(sock: socket.socket) -> None:
        with sock.makefile("rwb") as lines:
            for expected, reply in ((None, b"220 hi"), (b"EHLO", b"250 STARTTLS"), (b"STARTTLS", b"220 go")):
                assert expected is None or lines.readline().startswith(expected)
                lines.write(reply + b"\r\n")
                lines.flush()
        with suppress(OSError), context.wrap_socket(sock, server_side=True) as conn:
            conn.recv(1)

    with each_connection(talk) as port:
        found = facts(port, lasting, "--starttls", "smtp")
    assert accepted(found, "TLS 1.2") == [
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ]
    assert found["alpn"] is None
    assert found["grade"] == "A+"


def endless(sock: socket.socket) -> None:
    sock.recv(1 << 16)
    hello = server_hello(0x0303, bytes(32), b"", 0xC02F, b"")
    sock.sendall(b"\x16\x03\x03" + len(hello).to_bytes(2, "big") + hello)
    while True:
        sock.sendall(b"\x16\x03\x03\x40\x00" + messages12.certificate((bytes(16384 - 10),)))


def test_names_of_all_languages(lasting: Pki) -> None:
    asked: list[str | None] = []
    context = server_context(tls, lasting)
    context.sni_callback = lambda _sock, name, _context: asked.append(name)
    with serving(context) as server:
        done = scan(server.server_address[1], "--ca-file", lasting.ca, "--servername", "b\u00fccher.test")
    assert set(asked) - {None} == {"xn--bcher-kva.test"}  # a hello of SSL 3.0 has no extensions
    assert "Hostname mismatch" in done.out


def test_a_server_that_refuses_everything_is_one_of_tls(pki: Pki) -> None:
    with each_connection(answering(b"\x15\x03\x01\x00\x02\x02\x70")) as port:
        done = scan(port, "--ca-file", pki.ca)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"puretls scan: localhost:{port}: every hello is refused, with the alert unrecognized_name\n"


def test_in_a_terminal_it_has_colours(lasting: Pki) -> None:
    pty = pytest.importorskip("pty")
    pytest.importorskip("rich")
    controller, terminal = pty.openpty()
    context = server_context(tls, lasting)
    with serving(context) as server:
        where = f"localhost:{server.server_address[1]}"
        argv = [*COMMAND, "scan", where, "--ca-file", str(lasting.ca)]
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
        with subprocess.Popen(argv, stdin=terminal, stdout=terminal, stderr=terminal, env=environment) as program:
            os.close(terminal)
            shown = bytearray()
            with suppress(OSError):  # EIO: the other end is closed
                while piece := os.read(controller, 65536):
                    shown += piece
            os.close(controller)
            assert program.wait(PATIENCE) == 0, shown.decode()
    text = shown.decode()
    for said in ("\x1b[", "asking", "is the grade", "X25519MLKEM768"):
        assert said in text


HOSTILE: dict[str, Callable[[socket.socket], object]] = {
    "the server closed the connection": lambda sock: sock.recv(1 << 16),
    "this is HTTP, not TLS": answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "this is not TLS: it begins with 1b 5b 33 31 6d": answering(b"\x1b[31mowned\x07" * 20),
    "more than 256 KiB and no end of the answer": endless,
    "timed out": lambda sock: sock.recv(1 << 16) and sock.recv(1),
}


@pytest.mark.parametrize("why", HOSTILE)
def test_a_server_that_means_no_good_is_one_line(pki: Pki, why: str) -> None:
    with each_connection(HOSTILE[why]) as port:
        done = scan(port, "--ca-file", pki.ca, "--timeout", 0.4)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"puretls scan: localhost:{port}: no TLS is spoken there: {why}\n"


def test_a_server_that_always_says_the_same_does_not_keep_it_busy(pki: Pki) -> None:
    hello = server_hello(0x0303, bytes(32), b"", 0xC02F, b"")
    messages = hello + messages12.SERVER_HELLO_DONE
    with each_connection(answering(b"\x16\x03\x03" + len(messages).to_bytes(2, "big") + messages)) as port:
        found = facts(port, pki)
    assert found["connections"] < 32 + len(KNOWN)
    assert "not on offer" in found["notes"][0]


def test_names_in_certificates_do_not_command_the_terminal(tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    evil = "\x1b]0;owned\x07\u202egnp.exe"
    pki.made["P-256"] = Authority(evil, parent=pki.root).issue("localhost", "\x1b[2Jx")
    with serving(server_context(tls, pki)) as server:
        done = scan(server.server_address[1], "--ca-file", pki.ca)
    assert "\\x1b]0" in done.out
    assert "\\u202egnp.exe" in done.out
    assert not {"\x1b", "\x07", "\u202e"} & set(done.out + done.err)


def test_ssl_2_is_found_beside_the_rest(lasting: Pki) -> None:
    """Nothing that is installed today speaks it: its answer is put together here."""
    context = server_context(tls, lasting)

    def serve(sock: socket.socket) -> None:
        if sock.recv(1, socket.MSG_PEEK) == b"\x80":
            answer = bytes.fromhex("04 00 01 0002 0000 0003 0010 010080") + bytes(16)
            sock.sendall((0x8000 | len(answer)).to_bytes(2, "big") + answer)
        else:
            with suppress(OSError), context.wrap_socket(sock, server_side=True) as conn:
                conn.recv(1)

    with each_connection(serve) as port:
        found = facts(port, lasting)
    assert found["versions"]["SSL 2.0"] is True
    assert remarks(found)["SSL 2.0 is accepted"] == found["grade"] == "F"


def test_what_tls_13_says_encrypted(lasting: Pki) -> None:
    options: tuple[object, ...] = ("-Verify", 2, "-tls1_3", "-alpn", "http/1.1")
    with openssl(lasting, "P-256", options=options) as port:
        found = facts(port, lasting)
    assert found["habits"]["client_certificate"] is True
    assert found["alpn"] == ["http/1.1"]
    assert found["signature_schemes"] == {"TLS 1.3": ["ecdsa_secp256r1_sha256"]}
    options = ("-early_data", "-max_early_data", 4096, "-tls1_3")
    with openssl(lasting, "P-256", options=options) as port:
        found = facts(port, lasting)
    assert found["early_data_bytes"] == 4096
    assert found["habits"]["early_data"] is True
    assert found["habits"]["client_certificate"] is False


def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    """Though every connection would wait for a long time."""
    asked = Event()

    def silent(sock: socket.socket) -> None:
        if sock.recv(1 << 16):
            asked.set()
            sock.recv(1)

    with each_connection(silent) as port:
        argv = [*COMMAND, "scan", f"localhost:{port}", "--timeout", "3600"]
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit that it is ignored
        with running(tmp_path, *argv) as program:
            signal.signal(signal.SIGINT, before)
            assert asked.wait(PATIENCE)
            program.process.send_signal(signal.SIGINT)
            assert program.wait() == 130
            assert program.said().strip() == "interrupted"


def test_the_number_of_connections_is_bounded(lasting: Pki) -> None:
    with openssl(lasting, "P-256") as port:
        done = scan(port, "--ca-file", lasting.ca, "--most", 13)
    assert "incomplete: the limit of 13 connections is reached" in done.out
    assert "(13 connections)" in done.out


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["localhost:1"], 1, "connection refused"),
        (["localhost:1", "--ca-file", "/none/such"], 1, "--ca-file /none/such: no such file"),
        (["localhost", "--min-grade", "Z"], 2, "invalid choice"),
        (["localhost:1", "--servername", "b\u00fc..test"], 2, "not a host name"),
        (["localhost", "--parallel", "0"], 2, "not a whole number from 1 to 10000: '0'"),
        (["localhost", "--pause", "61"], 2, "not a number from 0 to 60: '61'"),
        ([], 2, "required: HOST[:PORT]"),
    ],
)
def test_errors_are_a_line(argv: list[str], status: int, said: str) -> None:
    done = puretls("scan", *argv)
    assert (done.status, done.out) == (status, "")
    assert said in done.err


def test_a_server_that_opens_encrypted_hellos(lasting: Pki) -> None:
    for keys in ([tls.ECHKey(*tls.make_ech_config("public.example", config_id=9))], []):
        context = server_context(tls, lasting)
        context.set_ech_keys(keys)
        with serving(context) as server:
            found = facts(server.server_address[1], lasting)
        assert [(one["public_name"], one["config_id"]) for one in found["encrypted_client_hello"]] == (
            [("public.example", 9)] if keys else []
        )


def test_certificates_that_are_compressed_and_stapled(lasting: Pki) -> None:
    for status, word in ((GOOD, "good"), (REVOKED, "revoked"), (None, None)):
        context = server_context(tls, lasting)
        if status is not None:
            context.set_cert_compression(["zlib"])
            context.ocsp_response = response(lasting, status)
        with serving(context) as server:
            found = facts(server.server_address[1], lasting)
        assert found["certificate_compression"] == (["zlib"] if word else [])
        assert found["certificates"][0]["ocsp"].get("status") == word
        assert found["habits"]["ocsp_stapled"] is bool(word)
        assert found["certificates"][0]["accepted"] is (status is not REVOKED)
        assert any("has been revoked" in what for what in remarks(found)) is (status is REVOKED)


def test_a_raw_public_key(lasting: Pki) -> None:
    """Beside a certificate it is a line; in its place it is why nothing else is found (RFC 7250)."""
    key = lasting.identity("P-256").key
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = b64encode(sha256(der).digest()).decode()
    context = server_context(tls, lasting)
    with serving(context) as server:
        assert facts(server.server_address[1], lasting)["raw_public_key"] is None
    context.load_raw_public_key(key)
    context.server_certificate_types = ["x509", "raw"]
    with serving(context) as server:
        found = facts(server.server_address[1], lasting)
        shown = scan(server.server_address[1], "--ca-file", lasting.ca).out
    assert found["raw_public_key"] == pin
    assert re.search(rf"shows a raw public key +sha256//{re.escape(pin)}\n", shown)
    only = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    only.load_raw_public_key(key)
    with serving(only) as server:
        found = facts(server.server_address[1], lasting)
    assert (found["raw_public_key"], found["certificates"]) == (pin, [])
    assert found["notes"] == ["no certificate: who does not take a raw public key (RFC 7250) cannot connect"]
    assert not any(one["connects"] for one in found["clients"])
    only.maximum_version = tls.TLSVersion.TLSv1_2  # where the suites cannot be told without it
    with serving(only) as server:
        done = scan(server.server_address[1], "--ca-file", lasting.ca)
    assert (done.status, done.out) == (1, "")
    assert f"it has no certificate, but shows a raw public key (RFC 7250): sha256//{pin}" in done.err


def test_a_name_that_nobody_has_stops_no_others(lasting: Pki) -> None:
    with openssl(lasting, "P-256", options=("-tls1_3",)) as port:
        argv = (
            "nobody.invalid",
            f"127.0.0.1:{port}",
            "--all-addresses",
            "--ca-file",
            lasting.ca,
            "--most",
            9,
            "--json",
        )
        done = puretls("scan", *argv)
    first, second = json.loads(done.out)
    assert (first["host"], first["address"]) == ("nobody.invalid", None)
    assert "the name does not resolve" in first["failed"]
    assert second["versions"]["TLS 1.3"] is True
    assert done.status == 1


def test_a_document_of_a_server_that_cannot_be_scanned() -> None:
    done = puretls("scan", "localhost:1", "-4", "--json")
    told = json.loads(done.out)
    jsonschema.validate(told, json.loads(SCHEMA.read_text("utf-8")))
    assert done.status == 1
    assert f"puretls scan: {told['failed']}\n" == done.err
    assert told == {
        "host": "localhost",
        "port": 1,
        "address": None,
        "proxy": None,
        "failed": "localhost:1: connection refused (127.0.0.1)",
    }
