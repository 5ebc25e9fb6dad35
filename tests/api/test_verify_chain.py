"""puretls.verify_chain(): the path, or the error that a connection would have had, without one."""

from __future__ import annotations

import datetime as dt
import inspect
import pathlib
from functools import partial
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
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


@pytest.mark.parametrize(
    "purpose",
    ["ServerAuth", "serverauth", "server_auth", "SERVER_AUTH", "codeSigning", "", "1.3.6.1.5.5.7.3.1", None, 1,
     b"serverAuth", puretls.Purpose.SERVER_AUTH, ["serverAuth"]],
)  # fmt: skip
def test_an_unknown_purpose_is_an_error_of_the_caller(pki: Pki, purpose: object) -> None:
    """It must not mean that anything goes, nor be found out only when there is a path."""
    leaf = pki.identity("client")
    for roots in ([pki.root.certificate], []):
        with pytest.raises(ValueError, match="purpose") as caught:
            puretls.verify_chain(leaf.certificate, leaf.intermediates, roots, purpose=purpose)
        assert not isinstance(caught.value, puretls.SSLError)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


@pytest.mark.parametrize("text", [False, True])
def test_pem_is_taken_as_the_loaders_take_it(pki: Pki, text: bool) -> None:
    leaf, between, root = pki.identity("P-256"), pki.issuer.certificate, pki.root.certificate
    wanted = [one.public_bytes(Encoding.DER) for one in (leaf.certificate, between, root)]
    said = (lambda *some: pem(*some).decode()) if text else pem
    noise = "some text before it\n" if text else b"some text before it\n"
    for chain, intermediates, roots in (
        (said(leaf.certificate), [said(between)], [said(root)]),
        (noise + said(leaf.certificate), [noise + said(between)], [noise + said(root)]),
        (said(leaf.certificate), [said(pki.elsewhere.certificate, between)], [said(pki.elsewhere.certificate, root)]),
        (said(leaf.certificate, between), [], [root]),  # as in the file of load_cert_chain()
        (said(leaf.certificate, between), [], said(pki.elsewhere.certificate, root)),
        (leaf.certificate, said(between), wanted[2]),
    ):
        assert puretls.verify_chain(chain, intermediates, roots, hostname="localhost") == wanted


def test_crls_may_be_pem(pki: Pki) -> None:
    leaf = pki.identity("P-256")
    now = dt.datetime.now(dt.timezone.utc)
    for revoked, outcome in (((), None), ((leaf.certificate.serial_number,), 23)):
        builder = x509.CertificateRevocationListBuilder(pki.issuer.name, now - dt.timedelta(1), now + dt.timedelta(1))
        for number in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        crl = builder.sign(pki.issuer.key, hashes.SHA256())
        for form in (crl, crl.public_bytes(Encoding.DER), crl.public_bytes(Encoding.PEM)):
            settings = {"crls": [form], "flags": puretls.VERIFY_CRL_CHECK_LEAF}
            check = partial(
                puretls.verify_chain, leaf.certificate, leaf.intermediates, [pki.root.certificate], **settings
            )
            if outcome is None:
                assert len(check()) == 3
            else:
                with pytest.raises(puretls.SSLCertVerificationError) as caught:
                    check()
                assert caught.value.verify_code == outcome


ARGUMENTS: dict[str, tuple[dict[str, object], type[Exception]]] = {
    "no leaf": ({"leaf": None}, TypeError),
    "a leaf that is a number": ({"leaf": 5}, TypeError),
    "a path for a leaf": ({"leaf": pathlib.Path("leaf.pem")}, TypeError),
    "no list": ({"intermediates": None}, TypeError),
    "a list of numbers": ({"roots": [1]}, TypeError),
    "a name in bytes": ({"hostname": b"localhost"}, TypeError),
    "a name that is none": ({"hostname": "ü" * 70 + ".test"}, ValueError),
    "no number for a time": ({"time": "now"}, TypeError),
    "a time that is no number": ({"time": float("nan")}, ValueError),
    "a time without end": ({"time": float("inf")}, ValueError),
    "a time before all": ({"time": float("-inf")}, ValueError),
    "flags below nothing": ({"flags": -1}, ValueError),
    "flags beyond all": ({"flags": 1 << 70}, ValueError),
    "flags that are none": ({"flags": "strict"}, TypeError),
    "a depth below nothing": ({"max_depth": -1}, ValueError),
    "a depth that is none": ({"max_depth": "5"}, TypeError),
    "a level that is none": ({"security_level": "2"}, TypeError),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_wrong_arguments(pki: Pki, name: str) -> None:
    changes, wanted = ARGUMENTS[name]
    leaf = pki.identity("P-256")
    arguments = {
        "leaf": leaf.certificate, "intermediates": leaf.intermediates, "roots": [pki.root.certificate],
        "hostname": "localhost", **changes,
    }  # fmt: skip
    with pytest.raises(wanted) as caught:
        puretls.verify_chain(**arguments)
    assert not isinstance(caught.value, puretls.SSLError)


@pytest.mark.parametrize("text", ["-----BEGIN CERTIFICATE-----\n", "-----BEGIN X-----\nAAAA\n-----END X-----\n"])
def test_pem_without_a_certificate(pki: Pki, text: str) -> None:
    """Cut off, or of something else: an SSLError, wherever it stands."""
    leaf = pki.identity("P-256")
    good = (leaf.certificate, leaf.intermediates, [pki.root.certificate])
    for place in range(3):
        arguments = [*good[:place], text if place == 0 else [text], *good[place + 1 :]]
        with pytest.raises(puretls.SSLError) as caught:
            puretls.verify_chain(*arguments)
        assert not isinstance(caught.value, puretls.SSLCertVerificationError)


MOMENTS = {
    "verify_chain": lambda leaf, issuer, time: puretls.verify_chain(leaf, [], issuer, time=time),
    "verify_ocsp_response": lambda leaf, issuer, time: puretls.verify_ocsp_response(b"", leaf, issuer, time=time),
    "max_age": lambda leaf, issuer, time: puretls.verify_ocsp_response(b"", leaf, issuer, max_age=time),
    "verify_scts": lambda leaf, issuer, time: puretls.verify_scts(leaf, issuer, logs=puretls.CTLogs(), time=time),
    "CRLite.check": lambda leaf, issuer, time: puretls.CRLite(".").check(leaf, issuer, time=time),
    "CTLogs.is_stale": lambda _leaf, _issuer, time: puretls.CTLogs().is_stale(time),
}


@pytest.mark.parametrize("function", MOMENTS)
@pytest.mark.parametrize(
    "wrong", [float("nan"), float("inf"), "now", b"", object()], ids=["nan", "inf", "str", "bytes", "object"]
)
def test_no_time_is_no_time(pki: Any, function: str, wrong: Any) -> None:
    """With what is not a number every comparison is false, and nothing would be too old."""
    leaf, issuer = pki.identity("P-256").certificate, pki.issuer.certificate
    with pytest.raises((TypeError, ValueError), match=r"number"):
        MOMENTS[function](leaf, issuer, wrong)
