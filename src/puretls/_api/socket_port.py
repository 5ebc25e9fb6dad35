"""What reading from and writing to a socket have in common: readiness, deadlines, and the driver's port."""

from __future__ import annotations

import _socket
import errno
import os
import select
import socket
from os import read as read_fd
from os import write as write_fd
from time import monotonic
from typing import Any, Protocol

from puretls._api.errors import SUFFIX, ssl_error

PLAIN = socket.socket  # as it is now: a patched one if gevent came first, and not eventlet's, which is no socket
# Whether the file descriptor of a socket may be read and written as such: not on Windows, nor where gevent or eventlet
# have their own sockets or their own os.read().
DIRECT = (
    os.name == "posix"
    and PLAIN.recv is _socket.socket.recv
    and PLAIN.send is _socket.socket.send
    and isinstance(read_fd, type(len))
    and isinstance(write_fd, type(len))
)
ALMOST_ALL = 0.99  # so much of a timeout counts as all of it
HANDSHAKE_TIMEOUT = f"{SUFFIX.strip('()')}: The handshake operation timed out"
READ_TIMEOUT = "The read operation timed out"
WRITE_TIMEOUT = "The write operation timed out"


def wait_until_ready(sock: Any, event: str, deadline: float, message: str) -> None:
    """Wait until the socket is ready, if its own timeout, which starts anew with each call, would end well after the
    deadline.
    """
    seconds = deadline - monotonic()
    if seconds > ALMOST_ALL * (sock.gettimeout() or 0):
        return
    if seconds <= 0 or not ready(sock, event, seconds):
        raise TimeoutError(message)


def ready(sock: Any, event: str, seconds: float) -> bool:
    number = sock.fileno()
    try:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(number, select.POLLIN if event == "read" else select.POLLOUT)
            return bool(poll.poll(seconds * 1000))
        waiting = [number]
        return any(select.select(*((waiting, [], []) if event == "read" else ([], waiting, [])), seconds))
    except ValueError:  # -1, as another thread has closed it; or it is too high for select()
        raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from None


def port_of(sock: Any) -> int | None:
    """The port at the other end; None if there is none, or no connection yet."""
    try:
        name = sock.getpeername()
    except (OSError, AttributeError):
        return None
    return name[1] if isinstance(name, tuple) and len(name) > 1 and isinstance(name[1], int) else None


def gone() -> Exception:
    """The error of a connection whose socket is gone, while `_sslobj` was kept."""
    return ssl_error(5, "Underlying socket connection gone")


class Transfers(Protocol):
    """What a port needs of its connection."""

    def _fill(self, sock: Any, wanted: int, deadline: float | None, message: str) -> bool: ...

    def _flush(self, sock: Any, deadline: float | None, message: str) -> None: ...


class SocketPort:
    """The socket of a connection, for one call with a deadline."""

    __slots__ = ("connection", "deadline", "message", "reads_ahead", "sock")
    asks = True

    def __init__(
        self, connection: Transfers, sock: Any, deadline: float | None, message: str, reads_ahead: bool = False
    ) -> None:
        self.connection, self.sock, self.deadline, self.message = connection, sock, deadline, message
        self.reads_ahead = reads_ahead

    def fill(self, wanted: int) -> bool:
        """Receive from the kernel, as soon as it has something."""
        return self.connection._fill(self.sock, wanted, self.deadline, self.message)

    def flush(self) -> None:
        """Send to the kernel, as soon as it takes it."""
        self.connection._flush(self.sock, self.deadline, self.message)

    def at_end(self) -> None:
        """Bytes behind close_notify stay for unwrap(): see `leftover`."""
