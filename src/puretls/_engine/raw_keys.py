"""Raw public keys in the place of certificates (RFC 7250): which type each side sends, and whether a key is trusted.

A key has no path and no name.  It counts as verified if it is one of the keys that the context trusts, or, where the
context trusts none, if `verify_callback` accepts it.  Without either, peers that have to be verified are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._base import faults, registry
from puretls._base.deferred import deferred
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import TLS12
from puretls._crypto import signatures
from puretls._engine.handshake import Handshake, decode
from puretls._engine.peer import Claim, KeyClaim
from puretls._engine.policy import RAW, X509
from puretls._wire import extensions, messages, messages12
from puretls._x509 import codes, strength
from puretls._x509.codes import refusal

if TYPE_CHECKING:
    from puretls._x509 import raw_key
else:
    raw_key = deferred("puretls._x509.raw_key")  # loaded with the settings that allow keys


def choose_types(hs: Handshake, found: dict[int, bytes]) -> None:
    """A server chooses the type of its own certificate and of the client's, from a ClientHello (RFC 7250 4.2)."""
    config, draft = hs.config, hs.draft
    if not config.typed or hs.version < TLS12:
        return
    draft.own_type = _common(config.own_types, found.get(registry.SERVER_CERTIFICATE_TYPE))
    if draft.own_type == RAW:
        hs.config = config.with_raw_keys
    if config.policy.verify_mode:
        draft.peer_type = _common(config.policy.types, found.get(registry.CLIENT_CERTIFICATE_TYPE))


def _common(ours: tuple[int, ...], body: bytes | None) -> int:
    if body is None:
        return X509
    theirs = extensions.certificate_types(body)
    if theirs == (X509,):  # the extension MUST be left out then (RFC 7250 4.1)
        raise Abort(faults.ONLY_DEFAULT_TYPE)
    for one in ours:  # the client's order is a preference that a server need not follow
        if one in theirs:
            return one
    raise Abort(faults.NO_COMMON_CERTIFICATE_TYPE)


def lacking(hs: Handshake) -> Abort | None:
    """The error for a server with only a raw key and a client that accepts none; None if that is not the reason."""
    if hs.config.typed and hs.draft.own_type == X509 and X509 not in hs.config.own_types:
        return Abort(faults.NO_COMMON_CERTIFICATE_TYPE)
    return None


def in_message13(hs: Handshake, message: messages.Certificate) -> Claim:
    """The key in a Certificate message of TLS 1.3: one entry, without extensions (RFC 8446 4.4.2)."""
    if len(message.entries) != 1:
        raise Abort(faults.LENGTH_MISMATCH, f"{len(message.entries)} raw public keys")
    der, found = message.entries[0]
    if found:  # neither a stapled response nor timestamps belong to a key
        raise Abort(faults.UNSOLICITED_EXTENSION, "of a raw public key")
    return _claim(hs, der)


def in_message12(hs: Handshake, raw: bytes) -> Claim | None:
    """The key in a Certificate message of TLS 1.2, where it is not a list (RFC 7250 3); None for an empty message."""
    der = decode(messages12.raw_public_key, raw)
    return _claim(hs, der) if der else None


def _claim(hs: Handshake, der: bytes) -> Claim:
    policy = hs.config.policy
    try:
        key = raw_key.RawKey(der)
    except ValueError as error:
        raise Abort(faults.UNUSABLE_RAW_PUBLIC_KEY, str(error)) from None
    if not signatures.key_kind(key.public, key.algorithm):
        raise Abort(faults.UNUSABLE_RAW_PUBLIC_KEY, "not a key that signs")
    verified = False
    if policy.verify_mode:  # CERT_NONE is 0
        if key.bits < strength.floor(policy.security_level):
            raise refusal(codes.LEAF_KEY_TOO_SMALL, 0)
        matches = [compare_digest(der, one) for one in policy.trusted_keys]
        verified = any(matches)
        if not verified and (matches or policy.judge is None):
            raise refusal(codes.RAW_KEY_UNTRUSTED, 0)
        if not hs.server_side and policy.check_hostname:  # it has no name
            raise refusal(codes.HOSTNAME_MISMATCH, 0)
    return KeyClaim(key, verified)
