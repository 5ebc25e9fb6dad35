"""Encrypted Client Hello (RFC 9849): configurations and keys as programs have them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from puretls._api import keys, secret_files
from puretls._api.errors import abort_error
from puretls._api.pem import pem_error
from puretls._api.types import StrOrBytesPath
from puretls._base.faults import NO_ECH_CONFIG, Abort
from puretls._base.public import public
from puretls._crypto.hpke import KEMS
from puretls._engine import ech_config
from puretls._engine.ech_config import ServerKey
from puretls._wire import ech, svcb
from puretls._wire.ech import Config
from puretls._x509 import pem

SUITES = ((1, 1), (1, 2), (1, 3))  # HKDF-SHA256 with each AEAD, for configurations that we make
MAX_FILE = 1 << 20  # bytes


@public
class ECHConfig(bytes):
    """One ECHConfig as it goes over the wire: bytes, and what they say.  SSLError if they are none."""

    def __new__(cls, data: Any) -> ECHConfig:  # noqa: PYI034  # 3.10
        raw = bytes(memoryview(data))
        configs = _config_list(ech.build_list([raw]) if len(raw) <= 0xFFFF else b"")
        if len(configs) != 1 or not isinstance(configs[0], Config):
            raise abort_error(Abort(NO_ECH_CONFIG, "not one ECHConfig of version 0xfe0d"))
        self = super().__new__(cls, raw)
        self._config = configs[0]
        return self

    _config: Config

    @property
    def config_id(self) -> int:
        """The number with which a client tells the server which key it has used."""
        return self._config.config_id

    @property
    def public_name(self) -> str:
        """The host that the outer hello asks for."""
        return self._config.public_name.decode("latin-1")

    @property
    def maximum_name_length(self) -> int:
        """The length to which names are padded."""
        return self._config.maximum_name_length

    @property
    def kem(self) -> str:
        """The key's kind, such as "X25519"; a number in hexadecimal if it is not known."""
        return KEMS[self._config.kem].name if self._config.kem in KEMS else f"{self._config.kem:#06x}"

    @property
    def public_key(self) -> bytes:
        """The key that hellos are sealed for."""
        return self._config.public_key

    @property
    def cipher_suites(self) -> tuple[tuple[int, int], ...]:
        """KDF and AEAD of each suite, by their numbers (RFC 9180 7.2, 7.3)."""
        return self._config.suites

    @property
    def usable(self) -> bool:
        """Whether a client here would use it."""
        return ech_config.usable(self._config) is not None

    @property
    def config_list(self) -> bytes:
        """An ECHConfigList of this one, as DNS has it and set_ech_configs() takes it."""
        return ech.build_list([self])

    @classmethod
    def from_list(cls, data: bytes) -> Sequence[ECHConfig]:
        """The configurations of an ECHConfigList, without those of unknown versions; SSLError if it is malformed."""
        return [cls(one.raw) for one in _config_list(bytes(memoryview(data))) if isinstance(one, Config)]


@public
class ECHKey:
    """An ECHConfig and its private key, for SSLContext.set_ech_keys().

    `config` is an ECHConfig, or an ECHConfigList of one.  `private_key` is a key of `cryptography`, or its bytes.

    Clients whose hello was not opened are told of the configuration if `retry` is True, as it should be of the newest
    key; older ones are kept for clients that still have them from DNS.  ValueError if the key is another's.
    """

    __slots__ = ("_key",)

    def __init__(self, config: bytes, private_key: Any, retry: bool = True) -> None:
        raw = bytes(memoryview(config))
        if not isinstance(config, ECHConfig) and raw[:2] != ech.VERSION.to_bytes(2, "big"):
            listed = ECHConfig.from_list(raw)
            if len(listed) != 1:
                raise ValueError("config is not one ECHConfig")
            raw = listed[0]
        parsed = ECHConfig(raw)._config
        try:
            self._key = ServerKey(parsed, _private(parsed, private_key), retry=bool(retry))
        except Abort as abort:
            raise ValueError(abort.detail) from None

    def __repr__(self) -> str:
        return f"<ECHKey {self.config.config_id} {self.config.public_name!r} retry={self.retry}>"

    @property
    def config(self) -> ECHConfig:
        """The configuration."""
        return ECHConfig(self._key.config.raw)

    @property
    def private_key(self) -> Any:
        """The private key, of `cryptography`."""
        return self._key.key

    @property
    def retry(self) -> bool:
        """Whether clients are told of it."""
        return self._key.retry

    def to_pem(self) -> bytes:
        """The file that load_ech_keys(), OpenSSL and nginx read: it is secret (RFC 9934)."""
        private: bytes = self._key.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return private + _armoured(b"ECHCONFIG", ech.build_list([self._key.config.raw]))


def _private(config: Config, key: Any) -> Any:
    if not isinstance(key, bytes | bytearray | memoryview):
        return key
    kem, raw = KEMS.get(config.kem), bytes(key)
    if kem is None:
        return key
    try:
        if kem.name == "X25519":
            return X25519PrivateKey.from_private_bytes(raw)
        curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
        return ec.derive_private_key(int.from_bytes(raw, "big"), curves[kem.name])
    except ValueError:
        raise ValueError("private_key is no key of this kind") from None


def _armoured(label: bytes, body: bytes) -> bytes:
    from base64 import encodebytes  # noqa: PLC0415 - files are seldom written

    lines = encodebytes(body).replace(b"\n", b"")
    wrapped = b"\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label, wrapped, label)


def _config_list(data: bytes) -> tuple[Config | ech.UnknownConfig, ...]:
    try:
        return ech.config_list(data)
    except Abort as abort:
        raise abort_error(Abort(abort.fault, "not an ECHConfigList")) from None


@public
def make_ech_config(
    public_name: str, *, config_id: int | None = None, maximum_name_length: int = 0, kem: str = "X25519"
) -> tuple[ECHConfig, Any]:
    """A new configuration and its private key, a key of `cryptography`.

    `public_name` is the host that clients ask for in the clear, and whose certificate the server has to have: clients
    accept new configurations from nobody else.  `config_id`, random unless given, should differ from those of other
    keys in use.  Names shorter than `maximum_name_length` are padded to it.  ValueError for a name that is none, or
    for what has no room.
    """
    name = public_name.encode("ascii") if public_name.isascii() else b""
    if len(name) > 253 or not ech_config.is_public_name(name):
        raise ValueError(f"public_name is no host name: {public_name!r}")
    if config_id is None:
        config_id = os.urandom(1)[0]
    for number, what in ((config_id, "config_id"), (maximum_name_length, "maximum_name_length")):
        if not 0 <= number <= 255:
            raise ValueError(f"{what} must be from 0 to 255")
    kind = next((one for one in KEMS.values() if one.name == kem), None)
    if kind is None:
        raise ValueError(f"kem must be one of {', '.join(one.name for one in KEMS.values())}")
    key = kind.generate()
    config = ech.build_config(config_id, kind.code, kind.public_bytes(key), SUITES, maximum_name_length, name)
    return ECHConfig(config.raw), key


@public
def load_ech_keys(path: StrOrBytesPath) -> list[ECHKey]:
    """The keys of a PEM file: each PRIVATE KEY with the ECHCONFIG behind it (RFC 9934), as OpenSSL and nginx have them.

    OSError if there is no file, SSLError if it cannot be read, or a configuration has no key before it.
    """
    data = secret_files.read(os.fspath(path), MAX_FILE)
    found: list[ECHKey] = []
    key = None
    try:
        for label, body, whole in pem.blocks(data):
            if label.endswith(keys.PRIVATE):
                key = keys.parse(whole, keys.Password(""))
            elif label == b"ECHCONFIG":
                configs = ECHConfig.from_list(pem.decoded(body))
                mine = [one for one in configs if key is not None and _belongs(one, key)]
                if not mine:
                    raise pem_error(detail="an ECHCONFIG has no PRIVATE KEY of its own before it")
                found += [ECHKey(config, key) for config in mine]
    except Abort as abort:
        raise pem_error(detail=abort.detail or "the file is damaged: it is not base64") from None
    if not found:
        raise pem_error(detail="there is no ECHCONFIG in the file")
    return found


def _belongs(config: ECHConfig, key: Any) -> bool:
    kem = KEMS.get(config._config.kem)
    return kem is not None and kem.owns(key) and kem.public_bytes(key) == config.public_key


@public
def parse_svcb(rdata: bytes) -> dict[str, Any]:
    """What an SVCB or HTTPS record of the DNS says (RFC 9460, 9848), from its data as it goes over the wire.

    The keys are "priority", "target" ("." for the record's own name), "mandatory", "alpn", "no_default_alpn", "port",
    "ipv4hint", "ipv6hint" and "ech", an ECHConfigList for SSLContext.set_ech_configs() or None; further parameters are
    bytes under "key" and their number.  ValueError if the record cannot be read.
    """
    return svcb.parse(bytes(memoryview(rdata)))
