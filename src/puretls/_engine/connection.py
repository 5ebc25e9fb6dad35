"""Connection: bytes in, bytes and requests out.

A transport feeds `receive` (or reads into `room`), calls `advance`, sends `data_to_send`, and answers `request` when
the state is parked.  After the handshake `read_into` and `write` move application data; neither passes through a
state unless something unusual arrives.

Threads: one thread may be on the receiving side (`receive`, `advance`, `read_into`) while another is on the sending
side (`write`, `data_to_send`, `close_notify`), once the handshake is done.  What the receiving side has to say (an
alert, a KeyUpdate) waits in `owed` until the sending side seals it, so each direction's keys have one user.

Whatever a peer makes us say passes `owe`: nothing does once we have said close_notify, and what has no limit of its
own is left out, or refused, while more than MOST_HELD bytes wait that the transport has not taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from os import urandom
from typing import Any

from puretls._base import faults, registry
from puretls._base.faults import Abort, Fault
from puretls._base.outside import from_outside, raised_in
from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, FATAL, HANDSHAKE, TLS12, TLS13, WARNING
from puretls._crypto import schedule
from puretls._crypto.kdf import MD5_SHA1, prf
from puretls._crypto.schedule import MasterSecret
from puretls._crypto.suites import Aead, Suite
from puretls._crypto.transcript import Transcript
from puretls._engine.config import Config
from puretls._engine.outcome import NOTHING, Outcome
from puretls._engine.policy import refusal
from puretls._engine.session import Session
from puretls._engine.state import Event, Failed, MessageEvent, Parked, Request, SecretEvent, State, stray
from puretls._record.inbound import SKIPPED, Inbound
from puretls._record.outbound import Outbound
from puretls._record.protection import HEADER, MAX_PLAINTEXT, Bytes, NullOpener, NullSealer, Opener13, Sealer, Sealer13
from puretls._wire import messages

MAX_WARNINGS = 4  # in a row (RFC 5246 7.2 leaves it to us)
SMALLEST = 5 + 2 + 1 + 16  # bytes of a record of TLS 1.3 that may hold an alert
MOST_HELD = 1 << 16  # bytes of control messages that the transport has not taken; more answers are not given
SPARE = 64  # what a message costs us besides its bytes while it waits
LAST_WORDS = 1024  # of MOST_HELD: records around messages, and what is said whoever takes it, such as an alert
GOODBYE = ALERT, bytes((WARNING, registry.CLOSE_NOTIFY))
MAX_LABEL, MAX_CONTEXT = 249, 0xFFFF  # bytes; of an exporter (RFC 8446 7.1, RFC 5705 4)
MAX_EXPORT = 255 * 32  # bytes, of any hash (RFC 5869 2.3)
CCS_RECORD = b"\x14\x03\x03\x00\x01\x01"


# What the receiving side leaves for the sending side: a record to seal, messages that depend on the keys by then, keys
# to go on with, or None for a KeyUpdate
Owed = tuple[int, bytes] | Callable[["Connection"], bytes] | Sealer | None


class Connection:
    """One TLS connection, either role, any version."""

    __slots__ = (
        "ccs_due",
        "clock",
        "close_received",
        "close_sent",
        "config",
        "control_sealed",
        "draft",
        "established",
        "events",
        "failure",
        "finished_keys",
        "flight",
        "inbound",
        "kept",
        "key_updates",
        "offered",
        "outbound",
        "outcome",
        "owed",
        "owed_size",
        "random",
        "read_secret",
        "renegotiating",
        "server_hostname",
        "server_side",
        "state",
        "transcript",
        "two_threads",
        "update_asked",
        "update_awaited",
        "version",
        "warnings",
        "write_secret",
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
        self.inbound = Inbound(server_side)
        self.outbound = Outbound(registry.TLS12 if server_side else registry.TLS10)
        self.state: State | None = None  # None: not begun
        self.failure: tuple[Fault, str] | None = None
        self.established = self.close_sent = self.close_received = False
        self.events: list[Event] | None = [] if config.watch else None
        self.owed: deque[Owed] = deque()
        self.owed_size = self.control_sealed = 0  # bytes that wait in `owed`; and sealed since all had been taken
        self.two_threads = False  # who receives may not seal: somebody else may be sending
        self.update_asked = False  # a KeyUpdate of ours goes before the next data
        self.update_awaited = False  # we have asked for the peer's
        self.flight = b""  # handshake messages that are sealed together
        self.ccs_due = False  # a change_cipher_spec goes before the next flight or alert
        self.transcript = Transcript()  # None once there is no handshake: its states need not ask
        self.version = 0  # that records are in
        self.outcome = NOTHING  # of the last handshake that is done
        self.draft = Outcome()  # of the one under way; once that is done, the same
        self.offered = session  # by a client, before the handshake
        self.kept: tuple[bytes, ...] = ()  # ids of sessions that go if this connection fails
        self.finished_keys = b"", b""  # TLS 1.3: the peer's and ours, each until it has served
        self.read_secret = self.write_secret = b""  # TLS 1.3 traffic secrets
        self.warnings = self.key_updates = 0
        self.renegotiating = False  # nothing is written until that is over: servers do not expect data in between

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
        self.inbound.receive(data)

    def wanted(self) -> int:
        """How many bytes the transport may read without hiding a whole record from select()."""
        inbound = self.inbound
        if self.state and self.state.reads_ahead:
            return 4096
        missing, start = inbound.wanted(), inbound.start
        size = inbound.end - start + missing
        if size <= 5 or inbound.buf[start] == ALERT or (size <= SMALLEST and self.version == TLS13):
            return missing  # just a header; or perhaps close_notify, and what follows that is not ours to take
        return missing + 5

    def wanted_after(self, header: bytes) -> int:
        """The same, when nothing but this header has been read; 0 if there is something unusual about it."""
        if len(header) != HEADER or header[0] != APPLICATION_DATA:
            return 0
        size = header[3] << 8 | header[4]
        if size > MAX_PLAINTEXT + self.inbound.opener.expansion:
            return 0
        return size if size + HEADER <= SMALLEST and self.version == TLS13 else size + HEADER

    def data_to_send(self) -> memoryview | bytes:
        """Ciphertext that waits for the transport; tell `data_sent` how much of it was taken."""
        if self.owed:
            self.settle()
        return self.outbound.unsent()

    def data_sent(self, count: int) -> None:
        self.outbound.sent(count)

    def take(self) -> bytes:
        """`data_to_send` for a transport that always takes everything."""
        if self.owed:
            self.settle()
        return self.outbound.take()

    @property
    def has_data_to_send(self) -> bool:
        return bool(self.owed) or self.outbound.start != self.outbound.end

    def owe(self, item: Owed, size: int = 0) -> None:
        """Leave something for the sending side to seal, unless it has said that nothing more comes (RFC 8446 6.1)."""
        if not self.close_sent:
            self.owed_size += size + SPARE
            self.owed.append(item)

    def crowded(self, size: int = 0) -> bool:
        """Whether the transport takes too little to owe it `size` bytes more.  Where nothing waits, anything may."""
        outbound = self.outbound
        held = self.owed_size + min(self.control_sealed, outbound.end - outbound.start)
        return held > 0 and held + size >= MOST_HELD - LAST_WORDS

    def settle(self) -> None:
        """Seal what the receiving side has left for the sending side."""
        outbound, owed = self.outbound, self.owed
        waiting = outbound.end - outbound.start
        if not waiting:
            self.control_sealed = 0
        self.owed_size = 0
        while owed:
            item = owed.popleft()
            if isinstance(item, tuple):
                outbound.put(*item)
                if item == GOODBYE:  # whatever another thread has left in the meantime
                    owed.clear()
            elif item is None:
                self.update_write_keys(registry.UPDATE_NOT_REQUESTED)
            elif callable(item):
                outbound.put(HANDSHAKE, item(self))
            else:
                outbound.sealer = item
        self.control_sealed += outbound.end - outbound.start - waiting

    # Progress

    def advance(self) -> None:
        """Process what has arrived, until more is needed, a request is parked, data can be read or the handshake ends.

        Raises Abort, and from then on always; the alert is in `data_to_send`.
        """
        if self.failure:
            raise Abort(*self.failure)
        inbound, established = self.inbound, self.established
        try:
            state = self.state
            if state is None:
                state = self.state = self._begin()
            while state.request is None:
                raw = inbound.message() if inbound.hs else None
                if raw is None:
                    if inbound.plain or self.close_received:
                        return
                    record = inbound.record()
                    if record is None:
                        return
                    kind, data = record
                    if kind != HANDSHAKE:
                        if kind != CHANGE_CIPHER_SPEC or data or self.events is not None:  # else dropped, unwatched
                            state = self._dispatch(state, kind, data)
                        continue
                    raw = inbound.handshake_data(data)
                    if raw is None:
                        continue
                if self.events is not None:
                    self.events.append(MessageEvent(False, self.version, HANDSHAKE, raw))
                state = self.state = state.step(self, raw)
                if self.established != established:
                    return
        except BaseException as error:  # noqa: BLE001  # see _ended_by
            raise self._ended_by(error)  # noqa: B904  # it has its cause

    def resume(self, answer: Any) -> None:
        """Answer `request`.  The answer's type is that of the Request.

        ValueError if nothing is parked: that is the caller's mistake, and the connection goes on.
        """
        if self.failure:
            raise Abort(*self.failure)
        state = self.state
        if not isinstance(state, Parked):
            raise ValueError("nothing waits for an answer")  # noqa: TRY004
        try:
            self.state = state.then(self, answer)
        except BaseException as error:  # noqa: BLE001  # see _ended_by
            del answer  # it may be a key, and the traceback has this frame
            raise self._ended_by(error)  # noqa: B904  # it has its cause

    def _ended_by(self, error: BaseException) -> BaseException:
        """What to raise after `error` came out of the middle of a step: the connection cannot go on.

        An exception that is no Abort is a mistake of ours that a peer has found.  It must not end a server that is
        ready for SSLError and OSError only: so it is an Abort, too, whose cause is there for the report.  What comes
        from outside, of a signal handler or a debugger, goes through as it is.
        """
        if isinstance(error, Abort):
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
        self.flight = b""
        self.outcome.master = self.draft.master = None
        self.read_secret, self.finished_keys = b"", (b"", b"")
        self.transcript = None  # type: ignore[assignment]  # likewise

    def send_alert(self, level: int, description: int) -> None:
        if self.close_sent:
            return
        if self.ccs_due:
            self._change_cipher_spec()
        data = bytes((level, description))
        if self.events is not None:
            self.events.append(MessageEvent(True, self.version, ALERT, data))
        self.owe((ALERT, data), 2)

    def close_notify(self) -> None:
        """Say that we send no more (RFC 8446 6.1).  The peer may go on sending."""
        if not self.close_sent and not self.failure:
            self.send_alert(WARNING, registry.CLOSE_NOTIFY)
            self.close_sent = True

    # Application data

    def read_into(self, out: memoryview, slack: int = 0) -> int:
        """Application data into `out`; 0 if there is none, which `close_received` or more input explains.

        The last `slack` bytes of `out` take no data: they are room for the type byte that ends a record of TLS 1.3.
        """
        if self.failure:
            raise Abort(*self.failure)
        if self.established and self.state.accepts_data:  # type: ignore[union-attr]  # there is one by then
            try:
                got = self.inbound.read_into(out)
            except BaseException as error:  # noqa: BLE001  # see _ended_by
                raise self._ended_by(error)  # noqa: B904  # it has its cause
            if got:
                self.warnings = self.key_updates = 0
                if self.update_asked:
                    self.answer_update()
                return got
        self.advance()
        return self.inbound.read_into(out[: len(out) - slack]) if self.inbound.plain else 0

    def read_record(self, record: bytes) -> bytes:
        """Take `record` as `receive` does, and return its data if it is one whole record of application data.

        b"" if it is anything else: then it has been received, and `read_into` goes on.  The short way for small
        messages: no buffer, no copy.  It is for established connections that have not failed and hold no plaintext.
        """
        inbound = self.inbound
        if (
            inbound.start == inbound.end
            and not inbound.hs
            and self.state.accepts_data  # type: ignore[union-attr]  # there is one by then
            and inbound.plain_limit == MAX_PLAINTEXT
        ):
            try:
                data = inbound.opener.open_data(record)
            except BaseException as error:  # noqa: BLE001  # see _ended_by
                raise self._ended_by(error)  # noqa: B904  # it has its cause
            if data is not None:
                inbound.empty_records = self.warnings = self.key_updates = 0
                if self.update_asked:
                    self.answer_update()
                return data
        inbound.receive(record)
        return b""

    def pending(self) -> int:
        """Bytes that `read_into` would give at once; looks at what is here, if it is whole, to count them."""
        inbound = self.inbound
        if not inbound.plain and self.established and not self.failure and (inbound.ready() or not inbound.wanted()):
            self.advance()
        return len(inbound.plain) - inbound.plain_at

    def write(self, data: memoryview) -> None:
        """Seal application data; `data_to_send` has it."""
        if self.failure:
            raise Abort(*self.failure)
        if self.close_sent:
            raise Abort(faults.PROTOCOL_IS_SHUTDOWN)
        if self.update_asked:
            self.update_asked = False
            self.owe(None)
        if self.owed:
            self.settle()
        outbound = self.outbound
        sealer = outbound.sealer
        left, step = sealer.limit - sealer.seq, outbound.fragment
        if left * step < len(data):
            self._write_much(data, left, step)
        else:
            outbound.put_data(data)

    def write_record(self, data: Bytes) -> bytes:
        """`write` and `take` in one, for a transport that takes everything; the short way if it fits one record."""
        outbound = self.outbound
        sealer = outbound.sealer
        if (
            self.established
            and not self.owed
            and not self.update_asked
            and not outbound.end
            and 0 < len(data) <= outbound.fragment
            and sealer.seq < sealer.limit
            and not self.failure
            and not self.close_sent
        ):
            return sealer.seal_data(data)
        self.write(memoryview(data))
        return self.take()

    def _write_much(self, data: memoryview, left: int, step: int) -> None:
        """More records than the key is good for (RFC 8446 5.5): update it as often as it takes."""
        while len(data) > left * step:
            if left > 0:
                self.outbound.put_data(data[: left * step])
                data = data[left * step :]
            self.update_write_keys(registry.UPDATE_NOT_REQUESTED)
            left = self.outbound.sealer.limit
        self.outbound.put_data(data)

    def update_write_keys(self, request_update: int) -> None:
        """Send a KeyUpdate and go on with the next keys (RFC 8446 4.6.3, 7.2).

        Who has asked already, and not seen the peer's, does not ask again (RFC 9846 4.7.3).
        """
        if self.version != TLS13:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        if request_update == registry.UPDATE_REQUESTED:
            if self.update_awaited:
                request_update = registry.UPDATE_NOT_REQUESTED
            self.update_awaited = True
        raw = messages.key_update(request_update)
        if self.events is not None:
            self.events.append(MessageEvent(True, self.version, HANDSHAKE, raw))
        self.outbound.put(HANDSHAKE, raw)
        self.set_write_secret(schedule.next_traffic_secret(self.draft.digest, self.write_secret))

    def answer_update(self) -> None:
        """Data has come behind the peer's requests for new keys: one KeyUpdate answers them all (RFC 9846 4.7.3).

        It is due before the next data of ours at the latest; there it stays while the transport takes nothing.
        """
        if not self.crowded():
            self.update_asked = False
            if None not in self.owed:
                self.owe(None)
            if not self.two_threads:
                self.settle()

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
        if self.ccs_due:
            self._change_cipher_spec()
        if self.events is not None:
            self.events.append(MessageEvent(True, self.version, HANDSHAKE, raw))
        self.transcript.update(raw)
        self.flight += raw

    def send_messages(self, messages: Sequence[bytes]) -> None:
        """Several, hashed as one."""
        if self.ccs_due:
            self._change_cipher_spec()
        if self.events is not None:
            self.events.extend([MessageEvent(True, self.version, HANDSHAKE, raw) for raw in messages])
        data = b"".join(messages)
        self.transcript.update(data)
        self.flight += data

    def send_post_handshake(self, messages: Sequence[bytes]) -> None:
        """Messages after Finished, which no transcript covers."""
        if self.events is not None:
            self.events.extend([MessageEvent(True, self.version, HANDSHAKE, raw) for raw in messages])
        self.flight += b"".join(messages)

    def flush(self) -> None:
        """Seal the flight: all its messages in as few records as they fit."""
        data = self.flight
        if data:
            self.flight = b""
            if self.established:  # a renegotiation, while others may be writing
                self.owe((HANDSHAKE, data), len(data))
            else:
                self.outbound.put(HANDSHAKE, data)

    def switch_write_keys(self, sealer: Sealer) -> None:
        """ChangeCipherSpec of TLS 1.2 and older: what follows goes under the new keys (RFC 5246 7.1)."""
        self.flush()
        if self.events is not None:
            self.events.append(MessageEvent(True, self.version, CHANGE_CIPHER_SPEC, b"\x01"))
        if self.established:
            self.owe((CHANGE_CIPHER_SPEC, b"\x01"))
            self.owe(sealer)
        else:
            self.outbound.put(CHANGE_CIPHER_SPEC, b"\x01")
            self.outbound.sealer = sealer

    def send_change_cipher_spec(self) -> None:
        """Of middlebox compatibility mode: never protected (RFC 8446 D.4)."""
        if self.flight:
            self.flush()
        self._change_cipher_spec()

    def _change_cipher_spec(self) -> None:
        self.ccs_due = False
        if self.events is not None:
            self.events.append(MessageEvent(True, self.version, CHANGE_CIPHER_SPEC, b"\x01"))
        self.outbound.put_record(CCS_RECORD)

    def set_version(self, version: int) -> None:
        self.version = self.draft.version = self.inbound.version = version
        sealer = self.outbound.sealer
        if type(sealer) is NullSealer:
            sealer.version = min(version, TLS12)

    def set_record_version(self, version: int) -> None:
        """legacy_record_version, as long as records are sent without protection (RFC 8446 5.1)."""
        sealer = self.outbound.sealer
        if type(sealer) is NullSealer:
            sealer.version = min(version, TLS12)

    def set_handshake_secrets(self, theirs: bytes, ours: bytes) -> None:
        """Keys of both directions and of both Finished, TLS 1.3."""
        if self.flight:
            self.flush()
        suite, inbound = self.draft.suite, self.inbound
        aead, d = suite.cipher, suite.hash
        key, iv, finished = schedule.handshake_keys(d, ours, aead.key)
        self.outbound.sealer, self.write_secret = Sealer13(aead, key, iv), ours  # type: ignore[arg-type]  # no other
        if inbound.hs:
            self.check_boundary()
        key, iv, expected = schedule.handshake_keys(d, theirs, aead.key)
        inbound.opener, self.read_secret = Opener13(aead, key, iv), theirs  # type: ignore[arg-type]  # likewise
        self.finished_keys = expected, finished

    def check_boundary(self) -> None:
        """Nothing follows in the record of a message that ends what the peer may say for now (RFC 8446 5.1)."""
        inbound = self.inbound
        if inbound.hs and not inbound.on_boundary():
            raise Abort(faults.NOT_ON_RECORD_BOUNDARY)

    def set_read_secret(self, secret: bytes) -> None:
        """Keys of the receiving direction, TLS 1.3."""
        inbound = self.inbound
        if inbound.hs:
            self.check_boundary()
        aead: Aead = self.draft.suite.cipher  # type: ignore[assignment]  # suites of TLS 1.3 have nothing else
        key, iv = schedule.traffic_keys(self.draft.digest, secret, aead.key)
        inbound.opener, self.read_secret = Opener13(aead, key, iv), secret

    def set_write_secret(self, secret: bytes) -> None:
        """Keys of the sending direction, TLS 1.3."""
        if self.flight:
            self.flush()
        aead: Aead = self.draft.suite.cipher  # type: ignore[assignment]  # likewise
        key, iv = schedule.traffic_keys(self.draft.digest, secret, aead.key)
        self.outbound.sealer, self.write_secret = Sealer13(aead, key, iv), secret

    def log_secret(self, label: str, secret: bytes) -> None:
        if self.events is not None:
            self.events.append(SecretEvent(label, self.draft.client_random, secret))

    def renegotiate(self) -> State:
        """The server has asked for a new handshake, and gets it."""
        from puretls._engine.client_start import renegotiate  # noqa: PLC0415 - see roles.py

        return renegotiate(self)

    def finish(self, state: State) -> State:
        """The handshake is done, if it passes the gate; `state` takes what comes after it."""
        self.pass_gate(later=self.version == TLS13)
        self.outcome = self.draft
        self.established, self.renegotiating = True, False
        self.warnings = 0
        self.inbound.drop_ccs = False
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

    def _begin(self) -> State:
        if self.server_side:
            from puretls._engine.server_start import begin  # noqa: PLC0415 - see roles.py
        else:
            from puretls._engine.client_start import begin  # noqa: PLC0415
        return begin(self)

    def _dispatch(self, state: State, kind: int, data: bytes) -> State:
        """A record by its content type, but for handshake messages (RFC 8446 5); the state after it."""
        inbound = self.inbound
        if not inbound.on_boundary():  # no other record between the parts of a message (RFC 8446 5.1)
            if kind == ALERT:
                self._alert(data)  # which says more, if it is fatal
                raise Abort(faults.MIXED_RECORDS)
            raise Abort(stray(self, kind, inside=True))
        if kind == APPLICATION_DATA:
            if not state.accepts_data:
                raise Abort(stray(self, kind))
            inbound.plain = data
            if data:
                self.warnings = self.key_updates = 0
                if self.update_asked:
                    self.answer_update()
        elif kind == ALERT:
            self._alert(data)
        elif kind == CHANGE_CIPHER_SPEC:
            if self.events is not None:
                self.events.append(MessageEvent(False, self.version, CHANGE_CIPHER_SPEC, data or b"\x01"))
            if data:  # else it was dropped
                state = self.state = state.change_cipher_spec(self, data)
        elif kind != SKIPPED:
            raise Abort(faults.BAD_RECORD_TYPE, f"content type {kind} inside protection")
        return state

    def _alert(self, data: bytes) -> None:
        """RFC 8446 6, RFC 5246 7.2."""
        if len(data) != 2:
            raise Abort(faults.MALFORMED_ALERT)
        level, description = data
        if self.events is not None:
            self.events.append(MessageEvent(False, self.version, ALERT, data))
        tls13 = self.version == TLS13
        if description == registry.CLOSE_NOTIFY and (tls13 or level == WARNING):
            self.close_received = True
            self.inbound.opener = NullOpener()  # what follows is not ours
            return
        if level not in (WARNING, FATAL) and not tls13:
            raise Abort(faults.UNKNOWN_ALERT_TYPE)
        if level == FATAL or (tls13 and description != registry.USER_CANCELED):
            raise Abort(faults.received(description))
        self.warnings += 1
        if self.warnings > MAX_WARNINGS:
            raise Abort(faults.TOO_MANY_WARN_ALERTS)
        if description == registry.NO_RENEGOTIATION and not self.established:
            raise Abort(faults.NO_RENEGOTIATION)
