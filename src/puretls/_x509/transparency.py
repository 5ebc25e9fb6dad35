"""Certificate Transparency (RFC 6962): signed certificate timestamps (SCTs), the logs that have made them, and their
verification.

A timestamp is in the certificate, in the handshake, or in an OCSP response.  The user provides the list of logs, and
decides which of them count: no list is built in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509 import ocsp

from puretls._base import registry
from puretls._base.faults import VerifyAbort
from puretls._base.foreign import asked, signed
from puretls._base.public import public
from puretls._base.tuples import NamedTuple
from puretls._x509 import algorithms, codes
from puretls._x509.certificate import Certificate

EMBEDDED_LIST = "1.3.6.1.4.1.11129.2.4.2"
X509_ENTRY, PRECERT_ENTRY = 0, 1
HASH_SHA256, SIGNATURE_RSA, SIGNATURE_ECDSA = 4, 1, 3  # RFC 5246 7.4.1.4.1
MOST = 32  # timestamps of one certificate that are looked at
DAY = 86400.0
STALE = 70 * DAY  # seconds; an older list of logs is not used
COUNTING = ("usable", "qualified", "readonly")
LONG_LIVED = 180 * DAY  # certificates with a longer lifetime need one more
_sha256 = SHA256()


@public
class CTLog(NamedTuple):
    """A log, as a list of logs describes it."""

    log_id: bytes
    description: str
    operator: str
    url: str
    state: str
    """"usable", "qualified", "readonly", "retired", "pending" or "rejected"."""
    state_since: dt.datetime | None
    interval: tuple[dt.datetime, dt.datetime] | None
    """The interval in which certificates that it accepts expire: from, and until before."""
    key: bytes
    """Its public key, as SubjectPublicKeyInfo in DER."""


@public
class SCTResult(NamedTuple):
    """One signed timestamp, and the result of its verification."""

    log: CTLog | None
    """The log that made it; None if the list has no such log, or it cannot be read."""
    timestamp: dt.datetime | None
    origin: str
    """Where it was: "embedded", "tls" or "ocsp"."""
    valid: bool
    why: str
    """What is wrong with it; "" if it is valid."""


class Sct(NamedTuple):
    """A SignedCertificateTimestamp (RFC 6962 3.2)."""

    log_id: bytes
    milliseconds: int
    extensions: bytes
    hash: int
    signature_algorithm: int
    signature: bytes


def read(data: bytes) -> Sct:
    """One SerializedSCT; ValueError if it is none of version 1."""
    if len(data) < 47 or data[0] != 0:
        raise ValueError("not a timestamp of version 1")
    middle = 43 + int.from_bytes(data[41:43], "big")
    start = middle + 4
    if len(data) < start or len(data) != start + int.from_bytes(data[middle + 2 : start], "big"):
        raise ValueError("lengths that do not fit")
    milliseconds = int.from_bytes(data[33:41], "big")
    return Sct(data[1:33], milliseconds, data[43:middle], data[middle], data[middle + 1], data[start:])


def split(data: bytes) -> list[bytes]:
    """The entries of a SignedCertificateTimestampList; ValueError if it is none."""
    if len(data) < 2 or int.from_bytes(data[:2], "big") != len(data) - 2:
        raise ValueError("not a list of timestamps")
    found, pos = [], 2
    while pos < len(data):
        end = pos + 2 + int.from_bytes(data[pos : pos + 2], "big")
        if end > len(data) or end == pos + 2:
            raise ValueError("not a list of timestamps")
        found.append(data[pos + 2 : end])
        pos = end
    return found


def _embedded(leaf: Certificate) -> list[bytes]:
    extension = leaf.extensions.get(EMBEDDED_LIST)
    return [] if extension is None else split(asked(_octets, extension.value))


def _octets(der: bytes) -> bytes:
    return asn1.decode_der(bytes, der)


def _stapled(response: bytes) -> list[bytes]:
    """The timestamps in an OCSP response, encoded again from PyCA's objects."""
    found = asked(_in_response, response)
    return [
        b"\x00"
        + sct.log_id
        + _milliseconds(sct.timestamp).to_bytes(8, "big")
        + len(sct.extension_bytes).to_bytes(2, "big")
        + sct.extension_bytes
        + bytes((_HASHES.get(sct.signature_hash_algorithm.name, 0), sct.signature_algorithm.value))
        + len(sct.signature).to_bytes(2, "big")
        + sct.signature
        for sct in found
    ]


_HASHES = {"sha256": HASH_SHA256}
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - PyCA's timestamps have no zone, and are in UTC


def _milliseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)


def _in_response(response: bytes) -> list[Any]:
    singles = list(ocsp.load_der_ocsp_response(response).responses)
    if len(singles) != 1:
        return []
    try:
        extensions = ocsp.load_der_ocsp_response(response).single_extensions
        return list(extensions.get_extension_for_class(x509.SignedCertificateTimestamps).value)
    except x509.ExtensionNotFound:
        return []


# Logs


class Logs:
    """The logs of one list, by their ids, and when the list was made."""

    __slots__ = ("by_id", "keys", "made")

    def __init__(self, logs: Iterable[CTLog], made: dt.datetime | None) -> None:
        self.by_id = {log.log_id: log for log in logs}
        self.made = made
        self.keys: dict[bytes, Any] = {}
        for log in self.by_id.values():
            key = asked(load_der_public_key, log.key)
            if algorithms.digest_of(algorithms.SHA_256, log.key) != log.log_id:
                raise ValueError(f"the id of the log {log.description!r} is not that of its key")
            if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
                raise ValueError(f"the key of the log {log.description!r} is none that logs have")  # noqa: TRY004
            self.keys[log.log_id] = key

    def stale(self, now: float) -> bool:
        """Whether the list is too old to be relied on."""
        return self.made is not None and now - self.made.timestamp() > STALE

    @property
    def digest(self) -> bytes:
        """A digest, equal for equal lists."""
        said = repr([sorted(self.by_id.items()), self.made])
        return algorithms.digest_of(algorithms.SHA_256, said.encode())


def parse_list(found: Any) -> Logs:
    """A log list in the form of version 3, decoded from JSON; ValueError if it is none."""
    try:
        logs = [
            _log(one, str(operator.get("name", "")))
            for operator in found["operators"]
            for one in (*operator.get("logs", ()), *operator.get("tiled_logs", ()))
        ]
        made = found.get("log_list_timestamp")
        return Logs(logs, None if made is None else _moment(made))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of logs (version 3): {error}") from None


def _log(one: Mapping[str, Any], operator: str) -> CTLog:
    from base64 import b64decode  # noqa: PLC0415 - few programs read such a list

    state, since = "usable", None
    if one.get("state"):
        state, about = next(iter(one["state"].items()))
        since = _moment(about["timestamp"]) if isinstance(about, Mapping) and "timestamp" in about else None
    interval = one.get("temporal_interval")
    if interval is not None:
        interval = _moment(interval["start_inclusive"]), _moment(interval["end_exclusive"])
    key = b64decode(one["key"], validate=True)
    return CTLog(
        b64decode(one["log_id"], validate=True),
        str(one.get("description", "")),
        operator,
        str(one.get("url", one.get("submission_url", ""))),
        str(state),
        since,
        interval,
        key,
    )


def _moment(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)


# Verification


def verify(
    leaf: Certificate, issuer: Certificate, sct_list: bytes | None, response: bytes | None, logs: Logs, now: float
) -> list[SCTResult]:
    """All timestamps, each with what is wrong with it; one that cannot be read is a result as well."""
    return list(_verify(leaf, issuer, sct_list, response, logs, now))[:MOST]


def _verify(
    leaf: Certificate, issuer: Certificate, sct_list: bytes | None, response: bytes | None, logs: Logs, now: float
) -> Iterator[SCTResult]:
    sources: list[tuple[str, Callable[[], list[bytes]]]] = [("embedded", lambda: _embedded(leaf))]
    if sct_list is not None:
        sources.append(("tls", lambda: split(sct_list)))
    if response is not None:
        sources.append(("ocsp", lambda: _stapled(response)))
    for origin, find in sources:
        try:
            found = find()
        except ValueError as error:
            yield SCTResult(None, None, origin, False, f"it cannot be read: {error}")
            continue
        for data in found[:MOST]:
            yield _checked(data, origin, leaf, issuer, logs, now)


def _checked(data: bytes, origin: str, leaf: Certificate, issuer: Certificate, logs: Logs, now: float) -> SCTResult:
    try:
        sct = read(data)
        when = dt.datetime.fromtimestamp(sct.milliseconds / 1000, dt.timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        return SCTResult(None, None, origin, False, f"it cannot be read: {error}")
    log = logs.by_id.get(sct.log_id)
    if log is None:
        return SCTResult(None, when, origin, False, "no log of the list has made it")
    why = _wrong(when, origin, log, leaf, now)
    if not why and not _signed(sct, origin, logs.keys[sct.log_id], leaf, issuer):
        why = "its signature is wrong"
    return SCTResult(log, when, origin, not why, why)


def _wrong(when: dt.datetime, origin: str, log: CTLog, leaf: Certificate, now: float) -> str:
    """What is wrong with a timestamp, apart from its signature."""
    if when.timestamp() > now:
        return "it is from the future"
    if log.interval is not None:
        begin, end = (moment.timestamp() for moment in log.interval)
        if not begin <= leaf.not_after < end:
            return "the log takes no certificates that end then"
    if log.state == "retired" and origin == "embedded":
        if log.state_since is None or when >= log.state_since:
            return "the log had been retired"
    elif log.state not in COUNTING:
        return f"the log is {log.state}"
    return ""


def _signed(sct: Sct, origin: str, key: Any, leaf: Certificate, issuer: Certificate) -> bool:
    """Whether the log's key signed it: ECDSA, or RSA with PKCS #1, over SHA-256 (RFC 6962 2.1.4)."""
    if sct.hash != HASH_SHA256:
        return False
    if origin == "embedded":
        try:
            tbs = asked(getattr, leaf.parsed, "tbs_precertificate_bytes")
        except ValueError:
            return False
        entry = algorithms.digest_of(algorithms.SHA_256, issuer.key_der) + len(tbs).to_bytes(3, "big") + tbs
        kind = PRECERT_ENTRY
    else:
        entry, kind = len(leaf.der).to_bytes(3, "big") + leaf.der, X509_ENTRY
    data = (
        b"\x00\x00"
        + sct.milliseconds.to_bytes(8, "big")
        + kind.to_bytes(2, "big")
        + entry
        + len(sct.extensions).to_bytes(2, "big")
        + sct.extensions
    )
    if isinstance(key, ec.EllipticCurvePublicKey):
        return sct.signature_algorithm == SIGNATURE_ECDSA and signed(key, sct.signature, data, ec.ECDSA(_sha256))
    return sct.signature_algorithm == SIGNATURE_RSA and signed(key, sct.signature, data, padding.PKCS1v15(), _sha256)


class Rules(NamedTuple):
    """A client's demand: so many valid timestamps, of so many operators of logs."""

    logs: Logs
    minimum: int | None  # None: 2, or 3 for certificates of more than 180 days
    operators: int

    @property
    def name(self) -> str:
        """A digest, equal for equal rules in any process."""
        return f"ct {self.logs.digest.hex()} {self.minimum} {self.operators}"

    def check(self, path: tuple[Certificate, ...], sct_list: bytes | None, response: bytes | None, now: float) -> None:
        """VerifyAbort unless the leaf of a path has enough of them.  A list that is too old demands nothing."""
        if self.logs.stale(now):
            return
        leaf, issuer = path[0], path[1 if len(path) > 1 else 0]
        found = verify(leaf, issuer, sct_list, response, self.logs, now)
        good = {one.log.log_id: one.log for one in found if one.valid and one.log is not None}
        wanted = self.minimum
        if wanted is None:
            wanted = 3 if leaf.not_after - leaf.not_before > LONG_LIVED else 2
        operators = len({log.operator for log in good.values()})
        if len(good) >= wanted and operators >= min(self.operators, wanted):
            return
        text = (
            f"certificate transparency: {len(good)} valid timestamps of {operators} operators, "
            f"not {wanted} of {min(self.operators, wanted)}"
        )
        refused = VerifyAbort(codes.APPLICATION, text, 0, registry.CERTIFICATE_UNKNOWN)
        refused.note = "\n".join(f"{one.origin}: {one.why}" for one in found if not one.valid)
        try:
            raise refused
        finally:
            del refused  # its traceback holds this frame
