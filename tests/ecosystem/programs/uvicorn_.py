"""uvicorn: its own context from files (injected), or one of ours put into its configuration (explicit)."""

import kit

import threading
import time

import uvicorn

for loop in ("asyncio", "uvloop"):
    config = uvicorn.Config(
        kit.asgi,
        "127.0.0.1",
        kit.free_port(),
        loop=loop,
        log_level="warning",
        ssl_certfile=kit.chain(),
        ssl_keyfile=kit.key(),
    )
    config.load()
    if kit.INJECTED:
        assert type(config.ssl) is kit.other.SSLContext
    else:
        config.ssl = kit.server()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    kit.check_http_server(config.port)
    server.should_exit = True
    thread.join(kit.PATIENCE)
    assert not thread.is_alive()
kit.done("server")
