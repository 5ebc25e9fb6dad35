"""What only whole handshakes show about a server: whether its certificate is accepted, and what TLS 1.3 encrypts.

Schemes and protocols are found by elimination, as in `_analysis.survey`, here with whole connections.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from puretls import (
    CERT_NONE,
    PROTOCOL_TLS_CLIENT,
    CRLite,
    SSLCertVerificationError,
    SSLContext,
    TLSVersion,
    create_default_context,
    get_sigalgs,
)
from puretls._analysis.messages import available
from puretls._analysis.probe import early_data
from puretls._base.tuples import NamedTuple
from puretls.cli.asking import Asker
from puretls.cli.failure import Failure, reason
from puretls.cli.report import raw_key
from puretls.cli.session import finish
from puretls.cli.text import printable

EVERYTHING = "ALL:!aNULL:!eNULL:@SECLEVEL=0"
PROTOCOLS = (  # of IANA's registry, those that run over TCP
    "h2", "http/1.1", "http/1.0", "acme-tls/1", "postgresql", "imap", "pop3", "managesieve", "ftp", "xmpp-client",
    "xmpp-server", "mqtt", "dot", "irc", "stun.turn", "coap", "ntske/1", "sunrpc", "smb", "radius/1.1", "tds/8.0",
)  # fmt: skip
HSTS = "Strict-Transport-Security"
HEADERS = (
    HSTS, "Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy",
    "Permissions-Policy", "Cross-Origin-Opener-Policy", "Location",
)  # fmt: skip
HANDSHAKE, NEW_SESSION_TICKET, CERTIFICATE_REQUEST = 22, 4, 13  # RFC 8446 4
GOODBYE = 1.0  # seconds to wait for tickets and close_notify
FAMILIES = {"RSA": "rsa", "EC": "ecdsa"}  # how the schemes of a kind of key begin; others by its name
FAILS = (OSError, ValueError, Failure)  # a handshake; SSLError is an OSError


class Refusal(NamedTuple):
    """Why a certificate is not accepted, and OpenSSL's number for that; nothing if it is."""

    why: str = ""
    code: int = 0


class Handshakes:
    """Connections of our own to the server of an Asker. `chains` collects what certificates they saw."""

    def __init__(self, asker: Asker, ca_file: Path | None, crlite: CRLite | None = None) -> None:
        self.asker, self.ca_file, self.crlite = asker, ca_file, crlite
        self.chains: list[tuple[bytes, ...]] = []
        self.early_data: int | None = None  # bytes of it that tickets of TLS 1.3 allow
        self.staples: dict[bytes, bytes | None] = {}  # OCSP responses that came in TLS 1.3, by the certificate
        self.ticket = b""  # a NewSessionTicket of TLS 1.2
        self.scts: dict[bytes, bytes | None] = {}  # timestamps that came in handshakes, by the certificate
        self.asks: bool | None = None  # for a client certificate, in TLS 1.3
        self.ech = b""  # ECHConfigList that a client with a greased hello is told of
        self.trusting()  # a file that cannot be read is told at once

    def trusting(self) -> SSLContext:
        """A context that verifies."""
        try:
            context = create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            raise Failure(f"--ca-file {self.ca_file}: {reason(error)}") from None
        context.check_hostname = bool(self.asker.name)
        context.request_ocsp = True  # one that says "revoked", or is missing where it must not, is a refusal
        context.crlite = self.crlite
        return context

    def looking(self, version: TLSVersion | None = None) -> SSLContext:
        """A context that verifies nobody."""
        context = SSLContext(PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, CERT_NONE
        context.set_ciphers(EVERYTHING)
        context.request_ocsp = context.request_sct = True
        context.minimum_version = version or TLSVersion.TLSv1
        if version:
            context.maximum_version = version
        return context

    def refusal(self, kind: str) -> Refusal | None:
        """Why clients do not accept the certificate with this kind of key; None if that is unknown.

        As clients are today; if they cannot even connect, as they were. With no kind the server chooses.
        """
        schemes = _of_family(FAMILIES.get(kind, kind.lower())) if kind else []
        for old in (False, True):
            context = self.trusting()
            if old:
                context.minimum_version = TLSVersion.TLSv1
                context.set_ciphers(EVERYTHING)
            try:
                if schemes:
                    context.set_server_sigalgs(":".join(schemes))
                with self.asker.handshake(context):
                    return Refusal()
            except SSLCertVerificationError as error:
                said = printable(str(getattr(error, "verify_message", "") or error)).rstrip(".")
                return Refusal(said, getattr(error, "verify_code", 0))
            except FAILS:
                continue
        return None

    def schemes(self) -> tuple[list[str], list[str]]:
        """The schemes with which the server signs in TLS 1.3, and how it compresses its certificate."""
        compressed: set[str | None] = set()

        def settings(context: SSLContext, left: Sequence[str]) -> None:
            context.set_server_sigalgs(":".join(left))
            context.set_cert_compression(available())

        def pick(tls: Any) -> str | None:
            compressed.add(tls.cert_compression())
            scheme: str | None = tls.server_sigalg()
            return scheme

        offered = [name for name in get_sigalgs() if not name.startswith("rsa_pkcs1") and "sha1" not in name]
        found = self._eliminate(offered, TLSVersion.TLSv1_3, settings, pick)
        return found, [] if compressed == {None} else self.compressions()

    def protocols(self) -> list[str]:
        """The application protocols that it accepts (RFC 7301)."""

        def settings(context: SSLContext, left: Sequence[str]) -> None:
            context.set_alpn_protocols(left)

        return self._eliminate(PROTOCOLS, None, settings, lambda tls: tls.selected_alpn_protocol())

    def compressions(self) -> list[str]:
        """The algorithms with which it compresses its certificate, of those available here (RFC 8879)."""

        def settings(context: SSLContext, left: Sequence[str]) -> None:
            context.set_cert_compression(left)

        return self._eliminate(available(), TLSVersion.TLSv1_3, settings, lambda tls: tls.cert_compression())

    def raw_key(self) -> str | None:
        """The digest of the key, as in a pin, that it shows to who takes that for a certificate (RFC 7250)."""
        context = self.looking()
        context.server_certificate_types = ["raw"]
        try:
            with self.asker.handshake(context) as tls:
                return raw_key(tls)
        except FAILS:
            return None

    def resumption(self, version: TLSVersion) -> str | None:
        """Whether a session is resumed, and by what; None if there is no connection in this version."""
        context = self.looking(version)
        new = version == TLSVersion.TLSv1_3
        context._msg_callback = self._watch if new else self._keep  # ssl's own hook, which has no public name
        try:
            with self.asker.handshake(context) as tls:
                self._remember(tls)
                session = finish(tls, min(GOODBYE, self.asker.timeout))
            if session is None:
                return "no"
            with self.asker.handshake(context, session) as tls:
                how = "by ticket" if session.has_ticket else "by session id"
                return how if tls.session_reused else "no"
        except FAILS:
            return None

    def page(self) -> dict[str, Any] | None:
        """The status and the headers for browsers of the page at "/"; None if it does not speak HTTP."""
        request = f"GET / HTTP/1.1\r\nHost: {self.asker.name or self.asker.host}\r\nConnection: close\r\n\r\n"
        try:
            with self.asker.handshake(self.looking()) as tls:
                tls.sendall(request.encode("ascii"))
                response = HTTPResponse(tls)
                response.begin()
                found = {name: response.headers.get(name) for name in HEADERS}
                return {"status": response.status, "headers": found}
        except (*FAILS, HTTPException):
            return None

    def _eliminate(
        self,
        offered: Sequence[str],
        version: TLSVersion | None,
        settings: Callable[[SSLContext, Sequence[str]], None],
        pick: Callable[[Any], str | None],
    ) -> list[str]:
        found, left = [], list(offered)
        while left:
            context = self.looking(version)
            settings(context, left)
            try:
                with self.asker.handshake(context) as tls:
                    picked = pick(tls)
                    self._remember(tls)
            except FAILS:
                break
            if picked not in left:
                break
            left.remove(picked)
            found.append(picked)
        return found

    def _watch(self, _tls: Any, direction: str, _version: int, content: int, kind: int, data: bytes) -> None:
        if direction == "read" and content == HANDSHAKE:
            self.asks = bool(self.asks) or kind == CERTIFICATE_REQUEST
            if kind == NEW_SESSION_TICKET:
                self.early_data = max(self.early_data or 0, early_data(bytes(data)))

    def _keep(self, _tls: Any, direction: str, _version: int, content: int, kind: int, data: bytes) -> None:
        if direction == "read" and content == HANDSHAKE and kind == NEW_SESSION_TICKET:
            self.ticket = self.ticket or bytes(data)

    def _remember(self, tls: Any) -> None:
        self.ech = tls.get_ech_retry_config() or self.ech
        chain = tuple(map(bytes, tls.get_unverified_chain()))
        if chain:
            self.chains.append(chain)
            self.scts[chain[0]] = tls.sct_list or self.scts.get(chain[0])
            if tls.ocsp_response or chain[0] not in self.staples:
                self.staples[chain[0]] = tls.ocsp_response


def hsts_of(page: dict[str, Any]) -> int:
    """For how many seconds browsers are told to come by HTTPS only (RFC 6797 6.1); 0 if they are not."""
    told = re.search(r"(?:^|;)\s*max-age\s*=\s*\"?([0-9]{1,18})", page["headers"][HSTS] or "", re.IGNORECASE)
    return int(told[1]) if told else 0


def _of_family(word: str) -> list[str]:
    return [name for name in get_sigalgs() if name.startswith(word)]
