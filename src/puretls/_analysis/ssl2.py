"""Does a server still answer SSL 2.0? Its hello and its answer have nothing in common with later ones.

The protocol's draft is Hickman's of 1995; RFC 6176 forbids it, and DROWN shows why: a server that speaks it lets
connections of TLS be decrypted that use the same RSA key.
"""

from __future__ import annotations

from puretls._analysis.probe import Alert, Answer, Hello, Nonsense, Silence

SSL2 = 0x0002
CIPHERS = {
    0x010080: "SSL_CK_RC4_128_WITH_MD5",
    0x020080: "SSL_CK_RC4_128_EXPORT40_WITH_MD5",
    0x030080: "SSL_CK_RC2_128_CBC_WITH_MD5",
    0x040080: "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5",
    0x050080: "SSL_CK_IDEA_128_CBC_WITH_MD5",
    0x060040: "SSL_CK_DES_64_CBC_WITH_MD5",
    0x0700C0: "SSL_CK_DES_192_EDE3_CBC_WITH_MD5",
}
CLIENT_HELLO, SERVER_HELLO = 1, 4
CHALLENGE = 16
FIXED = 11  # bytes of a SERVER-HELLO before what varies in length


def compose(random: bytes) -> bytes:
    """CLIENT-HELLO with all ciphers; of `random` it takes 16 bytes."""
    specs = b"".join(code.to_bytes(3, "big") for code in CIPHERS)
    sizes = b"".join(size.to_bytes(2, "big") for size in (SSL2, len(specs), 0, CHALLENGE))
    body = bytes((CLIENT_HELLO,)) + sizes + specs + random[:CHALLENGE]
    return (0x8000 | len(body)).to_bytes(2, "big") + body


class Reading:
    """The answer, as it arrives. A server of any later version answers with an alert of its own, or closes."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Answer | None:
        """Take in what has come. A Hello of version 2 says yes; `suite` is then the number of its ciphers."""
        self._data += data
        start = self._data
        if start[:1] == b"\x15":  # a record of a later version: an alert
            return Alert(start[6]) if len(start) >= 7 else None
        if len(start) < 2:
            return None
        header = 2 if start[0] & 0x80 else 3  # with padding in the longer form
        if len(start) < header + FIXED:
            return None
        body = start[header:]
        if body[0] != SERVER_HELLO or int.from_bytes(body[3:5], "big") != SSL2:
            return Nonsense("this is no SERVER-HELLO of SSL 2.0")
        return Hello(SSL2, int.from_bytes(body[7:9], "big") // 3)

    def end(self) -> Answer:
        """The server has closed."""
        return Silence("the server closed the connection")


def spoken(answer: Answer) -> bool:
    """Whether that was a yes."""
    return isinstance(answer, Hello)
