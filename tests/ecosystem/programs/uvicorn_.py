"""uvicorn: its own context from files (injected), or one of ours in its configuration (explicit); two loops of each."""

import kit

import shutil
import threading
import time

import uvicorn

for loop in ("asyncio", "uvloop", "puretls.asyncio:EventLoop", "puretls.asyncio:uvloop_factory"):
    before = kit.made["server over Link"]
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
    short = kit.made["server over Link"] > before
    assert short == (bool(kit.LAYER) or ":" in loop), loop


# A certificate that is renewed while it runs
names = kit.FOLDER / "renewed.pem", kit.FOLDER / "renewed.key"


def renew(identity: str) -> None:
    for name, source in zip(names, (kit.chain(identity), kit.key(identity)), strict=True):
        shutil.copy(source, name)


if kit.MODE != "control":
    renew("P-256")
    config = uvicorn.Config(
        kit.asgi, "127.0.0.1", kit.free_port(), log_level="warning", ssl_certfile=names[0], ssl_keyfile=names[1]
    )
    config.load()
    if not kit.INJECTED:
        config.ssl = kit.server()
    config.ssl.load_cert_chain(*names, reload=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    kit.wait_for_port(config.port)
    kit.check_renewal(config.port, renew)
    server.should_exit = True
    thread.join(kit.PATIENCE)
kit.done("server")
