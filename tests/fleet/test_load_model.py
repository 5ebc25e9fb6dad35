"""What a fleet asks of its store: the page has the numbers of the script, and these are what happens."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]
SERVERS, CLIENTS, VISITS = 1000, 10_000_000, 4.0


def tool() -> Any:
    spec = importlib.util.spec_from_file_location("fleet_load", TOP / "tools" / "fleet_load.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fleet_load"] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_script_does() -> None:
    found, page = tool().load(SERVERS, CLIENTS, VISITS), (TOP / "docs" / "recipes" / "fleet.md").read_text("utf-8")
    for name in ("TicketKeys and AntiReplay", "TicketKeys and Sessions"):
        demand = found[name]
        calls, cores = sum(demand.calls.values()), demand.cores(tool().MEASURED)
        row = " and ".join(f"`{one}`" for one in name.split(" and "))
        assert f"| {row} | {calls:,.0f} | {demand.bytes / 1e9:.0f} GB | {cores:.2f} |" in page
        for millions in (CLIENTS / cores / 1e6, 64e9 / demand.bytes * CLIENTS / 1e6):
            assert f"{millions // 5 * 5:.0f} million" in " ".join(page.split())
    for name, (calls, size) in tool().MEASURED.items():
        assert f"{calls:,.0f}" in page, name
        assert not size or f"{size:.0f} bytes for each" in page


@pytest.mark.parametrize("visits", [0.2, 1.0, 4.0])
def test_what_is_computed_is_what_happens(visits: float) -> None:
    module = tool()
    computed = module.load(SERVERS, CLIENTS, visits)
    calls, sessions, marks = module.simulate(CLIENTS // 1000, visits)
    kept = sessions * 1000 * module.MEASURED["put"][1]
    once = marks * 1000 * module.MEASURED["first"][1]
    for name, operation in (("TicketKeys and AntiReplay", "first"), ("TicketKeys and Sessions", "take")):
        assert calls[operation] * 1000 == pytest.approx(computed[name].calls[operation], rel=0.05)
    assert calls["put"] * 1000 == pytest.approx(computed["TicketKeys and Sessions"].calls["put"], rel=0.05)
    assert once == pytest.approx(computed["TicketKeys and AntiReplay"].bytes, rel=0.05)
    assert kept == pytest.approx(computed["TicketKeys and Sessions"].bytes, rel=0.05)


def test_what_a_store_does_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("redis")
    for name in ("redis-server", "redis-benchmark"):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed: apt-get install redis-server")
    monkeypatch.setattr(sys, "argv", ["fleet_load.py", "--measure"])
    assert tool().main() == 0
    said = capsys.readouterr().out
    for name in ("put", "take", "first", "TicketKeys and Sessions"):
        assert name in said
