"""The programs of this folder, and in which ways each of them can be had: what docs/compatibility.md lists."""

from __future__ import annotations

from typing import NamedTuple

CLIENT = "injected late explicit"
BOTH = "injected explicit"
LOOPS = " injected+asyncio explicit+asyncio"  # what leaves TLS to the event loop, and brings its own
ANY_LOOP = LOOPS + " injected+uvloop explicit+uvloop"  # the same, in whichever loop there is


class LibraryProgram(NamedTuple):
    """A file in programs/, what it imports, what else has to be installed, and the modes of kit.py."""

    file: str
    modules: str
    modes: str = BOTH
    servers: str = ""


PROGRAMS = (
    LibraryProgram("requests_", "requests", CLIENT),
    LibraryProgram("urllib3_", "urllib3", CLIENT),
    LibraryProgram("truststore_", "truststore urllib3", "injected"),
    LibraryProgram("pip_", "pip", "injected"),
    LibraryProgram("httpx_", "httpx h2 trio hypercorn", CLIENT),
    LibraryProgram("resuming_", "requests httpx aiohttp", "injected injected+asyncio injected+uvloop"),
    LibraryProgram("aiohttp_", "aiohttp", CLIENT + ANY_LOOP),
    LibraryProgram("websockets_", "websockets", CLIENT + ANY_LOOP),
    LibraryProgram("asyncio_", "asyncio", CLIENT + LOOPS),
    LibraryProgram("uvloop_", "uvloop", CLIENT + LOOPS),
    LibraryProgram("trio_", "trio", CLIENT),
    LibraryProgram("anyio_", "anyio trio", CLIENT),
    LibraryProgram("gevent_", "gevent"),
    LibraryProgram("eventlet_", "eventlet", "injected"),
    LibraryProgram("uvicorn_", "uvicorn uvloop", BOTH + LOOPS),
    LibraryProgram("hypercorn_", "hypercorn trio", BOTH + ANY_LOOP),
    LibraryProgram("gunicorn_", "gunicorn"),
    LibraryProgram("fleet_", "gunicorn redis uvicorn hypercorn", "explicit", "redis-server"),
    LibraryProgram("balanced_", "gunicorn redis prometheus_client", "explicit", "redis-server nginx haproxy"),
    LibraryProgram("tornado_", "tornado", CLIENT),
    LibraryProgram("cheroot_", "cheroot", CLIENT),
    LibraryProgram("werkzeug_", "werkzeug"),
    LibraryProgram("redis_", "redis", "injected late injected+asyncio injected+uvloop", "redis-server"),
    LibraryProgram("asyncpg_", "asyncpg", CLIENT + ANY_LOOP, "postgres"),
    LibraryProgram("pg8000_", "pg8000", CLIENT, "postgres"),
    LibraryProgram("pymysql_", "pymysql", CLIENT, "mariadbd"),
    LibraryProgram("paho_", "paho", CLIENT, "mosquitto"),
    LibraryProgram("smtp_", "aiosmtpd aiosmtplib", CLIENT + ANY_LOOP),
    LibraryProgram("ftplib_", "ftplib"),
    LibraryProgram("mail_", "imaplib poplib"),
    LibraryProgram("stdlib_", "xmlrpc"),
)
