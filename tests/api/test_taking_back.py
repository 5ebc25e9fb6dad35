"""Every setting beyond `ssl` can be taken back, is refused where it would mean nothing, and is no copy of a secret."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import puretls
import puretls.keys
from puretls import CRLite, CTPolicy, OCSPPolicy
from support.bios import join
from support.both import client_of, server_of
from support.both_ends import silent
from support.logged import LOGS

CLIENT, SERVER = puretls.PROTOCOL_TLS_CLIENT, puretls.PROTOCOL_TLS_SERVER
EITHER = (CLIENT, SERVER)


class Setting(NamedTuple):
    """An attribute: where it can be set, to what for instance, and what takes it back (None does, too, unless said)."""

    where: tuple[int, ...]
    value: Any
    back: tuple[Any, ...] = (None,)


def function(*_: object) -> None:
    """Any function will do."""


SETTINGS: dict[str, Setting] = {
    "verify_callback": Setting(EITHER, function),
    "request_ocsp": Setting((CLIENT,), True, (False, None)),
    "ocsp_policy": Setting((CLIENT,), OCSPPolicy.REQUIRE, (OCSPPolicy.CHECK,)),
    "ocsp_response": Setting((SERVER,), function),
    "request_sct": Setting((CLIENT,), True, (False, None)),
    "sct_list": Setting((SERVER,), [b"sct"]),
    "ct_policy": Setting((CLIENT,), CTPolicy(LOGS)),
    "crlite": Setting((CLIENT,), CRLite(Path())),
    "aia": Setting((CLIENT,), function, (False, None)),
    "aia_private": Setting((CLIENT,), True, (False, None)),
    "verify_profile": Setting((CLIENT,), "webpki"),
    "public_suffixes": Setting((CLIENT,), ["com"]),
    "client_session_cache": Setting((CLIENT,), True, (None, False)),
    "ticket_request": Setting((CLIENT,), (1, 1)),
    "server_certificate_types": Setting((SERVER,), ["raw"]),
    "client_certificate_types": Setting(EITHER, ["raw", "x509"]),
    "check_own_signatures": Setting(EITHER, False, (True,)),
    "max_cert_list": Setting(EITHER, 5, (102_400,)),
    "record_size_limit": Setting(EITHER, 512, (16384,)),
    "max_send_fragment": Setting(EITHER, 512, (16384,)),
    "dynamic_record_sizes": Setting(EITHER, True, (False, None)),
    "retry_cookie": Setting((SERVER,), True, (False, None)),
    "client_ca_names": Setting(EITHER, [b"0\0"], ([], None)),
    "grease": Setting((CLIENT,), False, (True,)),
}
REFUSED_ELSEWHERE = {  # by the other role's contexts: who sets it there would believe that it does something
    "request_ocsp", "ocsp_response", "request_sct", "sct_list", "ct_policy", "crlite", "aia", "verify_profile",
    "client_session_cache", "ticket_request",
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("role", EITHER)
def test_what_was_set_can_be_taken_back(name: str, role: int) -> None:
    setting, context = SETTINGS[name], puretls.SSLContext(role)
    before = getattr(context, name)
    if role not in setting.where:
        if name in REFUSED_ELSEWHERE:
            with pytest.raises(ValueError, match=r"PROTOCOL_TLS_(CLIENT|SERVER)"):
                setattr(context, name, setting.value)
            assert getattr(context, name) == before
        return
    for back in setting.back:
        setattr(context, name, setting.value)
        assert getattr(context, name) != before
        setattr(context, name, back)
        assert getattr(context, name) == before


METHODS: dict[str, tuple[int, Any, Any]] = {
    "set_cert_verify_callback": (CLIENT, function, None),
    "set_alpn_select_callback": (SERVER, function, None),
    "set_cert_compression": (CLIENT, ["zlib"], []),
    "set_trusted_public_keys": (CLIENT, [], []),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_that_take_back(pki: Any, name: str) -> None:
    role, value, back = METHODS[name]
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    context = client if role == CLIENT else server
    getattr(context, name)(value)
    getattr(context, name)(back)
    join(client, server).ok()


SENSIBLE = {("public_suffixes", str), ("public_suffixes", dict), ("max_cert_list", int), ("client_ca_names", dict)}
WRONG = [5, 1.5, "text", object(), [5], {}]


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: type(x).__name__)
def test_what_makes_no_sense_is_a_plain_error(name: str, wrong: object) -> None:
    """And the setting stays as it was."""
    context = puretls.SSLContext(SETTINGS[name].where[0])
    before = getattr(context, name)
    if (type(before) is bool and name != "aia") or (name, type(wrong)) in SENSIBLE:
        setattr(context, name, wrong)  # whatever is true or false, for instance
        return
    with pytest.raises((TypeError, ValueError)):
        setattr(context, name, wrong)
    assert getattr(context, name) == before


def objects(pki: Any) -> dict[str, Callable[[], Any]]:
    met = join(client_of(puretls, pki), server_of(puretls, pki)).ok()
    return {
        "SSLContext": lambda: client_of(puretls, pki),
        "SSLSession": lambda: met.client.obj.session,
        "SessionCache": puretls.SessionCache,
    }


@pytest.mark.parametrize("name", ["SSLContext", "SSLSession", "SessionCache"])
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda x: x.__name__)
def test_what_holds_secrets_is_neither_copied_nor_pickled(pki: Any, name: str, how: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match=f"cannot .*{name}"):
        how(objects(pki)[name]())


def test_classes_say_where_they_can_be_imported_from() -> None:
    for name in puretls.keys.__all__:
        assert getattr(puretls.keys, name).__module__ == "puretls.keys"


def test_a_context_for_both_roles_asks_no_clients_for_ocsp(pki: Any) -> None:
    """What is said about servers' certificates does not count for those of clients."""
    with silent():
        made = puretls.SSLContext(puretls.PROTOCOL_TLS)
    made.load_verify_locations(pki.ca)
    made.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    made.verify_mode = puretls.CERT_REQUIRED
    made.request_ocsp, made.ocsp_policy = True, OCSPPolicy.REQUIRE
    for judge in (None, function):
        made.set_cert_verify_callback(judge)
        join(client_of(puretls, pki, identity="client"), made).ok()


KEYWORDS = {  # what may be given by name
    puretls.verify_ocsp_response: "response certificate issuer time max_age security_level",
    puretls.verify_scts: "leaf issuer sct_list ocsp_response logs time",
    puretls.CTPolicy: "logs minimum operators",
    puretls.CRLite: "path",
    puretls.CRLite.check: "leaf issuer time",
    puretls.SessionCache: "size",
    puretls.SSLContext.add_trust_anchor: "certificate permitted excluded distrust_after accept",
    puretls.SSLContext.add_cert_chain: "certfile keyfile password names signature_algorithms ocsp_response sct_list "
    "must_match_issuer",
    puretls.SSLContext.add_cert_compression: "id compress decompress",
    puretls.SSLContext.load_cert_chain: "certfile keyfile password reload",
    puretls.SSLContext.load_intermediates: "cafile cadata",
    puretls.SSLContext.load_raw_public_key: "key password",
    puretls.SSLContext.load_session: "data",
    puretls.SSLContext.load_verify_locations: "cafile capath cadata reload",
    puretls.keys.CallableKey: "public_key sign signature_algorithms",
    puretls.keys.PKCS11Key: "private_key public_key signature_algorithms",
}


@pytest.mark.parametrize("function", KEYWORDS, ids=lambda x: x.__name__)
def test_arguments_have_names(function: Any) -> None:
    parameters = inspect.signature(function).parameters.values()
    named = [one.name for one in parameters if one.kind not in (one.POSITIONAL_ONLY, one.VAR_KEYWORD)]
    assert [name for name in named if name != "self"] == KEYWORDS[function].split()
