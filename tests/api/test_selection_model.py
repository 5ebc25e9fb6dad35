"""Which certificate is shown, against a model that is written down the other way round, over whatever combination.

The model knows only what the documentation of add_cert_chain() says; the handshakes are real ones.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import puretls
from puretls._api import pkcs11
from puretls.cli.certs import Authority, Identity
from support.bios import join
from support.both import V12, V13, only

NAMES = ("a.example", "b.example", "x.a.example", "*.a.example")
HOSTS = ("a.example", "b.example", "x.a.example", "y.a.example", "nobody.example", None)
SCHEMES = {"P-256": ("ecdsa_secp256r1_sha256",), "RSA": ("rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384")}
REFUSALS = ("NO_SUITABLE_SIGNATURE_ALGORITHM", "NO_SHARED_CIPHER", "UNSUPPORTED_PROTOCOL")
ALL = [scheme for schemes in SCHEMES.values() for scheme in schemes]


class Entry(NamedTuple):
    """One certificate of a context."""

    kind: str
    issuer: int
    names: frozenset[str]
    schemes: frozenset[str]
    must_match: bool


entries = st.builds(
    Entry,
    st.sampled_from(sorted(SCHEMES)),
    st.integers(0, 1),
    st.frozensets(st.sampled_from(NAMES), min_size=1),
    st.frozensets(st.sampled_from(ALL), min_size=1),
    st.booleans(),
)


@pytest.fixture(scope="module")
def issuers() -> list[Authority]:
    return [Authority("issuer 0"), Authority("issuer 1")]


@pytest.fixture(scope="module")
def identities(issuers: list[Authority]) -> dict[tuple[str, int, int], Identity]:
    """A few of each kind and issuer: that they are for other names is said with `names`."""
    return {
        (kind, issuer, copy): issuers[issuer].issue("other.example", kind=kind, client=False)
        for kind in SCHEMES
        for issuer in (0, 1)
        for copy in range(4)
    }


def covers(entry: Entry, host: str) -> bool:
    return host in entry.names or f"*.{host.partition('.')[2]}" in entry.names


def expected(given_: list[Entry], host: str | None, accepted: list[str], known: frozenset[int]) -> int | None:
    """The place of the one that is shown."""
    named = [place for place, entry in enumerate(given_) if host is not None and covers(entry, host)]
    for place in named or range(len(given_)):
        entry = given_[place]
        if entry.must_match and entry.issuer not in known:
            continue
        if set(accepted) & entry.schemes & set(SCHEMES[entry.kind]):
            return place
    return None


@settings(max_examples=150)
@given(
    given_=st.lists(entries, min_size=1, max_size=4),
    host=st.sampled_from(HOSTS),
    accepted=st.lists(st.sampled_from(ALL), min_size=1, unique=True),
    known=st.frozensets(st.integers(0, 1)),
    version=st.sampled_from([V12, V13]),
    retried=st.booleans(),
)
def test_servers(
    issuers: Any, identities: Any, given_: Any, host: Any, accepted: Any, known: Any, version: Any, retried: bool
) -> None:
    server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    shown = [identities[entry.kind, entry.issuer, copy] for copy, entry in enumerate(given_)]
    for entry, identity in zip(given_, shown, strict=True):
        server.add_cert_chain(
            identity.chain_pem, identity.key_pem, names=entry.names, signature_algorithms=entry.schemes,
            must_match_issuer=entry.must_match,
        )  # fmt: skip
    client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
    client.set_server_sigalgs(":".join(accepted))
    client.client_ca_names = [issuers[one].certificate for one in sorted(known)]
    only(version, client)
    if version is V12:
        known = frozenset()  # certificate_authorities is an extension of TLS 1.3
    if retried:
        client.set_groups("*X25519:P-256")
        server.set_groups("P-256")
    place = expected(given_, host, accepted, known)
    pair = join(client, server, host=host).shake()
    if place is None:
        assert not pair.server.done
        assert pair.server.error.reason in (
            "NO_SUITABLE_SIGNATURE_ALGORITHM",
            "NO_SHARED_CIPHER",
            "UNSUPPORTED_PROTOCOL",
        )
        return
    assert pair.server.done, pair.server.error
    chain = pair.client.obj.get_unverified_chain()
    assert puretls.DER_cert_to_PEM_cert(chain[0]).encode() == shown[place].chain_pem
    assert pair.server.obj.selected_cert_chain() == chain
    assert pair.server.obj.server_sigalg() in given_[place].schemes


@settings(max_examples=80)
@given(
    given_=st.lists(entries, min_size=1, max_size=4),
    accepted=st.lists(st.sampled_from(ALL), min_size=1, unique=True),
    known=st.frozensets(st.integers(0, 1)),
    version=st.sampled_from([V12, V13]),
)
def test_clients(issuers: Any, identities: Any, given_: Any, accepted: Any, known: Any, version: Any) -> None:
    """Whatever name: a server asks for schemes and authorities, in both versions."""
    server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    shown = [identities[entry.kind, entry.issuer, copy] for copy, entry in enumerate(given_)]
    for entry, identity in zip(given_, shown, strict=True):
        client.add_cert_chain(
            identity.chain_pem, identity.key_pem, names=entry.names, signature_algorithms=entry.schemes,
            must_match_issuer=entry.must_match,
        )  # fmt: skip
    own = issuers[0].issue("localhost")
    server.load_cert_chain(own.chain_pem, own.key_pem)
    server.verify_mode = puretls.CERT_OPTIONAL
    server.set_cert_verify_callback(lambda *_: None)
    server.set_client_sigalgs(":".join(accepted))
    server.client_ca_names = [issuers[one].certificate for one in sorted(known)]
    client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
    only(version, client)
    pair = join(client, server).ok()
    place = expected(given_, None, accepted, known)
    peer = pair.server.obj.getpeercert(True)
    assert peer == (None if place is None else puretls.PEM_cert_to_DER_cert(shown[place].chain_pem.decode()))


# URIs of tokens (RFC 7512)

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(
    path=st.dictionaries(st.sampled_from(["token", "object", "id", "serial"]), words),
    query=st.dictionaries(st.sampled_from(["pin-value", "module-path"]), words),
)
def test_uris_say_what_they_were_made_of(path: dict[str, str], query: dict[str, str]) -> None:
    def encoded(text: str) -> str:
        return "".join(f"%{octet:02X}" for octet in text.encode())

    uri = "pkcs11:" + ";".join(f"{name}={encoded(value)}" for name, value in path.items())
    uri += "?" * bool(query) + "&".join(f"{name}={encoded(value)}" for name, value in query.items())
    found = pkcs11.parse(uri)
    assert found == tuple({name: value.encode() for name, value in part.items()} for part in (path, query))


@given(text=st.text(max_size=40))
def test_whatever_a_uri_says_it_is_read_or_refused(text: str) -> None:
    try:
        pkcs11.parse(f"pkcs11:{text}")
    except ValueError as error:
        assert "pin" not in str(error) or "pin" in text  # noqa: PT017  # which never has a value in it
