"""aiosmtpd as the server, aiosmtplib and smtplib as clients: STARTTLS, TLS from the start, mail both ways."""

import kit

import asyncio
import smtplib

import aiosmtplib
from aiosmtpd.smtp import SMTP

BODY = "Subject: hello\r\n\r\n" + "A line of text.\r\n" * 10_000
kept = []


class Handler:
    async def handle_DATA(self, _server, _session, envelope):
        kept.append(envelope.content.decode())
        return "250 kept"


async def listening(server, *, direct):
    """Controller, aiosmtpd's own, would connect to itself first, and not as a client that verifies."""

    def session():
        return SMTP(
            Handler(), hostname="localhost", **({} if direct else {"tls_context": server, "require_starttls": True})
        )

    loop = asyncio.get_running_loop()
    return await loop.create_server(session, "127.0.0.1", 0, ssl=server if direct else None)


def check(server, make_client):
    for direct in (False, True):
        with kit.asyncio_thread() as submit:
            serving = submit(listening(server, direct=direct))
            port = serving.sockets[0].getsockname()[1]
            kind = smtplib.SMTP_SSL if direct else smtplib.SMTP
            how = {"context": make_client()} if direct else {}
            with kind("localhost", port, timeout=kit.PATIENCE, **how) as smtp:
                if not direct:
                    smtp.starttls(context=make_client())
                smtp.sendmail("a@test.example", ["b@test.example"], BODY)

            async def send(context):
                how = {"use_tls": True} if direct else {"start_tls": True}
                await aiosmtplib.send(
                    BODY, sender="a@test.example", recipients=["b@test.example"], hostname="localhost", port=port,
                    tls_context=context, timeout=kit.PATIENCE, **how,
                )  # fmt: skip

            kit.within_patience(send(make_client()))
            assert [mail.replace("\r\n", "\n") for mail in kept] == [BODY.replace("\r\n", "\n")] * 2
            kept.clear()
            with kit.raises((kit.tls.SSLError, aiosmtplib.SMTPException), *kit.UNTRUSTED):
                kit.within_patience(send(kit.client(trusts=False)))
            serving.close()


check(kit.server(kit.other), kit.client)
check(kit.server(), lambda: kit.client(kit.other))
kit.done("client", "server")
