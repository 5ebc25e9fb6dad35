"""Connection: bytes in, bytes and requests out.

A transport feeds `receive`, calls `advance`, sends `data_to_send`, and answers `request` when the state is parked.
After the handshake `read_into` and `write` move application data; neither passes through a state unless something
unusual arrives.  What is a record, and how it is protected, is the business of `records`.

Threads: one thread may be on the receiving side (`receive`, `advance`, `read_into`) while another is on the sending
side (`write`, `data_to_send`, `close_notify`), once the handshake is done.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import urandom
from typing import Any, NoReturn

from puretls._base import faults, registry
from puretls._base.events import Event, MessageEvent, SecretEvent
from puretls._base.faults import Abort, Fault, VerifyAbort
from puretls._base.outside import from_outside, raised_in
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, FATAL, HANDSHAKE, TLS12, TLS13
from puretls._crypto import schedule
from puretls._crypto.kdf import MD5_SHA1, prf
from puretls._crypto.schedule import MasterSecret
from puretls._crypto.suites import Suite
from puretls._crypto.transcript import Transcript
from puretls._engine.config import Config
from puretls._engine.outcome import NOTHING, Outcome
from puretls._engine.policy import refusal
from puretls._engine.roles import first_state
from puretls._engine.session import Session
from puretls._engine.state import Failed, Parked, Request, State, stray
from puretls._record.inbound import SKIPPED
from puretls._record.layer import RecordLayer
from puretls._record.protection import Bytes

MAX_LABEL, MAX_CONTEXT = 249, 0xFFFF  # bytes; of an exporter (RFC 8446 7.1, RFC 5705 4)
CALLBACK_FAILED = faults.CALLBACK_FAILED._replace(alert=registry.INTERNAL_ERROR)  # by an exception
MAX_EXPORT = 255 * 32  # bytes, of any hash (RFC 5869 2.3)


class Connection:
    """One TLS connection, either role, any version."""

    __slots__ = (
        "clock",
        "config",
        "draft",
        "established",
        "failure",
        "finished_keys",
        "kept",
        "offered",
        "outcome",
        "random",
        "records",
        "refusal",
        "server_hostname",
        "server_side",
        "state",
        "transcript",
        "version",
    )

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
        self.config, self.server_side, self.server_hostname = config, server_side, server_hostname
        self.clock, self.random = clock, random
        self.records = RecordLayer(server_side, [] if config.watch else None)
        self.state: State | None = None  # None: not begun
        self.failure: tuple[Fault, str] | None = None
        self.refusal: Abort | None = None  # the failure, if there is more to it: of a certificate
        self.established = False
        self.transcript = Transcript()  # None once there is no handshake: its states need not ask
        self.version = 0  # that records are in
        self.outcome = NOTHING  # of the last handshake that is done
        self.draft = Outcome()  # of the one under way; once that is done, the same
        self.offered = session  # by a client, before the handshake
        self.kept: tuple[bytes, ...] = ()  # ids of sessions that go if this connection fails
        self.finished_keys = b"", b""  # TLS 1.3: the peer's and ours, each until it has served

    @property
    def shared_suites(self) -> tuple[Suite, ...] | None:
        """What a server and its client both have, in the client's order; None on a client and before the handshake."""
        if not self.server_side or not self.established:
            return None
        theirs = self.outcome.client_suites
        shared = (suite for suite in self.config.suite_by_code.values() if suite.code in theirs)
        return tuple(sorted(shared, key=lambda suite: theirs[suite.code]))

    # The transport's side

    @property
    def request(self) -> Request | None:
        """What somebody outside has to answer with `resume` before the handshake goes on."""
        return self.state.request if self.state else None

    def receive(self, data: bytes) -> None:
        """Bytes from the transport; `advance` makes something of them."""
        self.records.receive(data)

    def wanted(self) -> int:
        """How many bytes the transport may read without hiding a whole record from select()."""
        if self.state and self.state.reads_ahead:
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
    def events(self) -> list[Event] | None:
        """What has happened, if somebody watches: who takes it empties the list."""
        return self.records.events

    # Progress

    def advance(self) -> None:
        """Process what has arrived, until more is needed, a request is parked, data can be read or the handshake ends.

        Raises Abort, and from then on always; the alert is in `data_to_send`.
        """
        if self.failure:
            raise self.failed()
        records, established = self.records, self.established
        try:
            state = self.state
            if state is None:
                state = self.state = first_state(self)
            while state.request is None:
                item = records.next()
                if item is None:
                    return
                kind, data = item
                if kind != HANDSHAKE:
                    state = self._dispatch(state, kind, data)
                    continue
                if records.events is not None:
                    records.events.append(MessageEvent(False, self.version, HANDSHAKE, data))
                state = self.state = state.step(self, data)
                records.takes_data = state.accepts_data
                if self.established != established:
                    return
        except BaseException as error:  # noqa: BLE001  # see _ended_by
            raise self._ended_by(error)  # noqa: B904  # it has its cause

    def resume(self, answer: Any) -> None:
        """Answer `request`.  The answer's type is that of the Request.

        ValueError if nothing is parked: that is the caller's mistake, and the connection goes on.
        """
        if self.failure:
            raise self.failed()
        state = self.state
        if not isinstance(state, Parked):
            raise ValueError("nothing waits for an answer")  # noqa: TRY004
        try:
            self.state = state = state.then(self, answer)
            self.records.takes_data = state.accepts_data
        except BaseException as error:  # noqa: BLE001  # see _ended_by
            del answer  # it may be a key, and the traceback has this frame
            raise self._ended_by(error)  # noqa: B904  # it has its cause

    def refuse(self, error: BaseException) -> NoReturn:
        """The answer to `request` is an exception: the connection cannot go on."""
        raise self._ended_by(error, CALLBACK_FAILED)

    def _ended_by(self, error: BaseException, fault: Fault = faults.INTERNAL) -> BaseException:
        """What to raise after `error` came out of the middle of a step: the connection cannot go on.

        An exception that is no Abort is a mistake of ours that a peer has found.  It must not end a server that is
        ready for SSLError and OSError only: so it is an Abort, too, whose cause is there for the report.  What comes
        from outside, of a signal handler or a debugger, goes through as it is.
        """
        if isinstance(error, Abort):
            if isinstance(error, VerifyAbort) and not self.failure:
                self.refusal = error.again()
            self.fail(error.fault, error.detail)
            return error
        if not isinstance(error, Exception) or from_outside(error):
            self.fail(faults.INTERNAL, "interrupted")
            return error
        whose = raised_in(error)
        request = f"raised in {whose}"
        if whose.startswith("puretls."):
            request = "please report it" if fault is faults.INTERNAL else "what a callback has promised came to it"
        abort = Abort(fault, f"{type(error).__name__}: {request}")  # what it says itself may be anything
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
            self.send_alert(FATAL, fault.alert)
        if self.kept and self.config.sessions is not None:
            for session_id in self.kept:
                self.config.sessions.cache.forget(session_id)
        self.state = Failed()
        self.records.fail()
        self.outcome.master = self.draft.master = None
        self.finished_keys = b"", b""
        self.transcript = None  # type: ignore[assignment]  # likewise

    def send_alert(self, level: int, description: int) -> None:
        self.records.send_alert(level, description)

    def close_notify(self) -> None:
        """Say that we send no more (RFC 8446 6.1).  The peer may go on sending."""
        if not self.failure:
            self.records.close_notify()

    # Application data

    def read_into(self, out: memoryview, slack: int = 0) -> int:
        """Application data into `out`; 0 if there is none, which `close_received` or more input explains.

        The last `slack` bytes of `out` take no data: they are room for the type byte that ends a record of TLS 1.3.
        """
        if self.failure:
            raise self.failed()
        if self.records.takes_data:
            try:
                got = self.records.open_into(out)
            except BaseException as error:  # noqa: BLE001  # see _ended_by
                raise self._ended_by(error)  # noqa: B904  # it has its cause
            if got:
                return got
        self.advance()
        inbound = self.records.inbound
        return inbound.take_into(out[: len(out) - slack]) if inbound.plain else 0

    def read_record(self, record: bytes) -> bytes:
        """Take `record` as `receive` does, and return its data if it is one whole record of application data.

        b"" if it is anything else: then it has been received, and `read_into` goes on.  For small messages: no buffer,
        no copy.  It is for established connections that have not failed and hold no plaintext.
        """
        records = self.records
        if records.takes_data:
            try:
                data = records.open_alone(record)
            except BaseException as error:  # noqa: BLE001  # see _ended_by
                raise self._ended_by(error)  # noqa: B904  # it has its cause
            if data is not None:
                return data
        records.receive(record)
        return b""

    def pending(self) -> int:
        """Bytes that `read_into` would give at once; looks at what is here, if it is whole, to count them."""
        inbound = self.records.inbound
        if not inbound.plain and self.established and not self.failure and (inbound.ready() or not inbound.wanted()):
            self.advance()
        return len(inbound.plain) - inbound.plain_at

    def write(self, data: memoryview) -> None:
        """Seal application data; `data_to_send` has it."""
        if self.failure:
            raise self.failed()
        self.records.write(data)

    def write_record(self, data: Bytes) -> bytes:
        """`write` and `take` in one, for a transport that takes everything."""
        if self.failure:
            raise self.failed()
        return self.records.write_record(data)

    def export_keying_material(self, label: bytes, length: int, context: bytes | None = None) -> bytes:
        """RFC 8446 7.5, RFC 5705 4; ValueError before there are keys, and for what neither has room for."""
        outcome = self.outcome
        if not self.established or outcome.master is None:
            raise ValueError("handshake not done yet")
        if len(label) > MAX_LABEL or len(context or b"") > MAX_CONTEXT or not 0 <= length <= MAX_EXPORT:
            raise ValueError("the label, the context or what is asked for is too long")
        if isinstance(outcome.master, MasterSecret):
            exporter = outcome.master.exporter(outcome.exporter_digest)
            return schedule.export(outcome.digest, exporter, label, context or b"", length)
        seed = outcome.client_random + outcome.server_random
        if context is not None:
            seed += len(context).to_bytes(2, "big") + context
        return prf(outcome.digest, outcome.master, label, seed, length)

    # For the states

    def set_suite(self, suite: Suite) -> None:
        """What was negotiated, after the version."""
        self.draft.suite = suite
        self.draft.digest = suite.hash if self.version >= TLS12 else MD5_SHA1

    def send_message(self, raw: bytes) -> None:
        """A handshake message into the transcript and the flight."""
        self.transcript.update(raw)
        self.records.send(raw)

    def send_messages(self, messages: Sequence[bytes]) -> None:
        """Several, hashed as one."""
        self.transcript.update(self.records.send_all(messages))

    def send_post_handshake(self, messages: Sequence[bytes]) -> None:
        """Messages after Finished, which no transcript covers."""
        self.records.send_all(messages)

    def set_version(self, version: int) -> None:
        self.version = self.draft.version = version
        self.records.set_version(version)

    def log_secret(self, label: str, secret: bytes) -> None:
        if self.records.events is not None:
            self.records.events.append(SecretEvent(label, self.draft.client_random, secret))

    def renegotiate(self) -> State:
        """The server has asked for a new handshake, and gets it."""
        from puretls._engine.client_start import renegotiate  # noqa: PLC0415 - see roles.py

        return renegotiate(self)

    def finish(self, state: State) -> State:
        """The handshake is done, if it passes the gate; `state` takes what comes after it."""
        self.pass_gate(later=self.version == TLS13)
        self.outcome = self.draft
        self.established = True
        self.records.handshake_done()
        sessions = self.config.sessions
        if sessions is not None:
            stats = sessions.stats
            if self.server_side:
                stats.accept_good += 1
            else:
                stats.connect_good += 1
            stats.hits += self.draft.resumed is not None
        return state

    def pass_gate(self, *, later: bool) -> None:
        """The end of every handshake: whatever way it took, the policy in force is satisfied, or it fails.

        `later`: there is post-handshake authentication still to come, or there may be.
        """
        draft, server_side = self.draft, self.server_side
        if not self.config.policy.admits(draft.peer, server_side, self.server_hostname, later, draft.external_psk):
            raise refusal(draft.peer, server_side, draft.version)

    # What arrives

    def _dispatch(self, state: State, kind: int, data: bytes) -> State:
        """A record by its content type, but for handshake messages (RFC 8446 5); the state after it."""
        records = self.records
        if not records.inbound.on_boundary():  # no other record between the parts of a message (RFC 8446 5.1)
            if kind == ALERT:
                records.receive_alert(data)  # which says more, if it is fatal
                raise Abort(faults.MIXED_RECORDS)
            raise Abort(stray(self, kind, inside=True))
        if kind == APPLICATION_DATA:
            if not state.accepts_data:
                raise Abort(stray(self, kind))
            records.keep(data)
        elif kind == ALERT:
            records.receive_alert(data)
        elif kind == CHANGE_CIPHER_SPEC:
            if records.events is not None:
                records.events.append(MessageEvent(False, self.version, CHANGE_CIPHER_SPEC, data or b"\x01"))
            if data:  # else it was dropped
                state = self.state = state.change_cipher_spec(self, data)
                records.takes_data = state.accepts_data
        elif kind != SKIPPED:
            raise Abort(faults.BAD_RECORD_TYPE, f"content type {kind} inside protection")
        return state
