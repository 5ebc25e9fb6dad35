"""What a server has shown before the handshake was over, also if it is refused: its certificates, its OCSP response,
and whether it asks for our certificate.

A connection that fails has no chain to ask for (whether the server owns the certificate has not been shown by then),
but whoever wants to know why it was refused wants to see it.
"""

from __future__ import annotations

from typing import Any

from puretls import SSLContext, SSLError, verify_ocsp_response
from puretls._analysis.fields import About, Field
from puretls._analysis.messages import expanded, message
from puretls._base.registry import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_STATUS,
    COMPRESSED_CERTIFICATE,
    HANDSHAKE,
    TLS13,
)
from puretls.cli.text import printable

SHOWN = 6  # CAs on a screen; JSON has all of them
SHOWING = (CERTIFICATE, CERTIFICATE_STATUS, COMPRESSED_CERTIFICATE)
CERTIFICATES = {"cert_data": 3, "ASN.1Cert": 3}  # how the RFCs call one, and the bytes of its length


class Watched:
    """A context's `_msg_callback`: of the connection that was begun last, what its server has shown."""

    def __init__(self, context: SSLContext) -> None:
        self.begin()
        context._msg_callback = self  # ssl's own hook, which has no public name

    def begin(self) -> None:
        """Forget the previous connection, as another one begins."""
        self.chain: list[bytes] = []
        self.staple: bytes | None = None
        self.asked: dict[str, list[str]] | None = None  # for our certificate: the CAs whose are welcome

    def __call__(self, _tls: Any, direction: str, version: int, content: int, kind: int, data: bytes) -> None:
        if direction != "read" or content != HANDSHAKE:
            return
        whole = bytes(data)
        if kind == CERTIFICATE_REQUEST:
            nodes = [node for _, node in message(whole, About(min(TLS13, version))).walk()]
            self.asked = {"authorities": [node.value for node in nodes if node.name == "DistinguishedName"]}
        elif kind in SHOWING:
            if kind == COMPRESSED_CERTIFICATE:
                whole = expanded(whole) or b""
            for _, node in message(whole, About(min(TLS13, version))).walk():
                if node.name in CERTIFICATES:
                    self.chain.append(_content(whole, node))
                elif node.name == "response" and (kind == CERTIFICATE_STATUS or len(self.chain) == 1):
                    self.staple = _content(whole, node)


def _content(data: bytes, node: Field) -> bytes:
    """What is behind the three bytes of a field's length."""
    return data[node.start + 3 : node.end]


def asked_line(asked: dict[str, list[str]], *, sent: bool) -> str:
    """That our certificate was asked for, in words."""
    found = asked["authorities"]
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    whose = f", of {'; '.join(map(printable, found[:SHOWN]))}{more}" if found else ", of any CA"
    return f"our certificate{whose}{'' if sent else ' (--cert FILE sends one)'}"


def ocsp(response: bytes | None, chain: list[bytes]) -> dict[str, Any]:
    """What a stapled response says of the first certificate of a chain, for JSON: see docs/commands/connect.md."""
    facts: dict[str, Any] = {"stapled": response is not None}
    if response is None or not chain:
        return facts
    names = ("status", "reason", "this_update", "next_update", "revocation_time")
    facts |= dict.fromkeys((*names, "fault"))
    try:
        found = verify_ocsp_response(response, chain[0], chain[min(1, len(chain) - 1)])
    except SSLError as error:
        facts["fault"] = printable(str(getattr(error, "verify_message", "") or error)).rstrip(".")
        return facts
    for name in names:
        value = getattr(found, name)
        facts[name] = value.isoformat() if hasattr(value, "isoformat") else value
    return facts


def ocsp_line(facts: dict[str, Any]) -> str:
    """The same in words."""
    if not facts["stapled"]:
        return "no response stapled"
    if facts.get("fault"):
        return f"stapled, and not to be believed: {facts['fault']}"
    said = str(facts.get("status"))
    if facts.get("revocation_time"):
        said += f" since {facts['revocation_time'][:10]}" + (f" ({facts['reason']})" if facts["reason"] else "")
    until = f" until {facts['next_update'][:10]}" if facts.get("next_update") else ""
    return f"stapled: {said}, as of {(facts.get('this_update') or '')[:10]}{until}"
