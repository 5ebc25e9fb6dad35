"""Put `SSLTransport` in the place of the event loops' own TLS layers, for contexts of puretls.

asyncio has one name for it, `asyncio.sslproto.SSLProtocol`: what stands there instead looks at the context.  Of uvloop,
whose layer is compiled, the methods of its loop are replaced.  Contexts of the interpreter's `ssl` go the old way.

A program that never imports asyncio is not made to: whichever of the two has not been imported is changed when it is.
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
    """A class in the place of SSLProtocol: who calls it with a context of ours gets a SSLTransport."""
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
    if loop is None:  # not the package that we know
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
    """Changes modules once they are imported."""

    def __init__(self) -> None:
        self._done: set[str] = set()

    def change(self, name: str, module: ModuleType) -> None:
        """Now, unless it is done, or undone."""
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
        """What the other finders say, with a loader that calls us."""
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
    """Another loader, and then the change."""

    def __init__(self, loader: Any, watch: _Watch) -> None:
        self._loader, self._watch = loader, watch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The other's."""
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """The other's, and then the change."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._watch.change(module.__name__, module)
