"""A connection and a peer with the right keys that breaks the rules of records; what several files of tests share."""

from __future__ import annotations

from typing import Any

import pytest

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import (
    ALERT,
    FATAL,
    TLS12,
    TLS13,
)
from support.pair import (
    Pair,
    Side,
    client_config,
    read,
    sealed,
    server_config,
    stays_dead,
)

BOTH = pytest.mark.parametrize("version", [TLS13, TLS12], ids=["1.3", "1.2"])


def established(version: int, **changes: Any) -> Pair:
    return Pair(client_config(versions=(version,), **changes), server_config(versions=(version,))).handshake().echo()


def read_nothing(side: Side) -> None:
    assert not read(side), "data was accepted"


def refused(pair: Pair, raw: bytes) -> faults.Fault:
    """The server takes in these bytes and is done with its peer."""
    server = pair.server
    server.receive(raw)
    with pytest.raises(Abort) as caught:
        read_nothing(server)
    fault = caught.value.fault
    stays_dead(server, fault)
    if fault.alert is not None:
        assert server.control[-1] == (ALERT, bytes((FATAL, fault.alert)))
    assert bool(server.take()) == (fault.alert is not None)
    return fault


def from_client(pair: Pair, kind: int, data: bytes) -> bytes:
    return sealed(pair.server, pair.client, kind, data)
