"""eventlet, which has to patch after the injection: its classes are then made from ours."""

import kit

import eventlet

eventlet.monkey_patch()

import socket  # noqa: E402


def echo(listener, context):
    while True:
        plain = listener.accept()[0]
        eventlet.spawn(serve, plain, context)


def serve(plain, context):
    with kit.contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as sock:
        while data := sock.recv(65536):
            sock.sendall(data)


def exchange(port, context, number):
    with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as sock:
        eventlet.sleep(0.01)
        sender = eventlet.spawn(sock.sendall, kit.BIG)
        got = bytearray()
        while len(got) < len(kit.BIG):
            got += sock.recv(65536)
        assert got == kit.BIG
        sender.wait()
        sock.settimeout(kit.SHORT)
        with kit.raises(TimeoutError):
            sock.recv(1)
    return number


listener = socket.create_server(("127.0.0.1", 0))
eventlet.spawn(echo, listener, kit.server())
port, context = listener.getsockname()[1], kit.client()
jobs = [eventlet.spawn(exchange, port, context, n) for n in range(8)]
with eventlet.Timeout(kit.PATIENCE):
    assert [job.wait() for job in jobs] == list(range(8))
for bad, host, texts in ((kit.client(trusts=False), "localhost", kit.UNTRUSTED), (context, "other.test", kit.MISMATCH)):
    with kit.raises(kit.tls.SSLCertVerificationError, *texts):
        bad.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname=host)
kit.done("client", "server")
