"""`puretls demo` as people and scripts run it, and its page in a real browser that trusts its CA."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from support import PATIENCE, free_port, need, running, until

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
    need("chromium", "certutil")
    port, ca, home = free_port(), tmp_path / "ca.pem", tmp_path / "home"
    nss = home / ".pki" / "nssdb"
    nss.mkdir(parents=True)
    with running(tmp_path, *DEMO, "--size", "1", "--serve", "--port", port, "--ca-file", ca):
        until(ca.exists, "the demo's CA")
        run = partial(
            subprocess.run, check=True, capture_output=True, timeout=90, env={**os.environ, "HOME": str(home)}
        )
        run(["certutil", "-d", f"sql:{nss}", "-N", "--empty-password"])
        run(["certutil", "-d", f"sql:{nss}", "-A", "-t", "C,,", "-n", "demo", "-i", ca])
        chromium = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chromium += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=2000"]
        page, shot = f"https://localhost:{port}/", tmp_path / "page.png"
        dom = run([*chromium, "--dump-dom", page], text=True).stdout
        assert "Your browser speaks <b>TLS 1.3</b>" in dom, dom[:2000]
        assert "X25519MLKEM768" in dom
        run([*chromium, f"--screenshot={shot}", page])
        assert shot.stat().st_size > 10_000
