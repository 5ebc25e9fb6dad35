"""hypercorn on asyncio and on trio; HTTP/2 is in httpx_.py."""

import kit

import asyncio
import threading

import hypercorn.asyncio
import hypercorn.config
import hypercorn.trio
import trio


class Config(hypercorn.config.Config):
    def create_ssl_context(self):
        return super().create_ssl_context() if kit.INJECTED else kit.server()


def served(run):
    config, port = Config(), kit.free_port()
    config.bind, config.certfile, config.keyfile = [f"127.0.0.1:{port}"], kit.chain(), kit.key()
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(config, stop))
    thread.start()
    try:
        kit.check_http_server(port)
    finally:
        stop.set()
        thread.join(kit.PATIENCE)


def on_asyncio(config, stop):
    async def stopped():
        while not stop.is_set():
            await asyncio.sleep(0.05)

    asyncio.run(hypercorn.asyncio.serve(kit.asgi, config, shutdown_trigger=stopped))


def on_trio(config, stop):
    async def stopped():
        while not stop.is_set():
            await trio.sleep(0.05)

    async def main():
        await hypercorn.trio.serve(kit.asgi, config, shutdown_trigger=stopped)

    trio.run(main)


served(on_asyncio)
served(on_trio)
kit.done("server")
