"""PeerPolicy: which peers are let in, and the check of it at the end of every handshake.

The settings have a meaning only together: a demand without its trust anchors is a different demand.  So they are one
value, which a configuration replaces only as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from os import urandom
from typing import TYPE_CHECKING, Any, TypeVar

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._base.slotted import slotted
from puretls._crypto.kdf import SHA256
from puretls._engine.status import OCSP_IGNORE
from puretls._x509 import codes
from puretls._x509.store import Store

if TYPE_CHECKING:
    from puretls._engine.peer import Peer
    from puretls._x509.crlite import Source
    from puretls._x509.transparency import Rules
    from puretls._x509.webpki import WebPki

CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2
X509, RAW = 0, 2  # CertificateType (RFC 7250 3)
C = TypeVar("C")


def slotted_dataclass(cls: type[C]) -> type[C]:
    dataclass_of_ours: Any = cls
    return slotted(*(one.name for one in fields(dataclass_of_ours)))(cls)


@slotted_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class PeerPolicy:
    """What a peer has to show, and the rules by which that is verified."""

    verify_mode: int = CERT_NONE
    check_hostname: bool = False  # of clients; servers know no name of their peers
    post_handshake_auth: bool = False  # in TLS 1.3 a server asks for the certificate after the handshake
    store: Store = field(default_factory=Store)
    verify_flags: int = 0
    host_flags: int = 0
    verify_depth: int = 100
    security_level: int = 1
    session_id_context: bytes = b""
    ocsp: int = OCSP_IGNORE  # what a client makes of the response that it has asked for (RFC 6066 8)
    crlite: Source | None = None  # filters that tell a client which certificates are revoked
    webpki: WebPki | None = None  # the rules of the public web, for the certificates of servers
    types: tuple[int, ...] = (X509,)  # that a peer may show, best first
    trusted_keys: tuple[bytes, ...] = ()  # SubjectPublicKeyInfo of raw ones
    intermediates: Store | None = None  # untrusted certificates for building paths
    aia: Any = None  # a function that fetches issuers which a server has not sent (RFC 5280 4.2.2.1)
    ct: Rules | None = None  # the timestamps that a server's certificate has to have (RFC 6962)
    path_judge: Any = None  # a function that accepts chains in place of path building (admission.py)
    judge: Any = None  # a function that may refuse a peer which satisfies everything else

    @cached_property
    def verifies(self) -> bool:
        """Whether a peer without a certificate may be refused."""
        return bool(self.verify_mode or self.check_hostname)

    @cached_property
    def judged(self) -> bool:
        """Whether functions of the program judge the peer."""
        return self.path_judge is not None or self.judge is not None

    def or_stricter(self, before: PeerPolicy) -> PeerPolicy:
        """The policy of a server that has changed its configuration, of which `self` is the new policy, during the
        handshake.

        It is the stricter of the two, and of equals the new one: always one of them, unchanged.
        """
        return before if before.verify_mode > self.verify_mode else self

    def digest(self) -> bytes:
        """The digest of the policy, which a session carries: equal for equal policies, in any process.

        Where nothing is verified, only the session context of the application keeps sessions apart.
        """
        known, revision = self._known, self.store.revision
        of, digest = known[0]
        if of is not revision:
            digest = self._digest()
            known[0] = revision, digest
        return digest

    @cached_property
    def _known(self) -> list[tuple[object, bytes]]:
        """The digest, and the revision of the store that it belongs to, as one pair: other threads see both or
        neither.
        """
        return [(None, b"")]

    def _digest(self) -> bytes:
        judges = identity_of(self.path_judge, self.judge) if self.judged else b""
        if not self.verifies:
            return SHA256.hash(b"no policy " + judges + self.session_id_context)
        settings = self.verify_mode, self.check_hostname, self.verify_depth, self.security_level, self.ocsp
        text = f"puretls policy 1 {settings} {self.verify_flags:#x} {self.host_flags:#x} "
        if self.crlite is not None:
            text += f"{self.crlite.name} "
        if self.ct is not None:
            text += f"{self.ct.name} "
        if self.webpki is not None:
            text += f"{self.webpki.name} "
        if self.types != (X509,):
            text += f"{self.types} {SHA256.hash(b''.join(map(SHA256.hash, self.trusted_keys))).hex()} "
        return SHA256.hash(text.encode() + self.store.digest() + judges + self.session_id_context)

    def admits(
        self, peer: Peer | None, server_side: bool, host: str | None, later: bool, external_psk: bool = False
    ) -> bool:
        """Whether a handshake that ends with this peer satisfies the policy.

        `later`: the peer can still be asked for its certificate, as the policy may allow.  `external_psk`: both sides
        have proven that they know the same pre-shared key and no certificate was due; the key then stands for
        certificate and name.
        """
        if peer is not None:
            verified = peer.path is not None or not self.verify_mode
            return verified and (server_side or not self.check_hostname or peer.answers_to(host, self.host_flags))
        if external_psk:
            return True
        if server_side:
            return self.verify_mode != CERT_REQUIRED or (later and self.post_handshake_auth)
        return not self.verifies


_PROCESS = urandom(16)  # shared with forked children, in which functions have the same addresses


def identity_of(*judges: object) -> bytes:
    """The identity of these functions, valid in this process only: what functions of another process do is not
    known.
    """
    return _PROCESS + repr([judge and id(judge) for judge in judges]).encode()


def refusal(peer: Peer | None, server_side: bool, version: int) -> Abort:
    """Why a peer was not admitted."""
    if peer is not None:
        return codes.refusal(codes.UNSPECIFIED if peer.path is None else codes.HOSTNAME_MISMATCH, 0)
    if server_side and version == TLS13:  # TLS 1.3 has an alert for it (RFC 8446 6.2)
        return Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)
    return Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)
