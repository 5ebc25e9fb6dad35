"""Settings whose values travel in messages: what has no room there is refused when it is set, and what is set is sent.

A setter that took more would have every handshake fail, or `wrap_socket()` raise what no program knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

import puretls
from support.bios import join
from support.both import V12, V13, client_of, only, server_of

SIZES = (40_000, 59_000, 61_000, 65_529, 65_533, 65_534, 65_535, 65_536, 70_000)


def timestamps(context: Any, size: int) -> None:
    context.sct_list = [bytes(size - 4)]


def many_timestamps(context: Any, size: int) -> None:
    context.sct_list = [bytes(98)] * (size // 100)


def timestamps_of_a_chain(context: Any, size: int, pki: Any) -> None:
    context.add_cert_chain(pki.chain("RSA"), pki.key("RSA"), sct_list=[bytes(size - 4)])


def authorities(context: Any, size: int) -> None:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{n:064}")]) for n in range(size // 79)]
    context.client_ca_names = names
    context.verify_mode = puretls.CERT_OPTIONAL


KEYS: list[Any] = []


def keys_of_hellos(context: Any, size: int) -> None:
    if not KEYS:
        KEYS.extend(puretls.ECHKey(*puretls.make_ech_config(f"{'a' * 60}.{n}.example", config_id=n)) for n in range(3))
    one = len(puretls.make_ech_config(f"{'a' * 60}.0.example")[0]) - 2
    context.set_ech_keys([KEYS[n % 3] for n in range(size // one + 1)])


SETTERS: dict[str, Callable[..., None]] = {
    one.__name__: one for one in (timestamps, many_timestamps, timestamps_of_a_chain, authorities, keys_of_hellos)
}


@pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
@pytest.mark.parametrize("name", SETTERS)
def test_what_is_set_is_sent(name, version, pki):
    taken = []
    for size in SIZES:
        client, server = client_of(puretls, pki), server_of(puretls, pki)
        only(version, client)
        client.request_sct = True
        arguments = (server, size, pki) if name == "timestamps_of_a_chain" else (server, size)
        try:
            SETTERS[name](*arguments)
        except ValueError as error:
            assert "too long" in str(error) or size > 0xFFFF  # noqa: PT017  # what is taken has to work
            continue
        taken.append(size)
        join(client, server).ok()
    assert taken[:2] == list(SIZES[:2])
    assert taken[-1] < SIZES[-1]


def test_a_refused_setting_stays_as_it_was(pki):
    server = server_of(puretls, pki)
    server.sct_list = [bytes(50)]
    before = server.sct_list
    with pytest.raises(ValueError, match="too long"):
        server.sct_list = [bytes(62_000)]
    assert server.sct_list == before
