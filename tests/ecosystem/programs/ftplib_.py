"""ftplib: control and data connections with TLS, each data connection ended by unwrap(), and CCC back to clear text."""

import kit

import ftplib
import io
import socket
import threading


class Server:
    """As much of FTP (RFC 959, RFC 4217) as two transfers need."""

    def __init__(self, context):
        self.context, self.kept, self.private = context, b"", False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            sock = self.listener.accept()[0]
            sock.settimeout(kit.PATIENCE)
            try:
                self.session(sock)
            except OSError:
                sock.close()

    def session(self, sock):
        def say(line):
            sock.sendall(line.encode() + b"\r\n")

        def lines():
            rest = b""
            while True:
                while b"\n" not in rest:
                    if not (data := sock.recv(4096)):
                        return
                    rest += data
                line, _, rest = rest.partition(b"\n")
                yield line.decode().strip()

        say("220 ready")
        for line in lines():
            verb = line[:4].upper().strip()
            if verb == "AUTH":
                say("234 go")
                sock = self.context.wrap_socket(sock, server_side=True)
            elif verb == "EPSV":
                passive = socket.create_server(("127.0.0.1", 0))
                say(f"229 here (|||{passive.getsockname()[1]}|)")
            elif verb == "PASV":
                passive = socket.create_server(("127.0.0.1", 0))
                port = passive.getsockname()[1]
                say(f"227 here (127,0,0,1,{port >> 8},{port & 255})")
            elif verb in {"STOR", "RETR"}:
                data = passive.accept()[0]
                passive.close()
                say("150 go")
                if self.private:
                    data = self.context.wrap_socket(data, server_side=True)
                if verb == "STOR":
                    self.kept = b"".join(iter(lambda: data.recv(65536), b""))
                else:
                    data.sendall(self.kept)
                if self.private:
                    data = data.unwrap()
                data.close()
                say("226 done")
            elif verb == "PROT":
                self.private = line.endswith("P")
                say("200 fine")
            elif verb == "CCC":
                say("200 in clear text from here")
                sock = sock.unwrap()
            elif verb == "USER":
                say("331 and?")
            elif verb == "PASS":
                say("230 welcome")
            elif verb == "QUIT":
                say("221 bye")
                sock.close()
                return
            else:
                say("200 fine")


def check(server, client):
    serving = Server(server)
    with ftplib.FTP_TLS(context=client, timeout=kit.PATIENCE) as ftp:
        ftp.connect("localhost", serving.port)
        ftp.login("a", "b")
        assert isinstance(ftp.sock, kit.other.SSLSocket) and ftp.sock.version() == "TLSv1.3"
        for protect in (ftp.prot_p, ftp.prot_c):
            protect()
            ftp.storbinary("STOR big", io.BytesIO(kit.BIG))
            assert serving.kept == kit.BIG
            got = []
            ftp.retrbinary("RETR big", got.append)
            assert b"".join(got) == kit.BIG
        assert ftp.ccc().startswith("200") and not getattr(ftp.sock, "_sslobj", None)
        assert ftp.voidcmd("NOOP").startswith("200")
    with kit.raises(kit.tls.SSLCertVerificationError, *kit.UNTRUSTED):
        ftp = ftplib.FTP_TLS(context=kit.client(trusts=False), timeout=kit.PATIENCE)
        ftp.connect("localhost", serving.port)
        ftp.login("a", "b")


check(kit.server(kit.other), kit.client())
check(kit.server(), kit.client(kit.other))
kit.done("client", "server")
