"""What a handshake has agreed on: one object for each, which becomes the connection's when Finished has come.

Until then the one before it counts, whole: a renegotiation begins with an empty one and inherits nothing, and whoever
asks the connection, or exports keys from it, hears of the handshake that is done (RFC 5246 7.4.1.1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from puretls._crypto.kdf import SHA256, Digest

if TYPE_CHECKING:
    from puretls._crypto.groups import Group
    from puretls._crypto.schedule import MasterSecret
    from puretls._crypto.signatures import Scheme
    from puretls._crypto.suites import Suite
    from puretls._engine.early_outcome import EarlyData
    from puretls._engine.ech_outcome import EchOutcome
    from puretls._engine.peer import Peer
    from puretls._engine.session import Session
    from puretls._wire.codec import Ranks
    from puretls._wire.hello import ClientHello
    from puretls._x509.certificate import Certificate


class Outcome:
    """Filled in by the states, message by message, as `Handshake.draft`; from Finished on `Handshake.outcome`."""

    __slots__ = (
        "alpn",
        "alpn_choice",
        "authenticated",
        "authorities",
        "certificate_compression",
        "client_random",
        "client_suites",
        "digest",
        "early",
        "ech",
        "ems",
        "etm",
        "exporter_digest",
        "external_psk",
        "finished_received",
        "finished_sent",
        "group",
        "half_rtt",
        "hello",
        "master",
        "own_credential",
        "own_scheme",
        "own_type",
        "peer",
        "peer_compressions",
        "peer_offers_pha",
        "peer_scheme",
        "peer_takes_tickets",
        "peer_type",
        "policy_digest",
        "presented",
        "resumed",
        "scts",
        "secure_renegotiation",
        "server_name",
        "server_random",
        "session",
        "suite",
        "tickets",
        "until",
        "version",
    )

    suite: Suite  # not there before it is chosen

    def __init__(self) -> None:
        self.version = 0
        self.digest: Digest = SHA256  # the hash of the suite; before TLS 1.2 there is only one
        self.group: Group | None = None
        self.alpn: bytes | None = None
        self.ech: EchOutcome | None = None
        self.alpn_choice: bytes | None = None  # a function's, before it is said
        self.early: EarlyData | None = None  # what has become of it, if there was any
        self.half_rtt = False  # a server may send data before the client's Finished has come
        self.ems = self.etm = self.secure_renegotiation = False
        # Who is on the other side, and by which right it is let in
        self.peer: Peer | None = None
        self.presented: tuple[Certificate, ...] = ()  # by a server that is not accepted, or not yet
        self.external_psk = False  # which both sides have shown to know, and no certificate was due beside it
        self.peer_scheme: Scheme | None = None  # of the peer's signature
        self.certificate_compression: int | None = None  # of the peer's Certificate message (RFC 8879)
        self.peer_compressions: frozenset[int] = frozenset()  # that a client's may have
        self.scts: bytes | None = None  # timestamps that a server has sent (RFC 6962 3.3)
        self.own_type = self.peer_type = 0  # of certificates: X509, or RawPublicKey (RFC 7250)
        self.own_credential: Any = None
        self.own_scheme: Scheme | None = None  # of ours
        self.peer_offers_pha = self.peer_takes_tickets = False
        self.tickets: int | None = None  # so many will be sent, if the client has said how many it wants (RFC 9149)
        self.policy_digest = b""  # of the policy when the handshake began
        self.resumed: Session | None = None  # the session that it goes on with
        self.session: Session | None = None  # which it leaves; tickets renew it
        self.authenticated = self.until = 0.0  # when the peer was, and until when sessions may say so
        # What was said
        self.hello: ClientHello | None = None  # by a client, until the handshake is done
        self.authorities: tuple[bytes, ...] = ()  # whose certificates a server has asked for, if that matters
        self.server_name: str | None = None  # a client asked for
        self.client_suites: Ranks = {}  # a server was offered
        self.client_random = self.server_random = b""
        self.finished_sent = self.finished_received = b""
        # Secrets
        self.master: MasterSecret | bytes | None = None  # a stage of TLS 1.3, or the master secret before it
        self.exporter_digest = b""

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self.resumed is not None


NOTHING = Outcome()  # before the first handshake is done; nobody writes to it
