"""A session is worth what its peer was held to when it was made, and no longer than that holds.

Resumed under another policy, or when the certificates behind it have expired, it would let somebody in whom a full
handshake refuses.
"""

from __future__ import annotations

import ssl
import time
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls._x509.certificate import Certificate
from puretls._x509.store import name_hash
from puretls.cli.certs import Authority
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of
from support.staples import response

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
DAY = 86400


def session_of(pair: ObjectPair) -> Any:
    return pair.client.obj.session


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


@each_version
def test_a_client_that_has_become_stricter_verifies_anew(version, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    session = session_of(join(client, server).ok())
    client.verify_flags |= puretls.VERIFY_CRL_CHECK_LEAF
    pair = join(client, server, session=session).shake()
    assert not pair.client.done
    assert pair.client.error.verify_message == "unable to get certificate CRL"


def resumed_for(client: Any, server: Any, monkeypatch: Any, *, step: float = 6000) -> float:
    """For how many days one session leads to the next, each used before it is too old."""
    began = now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    pair = join(client, server).ok()
    while now - began < 20 * DAY:
        now += step
        pair = join(client, server, session=session_of(pair)).shake()
        if not (pair.client.done and pair.server.done and pair.client.obj.session_reused):
            break
        assert pair.server.obj.session_reused
    return (now - began) / DAY


@pytest.mark.parametrize(
    ("server_days", "client_days", "wanted"),
    [(25, 25, 7), (3, 25, 3), (25, 2, 2)],
    ids=["a week", "the server's certificate", "the client's certificate"],
)
@pytest.mark.parametrize("kept", [False, True], ids=["tickets", "kept by the server"])
def test_a_chain_of_resumptions_ends(kept, server_days, client_days, wanted, monkeypatch):
    """RFC 8446 4.6.1: every ticket is new, what it vouches for is not: a week, or the end of who was verified."""
    authority = Authority("root")
    own, theirs = (
        authority.issue("localhost", days=(-1, server_days)),
        authority.issue("c", client=True, days=(-1, client_days)),
    )
    server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    for context, identity in ((server, own), (client, theirs)):
        context.load_cert_chain(identity.chain_pem, identity.key_pem)
        context.load_verify_locations(cadata=authority.pem.decode())
        context.verify_mode = puretls.CERT_REQUIRED
    if kept:
        server.options |= puretls.OP_NO_TICKET
    step = 6000
    assert wanted - 0.01 <= resumed_for(client, server, monkeypatch, step=step) <= wanted + step / DAY + 0.01


def listed(issuer: Authority, days: float) -> str:
    """An empty CRL, which is current for so many days; PEM."""
    now = datetime.now(timezone.utc)
    builder = x509.CertificateRevocationListBuilder(issuer.name, now - timedelta(1), now + timedelta(days))
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which OpenSSL's users set by number


HOUR = 1 / 24
lists = pytest.mark.parametrize(
    ("version", "flags", "leaf_days", "root_days", "wanted"),
    [
        (V13, puretls.VERIFY_CRL_CHECK_LEAF, 2, 1, 2),
        (V13, puretls.VERIFY_CRL_CHECK_CHAIN, 3, 2, 2),
        (V13, puretls.VERIFY_CRL_CHECK_CHAIN, 2, 30, 2),
        (V13, puretls.VERIFY_CRL_CHECK_LEAF, 30, 30, 7),
        (V13, puretls.VERIFY_CRL_CHECK_LEAF | NO_CHECK_TIME, 2, 2, 7),
        (V12, puretls.VERIFY_CRL_CHECK_CHAIN, 3, HOUR, HOUR),  # good for two hours, and leads to no other
        (V12, puretls.VERIFY_CRL_CHECK_LEAF, 3, HOUR, 2 * HOUR),
    ],
    ids=["leaf", "chain", "chain, the leaf's first", "longer than a week", "without dates", "1.2", "1.2, leaf"],
)


@pytest.mark.parametrize("who", ["client", "server"])
@lists
def test_sessions_end_with_the_lists_behind_them(
    version, flags, leaf_days, root_days, wanted, who, pki, monkeypatch, tmp_path
):
    """A CRL says nothing after its nextUpdate, and a session that rests on it no more."""
    file = tmp_path / "lists.pem"
    file.write_text(listed(pki.issuer, leaf_days) + listed(pki.root, root_days))
    client = client_of(puretls, pki, identity="client")
    server = server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    only(version, client)
    judge = client if who == "client" else server
    judge.load_verify_locations(cafile=file)
    judge.verify_flags |= flags
    step = 6000 if version == V13 else 600
    assert wanted - 0.01 <= resumed_for(client, server, monkeypatch, step=step) <= wanted + step / DAY + 0.01


@pytest.mark.parametrize(
    ("version", "policy", "days", "wanted"),
    [
        (V13, puretls.OCSPPolicy.CHECK, 2, 2),
        (V13, puretls.OCSPPolicy.REQUIRE, 2, 2),
        (V13, puretls.OCSPPolicy.REQUIRE, 30, 7),
        (V13, puretls.OCSPPolicy.REQUIRE, None, 6),  # it was made yesterday, and is taken for a week
        (V13, puretls.OCSPPolicy.CHECK, -1, 7),  # it is stale, and nothing rests on it
        (V13, puretls.OCSPPolicy.IGNORE, 2, 7),
        (V12, puretls.OCSPPolicy.CHECK, HOUR, HOUR),
        (V12, puretls.OCSPPolicy.IGNORE, HOUR, 2 * HOUR),
    ],
    ids=["checked", "required", "longer than a week", "without nextUpdate", "stale", "ignored", "1.2", "1.2, ignored"],
)
def test_sessions_end_with_the_response_behind_them(version, policy, days, wanted, pki, monkeypatch):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.request_ocsp, client.ocsp_policy = True, policy
    server.ocsp_response = response(pki, days=days)
    step = 6000 if version == V13 else 600
    assert wanted - 0.01 <= resumed_for(client, server, monkeypatch, step=step) <= wanted + step / DAY + 0.01


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


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_failed_connection_takes_its_kept_sessions_along(who, pki):
    """RFC 8446 6.2, for a server that keeps TLS 1.3 sessions itself."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(V13, client)
    server.options |= puretls.OP_NO_TICKET
    session = failed_after_resumable(client, server, who)
    assert not join(client, server, session=session).ok().client.obj.session_reused
    assert server.session_stats()["number"] == server.num_tickets


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


# Each setting of a policy, on either side

CHANGES: dict[str, Any] = {  # context, pki -> another policy, under which the peer would pass all the same
    "anchors": lambda context, pki: context.load_verify_locations(pki.other_ca),
    "capath": lambda context, pki: context.load_verify_locations(capath=pki.folder),
    "verify_flags": lambda context, _: setattr(
        context, "verify_flags", context.verify_flags | puretls.VERIFY_X509_STRICT
    ),
    "level": lambda context, _: context.set_ciphers("DEFAULT@SECLEVEL=1"),
    "session_id_context": lambda context, _: setattr(context, "session_id_context", b"another"),
    "CRL": lambda context, pki: context.load_verify_locations(cadata=[crl_of(pki.elsewhere)]),
    "nothing": lambda _context, _pki: None,
    "the same anchors again": lambda context, pki: context.load_verify_locations(pki.ca),
    "what is no policy": lambda context, _: (setattr(context, "num_tickets", 1), context.set_alpn_protocols(["x"])),
}
HARMLESS = {"nothing", "the same anchors again", "what is no policy"}


def crl_of(authority: Authority) -> x509.CertificateRevocationList:
    now = datetime.now(timezone.utc)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name)
    return builder.last_update(now).next_update(now + timedelta(1)).sign(authority.key, hashes.SHA256())


@pytest.mark.parametrize("kept", [False, True], ids=["tickets", "kept"])
@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("name", CHANGES)
@each_version
def test_a_session_belongs_to_its_policy(version, name, who, kept, pki):
    client, server = client_of(puretls, pki, identity="client"), server_of(puretls, pki, asks=puretls.CERT_REQUIRED)
    only(version, client)
    if kept:
        server.options |= puretls.OP_NO_TICKET
    session = session_of(join(client, server).ok())
    assert join(client, server, session=session).ok().client.obj.session_reused
    if (name, who) == ("what is no policy", "client"):
        client.set_alpn_protocols(["x"])
    else:
        CHANGES[name](client if who == "client" else server, pki)
    pair = join(client, server, session=session).ok()
    assert pair.client.obj.session_reused == pair.server.obj.session_reused == (name in HARMLESS)
    again = join(client, server, session=session_of(pair)).ok()
    assert again.client.obj.session_reused


@each_version
def test_where_nobody_verifies_only_the_word_counts(version, pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    only(version, client)
    client.check_hostname = False
    client.verify_mode = puretls.CERT_NONE
    session = session_of(join(client, server).ok())
    for context in (client, server):
        context.load_verify_locations(pki.other_ca)
    assert join(client, server, session=session).ok().client.obj.session_reused
    server.session_id_context = b"another"
    assert not join(client, server, session=session).ok().client.obj.session_reused


def test_what_a_directory_is_found_to_hold_changes_no_policy(tmp_path, pki):
    """It counts by its path: an anchor is read when it is first needed, and sessions are not lost over that."""
    (tmp_path / f"{name_hash(Certificate(ssl.PEM_cert_to_DER_cert(pki.root.pem.decode())).subject):08x}.0").write_bytes(
        pki.root.pem
    )
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), server_of(puretls, pki)
    client.load_verify_locations(capath=tmp_path)
    assert client.cert_store_stats()["x509"] == 0
    session = session_of(join(client, server).ok())
    assert client.cert_store_stats()["x509"] == 1
    assert join(client, server, session=session).ok().client.obj.session_reused


def test_a_session_of_a_policy_that_changed_meanwhile_is_nobodys(pki):
    """Which anchors its peer was verified with, nobody can tell."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    pair = join(client, server)
    pair.client.shake()
    client.load_verify_locations(pki.other_ca)
    session = session_of(pair.ok())
    assert not join(client, server, session=session).ok().client.obj.session_reused


def test_session_id_context(pki):
    context = server_of(puretls, pki)
    assert context.session_id_context == b""
    context.session_id_context = bytearray(b"x" * 32)
    assert context.session_id_context == b"x" * 32
    with pytest.raises(ValueError, match="longer than 32 bytes"):
        context.session_id_context = bytes(33)
    with pytest.raises(TypeError):
        context.session_id_context = "text"
    assert context.session_id_context == b"x" * 32
