"""Where `cryptography` meets a peer's bytes: whatever it raises is a fault, and nobody goes around the one place."""

from __future__ import annotations

import ast
import signal
from pathlib import Path

import pytest
from cryptography.exceptions import InternalError, InvalidKey, InvalidSignature, UnsupportedAlgorithm

from puretls._base import faults
from puretls._base.faults import Abort
from puretls._crypto.primitives import attempt

SRC = Path(__file__).resolve().parents[2] / "src" / "puretls"
MEETING = {  # functions and methods of PyCA's
    "exchange", "from_public_bytes", "from_encoded_point", "encapsulate", "decapsulate",  # of shares
    "verify", "load_der_x509_certificate", "load_der_x509_crl", "fingerprint", "rfc4514_string",  # of certificates
}  # fmt: skip
OURS = {"kem", "self.kem", "signatures", "path", "ocsp"}  # have functions of these names that go through it themselves
Panic = type("PanicException", (BaseException,), {"__module__": "pyo3_runtime"})


def raising(error: BaseException):
    def operation(_: bytes) -> bytes:
        raise error

    return operation


REFUSALS = [
    ValueError("x"),
    TypeError("x"),
    OverflowError("x"),
    UnsupportedAlgorithm("x"),
    InvalidSignature(),
    InvalidKey(),
    InternalError("x", []),
    Panic("a bug of theirs"),
]


@pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
def test_whatever_a_primitive_raises_is_the_fault(error):
    with pytest.raises(Abort) as caught:
        attempt(faults.BAD_KEY_SHARE, raising(error), b"share")
    assert caught.value.fault is faults.BAD_KEY_SHARE
    assert attempt(faults.BAD_KEY_SHARE, bytes.upper, b"share") == b"SHARE"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()], ids=lambda error: type(error).__name__)
def test_what_is_no_answer_passes_through(error):
    with pytest.raises(type(error)):
        attempt(faults.BAD_KEY_SHARE, raising(error), b"share")


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="no signals here")
def test_a_signal_handler_passes_through():
    """It may come in the middle of a primitive, with an exception that primitives raise, too."""

    def handler(*_: object) -> None:
        raise ValueError("too late")

    def operation(data: bytes) -> bytes:
        signal.raise_signal(signal.SIGINT)
        return data

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(ValueError, match="too late"):
            attempt(faults.BAD_KEY_SHARE, operation, b"share")
    finally:
        signal.signal(signal.SIGINT, before)


def direct_calls(source: str) -> list[str]:
    """Methods of primitives that are called where they stand: not by `attempt`, nor where `refuses` judges errors."""
    tree = ast.parse(source)
    judged = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.Try) and "refuses" in {n.id for n in ast.walk(block) if isinstance(n, ast.Name)}
        for line in block.body
        for node in ast.walk(line)
    }
    return [
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MEETING
        if id(node) not in judged and ast.unparse(node.func.value) not in OURS
    ]


BELOW = [path for layer in ("_crypto", "_engine", "_record", "_x509") for path in sorted((SRC / layer).glob("*.py"))]


@pytest.mark.parametrize("path", BELOW, ids=lambda path: path.relative_to(SRC).as_posix())
def test_nobody_goes_around_it(path):
    assert not direct_calls(path.read_text(encoding="utf-8"))
