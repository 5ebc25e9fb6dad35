"""The findings of `puretls connect`: on a screen for people, as one JSON document for programs."""

from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from puretls import CRLite, DER_cert_to_PEM_cert, SSLError
from puretls._analysis.suites import iana_name
from puretls.cli import portrait
from puretls.cli.client import early_data_line
from puretls.cli.idn import both_ways, u_labels
from puretls.cli.observe import version_name
from puretls.cli.proxy import Proxy
from puretls.cli.render import Plain
from puretls.cli.target import Target
from puretls.cli.text import printable
from puretls.cli.watched import Watched, asked_line, ocsp, ocsp_line

ADVICE = {  # what to do, by OpenSSL's number for what is wrong
    "a CA that is not trusted here: if it should be, add it with --ca-file FILE": (2, 18, 19),
    "its CA is not trusted here (--ca-file FILE adds one), or the server leaves out an intermediate": (20, 21),
    "the owner has to renew it; or is the clock of this machine wrong?": (9, 10),
    "is it a good server under another name?  --servername NAME asks for that one": (62, 64),
}


def advice(code: int | None) -> str:
    """What to do about a certificate that is refused."""
    return next((text for text, codes in ADVICE.items() if code in codes), "the certificate is not fit for this use")


def timestamps(chain: list[bytes], sct_list: bytes | None) -> dict[str, int]:
    """How many timestamps of Certificate Transparency there are: in the certificate, and in the handshake."""
    sent, rest = 0, (sct_list or b"")[2:]
    while rest:
        sent, rest = sent + 1, rest[2 + int.from_bytes(rest[:2], "big") :]
    return {"certificate": (portrait.timestamps(chain[0]) or 0) if chain else 0, "handshake": sent}


def timestamps_line(found: dict[str, int]) -> str:
    """The same in words."""
    words = {"certificate": "in the certificate", "handshake": "in the handshake"}
    return ", ".join(
        f"{found[where]} timestamp{'s' * (found[where] != 1)} {text}" for where, text in words.items() if found[where]
    )


def raw_key(tls: Any) -> str | None:
    """The digest of a key that was shown without a certificate, as in a pin."""
    key = tls.peer_public_key()
    return None if key is None else b64encode(sha256(key).digest()).decode()


def crlite_status(filters: CRLite | None, chain: Sequence[bytes]) -> str | None:
    """What Mozilla's filters say of the first certificate of a chain; None if nobody asks, or without its issuer."""
    if filters is None or len(chain) < 2:
        return None
    try:
        return str(filters.check(chain[0], chain[1]).value)
    except SSLError:  # no certificates
        return None


class Report:
    """Facts as they come in; the keys are those of the JSON document."""

    def __init__(self, where: Target, servername: str, starttls: str | None) -> None:
        self.facts: dict[str, Any] = {
            "host": where.host,
            "port": where.port,
            "address": None,
            "proxy": None,
            "servername": servername,
            "starttls": starttls,
            "verified": None,
            "refusal": None,
            "failed": None,
        }
        self.ders: list[bytes] = []
        self.shown = False  # on a screen

    def dialled(self, sock: socket.socket, through: Proxy | None) -> None:
        """A connection of TCP stands; only the proxy knows the server's address, if it has made it."""
        if through is not None:
            self.facts["proxy"] = str(through.where)
            return
        with suppress(OSError):  # not any more
            self.facts["address"] = sock.getpeername()[0]

    def refused(self, error: Any, watched: Watched) -> None:
        """The server's certificate was refused; it is described all the same."""
        self.shown_by(watched)
        self.facts["verified"] = False
        self.facts["refusal"] = {
            "message": printable(str(error.verify_message)).rstrip("."),
            "code": error.verify_code,
            "depth": getattr(error, "depth", None),
            "advice": advice(error.verify_code),
            "aia_urls": [printable(url) for url in error.aia_urls],
        }

    def shown_by(self, watched: Watched) -> None:
        """The handshake has failed: what the server had shown by then."""
        self.described(watched.chain)
        self.facts["ocsp"] = ocsp(watched.staple, watched.chain)

    def described(self, ders: list[bytes]) -> None:
        """The certificates the server has shown."""
        self.ders = ders
        self.facts["chain"] = [portrait.certificate(der) for der in ders]

    def connected(self, tls: Any, connect: float, handshake: float, watched: Watched) -> None:
        """A handshake is done."""
        cipher = tls.cipher()
        self.described(list(map(bytes, tls.get_unverified_chain())))
        verified = self.facts["refusal"] is None
        path = list(map(bytes, tls.get_verified_chain())) if verified else []
        self.facts |= {
            "verified": verified,
            "version": tls.version(),
            "suite": cipher[0],
            "suite_iana": iana_name(cipher[0]),
            "bits": cipher[2],
            "group": tls.group(),
            "signature": tls.server_sigalg(),
            "client_signature": tls.client_sigalg(),
            "client_certificate": watched.asked,
            "certificate_compression": tls.cert_compression(),
            "raw_public_key": raw_key(tls) if not self.ders else None,
            "timestamps": timestamps(self.ders, tls.sct_list),
            "alpn": tls.selected_alpn_protocol(),
            "ech": tls.get_ech_status().name.removeprefix("ECH_STATUS_").lower(),
            "ech_configs": b64encode(tls.get_ech_retry_config() or b"").decode() or None,
            "ech_public_name": tls.outer_server_hostname,
            "ticket": None,
            "resumed": None,
            "resumptions": [],
            "early_data": None,
            "connect_ms": round(connect * 1000, 2),
            "handshake_ms": round(handshake * 1000, 2),
            "ocsp": ocsp(tls.ocsp_response, path if verified and len(path) > 1 else self.ders),
            "crlite": crlite_status(tls.context.crlite, path if verified and len(path) > 1 else self.ders),
            "anchor": portrait.certificate(path[-1]) if path else None,
        }

    def ended(self, session: Any) -> None:
        """The first connection is over; whether a ticket has come."""
        came = bool(session and session.has_ticket)
        self.facts["ticket"] = {
            "came": came,
            "lifetime": session.ticket_lifetime_hint if came else None,
            "max_early_data": session.max_early_data if came else None,
        }

    def resumed(self, tls: Any) -> None:
        """Another connection is established."""
        self.facts["resumptions"].append(tls.session_reused)
        self.facts["resumed"] = all(self.facts["resumptions"])

    def resumption(self) -> str:
        """How the other connections began."""
        words = {True: "the session was resumed", False: "NOT resumed: a full handshake"}
        return ", then ".join(words[one] for one in self.facts["resumptions"])

    def document(self) -> dict[str, Any]:
        """For JSON, with the chain as PEM."""
        chain = [
            facts | {"pem": DER_cert_to_PEM_cert(der)}
            for facts, der in zip(self.facts.get("chain", []), self.ders, strict=True)
        ]
        return self.facts | ({"chain": chain} if chain else {})

    def show(self, screen: Plain) -> None:
        """For people."""
        self.shown, facts = True, self.facts
        name = both_ways(facts["servername"])
        told = facts["servername"] == facts["host"] and not u_labels(facts["host"])
        asked = "" if told else f", as {name}" if name else ", without a name"
        where = f"through the proxy {facts['proxy']}" if facts["proxy"] else str(facts["address"])
        screen.heading(f"{Target(facts['host'], facts['port'])}", f"{where}{asked}")
        if facts["verified"] and facts["raw_public_key"]:
            screen.good("verified: the server has the key that is trusted; it has no certificate")
        elif facts["verified"]:
            whom = name or "the chain (no name was asked for)"
            screen.good(f"verified: {whom}, by {printable(facts['anchor']['subject'] or '-')}")
        else:
            why = facts["refusal"]["message"] if facts["refusal"] else "the handshake failed before that"
            screen.bad(f"NOT VERIFIED: {why}")
            if facts.get("version"):
                screen.bad("this may be anybody, and anybody on the way can read and change what is sent")
        if facts.get("version"):
            screen.pairs(self.negotiated())
        elif facts["ocsp"]["stapled"]:
            screen.pairs([("OCSP", ocsp_line(facts["ocsp"]))])
        for depth, certificate in enumerate(facts["chain"]):
            screen.heading(f"Certificate {depth}", "the server's own" if depth == 0 else "")
            screen.pairs(portrait.lines(certificate, leaf=depth == 0))

    def negotiated(self) -> list[tuple[str, str]]:
        """The parameters of the connection, in words."""
        facts = self.facts
        suite = facts["suite"] + f" ({facts['suite_iana']})" * (facts["suite"] != facts["suite_iana"])
        shown = [
            ("version", version_name(facts["version"])),
            ("suite", suite),
            ("group", facts["group"] or "-"),
            ("signature", facts["signature"] or "-"),
            ("ALPN", printable(facts["alpn"] or "-")),
        ]
        shown.append(("OCSP", ocsp_line(facts["ocsp"])))
        if facts["ech"] == "success":
            shown.append(("encrypted", f"the ClientHello; who listens saw {facts['ech_public_name']}"))
        elif facts["ech_configs"]:
            shown.append(("could encrypt", f"the ClientHello: --ech {facts['ech_configs']}"))
        if facts["crlite"]:
            shown.append(("CRLite", facts["crlite"]))
        if any(facts["timestamps"].values()):
            shown.append(("logged", timestamps_line(facts["timestamps"])))
        if facts["client_certificate"]:
            shown.append(("wants", asked_line(facts["client_certificate"], sent=bool(facts["client_signature"]))))
        if facts["raw_public_key"]:
            shown.append(("raw key", f"sha256//{facts['raw_public_key']}"))
        if facts["certificate_compression"]:
            shown.append(("compression", f"of the certificate: {facts['certificate_compression']}"))
        if facts["client_signature"]:
            shown.append(("our proof", facts["client_signature"]))
        if facts["ticket"]:
            came, lifetime = facts["ticket"]["came"], facts["ticket"]["lifetime"]
            early = facts["ticket"]["max_early_data"]
            takes = f", takes {early:,} bytes of early data" if early else ""
            shown.append(("ticket", f"came, good for {lifetime} s{takes}" if came else "none"))
        if facts["resumed"] is not None:
            shown.append(("reconnected", self.resumption()))
        if facts["early_data"] is not None:
            shown.append(("early data", early_data_line(facts["early_data"])))
        shown.append(
            ("time", f"{facts['connect_ms']:.1f} ms to connect, {facts['handshake_ms']:.1f} ms to shake hands")
        )
        return shown
