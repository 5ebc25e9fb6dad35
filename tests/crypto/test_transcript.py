"""The transcript gives the same digests however late the hash is known."""

from __future__ import annotations

import pytest

from puretls._crypto.kdf import MD5_SHA1, SHA256, SHA384
from puretls._crypto.transcript import Transcript

FIRST, SECOND, THIRD = b"\x01\x00\x00\x01a", b"\x02\x00\x00\x01b", b"\x0b\x00\x00\x01c"


@pytest.mark.parametrize("d", [SHA256, SHA384, MD5_SHA1], ids=lambda d: d.name)
@pytest.mark.parametrize("before", range(4))
def test_digest(d, before):
    transcript, messages = Transcript(), [FIRST, SECOND, THIRD]
    for raw in messages[:before]:
        transcript.update(raw)
    transcript.choose(d)
    for raw in messages[before:]:
        transcript.update(raw)
    assert transcript.digest() == transcript.digest() == d.hash(b"".join(messages))


def test_digest_with():
    transcript = Transcript()
    assert transcript.digest_with(b"trunc", SHA384) == SHA384.hash(b"trunc")
    transcript.update(FIRST)
    assert transcript.digest_with(b"trunc", SHA384) == SHA384.hash(FIRST + b"trunc")
    transcript.choose(SHA256)
    assert transcript.digest_with(b"trunc") == SHA256.hash(FIRST + b"trunc")
    assert transcript.digest() == SHA256.hash(FIRST)


@pytest.mark.parametrize("d", [SHA256, SHA384], ids=lambda d: d.name)
def test_retry(d):
    # RFC 8446 4.4.1
    transcript = Transcript()
    transcript.update(FIRST)
    transcript.choose(d)
    transcript.rewrite_for_retry()
    transcript.update(SECOND)
    assert transcript.digest() == d.hash(b"\xfe\x00\x00" + bytes((d.size,)) + d.hash(FIRST) + SECOND)


def test_messages_are_kept_on_demand():
    transcript = Transcript()
    transcript.update(FIRST)
    transcript.choose(SHA256, keep=True)
    transcript.update(SECOND)
    assert transcript.messages() == FIRST + SECOND
    transcript.forget()
    transcript.update(THIRD)
    assert transcript.digest() == SHA256.hash(FIRST + SECOND + THIRD)
    with pytest.raises(AssertionError):
        transcript.messages()
