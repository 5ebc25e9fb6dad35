"""Machine: drives the handshakes of one connection, by messages and by answers to requests, and handles their failures.

`connection` has one over records; a layer without records calls `start` and `receive` itself.  Every exception that
leaves a step ends the connection here: an alert is sent, the secrets are dropped, and every later call raises the same
error.

A handler that waits for an answer refers to the handshake, and only the machine refers to the handler.  So there is no
reference cycle, and a connection that is dropped in the middle of its handshake is freed at once.
"""

from __future__ import annotations

from typing import Any, NoReturn

from puretls._base import faults
from puretls._base.faults import Abort, Fault
from puretls._base.outside import from_outside, raised_in
from puretls._base.registry import FATAL
from puretls._crypto.schedule import Level
from puretls._engine.handshake import Failed, Handshake, Parked, State, go_on
from puretls._engine.requests import Asking, Request, unanswered


class Machine:
    """The machine of one connection."""

    __slots__ = ("failure", "handshake", "refusal", "state")

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.state: State | None = None  # None: not begun
        self.failure: tuple[Fault, str] | None = None
        self.refusal: Abort | None = None  # the failure with its details, if it is about a certificate

    @property
    def request(self) -> Request | None:
        """What somebody outside has to answer with `resume` before the handshake goes on."""
        return self.state.request if self.state else None

    def start(self) -> State:
        """Begin: a client sends its ClientHello."""
        try:
            handshake = self.handshake
            self.state = state = handshake.begin(handshake)
        except BaseException as error:  # noqa: BLE001  # see ended_by
            raise self.ended_by(error)  # noqa: B904  # it has its cause
        return state

    def receive(self, level: Level, message: bytes) -> None:
        """Take a whole message that was received at this level, from a layer without records."""
        if self.failure:
            raise self.failed()
        state = self.state or Failed()  # which expects nothing
        try:
            self._check_level(level)
            self.state = state.step(self.handshake, message)
        except BaseException as error:  # noqa: BLE001  # see ended_by
            raise self.ended_by(error)  # noqa: B904  # it has its cause

    def _check_level(self, level: Level) -> None:
        if level != self.handshake.read_level:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, f"a message at the {level.name} level")

    def resume(self, request: Request, answer: Any) -> State:
        """Answer the request that is open.  The answer's type is that of the Request.

        ValueError for any other: that is the caller's mistake, and the connection goes on.
        """
        if self.failure:
            raise self.failed()
        script = self._asked(request)
        try:
            self.state = state = go_on(script, answer)
        except BaseException as error:  # noqa: BLE001  # see ended_by
            del answer  # it may be a key, and the traceback has this frame
            raise self.ended_by(error)  # noqa: B904  # it has its cause
        return state

    def refuse(self, request: Request, error: BaseException) -> NoReturn:
        """Answer the request that is open with an exception: the connection fails."""
        try:
            if self.failure:
                raise self.failed()
            self._asked(request)
            raise self.ended_by(unanswered(error))
        finally:
            del error  # its traceback has this frame: that would be a circle

    def _asked(self, request: Request) -> Asking[State]:
        state = self.state
        if not isinstance(state, Parked) or state.request is not request:
            raise ValueError("nothing waits for the answer to this request")
        return state.script

    # Failing

    def ended_by(self, error: BaseException) -> BaseException:
        """End the connection after `error` was raised in the middle of a step; what to raise instead of it.

        An exception that is no Abort is a bug of ours that a peer has found.  It must not end a server that is prepared
        for SSLError and OSError only, so it becomes the cause of an Abort, which reports it.  What was raised from
        outside, by a signal handler or a debugger, is passed on as it is.
        """
        if isinstance(error, Abort):
            if type(error) is not Abort and not self.failure:
                self.refusal = error.again()
            self.fail(error.fault, error.detail)
            return error
        if not isinstance(error, Exception) or from_outside(error):
            self.fail(faults.INTERNAL, "interrupted")
            return error
        whose = raised_in(error)
        request = "please report it" if whose.startswith("puretls.") else f"raised in {whose}"
        abort = Abort(faults.INTERNAL, f"{type(error).__name__}: {request}")  # its own text may contain secrets
        abort.__cause__ = error
        self.fail(abort.fault, abort.detail)
        return abort

    def failed(self) -> Abort:
        """What every operation raises after the failure: the same error."""
        if self.refusal is not None:
            return self.refusal.again()
        return Abort(*(self.failure or (faults.INTERNAL, "")))

    def fail(self, fault: Fault, detail: str = "") -> None:
        """Fail: send the alert once, drop the secrets, and raise the same error in every later call."""
        if self.failure:
            return
        self.failure = fault, detail  # not the exception: its traceback would keep secrets alive
        if fault.alert is not None:
            self.handshake.layer.send_alert(FATAL, fault.alert)
        self.state = Failed()
        self.handshake.layer.fail()
        self.handshake.forget()
