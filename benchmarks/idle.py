"""How much memory an idle connection holds: `python -m benchmarks.idle LIBRARY FOLDER COUNT`.

It prints the KiB of a client's and a server's side. With PYTHONMALLOC=malloc everything, Python's objects and OpenSSL's
alike, is in glibc's books, and mallinfo2() reads them.
"""

from __future__ import annotations

import ctypes
import gc
import sys

from benchmarks.contenders import contender
from puretls.cli.contenders import Case, Files
from puretls.cli.workloads import shake

FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class MallInfo2(ctypes.Structure):
    """mallinfo2(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


def used() -> int:
    """Bytes that are allocated."""
    gc.collect()
    read = ctypes.CDLL(None).mallinfo2
    read.restype = MallInfo2
    info = read()
    return int(info.uordblks + info.hblkhd)


def main() -> None:
    """Hold `count` pairs, then drop one side after the other."""
    name, folder, count = sys.argv[1:]
    library = contender(name)
    contexts = [library.context(Files(folder), Case(), server=server) for server in (False, True)]
    clients, servers = [], []
    for index in range(int(count) + 20):
        client, server = (library.side(contexts[one], server=bool(one)) for one in (0, 1))
        shake(client, server)
        server.write(b"x")
        client.give(server.take())
        client.read(1)
        if index >= 20:  # the first ones fill caches
            clients.append(client)
            servers.append(server)
    del client, server
    both = used()
    clients.clear()
    without_clients = used()
    servers.clear()
    neither = used()
    print((both - without_clients) / int(count) / 1024, (without_clients - neither) / int(count) / 1024)


main()
