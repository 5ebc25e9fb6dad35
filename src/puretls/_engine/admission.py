"""The program's functions that have the last word about a peer, and when they are asked.

A function may judge the chain in the place of path building (`policy.path_judge`), and a function may refuse a peer
that has satisfied everything else (`policy.judge`).  Both are asked once, at the end of the handshake: the peer has
proven that it has its key, so no impostor reaches their code; a client has not sent its own certificate and Finished
yet; and a server's handshake is not reported as done.  Both are asked again when a session is resumed.  The engine does
not call them: it yields a request, and the driver that answers it calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._engine.handshake import Handshake
from puretls._engine.policy import refusal
from puretls._engine.requests import Asking, VerifyRequest

if TYPE_CHECKING:
    from puretls._engine.peer import Peer


def admitted(hs: Handshake, peer: Peer | None, *, resumed: bool = False, later: bool = False) -> Asking[None]:
    """Return if the program's functions let the peer in; raise Abort if not.

    `resumed`: the peer has proven who it is in an earlier handshake.  `later`: it can still be asked for a certificate.
    """
    policy = hs.config.policy
    if policy.path_judge is not None and peer is not None and peer.raw is None:
        yield VerifyRequest(policy.path_judge, peer, resumed, in_place=True)
        if peer.path is None:  # a chain that the function has accepted counts as verified
            peer.path = peer.chain
    if policy.judge is not None:
        psk = hs.draft.external_psk
        alone = policy.verify_mode and peer is not None and peer.raw is not None and peer.path is None
        if alone and policy.trusted_keys:  # and this key is not one of them
            alone = False
        admits = policy.admits(peer, hs.server_side, hs.server_hostname, later, psk)
        if not (alone or admits):  # the handshake fails whatever they say
            raise refusal(peer, hs.server_side, hs.draft.version)
        yield VerifyRequest(policy.judge, peer, resumed, in_place=False)
        if alone and peer is not None:  # a raw public key that the function has accepted counts as verified
            peer.path = ()
