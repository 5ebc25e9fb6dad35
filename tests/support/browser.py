"""Chromium without a window, told what to do over its debugging pipe: so that one browser can load a page twice."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support import PATIENCE, need

SLOW = 3 * PATIENCE  # for a browser to start


def home_trusting(folder: Path, ca: Path) -> Path:
    """A home directory in whose certificate store a CA is trusted."""
    trusting(folder / ".pki" / "nssdb", ca)
    return folder


def trusting(folder: Path, ca: Path) -> None:
    """Make a certificate store of NSS there, in which a CA is trusted."""
    need("certutil")
    folder.mkdir(parents=True)
    for step in (["-N", "--empty-password"], ["-A", "-t", "C,,", "-n", "test", "-i", str(ca)]):
        subprocess.run(["certutil", "-d", f"sql:{folder}", *step], check=True, capture_output=True, timeout=PATIENCE)


class Tab:
    """A page in a browser."""

    def __init__(self, commands: int, answers: int) -> None:
        self.commands, self.answers, self.buffer, self.count = commands, answers, b"", 0
        self.session = ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.page: Any = None
        self.call("Page.enable")
        self.call("Network.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """One command of the protocol, and its result."""
        self.count += 1
        told = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            told["sessionId"] = self.session
        os.write(self.commands, json.dumps(told).encode() + b"\0")
        while (answer := self._next()).get("id") != self.count:
            pass  # an event
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> Any:
        deadline = time.monotonic() + SLOW
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], deadline - time.monotonic())
            assert ready, "the browser is silent"
            piece = os.read(self.answers, 1 << 16)
            assert piece, "the browser has ended"
            self.buffer += piece
        one, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(one)
        if message.get("method") == "Network.responseReceived" and message["params"]["type"] == "Document":
            self.page = message["params"]["response"]
        return message

    def load(self, url: str) -> None:
        """Go there; back when the page is loaded."""
        found = self.call("Page.navigate", url=url)
        assert "errorText" not in found, found
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def refused(self, url: str) -> str:
        """Go where the browser shows an error instead, and say which."""
        return str(self.call("Page.navigate", url=url)["errorText"])

    def reload(self) -> None:
        """The same page again."""
        self.call("Page.reload")
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def security(self) -> dict[str, Any]:
        """What the browser knows of the page's connection."""
        return dict(self.page["securityDetails"])

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is on the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])


@contextmanager
def browsing(home: Path, *, resolver: str = "") -> Iterator[Tab]:
    """A browser with one tab, for the length of a block; it resolves names by DNS over HTTPS from that URL."""
    need("chromium")
    profile = home / "profile"
    arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-quic",
        "--disable-sync",
        "--no-first-run",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
    ]
    if resolver:  # what the page of its settings would write
        profile.mkdir()
        settings = {"dns_over_https": {"mode": "secure", "templates": resolver}}
        (profile / "Local State").write_text(json.dumps(settings))
        wait = "UseDnsHttpsSvcb:UseDnsHttpsSvcbSecureExtraTimeMin/20s/UseDnsHttpsSvcbSecureExtraTimeMax/20s"
        arguments.append(f"--enable-features={wait}")
    command_end, commands = os.pipe()
    answers, answer_end = os.pipe()
    # the pipe's ends are 3 and 4 in the browser: a shell puts them there, so they must not be there already
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (command_end, answer_end)]
    shell = f'exec chromium "$@" 3<&{ends[0]} 4>&{ends[1]}'
    browser = subprocess.Popen(
        ["bash", "-c", shell, "chromium", *arguments],
        env={**os.environ, "HOME": str(home)},
        pass_fds=ends,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (command_end, answer_end, *ends):
        os.close(end)
    try:
        tab = Tab(commands, answers)
        yield tab
        with suppress(AssertionError, OSError):
            tab.session = ""
            tab.call("Browser.close")
            browser.wait(PATIENCE)
    finally:
        browser.kill()
        browser.wait()
        os.close(commands)
        os.close(answers)
