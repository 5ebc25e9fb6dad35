"""curl, the most used TLS client there is: transfers, resumption, client certificates, and what it refuses."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from support import MIB, PATIENCE, Pki, need
from support.ours import server_context
from support.web import Server, serving

each_version = pytest.mark.parametrize("flags", [("--tls-max", "1.2"), ("--tlsv1.3",)], ids=["TLSv1.2", "TLSv1.3"])


def curl(server: Server, ca: Path, *argv: object) -> subprocess.CompletedProcess[bytes]:
    need("curl")
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--cacert", ca, *argv]
    command = [str(part).replace("{url}", f"https://localhost:{server.server_port}") for part in command]
    return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)


@each_version
def test_a_megabyte_each_way(tls: ModuleType, pki: Pki, tmp_path: Path, flags: tuple[str, ...]) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * MIB)
    with serving(server_context(tls, pki, alpn=["http/1.1"])) as server:
        done = curl(server, pki.ca, *flags, f"{{url}}/{MIB}")
        assert (done.returncode, done.stdout) == (0, b"x" * MIB), done.stderr
        done = curl(server, pki.ca, *flags, "--upload-file", body, "{url}/up")
        assert done.stdout == b"%d %d" % (MIB, MIB), done.stderr
        assert server.alpn == ["http/1.1", "http/1.1"]


@each_version
def test_resumption(tls: ModuleType, pki: Pki, flags: tuple[str, ...]) -> None:
    """Two connections of one curl: the second resumes the session of the first."""
    with serving(server_context(tls, pki)) as server:
        done = curl(server, pki.ca, *flags, "--include", "-H", "Connection: close", "{url}/3", "{url}/5")
        assert done.returncode == 0, done.stderr
        assert [line for line in done.stdout.split(b"\r\n") if b"Resumed" in line] == [
            b"X-Resumed: False",
            b"X-Resumed: True",
        ]


@each_version
def test_client_certificate(tls: ModuleType, pki: Pki, flags: tuple[str, ...]) -> None:
    with serving(server_context(tls, pki, asks=True)) as server:
        argv = ("--cert", pki.chain("client"), "--key", pki.key("client"), "{url}/10")
        assert curl(server, pki.ca, *flags, *argv).stdout == b"x" * 10
        assert curl(server, pki.ca, *flags, "{url}/10").returncode in (35, 55, 56)
    assert [getattr(error, "reason", error) for error in server.errors] == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]


@pytest.mark.parametrize(
    ("identity", "ca", "reason"),
    [
        ("P-256", "other_ca", "TLSV1_ALERT_UNKNOWN_CA"),
        ("expired", "ca", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    ],
)
@each_version
def test_it_refuses_us(tls: ModuleType, pki: Pki, flags: tuple[str, ...], identity: str, ca: str, reason: str) -> None:
    with serving(server_context(tls, pki, identity=identity)) as server:
        assert curl(server, getattr(pki, ca), *flags, "{url}/10").returncode == 60
    assert [getattr(error, "reason", error) for error in server.errors] == [reason]
