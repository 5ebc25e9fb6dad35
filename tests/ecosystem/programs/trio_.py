"""trio: SSLStream and its listener, with trio's own BIOs."""

import kit

import trio


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
kit.done("client", "server")
