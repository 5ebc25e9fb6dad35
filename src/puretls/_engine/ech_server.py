"""A server's side of Encrypted Client Hello (RFC 9849 7): opening the inner hello, and confirming that it was accepted.

`receive` is the only place where one hello is replaced by another, before anything looks at it: from there on the inner
hello is the ClientHello.  A server without keys that receives an inner hello is the backend of a server that has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._base.registry import ENCRYPTED_CLIENT_HELLO, SERVER_NAME
from puretls._crypto.hpke import AEADS, KDFS, HpkeError
from puretls._engine.ech_config import ServerKey
from puretls._engine.ech_confirmation import HELLO, RETRY, confirmation
from puretls._engine.ech_outcome import BACKEND, GREASE, SUCCESS, EchOutcome
from puretls._engine.handshake import Handshake
from puretls._wire import ech, extensions, places
from puretls._wire.ech import CONFIRMATION, INNER, OUTER, Sealed
from puretls._wire.hello import ClientHello

MAX_TRIALS = 8  # keys that are tried for one hello


def receive(hs: Handshake, message: ClientHello) -> ClientHello:
    """The ClientHello to go on with: the inner one, if this message contains one that can be opened."""
    found = message.extensions
    body, config = found[ENCRYPTED_CLIENT_HELLO], hs.config
    if not config.ech_keys:
        if body[:1] == bytes((INNER,)):
            ech.kind_of(body)
            hs.draft.ech = EchOutcome(BACKEND)
        return message
    if ech.kind_of(body) != OUTER:
        raise Abort(faults.BAD_ECH_EXTENSION, "an inner ClientHello that is not encrypted")
    sealed = Sealed.parse(body)
    places.check(found, places.BUT_LONG)
    name = extensions.server_name(found[SERVER_NAME]) if SERVER_NAME in found else None
    hs.draft.ech = record = EchOutcome(GREASE, name)
    aad = ech.authenticated(message, len(sealed.payload))
    for key in islice(_candidates(config.ech_keys, sealed, trial=config.ech_trial), MAX_TRIALS):
        try:
            secret, context = key.agreed(sealed.suite, sealed.enc)
            encoded = context.open(aad, sealed.payload)
        except HpkeError:
            continue
        record.status, record.opened = SUCCESS, (sealed, context)
        if hs.layer.watched:
            hs.draft.client_random = message.random  # under which the key log has these lines (RFC 9850)
            hs.log_secret("ECH_SECRET", secret)
            hs.log_secret("ECH_CONFIG", key.config.raw)
        return ech.rebuilt(encoded, message)
    return message


def _candidates(keys: tuple[ServerKey, ...], sealed: Sealed, *, trial: bool) -> Iterable[ServerKey]:
    """The keys that a hello may be for (RFC 9849 7.1)."""
    kdf, aead = sealed.suite
    if kdf not in KDFS or aead not in AEADS:
        return ()
    return (
        key for key in keys if sealed.suite in key.config.suites and (trial or key.config.config_id == sealed.config_id)
    )


def receive_second(hs: Handshake, message: ClientHello) -> ClientHello:
    """The same after a HelloRetryRequest, which has already told the client whether its first hello was opened (RFC
    9849 7.1.1).
    """
    record = hs.draft.ech
    if record is None or not record.confirmed:
        return message
    body = message.extensions.get(ENCRYPTED_CLIENT_HELLO)
    if body is None:
        raise Abort(faults.MISSING_ECH, "encrypted_client_hello is missing in the second ClientHello")
    if ech.kind_of(body) != (INNER if record.status == BACKEND else OUTER):
        raise Abort(faults.BAD_ECH_EXTENSION, "the second ClientHello has another type")
    if record.opened is None:
        return message
    (first, context), sealed = record.opened, Sealed.parse(body)
    if sealed.enc or sealed.suite != first.suite or sealed.config_id != first.config_id:
        raise Abort(faults.BAD_ECH_EXTENSION, "the second ClientHello is encrypted otherwise")
    places.check(message.extensions, places.BUT_LONG)
    try:
        encoded = context.open(ech.authenticated(message, len(sealed.payload)), sealed.payload)
    except HpkeError:
        raise Abort(faults.ECH_DOES_NOT_OPEN) from None
    return ech.rebuilt(encoded, message)


def confirmed(hs: Handshake, inner_random: bytes, raw: bytes) -> bytes:
    """A ServerHello whose random ends with the confirmation that the inner hello was accepted (RFC 9849 7.2)."""
    end = 38
    raw = raw[: end - CONFIRMATION] + bytes(CONFIRMATION) + raw[end:]
    digest = hs.transcript.digest_with(raw)
    said = confirmation(hs.draft.digest, inner_random, HELLO, digest)
    record = hs.draft.ech
    if record is not None:
        record.opened = None
    return raw[: end - CONFIRMATION] + said + raw[end:]


def confirmed_retry(hs: Handshake, inner_random: bytes, raw: bytes) -> bytes:
    """A HelloRetryRequest with the confirmation in its last extension, `NO_CONFIRMATION` (RFC 9849 7.2.1)."""
    said = confirmation(hs.draft.digest, inner_random, RETRY, hs.transcript.digest_with(raw))
    return raw[:-CONFIRMATION] + said
