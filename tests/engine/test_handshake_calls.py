"""What a handshake costs, counted in calls of Python functions: each takes a third of a microsecond with what it does.

No clock decides.  A version of Python that inlines comprehensions counts fewer, so the bounds are upper ones, and have
room for a tenth more: who adds a feature that most handshakes do not use finds a place for it where they do not go.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import puretls
from puretls.cli.contenders import Case, Files, Module, prepare

SOURCE = str(Path(puretls.__file__).parent)
TLS12 = "ECDHE-ECDSA-AES128-GCM-SHA256"
CASES = {  # a client's and a server's calls
    "TLS 1.3": (Case(), False, 330, 215),
    "TLS 1.3, resumed": (Case(), True, 328, 237),
    "TLS 1.3, mutual": (Case(mutual=True), False, 363, 331),
    "TLS 1.2": (Case("1.2", TLS12), False, 409, 245),
    "TLS 1.2, resumed": (Case("1.2", TLS12), True, 194, 179),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return prepare(tmp_path_factory.mktemp("certificates"), "P-256")


class CallsBySide:
    """Calls of our functions, by side."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.side = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        del argument
        if event == "call" and frame.f_code.co_filename.startswith(SOURCE):
            self.calls[self.side] += 1

    def do(self, side: str, action: Any) -> Any:
        """One of that side's."""
        self.side = side
        before = sys.getprofile()
        sys.setprofile(self)
        try:
            return action()
        finally:
            sys.setprofile(before)


def handshake(library: Module, contexts: list[Any], session: Any, resume: bool) -> tuple[Counter[str], Any]:
    """A whole one: the objects, and where sessions are wanted, the data that brings the tickets."""
    counted = CallsBySide()
    client = counted.do("client", lambda: library.side(contexts[0], server=False, session=session))
    server = counted.do("server", lambda: library.side(contexts[1], server=True))
    sides, done, data, turn = {"client": client, "server": server}, set(), b"", "client"
    while len(done) < 2:
        side = sides[turn]

        def step(side: Any = side, data: bytes = data) -> tuple[bool, bytes]:
            if data:
                side.give(data)
            return side.step(), side.take()

        finished, data = counted.do(turn, step)
        done |= {turn} if finished else set()
        turn = "server" if turn == "client" else "client"
    if data:
        sides[turn].give(data)
    if resume:
        counted.do("server", lambda: server.write(b"x"))
        client.give(server.take())
        counted.do("client", lambda: client.read(1))
        session = client.session()
    return counted.calls, session


@pytest.mark.parametrize(("case", "resume", "clients", "servers"), CASES.values(), ids=CASES)
def test_calls(files: Files, case: Case, resume: bool, clients: int, servers: int) -> None:
    library = Module("puretls")
    contexts = [library.context(files, case, server=server) for server in (False, True)]
    contexts[0].ech_grease = False
    session = None
    for _ in range(4):  # the first ones encode what is encoded once, and give the session
        calls, session = handshake(library, contexts, session, resume)
    assert calls["client"] <= clients
    assert calls["server"] <= servers
    assert min(calls.values()) > 100  # something was counted


def test_calls_of_an_encrypted_hello(files: Files) -> None:
    """What Encrypted Client Hello adds: a handshake with it takes at most 1.4 times as long as a plain one."""
    library, case = Module("puretls"), Case()
    config, key = puretls.make_ech_config("public.example", maximum_name_length=32)
    client, server, opening = (library.context(files, case, server=server) for server in (False, True, True))
    client.ech_grease = False
    opening.set_ech_keys([puretls.ECHKey(config, key)])
    counts = []
    for contexts in ([client, server], [client.set_ech_configs(config.config_list), opening]):
        for _ in range(4):
            calls, _ = handshake(library, contexts, None, resume=False)
        counts.append(calls)
    plain, encrypted = counts
    assert encrypted["client"] - plain["client"] <= 50
    assert encrypted["server"] - plain["server"] <= 57  # the outer hello is read, even if its kind is known
