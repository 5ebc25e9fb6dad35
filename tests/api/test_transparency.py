"""Certificate Transparency (RFC 6962): timestamps from all three places, real and our own, and what is demanded."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519

import puretls
import puretls.asyncio
from puretls import CTLogs, CTPolicy
from puretls._x509 import transparency
from support import PATIENCE, need, running
from support.bios import join
from support.both import V12, V13, client_of, only, server_of
from support.logged import DAY, EC_KEYS, LOGS, RSA_KEY, LoggedCertificates, described, listed, spki

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
DATA = Path(__file__).parents[1] / "data" / "transparency"
ICARUS = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAETtK8v7MICve56qTHHDhhBOuV4IlUaESxZryCfk9QbG9co/CqPvTsgPDbCpp6oFtyAHwlDhnvr7JijXRD9Cb2FA=="  # noqa: E501


@pytest.fixture(scope="module")
def world() -> LoggedCertificates:
    return LoggedCertificates()


def sct_list(*scts: bytes) -> bytes:
    block = b"".join(len(one).to_bytes(2, "big") + one for one in scts)
    return len(block).to_bytes(2, "big") + block


# Real ones


def test_a_timestamp_of_a_real_log():
    """cryptography.io's certificate of 2018, logged by Google's Icarus."""
    leaf, issuer = (DATA / "cryptography-scts.pem").read_bytes(), (DATA / "letsencryptx3.pem").read_bytes()
    logs = CTLogs.from_json(listed([described(base64.b64decode(ICARUS))]))
    first, second = puretls.verify_scts(leaf, issuer, logs=logs)
    assert (first.valid, first.origin, first.why) == (True, "embedded", "")
    assert first.timestamp == dt.datetime(2018, 9, 26, 20, 56, 33, 769000, dt.timezone.utc)
    assert (second.valid, second.log) == (False, None)
    assert "no log" in second.why
    early = puretls.verify_scts(leaf, issuer, logs=logs, time=first.timestamp.timestamp() - 1)
    assert "future" in early[0].why
    other = puretls.verify_scts(leaf, (DATA / "badssl-sct.pem").read_bytes(), logs=logs)
    assert other[0].why == "its signature is wrong"


@pytest.mark.parametrize(
    "name",
    ["badssl-sct-anonymous-sig.der", "badssl-sct-none-hash.der", "invalid-sct-length.der", "invalid-sct-version.der",
     "badssl-sct.pem"],
)  # fmt: skip
def test_odd_ones_are_results_and_no_errors(name):
    data = (DATA / name).read_bytes()
    found = puretls.verify_scts(data, data, logs=LOGS)
    assert found
    assert not any(one.valid for one in found)


def test_the_precertificate_is_pycas():
    leaf = x509.load_pem_x509_certificate((DATA / "cryptography-scts.pem").read_bytes())
    assert leaf.tbs_precertificate_bytes == (DATA / "cryptography-scts-tbs-precert.der").read_bytes()


def test_timestamps_in_an_ocsp_response(world):
    found = world.verify(world.leaf(), ocsp_response=(DATA / "resp-sct-extension.der").read_bytes())
    assert found
    assert {one.origin for one in found} == {"ocsp"}
    assert all(one.timestamp is not None for one in found)
    assert world.verify(world.leaf(), ocsp_response=b"rubbish")[0].why.startswith("it cannot be read")


# Our own


def test_embedded_ones(world):
    found = world.verify(world.logged(EC_KEYS[0], EC_KEYS[1], RSA_KEY))
    assert [(one.valid, one.origin, one.why) for one in found] == [(True, "embedded", "")] * 3
    assert [one.log.operator for one in found] == ["operator 0", "operator 1", "operator 4"]
    assert [one.log.state for one in found] == ["usable"] * 3


def test_those_of_the_handshake(world):
    leaf = world.leaf()
    found = world.verify(leaf, sct_list=sct_list(world.sct(EC_KEYS[0], leaf=leaf), world.sct(EC_KEYS[1])))
    assert [(one.valid, one.origin) for one in found] == [(True, "tls"), (False, "tls")]  # the second is the precert's


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "from the future": ({"when": time.time() + 3600}, "it is from the future"),
    "another version": ({"version": b"\x01"}, "it cannot be read: not a timestamp of version 1"),
    "another signature": ({"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"}, "its signature is wrong"),
    "no signature": ({"signature": b""}, "its signature is wrong"),
    "SHA-1": ({"algorithm": b"\x02\x03"}, "its signature is wrong"),
    "no hash": ({"algorithm": b"\x00\x03"}, "its signature is wrong"),
    "anonymous": ({"algorithm": b"\x04\x00"}, "its signature is wrong"),
    "RSA, of a key that is none": ({"algorithm": b"\x04\x01"}, "its signature is wrong"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_with_one(what, world):
    wrong, why = WRONG[what]
    (found,) = world.verify(world.logged(EC_KEYS[0], **wrong))
    assert (found.valid, found.why) == (False, why)


def test_a_timestamp_of_another_certificate(world):
    sct = world.sct(EC_KEYS[0], days=80)
    assert world.verify(world.leaf(sct))[0].why == "its signature is wrong"


@pytest.mark.parametrize(
    "raw", [b"", b"\x00", b"\x00\x00", b"\x00\x05\x00\x01x", b"\x00\x03\x00\x02x", b"\x00\x02\x00\x00"]
)
def test_lists_that_are_none(raw, world):
    found = world.verify(world.leaf(raw=raw), sct_list=raw)
    assert len(found) <= 2
    assert not any(one.valid for one in found)
    if raw != b"\x00\x00":
        assert all("cannot be read" in one.why for one in found)
        with pytest.raises(ValueError, match="sct_list"):
            world.server(world.leaf()).sct_list = raw


def test_mutations_are_never_valid(world):
    good = world.sct(EC_KEYS[0])
    leaf, chosen = world.leaf(), random.Random(6962)
    for _ in range(200):
        data = bytearray(good)
        data[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
        found = world.verify(world.leaf(bytes(data)))
        assert [one.valid for one in found] in ([False], [])
    for size in range(len(good)):
        assert not world.verify(leaf, sct_list=sct_list(good[:size] or b"x"))[0].valid


def test_many_are_not_all_looked_at(world):
    found = world.verify(world.leaf(*[world.sct(EC_KEYS[0])] * 200))
    assert len(found) == transparency.MOST


# Logs


@pytest.mark.parametrize(
    ("about", "why"),
    [
        ({"state": {"qualified": {"timestamp": "2020-01-01T00:00:00Z"}}}, ""),
        ({"state": {"readonly": {"timestamp": "2020-01-01T00:00:00Z"}}}, ""),
        ({"state": None}, ""),
        ({"state": {"pending": {"timestamp": "2020-01-01T00:00:00Z"}}}, "the log is pending"),
        ({"state": {"rejected": {"timestamp": "2020-01-01T00:00:00Z"}}}, "the log is rejected"),
        ({"state": {"retired": {"timestamp": "2020-01-01T00:00:00Z"}}}, "the log had been retired"),
        ({"state": {"retired": {"timestamp": "2999-01-01T00:00:00Z"}}}, ""),
        ({"state": {"retired": {}}}, "the log had been retired"),
        (
            {"temporal_interval": {"start_inclusive": "2020-01-01T00:00:00Z", "end_exclusive": "2999-01-01T00:00:00Z"}},
            "",
        ),
        (
            {"temporal_interval": {"start_inclusive": "2020-01-01T00:00:00Z", "end_exclusive": "2021-01-01T00:00:00Z"}},
            "the log takes no certificates that end then",
        ),
    ],
)
def test_states_of_logs(about, why, world):
    logs = CTLogs.from_json(listed([described(spki(EC_KEYS[0]), **about)]))
    (found,) = world.verify(world.logged(EC_KEYS[0]), logs=logs)
    assert (found.valid, found.why) == (not why, why)


def test_a_retired_log_counts_in_certificates_only(world):
    logs = CTLogs.from_json(
        listed([described(spki(EC_KEYS[0]), state={"retired": {"timestamp": "2999-01-01T00:00:00Z"}})])
    )
    leaf = world.leaf()
    (found,) = world.verify(leaf, logs=logs, sct_list=sct_list(world.sct(EC_KEYS[0], leaf=leaf)))
    assert found.why == "the log is retired"


def test_lists_of_logs():
    text = json.dumps(listed([described(spki(EC_KEYS[0]))], [], [described(spki(RSA_KEY), description="RSA")]))
    for form in (text, text.encode(), json.loads(text)):
        logs = CTLogs.from_json(form)
        assert [log.description for log in logs] == ["a log", "RSA"]
    assert len(CTLogs()) == 0
    assert not logs.is_stale()
    assert logs.is_stale(time.time() + 71 * DAY)
    tiled = listed([])
    tiled["operators"][0] |= {"tiled_logs": [described(spki(EC_KEYS[1]), submission_url="https://t.test/")]}
    assert len(CTLogs.from_json(tiled)) == 1
    ed = ed25519.Ed25519PrivateKey.generate()
    for wrong in (
        "", "[]", "{}", "nonsense", '{"operators": 5}', '{"operators": [5]}', '{"operators": [{"logs": [5]}]}',
        json.dumps(listed([described(b"rubbish")])),
        json.dumps(listed([described(spki(EC_KEYS[0]), log_id="AAAA")])),
        json.dumps(listed([described(spki(EC_KEYS[0]), key="!")])),
        json.dumps(listed([described(spki(ed))])),
        json.dumps(listed([], log_list_timestamp="yesterday")),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r".*"):
            CTLogs.from_json(wrong)


# A policy


@each_version
@pytest.mark.parametrize(
    ("keys", "days", "good"),
    [
        ((0, 1), 90, True),
        ((0,), 90, False),
        ((), 90, False),
        ((0, 0), 90, False),
        ((0, 1), 200, False),
        ((0, 1, 2), 200, True),
        ((0, 1), 179, True),
    ],
)
def test_how_many(keys, days, good, version, world):
    leaf = world.logged(*(EC_KEYS[n] for n in keys), days=days) if keys else world.leaf(days=days)
    pair = join(world.client(CTPolicy(LOGS), version), world.server(leaf)).shake()
    assert (pair.client.error is None) is good
    if not good:
        error = pair.client.error
        assert (type(error), error.verify_code) == (puretls.SSLCertVerificationError, 50)
        assert "certificate transparency" in error.verify_message
        assert pair.server.error.reason == "SSLV3_ALERT_CERTIFICATE_UNKNOWN"
    assert join(world.client(None, version), world.server(leaf)).shake().client.error is None


def test_of_how_many_operators(world):
    one = CTLogs.from_json(listed([described(spki(key)) for key in EC_KEYS]))
    leaf = world.logged(EC_KEYS[0], EC_KEYS[1])
    assert join(world.client(CTPolicy(one)), world.server(leaf)).shake().client.error.verify_code == 50
    join(world.client(CTPolicy(one, operators=1)), world.server(leaf)).ok()
    join(world.client(CTPolicy(LOGS, minimum=1)), world.server(world.logged(EC_KEYS[0]))).ok()
    join(world.client(CTPolicy(LOGS, minimum=0)), world.server(world.leaf())).ok()


def test_an_old_list_demands_nothing(world):
    old = (dt.datetime.now(dt.timezone.utc) - dt.timedelta(71)).isoformat()
    logs = CTLogs.from_json(listed([described(spki(EC_KEYS[0]))], log_list_timestamp=old))
    join(world.client(CTPolicy(logs)), world.server(world.leaf())).ok()


@each_version
def test_timestamps_of_the_handshake_count(version, world):
    leaf = world.leaf()
    server, client = world.server(leaf), world.client(CTPolicy(LOGS), version)
    server.sct_list = [world.sct(EC_KEYS[0], leaf=leaf), world.sct(EC_KEYS[1], leaf=leaf)]
    assert join(client, server).shake().client.error.verify_code == 50  # it has not asked
    client.request_sct = True
    pair = join(client, server).ok()
    assert pair.client.obj.sct_list == server.sct_list
    assert pair.server.obj.sct_list is None
    again = join(client, server, session=pair.client.obj.session).ok()
    assert (again.client.obj.session_reused, again.client.obj.sct_list) == (True, server.sct_list)  # as its certificate
    kept = client.load_session(pair.client.obj.session.to_bytes())
    again = join(client, server, session=kept).ok()
    assert (again.client.obj.session_reused, again.client.obj.sct_list) == (True, server.sct_list)


@each_version
def test_who_asks_gets_what_there_is(version, world, pki):
    client = client_of(puretls, pki)
    only(version, client)
    client.request_sct = True
    assert join(client, server_of(puretls, pki)).ok().client.obj.sct_list is None
    seen: list[Any] = []
    server = server_of(puretls, pki)
    server.sct_list = sct_list(world.sct(EC_KEYS[0]))
    client.verify_callback = lambda _obj, info: seen.append(info.sct_list)
    join(client, server).ok()
    assert seen == [server.sct_list]
    client.request_sct = False
    assert join(client, server).ok().client.obj.sct_list is None


@each_version
def test_a_context_that_sni_callback_chooses_sends_its_own(version, world, pki):
    first, chosen = server_of(puretls, pki), server_of(puretls, pki)
    first.sct_list, chosen.sct_list = sct_list(world.sct(EC_KEYS[0])), sct_list(world.sct(EC_KEYS[1]))
    first.sni_callback = lambda sslobj, _name, _context: setattr(sslobj, "context", chosen)
    client = client_of(puretls, pki)
    only(version, client)
    client.request_sct = True
    assert join(client, first).ok().client.obj.sct_list == chosen.sct_list


def test_a_session_belongs_to_the_policy_it_was_made_under(world):
    client, server = world.client(), world.server(world.leaf())
    session = join(client, server).ok().client.obj.session
    client.ct_policy = CTPolicy(LOGS)
    assert join(client, server, session=session).shake().client.error.verify_code == 50


def test_over_sockets_and_asyncio(world):
    good, bad = world.server(world.logged(EC_KEYS[0], EC_KEYS[1])), world.server(world.leaf())
    client = world.client(CTPolicy(LOGS))
    for server, fine in ((good, True), (bad, False)):
        ours, theirs = socket.socketpair()

        def serve(server: Any = server, theirs: Any = theirs) -> None:
            try:
                with server.wrap_socket(theirs, server_side=True) as tls:
                    tls.recv(1)
            except OSError:
                theirs.close()

        thread = threading.Thread(target=serve)
        thread.start()
        if fine:
            client.wrap_socket(ours, server_hostname="localhost").close()
        else:
            with pytest.raises(puretls.SSLCertVerificationError, match="transparency"):
                client.wrap_socket(ours, server_hostname="localhost")
        thread.join(PATIENCE)

    async def main() -> None:
        async with await puretls.asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=bad) as serving:
            port = serving.sockets[0].getsockname()[1]
            with pytest.raises(puretls.SSLCertVerificationError, match="transparency"):
                await puretls.asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_settings(pki):
    client, server = client_of(puretls, pki), server_of(puretls, pki)
    assert puretls.HAS_SCT
    assert (client.request_sct, server.sct_list, client.ct_policy) == (False, None, None)
    with pytest.raises(ValueError, match="SERVER"):
        server.request_sct = True
    with pytest.raises(ValueError, match="SERVER"):
        server.ct_policy = CTPolicy(LOGS)
    with pytest.raises(ValueError, match="CLIENT"):
        client.sct_list = sct_list(b"x")
    with pytest.raises(TypeError):
        client.ct_policy = LOGS
    with pytest.raises(TypeError):
        CTPolicy([])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        CTPolicy(LOGS, minimum=-1)
    policy = CTPolicy(LOGS, 3, operators=1)
    assert (policy.minimum, policy.operators, policy.logs) == (3, 1, LOGS)
    assert repr(policy) == "CTPolicy(<CTLogs of 5 logs>, minimum=3, operators=1)"
    with pytest.raises(TypeError):
        puretls.verify_scts(b"", b"", logs=[])  # type: ignore[arg-type]
    with pytest.raises(puretls.SSLError):
        puretls.verify_scts(b"rubbish", b"rubbish", logs=LOGS)


@each_version
def test_openssl_asks(version, world, tmp_path: Path):
    """`s_client -ct` asks, and says what it got."""
    need("openssl")
    leaf = world.leaf()
    server = world.server(leaf)
    only(version, server)
    server.sct_list = [world.sct(EC_KEYS[0], leaf=leaf)]
    (tmp_path / "ca.pem").write_text(world.root.pem)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        port = listener.getsockname()[1]
        logs = tmp_path / "logs"
        key = base64.b64encode(spki(EC_KEYS[0])).decode()
        logs.write_text(f"enabled_logs = one\n[one]\ndescription = A log\nkey = {key}\n")
        command = (
            "openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", tmp_path / "ca.pem", "-ct",
            "-ctlogfile", logs,
        )  # fmt: skip
        with running(tmp_path, *command, "-servername", "localhost") as program:
            sock = listener.accept()[0]
            sock.settimeout(PATIENCE)
            with server.wrap_socket(sock, server_side=True) as tls:
                tls.sendall(b"there\n")
                said = b""
                while b"there\n" not in said:
                    piece = program.recv(1)
                    assert piece, program.said()
                    said += piece
    assert b"SCTs present (1)" in said
    assert b"SCT validation status: valid" in said
    assert b"Signed Certificate Timestamp" in said
