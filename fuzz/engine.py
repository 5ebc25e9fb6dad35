"""Fuzz a connection in any state: nothing but SSLError may come out, and what is wrong once stays wrong.

    make fuzz, or: pip install atheris
    python fuzz/engine.py -max_total_time=1200 -timeout=10 -max_len=20000 [CORPUS_FOLDER]

The one under attack is an SSLObject, client or server; its peer is another, so that the attack can begin at any record
of a true handshake and after it.  The attacker sends bytes as they are, or records sealed with the peer's keys, or
changes what the peer says before it is sealed: so the parsers behind the protection are reached as well.  Between the
attacks the one under attack reads, writes, asks what is pending and says goodbye, in an order that the input chooses.

No corpus is needed to begin with: an input is a program for `Attack`, whatever its bytes are.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent / "tests")]

import atheris  # noqa: E402 - after the path

with atheris.instrument_imports(include=["puretls._engine", "puretls._record", "puretls._wire", "puretls._api"]):
    import puretls
    from puretls._base.registry import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE
    from puretls._engine import roles

    roles.load_client()
    roles.load_server()

from puretls.cli.certs import Authority  # noqa: E402
from support.pair import Wire  # noqa: E402 - found where the line above says

CA = Authority("fuzz")
SERVERS = [CA.issue("localhost", kind=kind) for kind in ("P-256", "RSA")]
CLIENT = CA.issue("client", client=True)
KINDS = (HANDSHAKE, APPLICATION_DATA, ALERT, CHANGE_CIPHER_SPEC)
VERSIONS = (puretls.TLSVersion.TLSv1_3, puretls.TLSVersion.TLSv1_2, puretls.TLSVersion.TLSv1)
LARGEST = 1 << 18  # bytes that a connection may hold: a message of the largest size and a record, with room


def contexts(version: puretls.TLSVersion, *, mutual: bool) -> tuple[puretls.SSLContext, puretls.SSLContext]:
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    for context in (client, server):
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        for identity in SERVERS if context is server else (CLIENT,):
            context.load_cert_chain(identity.chain_pem, identity.key_pem)
        context.load_verify_locations(cadata=CA.pem.decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
    if mutual:
        server.verify_mode = puretls.CERT_REQUIRED
        client.post_handshake_auth = server.post_handshake_auth = True
    return client, server


CONTEXTS = [contexts(version, mutual=mutual) for version in VERSIONS for mutual in (False, True)]


class Attack:
    """One input: who is attacked, in what surroundings, when and with what."""

    def __init__(self, data: bytes) -> None:
        self.source = source = atheris.FuzzedDataProvider(data)
        client, server = CONTEXTS[source.ConsumeIntInRange(0, len(CONTEXTS) - 1)]
        bios = [puretls.MemoryBIO(), puretls.MemoryBIO()]
        sides = (
            client.wrap_bio(bios[0], bios[1], server_hostname="localhost"),
            server.wrap_bio(bios[1], bios[0], server_side=True),
        )
        attacked = source.ConsumeIntInRange(0, 1)
        self.victim, self.peer = sides[attacked], sides[1 - attacked]
        self.incoming = bios[attacked]  # the victim's
        self.failed: str | None = None
        self.sent = self.received = 0

    def attempt(self, operation) -> object:
        """What the victim does; the first error that is one has to come again."""
        try:
            result = operation()
        except puretls.SSLWantReadError:
            assert not self.failed, "waits although it has failed"
            return None
        except puretls.SSLError as error:
            reason, mistake = error.reason, error.__cause__
        else:
            return result
        assert mistake is None, "a mistake of ours"
        if self.victim._sslobj._conn.failure:
            assert self.failed in {None, reason}, (self.failed, reason)
            self.failed = reason
        return None

    def read(self) -> None:
        size = self.source.ConsumeIntInRange(1, 40_000)
        if self.source.ConsumeBool():
            data = self.attempt(lambda: self.victim.read(size, bytearray(size)))
        else:
            data = len(self.attempt(lambda: self.victim.read(size)) or b"")
        self.received += data or 0
        assert self.received <= self.sent, "more data than bytes"

    def act(self) -> None:
        """The victim's next step."""
        what = self.source.ConsumeIntInRange(0, 7)
        if what <= 3:
            self.read()
        elif what == 4:
            self.attempt(lambda: self.victim.write(self.source.ConsumeBytes(self.source.ConsumeIntInRange(0, 50))))
        elif what == 5:
            assert self.victim.pending() <= self.sent + 1
        elif what == 6:
            self.attempt(self.victim.unwrap)
        else:
            self.attempt(self.victim.do_handshake)
        inbound = self.victim._sslobj._conn.records.inbound
        assert len(inbound.buf) + len(inbound.hs) + len(inbound.plain) <= LARGEST + 2 * self.left, "holds too much"

    @property
    def left(self) -> int:
        inbound = self.victim._sslobj._conn.records.inbound
        return inbound.end - inbound.start + self.incoming.pending

    def send(self, data: bytes) -> None:
        self.sent += len(data)
        self.incoming.write(data)

    def peer_says(self) -> None:
        """A step of the true peer."""
        self.listen(self.peer.do_handshake)
        self.listen(lambda: self.peer.read(1))

    def listen(self, says) -> None:
        before = self.incoming.pending
        with contextlib.suppress(puretls.SSLError):
            says()
        self.sent += self.incoming.pending - before

    def shake(self, rounds: int) -> None:
        for _ in range(rounds):
            self.attempt(self.victim.do_handshake)
            self.peer_says()

    def change_what_is_said(self) -> None:
        """One message of the peer is another, inside whatever protects it."""
        records, source = self.peer._sslobj._conn.records, self.source
        records.outbound = wire = Wire(records.outbound.sealer.version)
        wire.each = source.ConsumeBool()
        number, seen = source.ConsumeIntInRange(0, 7), [0]
        at, cut, size = (source.ConsumeIntInRange(0, limit) for limit in (400, 60, 60))
        new, fix = source.ConsumeBytes(size), source.ConsumeIntInRange(0, 3)

        def edit(raw: bytes) -> bytes:
            seen[0] += 1
            if seen[0] != number + 1:
                return raw
            body = raw[4 + at % max(1, len(raw) - 4) :]
            changed = raw[: len(raw) - len(body)] + new + body[cut:]
            return changed[:1] + (len(changed) - 4).to_bytes(3, "big") + changed[4:] if fix else changed

        class Every(dict):
            def get(self, name, default=None):
                return edit if name != "ChangeCipherSpec" else default

            def __bool__(self):
                return True

        wire.edits = Every()

    def attack(self) -> None:
        source = self.source
        what, size = source.ConsumeIntInRange(0, 5), source.ConsumeIntInRange(0, 300)
        if what == 0 and source.ConsumeBool():
            size *= 60
        data = source.ConsumeBytes(size)
        if what == 0:
            self.send(data)
        elif what <= 3:
            sealer = self.peer._sslobj._conn.records.outbound.sealer
            kind = KINDS[source.ConsumeIntInRange(0, 3)]
            if kind == HANDSHAKE and source.ConsumeBool():
                data = bytes((source.ConsumeIntInRange(0, 25),)) + len(data).to_bytes(3, "big") + data
            record = sealer.seal(kind, data)
            cut = source.ConsumeIntInRange(0, len(record))
            self.send(record[:cut])
            if source.ConsumeBool():
                self.act()
            self.send(record[cut:])
        elif what == 4:
            self.peer_says()
        elif self.peer._sslobj._conn.established:
            self.listen(lambda: self.peer.write(data))

    def run(self) -> None:
        source = self.source
        if source.ConsumeBool():
            self.change_what_is_said()
        self.shake(source.ConsumeIntInRange(0, 5))
        for _ in range(20):
            if not source.remaining_bytes():
                break
            self.attack()
            self.act()
        if source.ConsumeBool():
            self.incoming.write_eof()
        for _ in range(3):
            self.act()


def one_input(data: bytes) -> None:
    Attack(data).run()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
