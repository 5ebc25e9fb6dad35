"""redis-py, sync and asyncio, with a TLS redis-server that asks for the client's certificate."""

import kit

import asyncio

import redis
import redis.asyncio
import redis.exceptions

del kit.os.environ["SSL_CERT_FILE"]  # redis-py trusts the defaults as well
port = kit.free_port()
server = (
    "redis-server", "--port", 0, "--tls-port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
    "--tls-cert-file", kit.chain(), "--tls-key-file", kit.key(), "--tls-ca-cert-file", kit.CA,
    "--tls-auth-clients", "yes",
)  # fmt: skip
SETTINGS = {
    "host": "localhost", "port": port, "ssl": True, "socket_timeout": kit.PATIENCE,
    "ssl_certfile": kit.chain("client"), "ssl_keyfile": kit.key("client"), "ssl_check_hostname": True,
    "retry": None,
}  # fmt: skip

with kit.daemon(*server, port=port):
    with redis.Redis(ssl_ca_certs=kit.CA, **SETTINGS) as db:
        db.set("big", kit.BIG)
        assert db.get("big") == kit.BIG
        with db.pipeline() as pipe:
            for number in range(1000):
                pipe.incrby("sum", number)
            assert pipe.execute()[-1] == sum(range(1000))
        listening = db.pubsub()
        listening.subscribe("news")
        assert listening.get_message(timeout=kit.PATIENCE)["type"] == "subscribe"
        assert listening.get_message(timeout=kit.SHORT) is None, "nothing is there, and nobody is hurt"
        db.publish("news", "word")
        assert listening.get_message(timeout=kit.PATIENCE)["data"] == b"word"
        listening.close()
    with redis.Redis(ssl_ca_certs=kit.CA, **{**SETTINGS, "socket_timeout": kit.SHORT}) as db:
        with kit.raises(redis.exceptions.TimeoutError):
            db.blpop("never", 0)
    with kit.raises(redis.exceptions.ConnectionError, *kit.UNTRUSTED):
        redis.Redis(ssl_ca_certs=kit.OTHER_CA, **SETTINGS).ping()

    async def asynchronous():
        async with redis.asyncio.Redis(ssl_ca_certs=kit.CA, **SETTINGS) as db:
            await db.set("big", kit.BIG)
            assert await db.get("big") == kit.BIG
            values = await asyncio.gather(*(db.incr("counter") for _ in range(50)))
            assert sorted(values) == list(range(1, 51))
        with kit.raises(redis.exceptions.ConnectionError, *kit.UNTRUSTED):
            await redis.asyncio.Redis(ssl_ca_certs=kit.OTHER_CA, **SETTINGS).ping()

    kit.within_patience(asynchronous())
kit.done("client")
