"""Certificates that renew themselves: load_cert_chain(reload=), load_verify_locations(cafile=, reload=), reload()."""

from __future__ import annotations

import io
import logging
import math
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

import puretls
from puretls.cli.certs import Authority, Identity
from support.bios import join
from support.both import V12, V13, client_of, only

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("reload")


@pytest.fixture
def names(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "tls.crt", tmp_path / "tls.key"


def write(identity: Identity, names: tuple[Path, Path]) -> None:
    """A new pair under the same names, each in the place of the one before."""
    for name, content in zip(names, (identity.chain_pem, identity.key_pem), strict=True):
        fresh = name.with_suffix(".new")
        fresh.write_bytes(content)
        fresh.replace(name)


def server_of(names: tuple[Path, Path], reload: float = 0, **options: Any) -> Any:
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*names, reload=reload, **options)
    return server


def client_for(authority: Authority) -> Any:
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=authority.pem)
    return client


def served(server: Any, authority: Authority) -> int:
    """The serial number of the certificate that a client gets, which it has verified."""
    pair = join(client_for(authority), server).ok()
    return int(pair.client.obj.getpeercert()["serialNumber"], 16)


def serial(identity: Identity) -> int:
    return int(identity.certificate.serial_number)


# Changes


@each_version
def test_a_renewed_pair_is_served_without_a_word(version, authority, names):
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = server_of(names)
    only(version, server)
    assert served(server, authority) == serial(first)
    write(second, names)
    assert served(server, authority) == serial(second)
    assert server.reload_error is None


def test_without_reload_nothing_is_read_again(authority, names):
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(*names)
    write(second, names)
    assert served(server, authority) == serial(first)
    assert server.reload() is False
    assert served(server, authority) == serial(first)
    assert server.reload_error is None


def test_not_before_its_time_but_at_once_when_told(authority, names):
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = server_of(names, math.inf)
    write(second, names)
    assert served(server, authority) == serial(first)
    assert server.reload() is True
    assert served(server, authority) == serial(second)
    assert server.reload() is False


def test_files_are_looked_at_once_in_so_many_seconds(authority, names, monkeypatch):
    write(authority.issue("localhost"), names)
    server = server_of(names, 3600)
    looks: list[Any] = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, *rest, **named: (looks.append(path), stat(path, *rest, **named))[1])
    for _ in range(20):
        server._config(server_side=True)
    assert not looks


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="symbolic links")
def test_kubernetes_exchanges_the_link_to_a_directory(authority, tmp_path):
    """A secret's names lead through ..data, which is renamed into place; the directory behind it then goes."""
    identities = [authority.issue("localhost") for _ in range(3)]
    names = tmp_path / "tls.crt", tmp_path / "tls.key"

    def swap(number: int) -> None:
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        (folder / "tls.crt").write_bytes(identities[number].chain_pem)
        (folder / "tls.key").write_bytes(identities[number].key_pem)
        (tmp_path / "..data_tmp").symlink_to(folder.name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        for old in tmp_path.glob("..[0-9]*"):
            if old != folder:
                for file in old.iterdir():
                    file.unlink()
                old.rmdir()

    swap(0)
    for name in names:
        name.symlink_to(f"..data/{name.name}")
    server = server_of(names)
    for number in range(3):
        if number:
            swap(number)
        assert served(server, authority) == serial(identities[number])
        assert server.reload_error is None


def test_certbot_renames_one_file_after_the_other(authority, names, caplog):
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = server_of(names)
    names[0].write_bytes(second.chain_pem)  # and its key is still the old one
    with caplog.at_level(logging.WARNING, "puretls"):
        for _ in range(3):
            assert served(server, authority) == serial(first)
    assert isinstance(server.reload_error, puretls.SSLError)
    assert server.reload_error.reason == "KEY_VALUES_MISMATCH"
    assert server.reload_error.__traceback__ is None
    assert len(caplog.records) == 1  # once for each change
    assert str(names[0]) in caplog.text
    names[1].write_bytes(second.key_pem)
    assert served(server, authority) == serial(second)
    assert server.reload_error is None


BROKEN = {
    "empty": lambda names, _: names[0].write_bytes(b""),
    "cut": lambda names, _: names[0].write_bytes(names[0].read_bytes()[:200]),
    "gone": lambda names, _: names[1].unlink(),
    "no key": lambda names, _: names[1].write_bytes(names[0].read_bytes()),
    "expired": lambda names, authority: write(authority.issue("localhost", days=(-5, -1)), names),
    "not valid yet": lambda names, authority: write(authority.issue("localhost", days=(1, 5)), names),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_cannot_be_used_changes_nothing(how, authority, names):
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = server_of(names)
    BROKEN[how](names, authority)
    assert server.reload() is False
    assert server.reload_error is not None
    assert served(server, authority) == serial(first)
    write(second, names)
    assert served(server, authority) == serial(second)
    assert server.reload_error is None


def test_another_kind_of_key(authority, names):
    """It takes the place of the old one; a certificate of a third kind stays."""
    first, second, other = (authority.issue("localhost", kind=kind) for kind in ("P-256", "RSA", "Ed25519"))
    write(first, names)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(other.chain_pem, other.key_pem)
    server.load_cert_chain(*names, reload=0)
    write(second, names)
    server.reload()
    ends = {one.leaf.serial for one in server._config(server_side=True).credentials}
    assert ends == {serial(second), serial(other)}


def test_what_is_loaded_later_is_not_overwritten(authority, names):
    first, second, manual = (authority.issue("localhost") for _ in range(3))
    write(first, names)
    server = server_of(names)
    server.load_cert_chain(manual.chain_pem, manual.key_pem)
    write(second, names)
    assert served(server, authority) == serial(manual)
    assert server.reload() is False


def test_an_encrypted_key_and_its_password(authority, names):
    def encrypted(identity: Identity) -> None:
        names[0].write_bytes(identity.chain_pem)
        key = load_pem_private_key(identity.key_pem, None)
        names[1].write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"open sesame"))
        )

    first, second = authority.issue("localhost"), authority.issue("localhost")
    encrypted(first)
    server = server_of(names, password="open sesame")
    encrypted(second)
    assert served(server, authority) == serial(second)
    with pytest.raises(ValueError, match="password"):
        server_of(names)
    encrypted(first)
    assert "sesame" not in repr(server.reload_error)


def test_what_can_be_read_again(authority, names):
    identity = authority.issue("localhost")
    write(identity, names)
    for certfile, keyfile in (
        (identity.chain_pem, names[1]),
        (names[0], identity.key_pem),
        (io.BytesIO(identity.chain_pem), None),
    ):
        with pytest.raises(ValueError, match="name of a file"):
            puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, reload=1)
    for wrong in (-1, math.nan):
        with pytest.raises(ValueError, match="negative"):
            server_of(names, wrong)
    with pytest.raises(TypeError):
        server_of(names, "60")  # type: ignore[arg-type]
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match="cafile"):
        context.load_verify_locations(cadata=authority.pem, reload=1)
    with pytest.raises(FileNotFoundError):
        context.load_verify_locations(cafile=names[0].with_name("nothing"), reload=1)
    assert context.cert_store_stats()["x509"] == 0


def test_until_when_the_certificate_is_good(authority, names):
    assert puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).certificate_not_after is None
    first, longer = authority.issue("localhost", days=(-1, 10)), authority.issue("localhost", days=(-1, 20), kind="RSA")
    write(first, names)
    server = server_of(names, math.inf)
    server.load_cert_chain(longer.chain_pem, longer.key_pem)
    assert server.certificate_not_after == first.certificate.not_valid_after_utc
    renewed = authority.issue("localhost", days=(-1, 30))
    write(renewed, names)
    server.reload()
    assert server.certificate_not_after == longer.certificate.not_valid_after_utc


@pytest.mark.parametrize("way", ["wrapped", "chosen"])
def test_a_context_that_sni_callback_chooses_looks_too(way, authority, names):
    """It may never be wrapped itself."""
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    target = server_of(names)
    server = target
    if way == "chosen":
        other = authority.issue("localhost")
        server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(other.chain_pem, other.key_pem)
        server.sni_callback = lambda conn, _name, _context: setattr(conn, "context", target)
    assert served(server, authority) == serial(first)
    write(second, names)
    assert served(server, authority) == serial(second)


# Many at once


def swapping(identities: list[Identity], names: tuple[Path, Path], count: int) -> Iterator[None]:
    for number in range(count):
        identity = identities[number % len(identities)]
        names[0].write_bytes(identity.chain_pem)
        yield
        names[1].write_bytes(identity.key_pem)
        yield


def test_threads_see_pairs_that_fit(authority, names):
    """Eight threads wrap while the files are swapped 200 times, one after the other, in place."""
    identities = [authority.issue("localhost") for _ in range(4)]
    keys = {serial(one): one.certificate.public_key() for one in identities}
    write(identities[0], names)
    server = server_of(names)
    seen: set[int] = set()
    errors: list[Any] = []
    stop = threading.Event()

    def wrap() -> None:
        while not stop.is_set():
            try:
                (credential,) = server._config(server_side=True).credentials
                number = credential.leaf.serial
                assert credential.key.public_key() == keys[number]
                seen.add(number)
                time.sleep(0.001)
            except BaseException as error:
                errors.append(error)
                raise

    threads = [threading.Thread(target=wrap) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in swapping(identities, names, 200):
        server._config(server_side=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(seen) > 1
    assert served(server, authority) == serial(identities[199 % 4])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_goes_on_looking(authority, names):
    """Also if a thread of its parent was in the middle of it."""
    first, second = authority.issue("localhost"), authority.issue("localhost")
    write(first, names)
    server = server_of(names)
    server._settings._reloader._turn.pop()  # somebody is at it, and is not there in the child
    write(second, names)
    child = os.fork()
    if not child:
        status = 1
        try:
            status = served(server, authority) != serial(second)
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert served(server, authority) == serial(first)  # here somebody still is


# Trust


@each_version
def test_trust_is_replaced_and_may_shrink(version, authority, names, tmp_path):
    other = Authority("other")
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(authority.pem + other.pem)
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cafile=bundle, reload=0)
    only(version, client)
    assert client.cert_store_stats()["x509"] == 2
    servers = []
    for one in (authority, other):
        write(one.issue("localhost"), names)
        servers.append(server_of(names, math.inf))
    sessions = [join(client, server).ok().client.obj.session for server in servers]
    bundle.write_bytes(other.pem)
    pair = join(client, servers[0], session=sessions[0]).shake()  # the session does not help, either
    assert pair.client.error.verify_code == 20
    assert client.cert_store_stats()["x509"] == 1
    join(client, servers[1]).ok()
    bundle.write_bytes(b"nothing")
    join(client, servers[1]).ok()
    assert isinstance(client.reload_error, puretls.SSLError)
    bundle.write_bytes(authority.pem)
    join(client, servers[0]).ok()
    assert client.reload_error is None


def test_what_is_trusted_by_other_ways_stays(authority, tmp_path):
    """The same certificates loaded twice, once for good: in either order."""
    other = Authority("other")
    bundle = tmp_path / "ca.pem"
    for passing_first in (True, False):
        bundle.write_bytes(authority.pem)
        client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        for passing in (passing_first, not passing_first):
            client.load_verify_locations(cafile=bundle, **({"reload": math.inf} if passing else {}))
        before = client._settings.store.digest()
        bundle.write_bytes(other.pem)
        assert client.reload()
        assert client.cert_store_stats()["x509"] == 2
        assert client._settings.store.digest() != before


# Tickets


@each_version
def test_a_ticket_ends_with_the_certificate(version, authority, names, monkeypatch):
    identity = authority.issue("localhost", days=(-1, 1))
    write(identity, names)
    server, client = server_of(names, math.inf), client_for(authority)
    client.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME: the client would not mind
    only(version, server)
    end = identity.certificate.not_valid_after_utc.timestamp()
    monkeypatch.setattr(time, "time", lambda: end - 60)
    session = join(client, server).ok().client.obj.session
    assert session.ticket_lifetime_hint <= 60
    assert join(client, server, session=session).ok().client.obj.session_reused
    monkeypatch.setattr(time, "time", lambda: end + 60)
    assert not join(client, server, session=session).ok().client.obj.session_reused


def test_a_client_renews_its_certificate_too(pki, authority, names):
    first, second = (authority.issue("me", client=True) for _ in range(2))
    write(first, names)
    client = client_of(puretls, pki)
    client.load_cert_chain(*names, reload=0)
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.load_verify_locations(cadata=authority.pem)
    server.verify_mode = puretls.CERT_REQUIRED
    for identity in (first, second):
        write(identity, names)
        pair = join(client, server).ok()
        assert int(pair.server.obj.getpeercert()["serialNumber"], 16) == serial(identity)
