"""The page of `puretls inspect`: one file that explains every byte of a connection, to be read without a network.

No scripts: records and fields are <details>. The Content-Security-Policy allows the one style sheet by its hash and
nothing else, so whatever a peer has put into its messages stays text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from hashlib import sha256
from html import escape
from importlib.resources import files
from string import Template

from puretls._analysis.conversation import Message, Record
from puretls._analysis.fields import Field
from puretls.cli.explain import OPENED, Inspection, purpose, side

HUES = 8
FEW = 8  # bytes of a field that stand before its name
SPELLED = 48  # bytes of a field that stand below its name; all are in the block above
RFC = re.compile(r"RFC (\d+)(?: (?:([A-Z])|(\d))([\d.]*))?")


def page(found: Sequence[Inspection]) -> str:
    """The page about one connection, or two."""
    here = files("puretls.cli")
    style = here.joinpath("anatomy.css").read_text("utf-8")
    return Template(here.joinpath("anatomy.html").read_text("utf-8")).substitute(
        title=escape(found[0].title.partition(" (")[0]),
        style=style,
        style_hash=b64encode(sha256(style.encode()).digest()).decode(),
        connections="".join(connection(one, f"c{number}") for number, one in enumerate(found, 1)),
        made=f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC",
    )


def connection(found: Inspection, anchor: str) -> str:
    """Facts, ladder, records, secrets."""
    failed = f'<p class="bad">{escape(found.failed)}</p>' if found.failed else ""
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in found.facts.items()
    )
    records = found.conversation.records
    rungs = "".join(
        rung(message, f"{anchor}r{number}") for number, record in enumerate(records, 1) for message in record.messages
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
        f"<section>{failed}<h2>{escape(found.title)}</h2><dl>{facts}</dl>"
        f'<h2>The ladder</h2><ol class="ladder">{rungs}</ol>'
        f'<p><span class="lock">&#9679;</span> encrypted on the wire</p>'
        f"<h2>Record by record</h2>{opened}{table if secrets else ''}</section>"
    )


def rung(message: Message, anchor: str) -> str:
    """One message of the ladder, the client on the left; it leads to its record."""
    name = escape(message.spoken)
    left, arrow, right = (name, "<i></i>", "") if message.from_client else ("", '<i class="back"></i>', name)
    lock = '<span class="lock" title="encrypted">&#9679;</span>' if message.secret else "<span></span>"
    return (
        f'<li><a class="rung" href="#{anchor}"><span>{left}</span>{arrow}<span>{right}</span>{lock}'
        f"<span>{len(message.raw):,} B</span><span>{message.at * 1000:.2f} ms</span></a></li>"
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


# Fields


def dump(root: Field, data: bytes) -> str:
    """All bytes in a block, in the colours of the fields that they belong to."""
    spans = (
        f'<span class="k{hue}" title="{escape(f"{leaf.name}: {leaf.value}"[:200])}">'
        f"{data[leaf.start : leaf.end].hex(' ')}</span>"
        for hue, unit in coloured(root)
        for leaf in unit.leaves()
        if leaf.size
    )
    return f'<div class="hex">{" ".join(spans)}</div>' if data else ""


def coloured(root: Field) -> Iterator[tuple[int, Field]]:
    """The fields that have a colour of their own, and its number; long lists are one for each thing in them."""
    units = (unit for child in root.children for unit in (child.children if child.name in OPENED else [child]))
    return ((number % HUES, unit) for number, unit in enumerate(units))


def rows(root: Field, data: bytes) -> str:
    """What each field is, those within others below them."""
    hues = {id(unit): f" k{hue}" for hue, unit in coloured(root)}
    return "".join(row(child, data, hues) for child in root.children)


def row(node: Field, data: bytes, hues: Mapping[int, str], depth: int = 1) -> str:
    """One field; those with much in them are closed."""
    hue = hues.get(id(node), "")
    shown = b"" if node.children else data[node.start : node.end]
    few = f'<code class="few">{shown.hex(" ")}</code>' if 0 < len(shown) <= FEW else ""
    head = f"{few}{''.join(_head(node))}"
    if node.children:
        inside = "".join(row(child, data, hues, depth + 1) for child in node.children)
        opened = " open" if node.name in OPENED or depth > 2 else ""
        return f'<details class="f{hue}"{opened}><summary>{head}</summary>{inside}</details>'
    more = f" ... {len(shown) - SPELLED:,} more" if len(shown) > SPELLED else ""
    many = f'<code class="many">{shown[:SPELLED].hex(" ")}{more}</code>' if len(shown) > FEW else ""
    return f'<div class="f{hue}">{head}{many}</div>'


def _head(node: Field) -> Iterator[str]:
    yield f'<span class="n">{escape(node.name)}</span>'
    if node.value:
        yield f'<span class="v">{escape(node.value)}</span>'
    yield f'<span class="at">{node.size:,} byte{"s" * (node.size != 1)} at {node.start:,}</span>'
    if node.fault:
        yield f'<span class="note bad">{escape(node.fault)}</span>'
    if node.note:
        yield f'<span class="note">{escape(node.note)} {links(node.rfc)}</span>'


def links(rfcs: str) -> str:
    """Each RFC as a link to its section."""

    def link(found: re.Match[str]) -> str:
        number, letter, digit, rest = found.groups()
        section = f"#appendix-{letter}{rest}" if letter else f"#section-{digit}{rest}" if digit else ""
        return f'<a href="https://www.rfc-editor.org/rfc/rfc{number}{section}">{found[0]}</a>'

    return RFC.sub(link, escape(rfcs))
