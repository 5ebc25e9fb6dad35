"""gevent, patched first: client, server and pool of greenlets in one thread, none of which may stop the others."""

import gevent.monkey

gevent.monkey.patch_all()

import socket  # noqa: E402

import gevent  # noqa: E402
import gevent.pywsgi  # noqa: E402
import gevent.server  # noqa: E402
import kit  # noqa: E402


def echo(sock, _address):
    with sock:
        while data := sock.recv(65536):
            sock.sendall(data)


waiting: set[int] = set()  # who is in a recv() that will time out
together: list[int] = []  # how many were, whenever one more began


def exchange(port, context, number):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as sock:
        gevent.sleep(0.01)
        sender = gevent.spawn(sock.sendall, kit.BIG)
        got = bytearray()
        while len(got) < len(kit.BIG):
            got += sock.recv(65536)
        assert got == kit.BIG
        sender.join()
        sock.settimeout(kit.SHORT)
        waiting.add(number)
        together.append(len(waiting))
        with kit.raises(TimeoutError):
            sock.recv(1)
        waiting.discard(number)
    return number


class Server(gevent.server.StreamServer):
    """gevent's own server with a context of ours: its wrap_socket is the context's."""

    def wrap_socket_and_handle(self, client_socket, address):
        with kit.contextlib.suppress(OSError):
            super().wrap_socket_and_handle(client_socket, address)


server = Server(("127.0.0.1", 0), echo, ssl_context=kit.server())
server.start()
context = kit.client()
jobs = [gevent.spawn(exchange, server.server_port, context, n) for n in range(8)]
gevent.joinall(jobs, raise_error=True, timeout=kit.PATIENCE)
assert [job.value for job in jobs] == list(range(8))
assert max(together) > 1, "the time-outs ran one after the other"
for bad, host, texts in ((kit.client(trusts=False), "localhost", kit.UNTRUSTED), (context, "other.test", kit.MISMATCH)):
    with kit.raises(kit.tls.SSLCertVerificationError, *texts):
        bad.wrap_socket(socket.create_connection(("127.0.0.1", server.server_port)), server_hostname=host)
server.stop()

site = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), kit.wsgi, log=None, error_log=None, ssl_context=kit.server())
site.start()
kit.check_http_server(site.server_port)
site.stop()
kit.done("client", "server")
