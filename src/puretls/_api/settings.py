"""The settings of a context, and how they are frozen into the engine's Config.

Settings are values as the setters left them, so that getters return what was set.  `frozen` resolves them: versions
from minimum, maximum and OP_NO_*, suites and groups by the security level, one Config for each role.  The result is
kept until a setting is assigned, which no setter can forget; a change inside a setting, such as a certificate added to
the store, is announced by `changed`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from puretls._api import cipher_string, features, lists
from puretls._api.keylog import KeyLog
from puretls._base.deferred import deferred
from puretls._base.registry import SSL3, TLS10, TLS11, TLS12, TLS13
from puretls._crypto import groups, signatures, suites
from puretls._crypto.finite_field import FiniteField
from puretls._crypto.groups import Group
from puretls._crypto.signatures import Scheme
from puretls._crypto.suites import Suite
from puretls._engine.config import MAX_CERT_LIST, Config, Credential
from puretls._engine.policy import RAW, X509, PeerPolicy
from puretls._engine.sessions import SessionManager
from puretls._engine.status import OCSP_CHECK, OCSP_IGNORE
from puretls._record.protection import MAX_PLAINTEXT
from puretls._x509 import certificate
from puretls._x509.store import Store

if TYPE_CHECKING:
    from puretls._engine import ech_config
    from puretls._engine.ech_config import Chosen, ServerKey
    from puretls._wire.compression import Algorithm
    from puretls._x509 import ocsp
    from puretls._x509.webpki import WebPki
else:
    ech_config = deferred("puretls._engine.ech_config")
    ocsp = deferred("puretls._x509.ocsp")

PROTOCOL_TLS, PROTOCOL_TLSV1, PROTOCOL_TLSV1_1, PROTOCOL_TLSV1_2 = 2, 3, 4, 5
PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER = 16, 17
FIXED_VERSIONS = {PROTOCOL_TLSV1: TLS10, PROTOCOL_TLSV1_1: TLS11, PROTOCOL_TLSV1_2: TLS12}
MINIMUM_SUPPORTED, MAXIMUM_SUPPORTED = -2, -1
OP_DEFAULT = 0x82520050  # OP_ALL, NO_SSLv3, CIPHER_SERVER_PREFERENCE, NO_COMPRESSION, ENABLE_MIDDLEBOX_COMPAT
OP_NO_VERSION = {SSL3: 0x2000000, TLS10: 0x4000000, TLS11: 0x10000000, TLS12: 0x8000000, TLS13: 0x20000000}
OP_ECH_GREASE, OP_ECH_TRIALDECRYPT, OP_ECH_IGNORE_CID, OP_ECH_GREASE_RETRY_CONFIG = 1 << 37, 1 << 38, 1 << 39, 1 << 40
OP_NO_ANY = sum(OP_NO_VERSION.values())
VERIFY_TRUSTED_FIRST = 0x8000
NO_PARTIAL_WILDCARDS = 4
MAX_CHAIN = 10
MAX_SWITCHED = 16
PSK_EXCHANGES = (suites.PSK, suites.ECDHE_PSK, suites.DHE_PSK, suites.RSA_PSK)


class Settings:
    """The mutable half of an SSLContext."""

    options = OP_DEFAULT
    verify_mode = 0
    check_hostname = False
    verify_flags = VERIFY_TRUSTED_FIRST
    host_flags = NO_PARTIAL_WILDCARDS
    minimum = TLS12
    maximum = MAXIMUM_SUPPORTED
    security_level = 1
    suites13: tuple[Suite, ...] = cipher_string.DEFAULT_13
    key_shares: tuple[Group, ...] = groups.DEFAULT_SHARES
    groups: tuple[Group, ...] = groups.DEFAULT
    client_schemes: tuple[Scheme, ...] = signatures.DEFAULT  # for the client's certificate
    server_schemes: tuple[Scheme, ...] = signatures.DEFAULT
    alpn: tuple[bytes, ...] = ()
    num_tickets = 2
    ticket_request: tuple[int, int] | None = None
    client_session_cache: Any = None
    post_handshake_auth = False
    session_id_context = b""
    record_size_limit: int | None = MAX_PLAINTEXT
    max_send_fragment = MAX_PLAINTEXT
    dynamic_record_sizes = False
    max_early_data = 0
    early_data_callback: Any = None  # who gives a client's
    retry_cookie = False
    client_ca_names: tuple[bytes, ...] = ()
    grease = True
    compressions: tuple[Algorithm, ...] = ()  # of certificates
    max_cert_list = MAX_CERT_LIST
    verify_profile: str | None = None
    public_suffixes: tuple[str, ...] | None = None
    webpki: WebPki | None = None  # the result of these two
    ech: tuple[Chosen, ...] = ()  # configurations; hellos are encrypted for the first
    ech_grease = True
    ech_keys: tuple[ServerKey, ...] = ()
    outer_name: str | None = None
    outer_alpn: tuple[bytes, ...] | None = None
    intermediates: Store | None = None
    aia: Any = False  # or True, or a function
    aia_private = False
    fetch: Callable[[str], Any] | None = None  # the result of these two
    server_types: tuple[int, ...] | None = None  # of certificates; None: not set
    client_types: tuple[int, ...] | None = None
    trusted_keys: tuple[bytes, ...] = ()
    request_sct = False
    sct_list: bytes | None = None  # timestamps that a server sends
    ct_policy: Any = None  # a CTPolicy
    crlite: Any = None  # a CRLite
    request_ocsp = False
    ocsp_policy: int = OCSP_CHECK
    ocsp_response: Any = None  # that a server staples: DER, or a function of the connection
    dh: FiniteField | None = None
    sni_callback: Callable[..., Any] | None = None
    message_callback: Callable[..., Any] | None = None
    psk_client: Callable[..., Any] | None = None
    psk_server: Callable[..., Any] | None = None
    psk_hint: bytes | None = None
    check_own_signatures = True
    added: tuple[Credential, ...] = ()  # by add_cert_chain(), besides one for each kind of key
    alpn_select: Any = None  # a function that chooses the protocol
    keylog: KeyLog | None = None
    _reloader: Any = None  # a Reloader
    verify_callback: Any = None  # a function that may refuse a peer
    path_callback: Any = None  # a function that judges chains in place of path building

    _frozen: dict[bool, Config]
    _switched: dict[Config, Config]  # by the Config with which a connection has begun
    _staples: dict[tuple[Config, bytes], Config]  # with a response, by the Config without it and the response

    protocol: int
    suites: tuple[Suite, ...]
    raw_keys: dict[str, Credential]  # by kind of key, without certificates
    credentials: dict[str, Credential]  # by kind of key
    store: Store
    sessions: SessionManager

    def __init__(self, protocol: int) -> None:
        found: dict[str, Any] = {}
        if protocol == PROTOCOL_TLS_CLIENT:
            found = {"verify_mode": 2, "check_hostname": True}
        elif protocol in FIXED_VERSIONS:
            found = {"minimum": MINIMUM_SUPPORTED}
        suites, level = cipher_string.select(cipher_string.DEFAULT)
        if level is not None:
            found["security_level"] = level
        found |= {"protocol": protocol, "suites": suites, "raw_keys": {}, "credentials": {}}
        vars(self).update(found, store=Store(), sessions=SessionManager())  # nothing of it was frozen before
        self.changed()

    def __setattr__(self, name: str, value: Any) -> None:
        """Assign a setting, and forget what was frozen before."""
        if name in features.MODULES:
            features.load(name, value)
        object.__setattr__(self, name, value)
        if name[0] != "_":
            self.changed()

    def copy(self) -> Settings:
        """A copy of these settings, which shares the store of anchors and the sessions."""
        other = object.__new__(Settings)
        vars(other).update(vars(self))
        other.changed()
        return other

    def changed(self) -> None:
        """Forget what was frozen; connections keep theirs."""
        vars(self).update(_frozen={}, _switched={}, _staples={})

    def replace_credential(self, old: Credential, new: Credential) -> None:
        """Replace a credential by another one, if it is still there, and any other of the same kind."""
        found = self.credentials
        if any(one is old for one in found.values()):
            kept = ((kind, one) for kind, one in found.items() if one is old or kind != new.kind)
            self.credentials = {(new.kind if one is old else kind): (new if one is old else one) for kind, one in kept}

    @property
    def own_credentials(self) -> tuple[Credential, ...]:
        """All certificates of the context, in the order in which they are tried."""
        return self._checked((*self.credentials.values(), *self.added))

    def _checked(self, found: tuple[Credential, ...]) -> tuple[Credential, ...]:
        """The same credentials, marked as trusted if their signatures need not be verified."""
        if self.check_own_signatures:
            return found
        return tuple(one.with_rules(one.rules._replace(trusted=True)) for one in found)

    @property
    def versions(self) -> tuple[int, ...]:
        """The enabled versions, highest first."""
        fixed = FIXED_VERSIONS.get(self.protocol)
        lowest = TLS10 if self.minimum == MINIMUM_SUPPORTED else self.minimum
        highest = TLS13 if self.maximum == MAXIMUM_SUPPORTED else self.maximum
        if fixed:
            lowest = highest = fixed
        return tuple(
            version
            for version in (TLS13, TLS12, TLS11, TLS10)
            if lowest <= version <= highest and not self.options & OP_NO_VERSION[version]
        )

    def frozen(self, *, server_side: bool) -> Config:
        """The Config of new connections in one role."""
        if self._reloader is not None:
            self._reloader.look(self)
        frozen = self._frozen  # a setter in another thread may replace it, and then this one is not used
        config = frozen.get(server_side)
        if config is None:
            config = frozen[server_side] = self._freeze(server_side)
        return config

    def switched(self, began: Config) -> Config:
        """The Config of a server's connection that began with another context, whose sni_callback has chosen this one.

        As with SSL_set_SSL_CTX(3) what is negotiated about the certificate is ours: key, suites, protocols; versions,
        options, groups and sessions stay.  The policy for clients is ours, too, unless the other context demands more;
        then it is the other's.
        """
        if self._reloader is not None:
            self._reloader.look(self)
        switched = self._switched
        config = switched.get(began)
        if config is None:
            ours = self.frozen(server_side=True)
            policy = ours.policy.or_stricter(began.policy)
            config = replace(
                began,
                credentials=ours.credentials,
                raw_keys=ours.raw_keys,
                own_types=ours.own_types,
                suites=ours.suites,
                suites13=ours.suites13,
                schemes=ours.schemes,
                own_schemes=ours.own_schemes,
                dh=ours.dh,
                alpn=ours.alpn,
                alpn_select=ours.alpn_select,
                compressions=ours.compressions,
                max_cert_list=ours.max_cert_list,
                max_early_data=min(began.max_early_data, ours.max_early_data),
                policy=policy,
                ca_names=(ours if policy is ours.policy else began).ca_names,
                watch=ours.watch,
            )
            if len(switched) >= MAX_SWITCHED:
                switched.clear()
            switched[began] = config
        return config

    def _logged(self, credential: Credential) -> Credential:
        """The same credentials, with the timestamps of the context where they have none of their own."""
        if self.sct_list is None or credential.rules.scts is not None:
            return credential
        return credential.with_rules(credential.rules._replace(scts=self.sct_list))

    def _stapled(self, credentials: tuple[Credential, ...]) -> tuple[Credential, ...]:
        response = self.ocsp_response
        return stapling(credentials, response) if isinstance(response, bytes) else credentials

    def with_staple(self, config: Config, response: bytes) -> Config:
        """The Config of a connection for which the program's function gave this response."""
        switched, key = self._staples, (config, response)
        found = switched.get(key)
        if found is None:
            if len(switched) >= MAX_SWITCHED:
                switched.clear()
            found = switched[key] = replace(config, credentials=stapling(config.credentials, response))
        return found

    def _own_types(self, wanted: tuple[int, ...] | None) -> tuple[int, ...]:
        """The types of certificates that we can show, of those that were asked for; a raw key first if none were."""
        if not self.raw_keys:
            return (X509,)
        there = (RAW, X509) if self.own_credentials else (RAW,)
        return there if wanted is None else tuple(one for one in wanted if one in there) or (X509,)

    def _freeze(self, server_side: bool) -> Config:
        policy = self._peer_policy(server_side)
        level, groups_ = policy.security_level, lists.strong_groups(self.groups, policy.security_level)
        of_role = self._of_a_server if server_side else self._of_a_client
        return Config(
            versions=self.versions,
            fixed=self.protocol in FIXED_VERSIONS,
            suites13=tuple(suite for suite in self.suites13 if cipher_string.permitted(suite, level)),
            groups=groups_,
            key_shares=tuple(group for group in self.key_shares if group in groups_),
            raw_keys=self._checked(tuple(self.raw_keys.values())),
            credentials=self._stapled(tuple(self._logged(_complete(one, self.store)) for one in self.own_credentials)),
            alpn=self.alpn,
            options=self.options,
            policy=policy,
            record_size_limit=self.record_size_limit,
            max_send_fragment=self.max_send_fragment,
            dynamic_record_sizes=self.dynamic_record_sizes,
            max_early_data=self.max_early_data,
            retry_cookie=self.retry_cookie,
            ca_names=self.client_ca_names,
            grease=self.grease,
            ech_random_id=bool(self.options & OP_ECH_IGNORE_CID),
            outer_name=self.outer_name,
            outer_alpn=self.outer_alpn,
            ech_trial=bool(self.options & OP_ECH_TRIALDECRYPT),
            ech_retry=self._ech_retry(),
            compressions=self.compressions,
            max_cert_list=self.max_cert_list,
            sessions=self.sessions,
            num_tickets=self.num_tickets,
            psk_hint=self.psk_hint,
            dh=self.dh,
            watch=self.keylog is not None or self.message_callback is not None,
            **of_role(level),
        )

    def _ech_retry(self) -> bytes:
        """An ECHConfigList for clients whose hello does not open."""
        if not self.ech_keys:
            return b""
        return ech_config.retry_list(self.ech_keys, grease=bool(self.options & OP_ECH_GREASE_RETRY_CONFIG))

    def _peer_policy(self, server_side: bool) -> PeerPolicy:
        """The rules for peers; some settings are for clients only, and do not count in a context that is both."""
        level, profile = self.security_level, None
        flags, host_flags = self.verify_flags | VERIFY_TRUSTED_FIRST, self.host_flags  # as OpenSSL: nothing clears it
        if self.webpki is not None and not server_side:
            profile = self.webpki
            flags, host_flags, level = profile.tightened(flags, host_flags, level)
        of_clients: dict[str, Any] = {}
        if not server_side:
            of_clients = {
                "crlite": None if self.crlite is None else self.crlite._filters,
                "aia": self.fetch,
                "ct": None if self.ct_policy is None else self.ct_policy._rules,
                "ocsp": self.ocsp_policy if self.request_ocsp else OCSP_IGNORE,
            }
        return PeerPolicy(
            verify_mode=self.verify_mode,
            check_hostname=self.check_hostname,
            post_handshake_auth=self.post_handshake_auth,
            store=self.store,
            verify_flags=flags,
            host_flags=host_flags,
            security_level=level,
            session_id_context=self.session_id_context,
            webpki=profile,
            types=(self.client_types if server_side else self.server_types) or (X509,),
            trusted_keys=self.trusted_keys,
            intermediates=self.intermediates,
            path_judge=self.path_callback,
            judge=self.verify_callback,
            **of_clients,
        )

    def _of_a_server(self, level: int) -> dict[str, Any]:
        """The fields of a Config that only servers use, or that differ between the roles."""
        return {
            "suites": tuple(suite for suite in self.suites if cipher_string.permitted(suite, level)),
            "schemes": lists.strong_schemes(self.client_schemes, level),
            "own_schemes": lists.strong_schemes(self.server_schemes, level),
            "own_types": self._own_types(self.server_types),
            "alpn_select": self.alpn_select,
            "ech_keys": self.ech_keys,
            "choose_context": self.sni_callback is not None or callable(self.ocsp_response),
            "psk_server": self.psk_server is not None,
        }

    def _of_a_client(self, level: int) -> dict[str, Any]:
        """The same for clients."""
        own = self.client_schemes
        if own is signatures.DEFAULT:
            own += signatures.OF_CLIENTS  # for keys without PSS, where a server has asked for these schemes
        with_psk = self.psk_client is not None
        suites = tuple(suite for suite in self.suites if cipher_string.permitted(suite, level))
        return {
            "suites": suites if with_psk else tuple(suite for suite in suites if suite.kx not in PSK_EXCHANGES),
            "schemes": lists.strong_schemes(self.server_schemes, level),
            "own_schemes": lists.strong_schemes(own, level),
            "own_types": self._own_types(self.client_types),
            "ech": self.ech[0] if self.ech else None,
            "ech_grease": self.ech_grease or bool(self.options & OP_ECH_GREASE),
            "request_ocsp": self.request_ocsp,
            "request_sct": self.request_sct,
            "ticket_request": self.ticket_request,
            "psk_client": with_psk,
        }


def stapling(credentials: tuple[Credential, ...], response: bytes) -> tuple[Credential, ...]:
    """The same credentials; the one that an OCSP response is about gets that response."""
    numbers = ocsp.serial_numbers(response)
    return tuple(
        one.with_staple(response) if certificate.load(one.ders[0]).serial in numbers else one for one in credentials
    )


def _complete(credential: Credential, store: Store) -> Credential:
    """A leaf that was loaded alone is sent with the issuers that the store has, as OpenSSL does."""
    if len(credential.ders) > 1:
        return credential
    chain = [certificate.load(credential.ders[0])]
    while not chain[-1].self_signed and len(chain) < MAX_CHAIN:
        issuers = (x for x in store.by_subject(chain[-1].issuer) if chain[-1].may_be_issued_by(x) and x not in chain)
        issuer = next(issuers, None)
        if issuer is None:
            break
        chain.append(issuer)
    if len(chain) == 1:
        return credential
    ders = [x.der for x in chain]
    return credential.with_chain(ders)
