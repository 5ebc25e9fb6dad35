"""Small things that programs look at: arguments that are wrong, names, types and modules of what is public."""

from __future__ import annotations

import inspect
import pickle
import ssl
import subprocess
import sys
import typing
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import puretls
import puretls.asyncio
from support import Pki
from support.bios import described, join
from support.ours import client_context, server_context

RANDOM: dict[str, tuple[Any, ...]] = {
    repr(args): args
    for args in (
        (b"x", 1.0), ("x", 1), (bytearray(b"x"), 1), ("a\0b", -1.0), (b"x", True), ("\xe9", 1.0), (b"x", 10**400),
        (1, "x"), (1, 1.0), (None, None), (b"x", None), (b"x",), (b"x", 1, 2), (), ([], 1), (b"x", 1j), ("x", "1"),
        (b"x", "1.5"), (b"x", b"1"), ("\udc80", 1.0), ("\udc80", "x"),
    )
} | {"a view": (memoryview(b"x"), 0), "a view with gaps": (memoryview(b"abcd")[::2], 1.0)}  # fmt: skip


@pytest.mark.parametrize("args", RANDOM.values(), ids=RANDOM)
def test_rand_add_takes_what_ssl_takes(args: tuple[Any, ...]) -> None:
    """Text and bytes, and a number; never text for the number."""

    def one(tls: ModuleType) -> Any:
        try:
            return tls.RAND_add(*args)
        except Exception as error:  # noqa: BLE001  # the test compares it
            return type(error).__name__

    assert one(puretls) == one(ssl)


class Text(str):
    """Text of another class."""

    __slots__ = ()


@pytest.mark.parametrize(
    "kind",
    [
        None,
        1,
        b"tls-unique",
        [],
        "x",
        "TLS-UNIQUE",
        "tls-unique",
        Text("tls-unique"),
    ],
)
def test_channel_binding_types(pki: Pki, kind: Any) -> None:
    def one(tls: ModuleType) -> Any:
        pair = join(client_context(tls, pki), server_context(tls, pki)).ok()
        try:
            return type(pair.client.obj.get_channel_binding(kind))
        except Exception as error:  # noqa: BLE001  # the test compares it
            return described(error)

    assert one(puretls) == one(ssl)


def public() -> Iterator[tuple[str, Any]]:
    """Every public object of ours, and the functions that its classes have."""
    names = [(puretls, name) for name in (*puretls.__all__, "_create_unverified_context", "_ssl")]
    for module, name in [*names, *((puretls.asyncio, name) for name in puretls.asyncio.__all__)]:
        thing = getattr(module, name)
        if not str(getattr(thing, "__module__", "")).startswith("puretls"):
            continue
        yield name, thing
        if inspect.isclass(thing):
            for part, value in sorted(vars(thing).items()):
                if isinstance(value, property):
                    yield from ((f"{name}.{part}", f) for f in (value.fget, value.fset) if f)
                elif inspect.isfunction(value) or isinstance(value, classmethod | staticmethod):
                    yield f"{name}.{part}", getattr(value, "__func__", value)


def test_every_public_object_has_types_that_can_be_looked_up() -> None:
    """`typing.get_type_hints` is what dataclasses, pydantic, FastAPI and documentation tools call."""
    found, broken = 0, {}
    for name, thing in public():
        found += 1
        try:
            typing.get_type_hints(thing)
        except Exception as error:  # noqa: BLE001  # the test compares it
            broken[name] = error
    assert found > 100
    assert not broken


def test_public_objects_say_that_they_are_ours() -> None:
    """What a repr, a traceback and a pickle name is what a program can import."""
    elsewhere = {
        name: thing.__module__
        for name in puretls.__all__
        if (thing := getattr(puretls, name)) and getattr(thing, "__module__", "puretls").startswith("puretls.")
    }
    assert not elsewhere
    for name in puretls.__all__:
        thing = getattr(puretls, name)
        if getattr(thing, "__module__", "") == "puretls" and callable(thing):
            assert pickle.loads(pickle.dumps(thing)) is thing


def test_everything_survives_pickling_by_name() -> None:
    for name in puretls.__all__:
        thing = getattr(puretls, name)
        if thing is ssl.Purpose and sys.version_info < (3, 11):  # the interpreter's own, of no module there
            continue
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert pickle.loads(pickle.dumps(thing)) is thing, name


VISIBLE = {"Enum", "namedtuple", "base64", "errno", "os", "warnings"}  # what `ssl` imports for itself


def test_dir_shows_what_ssl_shows_and_what_we_add() -> None:
    """No sub-package of ours, and in `_ssl` what is only the interpreter's."""
    shown = set(dir(puretls))
    assert set(puretls.__all__) <= shown
    assert not {name for name in shown if isinstance(getattr(puretls, name), ModuleType)} - {"_ssl", "asyncio", "sys"}
    private = {"_SSLContext", "_GLOBAL_DEFAULT_TIMEOUT"}
    assert private <= shown
    assert {name for name in dir(ssl) if not name.startswith("_")} - VISIBLE <= shown
    assert set(dir(ssl._ssl)) <= set(dir(puretls._ssl))
    assert shown == set(dir(puretls))


def test_dir_loads_nothing() -> None:
    """Completion in a shell is quick: it imports neither the command nor an engine."""
    code = "import sys, puretls as p; p._ssl; m = set(sys.modules); dir(p), dir(p._ssl); print(set(sys.modules) - m)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
