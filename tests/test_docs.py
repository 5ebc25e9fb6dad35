"""The documentation names only what exists: tests, files and links. Its pictures load nothing from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import puretls
import puretls.fleet
import puretls.keys

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_and_files_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    for path, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?", text):
        assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"
    for path in re.findall(r"`((?:_\w+|cli)/\w+\.py)`", text):
        assert (ROOT / "src" / "puretls" / path).exists(), path
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link


def test_the_architecture_has_the_files_that_there_are() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    named = set(re.findall(r"\b(\w+\.py)\b", re.sub(r"\btests/[\w/]+\.py", "", text)))
    assert named <= {path.name for path in ROOT.glob("src/puretls/**/*.py")}
    for package in ("_engine", "_record", "_api", "_x509", "asyncio", "fleet"):
        modules = {path.name for path in ROOT.glob(f"src/puretls/{package}/*.py")} - {"__init__.py"}
        assert modules <= named, f"docs/architecture.md does not say what is in {sorted(modules - named)}"


@pytest.mark.parametrize("picture", sorted(ROOT.glob("docs/**/*.svg")), ids=lambda picture: picture.name)
def test_pictures_need_no_network(picture: Path) -> None:
    text = picture.read_text("utf-8")
    assert re.findall(r"(?:url\(|@import|href=|src=)\s*[\"']?\s*(?:https?:)?//", text) == []


RIDDLES = re.compile(r"\b(likewise|as ever|short way|greedy|untold|for who|last words|seam|owes|owed)\b", re.IGNORECASE)


def test_no_word_is_in_use_that_only_we_would_know() -> None:
    """docs/architecture.md has a glossary; everything else is plain English, or the RFC's word."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in [*PAGES, *sorted(ROOT.glob("src/puretls/**/*.py"))]
        for match in RIDDLES.finditer(path.read_text("utf-8"))
    ]
    assert not found


# docs/features.md

OF_OTHERS = {"ssl", "urllib3.contrib.pyopenssl", "ClientHelloInfo", "InsecureSkipVerify", "VerifyConnection"}
OF_OTHERS |= {"SSL_set_max_send_fragment", "sign"}  # of OpenSSL, and of a key
FEATURES = (ROOT / "docs/features.md").read_text("utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in FEATURES.splitlines() if line[:2] == "| "]


def test_every_feature_has_a_way_to_use_it() -> None:
    """A name of ours that exists, and a page that shows it."""
    places = puretls, puretls.SSLContext, puretls.SSLSocket, puretls.SSLSession, puretls.keys, puretls.fleet
    for feature, _standard, ours, *others in ROWS[2:]:
        assert len(others) == 6, feature
        assert any((ROOT / "docs" / page).is_file() for page in re.findall(r"\]\(([^)#]+)", ours)), feature
    for name in set(re.findall(r"`([A-Za-z_][\w.]*)(?:\([^`]*\))?(?: = [^`]*)?`", FEATURES)) - OF_OTHERS:
        if name != "puretls.asyncio":
            assert any(hasattr(place, name.split(".")[-1]) for place in places), name


SHOWN = {  # by which name the table has what a HAS_* constant is about
    "HAS_AIA": "aia", "HAS_ALPN_SELECT": "set_alpn_select_callback()", "HAS_CERT_CHAINS": "add_cert_chain()",
    "HAS_CERT_COMPRESSION": "set_cert_compression()", "HAS_CLIENT_HELLO": "client_hello",
    "HAS_CLIENT_SESSION_CACHE": "client_session_cache", "HAS_CRLITE": "CRLite", "HAS_EARLY_DATA": "write_early_data()",
    "HAS_ECH": "Encrypted Client Hello", "HAS_KEYS_ELSEWHERE": "puretls.keys", "HAS_OCSP": "request_ocsp",
    "HAS_PHA": "verify_client_post_handshake()", "HAS_PSK": "pre-shared keys", "HAS_PSK_TLS13": "pre-shared keys",
    "HAS_RAW_PUBLIC_KEYS": "load_raw_public_key()", "HAS_RECORD_SIZES": "record_size_limit",
    "HAS_RELOAD": "load_cert_chain(reload=)", "HAS_SCT": "request_sct", "HAS_SHARED_SESSIONS": "set_ticket_secret()",
    "HAS_TICKET_REQUEST": "ticket_request", "HAS_TRUST_ANCHOR_CONSTRAINTS": "add_trust_anchor()",
    "HAS_VERIFY_CALLBACK": "verify_callback", "HAS_VERIFY_PROFILE": 'verify_profile = "webpki"',
}  # fmt: skip
PLAIN = {
    "HAS_ALPN",
    "HAS_ECDH",
    "HAS_NEVER_CHECK_COMMON_NAME",
    "HAS_NPN",
    "HAS_SNI",
}  # of everybody


def test_every_feature_that_has_a_constant_is_there() -> None:
    constants = {name for name in puretls.__all__ if name.startswith("HAS_")}
    assert {one for one in constants - PLAIN if not one.startswith(("HAS_SSL", "HAS_TLS"))} == set(SHOWN)
    reference = (ROOT / "docs/reference/constants.md").read_text("utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    for constant, name in SHOWN.items():
        assert name in FEATURES, constant
        assert constant in reference, constant
        assert name.removesuffix("()") in changes or constant in ("HAS_PHA", "HAS_PSK", "HAS_PSK_TLS13"), constant
