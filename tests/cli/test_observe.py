"""When messages were on the wire, which is not when a side reads or makes them."""

from __future__ import annotations

from types import SimpleNamespace

from puretls.cli.observe import Recorder


def test_messages_have_the_time_of_their_bytes() -> None:
    context, conn = SimpleNamespace(), SimpleNamespace  # anything that can be referred to weakly
    recorder = Recorder(context)

    def told(direction: str, *names: str) -> None:
        for name in names:
            recorder(conn, direction, 0x304, 22, SimpleNamespace(name=name), b"\0" * 8)

    assert recorder.messages(conn) == []
    recorder.on_the_wire(conn, sent=False, at=10.0)
    told("read", "CLIENT_HELLO")
    told("write", "SERVER_HELLO")
    recorder.on_the_wire(conn, sent=True, at=12.0)
    told("write", "CERTIFICATE", "FINISHED")
    told("read", "CERTIFICATE_STATUS")  # that has come with the first
    assert len(recorder.messages(conn)) == 3  # what has not left is not told
    recorder.on_the_wire(conn, sent=True, at=12.5)
    recorder.on_the_wire(conn, sent=False, at=13.0)
    told("read", "CERTIFICATE", "FINISHED")
    recorder.on_the_wire(conn, sent=True, at=14.0)
    found = [(one.sent, one.name, one.at) for one in recorder.messages(conn)]
    assert found == [
        (False, "ClientHello", 0.0),
        (True, "ServerHello", 2.0),
        (True, "Certificate", 2.5),
        (True, "Finished", 2.5),
        (False, "CertificateStatus", 0.0),
        (False, "Certificate", 3.0),
        (False, "Finished", 3.0),
    ]
