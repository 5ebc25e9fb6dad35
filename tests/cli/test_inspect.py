"""`puretls inspect` with servers and clients of others: what it says, the page, the document, and what fails."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import socket
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import puretls as tls
from puretls._analysis.conversation import Conversation
from puretls.cli.anatomy import page
from puretls.cli.explain import Inspection, show
from puretls.cli.markup import links
from support import PATIENCE, Pki, Program, dial, need, running, until
from support.commands import COMMAND, called, puretls
from support.ours import server_context
from support.peering import PEERS, V12, V13, Peer, Setup
from support.web import serving

PROGRAMS = {peer.name: peer for peer in PEERS if peer.name in ("openssl", "gnutls")}
each_version = pytest.mark.parametrize("version", [V12, V13])


def leaves(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "fields" not in node:
        yield node
    for child in node.get("fields", []):
        yield from leaves(child)


def check(document: dict[str, Any]) -> None:
    """Every byte of every record and message is in a field, and nothing is wrong with any."""
    for record in document["records"]:
        parts = [record, *record["messages"], *([record["decrypted"]] if record["decrypted"] else [])]
        for part in parts:
            assert sum(leaf["size"] for leaf in leaves(part["fields"])) * 2 == len(part["bytes"])
            assert not [leaf for leaf in leaves(part["fields"]) if "fault" in leaf]
        assert record["fault"] is None
        assert (record["secret"] is None) == (record["decrypted"] is None)


def names(document: dict[str, Any]) -> list[str]:
    return [f"{one['from']}: {message['name']}" for one in document["records"] for message in one["messages"]]


@each_version
@pytest.mark.parametrize("peer", PROGRAMS.values(), ids=PROGRAMS)
def test_servers_of_others(pki: Pki, peer: Peer, version: str) -> None:
    with peer.accept(pki, Setup(version=version, identity="P-256", alpn="http/1.1")) as end:
        dial(end.port).close()
        done = puretls("inspect", f"localhost:{end.port}", "--ca-file", pki.ca, "--alpn", "http/1.1", "--json")
    assert (done.status, done.err) == (0, "")
    (found,) = json.loads(done.out)["connections"]
    check(found)
    said = names(found)
    assert said[:2] == ["client: ClientHello", "server: ServerHello"]
    assert {"server: Certificate", "server: Finished", "client: Finished", "client: Alert"} <= set(said)
    assert found["facts"]["version"] == version.replace("v", " ")
    assert found["facts"]["ALPN"] == "http/1.1"
    assert re.fullmatch(r"t13d\d{4}h1_[0-9a-f]{12}_[0-9a-f]{12}", found["ja4"])
    labels = {one["label"] for one in found["secrets"]}
    assert labels == (
        {"CLIENT_RANDOM"} if version == V12 else {f"{who}_{what}" for who in ("CLIENT", "SERVER") for what in TRAFFIC}
    )


TRAFFIC = ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0")


@each_version
def test_http_and_resumption(capsys: pytest.CaptureFixture[str], pki: Pki, version: str) -> None:
    context = server_context(tls, pki)
    context.maximum_version = {V12: tls.TLSVersion.TLSv1_2, V13: tls.TLSVersion.TLSv1_3}[version]
    with serving(context) as server:
        where = f"localhost:{server.server_port}"
        done = called(capsys, "inspect", where, "--ca-file", pki.ca, "--http", "--resume", "--json")
    assert (done.status, done.err) == (0, "")
    first, second = json.loads(done.out)["connections"]
    check(first)
    check(second)
    assert (first["facts"]["resumed"], second["facts"]["resumed"]) == ("no", "yes")
    assert "server: Certificate" in names(first)
    assert "server: Certificate" not in names(second)
    data = [one for record in first["records"] for one in record["messages"] if one["name"] == "application_data"]
    assert data[0]["fields"]["value"].startswith("GET / HTTP/1.1")
    assert bytes.fromhex(data[1]["bytes"]).startswith(b"HTTP/1.1 200")


def test_in_the_terminal(capsys: pytest.CaptureFixture[str], pki: Pki) -> None:
    with serving(server_context(tls, pki)) as server:
        where = f"localhost:{server.server_port}"
        brief = called(capsys, "inspect", where, "--ca-file", pki.ca)
        full = called(capsys, "inspect", where, "--ca-file", pki.ca, "--full")
    for done in (brief, full):
        assert (done.status, done.err) == (0, "")
        for words in ("ClientHello -->", "<-- CertificateVerify", "encrypted from here on", "RFC 8446 4.1.2", "JA4"):
            assert words in done.out
    assert "legacy_record_version" not in brief.out
    assert "legacy_record_version  TLS 1.0   [03 01]" in full.out
    assert "they open nothing else" in full.out


class Reader(HTMLParser):
    """Checks that tags are closed in order, and keeps what matters."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.dumps: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        dump = dict(attrs).get("class") == "hex"
        if dump:
            self.dumps.append("")
        if tag not in ("meta", "br", "html"):
            self.open.append("dump" if dump else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "html":
            assert self.open.pop() in (tag, "dump")

    def handle_data(self, data: str) -> None:
        if "dump" in self.open:
            self.dumps[-1] += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_the_page(capsys: pytest.CaptureFixture[str], pki: Pki, tmp_path: Path) -> None:
    with serving(server_context(tls, pki)) as server:
        where = f"localhost:{server.server_port}"
        options = ("--ca-file", pki.ca, "--http", "--html", tmp_path / "page.html", "--json")
        done = called(capsys, "inspect", where, *options)
    assert (done.status, done.err) == (0, "")
    if os.name == "posix":
        assert (tmp_path / "page.html").stat().st_mode & 0o077 == 0
    html = (tmp_path / "page.html").read_text("utf-8")
    reader = read(html)
    tags = {tag for tag, _ in reader.seen}
    assert not tags & {"script", "img", "link", "iframe", "object", "form"}
    assert not any(name.startswith("on") or name in ("style", "src") for _, found in reader.seen for name in found)
    policy = next(found["content"] or "" for tag, found in reader.seen if tag == "meta" and "http-equiv" in found)
    style = html.partition("<style>")[2].partition("</style>")[0]
    assert base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    (found,) = json.loads(done.out)["connections"]
    shown = {bytes.fromhex(dump) for dump in reader.dumps}
    for record in found["records"]:
        for message in record["messages"]:
            assert bytes.fromhex(message["bytes"]) in shown
        assert not record["decrypted"] or bytes.fromhex(record["bytes"]) in shown
    ladder = [href for tag, at in reader.seen if tag == "a" and (href := at["href"]) and href.startswith("#")]
    assert {at["id"] for tag, at in reader.seen if tag == "details" and "id" in at} >= {one[1:] for one in ladder}


def test_a_refusal_is_explained(capsys: pytest.CaptureFixture[str], pki: Pki) -> None:
    with serving(server_context(tls, pki)) as server:
        done = called(capsys, "inspect", f"localhost:{server.server_port}", "--ca-file", pki.other_ca)
        seen = called(capsys, "inspect", f"localhost:{server.server_port}", "--insecure")
    assert done.status == 1
    assert done.err.startswith(f"puretls inspect: localhost:{server.server_port} (127.0.0.1): not verified: ")
    assert done.err.count("\n") == 1
    assert "Alert unknown_ca -->" in done.out
    assert (seen.status, seen.err) == (0, "")
    assert "verified   not checked" in seen.out


def answering(data: bytes) -> tuple[int, Thread]:
    """A server that says this to whatever it hears."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as sock:
            sock.settimeout(PATIENCE)
            sock.recv(65536)
            sock.sendall(data)

    thread = Thread(target=serve)
    thread.start()
    return listener.getsockname()[1], thread


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad \x1b[2J Request\r\n\r\n",
        b"",
        b"\x16\x03\x03\xff\xff\x1b]0;<script>",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
)
def test_servers_that_mean_no_good(capsys: pytest.CaptureFixture[str], tmp_path: Path, data: bytes) -> None:
    port, thread = answering(data)
    done = called(capsys, "inspect", f"localhost:{port}", "--full", "--html", tmp_path / "page.html")
    thread.join(PATIENCE)
    assert done.status == 1
    assert done.err.startswith(f"puretls inspect: localhost:{port}")
    assert done.err.count("\n") == 1
    assert "ClientHello -->" in done.out
    assert "\x1b" not in done.out + done.err
    html = (tmp_path / "page.html").read_text("utf-8")
    read(html)
    assert "\x1b" not in html
    assert "<script" not in html


@pytest.mark.parametrize("program", ["curl", "openssl"])
def test_listening(tmp_path: Path, program: str) -> None:
    need(program)
    ca = tmp_path / "ca.pem"
    with running(tmp_path, *COMMAND, "inspect", "--listen", "0", "--ca-out", ca, "--json") as server:
        url = until(lambda: re.search(r"https://localhost:(\d+)/", server.said()), "the server's port")[0]
        port = url.rstrip("/").rpartition(":")[2]
        client = {
            "curl": ["curl", "-s", "--cacert", str(ca), url],
            "openssl": [
                "openssl",
                "s_client",
                "-CAfile",
                str(ca),
                "-connect",
                f"localhost:{port}",
                "-tls1_2",
            ],
        }[program]
        said = subprocess.run(client, input=b"", capture_output=True, timeout=PATIENCE, check=False)
        out = server.recv(1 << 22)
        assert server.wait() == 0
    (found,) = json.loads(out)["connections"]
    check(found)
    assert found["facts"]["version"] == ("TLS 1.3" if program == "curl" else "TLS 1.2")
    if program == "curl":
        assert said.stdout == b"puretls has seen this connection: look at its terminal.\n"
        assert found["ja4"].startswith("t13d")
    else:
        assert found["ja4"].startswith("t12")


def test_a_browser_s_refusal_is_explained(tmp_path: Path) -> None:
    """A client that does not know our CA: its alert is what there is to see."""
    need("curl")
    program = Program(tmp_path, *COMMAND, "inspect", "--listen", "0")
    try:
        url = until(lambda: re.search(r"https://localhost:(\d+)/", program.said()), "the server's port")[0]
        subprocess.run(["curl", "-s", url], timeout=PATIENCE, check=False)
        out = program.recv(1 << 22).decode()
        assert program.wait() == 1
    finally:
        program.stop()
    assert "Alert unknown_ca -->" in out
    assert "the peer refused: alert unknown_ca" in program.said()


def test_wrong_usage(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for argv in (
        (),
        ("localhost", "--listen", "1"),
        ("--listen", "70000"),
        ("--listen", "0", "--resume"),
        ("localhost", "--servername", ".x"),
    ):
        done = called(capsys, "inspect", *argv)
        assert (done.status, done.out) == (2, "")
    done = called(capsys, "inspect", "--listen", "0", "--ca-out", tmp_path / "no" / "such")
    assert (done.status, done.err.count("\n")) == (1, 1)


def test_with_rich(pki: Pki) -> None:
    """The same words, and no line wider than the terminal."""
    pytest.importorskip("rich")
    from rich.console import Console

    from puretls.cli.rich_screen import Rich
    from support.bios import join
    from support.ours import client_context

    conversation = Conversation()

    def carry(sender: str, data: bytes) -> bytes:
        conversation.feed(sender == "client", data)
        return data

    join(client_context(tls, pki), server_context(tls, pki), carry=carry).ok()
    screen = Rich()
    screen.console = Console(file=io.StringIO(), force_terminal=True, width=90)
    for full in (False, True):
        show(Inspection("title", conversation), screen, full=full)
    said = re.sub(r"\x1b\[[0-9;]*m", "", screen.console.file.getvalue())  # type: ignore[attr-defined]
    assert "ClientHello" in said
    assert "▶" in said
    assert "so this stays closed" in re.sub(r"\s+", " ", said)
    assert max(map(len, said.splitlines())) <= 90


def test_a_page_of_nothing() -> None:
    html = page([Inspection("<b>nobody</b>", Conversation(), failed="<i>it failed</i>")])
    read(html)
    assert "<b>nobody" not in html
    assert "<i>it failed" not in html


def test_links() -> None:
    there = "https://www.rfc-editor.org/rfc/rfc8446"
    assert links("RFC 8446 4.1.2") == f'<a href="{there}#section-4.1.2">RFC 8446 4.1.2</a>'
    assert links("RFC 8446 B.4, draft-x") == f'<a href="{there}#appendix-B.4">RFC 8446 B.4</a>, draft-x'
    assert links("RFC 8446") == f'<a href="{there}">RFC 8446</a>'
