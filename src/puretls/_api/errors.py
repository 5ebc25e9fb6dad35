"""The exceptions of `ssl`, and the translation of the engine's faults into them.

The classes are the interpreter's own wherever it has them, since programs catch `ssl.SSLError`; without `_ssl` they are
plain OSErrors of the same shape.  `args[0]` is an SSL_ERROR_* number, the text reads `[SSL: REASON] text (_ssl.c:N)` as
log filters and tests expect it, and `reason` is spelled as OpenSSL spells it.  `_base/faults.py` defines the faults.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from puretls._api import native
from puretls._base import faults
from puretls._base.faults import Abort, EchRejected, Fault, VerifyAbort
from puretls._base.public import public

__all__ = [  # also what is imported for type checkers only
    "CertificateError",
    "SSLCertVerificationError",
    "SSLECHRejected",
    "SSLEOFError",
    "SSLError",
    "SSLSyscallError",
    "SSLWantAnswerError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLZeroReturnError",
]

E = TypeVar("E", bound=OSError)
SUFFIX = "(_ssl.c:1000)"  # programs look for "_ssl.c:"; the line number is arbitrary
WANT_READ_TEXT = f"The operation did not complete (read) {SUFFIX}"
SSL_ERROR, WANT_READ, WANT_WRITE, SYSCALL, ZERO_RETURN, EOF = 1, 2, 3, 5, 6, 8  # SSL_ERROR_*

if TYPE_CHECKING:
    from ssl import (
        SSLCertVerificationError,
        SSLEOFError,
        SSLError,
        SSLSyscallError,
        SSLWantReadError,
        SSLWantWriteError,
        SSLZeroReturnError,
    )
elif native.ssl is not None:
    SSLError = native.ssl.SSLError
    SSLZeroReturnError = native.ssl.SSLZeroReturnError
    SSLWantReadError = native.ssl.SSLWantReadError
    SSLWantWriteError = native.ssl.SSLWantWriteError
    SSLSyscallError = native.ssl.SSLSyscallError
    SSLEOFError = native.ssl.SSLEOFError
    SSLCertVerificationError = native.ssl.SSLCertVerificationError
else:

    @public
    class SSLError(OSError):
        """An error occurred in the SSL implementation."""

        def __str__(self) -> str:
            return self.strerror if isinstance(self.strerror, str) else str(self.args)

    @public
    class SSLZeroReturnError(SSLError):
        """SSL/TLS session closed cleanly."""

    @public
    class SSLWantReadError(SSLError):
        """Non-blocking SSL socket needs to read more data before the requested operation can be completed."""

    @public
    class SSLWantWriteError(SSLError):
        """Non-blocking SSL socket needs to write more data before the requested operation can be completed."""

    @public
    class SSLSyscallError(SSLError):
        """System error when attempting SSL operation."""

    @public
    class SSLEOFError(SSLError):
        """SSL/TLS connection terminated abruptly."""

    @public
    class SSLCertVerificationError(SSLError, ValueError):
        """A certificate could not be verified."""


@public
class SSLECHRejected(SSLError):
    """The server did not open the encrypted ClientHello: nothing was sent, and `retry_configs` is what to try instead.

    It is an ECHConfigList for SSLContext.set_ech_configs(); b"" says that the server has, securely, no Encrypted
    Client Hello; None that nobody has verified who said so, as with CERT_NONE.
    """

    if TYPE_CHECKING:
        retry_configs: bytes | None
    else:
        retry_configs = None


CertificateError = SSLCertVerificationError


@public
class SSLWantAnswerError(SSLWantReadError):
    """The handshake waits for an answer that you have promised: call again when `future` is done."""

    if TYPE_CHECKING:
        future: Any


def ssl_error(
    number: int, text: str, *, reason: str | None = None, library: str | None = None, kind: type[SSLError] = SSLError
) -> SSLError:
    """An exception as the interpreter's `_ssl` makes them: the label, the text, where."""
    label = f"[{library}: {reason}] " if reason else f"[{library}] " if library else ""
    error = kind(number, f"{label}{text} {SUFFIX}")
    attributes = cast("Any", error)
    attributes.reason, attributes.library = reason or None, library
    return error


def noted(error: E, detail: str) -> E:
    """The exception with a detail, if there is one, as a note: the message is what programs know.

    Python 3.10 shows no notes; they are there to be asked for.
    """
    if detail:
        cast("Any", error).__notes__ = [*getattr(error, "__notes__", ()), detail]
    return error


def fault_error(fault: Fault, detail: str = "", number: int = SSL_ERROR) -> SSLError:
    """The exception for a fault."""
    if fault.reason == faults.UNEXPECTED_EOF.reason:
        return eof_error(fault.reason)
    return noted(ssl_error(number, fault.text, reason=fault.reason, library=fault.library), detail)


def abort_error(abort: Abort) -> SSLError:
    """The exception for an Abort, to be raised from the Abort's cause, which is there if the mistake was ours.

    A program that keeps the exception keeps the frames of its traceback as well.  Their variables are cleared: they may
    contain secrets, and the connection itself.
    """
    for error in (abort, abort.__cause__):
        if error is not None:
            _clear_frames(error.__traceback__)
    if isinstance(abort, EchRejected):
        fault = abort.fault
        rejected = ssl_error(SSL_ERROR, fault.text, reason=fault.reason, library=fault.library, kind=SSLECHRejected)
        cast("Any", rejected).retry_configs = abort.retry_configs
        return noted(rejected, abort.detail)
    if not isinstance(abort, VerifyAbort):
        return fault_error(abort.fault, abort.detail)
    error = ssl_error(
        SSL_ERROR,
        f"{abort.fault.text}: {abort.message}",
        reason=abort.fault.reason,
        library=abort.fault.library,
        kind=SSLCertVerificationError,
    )
    attributes = cast("Any", error)
    attributes.verify_code, attributes.verify_message, attributes.depth = abort.code, abort.message, abort.depth
    attributes.aia_urls = abort.aia_urls
    return noted(error, abort.note)


def _clear_frames(traceback: TracebackType | None) -> None:
    """The same as `traceback.clear_frames`, whose import would bring in the reading of source files."""
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        try:
            frame.clear()
        except RuntimeError:  # the frame is still running
            continue


def want_read() -> SSLError:
    error: Any = SSLWantReadError(WANT_READ, WANT_READ_TEXT)  # without a helper, as event loops get very many of these
    error.reason = error.library = None
    return error  # type: ignore[no-any-return]


def want_write() -> SSLError:
    return ssl_error(WANT_WRITE, "The operation did not complete (write)", kind=SSLWantWriteError)


def zero_return() -> SSLError:
    return ssl_error(ZERO_RETURN, "TLS/SSL connection has been closed (EOF)", kind=SSLZeroReturnError)


def eof_error(reason: str | None = None) -> SSLError:
    """The transport ended without close_notify.  OpenSSL names the reason the first time only."""
    library = "SSL" if reason else None
    return ssl_error(EOF, faults.UNEXPECTED_EOF.text, reason=reason, library=library, kind=SSLEOFError)
