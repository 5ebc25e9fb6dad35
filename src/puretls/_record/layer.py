"""The record layer of one connection: both halves, their keys, the messages that wait to be sealed, and counters
against abuse.

The engine gives it messages, alerts and secrets, and takes messages and alerts from it.  Transports bring and fetch
ciphertext and move application data, which does not pass the engine unless something unusual comes.

Control messages.  Once the first handshake is done, one thread may receive while another sends.  What the receiving
side has to send (an alert, an answer, a flight of a renegotiation) waits in `control` until the thread that holds the
sending side seals it, in order, before anything else: so the keys of each direction have one user.  Everything that a
peer can make us send passes `queue`.  Nothing passes it after close_notify, and messages without a limit of their own
are left out, or refused, while more than MOST_HELD bytes wait that the transport has not taken.

The answer to KeyUpdates is not a control message: one KeyUpdate is sent before our next data, or after the peer's,
however many requests have come until then (RFC 9846 4.7.3).

`transport_side` has the other half of this object: the fast path, and what transports ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom

from puretls._base import faults, registry
from puretls._base.events import MessageEvent
from puretls._base.faults import Abort, Fault
from puretls._base.registry import ALERT, CHANGE_CIPHER_SPEC, FATAL, HANDSHAKE, TLS12, TLS13, WARNING
from puretls._crypto import schedule
from puretls._crypto.schedule import APPLICATION, EARLY, Level, TrafficSecret
from puretls._crypto.suites import Suite
from puretls._record.outbound import UNSEALED
from puretls._record.protection import (
    MAX_PLAINTEXT,
    Bytes,
    NullOpener,
    NullSealer,
    Opener,
    Opener13,
    Sealer,
    Sealer13,
)
from puretls._record.transport_side import Message, Pending, TransportSide

MAX_WARNINGS = 4  # without data in between (RFC 5246 7.2 leaves the limit open)
MAX_IN_A_ROW = 32  # KeyUpdates, tickets, requests for a certificate or a renegotiation without data between them
MOST_HELD = 1 << 16  # bytes of control messages that the transport has not taken; more answers are not given
SEGMENT = 1208  # bytes of a record that fits one segment of TCP anywhere: the least MTU of IPv6, and some options
RAMP = 1 << 17  # bytes of data after which the congestion window is large, as Go has it
MAX_EPOCH = (1 << 48) - 1  # keys of one direction (RFC 9846 4.7.3); what the peer does is not counted
SPARE = 64  # bytes that a waiting message needs besides its own
RESERVED = (
    1024  # bytes of MOST_HELD for the overhead of records, and for messages that are always queued, such as alerts
)
CLOSE_NOTIFY = ALERT, bytes((WARNING, registry.CLOSE_NOTIFY))
CCS_RECORD = b"\x14\x03\x03\x00\x01\x01"
KEY_UPDATE = bytes((registry.KEY_UPDATE, 0, 0, 1))  # followed by request_update


class RecordLayer(TransportSide):
    """The record layer: Inbound, Outbound, and everything that concerns both."""

    __slots__ = ()

    # Control messages, from either side; the holder of the sending side seals them

    def queue(self, item: Pending, size: int = 0) -> None:
        """Queue something for the sending side to seal, unless close_notify was sent (RFC 8446 6.1)."""
        if not self.close_sent:
            self.control_size += size + SPARE
            self.control.append(item)
            self.fast_opener = self.fast_sealer = None

    def crowded(self, size: int = 0) -> bool:
        """Whether too much waits for the transport to queue `size` bytes more.  Where nothing waits, anything may be
        queued.
        """
        outbound = self.outbound
        held = self.control_size + min(self.control_unsent, outbound.end - outbound.start)
        return held > 0 and held + size >= MOST_HELD - RESERVED

    def seal_control(self) -> None:
        """Seal what waits in `control`, for the holder of the sending side."""
        outbound, control = self.outbound, self.control
        waiting = outbound.end - outbound.start
        if not waiting:
            self.control_unsent = 0
        self.control_size = 0
        while control:
            item = control.popleft()
            if isinstance(item, tuple):
                outbound.put(*item)
                if item == CLOSE_NOTIFY:  # whatever another thread has left in the meantime
                    control.clear()
            elif item is None:
                self.update_write_keys(registry.UPDATE_NOT_REQUESTED)
            elif callable(item):
                outbound.put(HANDSHAKE, item(self.suite.hash, self.write_secret))
            else:
                outbound.sealer, self.fast_sealer = item, None
        self.control_unsent += outbound.end - outbound.start - waiting
        if self.failed:  # this alert is the last thing that is sent
            self.write_secret = b""

    def send_alert(self, level: int, description: int) -> None:
        """Queue an alert, unless close_notify was sent."""
        if self.close_sent:
            return
        if self.ccs_due:
            self._send_ccs()
        data = bytes((level, description))
        if self.watched:
            self.events.append(MessageEvent(True, self.inbound.version, ALERT, data))
        self.queue((ALERT, data), 2)

    def close_notify(self) -> None:
        """Send close_notify: we send nothing more (RFC 8446 6.1), but the peer may."""
        if not self.close_sent:
            self.send_alert(WARNING, registry.CLOSE_NOTIFY)
            self.close_sent = True
            self.fast_sealer = None

    # Handshake messages

    @property
    def stream(self) -> RecordLayer:
        """This layer, which has everything that exists only over records."""
        return self

    def send(self, level: Level, messages: Sequence[bytes]) -> None:
        """Append messages to the flight; the level is that of the keys in use."""
        del level
        if self.ccs_due:
            self._send_ccs()
        if self.watched:
            version = self.inbound.version
            self.events.extend([MessageEvent(True, version, HANDSHAKE, raw) for raw in messages])
        self.flight += messages

    def flush(self) -> None:
        """Seal the flight: all its messages in as few records as they fit."""
        flight = self.flight
        if flight:
            data = flight[0] if len(flight) == 1 else b"".join(flight)
            self.flight = []
            if self.handshaking:
                self.outbound.put(HANDSHAKE, data)
            else:  # a renegotiation, or tickets, while others may be writing
                self.queue((HANDSHAKE, data), len(data))

    def queue_message(self, message: Message, size: int) -> None:
        """Queue a message for the sending side."""
        self.queue((HANDSHAKE, message) if isinstance(message, bytes) else message, size)

    def send_change_cipher_spec(self) -> None:
        """Send the change_cipher_spec of middlebox compatibility mode, which is never protected (RFC 8446 D.4)."""
        if self.flight:
            self.flush()
        self._send_ccs()

    def change_cipher_spec_due(self) -> None:
        """Send it before the next flight or alert: sent alone it would make Nagle's algorithm delay what follows."""
        self.ccs_due = True

    def _send_ccs(self) -> None:
        self.ccs_due = False
        if self.watched:
            self.events.append(MessageEvent(True, self.inbound.version, CHANGE_CIPHER_SPEC, b"\x01"))
        self.outbound.put_record(CCS_RECORD)

    def start_small(self) -> None:
        """Send the first RAMP bytes of data in records of one segment each."""
        self.outbound.ramp = RAMP

    # What a handshake decides

    def reject_early_data(self, most: int) -> None:
        """Skip up to so many bytes of records that do not open: early data that is rejected (RFC 8446 4.2.10)."""
        self.inbound.early_data = most and most + 1

    def withdraw_early_data(self) -> None:
        """A HelloRetryRequest has rejected our early data: what follows is sent without protection again."""
        self.outbound.sealer, self.write_secret = NullSealer(TLS12), b""

    def limit(self, theirs: int, ours: int) -> None:
        """Set the most bytes of data in a record: what the peer accepts, and what we accept (RFC 8449)."""
        self.outbound.fragment = min(self.outbound.fragment, theirs)
        self.own_limit = ours
        if not self.reads_early_data:  # which was sent before the limit was said
            self.inbound.plain_limit = ours
        self.fast_opener = self.fast_sealer = None

    def begin_again(self) -> None:
        """A renegotiation begins."""
        self.renegotiating = True
        self.fast_sealer = None

    def watch(self) -> None:
        """Append an event for each message and each secret from here on."""
        self.watched = True

    def handshake_done(self) -> None:
        """The handshake is done: from here on another thread may be sending."""
        self.handshaking = self.renegotiating = False
        self.warnings = 0
        self.inbound.drop_ccs = False

    # Versions and keys

    def offered(self, version: int) -> None:
        """A ClientHello that offers up to `version` was sent: only the first record has the version TLS 1.0."""
        self.inbound.drop_ccs = version >= TLS13  # change_cipher_spec is ignored (RFC 8446 5, D.4)
        outbound = self.outbound
        if type(outbound.sealer) is NullSealer:  # not in a renegotiation
            outbound.sealer = UNSEALED[version]

    def set_version(self, version: int) -> None:
        """Set the negotiated version."""
        inbound, outbound = self.inbound, self.outbound
        inbound.version, inbound.said, inbound.drop_ccs = version, min(version, TLS12), version == TLS13
        if type(outbound.sealer) is NullSealer:  # legacy_record_version (RFC 8446 5.1)
            outbound.sealer = UNSEALED[version]

    def on_boundary(self) -> bool:
        """Whether the record of the last message contains nothing more, not even a part of a message (RFC 8446 5.1)."""
        return self.inbound.on_boundary()

    def install_write(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """Install the keys of the sending direction, in TLS 1.3."""
        del level
        if self.flight:
            self.flush()
        self.suite, aead = suite, suite.cipher
        self.outbound.sealer = Sealer13(aead, secret.key, secret.iv)  # type: ignore[arg-type]  # TLS 1.3 has nothing else
        self.write_secret, self.fast_sealer = secret.secret, None

    def install_read(self, level: Level, suite: Suite, secret: TrafficSecret) -> None:
        """Install the keys of the receiving direction, in TLS 1.3."""
        inbound = self.inbound
        if inbound.hs:
            raise Abort(faults.NOT_ON_RECORD_BOUNDARY)
        aead = suite.cipher
        inbound.opener = Opener13(aead, secret.key, secret.iv)  # type: ignore[arg-type]  # AEADs only
        self.read_secret, self.fast_opener = secret.secret, None
        inbound.allow_plain_alert = inbound.server_side and level is not APPLICATION  # clients may fail without keys
        if level is EARLY:
            self.reads_early_data, inbound.plain_limit = True, MAX_PLAINTEXT
        elif self.reads_early_data:
            self.reads_early_data, inbound.plain_limit = False, self.own_limit

    def switch_read_keys(self, opener: Opener) -> None:
        """Switch the receiving keys: ChangeCipherSpec of TLS 1.2 or older was received (RFC 5246 7.1)."""
        self.inbound.opener, self.fast_opener = opener, None

    def switch_write_keys(self, sealer: Sealer) -> None:
        """Send ChangeCipherSpec, and what follows under the new keys."""
        self.flush()
        if self.watched:
            self.events.append(MessageEvent(True, self.inbound.version, CHANGE_CIPHER_SPEC, b"\x01"))
        if self.handshaking:
            self.outbound.put(CHANGE_CIPHER_SPEC, b"\x01")
            self.outbound.sealer = sealer
        else:
            self.queue((CHANGE_CIPHER_SPEC, b"\x01"))
            self.queue(sealer)

    # KeyUpdate (RFC 8446 4.6.3, 7.2; RFC 9846 4.7.3)

    def update_write_keys(self, request_update: int) -> None:
        """Send a KeyUpdate and continue with the next keys.

        If we have asked for the peer's and it has not come yet, we do not ask again.
        """
        if self.inbound.version != TLS13 or self.epoch >= MAX_EPOCH:
            raise Abort(faults.SEQUENCE_CTR_WRAPPED)
        if request_update == registry.UPDATE_REQUESTED:
            if self.update_awaited:
                request_update = registry.UPDATE_NOT_REQUESTED
            self.update_awaited = True
        raw = KEY_UPDATE + bytes((request_update,))
        if self.watched:
            self.events.append(MessageEvent(True, TLS13, HANDSHAKE, raw))
        self.outbound.put(HANDSHAKE, raw)
        self.next_write_keys()

    def next_write_keys(self) -> None:
        """Install the keys for what follows the KeyUpdate."""
        self.epoch += 1
        secret = schedule.next_traffic_secret(self.suite.hash, self.write_secret)
        self.install_write(APPLICATION, self.suite, TrafficSecret(self.suite.hash, secret, self.suite.cipher.key))

    def update_read_keys(self, request_update: int) -> None:
        """Switch the receiving keys: a KeyUpdate was received."""
        if not self.update_awaited:  # the answer to ours costs nothing extra
            self.count(faults.TOO_MANY_KEY_UPDATES, MAX_IN_A_ROW)
        secret = schedule.next_traffic_secret(self.suite.hash, self.read_secret)
        self.install_read(APPLICATION, self.suite, TrafficSecret(self.suite.hash, secret, self.suite.cipher.key))
        self.update_awaited = False
        if request_update == registry.UPDATE_REQUESTED and self.epoch < MAX_EPOCH:  # else the request is ignored
            self.update_requested = True
            self.fast_sealer = None

    def answer_update(self) -> None:
        """Queue our KeyUpdate, as data has come after the requests; if too much waits already, it goes before our own
        next data.
        """
        if not self.crowded():
            self.update_requested = False
            if None not in self.control:
                self.queue(None)
            if not self.two_threads:
                self.seal_control()

    # Counters of messages that cost us work and the peer next to nothing; data resets them

    def count(self, fault: Fault, most: int) -> None:
        """Count a message that costs us work; Abort after `most` without data in between."""
        self.messages += 1
        if self.messages > most:
            raise Abort(fault, f"{self.messages} messages without data")

    def data_has_come(self) -> None:
        """Application data has come: reset the counters, and answer a KeyUpdate."""
        self.warnings = self.messages = 0
        if self.update_requested:
            self.answer_update()

    # Receiving

    def receive(self, data: bytes) -> None:
        """Append ciphertext to what is buffered."""
        self.fast_opener = None
        self.inbound.receive(data)

    def keep(self, data: bytes) -> None:
        """Keep application data that `next` has returned, for the next read."""
        self.inbound.plain = data
        if data:
            self.data_has_come()

    def put_back(self, data: bytes, at: int = 0) -> None:
        """Keep decrypted data, of which `at` bytes have been delivered, for the next read."""
        inbound, self.fast_opener = self.inbound, None
        inbound.plain, inbound.plain_at = data, at

    def receive_alert(self, data: bytes) -> None:
        """Handle an alert (RFC 8446 6, RFC 5246 7.2)."""
        if len(data) != 2:
            raise Abort(faults.MALFORMED_ALERT)
        level, description = data
        version = self.inbound.version
        if self.watched:
            self.events.append(MessageEvent(False, version, ALERT, data))
        tls13 = version == TLS13
        if description == registry.CLOSE_NOTIFY and (tls13 or level == WARNING):
            self.peer_has_ended()
            return
        if level not in (WARNING, FATAL) and not tls13:
            raise Abort(faults.UNKNOWN_ALERT_TYPE)
        if description != registry.USER_CANCELED if tls13 else level == FATAL:  # the level says nothing, RFC 8446 6
            raise Abort(faults.received(description))
        self.warnings += 1
        if self.warnings > MAX_WARNINGS:
            raise Abort(faults.TOO_MANY_WARN_ALERTS)
        if description == registry.NO_RENEGOTIATION:  # whoever was asked for a handshake, or has asked, wants it
            raise Abort(faults.NO_RENEGOTIATION)

    def peer_has_ended(self) -> None:
        """The peer has ended: by close_notify, or because the end of the transport counts as one.  What follows is not
        TLS.
        """
        self.close_received = True
        self.inbound.opener, self.fast_opener = NullOpener(), None

    def open_into(self, out: memoryview) -> int:
        """Decrypt buffered application data straight into `out`; 0 if `next` has to look at it, which handles every
        case.
        """
        inbound = self.inbound
        if inbound.plain:
            return inbound.take_into(out)
        if inbound.hs or inbound.plain_limit != MAX_PLAINTEXT:
            return 0  # no data inside a handshake message (RFC 8446 5.1); `next` checks our limit
        inbound.start, got = inbound.opener.open_many(inbound.buf, inbound.view, inbound.start, inbound.end, out)
        if got:
            inbound.empty_records = self.warnings = self.messages = 0
            if self.update_requested:
                self.answer_update()
        return got

    def open_alone(self, record: bytes) -> bytes | None:
        """The data of `record` if it is one whole record of application data, and nothing else is buffered; otherwise
        None.
        """
        inbound = self.inbound
        if inbound.start != inbound.end or inbound.hs or inbound.plain_limit != MAX_PLAINTEXT:
            return None
        data = inbound.opener.open_data(record, len(record))
        if data is not None:
            inbound.empty_records = 0
            self.data_has_come()
        return data

    # Sending data

    def write(self, data: memoryview) -> None:
        """Seal application data and queue it."""
        if self.close_sent:
            raise Abort(faults.PROTOCOL_IS_SHUTDOWN)
        if self.update_requested:
            self.update_requested = False
            self.queue(None)
        if self.control:
            self.seal_control()
        outbound = self.outbound
        if outbound.ramp:
            data = self._ramped(data)
            if not data:
                return
        sealer = outbound.sealer
        left, step = sealer.limit - sealer.seq, outbound.fragment
        while len(data) > left * step:  # more records than the key is good for (RFC 8446 5.5)
            if left > 0:
                outbound.put_data(data[: left * step])
                data = data[left * step :]
            self.update_write_keys(registry.UPDATE_NOT_REQUESTED)
            left = outbound.sealer.limit
        outbound.put_data(data)

    def _ramped(self, data: memoryview) -> memoryview:
        """Seal the part of the data that is to be sent in small records; the rest of it.

        A record can be read only when it is whole.  While the congestion window is small, a record that spans segments
        is whole only after a round trip, so each of these fits one segment.
        """
        outbound = self.outbound
        now, full = data[: outbound.ramp], outbound.fragment
        outbound.ramp, after = 0, outbound.ramp - len(now)
        outbound.fragment = min(full, SEGMENT - outbound.sealer.overhead)
        try:
            self.write(now)
        finally:
            outbound.ramp, outbound.fragment = after, full
        return data[len(now) :]

    def write_record(self, data: Bytes) -> bytes:
        """`write` and `take` in one call, for a transport that takes everything; data of one record is not queued."""
        sealer = self.outbound.sealer
        if not self.busy and 0 < len(data) <= self.outbound.fragment and sealer.seq < sealer.limit:
            return sealer.seal_data(data)
        self.write(memoryview(data))
        return self.take()

    # The transport's ends

    def data_to_send(self) -> memoryview | bytes:
        """Ciphertext that waits for the transport; tell `data_sent` how much of it was taken."""
        if self.control:
            self.seal_control()
        return self.outbound.unsent()

    def data_sent(self, count: int) -> None:
        self.outbound.sent(count)

    def take(self) -> bytes:
        """`data_to_send` for a transport that always takes everything."""
        if self.control:
            self.seal_control()
        return self.outbound.take()

    def fail(self) -> None:
        """Fail: forget the secrets, and neither receive nor send data."""
        self.failed, self.takes_data = True, False
        self.fast_opener = self.fast_sealer = None
        self.flight, self.read_secret = [], b""
        if self.write_secret and not self.control:  # else once what waits is sealed
            self.write_secret = urandom(32)  # another thread may be deriving keys from it: they must be nobody's
