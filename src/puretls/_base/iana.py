"""The names of all registered cipher suites, groups and signature schemes, whether or not puretls supports them.

They are for people: for what a scan asks a server for, and for what an explained hello shows.  The names are those of
IANA's registry of TLS parameters.  The algorithms of the supported ones are in the tables of `_crypto`, and tests
compare the two.  Most suites were registered in runs, every key exchange with every cipher, and are listed that way.
"""

from __future__ import annotations

from puretls._base import registry

_DH = ("RSA", "DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA", "DH_anon")
_GCM_DH = ("RSA", "DHE_RSA", "DH_RSA", "DHE_DSS", "DH_DSS", "DH_anon")  # RFC 5288's order, and its followers'
_ECDH = ("ECDHE_ECDSA", "ECDH_ECDSA", "ECDHE_RSA", "ECDH_RSA")
_PSK = ("PSK", "DHE_PSK", "RSA_PSK")
_DES = ("EXPORT_WITH_DES40_CBC_SHA", "DES_CBC_SHA", "3DES_EDE_CBC_SHA")
_EXPORT_KRB5 = ("DES_CBC_40", "RC2_CBC_40", "RC4_40")
_OLD_PSK = ("RC4_128_SHA", "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_256_CBC_SHA")
_OLD_ECDH = ("NULL_SHA", "RC4_128_SHA", "3DES_EDE_CBC_SHA", "AES_128_CBC_SHA", "AES_256_CBC_SHA")


_RUNS: tuple[tuple[int, tuple[str, ...], tuple[str, ...]], ...] = (  # the first code, key exchanges, ciphers
    (0x0000, ("NULL",), ("NULL_NULL",)),  # RFC 5246 A.5 and its predecessors
    (0x0001, ("RSA",), ("NULL_MD5", "NULL_SHA", "EXPORT_WITH_RC4_40_MD5", "RC4_128_MD5", "RC4_128_SHA")),
    (0x0006, ("RSA",), ("EXPORT_WITH_RC2_CBC_40_MD5", "IDEA_CBC_SHA", *_DES)),
    (0x000B, ("DH_DSS", "DH_RSA", "DHE_DSS", "DHE_RSA"), _DES),
    (0x0017, ("DH_anon",), ("EXPORT_WITH_RC4_40_MD5", "RC4_128_MD5", *_DES)),
    (0x001E, ("KRB5",), ("DES_CBC_SHA", "3DES_EDE_CBC_SHA", "RC4_128_SHA", "IDEA_CBC_SHA")),  # RFC 2712
    (0x0022, ("KRB5",), ("DES_CBC_MD5", "3DES_EDE_CBC_MD5", "RC4_128_MD5", "IDEA_CBC_MD5")),
    (0x0026, ("KRB5",), tuple(f"EXPORT_WITH_{cipher}_{mac}" for mac in ("SHA", "MD5") for cipher in _EXPORT_KRB5)),
    (0x002C, _PSK, ("NULL_SHA",)),  # RFC 4785
    (0x002F, _DH, ("AES_128_CBC_SHA",)),  # RFC 5246
    (0x0035, _DH, ("AES_256_CBC_SHA",)),
    (0x003B, ("RSA",), ("NULL_SHA256", "AES_128_CBC_SHA256", "AES_256_CBC_SHA256")),
    (0x003E, _DH[1:4], ("AES_128_CBC_SHA256",)),
    (0x0041, _DH, ("CAMELLIA_128_CBC_SHA",)),  # RFC 5932
    (0x0060, ("RSA",), ("EXPORT1024_WITH_RC4_56_MD5", "EXPORT1024_WITH_RC2_CBC_56_MD5")),  # only ever a draft
    (0x0062, ("RSA", "DHE_DSS"), ("EXPORT1024_WITH_DES_CBC_SHA",)),
    (0x0064, ("RSA", "DHE_DSS"), ("EXPORT1024_WITH_RC4_56_SHA",)),
    (0x0066, ("DHE_DSS",), ("RC4_128_SHA",)),
    (0x0067, ("DHE_RSA",), ("AES_128_CBC_SHA256",)),
    (0x0068, _DH[1:5], ("AES_256_CBC_SHA256",)),
    (0x006C, ("DH_anon",), ("AES_128_CBC_SHA256", "AES_256_CBC_SHA256")),
    (0x0084, _DH, ("CAMELLIA_256_CBC_SHA",)),
    (0x008A, _PSK, _OLD_PSK),  # RFC 4279
    (0x0096, _DH, ("SEED_CBC_SHA",)),  # RFC 4162
    (0x009C, (*_GCM_DH, *_PSK), ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")),  # RFC 5288, RFC 5487
    (0x00AE, _PSK, ("AES_128_CBC_SHA256", "AES_256_CBC_SHA384", "NULL_SHA256", "NULL_SHA384")),
    (0x00BA, _DH, ("CAMELLIA_128_CBC_SHA256",)),
    (0x00C0, _DH, ("CAMELLIA_256_CBC_SHA256",)),
    (0xC001, ("ECDH_ECDSA", "ECDHE_ECDSA", "ECDH_RSA", "ECDHE_RSA", "ECDH_anon"), _OLD_ECDH),  # RFC 8422
    (0xC01A, ("SRP_SHA", "SRP_SHA_RSA", "SRP_SHA_DSS"), ("3DES_EDE_CBC_SHA",)),  # RFC 5054
    (0xC01D, ("SRP_SHA", "SRP_SHA_RSA", "SRP_SHA_DSS"), ("AES_128_CBC_SHA",)),
    (0xC020, ("SRP_SHA", "SRP_SHA_RSA", "SRP_SHA_DSS"), ("AES_256_CBC_SHA",)),
    (0xC023, _ECDH, ("AES_128_CBC_SHA256", "AES_256_CBC_SHA384")),  # RFC 5289
    (0xC02B, _ECDH, ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384")),
    (0xC033, ("ECDHE_PSK",), (*_OLD_PSK, "AES_128_CBC_SHA256", "AES_256_CBC_SHA384")),  # RFC 5489
    (0xC039, ("ECDHE_PSK",), ("NULL_SHA", "NULL_SHA256", "NULL_SHA384")),
    (0xC03C, (*_DH, *_ECDH), ("ARIA_128_CBC_SHA256", "ARIA_256_CBC_SHA384")),  # RFC 6209
    (0xC050, (*_GCM_DH, *_ECDH), ("ARIA_128_GCM_SHA256", "ARIA_256_GCM_SHA384")),
    (0xC064, _PSK, ("ARIA_128_CBC_SHA256", "ARIA_256_CBC_SHA384")),
    (0xC06A, _PSK, ("ARIA_128_GCM_SHA256", "ARIA_256_GCM_SHA384")),
    (0xC070, ("ECDHE_PSK",), ("ARIA_128_CBC_SHA256", "ARIA_256_CBC_SHA384")),
    (0xC072, _ECDH, ("CAMELLIA_128_CBC_SHA256", "CAMELLIA_256_CBC_SHA384")),  # RFC 6367
    (0xC07A, (*_GCM_DH, *_ECDH, *_PSK), ("CAMELLIA_128_GCM_SHA256", "CAMELLIA_256_GCM_SHA384")),
    (0xC094, (*_PSK, "ECDHE_PSK"), ("CAMELLIA_128_CBC_SHA256", "CAMELLIA_256_CBC_SHA384")),
    (0xC09C, ("RSA", "DHE_RSA"), ("AES_128_CCM", "AES_256_CCM")),  # RFC 6655
    (0xC0A0, ("RSA", "DHE_RSA"), ("AES_128_CCM_8", "AES_256_CCM_8")),
    (0xC0A4, ("PSK", "DHE_PSK"), ("AES_128_CCM", "AES_256_CCM")),
    (0xC0A8, ("PSK", "PSK_DHE"), ("AES_128_CCM_8", "AES_256_CCM_8")),
    (0xC0AC, ("ECDHE_ECDSA",), ("AES_128_CCM", "AES_256_CCM", "AES_128_CCM_8", "AES_256_CCM_8")),  # RFC 7251
    (0xC0B0, ("ECCPWD",), ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "AES_128_CCM_SHA256", "AES_256_CCM_SHA384")),
    (0xC100, ("GOSTR341112_256",), ("KUZNYECHIK_CTR_OMAC", "MAGMA_CTR_OMAC", "28147_CNT_IMIT")),  # RFC 9189
    (0xC103, ("GOSTR341112_256",), ("KUZNYECHIK_MGM_L", "MAGMA_MGM_L", "KUZNYECHIK_MGM_S", "MAGMA_MGM_S")),  # RFC 9367
    (0xCCA8, ("ECDHE_RSA", "ECDHE_ECDSA", "DHE_RSA"), ("CHACHA20_POLY1305_SHA256",)),  # RFC 7905
    (0xCCAB, ("PSK", "ECDHE_PSK", "DHE_PSK", "RSA_PSK"), ("CHACHA20_POLY1305_SHA256",)),
    (0xD001, ("ECDHE_PSK",), ("AES_128_GCM_SHA256", "AES_256_GCM_SHA384", "AES_128_CCM_8_SHA256")),  # RFC 8442
    (0xD005, ("ECDHE_PSK",), ("AES_128_CCM_SHA256",)),
)


def _name(exchange: str, cipher: str) -> str:
    return f"TLS_{exchange}_{cipher}" if cipher.startswith("EXPORT") else f"TLS_{exchange}_WITH_{cipher}"


SUITES13 = {  # those of TLS 1.3 name no key exchange
    0x1301: "TLS_AES_128_GCM_SHA256",
    0x1302: "TLS_AES_256_GCM_SHA384",
    0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256",
    0x1305: "TLS_AES_128_CCM_8_SHA256",
    0x1306: "TLS_AEGIS_256_SHA512",
    0x1307: "TLS_AEGIS_128L_SHA256",
    0x00C6: "TLS_SM4_GCM_SM3",  # RFC 8998
    0x00C7: "TLS_SM4_CCM_SM3",
    0xC0B4: "TLS_SHA256_SHA256",  # RFC 9150: integrity only
    0xC0B5: "TLS_SHA384_SHA384",
}
SUITES12 = {  # those of SSL 3.0 to TLS 1.2
    code: name
    for first, exchanges, ciphers in _RUNS
    for code, name in enumerate((_name(exchange, cipher) for exchange in exchanges for cipher in ciphers), first)
}
for _code in range(0xC103, 0xC107):  # RFC 9367
    SUITES13[_code] = SUITES12.pop(_code)
SIGNALS = {
    registry.EMPTY_RENEGOTIATION_INFO_SCSV: "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
    registry.FALLBACK_SCSV: "TLS_FALLBACK_SCSV",
}
SUITES = {**SUITES12, **SUITES13, **SIGNALS}

_CURVES = (
    "sect163k1", "sect163r1", "sect163r2", "sect193r1", "sect193r2", "sect233k1", "sect233r1", "sect239k1",
    "sect283k1", "sect283r1", "sect409k1", "sect409r1", "sect571k1", "sect571r1", "secp160k1", "secp160r1",
    "secp160r2", "secp192k1", "secp192r1", "secp224k1", "secp224r1", "secp256k1", "secp256r1", "secp384r1",
    "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1", "x25519", "x448", "brainpoolP256r1tls13",
    "brainpoolP384r1tls13", "brainpoolP512r1tls13", "GC256A", "GC256B", "GC256C", "GC256D", "GC512A", "GC512B",
    "GC512C", "curveSM2",
)  # fmt: skip
GROUPS = {
    **dict(enumerate(_CURVES, 1)),  # RFC 8422 5.1.1, RFC 7027, RFC 8734, RFC 9189, RFC 8998
    0x0100: "ffdhe2048",  # RFC 7919
    0x0101: "ffdhe3072",
    0x0102: "ffdhe4096",
    0x0103: "ffdhe6144",
    0x0104: "ffdhe8192",
    0x0200: "MLKEM512",  # draft-ietf-tls-mlkem
    0x0201: "MLKEM768",
    0x0202: "MLKEM1024",
    0x11EB: "SecP256r1MLKEM768",  # draft-ietf-tls-ecdhe-mlkem
    0x11EC: "X25519MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
    0x11EE: "curveSM2MLKEM768",
    0x6399: "X25519Kyber768Draft00",
    0x639A: "SecP256r1Kyber768Draft00",
    0xFF01: "arbitrary_explicit_prime_curves",  # RFC 8422: deprecated
    0xFF02: "arbitrary_explicit_char2_curves",
}

_HASHES = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}  # RFC 5246 7.4.1.4.1
_SIGNERS = {1: "rsa_pkcs1", 2: "dsa", 3: "ecdsa"}
SCHEMES = {
    **{h << 8 | s: f"{signer}_{digest}" for h, digest in _HASHES.items() for s, signer in _SIGNERS.items()},
    0x0403: "ecdsa_secp256r1_sha256",  # RFC 8446 4.2.3
    0x0503: "ecdsa_secp384r1_sha384",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0420: "rsa_pkcs1_sha256_legacy",
    0x0520: "rsa_pkcs1_sha384_legacy",
    0x0620: "rsa_pkcs1_sha512_legacy",
    0x0704: "eccsi_sha256",
    0x0708: "sm2sig_sm3",  # RFC 8998
    **{0x0709 + n: f"gostr34102012_{size}{curve}" for n, (size, curve) in enumerate(
        [(256, "a"), (256, "b"), (256, "c"), (256, "d"), (512, "a"), (512, "b"), (512, "c")])},  # RFC 9367
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256",  # RFC 8734
    0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44",  # draft-ietf-tls-mldsa
    0x0905: "mldsa65",
    0x0906: "mldsa87",
}  # fmt: skip
