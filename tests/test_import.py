"""What `import puretls` loads, and what waits until somebody needs it: every program pays for an import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from puretls.cli.contenders import prepare

OLDER = {
    "puretls._engine.client12",
    "puretls._engine.handshake12",
    "puretls._engine.server12",
    "puretls._record.cbc",
    "puretls._record.older",
    "puretls._wire.legacy",
}
ROLES = {f"puretls._engine.{role}{what}" for role in ("client", "server") for what in ("_start", "12", "13")}
LATER = {
    *OLDER,
    *ROLES,
    "puretls._analysis",
    "puretls._engine.established",
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


@pytest.mark.parametrize(
    ("protocol", "roles"), [("CLIENT", {"client"}), ("SERVER", {"server"}), ("", {"client", "server"})]
)
def test_a_context_loads_the_roles_that_it_can_play(protocol: str, roles: set[str]) -> None:
    code = f"""
import sys, puretls
puretls.SSLContext(puretls.PROTOCOL_TLS{"_" * bool(protocol)}{protocol})
print(*sys.modules)
"""
    found = set(printed(code))
    assert {module.removeprefix("puretls._engine.") for module in ROLES & found} == {
        f"{role}{what}" for role in roles for what in ("_start", "12", "13")
    }
    assert found >= OLDER - ROLES


def test_no_connection_imports_anything(tmp_path: Path) -> None:
    """There may be no file system any more that Python could read."""
    prepare(tmp_path, "P-256")
    code = """
import sys
from puretls.cli.contenders import Case, Files, Module
from puretls.cli.workloads import shake

library = Module("puretls")
pairs = [
    [library.context(Files(sys.argv[1]), case, server=server) for server in (False, True)]
    for mutual in (False, True)
    for case in (Case(mutual=mutual), Case("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256", mutual=mutual))
]
before = set(sys.modules)
for client_context, server_context in pairs:
    session = None
    for _ in range(2):
        client = library.side(client_context, server=False, session=session)
        server = library.side(server_context, server=True)
        shake(client, server)
        server.write(b"x")
        client.give(server.take())
        client.read(1)
        client.tls.getpeercert()
        client.tls.get_channel_binding("tls-unique")
        session = client.session()
    assert client.resumed()
server_context.verify_flags |= library.module.VERIFY_CRL_CHECK_LEAF
client, server = library.side(client_context, server=False), library.side(server_context, server=True)
try:
    shake(client, server)
except library.module.SSLError as error:
    assert "CRL" in str(error), error
else:
    raise AssertionError("there is no CRL")
print(*set(sys.modules) - before)
"""
    assert not printed(code, tmp_path)
