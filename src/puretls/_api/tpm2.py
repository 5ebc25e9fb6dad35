"""Keys in a TPM 2.0: TPM2Key over tpm2-pytss."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_public_key

from puretls._api.operations import Operation, operation
from puretls._base.locks import new_lock
from puretls._base.public import public

ALGORITHMS = {"RSA-PSS": "RSAPSS", "RSA-PKCS1": "RSASSA", "ECDSA": "ECDSA"}  # TPM2_ALG_*
SIGNING = {"RSA": ("rsa_pss_rsae_sha256", "rsa_pkcs1_sha256"), "P-256": ("ecdsa_secp256r1_sha256",)}
P384 = ("ecdsa_secp384r1_sha384",)


def _library() -> Any:
    try:
        return import_module("tpm2_pytss")
    except ImportError as error:
        raise ImportError("keys in a TPM need tpm2-pytss: pip install 'puretls[tpm2]'") from error


@public
class TPM2Key:
    """A private key in a TPM 2.0, by its persistent handle, such as 0x81000001; or a loaded one of an open `esapi`.

    `tcti` says where the TPM is, as for tpm2-pytss, and `auth` is the key's password.  A TPM need not know SHA-384 or
    SHA-512: what the key is used with is rsa_pss_rsae_sha256 and rsa_pkcs1_sha256, or the scheme of its curve, unless
    `signature_algorithms` names others.
    """

    def __init__(
        self,
        handle: Any,
        *,
        esapi: Any = None,
        tcti: str | None = None,
        auth: str | bytes | None = None,
        signature_algorithms: Iterable[str] | None = None,
    ) -> None:
        self._library, self._tcti, self._auth, self._number = _library(), tcti, auth, handle
        self._lock, self._process = new_lock(), os.getpid()
        self._own = esapi is None
        self._esapi, self._handle = (self._open()) if self._own else (esapi, handle)
        public_area, _, _ = self._esapi.read_public(self._handle)
        self._public = load_der_public_key(public_area.to_der())
        if signature_algorithms is None:
            self.signature_algorithms = _usual(self._public)
        else:
            names = [signature_algorithms] if isinstance(signature_algorithms, str) else signature_algorithms
            self.signature_algorithms = tuple(names)

    def _open(self) -> tuple[Any, Any]:
        esapi = self._library.ESAPI(self._tcti)
        handle = esapi.tr_from_tpmpublic(self._library.TPM2_HANDLE(self._number))
        if self._auth is not None:
            esapi.tr_set_auth(handle, self._auth)
        return esapi, handle

    def __repr__(self) -> str:
        return f"<TPM2Key for {type(self._public).__name__}>"

    def public_key(self) -> Any:
        """The public half, a key of `cryptography`."""
        return self._public

    def sign(self, data: bytes, *parameters: Any) -> bytes:
        """A signature by the TPM, which does one thing at a time."""
        what = operation(*parameters)
        scheme = self._scheme(what)
        library = self._library
        ticket = library.TPMT_TK_HASHCHECK(tag=library.TPM2_ST.HASHCHECK, hierarchy=library.TPM2_RH.NULL)
        with self._lock:
            if os.getpid() != self._process:
                if not self._own:
                    raise RuntimeError("the connection to the TPM ended with the fork: open the key anew")
                (self._esapi, self._handle), self._process = self._open(), os.getpid()
            return bytes(self._esapi.sign(self._handle, what.hashed(data), scheme, ticket))

    def _scheme(self, what: Operation) -> Any:
        library = self._library
        if what.digest is None:
            raise ValueError("a TPM signs digests of its own kinds only")
        scheme = library.TPMT_SIG_SCHEME(scheme=getattr(library.TPM2_ALG, ALGORITHMS[what.algorithm]))
        scheme.details.any.hashAlg = getattr(library.TPM2_ALG, what.digest.upper())
        return scheme


def _usual(public_key: Any) -> tuple[str, ...]:
    """What every TPM can do with such a key."""
    if not hasattr(public_key, "curve"):
        return SIGNING["RSA"]
    return P384 if public_key.curve.key_size == 384 else SIGNING["P-256"]
