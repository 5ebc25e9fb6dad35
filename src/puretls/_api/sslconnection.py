"""`_SSLSocket`: one connection as the interpreter's private `_ssl._SSLSocket` offers it.

SSLSocket and SSLObject talk only to this object, and so do gevent, truststore, httpcore and others that use `_sslobj`.
This module has what does not depend on the transport: questions about the connection, and the answers to the engine's
requests (`answers`).  `over_socket` and `over_bio` move the bytes.

Callbacks run in the thread that is in do_handshake() or read(), with the locks of the connection held.
"""

from __future__ import annotations

import operator
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from puretls._api import cipher_string, early_data, ech
from puretls._api.answers import ANSWERS
from puretls._api.client_hello import ClientHello
from puretls._api.client_sessions import CacheKeeper
from puretls._api.compression import compression_name
from puretls._api.enums import EarlyDataStatus, ECHStatus
from puretls._api.errors import SSLError, abort_error, eof_error, fault_error, ssl_error
from puretls._api.later import Awaited
from puretls._api.objects import Certificate, SSLSession
from puretls._api.settings import PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER
from puretls._base import faults, registry
from puretls._base.events import MessageEvent, SecretEvent
from puretls._base.faults import Abort, Fault
from puretls._base.registry import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, TLS13
from puretls._crypto.kdf import SHA256
from puretls._engine.config import OP_IGNORE_UNEXPECTED_EOF
from puretls._engine.connection import Connection
from puretls._engine.requests import Request
from puretls._engine.session import Session
from puretls._record.scratch import SPARE_SIZE, give_back, scratch
from puretls._x509 import peercert

if TYPE_CHECKING:
    from puretls._api.context import SSLContext
    from puretls._engine.peer import Peer

CHANNEL_BINDING_TYPES = ["tls-unique", "tls-server-end-point", "tls-exporter"]
MAX_NAME = 255  # bytes of a host name (RFC 1035 2.3.4)
SMALL = 1 << 14  # a record's worth of data


def writable(buffer: Any, size: int) -> memoryview:
    """The part of a caller's buffer that read(size, buffer) may fill."""
    try:
        view = memoryview(buffer)
    except TypeError:
        raise not_writable(buffer) from None
    if type(buffer) is not bytearray:
        if view.readonly or not view.c_contiguous:
            raise not_writable(buffer)
        if view.format != "B" or view.ndim != 1:
            view = view.cast("B")
    return view[:size] if 0 < size < len(view) else view


def not_writable(buffer: Any) -> TypeError:
    """The error for an object that is no writable memory of bytes."""
    return TypeError(f"read() argument 2 must be read-write bytes-like object, not {type(buffer).__name__}")


def nothing(size: int) -> bytes:
    """The result of read(size) for a size of 0; ValueError for a negative one."""
    if size < 0:
        raise ValueError("size should not be negative")
    return b""


def reentered() -> RuntimeError:
    """The error for a signal handler or a callback that reads in the middle of a read, or writes in the middle of a
    write.
    """
    return RuntimeError("reentrant call: this thread is in the middle of one on the same connection")


def readable(data: Any) -> memoryview:
    """The bytes of a caller's buffer that write(data) sends."""
    view = memoryview(data)
    if not view.contiguous:
        raise BufferError("memoryview: underlying buffer is not C-contiguous")
    return view if view.format == "B" and view.ndim == 1 else view.cast("B")


class _SSLSocket:
    """A connection, without its transport."""

    __slots__ = (
        "__weakref__", "_awaited", "_callback_error", "_conn", "_context", "_eof_reported", "_hello", "_judged",
        "_keeper", "_owner", "_placeholder", "_records",
    )  # fmt: skip

    def __init__(
        self, context: SSLContext, server_side: bool, server_hostname: str | None, owner: Any, session: Any
    ) -> None:
        protocol = context._settings.protocol
        if server_side and protocol == PROTOCOL_TLS_CLIENT:
            raise ssl_error(0, "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and protocol == PROTOCOL_TLS_SERVER:
            raise ssl_error(0, "Cannot create a client socket with a PROTOCOL_TLS_SERVER context")
        if server_hostname is not None:
            if "\0" in server_hostname:
                raise TypeError("argument must be encoded string without null bytes, not str")
            if not server_hostname or server_hostname.startswith("."):
                raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
            if len(server_hostname) > MAX_NAME:
                raise fault_error(faults.INVALID_SERVERNAME, number=319)
        self._context = context
        self._owner = None if owner is None else weakref.ref(owner)
        server_side = bool(server_side)
        config = context._settings.frozen(server_side=server_side)
        self._conn = Connection(config, server_side, time.time, server_hostname)
        self._records = self._conn.records
        self._eof_reported = False  # read() has reported close_notify, or an error
        self._callback_error: BaseException | None = None  # of a message callback, raised when the operation is done
        self._hello: ClientHello | None = None  # once it has been read
        self._keeper: CacheKeeper | None = None  # of a client whose context has a session cache
        self._judged: Peer | None = None  # the peer that a function of the program is judging
        self._placeholder: Session | None = None
        self._awaited: Awaited | None = None  # the answer to the engine's request, if it comes later
        if session is not None:
            self.session = session

    # For the transports to define

    def do_handshake(self) -> None:
        """Go on with the handshake."""
        raise NotImplementedError

    def write(self, data: Any, /) -> int:
        """Send data; how many bytes were taken."""
        raise NotImplementedError

    def write_early_data(self, data: Any, /) -> int:
        """Send data with the first message; how many bytes were taken."""
        raise NotImplementedError

    def read_early_data(self, size: int = 1024, /) -> bytes:
        """Data of a client that has not finished its handshake; b"" if no more comes."""
        raise NotImplementedError

    def pending(self) -> int:
        """How many bytes read() would return without further input."""
        raise NotImplementedError

    def shutdown(self) -> Any:
        """Send close_notify and wait for the peer's."""
        raise NotImplementedError

    def _send_pending(self) -> None:
        """From the receiving side: send what is pending, as far as the transport takes it without waiting."""
        raise NotImplementedError

    def _eof_to_report(self) -> int:
        """The result of pending() when there is no data: 1 if the end was received, but not reported to the
        caller yet.
        """
        return int(not self._eof_reported and bool(self._conn.failure or self._records.close_received))

    def _interrupted(self, error: BaseException) -> None:
        """Fail: records that have consumed their sequence numbers may be lost, and the peer could not decrypt what
        follows.
        """
        if not isinstance(error, Abort):
            self._conn.fail(faults.INTERNAL, "interrupted while sealing")

    # Progress, for the transports

    def _advance(self) -> None:
        """Let the engine work on what has arrived, and answer its requests."""
        conn = self._conn
        handshake, machine = conn.handshake, conn.machine
        if machine.state is None and not handshake.server_side:
            self._begin(conn)
        try:
            conn.advance()
            while (state := machine.state) is not None and (request := state.request) is not None:
                if self._records.events:  # reported before the program is asked about it
                    self._report()
                self._answer(request)
                conn.advance()
        finally:
            if self._records.events:
                self._report()

    def _begin(self, conn: Connection) -> None:
        """Prepare a client's first message."""
        name, cache = conn.server_hostname, self._context._settings.client_session_cache
        if not name:
            if conn.config.policy.check_hostname:
                raise ValueError("check_hostname requires server_hostname")
        elif cache is not None and self._keeper is None:
            handshake = conn.handshake
            handshake.tells_sessions = True
            self._keeper = keeper = CacheKeeper(cache, conn, self._port())
            if handshake.offered is None:
                handshake.offered = keeper.take(handshake.clock())
        callback = self._context._settings.early_data_callback
        if callback is not None:
            early_data.of_callback(self, callback)

    def _port(self) -> int | None:
        """The server's port, where that is known."""
        return None

    def _report(self) -> None:
        """Tell the key log, the message callback and the session cache what happened."""
        settings, events = self._context._settings, self._records.events
        keylog, callback = settings.keylog, settings.message_callback
        owner = self._callback_owner() if callback else None
        while events:
            try:
                event = events.pop(0)
            except IndexError:  # the thread of the other direction has taken it
                return
            if isinstance(event, SecretEvent):
                if keylog is not None:
                    keylog.write(*event)
            elif not isinstance(event, MessageEvent):
                if self._keeper is not None:
                    self._keeper.told(event)
            elif callback is not None and self._callback_error is None:
                try:
                    callback(
                        owner, "write" if event.sent else "read", *_described(event, self._conn.config.max_version)
                    )
                except BaseException as error:  # noqa: BLE001  # raised again when the operation is done
                    self._callback_error = error

    def read(self, size: int = 1024, buffer: Any = None, /) -> Any:
        """Up to `size` bytes, or how many of them are in `buffer` now."""
        raise NotImplementedError

    def _take(self, limit: int, out: memoryview | None) -> Any:
        """The data that can be returned now: bytes, or how many are in `out`; falsy if there are none.

        A small buffer is filled from a scratch buffer with room for the type byte that ends a record of TLS 1.3.  So a
        record that fits exactly takes the fast path, and nothing is written behind the data.  A large buffer is
        decrypted into directly, and the byte behind the data may change.
        """
        conn, records = self._conn, self._records
        if not records.failed:
            if records.has_plain:
                return self._deliver(records.take_plain(limit), limit, out)
            if out is not None and limit > SMALL:
                return conn.read_into(out)
            record = records.short_record()
            if record:
                data = conn.read_record(record)
                if data:
                    return self._deliver(data, limit, out)
            elif records.next_is_longer_than(limit):  # it waits here
                conn.advance()
                return self._deliver(records.take_plain(limit), limit, out)
        limit = min(limit, records.ciphertext, SPARE_SIZE)
        extra = conn.version == TLS13
        buffer = scratch(limit + extra)
        with memoryview(buffer) as view:
            got = conn.read_into(view[: limit + extra], extra)
            if out is not None:
                out[:got] = view[:got]
                return got
            data = bytes(view[:got])
        give_back(buffer)
        return data

    def _deliver(self, data: bytes, limit: int, out: memoryview | None) -> Any:
        """The part of decrypted data that read() returns; the rest is kept."""
        if len(data) > limit:
            self._records.put_back(data, limit)
            data = data[:limit]
        if out is None:
            return data
        out[: len(data)] = data
        return len(data)

    def _raise_callback_error(self) -> None:
        error, self._callback_error = self._callback_error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback leads to this frame

    def _at_end(self) -> None:
        """Handle a transport that has ended without close_notify: an error, unless the options accept it as a clean
        end.
        """
        conn = self._conn
        if conn.config.options & OP_IGNORE_UNEXPECTED_EOF and conn.established:
            self._records.peer_has_ended()
            return
        if self._records.truncated:
            raise eof_error(None)
        self._records.truncated = True
        self._records.disarm()
        if conn.established:
            conn.send_alert(registry.FATAL, registry.DECODE_ERROR)
            self._send_pending()
        elif self._keeper is not None:
            self._keeper.forget()
        raise eof_error(faults.UNEXPECTED_EOF.reason)

    def _check_end(self) -> None:
        """After an end without close_notify nothing is read or sent: the peer may have received only part of what was
        sent.
        """
        if self._records.truncated and not (self._conn.failure or self._records.close_sent):
            raise eof_error(None)

    # Answering requests

    def _callback_owner(self) -> Any:
        """The object that callbacks get: the SSLSocket or SSLObject around this connection; None if it is gone."""
        return self if self._owner is None else self._owner()

    def _answer(self, request: Request) -> None:
        """Answer a request; SSLWantAnswerError if the answer comes later and this transport does not wait for it."""
        conn = self._conn
        if self._awaited is None:
            try:
                answer = ANSWERS[type(request)](self, request)
            except BaseException as error:  # noqa: BLE001  # a refusal, or a mistake of the function's
                conn.refuse(request, error)
            if type(answer) is not GeneratorType:
                conn.resume(request, answer)
                return
            self._awaited = Awaited(answer)
        awaited = self._awaited
        while not self._come_to(request, awaited):
            try:
                self._wait_for(awaited)
            except RuntimeError:
                self._awaited = None
                conn.fail(faults.INTERNAL, "nobody can wait for that")
                raise
        self._awaited = None
        conn.resume(request, awaited.answer)

    def _come_to(self, request: Request, awaited: Awaited) -> bool:
        """Whether the answer is there; an exception of the program's function ends the connection."""
        try:
            return awaited.go_on()
        except BaseException as error:  # noqa: BLE001  # as above
            self._awaited = None
            self._conn.refuse(request, error)

    def give_up(self) -> None:
        """Stop waiting for an answer: the connection is over."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.give_up()

    def _wait_for(self, awaited: Awaited) -> None:
        """Return when the promise is done, or raise SSLWantAnswerError."""
        raise NotImplementedError

    def set_waker(self, waker: Callable[[], object] | None) -> None:
        """Set the function that is called when an answer has come while no call waits for it."""
        raise NotImplementedError

    # The connection

    @property
    def context(self) -> SSLContext:
        """The context in use; sni_callback may assign another."""
        return self._context

    @context.setter
    def context(self, value: SSLContext) -> None:
        from puretls._api.context import SSLContext as Context  # noqa: PLC0415  # it knows us

        if not isinstance(value, Context):
            raise TypeError("The value must be a SSLContext")
        self._context = value

    @property
    def owner(self) -> Any:
        """The SSLSocket or SSLObject, which callbacks are given."""
        return None if self._owner is None else self._owner()

    @owner.setter
    def owner(self, value: Any) -> None:
        self._owner = None if value is None else weakref.ref(value)

    @property
    def server_side(self) -> bool:
        """Whether this is the server."""
        return self._conn.server_side

    @property
    def server_hostname(self) -> str | None:
        """The name of the server that was asked for."""
        return self._conn.server_hostname

    @property
    def session(self) -> SSLSession | None:
        """The session, once there is one; a client may set it before the handshake to resume it."""
        conn = self._conn
        session = conn.outcome.session
        if not conn.established:
            return None
        if session is None:
            session = self._placeholder = self._placeholder or _without_ticket(conn)
        if not session.id and conn.server_side and conn.version == TLS13:  # as OpenSSL's: a number, no key to anything
            session.id = SHA256.hash(b"session id" + conn.outcome.server_random)
        return SSLSession._of(session, self._context)

    @session.setter
    def session(self, value: SSLSession) -> None:
        if not isinstance(value, SSLSession):
            raise TypeError("Value is not a SSLSession.")
        other = value._context
        if other is not None and other._settings.sessions is not self._context._settings.sessions:  # copies share them
            raise ValueError("Session refers to a different SSLContext.")
        if self._conn.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self._conn.state is not None:
            raise ValueError("Cannot set session after handshake.")
        self._conn.handshake.offered = value._session

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._conn.outcome.session_reused

    # The peer's certificate

    @property
    def _peer(self) -> Peer | None:
        """The peer; while a function judges a peer, that one."""
        return self._judged or self._conn.outcome.peer

    def getpeercert(self, binary_form: bool = False, /) -> dict[str, Any] | bytes | None:
        """The peer's certificate, as DER or as a dictionary, which is empty if it was not verified."""
        peer = self._peer
        if peer is None and not self._conn.established:
            raise ValueError("handshake not done yet")
        if peer is None:
            return None
        if peer.raw is not None:  # there is no certificate
            return None
        if binary_form:
            return peer.certificate.der
        return {} if peer.path is None else peercert.peercert(peer.certificate)

    def ocsp_response(self) -> bytes | None:
        """What the server has stapled (RFC 6066 8)."""
        peer = self._peer
        return None if peer is None or self._conn.server_side else peer.ocsp

    def sct_list(self) -> bytes | None:
        """The timestamps that the server has sent (RFC 6962 3.3)."""
        return None if self._conn.server_side else self._conn.outcome.scts

    def peer_public_key(self) -> bytes | None:
        """The key that the peer has proven to have."""
        peer = self._peer
        if peer is None:
            return None
        return peer.certificate.key_der if peer.raw is None else peer.raw

    def cert_compression(self) -> str | None:
        """The algorithm with which the peer's certificate was compressed (RFC 8879)."""
        return compression_name(self._conn.outcome.certificate_compression)

    # Encrypted Client Hello (RFC 9849)

    def get_ech_status(self) -> ECHStatus:
        """The state of Encrypted Client Hello."""
        return ech.status(self._conn)

    def get_ech_retry_config(self) -> bytes | None:
        """The ECHConfigList that the server has sent to be used instead."""
        return ech.retry_config(self._conn)

    @property
    def outer_server_hostname(self) -> str | None:
        """The host that the outer hello asked for."""
        record = self._conn.handshake.draft.ech
        return None if record is None else record.outer_name

    def set_outer_server_hostname(self, server_hostname: str | None, /) -> None:
        """Set the host that it asks for."""
        name, handshake = ech.outer_name(server_hostname), self._conn.handshake
        if self._conn.server_side or self._conn.state is not None:
            raise ValueError("Cannot set the outer hostname of a server, or after the handshake has begun.")
        handshake.config = replace(handshake.config, outer_name=name)

    def get_verified_chain(self) -> list[Certificate] | None:
        """The path from the peer's certificate to the anchor; what the peer sent if nothing was verified."""
        peer = self._peer
        return None if peer is None else [Certificate._of(x) for x in peer.path or peer.chain]

    def get_unverified_chain(self) -> list[Certificate] | None:
        """The certificates that the peer has sent; those of a server also before it is accepted, and if it is
        refused.
        """
        peer = self._peer
        chain = self._conn.handshake.draft.presented if peer is None else peer.chain
        return [Certificate._of(x) for x in chain] or None

    # What was negotiated

    def version(self) -> str | None:
        """The version of the protocol."""
        return registry.VERSIONS[self._conn.outcome.version] if self._conn.established else None

    def cipher(self) -> tuple[str, str, int] | None:
        """The name of the cipher suite, the version that defines it, and its secret bits."""
        if not self._conn.established:
            return None
        suite = self._conn.outcome.suite
        return (suite.openssl, cipher_string.protocol(suite), 8 * suite.cipher.key)

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """The suites that both sides have, on a server."""
        conn = self._conn
        if not conn.server_side or not conn.established:
            return None
        shared = [suite for code, suite in conn.config.suite_by_code.items() if code in conn.outcome.client_suites]
        return [(suite.openssl, cipher_string.protocol(suite), 8 * suite.cipher.key) for suite in shared]

    def compression(self) -> None:
        """None: there is none."""

    def selected_alpn_protocol(self) -> str | None:
        """The protocol that was agreed on."""
        alpn = self._conn.outcome.alpn if self._conn.established else early_data.protocol(self._conn)
        return None if alpn is None else alpn.decode("ascii", "surrogateescape")

    def client_hello(self) -> ClientHello | None:
        """The ClientHello, on a server; after the handshake only if it was read before its end."""
        draft = self._conn.handshake.draft
        found, message = self._hello, draft.hello
        if found is None and message is not None:
            found = self._hello = ClientHello(message, ech_accepted=draft.ech is not None and draft.ech.confirmed)
        return found

    def selected_cert_chain(self) -> list[bytes]:
        """The certificates that we have shown, or are going to."""
        credential = self._conn.handshake.draft.own_credential
        return [] if credential is None else list(credential.ders)

    def group(self) -> str | None:
        """The group of the key agreement."""
        group = self._conn.outcome.group
        return None if group is None else group.name

    def client_sigalg(self) -> str | None:
        """The scheme of the client's signature, if it made one."""
        conn = self._conn
        scheme = conn.outcome.peer_scheme if conn.server_side else conn.outcome.own_scheme
        return scheme.name if scheme and conn.established else None

    def server_sigalg(self) -> str | None:
        """The scheme of the server's signature, if it made one."""
        conn = self._conn
        scheme = conn.outcome.own_scheme if conn.server_side else conn.outcome.peer_scheme
        return scheme.name if scheme and conn.established else None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """What ties another protocol to this connection (RFC 5929, RFC 9266); None before the handshake."""
        if not isinstance(cb_type, str):
            kind = "None" if cb_type is None else type(cb_type).__name__
            raise TypeError(f"get_channel_binding() argument 'cb_type' must be str, not {kind}")
        if cb_type not in CHANNEL_BINDING_TYPES:
            raise ValueError(f"{cb_type!r} channel binding type not implemented")
        conn = self._conn
        if not conn.established:
            return None
        if cb_type == "tls-exporter":
            if conn.version != TLS13 and not conn.outcome.ems:
                return None  # the master secret need not be unique: RFC 9266 does not define it here
            return conn.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
        if cb_type == "tls-server-end-point":
            return self._end_point()
        # The first Finished: the client's, or the server's when a session is resumed.
        ours = conn.outcome.session_reused == conn.server_side
        return (conn.outcome.finished_sent if ours else conn.outcome.finished_received) or None

    def _end_point(self) -> bytes | None:
        """The hash of the server's certificate (RFC 5929 4.1)."""
        conn = self._conn
        own, peer = conn.outcome.own_credential, conn.outcome.peer
        if conn.server_side:
            return own.leaf.end_point() if own else None
        return peer.certificate.end_point() if peer and peer.raw is None else None

    def export_keying_material(
        self, label: str | bytes, length: int, context: bytes | None = None, *, early: bool = False
    ) -> bytes:
        """Keys for another protocol (RFC 5705, RFC 8446 7.5)."""
        label = label.encode("ascii") if isinstance(label, str) else label
        label, length = bytes(memoryview(label)), operator.index(length)
        return self._conn.export_keying_material(label, length, context, early=early)

    def early_data_status(self) -> EarlyDataStatus:
        """What has become of early data."""
        return early_data.status(self._conn)

    def early_data_reason(self) -> str | None:
        """Why."""
        return early_data.reason(self._conn)

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate with the next operation, whatever it is (RFC 8446 4.6.2)."""
        conn = self._conn
        if conn.version != TLS13:
            raise fault_error(faults.PHA_WRONG_VERSION, number=266)
        if not conn.server_side:
            raise fault_error(faults.NOT_SERVER, number=284)
        if not conn.established:
            raise fault_error(faults.STILL_IN_INIT, number=121)
        if conn.failure:
            raise abort_error(conn.failed())
        try:
            conn.request_authentication()
        except Abort as abort:
            raise _numbered(abort.fault) from None

    # Kernel TLS is not used

    def uses_ktls_for_send(self) -> bool:
        """False: records are sealed here."""
        return False

    def uses_ktls_for_recv(self) -> bool:
        """False: records are opened here."""
        return False

    def sendfile(self, fd: int, offset: int, size: int, flags: int = 0) -> int:
        """Not without kernel TLS."""
        del fd, offset, size, flags
        raise ssl_error(0, "sendfile needs kernel TLS, which is not in use")


_PHA_NUMBERS = {"STILL_IN_INIT": 121, "EXTENSION_NOT_RECEIVED": 279, "INVALID_CONFIG": 283, "REQUEST_PENDING": 285}


def _numbered(fault: Fault) -> SSLError:
    return fault_error(fault, number=_PHA_NUMBERS.get(fault.reason, 1))


def _described(event: MessageEvent, highest: int) -> tuple[int, int, int, bytes]:
    """Version (the highest there is, before one is agreed on), content type, message type and bytes."""
    data, kind = event.data, event.content_type
    if kind == HANDSHAKE or kind > 0xFF:  # a message, a record header, an inner content type: it is the first byte
        message = data[0]
    elif kind == ALERT:
        message = data[1]
    else:
        message = 0x0101 if kind == CHANGE_CIPHER_SPEC else -1
    return event.version or highest, kind, message, data


def _without_ticket(conn: Connection) -> Session:
    """A session that cannot be resumed, for its id and time only."""
    outcome = conn.outcome
    return Session(outcome.version, outcome.suite, b"", conn.handshake.clock(), id=outcome.server_random)
