"""Random generation and certificate handling."""

from __future__ import annotations

import socket
import subprocess
import sys
from calendar import timegm
from time import strptime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from support import PATIENCE
from support.both_ends import served, server, silent


def test_random_bytes(tls):
    assert len(tls.RAND_bytes(16)) == 16
    assert tls.RAND_bytes(16) != tls.RAND_bytes(16)
    assert tls.RAND_bytes(0) == b""
    with pytest.raises(ValueError):
        tls.RAND_bytes(-1)
    assert tls.RAND_status() in (True, 1)


@pytest.mark.parametrize("seed", ["text", b"bytes", bytearray(b"writable"), memoryview(b"view")])
def test_random_add(tls, seed):
    tls.RAND_add(seed, 0.0)
    tls.RAND_add(seed, 75.5)


def test_cert_time(tls):
    assert tls.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT") == 1515144883
    for text in ("Feb 29 00:00:00 2024 GMT", "Dec 31 23:59:59 1999 GMT", "Nov 22 08:15:19 2013 GMT"):
        seconds = tls.cert_time_to_seconds(text)
        assert isinstance(seconds, int)
        assert seconds == timegm(strptime(text, "%b %d %H:%M:%S %Y %Z"))
    for bad in ("Jan  5 09:34:43 2018", "Jan  5 09:34:43 2018 UTC", "2018-01-05", ""):
        with pytest.raises(ValueError):
            tls.cert_time_to_seconds(bad)


def test_pem_and_der(tls, pki):
    der = pki.root.certificate.public_bytes(Encoding.DER)
    pem = tls.DER_cert_to_PEM_cert(der)
    assert isinstance(pem, str)
    assert pem.startswith("-----BEGIN CERTIFICATE-----\n")
    assert pem.endswith("-----END CERTIFICATE-----\n")
    assert max(map(len, pem.splitlines())) == 64
    assert tls.PEM_cert_to_DER_cert(pem) == der
    with pytest.raises(ValueError):
        tls.PEM_cert_to_DER_cert(pem[5:])


def test_default_verify_paths(tls, pki, monkeypatch):
    paths = tls.get_default_verify_paths()
    assert paths._fields == (
        "cafile", "capath", "openssl_cafile_env", "openssl_cafile", "openssl_capath_env", "openssl_capath",
    )  # fmt: skip
    monkeypatch.setenv(paths.openssl_cafile_env, str(pki.ca))
    monkeypatch.setenv(paths.openssl_capath_env, str(pki.folder / "none"))
    again = tls.get_default_verify_paths()
    assert again.cafile == str(pki.ca)
    assert again.capath is None
    assert again.openssl_cafile == paths.openssl_cafile


def test_default_verify_paths_are_those_that_exist(tls, pki, monkeypatch):
    """None where there is no file or no directory; a file is no directory, and the reverse."""
    paths = tls.get_default_verify_paths()
    for file, directory in (("/nonexistent", str(pki.folder)), (str(pki.folder), str(pki.ca))):
        monkeypatch.setenv(paths.openssl_cafile_env, file)
        monkeypatch.setenv(paths.openssl_capath_env, directory)
        found = tls.get_default_verify_paths()
        assert found.cafile is None
        assert found.capath == (directory if directory == str(pki.folder) else None)
        assert (found.openssl_cafile, found.openssl_capath) == (paths.openssl_cafile, paths.openssl_capath)


def test_server_certificate_in_time(tls, monkeypatch):
    """`timeout` is for the connection; without it, the default of sockets."""
    asked = []

    def connect(address, timeout):
        asked.append((address, timeout))
        raise TimeoutError("as a server that does not answer")

    monkeypatch.setattr(tls, "create_connection", connect)
    for options in ({"timeout": 0.25}, {"timeout": None}, {}):
        with pytest.raises(TimeoutError):
            tls.get_server_certificate(("localhost", 1), **options)
    assert asked == [(("localhost", 1), timeout) for timeout in (0.25, None, socket._GLOBAL_DEFAULT_TIMEOUT)]


def test_server_certificate_over_one_version(tls, pki):
    """`ssl_version` is what the connection is made with."""
    versions = []
    for version in (tls.PROTOCOL_TLSv1_2, tls.PROTOCOL_TLS_CLIENT):
        with served(server(tls, pki), lambda conn: versions.append(conn.version())) as address, silent():
            pem = tls.get_server_certificate(("localhost", address[1]), ssl_version=version, timeout=PATIENCE)
        assert pem.strip() in pki.chain("P-256").read_text()
    assert versions == ["TLSv1.2", "TLSv1.3"]
    with pytest.raises(tls.SSLError), served(server(tls, pki), lambda _conn: None) as address:
        tls.get_server_certificate(("localhost", address[1]), tls.PROTOCOL_TLS_SERVER, None, PATIENCE)


@pytest.mark.parametrize("name", ["enum_certificates", "enum_crls"])
def test_windows_stores_are_windows_only(tls, name):
    assert hasattr(tls, name) == (sys.platform == "win32")


@pytest.mark.parametrize("module", ["puretls", "ssl"])
def test_testing_for_support(module):
    """The idiom of the examples."""
    code = f"try:\n    import {module}\nexcept ImportError:\n    print('no')\nelse:\n    print('yes')"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.strip() == b"yes"
