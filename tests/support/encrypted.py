"""Contexts for Encrypted Client Hello: a server with a certificate for the secret and for the public name."""

from __future__ import annotations

from typing import Any

import puretls
from puretls import ECHKey, SSLContext
from puretls._base import registry
from puretls._base.registry import ENCRYPTED_CLIENT_HELLO, SERVER_NAME
from puretls._wire import extensions
from puretls._wire.hello import ClientHello
from support import Pki
from support.bios import ObjectPair, join

SECRET, PUBLIC = "secret.example", "public.example"


def new_key(public_name: str = PUBLIC, *, retry: bool = True, **options: Any) -> ECHKey:
    return ECHKey(*puretls.make_ech_config(public_name, **options), retry=retry)


def listed(*keys: ECHKey) -> bytes:
    body = b"".join(key.config for key in keys)
    return len(body).to_bytes(2, "big") + body


class Site:
    """Whom both names belong to, unless others are given."""

    def __init__(self, pki: Pki, *names: str) -> None:
        self.pki = pki
        self.identity = pki.issuer.issue(*(names or (SECRET, PUBLIC)), kind="P-256")

    def server(self, *keys: ECHKey, protocols: tuple[str, ...] = (), groups: str = "") -> SSLContext:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.identity.chain_pem, self.identity.key_pem)
        context.load_verify_locations(self.pki.ca)
        context.set_ech_keys(keys)
        context.set_alpn_protocols(protocols)
        if groups:
            context.set_groups(groups)
        return context

    def client(self, configs: bytes | None = None, *, protocols: tuple[str, ...] = (), groups: str = "") -> SSLContext:
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.pki.ca)
        context.set_alpn_protocols(protocols)
        if groups:
            context.set_groups(groups)
        if configs is not None:
            context.set_ech_config(configs)
        return context


def tapped() -> tuple[list[ClientHello], Any]:
    """Where the ClientHellos of a connection go, and what to hand to `join`."""
    hellos: list[ClientHello] = []

    def carry(sender: str, data: bytes) -> bytes:
        rest = data
        while sender == "client" and rest:
            size = int.from_bytes(rest[3:5], "big")
            if rest[0] == registry.HANDSHAKE and rest[5] == registry.CLIENT_HELLO:
                hellos.append(ClientHello.parse(rest[5 : 5 + size]))
            rest = rest[5 + size :]
        return data

    return hellos, carry


def name_in(hello: ClientHello) -> str | None:
    body = hello.extensions.get(SERVER_NAME)
    return None if body is None else extensions.server_name(body)


def sealed_in(hello: ClientHello) -> bytes:
    return hello.extensions[ENCRYPTED_CLIENT_HELLO]


def met(client: SSLContext, server: SSLContext, host: str | None = SECRET, **options: Any) -> ObjectPair:
    return join(client, server, host, **options).shake()


def statuses(pair: ObjectPair) -> tuple[str, str]:
    client, server = (side.obj.get_ech_status().name for side in (pair.client, pair.server))
    return client.removeprefix("ECH_STATUS_"), server.removeprefix("ECH_STATUS_")
