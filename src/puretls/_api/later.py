"""Answers that come later: a function of the program may return a future, and in an event loop an awaitable.

Meanwhile the handshake waits, and nothing more of what the peer has sent is processed.  The transport decides how to
wait: a blocking socket waits as long as its timeout allows; a non-blocking one, and an SSLObject with a waker, raise
SSLWantAnswerError; `puretls.asyncio` continues with other connections.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from puretls._api.errors import SSLWantAnswerError, ssl_error

WANT_ANSWER = 2  # SSL_ERROR_WANT_READ, on which programs call again


class Awaited:
    """An answer that is not complete: the generator that produces it, and the promise that it waits for."""

    __slots__ = ("answer", "promise", "steps", "watched")

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self.steps = steps  # a generator of `answers`
        self.promise: Any = None
        self.watched: Any = None  # the promise whose end will be reported
        self.answer: Any = None  # once go_on() is true

    def go_on(self) -> bool:
        """Run the generator as far as possible.  True if `answer` is there; otherwise `promise` has to be done
        first.
        """
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
        """Cancel what is waited for.  The promise is kept, so that a later call finds it cancelled."""
        if self.promise is not None:
            drop(self.promise)

    __del__ = give_up


def promised(answer: Any) -> bool:
    """Whether this is a promise of an answer."""
    return hasattr(answer, "add_done_callback") or hasattr(answer, "__await__")


def want_answer(future: Any) -> SSLWantAnswerError:
    """The exception of a transport that does not wait."""
    error: Any = ssl_error(WANT_ANSWER, "The operation waits for an answer (read)", kind=SSLWantAnswerError)
    error.future = future
    return error  # type: ignore[no-any-return]


def watch(awaited: Awaited, wake: Callable[[], Callable[[Any], None] | None]) -> bool:
    """Call the method that `wake` refers to once, when the promise is done; False if it is done already."""
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
    """RuntimeError unless a thread can wait for this promise: waiting for an event loop's future would block its own
    loop.
    """
    from concurrent.futures import Future  # noqa: PLC0415  # few programs need it

    if not isinstance(promise, Future):
        drop(promise)
        raise RuntimeError(  # noqa: TRY004  # as asyncio, where there is no loop
            f"{type(promise).__name__} is for an event loop to await: use puretls.asyncio, "
            "or return a concurrent.futures.Future"
        )


def wait(promise: Any, seconds: float | None) -> None:
    """Block until the promise is done; if that takes longer, cancel it and raise TimeoutError."""
    from concurrent.futures import wait as wait_for  # noqa: PLC0415  # few programs need it

    if not wait_for([promise], seconds).done:
        promise.cancel()
        raise TimeoutError("The handshake operation timed out")


def drop(promise: Any) -> None:
    """Cancel a promise that is not needed any more."""
    give_up = getattr(promise, "cancel", None) or getattr(promise, "close", None)  # a coroutine has the second
    if give_up is not None:
        give_up()
