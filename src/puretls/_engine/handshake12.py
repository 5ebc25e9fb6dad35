"""What both roles of TLS 1.0 to 1.2 share: secrets and keys (RFC 5246 6.3, 8.1), Finished, and the time after the
handshake.

The versions differ in few places: the PRF and the transcript hash (`Outcome.digest`), the form of signatures (with or
without a scheme on the wire), the IV of CBC records.  Each is a condition where it matters.
"""

from __future__ import annotations

from collections.abc import Iterable

from puretls._base import faults, registry
from puretls._base.equal import compare_digest
from puretls._base.faults import Abort
from puretls._base.registry import CLIENT_HELLO, HELLO_REQUEST, TLS12, WARNING
from puretls._crypto import signatures, suites
from puretls._crypto.groups import BY_NAME
from puretls._crypto.kdf import Prf, prf
from puretls._crypto.signatures import EC, ED448, ED25519, RSA, RSA_PSS, Scheme
from puretls._crypto.suites import Suite
from puretls._engine import authenticate
from puretls._engine.config import OP_NO_RENEGOTIATION, Credential
from puretls._engine.established import Established, count
from puretls._engine.handshake import Handshake, State, on
from puretls._engine.identify import check_scheme
from puretls._engine.peer import Claim
from puretls._engine.session import LIFETIME, Session
from puretls._record import protection12
from puretls._record.protection import Opener, Sealer
from puretls._wire import extensions, messages
from puretls._wire.codec import vec16
from puretls._wire.hello import ClientHello
from puretls._x509.extensions import DIGITAL_SIGNATURE

CLIENT_FINISHED, SERVER_FINISHED = b"client finished", b"server finished"
SIGNED_EXCHANGES = frozenset({suites.DHE, suites.ECDHE})
PSK_EXCHANGES = frozenset({suites.PSK, suites.RSA_PSK, suites.DHE_PSK, suites.ECDHE_PSK})
KINDS = {suites.RSA: frozenset({RSA, RSA_PSS}), suites.ECDSA: frozenset({EC, ED25519, ED448})}  # RFC 8422 5.10


def with_certificate(suite: Suite) -> bool:
    """Whether the server of this suite has a certificate."""
    return suite.auth in KINDS


def is_signed(suite: Suite) -> bool:
    """Whether ServerKeyExchange carries a signature."""
    return suite.kx in SIGNED_EXCHANGES and with_certificate(suite)


# Premaster secrets (RFC 5246 8.1, RFC 4279 2)


def psk_premaster(other: bytes, key: bytes) -> bytes:
    """The premaster secret with a pre-shared key.  `other` is the secret of the (EC)DHE or RSA part; for plain PSK it
    is as many zeros as the key has bytes.
    """
    return vec16(other) + vec16(key)


def derive_master(hs: Handshake, premaster: bytes) -> None:
    """The master secret by RFC 5246 8.1, or the extended one by RFC 7627 4, whose transcript ends with
    ClientKeyExchange.
    """
    draft = hs.draft
    if draft.ems:
        master = prf(draft.digest, premaster, b"extended master secret", hs.transcript.digest(), 48)
    else:
        master = prf(draft.digest, premaster, b"master secret", draft.client_random + draft.server_random, 48)
    set_master(hs, master)


def set_master(hs: Handshake, master: bytes) -> None:
    hs.draft.master = master
    if hs.layer.watched:
        hs.log_secret("CLIENT_RANDOM", master)


# Keys (RFC 5246 6.3)


class Keys:
    """The keys of both directions, which wait for their ChangeCipherSpec, and what computes the Finished messages."""

    __slots__ = ("opener", "prf", "sealer")

    def __init__(self, hs: Handshake) -> None:
        draft = hs.draft
        self.prf = Prf(draft.digest, master_of(hs))
        client, server = protection12.key_block(draft.suite, self.prf, draft.server_random + draft.client_random)
        theirs, ours = (client, server) if hs.server_side else (server, client)
        self.opener: Opener = protection12.opener(draft.suite, draft.version, theirs, etm=draft.etm)
        self.sealer: Sealer = protection12.sealer(draft.suite, draft.version, ours, etm=draft.etm)


def accept_change_cipher_spec(hs: Handshake, body: bytes, keys: Keys) -> None:
    """RFC 5246 7.1."""
    if body != b"\x01":
        raise Abort(faults.BAD_CHANGE_CIPHER_SPEC)
    hs.stream.switch_read_keys(keys.opener)


# Finished (RFC 5246 7.4.9)


def send_finished(hs: Handshake, keys: Keys) -> None:
    label = SERVER_FINISHED if hs.server_side else CLIENT_FINISHED
    hs.draft.finished_sent = keys.prf(label, hs.transcript.digest(), 12)
    hs.send_message(messages.finished(hs.draft.finished_sent))
    hs.layer.flush()


def check_finished(hs: Handshake, message: messages.Finished, keys: Keys) -> None:
    label = CLIENT_FINISHED if hs.server_side else SERVER_FINISHED
    raw, received = message
    authenticate.check_finished(received, keys.prf(label, hs.transcript.digest(), 12))
    hs.draft.finished_received = received
    hs.transcript.update(raw)


class Established12(Established):
    """The handshake of TLS 1.2 or older is done.  A client renegotiates if the server asks for it and nothing forbids
    it (RFC 5746 3.5).  A server refuses the renegotiation that a client asks for with a warning, and the connection
    goes on (RFC 5246 7.4.1.1).
    """

    __slots__ = ()

    @on(HELLO_REQUEST, messages.Empty.parse)
    def hello_request(self, hs: Handshake, message: messages.Empty) -> State:
        del message
        if hs.server_side:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        count(hs)
        if hs.outcome.secure_renegotiation and not hs.config.options & OP_NO_RENEGOTIATION and not hs.stream.close_sent:
            return hs.begin(hs)
        return self.decline(hs)

    @on(CLIENT_HELLO, ClientHello.parse)
    def client_hello(self, hs: Handshake, message: ClientHello) -> State:
        del message
        if not hs.server_side:
            raise Abort(faults.UNEXPECTED_HANDSHAKE_MESSAGE)
        count(hs)
        return self.decline(hs)

    def decline(self, hs: Handshake) -> State:
        """Refuse a renegotiation with a warning.  If the peer takes none of what we send, the warning is left out: not
        every request needs an answer (RFC 5246 7.4.1.1).
        """
        if not hs.stream.crowded():
            hs.layer.send_alert(WARNING, registry.NO_RENEGOTIATION)
        return self


def finish(hs: Handshake, session: Session | None) -> State:
    """End the handshake, whose session, if it is kept as one, can be resumed from here on."""
    del hs.transcript  # nothing may use it from here on
    hs.draft.session = session
    return hs.finish(Established12())


def master_of(hs: Handshake) -> bytes:
    """The master secret, which a session keeps."""
    if not isinstance(hs.draft.master, bytes):
        raise Abort(faults.INTERNAL)
    return hs.draft.master


def lifetime(hs: Handshake) -> int:
    """The lifetime of this context's sessions, in seconds."""
    return LIFETIME if hs.config.sessions is None else hs.config.sessions.lifetime


# Signatures (RFC 5246 4.7, 7.4.3, 7.4.8; RFC 4346 4.7)


def peer_scheme(hs: Handshake, code: int, claim: Claim) -> Scheme:
    """The scheme of the peer's signature; before TLS 1.2 the kind of its key decides.

    The key's curve has to be one that we have offered (RFC 8422 5.3), and its certificate has to allow signatures (RFC
    5246 7.4.2, 7.4.6).
    """
    scheme: Scheme | None
    if hs.version >= TLS12:
        scheme = check_scheme(hs.config, code, claim, TLS12)
    else:
        scheme = scheme_before12(hs, claim.kind)
        if scheme is None:
            raise Abort(faults.WRONG_SIGNATURE_TYPE, f"{claim.kind} key in version {hs.version:#06x}")
    if claim.kind == EC and BY_NAME.get(claim.key.curve.name) not in hs.config.groups:
        raise Abort(faults.WRONG_CURVE, claim.key.curve.name)
    if not claim.usable_for(DIGITAL_SIGNATURE):
        raise Abort(faults.MISSING_SIGNING_CERT if claim.kind in KINDS[suites.RSA] else faults.BAD_ECC_CERT)
    return scheme


def scheme_before12(hs: Handshake, kind: str) -> Scheme | None:
    """The scheme of a kind of key before TLS 1.2: MD5 with SHA-1, or SHA-1, which only security level 0 permits."""
    scheme = signatures.BEFORE12.get(kind)
    if scheme is not None and hs.config.policy.security_level > 0:
        raise Abort(faults.NO_SUITABLE_SIGNATURE_ALGORITHM, f"version {hs.version:#06x}")
    return scheme


def choose_before12(
    hs: Handshake, credentials: Iterable[Credential], kinds: frozenset[str]
) -> tuple[Credential, Scheme] | None:
    """The first credential of these kinds, with its scheme before TLS 1.2."""
    for credential in credentials:
        scheme = scheme_before12(hs, credential.kind) if credential.kind in kinds else None
        if scheme is not None:
            return credential, scheme
    return None


def check_renegotiation(hs: Handshake, found: dict[int, bytes], *, legacy: bool) -> None:
    """Check renegotiated_connection (RFC 5746 3.4 to 3.6): empty in a first handshake, in a renegotiation both
    verify_data of the handshake before.
    """
    body = found.get(registry.RENEGOTIATION_INFO)
    if body is None:
        if hs.established or not legacy:
            raise Abort(faults.UNSAFE_LEGACY_RENEGOTIATION_DISABLED)
        return
    before = hs.outcome
    if not compare_digest(extensions.renegotiated_connection(body), before.finished_sent + before.finished_received):
        raise Abort(faults.RENEGOTIATION_MISMATCH)
    hs.draft.secure_renegotiation = True
