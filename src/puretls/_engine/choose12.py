"""A server's choice in TLS 1.0 to 1.2: a suite, and the credential, scheme and group for it (RFC 5246 7.4.1.4.1, RFC
8422 5.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._crypto import suites
from puretls._crypto.groups import SECP256R1, Group
from puretls._crypto.signatures import EC, Scheme
from puretls._crypto.suites import Suite
from puretls._engine import authenticate, negotiate, raw_keys, selection
from puretls._engine.config import Config, Credential
from puretls._engine.handshake import Handshake
from puretls._engine.handshake12 import (
    KINDS,
    PSK_EXCHANGES,
    choose_before12,
    is_signed,
    with_certificate,
)
from puretls._engine.policy import CERT_REQUIRED
from puretls._wire import extensions
from puretls._wire.codec import Ranks, tuple_of
from puretls._x509 import strength
from puretls._x509.extensions import DIGITAL_SIGNATURE

IMPLIED_SCHEMES: Ranks = {0x0201: 0, 0x0203: 1}  # of a client that names none (RFC 5246 7.4.1.4.1)


class Common(NamedTuple):
    """What both sides have in common besides suites; each suite is tried with it."""

    version: int
    group: Group | None  # for ECDHE
    schemes: Ranks  # that the client accepts
    pool: Sequence[Credential]  # the credentials for this client
    signing: list[Credential]  # those of them that may sign, with a curve that the client has


class Choice(NamedTuple):
    """What the server has chosen."""

    suite: Suite
    credential: Credential | None
    scheme: Scheme | None  # of ServerKeyExchange
    group: Group | None


def choose(hs: Handshake, found: dict[int, bytes], version: int) -> Choice:
    """The first suite of both sides that everything else allows (RFC 5246 7.4.1.4.1, RFC 8422 5.1, RFC 7919 4)."""
    config, common = hs.config, _common(hs, found, version)
    shared = negotiate.in_order(config, config.suites, hs.draft.client_suites)
    possible: Iterable[Suite] = (suite for suite in shared if _possible(config, suite, version, common.group))
    if config.selects:
        offers = list(possible)
        if offers and with_certificate(offers[0]):
            choice = _by_certificate(hs, offers, common)
            if choice is not None:
                return choice
        possible = [suite for suite in offers if not with_certificate(suite)]
    for suite in possible:
        choice = _choice(hs, suite, common)
        if choice is not None:
            return choice
    raise raw_keys.lacking(hs) or Abort(faults.NO_SHARED_CIPHER)


def _common(hs: Handshake, found: dict[int, bytes], version: int) -> Common:
    """What a ClientHello's extensions and our configuration have in common."""
    config = hs.config
    theirs: Ranks | None = None
    if registry.SUPPORTED_GROUPS in found:
        theirs = extensions.numbers(found[registry.SUPPORTED_GROUPS])
        group = negotiate.first_common(config.curves12, theirs, version)
    else:  # a client without the extension accepts any curve
        group = SECP256R1 if SECP256R1 in config.groups else None
    schemes: Ranks = IMPLIED_SCHEMES
    if registry.SIGNATURE_ALGORITHMS in found:
        schemes = extensions.numbers(found[registry.SIGNATURE_ALGORITHMS])
    level = config.policy.security_level
    pool: Sequence[Credential] = config.credentials
    if config.selects:
        pool = selection.candidates(config, hs.draft.server_name, found)
    signing = [one for one in pool if may_sign(one) and _curve_will_do(one, theirs, level)]
    return tuple_of(Common, (version, group, schemes, pool, signing))


def _possible(config: Config, suite: Suite, version: int, group: Group | None) -> bool:
    """Whether a suite could be used, if there is a certificate for it."""
    if suite.since > version or suite.since == TLS13:
        return False
    if suite.kx in (suites.ECDHE, suites.ECDHE_PSK) and group is None:
        return False
    if suite.kx in (suites.DHE, suites.DHE_PSK) and config.dh is None:
        return False
    if suite.kx in PSK_EXCHANGES and not config.psk_server:
        return False
    return not (suite.auth == suites.ANON and config.policy.verify_mode == CERT_REQUIRED)


def _by_certificate(hs: Handshake, offers: list[Suite], common: Common) -> Choice | None:
    """The choice by the first certificate for which there is a suite: the order of certificates comes before that of
    suites.

    A suite makes two demands of a certificate: the kind of its key, and whether the key signs or decrypts.  So only the
    first suite of each such kind is looked at, however many suites and certificates there are.
    """
    firsts: dict[tuple[bool, str], Suite] = {}
    for suite in filter(with_certificate, offers):
        firsts.setdefault((is_signed(suite), suite.auth), suite)
    signing, modern = {id(one) for one in common.signing}, common.version >= TLS12
    for one in common.pool:
        signs = id(one) in signing
        scheme = selection.scheme_of(hs.config, one, TLS12, common.schemes) if signs and modern else None
        for (signed, auth), suite in firsts.items():
            ephemeral = common.group if suite.kx == suites.ECDHE else None
            if not signed:
                if one.decrypts:
                    return Choice(suite, one, None, ephemeral)
            elif one.kind in KINDS[auth] and signs:
                made = (one, scheme) if modern else choose_before12(hs, (one,), KINDS[auth])
                if made is not None and made[1] is not None:
                    return Choice(suite, one, made[1], ephemeral)
    return None


def _choice(hs: Handshake, suite: Suite, common: Common) -> Choice | None:
    ephemeral = common.group if suite.kx in (suites.ECDHE, suites.ECDHE_PSK) else None
    if not with_certificate(suite):
        return Choice(suite, None, None, ephemeral)
    chosen = _choose_credential(hs, suite, common)
    return None if chosen is None else tuple_of(Choice, (suite, *chosen, ephemeral))


def _choose_credential(hs: Handshake, suite: Suite, common: Common) -> tuple[Credential, Scheme | None] | None:
    kinds = KINDS[suite.auth]
    if not is_signed(suite):  # RSA key exchange decrypts
        return next(((credential, None) for credential in common.pool if credential.decrypts), None)
    if common.version >= TLS12:
        return authenticate.choose(hs.config, TLS12, common.schemes, kinds=kinds, credentials=common.signing)
    return choose_before12(hs, common.signing, kinds)


def may_sign(credential: Credential) -> bool:
    """Whether the key usage of a certificate allows signatures, as TLS 1.2 wants it (RFC 5246 7.4.2, RFC 8422 2.2)."""
    return credential.leaf.usable_for(DIGITAL_SIGNATURE)


def _curve_will_do(credential: Credential, groups: Ranks | None, level: int) -> bool:
    """Whether the curve of a certificate is one of the client's groups (RFC 8422 5.1) and strong enough for us."""
    if credential.kind != EC:
        return True
    curve = credential.curve
    return curve is not None and (groups is None or curve.code in groups) and curve.bits >= strength.floor(level)
