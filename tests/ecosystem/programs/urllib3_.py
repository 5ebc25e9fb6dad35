"""urllib3: pools with a CA file or a context of ours, a proxy with TLS inside TLS, and its hint for plain HTTP."""

import kit

import contextlib
import socket
import threading

import urllib3
from urllib3.util import ssl_

pool = urllib3.PoolManager(retries=False, **({"ca_certs": kit.CA} if kit.INJECTED else {"ssl_context": kit.client()}))
if kit.MODE in {"injected", "late"}:
    assert ssl_.SSLContext is kit.puretls.SSLContext
    assert type(ssl_.create_urllib3_context()) is kit.puretls.SSLContext


def request(url, body=None, timeout=kit.PATIENCE):
    return pool.request("POST" if body else "GET", url, body=body, timeout=timeout).data


kit.check_http_client(request, urllib3.exceptions.SSLError, urllib3.exceptions.TimeoutError)


def relay(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # unlike close(), it wakes who is reading


def proxy(listener, context):
    """An HTTPS proxy: CONNECT inside TLS, then another TLS inside that."""
    with context.wrap_socket(listener.accept()[0], server_side=True) as inside:
        head = b""
        while b"\r\n\r\n" not in head:
            head += inside.recv(4096)
        port = int(head.split()[1].split(b":")[1])
        inside.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection(("127.0.0.1", port)) as outside:
            back = threading.Thread(target=relay, args=(outside, inside), daemon=True)
            back.start()
            relay(inside, outside)
            back.join(kit.PATIENCE)


with socket.create_server(("127.0.0.1", 0)) as listener, kit.site() as port:
    thread = threading.Thread(target=proxy, args=(listener, kit.server(kit.other)), daemon=True)
    thread.start()
    through = urllib3.ProxyManager(
        f"https://localhost:{listener.getsockname()[1]}",
        retries=False,
        ssl_context=kit.client(),
        proxy_ssl_context=kit.client(),
    )
    response = through.request(
        "POST", f"https://localhost:{port}/echo", body=kit.BIG, timeout=kit.PATIENCE, headers={"Connection": "close"}
    )
    assert response.data == kit.BIG
    through.clear()
    thread.join(kit.PATIENCE)


def plain(listener):
    with listener.accept()[0] as sock:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


with socket.create_server(("127.0.0.1", 0)) as listener:  # "your proxy speaks HTTP": found by the error's text
    threading.Thread(target=plain, args=(listener,), daemon=True).start()
    through = urllib3.ProxyManager(
        f"https://localhost:{listener.getsockname()[1]}", retries=False, proxy_ssl_context=kit.client()
    )
    with kit.raises(urllib3.exceptions.ProxyError, "Your proxy appears to only use HTTP and not HTTPS"):
        through.request("GET", "https://localhost:1/", timeout=kit.PATIENCE)
pool.clear()
kit.done("client")
