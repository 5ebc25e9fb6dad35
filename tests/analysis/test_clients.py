"""Known clients: each hello is one that the program would send, and OpenSSL answers it as it answered the program."""

from __future__ import annotations

import ssl
import warnings
from contextlib import suppress

import pytest

from puretls._analysis.alike import likeness
from puretls._analysis.clients import KNOWN, Client
from puretls._analysis.old_clients import DESCRIBED, Described
from puretls._analysis.probe import Alert, Answer, Hello, Reading, compose
from puretls._analysis.suites import suite
from puretls._analysis.survey import VERSIONS, Survey
from puretls._base import iana, registry
from puretls._base.registry import SSL3, TLS10, TLS12, TLS13
from puretls._wire import extensions
from puretls._wire.hello import ClientHello
from support import Pki

RANDOM = bytes(range(64))
EACH = pytest.mark.parametrize("client", KNOWN, ids=[one.name for one in KNOWN])
DES_CBC3, CHACHA_DRAFT = 0x000A, range(0xCC13, 0xCC16)


def codes(text: str) -> tuple[int, ...]:
    return tuple(int(one, 16) for one in text.split())


def is_ssl2(client: Client | Described) -> bool:
    return isinstance(client, Described) and len(client.suites.split()[0]) == 6


def server(pki: Pki, ciphers: str = "ALL:@SECLEVEL=0", name: str = "RSA") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(ciphers)
    with warnings.catch_warnings():  # ssl's, of old versions
        warnings.simplefilter("ignore")
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_dh_params(pki.dh)
    context.load_cert_chain(pki.chain(name), pki.key(name))
    return context


def answer(context: ssl.SSLContext, client: Client | Described, name: str = "localhost") -> Answer:
    return spoken_to(context, client.compose(name, RANDOM))


def spoken_to(context: ssl.SSLContext, data: bytes) -> Answer:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    conn = context.wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(data)
    with suppress(ssl.SSLError):  # what it says to us is what counts
        conn.do_handshake()
    reading = Reading()
    return reading.feed(outgoing.read()) or reading.end()


def test_each_has_a_name_of_its_own_and_an_origin() -> None:
    assert len({one.name for one in KNOWN}) == len(KNOWN) > 35
    assert all(one.origin for one in KNOWN)
    programs = {one.name.split()[0] for one in DESCRIBED}
    assert programs == {"Android", "IE", "Java", "OpenSSL", "Safari"}


@EACH
def test_each_hello_is_one(client: Client | Described) -> None:
    for name in ("server.test", ""):
        raw = client.compose(name, RANDOM)
        if is_ssl2(client):  # RFC 5246 E.2
            assert raw[0] & 0x80
            assert int.from_bytes(raw[:2], "big") & 0x7FFF == len(raw) - 2
            assert raw[2:5] == b"\x01\x03\x01"
            continue
        assert (raw[0], int.from_bytes(raw[3:5], "big")) == (registry.HANDSHAKE, len(raw) - 5)
        hello = ClientHello.parse(raw[5:])
        assert hello.legacy_version == min(client.highest, TLS12)
        if registry.SERVER_NAME in hello.extensions:
            assert extensions.server_name(hello.extensions[registry.SERVER_NAME]) == name
        if client.highest == TLS13:
            assert TLS13.to_bytes(2, "big") in hello.extensions[registry.SUPPORTED_VERSIONS]
            assert extensions.key_shares(hello.extensions[registry.KEY_SHARE])


@pytest.mark.parametrize("client", [one for one in DESCRIBED if not is_ssl2(one)], ids=lambda one: one.name)
def test_a_hello_says_what_the_table_says(client: Described) -> None:
    hello = ClientHello.parse(client.compose("server.test", RANDOM)[5:])
    assert hello.cipher_suites == bytes.fromhex(client.suites)
    assert len(hello.extensions) == len(client.extensions.split())
    for kind, text in ((registry.SUPPORTED_GROUPS, client.groups), (registry.SIGNATURE_ALGORITHMS, client.schemes)):
        assert (kind in hello.extensions) == bool(text)
        if text:
            assert tuple(extensions.numbers(hello.extensions[kind])) == codes(text)
    known = iana.SUITES.keys() | {registry.FALLBACK_SCSV, *CHACHA_DRAFT, 0x0062, 0x0063, 0x0064}  # drafts' numbers
    assert set(codes(client.suites)) <= known
    assert set(codes(client.groups)) <= iana.GROUPS.keys()


@EACH
def test_openssl_answers_each(pki: Pki, client: Client | Described) -> None:
    """A server that has all, with an RSA key, takes the best version, and the first suite that it has."""
    context = server(pki)
    found = answer(context, client)
    if client.name == "IE 8 on Windows XP":  # RC4, DES, and 3DES, which OpenSSL no longer has
        assert found == Alert(registry.HANDSHAKE_FAILURE)
        return
    assert isinstance(found, Hello)
    assert found.version == client.highest
    if isinstance(client, Described) and client.highest < TLS13:
        can = {one["id"] & 0xFFFF for one in context.get_ciphers() if one["auth"] == "auth-rsa"}
        new = {code for code in can if suite(code).aead or suite(code).name.endswith(("SHA256", "SHA384"))}
        wanted = [code & 0xFFFF for code in codes(client.suites) if code <= 0xFFFF]
        assert found.suite == next(
            code for code in wanted if code in can and (client.highest == TLS12 or code not in new)
        )
    if found.group and isinstance(client, Described):
        assert found.group in codes(client.groups)


@pytest.mark.parametrize(
    ("names", "ciphers", "own_order", "curve"),
    [
        (["RSA"], "ALL:@SECLEVEL=0", False, None),
        (["RSA"], "DEFAULT", True, None),
        (["P-256"], "ECDHE+AESGCM:ECDHE+CHACHA20", True, None),
        (["RSA", "P-256"], "HIGH:@SECLEVEL=0", False, "secp384r1"),
        (["P-256"], "ALL:@SECLEVEL=0", False, "prime256v1"),
    ],
)
def test_who_is_alike_gets_the_same(
    pki: Pki, names: list[str], ciphers: str, curve: str | None, *, own_order: bool
) -> None:
    context = server(pki, ciphers, names[0])
    for name in names[1:]:
        context.load_cert_chain(pki.chain(name), pki.key(name))
    if own_order:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    if curve:
        context.set_ecdh_curve(curve)
    survey = Survey(lambda offer: spoken_to(context, compose(offer, RANDOM)), "localhost")
    lines = {version: survey.suites(version) for version in VERSIONS if version > SSL3}
    suites = {version: line for version, line in lines.items() if line.picks}
    groups = {version: survey.groups(version, suites[version].picks) for version in suites if version >= TLS12}
    told: dict[object, set[object]] = {}
    for client in KNOWN:
        found = answer(context, client)
        got = (found.version, found.suite, found.group) if isinstance(found, Hello) else type(found)
        told.setdefault(likeness(client, suites, groups), set()).add(got)
    assert all(len(got) == 1 for got in told.values())
    assert len(told) < len(KNOWN) - 5


@pytest.mark.parametrize(
    ("name", "bits", "said"),
    [
        ("Java 7u25", 2048, "it cannot do Diffie-Hellman with more than 1024 bits"),
        ("Java 7u25", 1024, ""),
        ("IE 11 on Windows 7", 768, "it refuses Diffie-Hellman with less than 1024 bits"),
        ("IE 11 on Windows 7", 2048, ""),
        ("OpenSSL 0.9.8y", 8192, ""),
    ],
)
def test_what_a_client_complains_of(name: str, bits: int, said: str) -> None:
    client = next(one for one in KNOWN if one.name == name)
    dhe = next(code for code, text in iana.SUITES.items() if text == "TLS_DHE_RSA_WITH_AES_128_CBC_SHA")
    assert client.complains(Hello(TLS10, dhe, bits=bits)) == said
    assert client.complains(Hello(TLS10, 0x002F)) == ""
