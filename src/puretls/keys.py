"""Private keys that are elsewhere: in a token (PKCS #11), in a TPM, behind a function.

Each has `public_key()` and `sign()`, and is given to load_cert_chain() or add_cert_chain() in the place of a key file.
What they need besides `cryptography` comes with the extras `puretls[pkcs11]` and `puretls[tpm2]`.
"""

from puretls._api.callable_key import CallableKey
from puretls._api.operations import Operation, operation
from puretls._api.pkcs11 import PKCS11Key
from puretls._api.tpm2 import TPM2Key

for thing in (CallableKey, Operation, PKCS11Key, TPM2Key, operation):
    thing.__module__ = __name__  # that is where programs find them
del thing

__all__ = ["CallableKey", "Operation", "PKCS11Key", "TPM2Key", "operation"]
