"""After sni_callback has chosen another context each setting is of that one or of the first, as one table says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._api.settings import Settings
from puretls._engine.config import Config
from puretls._engine.policy import PeerPolicy
from support.bios import join
from support.both import V12, V13, client_of, only, server_of

PAGE = Path(__file__).parents[2] / "docs/recipes/several-names.md"
CLIENTS = ""  # a setting of clients, or one that says what else is set: no server's connection asks for it
NAMES = {  # what the table calls the setting that a field of Config comes from
    "versions": "`minimum_version`", "fixed": "`minimum_version`", "suites": "`set_ciphers()`",
    "suites13": "`set_ciphersuites()`", "groups": "`set_groups()`", "key_shares": CLIENTS,
    "schemes": "`set_client_sigalgs()`", "own_schemes": "`set_server_sigalgs()`", "credentials": "`add_cert_chain()`",
    "raw_keys": "`load_raw_public_key()`", "own_types": "`load_raw_public_key()`",
    "alpn": "`set_alpn_protocols()`", "alpn_select": "`set_alpn_select_callback()`", "options": "`options`",
    "policy": "`verify_callback`", "sessions": "sessions", "num_tickets": "`num_tickets`", "ticket_request": CLIENTS,
    "choose_context": CLIENTS, "psk_client": CLIENTS, "psk_server": "`set_psk_server_callback()`",
    "psk_hint": "`set_psk_server_callback()`", "dh": "`load_dh_params()`", "ca_names": "`client_ca_names`",
    "retry_cookie": "`retry_cookie`", "record_size_limit": "`record_size_limit`",
    "max_send_fragment": "`max_send_fragment`", "dynamic_record_sizes": "`dynamic_record_sizes`",
    "request_ocsp": CLIENTS, "request_sct": CLIENTS,
    "compressions": "`set_cert_compression()`", "max_cert_list": "`max_cert_list`", "grease": CLIENTS,
    "grease_seed": CLIENTS, "ech": CLIENTS, "ech_random_id": CLIENTS, "outer_name": CLIENTS, "outer_alpn": CLIENTS,
    "ech_keys": "`set_ech_keys()`", "ech_trial": "`set_ech_keys()`", "ech_retry": "`set_ech_keys()`",
    "ech_grease": CLIENTS, "watch": "`keylog_filename`", "max_early_data": CLIENTS,  # see below
}  # fmt: skip
SMALLER = {"max_early_data"}  # of the two the smaller value counts (test_early_data.py)


def columns() -> tuple[str, str]:
    """What the table says of the new context, and of the first."""
    rows = re.findall(r"^\| (.*) \| (.*?) ?\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows[0] == ("of the new context", "of the context that the connection began with")
    new, first = zip(*rows[2:], strict=True)
    return " ".join(new), " ".join(first)


def test_the_table_of_the_documentation_is_what_happens() -> None:
    def config(mark: str) -> Any:
        marks: dict[str, Any] = {one.name: (mark, one.name) for one in fields(Config)}
        return Config(**{**marks, "policy": PeerPolicy()})

    new, first = columns()
    began, ours = config("first"), config("new")
    assert all(f"`{name}`, unless the first has less" in new for name in SMALLER)
    settings = Settings(puretls.PROTOCOL_TLS_SERVER)
    settings.frozen = lambda **_: ours  # type: ignore[method-assign]
    found = settings.switched(began)
    wrong = {}
    for name in (one.name for one in fields(Config)):
        assert name in NAMES, f"say in {PAGE.name} whose {name} counts, and here what the setting is called there"
        called, value = NAMES[name], getattr(found, name)
        of_new = value is getattr(ours, name)
        if called and (called in new, called in first) != (of_new, not of_new):
            wrong[name] = value
    assert not wrong


def test_every_name_in_the_table_is_one() -> None:
    for text in columns():
        for name in re.findall(r"`(\w+)(?:\(\))?`", text):
            assert hasattr(puretls.SSLContext, name), name


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("stricter", [False, True])
def test_names_of_cas_go_with_the_policy(pki: Any, version: Any, stricter: bool) -> None:
    """A client is told whom the context trusts that it meets."""
    first, chosen = server_of(puretls, pki, asks=2 if stricter else 1), server_of(puretls, pki, asks=1)
    first.client_ca_names, chosen.client_ca_names = [pki.elsewhere.certificate], [pki.root.certificate]
    first.sni_callback = lambda sslobj, *_: setattr(sslobj, "context", chosen)
    client = client_of(puretls, pki)
    only(version, client)
    client.add_cert_chain(pki.chain("client"), pki.key("client"), must_match_issuer=True)
    pair = join(client, first).shake()
    assert bool(pair.client.obj.selected_cert_chain()) is not stricter
    assert (pair.server.error is None) is not stricter


@pytest.mark.parametrize("modes", [(0, 0), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2)])
def test_a_policy_is_one_or_the_other_whole(modes: tuple[int, int]) -> None:
    first, new = (PeerPolicy(verify_mode=mode, judge=object(), path_judge=object()) for mode in modes)
    chosen = new.or_stricter(first)
    assert chosen is (first if modes[0] > modes[1] else new)
