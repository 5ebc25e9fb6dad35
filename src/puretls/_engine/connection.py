"""Connection: a handshake over a record layer.  Bytes go in, bytes and requests come out.

A transport feeds `receive`, calls `advance`, sends `data_to_send`, and answers `request` when the handshake waits for
an answer.  After the handshake `read_into` and `write` move application data, which passes through a state only if
something unusual arrives.  `records` knows what a record is and how it is protected.

Threads: once the handshake is done, one thread may be on the receiving side (`receive`, `advance`, `read_into`) while
another is on the sending side (`write`, `data_to_send`, `close_notify`).
"""

from __future__ import annotations

from collections.abc import Callable
from os import urandom
from typing import Any, NoReturn

from puretls._base import faults
from puretls._base.events import Event, MessageEvent
from puretls._base.faults import Abort, Fault
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS13
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake, Parked, State
from puretls._engine.machine import Machine
from puretls._engine.outcome import Outcome
from puretls._engine.requests import Request
from puretls._engine.roles import first_state, first_states
from puretls._engine.session import Session
from puretls._record.inbound import SKIPPED
from puretls._record.layer import RecordLayer
from puretls._record.protection import MAX_PLAINTEXT, Bytes


class Connection:
    """One TLS connection, either role, any version."""

    __slots__ = ("handshake", "machine", "records")

    def __init__(
        self,
        config: Config,
        server_side: bool,
        clock: Callable[[], float],
        server_hostname: str | None = None,
        session: Session | None = None,
        random: Callable[[int], bytes] = urandom,
    ) -> None:
        """`server_hostname` is an A-label or a literal address; `clock` tells seconds since the epoch."""
        self.records = records = RecordLayer(server_side, config.watch)
        if config.max_send_fragment != MAX_PLAINTEXT:
            records.outbound.fragment = config.max_send_fragment
        if config.dynamic_record_sizes:
            records.start_small()
        begin = first_states.get(server_side, first_state)  # which loads the role
        self.handshake = hs = Handshake(config, server_side, clock, server_hostname, session, random, records, begin)
        self.machine = Machine(hs)

    # What transports ask of the handshake

    @property
    def config(self) -> Config:
        return self.handshake.config

    @property
    def server_side(self) -> bool:
        return self.handshake.server_side

    @property
    def server_hostname(self) -> str | None:
        return self.handshake.server_hostname

    @property
    def established(self) -> bool:
        """Whether a handshake is done."""
        return self.handshake.established

    @property
    def failure(self) -> tuple[Fault, str] | None:
        return self.machine.failure

    @property
    def version(self) -> int:
        """What was negotiated; 0 before."""
        return self.handshake.version

    @property
    def outcome(self) -> Outcome:
        """What the last handshake that is done has negotiated."""
        return self.handshake.outcome

    @property
    def state(self) -> State | None:
        return self.machine.state

    # The transport's side

    @property
    def request(self) -> Request | None:
        """What somebody outside has to answer with `resume` before the handshake goes on."""
        state = self.machine.state
        return state.request if state else None

    def receive(self, data: bytes) -> None:
        """Take bytes from the transport; `advance` processes them."""
        self.records.receive(data)

    def wanted(self) -> int:
        """How many bytes the transport may read without hiding a whole record from select()."""
        state = self.machine.state
        if state and state.reads_ahead:
            return 4096
        return self.records.wanted()

    def data_to_send(self) -> memoryview | bytes:
        """Ciphertext that waits for the transport; tell `data_sent` how much of it was taken."""
        return self.records.data_to_send()

    def data_sent(self, count: int) -> None:
        self.records.data_sent(count)

    def take(self) -> bytes:
        """`data_to_send` for a transport that always takes everything."""
        return self.records.take()

    @property
    def has_data_to_send(self) -> bool:
        return self.records.has_data_to_send

    @property
    def events(self) -> list[Event]:
        """What has happened; whoever reports it empties the list."""
        return self.records.events

    # Progress

    def advance(self) -> Request | None:
        """Process what has arrived, until more is needed, a request is open, data can be read or the handshake is done;
        the request, if one is open.

        Raises Abort when the connection fails, and in every later call; the alert is in `data_to_send`.
        """
        machine, handshake, records = self.machine, self.handshake, self.records
        if machine.failure:
            raise machine.failed()
        established, inbound, records.fast_opener = handshake.established, records.inbound, None
        try:
            state = machine.state
            if state is None:
                state = machine.start()
            elif (inbound.plain or records.close_received) and type(state) is not Parked:
                return None
            while type(state) is not Parked:
                item = inbound.next()
                if item is None:
                    return None
                kind, data = item
                if kind != HANDSHAKE:
                    if kind == CHANGE_CIPHER_SPEC and not (data or records.watched):  # it was dropped
                        continue
                    state = self._dispatch(state, kind, data)
                    if inbound.plain or records.close_received:
                        return None
                    continue
                if records.watched:
                    records.events.append(MessageEvent(False, handshake.version, HANDSHAKE, data))
                state = machine.state = state.step(handshake, data)
                if handshake.established:
                    records.takes_data = state.accepts_data
                    if not established:
                        return None
        except BaseException as error:  # noqa: BLE001  # see Machine.ended_by
            raise machine.ended_by(error)  # noqa: B904  # it has its cause
        return state.request

    def resume(self, request: Request, answer: Any) -> None:
        """Answer the request that is open.  The answer's type is that of the Request."""
        try:
            self.records.takes_data = self.machine.resume(request, answer).accepts_data
        finally:
            del answer  # it may be a key, and the traceback of a failure has this frame

    def refuse(self, request: Request, error: BaseException) -> NoReturn:
        """Answer the request that is open with an exception: the connection fails."""
        try:
            self.machine.refuse(request, error)
        finally:
            del error  # its traceback has this frame: that would be a circle

    def failed(self) -> Abort:
        """What every operation raises after the failure: the same error."""
        return self.machine.failed()

    def fail(self, fault: Fault, detail: str = "") -> None:
        """Fail: send the alert once, drop the secrets, and raise the same error in every later call."""
        self.machine.fail(fault, detail)

    def request_authentication(self) -> None:
        """Ask the client for its certificate after the handshake (RFC 8446 4.6.2)."""
        machine = self.machine
        if machine.failure:
            raise machine.failed()
        if machine.state is None:
            raise Abort(faults.STILL_IN_INIT)
        machine.state.request_authentication(self.handshake)

    def send_alert(self, level: int, description: int) -> None:
        self.records.send_alert(level, description)

    def close_notify(self) -> None:
        """Send close_notify: we send nothing more (RFC 8446 6.1), but the peer may."""
        if not self.machine.failure:
            self.records.close_notify()

    # Application data

    def read_into(self, out: memoryview, slack: int = 0) -> int:
        """Put application data into `out`; 0 if there is none, either because more input is needed or because of
        `close_received`.

        The last `slack` bytes of `out` get no data: they are room for the type byte that ends a record of TLS 1.3.
        """
        if self.records.failed:
            raise self.failed()
        if self.records.takes_data:
            try:
                got = self.records.open_into(out)
            except BaseException as error:  # noqa: BLE001  # see Machine.ended_by
                raise self.machine.ended_by(error)  # noqa: B904  # it has its cause
            if got:
                return got
        self.advance()
        inbound = self.records.inbound
        return inbound.take_into(out[: len(out) - slack]) if inbound.plain else 0

    def read_record(self, record: bytes) -> bytes:
        """Take `record` as `receive` does, and return its data if it is one whole record of application data.

        If it is anything else the result is b"": it was received, and `read_into` handles it.  This is for small
        messages, without a buffer and without a copy, on an established connection that has not failed and holds no
        plaintext.
        """
        records = self.records
        if records.takes_data:
            try:
                data = records.open_alone(record)
            except BaseException as error:  # noqa: BLE001  # see Machine.ended_by
                raise self.machine.ended_by(error)  # noqa: B904  # it has its cause
            if data is not None:
                return data
        records.receive(record)
        return b""

    def pending(self) -> int:
        """How many bytes `read_into` would give at once; a whole record that is here is opened to count them."""
        inbound, handshake = self.records.inbound, self.handshake
        usable = handshake.established and not self.machine.failure
        if not inbound.plain and usable and (inbound.ready() or not inbound.wanted()):
            self.advance()
        return len(inbound.plain) - inbound.plain_at

    def write(self, data: memoryview) -> None:
        """Seal application data, which `data_to_send` then has."""
        if self.records.failed:
            raise self.failed()
        self.records.write(data)

    def write_record(self, data: Bytes) -> bytes:
        """`write` and `take` in one, for a transport that takes everything."""
        if self.records.failed:
            raise self.failed()
        return self.records.write_record(data)

    def export_keying_material(
        self, label: bytes, length: int, context: bytes | None = None, *, early: bool = False
    ) -> bytes:
        """RFC 8446 7.5, RFC 5705 4."""
        return self.handshake.export_keying_material(label, length, context, early=early)

    # What arrives

    def _dispatch(self, state: State, kind: int, data: bytes) -> State:
        """Handle a record that is no handshake message (RFC 8446 5); the state after it."""
        records = self.records
        if records.inbound.hs:  # no other record between the parts of a message (RFC 8446 5.1)
            if kind == ALERT:
                records.receive_alert(data)  # a fatal one is the better error
                raise Abort(faults.MIXED_RECORDS)
            raise Abort(self._stray(kind, inside=True))
        if kind == APPLICATION_DATA:
            if state.accepts_data:
                records.keep(data)
            elif state.takes_early_data and (early := self.handshake.draft.early) is not None:
                early.receive(data)
            else:
                raise Abort(self._stray(kind))
        elif kind == ALERT:
            records.receive_alert(data)
        elif kind == CHANGE_CIPHER_SPEC:
            if records.watched:
                records.events.append(MessageEvent(False, self.version, CHANGE_CIPHER_SPEC, data or b"\x01"))
            if data:  # else it was dropped
                handshake = self.handshake
                if not state.expects_ccs:
                    wrong = self._stray(kind)
                    if wrong is faults.UNEXPECTED_HANDSHAKE_MESSAGE and data != b"\x01":
                        wrong = faults.BAD_CHANGE_CIPHER_SPEC
                    raise Abort(wrong, f"in {type(state).__name__}")
                state = self.machine.state = state.change_cipher_spec(handshake, data)
                records.takes_data = state.accepts_data
        elif kind != SKIPPED:
            raise Abort(faults.BAD_RECORD_TYPE, f"content type {kind} inside protection")
        return state

    def _stray(self, kind: int, *, inside: bool = False) -> Fault:
        """The error that OpenSSL has for a record that is not expected here, or not inside a message (RFC 8446 5.1)."""
        handshake, inbound, own = self.handshake, self.records.inbound, kind == CHANGE_CIPHER_SPEC
        version, established = handshake.version, handshake.established
        if own and version < TLS13 and inbound.in_header():
            return faults.BAD_CHANGE_CIPHER_SPEC
        if not version:
            return faults.UNEXPECTED_HANDSHAKE_MESSAGE
        if version == TLS13:
            mixed = faults.MIXED_RECORDS if inside and established else faults.UNEXPECTED_RECORD
            return faults.BAD_RECORD_TYPE if own else mixed
        if not established and inbound.opener.expansion:
            return faults.DATA_BETWEEN_CCS_AND_FINISHED
        if own:
            early = inside or (established and not self.records.renegotiating)
            return faults.CCS_RECEIVED_EARLY if early else faults.UNEXPECTED_HANDSHAKE_MESSAGE
        return faults.UNEXPECTED_RECORD
