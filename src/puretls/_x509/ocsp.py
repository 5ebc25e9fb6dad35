"""OCSP responses: verifying one, and what it says of a certificate (RFC 6960 3.2).

A response counts only if it is signed by the issuer of the certificate, or by a responder that this very issuer has
certified for it (4.2.2.2), if it is about exactly this certificate, and if it is neither from the future nor stale.  No
responder is ever asked: a server has stapled the response, or a program has fetched it.
"""

from __future__ import annotations

import datetime as dt

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from puretls._base.public import public
from puretls._base.tuples import NamedTuple
from puretls._x509 import algorithms, certificate, names, shapes, strength
from puretls._x509.algorithms import Algorithm
from puretls._x509.certificate import Certificate
from puretls._x509.extensions import directory_name

OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
TLS_FEATURE, STATUS_REQUEST = "1.3.6.1.5.5.7.1.24", 5  # what a certificate may demand of its server (RFC 7633 4)
SKEW = 300.0  # seconds that clocks may be apart
MAX_AGE = 7 * 86400.0  # of a response that does not say when the next one will be there
MOST_ANSWERS = 8  # about one serial number; each may name the issuer by another digest
LARGEST = 1 << 18  # bytes of a response that are looked at


@public
class OCSPResult(NamedTuple):
    """The content of a response: `status` is "good", "revoked" or "unknown".  Moments are datetimes in UTC."""

    status: str
    this_update: dt.datetime
    next_update: dt.datetime | None
    produced_at: dt.datetime
    revocation_time: dt.datetime | None
    reason: str | None


class Unusable(ValueError):
    """A response that is not accepted, and the reason."""


def verify(
    response: bytes, leaf: Certificate, issuer: Certificate, *, time: float, max_age: float | None, level: int
) -> OCSPResult:
    """The answer about `leaf`, whose issuer is `issuer`, at `time`; Unusable if there is none that is accepted.

    If `max_age` is not None, a response is refused when it is so many seconds old, whatever its nextUpdate.  Keys and
    digests have to be as strong as the security level demands.
    """
    if len(response) > LARGEST:
        raise Unusable("it is too long")
    try:
        parsed = ocsp.load_der_ocsp_response(response)
        single = _answer(parsed, leaf, issuer)
        _check_signature(parsed, _algorithm(response), issuer, time, level)
        return _result(parsed, single, time, max_age)
    except Unusable:
        raise
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise Unusable("it cannot be read") from None


def current_until(found: OCSPResult) -> float:
    """The end of the time for which a response speaks, in seconds since the epoch."""
    if found.next_update is not None:
        return found.next_update.timestamp()
    return found.this_update.timestamp() + MAX_AGE


def serial_numbers(response: bytes) -> frozenset[int]:
    """The serial numbers of the certificates that a response is about; ValueError if it is no response, or has
    no answer.
    """
    try:
        return frozenset(single.serial_number for single in _answers(ocsp.load_der_ocsp_response(response)))
    except (TypeError, OverflowError, UnsupportedAlgorithm):
        raise Unusable("it cannot be read") from None


def must_staple(leaf: Certificate) -> bool:
    """Whether the certificate demands a stapled response (TLS feature status_request, RFC 7633).

    If its list of features cannot be read, it counts as a demand.
    """
    found = leaf.extensions.get(TLS_FEATURE)
    if found is None:
        return False
    try:
        return STATUS_REQUEST in shapes.items(shapes.Integers, found.value)
    except ValueError:
        return True


def _answers(parsed: ocsp.OCSPResponse) -> list[ocsp.OCSPSingleResponse]:
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise Unusable(f"the responder says {parsed.response_status.name.lower()}")
    singles = list(parsed.responses)
    if not singles:
        raise Unusable("it has no answer")
    return singles


def _answer(parsed: ocsp.OCSPResponse, leaf: Certificate, issuer: Certificate) -> ocsp.OCSPSingleResponse:
    """The answer about this certificate (3.2 item 1): a response may speak of several (4.2.1)."""
    alike = [single for single in _answers(parsed) if single.serial_number == leaf.serial]
    for single in alike[:MOST_ANSWERS]:
        if _is_about(single, leaf, issuer):
            return single
    raise Unusable("it is about another certificate")


def _algorithm(response: bytes) -> Algorithm:
    """How a response is signed; `cryptography` does not tell the parameters of RSASSA-PSS."""
    body = shapes.read(shapes.OcspResponse, response).body
    basic = shapes.read(shapes.BasicOcspResponse, b"" if body is None else body.response)
    return algorithms.named(shapes.algorithm(basic.algorithm))


def _check_signature(
    parsed: ocsp.OCSPResponse, algorithm: Algorithm, issuer: Certificate, time: float, level: int
) -> None:
    """RFC 6960 3.2 items 2 to 4, 4.2.2.2."""
    if algorithm.bits < strength.floor(level):
        raise Unusable("its signature is too weak")
    if _is_responder(parsed, issuer):
        signer = issuer
    else:
        delegates = (certificate.load(x.public_bytes(Encoding.DER)) for x in parsed.certificates[:4])
        signer = next((x for x in delegates if _is_responder(parsed, x)), issuer)
        if signer is issuer:
            raise Unusable("it names another responder")
        if OCSP_SIGNING not in (signer.extended_key_usage or ()):
            raise Unusable("its signer may not sign responses")
        if signer.issuer != issuer.subject or not signer.signed_by(issuer):
            raise Unusable("its signer was certified by somebody else")
        if not signer.readable or signer.invalid or signer.unhandled:
            raise Unusable("its signer's certificate has an extension that cannot be heeded")
        if not signer.not_before <= time <= signer.not_after:
            raise Unusable("its signer's certificate is not valid now")
        if strength.of_key(signer.public_key(), signer.key_algorithm) < strength.floor(level):
            raise Unusable("its signer's key is too weak")
        if signer.signature.bits < strength.floor(level):
            raise Unusable("its signer's certificate is signed too weakly")
    if not algorithms.may_make(signer.key_algorithm, algorithm) or not algorithms.is_good(
        algorithm, signer.public_key(), signer.limits, parsed.signature, parsed.tbs_response_bytes
    ):
        raise Unusable("its signature is wrong")


def _is_responder(parsed: ocsp.OCSPResponse, x: Certificate) -> bool:
    """Whether the response names the owner of this certificate as its signer (RFC 6960 4.2.1)."""
    if parsed.responder_name is not None:
        return names.canonical(directory_name(parsed.responder_name.public_bytes())) == x.subject
    return parsed.responder_key_hash == _digest(hashes.SHA1(), _key_bits(x))  # noqa: S303 - a name, not a proof


def _is_about(single: ocsp.OCSPSingleResponse, leaf: Certificate, issuer: Certificate) -> bool:
    """Whether an answer names the certificate's issuer; it does not if the digest of the name is unknown."""
    try:
        digest = single.hash_algorithm
    except UnsupportedAlgorithm:
        return False
    tbs = shapes.read(shapes.TbsEncoded, shapes.whole(shapes.read(shapes.Signed, leaf.der).tbs))
    name = shapes.whole(tbs.issuer)
    return (single.issuer_name_hash, single.issuer_key_hash) == (
        _digest(digest, name),
        _digest(digest, _key_bits(issuer)),
    )


def _result(
    parsed: ocsp.OCSPResponse, single: ocsp.OCSPSingleResponse, time: float, max_age: float | None
) -> OCSPResult:
    """RFC 6960 3.2 items 5 and 6: neither from the future nor stale."""
    made, following = single.this_update_utc, single.next_update_utc
    if made.timestamp() > time + SKEW:
        raise Unusable("it is from the future")
    if following is not None and following.timestamp() < time - SKEW:
        raise Unusable("it is stale")
    oldest = max_age if following is not None else MAX_AGE if max_age is None else max_age
    if oldest is not None and made.timestamp() < time - oldest - SKEW:
        raise Unusable("it is too old")
    reason = single.revocation_reason
    return OCSPResult(
        single.certificate_status.name.lower(),
        made,
        following,
        parsed.produced_at_utc,
        single.revocation_time_utc,
        None if reason is None else reason.value,
    )


def _key_bits(x: Certificate) -> bytes:
    """The octets of a certificate's public key, without what surrounds them."""
    return shapes.read(shapes.KeyInfo, x.key_der).key.as_bytes()


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    running = hashes.Hash(algorithm)
    running.update(data)
    return running.finalize()
