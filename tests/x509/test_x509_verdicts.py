"""Which error wins, what it is called, and what the peer is told."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from puretls._base.faults import Abort, VerifyAbort
from puretls._x509 import certificate, codes, path, verify
from puretls._x509.checks import Policy
from support import libcrypto, odd, pki
from support.pki import DAY, NOW, Issued
from support.verifying import ours, path_of, store, theirs

STRICT, CRL_LEAF = 0x8020, 0x8004
EXPIRED: dict[str, Any] = {"not_after": NOW - DAY}
ROOT = pki.ca("root")
MIDDLE = pki.ca("middle", ROOT)
OLD_MIDDLE = pki.ca("middle", ROOT, **EXPIRED)
CONSTRAINED = pki.ca("middle", ROOT, extensions={pki.NC: pki.constraints(("DNS:other.test",))}, **EXPIRED)


@pytest.mark.parametrize(
    ("leaf", "chain", "roots", "asked", "code"),
    [
        (pki.leaf("a.test", MIDDLE, **EXPIRED), [MIDDLE], [ROOT], {"host": "b.test"}, 62),
        (pki.leaf("a.test", MIDDLE, extensions={pki.AKI: None}, **EXPIRED), [MIDDLE], [ROOT], {"flags": STRICT}, 85),
        (pki.leaf("a.test", MIDDLE, extensions={pki.EKU: pki.usages(pki.CLIENT_AUTH)}), [MIDDLE], [ROOT],
         {"host": "b.test"}, 26),
        (pki.leaf("a.test", MIDDLE, **EXPIRED), [MIDDLE], [], {"host": "b.test"}, 20),
        (pki.leaf("a.test", MIDDLE, **EXPIRED), [MIDDLE], [ROOT], {"flags": CRL_LEAF}, 3),
        (pki.leaf("a.test", MIDDLE, bad_signature=True, **EXPIRED), [MIDDLE], [ROOT], {}, 7),
        (pki.leaf("a.test", CONSTRAINED), [CONSTRAINED], [ROOT], {}, 10),
        (pki.leaf("a.test", OLD_MIDDLE, bad_signature=True), [OLD_MIDDLE], [ROOT], {}, 10),
    ],
)  # fmt: skip
def test_which_error_wins(
    leaf: Issued, chain: list[Issued], roots: list[Issued], asked: dict[str, Any], code: int
) -> None:
    asked = {"flags": 0x8000} | asked
    assert ours([leaf, *chain], roots, **asked)[0] == code
    if libcrypto.LIB is not None:
        assert theirs([leaf, *chain], roots, **asked)[0] == code


def test_texts_are_openssls() -> None:
    if libcrypto.LIB is None:
        pytest.skip("_ssl does not expose its libcrypto here")
    for code, (text, _) in codes.VERDICTS.items():
        if code < 95:  # what came after 3.0 is from there on
            assert text == libcrypto.LIB.X509_verify_cert_error_string(code).decode()


@pytest.mark.parametrize(
    ("code", "alert"),
    [(2, 48), (3, 48), (7, 51), (9, 42), (10, 45), (12, 45), (18, 48), (20, 48), (23, 44), (25, 48), (26, 43), (34, 46),
     (47, 46), (50, 40), (1, 80), (62, 42), (64, 42), (66, 42), (68, 42), (79, 48), (80, 46), (92, 46), (94, 42)],
)  # fmt: skip
def test_alerts(code: int, alert: int) -> None:
    assert codes.refusal(code, 3).fault.alert == codes.VERDICTS[code][1] == alert


def test_names_are_quoted_in_the_message() -> None:
    chain, trusted = [certificate.load(x.der) for x in (pki.leaf("a.test", MIDDLE), MIDDLE)], store([ROOT])
    with pytest.raises(VerifyAbort) as caught:
        path.verify(chain, trusted, Policy(hostname="b.test", time=NOW))
    assert caught.value.message == "Hostname mismatch, certificate is not valid for 'b.test'."
    with pytest.raises(VerifyAbort) as caught:
        path.verify(chain, trusted, Policy(hostname="192.0.2.1", ip=b"\xc0\0\2\1", time=NOW))
    assert caught.value.message == "IP address mismatch, certificate is not valid for '192.0.2.1'."
    assert caught.value.depth == 0


def test_the_first_and_the_last_second_are_good() -> None:
    chain = [pki.leaf("a.test", MIDDLE, not_before=NOW, not_after=NOW + 10), MIDDLE]
    for time, code in ((NOW - 0.1, 9), (NOW, 0), (NOW + 10, 0), (NOW + 10.9, 0), (NOW + 11, 10)):
        assert ours(chain, [ROOT], flags=0x8000, time=time)[0] == code


def test_a_signature_is_checked_once_and_everything_else_each_time() -> None:
    chain = [pki.leaf("a.test", MIDDLE), MIDDLE]
    assert ours(chain, [ROOT], flags=0x8000) == (0, 0)
    assert ours(chain, [ROOT], flags=0x8000, time=NOW + 400 * DAY)[0] == 10
    assert ours(chain, [ROOT], flags=0x8000, host="b.test")[0] == 62
    assert ours(chain, [], flags=0x8000)[0] == 20
    changed = chain[0].der[:-1] + bytes([chain[0].der[-1] ^ 1])
    assert ours([Issued(changed, None, b"", 0), MIDDLE], [ROOT], flags=0x8000)[0] == 7


def test_a_path_through_an_expired_cross_sign_is_left_for_another() -> None:
    """OpenSSL 3 gives up here: the issuer that the store has first leads nowhere."""
    old_root = pki.ca("old root", private=pki.key("p256", 20), **EXPIRED)
    new_root = pki.ca("new root", private=pki.key("p256", 21))
    crossed = pki.ca("new root", old_root, private=pki.key("p256", 21))
    middle = pki.ca("middle", new_root)
    leaf = pki.leaf("a.test", middle)
    found = path_of([leaf, middle, crossed], [old_root, new_root], flags=0)
    assert found == [leaf.der, middle.der, new_root.der]


def test_what_cannot_be_read_and_is_not_needed_does_no_harm() -> None:
    broken = [certificate.Certificate(pki.ca("broken", version=7).der), certificate.Certificate(b"junk")]
    chain = [certificate.load(x.der) for x in (pki.leaf("a.test", MIDDLE), MIDDLE)]
    assert len(path.verify([chain[0], *broken, chain[1]], store([ROOT]), Policy(time=NOW))) == 3


def test_what_a_peer_presents() -> None:
    unread, version7 = odd.ca("a date in words").der, pki.ca("odd", version=7).der
    leaf = pki.leaf("a.test", MIDDLE).der
    assert [x.readable for x in certificate.presented([leaf, unread, MIDDLE.der, version7])] == [
        True,
        False,
        True,
        True,
    ]
    for ders in ([unread], [leaf, b"junk"], [leaf, MIDDLE.der + b"\0"], [MIDDLE.der + b"\0"]):
        with pytest.raises(ValueError):
            certificate.presented(ders)


def test_verify_chain_takes_der_and_objects() -> None:
    leaf = pki.leaf("a.test", MIDDLE)
    good = [leaf.der, MIDDLE.der, ROOT.der]
    assert verify.verify_chain(leaf.der, [MIDDLE.der], [ROOT.der], time=NOW, hostname="a.test") == good
    assert verify.verify_chain(leaf.x509, [MIDDLE.x509], [ROOT.x509], time=NOW) == good
    crls = [pki.crl(MIDDLE), pki.crl(ROOT)]
    flags = 0x88020 | 0xC
    assert verify.verify_chain(leaf.der, [MIDDLE.der], [ROOT.der], time=NOW, crls=crls, flags=flags) == good
    crls[0] = pki.crl(MIDDLE, (leaf.serial,))
    with pytest.raises(VerifyAbort) as caught:
        verify.verify_chain(leaf.der, [MIDDLE.der], [ROOT.der], time=NOW, crls=crls, flags=flags)
    assert (caught.value.code, caught.value.depth) == (23, 0)


def test_verify_chain_counts_intermediates() -> None:
    leaf = pki.leaf("a.test", MIDDLE)
    assert verify.verify_chain(leaf.der, [MIDDLE.der], [ROOT.der], time=NOW, max_depth=1)
    with pytest.raises(VerifyAbort) as caught:
        verify.verify_chain(leaf.der, [MIDDLE.der], [ROOT.der], time=NOW, max_depth=0)
    assert (caught.value.code, caught.value.depth) == (codes.CHAIN_TOO_LONG, 1)


WRONG = {"nothing": b"", "junk": b"junk", "cut": ROOT.der[:-1], "an octet more": ROOT.der + b"\0"}


@pytest.mark.parametrize("broken", WRONG.values(), ids=WRONG)
def test_verify_chain_refuses_what_it_cannot_read(broken: bytes) -> None:
    leaf = pki.leaf("a.test", ROOT).der
    for arguments in ((broken, [], [ROOT.der]), (leaf, [broken], [ROOT.der]), (leaf, [], [broken])):
        with pytest.raises(Abort) as caught:
            verify.verify_chain(*arguments, time=NOW)
        assert not isinstance(caught.value, VerifyAbort)
    with pytest.raises(Abort):
        verify.verify_chain(leaf, [], [ROOT.der], time=NOW, crls=[broken])


def test_verify_chain_knows_addresses_and_u_labels() -> None:
    leaf = pki.leaf("x", ROOT, alt=("IP:2001:db8::1", "DNS:xn--bcher-kva.test"))
    for name in ("2001:db8:0::1", "bücher.test", "xn--bcher-kva.test"):
        assert verify.verify_chain(leaf.der, [], [ROOT.der], time=NOW, hostname=name)


def test_verify_chain_wants_a_key_that_tls_can_use() -> None:
    leaf = pki.leaf("a.test", ROOT, private=pki.key("dsa2048"))
    with pytest.raises(VerifyAbort) as caught:
        verify.verify_chain(leaf.der, [], [ROOT.der], time=NOW)
    assert caught.value.code == codes.INVALID_PURPOSE


def test_trust_settings_reject_and_restrict() -> None:
    chain = [pki.leaf("a.test", ROOT)]
    server, client = (pki.seq(pki.oid(use)) for use in (pki.SERVER_AUTH, pki.CLIENT_AUTH))
    for aux, code in ((server, 0), (client, 28), (pki.tlv(0xA0, server[2:]), 28), (pki.tlv(0xA0, client[2:]), 0)):
        assert ours(chain, [ROOT.der + pki.seq(aux)], flags=0x8000)[0] == code


def test_every_code_that_has_a_name_is_used() -> None:
    named = {name for name, value in vars(codes).items() if name.isupper() and isinstance(value, int)}
    used: set[str] = set()
    for file in Path(codes.__file__).parents[1].rglob("*.py"):
        nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
        used |= {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
                 and n.value.id == "codes"}  # fmt: skip
    assert named - used == set()


@pytest.mark.parametrize("version", [0, 2])
def test_a_path_length_without_key_usage(version: int) -> None:
    """A CA of version 1 or 3: whoever says how long a path may be has to say that it signs certificates."""
    for limit, code in ((None, 92), (0, 81), (3, 81)):
        extensions = {pki.KU: None, pki.BC: pki.basic_constraints(ca=True, path_length=limit)}
        middle = pki.ca("middle", ROOT, version=version, extensions=extensions)
        chain = [pki.leaf("a.test", middle), middle]
        assert ours(chain, [ROOT], flags=STRICT) == (code, 1)
        if libcrypto.LIB is not None:
            assert theirs(chain, [ROOT], flags=STRICT) == (code, 1)
