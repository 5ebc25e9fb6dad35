"""The examples of the documentation work: each page's Python runs in a process of its own, against peers on loopback.

How they are run, and what has to come out, is said in tests/support/run_page.py.  Commands that a page names have to
exist.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import puretls
from puretls._base import faults, registry
from puretls._x509 import codes
from puretls.cli import COMMANDS, parser
from puretls.cli.certs import Authority
from support.mail import mail_server
from support.run_page import blocks
from support.web import serving

ROOT = Path(__file__).parents[2]
ALL = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PAGES = [page for page in ALL if list(blocks(page.read_text("utf-8")))]
NAMES = {"server": ("localhost", "127.0.0.1"), "shop": ("shop.example.org",), "blog": ("blog.example.org",)}
named = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the examples find in their folder: a CA, and certificates with their keys."""
    authority = Authority("Example CA")
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    identities = {name: authority.issue(*hosts) for name, hosts in NAMES.items()}
    identities["client"] = authority.issue("alice", client=True)
    for workload in ("web", "batch", "stranger"):
        identities[workload] = authority.issue(f"spiffe://example.org/{workload}", client=workload != "batch")
    identities["example"] = authority.issue("example.org", "mail.example.org")
    for name, identity in identities.items():
        (tmp_path / f"{name}.pem").write_bytes(identity.chain_pem)
        (tmp_path / f"{name}.key").write_bytes(identity.key_pem)
    return tmp_path


@pytest.fixture
def places(folder: Path) -> Iterator[list[str]]:
    """The peers that examples name: a web server and a mail server."""
    context = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "example.pem", folder / "example.key")
    context.set_alpn_protocols(["http/1.1"])
    with serving(context) as web, mail_server(context) as mail:
        yield [f"example.org:443={web.server_port}", f"mail.example.org:587={mail}"]


@named
def test_examples(page: Path, folder: Path, places: list[str]) -> None:
    text = page.read_text("utf-8")
    if sys.version_info < (3, 11) and "start_tls(" in text:
        pytest.skip("StreamWriter.start_tls() is new in Python 3.11")
    done = subprocess.run(
        [sys.executable, "-m", "support.run_page", page, *places],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("SSL")},
            "PYTHONPATH": str(ROOT / "tests"),
            "SSL_CERT_FILE": str(folder / "ca.pem"),
            "TICKET_SECRET": os.urandom(32).hex(),
            "SSL_CERT_DIR": str(folder / "none"),
            "REQUESTS_CA_BUNDLE": str(folder / "ca.pem"),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    shell = re.findall(r"^```(?:sh|console)\n(.*?)^```$|^    (puretls .*)$", text, re.DOTALL | re.MULTILINE)
    used = re.findall(r"^(?:\$ )?puretls ([a-z]+)", "\n".join(map("\n".join, shell)), re.MULTILINE)
    assert set(used) <= set(COMMANDS)


def test_every_command_has_its_line_and_its_page() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    listed = re.findall(r"^\| \[`puretls (\w+)[^`]*`\]\(docs/commands/(\w+)\.md\) \|", text, re.MULTILINE)
    assert sorted(listed) == sorted((name, name) for name in COMMANDS)


def options(described: argparse.ArgumentParser) -> set[str]:
    """Those of a command and of its actions."""
    found = set()
    for action in described._actions:
        found |= {*action.option_strings}
        if isinstance(action, argparse._SubParsersAction):
            found |= {option for each in action.choices.values() for option in options(each)}
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_options_exist(name: str) -> None:
    text = (ROOT / f"docs/commands/{name}.md").read_text("utf-8")
    used = set(re.findall(r"`(--?[a-zA-Z0-9][\w.-]*)", text))
    assert used - options(parser([name])) == set()


def test_the_reference_names_everything_public() -> None:
    text = "".join(page.read_text("utf-8") for page in ROOT.glob("docs/reference/*.md"))
    described = set(re.findall(r"\w+", text))
    prefixed = ("ALERT_DESCRIPTION_", "SSL_ERROR_", "SO_", "SOL_", "SOCK_")
    assert {name for name in puretls.__all__ if not name.startswith(prefixed)} - described == set()
    for kind in (puretls.SSLContext, puretls.SSLSocket, puretls.SSLObject, puretls.MemoryBIO, puretls.SSLSession):
        public = {name for name in dir(kind) if not name.startswith("_")} - set(dir(socket.socket))
        whole = (
            f"autoclass:: {kind.__name__}" in text and ":members:" in text.split(f"autoclass:: {kind.__name__}")[1][:40]
        )
        assert whole or public - described == set(), kind


def test_what_may_go_wrong_has_these_names() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text("utf-8")
    tables = re.findall(r"^\| `(?:reason|verify_message)` \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = re.findall(r"^\| ([^`|][^|]+) \|", "".join(tables), re.MULTILINE)
    reasons = {fault.reason for fault in vars(faults).values() if isinstance(fault, faults.Fault)}
    reasons |= {faults.received(number).reason for number in registry.ALERTS}
    texts = {text for text, _alert in codes.VERDICTS.values()}
    named = [name for row in rows if "..." not in row and row.strip("- ") for name in row.split(", ")]
    assert len(named) > 20
    assert set(named) - reasons - texts == set()
