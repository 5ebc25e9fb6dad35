"""SSLSocket: a socket.socket that speaks TLS once it is connected.

It takes over the file descriptor of the socket it is made from.  `_sslobj` is the connection; without one (a listening
socket, one not connected yet, or after unwrap() or shutdown()) the methods are those of a plain socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, overload

from puretls._api import native
from puretls._api.errors import SSLEOFError, SSLError
from puretls._api.objects import SSLSession
from puretls._api.over_socket import _SocketConnection
from puretls._api.queries import _Queries
from puretls._api.sslconnection import _SSLSocket
from puretls._api.types import Buffer, PeerCertificate
from puretls._base.public import public

if TYPE_CHECKING:
    from puretls._api.context import SSLContext

_plain = socket.socket  # as it is now: a patched one, if gevent came first
if TYPE_CHECKING:
    from ssl import SSLSocket as _Base
else:
    _Base = _plain if native.ssl is None else native.ssl.SSLSocket


@public
class SSLSocket(_Queries, _Base, metaclass=native.StandIn):
    """A TLS connection over a stream socket.  Made by SSLContext.wrap_socket()."""

    if TYPE_CHECKING:
        _sslobj: _SSLSocket | None
        _context: SSLContext
        _session: SSLSession | None
        _closed: bool
        _connected: bool
        _unread: bytes  # clear text that was read with the last TLS records before unwrap()
    server_side: bool
    server_hostname: str | None
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        raise TypeError(
            f"{type(self).__name__} does not have a public constructor. "
            "Instances are returned by SSLContext.wrap_socket()."
        )

    def __init_subclass__(cls, **options: Any) -> None:
        """Have the methods that a subclass overrides be used by the others, as in CPython; ours have shorter ways."""
        super().__init_subclass__(**options)
        if any(getattr(cls, name) is not getattr(SSLSocket, name) for name in ("read", "send", "_checkClosed")):
            bases = [Roundabout if base is SSLSocket else base for base in cls.__bases__]
            cls.__bases__ = tuple(bases if issubclass(cls, Roundabout) or Roundabout in bases else [*bases, Roundabout])

    @classmethod
    def _create(
        cls,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        context: Any = None,
        session: SSLSession | None = None,
    ) -> SSLSocket:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != socket.SOCK_STREAM:
            raise NotImplementedError("only stream sockets are supported")
        if server_side and server_hostname:
            raise ValueError("server_hostname can only be specified in client mode")
        if server_side and session is not None:
            raise ValueError("session can only be specified in client mode")
        if context.check_hostname and not server_hostname:
            raise ValueError("check_hostname requires server_hostname")
        timeout = sock.gettimeout()
        arguments = {"family": sock.family, "type": sock.type, "proto": sock.proto, "fileno": sock.fileno()}
        self = cls.__new__(cls, **arguments)
        _plain.__init__(self, **arguments)
        sock.detach()  # from here on we own the descriptor
        try:
            self._context = context
            self._session = session
            self._closed = False
            self._sslobj = None
            self._unread = b""
            self.server_side = server_side
            self.server_hostname = context._encode_hostname(server_hostname)
            self.do_handshake_on_connect = do_handshake_on_connect
            self.suppress_ragged_eofs = suppress_ragged_eofs
            self._connected = self._is_connected()
            self.settimeout(timeout)
            if self._connected:
                self._wrap(server_side)
                if do_handshake_on_connect:
                    self._first_handshake()
        except BaseException:
            with contextlib.suppress(OSError):  # the first error tells more
                self.close()
            raise
        return self

    def _wrap(self, server_side: bool) -> None:
        self._sslobj = self._context._wrap_socket(
            self, server_side, self.server_hostname, owner=self, session=self._session
        )

    def _first_handshake(self) -> None:
        if self.gettimeout() == 0.0:
            raise ValueError("do_handshake_on_connect should not be specified for non-blocking sockets")
        self.do_handshake()

    def _is_connected(self) -> bool:
        """Whether there is a peer; one that has left data and gone is refused, since that data is not TLS."""
        try:
            self.getpeername()
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            left = error.errno
        else:
            return True
        blocking = self.getblocking()
        self.setblocking(False)
        try:
            data = self.recv(1)
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.EINVAL):
                raise
            data = b""
        self.setblocking(blocking)
        if data:
            text = "Closed before TLS handshake with data in recv buffer."
            refusal: Any = SSLError(left, text)
            refusal.reason, refusal.library = text, None
            try:
                raise refusal
            finally:
                del refusal  # its traceback holds this frame
        return False

    # The connection

    @property  # type: ignore[override]  # ours
    def context(self) -> SSLContext:
        """The context in use; sni_callback may assign another."""
        return self._context

    @context.setter
    def context(self, ctx: SSLContext) -> None:
        self._context = ctx
        self._tls().context = ctx

    @property  # type: ignore[override]  # a class of ours
    def session(self) -> SSLSession | None:
        """The session; a client may set it before the handshake to resume it."""
        return None if self._sslobj is None else self._sslobj.session

    @session.setter  # type: ignore[override]  # as above
    def session(self, session: SSLSession) -> None:
        self._session = session
        if self._sslobj is not None:
            self._sslobj.session = session

    @property
    def session_reused(self) -> bool | None:
        """Whether an earlier session was resumed."""
        return None if self._sslobj is None else self._sslobj.session_reused

    def dup(self) -> NoReturn:
        """Not possible: two owners of one connection would lose its state."""
        raise NotImplementedError(f"Can't dup() {type(self).__name__} instances")

    def _checkClosed(self, msg: Any = None) -> None:  # noqa: N802  # subclasses override it
        """For subclasses that want to know of calls on a closed socket."""

    def _check_connected(self) -> None:
        if not self._connected:
            self.getpeername()  # raises ENOTCONN, unless connect() has come through in the meantime

    @overload  # type: ignore[override]
    def getpeercert(self, binary_form: Literal[False] = False) -> PeerCertificate | None: ...
    @overload
    def getpeercert(self, binary_form: Literal[True]) -> bytes | None: ...
    @overload
    def getpeercert(self, binary_form: bool) -> PeerCertificate | bytes | None: ...
    def getpeercert(self, binary_form: bool = False) -> PeerCertificate | bytes | None:
        """The peer's certificate: a dictionary, empty if it was not verified, or with `binary_form` DER.

        None if there is none.
        """
        self._checkClosed()
        self._check_connected()
        return cast("PeerCertificate | bytes | None", self._tls().getpeercert(binary_form))

    def pending(self) -> int:
        """How many bytes of data can be read without asking the kernel: select() does not know of them."""
        self._checkClosed()
        return 0 if self._sslobj is None else self._sslobj.pending()

    def verify_client_post_handshake(self) -> None:
        """Ask the client for its certificate, with the next data that is written (RFC 8446 4.6.2).

        For servers of TLS 1.3.  What it answers is taken, and verified, by reads; getpeercert() tells.  SSLError if the
        version is older, this is a client, or the client does not take part (SSLContext.post_handshake_auth).
        """
        self._wrapper().verify_client_post_handshake()

    def _tls(self) -> _SSLSocket:
        """The connection; AttributeError from what is asked of it where there is none, as with `ssl`."""
        return cast("_SSLSocket", self._sslobj)

    def _wrapper(self) -> Any:
        if not self._sslobj:
            raise ValueError(f"No SSL wrapper around {self}")
        return self._sslobj

    # Connecting

    def connect(self, addr: Any) -> None:
        """Connect, and do the handshake unless do_handshake_on_connect is off."""
        self._real_connect(addr, False)

    def connect_ex(self, addr: Any) -> int:
        """As connect(), with an error number instead of an exception for what the system reports."""
        return cast("int", self._real_connect(addr, True))

    def _real_connect(self, addr: Any, connect_ex: bool) -> Any:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._sslobj is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        self._wrap(False)
        try:
            result = _plain.connect_ex(self, addr) if connect_ex else _plain.connect(self, addr)  # type: ignore[func-returns-value]  # None is success, as 0 is
            if not result:
                self._connected = True
                if self.do_handshake_on_connect:
                    self.do_handshake()
        except (OSError, ValueError):
            self._sslobj = None
            raise
        return result

    def accept(self) -> tuple[SSLSocket, Any]:
        """The next connection to a listening socket, wrapped on the server's side, and the peer's address."""
        accepted, address = _plain.accept(self)
        wrapped = self.context.wrap_socket(
            accepted,
            do_handshake_on_connect=self.do_handshake_on_connect,
            suppress_ragged_eofs=self.suppress_ragged_eofs,
            server_side=True,
        )
        return wrapped, address

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake, or go on with it; the socket's timeout is the deadline of the whole.

        A non-blocking socket raises SSLWantReadError or SSLWantWriteError: call again when it can be read or written.
        With `block` it blocks until it is done.  Errors are those of SSLContext.wrap_socket().
        """
        self._check_connected()
        if self.fileno() == -1:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if not (block and self.gettimeout() == 0.0):
            self._tls().do_handshake()
            return
        self.settimeout(None)
        try:
            self._tls().do_handshake()
        finally:
            self.settimeout(0.0)

    # Receiving

    @overload  # type: ignore[override]
    def read(self, len: int = 1024, buffer: None = None) -> bytes: ...
    @overload
    def read(self, len: int, buffer: Buffer) -> int: ...
    def read(self, len: int = 1024, buffer: Buffer | None = None) -> bytes | int:  # noqa: A002  # ssl's name
        """Up to `len` bytes of data; with a buffer, how many were put into it."""
        self._checkClosed()
        if self._sslobj is None:
            raise ValueError("Read on closed or unwrapped SSL socket.")
        try:
            return self._sslobj.read(len) if buffer is None else self._sslobj.read(len, buffer)  # type: ignore[no-any-return]
        except SSLEOFError:
            if self.suppress_ragged_eofs:
                return b"" if buffer is None else 0
            raise

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Up to `buflen` bytes of data, of one record or more; empty at the end."""
        sslobj = self._sslobj
        if sslobj is None:
            return self._take_unread(buflen) or _plain.recv(self, buflen, flags)
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to recv() on {self.__class__}")
        try:
            return sslobj.read(buflen)  # type: ignore[no-any-return]
        except SSLEOFError:
            if self.suppress_ragged_eofs:
                return b""
            raise

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        """Up to `nbytes` bytes of data into a buffer, which it fills otherwise; how many there were, 0 at the end."""
        sslobj = self._sslobj
        if sslobj is None:
            if self._unread:
                with memoryview(buffer).cast("B") as view:
                    data = self._take_unread(min(nbytes or view.nbytes, view.nbytes))
                    view[: len(data)] = data
                    return len(data)
            return _plain.recv_into(self, buffer, nbytes or 0, flags)
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to recv_into() on {self.__class__}")
        if buffer is None:
            return cast("int", self.read(1024 if nbytes is None else nbytes))
        try:
            return sslobj.read(0 if nbytes is None else nbytes, buffer)  # type: ignore[no-any-return]
        except SSLEOFError:
            if self.suppress_ragged_eofs:
                return 0
            raise

    def _take_unread(self, size: int) -> bytes:
        """Clear text that had been read with the last TLS records when the TLS layer was taken off."""
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def recvfrom(self, buflen: int = 1024, flags: int = 0) -> tuple[bytes, Any]:
        """For plain sockets only."""
        self._only_plain("recvfrom")
        return _plain.recvfrom(self, buflen, flags)

    def recvfrom_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> tuple[int, Any]:
        """For plain sockets only."""
        self._only_plain("recvfrom_into")
        return _plain.recvfrom_into(self, buffer, nbytes or 0, flags)

    def recvmsg(self, *args: NoReturn, **kwargs: NoReturn) -> NoReturn:  # type: ignore[override]
        """Not available: it would return what is not decrypted."""
        raise NotImplementedError(f"recvmsg not allowed on instances of {self.__class__}")

    def recvmsg_into(self, *args: NoReturn, **kwargs: NoReturn) -> NoReturn:  # type: ignore[override]
        """Not available: it would return what is not decrypted."""
        raise NotImplementedError(f"recvmsg_into not allowed on instances of {self.__class__}")

    # Sending

    def write(self, data: Buffer) -> int:
        """Send data; how many bytes were taken."""
        self._checkClosed()
        if self._sslobj is None:
            raise ValueError("Write on closed or unwrapped SSL socket.")
        return self._sslobj.write(data)

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send data; how many bytes were taken."""
        self._checkClosed()
        if self._sslobj is None:
            return _plain.send(self, data, flags)
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to send() on {self.__class__}")
        return self._sslobj.write(data)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of the data."""
        sslobj = self._sslobj
        if sslobj is None:
            return _plain.sendall(self, data, flags)
        if flags:
            raise ValueError(f"non-zero flags not allowed in calls to sendall() on {self.__class__}")
        if type(data) is bytes and data:  # the fast path: a blocking socket takes all of it
            sent = sslobj.write(data)
            if sent == len(data):
                return None
        else:
            sent = 0
        with memoryview(data) as view, view.cast("B") as octets:
            size = len(octets)
            while sent < size:
                sent += self.send(octets[sent:])
        return None

    def sendto(self, data: Any, flags_or_addr: Any, addr: Any = None) -> int:
        """For plain sockets only."""
        self._only_plain("sendto")
        if addr is None:
            return _plain.sendto(self, data, flags_or_addr)
        return _plain.sendto(self, data, flags_or_addr, addr)

    def sendmsg(self, *args: NoReturn, **kwargs: NoReturn) -> NoReturn:  # type: ignore[override]
        """Not available: it would send what is not encrypted."""
        raise NotImplementedError(f"sendmsg not allowed on instances of {self.__class__}")

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send the content of a file."""
        if self._sslobj is None:
            return _plain.sendfile(self, file, offset, count)
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined,no-any-return]  # socket.socket's

    def _only_plain(self, name: str) -> None:
        self._checkClosed()
        if self._sslobj is not None:
            raise ValueError(f"{name} not allowed on instances of {self.__class__}")

    # The end

    def shutdown(self, how: int) -> None:
        """Shut the plain socket down; the TLS layer is dropped without a word.  unwrap() says goodbye first."""
        self._checkClosed()
        connection, self._sslobj = self._sslobj, None
        if isinstance(connection, _SocketConnection):
            connection.give_up()
        _plain.shutdown(self, how)

    def unwrap(self) -> socket.socket:
        """Say goodbye with close_notify and wait for the peer's; the socket goes on in clear text.

        No byte that follows the peer's close_notify is lost.  SSLError (APPLICATION_DATA_AFTER_CLOSE_NOTIFY) if data of
        the peer comes instead, which can still be read; ValueError if there is no TLS.
        """
        connection = self._wrapper()
        connection.shutdown()
        self._sslobj = None
        self._unread = connection.leftover()
        return self

    def _real_close(self) -> None:
        connection, self._sslobj = self._sslobj, None
        if isinstance(connection, _SocketConnection):
            connection.give_up()
            connection.end_early()
        _plain._real_close(self)  # type: ignore[attr-defined]  # what close() comes to


class Roundabout(SSLSocket):
    """The methods that have a fast path, the slow way: a base of subclasses that override what that goes through."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self._checkClosed()
        return super().recv(buflen, flags) if self._sslobj is None or flags else self.read(buflen)

    def recv_into(self, buffer: Buffer, nbytes: int | None = None, flags: int = 0) -> int:
        self._checkClosed()
        if self._sslobj is None or flags or buffer is None:
            return super().recv_into(buffer, nbytes, flags)
        if nbytes is None:
            with memoryview(buffer) as view:
                nbytes = view.nbytes or 1024
        return self.read(nbytes, buffer)

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        self._checkClosed()
        if self._sslobj is None or flags:
            super().sendall(data, flags)
            return
        with memoryview(data) as view, view.cast("B") as octets:
            sent, size = 0, len(octets)
            while sent < size:
                sent += self.send(octets[sent:])
