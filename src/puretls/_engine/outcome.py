"""Outcome: what one handshake has negotiated.  It becomes the connection's when Finished has come.

Until then the previous one stays in force as a whole.  A renegotiation begins with an empty one and inherits nothing;
whoever asks the connection, or exports keys from it, gets what belongs to the handshake that is done (RFC 5246
7.4.1.1).
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
    from puretls._engine.session import Session, Ticket
    from puretls._wire.codec import Ranks
    from puretls._wire.familiar import Hello
    from puretls._x509.certificate import Certificate


class Outcome:
    """The states write to it, message by message, as `Handshake.draft`; from Finished on it is `Handshake.outcome`."""

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
        "ticket",
        "tickets",
        "until",
        "version",
    )

    suite: Suite  # missing until it is chosen

    def __init__(self) -> None:
        self.version = 0
        self.digest: Digest = SHA256  # the hash of the suite; before TLS 1.2 there is only one
        self.group: Group | None = None
        self.alpn: bytes | None = None
        self.ech: EchOutcome | None = None
        self.alpn_choice: bytes | None = None  # the protocol that a function has chosen, until it is sent
        self.early: EarlyData | None = None  # what has become of it, if there was any
        self.half_rtt = False  # a server may send data before the client's Finished has come
        self.ems = self.etm = self.secure_renegotiation = False
        # The peer, and why it is let in
        self.peer: Peer | None = None
        self.presented: tuple[Certificate, ...] = ()  # the chain of a server that is not accepted yet
        self.external_psk = False  # both sides have proven an external PSK, which stands for a certificate
        self.peer_scheme: Scheme | None = None  # of the peer's signature
        self.certificate_compression: int | None = None  # of the peer's Certificate message (RFC 8879)
        self.peer_compressions: frozenset[int] = frozenset()  # algorithms that our Certificate message may use
        self.scts: bytes | None = None  # timestamps that a server has sent (RFC 6962 3.3)
        self.own_type = self.peer_type = 0  # of certificates: X509, or RawPublicKey (RFC 7250)
        self.own_credential: Any = None
        self.own_scheme: Scheme | None = None  # of our signature
        self.peer_offers_pha = self.peer_takes_tickets = False
        self.tickets: int | None = (
            None  # how many a server will send at most, if it has answered ticket_request (RFC 9149)
        )
        self.policy_digest = b""  # of the policy when the handshake began
        self.resumed: Session | None = None  # the session that it goes on with
        self.session: Session | None = None  # the session of this handshake, see `Handshake.session`
        self.ticket: Ticket | None = None  # of TLS 1.3, which a client has got last
        self.authenticated = self.until = 0.0  # when the peer was authenticated, and how long sessions may rely on it
        # What the client has sent
        self.hello: Hello | None = None  # until the handshake is done
        self.authorities: tuple[bytes, ...] = ()  # issuers that a server's CertificateRequest names
        self.server_name: str | None = None  # that the client has asked for
        self.client_suites: Ranks = {}  # that the client has offered
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
