"""The ClientHello inside an encrypted one, opened with what a key log has of it (RFC 9849, RFC 9850).

ECH_SECRET is HPKE's shared secret, ECH_CONFIG what it was sealed for; both lines name the random of the outer hello.
"""

from __future__ import annotations

from puretls._analysis.keylog import ECH_CONFIG, ECH_SECRET, KeyLog
from puretls._base.faults import Abort
from puretls._base.registry import ENCRYPTED_CLIENT_HELLO
from puretls._crypto.hpke import KEMS, Context, HpkeError
from puretls._wire import ech
from puretls._wire.ech import Config, Sealed
from puretls._wire.hello import ClientHello


class InnerHellos:
    """Those of one connection: the second is sealed under the context of the first."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self.random = b""  # of the inner hello
        self.said: list[bytes] = []  # the transcript that begins with it

    def open(self, raw: bytes, log: KeyLog) -> bytes | None:
        """The inner hello; None if there is none, or it cannot be opened."""
        try:
            outer = ClientHello.parse(raw)
            body = outer.extensions.get(ENCRYPTED_CLIENT_HELLO, b"\xff")
            if body[:1] != bytes((ech.OUTER,)):
                return None
            sealed = Sealed.parse(body)
            context = self._context or self._agreed(outer, sealed, log)
            if context is None:
                return None
            encoded = context.open(ech.authenticated(outer, len(sealed.payload)), sealed.payload)
            inner = ech.rebuilt(encoded, outer)
        except (Abort, IndexError, HpkeError):
            return None
        self._context, self.random = context, inner.random
        return inner.raw

    def _agreed(self, outer: ClientHello, sealed: Sealed, log: KeyLog) -> Context | None:
        secret, raw = log.get(ECH_SECRET, outer.random), log.get(ECH_CONFIG, outer.random)
        if secret is None or raw is None or len(raw) > 0xFFFF:
            return None
        config = ech.config_list(ech.build_list([raw]))[0]
        if not isinstance(config, Config) or config.kem not in KEMS:
            return None
        return Context(KEMS[config.kem], *sealed.suite, secret, config.info)
