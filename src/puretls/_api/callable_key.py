"""A private key that is a function: CallableKey."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from puretls._base.public import public


@public
class CallableKey:
    """A private key that somebody else has: its public half, and a function that has it sign.

    `sign(data, *parameters)` gets what sign() of a key of `cryptography` gets, and returns the signature as that does,
    or a future, or under `puretls.asyncio` something to await; `puretls.keys.operation(*parameters)` says what is asked
    for.  `public_key` is a key of `cryptography`, PEM or DER.  `signature_algorithms`: names of the only schemes that
    the key can do.
    """

    def __init__(
        self,
        public_key: Any,
        sign: Callable[..., Any],
        *,
        signature_algorithms: Iterable[str] | None = None,
    ) -> None:
        if not callable(sign):
            raise TypeError("sign must be callable")
        if isinstance(public_key, str):
            public_key = public_key.encode()
        if isinstance(public_key, bytes | bytearray | memoryview):
            data = bytes(public_key)
            public_key = (load_pem_public_key if b"-----BEGIN " in data else load_der_public_key)(data)
        self._public, self._sign = public_key, sign
        if signature_algorithms is not None:
            names = [signature_algorithms] if isinstance(signature_algorithms, str) else signature_algorithms
            self.signature_algorithms = tuple(names)

    def __repr__(self) -> str:
        return f"<CallableKey for {type(self._public).__name__}>"

    def public_key(self) -> Any:
        """The public half, a key of `cryptography`."""
        return self._public

    def sign(self, data: bytes, *parameters: Any) -> Any:
        """The signature, or a promise of it."""
        return self._sign(data, *parameters)
