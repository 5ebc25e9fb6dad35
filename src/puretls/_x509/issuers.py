"""Certificates that were not sent: which issuer is missing, where its certificate is published, and choosing among
known ones.

Authority information access (RFC 5280 4.2.2.1) has URLs of the issuer's certificate.  Nothing is fetched here, and what
was fetched is trusted no more than what a peer sends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from puretls._base.faults import VerifyAbort
from puretls._x509 import codes, shapes
from puretls._x509.certificate import Certificate
from puretls._x509.extensions import AUTHORITY_INFO
from puretls._x509.names import URI
from puretls._x509.store import Store

CA_ISSUERS = "1.3.6.1.5.5.7.48.2"
MISSING = frozenset({codes.UNABLE_TO_GET_ISSUER, codes.UNABLE_TO_GET_ISSUER_LOCALLY, codes.UNABLE_TO_VERIFY_FIRST})
MOST_URLS = 8  # of one certificate
LONGEST_URL = 2048
MOST_CERTIFICATES = 16  # of one URL, and of what else there is for one path
_URL = re.compile(rb"[a-z][a-z0-9+.-]*:[!-~]+", re.IGNORECASE)


def urls(x: Certificate) -> tuple[str, ...]:
    """The URLs of the issuer's certificate, as far as they are plain ASCII."""
    found = addresses(x, CA_ISSUERS)
    good = [uri.decode("ascii") for uri in found if len(uri) <= LONGEST_URL and _URL.fullmatch(uri)]
    return tuple(dict.fromkeys(good))[:MOST_URLS]


def addresses(x: Certificate, method: str) -> list[bytes]:
    """The URIs that a certificate names for one kind of access (RFC 5280 4.2.2.1); none if they are malformed."""
    extension = x.extensions.get(AUTHORITY_INFO)
    if extension is None:
        return []
    try:
        places = shapes.items(shapes.Accesses, extension.value)
    except ValueError:
        return []
    wanted = (one.location for one in places if one.method.dotted_string == method)
    return [bytes(location.data) for location in wanted if location.tag_bytes == URI]


def explain(refused: VerifyAbort) -> None:
    """Add to the error which issuer was not sent, and where it is published."""
    x = refused.lacks
    if x is None:
        return
    refused.aia_urls = found = urls(x)
    names = "/".join(a.text() or "?" for rdn in x.issuer_rdns for a in rdn) or "its issuer"
    where = f"it is published at {' and '.join(found)}" if found else "where it is published is not said"
    said = f"the certificate of {names!r} was not sent; {where}"
    refused.note = f"{refused.note}\n{said}" if refused.note else said


def above(chain: Sequence[Certificate], known: Store) -> list[Certificate]:
    """The known certificates that may be issuers in a chain, or of each other, nearest first."""
    found: dict[Certificate, None] = {}
    wanted = list(dict.fromkeys(x.issuer for x in chain if x.readable))
    asked_for, sent = set(wanted), set(chain)
    for name in wanted:
        for x in known.by_subject(name):
            if x in sent or x in found:
                continue
            if len(found) >= MOST_CERTIFICATES:
                return list(found)
            found[x] = None
            if x.issuer not in asked_for:
                asked_for.add(x.issuer)
                wanted.append(x.issuer)  # the loop reaches it later
    return list(found)
