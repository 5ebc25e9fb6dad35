"""The queue of what is sealed: its buffers go from connection to connection."""

from __future__ import annotations

from puretls._base.registry import APPLICATION_DATA, TLS12
from puretls._record.outbound import Outbound
from puretls._record.protection import MAX_PLAINTEXT
from support.protections import PROTECTIONS, open_all


def test_a_buffer_serves_one_suite_after_the_other():
    """Full records are sealed where the buffer's last user has left ciphertext of another shape."""
    data = bytes(n * 11 & 255 for n in range(3 * MAX_PLAINTEXT + 500))
    for make in [*PROTECTIONS.values()] * 2:
        outbound = Outbound(TLS12)
        outbound.sealer, opener = make()
        for size in (len(data), 2 * MAX_PLAINTEXT, MAX_PLAINTEXT, 700):
            outbound.put_data(memoryview(data)[:size])
            sealed = bytes(outbound.unsent())
            outbound.sent(len(sealed))
            assert open_all(opener, sealed) == (APPLICATION_DATA, data[:size])


def test_full_records_behind_what_waits():
    """They do not begin where the places were cut, and what has been sent in part keeps its place in the order."""
    data = bytes(n * 13 & 255 for n in range(2 * MAX_PLAINTEXT))
    for make in PROTECTIONS.values():
        outbound = Outbound(TLS12)
        outbound.sealer, opener = make()
        outbound.put(APPLICATION_DATA, b"first")
        outbound.put_data(memoryview(data))
        sent = bytes(outbound.unsent()[:3])
        outbound.sent(3)
        outbound.put_data(memoryview(data)[:-1])
        sent += outbound.take()
        assert open_all(opener, sent) == (APPLICATION_DATA, b"first" + data + data[:-1])


def test_a_smaller_limit_of_the_peer():
    """RFC 8449: then a record of full size is none that may be sent."""
    data = bytes(n * 17 & 255 for n in range(2 * MAX_PLAINTEXT))
    for make in PROTECTIONS.values():
        outbound = Outbound(TLS12)
        outbound.sealer, opener = make()
        outbound.fragment = 1000
        outbound.put_data(memoryview(data))
        assert open_all(opener, outbound.take()) == (APPLICATION_DATA, data)
        assert opener.seq >= 33
