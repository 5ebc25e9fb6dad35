"""httpx: sync, asyncio and trio; HTTP/1.1 here, and HTTP/2 against hypercorn."""

import kit

import asyncio
import threading

import httpx
import hypercorn.asyncio
import hypercorn.config
import trio


def context():
    return kit.client(alpn=["h2", "http/1.1"])


def request(url, body=None, timeout=kit.PATIENCE):
    with httpx.Client(verify=context(), timeout=timeout) as client:
        return client.request("POST" if body else "GET", url, content=body).content


async def arequest(url, body=None, timeout=kit.PATIENCE):
    async with httpx.AsyncClient(verify=context(), timeout=timeout) as client:
        return (await client.request("POST" if body else "GET", url, content=body)).content


kit.check_http_client(request, httpx.ConnectError, httpx.TimeoutException)
kit.check_http_client(lambda *args: asyncio.run(arequest(*args)), httpx.ConnectError, httpx.TimeoutException)
kit.check_http_client(lambda *args: trio.run(arequest, *args), httpx.ConnectError, httpx.TimeoutException)
if kit.INJECTED:  # with a context of its own making
    with kit.site() as port:
        httpx.get(f"https://localhost:{port}/", verify=kit.other.create_default_context())


class Config(hypercorn.config.Config):
    def create_ssl_context(self):
        return kit.server(kit.other, alpn=["h2"])


config, port = Config(), kit.free_port()
config.bind = [f"127.0.0.1:{port}"]
config.certfile, config.keyfile = kit.chain(), kit.key()
stop = threading.Event()


async def until_stopped():
    while not stop.is_set():
        await asyncio.sleep(0.05)


thread = threading.Thread(
    target=lambda: asyncio.run(hypercorn.asyncio.serve(kit.asgi, config, shutdown_trigger=until_stopped))
)
thread.start()
kit.wait_for_port(port)
with httpx.Client(http2=True, verify=context(), timeout=kit.PATIENCE) as client:
    for _ in range(3):
        response = client.post(f"https://localhost:{port}/echo", content=kit.BIG)
        assert (response.http_version, response.content) == ("HTTP/2", kit.BIG)


async def many():
    async with httpx.AsyncClient(http2=True, verify=context(), timeout=kit.PATIENCE) as client:
        answers = await asyncio.gather(*(client.get(f"https://localhost:{port}/{n}") for n in range(20)))
        assert {(r.http_version, r.content) for r in answers} == {("HTTP/2", b"hello")}


asyncio.run(many())
stop.set()
thread.join(kit.PATIENCE)
kit.done("client")
