"""The questions about one connection that `_sslobj` answers: who the peer is, what was negotiated, its keys.

Nothing here reads, writes or changes the state of the connection, but for what may be set before the handshake.
"""

from __future__ import annotations

import operator
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from puretls._api import cipher_string, compression, early_data, ech_settings
from puretls._api.enums import EarlyDataStatus, ECHStatus
from puretls._api.errors import ssl_error
from puretls._api.objects import Certificate, SSLSession
from puretls._base import registry
from puretls._base.deferred import deferred
from puretls._base.registry import TLS13
from puretls._crypto.kdf import SHA256
from puretls._engine.connection import Connection
from puretls._engine.resumption import agreed
from puretls._engine.session import LIFETIME, Session
from puretls._x509 import peercert

if TYPE_CHECKING:
    from puretls._api import client_hello
    from puretls._api.client_hello import ClientHello
    from puretls._api.context import SSLContext
    from puretls._engine.peer import Peer
else:
    client_hello = deferred("puretls._api.client_hello")  # of servers, whose contexts load it

CHANNEL_BINDING_TYPES = ["tls-unique", "tls-server-end-point", "tls-exporter"]


class ConnectionFacts:
    """The questions, and what they are about."""

    __slots__ = ("__weakref__", "_conn", "_context", "_hello", "_judged", "_owner", "_placeholder")

    _conn: Connection
    _context: SSLContext
    _hello: ClientHello | None
    _judged: tuple[Peer | None] | None
    _owner: Any
    _placeholder: Session | None

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
        if not conn.established:
            return None
        session = conn.handshake.session
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
        """The peer; while a function judges a peer, that one, even if it has no certificate."""
        judged = self._judged
        return self._conn.outcome.peer if judged is None else judged[0]

    def getpeercert(self, binary_form: bool = False, /) -> dict[str, Any] | bytes | None:
        """The peer's certificate, as DER or as a dictionary, which is empty if it was not verified."""
        peer = self._peer
        if peer is None and self._judged is None and not self._conn.established:
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
        peer = self._peer
        return None if peer is None or self._conn.server_side else peer.scts

    def peer_public_key(self) -> bytes | None:
        """The key that the peer has proven to have."""
        peer = self._peer
        if peer is None:
            return None
        return peer.certificate.key_der if peer.raw is None else peer.raw

    def cert_compression(self) -> str | None:
        """The algorithm with which the peer's certificate was compressed (RFC 8879)."""
        return compression.compression_name(self._conn.outcome.certificate_compression)

    # Encrypted Client Hello (RFC 9849)

    def get_ech_status(self) -> ECHStatus:
        """The state of Encrypted Client Hello."""
        return ech_settings.status(self._conn)

    def get_ech_retry_config(self) -> bytes | None:
        """The ECHConfigList that the server has sent to be used instead."""
        return ech_settings.retry_config(self._conn)

    @property
    def outer_server_hostname(self) -> str | None:
        """The host that the outer hello asked for."""
        record = self._conn.handshake.draft.ech
        return None if record is None else record.outer_name

    def set_outer_server_hostname(self, server_hostname: str | None, /) -> None:
        """Set the host that it asks for."""
        name, handshake = ech_settings.outer_name(server_hostname), self._conn.handshake
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
            confirmed = draft.ech is not None and draft.ech.confirmed
            found = self._hello = client_hello.ClientHello(message.full, ech_accepted=confirmed)
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


def _without_ticket(conn: Connection) -> Session:
    """A session that cannot be resumed, for its id and times only."""
    outcome, sessions = conn.outcome, conn.config.sessions
    if conn.server_side:  # the client has it, in tickets
        lifetime = LIFETIME if conn.version == TLS13 or sessions is None else sessions.lifetime
        return agreed(conn.handshake, b"", lifetime, time=outcome.authenticated)
    number = b"" if conn.version == TLS13 else outcome.server_random
    return Session(outcome.version, outcome.suite, b"", outcome.authenticated or conn.handshake.clock(), id=number)
