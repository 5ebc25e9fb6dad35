"""Every suite, group and old version that OpenSSL has too, one at a time, in both roles, with data each way."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from support import Pki
from support.ours import client_context, listening, open_client, server_context
from support.peering import PEERS, V12, V13, Setup, exchange

OPENSSL = PEERS[0]
each_role = pytest.mark.parametrize("role", ["client", "server"])
SUITES = """
    ECDHE-ECDSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-CHACHA20-POLY1305
    ECDHE-ECDSA-AES128-CCM ECDHE-ECDSA-AES256-CCM8 ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES256-SHA384
    ECDHE-ECDSA-AES128-SHA ECDHE-ECDSA-AES256-SHA
    ECDHE-RSA-AES128-GCM-SHA256 ECDHE-RSA-AES256-GCM-SHA384 ECDHE-RSA-CHACHA20-POLY1305
    ECDHE-RSA-AES128-SHA256 ECDHE-RSA-AES256-SHA384 ECDHE-RSA-AES128-SHA ECDHE-RSA-AES256-SHA
    DHE-RSA-AES128-GCM-SHA256 DHE-RSA-AES256-GCM-SHA384 DHE-RSA-CHACHA20-POLY1305 DHE-RSA-AES256-CCM
    DHE-RSA-AES128-SHA256 DHE-RSA-AES256-SHA256 DHE-RSA-AES128-SHA DHE-RSA-AES256-SHA
    AES128-GCM-SHA256 AES256-GCM-SHA384 AES128-CCM AES256-CCM8 AES128-SHA256 AES256-SHA256 AES128-SHA AES256-SHA
""".split()  # noqa: SIM905 - nobody reads these in quotes


def meet(tls: ModuleType, pki: Pki, role: str, setup: Setup, suite: str = "", **ours: object) -> None:
    """A connection with the OpenSSL program; `suite` is what has to come of it."""
    if role == "client":
        context = client_context(tls, pki, **ours)
        with OPENSSL.accept(pki, setup) as theirs, open_client(tls, pki, theirs.port, context) as conn:
            assert not suite or conn.cipher()[0] == suite
            exchange(conn, theirs, 50_000)
    else:
        with listening(tls, pki, identity=setup.identity, **ours) as server:
            server.context.load_dh_params(dh_parameters(pki))
            setup = Setup(setup.version, ciphers=setup.ciphers, curve=setup.curve)
            with OPENSSL.connect(pki, setup, server.port) as theirs, server.take() as conn:
                assert not suite or conn.cipher()[0] == suite
                exchange(conn, theirs, 50_000)


def dh_parameters(pki: Pki) -> Path:
    """A server of DHE suites has to be given its group, as in `ssl`."""
    path = pki.folder / "dh.pem"
    if not path.exists():
        command = ["openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", path]
        subprocess.run(command, check=True, capture_output=True)
    return path


@each_role
@pytest.mark.parametrize("suite", SUITES)
def test_tls12(tls: ModuleType, pki: Pki, role: str, suite: str) -> None:
    strings = {"ciphers": f"{suite}:@SECLEVEL=0"}
    setup = Setup(V12, identity="P-256" if "ECDSA" in suite else "RSA", **strings)
    meet(tls, pki, role, setup, suite, **strings)


@each_role
@pytest.mark.parametrize(
    "suite",
    [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ],
)
def test_tls13(tls: ModuleType, pki: Pki, role: str, suite: str) -> None:
    if not hasattr(tls.SSLContext, "set_ciphersuites"):
        pytest.skip("this module cannot choose the suites of TLS 1.3")
    meet(tls, pki, role, Setup(V13, "P-256", ciphers=suite), suite, ciphersuites=suite)


@each_role
@pytest.mark.parametrize("version", [V12, V13])
@pytest.mark.parametrize("group", ["X25519", "X448", "P-256", "P-384", "P-521", "ffdhe2048", "ffdhe3072", "ffdhe4096"])
def test_groups(tls: ModuleType, pki: Pki, role: str, version: str, group: str) -> None:
    """Each alone; in TLS 1.2 the certificate's curve has to be among the groups, so an RSA key it is."""
    if not hasattr(tls.SSLContext, "set_groups"):
        pytest.skip("this module cannot choose groups")
    if version == V12 and group.startswith("ffdhe"):
        pytest.skip("OpenSSL knows RFC 7919 only in TLS 1.3")
    meet(tls, pki, role, Setup(version, "RSA", curve=group), groups=group)


@each_role
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1"])
@pytest.mark.parametrize(
    "suite", ["ECDHE-ECDSA-AES128-SHA", "ECDHE-RSA-AES256-SHA", "AES128-SHA", "DHE-RSA-AES128-SHA"]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_versions(tls: ModuleType, pki: Pki, role: str, version: str, suite: str) -> None:
    strings = {"ciphers": f"{suite}:@SECLEVEL=0"}
    ours = {**strings, "version": tls.TLSVersion[version.replace(".", "_")]}
    meet(tls, pki, role, Setup(version, "P-256" if "ECDSA" in suite else "RSA", **strings), suite, **ours)


def test_defaults_refuse_old_versions(tls: ModuleType, pki: Pki) -> None:
    assert server_context(tls, pki).minimum_version == tls.TLSVersion.TLSv1_2
