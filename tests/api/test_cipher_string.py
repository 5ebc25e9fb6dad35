"""The cipher list language, beside the interpreter's OpenSSL wherever that is 3.0 to 3.1."""

from __future__ import annotations

import random
import ssl

import pytest

from puretls._api import cipher_string
from puretls._crypto.suites import BY_NAME

NAMES = [*cipher_string._ALIASES, *(suite.openssl for suite in cipher_string._TRAITS12)]
ALIASES = list(cipher_string._ALIASES)
STRANGE = [
    "nonsense",
    "DEFAULT",
    "3DES",
    "SRP",
    "aDSS",
    "kSRP",
    "ARIA",
    "RC4",
    "",
    "TLS_AES_128_GCM_SHA256",
    "SUITEB128",
]

openssl30 = pytest.mark.skipif(
    not (3, 0) <= ssl.OPENSSL_VERSION_INFO[:2] < (3, 2), reason="the reference is OpenSSL 3.0"
)


def theirs(text):
    """OpenSSL's list, without the suites that we do not have, and its level."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.set_ciphers(text)
    except ssl.SSLError as error:
        assert error.args == ("No cipher can be selected.",)  # noqa: PT017  # only where it is raised
        return None
    legacy = [entry for entry in context.get_ciphers() if entry["protocol"] != "TLSv1.3"]
    return [entry for entry in legacy if entry["name"] in BY_NAME], context.security_level


def ours(text):
    try:
        suites, level = cipher_string.select(text)
    except cipher_string.InvalidList:
        return None
    return [cipher_string.describe(suite) for suite in suites], 2 if level is None else level


def random_list(rng):
    def item():
        name = rng.choice(ALIASES if rng.random() < 0.7 else NAMES if rng.random() < 0.8 else STRANGE)
        while rng.random() < 0.35:
            name += "+" + rng.choice(ALIASES if rng.random() < 0.9 else NAMES)
        return rng.choice(["", "", "", "", "+", "-", "!"]) + name

    def special():
        return rng.choice(["@STRENGTH", "@SECLEVEL=0", "@SECLEVEL=1", "@SECLEVEL=3", "@SECLEVEL=5"])

    items = [special() if rng.random() < 0.08 else item() for _ in range(rng.randint(1, 7))]
    if rng.random() < 0.5:
        items.insert(0, rng.choice(["ALL", "DEFAULT", "HIGH", "ALL:COMPLEMENTOFALL", "PSK", "ECDHE:DHE"]))
    if rng.random() < 0.02:
        items.append(rng.choice(["@SECLEVEL=6", "@", "!", "ALL+", "@NOISE", "AES/GCM"]))
    return rng.choice([":", ":", ",", " ", ";", "::"]).join(items)


@openssl30
@pytest.mark.parametrize("seed", range(40))
def test_random_lists_give_what_openssl_gives(seed):
    rng = random.Random(seed)
    for _ in range(50):
        text = random_list(rng)
        expected = theirs(text)
        got = ours(text)
        if expected is None or not expected[0]:  # nothing, or nothing but what we lack
            assert got is None or not got[0], text
        else:
            assert got == expected, text


@openssl30
@pytest.mark.parametrize(
    "text", [*NAMES, cipher_string.DEFAULT, "DEFAULT", "DEFAULT:!AES", "DEFAULT@SECLEVEL=1", "ALL:DEFAULT"]
)
def test_every_name_alone(text):
    expected = theirs(text)
    got = ours(text)
    assert got == expected or (expected is None and not got[0])


@pytest.mark.parametrize("text", ["!", "ALL:@", "ALL+", "ALL:@SECLEVEL=9", "ALL:@SECLEVEL=10", "AES&GCM", "@NOTHING"])
def test_broken_grammar_is_refused(text):
    with pytest.raises(cipher_string.InvalidList):
        cipher_string.select(text)


@openssl30
def test_tls13_suites_are_described_alike():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    expected = [entry for entry in context.get_ciphers() if entry["protocol"] == "TLSv1.3"]
    assert [cipher_string.describe(suite) for suite in cipher_string.DEFAULT_13] == expected


def test_tls13_list_keeps_the_order_and_ignores_what_is_unknown():
    names = "TLS_AES_128_GCM_SHA256:TLS_NOBODY:TLS_AES_256_GCM_SHA384"
    assert [suite.code for suite in cipher_string.ciphersuites(names)] == [0x1301, 0x1302]
    with pytest.raises(cipher_string.InvalidList):
        cipher_string.ciphersuites("AES128-SHA")


def test_levels():
    def allowed(name, level):
        return cipher_string.permitted(BY_NAME[name], level)

    assert allowed("NULL-MD5", 0)
    assert not allowed("NULL-SHA", 1)
    assert not allowed("ADH-AES128-SHA", 1)
    assert allowed("AES128-SHA", 2)
    assert not allowed("AES128-GCM-SHA256", 3)
    assert allowed("ECDHE-PSK-CHACHA20-POLY1305", 5)
    assert not allowed("TLS_AES_128_GCM_SHA256", 4)
    assert not allowed("ECDHE-RSA-AES256-SHA", 4)
