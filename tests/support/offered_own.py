"""Rows of the table of features: own certificates and keys, sessions, and what is on the wire."""

from __future__ import annotations

import os
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import puretls
from puretls.keys import CallableKey
from support.encounters import Encounter
from support.stages import (
    ASKED,
    CLIENT,
    RESUMED,
    RETRIED,
    SERVER,
    V12,
    V13,
    Check,
    Feature,
    Prepare,
    Refused,
    Stage,
    both,
    nothing,
)  # fmt: skip


def as_it_is(_stage: Stage) -> None:
    """The stage has it already."""


# Which certificate


def kinds(stage: Stage) -> list[Any]:
    """Two identities of the side that has the feature."""
    if stage.role == CLIENT:
        return [stage.pki.identity("client-RSA"), stage.pki.identity("client")]
    return [stage.pki.identity("RSA"), stage.pki.identity("P-256")]


def added(**options: Any) -> Prepare:
    def prepare(stage: Stage) -> None:
        for identity in kinds(stage):
            stage.own.add_cert_chain(identity.chain_pem, identity.key, **options)
        if stage.role == SERVER:
            stage.client.set_server_sigalgs("ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256:?rsa_pkcs1_sha256")
        else:
            stage.server.set_client_sigalgs("ecdsa_secp256r1_sha256")
            if stage.first is not stage.server:
                stage.first.set_client_sigalgs("ecdsa_secp256r1_sha256")

    return prepare


def for_another_name(stage: Stage) -> None:
    stranger = stage.pki.identity("wrong")
    stage.own.add_cert_chain(stranger.chain_pem, stranger.key)
    for identity in kinds(stage)[1:]:
        stage.own.add_cert_chain(identity.chain_pem, identity.key, names=["localhost"])


def of_an_issuer(stage: Stage) -> None:
    """The first is for who knows another CA; this side's peer has named ours."""
    stranger = stage.pki.identity("stranger-client" if stage.role == CLIENT else "stranger")
    stage.own.add_cert_chain(stranger.chain_pem, stranger.key, must_match_issuer=True)
    identity = kinds(stage)[1]
    stage.own.add_cert_chain(identity.chain_pem, identity.key, must_match_issuer=True)
    stage.other.client_ca_names = [stage.pki.root.certificate]
    stage.first.client_ca_names = [stage.pki.root.certificate]


def of_no_issuer(stage: Stage) -> None:
    stranger = stage.pki.identity("stranger-client" if stage.role == CLIENT else "stranger")
    stage.own.add_cert_chain(stranger.chain_pem, stranger.key, must_match_issuer=True)
    for context in (stage.other, stage.first):
        context.client_ca_names = [stage.pki.root.certificate]


def selected(stage: Stage, met: Encounter) -> None:
    """What was chosen is what the other side has."""
    mine, other = both(met, stage.role)
    shown = mine.selected_cert_chain()
    assert all(isinstance(one, bytes) for one in shown)
    if not met.resumed:
        assert shown == other.get_unverified_chain()
    assert other.getpeercert(True) in [one.certificate.public_bytes(Encoding.DER) for one in kinds(stage)]


# What a client says


def heard(stage: Stage) -> None:
    before = stage.first.sni_callback

    def callback(sslobj: Any, name: Any, context: Any) -> Any:
        stage.told.append((sslobj, name, sslobj.client_hello))
        return before(sslobj, name, context) if before else None

    stage.first.sni_callback = callback
    stage.client.set_alpn_protocols(["h2"])


def hello_heard(stage: Stage, met: Encounter) -> None:
    owner, name, hello = stage.told[-1]
    assert (owner, name) == (met.server, "localhost")
    assert met.server.client_hello is hello
    assert met.client.client_hello is None
    assert (hello.server_name, hello.alpn_protocols) == ("localhost", ("h2",))
    assert stage.version in hello.versions
    assert hello.ja4.startswith("t13" if stage.version == V13 else "t12")
    assert len(stage.told) == stage.meetings


def alpn(choose: Any) -> Prepare:
    def prepare(stage: Stage) -> None:
        stage.client.set_alpn_protocols(["h2", "http/1.1"])

        def callback(sslobj: Any, protocols: list[str]) -> Any:
            stage.told.append((sslobj, protocols))
            return choose(stage, protocols)

        stage.server.set_alpn_select_callback(callback)

    return prepare


def fails(*_: object) -> Any:
    raise LookupError("none of them")


def chose(stage: Stage, met: Encounter) -> None:
    assert met.client.selected_alpn_protocol() == met.server.selected_alpn_protocol() == "http/1.1"
    assert stage.told[-1] == (met.server, ["h2", "http/1.1"])
    assert len(stage.told) == stage.meetings


# Keys elsewhere


def elsewhere(*, late: bool = False, wrong: bool = False, algorithms: Any = None) -> Prepare:
    def prepare(stage: Stage) -> None:
        identity = kinds(stage)[0]

        def sign(data: bytes, *how: Any) -> Any:
            stage.told.append(how)
            signed = (lambda: b"no" * 99) if wrong else (lambda: identity.key.sign(data, *how))
            return stage.later(signed) if late else signed()

        key = CallableKey(identity.key.public_key(), sign, signature_algorithms=algorithms)
        stage.own.load_cert_chain([identity.certificate, *identity.intermediates], key)

    return prepare


def signed_with(name: str) -> Check:
    def check(stage: Stage, met: Encounter) -> None:
        assert len(stage.told) == 1  # a session that is resumed needs no signature
        if not met.resumed:
            asked = "client_sigalg" if stage.role == CLIENT else "server_sigalg"
            assert {getattr(side, asked)() for side in (met.client, met.server)} == {name}

    return check


def signed(stage: Stage, _met: Encounter) -> None:
    assert len(stage.told) == 1


def without_pss(stage: Stage) -> None:
    elsewhere(algorithms=["rsa_pkcs1_sha256", "rsa_pkcs1_sha256_legacy"])(stage)
    stage.server.set_client_sigalgs("rsa_pkcs1_sha256_legacy:rsa_pkcs1_sha256")
    stage.first.set_client_sigalgs("rsa_pkcs1_sha256_legacy:rsa_pkcs1_sha256")


# Raw public keys


def raw(*, trusted: bool = True) -> Prepare:
    def prepare(stage: Stage) -> None:
        key = kinds(stage)[1].key
        stage.own.load_raw_public_key(key)
        stage.client.check_hostname = False
        for context in {stage.own, stage.other}:
            if stage.role == CLIENT:
                context.client_certificate_types = ["raw"]
            else:
                context.server_certificate_types = ["raw"]
        stage.other.set_trusted_public_keys([key] if trusted else [])

    return prepare


def seen_raw(stage: Stage, met: Encounter) -> None:
    _, other = both(met, stage.role)
    assert other.peer_public_key() == kinds(stage)[1].key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    assert other.getpeercert(True) is None


# Files that change


def reloading(stage: Stage) -> None:
    """Each time somebody meets, another certificate is there; it is the right one every time."""
    stage.told = [stage.folder / "chain.pem", stage.folder / "key.pem"]
    renewed(stage)
    stage.own.load_cert_chain(*stage.told, reload=0)


def renewed(stage: Stage) -> None:
    identity = stage.pki.issuer.issue("localhost", client=stage.role == CLIENT)
    for path, content in zip(stage.told, (identity.chain_pem, identity.key_pem), strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(stage.meetings, stage.meetings))


def in_the_file(stage: Stage, met: Encounter) -> None:
    _, other = both(met, stage.role)
    assert stage.own.reload_error is None
    assert stage.own.certificate_not_after is not None
    if not met.resumed:
        assert puretls.DER_cert_to_PEM_cert(other.getpeercert(True)) in stage.told[0].read_text()
    if stage.role == SERVER or stage.circumstance != RESUMED:  # a client with another certificate begins anew
        renewed(stage)


def trusting_a_file(stage: Stage) -> None:
    path = stage.folder / "ca.pem"
    path.write_bytes(stage.pki.ca.read_bytes())
    stage.own.load_verify_locations(path, reload=0)


def no_longer_trusted(stage: Stage) -> None:
    trusting_a_file(stage)
    (stage.folder / "ca.pem").write_bytes(stage.pki.other_ca.read_bytes())
    assert stage.own.reload()


# Sessions


def tickets(new: int, again: int) -> Prepare:
    def prepare(stage: Stage) -> None:
        stage.client.ticket_request = new, again
        stage.client.client_session_cache = puretls.SessionCache()
        for context in {stage.server, stage.first}:
            context.num_tickets = 4

    return prepare


def counted(stage: Stage, met: Encounter) -> None:
    """Three after the first; one of them is gone for the second, and one has come."""
    expected = {V12: 1, V13: 3}[stage.version]
    assert len(stage.client.client_session_cache) == expected
    assert met.resumed == (stage.circumstance == RESUMED and stage.meetings == 2)


def as_bytes(stage: Stage, met: Encounter) -> None:
    if stage.circumstance == RESUMED:
        stage.session = stage.client.load_session(met.client.session.to_bytes())
    else:
        assert stage.client.load_session(met.client.session.to_bytes()).has_ticket


# On the wire


def compressed(stage: Stage) -> None:
    for context in {stage.own, stage.other}:
        context.set_cert_compression(["zlib"])


def was_compressed(stage: Stage, met: Encounter) -> None:
    _, other = both(met, stage.role)
    late = stage.circumstance == ASKED and stage.role == CLIENT
    assert other.cert_compression() == (None if met.resumed or late or stage.version == V12 else "zlib")


def everything_small(stage: Stage) -> None:
    for context in {stage.own, stage.other, stage.first}:
        context.record_size_limit = 512
        context.max_send_fragment = 512
        context.dynamic_record_sizes = True
        context.grease = False
        context.retry_cookie = True
        context.client_ca_names = [stage.pki.root.certificate]


def kem(stage: Stage) -> None:
    """The curve of the certificates has to be there, for TLS 1.2 (RFC 8422 5.1)."""
    for context in {stage.client, stage.server, stage.first}:
        context.set_groups("MLKEM768:x25519:secp256r1")
    if stage.circumstance == RETRIED:
        stage.client.set_groups("*x25519:MLKEM768")
        stage.server.set_groups("MLKEM768")


def of_kem(stage: Stage, met: Encounter) -> None:
    assert {met.client.group(), met.server.group()} == {"MLKEM768" if stage.version == V13 else "x25519"}


INTERNAL = "TLSV1_ALERT_INTERNAL_ERROR"

MISSING = "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV13_ALERT_CERTIFICATE_REQUIRED"  # by version
FAILURE = "SSLV3_ALERT_HANDSHAKE_FAILURE"

OWN: dict[str, Feature] = {
    "add_cert_chain, by scheme": Feature((CLIENT, SERVER), added(), selected, bare=True),
    "add_cert_chain, by name": Feature((SERVER,), for_another_name, selected, bare=True),
    "add_cert_chain, by the server's issuers": Feature(
        (CLIENT,),
        of_an_issuer,
        selected,
        {"of another issuer": Refused(of_no_issuer, "PEER_DID_NOT_RETURN_A_CERTIFICATE", MISSING, by="other")},
        bare=True,
    ),
    "add_cert_chain, by the client's issuers": Feature(
        (SERVER,),
        of_an_issuer,
        selected,
        {
            "of another issuer": Refused(
                of_no_issuer, "NO_SUITABLE_SIGNATURE_ALGORITHM", "SSLV3_ALERT_HANDSHAKE_FAILURE"
            )
        },
        nowhere={V12: "certificate_authorities is an extension of TLS 1.3"},
        bare=True,
    ),
    "client_hello": Feature((SERVER,), heard, hello_heard),
    "set_alpn_select_callback": Feature(
        (SERVER,),
        alpn(lambda _, protocols: protocols[1]),
        chose,
        {
            "an exception": Refused(alpn(fails), "NO_APPLICATION_PROTOCOL", "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"),
            "not in the offer": Refused(alpn(lambda *_: "h3"), "CALLBACK_FAILED", INTERNAL),
        },
    ),
    "set_alpn_select_callback, later": Feature(
        (SERVER,),
        alpn(lambda stage, protocols: stage.later(lambda: protocols[1])),
        chose,
        {"not in the offer": Refused(alpn(lambda stage, _: stage.later(lambda: 5)), "CALLBACK_FAILED", INTERNAL)},
    ),
    "a key elsewhere": Feature(
        (CLIENT, SERVER),
        elsewhere(),
        signed,
        {"a wrong signature": Refused(elsewhere(wrong=True), "INTERNAL_ERROR", INTERNAL)},
        bare=True,
    ),
    "a key that signs later": Feature(
        (CLIENT, SERVER),
        elsewhere(late=True),
        signed,
        {"a wrong signature": Refused(elsewhere(late=True, wrong=True), "INTERNAL_ERROR", INTERNAL)},
        bare=True,
    ),
    "signature_algorithms of a key": Feature(
        (CLIENT, SERVER),
        elsewhere(algorithms=["rsa_pss_rsae_sha512"]),
        signed_with("rsa_pss_rsae_sha512"),
        bare=True,
    ),
    "a key without PSS (RFC 9963)": Feature(
        (CLIENT,), without_pss, signed, nowhere={V12: "there it is PKCS #1 anyway"}, bare=True
    ),
    "load_raw_public_key": Feature(
        (CLIENT, SERVER),
        raw(),
        seen_raw,
        {"not trusted": Refused(raw(trusted=False), 95, "SSLV3_ALERT_BAD_CERTIFICATE", by="other")},
        bare=True,
    ),
    "load_cert_chain(reload=)": Feature((CLIENT, SERVER), reloading, in_the_file, bare=True),
    "load_verify_locations(reload=)": Feature(
        (CLIENT, SERVER),
        trusting_a_file,
        nothing,
        {"no longer there": Refused(no_longer_trusted, 20, "TLSV1_ALERT_UNKNOWN_CA")},
        trusts=False,
    ),
    "client_session_cache": Feature((CLIENT,), as_it_is, nothing),  # with which every row resumes
    "to_bytes, load_session": Feature(
        (CLIENT,),
        as_it_is,
        as_bytes,
        nowhere={"asyncio": "its functions take no session: client_session_cache is for it"},
        caches=False,
    ),
    "ticket_request": Feature((CLIENT,), tickets(3, 1), counted),
    "set_cert_compression": Feature((CLIENT, SERVER), compressed, was_compressed),
    "record sizes, grease, retry_cookie, client_ca_names": Feature((CLIENT, SERVER), everything_small, nothing),
    "MLKEM768": Feature((CLIENT,), kem, of_kem),
}
