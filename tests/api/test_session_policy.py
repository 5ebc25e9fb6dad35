"""A session is worth what its peer was held to when it was made, and no longer than that holds.

Resumed under another policy, or when the certificates behind it have expired, it would let somebody in whom a full
handshake refuses.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

import puretls
from bios import Pair, join
from both import V12, V13, client_of, only, server_of

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
DAY = 86400


def session_of(pair: Pair) -> Any:
    return pair.client.obj.session


@pytest.mark.xfail(strict=True, reason="a ticket does not say what its client was verified against")
@each_version
def test_a_session_of_another_entrance_is_no_key_to_this_one(version, pki):
    """One listening context, two policies by a flag: customers' CA here, administrators' there."""
    first, admin = server_of(puretls, pki, asks=puretls.CERT_REQUIRED), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    admin.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    admin.load_verify_locations(pki.other_ca)
    admin.verify_mode = puretls.CERT_REQUIRED
    switch = False

    def choose(sslobj: Any, _name: str, _context: Any) -> None:
        if switch:
            sslobj.context = admin

    first.sni_callback = choose
    client = client_of(puretls, pki, identity="client")
    only(version, client)
    session = session_of(join(client, first).ok())
    assert join(client, first, session=session).ok().server.obj.session_reused
    switch = True
    pair = join(client, first, session=session).shake()
    assert not pair.server.done
    assert pair.server.error.reason == "CERTIFICATE_VERIFY_FAILED"


@pytest.mark.xfail(strict=True, reason="a client's session does not say what the server was verified against")
@each_version
def test_a_client_that_has_become_stricter_verifies_anew(version, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    session = session_of(join(client, server).ok())
    client.verify_flags |= puretls.VERIFY_CRL_CHECK_LEAF
    pair = join(client, server, session=session).shake()
    assert not pair.client.done
    assert pair.client.error.verify_message == "unable to get certificate CRL"


@pytest.mark.xfail(strict=True, reason="each TLS 1.3 ticket begins the time anew")
def test_a_chain_of_resumptions_ends_after_a_week(pki, monkeypatch):
    """RFC 8446 4.6.1: every ticket is new, what it vouches for is not."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(V13, client)
    pair, began, resumed = join(client, server).ok(), now, 0
    while now - began < 20 * DAY:
        now += 6000
        pair = join(client, server, session=session_of(pair)).ok()
        if not pair.client.obj.session_reused:
            break
        assert pair.server.obj.session_reused
        resumed += 1
    assert 6 * DAY < now - began <= 7 * DAY + 6000
    assert resumed > 50


def failed_after_resumable(client: Any, server: Any, who: str) -> Any:
    """The session of a connection that `who` ended with a fatal alert."""
    pair = join(client, server).ok()
    session = session_of(pair)
    victim, other = (pair.client, pair.server) if who == "client" else (pair.server, pair.client)
    victim.incoming.write(b"\x17\x03\x03\x00\x30" + bytes(48))
    victim.read()
    assert victim.error.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"
    pair.move()
    other.read()
    assert other.error.reason == "SSLV3_ALERT_BAD_RECORD_MAC"
    return session


@pytest.mark.xfail(strict=True, reason="a TLS 1.3 server does not know which kept sessions are the connection's")
@pytest.mark.parametrize("who", ["client", "server"])
def test_a_failed_connection_takes_its_kept_sessions_along(who, pki):
    """RFC 8446 6.2, for a server that keeps TLS 1.3 sessions itself."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(V13, client)
    server.options |= puretls.OP_NO_TICKET
    session = failed_after_resumable(client, server, who)
    assert not join(client, server, session=session).ok().client.obj.session_reused
    assert server.session_stats()["number"] == server.num_tickets


@pytest.mark.xfail(strict=True, reason="a resumed session does not tell its group")
def test_a_resumed_session_tells_its_group(pki):
    """As SSL_get_negotiated_group(3): TLS 1.2 has no key exchange then, and the session says which there was."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(V12, client)
    pair = join(client, server).ok()
    found = pair.client.obj.group(), pair.server.obj.group()
    assert found[0] == found[1] is not None
    again = join(client, server, session=session_of(pair)).ok()
    assert again.client.obj.session_reused
    assert (again.client.obj.group(), again.server.obj.group()) == found
