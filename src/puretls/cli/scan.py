"""`puretls scan`: what a server accepts, with a grade, like testssl.sh and SSL Labs.

The questions are those of `_analysis.survey`, asked over many short connections. What hellos cannot show (whether the
certificate is accepted, what TLS 1.3 encrypts) is found out by a few whole connections.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from puretls import TLSVersion
from puretls._analysis import names, ssl2
from puretls._analysis.alike import likeness
from puretls._analysis.clients import KNOWN, Client
from puretls._analysis.findings import Findings
from puretls._analysis.grade import GRADES, judge, reaches
from puretls._analysis.old_clients import Described
from puretls._analysis.probe import Alert, Answer, Reading
from puretls._analysis.profiles import PROFILES
from puretls._analysis.survey import VERSIONS, Found, Survey
from puretls.cli.amounts import decimal, whole
from puretls.cli.asking import Asker
from puretls.cli.attacks import TICKETBLEED, Attacks
from puretls.cli.caa import caa
from puretls.cli.client import add_crlite, asked_name, filters, server_name
from puretls.cli.failure import Failure
from puretls.cli.handshakes import Handshakes, hsts_of
from puretls.cli.proxy import add_proxy, chosen
from puretls.cli.render import Plain, screen
from puretls.cli.report import crlite_status
from puretls.cli.scan_report import Learnt, document, identity, show, summary
from puretls.cli.starttls import PORTS
from puretls.cli.target import Target, add_network, target

T = TypeVar("T")
TLS13, TLS12, _, _, SSL3 = VERSIONS
COUNT = whole(1, 10_000)
EXAMPLES = """\
examples:
  puretls scan example.org                             what it accepts, and what to do about it
  puretls scan mail.example.org --starttls smtp        port 25
  puretls scan 192.0.2.7:8443 --servername intranet.example --ca-file ca.pem
  puretls scan example.org --min-grade A               for CI: exit status 1 if the grade is lower
  puretls scan example.org --profile intermediate      the same for Mozilla's profiles: modern, intermediate, old
  puretls scan example.org www.example.org --all-addresses
  puretls scan example.org --http                      and what its web server tells browsers
  puretls scan example.org --json | jq .remarks[].what

It takes some eighty short connections: scan servers that are yours, or whose owners agree.
The exit status is 0, or 1 if the grade is below --min-grade, --profile is not met, or nobody there speaks TLS; 2 for
wrong usage.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments of `puretls scan`."""
    parser.epilog = EXAMPLES
    parser.add_argument("targets", nargs="+", type=target, metavar="HOST[:PORT]", help="port 443 unless given")
    parser.add_argument("--all-addresses", action="store_true", help="each address of a name, and not one that answers")
    parser.add_argument("--dns", action="store_true", help="which CAs may issue for the name (CAA); needs dnspython")
    parser.add_argument(
        "--http", action="store_true", help="ask for a page, too: HSTS, headers that keep browsers safe"
    )
    parser.add_argument("--starttls", choices=PORTS, metavar="PROTOCOL", help=f"ask for TLS first: {', '.join(PORTS)}")
    parser.add_argument(
        "--servername",
        type=server_name,
        metavar="NAME",
        help="the name to ask for and to verify (default: HOST); '' for none",
    )
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="trust these CAs, and not the system's")
    add_crlite(parser)
    parser.add_argument(
        "--min-grade",
        choices=GRADES,
        default=GRADES[-1],
        metavar="GRADE",
        help=f"exit status 1 if it is lower: {', '.join(GRADES)} (default %(default)s)",
    )
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        metavar="NAME",
        help=f"exit status 1 if it is not as Mozilla's profile has it: {', '.join(PROFILES)}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    add_network(parser)
    add_proxy(parser)
    manners = parser.add_argument_group("manners")
    manners.add_argument(
        "--pause",
        type=decimal(0, 60),
        default=0.03,
        metavar="SECONDS",
        help="between two connections (default %(default)g)",
    )
    manners.add_argument("--parallel", type=COUNT, default=3, metavar="N", help="connections at once (default 3)")
    manners.add_argument("--hosts", type=COUNT, default=4, metavar="N", help="servers at once, of several (default 4)")
    manners.add_argument("--most", type=COUNT, default=800, metavar="N", help="connections in all (default 800)")


def run(arguments: argparse.Namespace) -> int:
    """Scan the servers, grade them, and show the findings."""
    jobs = [job for one in arguments.targets for job in _jobs(arguments, one.at(PORTS.get(arguments.starttls, 443)))]
    shown = Plain() if arguments.json else screen()
    try:
        with shown.steps("asking", Scan.STEPS * len(jobs), live=not arguments.json) as advance:
            if len(jobs) == 1:
                results: list[dict[str, Any]] = [jobs[0].facts(arguments.parallel, advance)]
            else:
                results = _several(jobs, arguments, advance)
    except Failure as failure:
        if arguments.json:
            print(json.dumps(jobs[0].failed(failure), indent=2))
        raise
    if arguments.json:
        print(json.dumps(results if len(jobs) > 1 else results[0], indent=2))
    else:
        for facts in results:
            if "failed" not in facts:
                show(shown, facts)
        if len(jobs) > 1:
            summary(shown, results)
    return 0 if all(_good(facts, arguments) for facts in results) else 1


def _good(facts: dict[str, Any], arguments: argparse.Namespace) -> bool:
    if "failed" in facts or (arguments.profile and facts["profiles"][arguments.profile]):
        return False
    return reaches(facts["grade"], arguments.min_grade)


class Job:
    """One server to scan: everything there is to know of one address."""

    def __init__(self, arguments: argparse.Namespace, where: Target, address: str = "") -> None:
        self.where, self.dns = where, arguments.dns
        self.asker = Asker(
            where,
            name=asked_name(arguments, where),
            family=arguments.family,
            timeout=arguments.timeout,
            pause=arguments.pause,
            most=arguments.most,
            starttls=arguments.starttls,
            through=chosen(arguments, where),
        )
        if address:
            self.asker.where = Target(address, where.port)
        self.scan = Scan(self.asker, Handshakes(self.asker, arguments.ca_file, filters(arguments)), http=arguments.http)

    def facts(self, parallel: int, advance: Callable[[str], None]) -> dict[str, Any]:
        """The document; Failure if nobody there speaks TLS."""
        address = self.asker.settle()
        if self.dns and self.asker.server_name:
            self.scan.learnt.caa = caa(self.asker.server_name, self.asker.timeout)
        self.scan.run(parallel, advance)
        return document(self.where, address, self.asker, self.scan.found, self.scan.learnt, judge(self.scan.found))

    def failed(self, failure: Failure) -> dict[str, Any]:
        """The document if there is nothing to tell."""
        return {
            "host": self.where.host,
            "port": self.where.port,
            "address": self.asker.address,
            "proxy": self.asker.proxy,
            "failed": str(failure),
        }


def _jobs(arguments: argparse.Namespace, where: Target) -> list[Job]:
    if not arguments.all_addresses:
        return [Job(arguments, where)]
    try:
        found = socket.getaddrinfo(where.host, where.port, arguments.family, socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # which it will say itself, and the others are scanned all the same
        return [Job(arguments, where)]
    return [Job(arguments, where, address) for address in dict.fromkeys(str(one[4][0]) for one in found)]


def _several(jobs: list[Job], arguments: argparse.Namespace, advance: Callable[[str], None]) -> list[dict[str, Any]]:
    """Some servers at a time; one that fails does not stop the others."""

    def scanned(job: Job) -> dict[str, Any]:
        try:
            return job.facts(arguments.parallel, advance)
        except Failure as failure:
            return job.failed(failure)

    with ThreadPoolExecutor(arguments.hosts) as pool:
        try:
            return list(pool.map(scanned, jobs))
        except BaseException:
            for job in jobs:
                job.asker.interrupt()
            raise


class Scan:
    """All questions, several at once: each line of them goes on its own way."""

    STEPS = 25 + 2 * len(KNOWN) // 3  # about of a server of TLS 1.2 and 1.3 with one certificate

    def __init__(self, asker: Asker, handshakes: Handshakes, *, http: bool = False) -> None:
        self.asker, self.handshakes, self.http = asker, handshakes, http
        self.survey = Survey(asker.ask, asker.server_name)
        self.found, self.learnt = Findings(), Learnt()
        self.refused: dict[int, Answer] = {}  # what is said to versions that are not spoken

    def run(self, parallel: int, advance: Callable[[str], None]) -> None:
        """Fill `found` and `learnt`; Failure if nobody there speaks TLS."""
        with ThreadPoolExecutor(parallel) as pool:

            def begin(what: str, function: Callable[..., T], *arguments: Any) -> Future[T]:
                future = pool.submit(function, *arguments)
                future.add_done_callback(lambda _: advance(what))
                return future

            try:
                self._versions(begin)
                self._details(begin)
                self._certificates(begin)
                self._clients(begin)
            except BaseException:
                self.asker.interrupt()
                raise

    def _versions(self, begin: Callable[..., Future[Any]]) -> None:
        oldest = begin("SSL 2.0", self.asker.ask_ssl2)
        asked = {version: begin(names.version(version), self.survey.suites, version) for version in VERSIONS}
        lines: dict[int, Found] = {version: future.result() for version, future in asked.items()}
        self.found.suites = {version: line for version, line in lines.items() if line.picks}
        self.refused = {version: line.last for version, line in lines.items() if not line.picks and line.last}
        self.learnt.silent = {version: str(answer) for version, answer in self.refused.items()}
        self.learnt.notes += [f"{names.version(version)}: {line.odd}" for version, line in lines.items() if line.odd]
        self.found.ssl2 = ssl2.spoken(oldest.result())
        if not self.found.suites:
            key = self.handshakes.raw_key()
            only = f"; it has no certificate, but shows a raw public key (RFC 7250): sha256//{key}" if key else ""
            raise Failure(f"{self.asker.title}: {_nothing([line.last for line in lines.values()])}{only}")

    def _details(self, begin: Callable[..., Future[Any]]) -> None:
        survey, suites = self.survey, self.found.suites
        best = max(suites)
        groups13 = begin("groups of TLS 1.3", survey.groups, TLS13, suites[TLS13].picks) if TLS13 in suites else None
        both12 = begin("TLS 1.2", survey.groups_and_schemes, suites[TLS12].picks) if TLS12 in suites else None
        older = [version for version in suites if version < best and version > SSL3]
        fallback = None
        if older:
            second = max(older)
            fallback = begin("fallback", survey.refuses_fallback, second, suites[second].picks)
        tolerant = begin("unknown values", survey.tolerates_unknown, best, suites[best].picks)
        schemes13 = begin("schemes of TLS 1.3", self.handshakes.schemes) if TLS13 in suites else None
        protocols = None if self.asker.starttls else begin("ALPN", self.handshakes.protocols)
        resumed = {
            version: begin("resumption", self.handshakes.resumption, TLSVersion(version))
            for version in suites
            if version in (TLS12, TLS13)
        }
        raw = begin("raw public key", self.handshakes.raw_key)
        page = begin("a page", self.handshakes.page) if self.http else None
        questions = self._attacks()
        tried = {name: begin(name, question) for name, question in questions.items() if name != TICKETBLEED}
        if groups13:
            self.found.groups[TLS13] = groups13.result()
        if both12:
            self.found.groups[TLS12], schemes12 = both12.result()
            self.learnt.schemes[TLS12] = [names.scheme(code) for code in schemes12.picks]
            self.found.schemes[TLS12] = schemes12.picks
        self.learnt.notes += [
            f"groups of {names.version(version)}: {line.odd}" for version, line in self.found.groups.items() if line.odd
        ]
        self.found.refuses_fallback = fallback.result() if fallback else None
        self.found.tolerates_unknown = tolerant.result()
        if schemes13:
            self.learnt.schemes[TLS13], self.learnt.compressions = schemes13.result()
        self.learnt.protocols = protocols.result() if protocols else None
        self.learnt.resumed = {version: future.result() for version, future in resumed.items()}
        tried[TICKETBLEED] = begin(TICKETBLEED, questions[TICKETBLEED])  # with a ticket of these
        self.found.early_data, self.found.asks = self.handshakes.early_data, self.handshakes.asks
        self.learnt.ech = self.handshakes.ech
        self.found.tried = {name: future.result() for name, future in tried.items()}
        self.learnt.raw_key = raw.result()
        self.learnt.http = page.result() if page else None
        self.found.hsts = hsts_of(self.learnt.http) if self.learnt.http else None

    def _clients(self, begin: Callable[..., Future[Any]]) -> None:
        """Last: if there are not enough connections for all, these are what can be missed."""
        asked: dict[Hashable, Future[Answer]] = {}
        alike = {client: likeness(client, self.found.suites, self.found.groups) for client in KNOWN}
        for client, what in alike.items():
            if what not in asked:
                asked[what] = begin(client.name, self._simulated, client)
        self.learnt.clients = {client: asked[what].result() for client, what in alike.items()}

    def _simulated(self, client: Client | Described) -> Answer:
        """What the server says to a client's own hello; of an older one that is known already."""
        if client.highest < min(self.found.suites):
            return self.refused[client.highest]
        return self.asker.exchange(client.compose(self.asker.server_name, os.urandom(64)), Reading())

    def _attacks(self) -> dict[str, Callable[[], bool | None]]:
        """What only a question shows; of which TLS 1.3 has nothing."""
        attacks = Attacks(self.asker, self.survey, {version: line.picks for version, line in self.found.suites.items()})
        return attacks.questions(self.handshakes)

    def _certificates(self, begin: Callable[..., Future[Any]]) -> None:
        chains = {
            chain[0]: chain
            for chain in (*self.handshakes.chains, *(hello.chain for hello in self.found.hellos if hello.chain))
        }
        self.learnt.chains = list(chains.values())
        if self.learnt.raw_key and not chains:
            self.learnt.notes.append("no certificate: who does not take a raw public key (RFC 7250) cannot connect")
        self.learnt.crlite = [crlite_status(self.handshakes.crlite, chain) for chain in self.learnt.chains]
        self.learnt.scts = [self.handshakes.scts.get(leaf) for leaf in chains]
        staples = self.handshakes.staples
        self.learnt.staples = [staples.get(leaf) for leaf in chains]
        self.found.staples = any(staples.values()) if staples else None
        kinds = {chain[0]: identity(chain) for chain in self.learnt.chains}
        different = {one.kind for one in kinds.values()}
        refusals = {  # of several kinds, each is asked for; one alone may have a chain with signatures of another kind
            kind: begin("certificate", self.handshakes.refusal, kind if len(different) > 1 else "")
            for kind in different
        }
        for one in kinds.values():
            refusal = refusals[one.kind].result()
            self.learnt.accepted.append(None if refusal is None else not refusal.why)
            if refusal is not None:
                one = one._replace(refusal=refusal.why, code=refusal.code)
            self.found.identities.append(one)


def _nothing(answers: list[Answer | None]) -> str:
    """Why there is nothing to judge."""
    refusals = [answer for answer in answers if isinstance(answer, Alert)]
    if refusals:
        return f"every hello is refused, with the alert {refusals[0]}"
    return f"no TLS is spoken there: {answers[0]}"
