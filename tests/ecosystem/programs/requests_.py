"""requests: a session with a CA file (injected), or an adapter with a context of ours (explicit)."""

import kit

import requests
from requests.adapters import HTTPAdapter


class Adapter(HTTPAdapter):
    """What requests documents for contexts of one's own."""

    def init_poolmanager(self, *arguments, **keywords):
        return super().init_poolmanager(*arguments, **keywords, ssl_context=kit.client())


session = requests.Session()
if kit.INJECTED:
    session.verify = kit.CA
else:
    session.mount("https://", Adapter())


def request(url, body=None, timeout=kit.PATIENCE):
    with session.request("POST" if body else "GET", url, data=body, timeout=timeout) as response:
        response.raise_for_status()
        return response.content


kit.check_http_client(request, requests.exceptions.SSLError, requests.exceptions.Timeout)

with kit.site(kit.server(kit.other, asks=True)) as port:
    url = f"https://localhost:{port}/"
    if kit.INJECTED:
        assert session.get(url, cert=(kit.chain("client"), kit.key("client")), timeout=kit.PATIENCE).text == "hello"
    with kit.raises(requests.exceptions.ConnectionError):  # the alert, or a pipe that is broken before it is read
        session.get(url, timeout=kit.PATIENCE)
session.close()
kit.done("client")
