"""Machine: what moves the handshakes of one connection: messages, and the answers to requests; and how they fail.

`connection` has one over records; what has no records calls `start` and `receive` itself.  Whatever comes out of a step
ends the connection here: an alert is sent, secrets go, and every later call raises the same.

A handler that waits for an answer has the handshake in its frame, and only the machine has the handler: so there is no
circle, and whoever lets go of a connection in the middle of its handshake frees it.
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
    """One connection's."""

    __slots__ = ("failure", "handshake", "refusal", "state")

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.state: State | None = None  # None: not begun
        self.failure: tuple[Fault, str] | None = None
        self.refusal: Abort | None = None  # the failure, if there is more to it: of a certificate

    @property
    def request(self) -> Request | None:
        """What somebody outside has to answer with `resume` before the handshake goes on."""
        return self.state.request if self.state else None

    def start(self) -> State:
        """Begin: a client says its ClientHello."""
        try:
            handshake = self.handshake
            self.state = state = handshake.begin(handshake)
        except BaseException as error:  # noqa: BLE001  # see ended_by
            raise self.ended_by(error)  # noqa: B904  # it has its cause
        return state

    def receive(self, level: Level, message: bytes) -> None:
        """A whole message that has come under the keys of this level, where no record layer watches which those are."""
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
        """The answer to the request that is open is an exception: the connection cannot go on."""
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
        """What to raise after `error` came out of the middle of a step: the connection cannot go on.

        An exception that is no Abort is a mistake of ours that a peer has found.  It must not end a server that is
        ready for SSLError and OSError only: so it is an Abort, too, whose cause is there for the report.  What comes
        from outside, of a signal handler or a debugger, goes through as it is.
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
        abort = Abort(faults.INTERNAL, f"{type(error).__name__}: {request}")  # what it says itself may be anything
        abort.__cause__ = error
        self.fail(abort.fault, abort.detail)
        return abort

    def failed(self) -> Abort:
        """What every operation raises after the failure: the same error."""
        if self.refusal is not None:
            return self.refusal.again()
        return Abort(*(self.failure or (faults.INTERNAL, "")))

    def fail(self, fault: Fault, detail: str = "") -> None:
        """The end: the peer is told once, the secrets go, every later call raises the same."""
        if self.failure:
            return
        self.failure = fault, detail  # not the exception: its traceback would keep secrets alive
        if fault.alert is not None:
            self.handshake.layer.send_alert(FATAL, fault.alert)
        self.state = Failed()
        self.handshake.layer.fail()
        self.handshake.forget()
