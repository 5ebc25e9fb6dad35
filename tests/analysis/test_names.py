"""The table of all names says what our own tables and other people's programs say."""

from __future__ import annotations

import re
import subprocess

from puretls._base import iana
from puretls._crypto import groups, signatures, suites
from support import need


def test_what_we_speak_has_the_same_name_in_both_tables() -> None:
    assert [iana.SUITES[suite.code] for suite in suites.SUITES] == [suite.name for suite in suites.SUITES]
    assert [iana.GROUPS[group.code] for group in groups.GROUPS] == [group.name for group in groups.GROUPS]
    assert [iana.SCHEMES[one.code] for one in signatures.SCHEMES] == [one.name for one in signatures.SCHEMES]


def test_a_name_is_given_once() -> None:
    for table in (iana.SUITES, iana.GROUPS, iana.SCHEMES):
        assert len(set(table.values())) == len(table)
    assert len(iana.SUITES12) + len(iana.SUITES13) + len(iana.SIGNALS) == len(iana.SUITES)


def test_openssl_has_the_same_names() -> None:
    need("openssl")
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    rows = re.findall(r"0x(\w\w),0x(\w\w) - (\w+)", said)
    assert len(rows) > 50
    for high, low, name in rows:
        assert iana.SUITES[int(high + low, 16)] == name


def test_gnutls_has_the_same_names() -> None:
    """It leaves out WITH, and writes ARCFOUR, ANON and SHA1; its ChaCha20 suites name no hash."""
    need("gnutls-cli")
    said = subprocess.run(["gnutls-cli", "--list"], capture_output=True, text=True, check=True, timeout=20).stdout
    rows = re.findall(r"(TLS_\w+)\s+0x(\w\w), 0x(\w\w)", said)
    assert len(rows) > 50

    def plain(name: str) -> str:
        for said, meant in (("_WITH", ""), ("ARCFOUR", "RC4"), ("PSK_DHE", "DHE_PSK"), ("anon", "ANON")):
            name = name.replace(said, meant)
        return re.sub("SHA1$", "SHA", re.sub("POLY1305_SHA256$", "POLY1305", name))

    for name, high, low in rows:
        assert plain(iana.SUITES[int(high + low, 16)]) == plain(name)
