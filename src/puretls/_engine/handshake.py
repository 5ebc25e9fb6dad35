"""Handshake and State: what the handshakes of a connection share, and the states that they go through.

A state accepts the handshake messages for which it has a handler marked with `@on`, and no others.  A handler gets the
parsed message and returns the next state.  A handler that may need an answer from outside is marked with `@asking_on`:
it is a generator that yields a request where it needs the answer.  States get the handshake as an argument, which
is called `hs` everywhere, and do not keep it: `Handshake` has what outlives them.  It does not know records: a
`MessageLayer` carries its messages (RFC 8446 4, RFC 9001 4.1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, ClassVar, TypeVar

from puretls._base import faults, registry
from puretls._base.events import Event, FailureEvent, SecretEvent, SessionEvent
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._crypto import schedule
from puretls._crypto.kdf import MD5_SHA1, prf
from puretls._crypto.schedule import APPLICATION, HANDSHAKE, INITIAL, MasterSecret, TrafficSecret
from puretls._crypto.suites import Suite
from puretls._crypto.transcript import Transcript
from puretls._engine.config import Config
from puretls._engine.message_layer import MessageLayer, StreamLayer
from puretls._engine.outcome import NOTHING, Outcome
from puretls._engine.policy import refusal
from puretls._engine.profile import TLS, Profile
from puretls._engine.requests import Asking, Request
from puretls._engine.session import Session
from puretls._wire.codec import StructError

MAX_LABEL, MAX_CONTEXT = 249, 0xFFFF  # bytes; of an exporter (RFC 8446 7.1, RFC 5705 4)
MAX_EXPORT = 255 * 32  # bytes, of any hash (RFC 5869 2.3)
Parse = Callable[[bytes], Any]
Handler = Callable[[Any, "Handshake", Any], Any]
H = TypeVar("H", bound=Callable[..., "State"])
A = TypeVar("A", bound=Callable[..., "Asking[State]"])
T = TypeVar("T")
HELLO_REQUEST = bytes((registry.HELLO_REQUEST, 0, 0, 0))
MAX_REQUESTS = 32  # in one handshake


_MARKED: dict[object, tuple[int, Parse, bool]] = {}  # what @on and @asking_on have said of a handler


def on(kind: int, parse: Parse) -> Callable[[H], H]:
    """Mark a method as the handler of a handshake message, and say how that message is parsed here."""

    def mark(handler: H) -> H:
        _MARKED[handler] = kind, parse, False
        return handler

    return mark


def asking_on(kind: int, parse: Parse) -> Callable[[A], A]:
    """The same for a handler that may have to ask somebody outside: it yields Requests and returns the successor."""

    def mark(handler: A) -> A:
        _MARKED[handler] = kind, parse, True
        return handler

    return mark


def decode(parse: Callable[[bytes], T], raw: bytes) -> T:
    """Parse, and turn what the codec cannot read into decode_error."""
    try:
        return parse(raw)
    except (IndexError, StructError):
        raise Abort(faults.LENGTH_MISMATCH) from None


class State:
    """One place in a handshake, or after it."""

    __slots__ = ()
    expects: ClassVar[dict[int, tuple[Parse, Handler, bool]]] = {}  # the last: whether the handler may ask
    accepts_data: ClassVar[bool] = False
    takes_early_data: ClassVar[bool] = False
    expects_ccs: ClassVar[bool] = False
    reads_ahead: ClassVar[bool] = False  # the peer cannot have sent more than what is expected here
    request: Request | None = None

    def __init_subclass__(cls) -> None:
        cls.expects = dict(cls.expects)
        for handler in vars(cls).values():
            if isinstance(handler, FunctionType) and handler in _MARKED:
                kind, parse, asks = _MARKED[handler]
                cls.expects[kind] = parse, handler, asks

    def step(self, hs: Handshake, raw: bytes) -> State:
        """Hand one whole handshake message to its handler; the state after it."""
        try:
            parse, handler, asks = self.expects[raw[0]]
        except KeyError:
            return self._unexpected(hs, raw)
        try:
            message = parse(raw)  # only the codec runs inside this try
        except (IndexError, StructError):
            raise Abort(faults.LENGTH_MISMATCH) from None
        state: State
        if not asks:
            state = handler(self, hs, message)
            return state
        script = handler(self, hs, message)
        try:  # as `go_on` does, without the call
            request = script.send(None)
        except StopIteration as end:
            state = end.value
            return state
        return Parked(request, script)

    def _unexpected(self, hs: Handshake, raw: bytes) -> State:
        """A message that has no handler here."""
        if raw == HELLO_REQUEST and not hs.server_side and (hs.version or hs.config.min_version) < TLS13:
            _count_request(hs)
            return self  # ignored in a handshake (RFC 5246 7.4.1.1)
        name = registry.HANDSHAKE_TYPES.get(raw[0], raw[0])
        raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, f"{name} in {type(self).__name__}") from None

    def request_authentication(self, hs: Handshake) -> None:
        """Ask the client for its certificate after the handshake; refused in states in which that is not possible."""
        del hs
        raise Abort(faults.STILL_IN_INIT)

    def change_cipher_spec(self, hs: Handshake, body: bytes) -> State:
        """Handle ChangeCipherSpec (RFC 5246 7.1), in states of TLS 1.2 and older that set `expects_ccs`."""
        raise NotImplementedError


def _count_request(hs: Handshake) -> None:
    hs.layer.count(faults.UNEXPECTED_HANDSHAKE_MESSAGE, MAX_REQUESTS)


class Parked(State):
    """The handshake waits for the answer to a request.  `script` is the handler that has yielded it."""

    __slots__ = ("request", "script")

    def __init__(self, request: Request, script: Asking[State]) -> None:
        self.request: Request | None = request
        self.script = script


def go_on(script: Asking[State], answer: Any = None) -> State:
    """Run a handler up to its next request, or to its end; the state after that."""
    try:
        request = script.send(answer)
    except StopIteration as end:
        state: State = end.value
        return state
    finally:
        del answer  # it may be a key, and the traceback of a failure has this frame
    return Parked(request, script)


class Failed(State):
    """The connection has failed: nothing is expected, and the secrets are gone with the state before."""

    __slots__ = ()


class Handshake:
    """What the states of a connection's handshakes share; its `Machine` drives them."""

    __slots__ = (
        "begin",
        "clock",
        "config",
        "draft",
        "early_wanted",
        "established",
        "finished_keys",
        "held",
        "kept",
        "layer",
        "offered",
        "outcome",
        "profile",
        "random",
        "read_level",
        "server_hostname",
        "server_side",
        "tells_sessions",
        "transcript",
        "version",
        "write_level",
    )

    def __init__(
        self,
        config: Config,
        server_side: bool,
        clock: Callable[[], float],
        server_hostname: str | None,
        session: Session | None,
        random: Callable[[int], bytes],
        layer: MessageLayer,
        begin: Callable[[Handshake], State],
        profile: Profile = TLS,
    ) -> None:
        """`server_hostname` is an A-label or a literal address; `clock` tells seconds since the epoch; `begin` gives
        the first state of a handshake (roles.py).
        """
        self.begin = begin
        self.config, self.server_side, self.server_hostname = config, server_side, server_hostname
        self.clock, self.random, self.layer, self.profile = clock, random, layer, profile
        if profile is not TLS:
            self.config = profile.fit(config)
        self.established = False
        self.transcript = Transcript()  # deleted when the handshake is done
        self.version = 0  # what was negotiated; 0 before
        self.outcome = NOTHING  # what the last handshake that is done has negotiated
        self.draft = Outcome()  # the same of the handshake under way; it becomes `outcome` when that is done
        self.offered = session  # the session that a client offers
        self.tells_sessions = False  # the driver of a client wants SessionEvent and FailureEvent
        self.early_wanted = False  # a client has early data, or a server's application reads it
        self.held: TrafficSecret | None = None  # the handshake secret, installed when early data has ended
        self.kept: tuple[bytes, ...] = ()  # ids of sessions that are forgotten if this connection fails
        self.finished_keys = b"", b""  # TLS 1.3: the peer's and ours, each until it was used
        self.read_level = self.write_level = INITIAL

    # For the states

    @property
    def stream(self) -> StreamLayer:
        """The layer, for what exists only over records; no profile without records leads to a state that asks
        for it.
        """
        stream = self.layer.stream
        if stream is None:
            raise Abort(faults.INTERNAL)
        return stream

    @property
    def events(self) -> list[Event]:
        """What has happened; whoever reports it empties the list."""
        return self.layer.events

    @property
    def session(self) -> Session | None:
        """The session of the handshake that is done: of TLS 1.3 a client has one when a ticket has come."""
        ticket = self.outcome.ticket
        return self.outcome.session if ticket is None else ticket.session(self)

    def log_secret(self, label: str, secret: bytes, random: bytes = b"") -> None:
        """`random`: of the ClientHello that counts, if that is not known yet."""
        if self.layer.watched:
            self.layer.events.append(SecretEvent(label, random or self.draft.client_random, secret))

    def tell_session(self, session: Session) -> None:
        """Report a session that a client can resume."""
        if self.tells_sessions:
            self.layer.events.append(SessionEvent(session))

    def set_version(self, version: int) -> None:
        self.version = self.draft.version = version
        self.layer.set_version(version)

    def set_suite(self, suite: Suite) -> None:
        """Set the suite, after the version."""
        self.draft.suite = suite
        self.draft.digest = suite.hash if self.version >= TLS12 else MD5_SHA1

    def send_message(self, raw: bytes) -> None:
        """Add a handshake message to the transcript and to the flight."""
        self.transcript.update(raw)
        self.layer.send(self.write_level, (raw,))

    def send_messages(self, messages: Sequence[bytes]) -> None:
        """The same for several messages, which are hashed at once."""
        self.transcript.update(b"".join(messages))
        self.layer.send(self.write_level, messages)

    def send_post_handshake(self, messages: Sequence[bytes]) -> None:
        """Send messages after Finished, which belong to no transcript."""
        self.layer.send(self.write_level, messages)

    def install_handshake_secrets(self, theirs: bytes, ours: bytes, *, early: bool = False) -> None:
        """Install the handshake secrets of TLS 1.3, and keep the keys of both Finished messages.

        `early`: over records, the direction of early data keeps its own keys until early data has ended.
        """
        suite = self.draft.suite
        d, size = suite.hash, suite.cipher.key
        read, write = TrafficSecret(d, theirs, size, handshake=True), TrafficSecret(d, ours, size, handshake=True)
        self.finished_keys = read.finished, write.finished
        if early and self.profile.end_of_early_data:
            self._hold(read, write)
            return
        self.layer.install_write(HANDSHAKE, suite, write)
        self.layer.install_read(HANDSHAKE, suite, read)
        self.read_level = self.write_level = HANDSHAKE

    def _hold(self, read: TrafficSecret, write: TrafficSecret) -> None:
        suite = self.draft.suite
        if self.server_side:
            self.layer.install_write(HANDSHAKE, suite, write)
            self.held, self.write_level = read, HANDSHAKE
        else:
            self.layer.install_read(HANDSHAKE, suite, read)
            self.held, self.read_level = write, HANDSHAKE

    def release(self) -> None:
        """Install the handshake secret in the direction of early data, which has ended."""
        held, self.held, suite = self.held, None, self.draft.suite
        if self.draft.early is not None:
            self.draft.early.open = False
        if held is None:  # it is installed
            return
        if self.server_side:
            self.layer.install_read(HANDSHAKE, suite, held)
            self.read_level = HANDSHAKE
        else:
            self.layer.install_write(HANDSHAKE, suite, held)
            self.write_level = HANDSHAKE

    def install_read_secret(self, secret: bytes) -> None:
        """Receive what follows under the peer's application traffic secret."""
        suite = self.draft.suite
        self.layer.install_read(APPLICATION, suite, TrafficSecret(suite.hash, secret, suite.cipher.key))
        self.read_level = APPLICATION

    def install_write_secret(self, secret: bytes) -> None:
        """Send what follows under our application traffic secret."""
        suite = self.draft.suite
        self.layer.install_write(APPLICATION, suite, TrafficSecret(suite.hash, secret, suite.cipher.key))
        self.write_level = APPLICATION

    def forget(self) -> None:
        """The connection has failed: its secrets go, and its sessions."""
        if self.outcome.ticket is not None:  # what a program may ask for all the same
            self.outcome.ticket.session(self)
        self.outcome.master = self.draft.master = None
        if self.draft.ech is not None:
            self.draft.ech.opened = None
        if self.draft.early is not None:
            self.draft.early.forget()
        self.finished_keys, self.held = (b"", b""), None
        self.transcript = Transcript()
        if self.kept and self.config.sessions is not None:
            for session_id in self.kept:
                self.config.sessions.cache.forget(session_id)
        if self.tells_sessions:
            self.layer.events.append(FailureEvent())

    def finish(self, state: State, flight: Sequence[bytes] = ()) -> State:
        """End the handshake, if it passes the gate; `state` is the one after it.

        `flight` is sent at once, while nobody else can be sending.
        """
        self.pass_gate(later=self.version == TLS13)
        self.outcome = self.draft
        self.outcome.hello = None
        self.established = True
        if flight:
            self.send_post_handshake(flight)
            self.layer.flush()
        self.layer.handshake_done()
        sessions = self.config.sessions
        if sessions is not None:
            stats = sessions.stats
            if self.server_side:
                stats.accept_good += 1
            else:
                stats.connect_good += 1
            resumed = self.draft.resumed
            if resumed is not None:
                stats.hits += 1
                if self.server_side:
                    stats.origins[resumed.origin] += 1
        return state

    def pass_gate(self, *, later: bool) -> None:
        """Check at the end of every handshake, whichever way it took, that the policy in force is satisfied.

        `later`: post-handshake authentication is still to come, or possible.
        """
        draft, server_side = self.draft, self.server_side
        if not self.config.policy.admits(draft.peer, server_side, self.server_hostname, later, draft.external_psk):
            raise refusal(draft.peer, server_side, draft.version)

    # Afterwards

    def export_keying_material(
        self, label: bytes, length: int, context: bytes | None = None, *, early: bool = False
    ) -> bytes:
        """Exporters (RFC 8446 7.5, RFC 5705 4).  ValueError before the handshake is done, and for arguments that are
        too long.
        """
        outcome = self.outcome
        if not early and (not self.established or outcome.master is None):
            raise ValueError("handshake not done yet")
        if len(label) > MAX_LABEL or len(context or b"") > MAX_CONTEXT or not 0 <= length <= MAX_EXPORT:
            raise ValueError("the label, the context or what is asked for is too long")
        if early or outcome.master is None:
            if self.draft.early is None:
                raise ValueError("there is no early data")
            return schedule.export(*self.draft.early.exporting(), label, context or b"", length)
        if isinstance(outcome.master, MasterSecret):
            exporter = outcome.master.exporter(outcome.exporter_digest)
            return schedule.export(outcome.digest, exporter, label, context or b"", length)
        seed = outcome.client_random + outcome.server_random
        if context is not None:
            seed += len(context).to_bytes(2, "big") + context
        return prf(outcome.digest, outcome.master, label, seed, length)
