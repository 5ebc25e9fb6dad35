"""Replace the event loops' own TLS layers by `SSLTransport`, for contexts of puretls.

asyncio has one name for its layer, `asyncio.sslproto.SSLProtocol`: it is replaced by a class that looks at the context.
uvloop's layer is compiled, so the methods of its loop are replaced.  Contexts of the interpreter's `ssl` are still
served by the original layers.

A program that does not import asyncio is not made to do so: a module that is not imported yet is changed when it is.
Therefore nothing here imports asyncio at first.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from puretls._base.locks import new_lock

_ABSENT = object()
Replacement = tuple[Any, str, Any]  # where, name, and what is, or was, there
_lock = new_lock()  # not held while anything is imported
_undo: list[Replacement] = []
_current: list[_Watch] = []  # the one that is in sys.meta_path


def install() -> None:
    """From now on every event loop serves contexts of puretls by `SSLTransport`, until uninstall()."""
    with _lock:
        if _current:
            return
        watch = _Watch()
        _current.append(watch)
        sys.meta_path.insert(0, watch)
    for name in CHANGES:
        module = sys.modules.get(name)
        if module is not None:
            watch.change(name, module)


def installed() -> bool:
    """Whether install() has been called, and uninstall() has not."""
    return bool(_current)


def uninstall() -> None:
    """Put everything back as install() found it.  Connections that exist go on as they are."""
    with _lock:
        while _current:
            watch = _current.pop()
            if watch in sys.meta_path:
                sys.meta_path.remove(watch)
        while _undo:
            where, name, value = _undo.pop()
            if value is _ABSENT:
                delattr(where, name)
            else:
                setattr(where, name, value)


def _change_asyncio(module: ModuleType) -> list[Replacement]:
    del module
    sslproto: Any = importlib.import_module("asyncio.sslproto")
    return [(sslproto, "SSLProtocol", _dispatching(sslproto))]


def _dispatching(sslproto: Any) -> Any:
    """A class in the place of SSLProtocol: called with a context of puretls it makes an SSLTransport."""
    from puretls.asyncio.routing import is_ours  # noqa: PLC0415  # see above
    from puretls.asyncio.transport import SSLTransport  # noqa: PLC0415

    original: Any = sslproto.SSLProtocol

    class Dispatching(type(original)):  # type: ignore[misc]
        def __call__(
            cls,
            loop: Any,
            app_protocol: Any,
            sslcontext: Any,
            waiter: Any = None,
            server_side: bool = False,
            server_hostname: str | None = None,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if not sslcontext:  # ssl=True
                sslcontext = sslproto._create_transport_context(server_side, server_hostname)
            make = super().__call__  # of a class of somebody else
            if cls is SSLProtocol:
                make = SSLTransport if is_ours(sslcontext) else original
            return make(loop, app_protocol, sslcontext, waiter, server_side, server_hostname, *args, **kwargs)

        def __instancecheck__(cls, instance: Any) -> bool:
            return super().__instancecheck__(instance) or (
                cls is SSLProtocol and isinstance(instance, original | SSLTransport)
            )

    class SSLProtocol(original, metaclass=Dispatching):  # type: ignore[misc]
        __doc__ = original.__doc__

    SSLProtocol.__module__, SSLProtocol.__qualname__ = original.__module__, original.__qualname__
    return SSLProtocol


def _change_uvloop(module: ModuleType) -> list[Replacement]:
    from puretls.asyncio import routing  # noqa: PLC0415  # see above

    loop: Any = getattr(module, "Loop", None)
    if loop is None:  # not the uvloop that we know
        return []
    routes: dict[str, Callable[..., Any]] = {
        "create_connection": routing.create_connection,
        "create_unix_connection": routing.create_unix_connection,
        "create_server": routing.create_server,
        "create_unix_server": routing.create_server,
        "connect_accepted_socket": routing.connect_accepted_socket,
        "start_tls": routing.start_tls,
    }
    return [(loop, name, _routed(getattr(loop, name), route)) for name, route in routes.items()]


def _routed(plain: Any, route: Callable[..., Any]) -> Any:
    from puretls._api import native  # noqa: PLC0415  # see above
    from puretls.asyncio import routing  # noqa: PLC0415

    @functools.wraps(plain)
    async def method(self: Any, *args: Any, **options: Any) -> Any:
        if options.get("ssl") is True and native.stand_ins:  # `ssl` means puretls
            host = options.get("server_hostname") or (args[1] if len(args) > 1 else options.get("host"))
            options["ssl"] = routing.default_context(True, host)
        return await route(functools.partial(plain, self), self, *args, **options)

    return method


CHANGES: dict[str, Callable[[ModuleType], list[Replacement]]] = {
    "asyncio": _change_asyncio,
    "uvloop": _change_uvloop,
}


class _Watch(MetaPathFinder):
    """A finder that changes modules when they are imported."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def change(self, name: str, module: ModuleType) -> None:
        """Change a module now, unless that was done already, or undone."""
        replacements = CHANGES[name](module)
        with _lock:
            if self not in _current or name in self._done:
                return
            self._done.add(name)
            for where, attribute, value in replacements:
                _undo.append((where, attribute, vars(where).get(attribute, _ABSENT)))
                setattr(where, attribute, value)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of the other finders, with a loader that calls this object."""
        if fullname not in CHANGES:
            return None
        for finder in [*sys.meta_path]:
            spec = None if finder is self else finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Then(spec.loader, self)
                return spec
        return None


class _Then(Loader):
    """A loader that runs the original one, and then the change."""

    def __init__(self, loader: Any, watch: _Watch) -> None:
        self._loader, self._watch = loader, watch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The module of the original loader."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the original loader, and then the change."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._watch.change(module.__name__, module)
