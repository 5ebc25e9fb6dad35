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
from puretls._wire import extensions, familiar, places
from puretls._wire.codec import Ranks, ranks
from puretls._wire.familiar import Hello
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

    @asking_on(CLIENT_HELLO, familiar.read)
    def client_hello(self, hs: Handshake, message: Hello) -> Asking[State]:  # RFC 8446 4.1.2
        config, draft, kind = hs.config, hs.draft, message.kind
        if kind is None or (kind.sealed and (kind.inner or config.ech_keys)):
            message = _opened(hs, message)
            kind = message.kind
        if kind is not None:
            draft.hello, draft.client_random, draft.client_suites = message, message.random, kind.suites
            if kind.name is not None:
                draft.server_name = extensions.server_name(message.raw[kind.name])
        else:
            _check(hs, message.full)
        if config.choose_context:
            config = yield ClientHelloRequest(message, draft.server_name)
            hs.config = config = hs.profile.fit(config)
            if config.watch:
                hs.layer.watch()
        draft.policy_digest = config.policy.digest()
        known = config.choices.get(kind)
        hs.set_version(version := choose_version(hs, config, message.full) if known is None else known.version)
        if message.session_id and not hs.profile.session_id:
            raise Abort(faults.INVALID_SESSION_ID)
        select = config.alpn_select
        if select is not None and registry.ALPN in (found := message.full.extensions):
            offered = extensions.protocols(found[registry.ALPN])
            draft.alpn_choice = yield AlpnRequest(select, offered)  # once, also if a HelloRetryRequest follows
        if version == TLS13:
            return (yield from server13.start(hs, message, known))
        return (yield from server12.start(hs, message, version, known))


def _opened(hs: Handshake, outer: Hello) -> Hello:
    """The inner ClientHello, if there is one that can be opened."""
    hello = outer.full
    message = ech_server.receive(hs, hello) if ENCRYPTED_CLIENT_HELLO in hello.extensions else hello
    if message is hello:
        return outer
    found = familiar.find(message.raw)
    if found is None:
        return message
    found.full = message
    return found


def _check(hs: Handshake, message: ClientHello) -> None:
    """Check a ClientHello of a kind that is not known."""
    draft = hs.draft
    draft.hello = message
    _, _, draft.client_random, _, suites, _, found = message
    theirs = ranks(suites)
    draft.client_suites = theirs if len(theirs) <= MANY else _known(theirs)
    places.check(found, places.BUT_LONG)
    if registry.SERVER_NAME in found:
        draft.server_name = extensions.server_name(found[registry.SERVER_NAME])


def _known(theirs: Ranks) -> Ranks:
    """The suites of a ClientHello that are kept, if it has more than are registered."""
    return {code: rank for code, rank in theirs.items() if code in BY_CODE or code in registry.SCSVS}


def choose_version(hs: Handshake, config: Config, message: ClientHello) -> int:
    """The version; Abort if the client says that it has tried a higher one in vain (RFC 7507 3)."""
    version = highest_common(config, message)
    if registry.FALLBACK_SCSV in hs.draft.client_suites and version < config.served[0]:
        raise Abort(faults.INAPPROPRIATE_FALLBACK_SCSV)
    return version


def highest_common(config: Config, message: ClientHello) -> int:
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
