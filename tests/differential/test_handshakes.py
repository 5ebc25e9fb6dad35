"""Handshakes that work, beside `ssl`: what both sides say was agreed on, sessions and their counters, the key log."""

from __future__ import annotations

import random
import ssl
import sys
from types import ModuleType
from typing import Any

import pytest

from support.bios import join
from support.both import PAIRS, V12, V13, client_of, compare, like_openssl_30, only, quiet, server_of

pytestmark = like_openssl_30
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
AGREED = ("version", "cipher", "compression", "selected_alpn_protocol", "selected_npn_protocol", "shared_ciphers")


def agreed(side: Any) -> dict[str, Any]:
    obj = side.obj
    with quiet():
        found = {name: getattr(obj, name)() for name in AGREED}
    found["shared_ciphers"] = found["shared_ciphers"] and sorted(found["shared_ciphers"])  # in the client's order
    found |= {name: getattr(obj, name) for name in ("server_side", "server_hostname", "session_reused")}
    found["peercert"] = obj.getpeercert(), obj.getpeercert(True)
    if sys.version_info >= (3, 13) and found["peercert"][1]:  # else ssl 3.13 stumbles
        found["chains"] = obj.get_verified_chain(), obj.get_unverified_chain()
    return found


@each_version
@pytest.mark.parametrize("asks", list(ssl.VerifyMode))
@pytest.mark.parametrize("identity", ["", "client"])
def test_what_was_agreed_on(version, asks, identity, pki):
    if asks == ssl.CERT_REQUIRED and not identity:
        pytest.skip("refused")

    def run(c, s):
        client, server = client_of(c, pki, identity=identity), server_of(s, pki, asks=asks)
        only(version, client, server)
        suites = "ECDHE+AESGCM:ECDHE+CHACHA20"  # the three that a puretls client and OpenSSL's have alike
        client.set_ciphers(suites)
        pair = join(client, server).ok()
        return agreed(pair.client), agreed(pair.server)

    compare(run)


@each_version
@pytest.mark.parametrize("seed", range(6))
def test_alpn(seed, version, pki):
    rng = random.Random(seed)
    names = ["h2", "http/1.1", "spdy/3", "x" * 255, "é".encode("latin-1").decode("ascii", "replace")[:0] or "acme"]
    theirs, ours = (rng.sample(names, rng.randrange(len(names))) for _ in range(2))

    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        if theirs:
            client.set_alpn_protocols(theirs)
        if ours:
            server.set_alpn_protocols(ours)
        pair = join(client, server).ok()
        return pair.client.obj.selected_alpn_protocol(), pair.server.obj.selected_alpn_protocol()

    assert compare(run)[0] == next((name for name in ours if name in theirs), None)


@pytest.mark.parametrize("seed", range(12))
def test_the_suite_is_chosen_alike(seed, pki):
    """Random lists on both sides, with the order of either side."""
    rng = random.Random(seed)
    pool = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"]
    pool += ["ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA"]
    lists = [":".join(rng.sample(pool, rng.randrange(2, 6))) for _ in range(2)]
    own_order = bool(rng.randrange(2))

    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(V12, client, server)
        client.set_ciphers(lists[0])
        server.set_ciphers(lists[1])
        if not own_order:
            server.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        pair = join(client, server).shake()
        return pair.errors, pair.client.obj.cipher(), pair.server.obj.cipher()

    compare(run)


@each_version
def test_tls_unique(version, pki):
    for c, s in ((ssl, ssl), *PAIRS):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        pair = join(client, server)
        assert pair.client.obj.get_channel_binding("tls-unique") is None
        pair.ok()
        client_data, server_data = (end.obj.get_channel_binding("tls-unique") for end in (pair.client, pair.server))
        assert client_data == server_data
        assert len(client_data) == (12 if version == V12 else len(client_data) // 16 * 16)
        if version == V12:  # the Finished of the server comes first when a session is resumed
            again = join(client, server, session=pair.client.obj.session).ok()
            assert again.client.obj.session_reused
            assert again.client.obj.get_channel_binding() == again.server.obj.get_channel_binding() != client_data


COUNTERS = ["connect", "connect_good", "connect_renegotiate", "accept", "accept_good", "accept_renegotiate"]


@each_version
@pytest.mark.parametrize("tickets", [True, False])
def test_sessions_are_resumed_and_counted_alike(version, tickets, pki):
    """A full handshake, one with its session, one with the session for another server, one that fails."""

    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        if not tickets:
            server.options |= ssl.OP_NO_TICKET
        found: list[Any] = [client.session_stats(), server.session_stats()]
        pair = join(client, server).ok()
        pair.send(pair.server, b"x")
        session = pair.client.obj.session
        found += [client.session_stats(), server.session_stats(), session.has_ticket, session.timeout]
        found += [session.ticket_lifetime_hint, len(session.id)]
        again = join(client, server, session=session).ok()
        found += [client.session_stats(), server.session_stats()]
        found += [again.client.obj.session_reused, again.server.obj.session_reused]
        if version == V12:
            found += [again.client.obj.session == session, again.client.obj.session.id == session.id]
        other = server_of(s, pki)
        elsewhere = join(client, other, session=session).ok()
        found += [elsewhere.client.obj.session_reused, other.session_stats(), client.session_stats()]
        refused = join(client, server, "elsewhere.test").shake()
        found += [refused.errors, client.session_stats(), server.session_stats()]
        return found

    compare(run)


def keylog_of(c: ModuleType, s: ModuleType, version: Any, pki: Any, folder: Any) -> tuple[list[str], list[str]]:
    logs = []
    client, server = client_of(c, pki), server_of(s, pki)
    only(version, client, server)
    for name, context in (("client", client), ("server", server)):
        path = folder / f"{c.__name__}-{s.__name__}-{name}"
        context.keylog_filename = str(path)
        logs.append(path)
    join(client, server).ok()
    return logs[0].read_text().splitlines(), logs[1].read_text().splitlines()


@each_version
def test_the_key_log_has_the_same_labels(version, pki, tmp_path):
    """Both sides log the same secrets, under the labels that `ssl` uses, after one line of comment."""

    def run(c, s):
        ours, theirs = keylog_of(c, s, version, pki, tmp_path)
        assert sorted(ours[1:]) == sorted(theirs[1:])
        assert ours[0].startswith("# TLS secrets log file, generated by ")
        return sorted((line.split()[0], *map(len, line.split()[1:])) for line in ours[1:])

    compare(run)


def test_message_callbacks_hear_of_the_same_messages(pki):
    """Types and directions of the handshake messages on either side (TLS 1.2: no ticket comes late)."""

    def run(c, s):
        heard: dict[str, list[Any]] = {"client": [], "server": []}
        client, server = client_of(c, pki), server_of(s, pki)
        only(V12, client, server)

        def listen(context: Any, heard: list[Any]) -> None:
            def callback(_conn, direction, version, content_type, msg_type, _data):
                if content_type == 22 and msg_type != 1:  # OpenSSL's server takes every ClientHello for TLS 1.3's
                    heard.append((direction, version, content_type, msg_type))

            context._msg_callback = callback

        listen(client, heard["client"])
        listen(server, heard["server"])
        join(client, server).ok()
        return heard

    compare(run)
