"""As much of a mail server as a client needs to send one message after STARTTLS (RFC 3207)."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from support import PATIENCE


class MailHandler(socketserver.StreamRequestHandler):
    timeout = PATIENCE

    def handle(self) -> None:
        self.say("220 mail.example.org")
        while verb := self.rfile.readline().split(maxsplit=1):
            encrypted = hasattr(self.request, "version")
            if verb[0].upper() == b"EHLO":
                self.say("250-mail.example.org\r\n250 " + ("8BITMIME" if encrypted else "STARTTLS"))
            elif verb[0].upper() == b"STARTTLS":
                self.say("220 go ahead")
                server: Any = self.server
                self.request = server.context.wrap_socket(self.request, server_side=True)
                self.setup()
            elif verb[0].upper() == b"QUIT":
                return self.say("221 bye")
            elif not encrypted:
                self.say("530 STARTTLS first")
            elif verb[0].upper() == b"DATA":
                self.say("354 end with a dot")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                self.say("250 taken")
            else:
                self.say("250 fine")
        return None

    def finish(self) -> None:
        super().finish()
        self.request.close()  # the server knows only the socket from before STARTTLS

    def say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")


@contextmanager
def mail_server(context: Any) -> Iterator[int]:
    """Its port, for the length of a block."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailHandler) as server:
        server.daemon_threads = True
        server.context = context  # type: ignore[attr-defined]
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
