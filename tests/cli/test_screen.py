"""What a screen shows in terminals of any width: every word of it, and no line that is too long."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

import pytest

from puretls.cli.observe import Message
from puretls.cli.render import Plain

pytest.importorskip("rich")
from rich.console import Console

from puretls.cli.rich_screen import Rich

SUITES = {
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": ("256", "-"),
    "TLS_RSA_WITH_AES_128_CBC_SHA256": ("128", "no forward secrecy, CBC"),
}
CLIENTS = {
    "IE 8 to 10 on Windows 7": ("no connection", "internal_error", "-"),
    "Safari 9 on iOS 9": ("TLS 1.2", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "secp256r1"),
    "Chrome 152": ("TLS 1.3", "TLS_AES_128_GCM_SHA256", "x25519"),
}
SIDES = {"suite": ("TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"), "time": ("12.5 ms", "3.5 ms")}
RATES = {"bulk, TLS 1.2 AES-128-GCM": (1879.0, 1788.0, "MB/s"), "messages of 64 bytes": (1.0, None, "1/s")}
LONG = "Hostname mismatch, certificate is not valid for 'elsewhere.test', whatever that may be"
SHAPES: dict[str, Callable[[Plain], None]] = {
    "heading": lambda screen: screen.heading("The handshake, message by message", "as the puretls client saw it, once"),
    "good": lambda screen: screen.good(LONG),
    "bad": lambda screen: screen.bad(LONG),
    "suites": lambda screen: screen.facts(("bits", "what is wrong with it"), SUITES),
    "clients": lambda screen: screen.facts(("version", "suite", "group"), CLIENTS),
    "sides": lambda screen: screen.facts(("puretls client", "ssl client"), SIDES),
    "pairs": lambda screen: screen.pairs([("session tickets, TLS 1.2", LONG), ("key pin", "sha256//" + 44 * "x")]),
    "mark": lambda screen: screen.mark("A-", "good", LONG, [("why", LONG), ("which", ", ".join(SUITES))]),
    "ladder": lambda screen: screen.ladder(
        [Message(True, "ClientHello", 1740, 0.0), Message(False, "EncryptedExtensions", 86, 0.06149),
         Message(True, "ChangeCipherSpec", 1, 1.5)]
    ),
    "rung": lambda screen: screen.rung(True, "HelloRetryRequest", 1_234_567, 0.0125),
    "rung back": lambda screen: screen.rung(False, "EncryptedExtensions", 86, 0.0125),
    "contest": lambda screen: screen.contest(("puretls", "ssl"), RATES),
    "speeds": lambda screen: screen.speeds(("to the server", "from the server"), {"plain TCP": (519.0, 6556.0)}),
}  # fmt: skip
FILLING = re.compile(r"[\s|─━█▶◀●✔✘:#()>.-]|ok|FAILED|MiB/s|bytes|ms|B")  # what only lays out


def shown(shape: str, columns: int) -> str:
    screen = Rich()
    screen.console = Console(file=io.StringIO(), width=columns, highlight=False)
    SHAPES[shape](screen)
    text = screen.console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_cut(shape: str, columns: int) -> None:
    text = shown(shape, columns)
    assert max(map(len, text.splitlines())) <= columns
    assert "\u2026" not in text
    whole = shown(shape, 300)
    assert sorted(FILLING.sub("", text)) == sorted(FILLING.sub("", whole))


@pytest.mark.parametrize("shape", SHAPES)
def test_plain_lines_say_the_same(shape: str, capsys: pytest.CaptureFixture[str]) -> None:
    SHAPES[shape](Plain())
    plain = set(re.findall(r"[\w'/]{4,}", capsys.readouterr().out)) - {"FAILED", "bytes"}
    assert plain <= set(re.findall(r"[\w'/]{4,}", shown(shape, 300)))
