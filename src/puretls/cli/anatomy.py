"""The page of `puretls inspect`: one file that explains every byte of a connection, to be read without a network.

No scripts: records and fields are <details>. The Content-Security-Policy allows the one style sheet by its hash and
nothing else, so whatever a peer has put into its messages stays text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from html import escape
from string import Template

from puretls._analysis.conversation import Record
from puretls.cli.explain import Inspection, purpose, side
from puretls.cli.markup import STYLE, allowed, cells, dump, links, rows, rung, source


def page(found: Sequence[Inspection]) -> str:
    """The page about one connection, or two."""
    return Template(source("anatomy.html")).substitute(
        title=escape(found[0].title.partition(" (")[0]),
        style=STYLE,
        style_source=allowed(STYLE),
        connections="".join(connection(one, f"c{number}") for number, one in enumerate(found, 1)),
        made=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    )


def connection(found: Inspection, anchor: str) -> str:
    """Facts, ladder, records, secrets."""
    failed = f'<p class="bad">{escape(found.failed)}</p>' if found.failed else ""
    records = found.conversation.records
    rungs = "".join(
        rung(
            from_client=one.from_client,
            name=one.spoken,
            size=len(one.raw),
            at=one.at,
            href=f"#{anchor}r{number}",
            encrypted=bool(one.secret),
        )
        for number, record in enumerate(records, 1)
        for one in record.messages
    )
    opened = "".join(
        details(record, f"{anchor}r{number}", opened=number == 1) for number, record in enumerate(records, 1)
    )
    secrets = "".join(
        f"<tr><td><code>{escape(key.label)}</code><br>{escape(purpose(key.label))}</td>"
        f"<td><code>{key.secret.hex()}</code></td><td><code>{key.key.hex()}<br>{key.iv.hex()}</code></td></tr>"
        for key in found.conversation.keys
    )
    table = (
        "<h2>Secrets</h2><p>What the key log had, and the key and IV that were derived from it.</p>"
        f"<table><tr><th>label</th><th>secret</th><th>key, IV</th></tr>{secrets}</table>"
    )
    return (
        f"<section>{failed}<h2>{escape(found.title)}</h2><dl>{cells(found.facts)}</dl>"
        f'<h2>The ladder</h2><ol class="ladder">{rungs}</ol>'
        f'<p><span class="lock">&#9679;</span> encrypted on the wire</p>'
        f"<h2>Record by record</h2>{opened}{table if secrets else ''}</section>"
    )


def details(record: Record, anchor: str, *, opened: bool) -> str:
    """A record: as it was sent, as it was meant, and the messages that end in it."""
    who = side(record.from_client)
    what = ", ".join(one.spoken for one in record.messages) or record.field.value or "nothing that could be read"
    secret = f'<span class="secret">{escape(record.secret)}</span>' if record.secret else ""
    fault = f'<p class="bad">{escape(record.fault)}</p>' if record.fault else ""
    inner = ""
    if record.inner:
        inner = f"<h4>Decrypted</h4>{rows(record.inner, record.plain)}"
    messages = "".join(
        f"<h3>{escape(one.spoken)}</h3><p>{escape(one.field.note)} {links(one.field.rfc)}</p>"
        f"{dump(one.field, one.raw)}{rows(one.field, one.raw)}"
        for one in record.messages
    )
    return (
        f'<details class="record {who}" id="{anchor}"{" open" if opened else ""}>'
        f'<summary><b>{who}</b><span class="what">{escape(what)}</span>{secret}'
        f'<span class="dim">{len(record.raw):,} bytes, {record.at * 1000:.2f} ms</span></summary>'
        f'<div class="inside">{fault}<h4>On the wire</h4>{dump(record.field, record.raw) if record.protected else ""}'
        f"{rows(record.field, record.raw)}{inner}{messages}</div></details>"
    )
