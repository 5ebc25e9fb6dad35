"""Numbers and defaults that our settings rest on, by their names in `ssl` and on the reference pages."""

from __future__ import annotations

import ssl

import pytest

import puretls
from puretls._api import settings
from puretls._base import faults
from puretls._base.registry import SSL3, TLS10, TLS11, TLS12, TLS13
from puretls._engine.policy import PeerPolicy, refusal

NO_VERSION = {
    SSL3: ssl.OP_NO_SSLv3, TLS10: ssl.OP_NO_TLSv1, TLS11: ssl.OP_NO_TLSv1_1, TLS12: ssl.OP_NO_TLSv1_2,
    TLS13: ssl.OP_NO_TLSv1_3,
}  # fmt: skip
PROTOCOLS = ("PROTOCOL_TLS", "PROTOCOL_TLSv1", "PROTOCOL_TLSv1_1", "PROTOCOL_TLSv1_2", "PROTOCOL_TLS_CLIENT",
             "PROTOCOL_TLS_SERVER")  # fmt: skip
SHARED = (
    "verify_mode", "check_hostname", "verify_flags", "minimum_version", "maximum_version", "num_tickets",
    "post_handshake_auth", "keylog_filename", "security_level", "hostname_checks_common_name",
)  # fmt: skip
BEYOND = {  # what a context has that `ssl`'s have not
    "max_early_data": 0, "retry_cookie": False, "grease": True, "ech_grease": True, "aia": False, "aia_private": False,
    "request_sct": False, "request_ocsp": False, "check_own_signatures": True, "record_size_limit": 16384,
    "max_send_fragment": 16384, "dynamic_record_sizes": False, "max_cert_list": 102_400, "sct_list": None,
    "ct_policy": None, "crlite": None, "verify_profile": None, "public_suffixes": None, "ocsp_response": None,
    "client_session_cache": None, "session_store": None, "session_id_context": b"", "verify_callback": None,
    "ocsp_policy": puretls.OCSPPolicy.CHECK, "client_ca_names": (),
}  # fmt: skip


def test_numbers_are_those_of_ssl():
    assert {version: int(bit) for version, bit in settings.OP_NO_VERSION.items()} == NO_VERSION
    assert [getattr(settings, name.upper()) for name in PROTOCOLS] == [int(getattr(ssl, name)) for name in PROTOCOLS]
    assert settings.MINIMUM_SUPPORTED == ssl.TLSVersion.MINIMUM_SUPPORTED
    assert settings.MAXIMUM_SUPPORTED == ssl.TLSVersion.MAXIMUM_SUPPORTED
    assert settings.VERIFY_TRUSTED_FIRST == ssl.VERIFY_X509_TRUSTED_FIRST
    assert settings.NO_PARTIAL_WILDCARDS == 4  # X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS


@pytest.mark.parametrize("protocol", ["PROTOCOL_TLS_CLIENT", "PROTOCOL_TLS_SERVER"])
def test_defaults(protocol):
    """Those of `ssl` first, and then our own as docs/reference says them."""
    ours, theirs = (tls.SSLContext(getattr(tls, protocol)) for tls in (puretls, ssl))
    for name in SHARED:
        if hasattr(theirs, name):
            assert getattr(ours, name) == getattr(theirs, name), name
    assert int(ours.options) == int(theirs.options)
    assert {name: getattr(ours, name) for name in BEYOND} == BEYOND


@pytest.mark.parametrize(
    ("server_side", "version", "fault"),
    [
        (True, TLS13, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE_13),
        (True, TLS12, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE),
        (False, TLS13, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE),  # certificate_required is an alert of servers
        (False, TLS12, faults.PEER_DID_NOT_RETURN_A_CERTIFICATE),
    ],
)
def test_why_nobody_is_not_admitted(server_side, version, fault):
    assert refusal(None, server_side, version).fault is fault


def test_a_path_is_as_long_as_openssl_has_it():
    assert PeerPolicy().verify_depth == 100
