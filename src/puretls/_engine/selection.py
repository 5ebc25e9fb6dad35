"""Which of several certificates is shown: by the name that was asked for, by its issuer, and by the peer's schemes.

Where certificates were added to a context one by one, their order is the program's preference: the first that fits is
used.  A server considers those that are for the name in the ClientHello, or all of them if none is.  A certificate may
require that the peer has named one of its issuers.  The choice depends only on parts of a ClientHello that a client may
not change after a HelloRetryRequest (RFC 8446 4.1.2).  Without added certificates `authenticate.choose` decides alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from puretls._base import registry
from puretls._base.registry import TLS13
from puretls._crypto.signatures import Scheme
from puretls._engine.config import OP_CIPHER_SERVER_PREFERENCE, Config, Credential
from puretls._wire import extensions
from puretls._wire.codec import Ranks


def candidates(config: Config, name: str | None, found: dict[int, bytes]) -> list[Credential]:
    """The certificates that a server considers, in order, for a client that has asked for `name` with the extensions
    `found`.
    """
    pool: Sequence[Credential] = config.credentials
    if name is not None:
        name = name.lower().removesuffix(".")
        named = config.credentials_by_name
        pool = merged(pool, named.get(name), named.get("*." + name.partition(".")[2])) or pool
    return welcome(pool, authorities_of(found))


def merged(order: Sequence[Credential], *parts: Sequence[Credential] | None) -> list[Credential]:
    """The members of any of the parts, in the order of `order`."""
    some = [part for part in parts if part]
    if len(some) < 2:
        return list(some[0]) if some else []
    wanted = {id(one) for part in some for one in part}
    return [one for one in order if id(one) in wanted]


def authorities_of(found: dict[int, bytes]) -> tuple[bytes, ...]:
    """The names in certificate_authorities of a ClientHello or a CertificateRequest (RFC 8446 4.2.4)."""
    body = found.get(registry.CERTIFICATE_AUTHORITIES)
    return () if body is None else extensions.authorities(body)


def welcome(pool: Iterable[Credential], authorities: Sequence[bytes]) -> list[Credential]:
    """The certificates whose issuer need not be named by the peer, or was."""
    known = frozenset(authorities)
    return [one for one in pool if not (one.rules.must_match_issuer and known.isdisjoint(one.issuers))]


def first(
    config: Config, version: int, theirs: Ranks, pool: Iterable[Credential], kinds: frozenset[str] | None = None
) -> tuple[Credential, Scheme] | None:
    """The first that has a scheme which the peer accepts, with the scheme that the options prefer."""
    for credential in pool:
        if kinds is None or credential.kind in kinds:
            scheme = scheme_of(config, credential, version, theirs)
            if scheme is not None:
                return credential, scheme
    return None


def scheme_of(config: Config, credential: Credential, version: int, theirs: Ranks) -> Scheme | None:
    """The scheme that one certificate is used with."""
    schemes = config.schemes13 if version == TLS13 else config.schemes12
    shared = [scheme for scheme in schemes.get(credential, ()) if scheme.code in theirs]
    if not shared or config.options & OP_CIPHER_SERVER_PREFERENCE:
        return shared[0] if shared else None
    return min(shared, key=lambda scheme: theirs[scheme.code])
