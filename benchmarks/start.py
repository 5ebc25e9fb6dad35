"""What a program pays before anything is in a cache: imports, a whole process with one request, servers never met.

Each measurement is a process of its own: `python -m benchmarks.start LIBRARY FOLDER COUNT` is the one that meets
servers, and prints the seconds of CPU time of its client's side.  Public servers share few intermediates, and whether
these are in a cache makes a difference: so there are two sets of servers.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from puretls.cli.certs import Authority
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import Spent, process_time, shake, spending

IMPORTS = {"ssl": "ssl", "pyopenssl": "OpenSSL.SSL", "puretls": "puretls"}
REQUEST = """
import sys
from http.client import HTTPSConnection
import {module} as tls
context = tls.create_default_context(cafile=sys.argv[2])
connection = HTTPSConnection("localhost", int(sys.argv[1]), timeout=5, context=context)
connection.request("GET", "/")
assert len(connection.getresponse().read()) == 1000
"""


def child(*arguments: str) -> float:
    """Seconds of CPU time of an interpreter from its start to its end."""
    from resource import RUSAGE_CHILDREN, getrusage  # os.times() counts ticks of 10 ms

    before = getrusage(RUSAGE_CHILDREN)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *arguments], check=True, env=environment)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def imports(library: Any, _files: Files, _case: Case, count: int) -> Spent:
    """`import` of the library, beyond what an empty interpreter takes."""
    child("-c", f"import {IMPORTS[library.name]}")  # writes the bytecode, if there is none
    spent = sum(child("-c", f"import {IMPORTS[library.name]}") - child("-c", "") for _ in range(count))
    return Spent(count, spent, spent)


def process(library: Any, files: Files, case: Case, end: tuple[Any, int], count: int) -> Spent:
    """Start, one request to an HTTPS server, end; `count` times."""
    listener, port = end
    if listener:
        context = library.context(files, case, server=True)
        with spending(count) as spent:
            for _ in range(count + 1):
                tls = library.wrap(context, listener.accept()[0], server=True)
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n" + b"x" * 1000)
                tls.close()
        return spent[0]
    arguments = "-c", REQUEST.format(module=library.name), str(port), files.of("ca.pem")
    child(*arguments)
    total = sum(child(*arguments) for _ in range(count))
    return Spent(count, total, total)


# Servers that were never met


@cache
def strangers(folder: str, count: int, issuers: int) -> str:
    """A folder with the certificates of `count` servers, of so many issuers."""
    place = Path(folder, f"strangers-{issuers}")
    if not place.exists():
        place.mkdir()
        root = Authority("Root of strangers")
        between = [Authority(f"Intermediate {n}", parent=root) for n in range(issuers)]
        (place / "ca.pem").write_bytes(root.pem)
        for n in range(count):
            identity = between[n % issuers].issue(f"server{n}.example")
            (place / f"server{n}.pem").write_bytes(identity.chain_pem)
            (place / f"server{n}.key").write_bytes(identity.key_pem)
    return str(place)


def strange(library: Any, files: Files, _case: Case, count: int, issuers: int) -> Spent:
    """First handshakes of a client with `count` servers, in a process that has met none of them."""
    folder = strangers(files.folder, count, issuers)
    command = [sys.executable, "-m", "benchmarks.start", library.name, folder, str(count)]
    spent = float(subprocess.check_output(command, text=True))
    return Spent(count, spent, spent)


def main() -> None:
    """One client, many servers."""
    from benchmarks.contenders import contender

    name, folder, count = sys.argv[1:]
    library, files, spent = contender(name), Files(folder), 0.0
    client_context = library.context(files, Case(), server=False)
    for n in range(int(count)):
        context = library.context(files, Case(key=f"server{n}"), server=True)
        start = process_time()
        client = library.side(client_context, server=False, name=f"server{n}.example")
        made = process_time() - start
        spent += made + shake(client, library.side(context, server=True))[0]
    print(spent)


if __name__ == "__main__":
    main()
