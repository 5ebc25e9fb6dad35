"""The lower half of SSLContext: what `_ssl._SSLContext` is in the interpreter.

Its attributes are data descriptors, because programs use `super(SSLContext, SSLContext).options.__set__`.  When
`ssl.SSLContext` has been replaced by ours, the interpreter's own setters arrive here too, with contexts that are not
ours; those are passed on to the descriptor of the same name in `_ssl`.  The checks and their order are `ssl`'s.
"""

from __future__ import annotations

import operator
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from puretls._api import cipher_string, lists, native, trust
from puretls._api.enums import TLSVersion
from puretls._api.errors import SSLError, ssl_error
from puretls._api.keylog import KeyLog
from puretls._api.settings import (
    FIXED_VERSIONS,
    MAXIMUM_SUPPORTED,
    MINIMUM_SUPPORTED,
    OP_NO_ANY,
    PROTOCOL_TLS,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
    Settings,
)
from puretls._api.types import (
    CertificateSource,
    Cipher,
    KeySource,
    MessageCallback,
    Password,
    PeerCertificate,
    PskClientCallback,
    PskServerCallback,
    SniCallback,
    StrOrBytesPath,
    TrustSource,
)
from puretls._base.deferred import deferred
from puretls._base.public import public
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._crypto import groups, signatures
from puretls._engine.config import Config
from puretls._engine.policy import CERT_NONE, CERT_REQUIRED, RAW
from puretls._x509 import peercert
from puretls._x509.store import is_ca

TO_THE_CALLER = 4  # frames between a warning and the assignment: setter, descriptor, property
_POLICY_FLAGS, _POLICY_CHECK = 0x780, 0x80  # asking for policies turns their check on (X509_VERIFY_PARAM_set_flags)
_MAX_SESSION_ID_CONTEXT = 32  # SSL_MAX_SID_CTX_LENGTH


if TYPE_CHECKING:
    from puretls._api import credentials, dh_file, reloading

    attribute = property
else:
    credentials = deferred("puretls._api.credentials")
    dh_file = deferred("puretls._api.dh_file")
    reloading = deferred("puretls._api.reloading")

    class attribute(property):  # noqa: N801  # a decorator, as property is
        """A property that leaves contexts which are not ours to `_ssl`."""

        def __get__(self, context: Any, owner: Any = None) -> Any:
            if context is None or isinstance(context, _PureContext):
                return super().__get__(context, owner)
            return getattr(native._ssl._SSLContext, self.fget.__name__).__get__(context, owner)

        def __set__(self, context: Any, value: Any) -> None:
            if isinstance(context, _PureContext):
                super().__set__(context, value)
            else:
                getattr(native._ssl._SSLContext, self.fget.__name__).__set__(context, value)


def _integer(value: Any) -> int:
    """The checked value of a setter of flags."""
    try:
        return operator.index(value)
    except TypeError:
        name = "None" if value is None else type(value).__name__
        raise TypeError(f"argument must be int, not {name}") from None


def _c_integer(value: Any, bits: int) -> int:
    """The checked value of a setter of numbers, which has to fit a C type."""
    number = operator.index(value)
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise OverflowError(f"Python int too large to convert to C {'int' if bits == 32 else 'long'}")
    return int(number)


@public
class _PureContext:
    """Settings and their checks."""

    if TYPE_CHECKING:
        _settings: Settings

    def _config(self, *, server_side: bool) -> Config:
        """The engine's configuration for new connections in one role; made when it is first needed."""
        return self._settings.frozen(server_side=server_side)

    # Attributes

    @attribute
    def protocol(self) -> int:
        return self._settings.protocol

    @attribute
    def options(self) -> int:
        return self._settings.options

    @options.setter
    def options(self, value: Any) -> None:
        new, settings = _integer(value), self._settings
        if new < 0:
            raise OverflowError("can't convert negative int to unsigned")
        if new >> 64:
            raise OverflowError("int too big to convert")
        if new & ~settings.options & OP_NO_ANY:
            warnings.warn(
                "ssl.OP_NO_SSL*/ssl.OP_NO_TLS* options are deprecated", DeprecationWarning, stacklevel=TO_THE_CALLER
            )
        if new != settings.options:
            settings.options = new

    @attribute
    def verify_mode(self) -> int:
        return self._settings.verify_mode

    @verify_mode.setter
    def verify_mode(self, value: Any) -> None:
        new, settings = _c_integer(value, 32), self._settings
        if not CERT_NONE <= new <= CERT_REQUIRED:
            raise ValueError("invalid value for verify_mode")
        if new == CERT_NONE and settings.check_hostname:
            raise ValueError("Cannot set verify_mode to CERT_NONE when check_hostname is enabled.")
        if new == CERT_NONE and settings.path_callback is not None:
            raise ValueError("Cannot set verify_mode to CERT_NONE while set_cert_verify_callback() is in force.")
        if new != settings.verify_mode:
            settings.verify_mode = new

    @attribute
    def check_hostname(self) -> bool:
        """Whether the peer's certificate must be for `server_hostname` (RFC 6125 6).

        On in clients.  Switching it on switches CERT_NONE to CERT_REQUIRED.
        """
        return self._settings.check_hostname

    @check_hostname.setter
    def check_hostname(self, value: bool) -> None:
        new, settings = bool(value), self._settings
        if new and settings.server_types is not None and RAW in settings.server_types:
            raise ValueError("raw public keys have no names: check_hostname has to be False")
        if new and settings.verify_mode == CERT_NONE:
            settings.verify_mode = CERT_REQUIRED
        if new != settings.check_hostname:
            settings.check_hostname = new

    @attribute
    def verify_flags(self) -> int:
        return self._settings.verify_flags

    @verify_flags.setter
    def verify_flags(self, value: Any) -> None:
        new, settings = _integer(value) & 0xFFFFFFFFFFFFFFFF, self._settings
        if new & ~settings.verify_flags & _POLICY_FLAGS:
            new |= _POLICY_CHECK
        if new != settings.verify_flags:
            settings.verify_flags = new

    @attribute
    def _host_flags(self) -> int:
        return self._settings.host_flags

    @_host_flags.setter
    def _host_flags(self, value: Any) -> None:
        self._settings.host_flags = operator.index(value) & 0xFFFFFFFF

    @attribute
    def minimum_version(self) -> int:
        return self._settings.minimum

    @minimum_version.setter
    def minimum_version(self, value: Any) -> None:
        new = self._version(value)
        self._settings.minimum = TLS13 if new == MAXIMUM_SUPPORTED else new

    @attribute
    def maximum_version(self) -> int:
        return self._settings.maximum

    @maximum_version.setter
    def maximum_version(self, value: Any) -> None:
        new = self._version(value)
        self._settings.maximum = TLS10 if new == MINIMUM_SUPPORTED else new

    def _version(self, value: Any) -> int:
        new = operator.index(value)
        if not -(1 << 31) <= new < 1 << 31:
            raise OverflowError("Option is too long")
        if self._settings.protocol in FIXED_VERSIONS:
            raise ValueError("The context's protocol doesn't support modification of highest and lowest version.")
        if new not in (MINIMUM_SUPPORTED, MAXIMUM_SUPPORTED) and not SSL3 <= new <= TLS13:
            raise ValueError(f"Unsupported TLS/SSL version 0x{new & 0xFFFFFFFF:x}")
        if SSL3 <= new < TLS12:
            warnings.warn(
                f"ssl.TLSVersion.{TLSVersion(new).name} is deprecated",
                DeprecationWarning,
                stacklevel=TO_THE_CALLER + 1,
            )
        return int(new)

    @attribute
    def num_tickets(self) -> int:
        """How many session tickets a TLS 1.3 server sends (RFC 8446 4.6.1): 2 unless set; 0 for none."""
        return self._settings.num_tickets

    @num_tickets.setter
    def num_tickets(self, value: int) -> None:
        new = _c_integer(value, 64)
        if new < 0:
            raise ValueError("value must be non-negative")
        if self._settings.protocol != PROTOCOL_TLS_SERVER:
            raise ValueError("SSLContext is not a server context.")
        self._settings.num_tickets = new

    @attribute
    def post_handshake_auth(self) -> bool:
        """Whether a TLS 1.3 client may be asked for its certificate at any time (RFC 8446 4.2.6)."""
        return self._settings.post_handshake_auth

    @post_handshake_auth.setter
    def post_handshake_auth(self, value: bool) -> None:
        self._settings.post_handshake_auth = bool(value)

    @property
    def session_id_context(self) -> bytes:
        """A word that tells sessions of one use from those of another; b"" unless set.

        A session is resumed only under the word, and the policy for certificates, that it was made under.  Set it where
        contexts share sessions, as with sni_callback, and who is known to the one has to be verified again by the other
        (SSL_CTX_set_session_id_context(3)).  At most 32 bytes, or ValueError.
        """
        return self._settings.session_id_context

    @session_id_context.setter
    def session_id_context(self, value: Any) -> None:
        new = bytes(memoryview(value))
        if len(new) > _MAX_SESSION_ID_CONTEXT:
            raise ValueError(f"session_id_context is longer than {_MAX_SESSION_ID_CONTEXT} bytes")
        self._settings.session_id_context = new

    @attribute
    def security_level(self) -> int:
        """The security level (SSL_CTX_set_security_level(3)), which `@SECLEVEL=n` of set_ciphers() sets; 2 unless set.

        It bounds keys, groups, digests and suites: 1 asks for 80 bits, 2 for 112, 3 for 128, 4 for 192, 5 for 256.
        """
        return self._settings.security_level

    @attribute
    def sni_callback(self) -> SniCallback | None:
        """What a server calls once it knows the name that a client asks for (RFC 6066 3).

        `callback(connection, name, context)`: the name is an A-label, or None if the client sent none.  It may set
        `connection.context` to another context, and returns None to go on or an ALERT_DESCRIPTION_* to refuse.  If it
        raises, the handshake fails with handshake_failure and sys.unraisablehook is told.
        """
        return self._settings.sni_callback

    @sni_callback.setter
    def sni_callback(self, value: SniCallback | None) -> None:
        if self._settings.protocol == PROTOCOL_TLS_CLIENT:
            raise ValueError("sni_callback cannot be set on TLS_CLIENT context")
        if value is not None and not callable(value):
            raise TypeError("not a callable object")
        self._settings.sni_callback = value

    @attribute
    def _msg_callback(self) -> MessageCallback | None:
        return self._settings.message_callback

    @_msg_callback.setter
    def _msg_callback(self, value: MessageCallback | None) -> None:
        if value is not None and not callable(value):
            raise TypeError("not a callable object")
        self._settings.message_callback = value

    @attribute
    def keylog_filename(self) -> StrOrBytesPath | None:
        """A file that the secrets of connections are appended to, to analyse their traffic; None switches it off.

        The format is NSS's, which Wireshark reads.  Whoever has the file can read the traffic.
        """
        keylog = self._settings.keylog
        return None if keylog is None else keylog.name

    @keylog_filename.setter
    def keylog_filename(self, value: StrOrBytesPath | None) -> None:
        self._settings.keylog = None if value is None else KeyLog(value)

    # Own certificates and keys

    def load_cert_chain(
        self,
        /,
        certfile: CertificateSource,
        keyfile: KeySource | None = None,
        password: Password | None = None,
        *,
        reload: float | None = None,
    ) -> None:
        """Load a certificate chain, the leaf first, and its private key.

        `certfile` is the name of a file, an open one, or the thing itself: PEM as str or bytes, DER or PKCS#12 as
        bytes, a certificate of `cryptography` or a sequence of them.  `keyfile` is given the same way; it may be any
        object with `public_key()` and `sign()`, and is not needed if the key is in `certfile`.  `password` is str,
        bytes or a function that returns one, and is asked for on the terminal if it is needed and None.

        A context keeps one chain for each kind of key; loading another replaces it.  Raises SSLError if something
        cannot be read, the key belongs to another certificate, or a key is too weak for the security level; then
        nothing has changed.

        With `reload`, a number of seconds, the files are looked at again when a connection is wrapped and so much time
        has passed; if they are others now, and fit each other, they take the place of what was loaded.  Else that
        stays: see `reload_error`.  The password is kept for it.  ValueError if the arguments are no names of files, or
        only a person at the terminal knows the password.
        """
        settings, source = self._settings, None
        if reload is None:
            credential = credentials.load(certfile, keyfile, password, settings.security_level)
        else:
            source = reloading.Pair(certfile, keyfile, password, settings.security_level, reload)
            credential = source.credential
        others = {kind: one for kind, one in settings.credentials.items() if kind != credential.kind}
        settings.credentials = {**others, credential.kind: credential}  # so the one that was loaded last is the last
        if settings._reloader is not None:
            left = settings.credentials.values()
            settings._reloader.keep(
                lambda one: not isinstance(one, reloading.Pair) or any(one.credential is other for other in left)
            )
        if source is not None:
            self._watch(source)

    def _watch(self, source: reloading.Source) -> None:
        settings = self._settings
        if settings._reloader is None:
            settings._reloader = reloading.Reloader()
        settings._reloader.add(source)

    def load_dh_params(self, path: StrOrBytesPath, /) -> None:
        """Use the Diffie-Hellman parameters of a PEM file, as a server of TLS 1.2 and older.

        Without, no DHE suite is used.  SSLError if p is no safe prime, or too small for the security level.
        """
        self._settings.dh = dh_file.load(path, self._settings.security_level)

    # Who is trusted

    def load_verify_locations(
        self,
        /,
        cafile: StrOrBytesPath | None = None,
        capath: StrOrBytesPath | None = None,
        cadata: TrustSource | None = None,
        *,
        reload: float | None = None,
    ) -> None:
        """Trust certificates, and use CRLs: what is loaded adds to what was there.

        `cafile` is a file of PEM or DER; `capath` a directory of files with hashed names (openssl-rehash(1)), which is
        looked into when a certificate is verified; `cadata` PEM as str or bytes, DER as bytes, an object of
        `cryptography`, or a sequence of them.  TypeError if all are None; SSLError if there is nothing to load, OSError
        if there is no file.

        With `reload`, a number of seconds, `cafile` is looked at again when a connection is wrapped and so much time
        has passed: what is in it then takes the place of what was in it, so it can also be trusted less.  A file that
        cannot be used changes nothing: see `reload_error`.  ValueError without a `cafile`.
        """
        if reload is None:
            trust.load(self._settings.store, cafile, capath, cadata)
        else:
            if cafile is None:
                raise ValueError("reload needs a cafile")
            source = reloading.Trust(cafile, reload)
            if capath is not None or cadata is not None:
                trust.load(self._settings.store, None, capath, cadata)
            self._settings.store.add_passing(source.bundle)
            self._watch(source)
        self._settings.changed()  # they may contain issuers that are sent with our own certificate

    def set_default_verify_paths(self) -> None:
        """Trust what OpenSSL trusts by default.

        SSL_CERT_FILE and SSL_CERT_DIR, or else the system's file and directory.
        """
        trust.load_defaults(self._settings.store)
        self._settings.changed()

    def cert_store_stats(self) -> dict[str, int]:
        """How many are loaded: `{"x509": certificates, "x509_ca": CAs among them, "crl": CRLs}`.

        A `capath` counts as it is used.
        """
        return self._settings.store.stats()

    @overload
    def get_ca_certs(self, /, binary_form: Literal[False] = False) -> list[PeerCertificate]: ...
    @overload
    def get_ca_certs(self, /, binary_form: Literal[True]) -> list[bytes]: ...
    @overload
    def get_ca_certs(self, /, binary_form: bool = False) -> list[PeerCertificate] | list[bytes]: ...
    def get_ca_certs(self, /, binary_form: bool = False) -> list[PeerCertificate] | list[bytes]:
        """The loaded CA certificates: dictionaries as from getpeercert(), or with `binary_form` DER.

        Those of a `capath` are there once used.
        """
        found = [x for x in self._settings.store.certificates() if is_ca(x)]
        if binary_form:
            return [x.der for x in found]
        return [cast("PeerCertificate", peercert.peercert(x)) for x in found]

    # What may be negotiated

    def set_ciphers(self, cipherlist: str, /) -> None:
        """Choose the cipher suites of TLS 1.2 and older by an OpenSSL cipher list (openssl-ciphers(1)), best first.

        `"ECDHE+AESGCM:!PSK"`, for instance; `@SECLEVEL=n` sets the security level.  SSLError if it selects nothing.
        The suites of TLS 1.3 stay: see set_ciphersuites().
        """
        _check_text("set_ciphers", cipherlist)
        try:
            suites, level = cipher_string.select(cipherlist)
        except cipher_string.InvalidList:
            suites, level = (), None
        if not suites:
            raise SSLError("No cipher can be selected.")
        settings = self._settings
        settings.suites = suites
        if level is not None:
            settings.security_level = level

    def get_ciphers(self) -> list[Cipher]:
        """The enabled cipher suites, best first: dictionaries with `name`, `protocol`, `strength_bits` and others."""
        settings = self._settings
        return [cipher_string.describe(suite) for suite in (*settings.suites13, *settings.suites)]

    def set_ciphersuites(self, ciphersuites: str, /) -> None:
        """Choose the cipher suites of TLS 1.3: IANA names with colons between, best first.

        SSLError for an unknown one.
        """
        _check_text("set_ciphersuites", ciphersuites)
        try:
            self._settings.suites13 = cipher_string.ciphersuites(ciphersuites)
        except cipher_string.InvalidList:
            raise SSLError("No cipher suite can be selected.") from None

    def set_groups(self, groups: str, /) -> None:
        """Choose the groups for key agreement by an OpenSSL group list (SSL_CTX_set1_groups_list(3)), best first.

        Names with ":" between; `*` before a name sends a key share for it, `?` ignores it where it is unknown, `-`
        removes it, DEFAULT stands for the built-in list.  SSLError for an unknown one.
        """
        _check_text("set_groups", groups)
        try:
            self._settings.groups, self._settings.key_shares = lists.parse_groups(groups)
        except ValueError as error:
            raise SSLError(f"unrecognized group list: {error}") from None

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        """The names of the groups that the enabled versions can use, best first.

        With `include_aliases` their other names, too.
        """
        settings = self._settings
        versions = settings.versions or (TLS13,)
        return lists.group_names(settings.groups, versions[-1], versions[0], aliases=include_aliases)

    def set_ecdh_curve(self, name: str | bytes, /) -> None:
        """Use this group only.  ValueError for an unknown one."""
        name = os.fsdecode(name)
        group = groups.BY_NAME.get(name.lower())
        if group is None:
            raise ValueError(f"unknown elliptic curve name {name!r}")
        self._settings.groups = self._settings.key_shares = (group,)

    def set_client_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature schemes for the client's certificate, best first.

        A server asks for them, a client signs with one of them.  IANA names, or an algorithm and a digest as
        ECDSA+SHA256, with ":" between; `?` before a name ignores it where it is unknown.  SSLError for an unknown one.
        """
        _check_text("set_client_sigalgs", sigalgs)
        self._settings.client_schemes = _schemes(sigalgs)

    def set_server_sigalgs(self, sigalgs: str, /) -> None:
        """Choose the signature schemes for the server's certificate; otherwise as set_client_sigalgs()."""
        _check_text("set_server_sigalgs", sigalgs)
        found = _schemes(sigalgs)
        if not set(found).isdisjoint(signatures.OF_CLIENTS):
            raise SSLError("unrecognized signature algorithm list: for certificates of clients only (RFC 9963)")
        self._settings.server_schemes = found

    def _set_alpn_protocols(self, protos: Any, /) -> None:
        data = bytes(memoryview(protos))
        found = []
        while data:
            name, data = data[1 : 1 + data[0]], data[1 + data[0] :]
            if not name:
                raise SSLError("ALPN protocols must be 1 to 255 in length")
            found.append(name)
        if tuple(found) != self._settings.alpn:
            self._settings.alpn = tuple(found)

    # Pre-shared keys

    def set_psk_client_callback(self, /, callback: PskClientCallback | None) -> None:
        """Have clients ask `callback(hint)` for an identity and a pre-shared key (RFC 8446 2.2, RFC 4279).

        `hint` is the server's, or None; with TLS 1.3 always None.  It returns the identity (str or None, 256 bytes at
        most) and the key (bytes); an empty key means that there is none.
        """
        if self._settings.protocol == PROTOCOL_TLS_SERVER:
            raise ssl_error(0, "Cannot add PSK client callback to a PROTOCOL_TLS_SERVER context")
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        self._settings.psk_client = callback

    def set_psk_server_callback(self, /, callback: PskServerCallback | None, identity_hint: str | None = None) -> None:
        """Have servers ask `callback(identity)` for a pre-shared key (RFC 8446 2.2, RFC 4279).

        It returns the key (bytes), empty if the identity is not known.  `identity_hint` is sent to clients of TLS 1.2.
        """
        if self._settings.protocol == PROTOCOL_TLS_CLIENT:
            raise ssl_error(0, "Cannot add PSK server callback to a PROTOCOL_TLS_CLIENT context")
        if identity_hint is not None and not isinstance(identity_hint, str):
            raise TypeError(
                "set_psk_server_callback() argument 'identity_hint' must be str or None, "
                f"not {type(identity_hint).__name__}"
            )
        if callback is not None and not callable(callback):
            raise TypeError("callback must be callable")
        hint = identity_hint.encode() if identity_hint else None
        if hint is not None and len(hint) > 256:
            raise ValueError("failed to set identity hint")
        self._settings.psk_server, self._settings.psk_hint = callback, hint

    # Counters

    def session_stats(self) -> dict[str, int]:
        """Counters since the context was made: `accept`, `connect`, `hits`, `misses`, `timeouts` and others.

        `number` is how many sessions are kept now.  Where servers share keys or a store (set_ticket_keys() and others)
        there are also `hits_tickets`, `hits_memory` and `hits_store`, by where a server had resumed sessions from,
        `store_errors`, and `replays` of tickets that are good once and of early data.
        """
        sessions = self._settings.sessions
        stats = sessions.stats
        found = {"number": len(sessions.cache)} | {name: getattr(stats, name) for name in STATISTICS}
        if sessions.extended or self._settings.max_early_data:
            errors = stats.store_errors + int(getattr(sessions.tickets.source, "errors", 0))
            found |= {**stats.origins, "store_errors": errors, "replays": stats.replays}
        return found


STATISTICS = (
    "connect",
    "connect_good",
    "connect_renegotiate",
    "accept",
    "accept_good",
    "accept_renegotiate",
    "hits",
    "misses",
    "timeouts",
    "cache_full",
)
DEPRECATED_PROTOCOLS = (PROTOCOL_TLS, *FIXED_VERSIONS)


def _check_text(method: str, text: object) -> None:
    if not isinstance(text, str):
        raise TypeError(f"{method}() argument must be str, not {type(text).__name__}")
    if "\0" in text:
        raise ValueError("embedded null character")


def _schemes(text: str) -> Any:
    try:
        return lists.parse_schemes(text)
    except ValueError as error:
        raise SSLError(f"unrecognized signature algorithm list: {error}") from None
