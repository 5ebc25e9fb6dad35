"""add_trust_anchor(): what an anchor with limits is good for, and that a limit is never a way around anything."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

import puretls
from puretls.cli.certs import Authority, Identity
from support.bios import join
from support.both import V12, V13, only

NOW = datetime.now(timezone.utc)
REFUSED, PERMITTED, EXCLUDED = 28, 47, 48
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


@pytest.fixture(scope="module")
def root() -> Authority:
    return Authority("a root")


def handshake(
    identity: Identity, trust: Any, host: str | None = "www.example.org", role: str = "client", **more: Any
) -> Any:
    """What a client says of a server with this certificate, or a server of a client: None, or its verify_code."""
    client, server = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT), puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    other = Authority("of the other side")
    if role == "client":
        judge, shown = client, server
        client.check_hostname = host is not None
    else:
        judge, shown = server, client
        own = other.issue("server.example")
        server.load_cert_chain(own.chain_pem, own.key_pem)
        server.verify_mode = puretls.CERT_REQUIRED
        client.load_verify_locations(cadata=other.pem)
        host = "server.example"
    shown.load_cert_chain(identity.chain_pem, identity.key_pem)
    only(more.get("version", V13), client)
    trust(judge)
    pair = join(client, server, host=host, session=None).shake()
    mine = pair.client if role == "client" else pair.server
    assert mine.done is (mine.error is None)
    return None if mine.error is None else mine.error.verify_code


def with_limits(root: Authority, **limits: Any) -> Any:
    return lambda context: context.add_trust_anchor(certificate=root.pem, **limits)


NAMES: list[tuple[tuple[str, ...], str, dict[str, Any], int | None]] = [
    (("www.example.org",), "www.example.org", {}, None),
    (("www.example.org",), "www.example.org", {"permitted": ["example.org"]}, None),
    (("www.example.org",), "www.example.org", {"permitted": "example.org"}, None),
    (("www.example.org",), "www.example.org", {"permitted": ["EXAMPLE.org."]}, None),
    (("www.example.org",), "www.example.org", {"permitted": [".example.org"]}, None),
    (("www.example.org",), "www.example.org", {"permitted": ["www.example.org"]}, None),
    (("www.example.org",), "www.example.org", {"permitted": ["other.org", "example.org"]}, None),
    (("www.example.org",), "www.example.org", {"permitted": ["other.org"]}, PERMITTED),
    (("www.example.org",), "www.example.org", {"permitted": ["ample.org"]}, PERMITTED),
    (("www.example.org",), "www.example.org", {"permitted": [".www.example.org"]}, PERMITTED),
    (("www.example.org",), "www.example.org", {"excluded": ["example.org"]}, EXCLUDED),
    (("www.example.org",), "www.example.org", {"excluded": ["other.org"]}, None),
    (("www.example.org", "other.org"), "www.example.org", {"permitted": ["example.org"]}, PERMITTED),  # every name
    (("www.example.org", "other.org"), "www.example.org", {"excluded": ["other.org"]}, EXCLUDED),
    (("*.example.org",), "www.example.org", {"permitted": ["example.org"]}, None),
    (("*.example.org",), "www.example.org", {"excluded": ["mail.example.org"]}, EXCLUDED),
    (("a.example.org",), "a.example.org", {"permitted": ["example.org"], "excluded": ["a.example.org"]}, EXCLUDED),
    (("www.xn--bcher-kva.example",), "www.xn--bcher-kva.example", {"permitted": ["bücher.example"]}, None),
    (("10.1.2.3",), "10.1.2.3", {"permitted": ["10.0.0.0/8"]}, None),
    (("10.1.2.3",), "10.1.2.3", {"permitted": [ip_network("10.0.0.0/8")]}, None),
    (("10.1.2.3",), "10.1.2.3", {"permitted": [ip_address("10.1.2.3")]}, None),
    (("10.1.2.3",), "10.1.2.3", {"permitted": ["10.1.2.3"]}, None),
    (("10.1.2.3",), "10.1.2.3", {"permitted": ["10.1.2.4"]}, PERMITTED),
    (("10.1.2.3",), "10.1.2.3", {"excluded": ["10.0.0.0/8"]}, EXCLUDED),
    (("2001:db8::1",), "2001:db8::1", {"permitted": ["2001:db8::/32"]}, None),
    (("2001:db8::1",), "2001:db8::1", {"permitted": ["2001:db9::/32"]}, PERMITTED),
    (("10.1.2.3",), "10.1.2.3", {"permitted": ["example.org"]}, PERMITTED),  # another kind of name
    (("www.example.org",), "www.example.org", {"permitted": ["10.0.0.0/8"]}, PERMITTED),
    (("www.example.org", "10.1.2.3"), "www.example.org", {"permitted": ["example.org"]}, None),  # as name constraints
]  # fmt: skip


@pytest.mark.parametrize(("names", "host", "limits", "code"), NAMES, ids=lambda value: str(value)[:60])
def test_names(root: Authority, names: tuple[str, ...], host: str, limits: dict[str, Any], code: int | None) -> None:
    assert handshake(root.issue(*names), with_limits(root, **limits), host) == code


@each_version
@pytest.mark.parametrize("role", ["client", "server"])
@pytest.mark.parametrize(("permitted", "code"), [("corp.example", None), ("elsewhere.example", PERMITTED)])
def test_either_role(root: Authority, version: Any, role: str, permitted: str, code: int | None) -> None:
    identity = root.issue("me.corp.example", client=role == "server")
    assert (
        handshake(identity, with_limits(root, permitted=[permitted]), "me.corp.example", role, version=version) == code
    )


def test_intermediates_count_too(root: Authority) -> None:
    seen: list[list[bytes]] = []
    middle = Authority("in the middle", parent=root)
    identity = middle.issue("www.example.org")
    limits = {"permitted": ["example.org"], "accept": lambda path: seen.append(path) or True}
    assert handshake(identity, with_limits(root, **limits)) is None
    assert [len(path) for path in seen] == [3]
    assert seen[0][-1] == puretls.PEM_cert_to_DER_cert(root.pem.decode())


@pytest.mark.parametrize("given", ["datetime", "naive", "seconds"])
@pytest.mark.parametrize(("days", "code"), [(2, None), (0, None), (-2, REFUSED)])
def test_distrust_after(root: Authority, given: str, days: float, code: int | None) -> None:
    identity = root.issue("www.example.org")  # since yesterday
    limit = identity.certificate.not_valid_before_utc + timedelta(days=days)
    value: Any = {"datetime": limit, "naive": limit.replace(tzinfo=None), "seconds": limit.timestamp()}[given]
    assert handshake(identity, with_limits(root, distrust_after=value)) == code


@pytest.mark.parametrize(("answer", "code"), [(True, None), (1, None), (False, REFUSED), (None, REFUSED), (0, REFUSED)])
def test_accept(root: Authority, answer: Any, code: int | None) -> None:
    assert handshake(root.issue("www.example.org"), with_limits(root, accept=lambda _path: answer)) == code


def test_accept_that_raises(root: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[type] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type))

    def accept(_path: Any) -> bool:
        raise LookupError("of the program's")

    assert handshake(root.issue("www.example.org"), with_limits(root, accept=accept)) == REFUSED
    assert seen == [LookupError]


def test_nobody_is_asked_about_paths_that_are_no_good(root: Authority) -> None:
    asked: list[Any] = []
    limits = {"permitted": ["example.org"], "accept": lambda path: asked.append(path) or True}
    assert handshake(root.issue("www.example.org"), with_limits(root, **limits), "other.org") == 62
    assert handshake(root.issue("www.other.org"), with_limits(root, **limits), "www.other.org") == PERMITTED
    stranger = Authority("a root")  # the same name, another key
    assert handshake(stranger.issue("www.example.org"), with_limits(root, **limits)) == 20
    assert not asked


def test_a_copy_without_limits_wins(root: Authority, tmp_path: Any) -> None:
    identity, file = root.issue("www.example.org"), tmp_path / "root.pem"
    file.write_bytes(root.pem)
    copies: list[Any] = [
        lambda context: context.load_verify_locations(cadata=root.pem.decode()),
        lambda context: context.load_verify_locations(file),
        lambda context: context.add_trust_anchor(root.certificate),
    ]
    for copy in copies:
        for first in (True, False):

            def trust(context: Any, copy: Any = copy, first: bool = first) -> None:
                if first:
                    copy(context)
                context.add_trust_anchor(file, permitted=["other.org"])
                if not first:
                    copy(context)

            assert handshake(identity, trust) is None


def test_limits_of_several_times_add_up(root: Authority) -> None:
    def trust(context: Any) -> None:
        context.add_trust_anchor(root.pem, permitted=["example.org"])
        context.add_trust_anchor(root.pem, permitted=["example.net"])

    for name, code in (("www.example.org", None), ("www.example.net", None), ("www.example.com", PERMITTED)):
        assert handshake(root.issue(name), trust, name) == code


def test_the_search_goes_on(root: Authority) -> None:
    """Two roots vouch for one intermediate; the one that is found first is not good for the name."""
    other = Authority("another root")
    middle = Authority("in the middle", parent=root)
    crossed = Authority.of(middle.certificate, middle.key)
    crossed.parent = None
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = x509.CertificateBuilder(
        other.name, middle.certificate.subject, middle.certificate.public_key(), x509.random_serial_number(),
        middle.certificate.not_valid_before_utc, middle.certificate.not_valid_after_utc,
        [one for one in middle.certificate.extensions if one.oid.dotted_string != "2.5.29.35"],
    )  # fmt: skip
    twin = builder.sign(other.key, hashes.SHA256())
    leaf = middle.issue("www.example.org")
    for order in (1, -1):
        identity = Identity(leaf.certificate, leaf.key, (*leaf.intermediates, twin)[::order])
        for good, bad in ((root, other), (other, root)):

            def trust(context: Any, good: Authority = good, bad: Authority = bad) -> None:
                context.add_trust_anchor(good.pem, permitted=["example.org"])
                context.add_trust_anchor(bad.pem, permitted=["example.net"])

            assert handshake(identity, trust) is None

        def neither(context: Any) -> None:
            context.add_trust_anchor(root.pem, permitted=["example.com"])
            context.add_trust_anchor(other.pem, permitted=["example.net"])

        assert handshake(identity, neither) == PERMITTED


def test_a_leaf_that_is_trusted_itself(root: Authority) -> None:
    identity = root.issue("www.example.org")

    def trust(name: str) -> Any:
        def act(context: Any) -> None:
            context.verify_flags |= puretls.VERIFY_X509_PARTIAL_CHAIN
            context.add_trust_anchor(identity.certificate, permitted=[name])

        return act

    assert handshake(identity, trust("example.org")) is None
    assert handshake(identity, trust("example.net")) == PERMITTED


def test_it_is_listed_and_part_of_the_policy(root: Authority) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    digests = [context._config(server_side=False).policy.digest()]
    for limits in (
        {"permitted": ["example.org"]}, {"permitted": ["example.net"]}, {"excluded": ["example.org"]},
        {"distrust_after": NOW}, {"accept": lambda _path: True}, {},
    ):  # fmt: skip
        context.add_trust_anchor(root.pem, **limits)
        digests.append(context._config(server_side=False).policy.digest())
    assert len(set(digests)) == len(digests)
    assert context.cert_store_stats()["x509"] == 1
    assert context.get_ca_certs(binary_form=True) == [puretls.PEM_cert_to_DER_cert(root.pem.decode())]


WRONG: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"permitted": []}, ValueError),
    ({"excluded": []}, ValueError),
    ({"permitted": [""]}, ValueError),
    ({"permitted": ["."]}, ValueError),
    ({"permitted": ["*.example.org"]}, ValueError),
    ({"permitted": ["a..b"]}, ValueError),
    ({"permitted": ["a b"]}, ValueError),
    ({"permitted": ["x@example.org"]}, ValueError),
    ({"permitted": ["10.0.0.1/8"]}, ValueError),
    ({"permitted": ["300.0.0.1"]}, ValueError),
    ({"permitted": ["::g"]}, ValueError),
    ({"permitted": [1]}, TypeError),
    ({"permitted": 1}, TypeError),
    ({"distrust_after": float("nan")}, ValueError),
    ({"distrust_after": "tomorrow"}, ValueError),
    ({"accept": 1}, TypeError),
]


@pytest.mark.parametrize(("limits", "error"), WRONG, ids=str)
def test_what_is_refused_changes_nothing(root: Authority, limits: dict[str, Any], error: type[Exception]) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    with pytest.raises(error):
        context.add_trust_anchor(root.pem, **limits)
    assert context.cert_store_stats()["x509"] == 0


def test_what_is_no_certificate(tmp_path: Any) -> None:
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)
    for wrong, error in ((b"\x30\x80 no", puretls.SSLError), (tmp_path / "none", OSError), (1, TypeError)):
        with pytest.raises(error):
            context.add_trust_anchor(wrong, permitted=["example.org"])
