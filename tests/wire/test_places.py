"""Extensions in their places: each body is read where it stands, and what cannot be read is refused, not raised."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puretls._base import registry
from puretls._base.faults import Abort
from puretls._wire import places
from puretls._wire.codec import USUAL, vec8, vec16, vec24

SHARE = b"\x00\x1d" + vec16(bytes(range(32)))
NAMES = vec16(vec16(b"\x30\x00"))
SCHEMES = vec16(b"\x04\x03\x08\x04")
TYPES = (registry.CLIENT_CERTIFICATE_TYPE, registry.SERVER_CERTIFICATE_TYPE)
GOOD = {  # by extension and message; what is not here has no body
    (registry.SERVER_NAME, places.CH): vec16(b"\x00" + vec16(b"localhost")),
    (registry.MAX_FRAGMENT_LENGTH, places.CH): b"\x01",
    (registry.MAX_FRAGMENT_LENGTH, places.EE): b"\x01",
    (registry.MAX_FRAGMENT_LENGTH, places.SH12): b"\x01",
    (registry.STATUS_REQUEST, places.CH): b"\x01\x00\x00\x00\x00",
    (registry.STATUS_REQUEST, places.CT): b"\x01" + vec24(b"response"),
    **{(registry.SUPPORTED_GROUPS, place): vec16(b"\x00\x1d") for place in (places.CH, places.EE, places.SH12)},
    **{(registry.EC_POINT_FORMATS, place): b"\x01\x00" for place in (places.CH, places.SH12)},
    **{(registry.SIGNATURE_ALGORITHMS, place): SCHEMES for place in (places.CH, places.CR)},
    **{(registry.SIGNATURE_ALGORITHMS_CERT, place): SCHEMES for place in (places.CH, places.CR)},
    **{(registry.ALPN, place): vec16(vec8(b"h2")) for place in (places.CH, places.EE, places.SH12)},
    **{(registry.SIGNED_CERTIFICATE_TIMESTAMP, place): vec16(vec16(b"sct")) for place in (places.CT, places.SH12)},
    **{(kind, places.CH): b"\x02\x02\x00" for kind in TYPES},
    **{(kind, place): b"\x02" for kind in TYPES for place in (places.EE, places.SH12)},
    **{(registry.COMPRESS_CERTIFICATE, place): b"\x04\x00\x01\x00\x02" for place in (places.CH, places.CR)},
    **{(registry.RECORD_SIZE_LIMIT, place): b"\x40\x00" for place in (places.CH, places.EE, places.SH12)},
    (registry.TICKET_REQUEST, places.CH): b"\x02\x01",
    (registry.TICKET_REQUEST, places.EE): b"\x02",
    (registry.PRE_SHARED_KEY, places.CH): vec16(vec16(b"id") + bytes(4)) + vec16(vec8(bytes(32))),
    (registry.PRE_SHARED_KEY, places.SH): b"\x00\x00",
    (registry.EARLY_DATA, places.NST): bytes(4),
    (registry.SUPPORTED_VERSIONS, places.CH): b"\x02\x03\x04",
    (registry.SUPPORTED_VERSIONS, places.SH): b"\x03\x04",
    (registry.SUPPORTED_VERSIONS, places.HRR): b"\x03\x04",
    **{(registry.COOKIE, place): vec16(b"crumbs") for place in (places.CH, places.HRR)},
    (registry.PSK_KEY_EXCHANGE_MODES, places.CH): b"\x01\x01",
    **{(registry.CERTIFICATE_AUTHORITIES, place): NAMES for place in (places.CH, places.CR)},
    (registry.OID_FILTERS, places.CR): vec16(vec8(b"\x55\x1d\x0f") + vec16(b"value")),
    (registry.KEY_SHARE, places.CH): vec16(SHARE),
    (registry.KEY_SHARE, places.SH): SHARE,
    (registry.KEY_SHARE, places.HRR): b"\x00\x1d",
    (registry.ENCRYPTED_CLIENT_HELLO, places.HRR): bytes(8),
    (registry.ENCRYPTED_CLIENT_HELLO, places.EE): vec16(b"\xfe\xaa" + vec16(b"another version")),
    **{(registry.RENEGOTIATION_INFO, place): b"\x00" for place in (places.CH, places.SH12)},
}
EVERY = [(kind, place) for kind, row in places.ROWS.items() for place in row]
READ = [(kind, place) for kind, place in EVERY if kind in places.READERS[place]]


def named(one: tuple[int, int]) -> str:
    return f"{registry.EXTENSIONS[one[0]]} {one[1]}"


@pytest.mark.parametrize("one", READ, ids=named)
def test_a_body_is_read_whole(one):
    """The good one is taken; neither a part of it nor anything behind it is."""
    kind, place = one
    good = GOOD.get(one, b"")
    places.check({kind: good}, place)
    for body in (*(good[:size] for size in range(len(good))), good + b"\x00"):
        with pytest.raises(Abort) as caught:
            places.check({kind: body}, place)
        assert caught.value.fault.alert == registry.DECODE_ERROR, body.hex()


@pytest.mark.parametrize("one", READ, ids=named)
@given(body=st.binary(max_size=60))
def test_noise_is_refused_or_read(one, body):
    """Nothing but Abort comes of it, with one of the alerts for such things."""
    kind, place = one
    try:
        places.check({kind: body}, place)
    except Abort as abort:
        alerts = {registry.DECODE_ERROR, registry.ILLEGAL_PARAMETER, registry.UNRECOGNIZED_NAME}
        assert abort.fault.alert in alerts  # noqa: PT017 - what is read is fine as well


def test_what_is_remembered_is_bounded_and_good():
    """However much peers say, and whatever was refused is refused again."""
    for number in range(2 * places.MOST_KNOWN):
        places.check({registry.COOKIE: vec16(number.to_bytes(4, "big"))}, places.HRR)
        for _ in range(2):
            with pytest.raises(Abort):
                places.check({registry.COOKIE: vec16(number.to_bytes(4, "big")) + b"x"}, places.HRR)
    places.check({registry.COOKIE: vec16(bytes(USUAL))}, places.HRR)
    assert 0 < len(places.KNOWN[places.HRR]) <= places.MOST_KNOWN
    assert all(len(body) <= USUAL for _, body in places.KNOWN[places.HRR])


def test_every_known_extension_is_read_somewhere():
    """But for a body that is anybody's, padding, and for what stands in sealed hellos only."""
    unread = places.ROWS.keys() - {kind for kind, _ in READ}
    assert unread == {registry.PADDING, registry.ECH_OUTER_EXTENSIONS}


@pytest.mark.parametrize("place", places.MESSAGES)
def test_an_extension_in_another_message_is_illegal(place):
    for kind, row in places.ROWS.items():
        if place not in row:
            with pytest.raises(Abort) as caught:
                places.check({kind: b""}, place)
            assert caught.value.fault.alert == registry.ILLEGAL_PARAMETER


@pytest.mark.parametrize("place", places.MESSAGES)
def test_an_unknown_extension_is_ignored_unless_it_answers(place):
    places.check({0x1234: b"anything"}, place)
    with pytest.raises(Abort) as caught:
        places.check_response({0x1234: b"anything"}, place, frozenset({registry.ALPN}))
    assert caught.value.fault.alert == registry.UNSUPPORTED_EXTENSION


def test_a_response_holds_what_was_offered():
    places.check_response({registry.ALPN: vec16(vec8(b"h2"))}, places.EE, frozenset({registry.ALPN}))
    for found, place, alert in (
        ({registry.ALPN: vec16(vec8(b"h2"))}, places.EE, registry.UNSUPPORTED_EXTENSION),
        ({registry.ALPN: vec16(vec8(b"h2"))}, places.SH, registry.UNSUPPORTED_EXTENSION),  # TLS 1.2 might have it
        ({registry.COOKIE: vec16(b"c")}, places.SH, registry.ILLEGAL_PARAMETER),  # no version has it
        ({registry.KEY_SHARE: b""}, places.EE, registry.ILLEGAL_PARAMETER),
    ):
        with pytest.raises(Abort) as caught:
            places.check_response(found, place, frozenset())
        assert caught.value.fault.alert == alert
    with pytest.raises(Abort) as caught:
        places.check_response({registry.ALPN: b""}, places.EE, frozenset({registry.ALPN}))
    assert caught.value.fault.alert == registry.DECODE_ERROR
