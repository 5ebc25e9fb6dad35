"""Certificate Transparency (RFC 6962): lists of logs, policies, and the verification of timestamps without a
connection.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Iterator
from typing import Any

from puretls._api.errors import abort_error
from puretls._api.moments import moment
from puretls._api.types import Buffer, CertificateData
from puretls._base.faults import Abort
from puretls._base.public import public
from puretls._x509 import transparency, verify
from puretls._x509.transparency import CTLog as CTLog  # noqa: PLC0414 - a public name
from puretls._x509.transparency import SCTResult as SCTResult  # noqa: PLC0414 - a public name

LARGEST = 16 << 20  # bytes of a list


@public
class CTLogs:
    """The logs whose timestamps count, from a list that you bring: none is built in."""

    __slots__ = ("_logs",)

    def __init__(self) -> None:
        self._logs = transparency.Logs((), None)

    @classmethod
    def from_json(cls, log_list: str | bytes | dict[str, Any], /) -> CTLogs:
        """The logs of a list in version 3 of the format, as text or decoded; ValueError if it is none.

        Whether you may use somebody's list to refuse certificates is for its terms to say.
        """
        if isinstance(log_list, (str, bytes, bytearray)):
            if len(log_list) > LARGEST:
                raise ValueError(f"a list of logs has no more than {LARGEST >> 20} MiB")
            log_list = json.loads(log_list)
        made = cls()
        made._logs = transparency.parse_list(log_list)
        return made

    def __iter__(self) -> Iterator[CTLog]:
        return iter(self._logs.by_id.values())

    def __len__(self) -> int:
        return len(self._logs.by_id)

    def __repr__(self) -> str:
        return f"<CTLogs of {len(self)} logs>"

    def is_stale(self, time: float | None = None) -> bool:
        """Whether the list is older than 70 days: then no policy refuses anything by it."""
        return self._logs.stale(moment(time))


@public
class CTPolicy:
    """What a client demands: `minimum` valid timestamps, of `operators` different operators of logs.

    `minimum` None is 2, and 3 for certificates of more than 180 days.  A list of logs that is older than 70 days
    demands nothing.
    """

    __slots__ = ("_logs", "_rules")

    def __init__(self, logs: CTLogs, minimum: int | None = None, operators: int = 2) -> None:
        if not isinstance(logs, CTLogs):
            raise TypeError(f"logs must be a CTLogs, not {type(logs).__name__}")
        least = None if minimum is None else operator.index(minimum)
        various = operator.index(operators)
        if (least is not None and least < 0) or various < 0:
            raise ValueError("minimum and operators cannot be negative")
        self._logs = logs
        self._rules = transparency.Rules(logs._logs, least, various)

    @property
    def logs(self) -> CTLogs:
        """The logs whose timestamps count."""
        return self._logs

    @property
    def minimum(self) -> int | None:
        """How many timestamps; None: by the lifetime of the certificate."""
        return self._rules.minimum

    @property
    def operators(self) -> int:
        """Of how many operators."""
        return self._rules.operators

    def __repr__(self) -> str:
        return f"CTPolicy({self.logs!r}, minimum={self.minimum}, operators={self.operators})"


@public
def verify_scts(
    leaf: CertificateData,
    issuer: CertificateData,
    *,
    sct_list: Buffer | None = None,
    ocsp_response: Buffer | None = None,
    logs: CTLogs,
    time: float | None = None,
) -> list[SCTResult]:
    """Every signed timestamp of a certificate of that issuer, each with whether it is valid (RFC 6962 3.2).

    They are in the certificate itself, in `sct_list` of the handshake, and in an OCSP response.  A timestamp is valid
    if a log of `logs` has signed it, that takes such certificates and counts; it is not from the future.  `time` is in
    seconds since the epoch, now unless given.  Certificates are those of `verify_chain()`: PEM will do.

    SSLError for a certificate that cannot be read; a timestamp that cannot is a result that says so.
    """
    if not isinstance(logs, CTLogs):
        raise TypeError(f"logs must be a CTLogs, not {type(logs).__name__}")
    now = moment(time)
    try:
        both = [verify.first(one) for one in (leaf, issuer)]
    except Abort as abort:
        raise abort_error(abort) from None
    scts, staple = (None if one is None else bytes(memoryview(one)) for one in (sct_list, ocsp_response))
    return transparency.verify(both[0], both[1], scts, staple, logs._logs, now)
