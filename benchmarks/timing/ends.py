"""Two ends over BIOs, and what passes between them record by record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from typing import Any

import puretls
from puretls.cli.certs import Authority, Identity


@cache
def contexts(kind: str = "P-256", *, tls12: bool = False, ciphers: str = "", number: int = 0) -> tuple[Any, Any]:
    """A client's and a server's; those of another number know nothing of each other's sessions."""
    del number
    authority, identity = issued(kind)
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    client.load_verify_locations(cadata=authority.pem.decode())
    server.load_cert_chain(identity.chain_pem, identity.key_pem)
    for context in (client, server):
        if tls12:
            context.maximum_version = puretls.TLSVersion.TLSv1_2
        if ciphers:
            context.set_ciphers(ciphers)
    return client, server


@cache
def issued(kind: str) -> tuple[Authority, Identity]:
    authority = Authority("timing")
    return authority, authority.issue("localhost", kind=kind)


class Ends:
    """A client and a server; `incoming` is the server's."""

    def __init__(self, client: Any = None, server: Any = None, session: Any = None) -> None:
        ours, theirs = (client, server) if client else contexts()
        self.incoming, self.outgoing = puretls.MemoryBIO(), puretls.MemoryBIO()
        self.client_in, self.client_out = puretls.MemoryBIO(), puretls.MemoryBIO()
        self.client: Any = ours.wrap_bio(self.client_in, self.client_out, server_hostname="localhost", session=session)
        self.server: Any = theirs.wrap_bio(self.incoming, self.outgoing, server_side=True)
        if not client:
            self.handshake()

    @property
    def client_sealer(self) -> Any:
        return self.client._sslobj._conn.records.outbound.sealer

    def step_client(self) -> bytes:
        """What the client says next."""
        with suppress(puretls.SSLWantReadError):
            self.client.do_handshake()
        return self.client_out.read()

    def step_server(self) -> bytes:
        with suppress(puretls.SSLWantReadError):
            self.server.do_handshake()
        return self.outgoing.read()

    def judge(self) -> None:
        """What is timed: the server makes something of what has arrived."""
        with suppress(puretls.SSLError):
            self.server.do_handshake()

    def handshake(self) -> Ends:
        for _ in range(3):
            self.incoming.write(self.step_client())
            self.client_in.write(self.step_server())
        with suppress(puretls.SSLWantReadError):
            self.client.read(1)  # tickets
        return self


def records(data: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        stop = position + 5 + int.from_bytes(data[position + 3 : position + 5], "big")
        yield data[position:stop]
        position = stop
