"""`puretls ech`, `connect --ech` and `serve --ech`."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import puretls
from support import PATIENCE, Pki, running
from support.commands import COMMAND, Done, called
from support.encrypted import PUBLIC, SECRET, Site, listed, new_key
from support.web import serving

Command = Callable[..., Done]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """In this process."""
    return partial(called, capsys)


def test_make_and_show(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "ech.pem"
    made = command(
        "ech", "make", PUBLIC, "--out", file, "--config-id", 7, "--maximum-name-length", 30, "--kem", "P-256"
    )
    assert made.status == 0, made.err
    (key,) = puretls.load_ech_keys(file)
    assert (key.config.config_id, key.config.kem, key.config.maximum_name_length) == (7, "P-256", 30)
    encoded = base64.b64encode(listed(key)).decode()
    assert made.out.endswith(f": ech={encoded}\n")
    if sys.platform != "win32":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert command("ech", "make", PUBLIC, "--out", file).status == 1  # it is there
    binary = tmp_path / "list"
    binary.write_bytes(listed(key))
    for configs in (file, binary, encoded, f"ech={encoded}", f'ech="{encoded}"'):
        shown = command("ech", "show", configs)
        assert shown.status == 0, shown.err
        assert re.search(rf"^{PUBLIC}\n  config id +7\n  kem +P-256\n", shown.out, re.MULTILINE)
    document = json.loads(command("ech", "show", file, "--json").out)
    assert document["ech"] == encoded
    assert document["configs"][0]["public_key"] == key.config.public_key.hex()
    assert os.fsencode(file.read_bytes().partition(b"\n")[2][:60].decode()) not in shown.out.encode()


def test_what_cannot_be_used(command: Command, tmp_path: Path) -> None:
    for name in ("", "127.0.0.1", "a..b"):
        assert command("ech", "make", name, "--out", tmp_path / "x").status == 2
    assert command("ech", "make", PUBLIC, "--out", tmp_path / "x", "--config-id", 300).status == 2
    assert command("ech", "make", PUBLIC, "--out", tmp_path / "no" / "x").status == 1
    assert not (tmp_path / "x").exists()
    for wrong in ("rubbish", "AAAA", "", tmp_path):
        assert command("ech", "show", wrong).status == 2
    other = base64.b64encode(b"\x00\x08\xfe\xaa\x00\x04abcd").decode()
    assert command("ech", "show", other).status == 1
    assert command("connect", "localhost:1", "--ech", other).status == 2


def test_connect(command: Command, pki: Pki) -> None:
    site, key, old = Site(pki), new_key(), new_key()
    encoded, outdated = (base64.b64encode(listed(one)).decode() for one in (key, old))
    with serving(site.server(key)) as server:
        argv = ("connect", f"127.0.0.1:{server.server_port}", "--servername", SECRET, "--ca-file", pki.ca)
        done = command(*argv, "--ech", encoded)
        assert done.status == 0, done.err
        assert f"the ClientHello; who listens saw {PUBLIC}" in done.out
        facts = json.loads(command(*argv, "--ech", encoded, "--json").out)
        assert (facts["ech"], facts["ech_public_name"], facts["ech_configs"]) == ("success", PUBLIC, None)
        rejected = command(*argv, "--ech", outdated)
        assert rejected.status == 1
        assert f"--ech {encoded}" in rejected.err
        greased = command(*argv)
        assert (greased.status, f"--ech {encoded}" in greased.out) == (0, True)
    with serving(site.server()) as server:
        argv = ("connect", f"127.0.0.1:{server.server_port}", "--servername", SECRET, "--ca-file", pki.ca)
        assert "no key for encrypted hellos" in command(*argv, "--ech", encoded).err


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
@pytest.mark.parametrize("opened", [True, False], ids=["opened", "rejected"])
def test_inspect(command: Command, pki: Pki, retried: bool, opened: bool) -> None:
    """The inner hello stands beside the outer one; which of them counts shows in the keys, and in Finished."""
    site, key = Site(pki), new_key()
    encoded = base64.b64encode(listed(key if opened else new_key())).decode()
    with serving(site.server(key, groups="P-384" if retried else "")) as server:
        argv = ("inspect", f"127.0.0.1:{server.server_port}", "--servername", SECRET, "--ca-file", pki.ca)
        done = command(*argv, "--ech", encoded, "--json")
    (one,) = json.loads(done.out)["connections"]
    messages = [message for record in one["records"] for message in record["messages"]]
    inner = [message for message in messages if message["name"] == "ClientHello, inner"]
    assert len(inner) == (2 if retried and opened else 1)
    assert all(SECRET in json.dumps(message["fields"]) for message in inner)
    outer = [message for message in messages if message["name"] == "ClientHello"]
    assert len(outer) == 1 + retried
    assert not any(SECRET in json.dumps(message["fields"]) for message in outer)
    shown = one["records"][0]["decrypted"]
    assert shown["bytes"] == inner[0]["bytes"]
    assert not [record["fault"] for record in one["records"] if record["fault"]]
    finished = [json.dumps(message["fields"]) for message in messages if message["name"] == "Finished"]
    assert len(finished) == 2
    assert all("as it has to be" in fields for fields in finished)
    assert done.status == (0 if opened else 1)


def test_serve(command: Command, tmp_path: Path) -> None:
    keys, home = tmp_path / "ech.pem", tmp_path / "www"
    home.mkdir()
    assert command("ech", "make", PUBLIC, "--out", keys).status == 0
    argv = (*COMMAND, "serve", home, "--ca", tmp_path / "ca", "--port", 0, "--name", PUBLIC, "--name", SECRET)
    with running(tmp_path, *argv, "--ech", keys) as program:
        said = b""
        while not (port := re.search(rb":(\d+)/", said)):
            said += program.recv(1)
        where = f"127.0.0.1:{port[1].decode()}"
        done = command(
            "connect", where, "--servername", SECRET, "--ca-file", tmp_path / "ca" / "ca.pem", "--ech", keys,
            "--timeout", PATIENCE,
        )  # fmt: skip
        assert done.status == 0, done.err
        assert f"who listens saw {PUBLIC}" in done.out
    assert command("serve", home, "--ca", tmp_path / "ca", "--ech", tmp_path / "none").status == 1
