"""truststore: a context inside of which one of ours does the work; imported after the injection, as pip has it."""

import kit

import truststore
import urllib3

context = truststore.SSLContext(kit.tls.PROTOCOL_TLS_CLIENT)
pool = urllib3.PoolManager(ssl_context=context, retries=False)


def request(url, body=None, timeout=kit.PATIENCE):
    return pool.request("POST" if body else "GET", url, body=body, timeout=timeout).data


kit.check_http_client(request, urllib3.exceptions.SSLError, urllib3.exceptions.TimeoutError)
pool.clear()
truststore.inject_into_ssl()
try:
    with kit.site() as port:
        assert urllib3.PoolManager(retries=False).request("GET", f"https://localhost:{port}/").data == b"hello"
finally:
    truststore.extract_from_ssl()
kit.done("client")
