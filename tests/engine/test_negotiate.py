"""A server's choices from a ClientHello, each rule by itself, and the order of suites beside `ssl`."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

import puretls
from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._crypto import groups
from puretls._crypto.groups import SECP256R1, SECP384R1, X25519
from puretls._engine import negotiate, policy
from puretls._engine.config import Config
from support.bios import join
from support.both import V12, V13, client_of, compare, only, server_of
from support.pair import SERVER, Pair, client_config, hello, server_config

PRIORITIZE_CHACHA, OWN_ORDER = 0x200000, 0x400000  # SSL_OP_
AES, CHACHA, OTHER = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES128-SHA"


@pytest.mark.parametrize("options", [0, OWN_ORDER, PRIORITIZE_CHACHA, OWN_ORDER | PRIORITIZE_CHACHA])
@pytest.mark.parametrize("theirs", [(CHACHA, AES), (AES, CHACHA), (OTHER, CHACHA, AES), (CHACHA,), (OTHER, AES)])
@pytest.mark.parametrize("ours", [(AES, CHACHA), (CHACHA, AES), (AES,), (AES, CHACHA, OTHER)])
def test_whose_order_counts(ours, theirs, options, pki):
    """OP_CIPHER_SERVER_PREFERENCE, and SSL_OP_PRIORITIZE_CHACHA for clients that prefer ChaCha20 themselves."""

    def outcome(client_module: Any, server_module: Any) -> Any:
        client, server = client_of(client_module, pki), server_of(server_module, pki)
        only(V12, client)
        client.set_ciphers(":".join(theirs))
        server.set_ciphers(":".join(ours))
        server.options = server.options & ~(OWN_ORDER | PRIORITIZE_CHACHA) | options
        pair = join(client, server).shake()
        return pair.client.obj.cipher(), pair.server.error and pair.server.error.reason

    compare(outcome)


@pytest.mark.parametrize("options", [0, OWN_ORDER, OWN_ORDER | PRIORITIZE_CHACHA])
def test_whose_order_counts_in_tls13(options, pki):
    """A client whose favourite is AES, as those of OpenSSL's default are."""

    def outcome(client_module: Any, server_module: Any) -> Any:
        client, server = client_of(client_module, pki), server_of(server_module, pki)
        only(V13, client)
        server.options = server.options & ~(OWN_ORDER | PRIORITIZE_CHACHA) | options
        return join(client, server).ok().client.obj.cipher()

    compare(outcome)


def ranks(*codes: int) -> dict[int, int]:
    return {code: place for place, code in enumerate(codes)}


def test_the_favourite_may_be_one_that_we_have_not_enabled():
    """As in OpenSSL: which of the known ones a client likes best says what its processor can do."""
    ours = [negotiate.BY_CODE[code] for code in (0xC02B, 0xCCA9)]  # AES-128-GCM, ChaCha20, both ECDHE-ECDSA
    config = Config(options=OWN_ORDER | PRIORITIZE_CHACHA)
    for theirs, first in [
        (ranks(0xCCA8, 0xC02B, 0xCCA9), 0xCCA9),  # ECDHE-RSA with ChaCha20, which is not ours
        (ranks(0x0A0A, 0xCCA8, 0xC02B, 0xCCA9), 0xCCA9),  # behind a number that nobody knows
        (ranks(0xC02F, 0xCCA8, 0xC02B, 0xCCA9), 0xC02B),
        (ranks(0x0A0A), None),
    ]:
        found = negotiate.in_order(config, ours, theirs)
        assert (found[0].code if found else None) == first


@pytest.mark.parametrize(
    ("ours", "theirs", "version", "found"),
    [
        ([X25519, SECP256R1], [23, 29], TLS12, X25519),
        ([X25519, SECP256R1], [23], TLS12, SECP256R1),
        ([X25519, SECP256R1], [24], TLS12, None),
        ([X25519], [], TLS12, None),
        ([groups.BY_NAME["x25519mlkem768"], SECP384R1], [0x11EC, 24], TLS12, SECP384R1),  # not before TLS 1.3
        ([groups.BY_NAME["brainpoolp256r1"], SECP384R1], [26, 24], TLS13, SECP384R1),  # not since TLS 1.3
        ([groups.BY_NAME["brainpoolp256r1"], SECP384R1], [26, 24], TLS12, groups.BY_NAME["brainpoolp256r1"]),
    ],
)
def test_the_first_group_of_both_that_the_version_has(ours, theirs, version, found):
    assert negotiate.first_common(ours, ranks(*theirs), version) is found


def refused(changes: dict[int, bytes | None], **more: Any) -> Any:
    pair = Pair(client_config(versions=(TLS13,)), server_config(), **more)
    pair.client.wire["ClientHello"] = hello(changes)
    return pair.refusal()


SHARE = b"\x00\x1d\x00\x20" + bytes(range(32))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({51: None}, faults.MISSING_KEY_SHARE),
        ({10: None}, faults.MISSING_SUPPORTED_GROUPS),
        ({10: None, 51: None}, faults.MISSING_KEY_SHARE),
        ({51: b"\x00\x48" + SHARE + SHARE}, faults.BAD_KEY_SHARE),
        ({10: b"\x00\x02\x00\x17"}, faults.BAD_KEY_SHARE),  # a share of a group that is not among the groups
        ({13: None}, faults.MISSING_SIGALGS),
    ],
    ids=["no shares", "no groups", "neither", "two of a group", "of another group", "no schemes"],
)
def test_what_a_hello_needs(changes, fault):
    assert refused(changes) == (SERVER, fault)


def test_who_has_a_session_needs_no_schemes_and_who_takes_no_tickets_does():
    """RFC 8446 9.2: signature_algorithms are for certificates; a pre-shared key that cannot be used is none."""
    server = server_config()
    session = Pair(client_config(versions=(TLS13,)), server).handshake().client.session
    schemes_gone: dict[int, bytes | None] = {13: None}
    pair = Pair(client_config(versions=(TLS13,)), server, session=session)
    pair.client.lies["ClientHello"] = hello(schemes_gone)
    with pytest.raises(Abort) as caught:  # the binder is over the hello that was meant, so the key itself was looked at
        pair.run()
    assert caught.value.fault is not faults.MISSING_SIGALGS
    psk_ke_only: dict[int, bytes | None] = {45: b"\x01\x00", 13: None}
    pair = Pair(client_config(versions=(TLS13,)), server, session=session)
    pair.client.wire["ClientHello"] = hello(psk_ke_only)
    assert pair.refusal() == (SERVER, faults.MISSING_SIGALGS)


def test_numbers_are_those_of_ssl_and_of_the_rfc():
    assert (policy.CERT_NONE, policy.CERT_OPTIONAL, policy.CERT_REQUIRED) == (
        ssl.CERT_NONE, ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED,
    )  # fmt: skip


def test_certificate_types_go_by_their_numbers(pki):
    """RFC 7250 3: X.509 is 0, RawPublicKey 2."""
    client = client_of(puretls, pki)
    client.check_hostname, client.server_certificate_types = False, ("raw", "x509")
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    with pytest.raises(puretls.SSLWantReadError):
        client.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    assert b"\x00\x14\x00\x03\x02\x02\x00" in outgoing.read()  # server_certificate_type(20), a list of two
