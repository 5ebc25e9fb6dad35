"""Uses of `ssl` as programs write them, with puretls in its place."""

from __future__ import annotations

import asyncio
import http.client
import smtplib
import socket
import urllib.request

import puretls as ssl


def client(host: str, cafile: str | None = None) -> tuple[str | None, str]:
    context: ssl.SSLContext = ssl.create_default_context(cafile=cafile)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["h2", "http/1.1"])
    assert context.verify_mode is ssl.CERT_REQUIRED
    with socket.create_connection((host, 443)) as sock, context.wrap_socket(sock, server_hostname=host) as tls:
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        data: bytes = tls.recv(1024)
        certificate = tls.getpeercert()
        der: bytes | None = tls.getpeercert(binary_form=True)
        cipher = tls.cipher()
        name = cipher[0] if cipher else ""
        subject = certificate["subject"] if certificate else None
        session: ssl.SSLSession | None = tls.session
        print(data, der, name, subject, session, tls.selected_alpn_protocol(), tls.get_verified_chain(), tls.group())
        return tls.version(), name


def server(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key, password=lambda: "secret")

    def sni(sock: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        if name is None:
            return int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        sock.context = context
        return None

    context.sni_callback = sni
    return context


def in_memory(context: ssl.SSLContext) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    conn: ssl.SSLObject = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        conn.do_handshake()
    except ssl.SSLWantReadError as error:
        print(error.errno, error.reason, error.library)
    except ssl.SSLCertVerificationError as error:
        print(error.verify_code, error.verify_message)
    return outgoing.read()


def libraries(context: ssl.SSLContext) -> None:
    """What is annotated with the interpreter's class takes ours."""
    http.client.HTTPSConnection("localhost", context=context).close()
    urllib.request.urlopen("https://localhost/", context=context)
    smtplib.SMTP("localhost").starttls(context=context)


async def streams(context: ssl.SSLContext) -> ssl.SSLObject | None:
    _reader, writer = await asyncio.open_connection("localhost", 443, ssl=context)
    found: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    await asyncio.start_server(lambda _r, _w: None, "localhost", 0, ssl=context)
    return found


def ours() -> None:
    ssl.inject_into_ssl()
    ssl.extract_from_ssl()
    path: list[bytes] = ssl.verify_chain(b"", [], [], time=0.0)
    print(path, ssl.get_sigalgs(), ssl.RAND_bytes(16), ssl.cert_time_to_seconds("Jan  5 09:34:43 2018 GMT"))
