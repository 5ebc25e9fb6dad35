"""What an exception that somebody keeps, in a list or in a report, keeps alive with it.

Its traceback has the frames that it came through, and their variables: no secret may be among them.
"""

from __future__ import annotations

import ast
import base64
import os
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import puretls
from puretls._base.outside import from_outside
from puretls._engine import server12, server13
from puretls.cli.certs import Authority
from support import Pki
from support.bios import ObjectPair, join
from support.ours import client_context, server_context

KEY = b"a very secret pre-shared key...."


def with_psk(pki: Pki, version: str, client_key: bytes) -> ObjectPair:
    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
    for context in (client, server):
        context.minimum_version = context.maximum_version = getattr(puretls.TLSVersion, version)
        context.set_ciphers("PSK")
    client.set_psk_client_callback(lambda _: ("me", client_key))
    server.set_psk_server_callback(lambda _: KEY)
    return join(client, server)


def variables(error: BaseException | None) -> Iterator[tuple[str, Any]]:
    """Those of all frames that the error, its cause and its context keep; only where they are ours."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            if frame.f_globals["__name__"].startswith("puretls"):
                yield from ((f"{frame.f_code.co_name}.{name}", value) for name, value in frame.f_locals.items())
            traceback = traceback.tb_next
        error = error.__cause__ or error.__context__


def kept(error: BaseException | None, secrets: set[bytes]) -> list[str]:
    named = [(name, value if isinstance(value, (tuple, list)) else (value,)) for name, value in variables(error)]
    return [name for name, values in named for one in values if isinstance(one, bytes) and one in secrets]


@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
def test_nor_where_a_mistake_of_ours_is_the_cause(pki: Pki, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """The lines that it came through are there for the report; what the variables were is not."""

    def broken(*arguments: Any) -> Any:
        raise KeyError(len(arguments))

    for module, name in ((server13, "compare_digest"), (server12, "psk_premaster")):
        monkeypatch.setattr(module, name, broken)
    error = with_psk(pki, version, b"another").shake().server.error
    assert isinstance(error, puretls.SSLError)
    assert isinstance(error.__cause__, KeyError)
    assert "broken" in "".join(format_exception(error))
    assert not kept(error, {KEY})


@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
def test_a_pre_shared_key_is_in_no_frame(pki: Pki, version: str) -> None:
    pair = with_psk(pki, version, b"another").shake()
    error = pair.server.error
    assert isinstance(error, puretls.SSLError)
    assert not kept(error, {KEY})


def test_nothing_is_left_in_what_a_frame_has_shown() -> None:
    """Before Python 3.13 `f_locals` is a copy, which would keep what is deleted from the variables later."""

    class Secret:
        pass

    def fails() -> None:
        secret = Secret()
        kept.append(weakref.ref(secret))
        try:
            int("none")
        except ValueError as error:
            whose.append(from_outside(error))
        del secret
        int("none")

    kept: list[weakref.ref[Secret]] = []
    whose: list[bool] = []
    with pytest.raises(ValueError, match="invalid literal"):
        fails()
    assert whose == [False]
    assert kept[0]() is None


# A key that was given in the place of its file's name, and is neither PEM nor DER

SIGNER = Authority("a")
OWN = {kind: SIGNER.issue("localhost", kind=kind) for kind in ("P-256", "Ed25519", "RSA")}
ENCODED = {kind: one.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for kind, one in OWN.items()}
SPOILED: dict[str, Callable[[bytes, bytes], Any]] = {
    "without the first dashes": lambda pem, _: pem[5:],
    "in small letters": lambda pem, _: pem.replace(b"BEGIN", b"begin"),
    "text": lambda pem, _: pem[5:].decode(),
    "without its first line": lambda pem, _: pem.split(b"\n", 1)[1],
    "Base64 in one line": lambda _, der: base64.b64encode(der),
    "Base64 as text": lambda _, der: base64.b64encode(der).decode(),
    "hexadecimal digits": lambda _, der: der.hex(),
    "cut off in front": lambda _, der: der[1:],
}
LOADERS: dict[str, Callable[[Any], Any]] = {
    "load_cert_chain": lambda key: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain("c.pem", key),
    "load_cert_chain, together": lambda key: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(key),
    "load_cert_chain, again": lambda key: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(
        "c.pem", key, reload=60
    ),
    "add_cert_chain": lambda key: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).add_cert_chain("c.pem", key),
    "load_raw_public_key": lambda key: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_raw_public_key(key),
    "load_ech_keys": puretls.load_ech_keys,
}


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("spoiled", SPOILED)
@pytest.mark.parametrize("kind", OWN)
def test_no_error_about_a_file_shows_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, spoiled: str, load: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.pem").write_bytes(OWN[kind].chain_pem)
    given = SPOILED[spoiled](OWN[kind].key_pem, ENCODED[kind])
    with pytest.raises((OSError, ValueError)) as caught:
        LOADERS[load](given)
    shown = "".join(format_exception(caught.value)) + repr(vars(caught.value)) + repr(caught.value)
    assert not hasattr(caught.value, "filename") or caught.value.filename is None
    piece = given[20:60] if isinstance(given, str) else given[20:60].decode("latin-1")
    assert piece not in shown
    assert repr(given[20:60]).strip("b'\"") not in shown


def test_a_file_that_is_not_there_has_its_name_in_the_error() -> None:
    for name in ("/nowhere/server.key", b"/nowhere/server.key", Path("/nowhere/M" + "i" * 60)):
        with pytest.raises(FileNotFoundError) as caught:
            puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(OWN["P-256"].chain_pem, name)
        assert caught.value.filename == os.fspath(name)


@pytest.mark.parametrize("kind", OWN)
def test_a_key_in_der_is_no_name(kind: str) -> None:
    """Those of Ed25519 are short."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(OWN[kind].chain_pem, ENCODED[kind])
    context.load_raw_public_key(ENCODED[kind])


def within(value: Any, seen: set[int]) -> Iterator[bytes]:
    """The bytes that something of ours holds; not the settings, nor the session, which the program may ask for."""
    if id(value) in seen or type(value).__name__ in ("SSLContext", "Config", "Session"):
        return
    seen.add(id(value))
    if isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value)
    elif isinstance(value, list | tuple | deque):
        for one in list(value)[:50]:
            yield from within(one, seen)
    elif type(value).__module__.startswith("puretls"):
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        for name in (*slots, *getattr(value, "__dict__", ())):
            with suppress(AttributeError):
                yield from within(getattr(value, name), seen)


FATAL = b"\2\x32"
ENDS: dict[str, Callable[[Any, Any], bytes]] = {  # what arrives, of the peer's records
    "a fatal alert": lambda records, _: records.outbound.sealer.seal(21, FATAL),
    "a broken record": lambda *_: b"\x17\3\3\0\x20" + bytes(32),
    "a message that nobody expects": lambda records, _: records.outbound.sealer.seal(22, b"\x14\0\0\0"),
    "a KeyUpdate and a fatal alert": lambda records, _: (
        records.outbound.sealer.seal(22, b"\x18\0\0\1\1") + records.outbound.sealer.seal(21, FATAL)
    ),
}


@pytest.mark.parametrize("victim", ["client", "server"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("version", ["TLSv1_3", "TLSv1_2"])
def test_no_secret_of_the_connection_is_kept(pki: Pki, tmp_path: Path, version: str, end: str, victim: str) -> None:
    """Whoever keeps the error keeps the connection; what could open its records is not there any more."""
    log = tmp_path / "keys"
    client, server = client_context(puretls, pki), server_context(puretls, pki)
    client.maximum_version = getattr(puretls.TLSVersion, version)
    client.keylog_filename = log
    pair = join(client, server).ok()
    client.keylog_filename = None
    secrets = [bytes.fromhex(line.split()[2]) for line in log.read_text().splitlines() if len(line.split()) == 3]
    assert secrets
    side, peer = (pair.client, pair.server) if victim == "client" else (pair.server, pair.client)
    side.incoming.write(ENDS[end](peer.obj._sslobj._conn.records, version))
    with pytest.raises(puretls.SSLError) as caught:
        side.obj.read(1)
    side.outgoing.read()
    seen: set[int] = set()
    held = [(name, data) for name, value in variables(caught.value) for data in within(value, seen)]
    assert held
    assert not [name for name, data in held if any(secret in data for secret in secrets)]


def test_no_error_is_in_a_circle_with_its_traceback() -> None:
    """`raise name` of a variable: its frame holds the error, whose traceback holds the frame, until a collector comes.

    A name of `except ... as name` goes by itself; any other has to be deleted as the error leaves.
    """
    source = Path(puretls.__file__).parent
    found = []
    for path in source.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        above = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id[0].islower():
                outer = [node, *_outward(node, above)]
                if not any(_lets_go(one, node.exc.id) for one in outer):
                    found.append(f"{path.relative_to(source)}:{node.lineno}")
    assert found == []


def _outward(node: ast.AST, above: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in above and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node = above[node]
        yield node


def _lets_go(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.ExceptHandler):
        return node.name == name
    deletions = (
        one for part in getattr(node, "finalbody", ()) for one in ast.walk(part) if isinstance(one, ast.Delete)
    )
    return any(getattr(target, "id", "") == name for one in deletions for target in one.targets)
