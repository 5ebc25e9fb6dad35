"""Files of a directory over HTTPS: nothing outside of it, nothing hidden, nothing that is not a file.

What Python's own SimpleHTTPRequestHandler does with a path is kept (types, If-Modified-Since, index.html); before that,
the path is followed to where it really leads, so that no `..`, no link and no trick of spelling gets out.
"""

from __future__ import annotations

import html
import io
import os
import re
import socket
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from string import Template
from time import strftime
from typing import Any
from urllib.parse import quote, unquote

from puretls.cli.failure import reason
from puretls.cli.https import HttpsHandler, HttpsServer
from puretls.cli.observe import negotiated
from puretls.cli.text import printable

TEMPLATE = Template(files("puretls.cli").joinpath("listing.html").read_text("utf-8"))
RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
CHUNK = 1 << 18
HOST = re.compile(rb"\r\nhost:[ \t]*([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?[ \t]*\r\n", re.IGNORECASE)
TEXTUAL = ("application/javascript", "application/json", "application/xml", "image/svg+xml")
INDEX = ("index.html", "index.htm")
WELL_KNOWN = ".well-known"  # RFC 8615: hidden by its name only
DISTRUST = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN")  # what clients say of an issuer they do not know


class StaticServer(HttpsServer):
    """A server for a directory, with a line on the terminal for each request, and for each client that fails
    before it.
    """

    def __init__(
        self,
        context: Any,
        host: str,
        port: int,
        root: Path,
        *,
        listing: bool = True,
        hidden: bool = False,
        hint: str = "",
    ) -> None:
        self.root, self.listing, self.hidden, self.hint = root.resolve(), listing, hidden, hint
        super().__init__(context, host, port, StaticHandler)

    def note(self, client_address: Any, text: str) -> None:
        """One line of the log."""
        with suppress(OSError):  # who read the log has left; the files are still served
            print(f"{strftime('%H:%M:%S')} {client_address[0]} {text}", flush=True)

    def left(self, client_address: Any, error: OSError) -> None:
        """Log why a client has gone."""
        name = getattr(error, "reason", None) or ""
        why = reason(error)
        if name.endswith(DISTRUST) and "ALERT" in name:
            why = f"the client does not trust our CA: alert {name.partition('_ALERT_')[2].lower()}{self.hint}"
        elif name == "HTTP_REQUEST":
            why = "the client speaks plain HTTP: the address begins with https://"
        self.note(client_address, f"- {why}")

    def refused(self, client_address: Any) -> None:
        """Log that there were too many clients."""
        self.note(client_address, "- refused: too many connections at once")

    def handshake(self, tls: Any, client_address: Any) -> None:
        """A client that speaks plain HTTP is told where to go, in plain HTTP."""
        if socket.socket.recv(tls, 1, socket.MSG_PEEK).isalpha():  # a method; TLS begins with 22
            asked = socket.socket.recv(tls, CHUNK)
            socket.socket.sendall(tls, moved(asked, self.server_port))
            raise PlainHttp("plain HTTP")
        super().handshake(tls, client_address)


class PlainHttp(OSError):
    """A client has not begun TLS."""

    reason = "HTTP_REQUEST"


def moved(asked: bytes, port: int) -> bytes:
    """An answer to a request of plain HTTP: the address to ask instead (RFC 9110 15.4.8)."""
    found = HOST.search(asked)
    host = found[1].decode("ascii") if found else "localhost"
    line = re.match(r"[A-Z]+ (/[\x21-\x7e]{0,2000}) HTTP/1", asked.decode("latin-1"))
    url = f"https://{host}{'' if port == 443 else f':{port}'}{line[1] if line else '/'}"
    body = f"This server speaks HTTPS: {url}\n"
    head = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {url}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    return f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode("ascii")


class StaticHandler(HttpsHandler, SimpleHTTPRequestHandler):
    """GET and HEAD."""

    server: StaticServer
    size = "-"
    in_parts = other_method = False  # of this answer: whether parts may be asked for, whether the method is not ours

    def __init__(self, request: Any, client_address: Any, server: StaticServer) -> None:
        super().__init__(request, client_address, server, directory=str(server.root))

    def send_head(self) -> Any:
        """The file, the listing, or not found."""
        self.length: int | None = None  # of the part that is asked for
        self.in_parts = False
        if not all(map(self.allowed, self.candidates())):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        path = Path(self.translate_path(self.path))
        self.in_parts = path.is_file()
        span = RANGE.fullmatch(self.headers.get("Range", ""))
        if span and any(span.groups()) and "If-Range" not in self.headers and self.in_parts:
            return self.part(path, *span.groups())
        return super().send_head()

    def part(self, path: Path, first: str, last: str) -> Any:
        """A part of a file (RFC 9110 14): what players of films, and downloads that were cut, ask for."""
        try:
            file = path.open("rb")
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        about = os.fstat(file.fileno())
        start = int(first) if first else max(about.st_size - int(last), 0)
        stop = min(int(last) + 1, about.st_size) if first and last else about.st_size
        if start >= stop:
            file.close()
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{about.st_size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        self.length = stop - start
        file.seek(start)
        self.send_response(HTTPStatus.PARTIAL_CONTENT)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{about.st_size}")
        self.send_header("Content-Length", str(self.length))
        self.send_header("Last-Modified", self.date_time_string(int(about.st_mtime)))
        self.end_headers()
        return file

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """The file, or the part of it."""
        if self.length is None:
            super().copyfile(source, outputfile)
        else:
            while self.length and (data := source.read(min(self.length, CHUNK))):
                outputfile.write(data)
                self.length -= len(data)

    def refuse(self) -> None:
        """A method that changes something, or asks for something else (RFC 9110 15.5.6)."""
        self.other_method = True
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        self.other_method = False

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = refuse  # noqa: N815 - http.server's naming

    def guess_type(self, path: Any) -> str:
        """By the name; text in UTF-8 is said to be that, and the browser need not guess."""
        kind = super().guess_type(path)
        if kind.startswith("text/") or kind in TEXTUAL:
            try:
                with Path(path).open("rb") as file:
                    getincrementaldecoder("utf-8")().decode(file.read(CHUNK))
            except (OSError, ValueError):
                return kind
            kind += "; charset=utf-8"
        return kind

    def candidates(self) -> Iterator[Path]:
        """What may be opened for this request: the path, and the index of a directory."""
        path = Path(self.translate_path(self.path))
        yield path
        yield from (path / index for index in INDEX)

    def allowed(self, path: Path) -> bool:
        """Whether it is below the root, and may be shown; what does not exist may be said not to."""
        try:
            real = path.resolve()
            inside = real.relative_to(self.server.root)
            shown = self.server.hidden or not any(
                map(hidden, (*inside.parts, *path.relative_to(self.server.root).parts))
            )
            return shown and (real.is_file() or real.is_dir() or not real.exists())
        except (OSError, RuntimeError, ValueError):  # outside, a circle of links, a name that no file can have
            return False

    def list_directory(self, path: Any) -> Any:
        """The directory as a page."""
        if not self.server.listing:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        try:
            shown = [entry for entry in Path(path).iterdir() if self.allowed(entry)]
            entries = sorted(shown, key=lambda entry: (not entry.is_dir(), entry.name.casefold()))
        except OSError:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        rows = [row("../", "", "")] if Path(path).resolve() != self.server.root else []
        rows += map(described, entries)
        facts = negotiated(self.connection)
        foot = ", ".join(facts[name] for name in ("version", "suite", "group"))
        title = printable(unquote(self.path.partition("?")[0], errors="replace"))
        page = TEMPLATE.substitute(title=html.escape(title), rows="\n".join(rows), foot=html.escape(foot))
        body = page.encode("utf-8", "backslashreplace")
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        return io.BytesIO(body)

    def end_headers(self) -> None:
        """Header fields: browsers must not guess types, nor cache pages that are under development."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        if self.other_method:
            self.send_header("Allow", "GET, HEAD")
        elif self.in_parts:
            self.send_header("Accept-Ranges", "bytes")
        super().end_headers()

    def log_request(self, code: Any = "-", _size: Any = "-") -> None:
        """One line a request: who, what, how it went."""
        who = self.connection.getpeercert()
        names = [value for part in (who or {}).get("subject", ()) for kind, value in part if kind == "commonName"]
        status = int(code) if isinstance(code, HTTPStatus) else code
        client = f" ({printable(names[0])})" if names else ""
        self.server.note(self.client_address, f"{printable(self.requestline, 200)} {status}{client}")

    def log_message(self, *_arguments: Any) -> None:
        """Log nothing else."""


def hidden(name: str) -> bool:
    """Whether a name marks a file as hidden."""
    return name.startswith(".") and name != WELL_KNOWN


def described(entry: Path) -> str:
    """A line of the listing."""
    try:
        about, folder = entry.stat(), entry.is_dir()
    except OSError:
        return ""
    when = datetime.fromtimestamp(about.st_mtime, timezone.utc).strftime("%Y-%m-%d %H:%M")
    return row(entry.name + "/" * folder, "" if folder else f"{about.st_size:,}", when)


def row(name: str, size: str, when: str) -> str:
    """Name, size, time; the link is relative, and cannot be taken for an address of elsewhere."""
    link = quote("./" + name, errors="surrogatepass")
    return f'<tr><td><a href="{link}">{html.escape(printable(name))}</a></td><td>{size}</td><td>{when}</td></tr>'
