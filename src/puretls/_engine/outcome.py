"""Outcome: what one handshake has negotiated.  It becomes the connection's when Finished has come.

Until then the previous one stays in force as a whole.  A renegotiation begins with an empty one and inherits nothing;
whoever asks the connection, or exports keys from it, gets what belongs to the handshake that is done (RFC 5246
7.4.1.1).
"""

from __future__ import annotations

from types import MappingProxyType
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
    """The states write to it, message by message, as `Handshake.draft`; from Finished on it is `Handshake.outcome`.

    Most of the fields have a default, without which every handshake would begin with forty assignments.
    """

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
    version: int
    digest: Digest  # the hash of the suite; before TLS 1.2 there is only one
    group: Group | None
    alpn: bytes | None
    ech: EchOutcome | None
    alpn_choice: bytes | None  # the protocol that a function has chosen, until it is sent
    early: EarlyData | None  # what has become of it, if there was any
    half_rtt: bool  # a server may send data before the client's Finished has come
    ems: bool
    etm: bool
    secure_renegotiation: bool
    # The peer, and why it is let in
    peer: Peer | None
    presented: tuple[Certificate, ...]  # the chain of a server that is not accepted yet
    external_psk: bool  # both sides have proven an external PSK, which stands for a certificate
    peer_scheme: Scheme | None  # of the peer's signature
    certificate_compression: int | None  # of the peer's Certificate message (RFC 8879)
    peer_compressions: frozenset[int]  # algorithms that our Certificate message may use
    scts: bytes | None  # timestamps that a server has sent (RFC 6962 3.3)
    own_type: int  # of certificates: X509, or RawPublicKey (RFC 7250)
    peer_type: int
    own_credential: Any
    own_scheme: Scheme | None  # of our signature
    peer_offers_pha: bool
    peer_takes_tickets: bool
    tickets: int | None  # how many a server will send at most, if it has answered ticket_request (RFC 9149)
    policy_digest: bytes  # of the policy when the handshake began
    resumed: Session | None  # the session that it goes on with
    session: Session | None  # the session of this handshake, see `Handshake.session`
    ticket: Ticket | None  # that a client has got last
    authenticated: float  # when the peer was authenticated
    until: float  # how long sessions may rely on it
    # What the client has sent
    hello: Hello | None  # until the handshake is done
    authorities: tuple[bytes, ...]  # issuers that a server's CertificateRequest names
    server_name: str | None  # that the client has asked for
    client_suites: Ranks  # that the client has offered
    client_random: bytes
    server_random: bytes
    finished_sent: bytes
    finished_received: bytes
    # Secrets
    master: MasterSecret | bytes | None  # a stage of TLS 1.3, or the master secret before it
    exporter_digest: bytes

    def __init__(self) -> None:
        """What handshakes read before they write it is set here; `LATER` has the defaults of the others."""
        self.version, self.digest = 0, SHA256
        self.group = self.alpn = self.ech = self.early = self.peer = self.resumed = self.own_credential = None
        self.ems = self.etm = self.secure_renegotiation = self.external_psk = self.peer_offers_pha = False
        self.scts = self.tickets = self.ticket = self.master = None
        self.authenticated = self.until = 0.0
        self.peer_type = 0

    def __getattr__(self, name: str) -> Any:  # its slot is empty
        if name not in LATER:
            raise AttributeError(name)
        return LATER[name]

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return self.resumed is not None


LATER: dict[str, Any] = {
    "alpn_choice": None,
    "authorities": (),
    "certificate_compression": None,
    "client_random": b"",
    "client_suites": MappingProxyType({}),
    "exporter_digest": b"",
    "finished_received": b"",
    "finished_sent": b"",
    "half_rtt": False,
    "hello": None,
    "own_scheme": None,
    "own_type": 0,
    "peer_compressions": frozenset(),
    "peer_scheme": None,
    "peer_takes_tickets": False,
    "policy_digest": b"",
    "presented": (),
    "server_name": None,
    "server_random": b"",
    "session": None,
}
NOTHING = Outcome()  # before the first handshake is done; nobody writes to it
