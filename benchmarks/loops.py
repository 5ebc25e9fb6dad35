"""asyncio and uvloop: streams between two processes, and a web server under `wrk`.

Every contender runs in the same loops, those of puretls.asyncio: they take the fast path with its contexts only.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import puretls.asyncio
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, spending

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": puretls.asyncio.EventLoop,
    "uvloop": puretls.asyncio.uvloop_factory,
}
HAS_UVLOOP = find_spec("uvloop") is not None
HAS_WEB = bool(shutil.which("wrk")) and all(map(find_spec, ("uvicorn", "httptools")))
WARM_UP = 5


def run(kind: str, work: Any) -> Any:
    """In a fresh loop."""
    loop = LOOPS[kind]()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def streams(
    library: Any,
    files: Files,
    case: Case,
    end: tuple[Any, int],
    kind: str,
    size: int,
    count: int,
    connections: int,
    each: bool,
) -> Spent:
    """Requests and answers of `size` bytes: `count` on each of `connections`, or with `each` one on each of `count`."""
    listener, port = end
    context = library.context(files, case, server=bool(listener))
    options = {} if context is None else {"ssl": context}
    message = b"x" * size

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        while data := await reader.read(size):
            writer.write(data)
            await writer.drain()
        writer.close()
        left -= 1
        if not left:
            done.set()

    async def serve() -> Spent:
        sock = listener.dup()
        async with await asyncio.start_server(answer, sock=sock, **options):
            with spending(count) as spent:
                await done.wait()
        return spent[0]

    async def ask(many: int) -> None:
        names = {"server_hostname": "localhost", **options} if options else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **names)
        for _ in range(many):
            writer.write(message)
            await reader.readexactly(size)
        writer.close()
        await writer.wait_closed()

    async def ask_all() -> Spent:
        await ask(WARM_UP)
        with spending(count) as spent:
            if each:
                for _ in range(count):
                    await ask(1)
            else:
                await asyncio.gather(*(ask(count // connections) for _ in range(connections)))
        return spent[0]

    left = 1 + (count if each else connections)
    done = asyncio.Event()
    result: Spent = run(kind, serve() if listener else ask_all())
    if listener:
        listener.setblocking(True)  # asyncio has made it, and what it shares, non-blocking
    return result


def web(library: Any, files: Files, kind: str, size: int, connections: int, each: bool) -> Spent:
    """Answers of uvicorn, with httptools, to `wrk`, for a second after one to warm up; CPU of the server alone."""
    command = [sys.executable, "-m", "benchmarks.loops", library.name, files.folder, kind, str(size)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        scheme = "http" if library.name == "tcp" else "https"
        wrk = ["wrk", "-t1", f"-c{connections}", f"{scheme}://127.0.0.1:{port}/"]
        if each:
            wrk[-1:-1] = ["-H", "Connection: close"]
        rates = []
        for seconds in (1, 2):
            before = _cpu(server.pid)
            said = subprocess.check_output([*wrk, f"-d{seconds}s"], text=True, preexec_fn=lambda: _pin(1))
            if "Non-2xx" in said or "Socket errors" in said:
                raise RuntimeError(said)
            count = int(re.search(r"(\d+) requests in", said)[1])  # type: ignore[index]
            rate = float(re.search(r"Requests/sec: +([\d.]+)", said)[1])  # type: ignore[index]
            rates.append(Spent(count, count / rate, _cpu(server.pid) - before))
        return rates[-1]
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()


def _pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """The web server: LIBRARY FOLDER LOOP SIZE."""
    import uvicorn

    from benchmarks.contenders import contender

    name, folder, kind, size = sys.argv[1:]
    _pin(0)
    body = b"x" * int(size)
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"text/plain"), (b"content-length", size.encode())],
    }

    async def app(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send(start)
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        app, "127.0.0.1", 0, log_level="error", http="httptools", lifespan="off", access_log=False, backlog=1024
    )
    config.load()
    config.ssl = contender(name).context(Files(folder), Case(), server=True)

    async def serve() -> None:
        server = uvicorn.Server(config)
        serving = asyncio.ensure_future(server.serve())
        while not server.started:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.01)
        print(server.servers[0].sockets[0].getsockname()[1], flush=True)
        await serving

    run(kind, serve())


if __name__ == "__main__":
    main()
