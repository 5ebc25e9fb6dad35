"""The client's first state: ServerHello, where the version is decided, or HelloRetryRequest (RFC 8446 4.1.3, 4.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import (
    SERVER_HELLO,
    SSL3,
    TLS12,
    TLS13,
)
from puretls._crypto.schedule import without_psk
from puretls._crypto.suites import Suite
from puretls._engine import offering
from puretls._engine.client12 import legacy_server_hello
from puretls._engine.client13 import ExpectEncryptedExtensions, count_miss, wrong_suite
from puretls._engine.client_hello import ClientOffer
from puretls._engine.config import OP_ENABLE_MIDDLEBOX_COMPAT
from puretls._engine.ech_outcome import SUCCESS
from puretls._engine.handshake import Handshake, State, on
from puretls._wire import extensions
from puretls._wire.hello import DOWNGRADE_TLS11, DOWNGRADE_TLS12, ServerHello
from puretls._wire.places import HRR, SH, check_response

if TYPE_CHECKING:
    from puretls._engine.ech_client import EchClient


class ExpectServerHello(State):
    """The ClientHello was sent.  `retried` is the HelloRetryRequest that it answers, if there was one; `ech` has
    encrypted it.
    """

    __slots__ = ("ech", "offer", "retried")

    def __init__(self, offer: ClientOffer, retried: ServerHello | None, ech: EchClient | None) -> None:
        self.offer, self.retried, self.ech = offer, retried, ech

    @on(SERVER_HELLO, ServerHello.parse)
    def server_hello(self, hs: Handshake, message: ServerHello) -> State:  # RFC 8446 4.1.3
        version = selected_version(hs, message)
        if version != TLS13:
            if self.retried or message.is_retry:
                raise Abort(faults.WRONG_SSL_VERSION._replace(alert=registry.ILLEGAL_PARAMETER))
            if self.offer.early is not None:  # a server of TLS 1.2 cannot skip early data (RFC 8446 D.3)
                raise Abort(faults.WRONG_VERSION_ON_EARLY_DATA)
            return legacy_server_hello(hs, self.offer, message, version)
        hs.set_version(TLS13)
        suite = self._suite(hs, message)
        return self._retry(hs, message, suite) if message.is_retry else self._accept(hs, message, suite)

    def _suite(self, hs: Handshake, message: ServerHello) -> Suite:
        """The checks that ServerHello and HelloRetryRequest share."""
        suite = hs.config.offered_by_code.get(message.cipher_suite)
        if suite is None or suite.since != TLS13:
            raise Abort(wrong_suite(message.cipher_suite), f"cipher suite {message.cipher_suite:#06x}")
        if self.retried and self.retried.cipher_suite != message.cipher_suite:
            raise Abort(faults.CIPHERSUITE_DIGEST_HAS_CHANGED)
        if message.session_id != self.offer.session_id:
            raise Abort(faults.INVALID_SESSION_ID)
        if message.compression_method != 0:
            raise Abort(faults.INVALID_COMPRESSION_ALGORITHM)
        hs.set_suite(suite)
        return suite

    def _retry(self, hs: Handshake, message: ServerHello, suite: Suite) -> State:  # RFC 8446 4.1.4
        offer, found, transcript = self.offer, message.extensions, hs.transcript
        if self.retried:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "a second HelloRetryRequest")
        if not hs.layer.on_boundary():  # nothing may follow a HelloRetryRequest
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE, "something follows HelloRetryRequest")
        check_response(found, HRR, offer.offered | {registry.COOKIE})
        group = None
        if registry.KEY_SHARE in found:
            code = extensions.selected_u16(found[registry.KEY_SHARE])
            group = hs.config.group_by_code.get(code)
            if group is None or group not in hs.config.groups13 or code in offer.shares:
                raise Abort(faults.BAD_KEY_SHARE, f"group {code:#06x} in HelloRetryRequest")
        cookie = extensions.cookie(found[registry.COOKIE]) if registry.COOKIE in found else b""
        if group is None and not cookie:
            raise Abort(faults.NO_CHANGE_FOLLOWING_HRR)
        ech = self.ech
        if ech is not None:
            ech.retry(suite.hash, message)
        transcript.choose(suite.hash)
        transcript.rewrite_for_retry()
        transcript.update(message.raw)
        return ExpectServerHello(offering.retry(hs, offer, group, cookie, suite.hash, ech), message, ech)

    def _decide(self, hs: Handshake, message: ServerHello, suite: Suite, ech: EchClient) -> None:
        """Find out which of the two hellos the server has accepted (RFC 9849 6.1.4)."""
        offer, record = self.offer, hs.draft.ech
        if record is None:
            raise Abort(faults.INTERNAL)
        if ech.read(suite.hash, message):
            record.status = SUCCESS
            hs.transcript, hs.draft.client_random = ech.transcript, ech.random
            offer.offered = ech.offered
        else:
            record.rejected = True
            offer.psks = []  # none of them was offered
            hs.config = hs.config.of_outer_hello
            if not self.retried:
                hs.transcript.choose(suite.hash)

    def _accept(self, hs: Handshake, message: ServerHello, suite: Suite) -> State:
        if self.ech is not None:
            self._decide(hs, message, suite, self.ech)
        offer, found, transcript, d = self.offer, message.extensions, hs.transcript, suite.hash
        check_response(found, SH, offer.offered)
        psk = None
        if registry.PRE_SHARED_KEY in found:  # RFC 8446 4.2.11
            index = extensions.selected_u16(found[registry.PRE_SHARED_KEY])
            if index >= len(offer.psks):
                raise Abort(faults.BAD_PSK_IDENTITY)
            psk = offer.psks[index]
            if psk.digest is not d:
                raise Abort(faults.CIPHERSUITE_DIGEST_HAS_CHANGED)
        if offer.psks and (psk is None or psk.session is None) and any(offered.session for offered in offer.psks):
            count_miss(hs)
        if registry.KEY_SHARE not in found:  # we offer psk_dhe_ke only
            raise Abort(faults.MISSING_KEY_SHARE)
        group, share = extensions.key_share(found[registry.KEY_SHARE])
        ours = offer.shares.get(group)
        if ours is None:
            raise Abort(faults.BAD_KEY_SHARE, f"group {group:#06x} was not offered")
        hs.draft.group = hs.config.group_by_code[group]
        secret = (psk.early if psk else without_psk(d)).mix(ours.complete(share))
        if not self.retried and self.ech is None:
            transcript.choose(d)
        digest = transcript.digest_after(message.raw)
        next_ours, theirs = secret.traffic(digest)
        if hs.layer.watched:
            hs.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", next_ours)
            hs.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", theirs)
        hs.draft.server_random = message.random
        early = offer.early is not None
        if not self.retried and not early and hs.config.options & OP_ENABLE_MIDDLEBOX_COMPAT:
            hs.stream.change_cipher_spec_due()
        hs.install_handshake_secrets(theirs, next_ours, early=early)
        return ExpectEncryptedExtensions(offer, secret, psk.session if psk else None, psk is not None)


class ExpectServerHelloAgain(ExpectServerHello):
    """In a renegotiation of TLS 1.2 or older, where the server may still be sending data."""

    __slots__ = ()
    accepts_data = True


THIRTEEN = TLS13.to_bytes(2, "big")  # the body of supported_versions that is right


def selected_version(hs: Handshake, message: ServerHello) -> int:
    """The version of a ServerHello; Abort if we have not offered it, or it was downgraded (RFC 8446 4.1.3, 4.2.1)."""
    config, body = hs.config, message.extensions.get(registry.SUPPORTED_VERSIONS)
    if body is not None:
        if body == THIRTEEN and message.legacy_version == TLS12 and config.max_version >= TLS13:
            return TLS13
        if config.max_version < TLS13:
            raise Abort(faults.UNSOLICITED_EXTENSION)
        if message.legacy_version <= SSL3:  # RFC 8446 D.5
            raise Abort(faults.UNSUPPORTED_PROTOCOL, f"version {message.legacy_version:#06x}")
        extensions.selected_u16(body)  # whether it is a version at all
        raise Abort(faults.BAD_PROTOCOL_VERSION_NUMBER)
    version = message.legacy_version
    if version not in config.versions or version >= TLS13 or message.is_retry:
        raise Abort(faults.WRONG_SSL_VERSION if config.fixed else faults.UNSUPPORTED_PROTOCOL, f"{version:#06x}")
    sentinel = message.random[24:]
    if (config.max_version >= TLS13 and sentinel in (DOWNGRADE_TLS12, DOWNGRADE_TLS11)) or (
        config.max_version == TLS12 and version < TLS12 and sentinel == DOWNGRADE_TLS11
    ):
        raise Abort(faults.DOWNGRADE_DETECTED)
    return version
