"""From clear text to TLS: the beginning of protocols that start without TLS.

SMTP and LMTP (RFC 3207), IMAP (RFC 9051 6.2.1), POP3 (RFC 2595 4), FTP (RFC 4217), NNTP (RFC 4642), ManageSieve (RFC
5804 2.2), LDAP (RFC 4511 4.14), XMPP (RFC 6120 5), PostgreSQL and MySQL (their manuals). Text that arrives together
with the server's consent is refused: it could have been inserted to pass for text from within TLS.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Callable
from xml.sax.saxutils import quoteattr

from puretls.cli.dialogue import Dialogue
from puretls.cli.failure import Failure, reason
from puretls.cli.text import decoded

POSTGRES_SSL_REQUEST = struct.pack("!II", 8, 80877103)
MYSQL_SSL = 0x0800  # CLIENT_SSL
MYSQL_SSL_REQUEST = struct.pack("<IIB23x", MYSQL_SSL | 0x8200, 1 << 24, 45)  # of protocol 4.1, utf8mb4
LDAP_START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"
LDAP_SUCCESS = re.compile(rb"\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....)\x0a\x01\x00", re.DOTALL)
XMPP_STREAM = (
    "<?xml version='1.0'?><stream:stream to={} version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
XMPP_FEATURES = re.compile(rb"</stream:features\s*>|<stream:features\s*/>|</stream:stream\s*>")
XMPP_ANSWER = re.compile(rb"<proceed\b[^<>]*(?:/>|></proceed\s*>)|</(?:failure|stream:stream)\s*>|<failure\b[^<>]*/>")


def start(protocol: str, sock: socket.socket, timeout: float, host: str = "") -> None:
    """Run the protocol up to the point where TLS begins; Failure if the server refuses."""
    talk = Dialogue(protocol, sock, timeout, host)
    try:
        DIALOGUES[protocol](talk)
    except OSError as error:
        raise Failure(f"STARTTLS ({protocol}): {reason(error)}") from None
    if talk.unread:
        raise talk.failure(f"clear text behind the consent, as if it were from within TLS: {decoded(talk.unread)}")
    sock.settimeout(timeout)


def _smtp(talk: Dialogue, hello: str = "EHLO") -> None:
    talk.reply(b"220")
    talk.say(f"{hello} {_address_literal(talk.sock)}")
    offered = [line[4:].upper().split()[:1] for line in talk.reply(b"250")]
    if [b"STARTTLS"] not in offered:
        raise talk.failure("the server does not offer it")
    talk.say("STARTTLS")
    talk.reply(b"220")


def _lmtp(talk: Dialogue) -> None:
    _smtp(talk, "LHLO")


def _address_literal(sock: socket.socket) -> str:
    """Who we are, for want of a name (RFC 5321 4.1.3)."""
    try:
        address = ipaddress.ip_address(str(sock.getsockname()[0]).partition("%")[0])
    except (ValueError, IndexError):  # a socket of another kind
        return "localhost"
    return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"


def _imap(talk: Dialogue) -> None:
    greeting = talk.line()
    if not greeting.upper().startswith(b"* OK"):  # PREAUTH has no way to TLS, BYE none at all
        raise talk.refusal(greeting)
    talk.say("a1 STARTTLS")
    while not (line := talk.line()).lower().startswith(b"a1 "):
        if not line.startswith(b"* "):
            raise talk.refusal(line)
    if not line.upper().startswith(b"A1 OK"):
        raise talk.refusal(line)


def _pop3(talk: Dialogue) -> None:
    for command in (None, "STLS"):
        if command:
            talk.say(command)
        line = talk.line()
        if not line.upper().startswith(b"+OK"):
            raise talk.refusal(line)


def _ftp(talk: Dialogue) -> None:
    talk.reply(b"220")
    talk.say("AUTH TLS")
    talk.reply(b"234")


def _nntp(talk: Dialogue) -> None:
    talk.reply(b"20")
    talk.say("STARTTLS")
    talk.reply(b"382")


def _sieve(talk: Dialogue) -> None:
    for command in (None, "STARTTLS"):
        if command:
            talk.say(command)
        while (line := talk.line()).startswith(b'"'):  # what the server can do
            pass
        if not line.upper().startswith(b"OK"):
            raise talk.refusal(line)


def _postgres(talk: Dialogue) -> None:
    talk.send(POSTGRES_SSL_REQUEST)
    answer = talk.take(1)
    if answer == b"N":
        raise talk.failure("the server has TLS switched off")
    if answer != b"S":
        raise talk.refusal(answer + talk.unread)


def _mysql(talk: Dialogue) -> None:
    size = int.from_bytes(talk.take(4)[:3], "little")
    greeting = talk.take(size)
    version, _, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or len(rest) < 15:
        raise talk.refusal(greeting)
    if not int.from_bytes(rest[13:15], "little") & MYSQL_SSL:
        raise talk.failure(f"the server ({decoded(version)}) has TLS switched off")
    talk.send(len(MYSQL_SSL_REQUEST).to_bytes(3, "little") + b"\x01" + MYSQL_SSL_REQUEST)


def _ldap(talk: Dialogue) -> None:
    talk.send(LDAP_START_TLS)
    tag, size = talk.take(2)
    if tag != 0x30 or size == 0x80:
        raise talk.refusal(bytes((tag, size)) + talk.unread)
    answer = talk.take(int.from_bytes(talk.take(size & 0x7F), "big") if size & 0x80 else size)
    if not LDAP_SUCCESS.match(answer):
        raise talk.refusal(answer)


def _xmpp(talk: Dialogue) -> None:
    talk.send(XMPP_STREAM.format(quoteattr(talk.host)).encode())
    features = talk.until(XMPP_FEATURES)
    if b"</stream:stream" in features:
        raise talk.refusal(features)
    if b"urn:ietf:params:xml:ns:xmpp-tls" not in features:
        raise talk.failure("the server does not offer it")
    talk.send(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    answer = talk.until(XMPP_ANSWER)
    if not answer.lstrip().startswith(b"<proceed"):
        raise talk.refusal(answer)


DIALOGUES: dict[str, Callable[[Dialogue], None]] = {
    "smtp": _smtp,
    "lmtp": _lmtp,
    "imap": _imap,
    "pop3": _pop3,
    "sieve": _sieve,
    "ftp": _ftp,
    "nntp": _nntp,
    "ldap": _ldap,
    "xmpp": _xmpp,
    "postgres": _postgres,
    "mysql": _mysql,
}
PORTS = {
    "smtp": 25,
    "lmtp": 24,
    "imap": 143,
    "pop3": 110,
    "sieve": 4190,
    "ftp": 21,
    "nntp": 119,
    "ldap": 389,
    "xmpp": 5222,
    "postgres": 5432,
    "mysql": 3306,
}
