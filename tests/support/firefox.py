"""Firefox without a window, told what to do over Marionette, the protocol of its own tests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from support import PATIENCE, dial, need, until
from support.browser import SLOW, trusting

QUIET = {  # it is to ask nobody for news
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.startup.homepage_override.mstone": "ignore",
    "browser.startup.page": 0,
    "browser.newtabpage.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
}


def resolving(url: str) -> dict[str, Any]:
    """Every name by DNS over HTTPS from there, and no connection before the HTTPS record has come."""
    return {
        "network.trr.mode": 3,
        "network.trr.uri": url,
        "network.trr.confirmationNS": "skip",
        "network.trr.wait-for-portal": False,
        "network.trr.allow-rfc1918": True,
        "network.dns.echconfig.enabled": True,
        "network.dns.force_waiting_https_rr": True,
    }


class Window:
    """A page in Firefox: what `browser.Tab` is in Chromium."""

    def __init__(self, port: int) -> None:
        self.socket, self.buffer, self.count = dial(port), b"", 0
        self.socket.settimeout(SLOW)
        self._next()  # who it is
        self.call("WebDriver:NewSession", capabilities={"alwaysMatch": {}})

    def told(self, command: str, parameters: dict[str, Any]) -> tuple[Any, Any]:
        """One command: its error, its result."""
        self.count += 1
        message = json.dumps([0, self.count, command, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._next()
        assert number == self.count
        return error, result

    def call(self, command: str, **parameters: Any) -> Any:
        error, result = self.told(command, parameters)
        assert not error, error
        return result

    def _next(self) -> Any:
        while b":" not in self.buffer:
            self._more()
        size, _, self.buffer = self.buffer.partition(b":")
        while len(self.buffer) < int(size):
            self._more()
        message, self.buffer = self.buffer[: int(size)], self.buffer[int(size) :]
        return json.loads(message)

    def _more(self) -> None:
        piece = self.socket.recv(1 << 16)
        assert piece, "the browser has ended"
        self.buffer += piece

    def load(self, url: str) -> None:
        """Go there; back when the page is loaded."""
        self.call("WebDriver:Navigate", url=url)

    def refused(self, url: str) -> str:
        """Go where the browser shows an error instead, and say which."""
        error, _ = self.told("WebDriver:Navigate", {"url": url})
        assert error, "it was loaded"
        return str(self.value("document.getFailedCertSecurityInfo?.().errorCodeString") or error["message"])

    def reload(self) -> None:
        """The same page again."""
        self.call("WebDriver:Refresh")

    def security(self) -> dict[str, Any]:
        """What the browser knows of the page's connection."""
        names = ("isAcceptedEch", "resumed", "keaGroupName", "protocolVersion", "certificateTransparencyStatus")
        taken = ", ".join(f"{name}: known.{name}" for name in names)
        self.call("Marionette:SetContext", value="chrome")
        script = f"const known = gBrowser.selectedBrowser.securityUI.secInfo; return {{ {taken} }};"
        found = self.call("WebDriver:ExecuteScript", script=script, args=[])["value"]
        self.call("Marionette:SetContext", value="content")
        return dict(found)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression is on the page."""
        return self.call("WebDriver:ExecuteScript", script=f"return {expression}", args=[])["value"]


@contextmanager
def browsing(folder: Path, ca: Path, *, resolver: str = "") -> Iterator[Window]:
    """A browser with one window that trusts a CA, for the length of a block."""
    need("firefox-esr", everywhere=False)  # the name is Debian's
    profile = folder / "firefox"
    trusting(profile, ca)
    preferences = {**QUIET, **(resolving(resolver) if resolver else {}), "marionette.port": 0}
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items())
    (profile / "user.js").write_text("".join(lines))
    written = profile / "MarionetteActivePort"
    with (folder / "firefox.log").open("wb") as log:
        browser = subprocess.Popen(
            ["firefox-esr", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access",
             "--profile", profile],
            env={**os.environ, "HOME": str(folder)}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        port = until(lambda: written.exists() and written.read_text(), "Firefox's port", SLOW)
        window = Window(int(port))
        try:
            yield window
            with suppress(AssertionError, OSError):
                window.call("Marionette:Quit", flags=["eForceQuit"])
                browser.wait(PATIENCE)
        finally:
            window.socket.close()
    finally:
        browser.kill()
        browser.wait()
