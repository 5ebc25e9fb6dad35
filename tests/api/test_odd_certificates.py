"""One odd certificate spoils nothing but itself: bundles, own certificates, peers, and what the errors say.

The shapes are in tests/x509/odd.py: all of them load with `ssl`.
"""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._x509 import certificate, names
from puretls._x509.store import name_hash
from support import odd, pki
from support.verifying import ours, theirs

GOOD = pki.ca("good", not_after=pki.NOW + 3650 * pki.DAY)
LEAF = pki.leaf("localhost", GOOD, not_after=pki.NOW + 3650 * pki.DAY)

every_odd_shape = pytest.mark.parametrize("name", [*odd.READ, *odd.UNDATED, *odd.LEFT])
every_undated_shape = pytest.mark.parametrize("name", odd.UNDATED)
every_read_shape = pytest.mark.parametrize("name", odd.READ)
every_left_shape = pytest.mark.parametrize("name", odd.LEFT)
every_read_ca = pytest.mark.parametrize("name", odd.CAS)


def told(error: BaseException) -> str:
    """What an error says, its notes included."""
    return "\n".join([str(error), *getattr(error, "__notes__", ())])


def client(**arguments: Any) -> puretls.SSLContext:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(**arguments)
    return context


def server(*chain: pki.Issued) -> puretls.SSLContext:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("".join(one.pem for one in chain), chain[0].key_pem)
    return context


def ssl_server(folder: Any, *chain: pki.Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = folder / "chain.pem"
    file.write_text(chain[0].key_pem + "".join(one.pem for one in chain))
    context.load_cert_chain(file)
    return context


def shake_hands(client: Any, server: Any) -> Any:
    """The client's side of a finished handshake; raises what the client raises."""
    ends, pipes = [], []
    for context, module in ((client, puretls), (server, ssl if isinstance(server, ssl.SSLContext) else puretls)):
        pipes.append((module.MemoryBIO(), module.MemoryBIO()))
        ends.append(
            context.wrap_bio(*pipes[-1], **({"server_side": True} if ends else {"server_hostname": "localhost"}))
        )
    for _ in range(4):
        for own, end in enumerate(ends):
            try:
                end.do_handshake()
            except puretls.SSLWantReadError:
                pass
            except puretls.SSLError:
                if not own:
                    raise
            pipes[1 - own][0].write(pipes[own][1].read())
    return ends[0]


# Bundles


@every_odd_shape
@pytest.mark.parametrize("how", ["cafile", "cadata", "cadata in DER", "default"])
def test_a_bundle_loads_with_an_odd_root(name, how, tmp_path, monkeypatch):
    root = odd.ca(name)
    file = tmp_path / "bundle.pem"
    file.write_text(root.pem + GOOD.pem)
    if how == "cafile":
        context = client(cafile=file)
    elif how == "cadata":
        context = client(cadata=root.pem + GOOD.pem)
    elif how == "cadata in DER":
        context = client(cadata=root.der + GOOD.der)
    else:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
    assert context.cert_store_stats()["x509"] == 2
    assert GOOD.der in context.get_ca_certs(binary_form=True)
    assert shake_hands(context, server(LEAF)).version() == "TLSv1.3"


@every_read_shape
def test_an_odd_root_is_an_anchor(name, tmp_path):
    root = odd.ca(name)
    expected: list[Any] = []
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=root.pem)
        found = context.get_ca_certs(), context.get_ca_certs(binary_form=True)
        expected.append((context.cert_store_stats(), found))
    assert expected[0] == expected[1]
    if not expected[0][0]["x509_ca"]:  # version 2, without extensions: no CA, with OpenSSL either
        assert name == "version 2"
        return
    leaf = pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY, extensions={pki.AKI: None})
    for serving in (server(leaf), ssl_server(tmp_path, leaf)):
        assert shake_hands(client(cadata=root.pem), serving).version() == "TLSv1.3"


@every_left_shape
def test_an_anchor_that_cannot_be_read_is_named(name, tmp_path):
    root = odd.ca(name)
    leaf = pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY)
    file = tmp_path / "bundle.pem"
    file.write_text(GOOD.pem + root.pem)
    for arguments in ({"cafile": file}, {"cadata": GOOD.pem + root.pem}):
        with pytest.raises(puretls.SSLCertVerificationError) as caught:
            shake_hands(client(**arguments), server(leaf))
        assert caught.value.verify_code == 20
        assert f"CA with {name}" in told(caught.value)
        assert odd.SHAPES[name].says in told(caught.value)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:  # another one, which has nothing to do with it
        shake_hands(client(cafile=file), server(pki.leaf("localhost", pki.ca("stranger"))))
    assert f"CA with {name}" not in told(caught.value)


def hashed(folder: Path, root: pki.Issued) -> Path:
    """A directory in which OpenSSL would find it."""
    x = certificate.listed(root.der)
    assert x.odd is not None
    (folder / f"{name_hash(names.canonical(x.odd.subject)):08x}.0").write_text(root.pem)
    return folder


@every_read_ca
def test_an_odd_root_in_a_directory(name, tmp_path):
    root = odd.ca(name)
    leaf = pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY, extensions={pki.AKI: None})
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(capath=hashed(tmp_path, root))
        if module is ssl:
            (tmp_path / "ssl").mkdir()
            assert getpeercert_of_ssl(context, tmp_path / "ssl", leaf)
    assert shake_hands(context, server(leaf)).version() == "TLSv1.3"


@every_left_shape
def test_an_anchor_in_a_directory_that_cannot_be_read_is_named(name, tmp_path):
    root = odd.ca(name)
    leaf = pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(client(capath=hashed(tmp_path, root)), server(leaf))
    assert caught.value.verify_code == 20
    assert f"CA with {name}" in told(caught.value)
    assert odd.SHAPES[name].says in told(caught.value)


@every_undated_shape
def test_an_undated_root_is_no_anchor(name):
    """As with OpenSSL: it is there, and never valid."""
    root = odd.ca(name)
    listed = []
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=root.pem)
        (found,) = context.get_ca_certs()
        found["notAfter"] = found["notAfter"].replace("00:00.0", "00:00")  # ssl shows fractions
        listed.append((context.cert_store_stats(), found, context.get_ca_certs(binary_form=True)))
    assert listed[0] == listed[1]
    leaf = pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(client(cadata=root.pem), server(leaf))
    code = 13 if odd.SHAPES[name].says == "notBefore" else 14
    assert (caught.value.verify_code, caught.value.depth) == (code, 1)
    assert ours([leaf], [root])[:2] == theirs([leaf], [root])[:2] == (code, 1)
    assert f"CA with {name}" in told(caught.value)


@every_undated_shape
def test_an_undated_leaf_is_for_who_does_not_verify(name, tmp_path):
    leaf = odd.leaf(name, GOOD)
    for serving in (server(leaf), ssl_server(tmp_path, leaf)):
        assert shake_hands(unverifying(), serving).getpeercert(binary_form=True) == leaf.der
        with pytest.raises(puretls.SSLCertVerificationError) as caught:
            shake_hands(client(cadata=GOOD.pem), serving)
        assert caught.value.verify_code == (13 if odd.SHAPES[name].says == "notBefore" else 14)
        assert "localhost" in told(caught.value)


# Own certificates


@every_read_shape
def test_an_odd_certificate_of_ones_own(name):
    leaf = odd.leaf(name, GOOD)
    context = server(leaf)
    (ders,) = [credential.ders for credential in context._settings.credentials.values()]
    assert ders == (leaf.der,)


@every_left_shape
def test_a_certificate_of_ones_own_that_cannot_be_read(name):
    with pytest.raises(puretls.SSLError, match="PEM lib") as caught:
        server(odd.leaf(name, GOOD))
    assert "localhost" in told(caught.value)
    assert odd.SHAPES[name].says in told(caught.value)


@every_odd_shape
def test_an_odd_issuer_behind_ones_own(name):
    """It is sent as it is, whoever can read it."""
    issuer = odd.ca(name, GOOD)
    leaf = pki.leaf("localhost", issuer, not_after=pki.NOW + 3650 * pki.DAY)
    context = server(leaf, issuer)
    (ders,) = [credential.ders for credential in context._settings.credentials.values()]
    assert ders == (leaf.der, issuer.der)
    context.verify_mode = puretls.CERT_REQUIRED  # its settings are made afresh
    assert shake_hands(unverifying(), context).version() == "TLSv1.3"


def unverifying() -> puretls.SSLContext:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = puretls.CERT_NONE
    return context


# Peers


@every_read_shape
def test_an_odd_peer_is_accepted(name, tmp_path):
    leaf = odd.leaf(name, GOOD)
    context = client(cadata=GOOD.pem)
    connection = shake_hands(context, ssl_server(tmp_path, leaf))
    assert connection.getpeercert(binary_form=True) == leaf.der
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    theirs.load_verify_locations(cadata=GOOD.pem)
    assert connection.getpeercert() == getpeercert_of_ssl(theirs, tmp_path, leaf)


def getpeercert_of_ssl(context: ssl.SSLContext, folder: Any, leaf: pki.Issued) -> Any:
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        context.wrap_bio(one, other, server_hostname="localhost"),
        ssl_server(folder, leaf).wrap_bio(other, one, server_side=True),
    )
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].getpeercert()


@every_read_shape
def test_what_a_connection_says_of_an_odd_peer(name, tmp_path):
    leaf = odd.leaf(name, GOOD)
    connection = shake_hands(client(cadata=GOOD.pem), ssl_server(tmp_path, leaf))
    assert connection.get_channel_binding("tls-server-end-point") == hashlib.sha256(leaf.der).digest()
    assert connection.get_unverified_chain() == [leaf.der]
    (shown,) = connection._sslobj.get_unverified_chain()
    assert shown.public_bytes(2) == leaf.der


@every_read_ca
def test_an_odd_issuer_is_used(name, tmp_path):
    issuer = odd.ca(name, GOOD)
    leaf = pki.leaf("localhost", issuer, not_after=pki.NOW + 3650 * pki.DAY, extensions={pki.AKI: None})
    connection = shake_hands(client(cadata=GOOD.pem), ssl_server(tmp_path, leaf, issuer))
    assert connection.get_verified_chain() == [leaf.der, issuer.der, GOOD.der]


@every_left_shape
def test_a_peer_that_cannot_be_read_is_named(name, tmp_path):
    leaf = odd.leaf(name, GOOD)
    with pytest.raises(puretls.SSLError) as caught:
        shake_hands(client(cadata=GOOD.pem), ssl_server(tmp_path, leaf))
    assert "localhost" in told(caught.value)
    assert odd.SHAPES[name].says in told(caught.value)
    issuer = odd.ca(name, GOOD)
    leaf = pki.leaf("localhost", issuer, not_after=pki.NOW + 3650 * pki.DAY)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(client(cadata=GOOD.pem), ssl_server(tmp_path, leaf, issuer))
    assert f"CA with {name}" in told(caught.value)
    assert odd.SHAPES[name].says in told(caught.value)


# What comes behind a certificate in its block


def test_octets_behind_a_root_are_passed_over(tmp_path):
    file = tmp_path / "bundle.pem"
    file.write_text(pki.pem(GOOD.der + b"\0\0", "CERTIFICATE"))
    assert client(cafile=file).get_ca_certs(binary_form=True) == [GOOD.der]


def test_octets_behind_ones_own():
    issuer = pki.Issued(GOOD.der + b"\0\0", GOOD.key, GOOD.subject, GOOD.serial)
    (ders,) = [credential.ders for credential in server(LEAF, issuer)._settings.credentials.values()]
    assert ders == (LEAF.der, GOOD.der)


# Revocation lists

ODD_CRLS = [
    name for name in odd.CAS if name not in ("TRUE as 01", "version 4")
]  # a critical CRL number is another thing


@pytest.mark.parametrize("name", ODD_CRLS)
def test_an_odd_crl_is_used(name, tmp_path):
    root = odd.ca(name)
    good, revoked = (pki.leaf("localhost", root, not_after=pki.NOW + 3650 * pki.DAY, serial=n) for n in (7, 8))
    file = tmp_path / "crl.pem"
    file.write_text(pki.pem(odd.crl(name, root, (8,)), "X509 CRL"))
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(file)
        context.load_verify_locations(cadata=root.pem)
        assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}
    context.verify_flags |= puretls.VERIFY_CRL_CHECK_LEAF
    assert shake_hands(context, server(good)).version() == "TLSv1.3"
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(context, server(revoked))
    assert caught.value.verify_code == 23


@pytest.mark.parametrize("name", odd.UNDATED)
def test_a_crl_that_cannot_be_read_is_named(name, tmp_path):
    file = tmp_path / "bundle.pem"
    file.write_text(pki.pem(odd.crl(name, GOOD), "X509 CRL") + GOOD.pem)
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(file)
        assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 1}
    assert shake_hands(context, server(LEAF)).version() == "TLSv1.3"
    context.verify_flags |= puretls.VERIFY_CRL_CHECK_LEAF
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(context, server(LEAF))
    assert caught.value.verify_code == 3
    assert "a CRL is not used: 'CN=good'" in told(caught.value)
    assert "is not a date" in told(caught.value)


# Nothing is forgiven that signs


@every_read_shape
def test_signatures_are_over_what_was_sent(name):
    """A reading that makes certificates regular must not make a signature over the regular form good."""
    root = odd.ca(name)
    leaf = odd.leaf(name, GOOD)
    regular = odd.leaf("ordinary", GOOD)
    pieces = ssl_pieces(leaf.der), ssl_pieces(regular.der)
    swapped = pki.seq(pieces[0][0], pieces[0][1], pieces[1][2])  # the odd one's fields, the regular one's signature
    context = client(cadata=GOOD.pem + root.pem)
    with pytest.raises(puretls.SSLCertVerificationError) as caught:
        shake_hands(context, server(pki.Issued(swapped, leaf.key, leaf.subject, 5)))
    assert caught.value.verify_code == 7


def ssl_pieces(der: bytes) -> list[bytes]:
    """The three values of a certificate."""
    found, pos = [], 4 if der[1] == 0x82 else 3
    while pos < len(der):
        size = der[pos + 1]
        header = 2
        if size & 0x80:
            header += size & 0x7F
            size = int.from_bytes(der[pos + 2 : pos + header], "big")
        found.append(der[pos : pos + header + size])
        pos += header + size
    return found
