"""Which of several certificates a side shows: by the name that was asked for, its issuer, and the peer's schemes.

Where certificates have been added to a context one by one, their order is the program's word: the first that will do is
the one.  A server's candidates are those that are for the name in ClientHello, or all if none is; a certificate may
want its issuer among the authorities that the peer has named.  The choice depends on a ClientHello only by what no
HelloRetryRequest lets a client change (RFC 8446 4.1.2).  Without added certificates it is `authenticate.choose` alone.
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
    """A server's, in order: for the name, and for who has said `found` in the ClientHello."""
    pool: Sequence[Credential] = config.credentials
    if name is not None:
        name = name.lower().removesuffix(".")
        named = config.credentials_by_name
        pool = merged(pool, named.get(name), named.get("*." + name.partition(".")[2])) or pool
    return welcome(pool, authorities_of(found))


def merged(order: Sequence[Credential], *parts: Sequence[Credential] | None) -> list[Credential]:
    """What is in any of the parts, in the order of all."""
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
    """Those of which the peer has not to know an issuer, or knows one."""
    known = frozenset(authorities)
    return [one for one in pool if not (one.rules.must_match_issuer and known.isdisjoint(one.issuers))]


def first(
    config: Config, version: int, theirs: Ranks, pool: Iterable[Credential], kinds: frozenset[str] | None = None
) -> tuple[Credential, Scheme] | None:
    """The first that has a scheme which the peer accepts, and of its schemes the one that options say."""
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
