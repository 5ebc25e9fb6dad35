"""Keys in tokens: PKCS11Key over python-pkcs11, and `pkcs11:` URIs (RFC 7512) that name one.

What is signed is hashed here, so that a token needs the plain mechanisms only: CKM_RSA_PKCS_PSS, CKM_RSA_PKCS over a
DigestInfo (RFC 8017 9.2), CKM_ECDSA, CKM_EDDSA.  A session does one thing at a time; a lock has signatures wait for
each other, and for nothing else.  Sessions end with a fork: a key that was named by a URI is opened anew in the child.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any
from urllib.parse import unquote_to_bytes

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import ObjectIdentifier

from puretls._api.errors import noted, ssl_error
from puretls._api.operations import Operation, operation
from puretls._base.locks import new_lock
from puretls._base.public import public
from puretls._x509 import ber

SCHEME = "pkcs11:"
MODULE = "p11-kit-proxy.so"  # offers every token that is configured on the system
DIGEST_INFO = {  # RFC 8017 9.2, note 1: what is before the digest
    "sha1": "3021300906052b0e03021a05000414",
    "sha224": "302d300d06096086480165030402040500041c",
    "sha256": "3031300d060960864801650304020105000420",
    "sha384": "3041300d060960864801650304020205000430",
    "sha512": "3051300d060960864801650304020305000440",
}


def _library() -> Any:
    try:
        return import_module("pkcs11")
    except ImportError as error:
        raise ImportError("keys in tokens need python-pkcs11: pip install 'puretls[pkcs11]'") from error


@public
class PKCS11Key:
    """A private key in a token, a `pkcs11.PrivateKey` of python-pkcs11 whose session is open.

    Its public half is looked for in the token, by its id and label, unless `public_key` is given.  The names of the
    schemes that the token can do are `signature_algorithms`; if they are not given, its mechanisms tell.
    """

    def __init__(
        self, private_key: Any, *, public_key: Any = None, signature_algorithms: Iterable[str] | None = None
    ) -> None:
        self._library = _library()
        self._reopen: Callable[[], Any] | None = None
        self._lock, self._process = new_lock(), os.getpid()
        self._key = private_key
        self._public = _public_half(self._library, private_key) if public_key is None else public_key
        if signature_algorithms is not None:
            names = [signature_algorithms] if isinstance(signature_algorithms, str) else signature_algorithms
            self.signature_algorithms = tuple(names)
        elif self._library.KeyType.RSA is private_key.key_type and not self._knows_pss():
            self.signature_algorithms = ("rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512")

    def __repr__(self) -> str:
        return f"<PKCS11Key for {type(self._public).__name__}>"

    def _knows_pss(self) -> bool:
        slot = self._key.session.token.slot
        return self._library.Mechanism.RSA_PKCS_PSS in slot.get_mechanisms()

    def public_key(self) -> Any:
        """The public half, a key of `cryptography`."""
        return self._public

    def sign(self, data: bytes, *parameters: Any) -> bytes:
        """A signature by the token; how long that takes, and whether somebody has to touch it, is up to the token."""
        what = operation(*parameters)
        mechanism, option, message = _mechanism(self._library, what, what.hashed(data))
        with self._lock:
            if os.getpid() != self._process:
                self._open_again()
            made = bytes(self._key.sign(message, mechanism=mechanism, mechanism_param=option))
        if what.algorithm == "ECDSA":  # PKCS #11 has both numbers side by side, TLS an ECDSA-Sig-Value
            half = len(made) // 2
            return encode_dss_signature(int.from_bytes(made[:half], "big"), int.from_bytes(made[half:], "big"))
        return made

    def _open_again(self) -> None:
        if self._reopen is None:
            raise RuntimeError("the session of this key ended with the fork: open the token anew, or name it by a URI")
        self._key, self._process = self._reopen(), os.getpid()


def _mechanism(library: Any, what: Operation, message: bytes) -> tuple[Any, Any, bytes]:
    """The mechanism, its parameter, and the data for it."""
    mechanism = library.Mechanism
    if what.algorithm == "RSA-PSS":
        name = (what.digest or "").upper()
        mgf = getattr(library.MGF, name)
        digest = mechanism.SHA_1 if name == "SHA1" else mechanism[name]
        return mechanism.RSA_PKCS_PSS, (digest, mgf, len(message)), message
    if what.algorithm == "RSA-PKCS1":
        head = b"" if what.digest is None else bytes.fromhex(DIGEST_INFO[what.digest])
        return mechanism.RSA_PKCS, None, head + message
    return (mechanism.ECDSA if what.algorithm == "ECDSA" else mechanism.EDDSA), None, message


def _public_half(library: Any, key: Any) -> Any:
    """The public key of a private one: of its own attributes, or of the token's object with the same id or label."""
    attribute, kinds = library.Attribute, library.KeyType
    if key.key_type is kinds.RSA:
        modulus, exponent = (
            int.from_bytes(key[name], "big") for name in (attribute.MODULUS, attribute.PUBLIC_EXPONENT)
        )
        return rsa.RSAPublicNumbers(exponent, modulus).public_key()
    wanted = {attribute.CLASS: library.ObjectClass.PUBLIC_KEY, attribute.KEY_TYPE: key.key_type}
    for name in (attribute.ID, attribute.LABEL):
        value = key[name]
        for found in key.session.get_objects({**wanted, name: value}) if value else ():
            return _on_curve(found[attribute.EC_PARAMS], found[attribute.EC_POINT])
    raise _missing("the public half of the key is not in the token: give it as public_key")


def _on_curve(parameters: bytes, point: bytes) -> Any:
    """The public key of a point on a curve, given as an OBJECT IDENTIFIER or, for the curves of EdDSA, by name."""
    where, _ = ber.value(parameters)
    whole, end = ber.value(point) if point[:1] == b"\x04" and len(point) not in EDWARDS else (None, 0)
    octets = whole.content if whole is not None and end == len(point) else point
    if len(octets) in EDWARDS:
        return EDWARDS[len(octets)].from_public_bytes(octets)
    return ec.EllipticCurvePublicKey.from_encoded_point(
        ec.get_curve_for_oid(ObjectIdentifier(ber.dotted(where)))(), octets
    )


EDWARDS: dict[int, Any] = {32: Ed25519PublicKey, 57: Ed448PublicKey}  # by the length of a point


# URIs (RFC 7512)


def parse(uri: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The attributes of the path and of the query; ValueError for anything but such a URI, and for repeated
    attributes.
    """
    if not uri.startswith(SCHEME):
        raise ValueError("not a pkcs11 URI")
    path, _, query = uri[len(SCHEME) :].partition("?")
    return _attributes(path, ";"), _attributes(query, "&")


def _attributes(text: str, separator: str) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for item in filter(None, text.split(separator)):
        name, equals, value = item.partition("=")
        if not equals or not name or name in found:
            raise ValueError(f"not a pkcs11 URI: {name or item!r} is said twice, or without a value")
        found[name] = unquote_to_bytes(value)
    return found


def open_key(uri: str, password: Callable[[], bytes]) -> PKCS11Key:
    """The private key that a URI names; ValueError if it is malformed, SSLError if there is no such key, or no token.

    `password` is asked for a PIN if the URI has none.
    """
    path, query = parse(uri)
    unknown = path.keys() - {"object", "id", "type", *TOKEN}
    if unknown or path.get("type", b"private") != b"private":
        raise ValueError(f"not a pkcs11 URI of a private key: {', '.join(sorted(unknown)) or 'type'} cannot be heeded")
    library = _library()
    pin: list[bytes] = []  # asked for once, and kept for children

    def session() -> Any:
        fresh = library.lib(_module(query))
        if pin:  # in a forked child, where the library has to log in again
            fresh.reinitialize()
        tokens = [token for token in fresh.get_tokens() if _is_meant(token, path)]
        if len(tokens) != 1:
            raise _missing(f"{len(tokens)} tokens are meant: the URI has to name one")
        if not pin:
            pin.append(_pin(query, password))
        try:
            opened = tokens[0].open(user_pin=pin[0].decode())
        except library.UserAlreadyLoggedIn:  # by another key; a login counts for the whole process
            opened = tokens[0].open()
        return opened.get_key(**_wanted(library, path))

    try:
        key = PKCS11Key(session())
    except library.PKCS11Error as error:
        raise _missing(f"{type(error).__name__} {error}".strip()) from None
    key._reopen = session
    return key


def _module(query: dict[str, bytes]) -> str:
    if "module-path" in query:
        return os.fsdecode(query["module-path"])
    if "module-name" in query:
        return f"{os.fsdecode(query['module-name'])}.so"
    return os.environ.get("PKCS11_MODULE") or MODULE


TOKEN: dict[str, Callable[[Any], Any]] = {  # attributes that say which token (RFC 7512 2.3)
    "token": lambda token: token.label,
    "serial": lambda token: token.serial,
    "manufacturer": lambda token: token.manufacturer_id,
    "model": lambda token: token.model,
    "slot-id": lambda token: token.slot.slot_id,
    "slot-description": lambda token: token.slot.slot_description,
    "slot-manufacturer": lambda token: token.slot.manufacturer_id,
}


def _is_meant(token: Any, path: dict[str, bytes]) -> bool:
    """Whether a token is the one that a URI names; its own fields are padded with blanks."""
    for name, ask in TOKEN.items():
        if name in path:
            said = ask(token)
            text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            if text.rstrip(" \0") != path[name].decode("utf-8", "replace"):
                return False
    return True


def _wanted(library: Any, path: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {"object_class": library.ObjectClass.PRIVATE_KEY}
    if "object" in path:
        found["label"] = path["object"].decode()
    if "id" in path:
        found["id"] = path["id"]
    return found


def _pin(query: dict[str, bytes], password: Callable[[], bytes]) -> bytes:
    if "pin-value" in query:
        return query["pin-value"]
    source = query.get("pin-source")
    if source is None:
        return password()
    name = os.fsdecode(source).removeprefix("file://").removeprefix("file:")
    with open(name, "rb") as file:  # noqa: PTH123  # a name, as everywhere here
        return file.read().rstrip(b"\r\n")


def _missing(detail: str) -> Exception:
    return noted(ssl_error(0, "the private key in the token cannot be used"), detail)
