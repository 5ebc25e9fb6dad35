"""Rows of the table of features: whom to trust, and by what."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from cryptography import x509

import puretls
from puretls import CRLite, CTPolicy, OCSPPolicy
from support import filters as crlite
from support.encounters import Encounter
from support.logged import EC_KEYS, LOGS, LoggedCertificates
from support.repositories import PublishedChain, Unpublished
from support.stages import ASKED, CLIENT, SERVER, Feature, Prepare, Refused, Stage, both, nothing
from support.staples import REVOKED, UNKNOWN, response

DENIED = puretls.ALERT_DESCRIPTION_ACCESS_DENIED
BAD, IS_REVOKED = "SSLV3_ALERT_BAD_CERTIFICATE", "SSLV3_ALERT_CERTIFICATE_REVOKED"
BEYOND = "SSLV3_ALERT_CERTIFICATE_UNKNOWN"
YESTERYEAR = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)


# Judges


def judged(hook: str, answer: Any = None, *, late: bool = False) -> Prepare:
    def prepare(stage: Stage) -> None:
        def judge(sslobj: Any, about: Any) -> Any:
            stage.told.append((sslobj, about, sslobj.getpeercert(True)))
            chain = about.chain if hook == "verify_callback" else about
            said = answer if chain else None  # before it is asked, a client has none
            if isinstance(said, Exception):
                raise said
            return stage.later(lambda: said) if late else said

        if hook == "verify_callback":
            stage.own.verify_callback = judge
        else:
            stage.own.set_cert_verify_callback(judge)

    return prepare


def judged_well(stage: Stage, met: Encounter) -> None:
    mine, _ = both(met, stage.role)
    owner, about, certificate = stage.told[-1]
    assert owner is mine
    assert certificate == mine.getpeercert(True) is not None
    chain = about if isinstance(about, list) else about.chain
    assert chain[0] == certificate
    if isinstance(about, puretls.VerifyInfo):
        assert about.resumed == met.resumed
        assert about.path == mine.get_verified_chain()
    asked = stage.role == SERVER and stage.circumstance == ASKED and isinstance(about, puretls.VerifyInfo)
    assert len(stage.told) == stage.meetings + asked  # at the end of the handshake there was no certificate yet


def judge_of(hook: str) -> Feature:
    wrong = puretls.SSLCertVerificationError("it has been revoked")
    wrong.verify_code = 23
    return Feature(
        (CLIENT, SERVER),
        judged(hook),
        judged_well,
        {
            "an alert": Refused(judged(hook, DENIED), "CALLBACK_FAILED", "TLSV1_ALERT_ACCESS_DENIED"),
            "an alert that comes later": Refused(
                judged(hook, DENIED, late=True), "CALLBACK_FAILED", "TLSV1_ALERT_ACCESS_DENIED"
            ),
            "an error": Refused(judged(hook, wrong), 23, IS_REVOKED),
            "another exception": Refused(
                judged(hook, LookupError("no")), "CALLBACK_FAILED", "TLSV1_ALERT_INTERNAL_ERROR"
            ),
            "a wrong answer": Refused(judged(hook, True), "CALLBACK_FAILED", "TLSV1_ALERT_INTERNAL_ERROR"),
        },
    )


# Trust


def anchored(**limits: Any) -> Prepare:
    return lambda stage: stage.own.add_trust_anchor(stage.pki.ca, **limits)


UNKNOWN_CERTIFICATE = BEYOND


def alone(stage: Stage) -> None:
    """The other side shows its leaf without an issuer."""
    identity = stage.pki.identity(stage.other_name)
    stage.other.load_cert_chain([identity.certificate], identity.key)


def loaded(stage: Stage) -> None:
    alone(stage)
    stage.own.load_intermediates(cadata=stage.pki.issuer.certificate)


def published(stage: Stage, *, page: bytes | None = None) -> None:
    world = PublishedChain(Unpublished())
    pages = {world.web.url(path.strip("/")): der for path, der in world.web.pages.items()}
    stage.client.load_verify_locations(cadata=world.root.der)

    def fetch(url: str) -> Any:
        stage.told.append(url)
        return stage.later(lambda: pages[url] if page is None else page)

    stage.client.aia = fetch
    stage.server.load_cert_chain(world.leaf.pem, world.leaf.key_pem)


def fetched(stage: Stage, met: Encounter) -> None:
    assert len(stage.told) == 2
    assert len(met.client.get_verified_chain()) == 4


def of_the_web(stage: Stage) -> None:
    stage.client.verify_profile = "webpki"


def valid_for_years(stage: Stage) -> None:
    """Valid for longer than the Baseline Requirements allow."""
    stage.server.load_cert_chain(stage.pki.chain("years"), stage.pki.key("years"))
    of_the_web(stage)


# Status


def asking(policy: OCSPPolicy, staple: Callable[[Stage], Any]) -> Prepare:
    def prepare(stage: Stage) -> None:
        stage.client.request_ocsp, stage.client.ocsp_policy = True, policy
        stage.server.ocsp_response = staple(stage)

    return prepare


def stapled(stage: Stage, met: Encounter) -> None:
    assert met.client.ocsp_response
    assert met.server.ocsp_response is None
    assert puretls.verify_ocsp_response(
        met.client.ocsp_response, met.client.getpeercert(True), stage.pki.issuer.certificate
    ).status == "good"  # fmt: skip


def must_staple(stage: Stage) -> None:
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    demanding = crlite.stamped(stage.pki, feature, logged=False)
    stage.server.load_cert_chain([demanding, stage.pki.issuer.certificate], stage.pki.identity("P-256").key)
    stage.client.request_ocsp = True


def logged(*keys: Any) -> Prepare:
    def prepare(stage: Stage) -> None:
        world = LoggedCertificates()
        leaf = world.leaf()
        scts = [world.sct(key, leaf=leaf) for key in keys]
        stage.client.load_verify_locations(cadata=world.root.der)
        stage.client.request_sct = True
        stage.client.ct_policy = CTPolicy(LOGS)
        stage.server.load_cert_chain(leaf.pem, leaf.key_pem)
        stage.server.sct_list = scts

    return prepare


def timestamped(_stage: Stage, met: Encounter) -> None:
    assert met.client.sct_list
    assert met.server.sct_list is None


def filtered(numbers: list[bytes]) -> Prepare:
    def prepare(stage: Stage) -> None:
        chain = [crlite.stamped(stage.pki), stage.pki.issuer.certificate]
        stage.server.load_cert_chain(chain, stage.pki.identity("P-256").key)
        stage.client.crlite = CRLite(crlite.filters(stage.folder / "filters", stage.pki, numbers))

    return prepare


BAD_STATUS = "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE"
UNTRUSTED = Refused(alone, 20, "TLSV1_ALERT_UNKNOWN_CA")

TRUST: dict[str, Feature] = {
    "verify_callback": judge_of("verify_callback"),
    "set_cert_verify_callback": judge_of("set_cert_verify_callback"),
    "add_trust_anchor": Feature(
        (CLIENT, SERVER),
        anchored(permitted=["localhost", "127.0.0.0/8"], accept=lambda path: len(path) == 3),
        nothing,
        {
            "a name that is not permitted": Refused(anchored(permitted=["example.org"]), 47, BEYOND),
            "a name that is excluded": Refused(anchored(excluded=["localhost"]), 48, BEYOND),
            "too new": Refused(anchored(distrust_after=YESTERYEAR), 28, BAD),
            "not accepted": Refused(anchored(accept=lambda _: False), 28, BAD),
        },
        trusts=False,
    ),
    "load_intermediates": Feature((CLIENT, SERVER), loaded, nothing, {"without": UNTRUSTED}),
    "aia": Feature(
        (CLIENT,),
        published,
        fetched,
        {"nothing there": Refused(lambda stage: published(stage, page=b"no"), 20, "TLSV1_ALERT_UNKNOWN_CA")},
    ),
    "verify_profile": Feature(
        (CLIENT,),
        of_the_web,
        nothing,
        {"valid for too long": Refused(valid_for_years, 28, BAD)},
    ),
    "request_ocsp": Feature(
        (CLIENT,),
        asking(OCSPPolicy.REQUIRE, lambda stage: response(stage.pki)),
        stapled,
        {
            "revoked": Refused(
                asking(OCSPPolicy.CHECK, lambda stage: response(stage.pki, REVOKED)), 23, IS_REVOKED
            ),
            "none": Refused(asking(OCSPPolicy.REQUIRE, lambda _: None), 73, BAD_STATUS),
            "stale": Refused(asking(OCSPPolicy.REQUIRE, lambda stage: response(stage.pki, days=-1)), 74, BAD_STATUS),
            "unknown": Refused(asking(OCSPPolicy.REQUIRE, lambda stage: response(stage.pki, UNKNOWN)), 75, BAD_STATUS),
            "none where the certificate demands it": Refused(must_staple, 73, BAD_STATUS),
        },
    ),
    "ocsp_response, a function": Feature(
        (SERVER,), asking(OCSPPolicy.REQUIRE, lambda stage: lambda _: response(stage.pki)), stapled
    ),
    "ocsp_response, later": Feature(
        (SERVER,),
        asking(OCSPPolicy.REQUIRE, lambda stage: lambda _: stage.later(lambda: response(stage.pki))),
        stapled,
        {
            "no response": Refused(
                asking(OCSPPolicy.REQUIRE, lambda stage: lambda _: stage.later(lambda: b"rubbish")),
                "CALLBACK_FAILED", "TLSV1_ALERT_INTERNAL_ERROR",
            )
        },
    ),
    "ct_policy": Feature(
        (CLIENT,),
        logged(*EC_KEYS[:2]),
        timestamped,
        {
            "one log of two": Refused(logged(EC_KEYS[0]), 50, BEYOND),
            "the same log twice": Refused(logged(EC_KEYS[0], EC_KEYS[0]), 50, BEYOND),
        },
    ),
    "crlite": Feature(
        (CLIENT,),
        filtered(crlite.ANOTHER),
        nothing,
        {"revoked": Refused(filtered(crlite.REVOKED), 23, IS_REVOKED)},
    ),
}  # fmt: skip
