"""install(): every loop serves contexts of puretls by SSLTransport, and uninstall() puts everything back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from support import Pki

PROGRAM = """
import asyncio, sys
from typing import Any

CHAIN, KEY, CA = {files!r}

def contexts(ssl):
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    server.load_cert_chain(CHAIN, KEY)
    client.load_verify_locations(CA)
    return server, client

async def serve(reader, writer):
    writer.write(await reader.readline())
    served.append(type(writer.transport).__module__)
    writer.close()

async def exchange(ssl, client=None):
    server_context, client_context = contexts(ssl)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_context)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("localhost", port, ssl=client or client_context)
    served.append(type(writer.transport).__module__)
    writer.write(b"line\\n")
    assert await reader.read() == b"line\\n"
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()

def run(*args):
    served.clear()
    loop = new_loop()
    try:
        loop.run_until_complete(exchange(*args))
    finally:
        loop.close()
    return set(served)

def new_loop():
    if {uvloop}:
        import uvloop
        return uvloop.new_event_loop()
    return asyncio.new_event_loop()

served: list[Any] = []
OURS, OLD = {{"puretls.asyncio.transport"}}, {{"uvloop.loop" if {uvloop} else "asyncio.sslproto"}}
"""


def program(pki: Pki, text: str, *, uvloop: bool, before: str = "", env: dict[str, str] | None = None) -> None:
    """Run it in a process of its own; `before` comes before asyncio is imported."""
    files = str(pki.chain("P-256")), str(pki.key("P-256")), str(pki.ca)
    code = textwrap.dedent(before) + PROGRAM.format(files=files, uvloop=uvloop) + textwrap.dedent(text)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False, env=env
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.fixture(params=["asyncio", "uvloop"])
def uvloop(request: pytest.FixtureRequest) -> bool:
    """Whether the program runs uvloop's loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return bool(request.param == "uvloop")


@pytest.mark.parametrize("early", [True, False])
def test_both_kinds_of_contexts(pki: Pki, uvloop: bool, early: bool) -> None:
    """Installed before or after asyncio and uvloop were imported; contexts of `ssl` go the old way."""
    install = "import puretls, puretls.asyncio\npuretls.asyncio.install()\npuretls.asyncio.install()\n"
    program(
        pki,
        f"""
        import ssl, asyncio.sslproto
        {"new_loop().close()" if not early else ""}
        {"" if early else install.replace(chr(10), "; ")}
        assert run(puretls) == OURS
        assert run(ssl) == OLD
        puretls.asyncio.uninstall()
        assert run(puretls) == OLD
        assert run(ssl) == OLD
        puretls.asyncio.uninstall()
        assert type(asyncio.sslproto.SSLProtocol) is type
        assert not [one for one in sys.meta_path if type(one).__module__.startswith("puretls")]
        puretls.asyncio.install()
        assert run(puretls) == OURS
        """,
        uvloop=uvloop,
        before=install if early else "",
    )


@pytest.mark.parametrize("explicit", ["", "puretls.asyncio.install()\n"])
def test_injected(pki: Pki, uvloop: bool, explicit: str) -> None:
    """`import ssl` means puretls, and `ssl=True` as well; loops need no word more."""
    program(
        pki,
        """
        import os, ssl
        os.environ["SSL_CERT_FILE"] = CA
        assert run(ssl) == OURS
        assert run(ssl, True) == OURS
        puretls.asyncio.uninstall()
        assert run(ssl) == OLD
        """,
        uvloop=uvloop,
        before="import puretls, puretls.asyncio\npuretls.inject_into_ssl()\n" + explicit,
    )


def test_injected_without(pki: Pki, uvloop: bool) -> None:
    """The loops keep their own layers, until install(); who has called that calls uninstall()."""
    program(
        pki,
        """
        import ssl
        assert run(ssl) == OLD
        puretls.asyncio.install()
        assert run(ssl) == OURS
        puretls.inject_into_ssl()
        puretls.extract_from_ssl()
        assert run(puretls) == OURS
        puretls.asyncio.uninstall()
        assert run(puretls) == OLD
        puretls.inject_into_ssl()
        assert run(puretls) == OURS
        puretls.extract_from_ssl()
        assert run(puretls) == OLD
        assert not [one for one in sys.meta_path if type(one).__module__.startswith("puretls")]
        """,
        uvloop=uvloop,
        before="import sys, puretls, puretls.asyncio\npuretls.inject_into_ssl(asyncio=False)\n",
    )


def test_install_imports_nothing_that_the_program_does_not(pki: Pki) -> None:
    code = "import sys, puretls.asyncio\npuretls.asyncio.install()\nassert 'asyncio' not in sys.modules\n"
    program(pki, "", uvloop=False, before=code)


def test_subclasses_and_isinstance(pki: Pki) -> None:
    """Who derives from asyncio's class gets its own; what we make counts as an instance of it."""
    program(
        pki,
        """
        from asyncio import sslproto

        class Own(sslproto.SSLProtocol):
            pass

        async def work():
            loop, context = asyncio.get_running_loop(), contexts(puretls)[1]
            ours = sslproto.SSLProtocol(loop, asyncio.Protocol(), context, None, False, "localhost")
            assert type(ours) is puretls.asyncio.SSLTransport
            assert isinstance(ours, sslproto.SSLProtocol)
            own = Own(loop, asyncio.Protocol(), context, None, False, "localhost")
            assert type(own) is Own
            assert isinstance(own, sslproto.SSLProtocol) and not isinstance(ours, Own)
            assert not isinstance(5, sslproto.SSLProtocol)
            for one in (ours, own._app_transport):
                one.close() if one is ours else setattr(one, "_closed", True)

        asyncio.run(work())
        """,
        uvloop=False,
        before="import puretls, puretls.asyncio\npuretls.asyncio.install()\n",
    )


@pytest.mark.parametrize("option", ["", "--no-asyncio"])
def test_puretls_run(pki: Pki, uvloop: bool, tmp_path: Path, option: str) -> None:
    files = str(pki.chain("P-256")), str(pki.key("P-256")), str(pki.ca)
    script = tmp_path / "program.py"
    script.write_text(
        PROGRAM.format(files=files, uvloop=uvloop)
        + f"import ssl\nassert run(ssl) == {'OLD' if option else 'OURS'}\nprint('done')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "puretls", "run", *option.split(), str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
