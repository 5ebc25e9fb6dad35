"""The peer: the chain that it has sent, the path that was verified, and the proof that it has the key.

A Peer is made only here: by `proven`, when a signature shows that the certificate's owner is present (RFC 8446 4.4.3,
RFC 5246 7.4.3 and 7.4.8); by `encrypted_to` in RSA key exchange, where Finished is the proof (RFC 5246 F.1.1.2); and by
`remembered`, for a session in which one of these has happened.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto import signatures
from puretls._crypto.signatures import Scheme
from puretls._engine.status import StatusRules, Transparency
from puretls._x509 import addresses, certificate, names
from puretls._x509.certificate import Certificate

if TYPE_CHECKING:
    from puretls._x509.raw_key import RawKey

Asked = tuple[str | None, int, bool]  # a host, flags for comparing names, and whether the certificate has that name


class Peer:
    """An authenticated peer; `path` is None where the configuration asked for no verification.

    `until` is when the CRLs and the OCSP response end that its verification rests on.
    """

    __slots__ = ("_asked", "chain", "ocsp", "path", "raw", "scheme", "scts", "until")

    def __init__(
        self,
        chain: tuple[Certificate, ...],
        path: tuple[Certificate, ...] | None,
        scheme: Scheme | None = None,
        ocsp: bytes | None = None,
        asked: Asked | None = None,
        raw: bytes | None = None,
        until: float = math.inf,
    ) -> None:
        self.chain, self.path, self.scheme, self.ocsp, self.until = chain, path, scheme, ocsp, until
        self._asked = asked
        self.raw = raw  # a public key in the place of all certificates (RFC 7250)
        self.scts: bytes | None = None  # the timestamps that came with the certificate (RFC 6962 3.3)

    @property
    def certificate(self) -> Certificate:
        return self.chain[0]

    def answers_to(self, host: str | None, flags: int) -> bool:
        """Whether the certificate has the name that is asked for now; when the session was made, perhaps none was."""
        asked = self._asked
        if asked is None or asked[:2] != (host, flags):  # otherwise the answer is known
            address = ip_address(host)
            if self.raw is not None:
                answer = False  # a key has no name
            elif address is not None:
                answer = names.ip_matches(self.chain[0], address)
            else:
                answer = host is not None and names.host_matches(self.chain[0], host, flags)
            self._asked = asked = host, flags, answer
        return asked[2]


class Claim:
    """A certificate whose owner has not proven yet that it has the key."""

    __slots__ = (
        "asked", "chain", "key", "kind", "limits", "ocsp", "path", "scts", "status", "transparency", "until",
    )  # fmt: skip

    def __init__(
        self,
        chain: tuple[Certificate, ...],
        path: tuple[Certificate, ...] | None,
        ocsp: bytes | None = None,
        asked: Asked | None = None,
        status: StatusRules | None = None,
        until: float = math.inf,
    ) -> None:
        self.chain, self.path, self.ocsp, self.asked, self.status = chain, path, ocsp, asked, status
        self.until = until
        self.transparency: Transparency | None = None
        self.scts: bytes | None = None
        leaf = chain[0]
        self.key: Any = leaf.public_key()
        if self.key is None:
            raise Abort(faults.UNKNOWN_CERTIFICATE_TYPE, "no usable public key")
        self.kind, self.limits = signatures.key_kind(self.key, leaf.key_algorithm), leaf.limits

    def usable_for(self, usage: int) -> bool:
        """Whether the certificate allows this use of its key."""
        return self.chain[0].usable_for(usage)

    def proven(self, scheme: Scheme, signature: bytes, signed: bytes) -> Peer:
        """The peer, whose owner has signed data of this handshake."""
        signatures.verify(scheme, self.key, signature, signed)
        return self._peer(scheme)

    def encrypted_to(self) -> Peer:
        """The peer of RSA key exchange: a correct Finished shows that it could decrypt the premaster secret."""
        return self._peer(None)

    def _peer(self, scheme: Scheme | None) -> Peer:
        if self.status is not None and self.path is not None:
            self.until = min(self.until, self.status.check(self.path, self.ocsp))
        if self.transparency is not None and self.path is not None:
            self.transparency.check(self.path, self.ocsp)
        peer = Peer(self.chain, self.path, scheme, self.ocsp, self.asked, None, self.until)
        peer.scts = self.scts
        return peer


class KeyClaim(Claim):
    """A public key without a certificate (RFC 7250), whose owner has not proven yet that it has the private key."""

    __slots__ = ("raw",)

    def __init__(self, key: RawKey, verified: bool) -> None:
        self.raw = key.der
        self.chain, self.path, self.ocsp, self.asked, self.status = (), () if verified else None, None, None, None
        self.key, self.kind, self.limits = key.public, signatures.key_kind(key.public, key.algorithm), key.limits

    def usable_for(self, usage: int) -> bool:
        del usage
        return True

    def _peer(self, scheme: Scheme | None) -> Peer:
        return Peer((), self.path, scheme, raw=self.raw)


def remembered_key(der: bytes, verified: bool) -> Peer:
    """The peer of a resumed session, which has a raw public key."""
    return Peer((), () if verified else None, raw=der)


def remembered(ders: Sequence[bytes], *, verified: bool) -> Peer:
    """The peer of a resumed session, which has certificates."""
    chain = certificate.presented(ders)
    return Peer(chain, chain if verified else None)


def ip_address(name: str | None) -> bytes | None:
    """The packed address, if `name` is a literal address; None if it is a host name."""
    if not name or (name[0].isalpha() and ":" not in name):  # most names
        return None
    return addresses.address(name)
