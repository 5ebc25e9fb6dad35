"""SNI, PSK, message and key log callbacks: who is called with what, in which thread, and what an exception does."""

from __future__ import annotations

import contextlib
import gc
import re
import ssl
import sys
import threading

import pytest

import puretls


@pytest.fixture
def contexts(pki):
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.ca)
    return client, server


class Joined:
    """Both ends over BIOs; what each raised."""

    def __init__(self, client, server, name="localhost", client_side=None):
        one, other = puretls.MemoryBIO(), puretls.MemoryBIO()
        self.c = client.wrap_bio(one, other, server_hostname=name, session=client_side)
        self.s = server.wrap_bio(other, one, server_side=True)
        self.errors = {}

    def shake(self):
        for _ in range(4):
            for end in (self.c, self.s):
                if end not in self.errors:
                    try:
                        end.do_handshake()
                    except ssl.SSLWantReadError:
                        continue
                    except Exception as error:  # noqa: BLE001  # the test looks at it
                        self.errors[end] = error
        return self

    @property
    def reasons(self):
        return tuple(getattr(self.errors.get(end), "reason", None) for end in (self.c, self.s))


@pytest.fixture
def unraisable(monkeypatch):
    """What was reported to sys.unraisablehook."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append((args.exc_type, str(args.exc_value))))
    return seen


# SNI


def test_sni_callback_is_told_who_and_which(contexts):
    client, server = contexts
    seen = []
    server.sni_callback = lambda sslobj, name, context: seen.append((sslobj, name, context, threading.get_ident()))
    pair = Joined(client, server).shake()
    assert seen == [(pair.s, "localhost", server, threading.get_ident())]
    client.check_hostname = False
    seen.clear()
    pair = Joined(client, server, name=None).shake()
    assert pair.c.version()
    assert seen[0][1] is None


def test_sni_callback_changes_the_context(contexts, pki):
    client, server = contexts
    other = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    other.load_cert_chain(pki.chain("RSA"), pki.key("RSA"))
    other.set_alpn_protocols(["h2"])
    client.set_alpn_protocols(["http/1.1", "h2"])

    def switch(sslobj, _name, _context):
        sslobj.context = other

    server.sni_callback = switch
    pair = Joined(client, server).shake()
    assert pair.c.selected_alpn_protocol() == "h2"
    assert pair.s.context is other
    assert "rsa" in pair.c.server_sigalg()


@pytest.mark.parametrize(
    ("answer", "client_reason"),
    [
        (puretls.ALERT_DESCRIPTION_UNRECOGNIZED_NAME, "TLSV1_UNRECOGNIZED_NAME"),
        (puretls.ALERT_DESCRIPTION_ACCESS_DENIED, "TLSV1_ALERT_ACCESS_DENIED"),
        (80, "TLSV1_ALERT_INTERNAL_ERROR"),
    ],
)
def test_sni_callback_refuses_with_an_alert(contexts, answer, client_reason):
    client, server = contexts
    server.sni_callback = lambda *_: answer
    assert Joined(client, server).shake().reasons == (client_reason, "CALLBACK_FAILED")


def test_sni_callback_raises(contexts, unraisable):
    client, server = contexts

    def broken(*_):
        raise LookupError("no such host")

    server.sni_callback = broken
    assert Joined(client, server).shake().reasons == ("SSLV3_ALERT_HANDSHAKE_FAILURE", "CALLBACK_FAILED")
    assert unraisable == [(LookupError, "no such host")]


def test_sni_callback_is_not_called_for_nobody(contexts):
    """Who holds on to `_sslobj` alone, as wrappers do by mistake: then the handshake fails, as with recent `ssl`."""
    client, server = contexts
    called = []
    server.sni_callback = lambda *_: called.append(1)
    pair = Joined(client, server)
    pair.s = pair.s._sslobj
    gc.collect()
    assert pair.shake().reasons == ("TLSV1_ALERT_INTERNAL_ERROR", "CALLBACK_FAILED")
    assert not called


def test_sni_callback_returns_what_is_no_alert(contexts, unraisable):
    client, server = contexts
    server.sni_callback = lambda *_: "no"
    assert Joined(client, server).shake().reasons == ("TLSV1_ALERT_INTERNAL_ERROR", "CALLBACK_FAILED")
    assert [kind for kind, _ in unraisable] == [TypeError]


def test_set_servername_callback(contexts):
    client, server = contexts
    seen = []
    server.set_servername_callback(lambda _obj, name, _context: seen.append(name))
    Joined(client, server).shake()
    server.set_servername_callback(None)
    Joined(client, server).shake()
    assert seen == ["localhost"]
    assert server.sni_callback is None
    with pytest.raises(TypeError, match="not a callable object"):
        server.set_servername_callback(5)


@pytest.mark.parametrize(
    ("asked", "seen_as"),
    [("pythön.org", "pythön.org"), ("xn--pythn-mua.org", "pythön.org"), ("LOCALHOST", "LOCALHOST")],
)
def test_set_servername_callback_gets_u_labels(contexts, asked, seen_as):
    """As documented: sni_callback is given A-labels, the older form U-labels."""
    client, server = contexts
    client.check_hostname = False
    seen = []
    server.set_servername_callback(lambda _obj, name, _context: seen.append(name))
    Joined(client, server, name=asked).shake()
    server.sni_callback = lambda _obj, name, _context: seen.append(name)
    Joined(client, server, name=asked).shake()
    assert seen == [seen_as, asked.encode("idna").decode()]


def test_set_servername_callback_with_a_name_that_is_none(contexts):
    client, server = contexts
    client.check_hostname = False
    server.set_servername_callback(print)
    assert Joined(client, server, name="xn--0.org").shake().reasons == (
        "TLSV1_ALERT_INTERNAL_ERROR",
        "CALLBACK_FAILED",
    )


# PSK


def psk_contexts(version):
    client = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = puretls.CERT_NONE
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("PSK")
    return client, server


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3])
def test_psk(version):
    client, server = psk_contexts(version)
    seen = []

    def client_callback(hint):
        seen.append(hint)
        return "me", b"\xc0\xff\xee"

    def server_callback(identity):
        seen.append(identity)
        return bytearray(b"\xc0\xff\xee")

    client.set_psk_client_callback(client_callback)
    server.set_psk_server_callback(server_callback, "hint")
    pair = Joined(client, server, name=None).shake()
    assert pair.errors == {}
    assert pair.c.version() == pair.s.version()
    assert seen == (["hint", "me"] if version == puretls.TLSVersion.TLSv1_2 else [None, "me"])
    pair.c.write(b"x")
    assert pair.s.read() == b"x"


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("answer", [b"wrong key", b"", LookupError("nobody"), "text"])
def test_psk_that_does_not_fit(version, answer, unraisable):
    client, server = psk_contexts(version)

    def server_callback(_identity):
        if isinstance(answer, Exception):
            raise answer
        return answer

    client.set_psk_client_callback(lambda _hint: ("me", b"right key"))
    server.set_psk_server_callback(server_callback)
    pair = Joined(client, server, name=None).shake()
    assert pair.c.version() is None or pair.s.version() is None
    assert pair.errors
    assert len(unraisable) == isinstance(answer, LookupError | str)


@pytest.mark.parametrize("answer", [("x" * 257, b"key"), (5, b"key"), b"key", ("me", "text"), LookupError("no")])
def test_psk_client_callbacks_that_fail(answer, unraisable):
    client, server = psk_contexts(puretls.TLSVersion.TLSv1_2)

    def callback(_hint):
        if isinstance(answer, Exception):
            raise answer
        return answer

    client.set_psk_client_callback(callback)
    server.set_psk_server_callback(lambda _identity: b"key")
    pair = Joined(client, server, name=None).shake()
    assert pair.errors
    assert len(unraisable) == 1


# Messages


def test_message_callback(contexts):
    client, server = contexts
    seen = []
    client._msg_callback = lambda *event: seen.append(event)
    pair = Joined(client, server).shake()
    assert {event[0] for event in seen} == {pair.c}
    kinds = [(direction, kind, message) for _, direction, _, kind, message, _ in seen]
    handshake = puretls._TLSContentType.HANDSHAKE
    assert kinds.index(("write", handshake, puretls._TLSMessageType.CLIENT_HELLO)) < kinds.index(
        ("read", handshake, puretls._TLSMessageType.SERVER_HELLO)
    )
    assert ("write", handshake, puretls._TLSMessageType.FINISHED) in kinds
    with contextlib.suppress(ssl.SSLWantReadError):
        pair.c.unwrap()
    alert = [event for event in seen if event[3] == puretls._TLSContentType.ALERT]
    assert [(event[1], event[4], event[5]) for event in alert] == [
        ("write", puretls._TLSAlertType.CLOSE_NOTIFY, b"\x01\x00")
    ]


def test_message_callback_sees_no_application_data(contexts):
    client, server = contexts
    seen = []
    client._msg_callback = server._msg_callback = lambda *event: seen.append(event[5])
    pair = Joined(client, server).shake()
    pair.c.write(b"a secret of the application")
    pair.s.read()
    assert not any(b"a secret" in data for data in seen)


def test_what_a_message_callback_raises_surfaces_when_the_operation_is_done(contexts):
    client, server = contexts

    def broken(*_event):
        raise ZeroDivisionError("seen it")

    client._msg_callback = broken
    pair = Joined(client, server)
    with pytest.raises(ZeroDivisionError, match="seen it"):
        pair.c.do_handshake()
    client._msg_callback = None
    pair.shake()
    assert pair.c.version() == "TLSv1.3"


# Key log


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3])
def test_key_log(contexts, tmp_path, version):
    client, server = contexts
    client.maximum_version = version
    logs = tmp_path / "client.log", tmp_path / "server.log"
    client.keylog_filename, server.keylog_filename = map(str, logs)
    assert client.keylog_filename == str(logs[0])
    Joined(client, server).shake()
    Joined(client, server).shake()
    one, other = ([line for line in log.read_text().splitlines() if not line.startswith("#")] for log in logs)
    assert sorted(one) == sorted(other)
    labels = {
        puretls.TLSVersion.TLSv1_2: {"CLIENT_RANDOM"},
        puretls.TLSVersion.TLSv1_3: {
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET",
        },
    }[version]
    assert {line.split()[0] for line in one} == labels
    assert all(re.fullmatch(r"[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64,96}", line) for line in one)
    client.keylog_filename = None
    size = logs[0].stat().st_size
    Joined(client, server).shake()
    assert logs[0].stat().st_size == size


def test_a_key_log_is_closed_when_it_is_taken_away(tmp_path, recwarn):
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    for name in ("one", "two"):
        context.keylog_filename = tmp_path / name
    context.keylog_filename = None
    with pytest.raises(FileNotFoundError):
        context.keylog_filename = tmp_path / "nowhere" / "log"
    assert context.keylog_filename is None
    gc.collect()
    assert not recwarn.list


def test_key_log_from_the_environment(monkeypatch, tmp_path):
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    assert puretls.create_default_context().keylog_filename == str(log)
    assert puretls._create_stdlib_context().keylog_filename == str(log)


# Post-handshake authentication and sessions


def test_post_handshake_authentication(contexts, pki):
    client, server = contexts
    client.load_cert_chain(pki.chain("client"), pki.key("client"))
    server.load_verify_locations(pki.ca)
    server.verify_mode = puretls.CERT_REQUIRED
    server.post_handshake_auth = client.post_handshake_auth = True
    pair = Joined(client, server).shake()
    assert pair.s.getpeercert() is None
    assert pair.c.client_sigalg() is None
    pair.s.verify_client_post_handshake()
    pair.s.write(b"who are you?")
    assert pair.c.read() == b"who are you?"
    pair.c.write(b"me")
    assert pair.s.read() == b"me"
    assert pair.s.getpeercert()["subject"]
    assert pair.s.client_sigalg() == "ecdsa_secp256r1_sha256"
    with pytest.raises(ssl.SSLError) as caught:
        pair.c.verify_client_post_handshake()
    assert (caught.value.reason, caught.value.args[0]) == ("NOT_SERVER", 284)


@pytest.mark.parametrize("version", [puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3])
def test_sessions(contexts, version):
    client, server = contexts
    client.maximum_version = version
    pair = Joined(client, server).shake()
    pair.s.write(b"x")
    assert pair.c.read() == b"x"
    session = pair.c.session
    assert session.has_ticket
    assert session.id
    assert session.time > 1_600_000_000
    assert session.timeout == 7200
    assert session.ticket_lifetime_hint > 0
    assert session == pair.c.session
    assert session != 5
    with pytest.raises(TypeError):
        hash(session)
    with pytest.raises(ValueError, match="Cannot set session after handshake"):
        pair.c.session = session
    with pytest.raises(ValueError, match="Cannot set session for server-side"):
        pair.s.session = pair.s.session
    again = Joined(client, server, client_side=session).shake()
    assert again.c.session_reused
    assert again.s.session_reused
    assert again.c.getpeercert() == pair.c.getpeercert()
    stats = server.session_stats()
    assert (stats["accept"], stats["hits"]) == (2, 1)
    stranger = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(ValueError, match="Session refers to a different SSLContext"):
        stranger.wrap_bio(puretls.MemoryBIO(), puretls.MemoryBIO(), server_hostname="localhost", session=session)


def test_exporters_and_channel_bindings(contexts):
    client, server = contexts
    pair = Joined(client, server).shake()
    for kind in puretls.CHANNEL_BINDING_TYPES:
        assert pair.c.get_channel_binding(kind) == pair.s.get_channel_binding(kind)
        assert len(pair.c.get_channel_binding(kind)) >= 32
    for context in (None, b"", b"context"):
        exported = pair.c.export_keying_material("EXPORTER-test", 40, context)
        assert exported == pair.s.export_keying_material("EXPORTER-test", 40, context)


def test_no_exporter_binding_without_extended_master_secret(contexts):
    """RFC 9266: before TLS 1.3 it takes extended_master_secret to make the master secret one connection's own."""
    client, server = contexts
    client.maximum_version = puretls.TLSVersion.TLSv1_2
    pair = Joined(client, server).shake()
    assert pair.c.get_channel_binding("tls-exporter")
    pair.c._sslobj._conn.outcome.ems = False  # as with a peer that does not have it
    assert pair.c.get_channel_binding("tls-exporter") is None
