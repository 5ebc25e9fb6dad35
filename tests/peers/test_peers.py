"""Real implementations over real sockets, in both roles and both versions: the handshakes that have to work.

Refusals are in test_refusals.py. `--module=ssl` runs all of this against the interpreter's own module.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from support import Pki
from support.ours import client_context, listening, open_client
from support.peering import PEERS, V12, V13, End, Peer, Setup, exchange

each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
each_version = pytest.mark.parametrize("version", [V12, V13])
each_role = pytest.mark.parametrize("role", ["client", "server"])  # ours


@contextmanager
def pair(tls: ModuleType, pki: Pki, peer: Peer, role: str, setup: Setup, **ours: Any) -> Iterator[tuple[Any, End]]:
    """Our connection and the peer's, after the handshake; `role` is ours, `setup` the peer's."""
    if role == "client":
        setup = replace(setup, identity=setup.identity or "P-256")
        with peer.accept(pki, setup) as theirs, open_client(tls, pki, theirs.port, **ours) as conn:
            yield conn, theirs
    else:
        with (
            listening(tls, pki, **ours) as server,
            peer.connect(pki, setup, server.port) as theirs,
            server.take() as conn,
        ):
            yield conn, theirs


@each_role
@each_version
@each_peer
def test_data_both_ways(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    with pair(tls, pki, peer, role, Setup(version)) as (conn, theirs):
        assert conn.version() == version
        exchange(conn, theirs)


@each_role
@each_version
@pytest.mark.parametrize("identity", ["RSA", "P-384", "Ed25519", "Ed448"])
@pytest.mark.parametrize("peer", PEERS[:2], ids=lambda peer: peer.name)
def test_keys_of_every_kind(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str, identity: str) -> None:
    setup = Setup(version, identity=identity if role == "client" else "")
    with pair(tls, pki, peer, role, setup, **({} if role == "client" else {"identity": identity})) as (conn, theirs):
        exchange(conn, theirs, 1)


@each_role
@each_version
@pytest.mark.parametrize("identity", ["client", "client-RSA", "client-Ed25519"])
@each_peer
def test_mutual_authentication(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str, identity: str) -> None:
    if role == "client":
        theirs_setup, ours = Setup(version, asks=True), {"identity": identity}
    else:
        theirs_setup, ours = Setup(version, identity=identity), {"asks": True}
    with pair(tls, pki, peer, role, theirs_setup, **ours) as (conn, theirs):
        exchange(conn, theirs, 1)
        assert conn.getpeercert()["issuer"] == ((("commonName", "Test intermediate"),),)


@each_role
@each_version
@each_peer
def test_alpn(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    with pair(tls, pki, peer, role, Setup(version, alpn="http/1.1"), alpn=["h2", "http/1.1"]) as (conn, theirs):
        assert conn.selected_alpn_protocol() == "http/1.1"
        exchange(conn, theirs, 1)


@each_role
@each_peer
def test_hello_retry_request(tls: ModuleType, pki: Pki, peer: Peer, role: str) -> None:
    """The server knows only P-256, the client sends a share of something else first."""
    seen: list[str] = []

    def watch(_conn: Any, direction: str, _version: Any, _content: int, kind: Any, _data: bytes) -> None:
        seen.append(f"{direction} {getattr(kind, 'name', kind)}")

    if role == "client":
        setup, ours = Setup(curve="P-256"), {"watch": watch}
    else:
        setup, ours = Setup(curve="X25519:P-256"), {"watch": watch, "curve": "prime256v1"}
    with pair(tls, pki, peer, role, setup, **ours) as (conn, theirs):
        exchange(conn, theirs, 1)
        assert seen.count("write CLIENT_HELLO" if role == "client" else "read CLIENT_HELLO") == 2
        assert seen.count("read SERVER_HELLO" if role == "client" else "write SERVER_HELLO") == 2


@each_version
@each_peer
def test_our_client_resumes(tls: ModuleType, pki: Pki, peer: Peer, version: str) -> None:
    context = client_context(tls, pki)
    with peer.accept(pki, Setup(version, identity="P-256")) as theirs:
        with open_client(tls, pki, theirs.port, context) as conn:
            assert not conn.session_reused
            exchange(conn, theirs, 1)  # the tickets of TLS 1.3 come before the data
            session = conn.session
        theirs.again()
        with open_client(tls, pki, theirs.port, context, session=session) as conn:
            assert conn.session_reused
            exchange(conn, theirs, 1)


@each_version
@each_peer
def test_our_client_resumes_by_itself(tls: ModuleType, pki: Pki, peer: Peer, version: str) -> None:
    """From its cache; and whoever does not know how many tickets it asks for (RFC 9149) serves it all the same."""
    if tls.__name__ != "puretls":
        pytest.skip("ssl has no cache for clients")
    context = client_context(tls, pki)
    context.client_session_cache = True
    context.ticket_request = 1, 1
    with peer.accept(pki, Setup(version, identity="P-256")) as theirs:
        for number in range(3):
            if number:
                theirs.again()
            with open_client(tls, pki, theirs.port, context) as conn:
                assert conn.session_reused == (number > 0)
                exchange(conn, theirs, 1)


@each_version
@each_peer
def test_our_server_resumes(tls: ModuleType, pki: Pki, peer: Peer, version: str) -> None:
    setup = Setup(version, resumes=True)
    with listening(tls, pki) as server, peer.connect(pki, setup, server.port) as first:
        with server.take() as conn:
            assert not conn.session_reused
            if peer.name == "gnutls":  # it waits for its ticket and closes
                finish(conn)
            else:
                exchange(conn, first, 1)
        with peer.connect(pki, setup, server.port, again=first) as second, server.take() as conn:
            assert conn.session_reused
            exchange(conn, second, 1)


def finish(conn: Any) -> None:
    """Wait for the other side to say close_notify."""
    assert conn.recv(1) == b""


@each_role
@each_version
@each_peer
def test_they_close(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    if peer.name == "gnutls" and role == "client":
        pytest.skip("gnutls-serv cannot be told to close")
    with pair(tls, pki, peer, role, Setup(version)) as (conn, theirs):
        exchange(conn, theirs, 1)
        theirs.close()
        finish(conn)


@each_role
@each_version
@each_peer
def test_we_close(tls: ModuleType, pki: Pki, peer: Peer, version: str, role: str) -> None:
    with pair(tls, pki, peer, role, Setup(version)) as (conn, theirs):
        exchange(conn, theirs, 1)
        with ThreadPoolExecutor(1) as pool:
            unwrapping = pool.submit(conn.unwrap)
            theirs.saw("close_notify")
            if peer.name == "gnutls" and role == "server":  # gnutls-cli leaves without a word
                with pytest.raises(tls.SSLEOFError):
                    unwrapping.result()
            else:
                theirs.close()
                assert isinstance(unwrapping.result(), socket.socket)


@pytest.mark.parametrize("group", ["X25519MLKEM768", "x25519", "secp256r1"])
@each_role
def test_groups_with_a_new_openssl(tls: ModuleType, pki: Pki, role: str, group: str) -> None:
    """The hybrids of today: the system's OpenSSL and GnuTLS are too old, pyOpenSSL's is not."""
    if not hasattr(tls.SSLContext, "set_groups"):
        pytest.skip("this module cannot choose groups")
    with pair(tls, pki, PEERS[3], role, Setup(), groups=group) as (conn, theirs):
        exchange(conn, theirs, 1)
        assert conn.group() == group
        assert theirs.conn.get_group_name() == group  # type: ignore[attr-defined] # a library's end
