"""SSLContext: the upper half, with `ssl`'s enumerations, and the way from a context to sockets and objects.

Where the interpreter has `ssl`, the class derives from its SSLContext too, since programs ask isinstance() (asyncio,
uvloop, aiohttp do).  Such an instance carries an OpenSSL context that nothing here uses.  Native code that looks inside
finds one that cannot connect: no version is enabled, no certificate loaded, and its options differ from ours.
"""

from __future__ import annotations

import contextlib
import operator
import socket
import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from puretls._api import connection_facts, features, native, objects, sslconnection, sslobject, sslsocket
from puretls._api.anchors import _AnchorSettings
from puretls._api.base_context import DEPRECATED_PROTOCOLS, _PureContext
from puretls._api.client_sessions import _ClientSessionSettings
from puretls._api.compression import _CompressionSettings
from puretls._api.crlite_settings import _CRLiteSettings
from puretls._api.early_data import _EarlyDataSettings
from puretls._api.ech_settings import _EchSettings, choose
from puretls._api.enums import (
    ALERT_DESCRIPTION_INTERNAL_ERROR,
    Options,
    TLSVersion,
    VerifyFlags,
    VerifyMode,
    _SSLMethod,
    _TLSAlertType,
    _TLSContentType,
    _TLSMessageType,
)
from puretls._api.errors import SSLError
from puretls._api.intermediates import _IntermediateSettings
from puretls._api.judging import _JudgeSettings
from puretls._api.names import Purpose, _ASN1Object
from puretls._api.objects import SSLSession
from puretls._api.over_bio import _BioConnection
from puretls._api.over_socket import _SocketConnection
from puretls._api.profile import _ProfileSettings
from puretls._api.raw_keys import _RawKeySettings
from puretls._api.reload_settings import _ReloadSettings
from puretls._api.selecting import _SelectionSettings
from puretls._api.settings import PROTOCOL_TLS, PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER, Settings
from puretls._api.shared_sessions import _SharedSessionSettings
from puretls._api.sslobject import SSLObject
from puretls._api.sslsocket import SSLSocket
from puretls._api.status import _StatusSettings
from puretls._api.timestamps import _TransparencySettings
from puretls._api.types import Bio, MessageCallback, SniCallback
from puretls._api.wire_settings import _WireSettings
from puretls._base.public import public
from puretls._base.registry import SSL3
from puretls._engine import roles

_NEVER_CHECK_SUBJECT = 0x20  # X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
_INERT_OPTIONS = 0x82520051  # never what ours report: one bit more than ssl's default

if TYPE_CHECKING:
    from ssl import SSLContext as _Base
else:
    _Base = object if native.ssl is None else native.ssl.SSLContext


class _Beyond(
    _AnchorSettings,
    _ClientSessionSettings,
    _CompressionSettings,
    _CRLiteSettings,
    _ReloadSettings,
    _EarlyDataSettings,
    _EchSettings,
    _SharedSessionSettings,
    _IntermediateSettings,
    _JudgeSettings,
    _SelectionSettings,
    _ProfileSettings,
    _RawKeySettings,
    _StatusSettings,
    _TransparencySettings,
    _WireSettings,
):
    """The settings beyond `ssl`."""


# typeshed has security_level writable, which it is nowhere, and a private TypedDict for what get_ciphers() returns.
@public
class SSLContext(_Beyond, _PureContext, _Base, metaclass=native.StandIn):  # type: ignore[override,misc]  # see above
    """Settings, certificates and sessions that connections share.

    `protocol` is PROTOCOL_TLS_CLIENT, which verifies certificates and host names and trusts nobody until it is told
    whom, or PROTOCOL_TLS_SERVER; the others are deprecated.  create_default_context() loads the system's CAs, too, and
    is what most programs want.  A context may be used by many threads.  What is changed later counts for the
    connections that are wrapped later.
    """

    _windows_cert_stores = ("CA", "ROOT")
    _aiofastnet_force_fallback_ssl = True  # its native engine would use the OpenSSL context
    sslsocket_class: type[SSLSocket] = SSLSocket
    sslobject_class: type[SSLObject] = SSLObject

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> SSLContext:  # noqa: PYI034  # 3.10
        del args, kwargs
        if protocol is None:
            warnings.warn("ssl.SSLContext() without protocol argument is deprecated.", DeprecationWarning, stacklevel=2)
            protocol = PROTOCOL_TLS
        number = operator.index(protocol)
        if number in DEPRECATED_PROTOCOLS:
            warnings.warn(f"ssl.{_SSLMethod(number).name} is deprecated", DeprecationWarning, stacklevel=2)
        elif number not in (PROTOCOL_TLS_CLIENT, PROTOCOL_TLS_SERVER):
            raise ValueError(f"invalid or unsupported protocol version {number}")
        if number != PROTOCOL_TLS_SERVER:
            roles.load_client()
        if number != PROTOCOL_TLS_CLIENT:
            roles.load_server()
            features.load_server()
        self = _new_instance(cls)
        self._settings = Settings(number)
        return self

    def __reduce_ex__(self, version: Any) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    # Values as enumerations

    @property
    def protocol(self) -> _SSLMethod:  # type: ignore[override]  # as typeshed has it
        """The PROTOCOL_* that the context was made with."""
        return _SSLMethod(super().protocol)

    @property  # type: ignore[override]  # typeshed is wider
    def options(self) -> Options:
        """OP_* flags (SSL_CTX_set_options(3)).  To add one: `context.options |= OP_NO_TICKET`."""
        return Options(super().options)

    @options.setter
    def options(self, value: Options) -> None:
        super(SSLContext, SSLContext).options.__set__(self, value)  # type: ignore[attr-defined]  # a descriptor

    @property  # type: ignore[override]  # typeshed is wider
    def verify_flags(self) -> VerifyFlags:
        """VERIFY_* flags (X509_VERIFY_PARAM_set_flags(3)): CRLs, strictness, what may be an anchor."""
        return VerifyFlags(super().verify_flags)

    @verify_flags.setter
    def verify_flags(self, value: VerifyFlags) -> None:
        super(SSLContext, SSLContext).verify_flags.__set__(self, value)  # type: ignore[attr-defined]  # as above

    @property  # type: ignore[override]  # typeshed is wider
    def verify_mode(self) -> VerifyMode:
        """Whether peers must have a certificate, and a good one: CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED.

        ValueError for CERT_NONE while check_hostname is on.
        """
        return VerifyMode(super().verify_mode)

    @verify_mode.setter
    def verify_mode(self, value: VerifyMode) -> None:
        super(SSLContext, SSLContext).verify_mode.__set__(self, value)  # type: ignore[attr-defined]  # as above

    @property  # type: ignore[override]  # typeshed is wider
    def minimum_version(self) -> TLSVersion:
        """The lowest version that is enabled: a TLSVersion, TLSv1_2 unless set.

        MINIMUM_SUPPORTED is TLS 1.0, which asks for `@SECLEVEL=0` in set_ciphers() as well.
        """
        return TLSVersion(super().minimum_version)

    @minimum_version.setter
    def minimum_version(self, value: TLSVersion) -> None:
        if value == SSL3:
            self.options &= ~Options.OP_NO_SSLv3
        super(SSLContext, SSLContext).minimum_version.__set__(self, value)  # type: ignore[attr-defined]  # as above

    @property  # type: ignore[override]  # typeshed is wider
    def maximum_version(self) -> TLSVersion:
        """The highest version that is enabled: a TLSVersion; MAXIMUM_SUPPORTED, which is TLS 1.3, unless set."""
        return TLSVersion(super().maximum_version)

    @maximum_version.setter
    def maximum_version(self, value: TLSVersion) -> None:
        super(SSLContext, SSLContext).maximum_version.__set__(self, value)  # type: ignore[attr-defined]  # as above

    @property
    def hostname_checks_common_name(self) -> bool:
        """Whether the common name counts if a certificate has no dNSName (RFC 6125 6.4.4); True unless set."""
        return not self._host_flags & _NEVER_CHECK_SUBJECT

    @hostname_checks_common_name.setter
    def hostname_checks_common_name(self, value: bool) -> None:
        if value:
            self._host_flags &= ~_NEVER_CHECK_SUBJECT
        else:
            self._host_flags |= _NEVER_CHECK_SUBJECT

    @property
    def _msg_callback(self) -> MessageCallback | None:
        """Called as (connection, "read" or "write", version, content type, message type, bytes) for TLS messages.

        That is for handshake messages, alerts and change_cipher_spec, never for application data.  What it raises
        surfaces when the operation is done.
        """
        inner: Any = super()._msg_callback
        return None if inner is None else inner.user_function

    @_msg_callback.setter
    def _msg_callback(self, callback: MessageCallback | None) -> None:
        descriptor: Any = super(SSLContext, SSLContext)._msg_callback
        if callback is None:
            descriptor.__set__(self, None)
        elif not callable(callback):
            raise TypeError(f"{callback} is not callable.")
        else:
            descriptor.__set__(self, _with_enums(callback))

    # To sockets and objects

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: SSLSession | None = None,  # type: ignore[override]  # typeshed is wider
    ) -> SSLSocket:
        """TLS over a stream socket, whose descriptor the returned SSLSocket takes over; `sock` is detached.

        A connected socket does its handshake at once, within its timeout, unless `do_handshake_on_connect` is False, as
        it has to be for non-blocking ones; another does it when it has been connected.  `server_hostname` is what a
        client asks for (RFC 6066 3) and verifies, a name or an address.  `session` is an SSLSession of this context to
        resume.  With `suppress_ragged_eofs` an end without close_notify passes for the end of data.

        Raises SSLCertVerificationError if the peer's certificate is not accepted, SSLError for whatever else ends the
        handshake, and closes the socket; ValueError, before it is touched, if check_hostname is on and there is no
        name.
        """
        return self.sslsocket_class._create(
            sock=sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            context=self,
            session=session,
        )

    def wrap_bio(
        self,
        incoming: Bio,
        outgoing: Bio,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: SSLSession | None = None,  # type: ignore[override]  # typeshed is wider
    ) -> SSLObject:
        """TLS over two memory BIOs, or any objects with their methods.

        Records are read from `incoming` and written to `outgoing`.  The rest is as for wrap_socket(), but
        do_handshake() has to be called.
        """
        return self.sslobject_class._create(
            incoming,
            outgoing,
            server_side=server_side,
            server_hostname=None if server_hostname is None else self._encode_hostname(server_hostname),
            session=session,
            context=self,
        )

    def _wrap_socket(
        self,
        sock: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> _SocketConnection:
        return _SocketConnection(self, sock, server_side, server_hostname, owner, session)

    def _wrap_bio(
        self,
        incoming: Any,
        outgoing: Any,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: Any = None,
        session: Any = None,
    ) -> _BioConnection:
        return _BioConnection(self, incoming, outgoing, server_side, server_hostname, owner, session)

    def _encode_hostname(self, hostname: str | bytes | None) -> str | None:
        if hostname is None:
            return None
        if isinstance(hostname, str):
            hostname = hostname.encode("ascii" if hostname.isascii() and _plain(hostname) else "idna")
        return hostname.decode("ascii")

    # Lists and callbacks in their public form

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Offer, or accept, these protocols (RFC 7301): ASCII strings of 1 to 255 characters, best first.

        The server's order decides.  If there is none in common, the handshake goes on without; see
        selected_alpn_protocol().
        """
        self._set_alpn_protocols(_length_prefixed(alpn_protocols, "ALPN"))

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        """Not available: NotImplementedError.  NPN is gone, ALPN has taken its place."""
        warnings.warn("ssl NPN is deprecated, use ALPN instead", DeprecationWarning, stacklevel=2)
        _length_prefixed(npn_protocols, "NPN")
        raise NotImplementedError("NPN is not available: use set_alpn_protocols()")

    def set_servername_callback(self, server_name_callback: SniCallback | None) -> None:  # type: ignore[override]  # typeshed is wider
        """The older form of sni_callback, which is given names as U-labels ("pythön.org")."""
        if server_name_callback is None:
            self.sni_callback = None
            return
        if not callable(server_name_callback):
            raise TypeError("not a callable object")

        def with_decoded_name(sslobj: Any, servername: str | None, sslctx: SSLContext) -> Any:
            try:
                name = servername and servername.encode("ascii").decode("idna")
            except UnicodeError:
                return ALERT_DESCRIPTION_INTERNAL_ERROR
            return server_name_callback(sslobj, name, sslctx)  # type: ignore[arg-type]  # None, too

        self.sni_callback = with_decoded_name

    def set_ech_configs(self, ech_configs: bytes | None, /) -> SSLContext:
        """A copy of this context that has exactly these configurations: an ECHConfigList, or None for none.

        It is cheap, and shares certificates, sessions and what is trusted with this one: for configurations belong to
        a host, and contexts do not.  SSLError if the list is malformed.  A list in which nothing can be used, as one of
        a later version, is as none; get_ech_status() tells.
        """
        chosen = None if ech_configs is None else choose(ech_configs)
        other = _new_instance(type(self))
        vars(other).update(vars(self))
        other._settings = settings = self._settings.copy()
        settings.ech = () if chosen is None else (chosen,)
        return other

    # Default trust

    def load_default_certs(self, purpose: Purpose = Purpose.SERVER_AUTH) -> None:
        """Trust what the system trusts: set_default_verify_paths(), and on Windows its stores.

        What cannot be read is not trusted and not reported, as with OpenSSL; get_default_verify_paths() says where it
        is looked for.
        """
        if not isinstance(purpose, _ASN1Object):
            raise TypeError(purpose)
        if sys.platform == "win32":
            for storename in self._windows_cert_stores:
                self._load_windows_store_certs(storename, purpose)
        self.set_default_verify_paths()

    def _load_windows_store_certs(self, storename: str, purpose: Purpose) -> None:
        try:
            found = native.ssl.enum_certificates(storename)
        except (AttributeError, PermissionError):
            warnings.warn("unable to enumerate Windows certificate store", stacklevel=3)
            return
        for cert, encoding, trust in found:
            if encoding == "x509_asn" and (trust is True or purpose.oid in trust):
                try:
                    self.load_verify_locations(cadata=cert)
                except SSLError as exc:
                    warnings.warn(f"Bad certificate in Windows certificate store: {exc!s}", stacklevel=3)


def _new_instance(cls: type[SSLContext]) -> SSLContext:
    if native.ssl is None:
        return object.__new__(cls)
    base = native._ssl._SSLContext
    self: SSLContext = base.__new__(cls, PROTOCOL_TLS_CLIENT)
    base.options.__set__(self, _INERT_OPTIONS)
    with contextlib.suppress(ValueError):  # a library that minds: then it is the missing anchors that stop it
        base.maximum_version.__set__(self, TLSVersion.TLSv1_2)
        base.minimum_version.__set__(self, TLSVersion.TLSv1_3)
    return self


def _plain(hostname: str) -> bool:
    """Whether IDNA would leave an ASCII name as it is: none of its labels is empty or too long."""
    if 0 < len(hostname) < 64:
        return hostname[0] != "." and ".." not in hostname
    return all(0 < len(label) < 64 for label in hostname.removesuffix(".").split("."))


def _length_prefixed(protocols: Any, kind: str) -> bytes:
    joined = bytearray()
    for protocol in protocols:
        name = bytes(protocol, "ascii")
        if not 0 < len(name) < 256:
            raise SSLError(f"{kind} protocols must be 1 to 255 in length")
        joined.append(len(name))
        joined += name
    return bytes(joined)


_MESSAGE_TYPES = {int(_TLSContentType.HEADER): _TLSContentType, int(_TLSContentType.ALERT): _TLSAlertType}


def _with_enums(callback: Any) -> Any:
    def inner(conn: Any, direction: str, version: int, content_type: int, msg_type: int, data: bytes) -> Any:
        kinds = _MESSAGE_TYPES.get(content_type, _TLSMessageType)
        return callback(
            conn,
            direction,
            _named(TLSVersion, version),
            _named(_TLSContentType, content_type),
            _named(kinds, msg_type),
            data,
        )

    inner.user_function = callback  # type: ignore[attr-defined]  # CPython's getter looks for it there
    return inner


def _named(enum: Any, value: int) -> Any:
    try:
        return enum(value)
    except ValueError:
        return value


for _module in (
    objects,
    connection_facts,
    sslconnection,
    sslobject,
    sslsocket,
):  # where typing.get_type_hints() looks the name up
    _module.SSLContext = SSLContext  # type: ignore[attr-defined,misc,unused-ignore]  # known to checkers already
