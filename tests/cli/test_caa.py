"""CAA records, from a DNS server of this test, through dnspython."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest

from puretls.cli.caa import caa
from puretls.cli.failure import Failure

message = pytest.importorskip("dns.message")
dns: Any = pytest.importorskip("dns")
ZONE = {
    "www.example.test.": [],
    "example.test.": ['0 issue "ca.example; policy=ev"', '128 issuewild ";"'],
    "plain.test.": [],
    "test.": [],
    "evil.test.": ['0 iodef "mailto:\\027[31m"'],
}


@contextmanager
def served(rcode: int = 0) -> Iterator[Any]:
    """A resolver that asks this process."""
    import dns.resolver
    import dns.rrset

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                data, peer = sock.recvfrom(4096)
                if not data:
                    return
                query = message.from_wire(data)
                name = str(query.question[0].name)
                answer = message.make_response(query)
                answer.set_rcode(rcode or (0 if name in ZONE else 3))
                if ZONE.get(name) and not rcode:
                    answer.answer.append(dns.rrset.from_text(name, 60, "IN", "CAA", *ZONE[name]))
                sock.sendto(answer.to_wire(), peer)

        thread = Thread(target=serve)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers, resolver.port = ["127.0.0.1"], sock.getsockname()[1]
        try:
            yield resolver
        finally:
            sock.sendto(b"", sock.getsockname())
            thread.join()


def test_the_closest_name_that_has_any() -> None:
    with served() as resolver:
        expected = ['issue "ca.example; policy=ev"', 'issuewild ";" (critical)']
        assert caa("www.example.test", 5, resolver) == expected
        assert caa("example.test.", 5, resolver) == expected
        assert caa("not.there.example.test", 5, resolver) == expected
        assert caa("plain.test", 5, resolver) == []
        assert caa("nowhere.test", 5, resolver) == []
        assert all(one.isprintable() for one in caa("evil.test", 5, resolver))


def test_no_answer_is_said() -> None:
    with served(rcode=5) as resolver, pytest.raises(Failure, match=r"--dns: plain\.test"):
        caa("plain.test", 1, resolver)
