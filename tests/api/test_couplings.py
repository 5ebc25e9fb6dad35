"""Setters, checks and their couplings, step by step beside the interpreter's own `ssl`: seeded random programs.

Each step is done to both contexts: the outcome (value, or class and arguments of the exception), the warnings with the
file they point at, and all attributes afterwards have to agree.  The reference is CPython 3.13.
"""

from __future__ import annotations

import random
import re
import ssl
import sys
import warnings

import pytest

import puretls

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13) or not (3, 0) <= ssl.OPENSSL_VERSION_INFO[:2] < (3, 2),
    reason="the reference is CPython 3.13 with OpenSSL 3.0",
)
ATTRIBUTES = [
    "protocol",
    "options",
    "verify_flags",
    "verify_mode",
    "check_hostname",
    "minimum_version",
    "maximum_version",
    "num_tickets",
    "sni_callback",
    "post_handshake_auth",
    "security_level",
    "keylog_filename",
    "hostname_checks_common_name",
    "_host_flags",
    "_msg_callback",
]
FLAGS = [int(flag) for flag in ssl.Options]
VERIFY = [int(flag) for flag in ssl.VerifyFlags]


def callback(*_args):
    return None


def values(rng, name):
    common = [0, 1, 2, 3, -1, None, "x", 1.5, True, False, 1 << 40, 1 << 70]
    if name == "options" and sys.version_info >= (3, 14):
        common.remove(-1)  # docs/differences.md
    special = {
        "options": [*FLAGS, sum(set(FLAGS)), 0x82520050, 1 << 63],
        "verify_flags": [*VERIFY, 0x100, 0x780, 1 << 20],
        "minimum_version": [-2, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, ssl.TLSVersion.TLSv1_2],
        "maximum_version": [-2, 0x300, 0x301, 0x302, 0x303, 0x304, 0x305, ssl.TLSVersion.MAXIMUM_SUPPORTED],
        "_msg_callback": [callback],
        "_host_flags": [4, 0x20, 0x3F],
    }.get(name, [])
    if name == "keylog_filename":
        return rng.choice([None, 3, "/nonexistent/keylog"])
    if name == "sni_callback":  # what is refused clears an earlier one there, and leaves it here
        return rng.choice([None, callback, print])
    return rng.choice(special * 2 + common)


CALLS = [
    ("set_ciphers", ["AES", "", "nonsense", "ALL:@SECLEVEL=0", "DEFAULT:@SECLEVEL=3", b"AES", None, "a\0b"]),
    ("set_alpn_protocols", [["h2"], [""], ["a" * 256], ["é"], [b"a"], "ab", [], None, 5]),
    ("set_ecdh_curve", ["prime256v1", "nope", None, b"secp384r1", 5]),
    ("set_psk_client_callback", [callback, None, 3]),
    ("set_psk_server_callback", [callback, None, 3]),
    ("set_servername_callback", [callback, None, 3]),
    ("session_stats", [()]),
    ("cert_store_stats", [()]),
    ("get_ca_certs", [()]),
    ("load_verify_locations", [(), None, 3, "/nonexistent"]),
    ("load_cert_chain", [None, 3, "/nonexistent", "a\0b"]),
    ("load_dh_params", ["/nonexistent", None, 3]),
    ("_encode_hostname", [None, "bücher.de", "a.b", ".a", b"a", b"\xff", "", "a" * 64, "a..b", "x.", 4, "::1"]),
    ("wrap_bio", [()]),
]  # fmt: skip


def steps(rng):
    for _ in range(rng.randint(4, 12)):
        if rng.random() < 0.75:
            name = rng.choice([name for name in ATTRIBUTES if name not in ("protocol", "security_level")])
            yield "set", name, values(rng, name)
        else:
            name, arguments = rng.choice(CALLS)
            yield "call", name, rng.choice(arguments)


def normal(value):
    """Comparable, and without line numbers, addresses and module names."""
    if isinstance(value, str):
        return re.sub(r"\(_ssl\.c:\d+\)", "(_ssl.c:N)", value)
    if isinstance(value, tuple):
        return tuple(map(normal, value))
    if callable(value) or isinstance(value, ssl.SSLObject):
        return True
    return value


def outcome(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = "value", normal(action())
        except Exception as error:  # noqa: BLE001  # whatever it is, it has to be the same
            extra = getattr(error, "reason", 0), getattr(error, "library", 0)
            result = type(error), normal(error.args) if isinstance(error, OSError | ValueError) else None, extra
    return result, [(item.category, str(item.message), item.filename) for item in caught]


def perform(context, module, step):
    kind, name, value = step
    if kind == "set":
        return outcome(lambda: setattr(context, name, value))
    if name == "wrap_bio":
        return outcome(lambda: context.wrap_bio(module.MemoryBIO(), module.MemoryBIO()))
    arguments = value if isinstance(value, tuple) else (value,)
    return outcome(lambda: getattr(context, name)(*arguments))


def state(context):
    return {name: normal(getattr(context, name)) for name in ATTRIBUTES}


@pytest.mark.parametrize("seed", range(150))
def test_random_programs(seed):
    rng = random.Random(seed)
    for _ in range(5):
        protocol = rng.choice([2, 3, 4, 5, 16, 16, 16, 17, 17])
        done = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs, ours = ssl.SSLContext(protocol), puretls.SSLContext(protocol)
        for step in steps(rng):
            done.append(step)
            expected = perform(theirs, ssl, step)
            got = perform(ours, puretls, step)
            assert got == expected, (protocol, done)
            assert state(ours) == state(theirs), (protocol, done)


@pytest.mark.parametrize("protocol", [None, 0, 1, 2, 3, 4, 5, 6, 15, 16, 17, 18, 99, -1, "x", 1.5, True])
def test_constructing(protocol):
    arguments = () if protocol is None else (protocol,)
    expected = outcome(lambda: state(ssl.SSLContext(*arguments)))
    assert outcome(lambda: state(puretls.SSLContext(*arguments))) == expected


@pytest.mark.parametrize("name", ["verify_mode", "options", "security_level", "protocol"])
def test_attributes_cannot_be_deleted(name):
    with pytest.raises((AttributeError, TypeError)):
        delattr(puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), name)


@pytest.mark.parametrize("name", ["security_level", "protocol"])
def test_attributes_that_are_read_only(name):
    with pytest.raises(AttributeError):
        setattr(puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), name, 1)
