"""The frozen settings of a context, which all its connections share and none of them changes.

A Config is immutable and used by any number of connections at once.  What is the same on the wire in each of them is
encoded once, here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import urandom
from typing import TYPE_CHECKING, Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from puretls._base import faults, registry
from puretls._base.deferred import deferred
from puretls._base.faults import Abort, Fault
from puretls._base.registry import TLS12, TLS13
from puretls._base.slotted import slotted
from puretls._base.tuples import NamedTuple
from puretls._crypto import groups as _groups
from puretls._crypto import signatures, suites
from puretls._crypto.finite_field import FiniteField
from puretls._crypto.groups import Group
from puretls._crypto.primitives import attempt
from puretls._crypto.signatures import Scheme
from puretls._crypto.suites import Suite
from puretls._engine.policy import X509, PeerPolicy, slotted_dataclass
from puretls._record.protection import MAX_PLAINTEXT
from puretls._wire import extensions, messages
from puretls._wire.codec import message, vec16_of, vec24
from puretls._x509 import certificate, names
from puretls._x509.certificate import Certificate

if TYPE_CHECKING:
    from puretls._engine.ech_config import Chosen, ServerKey
    from puretls._engine.sessions import SessionManager
    from puretls._wire.compression import Algorithm
    from puretls._wire.familiar import Kind
    from puretls._x509 import raw_key
    from puretls._x509.raw_key import RawKey
else:
    raw_key = deferred("puretls._x509.raw_key")  # loaded with the first key

T = TypeVar("T")

# OP_* as in OpenSSL 3, those that the engine knows
OP_LEGACY_SERVER_CONNECT = 0x4
OP_IGNORE_UNEXPECTED_EOF = 0x80
OP_NO_TICKET = 0x4000
OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION = 0x40000
OP_NO_ENCRYPT_THEN_MAC = 0x80000
OP_ENABLE_MIDDLEBOX_COMPAT = 0x100000
OP_PRIORITIZE_CHACHA = 0x200000
OP_CIPHER_SERVER_PREFERENCE = 0x400000
OP_NO_RENEGOTIATION = 0x40000000
MAX_CERT_LIST = 102_400  # bytes of a Certificate message, unless a context says otherwise (SSL_CTX_set_max_cert_list)


class Rules(NamedTuple):
    """When a certificate is used and what is sent with it, where its own content does not decide."""

    names: frozenset[str] | None = None  # hosts that it is for, "*." for any first label; None: as the leaf says
    schemes: frozenset[int] | None = None  # that its key signs with; None: all that it can
    scts: bytes | None = None  # a SignedCertificateTimestampList (RFC 6962 3.3)
    must_match_issuer: bool = False  # only for peers that have named an issuer of its chain
    added: bool = False  # by add_cert_chain(): then the order counts
    trusted: bool = False  # signatures of a key elsewhere are sent without being verified


NO_RULES = Rules()
_PSS = frozenset(scheme.code for scheme in signatures.SCHEMES if scheme.key == signatures.RSA and scheme.pss)


@slotted("ders", "key", "kind", "ocsp", "public_key", "rules")
class Credential:
    """A certificate chain and its private key, which is one of `cryptography`'s, or signs outside of the engine."""

    raw = False

    def __init__(
        self,
        ders: Sequence[bytes],
        key: Any | None,
        public_key: Any,
        kind: str,
        ocsp: bytes | None = None,
        rules: Rules = NO_RULES,
    ) -> None:
        self.ders = tuple(ders)
        self.key, self.public_key = key, public_key
        self.kind = kind  # as Scheme.key: what this key can sign with
        self.ocsp = ocsp  # a stapled response (RFC 6066 8)
        self.rules = rules

    def with_chain(self, ders: Sequence[bytes]) -> Credential:
        """The same with other certificates behind the leaf."""
        return type(self)(ders, self.key, self.public_key, self.kind, self.ocsp, self.rules)

    def with_staple(self, response: bytes | None) -> Credential:
        """The same with another OCSP response."""
        return type(self)(self.ders, self.key, self.public_key, self.kind, response, self.rules)

    def with_rules(self, rules: Rules) -> Credential:
        """The same under other rules."""
        return type(self)(self.ders, self.key, self.public_key, self.kind, self.ocsp, rules)

    @cached_property
    def issuers(self) -> frozenset[bytes]:
        """The names of the issuers in its chain, in DER."""
        found = (certificate.listed(der) for der in self.ders)
        return frozenset(x.parsed.issuer.public_bytes() for x in found if x.readable and x.odd is None)

    @cached_property
    def names(self) -> frozenset[str]:
        """The hosts that it is for, in lower case."""
        if self.rules.names is not None:
            return self.rules.names
        leaf = self.leaf
        found = [value for tag, value in leaf.alternative_names if tag == names.DNS]
        if not found:
            found = [host for host in map(names.as_host, names.common_names(leaf)) if host]
        return frozenset(one.decode("ascii", "replace").lower().removesuffix(".") for one in found)

    @cached_property
    def leaf(self) -> Certificate:
        """The certificate of the key."""
        return certificate.load(self.ders[0])

    @cached_property
    def curve(self) -> Group | None:
        """The elliptic curve of its key, if it has one that TLS knows."""
        return _groups.BY_NAME.get(self.public_key.curve.name) if self.kind == signatures.EC else None

    def signs(self, scheme: Scheme, version: int) -> bool:
        """Whether its key may sign with this scheme in this version, by what it is and by what its certificate says."""
        leaf, schemes = self.leaf, self.rules.schemes
        if scheme.code in signatures.SAME_AS:  # for keys without PSS (RFC 9963)
            if schemes is None or not schemes.isdisjoint(_PSS):
                return False
            schemes |= {code for code, same in signatures.SAME_AS.items() if same in schemes}
        if schemes is not None and scheme.code not in schemes:
            return False
        return leaf.public_key() is not None and signatures.usable(
            scheme, self.public_key, version, self.kind, leaf.limits
        )

    @cached_property
    def elsewhere(self) -> bool:
        """Whether the key is not one of `cryptography`'s: the handshake asks for its signatures, and verifies them."""
        return type(self.key).__module__.partition(".")[0] != "cryptography"

    @cached_property
    def decrypts(self) -> bool:
        """Whether the key can be used for RSA key exchange: on bad padding it has to return random bytes without an
        error.

        `cryptography` does so with OpenSSL 3.2 and newer (implicit rejection), but has no way to ask for it.  So a
        ciphertext with bad padding is tried before the first one from a client: 1, which decrypts to 1.
        """
        key: Any = self.key
        if self.kind != signatures.RSA or not hasattr(key, "decrypt"):
            return False
        one = (1).to_bytes((self.public_key.key_size + 7) // 8, "big")
        try:
            attempt(faults.DECRYPTION_FAILED, key.decrypt, one, PKCS1v15())
        except Abort:
            return False
        return True

    @cached_property
    def compressed(self) -> dict[tuple[object, bytes], bytes]:
        """Our Certificate messages as they were compressed, by algorithm and message."""
        return {}

    @cached_property
    def message13(self) -> bytes:
        """The Certificate message of TLS 1.3, during the handshake."""
        return self.certificate13(b"", None)

    @cached_property
    def stapled13(self) -> bytes:
        """The same with the OCSP response, if there is one."""
        return self.message13 if self.ocsp is None else self.certificate13(b"", self.ocsp)

    @cached_property
    def message12(self) -> bytes:
        """The Certificate message of TLS 1.2 and older."""
        from puretls._wire import messages12  # noqa: PLC0415 - see roles.py

        return messages12.certificate(self.ders)

    def shown13(self, found: dict[int, bytes]) -> bytes:
        """The Certificate message for a client whose ClientHello has the extensions `found`."""
        if self.rules.scts is None or registry.SIGNED_CERTIFICATE_TIMESTAMP not in found:
            return self.stapled13 if registry.STATUS_REQUEST in found else self.message13
        return self.certificate13(b"", self.ocsp if registry.STATUS_REQUEST in found else None, self.rules.scts)

    def certificate13(self, context: bytes, ocsp: bytes | None, scts: bytes | None = None) -> bytes:
        """A Certificate message of TLS 1.3, with what belongs to the entry of the leaf (RFC 8446 4.4.2.1)."""
        entries = [messages.CertificateEntry(der, {}) for der in self.ders]
        more = {}
        if ocsp is not None:
            more[registry.STATUS_REQUEST] = b"\x01" + vec24(ocsp)
        if scts is not None:
            more[registry.SIGNED_CERTIFICATE_TIMESTAMP] = scts
        if more:
            entries[0] = messages.CertificateEntry(self.ders[0], more)
        return messages.certificate(context, messages.certificate_list(tuple(entries)))


class RawCredential(Credential):
    """A key without a certificate (RFC 7250): the only one of `ders` is its SubjectPublicKeyInfo."""

    __slots__ = ()
    raw = True

    @property
    def leaf(self) -> RawKey:  # type: ignore[override]  # which has the answers of a certificate that are asked for
        """The key, in the place of a certificate."""
        return raw_key.load(self.ders[0])

    @property
    def message12(self) -> bytes:
        """The Certificate message of TLS 1.2: no list (RFC 7250 3)."""
        return message(registry.CERTIFICATE, vec24(self.ders[0]))


@slotted_dataclass
@dataclass(frozen=True, eq=False, repr=False)
class Config:
    """The settings of a context, resolved."""

    versions: tuple[int, ...] = (TLS13, TLS12)  # enabled, highest first
    fixed: bool = False  # the context's protocol fixes one version, for which OpenSSL has an error of its own
    suites: tuple[Suite, ...] = ()  # of TLS 1.2 and older, in order of preference
    suites13: tuple[Suite, ...] = ()
    groups: tuple[Group, ...] = _groups.DEFAULT
    key_shares: tuple[Group, ...] = _groups.DEFAULT_SHARES  # a client sends these
    schemes: tuple[Scheme, ...] = signatures.DEFAULT  # what the peer may sign with
    own_schemes: tuple[Scheme, ...] | None = None  # what we may sign with; None: `schemes`
    credentials: tuple[Credential, ...] = ()
    raw_keys: tuple[Credential, ...] = ()  # without certificates (RFC 7250)
    own_types: tuple[int, ...] = (X509,)  # of certificates that we can show, best first
    alpn: tuple[bytes, ...] = ()
    alpn_select: Any = None  # a function that chooses a server's protocol, by AlpnRequest
    options: int = OP_ENABLE_MIDDLEBOX_COMPAT | OP_CIPHER_SERVER_PREFERENCE
    policy: PeerPolicy = field(default_factory=PeerPolicy)
    sessions: SessionManager | None = None
    num_tickets: int = 2
    ticket_request: tuple[int, int] | None = None  # of a client (RFC 9149)
    choose_context: bool = False  # a server waits in ClientHelloRequest
    psk_client: bool = False  # a client waits in PskClientRequest
    psk_server: bool = False
    psk_hint: bytes | None = None
    dh: FiniteField | None = None  # of a server; None: no DHE
    ca_names: tuple[bytes, ...] = ()  # DER names sent in CertificateRequest and certificate_authorities
    retry_cookie: bool = False  # a HelloRetryRequest carries one (RFC 8446 4.2.2)
    record_size_limit: int | None = MAX_PLAINTEXT  # bytes of plaintext we are ready to receive (RFC 8449)
    max_send_fragment: int = MAX_PLAINTEXT  # bytes of plaintext in a record that we send
    max_early_data: int = 0  # bytes: of a server what its tickets allow, of a client what it is ready to send
    dynamic_record_sizes: bool = False  # the first records of a connection are small
    request_ocsp: bool = False
    request_sct: bool = False  # RFC 6962 3.3
    compressions: tuple[Algorithm, ...] = ()  # of certificates (RFC 8879), best first
    max_cert_list: int = MAX_CERT_LIST  # bytes of a Certificate message that was compressed
    ech: Chosen | None = None  # of a client: what its hello is encrypted for (RFC 9849)
    ech_random_id: bool = False  # its config_id is random
    outer_name: str | None = None  # in the outer hello; None: the public name of the configuration
    outer_alpn: tuple[bytes, ...] | None = None  # in the outer hello; None: as in the inner one
    ech_keys: tuple[ServerKey, ...] = ()  # of a server
    ech_trial: bool = False  # all keys are tried, whatever the config_id
    ech_retry: bytes = b""  # ECHConfigList for clients whose hello does not open
    ech_grease: bool = False  # a client without a configuration sends GREASE (RFC 9849 6.2)
    grease: bool = True
    grease_seed: bytes = field(default_factory=lambda: urandom(2))
    watch: bool = False  # messages and secrets are events

    @cached_property
    def max_version(self) -> int:
        return self.versions[0]

    @cached_property
    def min_version(self) -> int:
        return self.versions[-1]

    @cached_property
    def served(self) -> tuple[int, ...]:
        """The versions that a server can really negotiate: TLS 1.3 needs a suite, a group, and a key of its own or a
        shared one.

        As with OpenSSL a key counts if some scheme of TLS 1.3 is for it, even if the settings permit none of those.
        """
        signs = any(
            signatures.usable(scheme, credential.public_key, TLS13, credential.kind)
            for credential in (*self.credentials, *self.raw_keys)
            for scheme in signatures.SCHEMES
            if credential.rules.schemes is None or scheme.code in credential.rules.schemes  # what the key can do at all
        )
        able = self.suites13 and self.groups13 and (signs or self.psk_server)
        return self.versions if able else tuple(version for version in self.versions if version != TLS13)

    @cached_property
    def suite_by_code(self) -> dict[int, Suite]:
        """All that are enabled, in order of preference: TLS 1.3 first."""
        return {suite.code: suite for suite in (*self.suites13, *self.suites)}

    @cached_property
    def group_by_code(self) -> dict[int, Group]:
        return {group.code: group for group in self.groups}

    @cached_property
    def scheme_by_code(self) -> dict[int, Scheme]:
        return {scheme.code: scheme for scheme in self.schemes}

    @cached_property
    def signing_schemes(self) -> tuple[Scheme, ...]:
        return self.schemes if self.own_schemes is None else self.own_schemes

    @cached_property
    def early_limit(self) -> int:
        """The same, but 0 where functions of the program judge peers: they are asked when the handshake is done."""
        return 0 if self.policy.judged else self.max_early_data

    @cached_property
    def typed(self) -> bool:
        """Whether raw public keys are in use, in either direction."""
        return bool(self.raw_keys) or self.own_types != (X509,) or self.policy.types != (X509,)

    @cached_property
    def with_raw_keys(self) -> Config:
        """The same for a connection to which raw public keys are shown in the place of certificates."""
        return replace(self, credentials=self.raw_keys)

    @cached_property
    def signers13(self) -> tuple[tuple[Credential, Scheme], ...]:
        """Our credentials with each scheme that they can sign with in TLS 1.3, in order of preference."""
        return self._signers(TLS13)

    @cached_property
    def signers12(self) -> tuple[tuple[Credential, Scheme], ...]:
        """Our credentials with each scheme that they can sign with in TLS 1.2, in order of preference."""
        return self._signers(TLS12)

    def _signers(self, version: int) -> tuple[tuple[Credential, Scheme], ...]:
        return tuple(
            (credential, scheme)
            for scheme in self.signing_schemes
            for credential in self.credentials
            if credential.signs(scheme, version)
        )

    # Where certificates have been added (selection.py)

    @cached_property
    def selects(self) -> bool:
        """Whether certificates were added one by one, so that more decides than the kind of their keys."""
        return any(one.rules.added for one in self.credentials)

    @cached_property
    def schemes13(self) -> dict[Credential, list[Scheme]]:
        """What each of our credentials can sign with in TLS 1.3, in order of preference."""
        return by_credential(self.signers13)

    @cached_property
    def schemes12(self) -> dict[Credential, list[Scheme]]:
        """What each of our credentials can sign with in TLS 1.2, in order of preference."""
        return by_credential(self.signers12)

    @cached_property
    def credentials_by_name(self) -> dict[str, list[Credential]]:
        """Our credentials by the names that they are for."""
        found: dict[str, list[Credential]] = {}
        for one in self.credentials:
            for name in one.names:
                found.setdefault(name, []).append(one)
        return found

    @cached_property
    def groups13(self) -> tuple[Group, ...]:
        """The groups of TLS 1.3."""
        return tuple(group for group in self.groups if group.since <= TLS13 <= group.until)

    @cached_property
    def curves12(self) -> tuple[Group, ...]:
        """The curves of TLS 1.2 and older."""
        return tuple(group for group in self.groups if group.since <= TLS12 and not isinstance(group, _groups.Ffdhe))

    # Encoded once

    @cached_property
    def grease_values(self) -> tuple[int, ...]:
        """Two different GREASE numbers (RFC 8701), the same for all connections of the context."""
        first, second = self.grease_seed
        one = registry.GREASE[first % 16]
        return (one, registry.GREASE[(first + 1 + second % 15) % 16]) if self.grease else ()

    @cached_property
    def offered_suites(self) -> tuple[Suite, ...]:
        """The suites that a client offers: those of enabled versions, and none without authentication if it
        verifies.
        """
        thirteen = self.suites13 if self.max_version >= TLS13 else ()
        older = self.suites if self.min_version < TLS13 else ()
        highest = min(self.max_version, TLS12)
        if self.policy.verifies:
            older = tuple(suite for suite in older if suite.auth != suites.ANON)
        return (*thirteen, *(suite for suite in older if suite.since <= highest))

    @cached_property
    def offered_by_code(self) -> dict[int, Suite]:
        """The offered suites by their code."""
        return {suite.code: suite for suite in self.offered_suites}

    @cached_property
    def hindrance(self) -> Fault | None:
        """Why no client can begin with it, if that is so."""
        if not self.versions or (self.ech is not None and self.max_version < TLS13):
            return faults.NO_PROTOCOLS_AVAILABLE
        sent = self if self.ech is None else self.tls13_only
        if not sent.offered_suites:
            return faults.NO_CIPHERS_AVAILABLE
        return faults.NO_SUITABLE_GROUPS if sent.max_version >= TLS13 and not sent.groups13 else None

    @cached_property
    def hello_suites(self) -> bytes:
        """cipher_suites of a ClientHello inside a connection."""
        return vec16_of((*self.grease_values[:1], *(suite.code for suite in self.offered_suites)))[2:]

    @cached_property
    def hello_groups(self) -> tuple[Group, ...]:
        """The groups that some enabled version can use."""
        return tuple(g for g in self.groups if g.since <= self.max_version and g.until >= self.min_version)

    @cached_property
    def tls13_only(self) -> Config:
        """The same for an encrypted hello, which offers TLS 1.3 alone."""
        return self if self.versions == (TLS13,) else replace(self, versions=(TLS13,))

    @cached_property
    def of_outer_hello(self) -> Config:
        """The same for a handshake in which the server accepts the outer hello."""
        return self if self.outer_alpn is None else replace(self, alpn=self.outer_alpn)

    @cached_property
    def decompressors(self) -> dict[int, Algorithm]:
        """The algorithms with which a peer may compress its certificate."""
        return {one.code: one for one in self.compressions if one.decompress is not None}

    @cached_property
    def compression_offer(self) -> bytes:
        """The compress_certificate extension of ClientHello and CertificateRequest; nothing if there is none (RFC 8879
        3).
        """
        return extensions.build_compressions(tuple(self.decompressors)) if self.decompressors else b""

    @cached_property
    def limit12(self) -> bytes | None:
        """The body of record_size_limit (RFC 8449 4)."""
        return None if self.record_size_limit is None else self.record_size_limit.to_bytes(2, "big")

    @cached_property
    def limit13(self) -> bytes | None:
        """The same in TLS 1.3, which counts the content type."""
        return None if self.record_size_limit is None else (self.record_size_limit + 1).to_bytes(2, "big")

    @cached_property
    def tickets12(self) -> bool:
        """Whether TLS 1.2 and older use tickets (RFC 5077): from level 3 on not (SSL_CTX_set_security_level(3))."""
        return not self.options & OP_NO_TICKET and self.policy.security_level < 3

    @cached_property
    def first_suites(self) -> bytes:
        """cipher_suites of the ClientHello that begins a connection."""
        scsv = registry.EMPTY_RENEGOTIATION_INFO_SCSV.to_bytes(2, "big") if self.min_version < TLS13 else b""
        return self.hello_suites + scsv  # RFC 5746 3.4

    @cached_property
    def share_groups(self) -> tuple[Group, ...]:
        """The groups that a client sends shares of."""
        return tuple(group for group in self.key_shares if group in self.groups13) or self.groups13[:1]

    @cached_property
    def request_extensions(self) -> bytes:
        """Of a CertificateRequest of TLS 1.3 (RFC 8446 4.3.2)."""
        schemes = tuple(scheme.code for scheme in self.schemes)
        block = extensions.build_numbers(registry.SIGNATURE_ALGORITHMS, schemes)
        return block + (extensions.build_authorities(self.ca_names) if self.ca_names else b"")

    @cached_property
    def request13(self) -> bytes:
        """The CertificateRequest of a TLS 1.3 handshake."""
        return messages.certificate_request(b"", self.request_extensions + self.compression_offer)

    @cached_property
    def choices(self) -> dict[Kind | None, Any]:
        """What a server has chosen for ClientHellos of the kinds that are known, see `negotiate.remember`."""
        return {}

    @cached_property
    def encoded(self) -> dict[Callable[[Config], Any], Any]:
        """Values that other modules compute once for each configuration, see `once`."""
        return {}


def once(encode: Callable[[Config], T]) -> Callable[[Config], T]:
    """A value that `encode` computes of a configuration when it is first asked for, and that is kept with it.

    Two threads may both compute it, without a lock: the values are equal, and the second one is kept.
    """

    def known(config: Config) -> T:
        encoded = config.encoded
        if encode not in encoded:
            encoded[encode] = encode(config)
        found: T = encoded[encode]
        return found

    known.__doc__ = encode.__doc__
    return known


def by_credential(signers: Iterable[tuple[Credential, Scheme]]) -> dict[Credential, list[Scheme]]:
    """The schemes of each credential."""
    found: dict[Credential, list[Scheme]] = {}
    for credential, scheme in signers:
        found.setdefault(credential, []).append(scheme)
    return found
