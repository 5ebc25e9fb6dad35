"""Answers that come later: what a key's sign() returns may be a future, and where there is an event loop an awaitable.

The handshake is parked meanwhile, and nothing more of the peer's is looked at.  How the waiting is done is up to the
transport: a blocking socket waits as long as its timeout allows; a non-blocking one, and an SSLObject with a waker,
raise SSLWantAnswerError; `puretls.asyncio` goes on with other connections.
"""

from __future__ import annotations

from typing import Any

from puretls._api.errors import SSLWantAnswerError, ssl_error

WANT_ANSWER = 2  # SSL_ERROR_WANT_READ: programs that know nothing of it call again


def promised(answer: Any) -> bool:
    """Whether this is no answer yet, but will come to one."""
    return hasattr(answer, "add_done_callback") or hasattr(answer, "__await__")


def want_answer(future: Any) -> SSLWantAnswerError:
    """The exception of who does not wait."""
    error: Any = ssl_error(WANT_ANSWER, "The operation waits for an answer (read)", kind=SSLWantAnswerError)
    error.future = future
    return error  # type: ignore[no-any-return]


def check_blocking(promise: Any) -> None:
    """RuntimeError unless a thread can wait for this: an event loop's future would wait for its own loop."""
    from concurrent.futures import Future  # noqa: PLC0415  # few programs need it

    if not isinstance(promise, Future):
        drop(promise)
        raise RuntimeError(  # noqa: TRY004  # as asyncio, where there is no loop
            f"{type(promise).__name__} is for an event loop to await: use puretls.asyncio, "
            "or a key that returns a concurrent.futures.Future"
        )


def wait(promise: Any, seconds: float | None) -> None:
    """Block until it is done; TimeoutError, and it is cancelled, if that takes longer."""
    from concurrent.futures import wait as wait_for  # noqa: PLC0415  # few programs need it

    if not wait_for([promise], seconds).done:
        promise.cancel()
        raise TimeoutError("The handshake operation timed out")


def drop(promise: Any) -> None:
    """Nobody wants it any more."""
    give_up = getattr(promise, "cancel", None) or getattr(promise, "close", None)  # a coroutine has the second
    if give_up is not None:
        give_up()
