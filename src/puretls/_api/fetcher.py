"""Fetching issuers' certificates from the URLs in certificates, for `SSLContext.aia = True`.

The URLs come from a server that has proven nothing.  So the fetcher speaks only HTTP without TLS, to public addresses,
which it checks itself before it connects to them; follows one redirect, with the same checks; sends no credentials; and
takes at most three seconds and 64 KiB.  Results, good and bad, are kept for the whole process.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from concurrent.futures import Future
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

from puretls._api.forks import Forks
from puretls._base.locks import new_lock
from puretls._base.recent import Recent

SECONDS = 3.0  # for all of it
MOST = 64 << 10  # bytes of an answer
MOST_HEADERS = 8 << 10
REDIRECTS = 1
MOST_THREADS = 8  # that fetch at the same time; further requests fail
GOOD, BAD = 24 * 3600.0, 300.0  # seconds for which an answer, or a failure, is kept
REMEMBERED = 256  # URLs
MOVED = (301, 302, 303, 307, 308)
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in it

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(OSError):
    """A URL that is not fetched, or an answer that is not accepted."""


class _Pool:
    """What is being fetched in this process, and what is kept, by URL and whether private addresses are allowed."""

    def __init__(self) -> None:
        self.lock = new_lock()
        self.running: dict[tuple[str, bool], Future[bytes]] = {}
        self.forks = Forks.count  # a forked child has none of the threads
        self.known: Recent[tuple[str, bool], tuple[float, bytes | None]] = Recent(REMEMBERED)


_pool = _Pool()


def fetch(url: str, *, private: bool) -> bytes | Future[bytes]:
    """The bytes at this URL, or a promise of them; Refused, or a promise of an OSError, if there are none."""
    pool, key = _pool, (url, private)
    found = pool.known.get(key)
    if found is not None and monotonic() < found[0]:
        if found[1] is None:
            raise Refused(f"{url}: there was nothing a short while ago")
        return found[1]
    promise: Future[bytes] = Future()
    with pool.lock:
        if pool.forks != Forks.count:
            pool.running, pool.forks = {}, Forks.count
        running = pool.running.get(key)
        if running is not None:
            return running
        if len(pool.running) >= MOST_THREADS:
            raise Refused(f"{url}: {MOST_THREADS} others are being fetched")
        pool.running[key] = promise
    promise.set_running_or_notify_cancel()  # cannot be cancelled, as others may wait for it
    deadline = monotonic() + SECONDS
    watch = threading.Timer(SECONDS, _expire, (pool, key, promise))  # looking up a name cannot be interrupted
    worker = threading.Thread(
        target=_work, args=(pool, key, promise, deadline, watch), name="puretls issuer", daemon=True
    )
    watch.daemon = True
    try:
        watch.start()
        worker.start()
    except RuntimeError as error:  # no more threads
        watch.cancel()
        _settle(pool, key, promise, None, Refused(f"{url}: {error}"))
    return promise


def _work(pool: _Pool, key: tuple[str, bool], promise: Future[bytes], deadline: float, watch: threading.Timer) -> None:
    url, private = key
    data, why = None, None
    try:
        data = get(url, private=private, deadline=deadline)
    except (OSError, ValueError) as error:
        why = error if isinstance(error, OSError) else Refused(f"{url}: {error}")
    watch.cancel()
    _settle(pool, key, promise, data, why)


def _expire(pool: _Pool, key: tuple[str, bool], promise: Future[bytes]) -> None:
    _settle(pool, key, promise, None, TimeoutError(f"{key[0]}: no answer within {SECONDS:g} s"))


def _settle(
    pool: _Pool, key: tuple[str, bool], promise: Future[bytes], data: bytes | None, why: OSError | None
) -> None:
    """End a fetch: the first call sets its result and keeps it, later ones do nothing."""
    with pool.lock:
        if pool.running.get(key) is not promise:
            return
        del pool.running[key]
        pool.known.put(key, (monotonic() + (BAD if data is None else GOOD), data))
    if data is None:
        promise.set_exception(why or Refused(key[0]))
    else:
        promise.set_result(data)


# HTTP


def get(url: str, *, private: bool, deadline: float) -> bytes:
    """The body of the response to GET; OSError or ValueError if there is none that is accepted."""
    for _ in range(REDIRECTS + 1):
        status, headers, body = _ask(url, private=private, deadline=deadline)
        if status == 200:
            return body
        if status not in MOVED or "location" not in headers:
            raise Refused(f"{url}: status {status}")
        url = urljoin(url, headers["location"])
    raise Refused(f"{url}: one redirect too many")


def _ask(url: str, *, private: bool, deadline: float) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.username is not None or parts.password is not None:
        raise Refused(f"{url}: not a plain http URL")
    if any(c <= " " or c > "~" for c in url):
        raise Refused("the URL has characters that are none of a URL")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port or 80
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    request = (
        f"GET {target} HTTP/1.0\r\nHost: {host}{'' if port == 80 else f':{port}'}\r\n"
        "Accept: application/pkix-cert, application/pkcs7-mime, */*;q=0.1\r\nUser-Agent: puretls\r\n"
        "Connection: close\r\n\r\n"
    )
    with _connect(url, parts.hostname, port, private=private, deadline=deadline) as sock:
        sock.sendall(request.encode("ascii"))
        return _read(url, sock, deadline)


def _connect(url: str, host: str, port: int, *, private: bool, deadline: float) -> socket.socket:
    """A connection to the checked address, and not to the name, which could resolve to another one now."""
    why: OSError = Refused(f"{url}: it has no address")
    for family, kind, protocol, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not private and not is_public(str(place[0])):
            why = Refused(f"{url}: {place[0]} is not a public address (aia_private allows it)")
            continue
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(url, deadline))
            sock.connect(place)
        except OSError as error:
            sock.close()
            why = error
        else:
            return sock
    try:
        raise why
    finally:
        del why  # its traceback holds this frame


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet, also where IPv6 contains IPv4."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    inner: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        if "%" in text:  # a link's
            return False
        inner += [one for one in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())) if one is not None]
        if address in NAT64 or int(address) >> 32 == 0:  # and what once was for addresses of IPv4
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:  # which is none itself
            inner.remove(address)
    return all(one.is_global and not one.is_multicast for one in inner)


def _left(url: str, deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError(f"{url}: no answer within {SECONDS:g} s")
    return left


def _read(url: str, sock: Any, deadline: float) -> tuple[int, dict[str, str], bytes]:
    data = bytearray()
    status, headers = _head(url, sock, deadline, data)
    return status, headers, _body(url, sock, deadline, data, headers) if status == 200 else b""


def _head(url: str, sock: Any, deadline: float, data: bytearray) -> tuple[int, dict[str, str]]:
    """The status and the header fields of a response; what has come of the body stays in `data`."""
    while (end := data.find(b"\r\n\r\n")) < 0 and len(data) <= MOST_HEADERS:
        _more(url, sock, deadline, data)
    if not 0 <= end <= MOST_HEADERS:
        raise Refused(f"{url}: more than {MOST_HEADERS} bytes before the answer")
    first, *lines = bytes(data[:end]).decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if not words[0].startswith("HTTP/1.") or len(words) < 2 or not (words[1].isascii() and words[1].isdigit()):
        raise Refused(f"{url}: not HTTP")
    del data[: end + 4]
    return int(words[1][:3]), {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def _body(url: str, sock: Any, deadline: float, data: bytearray, headers: dict[str, str]) -> bytes:
    """The body, which begins in `data`: up to its length, or to the end of the connection."""
    if "transfer-encoding" in headers or headers.get("content-encoding", "identity") != "identity":
        raise Refused(f"{url}: encoded in a way that was not asked for")
    said = headers.get("content-length", "")
    size = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else None
    if size is not None and size > MOST:
        raise Refused(f"{url}: {size} bytes are too many")
    while size is None or len(data) < size:
        if not _more(url, sock, deadline, data, ending=size is None):
            break
        if len(data) > MOST:
            raise Refused(f"{url}: more than {MOST} bytes")
    return bytes(data if size is None else data[:size])


def _more(url: str, sock: Any, deadline: float, data: bytearray, *, ending: bool = False) -> bool:
    """Receive more; False at the end, if it may end here."""
    sock.settimeout(_left(url, deadline))
    piece = sock.recv(16 << 10)
    if not piece and not ending:
        raise Refused(f"{url}: the answer is cut off")
    data += piece
    return bool(piece)
