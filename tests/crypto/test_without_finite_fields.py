"""`cryptography` has announced that it will drop finite-field Diffie-Hellman: without it all else works.

The module is hidden from puretls in a process of its own; `cryptography` itself still imports it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2] / "src"
HIDDEN = """
import builtins, sys, warnings
warnings.simplefilter("error")
real = builtins.__import__
def hiding(name, globals=None, locals=None, fromlist=(), level=0):
    if name.endswith("asymmetric.dh") and (globals or {}).get("__name__", "").startswith("puretls"):
        raise ModuleNotFoundError("hidden", name=name)
    return real(name, globals, locals, fromlist, level)
builtins.__import__ = hiding
import puretls
from puretls.cli.certs import Authority
ca = Authority("root")
identity = ca.issue("localhost", kind="RSA")
"""


def without(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(SRC)!r})\n{HIDDEN}{program}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_handshakes_work() -> None:
    said = without("""
for version in puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1_3:
    client = puretls.create_default_context(cadata=ca.pem.decode())
    server = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(identity.chain_pem, identity.key_pem)
    server.maximum_version = version
    bios = puretls.MemoryBIO(), puretls.MemoryBIO()
    sides = client.wrap_bio(*bios, server_hostname="localhost"), server.wrap_bio(*bios[::-1], server_side=True)
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except puretls.SSLWantReadError:
                pass
    print(sides[0].version())
""")
    assert said.split() == ["TLSv1.2", "TLSv1.3"]


def test_suites_and_groups_are_not_there() -> None:
    said = without("""
context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
context.set_ciphers("ALL:@SECLEVEL=0")
names = [suite["name"] for suite in context.get_ciphers()]
assert len(names) > 20 and not any("DHE-" in name.replace("ECDHE-", "") or "ADH" in name for name in names), names
try:
    context.set_ciphers("DHE")
except puretls.SSLError as error:
    print(error.args[0])
try:
    context.set_groups("ffdhe2048")
except (ValueError, puretls.SSLError):
    print("no group")
context.set_groups("x25519")
""")
    assert said.split() == ["No", "cipher", "can", "be", "selected.", "no", "group"]


def test_parameters_of_a_server_are_read_and_not_used() -> None:
    said = without(f"""
context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
context.load_dh_params({str(Path(__file__).parent / "ffdhe2048.pem")!r})
try:
    context.load_dh_params({__file__!r})
except puretls.SSLError as error:
    print(error.reason)
""")
    assert said.split() == ["NO_START_LINE"]


def test_everything_imports() -> None:
    said = without("""
import importlib, pkgutil
for module in pkgutil.walk_packages(puretls.__path__, "puretls."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
from puretls.cli import main
main(["version"])
""")
    assert "puretls" in said
