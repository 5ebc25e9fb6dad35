"""The questions that both SSLSocket and SSLObject answer: each method passes the question on to `_sslobj`.

An SSLSocket that is not connected, or no longer wrapped, has no `_sslobj` and answers None.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from puretls._api.connection_facts import CHANNEL_BINDING_TYPES
from puretls._api.enums import EarlyDataStatus, ECHStatus
from puretls._api.names import DER_cert_to_PEM_cert
from puretls._api.objects import ENCODING_DER, ENCODING_PEM
from puretls._api.sslconnection import _SSLSocket
from puretls._api.types import Buffer

if TYPE_CHECKING:
    from puretls._api.client_hello import ClientHello


class _Der(bytes):
    """DER, as these methods return it since Python 3.13, with the methods that programs expect of an older Python's
    certificate.

    In older versions only `_sslobj` has these methods, and truststore, which is in pip, uses the first object that has
    them.
    """

    __slots__ = ()

    def public_bytes(self, format: int = ENCODING_PEM) -> str | bytes:  # noqa: A002  # _ssl's name
        """As Certificate.public_bytes()."""
        return bytes(self) if format == ENCODING_DER else DER_cert_to_PEM_cert(self)


def _ders(chain: Any) -> list[bytes]:
    ders = [] if chain is None else [one.public_bytes(ENCODING_DER) for one in chain]
    return ders if sys.version_info >= (3, 13) else [_Der(der) for der in ders]


class _Queries:
    """The questions."""

    __slots__ = ()
    if TYPE_CHECKING:
        _sslobj: Any

    def _connection(self) -> _SSLSocket | None:
        found: _SSLSocket | None = self._sslobj
        return found

    def get_verified_chain(self) -> list[bytes]:
        """The verified certificate chain as DER, from the peer's certificate to the anchor.

        If certificates were not verified, this is get_unverified_chain().
        """
        sslobj = self._connection()
        return [] if sslobj is None else _ders(sslobj.get_verified_chain())

    def get_unverified_chain(self) -> list[bytes]:
        """The certificates that the peer sent, as DER, in its order; empty if it sent none."""
        sslobj = self._connection()
        return [] if sslobj is None else _ders(sslobj.get_unverified_chain())

    def selected_npn_protocol(self) -> None:
        """None: NPN is not available, ALPN has taken its place."""
        warnings.warn("ssl NPN is deprecated, use ALPN instead", DeprecationWarning, stacklevel=2)

    def selected_alpn_protocol(self) -> str | None:
        """The application protocol that was agreed on (RFC 7301); None if there is none.

        Before the handshake is done it is that of early data.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.selected_alpn_protocol()

    def cipher(self) -> tuple[str, str, int] | None:
        """The cipher suite: its OpenSSL name, the version that defines it, and its secret bits.

        None before the handshake.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.cipher()

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        """The cipher suites that both sides have, each as in cipher(), in our order; None on a client."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.shared_ciphers()

    def compression(self) -> str | None:
        """None: TLS compression is not available."""
        return None

    def version(self) -> str | None:
        """The version of the protocol, such as "TLSv1.3"; None before the handshake is done."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.version()

    def group(self) -> str | None:
        """The group of the key agreement, such as "X25519MLKEM768".

        None if there was none (RSA key exchange, a mere PSK).
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.group()

    @property
    def client_hello(self) -> ClientHello | None:
        """What the client has said first; None on a client, and before it has come.

        It is there from sni_callback on, and is kept after the handshake only if it has been read before the end of it.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.client_hello()

    def selected_cert_chain(self) -> list[bytes]:
        """The certificates of ours that the peer is shown, the leaf first, as DER; empty if there are none.

        So it is before they have been chosen, and in a resumed session.
        """
        sslobj = self._connection()
        return [] if sslobj is None else sslobj.selected_cert_chain()

    @property
    def ocsp_response(self) -> bytes | None:
        """The OCSP response that the server has stapled, in DER; None without one, and on servers.

        It is there if `SSLContext.request_ocsp` was set and the session was not resumed.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.ocsp_response()

    @property
    def sct_list(self) -> bytes | None:
        """The SignedCertificateTimestampList of the handshake (RFC 6962 3.3); None without one, and on servers.

        It is there if `SSLContext.request_sct` was set and the session was not resumed: verify_scts() reads it.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.sct_list()

    def peer_public_key(self) -> bytes | None:
        """The peer's public key, as SubjectPublicKeyInfo in DER: a raw one (RFC 7250), or that of its certificate.

        None if it has shown neither.  Whether it is trusted, the handshake has decided.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.peer_public_key()

    def cert_compression(self) -> str | None:
        """The algorithm that the peer's certificate came compressed with (RFC 8879), such as "zlib"; None without one.

        See SSLContext.set_cert_compression().
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.cert_compression()

    def get_ech_status(self) -> ECHStatus:
        """What has become of Encrypted Client Hello: an ECH_STATUS_*, SUCCESS if the server has read the inner hello.

        GREASE if there was no configuration and the extension meant nothing; FAILED_ECH if the server rejected it.
        """
        sslobj = self._connection()
        return ECHStatus.ECH_STATUS_NOT_TRIED if sslobj is None else sslobj.get_ech_status()

    def get_ech_retry_config(self) -> bytes | None:
        """The ECHConfigList that a server has sent instead of what was used; None without one.

        After GREASE it is only to be looked at, as nobody has verified it for this purpose.
        """
        sslobj = self._connection()
        return None if sslobj is None else sslobj.get_ech_retry_config()

    @property
    def outer_server_hostname(self) -> str | None:
        """The host that the outer ClientHello asked for; None without Encrypted Client Hello."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.outer_server_hostname

    def set_outer_server_hostname(self, server_hostname: str | None, /) -> None:
        """As SSLContext.set_outer_server_hostname(), for this connection, before its handshake."""
        sslobj = self._connection()
        if sslobj is None:
            raise ValueError("there is no connection yet")
        sslobj.set_outer_server_hostname(server_hostname)

    def client_sigalg(self) -> str | None:
        """The scheme of the client's signature, such as "ecdsa_secp256r1_sha256"; None if it made none."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.client_sigalg()

    def server_sigalg(self) -> str | None:
        """The scheme of the server's signature; None if it made none, as in a resumed session."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.server_sigalg()

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Data that ties another protocol to this connection; None before the handshake.

        `cb_type` is one of CHANNEL_BINDING_TYPES, or ValueError: "tls-exporter" (RFC 9266) for TLS 1.3,
        "tls-server-end-point" (the digest of the server's certificate) and "tls-unique" (the first Finished message,
        not for TLS 1.3) of RFC 5929.
        """
        sslobj = self._connection()
        if sslobj is None:
            if cb_type not in CHANNEL_BINDING_TYPES:
                raise ValueError(f"{cb_type} channel binding type not implemented")
            return None
        return sslobj.get_channel_binding(cb_type)

    def write_early_data(self, data: Buffer) -> int:
        """Send data together with the first message, before the server has answered (RFC 8446 2.3); a client only.

        How many bytes were taken: all of them, or 0 where that is not possible: there is no session that allows it, or
        not so much, `SSLContext.max_early_data` is 0, or the server has answered.  It may be called more than once,
        before do_handshake().  Whether the server takes it, early_data_status() says after the handshake; if it does
        not, it is for the program to send it again.  Send only what may come twice: it can be replayed.
        """
        return self._early_connection().write_early_data(data)

    def read_early_data(self, len: int = 1024) -> bytes:  # noqa: A002  # as read()
        """Up to `len` bytes of a client's early data, before do_handshake(); b"" if there is none, or no more.

        A server only, and with `SSLContext.max_early_data`: who does not call this never takes any.  Call it until it
        returns b"", and then do_handshake().  In between write() sends data before the handshake is done, if no
        certificate is asked for.  What was not read by the end of the handshake can be read afterwards.
        """
        return self._early_connection().read_early_data(len)

    def early_data_status(self) -> EarlyDataStatus:
        """EARLY_DATA_NOT_SENT, EARLY_DATA_REJECTED or EARLY_DATA_ACCEPTED: what has become of the client's early data.

        On a client it is for sure once the handshake is done.
        """
        sslobj = self._connection()
        return EarlyDataStatus.EARLY_DATA_NOT_SENT if sslobj is None else sslobj.early_data_status()

    @property
    def early_data_reason(self) -> str | None:
        """Why early data was not sent, or rejected, in BoringSSL's words, or "accepted"; None if there was none."""
        sslobj = self._connection()
        return None if sslobj is None else sslobj.early_data_reason()

    def _early_connection(self) -> _SSLSocket:
        sslobj = self._connection()
        if sslobj is None:
            raise ValueError("there is no connection yet")
        return sslobj

    def export_keying_material(
        self, label: str | bytes, length: int, context: bytes | None = None, *, early: bool = False
    ) -> bytes:
        """`length` bytes of keys for another protocol, the same on both sides for the same label and context.

        RFC 5705 for TLS 1.2, where no context and an empty one differ; RFC 8446 7.5 for TLS 1.3, where they do not.
        With `early` it is of early data, and there from its beginning on (RFC 8446 7.5).  ValueError before the
        handshake is done, and with `early` unless there is early data that was not rejected.
        """
        sslobj = self._connection()
        if sslobj is None:
            raise ValueError("handshake not done yet")
        return sslobj.export_keying_material(label, length, context, early=early)
