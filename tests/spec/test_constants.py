"""Constants: verification modes and flags, protocols, options, what there is and is not, alerts, purposes, versions."""

from __future__ import annotations

import enum
import ssl
import time
import warnings
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from support import pki as certificates
from support.bios import join
from support.both_ends import client, connected, server, silent


@pytest.mark.parametrize(
    ("name", "kind", "prefix"),
    [
        ("VerifyMode", enum.IntEnum, "CERT_"),
        ("VerifyFlags", enum.IntFlag, "VERIFY_"),
        ("Options", enum.IntFlag, "OP_"),
        ("AlertDescription", enum.IntEnum, "ALERT_DESCRIPTION_"),
        ("SSLErrorNumber", enum.IntEnum, "SSL_ERROR_"),
        ("TLSVersion", enum.IntEnum, None),
        ("_SSLMethod", enum.IntEnum, "PROTOCOL_"),
    ],
)
def test_collections(tls, name, kind, prefix):
    collection = getattr(tls, name)
    assert issubclass(collection, kind)
    for member in collection:
        if prefix is not None:
            assert member.name.startswith(prefix)
            assert getattr(tls, member.name) == member


# CERT_*


def test_cert_none_for_clients(tls, pki):
    """Just about any certificate is accepted."""
    for identity in ("expired", "stranger", "wrong", "client"):
        context = client(tls)
        context.check_hostname = False
        context.verify_mode = tls.CERT_NONE
        pair = join(context, server(tls, pki, identity)).ok()
        assert pair.client.obj.getpeercert() == {}
        assert pair.client.obj.getpeercert(True)


def test_cert_none_for_servers(tls, pki):
    """No certificate is asked for, so none is sent."""
    pair = join(client(tls, pki, identity="client"), server(tls, pki)).ok()
    assert pair.server.obj.getpeercert() is None
    assert pair.server.obj.getpeercert(True) is None


@pytest.mark.parametrize("mode", ["CERT_OPTIONAL", "CERT_REQUIRED"])
def test_both_other_modes_are_one_for_clients(tls, pki, mode):
    context = client(tls)
    context.verify_mode = tls.VerifyMode[mode]
    assert join(context, server(tls, pki)).shake().client.error.verify_code == 20


def test_cert_optional_for_servers(tls, pki):
    """The client may ignore the request; what it sends is verified."""
    asking = server(tls, pki, asks=tls.CERT_OPTIONAL)
    assert join(client(tls, pki), asking).ok().server.obj.getpeercert() is None
    assert join(client(tls, pki, identity="client"), asking).ok().server.obj.getpeercert()["subject"]
    error = join(client(tls, pki, identity="stranger-client"), asking).shake().server.error
    assert isinstance(error, tls.SSLCertVerificationError)


def test_cert_required_for_servers(tls, pki):
    asking = server(tls, pki, asks=tls.CERT_REQUIRED)
    assert join(client(tls, pki, identity="client"), asking).ok().server.obj.getpeercert()["subject"]
    assert isinstance(join(client(tls, pki), asking).shake().server.error, tls.SSLError)


def test_cert_required_does_not_match_host_names(tls, pki):
    context = client(tls, pki)
    context.check_hostname = False
    assert context.verify_mode == tls.CERT_REQUIRED
    join(context, server(tls, pki, "wrong")).ok()
    context.check_hostname = True
    assert join(context, server(tls, pki, "wrong")).shake().client.error.verify_code == 62


# VERIFY_*


def revocation_list(authority, *serials, days=(-1, 7)):
    now = datetime.now(timezone.utc)
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.name)
    builder = builder.last_update(now + timedelta(days[0])).next_update(now + timedelta(days[1]))
    for serial in serials:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=1))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def with_lists(tls, pki, flag, folder, *lists):
    """The error of a client that has these CRLs, as (verify_code, verify_message)."""
    context = client(tls, pki)
    context.verify_flags |= flag
    for number, pem in enumerate(lists):
        path = folder / f"{number}.crl"
        path.write_bytes(pem)
        context.load_verify_locations(path)
    error = join(context, server(tls, pki)).shake().client.error
    return error and (error.verify_code, error.verify_message)


def test_revocation_lists(tls, pki, tmp_path):
    leaf = pki.identity("P-256").certificate.serial_number
    intermediate = pki.issuer.certificate.serial_number
    of_issuer, of_root = revocation_list(pki.issuer), revocation_list(pki.root)
    missing, revoked = (3, "unable to get certificate CRL"), (23, "certificate revoked")
    leaf_only, chain = tls.VERIFY_CRL_CHECK_LEAF, tls.VERIFY_CRL_CHECK_CHAIN
    assert with_lists(tls, pki, tls.VERIFY_DEFAULT, tmp_path, revocation_list(pki.issuer, leaf)) is None
    assert with_lists(tls, pki, leaf_only, tmp_path) == missing
    assert with_lists(tls, pki, leaf_only, tmp_path, of_root) == missing
    assert with_lists(tls, pki, leaf_only, tmp_path, of_issuer) is None
    assert with_lists(tls, pki, leaf_only, tmp_path, revocation_list(pki.issuer, leaf)) == revoked
    assert with_lists(tls, pki, leaf_only, tmp_path, of_issuer, revocation_list(pki.root, intermediate)) is None
    assert with_lists(tls, pki, chain, tmp_path, of_issuer) == missing
    assert with_lists(tls, pki, chain, tmp_path, of_issuer, of_root) is None
    assert with_lists(tls, pki, chain, tmp_path, of_issuer, revocation_list(pki.root, intermediate)) == revoked
    old = revocation_list(pki.issuer, days=(-9, -2))
    assert with_lists(tls, pki, leaf_only, tmp_path, old) == (12, "CRL has expired")


def test_partial_chain(tls, pki, tmp_path):
    """An intermediate in the store is an anchor only with VERIFY_X509_PARTIAL_CHAIN."""
    path = tmp_path / "intermediate.pem"
    path.write_bytes(pki.issuer.pem)
    context = client(tls)
    context.load_verify_locations(path)
    assert join(context, server(tls, pki)).shake().client.error.verify_code == 2
    context.verify_flags |= tls.VERIFY_X509_PARTIAL_CHAIN
    join(context, server(tls, pki)).ok()


def test_strict(tls, pki, tmp_path):
    """A leaf without authority key identifier is let pass, unless VERIFY_X509_STRICT is set."""
    key = pki.identity("P-256").key
    now = datetime.now(timezone.utc)
    broken = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(pki.root.name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(1))
        .not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=True)
        .sign(pki.root.key, hashes.SHA256())
    )
    (tmp_path / "broken.pem").write_bytes(broken.public_bytes(Encoding.PEM))
    bad = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    bad.load_cert_chain(tmp_path / "broken.pem", pki.key("P-256"))
    context = client(tls, pki)
    join(context, bad).ok()
    context.verify_flags |= tls.VERIFY_X509_STRICT
    assert join(context, bad).shake().client.error.verify_code == 85


def test_trusted_first_is_the_default(tls):
    assert client(tls).verify_flags & tls.VERIFY_X509_TRUSTED_FIRST
    assert tls.VERIFY_DEFAULT == 0
    assert tls.VERIFY_ALLOW_PROXY_CERTS == 0x40


def chain_of(obj):
    """The subjects of the path that was verified, from the leaf on."""
    found = [x509.load_der_x509_certificate(der_of(one)) for one in obj._sslobj.get_verified_chain()]
    return [one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for one in found]


def der_of(one):
    return one if isinstance(one, bytes) else one.public_bytes(2)  # ENCODING_DER; before 3.13


def test_trusted_first_prefers_an_anchor_to_what_the_peer_sent(tls, tmp_path):
    """An old root has signed the new one, which is trusted by itself, too, and sent cross-signed: which way is gone?"""
    lifetime = {"not_before": time.time() - 9, "not_after": time.time() + 999}
    old, key = certificates.ca("Old root", **lifetime), certificates.key("p256", 77)
    new = certificates.ca("New root", private=key, **lifetime)
    crossed = certificates.ca("New root", old, private=key, **lifetime)
    leaf = certificates.leaf("localhost", new, **lifetime)
    (tmp_path / "chain.pem").write_text(leaf.pem + crossed.pem)
    (tmp_path / "key.pem").write_text(leaf.key_pem)
    listening = tls.SSLContext(tls.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")
    context = client(tls)
    context.load_verify_locations(cadata=old.pem + new.pem)
    assert chain_of(join(context, listening).ok().client.obj) == ["localhost", "New root"]
    context.verify_flags &= ~tls.VERIFY_X509_TRUSTED_FIRST  # which OpenSSL puts in whatever is set
    assert not context.verify_flags & tls.VERIFY_X509_TRUSTED_FIRST
    assert chain_of(join(context, listening).ok().client.obj) == ["localhost", "New root"]


# PROTOCOL_*


def test_protocol_tls_finds_the_highest_version(tls, pki):
    with silent():
        generic = tls.SSLContext(tls.PROTOCOL_TLS)
        other = tls.SSLContext(tls.PROTOCOL_SSLv23)
    assert tls.PROTOCOL_SSLv23 is tls.PROTOCOL_TLS
    generic.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    pair = join(other, generic, None).ok()  # it serves for both roles, and verifies nothing
    assert pair.client.obj.version() == "TLSv1.3"
    assert (other.verify_mode, other.check_hostname) == (tls.CERT_NONE, False)


def test_protocol_tls_client_and_server(tls, pki):
    context = client(tls, pki)
    assert (context.verify_mode, context.check_hostname) == (tls.CERT_REQUIRED, True)
    listening = server(tls, pki)
    assert (listening.verify_mode, listening.check_hostname) == (tls.CERT_NONE, False)
    with pytest.raises(tls.SSLError):
        listening.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_hostname="localhost")
    with pytest.raises(tls.SSLError):
        context.wrap_bio(tls.MemoryBIO(), tls.MemoryBIO(), server_side=True)


@pytest.mark.parametrize("highest", ["TLSv1_2", "TLSv1_3", "MAXIMUM_SUPPORTED"])
@pytest.mark.parametrize("side", ["client", "server"])
def test_protocol_tls_client_goes_up_to_what_the_server_has(tls, pki, side, highest):
    """Both roles negotiate the highest version that both have, 1.3 included."""
    contexts = {"client": client(tls, pki), "server": server(tls, pki)}
    assert all(context.maximum_version == tls.TLSVersion.MAXIMUM_SUPPORTED for context in contexts.values())
    contexts[side].maximum_version = getattr(tls.TLSVersion, highest)
    version = join(contexts["client"], contexts["server"]).ok().client.obj.version()
    assert version == ("TLSv1.2" if highest == "TLSv1_2" else "TLSv1.3")


FIXED = ["PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1", "PROTOCOL_TLSv1_2"]
SPEAK = {"PROTOCOL_TLSv1": "TLSv1", "PROTOCOL_TLSv1_1": "TLSv1.1", "PROTOCOL_TLSv1_2": "TLSv1.2"}


def of_protocol(tls, pki, name):
    """A context for either role that speaks whatever its protocol allows."""
    with silent():
        context = tls.SSLContext(getattr(tls, name))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        if name == "PROTOCOL_TLS":
            context.minimum_version = tls.TLSVersion.TLSv1
    context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
    return context


@pytest.mark.parametrize("listening", ["PROTOCOL_TLS", *FIXED])
@pytest.mark.parametrize("dialing", ["PROTOCOL_TLS", *FIXED])
def test_which_client_can_connect_to_which_server(tls, pki, dialing, listening):
    """The table of SSLContext, without the two columns of SSL that are gone."""
    pair = join(of_protocol(tls, pki, dialing), of_protocol(tls, pki, listening), None).shake()
    both_fixed = "PROTOCOL_TLS" not in (dialing, listening)
    if both_fixed and dialing != listening:
        assert isinstance(pair.server.error, tls.SSLError)
        assert isinstance(pair.client.error, tls.SSLError)
    else:
        fixed = [SPEAK[name] for name in (dialing, listening) if name in SPEAK]
        assert pair.errors == (None, None)
        assert pair.client.obj.version() == pair.server.obj.version() == (fixed or ["TLSv1.3"])[0]


@pytest.mark.parametrize("name", FIXED)
def test_fixed_protocols_have_no_bounds_to_set(tls, name):
    with silent():
        context = tls.SSLContext(getattr(tls, name))
        with pytest.raises(ValueError):
            context.minimum_version = tls.TLSVersion.TLSv1_2
        with pytest.raises(ValueError):
            context.maximum_version = tls.TLSVersion.TLSv1_2


def test_ssl_2_and_3_are_gone(tls):
    assert tls.HAS_SSLv2 is False
    assert tls.HAS_SSLv3 is False
    assert not hasattr(tls, "PROTOCOL_SSLv2")
    assert not hasattr(tls, "PROTOCOL_SSLv3")
    with silent():
        context = client(tls)
        context.minimum_version = tls.TLSVersion.SSLv3
        context.maximum_version = tls.TLSVersion.SSLv3
    pair = join(context, tls.SSLContext(tls.PROTOCOL_TLS_SERVER)).shake()
    assert pair.client.error.reason == "NO_PROTOCOLS_AVAILABLE"


# OP_*


NO = {"OP_NO_TLSv1_3": "TLSv1.2", "OP_NO_TLSv1_2": "TLSv1.3", "OP_NO_TLSv1": "TLSv1.3", "OP_NO_TLSv1_1": "TLSv1.3"}


@pytest.mark.parametrize("option", NO)
@pytest.mark.parametrize("side", ["client", "server"])
def test_a_version_that_is_switched_off(tls, pki, option, side):
    contexts = {"client": client(tls, pki), "server": server(tls, pki)}
    with pytest.warns(DeprecationWarning, match="OP_NO_"):
        contexts[side].options |= getattr(tls, option)
    assert join(contexts["client"], contexts["server"]).ok().client.obj.version() == NO[option]


NAMES = {"TLSv1": "TLSv1", "TLSv1_1": "TLSv1.1", "TLSv1_2": "TLSv1.2"}


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize(
    ("option", "lowest", "highest", "version"),
    [
        ("OP_NO_TLSv1_1", "TLSv1", "TLSv1_1", "TLSv1"),
        ("OP_NO_TLSv1_2", "TLSv1", "TLSv1_2", "TLSv1.1"),
        ("OP_NO_TLSv1", "TLSv1", "TLSv1", None),
        ("OP_NO_TLSv1", "TLSv1", "TLSv1_1", "TLSv1.1"),
        ("OP_NO_TLSv1_1", "TLSv1_1", "TLSv1_1", None),
    ],
)
def test_an_old_version_that_is_switched_off(tls, pki, option, lowest, highest, version, side):
    """None: nothing is left that both have."""
    contexts = {"client": client(tls, pki), "server": server(tls, pki)}
    with silent():
        for context in contexts.values():
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = getattr(tls.TLSVersion, lowest)
            context.maximum_version = getattr(tls.TLSVersion, highest)
        assert join(contexts["client"], contexts["server"]).ok().client.obj.version() == NAMES[highest]
        contexts[side].options |= getattr(tls, option)
    pair = join(contexts["client"], contexts["server"]).shake()
    if version is None:
        assert isinstance(pair.client.error, tls.SSLError)
        assert isinstance(pair.server.error, tls.SSLError) or side == "client"
    else:
        assert pair.errors == (None, None)
        assert pair.client.obj.version() == version


def test_invalid_combinations_are_not_prevented(tls, pki):
    context = client(tls, pki)
    context.maximum_version = tls.TLSVersion.TLSv1_2
    with silent():
        context.options |= tls.OP_NO_TLSv1_2
    assert isinstance(join(context, server(tls, pki)).shake().client.error, tls.SSLError)


def test_default_options(tls):
    """OP_ALL and what 3.6 made the default."""
    for protocol in (tls.PROTOCOL_TLS_CLIENT, tls.PROTOCOL_TLS_SERVER):
        options = tls.SSLContext(protocol).options
        for name in ("ALL", "NO_COMPRESSION", "CIPHER_SERVER_PREFERENCE", "SINGLE_DH_USE", "SINGLE_ECDH_USE"):
            flag = getattr(tls, f"OP_{name}") & 0xFFFFFFFF  # negative before 3.11
            assert options & flag == flag
        assert options & tls.OP_NO_SSLv2 == tls.OP_NO_SSLv2
        assert options & tls.OP_NO_SSLv3
        assert isinstance(options, tls.Options)


@pytest.mark.parametrize("own", [True, False])
def test_whose_order_of_ciphers_counts(tls, pki, own):
    version = tls.TLSVersion.TLSv1_2
    dialing, listening = client(tls, pki, version=version), server(tls, pki, version=version)
    dialing.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    listening.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256")
    if not own:
        listening.options &= ~tls.OP_CIPHER_SERVER_PREFERENCE
    name = join(dialing, listening).ok().client.obj.cipher()[0]
    assert name == ("ECDHE-ECDSA-AES256-GCM-SHA384" if own else "ECDHE-ECDSA-AES128-GCM-SHA256")


def wire(context, listening):
    """What each side sent, as (sender, content type of the record)."""
    seen = []

    def carry(sender, data):
        pos = 0
        while pos < len(data):
            seen.append((sender, data[pos]))
            pos += 5 + int.from_bytes(data[pos + 3 : pos + 5], "big")
        return data

    pair = join(context, listening, carry=carry).ok()
    return pair, seen


def test_middlebox_compatibility(tls, pki):
    """TLS 1.3 sends change_cipher_spec for show, unless the option is cleared on both sides."""
    dialing, listening = client(tls, pki), server(tls, pki)
    assert dialing.options & tls.OP_ENABLE_MIDDLEBOX_COMPAT
    _, seen = wire(dialing, listening)
    assert {("client", 20), ("server", 20)} <= set(seen)
    dialing.options &= ~tls.OP_ENABLE_MIDDLEBOX_COMPAT
    listening.options &= ~tls.OP_ENABLE_MIDDLEBOX_COMPAT
    _, seen = wire(dialing, listening)
    assert 20 not in {kind for _, kind in seen}


def key_shares(tls, pki, *ciphers):
    """What two handshakes of a TLS 1.2 server have for key exchange: the ServerKeyExchange messages."""
    version = tls.TLSVersion.TLSv1_2
    dialing, listening = client(tls, pki, version=version), server(tls, pki, "RSA", version=version)
    listening.load_dh_params(pki.dh)
    dialing.set_ciphers(*ciphers)
    found = []
    dialing._msg_callback = lambda *event: found.append(event[5]) if event[3] == 22 and event[4] == 12 else None
    for _ in range(2):
        join(dialing, listening).ok()
    return found


@pytest.mark.parametrize("ciphers", ["DHE+AESGCM", "ECDHE+AESGCM"])
def test_keys_are_not_used_again(tls, pki, ciphers):
    """OP_SINGLE_DH_USE and OP_SINGLE_ECDH_USE: always in force here."""
    first, second = key_shares(tls, pki, ciphers)
    size = 300 if ciphers.startswith("DHE") else 8
    assert first[:4] == second[:4]
    assert first[size : size + 60] != second[size : size + 60]


def test_no_compression(tls, pki):
    assert connected(tls, pki).client.obj.compression() is None


def test_no_ticket(tls, pki):
    """TLS 1.2: the client does not ask for a ticket; the session is resumed by its id."""
    version = tls.TLSVersion.TLSv1_2
    dialing, listening = client(tls, pki, version=version), server(tls, pki, version=version)
    dialing.options |= tls.OP_NO_TICKET
    session = join(dialing, listening).ok().goodbye().client.obj.session  # OpenSSL forgets one without the goodbye
    assert not session.has_ticket
    assert len(session.id) == 32
    assert join(dialing, listening, session=session).ok().client.obj.session_reused
    assert listening.session_stats()["hits"] == 1


def test_ignore_unexpected_eof(tls, pki):
    dialing = client(tls, pki)
    dialing.options |= getattr(tls, "OP_IGNORE_UNEXPECTED_EOF", 0x80)
    pair = join(dialing, server(tls, pki)).ok()
    pair.end(pair.server)
    assert pair.client.obj.read(1) == b""


def test_kernel_tls_may_be_asked_for(tls, pki):
    """It is an option: here records are never handed to the kernel, and everything works all the same."""
    dialing = client(tls, pki)
    dialing.options |= getattr(tls, "OP_ENABLE_KTLS", 8)
    pair = join(dialing, server(tls, pki)).ok()
    assert pair.send(pair.client, b"x") == b"x"


# HAS_*, versions, bindings


def test_what_there_is(tls):
    for name in ("ALPN", "NEVER_CHECK_COMMON_NAME", "ECDH", "SNI", "TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"):
        assert getattr(tls, f"HAS_{name}") is True
    for name in ("NPN", "SSLv2", "SSLv3"):
        assert getattr(tls, f"HAS_{name}") is False
    assert getattr(tls, "HAS_PSK", True) is True
    assert "tls-unique" in tls.CHANNEL_BINDING_TYPES


def test_version_of_the_library(tls):
    assert isinstance(tls.OPENSSL_VERSION, str)
    assert tls.OPENSSL_VERSION.startswith("OpenSSL ")
    assert len(tls.OPENSSL_VERSION_INFO) == 5
    major, minor, fix, patch, _status = tls.OPENSSL_VERSION_INFO
    assert tls.OPENSSL_VERSION_INFO >= (1, 1, 1)
    number = tls.OPENSSL_VERSION_NUMBER
    assert isinstance(number, int)
    assert (number >> 28 & 0xF, number >> 20 & 0xFF) == (major, minor)
    assert f"{major}.{minor}." in tls.OPENSSL_VERSION
    assert fix >= 0 <= patch


def test_alerts_are_the_registrys(tls):
    iana = {
        "CLOSE_NOTIFY": 0,
        "HANDSHAKE_FAILURE": 40,
        "INTERNAL_ERROR": 80,
        "UNRECOGNIZED_NAME": 112,
        "UNKNOWN_CA": 48,
    }
    for name, number in iana.items():
        assert getattr(tls, f"ALERT_DESCRIPTION_{name}") == number
        assert tls.AlertDescription(number).name == f"ALERT_DESCRIPTION_{name}"


def test_purposes(tls):
    assert tls.Purpose.SERVER_AUTH.oid == "1.3.6.1.5.5.7.3.1"
    assert tls.Purpose.CLIENT_AUTH.oid == "1.3.6.1.5.5.7.3.2"


def test_bounds_of_versions(tls):
    """MINIMUM_SUPPORTED and MAXIMUM_SUPPORTED are magic; all below TLS 1.2 is deprecated, and off by default."""
    version = tls.TLSVersion
    assert version.MINIMUM_SUPPORTED < 0 > version.MAXIMUM_SUPPORTED
    context = client(tls)
    assert context.minimum_version in {version.TLSv1_2, version.MINIMUM_SUPPORTED}
    assert context.maximum_version == version.MAXIMUM_SUPPORTED
    for name in ("SSLv3", "TLSv1", "TLSv1_1"):
        with pytest.warns(DeprecationWarning, match=name):
            context.minimum_version = version[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("TLSv1_2", "TLSv1_3", "MAXIMUM_SUPPORTED", "MINIMUM_SUPPORTED"):
            context.minimum_version = version[name]


def test_error_numbers(tls):
    assert tls.SSL_ERROR_WANT_READ == 2
    assert tls.SSL_ERROR_EOF == 8
    assert tls.SSLErrorNumber is ssl.SSLErrorNumber
