"""asyncio: streams and start_tls, both roles, on the loop of `run()`'s choice (uvloop_.py has another)."""

import kit

import asyncio


async def echo(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.transport.abort()


async def exchange(reader, writer):
    async def send():
        writer.write(kit.BIG)
        await writer.drain()

    _, got = await asyncio.gather(send(), reader.readexactly(len(kit.BIG)))
    assert got == kit.BIG


async def streams(server, client):
    """Data, refusal, a time-out, the peer's clean close."""
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server) as listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        assert writer.get_extra_info("peercert")
        await exchange(reader, writer)
        with kit.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(1), kit.SHORT)
        writer.close()
        await writer.wait_closed()
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
            await asyncio.open_connection("localhost", port, ssl=kit.client(trusts=False))
        with kit.raises(kit.tls.SSLCertVerificationError, *kit.MISMATCH):
            await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="elsewhere.test")

    async def goodbye(_reader, writer):
        writer.write(b"bye")
        writer.close()

    async with await asyncio.start_server(goodbye, "127.0.0.1", 0, ssl=server) as listening:
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        assert await reader.read() == b"bye"
        writer.close()


class Server(asyncio.Protocol):
    """Clear text until STARTTLS, then an echo inside TLS."""

    def __init__(self, context):
        self.context, self.plain = context, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.context is None:
            self.transport.write(data)
            return
        self.plain += data
        if self.plain == b"STARTTLS\n":
            self.transport.write(b"GO\n")
            self.task = asyncio.ensure_future(self.upgrade())

    async def upgrade(self):
        context, self.context = self.context, None
        loop = asyncio.get_running_loop()
        self.transport = await loop.start_tls(self.transport, self, context, server_side=True)


async def upgrading(server, client):
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Server(server), "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"GO\n"
    protocol = writer.transport.get_protocol()
    transport = await loop.start_tls(writer.transport, protocol, client, server_hostname="localhost")
    writer._transport = transport  # what StreamWriter.start_tls does since 3.11
    protocol._replace_writer(writer) if hasattr(protocol, "_replace_writer") else None
    await exchange(reader, writer)
    writer.close()
    listening.close()


async def main():
    await streams(kit.server(kit.other), kit.client())
    await streams(kit.server(), kit.client(kit.other))
    await upgrading(kit.server(kit.other), kit.client())
    await upgrading(kit.server(), kit.client(kit.other))


if __name__ == "__main__":
    kit.within_patience(main())
    kit.done("client", "server")
