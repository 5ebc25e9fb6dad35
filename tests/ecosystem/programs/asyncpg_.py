"""asyncpg: its own upgrade to TLS, pools, a query that takes too long, certificate refusal."""

import kit

import asyncio

import asyncpg
import postgresql


async def check(port):
    where = {"host": "localhost", "port": port, "user": "tester", "password": "secret", "database": "postgres"}
    secure = kit.client()
    connection = await asyncpg.connect(**where, ssl=secure)
    assert await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
    assert await connection.fetchval("select version from pg_stat_ssl where pid = pg_backend_pid()") == "TLSv1.3"
    assert await connection.fetchval("select $1::bytea", kit.BIG) == kit.BIG
    with kit.raises(asyncio.TimeoutError):
        await connection.execute("select pg_sleep(60)", timeout=kit.SHORT)
    assert await connection.fetchval("select 1") == 1
    await connection.close()
    async with asyncpg.create_pool(**where, ssl=secure, min_size=4, max_size=4) as pool:
        values = await asyncio.gather(*(pool.fetchval("select $1::int", n) for n in range(40)))
        assert values == list(range(40))
    with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
        await asyncpg.connect(**where, ssl=kit.client(trusts=False))
    if kit.INJECTED:
        dsn = f"postgres://tester:secret@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={kit.CA}"
        connection = await asyncpg.connect(dsn)
        assert await connection.fetchval("select 2") == 2
        await connection.close()


with postgresql.cluster() as port:
    kit.within_patience(check(port))
kit.done("client")
