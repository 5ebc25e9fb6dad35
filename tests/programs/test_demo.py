"""`puretls demo` as people and scripts run it, and its page in a real browser that trusts its CA."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import PATIENCE, free_port, need, running, until
from support.browser import Tab, browsing, home_trusting

DEMO = (sys.executable, "-m", "puretls", "demo")


def test_without_a_terminal_it_reports_and_ends() -> None:
    done = subprocess.run(
        [*DEMO, "--size", "4", "--port", "0"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    for said in ("puretls: chain and name verified", "ClientHello", "X25519MLKEM768", "plain TCP", "All of it worked"):
        assert said in done.stdout


def test_in_a_terminal_it_stays_until_ctrl_c(tmp_path: Path) -> None:
    """With colours and bars, and an end without a traceback."""
    pty = pytest.importorskip("pty")
    pytest.importorskip("rich")
    controller, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "110"}
    command = [*DEMO, "--size", "1", "--port", str(free_port())]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job inherits that it is ignored
    demo = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, cwd=tmp_path, start_new_session=True
    )
    signal.signal(signal.SIGINT, before)
    os.close(terminal)
    shown = bytearray()
    try:
        while b"Ctrl-C" not in shown:
            shown += os.read(controller, 65536)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(PATIENCE) == 0, shown.decode()
    finally:
        demo.kill()
        demo.wait()
        os.close(controller)
    text = shown.decode()
    for said in ("\x1b[", "ClientHello", "\u25b6", "\u2588", "All of it worked", "https://localhost:"):
        assert said in text


def test_the_command_explains_itself() -> None:
    for argv in (["--help"], ["demo", "--help"], ["version"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-m", "puretls", *argv], capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert "puretls" in done.stdout


@pytest.mark.timeout(180)
def test_chromium_opens_the_page(tmp_path: Path) -> None:
    """With the demo's CA in the browser's own store: no flag tells it to look away."""
    need("chromium", "certutil", "curl")
    port, ca = free_port(), tmp_path / "ca.pem"
    page = f"https://localhost:{port}/"
    with running(tmp_path, *DEMO, "--size", "1", "--serve", "--port", port, "--ca-file", ca):
        until(ca.exists, "the demo's CA")
        with browsing(home_trusting(tmp_path / "home", ca)) as tab:
            tab.load(page)
            assert tab.value("document.querySelector('h1 b').innerText") == "TLS 1.3"
            first = facts(tab)
            assert first["group"] == "X25519MLKEM768"
            assert first["who"].startswith("Chrome")
            assert first["resumed"] == "no (0 of 1 connections)"
            assert re.fullmatch(r"t13d\d{4}h[12]_[0-9a-f]{12}_[0-9a-f]{12}", first["JA4"])
            tab.reload()
            second = facts(tab)
            assert second["resumed"] == "yes (1 of 2 connections)"
            assert second["JA4"][:4] == "t13d"
            offered = "[...document.querySelectorAll('details.f .n')].map(one => one.innerText)"
            assert {"server_name", "key_share", "pre_shared_key", "supported_groups"} <= set(tab.value(offered))
            assert tab.value("document.querySelectorAll('.bad').length") == 0
            assert tab.picture().startswith(b"\x89PNG")

            subprocess.run(["curl", "-s", "--cacert", ca, page], check=True, capture_output=True, timeout=PATIENCE)
            subprocess.run(["curl", "-s", page], check=False, timeout=PATIENCE)
            listed = "document.getElementById('visits').innerText"  # told by the server, without a reload
            until(lambda: "curl" in tab.value(listed) and "alert unknown_ca" in tab.value(listed), "news of the others")


def facts(tab: Tab) -> dict[str, str]:
    """What the page says of the connection it came on."""
    found: dict[str, str] = tab.value(
        "Object.fromEntries([...document.querySelectorAll('dl div')].map("
        "one => [one.querySelector('dt').innerText, one.querySelector('dd').innerText]))"
    )
    return found
