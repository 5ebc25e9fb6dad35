"""After the handshake, beside `ssl`: post-handshake authentication, the goodbye in all orders, ragged ends."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from support.bios import described, join
from support.both import V12, V13, client_of, compare, like_openssl_30, only, server_of

pytestmark = like_openssl_30
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.mark.parametrize("asks", [ssl.CERT_OPTIONAL, ssl.CERT_REQUIRED, ssl.CERT_NONE])
@pytest.mark.parametrize("identity", ["client", "", "stranger-client", "expired", "P-256"])
def test_authentication_later(identity, asks, pki):
    def run(c, s):
        client, server = client_of(c, pki, identity=identity), server_of(s, pki, asks=asks)
        client.post_handshake_auth = server.post_handshake_auth = True
        pair = join(client, server).ok()
        before = pair.server.obj.getpeercert()
        try:
            pair.server.obj.verify_client_post_handshake()
        except ssl.SSLError as error:
            return before, None, described(error)
        pair.send(pair.server, b"who are you?")
        pair.send(pair.client, b"me")
        pair.send(pair.server, b"well")
        after = None if pair.server.error else pair.server.obj.getpeercert()
        return before, after, pair.errors

    before, after, errors = compare(run)
    assert before is None
    assert bool(after) == (identity == "client" and errors == (None, None) and asks != ssl.CERT_NONE)


@pytest.mark.parametrize(("client_offers", "server_asks"), [(True, False), (False, True), (False, False)])
@each_version
def test_authentication_later_needs_both(client_offers, server_asks, version, pki):
    def run(c, s):
        client, server = client_of(c, pki, identity="client"), server_of(s, pki, asks=ssl.CERT_REQUIRED)
        if version == V12 or not server_asks:
            server.verify_mode = ssl.CERT_OPTIONAL
        only(version, client, server)
        client.post_handshake_auth, server.post_handshake_auth = client_offers, server_asks
        pair = join(client, server).shake()
        found = [pair.errors]
        for side in (pair.client, pair.server):
            try:
                found.append(side.obj.verify_client_post_handshake())
            except ssl.SSLError as error:
                found.append(described(error))
        return found

    compare(run)


@each_version
@pytest.mark.parametrize("order", ["client first", "server first", "both at once", "data on the way", "eof instead"])
def test_goodbye(order, version, pki):
    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        pair = join(client, server).ok()
        pair.server.read()
        pair.client.read()
        first, second = (pair.server, pair.client) if order == "server first" else (pair.client, pair.server)
        found: list[Any] = []

        def do(operation: Any) -> None:
            try:
                found.append(operation())
            except ssl.SSLError as error:
                found.append(described(error))

        if order == "data on the way":
            second.obj.write(b"late")
        do(first.obj.unwrap)
        do(first.obj.unwrap)
        do(lambda: first.obj.write(b"x"))
        if order == "both at once":
            do(second.obj.unwrap)
        pair.move()
        if order == "eof instead":
            pair.end(second)
            do(first.obj.unwrap)
            do(lambda: first.obj.read(1))
            return found
        do(lambda: second.obj.read(10))
        do(lambda: second.obj.write(b"half-closed"))
        do(second.obj.unwrap)
        do(second.obj.unwrap)
        pair.move()
        do(lambda: first.obj.read(4))
        if order == "data on the way":  # OpenSSL's connection is of no use after this one
            do(first.obj.unwrap)
            return found
        do(lambda: first.obj.read(100))
        do(first.obj.unwrap)
        do(lambda: first.obj.read(1))
        do(lambda: first.obj.write(b"x"))
        do(lambda: second.obj.read(1))
        return found

    compare(run)


@each_version
@pytest.mark.parametrize("ignored", [False, True])
def test_ragged_end(ignored, version, pki):
    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        if ignored:
            client.options |= 0x80  # OP_IGNORE_UNEXPECTED_EOF, which ssl 3.10 on an old OpenSSL lacks
        pair = join(client, server).ok()
        pair.server.obj.write(b"last words")
        pair.move()
        pair.end(pair.server)
        found: list[Any] = []
        for operation in (lambda: pair.client.obj.read(100),) * 3:
            try:
                found.append(operation())
            except ssl.SSLError as error:
                found.append(described(error))
        return found

    compare(run)


@each_version
def test_reading_in_pieces(version, pki):
    def run(c, s):
        client, server = client_of(c, pki), server_of(s, pki)
        only(version, client, server)
        pair = join(client, server).ok()
        found: list[Any] = [pair.server.obj.write(b""), pair.server.obj.write(bytes(range(100)))]
        pair.move()
        obj = pair.client.obj
        found += [obj.pending(), obj.read(0), obj.read(10), obj.pending(), obj.read(1), obj.pending()]
        buffer = bytearray(50)
        found += [obj.read(20, buffer), bytes(buffer), obj.read(1000, buffer), bytes(buffer), obj.pending()]
        found += [obj.read(), obj.pending()]
        with pytest.raises(ssl.SSLWantReadError):
            obj.read()
        return found

    compare(run)
