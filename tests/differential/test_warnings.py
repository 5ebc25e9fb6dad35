"""Every warning that `ssl` gives, and none besides, on each Python: message, category and the file it points at."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from typing import Any

import pytest

import puretls
from support.bios import ObjectSide, join
from support.both import V12, client_of, only, server_of

Act = Callable[[Any], Any]
ACTS: dict[str, Act] = {
    "no protocol": lambda tls: tls.SSLContext(),
    **{
        f"context {name}": lambda tls, name=name: tls.SSLContext(getattr(tls, name))
        for name in ("PROTOCOL_TLS", "PROTOCOL_SSLv23", "PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1", "PROTOCOL_TLSv1_2")
    },
    "context client": lambda tls: tls.SSLContext(tls.PROTOCOL_TLS_CLIENT),
    "context server": lambda tls: tls.SSLContext(tls.PROTOCOL_TLS_SERVER),
    "context subclass": lambda tls: type("Sub", (tls.SSLContext,), {})(),
    "default": lambda tls: tls.create_default_context(cadata=""),
    "unverified": lambda tls: tls._create_unverified_context(),
    "RAND_bytes": lambda tls: tls.RAND_bytes(1),
    "cert_time": lambda tls: tls.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"),
}


def of_context(act: Callable[[Any], Any]) -> Act:
    def run(tls: Any) -> Any:
        context = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
        return act(context)

    return run


for version in ("SSLv3", "TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3", "MINIMUM_SUPPORTED", "MAXIMUM_SUPPORTED"):
    for bound in ("minimum_version", "maximum_version"):
        value = getattr(ssl.TLSVersion, version)
        ACTS[f"{bound} {version}"] = of_context(lambda c, b=bound, v=value: setattr(c, b, v))
for option in (
    "OP_NO_SSLv2",
    "OP_NO_SSLv3",
    "OP_NO_TLSv1",
    "OP_NO_TLSv1_1",
    "OP_NO_TLSv1_2",
    "OP_NO_TLSv1_3",
    "OP_ALL",
):
    flag = getattr(ssl, option)
    ACTS[f"set {option}"] = of_context(lambda c, f=flag: setattr(c, "options", c.options | f))
    ACTS[f"clear {option}"] = of_context(lambda c, f=flag: setattr(c, "options", c.options & ~f))
ACTS["set_npn_protocols"] = of_context(lambda c: c.set_npn_protocols(["h2"]))
ACTS["set_alpn_protocols"] = of_context(lambda c: c.set_alpn_protocols(["h2"]))
ACTS["verify_flags"] = of_context(lambda c: setattr(c, "verify_flags", c.verify_flags | ssl.VERIFY_X509_STRICT))
ACTS["set_ciphers"] = of_context(lambda c: c.set_ciphers("ALL:@SECLEVEL=0"))
ACTS["selected_npn_protocol"] = lambda tls: ObjectSide(
    "client", tls.SSLContext(tls.PROTOCOL_TLS_CLIENT), server_hostname="localhost"
).obj.selected_npn_protocol()


def warned(act: Act, tls: Any) -> Any:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            act(tls)
        except Exception as error:  # noqa: BLE001  # what it is, is compared
            raised = type(error).__name__
        else:
            raised = ""
    return raised, [(str(w.message), w.category, "here" if w.filename == __file__ else "elsewhere") for w in caught]


@pytest.mark.parametrize("name", ACTS)
def test_the_same_warnings(name):
    wanted, found = (warned(ACTS[name], tls) for tls in (ssl, puretls))
    if wanted[0] != "AttributeError":  # gone there, or never there
        assert found == wanted


def test_a_handshake_warns_of_nothing(pki):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client, server = client_of(puretls, pki), server_of(puretls, pki)
        server.load_dh_params(pki.dh)
        server.load_cert_chain(pki.chain("RSA"), pki.key("RSA"))
        only(V12, client, server)
        client.set_ciphers("DHE")
        pair = join(client, server).ok()
        assert pair.client.obj.cipher()[0].startswith("DHE-RSA")
