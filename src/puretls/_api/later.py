"""Answers that come later: what a function of the program returns may be a future, and in an event loop an awaitable.

The handshake is parked meanwhile, and nothing more of the peer's is looked at.  How the waiting is done is up to the
transport: a blocking socket waits as long as its timeout allows; a non-blocking one, and an SSLObject with a waker,
raise SSLWantAnswerError; `puretls.asyncio` goes on with other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from puretls._api.errors import SSLWantAnswerError, ssl_error

WANT_ANSWER = 2  # SSL_ERROR_WANT_READ: programs that know nothing of it call again


class Awaited:
    """An answer in the making: the steps that lead to it, and the promise that the next step waits for."""

    __slots__ = ("answer", "promise", "steps", "watched")

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self.steps = steps  # a generator of `answers`
        self.promise: Any = None
        self.watched: Any = None  # the promise that has somebody to call
        self.answer: Any = None  # once go_on() is true

    def go_on(self) -> bool:
        """Whether `answer` is there; else `promise` has to be done first.  Raises what the steps raise."""
        promise, value = self.promise, None
        while True:
            try:
                if promise is None:
                    step = self.steps.send(value)
                elif not getattr(promise, "done", bool)():
                    return False
                else:
                    step = self._after(promise)
            except StopIteration as end:
                self.answer, self.promise = end.value, None
                return True
            self.promise = promise = step if promised(step) else None
            value = step

    def _after(self, promise: Any) -> Any:
        try:
            value = promise.result()
        except BaseException as error:  # noqa: BLE001  # CancelledError, too
            if not isinstance(error, Exception) or promise.cancelled():
                error = RuntimeError("the answer was cancelled")
            return self.steps.throw(error)
        return self.steps.send(value)

    def give_up(self) -> None:
        """Nobody wants it any more.  The promise stays: who goes on all the same finds that it is cancelled."""
        if self.promise is not None:
            drop(self.promise)

    __del__ = give_up


def promised(answer: Any) -> bool:
    """Whether this is no answer yet, but will come to one."""
    return hasattr(answer, "add_done_callback") or hasattr(answer, "__await__")


def want_answer(future: Any) -> SSLWantAnswerError:
    """The exception of who does not wait."""
    error: Any = ssl_error(WANT_ANSWER, "The operation waits for an answer (read)", kind=SSLWantAnswerError)
    error.future = future
    return error  # type: ignore[no-any-return]


def watch(awaited: Awaited, wake: Callable[[], Callable[[Any], None] | None]) -> bool:
    """Have the method that `wake` refers to called, once, when the promise is done; False if it is done by now."""
    promise = awaited.promise
    if promise is awaited.watched:
        return not promise.done()
    begun = False

    def done(promise: Any) -> None:
        method = wake()
        if begun and method is not None:
            method(promise)

    promise.add_done_callback(done)
    awaited.watched, begun = promise, True
    return not promise.done()


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
