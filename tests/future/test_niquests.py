"""niquests and urllib3-future on puretls: they take configurations of Encrypted Client Hello from the DNS themselves.

In an environment of their own (`make ecosystem`): urllib3-future puts itself in the place of urllib3.
"""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

import puretls
from support import PATIENCE, Pki
from support.encrypted import PUBLIC, SECRET, Site, listed, new_key
from support.resolver import resolver
from support.visits import visited

START = """
import sys
import puretls
puretls.inject_into_ssl()
ca, resolver, url = sys.argv[1:]
"""
NIQUESTS = """
import niquests
with niquests.Session(resolver=resolver) as session:
    for _ in range(2):
        print(session.get(url, verify=ca).text)
"""
NIQUESTS_ASYNC = """
import asyncio, niquests
async def main():
    async with niquests.AsyncSession(resolver=resolver) as session:
        for _ in range(2):
            print((await session.get(url, verify=ca)).text)
asyncio.run(main())
"""
URLLIB3_FUTURE = """
import urllib3_future
with urllib3_future.PoolManager(resolver=resolver, ca_certs=ca) as pool:
    for _ in range(2):
        print(pool.request("GET", url).data.decode())
"""
PROGRAMS = {"niquests": NIQUESTS, "niquests in an event loop": NIQUESTS_ASYNC, "urllib3-future": URLLIB3_FUTURE}


@pytest.mark.parametrize("known", [True, False], ids=["published", "GREASE"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_who_asks_the_dns(pki: Pki, program: str, known: bool) -> None:
    pytest.importorskip("niquests")
    key = new_key()
    own = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    record = f'1 . alpn="http/1.1" ech={base64.b64encode(listed(key)).decode()}'
    records = {f"{SECRET}.": record} if known else {}
    with visited(own, resolver(records)) as names, visited(Site(pki).server(key)) as site:
        asked = f"doh://127.0.0.1:{names.port}/dns-query?rfc8484=true&ca_certs={pki.ca}"
        argv = [sys.executable, "-c", START + PROGRAMS[program], pki.ca, asked, f"https://{SECRET}:{site.port}/page"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)
        assert done.stdout.count("<title>/page</title>") == 2, done.stderr[-3000:]
    expected = ("SUCCESS", PUBLIC) if known else ("GREASE", SECRET)
    assert [(visit.ech, visit.outer_name) for visit in site.seen] == [expected] * 2
    assert {visit.hello.server_name for visit in site.seen} == {SECRET}
