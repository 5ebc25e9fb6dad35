"""Functions of the program are called between two steps of the engine, and never in the middle of one.

So the engine is never re-entered, whatever such a function does, and its answer may come later.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls
from puretls._api.answers import ANSWERS
from puretls._engine.requests import Request
from puretls.keys import CallableKey
from support.bios import join
from support.both import V12, V13, client_of, only, server_of
from support.stack import within_the_engine

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


class Calls:
    """Functions that note from where they are called."""

    def __init__(self) -> None:
        self.inside: list[bool] = []

    def noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            self.inside.append(within_the_engine())
            return function(*arguments)

        return noted


class NotingStore:
    """A cache of sessions for either side, or a register of tickets, in memory."""

    def __init__(self, calls: Calls) -> None:
        self.kept: dict[Any, Any] = {}
        self.get = calls.noting(self.kept.get)
        self.take = calls.noting(lambda key: self.kept.pop(key, None))
        self.put = calls.noting(lambda key, value, *_: self.kept.update({key: value}))
        self.forget = calls.noting(lambda key: self.kept.pop(key, None))
        self.first = calls.noting(lambda *_: True)


def key(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del client
    own = load_pem_private_key(Path(pki.key("P-256")).read_bytes(), None)
    server.load_cert_chain(pki.chain("P-256"), CallableKey(own.public_key(), calls.noting(own.sign)))


def clients_key(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    own = load_pem_private_key(Path(pki.key("client")).read_bytes(), None)
    client.load_cert_chain(pki.chain("client"), CallableKey(own.public_key(), calls.noting(own.sign)))
    server.load_verify_locations(pki.ca)
    server.verify_mode = puretls.CERT_REQUIRED


def server_name(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki, client
    server.sni_callback = calls.noting(lambda *_: None)


def protocol(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    client.set_alpn_protocols(["h2"])
    server.set_alpn_select_callback(calls.noting(lambda *_: "h2"))


def judge(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki, server
    client.verify_callback = calls.noting(lambda *_: None)


def preshared(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    for context in (client, server):
        if context.maximum_version == V12:
            context.set_ciphers("PSK")
    client.set_psk_client_callback(calls.noting(lambda _: ("me", b"k" * 32)))
    server.set_psk_server_callback(calls.noting(lambda _: b"k" * 32))


def response(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    client.request_ocsp = True
    server.ocsp_response = calls.noting(lambda _: None)


def sessions_of_servers(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    client.client_session_cache = True
    server.options |= puretls.OP_NO_TICKET
    server.session_store = NotingStore(calls)


def tickets(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    client.client_session_cache = True
    server.single_use_tickets = NotingStore(calls)


def sessions_of_clients(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki, server
    client.client_session_cache = NotingStore(calls)


def messages(calls: Calls, pki: Any, client: Any, server: Any) -> None:
    del pki
    for context in (client, server):
        context._msg_callback = calls.noting(lambda *_: None)


FUNCTIONS = [
    key, clients_key, server_name, protocol, judge, preshared, response, sessions_of_servers, tickets,
    sessions_of_clients, messages,
]  # fmt: skip


@each_version
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_no_function_of_the_program_is_called_within_a_step(function, version, pki):
    calls = Calls()
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    for context in (client, server):
        only(version, context)
    function(calls, pki, client, server)
    for _ in range(2):  # the second time there may be a session
        join(client, server).ok()
    assert True not in calls.inside
    assert calls.inside or (function is tickets and version == V12)


def test_one_table_has_who_answers_each_request():
    assert set(ANSWERS) == set(Request.__subclasses__())
