"""The last word about a peer: who, beside what is built in, is asked whether it is let in, and when.

Somebody outside may judge the chain in place of path building (`policy.path_judge`), and may refuse a peer that has
satisfied everything else (`policy.judge`).  Both are asked once, at the end: the peer has proven that it has its key,
so no impostor gets as far as their code; our own Finished, as a client, and our certificate have not been sent; as a
server, nobody has been told that the handshake is done.  Both are asked again when a session is resumed.  The engine
does not call them: it parks, and whoever answers the request calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._engine.handshake import Handshake
from puretls._engine.policy import refusal
from puretls._engine.requests import Asking, VerifyRequest

if TYPE_CHECKING:
    from puretls._engine.peer import Peer


def admitted(conn: Handshake, peer: Peer | None, *, resumed: bool = False, later: bool = False) -> Asking[None]:
    """Returns if those outside who have a say let the peer in.

    `resumed`: it has proven who it is in an earlier handshake.  `later`: it can still be asked for a certificate.
    """
    policy = conn.config.policy
    if policy.path_judge is not None and peer is not None and peer.raw is None:
        yield VerifyRequest(policy.path_judge, peer, resumed, in_place=True)
        if peer.path is None:  # whoever has accepted the chain answers for it, and it counts as verified
            peer.path = peer.chain
    if policy.judge is not None:
        psk = conn.draft.external_psk
        alone = policy.verify_mode and peer is not None and peer.raw is not None and peer.path is None
        if alone and policy.trusted_keys:  # of which it is none
            alone = False
        admits = policy.admits(peer, conn.server_side, conn.server_hostname, later, psk)
        if not (alone or admits):  # the rest would be in vain
            raise refusal(peer, conn.server_side, conn.draft.version)
        yield VerifyRequest(policy.judge, peer, resumed, in_place=False)
        if alone and peer is not None:  # who has accepted a raw public key answers for it
            peer.path = ()
