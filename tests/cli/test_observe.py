"""When messages were on the wire: a flight is there at one moment, however long its messages took to be made."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from puretls.cli import observe


def test_a_flight_is_at_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((10.0, 10.5, 11.0, 12.0, 13.0, 14.0))
    monkeypatch.setattr(observe, "perf_counter", lambda: next(clock))
    context, conn = SimpleNamespace(), SimpleNamespace  # anything that can be referred to weakly
    recorder = observe.Recorder(context)
    told = [("read", "CLIENT_HELLO"), ("write", "SERVER_HELLO"), ("write", "CERTIFICATE"), ("write", "FINISHED")]
    for direction, name in (*told, ("read", "CERTIFICATE"), ("read", "FINISHED")):
        recorder(conn, direction, 0x304, 22, SimpleNamespace(name=name), b"\0" * 8)
    found = [(one.name, one.at) for one in recorder.messages(conn)]
    assert found == [
        ("ClientHello", 0.0),
        ("ServerHello", 2.0), ("Certificate", 2.0), ("Finished", 2.0),
        ("Certificate", 3.0), ("Finished", 3.0),
    ]  # fmt: skip
    assert recorder.messages(observe) == []
