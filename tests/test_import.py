"""What `import puretls` loads, and what waits until somebody needs it: every program pays for an import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from puretls.cli.contenders import prepare

OLDER = {
    "puretls._engine.client12",
    "puretls._engine.handshake12",
    "puretls._engine.server12",
    "puretls._record.cbc",
    "puretls._record.older",
    "puretls._wire.legacy",
}
LATER = {
    *OLDER,
    "puretls._analysis",
    "puretls._engine.client13",
    "puretls._engine.client_start",
    "puretls._engine.established",
    "puretls._engine.server13",
    "puretls._engine.server_start",
    "puretls._x509.revocation",
    "puretls.cli",
}
STANDARD = {
    "argparse",
    "asyncio",
    "calendar",
    "getpass",
    "json",
    "locale",
    "logging",
    "pathlib",
    "subprocess",
    "tempfile",
}


def printed(code: str, *arguments: Path) -> list[str]:
    """By a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, check=False, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_what_an_import_leaves_alone() -> None:
    found = printed("import sys, puretls; print(*sys.modules)")
    assert "puretls._engine.connection" in found
    assert not LATER & set(found)


def test_what_an_import_leaves_alone_of_the_standard_library() -> None:
    code = """
import ssl, sys
from cryptography import x509
from cryptography.hazmat import asn1
before = set(sys.modules)  # what these need differs from Python to Python, and coverage.py may be here, too
import puretls
print(*set(sys.modules) - before)
"""
    assert not STANDARD & set(printed(code))


def test_older_versions_load_when_they_are_chosen(tmp_path: Path) -> None:
    prepare(tmp_path, "P-256")
    code = f"""
import sys
from puretls.cli.contenders import Case, Files, Module
from puretls.cli.workloads import shake

library = Module("puretls")
for case in Case("1.3", "TLS_AES_128_GCM_SHA256"), Case("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"):
    contexts = [library.context(Files(sys.argv[1]), case, server=server) for server in (False, True)]
    shake(library.side(contexts[0], server=False), library.side(contexts[1], server=True))
    print(len(sys.modules.keys() & {OLDER}))
"""
    assert printed(code, tmp_path) == ["0", str(len(OLDER))]
