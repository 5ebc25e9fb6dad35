"""websockets: the asyncio and the threaded client and server."""

import kit

import asyncio
import threading

import websockets.asyncio.client
import websockets.asyncio.server
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server

LIMITS = {"max_size": None, "open_timeout": kit.PATIENCE}


async def shout(socket):
    async for message in socket:
        await socket.send(message.upper())


async def asynchronous(server, client):
    async with websockets.asyncio.server.serve(shout, "127.0.0.1", 0, ssl=server, **LIMITS) as serving:
        uri = f"wss://localhost:{serving.sockets[0].getsockname()[1]}"
        async with websockets.asyncio.client.connect(uri, ssl=client, **LIMITS) as socket:
            for size in (1, 1000, 300_000):
                await socket.send(b"x" * size)
                assert await socket.recv() == b"X" * size
            with kit.raises(asyncio.TimeoutError):
                await asyncio.wait_for(socket.recv(), kit.SHORT)
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            await websockets.asyncio.client.connect(uri, ssl=kit.client(trusts=False))
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.MISMATCH):
            await websockets.asyncio.client.connect(uri, ssl=client, server_hostname="elsewhere.test")


def shout_sync(socket):
    for message in socket:
        socket.send(message.upper())


def threaded(server, client):
    with websockets.sync.server.serve(shout_sync, "127.0.0.1", 0, ssl=server, **LIMITS) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        uri = f"wss://localhost:{serving.socket.getsockname()[1]}"
        with websockets.sync.client.connect(uri, ssl=client, **LIMITS) as socket:
            for size in (1, 1000, 300_000):
                socket.send(b"x" * size)
                assert socket.recv(kit.PATIENCE) == b"X" * size
            with kit.raises(TimeoutError):
                socket.recv(kit.SHORT)
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            websockets.sync.client.connect(uri, ssl=kit.client(trusts=False))
        serving.shutdown()


for server, client in ((kit.server(kit.other), kit.client()), (kit.server(), kit.client(kit.other))):
    kit.within_patience(asynchronous(server, client))
    threaded(server, client)
kit.done("client", "server")
