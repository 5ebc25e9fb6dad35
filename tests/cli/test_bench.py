"""`puretls bench` measures: not how fast, only that both contenders do their part and the table says it."""

from __future__ import annotations

import json
import subprocess
import sys

from support import PATIENCE
from support.commands import puretls


def test_every_line_has_figures_of_both() -> None:
    done = puretls("bench", "--effort", "0.02", "--json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    assert {"puretls", "cryptography"} <= set(found["versions"])
    assert len(found["results"]) > 15
    for line in found["results"]:
        assert line["puretls"] > 0
        assert line["ssl"] > 0
        assert line["ratio"] == round(line["puretls"] / line["ssl"], 3)
        assert ("TCP" in line) == line["name"].startswith("loopback")


def test_words_choose() -> None:
    done = puretls("bench", "--effort", "0.02", "chacha", "resumed")
    assert (done.status, done.err) == (0, "")
    rows = [line for line in done.out.splitlines() if "  1/s" in line or "  MB/s" in line]
    assert [row.strip().split("  ")[0] for row in rows] == [
        "handshake, TLS 1.3 resumed, client",
        "handshake, TLS 1.3 resumed, server",
        "bulk, ChaCha20-Poly1305",
    ]
    assert "ratio" in done.out


def test_without_ssl_it_measures_the_rest() -> None:
    program = (
        "import sys; sys.modules['_ssl'] = None\n"
        "from puretls.cli import main; sys.exit(main(['bench', '--effort', '0.02', '--json', 'RSA', 'messages']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=3 * PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(done.stdout)["results"]
    assert len(results) == 5
    assert all(line["ratio"] is None and "ssl" not in line and line["puretls"] > 0 for line in results)


def test_a_word_that_nothing_has() -> None:
    done = puretls("bench", "nonesuch")
    assert (done.status, done.out) == (2, "")
    assert "nothing has such a name" in done.err
    assert puretls("bench", "--effort", "0").status == 2
