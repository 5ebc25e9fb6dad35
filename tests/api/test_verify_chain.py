"""puretls.verify_chain(): the path, or the error that a connection would have had, without one."""

from __future__ import annotations

import inspect

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from support import Pki


def test_the_path_from_leaf_to_anchor(pki: Pki) -> None:
    leaf = pki.identity("P-256")
    roots = [pki.elsewhere.certificate, pki.root.certificate]
    for convert in (lambda x: x, lambda x: x.public_bytes(Encoding.DER)):
        found = puretls.verify_chain(
            convert(leaf.certificate), [convert(x) for x in leaf.intermediates], roots, hostname="localhost"
        )
        path = (leaf.certificate, *leaf.intermediates, pki.root.certificate)
        assert found == [x.public_bytes(Encoding.DER) for x in path]
    assert puretls.verify_chain(leaf.certificate, leaf.intermediates, roots, hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("name", "settings", "code", "depth"),
    [
        ("P-256", {"hostname": "elsewhere.test"}, 62, 0),
        ("P-256", {"hostname": "192.0.2.1"}, 64, 0),
        ("P-256", {"purpose": "clientAuth"}, 26, 0),
        ("P-256", {"time": 0.0}, 9, None),
        ("P-256", {"max_depth": 0}, 22, None),
        ("expired", {}, 10, 0),
        ("stranger", {}, 20, 0),
    ],
)
def test_refusals(pki: Pki, name: str, settings: dict[str, object], code: int, depth: int | None) -> None:
    leaf = pki.identity(name)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        puretls.verify_chain(leaf.certificate, leaf.intermediates, [pki.root.certificate], **settings)
    assert caught.value.verify_code == code
    assert caught.value.verify_message in str(caught.value)
    assert caught.value.depth == depth or depth is None


def test_what_is_no_certificate(pki: Pki) -> None:
    with pytest.raises(puretls.SSLError):
        puretls.verify_chain(b"no certificate", [], [pki.root.certificate])


def test_the_signature_is_documented() -> None:
    parameters = inspect.signature(puretls.verify_chain).parameters
    assert list(parameters)[:3] == ["leaf", "intermediates", "roots"]
    assert {"crls", "time", "hostname", "purpose", "flags", "max_depth"} <= set(parameters)
    assert parameters["flags"].default == (
        puretls.VERIFY_X509_TRUSTED_FIRST | puretls.VERIFY_X509_PARTIAL_CHAIN | puretls.VERIFY_X509_STRICT
    )
