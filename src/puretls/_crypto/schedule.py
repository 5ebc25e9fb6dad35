"""The key schedule of TLS 1.3 (RFC 8446 7.1): one class per stage, which can derive only the secrets of that stage.

Every `digest` is that of a transcript, named beside it; the stages never see a message.  Stages have no repr and keep
no secret as bytes: they hold an HMAC keyed with it.  Before TLS 1.3 there is only `kdf.prf`.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import ClassVar

from cryptography.hazmat.primitives.hmac import HMAC

from puretls._crypto.kdf import SHA256, SHA384, Digest, expand_label, hkdf_label, secret_label, without_salt

EXT_BINDER = secret_label(b"ext binder")
RES_BINDER = secret_label(b"res binder")
CLIENT_EARLY = secret_label(b"c e traffic")
EARLY_EXPORTER = secret_label(b"e exp master")
DERIVED = secret_label(b"derived")
CLIENT_HANDSHAKE = secret_label(b"c hs traffic")
SERVER_HANDSHAKE = secret_label(b"s hs traffic")
CLIENT_TRAFFIC = secret_label(b"c ap traffic")
SERVER_TRAFFIC = secret_label(b"s ap traffic")
EXPORTER = secret_label(b"exp master")
RESUMPTION = secret_label(b"res master")

# HkdfLabel without context and with HKDF's block counter, by length of the output
_KEY = {n: n.to_bytes(2, "big") + hkdf_label(b"key") + b"\x00\x01" for n in (16, 32)}
_IV = b"\x00\x0c" + hkdf_label(b"iv") + b"\x00\x01"
_FINISHED = {n: n.to_bytes(2, "big") + hkdf_label(b"finished") + b"\x00\x01" for n in (32, 48)}
_TICKET = {n: n.to_bytes(2, "big") + hkdf_label(b"resumption") for n in (32, 48)}  # a nonce is the context
_UPDATE = {n: n.to_bytes(2, "big") + hkdf_label(b"traffic upd") + b"\x00\x01" for n in (32, 48)}


class Level(IntEnum):
    """The level of protection: which stage's keys protect something (RFC 9001 2.1)."""

    INITIAL = 0  # none of the handshake's
    EARLY = 1
    HANDSHAKE = 2
    APPLICATION = 3


INITIAL, EARLY, HANDSHAKE, APPLICATION = Level  # a global is cheaper to read than the member of an enumeration


_DERIVED = {d: DERIVED[d.size] + d.empty + b"\x01" for d in (SHA256, SHA384)}  # of no messages: what stages go on with


class EarlySecret:
    """From the start of a handshake, with the PSK or without one; `without_psk` has the latter ready."""

    __slots__ = ("_digest", "_mac", "_salt")

    def __init__(self, digest: Digest, psk: bytes = b"") -> None:
        self._digest = digest
        extract = without_salt(digest).copy()
        extract.update(psk or digest.zeros)
        self._mac = mac = HMAC(extract.finalize(), digest.algorithm)
        derived = mac.copy()
        derived.update(_DERIVED[digest])
        self._salt = HMAC(derived.finalize(), digest.algorithm)

    def binder_key(self, *, external: bool) -> bytes:
        """Of the PSK; the binder is `finished` of this key (RFC 8446 4.2.11.2)."""
        return self._digest.derive(self._mac, EXT_BINDER if external else RES_BINDER, self._digest.empty)

    def client_traffic(self, digest: bytes) -> bytes:
        """Of ClientHello."""
        return self._digest.derive(self._mac, CLIENT_EARLY, digest)

    def exporter(self, digest: bytes) -> bytes:
        """Of ClientHello."""
        return self._digest.derive(self._mac, EARLY_EXPORTER, digest)

    def mix(self, shared: bytes) -> HandshakeSecret:
        """Add the (EC)DHE secret; b"" where the PSK stands alone."""
        d, extract = self._digest, self._salt.copy()
        extract.update(shared or d.zeros)
        return HandshakeSecret(d, HMAC(extract.finalize(), d.algorithm))


@cache
def without_psk(digest: Digest) -> EarlySecret:
    """The early secret of a handshake without PSK: a constant, and no secret."""
    return EarlySecret(digest)


class _Stage:
    """A stage that has a traffic secret for either direction."""

    __slots__ = ("_digest", "_mac")
    _client: ClassVar[dict[int, bytes]]
    _server: ClassVar[dict[int, bytes]]

    def __init__(self, digest: Digest, mac: HMAC) -> None:
        self._digest, self._mac = digest, mac

    def traffic(self, digest: bytes) -> tuple[bytes, bytes]:
        """The client's and the server's, of the messages up to here."""
        size, secret, context = self._digest.size, self._mac, digest + b"\x01"
        theirs, ours = secret.copy(), secret.copy()
        theirs.update(self._client[size] + context)
        ours.update(self._server[size] + context)
        return theirs.finalize(), ours.finalize()


class HandshakeSecret(_Stage):
    """From ServerHello on; `traffic` is of ClientHello..ServerHello."""

    __slots__ = ()
    _client, _server = CLIENT_HANDSHAKE, SERVER_HANDSHAKE

    def finish(self) -> MasterSecret:
        """To the last stage, which mixes nothing in."""
        d, derived = self._digest, self._mac.copy()
        derived.update(_DERIVED[d])
        extract = HMAC(derived.finalize(), d.algorithm)
        extract.update(d.zeros)
        return MasterSecret(d, HMAC(extract.finalize(), d.algorithm))


class MasterSecret(_Stage):
    """From the server's Finished on; `traffic` is of ClientHello..server Finished."""

    __slots__ = ()
    _client, _server = CLIENT_TRAFFIC, SERVER_TRAFFIC

    def exporter(self, digest: bytes) -> bytes:
        """Of ClientHello..server Finished; `export` derives from it."""
        return self._digest.derive(self._mac, EXPORTER, digest)

    def resumption(self, digest: bytes) -> bytes:
        """Of ClientHello..client Finished; `Resumption` derives from it."""
        mac = self._mac.copy()
        mac.update(RESUMPTION[self._digest.size] + digest + b"\x01")
        return mac.finalize()


class Resumption:
    """The resumption secret, which gives each ticket its PSK."""

    __slots__ = ("_digest", "_mac")

    def __init__(self, digest: Digest, secret: bytes) -> None:
        self._digest, self._mac = digest, HMAC(secret, digest.algorithm)

    def psk(self, nonce: bytes) -> bytes:
        """What a NewSessionTicket with this nonce stands for (RFC 8446 4.6.1)."""
        mac = self._mac.copy()
        mac.update(_TICKET[self._digest.size] + bytes((len(nonce),)) + nonce + b"\x01")
        return mac.finalize()


def ticket_psk(d: Digest, secret: bytes, nonce: bytes) -> bytes:
    """The same, of a resumption secret that only one ticket is asked of."""
    return d.hmac(secret, _TICKET[d.size] + bytes((len(nonce),)) + nonce + b"\x01")


def traffic_keys(d: Digest, secret: bytes, key_len: int) -> tuple[bytes, bytes]:
    """Key and IV of one direction (RFC 8446 7.3)."""
    iv = HMAC(secret, d.algorithm)
    key = iv.copy()
    key.update(_KEY[key_len])
    iv.update(_IV)
    return key.finalize()[:key_len], iv.finalize()[:12]


class TrafficSecret:
    """The traffic secret of one direction, and everything derived from it at once, from one keyed HMAC.

    `key` and `iv` are for the record layer (RFC 8446 7.3); `finished` is the key of Finished, of a handshake traffic
    secret only (RFC 8446 4.4.4).
    """

    __slots__ = ("finished", "iv", "key", "secret")

    def __init__(self, digest: Digest, secret: bytes, key_len: int, *, handshake: bool = False) -> None:
        self.secret = secret
        iv = HMAC(secret, digest.algorithm)
        key = iv.copy()
        if handshake:
            finished = iv.copy()
            finished.update(_FINISHED[digest.size])
            self.finished = finished.finalize()
        key.update(_KEY[key_len])
        iv.update(_IV)
        self.key, self.iv = key.finalize()[:key_len], iv.finalize()[:12]


def finished(d: Digest, secret: bytes, digest: bytes) -> bytes:
    """verify_data of a traffic secret, or the binder of a binder key (RFC 8446 4.4.4, 4.2.11.2)."""
    return d.hmac(d.hmac(secret, _FINISHED[d.size]), digest)


def next_traffic_secret(d: Digest, secret: bytes) -> bytes:
    """The traffic secret after a KeyUpdate (RFC 8446 7.2)."""
    return d.hmac(secret, _UPDATE[d.size])


def export(d: Digest, exporter: bytes, label: bytes, context: bytes, n: int) -> bytes:
    """Keying material for the application (RFC 8446 7.5); no context and an empty one are the same here."""
    secret = expand_label(d, exporter, label, d.empty, d.size)
    return expand_label(d, secret, b"exporter", d.hash(context), n)
