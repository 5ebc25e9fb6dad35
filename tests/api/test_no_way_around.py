"""No session and no switch lets in whom a full handshake under the same settings refuses, whatever came since.

Sessions are made where less is asked, and tried where more is: given as they are, loaded from bytes, and found in a
cache that both contexts share.  Servers share ticket keys and a store besides, and `sni_callback` switches.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

import puretls
from puretls.cli.certs import Authority
from support import pki
from support.bios import ObjectPair, join
from support.both import V12, V13, only

NOW, DAY = time.time(), 86400.0
ROOT = pki.ca("root", not_before=NOW - DAY, not_after=NOW + 300 * DAY)
DATES = {"not_before": NOW - DAY, "not_after": NOW + 30 * DAY}
KEY, OTHER = pki.key("p256", 41), pki.key("p256", 42)
FEATURE = {"1.3.6.1.5.5.7.1.24": (False, b"\x30\x03\x02\x01\x05")}  # status_request (RFC 7633)
LOGS = puretls.CTLogs.from_json({"version": "1.0", "log_list_timestamp": "2099-01-01T00:00:00Z", "operators": []})
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


def leaf(host: str = "localhost", **changes: Any) -> pki.Issued:
    return pki.leaf(host, ROOT, **{**DATES, **changes})


def server(issued: pki.Issued | None = None, key: Any = None) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    if issued is not None:
        context.load_cert_chain(issued.pem, issued.key_pem)
    if key is not None:
        context.load_raw_public_key(key)
    return context


def client(*roots: pki.Issued, verify: bool = True, **settings: Any) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    if not verify:
        context.check_hostname, context.verify_mode = False, puretls.CERT_NONE
    for root in roots:
        context.load_verify_locations(cadata=root.der)
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def of_keys(*trusted: Any) -> Any:
    context = client(verify=False, server_certificate_types=["raw"])
    if trusted:
        context.verify_mode = puretls.CERT_REQUIRED
        context.set_trusted_public_keys(trusted)
    return context


def refusing(method: str) -> Callable[[], Any]:
    def made() -> Any:
        context = client(ROOT)
        if method == "verify_callback":
            context.verify_callback = lambda *_: 46
        else:
            context.set_cert_verify_callback(lambda *_: 46)
        return context

    return made


STRANGER = pki.ca("stranger", not_before=NOW - DAY, not_after=NOW + DAY)
CLIENTS: dict[str, tuple[Any, Callable[[], Any], Callable[[], Any]]] = {  # a server, who accepts it, who refuses it
    "nobody is verified": (server(leaf()), lambda: client(verify=False), lambda: client(STRANGER)),
    "another anchor": (server(leaf()), lambda: client(ROOT), lambda: client(STRANGER)),
    "the name": (server(leaf("other.test")), lambda: client(ROOT, check_hostname=False), lambda: client(ROOT)),
    "must-staple": (
        server(leaf(extensions=FEATURE)), lambda: client(ROOT), lambda: client(ROOT, request_ocsp=True),
    ),
    "a response": (
        server(leaf()),
        lambda: client(ROOT),
        lambda: client(ROOT, request_ocsp=True, ocsp_policy=puretls.OCSPPolicy.REQUIRE),
    ),
    "timestamps": (server(leaf()), lambda: client(ROOT), lambda: client(ROOT, ct_policy=puretls.CTPolicy(LOGS))),
    "the public web": (
        server(leaf(extensions={pki.EKU: None})), lambda: client(ROOT), lambda: client(ROOT, verify_profile="webpki"),
    ),
    "any key": (server(key=KEY), of_keys, lambda: of_keys(OTHER)),
    "another key": (server(key=KEY), lambda: of_keys(KEY), lambda: of_keys(OTHER)),
    "a key for a certificate": (server(leaf(), KEY), lambda: of_keys(KEY), lambda: client(STRANGER)),
    "a certificate for a key": (server(leaf(), KEY), lambda: client(ROOT), lambda: of_keys(OTHER)),
    "verify_callback": (server(leaf()), lambda: client(ROOT), refusing("verify_callback")),
    "set_cert_verify_callback": (server(leaf()), lambda: client(ROOT), refusing("set_cert_verify_callback")),
}  # fmt: skip


def refused(pair: ObjectPair) -> bool:
    return isinstance(pair.client.error or pair.server.error, puretls.SSLError)


@each_version
@pytest.mark.parametrize("name", CLIENTS)
def test_clients(name: str, version: Any) -> None:
    there, easy, strict = CLIENTS[name]
    cache = puretls.SessionCache()
    generous, context = easy(), strict()
    only(version, generous, context)
    generous.client_session_cache = context.client_session_cache = cache
    assert refused(join(context, there).shake())
    given = join(generous, there).ok().client.obj.session
    assert join(generous, there).ok().client.obj.session_reused
    assert refused(join(context, there).shake())
    assert refused(join(context, there, session=context.load_session(given.to_bytes())).shake())
    with pytest.raises(ValueError, match="different SSLContext"):
        join(context, there, session=given)


# Servers

A, B = Authority("A"), Authority("B")
OWN, CUSTOMER = A.issue("localhost"), B.issue("customer", client=True)
OPTIONAL, REQUIRED = puretls.CERT_OPTIONAL, puretls.CERT_REQUIRED
EASY: dict[str, dict[str, Any]] = {
    "nobody is asked": {},
    "who likes": {"verify_mode": OPTIONAL, "anchor": A},
    "customers": {"verify_mode": REQUIRED, "anchor": B},
    "a key": {"verify_mode": REQUIRED, "types": ["raw"], "trusted": [KEY]},
    "any key": {"types": ["raw", "x509"]},
    "later": {"verify_mode": REQUIRED, "anchor": A, "post_handshake_auth": True},
}
STRICT: dict[str, dict[str, Any]] = {
    "certificates": {"verify_mode": REQUIRED, "anchor": A},
    "another key": {"verify_mode": REQUIRED, "types": ["raw"], "trusted": [OTHER]},
    "either": {"verify_mode": REQUIRED, "anchor": A, "types": ["x509", "raw"], "trusted": [OTHER]},
}
VISITORS = {"nothing": (False, False), "a certificate": (True, False), "a key": (False, True), "both": (True, True)}


class Kept(dict[bytes, bytes]):
    def put(self, key: bytes, value: bytes, _: float) -> None:
        self[key] = value

    def take(self, key: bytes) -> bytes | None:
        return self.pop(key, None)


def entrance(store: Kept | None, /, anchor: Any = None, types: Any = None, trusted: Any = (), **settings: Any) -> Any:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(OWN.chain_pem, OWN.key_pem)
    context.set_ticket_secret(b"x" * 32)
    if anchor is not None:
        context.load_verify_locations(cadata=anchor.pem.decode())
    if types is not None:
        context.client_certificate_types = types
        context.set_trusted_public_keys(trusted)
    if store is not None:
        context.session_store = store
        context.options |= puretls.OP_NO_TICKET
    for name, value in settings.items():
        setattr(context, name, value)
    return context


def visitor(version: Any, certificate: bool, key: bool) -> Any:
    context = client(verify=False)
    only(version, context)
    context.post_handshake_auth = True
    if certificate:
        context.load_cert_chain(CUSTOMER.chain_pem, CUSTOMER.key_pem)
    if key:
        context.load_raw_public_key(KEY)
        context.client_certificate_types = ["raw", "x509"]
    return context


@each_version
@pytest.mark.parametrize("stored", [False, True], ids=["tickets", "stored"])
@pytest.mark.parametrize("who", VISITORS)
def test_servers(who: str, stored: bool, version: Any) -> None:
    shown = visitor(version, *VISITORS[who])
    store = Kept() if stored else None
    tried = 0
    for easy, strict in itertools.product(EASY.values(), STRICT.values()):
        first, second = entrance(store, **easy), entrance(store, **strict)
        met = join(shown, first).shake()
        assert join(shown, second).shake().server.error is not None
        session = None if met.server.error or met.client.error else met.client.obj.session
        if session is not None:
            assert join(shown, second, session=session).shake().server.error is not None
            tried += 1
        if easy.get("post_handshake_auth"):  # the demand that is there first may be kept later
            continue
        first.sni_callback = lambda connection, *_, context=second: setattr(connection, "context", context)
        for given in (None,) if session is None else (None, session):
            assert join(shown, first, session=given).shake().server.error is not None
    assert tried
