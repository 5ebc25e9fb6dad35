"""Which names of servers are addresses: those that OpenSSL's a2i_IPADDRESS reads, and no others."""

from __future__ import annotations

import re
import ssl
from types import ModuleType
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import puretls
from support.bios import described

ODD = [
    "127.0.0.1", "127.0.0.01", "0177.0.0.1", "127.000.000.001", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4 ",
    " 1.2.3.4", "1.2.3.4\t", "1.2.3. 4", "1 .2.3.4", "+1.2.3.4", "1.2.3.-4", "-0.0.0.0", "1.2.3.4x", "1.2.3.4 x",
    "1.2.3.4.", "1..2.3", "0x7f.0.0.1", "1.2.3.99999999999", "1.2.3.4\n", "1.2.3.0000000000000000004",
    "::1", "::", "1::", ":1", "1:", ":::", "1:::1", "::1::", "1::2::3", "fe80::1%eth0",
    "fe80::1%25eth0", "[::1]", "::1 ", " ::1", ":: 1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8", "1:2:3:4::5:6:7:8", "00001::", "0001::", "g::",
    "ABCD::ef", "::1.2.3.4", "::ffff:1.2.3.4", "::1.2.3.04", "::1.2.3.4:5", "1.2.3.4::", "1:2:3:4:5:6:1.2.3.4",
    "1:2:3:4:5:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "::1.2.3.256", "::1.2.3.4 ", "::+1.2.3.4",
    "1:2:3:4:5:6:7:1.2", "::12345", "::0x1", "localhost", "1.2.3.4.example", "a.b.c.d", "1.2.3.d", "123", "0",
    "1.2",
]  # fmt: skip


def asked(tls: ModuleType, host: str) -> Any:
    """The name in the ClientHello, None if it was taken for an address and stays out; or the error."""
    context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = tls.MemoryBIO(), tls.MemoryBIO()
    try:
        client = context.wrap_bio(incoming, outgoing, server_hostname=host)
        client.do_handshake()
    except tls.SSLWantReadError:
        hello = outgoing.read()
    except Exception as error:  # noqa: BLE001  # the test compares it
        return described(error)
    name = host.encode("ascii", "replace")
    sent = b"\x00\x00" + (len(name) + 5).to_bytes(2, "big") + (len(name) + 3).to_bytes(2, "big") + b"\x00"
    return sent + len(name).to_bytes(2, "big") + name in hello


def test_names_and_addresses_as_openssl_tells_them_apart() -> None:
    differ = {host: (wanted, found) for host in ODD if (wanted := asked(ssl, host)) != (found := asked(puretls, host))}
    assert not differ


@settings(max_examples=300)
@given(st.text(alphabet="0123456789.: \t+-abfx%", min_size=1, max_size=24))
@example(":")
@example("1:2:3:4:5:6:7:8:")
@example("1.2.3.-0")
@example("-00.0.0.0")
@example("1.2.3.4\x0bx")
def test_whatever_is_made_of_their_characters(host: str) -> None:
    """OpenSSL's conversion of numbers beyond 32 bits is left out: they wrap there, and are no addresses here."""
    assume(not re.search(r"[0-9]{10}", host))
    assert asked(puretls, host) == asked(ssl, host)
