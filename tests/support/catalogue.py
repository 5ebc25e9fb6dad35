"""The programs of this folder, and in which ways each of them can be had: what docs/compatibility.md lists."""

from __future__ import annotations

from typing import NamedTuple

CLIENT = "injected late explicit"
BOTH = "injected explicit"
LOOPS = " injected+asyncio explicit+asyncio"  # what leaves TLS to the event loop, and brings its own
ANY_LOOP = LOOPS + " injected+uvloop explicit+uvloop"  # the same, in whichever loop there is


class Program(NamedTuple):
    """A file in programs/, what it imports, what else has to be installed, and the modes of kit.py."""

    file: str
    modules: str
    modes: str = BOTH
    servers: str = ""


PROGRAMS = (
    Program("requests_", "requests", CLIENT),
    Program("urllib3_", "urllib3", CLIENT),
    Program("truststore_", "truststore urllib3", "injected"),
    Program("pip_", "pip", "injected"),
    Program("httpx_", "httpx h2 trio hypercorn", CLIENT),
    Program("resuming_", "requests httpx aiohttp", "injected injected+asyncio injected+uvloop"),
    Program("aiohttp_", "aiohttp", CLIENT + ANY_LOOP),
    Program("websockets_", "websockets", CLIENT + ANY_LOOP),
    Program("asyncio_", "asyncio", CLIENT + LOOPS),
    Program("uvloop_", "uvloop", CLIENT + LOOPS),
    Program("trio_", "trio", CLIENT),
    Program("anyio_", "anyio trio", CLIENT),
    Program("gevent_", "gevent"),
    Program("eventlet_", "eventlet", "injected"),
    Program("uvicorn_", "uvicorn uvloop", BOTH + LOOPS),
    Program("hypercorn_", "hypercorn trio", BOTH + ANY_LOOP),
    Program("gunicorn_", "gunicorn"),
    Program("fleet_", "gunicorn redis uvicorn", "explicit", "redis-server"),
    Program("tornado_", "tornado", CLIENT),
    Program("cheroot_", "cheroot", CLIENT),
    Program("werkzeug_", "werkzeug"),
    Program("redis_", "redis", "injected late injected+asyncio injected+uvloop", "redis-server"),
    Program("asyncpg_", "asyncpg", CLIENT + ANY_LOOP, "postgres"),
    Program("pg8000_", "pg8000", CLIENT, "postgres"),
    Program("pymysql_", "pymysql", CLIENT, "mariadbd"),
    Program("paho_", "paho", CLIENT, "mosquitto"),
    Program("smtp_", "aiosmtpd aiosmtplib", CLIENT + ANY_LOOP),
    Program("ftplib_", "ftplib"),
    Program("mail_", "imaplib poplib"),
    Program("stdlib_", "xmlrpc"),
)
