"""What `import puretls` loads, and what waits until somebody needs it: every program pays for an import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls.cli.contenders import prepare

AT_ONCE = {  # what defines the constants and the exceptions
    "puretls",
    "puretls._api",
    *(f"puretls._api.{name}" for name in ("enums", "errors", "names", "native", "types", "version")),
    "puretls._base",
    *(f"puretls._base.{name}" for name in ("faults", "public", "registry", "tuples")),
}
OLDER = {
    "puretls._engine.client12",
    "puretls._engine.handshake12",
    "puretls._engine.server12",
    "puretls._record.cbc",
    "puretls._record.protection12",
    "puretls._wire.messages12",
}
ROLES = {f"puretls._engine.{role}{what}" for role in ("client", "server") for what in ("_start", "12", "13")}
LATER = {  # than the first context
    "puretls._analysis",
    "puretls._api.fetcher",
    "puretls._api.inject",
    "puretls._api.private",
    "puretls._api.removed",
    "puretls._x509.published",
    "puretls.asyncio",
    "puretls.cli",
}
OF_FEATURES = {  # which a setting or a call asks for
    *(f"puretls._api.{name}" for name in ("client_hello", "credentials", "crlite", "dh_file", "ech", "keys", "ocsp")),
    *(f"puretls._api.{name}" for name in ("operations", "pkcs11", "reloading", "secret_files", "transparency")),
    *(f"puretls._base.{name}" for name in ("iana",)),
    *(f"puretls._crypto.{name}" for name in ("hpke",)),
    *(f"puretls._engine.{name}" for name in ("ech_client", "ech_config", "ech_confirmation")),
    *(f"puretls._wire.{name}" for name in ("compression", "ja4", "svcb")),
    *(
        f"puretls._x509.{name}"
        for name in ("anchors", "crl", "crlite", "ocsp", "raw_key", "revocation", "transparency")
    ),
    *(f"puretls._x509.{name}" for name in ("transparency", "verify", "webpki")),
    "cryptography.hazmat.primitives.serialization",  # 5 ms
    "cryptography.x509.ocsp",
}
MOST = {"puretls": 160, "cryptography": 60}  # modules: each takes about 0.3 ms, with what it makes
STANDARD = {
    "argparse",
    "asyncio",
    "calendar",
    "email.message",
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


def test_an_import_loads_the_constants_and_the_exceptions() -> None:
    """Whatever only some programs need waits for them, and so does all of `cryptography`."""
    code = """
import ssl, sys, typing
before = set(sys.modules)  # coverage.py may be here, too
import puretls
print(*set(sys.modules) - before)
"""
    found = set(printed(code))
    assert {name for name in found if name.partition(".")[0] in ("puretls", "cryptography")} == AT_ONCE
    assert {name.partition(".")[0] for name in found - AT_ONCE} <= {"__future__", "importlib"}


def test_an_import_compiles_no_annotation() -> None:
    """Python's compiler, called from Python, first makes a class for each node of a syntax tree: three milliseconds."""
    code = """
import builtins, ssl, sys
import puretls  # writes the bytecode, if there is none
for name in [name for name in sys.modules if name.partition(".")[0] == "puretls"]:
    del sys.modules[name]
plain, texts = builtins.compile, []

def compile(text, *rest, **options):
    if isinstance(text, str):
        texts.append(text)
    return plain(text, *rest, **options)

builtins.compile = compile
import puretls
builtins.compile = plain
assert not texts, texts
"""
    assert not printed(code)


def test_what_a_context_leaves_alone() -> None:
    code = """
import ssl, sys
from cryptography import x509
from cryptography.hazmat import asn1
before = set(sys.modules)  # what these need differs from Python to Python
import puretls
puretls.create_default_context()
print(*set(sys.modules) - before)
"""
    found = set(printed(code))
    assert "puretls._engine.connection" in found
    assert not (STANDARD | LATER) & found


def test_a_client_loads_no_more_than_it_needs() -> None:
    """What is added to a client's first context is paid by every program: raise these numbers only for what all of them
    need.
    """
    found = printed("import sys, puretls; puretls.create_default_context(); print(*sys.modules)")
    theirs = printed("import sys, cryptography.x509; print(*sys.modules)")  # older versions load more by themselves
    assert not (OF_FEATURES - set(theirs)) & set(found)
    counted = {package: sum(name.partition(".")[0] == package for name in found) for package in MOST}
    assert all(counted[package] <= most for package, most in MOST.items()), counted


def test_a_context_that_fetches_issuers_has_loaded_how() -> None:
    code = """
import sys, puretls
context = puretls.create_default_context()
context.aia = {aia}
print(*sys.modules)
"""
    reading, fetching = "puretls._x509.published", "puretls._api.fetcher"
    assert {reading, fetching} <= set(printed(code.format(aia=True)))
    assert {reading, fetching} & set(printed(code.format(aia="lambda url: b''"))) == {reading}


def test_names_that_are_loaded_later_are_those_that_type_checkers_see() -> None:
    """Two lists of the same names and places: imports for type checkers, a table for the interpreter."""
    of_some_systems = {"enum_certificates", "enum_crls", "RAND_pseudo_bytes", "match_hostname", "wrap_socket"}
    for module in (puretls, puretls._ssl):
        seen: dict[str, Any] = {}
        for node in ast.parse(Path(str(module.__file__)).read_text("utf-8")).body:
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                exec(compile(ast.Module(node.body, []), str(module.__file__), "exec"), seen)
        seen.pop("__builtins__")
        assert set(seen) > {"MemoryBIO", "RAND_bytes", "SSLSession"}
        assert set(module._LATER) - of_some_systems == set(seen)
        assert [name for name, thing in seen.items() if getattr(module, name) is not thing] == []


def test_every_name_can_be_had_by_any_way() -> None:
    """By a star, by `from`, by getattr(), in a fresh interpreter each; none of them is a name that is not there."""
    names = "print(*sorted(name for name in dir() if not name.startswith('__')))"
    star = set(printed(f"from puretls import *; {names}"))
    assert star == set(puretls.__all__)
    some = "CRLite, MemoryBIO, SSLContext, SSLSocket, _create_unverified_context, _ssl, verify_chain"
    assert printed(f"from puretls import {some}; {names}") == sorted(some.split(", "))
    code = """
import puretls
print(*[name for name in (*puretls.__all__, *puretls._LATER) if getattr(puretls, name, puretls) is puretls])
print(hasattr(puretls, "SSLContex"), hasattr(puretls, "cli"), hasattr(puretls._ssl, "nothing"))
"""
    assert printed(code) == ["False"] * 3


def test_classes_say_that_they_are_ours_however_they_are_reached() -> None:
    """They are not made so by asking the package for them: sockets and sessions come from contexts."""
    code = """
import puretls
from puretls._api import crlite, helpers, inject, lists, ocsp, sslobject
things = sslobject.SSLObject, helpers.verify_chain, lists.get_sigalgs, ocsp.OCSPResult, crlite.CRLiteStatus
print(*{thing.__module__ for thing in things}, *set(vars(puretls)) & {thing.__name__ for thing in things})
"""
    assert printed(code) == ["puretls"]


def test_threads_that_ask_at_once_get_the_same() -> None:
    code = """
import threading, puretls
names, found, start = sorted(puretls._LATER), {}, threading.Barrier(8)

def ask(number):
    start.wait()
    for name in names[number:] + names[:number]:
        found.setdefault(name, set()).add(id(getattr(puretls, name)))

threads = [threading.Thread(target=ask, args=[4 * number]) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found) - len(names), {len(ids) for ids in found.values()})
"""
    assert printed(code) == ["0", "{1}"]


@pytest.mark.parametrize("arguments", ["--help", "run --help"])
def test_the_command_explains_itself_without_an_engine(arguments: str) -> None:
    code = f"""
import ssl, sys
sys.argv = ["puretls", *{arguments.split()}]
from puretls.cli import main
try:
    main()
finally:
    print("LOADED", *sys.modules)
"""
    found = printed(code)
    loaded = set(found[found.index("LOADED") :])
    assert "puretls.cli" in loaded
    assert not {name for name in loaded if name.startswith(("cryptography", "puretls._engine", "importlib.metadata"))}


def test_a_program_that_is_run_need_not_have_asyncio(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import ssl, sys; print(ssl.OPENSSL_VERSION_INFO, 'asyncio' in sys.modules)", "utf-8")
    code = "import sys; sys.argv = ['puretls', 'run', sys.argv[1]]; from puretls.cli import main; main()"
    assert printed(code, program) == ["(3,", "0,", "0,", "0,", "0)", "False"]


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
print(*set(sys.modules) - before)
"""
    assert not printed(code, tmp_path)


FEATURES = {  # what is set on the client's context and on the server's, and what a connection shows for it
    "revocation lists": ("server.verify_flags |= tls.VERIFY_CRL_CHECK_LEAF", "'CRL' in str(error)"),
    "revocation lists for a chain": ("server.verify_flags |= tls.VERIFY_CRL_CHECK_CHAIN", "'CRL' in str(error)"),
    "OCSP": ("client.request_ocsp, client.ocsp_policy = True, tls.OCSPPolicy.REQUIRE", "'OCSP' in str(error)"),
    "stapling": ("server.ocsp_response = lambda connection: None; client.request_ocsp = True", "error is None"),
    "timestamps": (
        "client.request_sct, client.ct_policy = True, tls.CTPolicy(tls.CTLogs())",
        "error",
    ),
    "ECH": (
        (
            "config, key = tls.make_ech_config('localhost'); keys = [tls.ECHKey(config, key)]; "
            "server.set_ech_keys(keys); client.set_ech_config(tls.ECHConfig(config).config_list)"
        ),
        "one.tls.get_ech_status() == tls.ECH_STATUS_SUCCESS",
    ),
    "raw public keys": (
        (
            "server.load_raw_public_key(files.of('P-256.key')); client.check_hostname = False; "
            "client.server_certificate_types = ['raw']"
        ),
        "'Raw' in str(error)",
    ),
    "compressed certificates": (
        "[context.set_cert_compression(['zlib']) for context in (client, server)]",
        "one.tls.cert_compression() == 'zlib'",
    ),
    "a cache of sessions": ("client.client_session_cache = tls.SessionCache()", "one.tls.session_reused"),
    "a look at the hello": (
        "server.sni_callback = lambda connection, *_: print(end=connection.client_hello.ja4[:0])",
        "not error",
    ),
    "a choice of protocols": (
        "server.set_alpn_select_callback(lambda _, found: found[-1]); client.set_alpn_protocols(['a', 'b'])",
        "one.tls.selected_alpn_protocol() == 'b'",
    ),
    "the public web": ("client.verify_profile = 'webpki'", "client.verify_profile"),
    "a judge": ("client.verify_callback = lambda connection, *_: False", "error"),
}


@pytest.mark.parametrize("feature", FEATURES)
def test_a_setting_loads_what_its_connections_need(feature: str, tmp_path: Path) -> None:
    """Each feature waits for the setting that switches it on, and no longer."""
    prepare(tmp_path, "P-256")
    settings, shown = FEATURES[feature]
    code = f"""
import sys
from puretls.cli.contenders import Case, Files, Module
from puretls.cli.workloads import shake

library, files = Module("puretls"), Files(sys.argv[1])
tls = library.module
client, server = (library.context(files, Case(mutual=True), server=role) for role in (False, True))
{settings}
before = set(sys.modules)
for _ in range(2):
    one, other = library.side(client, server=False), library.side(server, server=True)
    error = None
    try:
        shake(one, other)
        other.write(b"x")
        one.give(other.take())
        one.read(1)
    except tls.SSLError as failure:
        error = failure
assert {shown}, error
print(*set(sys.modules) - before)
"""
    assert not printed(code, tmp_path)
