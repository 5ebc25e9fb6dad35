"""inject_into_ssl() and extract_from_ssl(): each test is a program of its own, so that nothing leaks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import puretls
from support import PATIENCE, Pki

pytest.importorskip("ssl")

TALK = """
import socket, sys, threading
CA, CHAIN, KEY = sys.argv[1:4]

def contexts(tls):
    server = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(CHAIN, KEY)
    client = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(CA)
    return client, server

def talk(client, server):
    "A handshake and a word each way, over sockets; the class of the client's socket."
    ours, theirs = socket.socketpair()
    ours.settimeout(10), theirs.settimeout(10)
    def serve():
        with server.wrap_socket(theirs, server_side=True) as sock:
            sock.sendall(sock.recv(9).upper())
    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(ours, server_hostname="localhost") as sock:
        sock.sendall(b"word")
        assert sock.recv(9) == b"WORD"
    thread.join()
    return type(sock)

def talk_bio(client, server, MemoryBIO):
    a, b = MemoryBIO(), MemoryBIO()
    c = client.wrap_bio(a, b, server_hostname="localhost")
    s = server.wrap_bio(b, a, server_side=True)
    for step in (c, s, c, s):
        try:
            step.do_handshake()
        except OSError as error:
            assert error.errno == 2, error
    c.write(b"word")
    assert s.read(9) == b"word"
    return type(c)
"""


@pytest.fixture
def program(pki: Pki, tmp_path: Path):
    """Runs a program that may use `contexts`, `talk` and `talk_bio`; what it prints."""

    def run(code: str, *command: str) -> str:
        script = tmp_path / "program.py"
        script.write_text(TALK + textwrap.dedent(code))
        done = subprocess.run(
            [sys.executable, *command, script, pki.ca, pki.chain("P-256"), pki.key("P-256")],
            capture_output=True,
            text=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_program_gets_ours_and_then_its_own_again(program):
    program("""
        import ssl, puretls
        before = dict(vars(ssl))
        methods = {c: dict(vars(c)) for c in (ssl.SSLContext, ssl.SSLSocket, ssl.SSLObject)}

        puretls.inject_into_ssl()
        assert ssl.SSLContext is puretls.SSLContext and ssl.create_default_context is puretls.create_default_context
        assert ssl.OPENSSL_VERSION.endswith("(puretls " + puretls.__version__ + ")"), ssl.OPENSSL_VERSION
        assert ssl.SSLError is before["SSLError"] and ssl.Options is before["Options"] and ssl.HAS_PSK_TLS13
        assert type(ssl.create_default_context()) is puretls.SSLContext
        assert type(ssl._create_default_https_context()) is type(ssl._create_stdlib_context()) is puretls.SSLContext
        made = contexts(ssl)
        assert talk(*made) is ssl.SSLSocket is puretls.SSLSocket
        assert talk_bio(*made, ssl.MemoryBIO) is ssl.SSLObject is puretls.SSLObject
        assert isinstance(ssl.MemoryBIO(), ssl.MemoryBIO) and all(isinstance(c, ssl.SSLContext) for c in made)

        puretls.extract_from_ssl()
        assert dict(vars(ssl)) == before
        assert all(dict(vars(c)) == then for c, then in methods.items())
        assert talk(*contexts(ssl)) is ssl.SSLSocket
        assert talk(*made) is puretls.SSLSocket
    """)


def test_what_was_captured_before(program):
    program("""
        from ssl import PROTOCOL_TLS_SERVER, SSLContext, SSLSocket, create_default_context
        class Mine(SSLContext):
            pass
        import puretls
        puretls.inject_into_ssl()
        assert type(SSLContext(PROTOCOL_TLS_SERVER)) is puretls.SSLContext
        assert type(create_default_context()) is puretls.SSLContext
        assert type(Mine(PROTOCOL_TLS_SERVER)) is Mine
        import ssl
        class Newer(ssl.SSLContext):
            pass
        assert isinstance(Newer(PROTOCOL_TLS_SERVER), SSLContext) and issubclass(Newer, SSLContext)
        assert not isinstance(SSLContext(PROTOCOL_TLS_SERVER), Newer)
        puretls.extract_from_ssl()
        assert type(SSLContext(PROTOCOL_TLS_SERVER)) is SSLContext is ssl.SSLContext
    """)


def test_contexts_made_before_go_on(program):
    """Setters of the interpreter's contexts look their class up by its name in `ssl`, which is another one by then."""
    program("""
        import ssl, sys
        class Sub(ssl.SSLContext):
            pass
        old, sub, interpreters = contexts(ssl), Sub(ssl.PROTOCOL_TLS_SERVER), ssl.SSLSocket
        import puretls
        assert not isinstance(old[0], puretls.SSLContext)
        puretls.inject_into_ssl()
        for context in (*old, sub):
            context.options |= ssl.OP_NO_TICKET
            assert ssl.OP_NO_TICKET in context.options
            context.verify_flags |= ssl.VERIFY_X509_STRICT
            assert ssl.VERIFY_X509_STRICT in context.verify_flags
            mode = context.verify_mode
            context.verify_mode = ssl.CERT_REQUIRED
            assert context.verify_mode is ssl.CERT_REQUIRED
            context.verify_mode = mode
            for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
                context.minimum_version = version
                assert context.minimum_version is version
            context.maximum_version = ssl.TLSVersion.TLSv1_3
            assert context.maximum_version is ssl.TLSVersion.TLSv1_3
            seen = []
            context._msg_callback = lambda *args: seen.append(args)
            assert context._msg_callback
            context._msg_callback = None
            if context.protocol == ssl.PROTOCOL_TLS_SERVER:
                context.sni_callback = lambda *args: None
                assert context.sni_callback
            context.hostname_checks_common_name = False
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            assert isinstance(context, ssl.SSLContext) and issubclass(type(context), ssl.SSLContext)
        assert talk(*old) is interpreters and issubclass(interpreters, ssl.SSLSocket)
        talk_bio(*old, ssl.MemoryBIO)
        new = contexts(ssl)
        assert talk(old[0], new[1]) is interpreters and talk(new[0], old[1]) is puretls.SSLSocket
        puretls.extract_from_ssl()
        assert not isinstance(old[0], puretls.SSLContext)
    """)


def test_again_and_from_threads(program):
    program("""
        import ssl, threading
        original, names = ssl.SSLContext, dict(vars(ssl))
        import puretls
        def flip(n):
            for _ in range(30):
                (puretls.inject_into_ssl, puretls.extract_from_ssl)[n % 2]()
                assert ssl.SSLContext in (original, puretls.SSLContext)
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).options |= ssl.OP_NO_TICKET
        threads = [threading.Thread(target=flip, args=(n,)) for n in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        puretls.inject_into_ssl(), puretls.inject_into_ssl()
        assert ssl.SSLContext is puretls.SSLContext
        puretls.extract_from_ssl(), puretls.extract_from_ssl()
        assert dict(vars(ssl)) == names
    """)


def test_libraries_that_keep_a_class_or_a_context(program):
    """Stand-ins with the names that urllib3, requests and aiohttp have; the real ones are in tests/ecosystem."""
    program("""
        import ssl, types, sys
        def library(name, **names):
            sys.modules[name] = module = types.ModuleType(name)
            vars(module).update(names)
            return module
        make = lambda verified: ssl.create_default_context()
        util = library("urllib3.util.ssl_", SSLContext=ssl.SSLContext)
        connector = library("aiohttp.connector", _make_ssl_context=make, _SSL_CONTEXT_VERIFIED=make(True))
        adapters = library("requests.adapters", _preloaded_ssl_context=None)  # one that could not make it
        kept = connector._SSL_CONTEXT_VERIFIED
        import puretls
        puretls.inject_into_ssl()
        late = library("botocore.httpsession", SSLContext=ssl.SSLContext)
        assert util.SSLContext is puretls.SSLContext and adapters._preloaded_ssl_context is None
        assert type(connector._SSL_CONTEXT_VERIFIED) is puretls.SSLContext
        puretls.extract_from_ssl()
        assert util.SSLContext is late.SSLContext is ssl.SSLContext and connector._SSL_CONTEXT_VERIFIED is kept
    """)


def test_a_failure_changes_nothing(program):
    program("""
        import ssl, types, sys
        names = dict(vars(ssl))
        sys.modules["aiohttp.connector"] = module = types.ModuleType("aiohttp.connector")
        module._SSL_CONTEXT_VERIFIED = ssl.create_default_context()  # and nothing to make another with
        import puretls
        try:
            puretls.inject_into_ssl()
        except AttributeError:
            pass
        else:
            raise AssertionError
        assert dict(vars(ssl)) == names and type(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)) is ssl.SSLContext
    """)


def test_the_standard_library_follows(program):
    program("""
        import asyncio, http.client, ssl, puretls
        puretls.inject_into_ssl()
        assert type(http.client.HTTPSConnection("localhost")._context) is puretls.SSLContext
        client, server = contexts(ssl)
        async def main():
            async def answer(reader, writer):
                assert type(writer.get_extra_info("sslcontext")) is puretls.SSLContext
                writer.write((await reader.readline()).upper())
                writer.close()
            listening = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server)
            port = listening.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
            writer.write(b"word\\n")
            assert await reader.read() == b"WORD\\n"
            writer.close()
            listening.close()
        asyncio.run(main())
    """)


def test_an_interpreter_without_ssl(program):
    """There is nothing to replace: `import ssl` finds us."""
    program("""
        import sys
        for name in ("ssl", "_ssl"):
            sys.modules[name] = None  # ImportError, as where OpenSSL was missing
        import puretls
        try:
            import ssl
        except ImportError:
            puretls.inject_into_ssl()
        else:
            raise AssertionError
        import ssl, _ssl, http.client
        assert ssl is puretls and _ssl is puretls._ssl
        assert talk(*contexts(ssl)) is puretls.SSLSocket and issubclass(ssl.SSLError, OSError)
        assert type(http.client.HTTPSConnection("localhost")._context) is puretls.SSLContext
        puretls.extract_from_ssl()
        assert sys.modules["ssl"] is None
    """)


def test_run_a_script(program):
    """Any program, unchanged, with its own arguments."""
    code = """
        import ssl
        print(__name__, sys.argv[0].endswith("program.py"), len(sys.argv), ssl.SSLContext.__module__.split(".")[0])
        talk(*contexts(ssl))
    """
    assert program(code, "-m", "puretls", "run") == "__main__ True 4 puretls\n"
    assert program(code).endswith(" ssl\n")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["-m", "calendar", "--type", "text", "2026"], 0, "December"),
        (["-c", "pass"], 2, "-c"),
        ([], 2, "which program"),
        (["-m", "no_such_module_anywhere"], 1, "no_such_module_anywhere"),
    ],
)
def test_run_a_module(arguments, status, says, tmp_path):
    command = [sys.executable, "-m", "puretls", "run", *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=PATIENCE,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(puretls.__file__).parents[1])},  # it may be relative to here
    )
    assert done.returncode == status, done.stderr
    assert says in done.stdout + done.stderr


def test_run_with_resumption(program):
    """Contexts of the program share one cache, and it knows nothing of it."""
    code = """
        import socket, ssl, threading
        _, server = contexts(ssl)
        seen = []
        for _ in range(3):
            client, _ = contexts(ssl)
            a, b = socket.socketpair()
            def serve():
                with server.wrap_socket(b, server_side=True) as tls:
                    seen.append(tls.session_reused)
                    tls.sendall(b"x")
                    tls.recv(1)
            thread = threading.Thread(target=serve)
            thread.start()
            with client.wrap_socket(a, server_hostname="localhost") as tls:
                tls.recv(1)
            thread.join()
        print(seen)
    """
    assert program(code, "-m", "puretls", "run", "--resume") == "[False, True, True]\n"
    assert program(code, "-m", "puretls", "run") == "[False, False, False]\n"


MAKERS = """
import http.client, urllib.request, smtplib, ftplib, asyncio.sslproto, logging.handlers
def made(tls, std):
    found = {
        "SSLContext": tls.SSLContext(tls.PROTOCOL_TLS_CLIENT),
        "create_default_context": tls.create_default_context(cafile=CA),
        "for servers": tls.create_default_context(tls.Purpose.CLIENT_AUTH),
        "_create_default_https_context": tls._create_default_https_context(),
        "_create_unverified_context": tls._create_unverified_context(),
        "_create_stdlib_context": tls._create_stdlib_context(),
    }
    if std:
        found["http.client"] = http.client.HTTPSConnection("localhost")._context
        found["asyncio"] = asyncio.sslproto._create_transport_context(False, "localhost")
    return found
def classes(tls, std=True):
    return {name: type(context).__name__ for name, context in made(tls, std).items()}
def replaced(tls, std=True):
    before = tls.SSLContext
    class Theirs(before):
        "As truststore's and mocket's."
    tls.SSLContext = Theirs
    try:
        return classes(tls, std)
    finally:
        tls.SSLContext = before
"""


@pytest.mark.parametrize("injected", [True, False])
def test_a_class_that_replaces_ours_is_what_ready_made_contexts_are_of(program, injected):
    """truststore, mocket and unittest.mock put a class of theirs where `ssl.SSLContext` is."""
    inject, tls = ("puretls.inject_into_ssl()", "ssl") if injected else ("", "puretls")
    program(
        f"import puretls, ssl\n{inject}\n{MAKERS}"
        + textwrap.dedent(f"""
            assert set(replaced({tls}, {injected}).values()) == {{"Theirs"}}, replaced({tls}, {injected})
            assert set(classes({tls}, {injected}).values()) == {{"SSLContext"}}
            puretls.extract_from_ssl()
            assert all(type(context).__module__ == "ssl" for context in made(ssl, True).values())
        """)
    )


def test_what_a_function_of_ssl_finds_in_its_module(program):
    """get_server_certificate() goes through what is in the module now, as mocks expect."""
    program("""
        import puretls
        puretls.inject_into_ssl()
        import ssl, unittest.mock
        asked = []
        with unittest.mock.patch("ssl.create_connection", side_effect=OSError("mocked")):
            try:
                ssl.get_server_certificate(("localhost", 1))
            except OSError as error:
                assert str(error) == "mocked", error
        with unittest.mock.patch("ssl._create_stdlib_context") as made, unittest.mock.patch("ssl.create_connection"):
            made.return_value.wrap_socket.return_value.__enter__.return_value.getpeercert.return_value = b"der"
            assert "BEGIN CERTIFICATE" in ssl.get_server_certificate(("localhost", 1))
            made.assert_called_once()
    """)


@pytest.mark.parametrize("when", ["before puretls is imported", "before it is injected"])
def test_sockets_that_are_none_are_one_clear_error(program, when):
    """eventlet's are no subclass of the interpreter's: patched first, nothing of ours could work with them."""
    done = program(f"""
        import socket, ssl
        first = {when.startswith("before it")}
        if first:
            import puretls
        class GreenSocket:
            def __init__(self, *args, **kwargs): self.fd = None
        real, socket.socket = socket.socket, GreenSocket
        import puretls
        before = ssl.SSLContext
        for attempt in (puretls.inject_into_ssl, puretls.inject_into_ssl):
            try:
                attempt()
            except RuntimeError as error:
                print(error)
        assert ssl.SSLContext is before
        socket.socket = real
    """)
    assert done.count("before") >= 2
    assert "eventlet" in done
