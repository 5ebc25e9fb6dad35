"""werkzeug's development server (Flask's), with files, with a context, and with an ad hoc certificate."""

import kit

import werkzeug.serving


class Quiet(werkzeug.serving.WSGIRequestHandler):
    def log(self, *_):
        pass


for context in [(kit.chain(), kit.key()), kit.server()] if kit.INJECTED else [kit.server()]:
    server = werkzeug.serving.make_server(
        "127.0.0.1", 0, kit.wsgi, threaded=True, ssl_context=context, request_handler=Quiet
    )
    server.handle_error = lambda *_: None
    with kit.running(server):
        kit.check_http_server(server.server_port)
    server.server_close()
if kit.INJECTED:
    with kit.running(
        werkzeug.serving.make_server("127.0.0.1", 0, kit.wsgi, ssl_context="adhoc", request_handler=Quiet)
    ) as server:
        context = kit.other._create_unverified_context()
        assert kit.fetch(server.server_port, context=context) == b"hello"
kit.done("server")
