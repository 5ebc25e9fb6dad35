"""Commands before servers whose bytes are damaged and whose names mean no good: an answer, or a line."""

from __future__ import annotations

import random
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import puretls as tls
from puretls.cli.certs import Authority
from support import Pki
from support.commands import called
from support.scanning import each_connection

NAME = "\x1b]0;owned\x07\x1b[2J\u202e<script>alert(1)</script>&'\n"
PAGE = b"HTTP/1.1 200 OK\r\nStrict-Transport-Security: \x1b[31m\r\nLocation: \x1b]0;a\x07\r\n\r\n\x1b[2Jx"
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]")  # but for ends of lines and tabs
VERSIONS = (tls.TLSVersion.TLSv1_2, tls.TLSVersion.TLSv1_3)
COMMANDS: list[list[str]] = [
    ["connect", "--insecure", "--resume"],
    ["connect", "--insecure", "--json"],
    ["inspect", "--insecure", "--full"],
    ["inspect", "--insecure", "--http", "--html", "HTML"],
    ["scan", "--http", "--pause", "0", "--most", "25"],
]


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> list[tls.SSLContext]:
    pki = Pki(tmp_path_factory.mktemp("evil"))
    pki.made["P-256"] = Authority(NAME, parent=pki.root).issue("localhost")
    made = []
    for version in VERSIONS:
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        made.append(context)
    return made


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Some octets of it are others, are gone, or have come to it."""
    place, size = chance.randrange(len(data)), chance.choice((1, 2, 5, 40))
    return chance.choice(
        (
            data[:place],
            data[:place] + chance.randbytes(size) + data[place:],
            data[:place] + data[place + size :],
            data[:place] + chance.randbytes(size) + data[place + size :],
            data + data,
            chance.randbytes(2000),
            b"\x1b[31m\x07" * 50,
        )
    )


def said(context: tls.SSLContext, sock: socket.socket) -> Iterator[bytes]:
    """What a server says, piece by piece, while it is being answered."""
    incoming, outgoing = tls.MemoryBIO(), tls.MemoryBIO()
    conn, done = context.wrap_bio(incoming, outgoing, server_side=True), False
    while True:
        try:
            if not done:
                conn.do_handshake()
                done = True
            if conn.read(1000):
                conn.write(PAGE)
        except tls.SSLWantReadError:
            pass
        except tls.SSLError:
            yield outgoing.read()
            return
        if piece := outgoing.read():
            yield piece
        data = sock.recv(1 << 16)
        if not data:
            return
        incoming.write(data)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the old versions that a scan asks for
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("command", COMMANDS, ids=lambda argv: "-".join(argv[:3]))
def test_damage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, contexts: list[tls.SSLContext], command: list[str], seed: int
) -> None:
    chance = random.Random(seed)

    def serve(sock: socket.socket) -> None:
        which = chance.randrange(4)
        for number, piece in enumerate(said(chance.choice(contexts), sock)):
            if piece:
                sock.sendall(damaged(piece, chance) if number == which else piece)

    html = tmp_path / "page.html"
    argv = [str(html) if part == "HTML" else part for part in command]
    with each_connection(serve) as port:
        done = called(capsys, argv[0], f"localhost:{port}", *argv[1:], "--timeout", "0.3")
    assert done.status in (0, 1)
    assert not CONTROL.search(done.out + done.err)
    assert "Traceback" not in done.err
    page = html.read_text("utf-8") if html.exists() else ""
    assert "<script" not in page
    assert not CONTROL.search(page)
