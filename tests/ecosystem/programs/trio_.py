"""trio: SSLStream and its listener, with trio's own BIOs; keys that answer later, which it waits for with a waker."""

import kit

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import threading

import trio
import trio.testing
from cryptography.hazmat.primitives.serialization import load_pem_private_key

import puretls


async def echo(stream):
    try:
        async for data in stream:
            await stream.send_all(data)
        await stream.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def check(server, client):
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(
            lambda task_status: trio.serve_ssl_over_tcp(
                echo, 0, server, host="127.0.0.1", https_compatible=False, task_status=task_status
            )
        )
        port = listeners[0].transport_listener.socket.getsockname()[1]

        async def connect(context, host="localhost"):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            secure = trio.SSLStream(stream, context, server_hostname=host)
            await secure.do_handshake()
            return secure

        stream = await connect(client)
        assert (stream.version(), stream.server_side, stream.server_hostname) == ("TLSv1.3", False, "localhost")
        assert stream.getpeercert()["subjectAltName"][0] == ("DNS", "localhost")
        nursery.start_soon(stream.send_all, kit.BIG)
        got = b""
        while len(got) < len(kit.BIG):
            got += await stream.receive_some()
        assert got == kit.BIG
        with kit.raises(trio.TooSlowError), trio.fail_after(kit.SHORT):
            await stream.receive_some()
        await stream.aclose()  # says goodbye and waits for the answer

        for context, host, texts in (
            (kit.client(trusts=False), "localhost", kit.UNTRUSTED),
            (client, "elsewhere.test", kit.MISMATCH),
        ):
            with kit.raises(trio.BrokenResourceError, *texts):
                await connect(context, host)
        inner = await connect(client)
        await inner.send_all(b"x")
        assert await inner.receive_some() == b"x"
        raw, rest = await inner.unwrap()
        assert rest == b""
        await raw.aclose()
        nursery.cancel_scope.cancel()


trio.run(check, kit.server(kit.other), kit.client())
trio.run(check, kit.server(), kit.client(kit.other))


# Keys that answer later


class Slow:
    """A key that other threads sign with, once `together` of them have been asked to."""

    def __init__(self, pool, together):
        self.inside = load_pem_private_key(Path(kit.key()).read_bytes(), None)
        self.public_key = self.inside.public_key
        self.pool = pool
        self.all_are_here = threading.Barrier(together)

    def sign(self, data, *how):
        def work():
            self.all_are_here.wait(kit.PATIENCE)
            return self.inside.sign(data, *how)

        return self.pool.submit(work)


async def shake(stream, context, **options):
    """A handshake over a trio stream that does not block the others: TLS by hand, with a waker."""
    incoming, outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, **options)
    token, answered = trio.lowlevel.current_trio_token(), trio.Event()
    connection.set_waker(lambda: token.run_sync_soon(answered.set))
    while True:
        try:
            connection.do_handshake()
        except puretls.SSLWantAnswerError:
            await answered.wait()
            answered = trio.Event()
        except puretls.SSLWantReadError:
            await stream.send_all(outgoing.read())
            incoming.write(await stream.receive_some(65536))
        else:
            await stream.send_all(outgoing.read())
            return connection


async def many(client, server, count):
    made = []

    async def one():
        near, far = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: shake(far, server, server_side=True))
            made.append(await shake(near, client, server_hostname="localhost"))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)
    assert len(made) == count


with ThreadPoolExecutor(20) as pool:
    key = Slow(pool, 20)  # they have to wait at once
    client = puretls.create_default_context(cafile=kit.CA)
    server = puretls.create_default_context(puretls.Purpose.CLIENT_AUTH)
    server.load_cert_chain(kit.chain(), key)
    trio.run(many, client, server, 20)
    key.all_are_here = threading.Barrier(1)
    trio.run(check, server, client)  # trio's own layer has no waker: it blocks, and works
kit.done("client", "server")
