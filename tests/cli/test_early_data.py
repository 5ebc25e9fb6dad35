"""`puretls connect` and `inspect` with early data, to OpenSSL's server, which takes it, or not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support import Pki
from support.commands import called
from support.scanning import openssl

TAKING = ("-early_data", "-max_early_data", 4096, "-tls1_3")
REQUEST = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    path = tmp_path / "request"
    path.write_bytes(REQUEST)
    return path


def test_connect(capsys: pytest.CaptureFixture[str], lasting: Pki, request_file: Path) -> None:
    with openssl(lasting, "P-256", options=TAKING) as port:
        argv = ("connect", f"localhost:{port}", "--ca-file", lasting.ca, "--early-data", request_file)
        told = json.loads(called(capsys, *argv, "--json").out)
        shown = called(capsys, *argv).out
    assert told["ticket"]["max_early_data"] == 4096
    assert told["early_data"] == {"sent": len(REQUEST), "status": "accepted", "reason": "accepted"}
    assert told["resumptions"] == [True]
    assert "takes 4,096 bytes of early data" in shown
    assert re.search(rf"early data +{len(REQUEST)} bytes sent, accepted\n", shown)


def test_a_server_that_takes_none(capsys: pytest.CaptureFixture[str], lasting: Pki, request_file: Path) -> None:
    with openssl(lasting, "P-256") as port:
        argv = (f"localhost:{port}", "--ca-file", lasting.ca, "--early-data", request_file)
        told = json.loads(called(capsys, "connect", *argv, "--json").out)
        shown = called(capsys, "inspect", *argv).out
    assert told["early_data"] == {"sent": 0, "status": "not_sent", "reason": "unsupported_for_session"}
    assert re.search(r"early data +not sent: unsupported for session\n", shown)
    assert "EndOfEarlyData" not in shown


def test_inspect(capsys: pytest.CaptureFixture[str], lasting: Pki, request_file: Path) -> None:
    with openssl(lasting, "P-256", options=TAKING) as port:
        argv = ("inspect", f"localhost:{port}", "--ca-file", lasting.ca, "--early-data", request_file, "--json")
        first, again = json.loads(called(capsys, *argv).out)["connections"]
    assert "early data" not in first["facts"]
    assert again["facts"]["early data"] == f"{len(REQUEST)} bytes sent, accepted"
    early = [one for one in again["records"] if one["secret"] == "CLIENT_EARLY_TRAFFIC_SECRET"]
    assert [one["messages"][0]["name"] for one in early] == ["application_data", "EndOfEarlyData"]
    assert early[0]["messages"][0]["bytes"] == REQUEST.hex()
    assert again["secrets"][0]["purpose"].startswith("protects 0-RTT data")
    assert not any(one["fault"] for one in again["records"])


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (("connect", "localhost:1", "--early-data", "/none/such"), 1, "--early-data /none/such: no such file"),
        (("inspect", "--listen", "0", "--early-data", "/none/such"), 2, "are for clients"),
    ],
)
def test_errors(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], status: int, said: str) -> None:
    done = called(capsys, *argv)
    assert (done.status, done.out) == (status, "")
    assert said in done.err
