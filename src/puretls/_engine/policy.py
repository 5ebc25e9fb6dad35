"""Whom a side lets in: the settings that form one policy, and the gate that holds every handshake to it.

The settings mean something only together: a demand without its trust anchors, or with somebody else's promise to ask
later, is another demand.  So they are one value, which a configuration has whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, TypeVar

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import TLS13
from puretls._base.slotted import slotted
from puretls._x509 import codes
from puretls._x509.store import Store

if TYPE_CHECKING:
    from puretls._engine.peer import Peer

CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED = 0, 1, 2
C = TypeVar("C")


def slotted_dataclass(cls: type[C]) -> type[C]:
    return slotted(*(one.name for one in fields(cls)))(cls)  # type: ignore[arg-type]  # it is a dataclass


@slotted_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class PeerPolicy:
    """What a peer has to show, and what that is judged by."""

    verify_mode: int = CERT_NONE
    check_hostname: bool = False  # of clients; servers know no name of their peers
    post_handshake_auth: bool = False  # a server's promise to ask after the handshake, where TLS 1.3 has that
    store: Store = field(default_factory=Store)
    verify_flags: int = 0
    host_flags: int = 0
    verify_depth: int = 100
    security_level: int = 1

    @property
    def verifies(self) -> bool:
        """Whether a peer that shows nothing may be too little."""
        return bool(self.verify_mode or self.check_hostname)

    def or_stricter(self, before: PeerPolicy) -> PeerPolicy:
        """The policy of a server that goes on with this one's configuration, having begun with another.

        That of the two which demands more, and of equals the one that was chosen: always one of them as it is.
        """
        return before if before.verify_mode > self.verify_mode else self

    def admits(
        self, peer: Peer | None, *, server_side: bool, version: int, host: str | None, external_psk: bool
    ) -> bool:
        """Whether a handshake that ends with this peer may stand.

        `external_psk`: both sides have shown that they know the same pre-shared key, and no certificate was due beside
        it: the key stands for certificate and name.
        """
        if peer is not None:
            verified = peer.path is not None or not self.verify_mode
            return verified and (server_side or not self.check_hostname or peer.answers_to(host, self.host_flags))
        if external_psk:
            return True
        if server_side:
            return self.verify_mode != CERT_REQUIRED or (self.post_handshake_auth and version == TLS13)
        return not self.verifies


def gate(
    policy: PeerPolicy, peer: Peer | None, *, server_side: bool, version: int, host: str | None, external_psk: bool
) -> None:
    """The end of every handshake: whatever way it took, the policy in force is satisfied, or the connection fails."""
    if policy.admits(peer, server_side=server_side, version=version, host=host, external_psk=external_psk):
        return
    if peer is not None:
        raise codes.refusal(codes.UNSPECIFIED if peer.path is None else codes.HOSTNAME_MISMATCH, 0)
    if server_side and version == TLS13:  # which has an alert for it (RFC 8446 6.2)
        raise Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13)
    raise Abort(faults.PEER_DID_NOT_RETURN_A_CERTIFICATE)
