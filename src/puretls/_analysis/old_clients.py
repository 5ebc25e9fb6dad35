"""Clients of the past by what is known of their first ClientHello: versions, suites, groups, schemes, extensions.

None of them runs here.  The facts are those that SSL Labs has published of these programs, as testssl.sh passes them on
(etc/client-simulation.txt, 2025); the hello is composed of them anew each time, with another random and another name.
`clients` has those that were recorded, and all of them together.
"""

from __future__ import annotations

from puretls._analysis.probe import HEARTBEAT, Hello
from puretls._analysis.suites import suite
from puretls._base import registry
from puretls._base.registry import HANDSHAKE, TLS10, TLS12, TLS13
from puretls._base.tuples import NamedTuple
from puretls._wire import extensions
from puretls._wire.codec import extension, vec8, vec16
from puretls._wire.hello import client_hello

ORIGIN = "as SSL Labs and testssl.sh describe it"
NPN, STATUS_V2, SIGNATURE_ALGORITHMS_CERT = 13172, 17, 50  # draft-agl-tls-nextprotoneg-04, RFC 6961, RFC 8446
STATUS_V2_REQUEST = bytes.fromhex("0007 02 0004 0000 0000")  # ocsp_multi, any responder
POINT = bytes.fromhex(  # the generator of P-256, for a key share: as good a public key as any
    "04 6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


class Described(NamedTuple):
    """One client. Suites, groups, schemes and versions are hexadecimal numbers, in its order; and so are extensions."""

    name: str
    highest: int  # version
    suites: str  # of six digits each if its hello has the form of SSL 2.0 (RFC 5246 E.2)
    extensions: str = ""
    groups: str = ""
    schemes: str = ""
    points: str = "00"
    alpn: str = ""
    versions: str = ""
    share: int = 0
    dh: tuple[int, int] = (0, 0)  # the smallest and the largest prime that it takes, in bits; 0: any

    @property
    def origin(self) -> str:
        """Where this is from."""
        return ORIGIN

    def compose(self, server_name: str, random: bytes) -> bytes:
        """A record with its hello for a server; `random` is 64 bytes."""
        codes = bytes.fromhex(self.suites)
        if len(self.suites.split()[0]) == 6:
            sizes = b"".join(size.to_bytes(2, "big") for size in (self.highest, len(codes), 0, 32))
            body = b"\x01" + sizes + codes + random[:32]
            return (0x8000 | len(body)).to_bytes(2, "big") + body
        block = b"".join(self._extension(name, server_name, random) for name in self.extensions.split())
        session_id = random[32:64] if self.highest == TLS13 else b""
        raw = client_hello(min(self.highest, TLS12), random[:32], session_id, codes, block)
        return bytes((HANDSHAKE,)) + TLS10.to_bytes(2, "big") + vec16(raw)

    def _extension(self, name: str, server_name: str, random: bytes) -> bytes:
        schemes = vec16(bytes.fromhex(self.schemes))
        bodies = {
            "alpn": (registry.ALPN, extensions.protocol_list(tuple(self.alpn.encode().split()))),
            "cert_schemes": (SIGNATURE_ALGORITHMS_CERT, schemes),
            "ems": (registry.EXTENDED_MASTER_SECRET, b""),
            "etm": (registry.ENCRYPT_THEN_MAC, b""),
            "groups": (registry.SUPPORTED_GROUPS, vec16(bytes.fromhex(self.groups))),
            "heartbeat": (HEARTBEAT, b"\x01"),
            "npn": (NPN, b""),
            "points": (registry.EC_POINT_FORMATS, vec8(bytes.fromhex(self.points))),
            "psk_modes": (registry.PSK_KEY_EXCHANGE_MODES, vec8(bytes((registry.PSK_DHE_KE,)))),
            "renegotiation": (registry.RENEGOTIATION_INFO, vec8(b"")),
            "schemes": (registry.SIGNATURE_ALGORITHMS, schemes),
            "sct": (registry.SIGNED_CERTIFICATE_TIMESTAMP, b""),
            "status": (registry.STATUS_REQUEST, extensions.OCSP_ANY),
            "status_v2": (STATUS_V2, STATUS_V2_REQUEST),
            "ticket": (registry.SESSION_TICKET, b""),
            "versions": (registry.SUPPORTED_VERSIONS, vec8(bytes.fromhex(self.versions))),
        }
        if name == "sni":
            return extensions.build_server_name(server_name.encode("ascii")) if server_name else b""
        if name == "share":
            return extensions.build_shares([(self.share, POINT if self.share == 0x17 else random[:32])])
        return extension(*bodies[name])

    def complains(self, answer: Hello) -> str:
        """Why it does not go on with what the server has chosen; "" if it does."""
        least, most = self.dh
        if answer.bits and suite(answer.suite).exchange.startswith("DHE"):
            if answer.bits < least:
                return f"it refuses Diffie-Hellman with less than {least} bits"
            if 0 < most < answer.bits:
                return f"it cannot do Diffie-Hellman with more than {most} bits"
        return ""


DESCRIBED = (
    Described(
        "Android 2.3.7",
        TLS10,
        suites="0004 0005 002f 0033 0032 000a 0016 0013 0009 0015 0012 0003 0008 0014 0011 00ff",
    ),
    Described(
        "Android 4.4.2",
        TLS12,
        suites="c030 c02c c014 c00a 00a3 009f 006b 006a 0039 0038 009d 003d 0035 c012 c008 0016 0013 000a c02f c02b "
        "c027 c023 c013 c009 00a2 009e 0067 0040 0033 0032 009c 003c 002f c011 c007 0005 0004 00ff",
        extensions="sni points groups ticket schemes npn",
        groups="0019 0018 0017",
        schemes="0601 0602 0603 0501 0502 0503 0401 0402 0403 0301 0302 0303 0201 0202 0203 0101",
    ),
    Described(
        "Android 5.0.0",
        TLS12,
        suites="cc14 cc13 cc15 c014 c00a 0039 0038 0035 c012 c008 0016 0013 000a c02f c02b c013 c009 00a2 009e 0033 "
        "0032 009c 002f c011 c007 0005 0004 00ff",
        extensions="sni ticket schemes npn points groups",
        groups="0019 0018 0017",
        schemes="0601 0602 0603 0501 0502 0503 0401 0402 0403 0301 0302 0303 0201 0202 0203 0101",
    ),
    Described(
        "Android 6.0",
        TLS12,
        suites="cc14 cc13 cc15 c02b c02f 009e c00a c014 0039 c009 c013 0033 009c 0035 002f 000a 00ff",
        extensions="sni ems ticket schemes status npn sct alpn points groups",
        groups="0017 0018",
        schemes="0601 0603 0501 0503 0401 0403 0301 0303 0201 0203",
        alpn="http/1.1 spdy/3.1",
    ),
    Described(
        "Android 7.0",
        TLS12,
        suites="c02b c02c cca9 c02f c030 cca8 c013 c014 009c 009d 002f 0035",
        extensions="renegotiation sni ems ticket schemes alpn points groups",
        groups="0017",
        schemes="0601 0603 0501 0503 0401 0403 0301 0303 0201 0203",
        alpn="h2 http/1.1",
    ),
    Described(
        "Android 8.1",
        TLS12,
        suites="c02b c02c cca9 c02f c030 cca8 c009 c00a c013 c014 009c 009d 002f 0035",
        extensions="sni ems renegotiation groups points status schemes",
        groups="001d 0017 0018",
        schemes="0403 0804 0401 0503 0805 0501 0806 0601 0201",
    ),
    Described(
        "IE 8 on Windows XP",
        TLS10,
        suites="0004 0005 000a 0009 0064 0062 0003 0006 0013 0012 0063",
        extensions="renegotiation",
    ),
    Described(
        "IE 8 to 10 on Windows 7",
        TLS10,
        suites="c014 c013 0035 002f c00a c009 0038 0032 000a 0013 0005 0004",
        extensions="sni status groups points renegotiation",
        groups="0017 0018 0019",
        dh=(1024, 4096),
    ),
    Described(
        "IE 11 on Windows 7",
        TLS12,
        suites="c028 c027 c014 c013 009f 009e 009d 009c 003d 003c 0035 002f c02c c02b c024 c023 c00a c009 006a 0040 "
        "0038 0032 000a 0013",
        extensions="sni status groups points schemes ems renegotiation",
        groups="0017 0018",
        schemes="0601 0603 0401 0501 0201 0403 0503 0203 0202",
        dh=(1024, 4096),
    ),
    Described(
        "Java 6u45",
        TLS10,
        suites="000004 010080 000005 00002f 000033 000032 00000a 0700c0 000016 000013 000009 060040 000015 000012 "
        "000003 020080 000008 000014 000011 0000ff",
        dh=(0, 1024),
    ),
    Described(
        "Java 7u25",
        TLS10,
        suites="c009 c013 002f c004 c00e 0033 0032 c007 c011 0005 c002 c00c c008 c012 000a c003 c00d 0016 0013 0004 "
        "00ff",
        extensions="groups points sni",
        groups="0017 0001 0003 0013 0015 0006 0007 0009 000a 0018 000b 000c 0019 000d 000e 000f 0010 0011 0002 0012 "
        "0004 0005 0014 0008 0016",
        dh=(0, 1024),
    ),
    Described(
        "Java 8u161",
        TLS12,
        suites="c024 c028 003d c026 c02a 006b 006a c00a c014 0035 c005 c00f 0039 0038 c023 c027 003c c025 c029 0067 "
        "0040 c009 c013 002f c004 c00e 0033 0032 c02c c02b c030 009d c02e c032 009f 00a3 c02f 009c c02d c031 "
        "009e 00a2 c008 c012 000a c003 c00d 0016 0013 00ff",
        extensions="groups points schemes ems sni",
        groups="0017 0018 0019 0009 000a 000b 000c 000d 000e 0016",
        schemes="0603 0601 0503 0501 0403 0401 0402 0203 0201 0202",
        dh=(0, 2048),
    ),
    Described(
        "Java 11.0.2",
        TLS13,
        suites="1301 1302 c02c c02b c030 009d c02e c032 009f 00a3 c02f 009c c02d c031 009e 00a2 c024 c028 003d c026 "
        "c02a 006b 006a c00a c014 0035 c005 c00f 0039 0038 c023 c027 003c c025 c029 0067 0040 c009 c013 002f "
        "c004 c00e 0033 0032",
        extensions="sni status groups points schemes cert_schemes status_v2 ems versions psk_modes share renegotiation",
        groups="0017 0018 0019 0009 000a 000b 000c 000d 000e 0016 0100 0101 0102 0103 0104",
        schemes="0403 0503 0603 0804 0805 0806 0809 080a 080b 0401 0501 0601 0402 0303 0301 0302 0203 0201 0202",
        versions="0304 0303 0302 0301",
        share=0x0017,
        dh=(1024, 0),
    ),
    Described(
        "OpenSSL 0.9.8y",
        TLS10,
        suites="0039 0038 0035 0016 0013 000a 0033 0032 002f 0007 0005 0004 0015 0012 0009 0014 0011 0008 0006 0003 "
        "00ff",
        extensions="sni ticket",
    ),
    Described(
        "OpenSSL 1.0.1l",
        TLS12,
        suites="c030 c02c c028 c024 c014 c00a 00a3 009f 006b 006a 0039 0038 0088 0087 c032 c02e c02a c026 c00f c005 "
        "009d 003d 0035 0084 c02f c02b c027 c023 c013 c009 00a2 009e 0067 0040 0033 0032 009a 0099 0045 0044 "
        "c031 c02d c029 c025 c00e c004 009c 003c 002f 0096 0041 0007 c011 c007 c00c c002 0005 0004 c012 c008 "
        "0016 0013 c00d c003 000a 0015 0012 0009 0014 0011 0008 0006 0003 00ff",
        extensions="sni points groups ticket schemes status heartbeat",
        groups="000e 000d 0019 000b 000c 0018 0009 000a 0016 0017 0008 0006 0007 0014 0015 0004 0005 0012 0013 0001 "
        "0002 0003 000f 0010 0011",
        schemes="0601 0602 0603 0501 0502 0503 0401 0402 0403 0301 0302 0303 0201 0202 0203",
        points="00 01 02",
    ),
    Described(
        "OpenSSL 1.0.2e",
        TLS12,
        suites="c030 c02c c028 c024 c014 c00a 00a5 00a3 00a1 009f 006b 006a 0069 0068 0039 0038 0037 0036 0088 0087 "
        "0086 0085 c032 c02e c02a c026 c00f c005 009d 003d 0035 0084 c02f c02b c027 c023 c013 c009 00a4 00a2 "
        "00a0 009e 0067 0040 003f 003e 0033 0032 0031 0030 009a 0099 0098 0097 0045 0044 0043 0042 c031 c02d "
        "c029 c025 c00e c004 009c 003c 002f 0096 0041 0007 c011 c007 c00c c002 0005 0004 c012 c008 0016 0013 "
        "0010 000d c00d c003 000a 0015 0012 000f 000c 0009 00ff",
        extensions="sni points groups ticket schemes status heartbeat",
        groups="0017 0019 001c 001b 0018 001a 0016 000e 000d 000b 000c 0009 000a",
        schemes="0601 0602 0603 0501 0502 0503 0401 0402 0403 0301 0302 0303 0201 0202 0203",
        points="00 01 02",
    ),
    Described(
        "OpenSSL 1.1.0l",
        TLS12,
        suites="c02c c030 009f cca9 cca8 ccaa c02b c02f 009e c024 c028 006b c023 c027 0067 c00a c014 0039 c009 c013 "
        "0033 009d 009c 003d 003c 0035 002f 00ff",
        extensions="sni points groups ticket etm ems schemes",
        groups="001d 0017 0019 0018",
        schemes="0601 0602 0603 0501 0502 0503 0401 0402 0403 0301 0302 0303 0201 0202 0203",
        points="00 01 02",
    ),
    Described(
        "OpenSSL 1.1.1d",
        TLS13,
        suites="1302 1303 1301 c02c c030 009f cca9 cca8 ccaa c02b c02f 009e c024 c028 006b c023 c027 0067 c00a c014 "
        "0039 c009 c013 0033 009d 009c 003d 003c 0035 002f 00ff",
        extensions="sni points groups ticket etm ems schemes versions psk_modes share",
        groups="001d 0017 001e 0019 0018",
        schemes="0403 0503 0603 0807 0808 0809 080a 080b 0804 0805 0806 0401 0501 0601 0303 0301 0302 0402 0502 0602",
        points="00 01 02",
        versions="0304 0303",
        share=0x001D,
    ),
    Described(
        "Safari 6 on iOS 6.0.1",
        TLS12,
        suites="00ff c024 c023 c00a c009 c007 c008 c028 c027 c014 c013 c011 c012 c026 c025 c02a c029 c004 c005 c002 "
        "c003 c00e c00f c00c c00d 003d 003c 002f 0005 0004 0035 000a 0067 006b 0033 0039 0016 c006 c010 c001 "
        "c00b 003b 0002 0001",
        extensions="sni groups points schemes",
        groups="0017 0018 0019",
        schemes="0501 0401 0201 0403 0203",
    ),
    Described(
        "Safari 8 on iOS 8.4",
        TLS12,
        suites="00ff c024 c023 c00a c009 c008 c028 c027 c014 c013 c012 c026 c025 c005 c004 c003 c02a c029 c00f c00e "
        "c00d 006b 0067 0039 0033 0016 003d 003c 0035 002f 000a c007 c011 c002 c00c 0005 0004",
        extensions="sni groups points schemes npn",
        groups="0017 0018 0019",
        schemes="0501 0401 0201 0403 0203",
        dh=(768, 0),
    ),
    Described(
        "Safari 9 on iOS 9",
        TLS12,
        suites="00ff c02c c02b c024 c023 c00a c009 c008 c030 c02f c028 c027 c014 c013 c012 009d 009c 003d 003c 0035 "
        "002f 000a c007 c011 0005 0004",
        extensions="sni groups points schemes npn alpn status sct",
        groups="0017 0018 0019",
        schemes="0501 0401 0201 0503 0403 0203",
        alpn="h2 h2-16 h2-15 h2-14 spdy/3.1 spdy/3 http/1.1",
        dh=(768, 0),
    ),
    Described(
        "Safari 10 on iOS 10",
        TLS12,
        suites="00ff c02c c02b c024 c023 c00a c009 c008 c030 c02f c028 c027 c014 c013 c012 009d 009c 003d 003c 0035 "
        "002f 000a",
        extensions="sni groups points schemes npn alpn status sct ems",
        groups="0017 0018 0019",
        schemes="0401 0201 0501 0601 0403 0203 0503 0603",
        alpn="h2 h2-16 h2-15 h2-14 spdy/3.1 spdy/3 http/1.1",
        dh=(768, 0),
    ),
)
