"""Clients that resume by themselves under `puretls run --resume`: requests, httpx and aiohttp, without a line of it.

Each of them makes connections as it always does, several of them to one server.  The server counts sessions that are
resumed; with aiohttp and httpx in event loops as well.
"""

import asyncio

import kit
import puretls

import aiohttp
import httpx
import requests

puretls.inject_into_ssl(client_session_cache=True)  # as `puretls run --resume` does
VISITS = 4


def resumed(context) -> int:
    return context.session_stats()["hits"]


def with_requests(url) -> None:
    for _ in range(VISITS):
        assert requests.get(url, timeout=kit.PATIENCE, verify=kit.CA).text == "hello"  # a session and a context each


def with_httpx(url) -> None:
    for _ in range(VISITS):
        assert httpx.get(url, timeout=kit.PATIENCE, verify=kit.client()).text == "hello"


def with_httpx_in_a_loop(url) -> None:
    async def main() -> None:
        for _ in range(VISITS):
            async with httpx.AsyncClient(verify=kit.client(), timeout=kit.PATIENCE) as session:
                assert (await session.get(url)).text == "hello"

    asyncio.run(main())


def with_aiohttp(url) -> None:
    async def main() -> None:
        for _ in range(VISITS):
            async with aiohttp.ClientSession() as session, session.get(url, ssl=kit.client()) as answer:
                assert await answer.text() == "hello"

    asyncio.run(main())


for visit in (with_requests, with_httpx, with_httpx_in_a_loop, with_aiohttp):
    for version in (kit.tls.TLSVersion.TLSv1_2, kit.tls.TLSVersion.TLSv1_3):
        context = kit.server()
        context.maximum_version = version
        with kit.site(context) as port:
            visit(f"https://localhost:{port}/")
        assert resumed(context) >= VISITS - 1, (visit.__name__, version, context.session_stats())

kit.done("client")
