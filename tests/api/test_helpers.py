"""The functions of the module that make contexts, beside `ssl`: every argument, alone and together."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

import puretls
from puretls.cli.certs import Authority
from support.both import quiet

# Each is `_create_unverified_context(**arguments)`; files are named by what is in them.
CALLS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a name and nobody to ask": {"check_hostname": True},  # which turns verification on
    "a name, CERT_REQUIRED": {"check_hostname": True, "cert_reqs": "CERT_REQUIRED"},
    "a name, nothing said": {"check_hostname": True, "cert_reqs": None},
    "nothing said": {"cert_reqs": None},
    "CERT_OPTIONAL": {"cert_reqs": "CERT_OPTIONAL"},
    "CERT_REQUIRED": {"cert_reqs": "CERT_REQUIRED"},
    "servers": {"purpose": "CLIENT_AUTH"},
    "servers that ask": {"purpose": "CLIENT_AUTH", "cert_reqs": "CERT_REQUIRED"},
    "servers of a client's protocol": {"purpose": "CLIENT_AUTH", "protocol": "PROTOCOL_TLS_CLIENT"},
    "both roles": {"protocol": "PROTOCOL_TLS"},
    "TLS 1.2 only": {"protocol": "PROTOCOL_TLSv1_2"},
    "a key alone": {"keyfile": "key"},
    "a certificate alone": {"certfile": "chain"},
    "a certificate and its key": {"certfile": "chain", "keyfile": "key"},
    "both in a file": {"certfile": "both"},
    "a CA": {"cafile": "ca"},
    "a CA, verified": {"cafile": "ca", "cert_reqs": "CERT_REQUIRED"},
    "a CA as text": {"cadata": "ca text"},
    "a CA that is not there": {"cafile": "nowhere"},
}


def described(tls: Any, arguments: dict[str, Any], files: dict[str, Any], make: str) -> Any:
    """What a context says of itself; or the exception."""
    names = {"purpose": tls.Purpose, "cert_reqs": tls, "protocol": tls}
    given = {
        name: getattr(names[name], value) if name in names and value is not None else files.get(value, value)
        for name, value in arguments.items()
    }
    try:
        with quiet():
            context = getattr(tls, make)(**given)
    except (ValueError, OSError) as error:
        return type(error).__name__, getattr(error, "reason", None) or getattr(error, "errno", None) or str(error)
    return (
        int(context.protocol), int(context.verify_mode), context.check_hostname, int(context.verify_flags),
        context.cert_store_stats(), int(context.minimum_version), str(context.keylog_filename),
    )  # fmt: skip


@pytest.fixture
def files(pki: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("SSL_CERT_FILE", str(pki.ca))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(Path(name).read_bytes() for name in (pki.chain("P-256"), pki.key("P-256"))))
    return {
        "key": pki.key("P-256"), "chain": pki.chain("P-256"), "both": both, "ca": pki.ca,
        "ca text": pki.root.pem.decode(), "nowhere": tmp_path / "nowhere",
    }  # fmt: skip


@pytest.mark.parametrize("log", [False, True], ids=["", "SSLKEYLOGFILE"])
@pytest.mark.parametrize("name", CALLS)
def test_unverified_contexts_as_ssl_makes_them(name, log, files, monkeypatch, tmp_path):
    if log:
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for make in ("_create_unverified_context", "_create_stdlib_context"):
        wanted, found = (described(tls, CALLS[name], files, make) for tls in (ssl, puretls))
        assert found == wanted


@pytest.mark.parametrize("given", [{}, {"cafile": "ca"}, {"cadata": "ca text"}, {"purpose": "CLIENT_AUTH"}])
def test_default_contexts_as_ssl_makes_them(given, files):
    """But for the flags, which are those of Python 3.13 everywhere (docs/differences.md)."""
    wanted, found = (described(tls, given, files, "create_default_context") for tls in (ssl, puretls))
    assert (*found[:3], *found[4:]) == (*wanted[:3], *wanted[4:])
    assert found[3] & (puretls.VERIFY_X509_STRICT | puretls.VERIFY_X509_PARTIAL_CHAIN)


def test_a_purpose_that_is_none(tls):
    other = tls._ASN1Object("1.3.6.1.5.5.7.3.4")
    for make in (tls.create_default_context, tls._create_unverified_context):
        with pytest.raises(ValueError, match="emailProtection"):
            make(purpose=other)
        with pytest.raises(TypeError):
            make(purpose="1.3.6.1.5.5.7.3.1")


@pytest.mark.parametrize(("flags", "logs"), [([], True), (["-E"], False), (["-I"], False)])
def test_the_environment_counts_unless_it_is_told_not_to(flags, logs, tmp_path):
    """`python -E` is what a program of somebody else's is run with: nobody else says where its secrets go."""
    program = "import sys; sys.path[:0] = {!r}; import puretls; print(puretls.create_default_context().keylog_filename)"
    environment = {**os.environ, "SSLKEYLOGFILE": str(tmp_path / "keys")}
    done = subprocess.run(
        [sys.executable, *flags, "-c", program.format(sys.path)],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == (str(tmp_path / "keys") if logs else "None")


@pytest.mark.parametrize("count", [-1, -(1 << 40)])
def test_random_bytes_of_no_number(tls, count):
    with pytest.raises((ValueError, OverflowError)) as caught:
        tls.RAND_bytes(count)
    if count == -1:
        assert str(caught.value) == "num must be positive"


def test_the_defaults_of_verify_chain():
    """Now, strictly, up to any certificate that is trusted, and by the rules of one profile only."""
    authority = Authority("helpers")
    leaf = authority.issue("localhost")
    assert len(puretls.verify_chain(leaf.chain_pem, (), authority.pem)) == 2
    assert puretls.verify_chain(leaf.chain_pem, (), leaf.chain_pem) == [leaf.certificate.public_bytes(Encoding.DER)]
    for wrong, code in [({"time": 1.0}, 9), ({"flags": 0, "roots": leaf.chain_pem}, 20)]:
        with pytest.raises(puretls.SSLCertVerificationError) as caught:
            puretls.verify_chain(leaf.chain_pem, (), **{"roots": authority.pem, **wrong})
        assert caught.value.verify_code == code
    with pytest.raises(puretls.SSLError):
        puretls.verify_chain(b"no certificate", (), authority.pem)
    with pytest.raises(ValueError, match="verify_profile"):
        puretls.verify_chain(leaf.chain_pem, (), authority.pem, verify_profile="no such thing")
    long = authority.issue("localhost", days=(-1, 900))  # more than any public CA may issue it for
    assert puretls.verify_chain(long.chain_pem, (), authority.pem)
    with pytest.raises(puretls.SSLCertVerificationError):
        puretls.verify_chain(long.chain_pem, (), authority.pem, verify_profile="webpki")
