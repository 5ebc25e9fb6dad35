"""The findings of `puretls scan`: one document for programs, and the same for people, the most important first.

The document has what the server has sent, unchanged; on a screen all foreign text is escaped.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from puretls import ECHConfig, SSLError, verify_chain
from puretls._analysis import names
from puretls._analysis.attacks import ATTACKS, verdicts
from puretls._analysis.clients import Client
from puretls._analysis.findings import Findings, Identity
from puretls._analysis.grade import GRADES, NO_ISSUER, Verdict
from puretls._analysis.old_clients import Described
from puretls._analysis.probe import Answer, Hello, Silence
from puretls._analysis.profiles import PROFILES, deviations
from puretls._analysis.suites import suite
from puretls._analysis.survey import VERSIONS
from puretls.cli import portrait
from puretls.cli.asking import Asker
from puretls.cli.ech_configs import described
from puretls.cli.render import Plain
from puretls.cli.report import timestamps
from puretls.cli.target import Target
from puretls.cli.text import printable
from puretls.cli.watched import ocsp, ocsp_line

SHOWN = 6  # names of suites beside a remark

HABITS = {
    "secure_renegotiation": "secure renegotiation",
    "extended_master_secret": "extended master secret",
    "encrypt_then_mac": "encrypt-then-MAC",
    "session_tickets": "session tickets before TLS 1.3",
    "heartbeat": "heartbeat",
    "compression": "compression",
    "ocsp_stapled": "OCSP response stapled",
    "client_certificate": "asks for a client certificate",
    "early_data": "takes early data",
    "fallback_refused": "refuses a fallback",
    "unknown_tolerated": "tolerates unknown values",
}


@dataclass
class Learnt:
    """Findings that are shown and not graded."""

    silent: dict[int, str] = field(default_factory=dict)  # versions that are not spoken, and what is said instead
    schemes: dict[int, list[str]] = field(default_factory=dict)
    protocols: list[str] | None = None
    compressions: list[str] | None = None  # of certificates
    ech: bytes = b""  # ECHConfigList
    raw_key: str | None = None  # the digest of one, as in a pin
    resumed: dict[int, str | None] = field(default_factory=dict)
    chains: list[tuple[bytes, ...]] = field(default_factory=list)
    staples: list[bytes | None] = field(default_factory=list)  # OCSP responses, one for each chain
    scts: list[bytes | None] = field(default_factory=list)  # timestamps in handshakes, one for each chain
    crlite: list[str | None] = field(default_factory=list)  # what Mozilla's filters say, one for each chain
    accepted: list[bool | None] = field(default_factory=list)  # by clients, one for each chain
    notes: list[str] = field(default_factory=list)
    clients: dict[Client | Described, Answer] = field(default_factory=dict)
    http: dict[str, Any] | None = None
    caa: list[str] | None = None


def identity(chain: tuple[bytes, ...]) -> Identity:
    """The facts of a chain for the grade; the caller adds the refusal."""
    facts = portrait.certificate(chain[0])
    kind, bits, digests = "", 0, []
    with suppress(*portrait.UNREADABLE):
        public: Any = portrait.load(chain[0]).public_key()
        bits = getattr(public, "key_size", 0) or 0
        name = type(public).__name__.removesuffix("PublicKey").lstrip("_")
        kind = {"EllipticCurve": "EC"}.get(name, name)
    for der in chain:
        with suppress(*portrait.UNREADABLE):
            one = portrait.load(der)
            its_own = portrait.issuer(one) == portrait.subject(one)  # a root's signature, which proves nothing
            if one.signature_hash_algorithm and not its_own:
                digests.append(one.signature_hash_algorithm.name)
    last = portrait.certificate(chain[-1])
    missing = "" if last["issuer"] == last["subject"] else printable(last["issuer"] or "", 80)
    key = facts["key"] or "unreadable"
    return Identity(key, kind, bits or 256, tuple(digests), days=facts["days_left"], missing=missing)


def document(
    where: Target, address: str | None, asker: Asker, found: Findings, learnt: Learnt, verdict: Verdict
) -> dict[str, Any]:
    """For JSON, and for `show`."""
    return {
        "host": where.host,
        "port": where.port,
        "address": address,
        "proxy": asker.proxy,
        "servername": asker.name,
        "starttls": asker.starttls,
        "grade": verdict.grade,
        "remarks": [{**remark._asdict(), "names": list(remark.names)} for remark in verdict.remarks],
        "certificates": [
            {
                **portrait.certificate(chain[0]),
                "accepted": accepted,
                "refusal": one.refusal or None,
                "code": one.code or None,
                "missing_issuer": one.missing if one.code in NO_ISSUER else None,
                "public_web": _public_web(chain),
                "ocsp": ocsp(staple, list(chain)),
                "crlite": crlite,
                "transparency": _logged(chain, scts),
                "chain": [portrait.certificate(der) for der in chain[1:]],
            }
            for chain, one, accepted, staple, scts, crlite in zip(
                learnt.chains,
                found.identities,
                learnt.accepted,
                learnt.staples,
                learnt.scts,
                learnt.crlite,
                strict=True,
            )
        ],
        "versions": {
            **{names.version(version): version in found.suites for version in VERSIONS},
            "SSL 2.0": found.ssl2,
        },
        "refused": {names.version(version): why for version, why in learnt.silent.items()},
        "suites": {
            names.version(version): {
                "order": one.order or None,
                "accepted": [
                    {
                        "code": f"0x{code:04X}",
                        "name": suite(code).name,
                        "bits": suite(code).bits,
                        "faults": list(suite(code).faults),
                    }
                    for code in one.picks
                ],
            }
            for version, one in found.suites.items()
        },
        "groups": {
            names.version(version): [names.group(code) for code in one.picks] for version, one in found.groups.items()
        },
        "dh_bits": found.dh_bits,
        "dh_group": found.dh_group,
        "signature_schemes": {names.version(version): list(schemes) for version, schemes in learnt.schemes.items()},
        "alpn": learnt.protocols,
        "certificate_compression": learnt.compressions,
        "encrypted_client_hello": [described(one) for one in ECHConfig.from_list(learnt.ech)] if learnt.ech else [],
        "raw_public_key": learnt.raw_key,
        "resumption": {names.version(version): how for version, how in learnt.resumed.items()},
        "habits": found.habits,
        "early_data_bytes": found.early_data,
        "profiles": {name: deviations(found, profile) for name, profile in PROFILES.items()},
        "attacks": {
            one.name: {"works": works, "source": one.source}
            for one, works in zip(ATTACKS, verdicts(found).values(), strict=True)
        },
        "clients": [_simulated(client, answer) for client, answer in learnt.clients.items()],
        "http": learnt.http,
        "caa": learnt.caa,
        "notes": learnt.notes,
        "connections": asker.made,
        "incomplete": asker.stopped or None,
    }


def _logged(chain: tuple[bytes, ...], scts: bytes | None) -> int | None:
    """How many signed timestamps there are, wherever they are; None if the certificate cannot be read."""
    return None if portrait.timestamps(chain[0]) is None else sum(timestamps(list(chain), scts).values())


def _simulated(client: Client | Described, answer: Answer) -> dict[str, Any]:
    """What a client would get: version, suite and group, or why there is no connection."""
    refusal = client.complains(answer) if isinstance(answer, Hello) else str(answer)
    connects = None if isinstance(answer, Silence) and answer.lost else not refusal
    facts: dict[str, Any] = {"name": client.name, "origin": client.origin, "connects": connects}
    if isinstance(answer, Hello) and not refusal:
        group = names.group(answer.group) if answer.group else None
        return facts | {"version": names.version(answer.version), "suite": suite(answer.suite).name, "group": group}
    return facts | {"version": None, "suite": None, "group": None, "refusal": refusal}


def _public_web(chain: tuple[bytes, ...]) -> str | None:
    """What keeps a chain, trusted or not, from the rules of the CA/Browser Forum; None if nothing does."""
    try:
        verify_chain(chain[0], chain[1:], chain[-1:], verify_profile="webpki")
    except SSLError as error:
        return str(getattr(error, "verify_message", "") or error).removesuffix(" (CA/Browser Forum)").rstrip(".")
    return None


def show(screen: Plain, facts: dict[str, Any]) -> None:
    """Show everything in detail, then certificates, then what to do, and the grade last, where a terminal stops."""
    where = str(Target(facts["host"], facts["port"]))
    screen.heading(where, facts["address"] or f"through the proxy {facts['proxy']}")
    _suites(screen, facts["suites"])
    screen.heading("Details", f"{facts['connections']} connections")
    screen.pairs(_details(facts))
    if facts["http"]:
        screen.heading("What browsers are told", f"by the page at /, status {facts['http']['status']}")
        screen.pairs([(name, printable(told or "-", 200)) for name, told in facts["http"]["headers"].items()])
    screen.heading("Clients", "what each would get; whether it trusts the certificate is not asked")
    screen.facts(("version", "suite", "group"), {one["name"]: _got(one) for one in facts["clients"]})
    screen.heading("Known attacks", "by what is accepted, and by asking")
    screen.pairs(_attacks(facts["attacks"]))
    screen.heading("Mozilla's profiles", "Server Side TLS 5.7")
    screen.pairs([(name, "; ".join(kept) or "conforms") for name, kept in facts["profiles"].items()])
    _certificates(screen, facts["certificates"])
    screen.heading("Verdict", where)
    for note in facts["notes"]:
        screen.bad(printable(note))
    if facts["incomplete"]:
        screen.bad(f"incomplete: {facts['incomplete']}")
    for remark in reversed(facts["remarks"]):
        names = ", ".join(remark["names"][:SHOWN]) + (" and more" if len(remark["names"]) > SHOWN else "")
        below = [("why", remark["why"]), ("do", remark["fix"]), *([("which", names)] if names else [])]
        screen.mark(remark["cap"], _hue(remark["cap"]), f"{remark['what'][0].upper()}{remark['what'][1:]}", below)
    screen.mark(facts["grade"], _hue(facts["grade"]), _sentence(facts))


def summary(screen: Plain, results: list[dict[str, Any]]) -> None:
    """Of several servers, the grade of each in a line."""
    screen.heading("All of them")
    for facts in results:
        address = facts["address"] or f"through the proxy {facts['proxy']}"
        where = f"{Target(facts['host'], facts['port'])} ({address})"
        if "failed" in facts:
            screen.mark("-", "bad", f"{where}: {facts['failed']}")
        else:
            screen.mark(facts["grade"], _hue(facts["grade"]), where)


def _certificates(screen: Plain, found: list[dict[str, Any]]) -> None:
    for one in found:
        accepted = {True: "accepted by clients", False: f"NOT ACCEPTED: {one['refusal']}", None: "not verified"}
        screen.heading("Certificate", accepted[one["accepted"]])
        issuers = "".join(f" <- {printable(next_['subject'] or '?', 60)}" for next_ in one["chain"])
        rows = [*portrait.lines(one, leaf=True), ("chain", f"this one{issuers}")]
        if "ocsp" in one:
            rows.append(("public web", printable(one["public_web"] or "as the CA/Browser Forum wants it")))
        rows.append(("OCSP", ocsp_line(one["ocsp"])))
        if one["crlite"]:
            rows.append(("CRLite", one["crlite"]))
        if one["transparency"] is not None:
            rows.append(("logged", _many(one["transparency"], "signed timestamp") if one["transparency"] else "no"))
        screen.pairs(rows)


def _suites(screen: Plain, found: dict[str, Any]) -> None:
    above: list[str] = []
    for version, spoken in found.items():
        accepted, order = spoken["accepted"], f"the {spoken['order']}'s order decides" if spoken["order"] else ""
        if above == (above := [one["name"] for one in accepted]):
            screen.heading(f"{version}: the same {_many(len(accepted), 'suite')}", order)
            continue
        screen.heading(f"{version}: {_many(len(accepted), 'suite')}", order)
        screen.facts(
            ("bits", "what is wrong with it"),
            {one["name"]: (str(one["bits"]), ", ".join(one["faults"]) or "-") for one in accepted},
        )


def _got(client: dict[str, Any]) -> tuple[str, str, str]:
    if not client["connects"]:
        return "not known" if client["connects"] is None else "no connection", printable(client["refusal"]), "-"
    return client["version"], client["suite"], client["group"] or "-"


def _sentence(facts: dict[str, Any]) -> str:
    weighty = sum(remark["cap"] == facts["grade"] for remark in facts["remarks"])
    lighter = len(facts["remarks"]) - weighty
    if not weighty:
        return "is the grade, and there is nothing to improve"
    more = f"; {_many(lighter, 'smaller thing')} to improve" if lighter else ""
    return f"is the grade, for {_many(weighty, 'reason')}{more}"


def _hue(grade: str) -> str:
    return "good" if GRADES.index(grade) <= 2 else "fair" if grade in {"B", "C"} else "bad"


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _attacks(found: dict[str, Any]) -> list[tuple[str, str]]:
    words = {True: "open to", False: "safe from", None: "not known"}
    rows = [(words[said], [name for name, one in found.items() if one["works"] is said]) for said in words]
    return [(said, ", ".join(names)) for said, names in rows if names]


def _details(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("versions", ", ".join(version for version, spoken in facts["versions"].items() if spoken))]
    rows += [(f"groups, {version}", ", ".join(found) or "none") for version, found in facts["groups"].items()]
    if facts["dh_bits"]:
        rows.append(("DHE", facts["dh_group"] or f"a prime of {facts['dh_bits']} bits"))
    rows += [(f"signs, {version}", ", ".join(found) or "none") for version, found in facts["signature_schemes"].items()]
    if facts["caa"] is not None:
        rows.append(("CAA", ", ".join(facts["caa"]) or "none: any CA may issue"))
    if facts["alpn"] is not None:
        rows.append(("ALPN", ", ".join(facts["alpn"]) or "none"))
    if facts["certificate_compression"] is not None:
        rows.append(("compresses its certificate", ", ".join(facts["certificate_compression"]) or "no"))
    if facts["encrypted_client_hello"]:
        hosts = ", ".join(dict.fromkeys(printable(one["public_name"], 60) for one in facts["encrypted_client_hello"]))
        rows.append(("opens encrypted hellos", f"of clients that ask for {hosts}"))
    if facts["raw_public_key"]:
        rows.append(("shows a raw public key", f"sha256//{facts['raw_public_key']}"))
    rows += [(f"resumes, {version}", how or "?") for version, how in facts["resumption"].items()]
    habits = facts["habits"]
    rows += [(label, "yes" if habits[name] else "no") for name, label in HABITS.items() if habits[name] is not None]
    return rows
