"""The client's hello on its way: at first, and again as HelloRetryRequest asks for it (RFC 8446 4.1.2, 4.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._crypto.groups import Group
from puretls._crypto.kdf import Digest
from puretls._engine import early_data
from puretls._engine.client_hello import ClientOffer, compose
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT
from puretls._engine.handshake import Handshake

if TYPE_CHECKING:
    from puretls._engine.ech_client import EchClient


def send(hs: Handshake, offer: ClientOffer, ech: EchClient | None = None) -> None:
    """Compose the ClientHello of `offer` and send it."""
    random = hs.draft.client_random
    if ech is not None:
        composed, inner = ech.compose(hs.config, offer, random, hs.random)
        if inner is not None:
            ech.transcript.update(inner.raw)
            ech.offered = inner.offered
    else:
        verify_data = hs.outcome.finished_sent if hs.established else None
        composed = compose(hs.config, offer, random, hs.server_hostname, hs.transcript, verify_data)
    offer.offered = composed.offered
    hs.send_message(composed.raw)
    hs.layer.flush()
    hs.layer.offered(hs.config.max_version)


def retry(
    hs: Handshake, offer: ClientOffer, group: Group | None, cookie: bytes, digest: Digest, ech: EchClient | None
) -> ClientOffer:
    """The second offer, changed only as HelloRetryRequest asked."""
    if group is not None:
        offer.shares = {group.code: group.offer()}
    offer.cookie = cookie
    offer.psks = [psk for psk in offer.psks if psk.digest is digest]
    now = hs.clock()
    for psk in offer.psks:
        if psk.session:
            psk.age = int((now - psk.session.time) * 1000) + psk.session.age_add & 0xFFFFFFFF
    if offer.early is not None:
        early_data.retried(hs)
        offer.early = None
    elif hs.config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
        hs.stream.send_change_cipher_spec()
    send(hs, offer, ech)
    return offer
