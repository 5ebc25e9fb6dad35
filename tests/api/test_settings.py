"""A context in use: every setting counts for the next connection, and a Config is made of what was asked for."""

from __future__ import annotations

import ast
import inspect
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._api.settings import MAX_CHAIN, MAX_SWITCHED, PSK_EXCHANGES, Settings
from puretls._x509 import certificate
from support import pki
from support.bios import join
from support.both import V12, client_of, only

ROLES = puretls.PROTOCOL_TLS_CLIENT, puretls.PROTOCOL_TLS_SERVER


def context(protocol: int) -> Any:
    made = puretls.SSLContext(protocol)
    if protocol == puretls.PROTOCOL_TLS_CLIENT:
        made.check_hostname = False
    return made


# What was frozen is forgotten


SETTINGS = sorted(
    name
    for name, value in {**vars(Settings), **vars(Settings(16))}.items()
    if not isinstance(value, property) and not inspect.isfunction(value)
)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name[0] != "_"])
def test_every_setting_that_is_assigned(name: str) -> None:
    settings = Settings(ROLES[1])
    before = settings.frozen(server_side=True)
    assert settings.frozen(server_side=True) is before
    setattr(settings, name, getattr(settings, name))
    assert settings.frozen(server_side=True) is not before


CHANGES: dict[str, tuple[int, Any]] = {
    "load_verify_locations": (ROLES[0], lambda made, pki_: made.load_verify_locations(pki_.ca)),
    "load_verify_locations(cadata)": (ROLES[0], lambda made, _pki: made.load_verify_locations(cadata=pki.ca("x").der)),
    "set_default_verify_paths": (ROLES[0], lambda made, _pki: made.set_default_verify_paths()),
    "load_cert_chain": (ROLES[1], lambda made, pki_: made.load_cert_chain(pki_.chain("P-256"), pki_.key("P-256"))),
    "set_ciphers": (ROLES[0], lambda made, _pki: made.set_ciphers("ECDHE+AESGCM")),
    "set_ciphersuites": (ROLES[0], lambda made, _pki: made.set_ciphersuites("TLS_AES_128_GCM_SHA256")),
    "set_groups": (ROLES[0], lambda made, _pki: made.set_groups("P-256")),
    "set_ecdh_curve": (ROLES[0], lambda made, _pki: made.set_ecdh_curve("prime256v1")),
    "set_client_sigalgs": (ROLES[0], lambda made, _pki: made.set_client_sigalgs("ed25519")),
    "set_server_sigalgs": (ROLES[0], lambda made, _pki: made.set_server_sigalgs("ed25519")),
    "set_alpn_protocols": (ROLES[0], lambda made, _pki: made.set_alpn_protocols(["h2"])),
    "set_psk_client_callback": (ROLES[0], lambda made, _pki: made.set_psk_client_callback(lambda _hint: ("", b""))),
    "set_psk_server_callback": (ROLES[1], lambda made, _pki: made.set_psk_server_callback(lambda _name: b"")),
    "options": (ROLES[0], lambda made, _pki: setattr(made, "options", made.options | puretls.OP_NO_TICKET)),
    "verify_mode": (ROLES[1], lambda made, _pki: setattr(made, "verify_mode", puretls.CERT_REQUIRED)),
    "check_hostname": (ROLES[0], lambda made, _pki: setattr(made, "check_hostname", True)),
    "verify_flags": (ROLES[0], lambda made, _pki: setattr(made, "verify_flags", puretls.VERIFY_X509_STRICT)),
    "hostname_checks_common_name": (ROLES[0], lambda made, _pki: setattr(made, "hostname_checks_common_name", False)),
    "minimum_version": (ROLES[0], lambda made, _pki: setattr(made, "minimum_version", puretls.TLSVersion.TLSv1_3)),
    "maximum_version": (ROLES[0], lambda made, _pki: setattr(made, "maximum_version", puretls.TLSVersion.TLSv1_2)),
    "num_tickets": (ROLES[1], lambda made, _pki: setattr(made, "num_tickets", 1)),
    "post_handshake_auth": (ROLES[0], lambda made, _pki: setattr(made, "post_handshake_auth", True)),
    "sni_callback": (ROLES[1], lambda made, _pki: setattr(made, "sni_callback", lambda *_: None)),
    "_msg_callback": (ROLES[1], lambda made, _pki: setattr(made, "_msg_callback", lambda *_: None)),
    "keylog_filename": (ROLES[1], lambda made, _pki: setattr(made, "keylog_filename", os.devnull)),
    "add_trust_anchor": (ROLES[0], lambda made, pki_: made.add_trust_anchor(pki_.ca, permitted=["example.org"])),
    "verify_callback": (ROLES[0], lambda made, _pki: setattr(made, "verify_callback", lambda *_: None)),
    "set_cert_verify_callback": (ROLES[0], lambda made, _pki: made.set_cert_verify_callback(lambda *_: None)),
    "session_id_context": (ROLES[1], lambda made, _pki: setattr(made, "session_id_context", b"x")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_a_context_counts_for_the_next_connection(pki: Any, change: str) -> None:
    protocol, act = CHANGES[change]
    made = context(protocol)
    before = made._config(server_side=protocol == ROLES[1])
    act(made, pki)
    after = made._config(server_side=protocol == ROLES[1])
    assert after is not before
    if not change.startswith(
        ("load_verify", "set_default", "add_trust")
    ):  # those change the store, which stays the same one
        assert after != before


def test_a_change_that_is_none_keeps_what_was_frozen() -> None:
    made = context(ROLES[0])
    before = made._config(server_side=False)
    for name in ("options", "verify_mode", "check_hostname", "verify_flags"):
        setattr(made, name, getattr(made, name))
    made.set_alpn_protocols([])
    assert made._config(server_side=False) is before


# The chain that is sent


def line(length: int) -> list[pki.Issued]:
    """A leaf under so many CAs, the leaf first."""
    chain = [pki.ca("root")]
    for number in range(length):
        chain.append(pki.ca(f"ca {number}", chain[-1]))
    chain.append(pki.leaf(issuer=chain[-1]))
    return chain[::-1]


def sent(module: Any, chain: list[pki.Issued], known: list[pki.Issued], tmp_path: Path) -> int:
    """How many certificates a client of puretls gets."""
    server = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    made = tmp_path / f"{module.__name__}.pem"
    made.write_text(chain[0].pem + chain[0].key_pem)
    server.load_cert_chain(made)
    if known:
        server.load_verify_locations(cadata=b"".join(one.der for one in known))
    client = context(ROLES[0])
    client.verify_mode = puretls.CERT_NONE
    pair = join(client, server).shake()
    assert pair.client.done, pair.client.error
    return len(pair.client.obj.get_unverified_chain())  # puretls has it on every Python


@pytest.mark.parametrize("length", [0, 1, 3])
@pytest.mark.parametrize("missing", [None, 0, 1])
def test_issuers_of_a_lone_leaf_are_sent_as_far_as_they_are_known(
    length: int, missing: int | None, tmp_path: Path
) -> None:
    chain = line(length)
    known = [one for place, one in enumerate(chain[1:]) if place != missing]
    assert sent(puretls, chain, known, tmp_path) == sent(ssl, chain, known, tmp_path)


def test_no_more_issuers_than_a_chain_may_have(tmp_path: Path) -> None:
    chain = line(MAX_CHAIN + 2)
    assert sent(puretls, chain, chain[1:], tmp_path) == MAX_CHAIN


def test_of_two_issuers_of_one_name_the_one_whose_key_it_is(tmp_path: Path) -> None:
    chain = line(0)
    twin = pki.ca("root", private=pki.key("p256", 60))  # the same name, another key
    server = puretls.SSLContext(ROLES[1])
    made = tmp_path / "leaf.pem"
    made.write_text(chain[0].pem + chain[0].key_pem)
    server.load_cert_chain(made)
    for cas in ([twin, chain[1]], [chain[1], twin]):
        server._settings.store = puretls.SSLContext(ROLES[1])._settings.store
        server.load_verify_locations(cadata=b"".join(one.der for one in cas))
        (credential,) = server._config(server_side=True).credentials
        leaf, issuer = map(certificate.load, credential.ders)
        assert leaf.may_be_issued_by(issuer)


# What is offered


def test_a_client_without_a_key_offers_no_suite_that_needs_one() -> None:
    made = context(ROLES[0])
    made.set_ciphers("ALL:@SECLEVEL=0")
    assert not [one for one in made._config(server_side=False).suites if one.kx in PSK_EXCHANGES]
    made.set_psk_client_callback(lambda _hint: ("me", b"key"))
    assert {one.kx for one in made._config(server_side=False).suites} >= set(PSK_EXCHANGES)


@pytest.mark.parametrize(
    "method", ["set_ciphers", "set_ciphersuites", "set_groups", "set_client_sigalgs", "set_server_sigalgs"]
)
def test_lists_are_text(method: str) -> None:
    made = context(ROLES[0])
    with pytest.raises(TypeError, match=rf"{method}\(\) argument must be str, not bytes"):
        getattr(made, method)(b"x")
    with pytest.raises(ValueError, match="embedded null character"):
        getattr(made, method)("TLS_AES_128_GCM_SHA256\0")


def test_few_configurations_are_kept_for_contexts_that_switch(pki: Any) -> None:
    """As many contexts as there are names may begin connections that end with one of them."""
    target = puretls.SSLContext(ROLES[1])
    target.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    seen = []
    for _ in range(2 * MAX_SWITCHED):
        first = puretls.SSLContext(ROLES[1])
        first.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        first.sni_callback = lambda conn, _name, _context: setattr(conn, "context", target)
        pair = join(client_of(puretls, pki), first).shake()
        assert pair.client.done
        assert pair.server.obj.context is target
        seen.append(len(target._settings._switched))
    assert max(seen) <= MAX_SWITCHED


# Ready-made contexts


def test_an_unverified_context_with_a_certificate(pki: Any) -> None:
    made = puretls._create_unverified_context(certfile=pki.chain("client"), keyfile=pki.key("client"))
    assert made.verify_mode is puretls.CERT_NONE
    server = puretls.SSLContext(ROLES[1])
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    server.load_verify_locations(pki.ca)
    server.verify_mode = puretls.CERT_REQUIRED
    only(V12, server)
    pair = join(made, server).shake()
    assert (pair.client.error, pair.server.error) == (None, None)
    assert pair.server.obj.getpeercert(True)
    with pytest.raises(ValueError, match="certfile must be specified"):
        puretls._create_unverified_context(keyfile=pki.key("P-256"))


@pytest.mark.parametrize("isolated", [False, True])
def test_a_key_log_from_the_environment(tmp_path: Path, *, isolated: bool) -> None:
    log = tmp_path / "keys"
    code = "import puretls; print(puretls.create_default_context().keylog_filename)"
    found = subprocess.run(
        [sys.executable, *["-E"] * isolated, "-c", code],
        env={**os.environ, "SSLKEYLOGFILE": str(log)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert found.stdout.strip() == ("None" if isolated else str(log))


def test_no_negative_number_of_random_bytes() -> None:
    with pytest.raises(ValueError, match="num must be positive"):
        puretls.RAND_bytes(-1)


def test_setters_leave_forgetting_to_the_settings() -> None:
    """`changed` is for what changes inside a setting, and for all of them at once; an assignment needs no second word,
    and cannot lack one.
    """
    source = Path(inspect.getfile(Settings)).parent
    callers = {
        function.name
        for path in source.glob("*.py")
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "changed"
    }
    within = {"load_verify_locations", "set_default_verify_paths", "add_trust_anchor", "read", "copy"}
    assert callers <= {"__init__", "__setattr__", *within}
