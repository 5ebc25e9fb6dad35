"""verify_callback and set_cert_verify_callback(): who is asked, when, and what follows from each answer.

A judge can only refuse.  What would be a hole: to be asked before the peer has proven who it is, not to be asked when a
session is resumed, and an answer or an exception that lets somebody in by mistake.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

import puretls
import puretls.asyncio
from puretls._base import registry
from puretls._x509.codes import VERDICTS
from support.bios import ObjectPair, join
from support.both import V12, V13, client_of, only, server_of

each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
each_role = pytest.mark.parametrize("role", ["client", "server"])
each_hook = pytest.mark.parametrize("hook", ["verify_callback", "set_cert_verify_callback"])
STATIC_RSA, PSK = "AES128-GCM-SHA256", "PSK-AES128-GCM-SHA256"


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """What was reported to sys.unraisablehook."""
    seen: list[type] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(args.exc_type))
    return seen


def contexts(pki: Any, version: Any = None) -> dict[str, Any]:
    """A client and a server who verify each other."""
    made = {"client": client_of(puretls, pki, identity="client"), "server": server_of(puretls, pki, asks=2)}
    if version is not None:
        only(version, *made.values())
    return made


def put(context: Any, hook: str, judge: Any) -> None:
    if hook == "verify_callback":
        context.verify_callback = judge
    else:
        context.set_cert_verify_callback(judge)


def joined(made: dict[str, Any], session: Any = None) -> ObjectPair:
    return join(made["client"], made["server"], session=session)


def sides(pair: ObjectPair, role: str) -> tuple[Any, Any]:
    return (pair.client, pair.server) if role == "client" else (pair.server, pair.client)


class Judge:
    """Counts who comes by, and says what it was told to say."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.told: list[tuple[Any, Any]] = []

    def __call__(self, sslobj: Any, about: Any) -> Any:
        self.told.append((sslobj, about))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, BaseException):
            raise answer
        return answer


# What it is told


@each_version
@each_role
def test_what_it_is_told(pki, version, role):
    made, judge = contexts(pki, version), Judge()
    made[role].verify_callback = judge
    pair = joined(made).ok()
    mine, _ = sides(pair, role)
    ((sslobj, info),) = judge.told
    assert sslobj is mine.obj
    assert type(info) is puretls.VerifyInfo
    assert info.chain == mine.obj.get_unverified_chain()
    assert info.path == mine.obj.get_verified_chain()
    assert info.server_hostname == ("localhost" if role == "client" else None)
    assert info.purpose is (puretls.Purpose.SERVER_AUTH if role == "client" else puretls.Purpose.CLIENT_AUTH)
    assert (info.resumed, info.ocsp_response, info.sct_list, info.raw_public_key) == (False, None, None, None)
    assert made[role].verify_callback is judge
    made[role].verify_callback = None
    joined(made).ok()
    assert len(judge.told) == 1


@each_version
@each_role
def test_it_is_told_of_whom_nothing_was_verified(pki, version, role):
    made, judge = contexts(pki, version), Judge()
    made[role].check_hostname, made[role].verify_mode = False, puretls.CERT_NONE
    made[role].verify_callback = judge
    joined(made).ok()
    ((_, info),) = judge.told
    assert info.path is None
    assert len(info.chain) == (role == "client") * 2  # the server has not asked for any


@each_version
@each_role
def test_the_chain_in_place_of_path_building(pki, version, role):
    made, judge = contexts(pki, version), Judge()
    made[role]._settings.store = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)._settings.store  # trusts nobody
    made[role].set_cert_verify_callback(judge)
    pair = joined(made).ok()
    mine, _ = sides(pair, role)
    ((sslobj, ders),) = judge.told
    assert sslobj is mine.obj
    assert ders == mine.obj.get_unverified_chain() == mine.obj.get_verified_chain()
    assert mine.obj.getpeercert()["subject"]  # it counts as verified
    made[role].set_cert_verify_callback(None)
    pair = joined(made).shake()
    assert sides(pair, role)[0].error.verify_code in (19, 20)


@each_hook
@each_version
@each_role
def test_what_the_connection_says_meanwhile(pki, hook, version, role):
    """The certificate and its chains are there, verified or not yet; after a refusal they are not."""
    made, said = contexts(pki, version), []

    def judge(sslobj: Any, _about: Any) -> Any:
        said.append((sslobj.getpeercert(True), sslobj.getpeercert(), sslobj.get_unverified_chain()))
        return None if len(said) == 1 else puretls.ALERT_DESCRIPTION_ACCESS_DENIED

    put(made[role], hook, judge)
    mine, _ = sides(joined(made).ok(), role)
    ((binary, described, chain),) = said
    assert binary == chain[0] == mine.obj.getpeercert(True)
    assert described == (mine.obj.getpeercert() if hook == "verify_callback" else {})
    mine, _ = sides(joined(made).shake(), role)
    assert len(said) == 2
    with pytest.raises(ValueError, match="not done"):
        mine.obj.getpeercert()


# When it is asked


@each_version
@pytest.mark.parametrize("mode", [puretls.CERT_NONE, puretls.CERT_OPTIONAL])
def test_a_client_without_a_certificate_has_none_meanwhile(pki, version, mode):
    """To ask for it is no error in the function, which would refuse everybody."""
    server, said = server_of(puretls, pki, asks=mode), []

    def judge(sslobj: Any, _about: Any) -> None:
        said.append((sslobj.getpeercert(), sslobj.getpeercert(True), sslobj.get_unverified_chain()))

    server.verify_callback = judge
    client = client_of(puretls, pki)
    only(version, client)
    join(client, server).ok()
    assert said == [(None, None, [])]


def messages(made: dict[str, Any], role: str, found: list[Any]) -> None:
    """Note each message that `role` writes or reads."""
    made[role]._msg_callback = lambda _conn, way, _version, _kind, message, _data: found.append((way, message))


@each_hook
@each_version
@pytest.mark.parametrize("resumed", [False, True])
def test_clients_ask_before_they_finish(pki, hook, version, resumed):
    made, seen = contexts(pki, version), []
    put(made["client"], hook, lambda *_: seen.append("asked"))
    session = joined(made).ok().client.obj.session if resumed else None
    seen.clear()
    messages(made, "client", seen)
    pair = joined(made, session).ok()
    assert pair.client.obj.session_reused is resumed
    asked = seen.index("asked")
    finished = ("write", puretls._TLSMessageType.FINISHED)
    assert seen.count("asked") == 1
    assert seen.index(finished) > asked
    own = ("write", puretls._TLSMessageType.CERTIFICATE)  # nor have they said who they are
    assert resumed or seen.index(own) > asked
    proof = "CERTIFICATE_VERIFY" if version is V13 else "SERVER_KEY_EXCHANGE"
    assert resumed or ("read", puretls._TLSMessageType[proof]) in seen[:asked]


@each_hook
@each_version
@pytest.mark.parametrize("resumed", [False, True])
def test_servers_ask_when_the_client_has_finished(pki, hook, version, resumed):
    made, seen = contexts(pki, version), []
    put(made["server"], hook, lambda *_: seen.append("asked"))
    session = joined(made).ok().client.obj.session if resumed else None
    seen.clear()
    messages(made, "server", seen)
    pair = joined(made, session).ok()
    assert pair.server.obj.session_reused is resumed
    asked = seen.index("asked")
    assert seen.count("asked") == 1
    assert ("read", puretls._TLSMessageType.FINISHED) in seen[:asked]
    ticket = ("write", puretls._TLSMessageType.NEWSESSION_TICKET)
    assert ticket not in seen[:asked]


class Liar:
    """A key that is not the certificate's: its signatures are somebody else's."""

    def __init__(self, pki: Any, identity: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        self.public_key = load_pem_private_key(pki.key(identity).read_bytes(), None).public_key
        self.sign = ec.generate_private_key(ec.SECP256R1()).sign


@each_hook
@each_version
@each_role
def test_an_impostor_gets_no_hearing(pki, hook, version, role):
    made, judge = contexts(pki, version), Judge()
    other = "server" if role == "client" else "client"
    identity = "P-256" if other == "server" else "client"
    made[other].check_own_signatures = False
    made[other].load_cert_chain(pki.chain(identity), Liar(pki, identity))
    put(made[role], hook, judge)
    pair = joined(made).shake()
    assert sides(pair, role)[0].error.reason == "BAD_SIGNATURE"
    assert not judge.told


@pytest.mark.parametrize("hook", ["verify_callback", "set_cert_verify_callback"])
def test_rsa_key_exchange_proves_with_finished(pki, hook):
    made, seen = contexts(pki, V12), []
    made["server"].load_cert_chain(pki.chain("RSA"), pki.key("RSA"))
    for context in made.values():
        context.set_ciphers(STATIC_RSA)
    put(made["client"], hook, lambda *_: seen.append("asked"))
    messages(made, "client", seen)
    joined(made).ok()
    assert ("read", puretls._TLSMessageType.FINISHED) in seen[: seen.index("asked")]


@each_version
@each_role
def test_pre_shared_keys_are_no_way_around(pki, version, role):
    made, judge = contexts(pki, version), Judge(puretls.ALERT_DESCRIPTION_ACCESS_DENIED)
    made["client"].set_psk_client_callback(lambda _hint: ("me", b"k" * 32))
    made["server"].set_psk_server_callback(lambda _name: b"k" * 32)
    made["server"].verify_mode = puretls.CERT_NONE
    for context in made.values():
        context.set_ciphers(PSK)
    made[role].verify_callback = judge
    pair = joined(made).shake()
    ((_, info),) = judge.told
    assert info.chain == []
    assert sides(pair, role)[0].error.reason == "CALLBACK_FAILED"


@pytest.mark.parametrize("hook", ["verify_callback", "set_cert_verify_callback"])
def test_a_client_without_a_certificate_has_no_chain_to_judge(pki, hook):
    made, judge = contexts(pki, V13), Judge()
    made["client"] = client_of(puretls, pki)
    made["server"].verify_mode = puretls.CERT_OPTIONAL
    put(made["server"], hook, judge)
    joined(made).ok()
    assert [about.chain for _, about in judge.told] == ([[]] if hook == "verify_callback" else [])


# What it says

ALERTS = sorted(registry.ALERTS)
WARNINGS = {0, 90, 100}


def alert_of(pair: ObjectPair, role: str) -> Any:
    """What the other side has been told."""
    return sides(pair, role)[1].error.reason


@each_hook
@each_version
@each_role
@pytest.mark.parametrize("number", ALERTS)
def test_numbers_of_alerts(pki, hook, version, role, number, unraisable):
    made, judge = contexts(pki, version), Judge(number)
    put(made[role], hook, judge)
    sent: list[int] = []
    made[role]._msg_callback = lambda _c, way, _v, kind, _m, data: (
        sent.append(data[1]) if way == "write" and kind == registry.ALERT else None
    )
    pair = joined(made).shake()
    mine, _ = sides(pair, role)
    assert not mine.done
    assert mine.error.reason == "CALLBACK_FAILED"
    assert sent == [registry.INTERNAL_ERROR if number in WARNINGS else number]
    assert unraisable == ([TypeError] if number in WARNINGS else [])


@each_hook
@each_role
@pytest.mark.parametrize("answer", [True, False, 0, 1, 300, -1, 42.0, "42", b"", [], object], ids=repr)
def test_what_is_no_answer(pki, hook, role, answer, unraisable):
    made = contexts(pki, V13)
    put(made[role], hook, Judge(answer))
    pair = joined(made).shake()
    mine, other = sides(pair, role)
    assert not mine.done
    assert mine.error.reason == "CALLBACK_FAILED"
    assert other.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert unraisable == [TypeError]


class Odd(Exception):
    pass


@each_hook
@each_version
@each_role
@pytest.mark.parametrize(
    "error", [Odd(), ValueError("x"), OSError(5, "x"), puretls.SSLError(1, "x"), RecursionError(), KeyboardInterrupt()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_exceptions(pki, hook, version, role, error, unraisable):
    made = contexts(pki, version)
    put(made[role], hook, Judge(error))
    pair = joined(made).shake()
    mine, other = sides(pair, role)
    assert not mine.done
    assert type(mine.error) is puretls.SSLError
    assert mine.error.reason == "CALLBACK_FAILED"
    assert mine.error.__cause__ is error
    assert other.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert unraisable == [type(error)]


@pytest.mark.parametrize("which", ["verify_callback", "set_cert_verify_callback", "alpn", "ocsp_response"])
def test_a_generator_that_was_closed_within_a_callback_is_an_error_like_any_other(pki, which, unraisable):
    """GeneratorExit of the program does not pass for the end of a generator of ours."""
    client, server = client_of(puretls, pki), server_of(puretls, pki)

    def callback(*_: Any) -> Any:
        raise GeneratorExit

    if which == "alpn":
        client.set_alpn_protocols(["h2"])
        server.set_alpn_select_callback(callback)
    elif which == "ocsp_response":
        client.request_ocsp, server.ocsp_response = True, callback
    elif which == "verify_callback":
        client.verify_callback = callback
    else:
        client.set_cert_verify_callback(callback)
    pair = join(client, server).shake()
    mine, other = (pair.client, pair.server) if "verify" in which else (pair.server, pair.client)
    assert mine.error.reason == ("NO_APPLICATION_PROTOCOL" if which == "alpn" else "CALLBACK_FAILED")
    assert "ALERT" in other.error.reason
    assert unraisable == ([] if which == "alpn" else [RuntimeError])


def verification_error(code: Any = None, message: Any = None) -> Any:
    error: Any = puretls.SSLCertVerificationError(1, "of my own")
    if code is not None:
        error.verify_code = code
    if message is not None:
        error.verify_message = message
    return error


@each_hook
@each_role
@pytest.mark.parametrize("code", [None, 0, *VERDICTS, 999])
def test_errors_of_verification(pki, hook, role, code, unraisable):
    made = contexts(pki, V13)
    put(made[role], hook, Judge(verification_error(code)))
    sent: list[int] = []
    made[role]._msg_callback = lambda _c, way, _v, kind, _m, data: (
        sent.append(data[1]) if way == "write" and kind == registry.ALERT else None
    )
    mine, _ = sides(joined(made).shake(), role)
    assert not mine.done
    assert type(mine.error) is puretls.SSLCertVerificationError
    assert mine.error.verify_code == (code or 50)
    assert mine.error.verify_message == "of my own"
    assert sent == [VERDICTS.get(code or 50, ("", registry.CERTIFICATE_UNKNOWN))[1]]
    assert unraisable == []


def test_the_message_of_a_verification_error(pki):
    made = contexts(pki)
    made["client"].verify_callback = Judge(verification_error(23, "not any more"))
    error: Any = joined(made).shake().client.error
    assert (error.verify_code, error.verify_message, error.reason) == (23, "not any more", "CERTIFICATE_VERIFY_FAILED")
    assert "certificate verify failed: not any more" in str(error)


@each_role
def test_after_a_refusal_everything_raises(pki, role):
    made = contexts(pki, V13)
    made[role].verify_callback = Judge(verification_error(23))
    mine, _ = sides(joined(made).shake(), role)
    for operation in (mine.obj.do_handshake, mine.obj.read, lambda: mine.obj.write(b"x")):
        with pytest.raises(puretls.SSLCertVerificationError):
            operation()
    assert made[role].verify_callback.told
    assert len(made[role].verify_callback.told) == 1


# What is built in stays


@each_hook
@each_version
def test_the_name_is_checked_by_us(pki, hook, version):
    made, judge = contexts(pki, version), Judge()
    put(made["client"], hook, judge)
    pair = join(made["client"], made["server"], host="elsewhere.example").shake()
    assert pair.client.error.verify_code == 62
    assert not judge.told


@each_role
def test_a_callback_never_lets_in_whom_we_refuse(pki, role):
    made, judge = contexts(pki, V13), Judge()
    made[role]._settings.store = puretls.SSLContext(puretls.PROTOCOL_TLS_CLIENT)._settings.store
    made[role].verify_callback = judge
    assert sides(joined(made).shake(), role)[0].error.verify_code in (19, 20)
    assert not judge.told


def test_settings_that_contradict_each_other():
    context = puretls.SSLContext(puretls.PROTOCOL_TLS_SERVER)
    with pytest.raises(ValueError, match="verify_mode"):
        context.set_cert_verify_callback(lambda *_: None)
    context.verify_mode = puretls.CERT_OPTIONAL
    context.set_cert_verify_callback(lambda *_: None)
    with pytest.raises(ValueError, match="CERT_NONE"):
        context.verify_mode = puretls.CERT_NONE
    assert context.verify_mode is puretls.CERT_OPTIONAL
    context.set_cert_verify_callback(None)
    context.verify_mode = puretls.CERT_NONE
    for wrong in (1, "f", object()):
        with pytest.raises(TypeError):
            context.verify_callback = wrong
        with pytest.raises(TypeError):
            context.set_cert_verify_callback(wrong)
    assert puretls.HAS_VERIFY_CALLBACK


def test_a_demand_for_ocsp_cannot_be_met_without_an_issuer(pki):
    made = contexts(pki, V13)
    made["client"].request_ocsp, made["client"].ocsp_policy = True, puretls.OCSPPolicy.REQUIRE
    made["client"].set_cert_verify_callback(Judge())
    assert joined(made).shake().client.error.verify_code == 73


# Sessions


@each_hook
@each_version
@each_role
def test_resumption_asks_again(pki, hook, version, role):
    made, judge = contexts(pki, version), Judge()
    put(made[role], hook, judge)
    session = joined(made).ok().client.obj.session
    pair = joined(made, session).ok()
    assert pair.client.obj.session_reused
    assert len(judge.told) == 2
    about = judge.told[1][1]
    if hook == "verify_callback":
        assert about.resumed
        about = about.chain
    assert about == sides(pair, role)[0].obj.get_unverified_chain()
    session = pair.client.obj.session
    judge.answers.append(puretls.ALERT_DESCRIPTION_ACCESS_DENIED)
    pair = joined(made, session).shake()
    mine, other = sides(pair, role)
    assert not mine.done
    assert (mine.error.reason, other.error.reason) == ("CALLBACK_FAILED", "TLSV1_ALERT_ACCESS_DENIED")


@each_version
@each_role
@pytest.mark.parametrize("before", [None, "verify_callback", "set_cert_verify_callback"])
@pytest.mark.parametrize("after", [None, "verify_callback", "set_cert_verify_callback"])
def test_a_session_belongs_to_the_function_it_was_made_under(pki, version, role, before, after):
    made = contexts(pki, version)
    if before:
        put(made[role], before, Judge())
    session = joined(made).ok().client.obj.session
    made[role].verify_callback = None
    made[role].set_cert_verify_callback(None)
    judge = Judge(puretls.ALERT_DESCRIPTION_ACCESS_DENIED)
    if after:
        put(made[role], after, judge)
    pair = joined(made, session).shake()
    if after:
        assert len(judge.told) == 1
        assert not sides(pair, role)[0].done
    else:
        assert pair.client.obj.session_reused is (before is None)


# Switches, post-handshake authentication


@each_hook
@each_version
def test_the_chosen_context_brings_its_judge_with_its_policy(pki, hook, version):
    made, first, chosen = contexts(pki, version), Judge(), Judge(puretls.ALERT_DESCRIPTION_ACCESS_DENIED)
    other = server_of(puretls, pki, asks=2)
    put(made["server"], hook, first)
    put(other, hook, chosen)
    made["server"].sni_callback = lambda sslobj, *_: setattr(sslobj, "context", other)
    pair = joined(made).shake()
    assert pair.server.error.reason == "CALLBACK_FAILED"
    assert (len(first.told), len(chosen.told)) == (0, 1)


@each_hook
def test_a_context_that_demands_less_leaves_the_judge_with_the_policy(pki, hook):
    made, first = contexts(pki, V13), Judge(puretls.ALERT_DESCRIPTION_ACCESS_DENIED)
    put(made["server"], hook, first)
    other = server_of(puretls, pki)
    made["server"].sni_callback = lambda sslobj, *_: setattr(sslobj, "context", other)
    assert joined(made).shake().server.error.reason == "CALLBACK_FAILED"


@each_hook
@pytest.mark.parametrize("refuses", [False, True])
def test_post_handshake_authentication(pki, hook, refuses):
    made, judge = contexts(pki, V13), Judge()
    for context in made.values():
        context.post_handshake_auth = True
    put(made["server"], hook, judge)
    pair = joined(made).ok()
    assert [about.chain for _, about in judge.told] == ([[]] if hook == "verify_callback" else [])
    judge.told.clear()
    judge.answers[:] = [puretls.ALERT_DESCRIPTION_ACCESS_DENIED] if refuses else []
    pair.server.obj.verify_client_post_handshake()
    pair.server.obj.write(b"?")
    pair.move()
    assert pair.client.read() == b"?"
    pair.client.obj.write(b"!")
    pair.move()
    assert pair.server.read() == (b"" if refuses else b"!")
    ((sslobj, about),) = judge.told
    assert sslobj is pair.server.obj
    if refuses:
        assert pair.server.error.reason == "CALLBACK_FAILED"
        assert pair.server.obj.getpeercert(True) is None
        pair.move()
        pair.client.read()
        assert pair.client.error.reason == "TLSV1_ALERT_ACCESS_DENIED"
    else:
        assert pair.server.obj.getpeercert()["subject"]
        if hook == "verify_callback":
            assert about.chain == pair.server.obj.get_unverified_chain()
            assert not about.resumed


@each_role
def test_after_a_hello_retry_request(pki, role):
    made, judge = contexts(pki, V13), Judge()
    made["client"].set_groups("*X25519:P-384")
    made["server"].set_groups("P-384")
    made[role].verify_callback = judge
    joined(made).ok()
    assert len(judge.told) == 1


# Transports, and answers that come later


def shaken(made: dict[str, Any]) -> dict[str, Any]:
    """What a handshake over sockets raises on either side."""
    near, far = socket.socketpair()
    errors: dict[str, Any] = {"client": None, "server": None}

    def serve() -> None:
        try:
            with made["server"].wrap_socket(far, server_side=True) as conn:
                conn.sendall(conn.recv(1))
        except OSError as error:
            errors["server"] = error

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with made["client"].wrap_socket(near, server_hostname="localhost") as conn:
            conn.sendall(b"x")
            assert conn.recv(1) == b"x"
    except OSError as error:
        errors["client"] = error
    thread.join()
    return errors


@each_hook
@each_version
@each_role
@pytest.mark.parametrize("later", [False, True])
def test_sockets(pki, hook, version, role, later):
    made = contexts(pki, version)
    with ThreadPoolExecutor(1) as pool:
        answers = [None, puretls.ALERT_DESCRIPTION_ACCESS_DENIED]
        judge = Judge(*(pool.submit(lambda one=one: one) if later else one for one in answers))
        put(made[role], hook, judge)
        assert shaken(made) == {"client": None, "server": None}
        error = shaken(made)[role]
    assert error.reason == "CALLBACK_FAILED"
    assert [type(sslobj) for sslobj, _ in judge.told] == [puretls.SSLSocket] * 2


@each_hook
@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("refuses", [False, True])
def test_post_handshake_authentication_over_sockets(pki, hook, later, refuses):
    made, near_far = contexts(pki, V13), socket.socketpair()
    for context in made.values():
        context.post_handshake_auth = True
    answers: list[Any] = [puretls.ALERT_DESCRIPTION_ACCESS_DENIED] if refuses else [None]
    with ThreadPoolExecutor(1) as pool:

        def judge(_sslobj: Any, about: Any) -> Any:
            if not (about if hook != "verify_callback" else about.chain):
                return None  # at the end of the handshake
            return pool.submit(answers.pop, 0) if later else answers.pop(0)

        put(made["server"], hook, judge)
        found: list[Any] = []

        def serve() -> None:
            with made["server"].wrap_socket(near_far[1], server_side=True) as conn:
                found.append(conn.getpeercert(True))
                conn.verify_client_post_handshake()
                try:
                    conn.sendall(b"?")
                    found.append(conn.recv(1))
                    found.append(conn.getpeercert(True) is not None)
                except puretls.SSLError as error:
                    found.append(error.reason)

        thread = threading.Thread(target=serve)
        thread.start()
        with made["client"].wrap_socket(near_far[0], server_hostname="localhost") as conn:
            assert conn.recv(1) == b"?"
            with suppress(OSError):  # the server may have refused us by now
                conn.sendall(b"!")
            thread.join()
    assert found == [None, *(["CALLBACK_FAILED"] if refuses else [b"!", True])]


@each_hook
@each_role
def test_an_exception_that_comes_later(pki, hook, role, unraisable):
    made, promised = contexts(pki, V13), Future()
    promised.set_exception(error := Odd())
    put(made[role], hook, Judge(promised))
    mine, other = sides(joined(made).shake(), role)
    assert (mine.error.reason, mine.error.__cause__) == ("CALLBACK_FAILED", error)
    assert other.error.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert unraisable == [Odd]


@each_hook
@each_role
def test_what_nobody_can_await(pki, hook, role):
    async def judge(*_: Any) -> None:
        pass

    made = contexts(pki, V13)
    put(made[role], hook, judge)
    mine, _ = sides(joined(made).shake(), role)
    assert type(mine.error) is RuntimeError
    with pytest.raises(puretls.SSLError):
        mine.obj.read()


@each_role
def test_an_object_with_a_waker(pki, role):
    made, promised, woken = contexts(pki, V13), Future(), []
    made[role].verify_callback = Judge(promised)
    pair = joined(made)
    mine, _ = sides(pair, role)
    mine.obj.set_waker(lambda: woken.append(1))
    pair.shake()
    assert not mine.done
    assert mine.error is None
    promised.set_result(None)
    assert woken == [1]
    pair.ok()


@each_hook
@each_version
@each_role
@pytest.mark.parametrize("refuses", [False, True])
def test_asyncio(pki, hook, version, role, refuses):
    made = contexts(pki, version)

    async def judge(_sslobj: Any, _about: Any) -> Any:
        await asyncio.sleep(0)
        return puretls.ALERT_DESCRIPTION_ACCESS_DENIED if refuses else None

    put(made[role], hook, judge)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(4))
        writer.close()

    async def work() -> bytes:
        async with await puretls.asyncio.start_server(answer, "127.0.0.1", 0, ssl=made["server"]) as server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await puretls.asyncio.open_connection("localhost", port, ssl=made["client"])
            writer.write(b"data")
            try:
                return await reader.read()
            finally:
                writer.close()

    if refuses:
        with pytest.raises(OSError):  # the client's own, or the alert of the server
            asyncio.run(work())
    else:
        assert asyncio.run(work()) == b"data"
