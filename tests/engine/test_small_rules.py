"""Rules of the protocol that no larger subject holds: sentinels, hints, empty lists, names, ids, choices of clients."""

from __future__ import annotations

import ssl
import warnings
from itertools import product
from typing import Any

import pytest

import puretls
from puretls._base import registry
from puretls._base.registry import CHANGE_CIPHER_SPEC, TLS11, TLS12, TLS13
from puretls._wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12
from support.bios import join
from support.crooked import Verdict, ask, hello_of, in_record, offers, server_meets
from support.pair import CLIENT, OLDER, Pair, client_config, hello, message, server_config, store, suite

NO_EXTENDED_MASTER_SECRET = 0x1  # of `ssl`'s options, which has no name for it

# The downgrade sentinels (RFC 8446 4.1.3)


@pytest.mark.parametrize("able", [True, False])
def test_sentinels_speak_of_what_the_server_can_do(able):
    """Whatever makes TLS 1.3 or 1.2 impossible for it: no key for it, no suites, no group."""
    anonymous = (suite("AECDH-AES128-SHA"), suite("ADH-AES128-GCM-SHA256"))
    tls13, tls12 = (TLS13, TLS12), (TLS12, TLS11)
    usual = {"suites": OLDER, "security_level": 0}
    cases: list[tuple[tuple[int, ...], int, dict[str, Any]]] = (
        [(tls13, TLS12, {}), (tls12, TLS11, {}), ((TLS13, TLS12, TLS11), TLS11, {})]
        if able
        else [
            (tls13, TLS12, {"credentials": (), "suites": anonymous}),
            (tls13, TLS12, {"suites13": ()}),
            (tls12, TLS11, {"suites": tuple(one for one in OLDER if one.since < TLS12)}),
        ]
    )
    for versions, chosen, changes in cases:
        server = {**usual, "versions": versions, **changes}
        client = {**usual, "versions": (chosen,), "suites": server["suites"], "verify_mode": 0, "check_hostname": False}
        pair = Pair(client_config(**client), server_config(**server))
        pair.handshake().echo()
        said = pair.server.server_random.endswith((DOWNGRADE_TLS12, DOWNGRADE_TLS11))
        assert said == able or (chosen == TLS11 and TLS12 in versions), (versions, chosen, changes)


def test_a_server_that_has_no_certificate_serves_clients_that_have_tls13():
    contexts = []
    for protocol in (puretls.PROTOCOL_TLS_CLIENT, puretls.PROTOCOL_TLS_SERVER):
        context = puretls.SSLContext(protocol)
        context.check_hostname, context.verify_mode = False, puretls.CERT_NONE
        context.set_ciphers("AECDH:@SECLEVEL=0")
        contexts.append(context)
    pair = join(*contexts).ok()
    assert pair.client.obj.version() == "TLSv1.2"


# change_cipher_spec before ServerHello (RFC 8446 5, RFC 5246 7.1)


def test_no_change_cipher_spec_before_a_server_hello_of_tls12():
    """Middlebox compatibility is TLS 1.3's: a client that has no TLS 1.3 knows nothing of it."""
    for versions, fine in (((TLS12,), False), ((TLS13, TLS12), True), ((TLS13,), True)):
        pair = Pair(client_config(versions=versions), server_config())
        pair.server.wire["ServerHello"] = lambda raw: [(CHANGE_CIPHER_SPEC, b"\x01"), raw]
        if fine:
            pair.handshake().echo()
        else:
            refused = pair.refusal()
            assert (refused.by, refused.fault.alert) == (CLIENT, registry.UNEXPECTED_MESSAGE)


# CertificateRequest


def request12(schemes: bytes, types: bytes = b"\x01\x40") -> bytes:
    sized = len(schemes).to_bytes(2, "big")
    return message(13, bytes((len(types),)) + types + sized + schemes + bytes(2))


def test_a_request_names_schemes():
    """RFC 5246 7.4.4: supported_signature_algorithms<2..2^16-1>."""
    for raw, good in ((request12(b"\x04\x03"), True), (request12(b""), False), (request12(b"\x04"), False)):
        pair = Pair(client_config(versions=(TLS12,)), server_config(verify_mode=1, store=store()))
        pair.server.lies["CertificateRequest"] = lambda _, raw=raw: raw
        if good:
            pair.handshake().echo()
        else:
            refused = pair.refusal()
            assert (refused.by, refused.fault.alert) == (CLIENT, registry.DECODE_ERROR)


AUTHORITIES = [b"", b"\x00\x00", b"\x00\x05\x00\x03abc\xff", b"\xff\xff", b"\x00\x02\x00\x00", b"\x00\x03\x00\x02a"]
BODIES = [
    *((registry.CERTIFICATE_AUTHORITIES, body) for body in AUTHORITIES),
    *((registry.SIGNATURE_ALGORITHMS, body) for body in (b"", bytes(2), b"\x00\x01\x04", b"\x00\x02\x04\x03x")),
    *((registry.SIGNATURE_ALGORITHMS_CERT, body) for body in (b"", bytes(2), b"\x00\x01\x04")),
    *((registry.OID_FILTERS, body) for body in (b"", b"\x00\x05\x01", b"\x00\x04\x00\x00\x00\x01")),
    (registry.STATUS_REQUEST, b"\x01"),
    (registry.SIGNED_CERTIFICATE_TIMESTAMP, b"x"),
]


def test_bodies_in_a_request_of_tls13():
    """RFC 8446 4.3.2: what cannot be read is decode_error, during the handshake and after it."""
    from support.pair import extensions

    wrong = []
    for kind, body in BODIES:
        for later in (False, True):
            config = {"post_handshake_auth": later}
            pair = Pair(client_config(**config), server_config(verify_mode=1, store=store(), **config))
            edit = extensions(**{f"x{kind}": body})
            if later:
                pair.handshake()
                edit_later(pair, edit)
            else:
                pair.server.wire["CertificateRequest"] = edit
            try:
                refused = pair.refusal()
            except BaseException as error:  # noqa: BLE001  # pytest.fail's
                wrong.append((kind, body, later, type(error).__name__))
                continue
            if (refused.by, refused.fault.alert) != (CLIENT, registry.DECODE_ERROR):
                wrong.append((kind, body, later, refused))
    assert not wrong


def edit_later(pair: Pair, edit: Any) -> None:
    pair.server.request_authentication()
    kind, raw = pair.server.control.pop()  # type: ignore[misc]
    pair.server.control.append((kind, edit(raw)))


# Pre-shared keys of TLS 1.2 (RFC 4279 5.2)


@pytest.mark.parametrize("suites", ["PSK", "ECDHE-PSK", "DHE-PSK"])
@pytest.mark.parametrize("hint", [None, "", "a hint"])
def test_no_hint_is_none(hint, suites, pki):
    """Where the suite has parameters, a server without a hint sends an empty one; programs are told None."""
    told: list[Any] = []
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
    client.maximum_version = server.maximum_version = ssl.TLSVersion.TLSv1_2
    names = f"{suites}-AES128-CBC-SHA" if "-" in suites else "PSK-AES128-CBC-SHA"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server.load_dh_params(pki.dh)
    for context in (client, server):
        context.set_ciphers(f"{names}:@SECLEVEL=0")
    client.set_psk_client_callback(lambda given: (told.append(given), ("me", b"key"))[1])
    server.set_psk_server_callback(lambda _: b"key", hint)
    join(client, server).ok()
    assert told == [hint or None]


# Names, ids, alerts


NAMES = ["bücher.example".encode(), b"\xff\xfe", "日本".encode(), b"caf\xe9.example"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_name_beyond_ascii_is_served_as_ssl_does(name, version, pki):
    body = (len(name) + 3).to_bytes(2, "big") + b"\x00" + len(name).to_bytes(2, "big") + name
    hello = in_record(hello_of(offers(version, x0=body)))
    verdicts = []
    for tls in (ssl, puretls):
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        verdicts.append(ask(context, hello).verdict)
    assert verdicts == [Verdict(None, None)] * 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("version", [TLS12, TLS13])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_name_beyond_ascii_and_a_callback(name, version, pki):
    """Which takes text: as with `ssl` the server cannot call it, and says internal_error."""
    body = (len(name) + 3).to_bytes(2, "big") + b"\x00" + len(name).to_bytes(2, "big") + name
    data = in_record(hello_of(offers(version, x0=body)))
    verdicts, called = [], []
    for tls in (ssl, puretls):
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        context.sni_callback = lambda *given: called.append(given)
        verdicts.append(ask(context, data).verdict)
    assert verdicts == [Verdict("CALLBACK_FAILED", registry.INTERNAL_ERROR)] * 2
    assert not called


def test_a_session_of_a_name_beyond_ascii():
    """A ticket keeps the name; another of the same kind gets no session."""
    for kept, asked in ((b"caf\xe9", b"caf\xe9"), (b"caf\xe9", b"caf\xe8")):
        config = client_config(versions=(TLS12,)), server_config()
        session = None
        for octets in (kept, asked):
            pair = Pair(*config, session=session)
            body = (len(octets) + 3).to_bytes(2, "big") + b"\x00" + len(octets).to_bytes(2, "big") + octets
            pair.client.lies["ClientHello"] = hello({registry.SERVER_NAME: body})
            pair.handshake().echo()
            session = pair.client.session
        assert pair.server.session_reused == (kept == asked)


# Without extended_master_secret: as `ssl`, not as RFC 7627 5.4 has it


@pytest.mark.parametrize("plain", ["client", "server"])
def test_channel_bindings_without_extended_master_secret(plain, pki):
    """tls-unique is the first Finished all the same; tls-exporter, which `ssl` lacks, is not there (RFC 9266 4.2)."""
    client = (ssl if plain == "client" else puretls).SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server = (ssl if plain == "server" else puretls).SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(pki.ca)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    (client if plain == "client" else server).options |= NO_EXTENDED_MASTER_SECRET
    pair = join(client, server).ok()
    bindings = [side.obj.get_channel_binding("tls-unique") for side in (pair.client, pair.server)]
    assert bindings[0]
    assert bindings[0] == bindings[1]
    ours = pair.server if plain == "client" else pair.client
    assert ours.obj.get_channel_binding("tls-exporter") is None
    assert len(ours.obj.export_keying_material("EXPORTER-test", 40)) == 40


def test_exporters_without_extended_master_secret():
    pair = Pair(client_config(versions=(TLS12,)), server_config())
    pair.client.lies["ClientHello"] = hello({registry.EXTENDED_MASTER_SECRET: None})
    pair.handshake().echo()
    exported = [side.export_keying_material(b"EXPORTER-test", 32, b"x") for side in (pair.client, pair.server)]
    assert exported[0] == exported[1]
    assert any(exported[0])


@pytest.mark.parametrize("tls", [puretls, ssl], ids=["puretls", "ssl"])
def test_a_server_of_tls13_has_a_session_id(tls, pki):
    """32 bytes, as with `ssl`."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    ids = set()
    for _ in range(2):
        meeting = server_meets(context).shake()
        ids.add(meeting.tls.obj.session.id)
    assert {len(one) for one in ids} == {32}
    assert len(ids) == 2


def test_general_error():
    """RFC 9846 6.2."""
    assert puretls.ALERT_DESCRIPTION_GENERAL_ERROR == 117
    assert registry.ALERTS[117] == "general_error"


# Which certificate a client shows


RSA, EC = "rsa_pss_rsae_sha512:rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256"
LOADED = [("RSA",), ("P-256",), ("RSA", "P-256"), ("P-256", "RSA")]


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_client_chooses_as_with_ssl(version, pki):
    """By its own order under OP_CIPHER_SERVER_PREFERENCE, else by the server's."""
    wrong = []
    for loaded, asked, own in product(LOADED, (RSA, EC, f"{RSA}:{EC}", f"{EC}:{RSA}"), (True, False)):
        chosen = [chosen_by(tls, version, loaded, asked, own, pki) for tls in (ssl, puretls)]
        if chosen[0] != chosen[1] and chosen[0] != (None, (None, None)):  # that shows none, though another would do
            wrong.append((loaded, asked, own, chosen))
    assert not wrong


def chosen_by(tls: Any, version: int, loaded: tuple[str, ...], asked: str, own: bool, pki: Any) -> Any:
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.load_verify_locations(pki.ca)
    server.verify_mode = puretls.CERT_OPTIONAL
    server.maximum_version = version
    server.set_client_sigalgs(asked)
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(pki.ca)
    if not own:
        client.options &= ~tls.OP_CIPHER_SERVER_PREFERENCE
    for name in loaded:
        own_name = "client-RSA" if name == "RSA" else "client"
        client.load_cert_chain(pki.chain(own_name), pki.key(own_name))
    pair = join(client, server).shake()
    return pair.server.obj.client_sigalg(), pair.errors
