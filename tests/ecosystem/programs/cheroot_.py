"""cheroot (CherryPy's server): its built-in adapter, the WSGI environment it makes."""

import kit

import threading

import cheroot.ssl.builtin
import cheroot.wsgi

seen = {}


def application(environ, start_response):
    seen.update(environ)
    return kit.wsgi(environ, start_response)


adapter = cheroot.ssl.builtin.BuiltinSSLAdapter(kit.chain(), kit.key())
if not kit.INJECTED:
    adapter.context = kit.server()
server = cheroot.wsgi.Server(("127.0.0.1", 0), application)
server.ssl_adapter = adapter
server.error_log = lambda *_args, **_more: None
server.prepare()
thread = threading.Thread(target=server.serve)
thread.start()
port = server.bind_addr[1]
kit.check_http_server(port)
assert (seen["SSL_PROTOCOL"], seen["wsgi.url_scheme"]) == ("TLSv1.3", "https")
assert seen["SSL_CIPHER"].startswith("TLS_AES") and seen["SSL_SERVER_S_DN_CN"]
server.stop()
thread.join(kit.PATIENCE)
kit.done("server")
