"""imaplib and poplib: TLS from the start and STARTTLS, a large message each way, time-outs and refusals."""

import kit

import imaplib
import poplib
import socket
import threading

MAIL = b"Subject: hello\r\n\r\n" + b"A line of text.\r\n" * 10_000


class Lines:
    """A server of lines over a socket that may become a TLS one."""

    def __init__(self, context, session, *, direct):
        self.context, self.session, self.direct = context, session, direct
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            self.sock, self.rest = self.listener.accept()[0], b""
            self.sock.settimeout(kit.PATIENCE)
            try:
                if self.direct:
                    self.secure()
                self.session(self)
            except OSError:
                self.sock.close()

    def secure(self):
        self.sock = self.context.wrap_socket(self.sock, server_side=True)

    def say(self, *lines):
        self.sock.sendall(b"".join(line + b"\r\n" for line in lines))

    def read(self, size):
        while len(self.rest) < size:
            if not (data := self.sock.recv(65536)):
                raise ConnectionResetError
            self.rest += data
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def line(self):
        while b"\n" not in self.rest:
            if not (data := self.sock.recv(65536)):
                raise ConnectionResetError
            self.rest += data
        line, _, self.rest = self.rest.partition(b"\n")
        return line.strip()


def imap(it):
    """As much of IMAP (RFC 9051) as is asked for here."""
    it.say(b"* OK ready")
    while True:
        tag, verb, *rest = it.line().split(b" ", 2)
        verb = verb.upper()
        if verb == b"CAPABILITY":
            it.say(b"* CAPABILITY IMAP4rev1 STARTTLS", tag + b" OK done")
        elif verb == b"STARTTLS":
            it.say(tag + b" OK go")
            it.secure()
        elif verb == b"APPEND":
            it.say(b"+ go")
            it.kept = it.read(int(rest[0].rpartition(b"{")[2][:-1]))
            it.line()
            it.say(tag + b" OK kept")
        elif verb == b"FETCH":
            it.say(b"* 1 FETCH (RFC822 {%d}" % len(it.kept) + b"\r\n" + it.kept + b")", tag + b" OK done")
        elif verb == b"LOGOUT":
            it.say(b"* BYE", tag + b" OK done")
            it.sock.close()
            return
        elif verb == b"SELECT":
            it.say(b"* 1 EXISTS", tag + b" OK done")
        elif verb == b"CHECK":
            kit.time.sleep(4 * kit.SHORT)
        else:
            it.say(tag + b" OK done")


def pop(it):
    """As much of POP3 (RFC 1939, RFC 2595) as is asked for here."""
    it.say(b"+OK ready")
    while True:
        verb = it.line()[:4].upper()
        if verb == b"STLS":
            it.say(b"+OK go")
            it.secure()
        elif verb == b"CAPA":
            it.say(b"+OK", b"STLS", b".")
        elif verb == b"RETR":
            it.say(b"+OK", MAIL.removesuffix(b"\r\n"), b".")
        elif verb == b"NOOP":
            kit.time.sleep(4 * kit.SHORT)
        elif verb == b"QUIT":
            it.say(b"+OK bye")
            it.sock.close()
            return
        else:
            it.say(b"+OK")


def check_imap(server, client, *, direct):
    port = Lines(server, imap, direct=direct).port

    def connect(context, timeout=kit.PATIENCE):
        if direct:
            return imaplib.IMAP4_SSL("localhost", port, ssl_context=context, timeout=timeout)
        plain = imaplib.IMAP4("localhost", port, timeout=timeout)
        plain.starttls(context)
        return plain

    with connect(client) as box:
        box.login("a", "b")
        box.append("INBOX", None, None, MAIL)
        box.select()
        assert box.fetch("1", "(RFC822)")[1][0][1] == MAIL
    with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
        connect(kit.client(trusts=False))
    box = connect(client, kit.SHORT)
    box.login("a", "b")
    box.select()
    with kit.raises(Exception, "timed out"):
        box.check()
    box.shutdown()


def check_pop(server, client, *, direct):
    port = Lines(server, pop, direct=direct).port

    def connect(context, timeout=kit.PATIENCE):
        if direct:
            return poplib.POP3_SSL("localhost", port, context=context, timeout=timeout)
        plain = poplib.POP3("localhost", port, timeout=timeout)
        plain.stls(context)
        return plain

    box = connect(client)
    assert b"\r\n".join(box.retr(1)[1]) + b"\r\n" == MAIL
    box.quit()
    with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
        connect(kit.client(trusts=False))
    box = connect(client, kit.SHORT)
    with kit.raises(TimeoutError, "timed out"):
        box.noop()
    box.close()


for check in (check_imap, check_pop):
    for direct in (True, False):
        check(kit.server(kit.other), kit.client(), direct=direct)
        check(kit.server(), kit.client(kit.other), direct=direct)
kit.done("client", "server")
