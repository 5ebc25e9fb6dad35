"""One dialogue of a client and a server, over memory BIOs, over sockets and in an event loop: what each side saw.

    with closing(TRANSPORTS["sockets"](client_context, server_context)) as met:
        assert met.ok().client.version() == "TLSv1.3"

After the handshake, and where `ask` is set a request for the client's certificate, the server says "s", the client "c"
and the server "e": so every ticket has come, and every refusal has been heard on the other side.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import puretls.asyncio
from support import PATIENCE
from support.bios import ObjectPair, ObjectSide
from support.wire import Plain, Recorder, run, settle

HOST = "localhost"


class Encounter(NamedTuple):
    """The connections, and the first thing that went wrong on either side."""

    client: Any
    server: Any
    client_error: BaseException | None
    server_error: BaseException | None
    sockets: tuple[Any, ...] = ()

    def close(self) -> None:
        for one in self.sockets:
            one.close()

    def ok(self) -> Encounter:
        for error in (self.client_error, self.server_error):
            if error is not None:
                raise error
        return self

    def of(self, role: str) -> tuple[Any, BaseException | None]:
        return (self.client, self.client_error) if role == "client" else (self.server, self.server_error)

    @property
    def resumed(self) -> bool:
        found = {bool(self.client.session_reused), bool(self.server.session_reused)}
        assert len(found) == 1
        return found.pop()


def over_bios(
    client: Any, server: Any, *, host: str | None = HOST, session: Any = None, ask: bool = False
) -> Encounter:
    pair = ObjectPair(ObjectSide("client", client, server_hostname=host, session=session), ObjectSide("server", server))
    mine, theirs = pair.client.obj, pair.server.obj

    def expect(obj: Any, wanted: bytes) -> None:
        assert obj.read(1) == wanted

    scripts: dict[Any, list[Callable[[], Any]]] = {
        pair.client: [
            mine.do_handshake, lambda: expect(mine, b"s"), lambda: mine.write(b"c"), lambda: expect(mine, b"e"),
        ],
        pair.server: [
            theirs.do_handshake, *([theirs.verify_client_post_handshake] if ask else []), lambda: theirs.write(b"s"),
            lambda: expect(theirs, b"c"), lambda: theirs.write(b"e"),
        ],
    }  # fmt: skip
    moved = True
    while moved:
        before = sum(map(len, scripts.values()))
        for side, script in scripts.items():
            while script and side.error is None:
                try:
                    script[0]()
                except puretls.SSLWantReadError:
                    break
                except Exception as error:  # noqa: BLE001  # the test looks at it
                    side.error = error
                del script[0]
        moved = pair.move() or sum(map(len, scripts.values())) < before
    assert not any(script and side.error is None for side, script in scripts.items()), "somebody waits"
    return Encounter(mine, theirs, pair.client.error, pair.server.error)


def over_sockets(
    client: Any, server: Any, *, host: str | None = HOST, session: Any = None, ask: bool = False
) -> Encounter:
    both = socket.socketpair()
    for one in both:
        one.settimeout(PATIENCE)
    mine = client.wrap_socket(both[0], server_hostname=host, session=session, do_handshake_on_connect=False)
    theirs = server.wrap_socket(both[1], server_side=True, do_handshake_on_connect=False)

    def call() -> None:
        mine.do_handshake()
        assert mine.recv(1) == b"s"
        mine.sendall(b"c")
        assert mine.recv(1) == b"e"

    def serve() -> None:
        theirs.do_handshake()
        if ask:
            theirs.verify_client_post_handshake()
        theirs.sendall(b"s")
        assert theirs.recv(1) == b"c"
        theirs.sendall(b"e")

    def tried(work: Callable[[], None]) -> BaseException | None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  # the test looks at it
            return error
        return None

    with ThreadPoolExecutor(1) as pool:
        serving = pool.submit(tried, serve)
        failed = tried(call)
        return Encounter(mine, theirs, failed, serving.result(PATIENCE), (mine, theirs))


def over_asyncio(
    client: Any, server: Any, *, host: str | None = HOST, session: Any = None, ask: bool = False
) -> Encounter:
    assert session is None, "an event loop's functions take none"
    return run("asyncio", _in_a_loop(client, server, host, ask), silent=False)  # type: ignore[no-any-return]


async def _in_a_loop(client: Any, server: Any, host: str | None, ask: bool) -> Encounter:
    loop = asyncio.get_running_loop()
    plain, far, mine, theirs = Plain(), Plain(), Recorder(), Recorder()
    plain.peer, far.peer = far, plain
    waiters = loop.create_future(), loop.create_future()
    make = puretls.asyncio.SSLTransport
    tls_client = make(loop, mine, client, waiters[0], server_hostname=host)
    tls_server = make(loop, theirs, server, waiters[1], server_side=True)
    plain.set_protocol(tls_client)
    far.set_protocol(tls_server)

    async def step(protocol: Recorder, work: Any) -> None:
        """This, or the end of the connection before it."""
        doing = asyncio.ensure_future(work)
        await asyncio.wait({doing, protocol.lost}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            doing.cancel()
            raise protocol.error or ConnectionResetError("the connection has ended")
        await doing

    async def call() -> None:
        await waiters[0]
        await step(mine, mine.until(1))
        tls_client.write(b"c")
        await step(mine, mine.until(2))
        assert mine.data == b"se"

    async def serve() -> None:
        await waiters[1]
        if ask:
            tls_server.get_extra_info("ssl_object").verify_client_post_handshake()
        tls_server.write(b"s")
        await step(theirs, theirs.until(1))
        tls_server.write(b"e")
        assert theirs.data == b"c"

    tls_server.connection_made(far)
    tls_client.connection_made(plain)
    errors = await asyncio.gather(call(), serve(), return_exceptions=True)
    objects = [one.get_extra_info("ssl_object") for one in (tls_client, tls_server)]
    for one in (tls_client, tls_server):
        with suppress(OSError):
            one.abort()
    await settle()
    return Encounter(objects[0], objects[1], errors[0], errors[1])


TRANSPORTS: dict[str, Callable[..., Encounter]] = {
    "BIOs": over_bios,
    "sockets": over_sockets,
    "asyncio": over_asyncio,
}
