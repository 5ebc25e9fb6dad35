"""aiohttp: client and server; its ready-made default contexts, fingerprints, WebSocket."""

import kit

import asyncio
import contextlib
import hashlib

import aiohttp
import aiohttp.web


def arguments(**more):
    return more if kit.INJECTED else {"ssl": kit.client(), **more}


def request(url, body=None, timeout=kit.PATIENCE):
    async def main():
        limit = aiohttp.ClientTimeout(total=timeout)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request("POST" if body else "GET", url, data=body, **arguments()) as response,
        ):
            return await response.read()

    return asyncio.run(main())


kit.check_http_client(request, aiohttp.ClientConnectorCertificateError, asyncio.TimeoutError)


async def hello(_request):
    return aiohttp.web.Response(body=b"hello")


async def echo(request):
    return aiohttp.web.Response(body=await request.read())


async def talk(request):
    socket = aiohttp.web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


@contextlib.asynccontextmanager
async def serving(context):
    app = aiohttp.web.Application(client_max_size=1 << 24)
    app.add_routes(
        [aiohttp.web.get("/", hello), aiohttp.web.post("/echo", echo), aiohttp.web.get("/talk", talk)],
    )
    runner = aiohttp.web.AppRunner(app)
    await runner.setup()
    site = aiohttp.web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


async def main():
    async with serving(kit.server()) as port:
        await asyncio.to_thread(kit.check_http_server, port)
    async with serving(kit.server(kit.other)) as port, aiohttp.ClientSession() as session:
        url = f"https://localhost:{port}"
        async with session.ws_connect(f"{url}/talk", **arguments()) as socket:
            await socket.send_str("word")
            assert (await socket.receive_str()) == "WORD"
        der = kit.tls.PEM_cert_to_DER_cert(open(kit.chain()).read().partition("-----END")[0] + kit.tls.PEM_FOOTER)
        good = aiohttp.Fingerprint(hashlib.sha256(der).digest())
        if kit.INJECTED:
            async with session.get(url, ssl=good) as response:
                assert response.status == 200
            with kit.raises(aiohttp.ServerFingerprintMismatch):
                await session.get(url, ssl=aiohttp.Fingerprint(bytes(32)))
            async with session.get(url, ssl=False) as response:
                assert response.status == 200


kit.within_patience(main())
kit.done("client", "server")
