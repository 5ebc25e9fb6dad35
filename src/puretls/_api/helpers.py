"""The functions of `ssl` around its classes: ready-made contexts, randomness, default verify paths, one certificate.

create_default_context() sets what CPython 3.13 sets, on every Python: VERIFY_X509_STRICT and VERIFY_X509_PARTIAL_CHAIN
are part of it (RFC 5280 as written, anchors that need not be self-signed).
"""

from __future__ import annotations

import math
import os
import socket
import sys
from collections.abc import Iterable
from socket import create_connection
from typing import TYPE_CHECKING

from puretls._api import native
from puretls._api.context import SSLContext
from puretls._api.enums import (
    CERT_NONE,
    CERT_REQUIRED,
    PROTOCOL_TLS_CLIENT,
    PROTOCOL_TLS_SERVER,
    VERIFY_X509_PARTIAL_CHAIN,
    VERIFY_X509_STRICT,
    VerifyMode,
)
from puretls._api.errors import abort_error
from puretls._api.moments import moment
from puretls._api.names import DER_cert_to_PEM_cert, Purpose, _ASN1Object
from puretls._api.profile import PublicSuffixes, check_name, rules_of, webpki_of
from puretls._api.trust import openssl_paths
from puretls._api.types import (
    Buffer,
    CertificateData,
    CertificateSource,
    CrlData,
    KeySource,
    StrOrBytesPath,
    TrustSource,
)
from puretls._base.deferred import deferred
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._base.tuples import NamedTuple
from puretls._x509.checks import PARTIAL_CHAIN, SECURITY_LEVEL, STRICT, TRUSTED_FIRST

if TYPE_CHECKING:
    from puretls._x509 import verify
else:
    verify = deferred("puretls._x509.verify")


@public
class DefaultVerifyPaths(NamedTuple):
    """Where trusted certificates are looked for: what exists, and what OpenSSL has built in."""

    cafile: str | None
    capath: str | None
    openssl_cafile_env: str
    openssl_cafile: str
    openssl_capath_env: str
    openssl_capath: str


@public
def get_default_verify_paths() -> DefaultVerifyPaths:
    """The default CA file and directory: SSL_CERT_FILE and SSL_CERT_DIR, or else what OpenSSL has built in."""
    file_env, file, path_env, path = openssl_paths()
    cafile, capath = os.environ.get(file_env, file), os.environ.get(path_env, path)
    return DefaultVerifyPaths(
        cafile if os.path.isfile(cafile) else None,  # noqa: PTH113  # a name, not a Path
        capath if os.path.isdir(capath) else None,  # noqa: PTH112  # as above
        file_env,
        file,
        path_env,
        path,
    )


@public
def create_default_context(
    purpose: Purpose = Purpose.SERVER_AUTH,
    *,
    cafile: StrOrBytesPath | None = None,
    capath: StrOrBytesPath | None = None,
    cadata: TrustSource | None = None,
) -> SSLContext:
    """A context with secure settings for a client (SERVER_AUTH, the default) or a server (CLIENT_AUTH).

    A client verifies certificates and names, and trusts `cafile`, `capath` and `cadata` (load_verify_locations()) or,
    if all are None, the system's CAs.  VERIFY_X509_STRICT and VERIFY_X509_PARTIAL_CHAIN are set on every Python.  A
    server asks for no certificate until `verify_mode` is set.  SSLKEYLOGFILE in the environment sets `keylog_filename`.
    """
    context = _context(_protocol_for(purpose))
    context.verify_flags |= VERIFY_X509_PARTIAL_CHAIN | VERIFY_X509_STRICT
    _load_anchors(context, purpose, cafile, capath, cadata)
    return context


@public
def _create_unverified_context(
    protocol: int | None = None,
    *,
    cert_reqs: VerifyMode | None = CERT_NONE,
    check_hostname: bool = False,
    purpose: Purpose = Purpose.SERVER_AUTH,
    certfile: CertificateSource | None = None,
    keyfile: KeySource | None = None,
    cafile: StrOrBytesPath | None = None,
    capath: StrOrBytesPath | None = None,
    cadata: TrustSource | None = None,
) -> SSLContext:
    """The context that clients of the standard library use when they are given none: by default nothing is verified."""
    default = _protocol_for(purpose)
    context = _context(default if protocol is None else protocol)
    context.check_hostname = check_hostname
    if cert_reqs is not None:
        context.verify_mode = cert_reqs
    if check_hostname:
        context.check_hostname = True
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    _load_anchors(context, purpose, cafile, capath, cadata)
    return context


_create_stdlib_context = _create_unverified_context
_create_default_https_context = create_default_context


def _context(protocol: int) -> SSLContext:
    made: SSLContext = native.now("SSLContext", SSLContext)(protocol)
    return made


def _connect(addr: tuple[str, int], timeout: float | None) -> socket.socket:
    theirs = native.now("create_connection", create_connection)
    made: socket.socket = (socket.create_connection if theirs is create_connection else theirs)(addr, timeout=timeout)
    return made


def _protocol_for(purpose: Purpose) -> int:
    if not isinstance(purpose, _ASN1Object):
        raise TypeError(purpose)
    if purpose == Purpose.SERVER_AUTH:
        return PROTOCOL_TLS_CLIENT
    if purpose == Purpose.CLIENT_AUTH:
        return PROTOCOL_TLS_SERVER
    raise ValueError(purpose)


def _load_anchors(
    context: SSLContext,
    purpose: Purpose,
    cafile: StrOrBytesPath | None,
    capath: StrOrBytesPath | None,
    cadata: TrustSource | None,
) -> None:
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != CERT_NONE:
        context.load_default_certs(purpose)
    keylog = os.environ.get("SSLKEYLOGFILE")
    if keylog and not sys.flags.ignore_environment:
        context.keylog_filename = keylog


@public
def get_server_certificate(
    addr: tuple[str, int],
    ssl_version: int = PROTOCOL_TLS_CLIENT,
    ca_certs: str | None = None,
    timeout: float | None = socket._GLOBAL_DEFAULT_TIMEOUT,  # type: ignore[attr-defined]  # what socket.create_connection takes
) -> str:
    """The certificate of the server at that address (host and port), as PEM.

    It is verified, but not against the name, if `ca_certs`, a file, is given; otherwise it may be anybody's.
    `ssl_version` is a PROTOCOL_*, `timeout` in seconds.
    """
    context: SSLContext = native.now("_create_stdlib_context", _create_stdlib_context)(
        ssl_version, cert_reqs=CERT_NONE if ca_certs is None else CERT_REQUIRED, cafile=ca_certs
    )
    with (
        _connect(addr, timeout=timeout) as sock,
        context.wrap_socket(sock, server_hostname=addr[0]) as wrapped,
    ):
        der = wrapped.getpeercert(True)
    if der is None:
        raise ValueError("the server has no certificate")
    return DER_cert_to_PEM_cert(der)


@public
def verify_chain(
    leaf: CertificateData,
    intermediates: CertificateData | Iterable[CertificateData],
    roots: CertificateData | Iterable[CertificateData],
    *,
    crls: CrlData | Iterable[CrlData] = (),
    time: float | None = None,
    hostname: str | None = None,
    purpose: str = "serverAuth",
    flags: int = TRUSTED_FIRST | PARTIAL_CHAIN | STRICT,
    max_depth: int | None = None,
    security_level: int = SECURITY_LEVEL,
    verify_profile: str | None = None,
    public_suffixes: PublicSuffixes = None,
) -> list[bytes]:
    """The path from `leaf` to one of `roots`, leaf first and anchor last, as DER (RFC 5280 6.1); no connection needed.

    Certificates and CRLs are `cryptography` objects, DER, or PEM, which may hold several: behind the leaf they are
    intermediates.  `time` is in seconds since the epoch, now unless given; `hostname` a name or an address, not checked
    if None; `purpose` "serverAuth" or "clientAuth"; `flags` VERIFY_*; `max_depth` the most intermediates;
    `security_level` OpenSSL's (SSL_CTX_set_security_level); `verify_profile` and `public_suffixes` are those of
    SSLContext.

    Raises SSLCertVerificationError with the `verify_code` and `verify_message` that OpenSSL has for the chain and the
    `depth` at which it failed (0 is the leaf), SSLError for a certificate or CRL that cannot be read, TypeError and
    ValueError for wrong arguments.
    """
    check_name(verify_profile)
    rules = rules_of(public_suffixes)
    profile = None if verify_profile is None else webpki_of(rules)
    try:
        return verify.verify_chain(
            leaf,
            intermediates,
            roots,
            crls=crls,
            time=moment(time),
            hostname=hostname,
            purpose=purpose,
            flags=flags,
            max_depth=max_depth,
            security_level=security_level,
            profile=profile,
        )
    except Abort as abort:
        raise abort_error(abort) from None


@public
def RAND_bytes(n: int, /) -> bytes:  # noqa: N802  # ssl's name
    """Cryptographically strong random bytes."""
    if n < 0:
        raise ValueError("num must be positive")
    return os.urandom(n)


@public
def RAND_status() -> bool:  # noqa: N802  # ssl's name
    """True: the operating system seeds its generator."""
    return True


@public
def RAND_add(string: str | Buffer, entropy: float, /) -> None:  # noqa: N802  # ssl's name
    """Accepted and not needed: the operating system's generator cannot be improved from here."""
    if isinstance(string, str):
        string.encode()
    else:
        with memoryview(string) as view:
            if not view.c_contiguous:
                raise BufferError("memoryview: underlying buffer is not C-contiguous")
    math.fabs(entropy)  # a number, and not its text


if native.borrowed("enum_certificates") is not None:  # Windows
    enum_certificates = native.ssl.enum_certificates
    enum_crls = native.ssl.enum_crls
