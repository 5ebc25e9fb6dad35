"""http.server, http.client, urllib, xmlrpc, logging's HTTP handler, socketserver: the rest of the standard library."""

import kit

import http.client
import logging
import logging.handlers
import queue
import socket
import socketserver
import threading
import urllib.error
import urllib.request
import xmlrpc.client
import xmlrpc.server

with kit.site(kit.server()) as port:  # http.server on ours
    kit.check_http_server(port)


def with_client(url, body=None, timeout=kit.PATIENCE):
    host = url.split("/")[2]
    connection = http.client.HTTPSConnection(host, context=None if kit.INJECTED else kit.client(), timeout=timeout)
    connection.request("POST" if body else "GET", url.partition(host)[2], body)
    return connection.getresponse().read()


def with_urllib(url, body=None, timeout=kit.PATIENCE):
    with urllib.request.urlopen(url, body, timeout, context=None if kit.INJECTED else kit.client()) as response:
        return response.read()


kit.check_http_client(with_client, kit.tls.SSLCertVerificationError, TimeoutError)
kit.check_http_client(with_urllib, urllib.error.URLError, TimeoutError)


class Calls(xmlrpc.server.SimpleXMLRPCServer):
    """XML-RPC over TLS: the listening socket is wrapped, and accept() does the handshake."""

    def __init__(self, context):
        super().__init__(("127.0.0.1", 0), logRequests=False)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.register_function(lambda *numbers: sum(numbers), "add")
        self.register_function(lambda data: xmlrpc.client.Binary(data.data[::-1]), "reverse")

    def handle_error(self, *_):
        pass


for server, client in ((kit.server(kit.other), kit.client()), (kit.server(), kit.client(kit.other))):
    with Calls(server) as calls, kit.running(calls):
        url = f"https://localhost:{calls.server_address[1]}"
        with xmlrpc.client.ServerProxy(url, context=client) as proxy:
            assert proxy.add(1, 2, 3) == 6
            assert proxy.reverse(xmlrpc.client.Binary(kit.BIG)).data == kit.BIG[::-1]
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            xmlrpc.client.ServerProxy(url, context=kit.client(trusts=False)).add(1)
        with kit.raises(xmlrpc.client.Fault):
            xmlrpc.client.ServerProxy(url, context=client).add("a", 1)


class Records(socketserver.StreamRequestHandler):
    def handle(self):
        while line := self.rfile.readline():
            got.put(line)


class TlsServer(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def get_request(self):
        sock, address = super().get_request()
        return kit.server(kit.other).wrap_socket(sock, server_side=True), address


class TlsHandler(logging.handlers.SocketHandler):
    """The usual recipe: makeSocket() gives a TLS socket."""

    def makeSocket(self, timeout=kit.PATIENCE):
        plain = socket.create_connection((self.host, self.port), timeout)
        return kit.client().wrap_socket(plain, server_hostname=self.host)

    def makePickle(self, record):
        return self.format(record).encode() + b"\n"


got = queue.Queue()
log = logging.getLogger("ecosystem")
log.propagate = False
log.setLevel(logging.INFO)
with TlsServer(("127.0.0.1", 0), Records) as collector, kit.running(collector):
    handler = TlsHandler("localhost", collector.server_address[1])
    log.addHandler(handler)
    for number in range(100):
        log.info("record %d", number)
    assert [got.get(timeout=kit.PATIENCE) for _ in range(100)] == [b"record %d\n" % n for n in range(100)]
    log.removeHandler(handler)
    handler.close()

with kit.site() as port:
    arrived = threading.Event()
    handler = logging.handlers.HTTPHandler(
        f"localhost:{port}", "/", "POST", secure=True, context=kit.client(), credentials=("a", "b")
    )
    handler.handleError = lambda _record: arrived.clear()
    arrived.set()
    log.addHandler(handler)
    log.info("one more")
    assert arrived.is_set(), "the handler had an error to handle"
kit.done("client", "server")
