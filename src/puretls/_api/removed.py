"""Functions that `ssl` had until Python 3.11, for programs that still use them; all deprecated, and removed in 3.12."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from puretls._api import native
from puretls._api.context import SSLContext
from puretls._api.enums import VerifyMode, _SSLMethod
from puretls._api.errors import SSLCertVerificationError
from puretls._api.helpers import RAND_bytes
from puretls._api.names import _dnsname_match, _inet_paton, _ipaddress_match
from puretls._api.sslsocket import SSLSocket
from puretls._base.public import public


@public
def match_hostname(cert: dict[str, Any], hostname: str) -> None:
    """Check a dictionary of getpeercert() against a host name or address; SSLCertVerificationError if it differs."""
    warnings.warn("ssl.match_hostname() is deprecated", DeprecationWarning, stacklevel=2)
    if not cert:
        raise ValueError(
            "empty or no certificate, match_hostname needs a SSL socket or SSL context with either "
            "CERT_OPTIONAL or CERT_REQUIRED"
        )
    try:
        address = _inet_paton(hostname)
    except ValueError:
        address = None
    names = []
    for kind, value in cert.get("subjectAltName", ()):
        if kind == "DNS":
            if address is None and _dnsname_match(value, hostname):
                return
            names.append(value)
        elif kind == "IP Address":
            if address is not None and _ipaddress_match(value, address):
                return
            names.append(value)
    if not names:
        for value in _common_names(cert):
            if _dnsname_match(value, hostname):
                return
            names.append(value)
    if not names:
        raise SSLCertVerificationError("no appropriate commonName or subjectAltName fields were found")
    which = "either of " if len(names) > 1 else ""
    raise SSLCertVerificationError(f"hostname {hostname!r} doesn't match {which}{', '.join(map(repr, names))}")


def _common_names(cert: dict[str, Any]) -> Iterator[str]:
    return (value for rdn in cert.get("subject", ()) for kind, value in rdn if kind == "commonName")


@public
def wrap_socket(
    sock: Any,
    keyfile: Any = None,
    certfile: Any = None,
    server_side: bool = False,
    cert_reqs: VerifyMode = VerifyMode.CERT_NONE,
    ssl_version: int = _SSLMethod.PROTOCOL_TLS,
    ca_certs: Any = None,
    do_handshake_on_connect: bool = True,
    suppress_ragged_eofs: bool = True,
    ciphers: str | None = None,
) -> SSLSocket:
    """A context and its wrap_socket() in one call."""
    warnings.warn("ssl.wrap_socket() is deprecated, use SSLContext.wrap_socket()", DeprecationWarning, stacklevel=2)
    if server_side and not certfile:
        raise ValueError("certfile must be specified for server-side operations")
    if keyfile and not certfile:
        raise ValueError("certfile must be specified")
    context: SSLContext = native.now("SSLContext", SSLContext)(ssl_version)
    context.verify_mode = cert_reqs
    if ca_certs:
        context.load_verify_locations(ca_certs)
    if certfile:
        context.load_cert_chain(certfile, keyfile)
    if ciphers:
        context.set_ciphers(ciphers)
    return context.wrap_socket(
        sock,
        server_side=server_side,
        do_handshake_on_connect=do_handshake_on_connect,
        suppress_ragged_eofs=suppress_ragged_eofs,
    )


@public
def RAND_pseudo_bytes(n: int, /) -> tuple[bytes, bool]:  # noqa: N802  # ssl's name
    """Random bytes, and whether they are good enough for keys: they always are."""
    warnings.warn("ssl.RAND_pseudo_bytes() is deprecated", DeprecationWarning, stacklevel=2)
    return RAND_bytes(n), True
