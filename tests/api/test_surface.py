"""Every public name of `ssl` in CPython 3.13 is there, with its kind, signature, members and values.

`ssl-api-3.13.json` was read off the interpreter's module.  Also what a program sees without looking: the classes are
the interpreter's own or derive from them, and the private names that libraries use exist.
"""

from __future__ import annotations

import enum
import inspect
import json
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import puretls

API = json.loads((Path(__file__).parent / "ssl-api-3.13.json").read_text())["api"]
MORE = {"CHANNEL_BINDING_TYPES"}  # lists that may hold more than ssl's
UNSTABLE = ("=<object object",)  # defaults whose repr is an address
BEYOND = {"reload"}  # keywords that ssl's methods do not have
NO_MEMBERS_BEFORE_312 = {"OP_ENABLE_KTLS", "OP_LEGACY_SERVER_CONNECT"}

PRIVATE = [
    "_create_default_https_context",
    "_create_unverified_context",
    "_create_stdlib_context",
    "_ssl",
    "_DEFAULT_CIPHERS",
    "_RESTRICTED_SERVER_CIPHERS",
    "_OPENSSL_API_VERSION",
    "_PROTOCOL_NAMES",
    "_ASN1Object",
    "_SSLMethod",
    "_TLSContentType",
    "_TLSAlertType",
    "_TLSMessageType",
    "_inet_paton",
    "_dnsname_match",
    "_ipaddress_match",
    "_nid2obj",
    "_txt2obj",
    "socket_error",
    "SOCK_STREAM",
    "SOL_SOCKET",
    "SO_TYPE",
    "create_connection",
    "socket",
]
EXCEPTIONS = [
    "SSLError",
    "SSLZeroReturnError",
    "SSLWantReadError",
    "SSLWantWriteError",
    "SSLSyscallError",
    "SSLEOFError",
    "SSLCertVerificationError",
    "CertificateError",
]
ENUMS = [
    "Options",
    "VerifyFlags",
    "VerifyMode",
    "TLSVersion",
    "AlertDescription",
    "SSLErrorNumber",
    "_SSLMethod",
    "Purpose",
]


def signature(function):
    """As the file has it: text, without annotations, and with the names that C functions give their arguments."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    known = [parameter for parameter in found.parameters.values() if parameter.name not in BEYOND]
    bare = [parameter.replace(annotation=parameter.empty) for parameter in known]
    return str(found.replace(parameters=bare, return_annotation=found.empty))


def members_of(found):
    return {name: value for name, value in found.__members__.items() if name != "PROTOCOL_SSLv23"}


@pytest.mark.parametrize("name", API)
def test_public_name(name):
    expected, found = API[name], getattr(puretls, name)
    kind = expected["kind"]
    if kind == "data":
        assert type(found).__name__ == expected["type"]
        if "value" in expected and name in MORE:
            assert set(expected["value"]) <= set(found)
        elif "value" in expected:
            assert found == expected["value"]
    elif kind == "enum":
        assert issubclass(found, getattr(enum, expected["base"]))
        for member, value in expected["members"].items():
            if member in NO_MEMBERS_BEFORE_312 and sys.version_info < (3, 12):
                assert getattr(puretls, member) == value
            elif isinstance(value, int):
                assert members_of(found)[member] == value
            else:
                assert str(tuple(found[member].value)) in value or value.startswith("_ASN1Object")
    elif kind == "exception":
        assert set(expected["bases"]) <= {base.__name__ for base in found.__mro__[1:]}
    elif kind == "function":
        if not any(text in expected["signature"] for text in UNSTABLE):
            assert signature(found) == expected["signature"]
    else:
        assert inspect.isclass(found)


CLASSES = [(name, member) for name, row in API.items() if row["kind"] == "class" for member in row["members"]]


@pytest.mark.parametrize(("name", "member"), CLASSES)
def test_member_of_a_class(name, member):
    expected, found = API[name]["members"][member], getattr(getattr(puretls, name), member)
    assert callable(found) == (expected["kind"] == "method")
    if expected["signature"] and not member.startswith("sslo") and not member.startswith("ssls"):
        positional = expected["signature"].replace("self, /, ", "self, ").replace("self, /)", "self)")
        got = (signature(found) or "").replace("self, /, ", "self, ").replace("self, /)", "self)")
        own = name != "DefaultVerifyPaths" and not hasattr(socket.socket, member)  # the others differ between Pythons
        assert not own or not got or got == positional


@pytest.mark.parametrize("name", PRIVATE)
def test_private_name(name):
    assert hasattr(puretls, name)


@pytest.mark.parametrize("name", EXCEPTIONS + ENUMS)
def test_the_interpreters_own_class(name):
    assert getattr(puretls, name) is getattr(ssl, name)


def test_constants_are_the_interpreters_own():
    names = [name for name in vars(ssl) if name.startswith(("OP_", "VERIFY_", "CERT_", "PROTOCOL_", "SSL_ERROR_"))]
    assert [name for name in names if getattr(puretls, name) is not getattr(ssl, name)] == []


def test_names_that_python_312_removed():
    """They are there where the interpreter's module has them, and absent where programs branch on that."""
    for name in ("match_hostname", "wrap_socket", "RAND_pseudo_bytes"):
        assert hasattr(puretls, name) == (sys.version_info < (3, 12))
    assert not hasattr(puretls, "RAND_egd")


@pytest.mark.parametrize("name", ["SSLContext", "SSLSocket", "SSLObject"])
def test_classes_derive_from_the_interpreters(name):
    assert issubclass(getattr(puretls, name), getattr(ssl, name))


def test_the_private_module_has_what_libraries_take():
    private = puretls._ssl
    for name in (
        "_SSLContext",
        "_SSLSocket",
        "MemoryBIO",
        "Certificate",
        "SSLSession",
        "SSLError",
        "_test_decode_cert",
    ):
        assert hasattr(private, name)
    assert (private.ENCODING_PEM, private.ENCODING_DER) == (1, 2)
    assert private.PROTO_TLSv1_3 == 0x304
    assert private.OP_ALL == ssl.OP_ALL
    assert type(private.CERT_REQUIRED) is int


def test_all_names_in_all_exist():
    assert [name for name in puretls.__all__ if not hasattr(puretls, name)] == []


WITHOUT_SSL = """
import sys
sys.modules["_ssl"] = None
import json
import puretls as ssl
assert "ssl" not in sys.modules
assert issubclass(ssl.SSLError, OSError) and issubclass(ssl.CertificateError, ValueError)
error = ssl.SSLError(1, "text")
assert str(error) == "text" and not hasattr(error, "reason") and not hasattr(error, "library")
class Both(ConnectionError, ssl.CertificateError): pass
assert ssl.SSLContext.__mro__[-1] is object
context = ssl.create_default_context()
assert context.options == 0x82520050 and ssl.OP_ALL in context.options
assert ssl._SSLMethod.PROTOCOL_SSLv23 is ssl.PROTOCOL_TLS
assert ssl.Purpose.CLIENT_AUTH.oid == "1.3.6.1.5.5.7.3.2"
values = {name: int(value) for name, value in vars(ssl).items() if isinstance(value, int) and name[0].isupper()}
print(json.dumps(values))
"""


def test_all_this_without_the_interpreters_ssl():
    done = subprocess.run([sys.executable, "-c", WITHOUT_SSL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    for name, expected in API.items():
        if expected["kind"] == "data" and isinstance(expected.get("value"), int):
            assert values[name] == expected["value"], name
