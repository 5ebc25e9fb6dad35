"""anyio: TLSStream on asyncio and on trio; it wraps in a worker thread and passes bytes as the host's name."""

import kit

import anyio
import anyio.streams.tls


async def echo(stream):
    try:
        async for data in stream:
            await stream.send(data)
        await stream.aclose()
    except (anyio.BrokenResourceError, anyio.EndOfStream):
        pass


async def check(server, client):
    listener = anyio.streams.tls.TLSListener(
        await anyio.create_tcp_listener(local_host="127.0.0.1"), server, standard_compatible=True
    )
    port = listener.listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)

        async def connect(context, host="localhost"):
            return await anyio.connect_tcp("127.0.0.1", port, ssl_context=context, tls_hostname=host)

        stream = await connect(client)
        assert stream.extra(anyio.streams.tls.TLSAttribute.tls_version) == "TLSv1.3"
        assert stream.extra(anyio.streams.tls.TLSAttribute.peer_certificate)
        tasks.start_soon(stream.send, kit.BIG)
        got = b""
        while len(got) < len(kit.BIG):
            got += await stream.receive()
        assert got == kit.BIG
        with kit.raises(TimeoutError), anyio.fail_after(kit.SHORT):
            await stream.receive()
        await stream.aclose()
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            await connect(kit.client(trusts=False))
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.MISMATCH):
            await connect(client, "elsewhere.test")
        tasks.cancel_scope.cancel()


for backend in ("asyncio", "trio"):
    anyio.run(check, kit.server(kit.other), kit.client(), backend=backend)
    anyio.run(check, kit.server(), kit.client(kit.other), backend=backend)
kit.done("client", "server")
