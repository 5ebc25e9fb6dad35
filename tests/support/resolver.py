"""A resolver for DNS over HTTPS (RFC 8484) that knows what a test has told it: for browsers, and for the recipe."""

from __future__ import annotations

import base64
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from support import until


def resolver(records: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    """A handler that answers questions for HTTPS records with these, by name; every name in .example is here.

    Who asks for the address of such a name as well gets that answer later: a browser does not wait long for the other.
    """
    told = set[str]()
    message = pytest.importorskip("dns.message", exc_type=ImportError)
    import dns.rdatatype
    import dns.rrset

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.answer(self.rfile.read(int(self.headers["Content-Length"])))

        def do_GET(self) -> None:
            encoded = self.path.partition("dns=")[2].partition("&")[0]
            self.answer(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))

        def answer(self, asked: bytes) -> None:
            query = message.from_wire(asked)
            reply = message.make_response(query)
            name, kind = str(query.question[0].name), query.question[0].rdtype
            if kind == dns.rdatatype.HTTPS and name in records:
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "HTTPS", records[name]))
            elif kind == dns.rdatatype.A and name.endswith(".example."):
                expected = {published for published in records if published.endswith(f"._https.{name}")}
                until(lambda: expected <= told, f"a question for {expected}")
                reply.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "127.0.0.1"))
            body = reply.to_wire()
            self.send_response(200)
            self.send_header("Content-Type", "application/dns-message")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            if kind == dns.rdatatype.HTTPS:
                told.add(name)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
