"""tornado: HTTP server and client, and IOStream.start_tls on a connection begun in clear text."""

import kit

import asyncio
import threading

import tornado.httpclient
import tornado.httpserver
import tornado.iostream
import tornado.simple_httpclient
import tornado.tcpserver
import tornado.web


class Main(tornado.web.RequestHandler):
    def get(self):
        self.finish(b"hello")

    def post(self):
        self.finish(self.request.body)


class Quiet(tornado.httpserver.HTTPServer):
    """Handshakes that fail are what the test wants."""


def serve(port, stop):
    async def main():
        server = Quiet(tornado.web.Application([(r"/.*", Main)]), ssl_options=kit.server())
        server.listen(port, "127.0.0.1")
        while not stop.is_set():
            await asyncio.sleep(0.05)
        server.stop()
        await server.close_all_connections()

    asyncio.run(main())


port, stop = kit.free_port(), threading.Event()
thread = threading.Thread(target=serve, args=(port, stop))
thread.start()
kit.check_http_server(port)
stop.set()
thread.join(kit.PATIENCE)


def request(url, body=None, timeout=kit.PATIENCE):
    async def main():
        client = tornado.simple_httpclient.SimpleAsyncHTTPClient(force_instance=True)
        options = {"ca_certs": kit.CA} if kit.INJECTED else {"ssl_options": kit.client()}
        response = await client.fetch(
            url, method="POST" if body else "GET", body=body, request_timeout=timeout, **options
        )
        client.close()
        return response.body

    return asyncio.run(main())


kit.check_http_client(request, kit.tls.SSLCertVerificationError, tornado.simple_httpclient.HTTPTimeoutError)


class Upgrading(tornado.tcpserver.TCPServer):
    async def handle_stream(self, stream, _address):
        assert await stream.read_until(b"\n") == b"STARTTLS\n"
        await stream.write(b"GO\n")
        secure = await stream.start_tls(True, kit.server(kit.other))
        await secure.write(await secure.read_bytes(len(kit.BIG)))
        secure.close()


async def upgraded():
    server = Upgrading()
    server.listen(port, "127.0.0.1")
    stream = await tornado.iostream.IOStream(kit.socket.socket()).connect(("127.0.0.1", port))
    await stream.write(b"STARTTLS\n")
    assert await stream.read_until(b"\n") == b"GO\n"
    secure = await stream.start_tls(False, kit.client(), server_hostname="localhost")
    await secure.write(kit.BIG)
    assert await secure.read_until_close() == kit.BIG
    server.stop()


kit.within_patience(upgraded())
kit.done("client", "server")
