"""The table of extensions that are offered and answered: adding one is adding a row, and offers are encoded once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from puretls._base import registry
from puretls._base.registry import TLS12, TLS13
from puretls._engine import negotiated
from puretls._engine.config import Config
from puretls._engine.negotiated import ROWS, Row, offers
from puretls._wire import places
from puretls._wire.codec import split_extensions
from puretls._wire.hello import ClientHello
from puretls._wire.places import CH, EE, SH12
from support.pair import OLDER, Pair, client_config, configured, server_config

NEW = 0xFE42  # for private use
VERSIONS = {"TLS 1.3": (TLS13,), "TLS 1.2": (TLS12,), "both": (TLS13, TLS12)}
SETTINGS: dict[str, dict[str, Any]] = {
    "nothing": {"grease": False, "record_size_limit": None},
    "all": {"alpn": (b"h2",), "request_ocsp": True, "ca_names": (b"\x30\x00",), "ticket_request": (2, 1)},
    "with CBC": {"suites": OLDER},
}


def with_row(patch: pytest.MonkeyPatch, row: Row) -> None:
    """The table, and what follows from it, as if the row were written there."""
    patch.setattr(negotiated, "ROWS", (*ROWS, row))
    answers = {place: negotiated.answering(place) for place in (SH12, EE)}
    patch.setattr(negotiated, "ANSWERS", answers)
    patch.setattr(negotiated, "ACCEPTED", {place: negotiated.accepting(place) for place in (SH12, EE)})


@pytest.mark.parametrize("version", VERSIONS["both"])
def test_an_extension_is_one_row(monkeypatch: pytest.MonkeyPatch, version: int) -> None:
    seen = []
    row = Row(
        NEW,
        SH12 | EE,
        offer=lambda config: b"asked" if config.alpn else None,
        accept=lambda conn, body: seen.append((conn.server_side, body)),
        answer=lambda conn, body, resumed: body + b"?" if not conn.config.ca_names and not resumed else None,
    )
    with_row(monkeypatch, row)
    asking = client_config(versions=(version,), alpn=(b"x",))
    Pair(asking, server_config(versions=(version,), alpn=(b"x",))).handshake().echo()
    assert seen == [(False, b"asked?")]
    Pair(asking, server_config(versions=(version,), ca_names=(b"\x30\x00",))).handshake().echo()
    Pair(client_config(versions=(version,)), server_config(versions=(version,))).handshake().echo()
    assert len(seen) == 1


def test_offers_are_encoded_once_for_a_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Config] = []
    with_row(monkeypatch, Row(NEW, 0, offer=asked.append))
    config = client_config()
    for _ in range(3):
        Pair(config, server_config()).handshake()
    assert asked == [config]
    assert offers(config) is offers(config)
    other = replace(config, alpn=(b"x",))
    assert offers(other) != offers(config)
    assert asked == [config, other]


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("versions", VERSIONS.values(), ids=VERSIONS)
def test_a_client_hello_says_what_its_configuration_offers(settings: dict[str, Any], versions: tuple[int, ...]) -> None:
    """In the order of the table, behind what differs from connection to connection or before it."""
    config = configured(client_config(versions=versions), **settings)
    pair = Pair(config, server_config(versions=versions, suites=config.suites))
    pair.advance(pair.client)
    raw = pair.client.take()[5:]
    found = ClientHello.parse(raw).extensions
    block = offers(config).block
    assert block in raw
    assert list(split_extensions(block).items()) == [(number, part[4:]) for number, part in offers(config).extensions]
    varying = {registry.SERVER_NAME, registry.SESSION_TICKET, registry.KEY_SHARE}
    assert set(found) == set(split_extensions(block)) | (varying & set(found))
    grease = set(config.grease_values)
    assert offers(config).answerable - {registry.RENEGOTIATION_INFO} == set(found) - grease - {registry.SERVER_NAME}
    numbers = [row.number for row in ROWS]
    assert [number for number in split_extensions(block) if number not in grease] == sorted(
        set(split_extensions(block)) - grease, key=numbers.index
    )


def test_each_extension_has_one_row_and_stands_where_it_may() -> None:
    numbers = [row.number for row in ROWS]
    assert len(set(numbers)) == len(numbers)
    for row in ROWS:
        allowed = places.ROWS[row.number]
        assert {place for place in (SH12, EE) if row.where & place} <= set(allowed), row
        assert row.offer is None or CH in allowed
        assert bool(row.where) == (row.answer is not None), row
        assert row.accept is None or row.answer is not None
    assert set(negotiated.FIRST12) <= {row.number for row in ROWS if row.where & SH12}
