"""Encrypted Client Hello (RFC 9849) through the public API: whoever listens sees the public name, and no other.

Both roles are ours here; tests/peers/test_ech.py has those of others, tests/engine/test_ech.py those who do it wrong.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls._base import registry
from puretls._wire import ech
from support import PATIENCE, Pki
from support.bios import join
from support.encrypted import PUBLIC, SECRET, Site, listed, met, name_in, new_key, sealed_in, statuses, tapped

RETRY = {"client": "*X25519:P-256", "server": "P-256"}  # groups: the server asks for another share


@pytest.fixture(scope="module")
def site(pki: Pki) -> Site:
    return Site(pki)


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
@pytest.mark.parametrize("cookie", [False, True], ids=["", "cookie"])
@pytest.mark.parametrize("kem", ["X25519", "P-256", "P-384", "P-521"])
def test_the_secret_name_is_not_seen(site, kem, retried, cookie):
    key = new_key(kem=kem, maximum_name_length=40)
    client, server = site.client(listed(key)), site.server(key)
    server.retry_cookie = cookie
    if retried:
        client.set_groups(RETRY["client"])
        server.set_groups(RETRY["server"])
    seen: list[tuple[str | None, str | None]] = []
    server.sni_callback = lambda conn, name, _: seen.append((name, conn.outer_server_hostname))
    hellos, carry = tapped()
    pair = met(client, server, carry=carry)
    assert pair.errors == (None, None)
    assert statuses(pair) == ("SUCCESS", "SUCCESS")
    assert seen == [(SECRET, PUBLIC)]
    assert len(hellos) == 1 + retried
    assert [name_in(hello) for hello in hellos] == [PUBLIC] * len(hellos)
    assert not any(SECRET.encode() in hello.raw for hello in hellos)
    assert (pair.client.obj.server_hostname, pair.client.obj.outer_server_hostname) == (SECRET, PUBLIC)
    assert pair.send(pair.client, b"hello") == b"hello"
    assert pair.client.obj.export_keying_material("EXPORTER-x", 32) == pair.server.obj.export_keying_material(
        "EXPORTER-x", 32
    )


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
def test_resumption_never_shows_an_identity(site, retried):
    """The session is resumed inside; outside are random bytes of the same lengths, the same after HelloRetryRequest."""
    key = new_key()
    client, server = site.client(listed(key)), site.server(key)
    first = met(client, server)
    session = first.client.obj.session
    if retried:
        client.set_groups(RETRY["client"])
        server.set_groups(RETRY["server"])
    hellos, carry = tapped()
    pair = met(client, server, session=session, carry=carry)
    assert pair.errors == (None, None)
    assert pair.client.obj.session_reused
    assert statuses(pair) == ("SUCCESS", "SUCCESS")
    ticket = session._session.ticket
    assert not any(ticket in hello.raw for hello in hellos)
    from puretls._wire.extensions import offered_psks

    outer = [offered_psks(hello.extensions[registry.PRE_SHARED_KEY]) for hello in hellos]
    assert [len(psks.identities[0][0]) for psks in outer] == [len(ticket)] * len(hellos)
    assert len({psks.identities[0][0] for psks in outer}) == 1
    assert len({psks.binders for psks in outer}) == len(hellos)


def test_a_session_of_a_hello_in_the_clear_goes_on_encrypted(site):
    key = new_key()
    plain, server = site.client(), site.server(key)
    session = met(plain, server).client.obj.session
    plain.set_ech_config(listed(key))
    pair = met(plain, server, session=session)
    assert pair.client.obj.session_reused
    assert statuses(pair) == ("SUCCESS", "SUCCESS")


def test_client_certificates(site, pki):
    key = new_key()
    client, server = site.client(listed(key)), site.server(key)
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    server.verify_mode = puretls.CERT_REQUIRED
    pair = met(client, server)
    assert pair.errors == (None, None)
    assert pair.server.obj.getpeercert()["subject"]


def test_pre_shared_keys(site):
    key = new_key()
    client, server = site.client(listed(key)), site.server(key)
    client.set_psk_client_callback(lambda _: ("very-own-identity", b"0123456789abcdef"))
    server.set_psk_server_callback(lambda name: b"0123456789abcdef" if name == "very-own-identity" else b"")
    hellos, carry = tapped()
    pair = met(client, server, carry=carry)
    assert pair.errors == (None, None)
    assert b"very-own-identity" not in hellos[0].raw
    assert pair.client.obj.getpeercert() is None


@pytest.mark.parametrize("host", [None, "127.0.0.1", "::1"])
def test_without_a_name_the_inner_hello_has_none(site, host):
    key = new_key(maximum_name_length=20)
    client, server = site.client(listed(key)), site.server(key)
    client.check_hostname = False
    seen: list[str | None] = []
    server.sni_callback = lambda _conn, name, _context: seen.append(name)
    hellos, carry = tapped()
    pair = met(client, server, host, carry=carry)
    assert pair.errors == (None, None)
    assert seen == [None]
    assert name_in(hellos[0]) == PUBLIC


@pytest.mark.parametrize("longest", [0, 10, 64, 255])
def test_names_of_all_lengths_look_alike(pki, longest):
    """Up to maximum_name_length; beyond it by steps of 32 bytes (RFC 9849 6.1.3)."""
    key = new_key(maximum_name_length=longest)
    site = Site(pki, "*.example", "*.com", PUBLIC)
    sizes = set()
    for length in (1, 5, 9, 10):
        hellos, carry = tapped()
        met(site.client(listed(key)), site.server(key), "a" * length + ".example", carry=carry)
        sizes.add(len(sealed_in(hellos[0])))
    assert len(sizes) <= (1 if longest > 18 else 2)
    assert all((size - 1 - 4 - 1 - 34 - 2 - 16) % 32 == 0 for size in sizes)


# Protocols and names that are seen


def test_other_protocols_outside(site):
    key = new_key()
    client = site.client(listed(key), protocols=("h2", "secret-protocol"))
    client.set_outer_alpn_protocols(["http/1.1"])
    hellos, carry = tapped()
    pair = met(client, site.server(key, protocols=("secret-protocol",)), carry=carry)
    assert pair.client.obj.selected_alpn_protocol() == "secret-protocol"
    assert hellos[0].extensions[registry.ALPN] == b"\x00\x09\x08http/1.1"
    client.set_outer_alpn_protocols([])
    hellos, carry = tapped()
    assert met(client, site.server(key), carry=carry).errors == (None, None)
    assert registry.ALPN not in hellos[0].extensions
    client.set_outer_alpn_protocols(None)
    hellos, carry = tapped()
    met(client, site.server(key), carry=carry)
    assert b"secret-protocol" in hellos[0].raw


def test_another_name_outside(site):
    key = new_key()
    client = site.client(listed(key))
    client.set_outer_server_hostname("front.example")
    assert client.outer_server_hostname == "front.example"
    hellos, carry = tapped()
    pair = met(client, site.server(key), carry=carry)
    assert statuses(pair) == ("SUCCESS", "SUCCESS")
    assert name_in(hellos[0]) == "front.example" == pair.server.obj.outer_server_hostname
    client.set_outer_server_hostname(None)
    waiting = join(client, site.server(key), SECRET)
    waiting.client.obj.set_outer_server_hostname("of-this-one.example")
    assert statuses(waiting.shake()) == ("SUCCESS", "SUCCESS")
    assert waiting.client.obj.outer_server_hostname == "of-this-one.example"
    with pytest.raises(ValueError, match="begun"):
        waiting.client.obj.set_outer_server_hostname("late.example")
    for wrong in ("", "127.0.0.1", "a..b", "x" * 64):
        with pytest.raises(ValueError, match="host name"):
            client.set_outer_server_hostname(wrong)


# Rejection


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
@pytest.mark.parametrize("check", [True, False], ids=["check_hostname", "no check_hostname"])
@pytest.mark.parametrize("resuming", [False, True], ids=["", "with a session"])
def test_a_server_with_another_key_says_which(site, retried, check, resuming):
    old, new = new_key(), new_key()
    client, server = site.client(listed(old)), site.server(new, new_key(retry=False))
    client.check_hostname = check
    session = met(client, site.server(old)).client.obj.session if resuming else None
    if retried:
        client.set_groups(RETRY["client"])
        server.set_groups(RETRY["server"])
    pair = met(client, server, session=session)
    error = pair.client.error
    assert isinstance(error, puretls.SSLECHRejected)
    assert isinstance(error, ssl.SSLError)
    assert error.reason == "ECH_REQUIRED"
    assert error.retry_configs == listed(new) == pair.client.obj.get_ech_retry_config()
    assert pair.server.error.reason == "TLSV1_ALERT_ECH_REQUIRED"
    assert statuses(pair) == ("FAILED_ECH", "GREASE")
    with pytest.raises(puretls.SSLECHRejected) as again:
        pair.client.obj.write(b"data")
    assert again.value.retry_configs == error.retry_configs
    assert statuses(met(client.set_ech_configs(error.retry_configs), server)) == ("SUCCESS", "SUCCESS")


def test_a_server_without_keys_has_securely_none(site):
    pair = met(site.client(listed(new_key())), site.server())
    assert pair.client.error.retry_configs == b""
    assert pair.client.obj.get_ech_retry_config() is None
    assert statuses(pair)[0] == "FAILED"


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("names", [(SECRET,), ("elsewhere.example",)], ids=str)
def test_who_is_not_the_public_name_cannot_reject(pki, names, check):
    """Neither the secret name nor any other will do, whatever check_hostname says."""
    client = Site(pki, *names).client(listed(new_key()))
    client.check_hostname = check
    pair = met(client, Site(pki, *names).server(new_key()))
    assert isinstance(pair.client.error, puretls.SSLCertVerificationError)
    assert pair.client.error.verify_code == 62
    assert PUBLIC in str(pair.client.error)
    assert not hasattr(pair.client.error, "retry_configs")
    assert pair.client.obj.get_ech_retry_config() is None
    assert statuses(pair)[0] == "FAILED_ECH_BAD_NAME"


def test_a_stranger_cannot_reject(site, pki):
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.other_ca)
    client.set_ech_config(listed(new_key()))
    pair = met(client, site.server(new_key()))
    assert isinstance(pair.client.error, puretls.SSLCertVerificationError)
    assert statuses(pair)[0] == "FAILED_ECH_BAD_NAME"


def test_who_verifies_nothing_gets_no_configurations(site):
    client = site.client(listed(new_key()))
    client.check_hostname = False
    client.verify_mode = puretls.CERT_NONE
    pair = met(client, site.server(new_key()))
    assert isinstance(pair.client.error, puretls.SSLECHRejected)
    assert pair.client.error.retry_configs is None
    assert pair.client.obj.get_ech_retry_config() is None


def test_a_rejecting_server_does_not_see_our_certificate(site, pki):
    client, server = site.client(listed(new_key())), site.server(new_key())
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    server.verify_mode = puretls.CERT_OPTIONAL
    pair = met(client, server)
    assert isinstance(pair.client.error, puretls.SSLECHRejected)
    assert pair.server.obj.getpeercert() is None


def test_a_server_of_tls_1_2_does_not_get_the_name(site):
    """There is no way back to a hello in the clear."""
    server = site.server(new_key())
    server.maximum_version = puretls.TLSVersion.TLSv1_2
    hellos, carry = tapped()
    pair = met(site.client(listed(new_key())), server, carry=carry)
    assert isinstance(pair.client.error, puretls.SSLError)
    assert not any(SECRET.encode() in hello.raw for hello in hellos)


def test_a_client_of_tls_1_2_says_nothing(site):
    client = site.client(listed(new_key()))
    client.maximum_version = puretls.TLSVersion.TLSv1_2
    hellos, carry = tapped()
    pair = met(client, site.server(), carry=carry)
    assert pair.client.error.reason == "NO_PROTOCOLS_AVAILABLE"
    assert not hellos


def test_a_certificate_that_is_wrong_inside(pki):
    """The inner hello was read: who it is for is verified as ever."""
    key = new_key()
    pair = met(Site(pki).client(listed(key)), Site(pki, PUBLIC).server(key))
    assert isinstance(pair.client.error, puretls.SSLCertVerificationError)
    assert SECRET in str(pair.client.error)
    assert statuses(pair)[0] == "BAD_NAME"


# Servers: keys, rotation, backends


def test_keys_rotate_while_connections_are_on_their_way(site):
    """A connection has the keys of its wrap; those that come have the new ones, and the old ones that are kept."""
    old, new = new_key(config_id=1), new_key(config_id=2)
    server, early = site.server(old), site.client(listed(old))
    on_its_way = join(early, server, SECRET)
    server.set_ech_keys([new, puretls.ECHKey(old.config, old.private_key, retry=False)])
    assert statuses(on_its_way.shake()) == ("SUCCESS", "SUCCESS")
    assert statuses(met(early, server)) == ("SUCCESS", "SUCCESS")
    assert statuses(met(site.client(listed(new)), server)) == ("SUCCESS", "SUCCESS")
    server.set_ech_keys([new])
    pair = met(early, server)
    assert pair.client.error.retry_configs == listed(new)
    server.set_ech_keys([])
    assert met(early, server).client.error.retry_configs == b""


def test_rotation_between_two_hellos(site):
    """What has begun with one key ends with it."""
    old = new_key()
    client, server = site.client(listed(old), groups=RETRY["client"]), site.server(old, groups=RETRY["server"])
    hellos, tap = tapped()

    def carry(sender: str, data: bytes) -> bytes:
        server.set_ech_keys([new_key()])
        return tap(sender, data)

    pair = met(client, server, carry=carry)
    assert len(hellos) == 2
    assert statuses(pair) == ("SUCCESS", "SUCCESS")


def test_keys_with_the_same_number(site):
    keys = [new_key(config_id=7) for _ in range(8)]
    server = site.server(*keys)
    for key in keys:
        assert statuses(met(site.client(listed(key)), server)) == ("SUCCESS", "SUCCESS")
    server = site.server(*(new_key(config_id=7) for _ in range(8)), keys[0])
    assert isinstance(met(site.client(listed(keys[0])), server).client.error, puretls.SSLECHRejected)


def test_trial_decryption(site):
    """OP_ECH_IGNORE_CID hides which key it was; a server has to try, if OP_ECH_TRIALDECRYPT lets it."""
    key = new_key(config_id=5)
    client, server = site.client(listed(key)), site.server(new_key(config_id=6), key)
    client.options |= puretls.OP_ECH_IGNORE_CID
    server.options |= puretls.OP_ECH_TRIALDECRYPT
    numbers = set()
    for _ in range(4):
        hellos, carry = tapped()
        assert statuses(met(client, server, carry=carry)) == ("SUCCESS", "SUCCESS")
        numbers.add(ech.Sealed.parse(sealed_in(hellos[0])).config_id)
    assert len(numbers) > 1


def test_greased_retry_configurations(site):
    key, old = new_key(), new_key()
    server = site.server(key)
    server.options |= puretls.OP_ECH_GREASE_RETRY_CONFIG
    offered = met(site.client(listed(old)), server).client.error.retry_configs
    assert len(ech.config_list(offered)) == 2
    assert statuses(met(site.client(offered), server)) == ("SUCCESS", "SUCCESS")


def test_another_context_by_the_inner_name(site, pki):
    """sni_callback, who chooses by name, is told the inner one; what it chooses has no keys, and needs none."""
    key = new_key()
    server, other = site.server(key), Site(pki, SECRET).server(protocols=("chosen",))

    def choose(conn: Any, name: str | None, _: Any) -> None:
        if name == SECRET:
            conn.context = other

    server.sni_callback = choose
    for groups in ("", RETRY["client"]):
        client = site.client(listed(key), protocols=("chosen",))
        if groups:
            client.set_groups(groups)
            server.set_groups(RETRY["server"])
        pair = met(client, server)
        assert statuses(pair) == ("SUCCESS", "SUCCESS")
        assert pair.client.obj.selected_alpn_protocol() == "chosen"


# GREASE


@pytest.mark.parametrize("retried", [False, True], ids=["at once", "HelloRetryRequest"])
@pytest.mark.parametrize("keys", [False, True], ids=["server without keys", "server with keys"])
def test_grease(site, retried, keys):
    client, server = site.client(), site.server(*([new_key()] if keys else []))
    client.ech_grease = True
    if retried:
        client.set_groups(RETRY["client"])
        server.set_groups(RETRY["server"])
    hellos, carry = tapped()
    pair = met(client, server, carry=carry)
    assert pair.errors == (None, None)
    assert statuses(pair) == (("GREASE_ECH", "GREASE") if keys else ("GREASE", "NOT_CONFIGURED"))
    assert (pair.client.obj.get_ech_retry_config() is not None) == keys
    assert {name_in(hello) for hello in hellos} == {SECRET}
    sealed = [sealed_in(hello) for hello in hellos]
    assert len(set(sealed)) == 1
    found = ech.Sealed.parse(sealed[0])
    assert (found.suite, len(found.enc)) == ((1, 1), 32)
    assert len(found.payload) in [32 * blocks + 16 for blocks in (4, 5, 6, 7)]


def test_grease_is_for_tls_1_3_and_clients(site):
    client = site.client()
    client.ech_grease = True
    client.maximum_version = puretls.TLSVersion.TLSv1_2
    hellos, carry = tapped()
    pair = met(client, site.server(), carry=carry)
    assert pair.errors == (None, None)
    assert registry.ENCRYPTED_CLIENT_HELLO not in hellos[0].extensions
    assert statuses(pair)[0] == "NOT_CONFIGURED"


def test_the_option_asks_for_grease_too(site):
    client = site.client()
    client.ech_grease = False
    hellos, carry = tapped()
    met(client, site.server(), carry=carry)
    assert registry.ENCRYPTED_CLIENT_HELLO not in hellos[0].extensions
    client.options |= puretls.OP_ECH_GREASE
    hellos, carry = tapped()
    met(client, site.server(), carry=carry)
    assert registry.ENCRYPTED_CLIENT_HELLO in hellos[0].extensions


def test_the_default_options_have_no_bit_of_it():
    assert not puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).options >> 37


# Settings


def test_configurations_add_up_and_the_first_that_can_be_used_is(site):
    first, second = new_key(), new_key()
    client = site.client(listed(first))
    client.set_ech_config(listed(second))
    assert statuses(met(client, site.server(first))) == ("SUCCESS", "SUCCESS")
    only = client.set_ech_configs(listed(second))
    assert statuses(met(only, site.server(second))) == ("SUCCESS", "SUCCESS")
    assert statuses(met(client, site.server(first))) == ("SUCCESS", "SUCCESS")  # it stays as it was


def test_sessions_are_good_for_copies(site):
    key = new_key()
    plain, server = site.client(), site.server(key)
    session = met(plain, server).client.obj.session
    pair = met(plain.set_ech_configs(listed(key)), server, session=session)
    assert pair.client.obj.session_reused
    assert statuses(pair) == ("SUCCESS", "SUCCESS")
    with pytest.raises(ValueError, match="different SSLContext"):
        join(site.client(), server, SECRET, session=session)


def test_the_copy_is_like_the_context(site):
    class Own(puretls.SSLContext):
        """A program's own, with something in it."""

        extra = 0

    Own.__module__ = "puretls"  # where `join` looks for the BIOs
    context = Own(puretls.PROTOCOL_TLS_CLIENT)
    context.extra = 5
    context.load_verify_locations(site.pki.ca)
    context.set_ciphersuites("TLS_CHACHA20_POLY1305_SHA256")
    key = new_key()
    copy = context.set_ech_configs(listed(key))
    assert (type(copy), copy.extra, copy.check_hostname) == (Own, 5, True)
    pair = met(copy, site.server(key))
    assert pair.client.obj.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    copy.check_hostname = False
    assert context.check_hostname
    assert statuses(met(copy.set_ech_configs(None), site.server()))[0] in ("NOT_CONFIGURED", "GREASE")


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x00", b"\x00\x01\xfe", b"\xff\xff" + bytes(20), b"\x00\x06\xfe\x0d\x00\x02\x00\x00"]
)
def test_malformed_lists(site, data):
    for setter in ("set_ech_config", "set_ech_configs"):
        with pytest.raises(puretls.SSLError):
            getattr(site.client(), setter)(data)
    for wrong in ("text", 5, object()):
        with pytest.raises(TypeError):
            site.client().set_ech_config(wrong)


def test_a_list_of_another_version(site):
    data = b"\x00\x08\xfe\xaa\x00\x04abcd"
    with pytest.raises(puretls.SSLError):
        site.client().set_ech_config(data)
    assert met(site.client().set_ech_configs(data), site.server()).errors == (None, None)


def test_asking_before_the_handshake(site):
    key = new_key()
    pair = join(site.client(listed(key)), site.server(key), SECRET)
    assert statuses(pair) == ("NOT_TRIED", "NOT_TRIED")
    assert pair.client.obj.get_ech_retry_config() is None
    plain = site.client()
    plain.ech_grease = False
    assert statuses(join(plain, site.server(), SECRET)) == ("NOT_CONFIGURED", "NOT_CONFIGURED")
    unconnected = site.client().wrap_socket(socket.socket(), server_hostname=SECRET)
    assert unconnected.get_ech_status() == puretls.ECH_STATUS_NOT_TRIED
    assert (unconnected.get_ech_retry_config(), unconnected.outer_server_hostname) == (None, None)
    unconnected.close()


def test_constants():
    assert puretls.HAS_ECH
    assert {one.name: int(one) for one in puretls.ECHStatus} == {
        name: int(getattr(puretls, name)) for name in dir(puretls) if name.startswith("ECH_STATUS_")
    }
    assert [int(one) for one in puretls.ECHStatus] == [4, 3, 2, 1, 0, -100, -101, -102, -103, -105, -106]
    assert [
        puretls.OP_ECH_GREASE, puretls.OP_ECH_TRIALDECRYPT, puretls.OP_ECH_IGNORE_CID,
        puretls.OP_ECH_GREASE_RETRY_CONFIG,
    ] == [1 << 37, 1 << 38, 1 << 39, 1 << 40]  # fmt: skip


@pytest.mark.parametrize("side", ["client", "server"])
def test_the_key_log_has_what_opens_the_outer_hello(site, tmp_path, side):
    key = new_key()
    contexts = {"client": site.client(listed(key)), "server": site.server(key)}
    contexts[side].keylog_filename = tmp_path / "keys"
    hellos, carry = tapped()
    met(*contexts.values(), carry=carry)
    lines = [line.split() for line in (tmp_path / "keys").read_text("ascii").splitlines() if line[0] != "#"]
    outer, inner = hellos[0].random.hex(), {random for label, random, _ in lines if label.startswith("CLIENT_")}
    found = {label: secret for label, random, secret in lines if random == outer}
    assert found.keys() == {"ECH_SECRET", "ECH_CONFIG"}
    assert bytes.fromhex(found["ECH_CONFIG"]) == key.config
    assert len(inner) == 1
    assert outer not in inner


# Sockets and asyncio


def test_sockets(site):
    """wrap_socket() returns no socket of a rejected handshake: the exception has what to try again with."""
    old, new = new_key(), new_key()
    server, client = site.server(new), site.client(listed(old))
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(PATIENCE)
    heard: list[str | None] = []
    server.sni_callback = lambda _conn, name, _context: heard.append(name)

    def serve() -> None:
        for _ in range(2):
            raw, _ = listening.accept()
            raw.settimeout(PATIENCE)
            try:
                with server.wrap_socket(raw, server_side=True) as conn:
                    conn.sendall(conn.recv(10))
            except puretls.SSLError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        raw = socket.create_connection(listening.getsockname(), PATIENCE)
        with pytest.raises(puretls.SSLECHRejected) as caught:
            client.wrap_socket(raw, server_hostname=SECRET)
        again = client.set_ech_configs(caught.value.retry_configs)
        raw = socket.create_connection(listening.getsockname(), PATIENCE)
        with again.wrap_socket(raw, server_hostname=SECRET) as conn:
            conn.sendall(b"hello")
            assert conn.recv(10) == b"hello"
            assert conn.get_ech_status() == puretls.ECH_STATUS_SUCCESS
    finally:
        thread.join()
        listening.close()
    assert heard == [PUBLIC, SECRET]


def test_asyncio(site):
    old, new = new_key(), new_key()
    server, client = site.server(new), site.client(listed(old))

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(10))
        await writer.drain()
        writer.close()

    async def main() -> tuple[bytes, Any]:
        async with await puretls.asyncio.start_server(echo, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            with pytest.raises(puretls.SSLECHRejected) as caught:
                await puretls.asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=SECRET)
            again = client.set_ech_configs(caught.value.retry_configs)
            reader, writer = await puretls.asyncio.open_connection("127.0.0.1", port, ssl=again, server_hostname=SECRET)
            writer.write(b"hello")
            answer = await reader.read(10)
            status = writer.get_extra_info("ssl_object").get_ech_status()
            writer.close()
            await writer.wait_closed()
            return answer, status

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == (b"hello", puretls.ECH_STATUS_SUCCESS)
