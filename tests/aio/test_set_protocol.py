"""Another protocol takes over at any moment: nothing is lost, doubled, or given to the one that has left."""

from __future__ import annotations

import random
from types import ModuleType
from typing import Any

import pytest

from support import Pki
from support.wire import Both, BufferedRecorder, Recorder, run

DATA = bytes(range(256)) * 1000


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_protocols_that_hand_over(tls: ModuleType, pki: Pki, seed: int, version: str) -> None:
    """Each takes a number of deliveries, and then another one is set, from inside its own callback or from outside."""
    chance = random.Random(seed)

    async def work() -> None:
        got = bytearray()

        def handing_over(kind: type, *args: Any) -> Any:
            class Protocol(kind):  # type: ignore[misc]
                def __init__(self) -> None:
                    super().__init__(*args)
                    self.left = chance.randrange(1, 4)
                    self.gone = False

                def taken(self, data: Any) -> None:
                    assert not self.gone
                    got.extend(data)
                    self.left -= 1
                    if not self.left:
                        self.gone = True
                        both.tls_client.set_protocol(following())

                def data_received(self, data: bytes) -> None:
                    self.taken(data)

                def buffer_updated(self, nbytes: int) -> None:
                    self.taken(self.memory[:nbytes])

                def connection_lost(self, exc: BaseException | None) -> None:
                    lost.append(exc)
                    super().connection_lost(exc)

            return Protocol()

        def following() -> Any:
            size = chance.choice((1, 100, 20_000, 100_000))
            made = handing_over(BufferedRecorder, size) if chance.random() < 0.5 else handing_over(Recorder)
            current.append(made)
            return made

        lost: list[Any] = []
        current: list[Any] = []
        both = Both(tls, pki, Recorder(), server := Recorder(), version=tls.TLSVersion[version],
                    cut=lambda: chance.choice((1, 7, 1000, 1 << 17)))  # fmt: skip
        await both.connect()
        both.tls_client.set_protocol(following())
        for start in range(0, len(DATA), 50_000):
            both.tls_server.write(DATA[start : start + 50_000])
        both.tls_server.close()
        await server.lost
        assert got == DATA
        assert lost == [None]
        assert current[-1].lost.done()

    run("asyncio", work())
