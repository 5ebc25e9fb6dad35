"""What a security level settles besides suites: Diffie-Hellman parameters, tickets; and options set by number."""

from __future__ import annotations

import re
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest

import puretls
from puretls._base import faults, registry
from support.joined12 import twelve, using, with_field
from support.pair import CLIENT, hello

KEYS = Path(__file__).parent.parent / "data" / "keys"


def server(module: Any, level: int) -> Any:
    context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
    context.set_ciphers(f"DEFAULT:@SECLEVEL={level}")
    return context


def outcome(context: Any, file: Any) -> Any:
    try:
        context.load_dh_params(file)
    except OSError as error:
        return type(error), error.args[0], error.reason, error.library
    return "loaded"


# Diffie-Hellman


@pytest.mark.parametrize("level", range(5))
@pytest.mark.parametrize("size", [512, 1024, 2048])
def test_parameters_are_weighed_when_they_are_loaded(level, size, pki):
    file = pki.dh if size == 2048 else KEYS / f"dh{size}.pem"
    context = server(puretls, level)
    assert outcome(context, file) == outcome(server(ssl, level), file)
    assert (context._settings.dh is None) == (level > size // 1024 or size == 512)


@pytest.mark.parametrize("client", [ssl, puretls])
def test_parameters_are_weighed_again_in_a_handshake(client, pki):
    """The level may have been raised since they were loaded."""

    def handshake(module: Any) -> Any:
        context = server(module, 1)
        context.load_cert_chain(pki.chain("RSA"), pki.key("RSA"))
        context.load_dh_params(KEYS / "dh1024.pem")
        context.set_ciphers("DHE:@SECLEVEL=2")
        context.maximum_version = module.TLSVersion.TLSv1_2
        asking = client.SSLContext(client.PROTOCOL_TLS_CLIENT)
        asking.load_verify_locations(pki.ca)
        asking.set_ciphers("DHE:@SECLEVEL=1")
        return shake_hands((client, asking), (module, context))

    theirs, ours = handshake(ssl), handshake(puretls)
    assert ours == theirs
    assert ours[1] == "DH_KEY_TOO_SMALL"


def shake_hands(client: tuple[Any, Any], server: tuple[Any, Any], *, more: bool = False) -> list[Any]:
    """How it ended for both: the reason of an error, or the connection."""
    pipes = [(module.MemoryBIO(), module.MemoryBIO()) for module, _ in (client, server)]
    ends = [
        client[1].wrap_bio(*pipes[0], server_hostname="localhost"),
        server[1].wrap_bio(*pipes[1], server_side=True),
    ]
    results: list[Any] = [*ends]
    for _ in range(4):
        for own, end in enumerate(ends):
            if results[own] is end:
                try:
                    end.do_handshake()
                except (ssl.SSLWantReadError, puretls.SSLWantReadError):
                    pass
                except (ssl.SSLError, puretls.SSLError) as error:
                    results[own] = error.reason
            pipes[1 - own][0].write(pipes[own][1].read())
    if more:  # the client reads what came behind the handshake
        ends[1].write(b"x")
        pipes[0][0].write(pipes[1][1].read())
        assert ends[0].read() == b"x"
    return results


SMALL = {  # safe primes; the generator is 2
    512: "C9E3361D00DF716C2885916B5B466C36E9C2DBD54AD0FDF56DD21ADC2DA0E9308CBE03F1C3E2FF50303E4927D65503AE17B9"
    "3FF6713995B2ED9B7C02C6D2C92F",
    768: "A5F1CB8D1AA34F6305E1DEA976DCF4FCC90201782C0B9EC69B23E288426EA68DEA0D06363781563082411E03DBE357D41F10"
    "1093BA90FEBABBBD9413D5295829EDA5B44F7514BF339D96BC608754E882ED633DC6110098E0AA5693E82142FD77",
    1023: "62BD2C9B171F43064E560DA4E30C428E25C8CF564029E5B7B7D40C594D35A9E59F416DA1BA8845889A1B1A43EB0601ADAEDC"
    "D0AAFF6362392CE64D9FA2FCE9797A24D49F8B7853E9F2A63839CF280BC9D88B2315026DD6E325629815EE056170C7CC1954"
    "EACE6DD3FEFE7CFF5627C07F988014C7E5D79F21BBD86012B8916187",
}


@pytest.mark.parametrize(
    ("level", "size"),
    [
        (0, 512),
        (0, 768),
        (0, 1023),
        (1, 1023),
    ],
)
def test_clients_take_nothing_smaller(level, size):
    """OpenSSL's floor of 80 bits holds for Diffie-Hellman at level 0 as well (Logjam)."""
    pair = using("DHE-RSA-AES128-GCM-SHA256", client={"security_level": level})
    with_field(pair, int(SMALL[size], 16))
    assert pair.refusal() == (CLIENT, faults.DH_KEY_TOO_SMALL)


def test_parameters_that_cannot_be_used_are_refused_when_they_are_loaded():
    """`openssl dhparam -dsaparam`: the prime is none that p = 2q + 1 holds for, and `cryptography` does not use it."""
    context = server(puretls, 1)
    with pytest.raises(puretls.SSLError) as caught:
        context.load_dh_params(KEYS / "dsa-style-dh.pem")
    assert caught.value.reason == "BAD_DH_VALUE"
    assert "safe prime" in "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])
    assert context._settings.dh is None


# Tickets


@pytest.mark.parametrize(("client_level", "server_level"), [(2, 2), (3, 3), (3, 2), (2, 3)])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_tickets_are_below_level_3(version, client_level, server_level, pki):
    """SSL_CTX_set_security_level(3): those of TLS 1.2; what TLS 1.3 calls by that name is another thing to OpenSSL."""

    def handshake(client: Any, serving: Any) -> bool:
        context = serving.SSLContext(serving.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        asking = client.SSLContext(client.PROTOCOL_TLS_CLIENT)
        asking.load_verify_locations(pki.ca)
        for one, level in ((asking, client_level), (context, server_level)):
            one.set_ciphers(f"ALL:@SECLEVEL={level}")
            one.maximum_version = getattr(client.TLSVersion, version)
        ends = shake_hands((client, asking), (serving, context), more=True)
        return ends[0].session.has_ticket

    assert handshake(puretls, puretls) == handshake(ssl, ssl)
    assert handshake(puretls, ssl) == handshake(ssl, puretls) == handshake(ssl, ssl)


# Options


@pytest.mark.parametrize("bit", [0x4, 0x40000])
def test_servers_without_rfc_5746(bit):
    """SSL_OP_LEGACY_SERVER_CONNECT, and SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION: it is older, and lets in the same."""
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    context.options |= bit
    pair = twelve({"options": context.options})
    pair.server.lies["ServerHello"] = hello({registry.RENEGOTIATION_INFO: None})
    pair.handshake().echo()


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
@pytest.mark.parametrize("chacha_first", [True, False])
@pytest.mark.parametrize("bit", [0, 0x200000])
def test_chacha_for_who_puts_it_first(version, chacha_first, bit, pki):
    """SSL_OP_PRIORITIZE_CHACHA, which servers set for clients without AES in their processors."""
    found = []
    for module in (ssl, puretls):
        context = module.SSLContext(module.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pki.chain("P-256"), pki.key("P-256"))
        context.options |= bit
        context.maximum_version = getattr(module.TLSVersion, version)
        asking = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
        asking.load_verify_locations(pki.ca)
        order = ["ECDHE+CHACHA20", "ECDHE+AESGCM"]
        suites13 = ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_256_GCM_SHA384"]
        asking.set_ciphers(":".join(order if chacha_first else order[::-1]))
        asking.set_ciphersuites(":".join(suites13 if chacha_first else suites13[::-1]))
        found.append(shake_hands((puretls, asking), (module, context))[0].cipher()[0])
    assert found[0] == found[1]
    assert ("CHACHA20" in found[1]) == (chacha_first and bit != 0)


OPTIONS = range(36)  # the bits of OpenSSL 3.0 to 3.5


@pytest.mark.parametrize("bit", OPTIONS)
def test_every_option_is_accounted_for(bit):
    """docs/differences.md says of each bit of OpenSSL's what it does here, by its number."""
    table = (
        (Path(__file__).parents[2] / "docs" / "differences.md").read_text("utf-8").partition("### Options by number")[2]
    )
    rows = re.findall(r"^\| `0x([0-9A-F]+)`", table.partition("\n## ")[0], re.MULTILINE)
    assert rows.count(f"{1 << bit:X}") == 1
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.options |= 1 << bit
    assert context.options >> bit & 1
