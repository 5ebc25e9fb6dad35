"""Answers to the engine's requests: the only place where a handshake calls functions of the program.

ANSWERS has a row for each kind of Request: a function of the connection and the request that returns the answer.  If
the answer may come later, the function is a generator.  It yields what a function of the program has returned, and is
sent that value back, or the result of the future or awaitable that it is.  An exception of the program's function,
whether it is raised at once or by a future, is raised at the `yield`.  The generator's return value is the answer:

    def verified(sslobj, request):
        try:
            verdict = request.callback(sslobj._callback_owner(), request.info)
            del sslobj
            verdict = yield verdict
        except MyError:
            raise refusal(registry.BAD_CERTIFICATE) from None
        return verdict is None

The connection owns the generator, so what waits at a `yield` must not hold the connection or its owner: that would be
a circle, and a connection that nobody goes on with would wait for the cycle collector.

An Abort refuses with its own alert.  Any other exception becomes the cause of CALLBACK_FAILED, with internal_error as
the alert.  Waiting for a future is the task of the transport (`later`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from puretls._api import judging, selecting
from puretls._api.judging import refusal
from puretls._api.unraisable import called, report_unraisable
from puretls._base import registry
from puretls._crypto.signatures import sign
from puretls._engine.requests import (
    AlpnRequest,
    ClientHelloRequest,
    FirstRequest,
    IssuerRequest,
    KeepRequest,
    PskClientRequest,
    PskServerRequest,
    RecallRequest,
    Request,
    SignRequest,
    VerifyRequest,
)

if TYPE_CHECKING:
    from puretls._api.settings import Settings
    from puretls._api.sslconnection import _SSLSocket
    from puretls._engine.config import Config

MAX_PSK_IDENTITY = 256
Answer = Generator[Any, Any, Any]  # an answer that may come later


# The configuration of a server, once the ClientHello is there


def _configuration(sslobj: _SSLSocket, request: ClientHelloRequest) -> Answer:
    began, config = sslobj._context, sslobj._conn.config
    _choose_context(sslobj, request)
    settings = sslobj._context._settings
    if sslobj._context is not began or settings.sni_callback is not None:
        config = settings.frozen(server_side=True) if sslobj._context is began else settings.switched(config)
    if callable(settings.ocsp_response) and registry.STATUS_REQUEST in request.hello.extensions:
        stapled = _stapled(sslobj._callback_owner(), settings, config)
        del sslobj
        config = yield from stapled
    return config


def _choose_context(sslobj: _SSLSocket, request: ClientHelloRequest) -> None:
    """Run sni_callback, which may assign another context or refuse with an alert."""
    context = sslobj._context
    callback = context._settings.sni_callback
    if callback is None:
        return
    owner = sslobj._callback_owner()
    if owner is None:
        raise refusal(registry.INTERNAL_ERROR)
    name = request.server_name
    try:
        if name is not None and not name.isascii():
            name = name.encode("ascii", "surrogateescape").decode("ascii")
    except UnicodeDecodeError as error:  # as ssl
        report_unraisable(error)
        raise refusal(registry.INTERNAL_ERROR) from error
    try:
        alert = callback(owner, name, context)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the peer is told and the hook
        report_unraisable(error)
        alert = registry.HANDSHAKE_FAILURE
    if alert is None:
        return
    try:
        number = operator.index(alert)
    except TypeError as error:
        report_unraisable(error)
        number = registry.INTERNAL_ERROR
    raise refusal(number if number in registry.ALERTS else registry.INTERNAL_ERROR)


def _stapled(owner: Any, settings: Settings, config: Config) -> Generator[Any, Any, Config]:
    """Ask the program for the OCSP response of this connection."""
    try:
        response = called(settings.ocsp_response, owner)
        del owner
        response = yield response
        return config if response is None else settings.with_staple(config, bytes(memoryview(response)))
    except GeneratorExit:
        raise
    except BaseException as error:
        report_unraisable(error)  # whatever it is, the peer is told and the hook
        raise refusal(registry.INTERNAL_ERROR) from error


# Pre-shared keys


def _psk_of_client(sslobj: _SSLSocket, request: PskClientRequest) -> tuple[bytes, bytes] | None:
    callback, hint = sslobj._context._settings.psk_client, request.hint
    if callback is None:
        return None
    try:
        identity, key = callback(None if hint is None else hint.decode())
        name, secret = _identity(identity), bytes(memoryview(key))
    except BaseException as error:  # noqa: BLE001  # as ssl: reported, and there is no key
        report_unraisable(error)
        return None
    return (name, secret) if secret else None


def _identity(given: str | bytes | None) -> bytes:
    name = given.encode() if isinstance(given, str) else b"" if given is None else bytes(memoryview(given))
    if len(name) > MAX_PSK_IDENTITY:
        raise ValueError(f"the identity is longer than {MAX_PSK_IDENTITY} bytes")
    return name


def _psk_of_server(sslobj: _SSLSocket, request: PskServerRequest) -> bytes | None:
    callback = sslobj._context._settings.psk_server
    if callback is None:
        return None
    try:
        name = request.identity.decode() or None
    except UnicodeDecodeError:  # a ticket that is not ours
        return None
    try:
        return bytes(memoryview(callback(name))) or None
    except BaseException as error:  # noqa: BLE001  # as ssl: reported, and there is no key
        report_unraisable(error)
        return None


# A certificate that a server has not sent


def _issuer(sslobj: _SSLSocket, request: IssuerRequest) -> Answer:
    """The bytes at a URL; None if there are none, and then verification fails as it would have without asking."""
    del sslobj
    try:
        data = yield request.fetch(request.url)
        return bytes(memoryview(data))
    except GeneratorExit:
        raise
    except OSError:  # networks fail, which is no mistake of the program
        return None
    except Exception as error:  # noqa: BLE001  # a mistake of the program's
        report_unraisable(error)
        return None


# A private key of the program's


def _signature(sslobj: _SSLSocket, request: SignRequest) -> Answer:
    del sslobj
    return (yield sign(request.scheme, request.credential.key, request.data))


# Sessions that several servers share.  Whatever a store does costs a full handshake at most


def _kept(sslobj: _SSLSocket, request: KeepRequest) -> Answer:
    """Give sessions to the store; whether it keeps them."""
    del sslobj
    try:
        for session_id, value, seconds in request.entries:
            yield request.sessions.store.put(session_id, value, seconds)
    except Exception:  # noqa: BLE001  # of the program's store
        request.sessions.stats.store_errors += 1
        return False
    return True


def _recalled(sslobj: _SSLSocket, request: RecallRequest) -> Answer:
    """What the store has under an id, if anything."""
    del sslobj
    store, value = request.sessions.store, None
    try:
        found = yield store.take(request.id) if request.once else store.get(request.id)
        value = None if found is None else bytes(memoryview(found))
    except Exception:  # noqa: BLE001  # as above
        request.sessions.stats.store_errors += 1
    request.sessions.stats.misses += value is None
    return value


def _first(sslobj: _SSLSocket, request: FirstRequest) -> Answer:
    """Whether a ticket, or early data, comes for the first time; None if the program's object cannot say."""
    del sslobj
    try:
        first = yield request.judge.first(request.key, request.seconds)
    except Exception:  # noqa: BLE001  # as above
        request.sessions.stats.store_errors += 1
        return None
    request.sessions.stats.replays += first is not True
    return first is True


ANSWERS: dict[type[Request], Callable[[_SSLSocket, Any], Any]] = {
    ClientHelloRequest: _configuration,
    AlpnRequest: selecting.protocol,
    PskClientRequest: _psk_of_client,
    PskServerRequest: _psk_of_server,
    IssuerRequest: _issuer,
    VerifyRequest: judging.verdict,
    SignRequest: _signature,
    KeepRequest: _kept,
    RecallRequest: _recalled,
    FirstRequest: _first,
}
