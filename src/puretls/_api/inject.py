"""Injection: programs that say `import ssl` get puretls, without a change to them.

Four things have to be replaced, and put back exactly:

- The names in `ssl`.  Exceptions and enumerations stay, being the same objects; so does MemoryBIO, since contexts that
  were made before take no other, while ours take any.
- What `from ssl import SSLContext` has captured anywhere: the interpreter's class is taught to make ours when called.
  Where libraries are known to keep the class or a ready-made context, that is replaced in their modules too.
- The global names inside the interpreter's own methods: `super(SSLSocket, self)` in `SSLSocket._create` would find our
  class and fail for its own.  (For contexts the descriptors of `base_context` see to that.)
- `isinstance(context, ssl.SSLContext)` for what was made before: see `native.StandIn`.

On an interpreter without `_ssl` there is nothing to replace, and we become the module.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from types import FunctionType
from typing import Any

from puretls._api import native
from puretls._api.client_sessions import checked_cache
from puretls._api.settings import Settings
from puretls._base.locks import new_lock
from puretls._base.public import public

PACKAGE = __name__.partition(".")[0]  # the whole of the public names; it imports this module
CLASSES = ("SSLContext", "SSLSocket", "SSLObject")
NAMES = (
    *CLASSES,
    "SSLSession",
    "create_default_context",
    "_create_unverified_context",
    "_create_stdlib_context",
    "_create_default_https_context",
    "get_server_certificate",
    "get_default_verify_paths",
    "get_sigalgs",
    "CHANNEL_BINDING_TYPES",
    "OPENSSL_VERSION",
    "OPENSSL_VERSION_INFO",
    "OPENSSL_VERSION_NUMBER",
    "_OPENSSL_API_VERSION",
)  # and every HAS_*
CAPTURED = (  # where `from ssl import SSLContext` is a public name of a library
    "urllib3.util.ssl_",
    "urllib3.util",
    "urllib3.contrib.securetransport",
    "pip._vendor.urllib3.util.ssl_",
    "pip._vendor.urllib3.util",
    "botocore.httpsession",
)


def _preloaded(adapters: Any) -> Any:
    """As requests 2.32 makes its own while it is imported."""
    context = adapters.create_urllib3_context()
    context.load_verify_locations(adapters.extract_zipped_paths(adapters.DEFAULT_CA_BUNDLE_PATH))
    return context


READY_MADE: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (  # contexts made while a library is imported
    ("requests.adapters", "_preloaded_ssl_context", _preloaded),
    ("pip._vendor.requests.adapters", "_preloaded_ssl_context", _preloaded),
    ("aiohttp.connector", "_SSL_CONTEXT_VERIFIED", lambda connector: connector._make_ssl_context(True)),
    ("aiohttp.connector", "_SSL_CONTEXT_UNVERIFIED", lambda connector: connector._make_ssl_context(False)),
)

_ABSENT = object()
_lock = new_lock()  # not held while anything of a library runs
_loops: list[Any] = []  # puretls.asyncio.installing, if we have called it
_undo: list[tuple[Any, str, Any]] = []  # (where, name, what was there), in the order of the changes


@public
def inject_into_ssl(*, client_session_cache: Any = None, asyncio: bool = True) -> None:
    """Make `ssl` mean puretls in this process, until extract_from_ssl().  Harmless when it is done again.

    `client_session_cache` is what contexts have that set none of their own: with True, or a SessionCache, clients
    resume sessions by themselves, those of libraries that make a context for each connection, too.

    With `asyncio` the event loops of asyncio and uvloop serve contexts by puretls.asyncio, as after its install(); with
    False by their own TLS layers.

    RuntimeError if eventlet has been there first: its sockets are none, and nothing of ours could work with them.
    """
    cache = checked_cache(client_session_cache)
    _inject()
    if asyncio:
        _install_loops()
    if cache is not None:
        with _lock:
            _set(Settings, "client_session_cache", cache)


def _install_loops() -> None:
    loops = import_module(f"{PACKAGE}.asyncio.installing")  # below us: it has contexts, and does not import asyncio
    if not loops.installed():  # else whoever did it undoes it
        loops.install()
        with _lock:
            _loops.append(loops)


def _inject() -> None:
    with _lock:
        if _undo:
            return
        puretls = sys.modules[PACKAGE]
        if native.ssl is None:
            for name, module in (("ssl", puretls), ("_ssl", puretls._ssl)):
                _undo.append((sys.modules, name, sys.modules.get(name, _ABSENT)))
                sys.modules[name] = module
            return
        _check_sockets()
        original = native.ssl.SSLContext
        try:
            _replace(native.ssl, puretls)
        except BaseException:
            extract_from_ssl()
            raise
    try:
        _make_anew(original)
    except BaseException:
        extract_from_ssl()
        raise


@public
def extract_from_ssl() -> None:
    """Put everything back as inject_into_ssl() found it.  Contexts and sockets that exist go on as they are."""
    while _loops:
        _loops.pop().uninstall()
    with _lock:
        while _undo:
            where, name, value = _undo.pop()
            if where is sys.modules:
                sys.modules.pop(name)
                if value is not _ABSENT:
                    sys.modules[name] = value
            elif value is _ABSENT:
                delattr(where, name)
            else:
                setattr(where, name, value)
        native.stand_ins.clear()
        if native.ssl is not None:
            ours = sys.modules[PACKAGE].SSLContext
            for module in _imported(CAPTURED):  # one that was imported in the meantime
                if getattr(module, "SSLContext", None) is ours:
                    module.SSLContext = native.ssl.SSLContext


def _check_sockets() -> None:
    """SSLSocket derives from what `socket.socket` is: the interpreter's, or gevent's, but not eventlet's."""
    plain: Any = socket.socket
    if isinstance(plain, type) and not issubclass(native.ssl.SSLSocket, plain):
        raise RuntimeError(  # noqa: TRY004  # not of an argument
            f"socket.socket is {plain!r}, and ssl.SSLSocket does not derive from it: with eventlet, call "
            "puretls.inject_into_ssl() before eventlet.monkey_patch()"
        )


def _replace(ssl: Any, puretls: Any) -> None:
    originals = {name: getattr(ssl, name) for name in CLASSES}
    own_globals = {**vars(ssl)}

    # From here on old contexts, and whoever calls an old class, may be at work in other threads.
    create = vars(originals["SSLSocket"]).get("_create")
    if create is not None:  # gevent's class, which may have come first, knows its own name
        _set(originals["SSLSocket"], "_create", classmethod(_with_globals(create.__func__, own_globals)))
    for name, original in originals.items():
        native.stand_ins[getattr(puretls, name)] = original
    _set(originals["SSLContext"], "__new__", _making_ours(originals["SSLContext"], puretls.SSLContext))

    for name in (*NAMES, *(name for name in vars(puretls) if name.startswith("HAS_"))):
        _set(ssl, name, getattr(puretls, name))
    for module in _imported(CAPTURED):
        if getattr(module, "SSLContext", None) is originals["SSLContext"]:
            _set(module, "SSLContext", puretls.SSLContext)


def _make_anew(original: Any) -> None:
    """The contexts that libraries have made of the interpreter's class while they were imported."""
    for name, attribute, make in READY_MADE:
        for module in _imported((name,)):
            theirs = getattr(module, attribute, None)
            if not isinstance(theirs, original):
                continue
            made = make(module)
            with _lock:
                if _undo and getattr(module, attribute, None) is theirs:
                    _set(module, attribute, made)


def _set(where: Any, name: str, value: Any) -> None:
    _undo.append((where, name, vars(where).get(name, _ABSENT)))
    setattr(where, name, value)


def _imported(names: tuple[str, ...]) -> Iterator[Any]:
    return (sys.modules[name] for name in names if sys.modules.get(name) is not None)


def _making_ours(original: Any, ours: Any) -> Callable[..., Any]:
    """The `__new__` of the interpreter's SSLContext: whoever calls that very class gets one of ours."""
    before = original.__new__

    def __new__(cls: Any, protocol: int | None = None, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        return ours(protocol) if cls is original else before(cls, protocol, *args, **kwargs)

    return __new__


def _with_globals(function: FunctionType, names: dict[str, Any]) -> FunctionType:
    """The same function, looking up its global names elsewhere."""
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__, copy.__doc__ = function.__qualname__, function.__doc__
    return copy
