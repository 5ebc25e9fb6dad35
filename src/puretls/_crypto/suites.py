"""The cipher suites, by their codes.

These are all suites of a stock OpenSSL 3.0 for which cryptography has the primitives, so neither DSS, SRP, ARIA nor
3DES.  The record layer makes ciphers of the rows, the engine reads kx and auth, the API its cipher strings and
descriptions.

A row is a code and two names.  Everything else is derived from the IANA name, which contains it (RFC 5246 A.5, RFC 8446
B.4), and so cannot contradict it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cryptography.hazmat.decrepit.ciphers.algorithms import Camellia
from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._crypto import finite_field
from puretls._crypto.kdf import MD5, SHA1, SHA256, SHA384, Digest

# Key exchange and authentication; the suites of TLS 1.3 leave both open (ANY).  ANON is what OpenSSL calls aNULL.
ANY = "ANY"
RSA, DHE, ECDHE = "RSA", "DHE", "ECDHE"
PSK, RSA_PSK, DHE_PSK, ECDHE_PSK = "PSK", "RSA_PSK", "DHE_PSK", "ECDHE_PSK"
ECDSA, ANON = "ECDSA", "NULL"


# The rows are no named tuples: handshakes read them often, and slots are read quicker.


class Aead:
    """Authenticated encryption."""

    __slots__ = ("key", "limit", "make", "name", "salt", "symmetric", "tag")

    def __init__(
        self,
        name: str,
        symmetric: str,
        make: Callable[[bytes], AESGCM | AESCCM | ChaCha20Poly1305],
        key: int,
        salt: int,
        tag: int,
        limit: int,
    ) -> None:
        self.name = name  # as OpenSSL describes it
        self.symmetric = symmetric  # as SSLContext.get_ciphers() names it
        self.make, self.key, self.tag = make, key, tag
        self.salt = salt  # TLS 1.2: implicit nonce; 4 leaves 8 explicit bytes (RFC 5288 3), 12 none (RFC 7905 2)
        self.limit = limit  # records under one key (RFC 8446 5.5; for CCM RFC 9147 4.5.3)


class Block:
    """A block cipher in CBC mode, which needs a MAC beside it."""

    __slots__ = ("algorithm", "block", "key", "name", "symmetric")

    def __init__(
        self, name: str, symmetric: str, algorithm: Callable[[bytes], BlockCipherAlgorithm], key: int, block: int
    ) -> None:
        self.name, self.symmetric, self.algorithm, self.key, self.block = name, symmetric, algorithm, key, block


class Null:
    """No encryption, MAC only."""

    __slots__ = ()
    name = "None"
    symmetric: str | None = None
    key = 0
    block = 0


class Suite:
    """A cipher suite: what is negotiated as one number."""

    __slots__ = ("auth", "cipher", "code", "hash", "kx", "mac", "name", "openssl", "since")

    def __init__(
        self,
        code: int,
        name: str,
        openssl: str,
        kx: str,
        auth: str,
        cipher: Aead | Block | Null,
        mac: Digest | None,
        hash: Digest,  # noqa: A002
        since: int,
    ) -> None:
        self.code, self.kx, self.auth, self.cipher = code, kx, auth, cipher
        self.name = name  # IANA's
        self.openssl = openssl
        self.mac = mac  # None: the cipher authenticates
        self.hash = hash  # of HKDF, or of the PRF of TLS 1.2
        self.since = since  # the lowest version; all but those of TLS 1.3 end with TLS 1.2

    def __repr__(self) -> str:
        return f"<Suite {self.name}>"


def _ccm(tag: int) -> Callable[[bytes], AESCCM]:
    return partial(AESCCM, tag_length=tag)


_CIPHERS: dict[str, Aead | Block | Null] = {
    "AES_128_GCM": Aead("AESGCM(128)", "aes-128-gcm", AESGCM, 16, 4, 16, 2**24),
    "AES_256_GCM": Aead("AESGCM(256)", "aes-256-gcm", AESGCM, 32, 4, 16, 2**24),
    "CHACHA20_POLY1305": Aead("CHACHA20/POLY1305(256)", "chacha20-poly1305", ChaCha20Poly1305, 32, 12, 16, 2**64 - 1),
    "AES_128_CCM": Aead("AESCCM(128)", "aes-128-ccm", _ccm(16), 16, 4, 16, 2**23),
    "AES_256_CCM": Aead("AESCCM(256)", "aes-256-ccm", _ccm(16), 32, 4, 16, 2**23),
    "AES_128_CCM_8": Aead("AESCCM8(128)", "aes-128-ccm", _ccm(8), 16, 4, 8, 2**23),
    "AES_256_CCM_8": Aead("AESCCM8(256)", "aes-256-ccm", _ccm(8), 32, 4, 8, 2**23),
    "AES_128_CBC": Block("AES(128)", "aes-128-cbc", AES, 16, 16),
    "AES_256_CBC": Block("AES(256)", "aes-256-cbc", AES, 32, 16),
    "CAMELLIA_128_CBC": Block("Camellia(128)", "camellia-128-cbc", Camellia, 16, 16),
    "CAMELLIA_256_CBC": Block("Camellia(256)", "camellia-256-cbc", Camellia, 32, 16),
    "NULL": Null(),
}
_EXCHANGES = {
    "RSA": (RSA, RSA),
    "DHE_RSA": (DHE, RSA),
    "DH_anon": (DHE, ANON),
    "ECDHE_ECDSA": (ECDHE, ECDSA),
    "ECDHE_RSA": (ECDHE, RSA),
    "ECDH_anon": (ECDHE, ANON),
    "PSK": (PSK, PSK),
    "DHE_PSK": (DHE_PSK, PSK),
    "PSK_DHE": (DHE_PSK, PSK),  # the spelling of two CCM_8 suites (RFC 6655)
    "RSA_PSK": (RSA_PSK, RSA),
    "ECDHE_PSK": (ECDHE_PSK, PSK),
}
_DIGESTS = {"MD5": MD5, "SHA": SHA1, "SHA256": SHA256, "SHA384": SHA384}


def _suite(code: int, name: str, openssl: str) -> Suite:
    exchange, _, rest = name.removeprefix("TLS_").rpartition("_WITH_")
    cipher_name, _, digest_name = rest.rpartition("_")
    digest = _DIGESTS.get(digest_name)
    if digest is None:  # the CCM suites of TLS 1.2 name no hash: it is the version's default
        cipher_name, digest = rest, SHA256
    cipher = _CIPHERS[cipher_name]
    kx, auth = _EXCHANGES[exchange] if exchange else (ANY, ANY)
    aead = isinstance(cipher, Aead)
    if not exchange:
        since = TLS13
    elif aead or (digest.size > SHA1.size and "PSK" not in kx):
        since = TLS12
    elif digest.size > SHA1.size or kx in {ECDHE, ECDHE_PSK}:
        since = TLS10
    else:
        since = SSL3
    mac = None if aead else digest
    return Suite(code, name, openssl, kx, auth, cipher, mac, SHA384 if digest is SHA384 else SHA256, since)


_ROWS = (
    (0x0001, "TLS_RSA_WITH_NULL_MD5", "NULL-MD5"),
    (0x0002, "TLS_RSA_WITH_NULL_SHA", "NULL-SHA"),
    (0x002C, "TLS_PSK_WITH_NULL_SHA", "PSK-NULL-SHA"),
    (0x002D, "TLS_DHE_PSK_WITH_NULL_SHA", "DHE-PSK-NULL-SHA"),
    (0x002E, "TLS_RSA_PSK_WITH_NULL_SHA", "RSA-PSK-NULL-SHA"),
    (0x002F, "TLS_RSA_WITH_AES_128_CBC_SHA", "AES128-SHA"),
    (0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "DHE-RSA-AES128-SHA"),
    (0x0034, "TLS_DH_anon_WITH_AES_128_CBC_SHA", "ADH-AES128-SHA"),
    (0x0035, "TLS_RSA_WITH_AES_256_CBC_SHA", "AES256-SHA"),
    (0x0039, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA", "DHE-RSA-AES256-SHA"),
    (0x003A, "TLS_DH_anon_WITH_AES_256_CBC_SHA", "ADH-AES256-SHA"),
    (0x003B, "TLS_RSA_WITH_NULL_SHA256", "NULL-SHA256"),
    (0x003C, "TLS_RSA_WITH_AES_128_CBC_SHA256", "AES128-SHA256"),
    (0x003D, "TLS_RSA_WITH_AES_256_CBC_SHA256", "AES256-SHA256"),
    (0x0041, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", "CAMELLIA128-SHA"),
    (0x0045, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA", "DHE-RSA-CAMELLIA128-SHA"),
    (0x0046, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA", "ADH-CAMELLIA128-SHA"),
    (0x0067, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256", "DHE-RSA-AES128-SHA256"),
    (0x006B, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256", "DHE-RSA-AES256-SHA256"),
    (0x006C, "TLS_DH_anon_WITH_AES_128_CBC_SHA256", "ADH-AES128-SHA256"),
    (0x006D, "TLS_DH_anon_WITH_AES_256_CBC_SHA256", "ADH-AES256-SHA256"),
    (0x0084, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA", "CAMELLIA256-SHA"),
    (0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA", "DHE-RSA-CAMELLIA256-SHA"),
    (0x0089, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA", "ADH-CAMELLIA256-SHA"),
    (0x008C, "TLS_PSK_WITH_AES_128_CBC_SHA", "PSK-AES128-CBC-SHA"),
    (0x008D, "TLS_PSK_WITH_AES_256_CBC_SHA", "PSK-AES256-CBC-SHA"),
    (0x0090, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA", "DHE-PSK-AES128-CBC-SHA"),
    (0x0091, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA", "DHE-PSK-AES256-CBC-SHA"),
    (0x0094, "TLS_RSA_PSK_WITH_AES_128_CBC_SHA", "RSA-PSK-AES128-CBC-SHA"),
    (0x0095, "TLS_RSA_PSK_WITH_AES_256_CBC_SHA", "RSA-PSK-AES256-CBC-SHA"),
    (0x009C, "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
    (0x009D, "TLS_RSA_WITH_AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
    (0x009E, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "DHE-RSA-AES128-GCM-SHA256"),
    (0x009F, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"),
    (0x00A6, "TLS_DH_anon_WITH_AES_128_GCM_SHA256", "ADH-AES128-GCM-SHA256"),
    (0x00A7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384", "ADH-AES256-GCM-SHA384"),
    (0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256"),
    (0x00A9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384"),
    (0x00AA, "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256", "DHE-PSK-AES128-GCM-SHA256"),
    (0x00AB, "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384", "DHE-PSK-AES256-GCM-SHA384"),
    (0x00AC, "TLS_RSA_PSK_WITH_AES_128_GCM_SHA256", "RSA-PSK-AES128-GCM-SHA256"),
    (0x00AD, "TLS_RSA_PSK_WITH_AES_256_GCM_SHA384", "RSA-PSK-AES256-GCM-SHA384"),
    (0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256"),
    (0x00AF, "TLS_PSK_WITH_AES_256_CBC_SHA384", "PSK-AES256-CBC-SHA384"),
    (0x00B0, "TLS_PSK_WITH_NULL_SHA256", "PSK-NULL-SHA256"),
    (0x00B1, "TLS_PSK_WITH_NULL_SHA384", "PSK-NULL-SHA384"),
    (0x00B2, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256", "DHE-PSK-AES128-CBC-SHA256"),
    (0x00B3, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384", "DHE-PSK-AES256-CBC-SHA384"),
    (0x00B4, "TLS_DHE_PSK_WITH_NULL_SHA256", "DHE-PSK-NULL-SHA256"),
    (0x00B5, "TLS_DHE_PSK_WITH_NULL_SHA384", "DHE-PSK-NULL-SHA384"),
    (0x00B6, "TLS_RSA_PSK_WITH_AES_128_CBC_SHA256", "RSA-PSK-AES128-CBC-SHA256"),
    (0x00B7, "TLS_RSA_PSK_WITH_AES_256_CBC_SHA384", "RSA-PSK-AES256-CBC-SHA384"),
    (0x00B8, "TLS_RSA_PSK_WITH_NULL_SHA256", "RSA-PSK-NULL-SHA256"),
    (0x00B9, "TLS_RSA_PSK_WITH_NULL_SHA384", "RSA-PSK-NULL-SHA384"),
    (0x00BA, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA256", "CAMELLIA128-SHA256"),
    (0x00BE, "TLS_DHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", "DHE-RSA-CAMELLIA128-SHA256"),
    (0x00BF, "TLS_DH_anon_WITH_CAMELLIA_128_CBC_SHA256", "ADH-CAMELLIA128-SHA256"),
    (0x00C0, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA256", "CAMELLIA256-SHA256"),
    (0x00C4, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA256", "DHE-RSA-CAMELLIA256-SHA256"),
    (0x00C5, "TLS_DH_anon_WITH_CAMELLIA_256_CBC_SHA256", "ADH-CAMELLIA256-SHA256"),
    (0x1301, "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384", "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"),
    (0x1304, "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_SHA256"),
    (0x1305, "TLS_AES_128_CCM_8_SHA256", "TLS_AES_128_CCM_8_SHA256"),
    (0xC006, "TLS_ECDHE_ECDSA_WITH_NULL_SHA", "ECDHE-ECDSA-NULL-SHA"),
    (0xC009, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "ECDHE-ECDSA-AES128-SHA"),
    (0xC00A, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", "ECDHE-ECDSA-AES256-SHA"),
    (0xC010, "TLS_ECDHE_RSA_WITH_NULL_SHA", "ECDHE-RSA-NULL-SHA"),
    (0xC013, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"),
    (0xC014, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "ECDHE-RSA-AES256-SHA"),
    (0xC015, "TLS_ECDH_anon_WITH_NULL_SHA", "AECDH-NULL-SHA"),
    (0xC018, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", "AECDH-AES128-SHA"),
    (0xC019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA", "AECDH-AES256-SHA"),
    (0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256"),
    (0xC024, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384", "ECDHE-ECDSA-AES256-SHA384"),
    (0xC027, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", "ECDHE-RSA-AES128-SHA256"),
    (0xC028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "ECDHE-RSA-AES256-SHA384"),
    (0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (0xC02C, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (0xC02F, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    (0xC030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    (0xC035, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA", "ECDHE-PSK-AES128-CBC-SHA"),
    (0xC036, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA", "ECDHE-PSK-AES256-CBC-SHA"),
    (0xC037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "ECDHE-PSK-AES128-CBC-SHA256"),
    (0xC038, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384", "ECDHE-PSK-AES256-CBC-SHA384"),
    (0xC039, "TLS_ECDHE_PSK_WITH_NULL_SHA", "ECDHE-PSK-NULL-SHA"),
    (0xC03A, "TLS_ECDHE_PSK_WITH_NULL_SHA256", "ECDHE-PSK-NULL-SHA256"),
    (0xC03B, "TLS_ECDHE_PSK_WITH_NULL_SHA384", "ECDHE-PSK-NULL-SHA384"),
    (0xC072, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_128_CBC_SHA256", "ECDHE-ECDSA-CAMELLIA128-SHA256"),
    (0xC073, "TLS_ECDHE_ECDSA_WITH_CAMELLIA_256_CBC_SHA384", "ECDHE-ECDSA-CAMELLIA256-SHA384"),
    (0xC076, "TLS_ECDHE_RSA_WITH_CAMELLIA_128_CBC_SHA256", "ECDHE-RSA-CAMELLIA128-SHA256"),
    (0xC077, "TLS_ECDHE_RSA_WITH_CAMELLIA_256_CBC_SHA384", "ECDHE-RSA-CAMELLIA256-SHA384"),
    (0xC094, "TLS_PSK_WITH_CAMELLIA_128_CBC_SHA256", "PSK-CAMELLIA128-SHA256"),
    (0xC095, "TLS_PSK_WITH_CAMELLIA_256_CBC_SHA384", "PSK-CAMELLIA256-SHA384"),
    (0xC096, "TLS_DHE_PSK_WITH_CAMELLIA_128_CBC_SHA256", "DHE-PSK-CAMELLIA128-SHA256"),
    (0xC097, "TLS_DHE_PSK_WITH_CAMELLIA_256_CBC_SHA384", "DHE-PSK-CAMELLIA256-SHA384"),
    (0xC098, "TLS_RSA_PSK_WITH_CAMELLIA_128_CBC_SHA256", "RSA-PSK-CAMELLIA128-SHA256"),
    (0xC099, "TLS_RSA_PSK_WITH_CAMELLIA_256_CBC_SHA384", "RSA-PSK-CAMELLIA256-SHA384"),
    (0xC09A, "TLS_ECDHE_PSK_WITH_CAMELLIA_128_CBC_SHA256", "ECDHE-PSK-CAMELLIA128-SHA256"),
    (0xC09B, "TLS_ECDHE_PSK_WITH_CAMELLIA_256_CBC_SHA384", "ECDHE-PSK-CAMELLIA256-SHA384"),
    (0xC09C, "TLS_RSA_WITH_AES_128_CCM", "AES128-CCM"),
    (0xC09D, "TLS_RSA_WITH_AES_256_CCM", "AES256-CCM"),
    (0xC09E, "TLS_DHE_RSA_WITH_AES_128_CCM", "DHE-RSA-AES128-CCM"),
    (0xC09F, "TLS_DHE_RSA_WITH_AES_256_CCM", "DHE-RSA-AES256-CCM"),
    (0xC0A0, "TLS_RSA_WITH_AES_128_CCM_8", "AES128-CCM8"),
    (0xC0A1, "TLS_RSA_WITH_AES_256_CCM_8", "AES256-CCM8"),
    (0xC0A2, "TLS_DHE_RSA_WITH_AES_128_CCM_8", "DHE-RSA-AES128-CCM8"),
    (0xC0A3, "TLS_DHE_RSA_WITH_AES_256_CCM_8", "DHE-RSA-AES256-CCM8"),
    (0xC0A4, "TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM"),
    (0xC0A5, "TLS_PSK_WITH_AES_256_CCM", "PSK-AES256-CCM"),
    (0xC0A6, "TLS_DHE_PSK_WITH_AES_128_CCM", "DHE-PSK-AES128-CCM"),
    (0xC0A7, "TLS_DHE_PSK_WITH_AES_256_CCM", "DHE-PSK-AES256-CCM"),
    (0xC0A8, "TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8"),
    (0xC0A9, "TLS_PSK_WITH_AES_256_CCM_8", "PSK-AES256-CCM8"),
    (0xC0AA, "TLS_PSK_DHE_WITH_AES_128_CCM_8", "DHE-PSK-AES128-CCM8"),
    (0xC0AB, "TLS_PSK_DHE_WITH_AES_256_CCM_8", "DHE-PSK-AES256-CCM8"),
    (0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM"),
    (0xC0AD, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM", "ECDHE-ECDSA-AES256-CCM"),
    (0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8"),
    (0xC0AF, "TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8", "ECDHE-ECDSA-AES256-CCM8"),
    (0xCCA8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
    (0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (0xCCAA, "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "DHE-RSA-CHACHA20-POLY1305"),
    (0xCCAB, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305"),
    (0xCCAC, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"),
    (0xCCAD, "TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "DHE-PSK-CHACHA20-POLY1305"),
    (0xCCAE, "TLS_RSA_PSK_WITH_CHACHA20_POLY1305_SHA256", "RSA-PSK-CHACHA20-POLY1305"),
)

_ALL = tuple(_suite(*row) for row in _ROWS)
SUITES = tuple(suite for suite in _ALL if finite_field.AVAILABLE or suite.kx not in {DHE, DHE_PSK})
BY_CODE = {suite.code: suite for suite in SUITES}
BY_NAME = {name: suite for suite in SUITES for name in (suite.name, suite.openssl)}
