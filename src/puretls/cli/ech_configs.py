"""Configurations of Encrypted Client Hello as they are given on a command line, and what they say."""

from __future__ import annotations

import argparse
import binascii
import re
from base64 import b64decode, b64encode
from pathlib import Path

from puretls import ECHConfig, SSLError
from puretls.cli.failure import reason

BLOCK = re.compile(r"-----BEGIN ECHCONFIG-----(.*?)-----END ECHCONFIG-----", re.DOTALL)
LARGEST = 1 << 20  # bytes of a file
KDFS = {1: "HKDF-SHA256", 2: "HKDF-SHA384", 3: "HKDF-SHA512"}
AEADS = {1: "AES-128-GCM", 2: "AES-256-GCM", 3: "ChaCha20-Poly1305"}


def configurations(text: str) -> bytes:
    """An ECHConfigList: in base64, as DNS tools print it, or a file that has one; a type for argparse."""
    data = text.removeprefix("ech=").strip('"').encode("utf-8", "surrogateescape")
    try:
        if Path(text).is_file():
            with Path(text).open("rb") as file:
                data = file.read(LARGEST)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text}: {reason(error)}") from None
    found = BLOCK.search(data.decode("latin-1"))
    for candidate in (found[1].encode() if found else data, None):
        try:
            configs = data if candidate is None else b64decode(b"".join(candidate.split()), validate=True)
            ECHConfig.from_list(configs)
        except (binascii.Error, SSLError):
            continue
        return configs
    raise argparse.ArgumentTypeError(f"neither an ECHConfigList in base64 nor a file of one: {text[:60]!r}")


def described(config: ECHConfig) -> dict[str, object]:
    """The facts of one configuration."""
    suites = [f"{KDFS.get(kdf, kdf)}, {AEADS.get(aead, aead)}" for kdf, aead in config.cipher_suites]
    return {
        "public_name": config.public_name,
        "config_id": config.config_id,
        "kem": config.kem,
        "public_key": config.public_key.hex(),
        "suites": suites,
        "maximum_name_length": config.maximum_name_length,
        "usable": config.usable,
    }


def in_base64(configs: bytes) -> str:
    """As a record of the DNS has it."""
    return b64encode(configs).decode("ascii")
