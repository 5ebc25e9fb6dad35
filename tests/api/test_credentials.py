"""load_cert_chain() and load_verify_locations(): from files as `ssl` does it, and from memory, which it cannot."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import ssl
import subprocess
import sys
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

import puretls
from support import PATIENCE
from support import pki as issued
from support.bios import join

PASSWORD = b"somepass"


@pytest.fixture
def server():
    return puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)


@pytest.fixture(scope="session")
def material(pki):
    """One identity in every form."""
    chain = x509.load_pem_x509_certificates(pki.chain("P-256").read_bytes())
    key = serialization.load_pem_private_key(pki.key("P-256").read_bytes(), None)
    return chain, key


def loaded(context):
    (credential,) = context._settings.credentials.values()
    return list(credential.ders)


def key_bytes(key, encoding=Encoding.PEM, form=PrivateFormat.PKCS8, password=None):
    return key.private_bytes(encoding, form, BestAvailableEncryption(password) if password else NoEncryption())


def test_forms_in_memory(server, material, pki):
    chain, key = material
    ders = [one.public_bytes(Encoding.DER) for one in chain]
    pem = b"".join(one.public_bytes(Encoding.PEM) for one in chain)
    bundle = pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], NoEncryption())
    locked = pkcs12.serialize_key_and_certificates(b"name", key, chain[0], chain[1:], BestAvailableEncryption(PASSWORD))
    encrypted = key_bytes(key, password=PASSWORD)
    p12 = pki.folder / "bundle.p12"
    p12.write_bytes(locked)
    forms = [
        (pki.chain("P-256"), pki.key("P-256")),
        (str(pki.chain("P-256")), str(pki.key("P-256")).encode()),
        (pem, key_bytes(key)),
        (pem.decode(), key_bytes(key).decode()),
        (key_bytes(key) + pem,),
        (bytearray(pem), memoryview(key_bytes(key))),
        (b"".join(ders), key_bytes(key, Encoding.DER)),
        (pem, key_bytes(key, form=PrivateFormat.TraditionalOpenSSL)),
        (pem, encrypted, PASSWORD),
        (pem, encrypted, PASSWORD.decode()),
        (pem, encrypted, lambda: bytearray(PASSWORD)),
        (pem, key_bytes(key, Encoding.DER, password=PASSWORD), PASSWORD),
        (chain, key),
        (tuple(chain), key_bytes(key)),
        (io.BytesIO(pem), io.StringIO(key_bytes(key).decode())),
        (bundle,),
        (locked, None, PASSWORD),
        (p12, None, lambda: PASSWORD),
    ]
    for form in forms:
        server.load_cert_chain(*form)
        assert loaded(server) == ders
    server.load_cert_chain(chain[0], key)
    assert loaded(server) == ders[:1]


class CountingKey:
    """A key that signs and cannot be copied."""

    def __init__(self, key):
        self._key, self.signed = key, 0

    def public_key(self):
        return self._key.public_key()

    def sign(self, data, *parameters):
        self.signed += 1
        return self._key.sign(data, *parameters)


def shake_hands(client, server, **arguments):
    one, other = puretls.MemoryBIO(), puretls.MemoryBIO()
    c = client.wrap_bio(one, other, server_hostname="localhost", **arguments)
    s = server.wrap_bio(other, one, server_side=True)
    for _ in range(4):
        for end in (c, s):
            try:
                end.do_handshake()
            except puretls.SSLWantReadError:
                continue
    return c, s


def test_a_key_in_a_token(server, material, pki):
    chain, key = material
    token = CountingKey(key)
    server.load_cert_chain(chain, token)
    client = puretls.create_default_context(cadata=pki.ca.read_text())
    c, _ = shake_hands(client, server)
    assert c.version() == "TLSv1.3"
    assert token.signed == 1


def test_keys_of_different_kinds_live_together(server, pki):
    for kind in ("P-256", "RSA"):
        server.load_cert_chain(pki.chain(kind), pki.key(kind))
    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    assert list(server._settings.credentials) == ["RSA", "EC"]  # the last that was loaded is the last


def test_a_password_is_asked_for_only_if_it_is_needed(server, pki):
    def never():
        raise AssertionError("asked")

    server.load_cert_chain(pki.chain("P-256"), pki.key("P-256"), never)


def test_what_a_password_callback_raises_gets_through(server, material):
    chain, key = material

    def no():
        raise KeyError("vault")

    with pytest.raises(KeyError):
        server.load_cert_chain(chain, key_bytes(key, password=PASSWORD), no)


def test_the_terminal_is_asked(material, tmp_path):
    """The terminal of the process, though standard input is a pipe; nothing is shown, and no warning issued."""
    pty = pytest.importorskip("pty")
    chain, key = material
    (tmp_path / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    (tmp_path / "key.pem").write_bytes(key_bytes(key, password=PASSWORD))
    code = """if True:
        import os, sys, puretls
        os.setsid()
        os.close(os.open(sys.argv[1], os.O_RDWR))  # now it is the terminal of this process
        puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain("chain.pem", "key.pem")
    """
    ours, theirs = pty.openpty()
    argv = [sys.executable, "-W", "error", "-c", code, os.ttyname(theirs)]
    with subprocess.Popen(argv, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        shown = b""
        while b"pass phrase" not in shown:
            shown += os.read(ours, 100)
        os.write(ours, PASSWORD + b"\n")
        _, errors = process.communicate(timeout=PATIENCE)
    assert not process.returncode, errors
    assert PASSWORD not in shown
    os.close(theirs)
    os.close(ours)


def test_nobody_is_asked_without_a_terminal(material, tmp_path):
    """Standard input is not for passwords."""
    chain, key = material
    (tmp_path / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    (tmp_path / "key.pem").write_bytes(key_bytes(key, password=PASSWORD))
    code = 'import puretls as p; p.SSLContext(p.PROTOCOL_TLS_SERVER).load_cert_chain("chain.pem", "key.pem")'
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        input=PASSWORD + b"\n",
        capture_output=True,
        timeout=PATIENCE,
        start_new_session=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"ssl.SSLError: [SSL] PEM lib" in done.stderr


def outcome(action):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return action()
        except (OSError, ValueError, TypeError) as error:
            arguments = tuple(re.sub(r"\.c:\d+", ".c", str(part)) for part in error.args)
            return type(error), arguments, getattr(error, "reason", 0), getattr(error, "library", 0)


@pytest.fixture(scope="session")
def files(tmp_path_factory, pki, material):
    """Good and bad files by name."""
    folder = tmp_path_factory.mktemp("files")
    chain, key = material
    pem = chain[0].public_bytes(Encoding.PEM)
    contents = {
        "chain": pki.chain("P-256").read_bytes(),
        "key": pki.key("P-256").read_bytes(),
        "other key": pki.key("RSA").read_bytes(),
        "another P-256 key": pki.key("client").read_bytes(),
        "both": key_bytes(key) + pem,
        "encrypted": key_bytes(key, password=PASSWORD) + pem,
        "empty": b"",
        "text": b"nothing here\n",
        "bad base64": b"-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n",
        "bad DER": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "unfinished": pem[:-30],
        "DER": chain[0].public_bytes(Encoding.DER),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: str(folder / name) for name in contents} | {"missing": str(folder / "missing"), "folder": str(folder)}


CHAINS = ["chain", "key", "both", "encrypted", "empty", "text", "bad base64", "bad DER", "missing", "folder"]
KEYS = [None, "key", "other key", "another P-256 key", "both", "chain", "empty", "missing", "folder"]
PASSWORDS = [b"wrong", PASSWORD, "x" * 1025, 5, lambda: 5, lambda: b"x" * 2000, lambda: "wrong"]


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("key", KEYS)
def test_wrong_files_fail_as_with_ssl(files, chain, key):
    arguments = files[chain], key and files[key], "wrong"
    expected = outcome(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*arguments))
    assert outcome(lambda: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(*arguments)) == expected


@pytest.mark.parametrize("password", PASSWORDS)
def test_wrong_passwords_fail_as_with_ssl(files, password):
    arguments = files["encrypted"], None, password
    expected = outcome(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*arguments))
    assert outcome(lambda: puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).load_cert_chain(*arguments)) == expected


@pytest.mark.parametrize("name", ["chain", "key", "empty", "text", "bad base64", "bad DER", "unfinished", "missing"])
def test_wrong_ca_files_fail_as_with_ssl(files, name):
    expected = outcome(lambda: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(files[name]))
    assert (
        outcome(lambda: puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT).load_verify_locations(files[name])) == expected
    )


def cadata(pki):
    pem = pki.ca.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem)
    return [
        pem, der, pem + pem, der + der, "before\n" + pem + "after", bytearray(der), memoryview(der), "", b"", "junk",
        b"junk", "é", 5, object, der + b"junk", der + b"A", der + b"0", der[:-5], pem[:-40],
        pem + "-----BEGIN CERTIFICATE-----\nabc\n",
    ]  # fmt: skip


STRAY_BYTE = (15, 16)  # the places in cadata() of a certificate with one byte behind it


@pytest.mark.parametrize("index", range(20))
def test_cadata_as_with_ssl(pki, index):
    data = cadata(pki)[index]
    if index in STRAY_BYTE and sys.version_info < (3, 12):
        pytest.skip("a single byte after a certificate was not noticed then")

    def load(module):
        context = module.SSLContext(module.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=data)
        return context.cert_store_stats(), context.get_ca_certs(), context.get_ca_certs(binary_form=True)

    mine, theirs = outcome(lambda: load(puretls)), outcome(lambda: load(ssl))
    if index in STRAY_BYTE:  # newer releases of OpenSSL 3.0 say NOT_ENOUGH_DATA
        assert (mine[0], mine[2:]) == (ssl.SSLError, ("HEADER_TOO_LONG", "ASN1"))
        assert (theirs[0], theirs[3]) == (ssl.SSLError, "ASN1")
    else:
        assert mine == theirs


def test_cadata_beyond_ssl(pki):
    root = x509.load_pem_x509_certificate(pki.ca.read_bytes())
    for data in (root, [root], (root, root), pki.ca.read_bytes()):
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=data)
        assert context.get_ca_certs(binary_form=True) == [root.public_bytes(Encoding.DER)]
    with pytest.raises(TypeError):
        context.load_verify_locations(cadata=[root, "text"])


def test_der_files_and_crls_as_documented(pki, files, tmp_path):
    """ "This method can also load certification revocation lists in PEM or DER format": `ssl` can only do PEM."""
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateRevocationListBuilder(pki.root.certificate.subject, now, now + dt.timedelta(1))
    crl = builder.sign(pki.root.key, hashes.SHA256())
    der = crl.public_bytes(Encoding.DER)
    path = tmp_path / "crl.der"
    path.write_bytes(der)
    for arguments in ({"cafile": path}, {"cadata": crl}):  # cadata that is data has to have a certificate in it
        context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(**arguments)
        assert context.cert_store_stats() == {"x509": 0, "crl": 1, "x509_ca": 0}
    context.load_verify_locations(files["DER"])
    assert context.cert_store_stats() == {"x509": 1, "crl": 1, "x509_ca": 0}


def test_weak_keys_are_refused_by_the_security_level(server):
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(1))
    weak = builder.sign(key, hashes.SHA256())
    with pytest.raises(puretls.SSLError) as caught:
        server.load_cert_chain(weak, key)
    assert caught.value.reason == "EE_KEY_TOO_SMALL"
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.load_cert_chain(weak, key)


@pytest.mark.parametrize("certificate_is_pss", [False, True])
def test_kinds_of_rsa_keys_that_differ(certificate_is_pss):
    """A key and a certificate of the same numbers: what the certificate says counts (docs/differences.md)."""
    private, root = issued.key("rsa2048", 7), issued.ca("root")
    leaf = issued.leaf(
        "localhost", root, private=private, key_info=issued.pss_key(private) if certificate_is_pss else None
    )
    numbers = private.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    kind = (
        issued.seq(issued.oid("1.2.840.113549.1.1.1"), issued.tlv(5))
        if certificate_is_pss
        else issued.seq(issued.oid(issued.RSA_PSS))
    )
    other = issued.pem(issued.seq(issued.integer(0), kind, issued.tlv(4, numbers)), "PRIVATE KEY")
    server, client = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER), puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, puretls.CERT_NONE
    server.load_cert_chain(leaf.pem, other)
    pair = join(client, server).ok()
    assert pair.client.obj.server_sigalg().startswith("rsa_pss_pss" if certificate_is_pss else "rsa_pss_rsae")
