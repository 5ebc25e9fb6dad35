"""Configurations, the extension and sealed hellos of RFC 9849, records of RFC 9460: whatever is made reads back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

import puretls
from puretls import ECHConfig, ECHKey
from puretls._base.faults import Abort
from puretls._engine import ech_config
from puretls._engine.ech_config import is_public_name
from puretls._wire import ech, svcb
from puretls._wire.codec import vec8, vec16
from puretls._wire.ech import Config, Sealed, UnknownConfig
from puretls._wire.hello import ClientHello

u8, u16 = st.integers(0, 255), st.integers(0, 0xFFFF)
some = st.binary(min_size=1, max_size=40)
configs = st.builds(
    ech.build_config,
    u8,
    u16,
    some,
    st.lists(st.tuples(u16, u16), min_size=1, max_size=4).map(tuple),
    u8,
    some,
    st.lists(st.tuples(u16, st.binary(max_size=9)), max_size=3).map(tuple),
)
others = st.builds(
    lambda version, body: version.to_bytes(2, "big") + vec16(body), u16.filter(lambda v: v != ech.VERSION), some
)


@given(st.lists(configs | others, min_size=1, max_size=4))
def test_lists(made):
    raw = [one.raw if isinstance(one, Config) else one for one in made]
    data = ech.build_list(raw)
    found = ech.config_list(data)
    assert [one.raw for one in found] == raw
    assert [one for one in found if isinstance(one, Config)] == [one for one in made if isinstance(one, Config)]
    for size in range(len(data)):
        with pytest.raises(Abort):
            ech.config_list(data[:size])
    with pytest.raises(Abort):
        ech.config_list(data + b"\x00")


@given(st.binary(max_size=80))
def test_noise(data):
    for read in (ech.config_list, Sealed.parse, ech.kind_of, ech.confirmation):
        with suppress(Abort):
            read(data)
    with suppress(ValueError):
        puretls.parse_svcb(data)
    with suppress(puretls.SSLError):
        ECHConfig(data)


@given(st.tuples(u16, u16), u8, st.binary(max_size=40), some)
def test_the_extension(suite, config_id, enc, payload):
    made = Sealed(suite, config_id, enc, payload)
    body = made.build()[4:]
    assert Sealed.parse(body) == made
    for wrong in (*(body[:size] for size in range(1, len(body))), body + b"\x00"):
        with pytest.raises(Abort):
            Sealed.parse(wrong)


@given(st.binary(max_size=200))
def test_sealed_noise(data):
    """What has been opened may still be anything: Abort, and nothing else."""
    outer = ClientHello(b"", 0x0303, bytes(32), b"", b"\x13\x01", b"\x00", {10: b"\x00"})
    with suppress(Abort):
        ech.rebuilt(bytes(34) + data, outer)
    with suppress(Abort):
        ech.rebuilt(data, outer)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("example.com", True), ("a", True), ("xn--bcher-kva.example", True), ("1.example", True), ("a-b.c--d", True),
        ("x" * 63 + ".example", True), ("a.1b", True), ("a.0xg", True),
        ("", False), (".", False), ("a.", False), (".a", False), ("a..b", False), ("-a.b", False), ("a-.b", False),
        ("a_b.c", False), ("x" * 64 + ".example", False), ("127.0.0.1", False), ("a.5", False), ("a.0x", False),
        ("a.0x1F", False), ("a.0X1f", False), ("::1", False), ("a b", False), ("ä.example", False), ("*.a", False),
        ("a\n", False),
    ],
)  # fmt: skip
def test_public_names(name, good):
    assert is_public_name(name.encode()) == good
    key = puretls.make_ech_config("a.example")[1].public_key().public_bytes_raw()
    if name:
        config = ech.build_config(1, 0x20, key, ((1, 1),), 0, name.encode())
        assert (ech_config.usable(config) is not None) == good
    if not good:
        with pytest.raises(ValueError, match="public_name"):
            puretls.make_ech_config(name)


def test_what_is_passed_over():
    """RFC 9849 4, 6.1: the first that can be used, with its first suite that can be; whatever else is skipped."""
    good, key = puretls.make_ech_config("a.example")
    public = key.public_key().public_bytes_raw()

    def config(kem: int = 0x20, public: bytes = public, suites: object = ((1, 1),), extensions: object = ()) -> bytes:
        return ech.build_config(1, kem, public, suites, 0, b"b.example", extensions).raw

    for wrong in (
        b"\xfe\x0a" + vec16(b"an older draft"),
        config(kem=0x21),
        config(public=public[:-1]),
        config(public=bytes(32)),
        config(kem=0x10),
        config(suites=((9, 1), (1, 0xFFFF))),
        config(extensions=((0x8000, b""),)),
        config(extensions=((0xFFFF, b"x"),)),
        config(extensions=((5, b"x"), (5, b"y"))),
    ):
        assert ech_config.choose(ech.build_list([wrong])) is None
        assert ech_config.choose(ech.build_list([wrong, good])).config.raw == good
    chosen = ech_config.choose(ech.build_list([config(suites=((9, 9), (3, 3), (1, 1)), extensions=((5, b"x"),)), good]))
    assert (chosen.public_name, chosen.suite) == ("b.example", (3, 3))
    assert isinstance(ech.config_list(ech.build_list([b"\x00\x00\x00\x00"]))[0], UnknownConfig)


@pytest.mark.parametrize(
    ("name", "longest", "size"), [("a" * 9, 0, 100), ("a" * 9, 30, 101), ("a" * 99, 30, 130), (None, 20, 90)]
)
def test_padding(name, longest, size):
    """RFC 9849 6.1.3."""
    zeros = ech.padding(name, longest, size)
    assert (size + zeros) % 32 == 0
    least = longest + 9 if name is None else max(0, longest - len(name))
    assert least <= zeros < least + 32


# What programs have of it


def test_configurations_say_what_they_are():
    config, key = puretls.make_ech_config("public.example", config_id=9, maximum_name_length=40, kem="P-256")
    assert (config.config_id, config.public_name, config.maximum_name_length) == (9, "public.example", 40)
    assert (config.kem, len(config.public_key), config.usable) == ("P-256", 65, True)
    assert config.cipher_suites == ((1, 1), (1, 2), (1, 3))
    assert ECHConfig(bytes(config)) == config == ECHConfig.from_list(config.config_list)[0]
    assert ECHKey(config, key).config == ECHKey(config.config_list, key).config == config
    scalar = key.private_numbers().private_value.to_bytes(32, "big")
    assert ECHKey(config, scalar, retry=False).private_key.private_numbers() == key.private_numbers()
    assert scalar.hex() not in repr(ECHKey(config, key))


def test_wrong_arguments():
    config, key = puretls.make_ech_config("public.example")
    other = puretls.make_ech_config("public.example")[1]
    for wrong in (other, b"", bytes(31), object(), puretls.make_ech_config("a.example", kem="P-384")[1]):
        with pytest.raises(ValueError, match="key"):
            ECHKey(config, wrong)
    for number in (-1, 256):
        with pytest.raises(ValueError, match="config_id"):
            puretls.make_ech_config("a.example", config_id=number)
        with pytest.raises(ValueError, match="maximum_name_length"):
            puretls.make_ech_config("a.example", maximum_name_length=number)
    with pytest.raises(ValueError, match="kem"):
        puretls.make_ech_config("a.example", kem="RSA")
    with pytest.raises(puretls.SSLError):
        ECHConfig(b"\xfe\x0d\x00\x01x")
    with pytest.raises(TypeError):
        puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER).set_ech_keys([(config, key)])


def test_files(tmp_path):
    """RFC 9934: each key with its configurations behind it."""
    keys = [ECHKey(*puretls.make_ech_config("a.example", kem=kem)) for kem in ("X25519", "P-521")]
    path = tmp_path / "keys.pem"
    path.write_bytes(b"".join(key.to_pem() for key in keys))
    assert [key.config for key in puretls.load_ech_keys(path)] == [key.config for key in keys]
    assert puretls.load_ech_keys(str(path).encode())[0].retry
    swapped = (
        keys[0].to_pem().partition(b"-----BEGIN ECH")[0]
        + b"-----BEGIN ECH"
        + (keys[1].to_pem().partition(b"-----BEGIN ECH")[2])
    )
    for wrong in (b"", b"nothing", swapped, keys[0].to_pem()[:-30], keys[0].to_pem().partition(b"-----BEGIN ECH")[0]):
        path.write_bytes(wrong)
        with pytest.raises(puretls.SSLError):
            puretls.load_ech_keys(path)
    with pytest.raises(FileNotFoundError):
        puretls.load_ech_keys(tmp_path / "missing")


# Records of the DNS


def param(key: int, value: bytes) -> bytes:
    return key.to_bytes(2, "big") + vec16(value)


TARGET = vec8(b"front") + vec8(b"example") + b"\x00"
LISTED = ech.build_list([ech.build_config(1, 0x20, bytes(range(32)), ((1, 1),), 0, b"a.example").raw])
ALL = (
    param(0, b"\x00\x01\x00\x05") + param(1, vec8(b"h2") + vec8(b"h3")) + param(2, b"") + param(3, b"\x20\xfb")
    + param(4, bytes((192, 0, 2, 1, 192, 0, 2, 2))) + param(5, LISTED)
    + param(6, bytes.fromhex("20010db8000000000000000000000001")) + param(7, b"/dns{?q}") + param(65280, b"own")
)  # fmt: skip


def test_everything_in_a_record():
    assert puretls.parse_svcb(b"\x00\x01" + TARGET + ALL) == {
        "priority": 1,
        "target": "front.example",
        "mandatory": (1, 5),
        "alpn": ["h2", "h3"],
        "no_default_alpn": True,
        "port": 8443,
        "ipv4hint": ["192.0.2.1", "192.0.2.2"],
        "ech": LISTED,
        "ipv6hint": ["2001:db8::1"],
        "key7": b"/dns{?q}",
        "key65280": b"own",
    }


def test_short_records():
    found = puretls.parse_svcb(b"\x00\x00" + TARGET)
    assert (found["priority"], found["target"], found["ech"], found["port"]) == (0, "front.example", None, None)
    assert puretls.parse_svcb(b"\x00\x10\x00")["target"] == "."
    assert puretls.parse_svcb(b"\x00\x00" + TARGET + param(5, LISTED))["ech"] is None  # an alias has no parameters
    assert puretls.parse_svcb(b"\x00\x01" + vec8(b"a.b\\\x07") + b"\x00")["target"] == "a\\.b\\\\\\007"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\x00\x01", b"\x00\x01\x05abc", b"\x00\x01\x40" + bytes(65), b"\x00\x01\xc0\x0c",
        b"\x00\x01" + (b"\x3f" + b"a" * 63) * 4 + b"\x00",
        b"\x00\x01\x00" + param(5, LISTED)[:-1], b"\x00\x01\x00" + param(5, LISTED) + b"\x00",
        b"\x00\x01\x00" + param(3, b"\x01\xbb") * 2, b"\x00\x01\x00" + param(5, LISTED) + param(3, b"\x01\xbb"),
        b"\x00\x01\x00" + param(3, b"\x01"), b"\x00\x01\x00" + param(4, b"abc"), b"\x00\x01\x00" + param(4, b""),
        b"\x00\x01\x00" + param(6, bytes(8)), b"\x00\x01\x00" + param(1, b""), b"\x00\x01\x00" + param(1, b"\x00"),
        b"\x00\x01\x00" + param(1, b"\x05h2"), b"\x00\x01\x00" + param(1, vec8(b"h2")) + param(2, b"x"),
        b"\x00\x01\x00" + param(2, b""), b"\x00\x01\x00" + param(0, b""), b"\x00\x01\x00" + param(0, b"\x00\x05"),
        b"\x00\x01\x00" + param(0, b"\x00\x00"), b"\x00\x01\x00" + param(0, b"\x00\x05\x00\x05") + param(5, LISTED),
        b"\x00\x01\x00" + param(5, b""), b"\x00\x01\x00" + param(5, LISTED[:-1]),
        b"\x00\x01\x00" + param(5, b"\x00\x00"),
    ],
    ids=bytes.hex,
)  # fmt: skip
def test_records_that_cannot_be_read(data):
    with pytest.raises(ValueError, match=r"\w"):
        puretls.parse_svcb(data)
    assert issubclass(svcb.Malformed, ValueError)
