"""The server's first state: ClientHello, the choice of a configuration, the version (RFC 8446 4.1.2, 4.2.1)."""

from __future__ import annotations

from puretls._base import faults, registry
from puretls._base.faults import Abort
from puretls._base.registry import CLIENT_HELLO, ENCRYPTED_CLIENT_HELLO, SSL3, TLS12, TLS13
from puretls._crypto.suites import BY_CODE
from puretls._engine import ech_server, server12, server13
from puretls._engine.config import Config
from puretls._engine.handshake import Handshake, State, asking_on
from puretls._engine.requests import AlpnRequest, Asking, ClientHelloRequest
from puretls._wire import extensions, places
from puretls._wire.codec import Ranks, ranks
from puretls._wire.hello import ClientHello

MANY = 512  # suites, more than IANA has registered


def begin(hs: Handshake) -> State:
    """The first state of a server."""
    config = hs.config
    if not config.versions:
        raise Abort(faults.NO_PROTOCOLS_SERVED)
    if config.sessions is not None:
        config.sessions.stats.accept += 1
    return ExpectClientHello()


class ExpectClientHello(State):
    """A server waits for a ClientHello."""

    __slots__ = ()
    reads_ahead = True

    @asking_on(CLIENT_HELLO, ClientHello.parse)
    def client_hello(self, hs: Handshake, message: ClientHello) -> Asking[State]:  # RFC 8446 4.1.2
        if ENCRYPTED_CLIENT_HELLO in message.extensions:
            message = ech_server.receive(hs, message)
        hs.draft.hello = message
        _, _, hs.draft.client_random, _, suites, _, found = message
        theirs = ranks(suites)
        hs.draft.client_suites = theirs if len(theirs) <= MANY else _known(theirs)
        places.check(found, places.BUT_LONG)
        if registry.SERVER_NAME in found:
            hs.draft.server_name = extensions.server_name(found[registry.SERVER_NAME])
        if hs.config.choose_context:
            config = yield ClientHelloRequest(message, hs.draft.server_name)
            hs.config = hs.profile.fit(config)
            if config.watch:
                hs.layer.watch()
        hs.draft.policy_digest = hs.config.policy.digest()
        version = choose_version(hs.config, message)
        if registry.FALLBACK_SCSV in hs.draft.client_suites and version < hs.config.served[0]:  # RFC 7507 3
            raise Abort(faults.INAPPROPRIATE_FALLBACK_SCSV)
        hs.set_version(version)
        if message.session_id and not hs.profile.session_id:
            raise Abort(faults.INVALID_SESSION_ID)
        select = hs.config.alpn_select
        if select is not None and registry.ALPN in found:  # once, whether or not a HelloRetryRequest follows
            offered = extensions.protocols(found[registry.ALPN])
            hs.draft.alpn_choice = yield AlpnRequest(select, offered)
        if version == TLS13:
            return (yield from server13.start(hs, message))
        return (yield from server12.start(hs, message, version))


def _known(theirs: Ranks) -> Ranks:
    """The suites of a ClientHello that are kept, if it has more than are registered."""
    return {code: rank for code, rank in theirs.items() if code in BY_CODE or code in registry.SCSVS}


def choose_version(config: Config, message: ClientHello) -> int:
    """The highest that both sides have (RFC 8446 4.2.1, D.2 for clients that know no TLS 1.3, D.5 for SSL)."""
    said, body = message.legacy_version, message.extensions.get(registry.SUPPORTED_VERSIONS)
    if body is not None:
        if said <= SSL3:
            raise Abort(faults.BAD_LEGACY_VERSION, f"version {said:#06x}")
        theirs = extensions.versions(body)
        for version in config.served:
            if version in theirs:
                return version
    else:
        if said <= SSL3:
            raise Abort(faults.VERSION_TOO_LOW, f"version {said:#06x}")
        highest = min(said, TLS12)
        for version in config.served:
            if version <= highest:
                return version
    raise Abort(faults.WRONG_SSL_VERSION if config.fixed else faults.UNSUPPORTED_PROTOCOL, f"version {said:#06x}")
