"""What pages are made of: facts, rungs of ladders, fields with their bytes; and the one style sheet.

Everything that comes from a peer is escaped here. A page allows its style sheet by its hash and no other (`allowed`).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files

from puretls._analysis.fields import Field
from puretls.cli.explain import OPENED

HUES = 8
FEW = 8  # bytes of a field that stand before its name
SPELLED = 48  # bytes of a field that stand below its name; all are in the block above
RFC = re.compile(r"RFC (\d+)(?: (?:([A-Z])|(\d))([\d.]*))?")


def source(name: str) -> str:
    """A file of the package."""
    return files("puretls.cli").joinpath(name).read_text("utf-8")


def allowed(content: str) -> str:
    """An inline style sheet or script, as a Content-Security-Policy names it."""
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


STYLE = source("markup.css")


def cells(facts: Mapping[str, str]) -> str:
    """Named values."""
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())


def rung(*, from_client: bool, name: str, size: int, at: float, href: str = "", encrypted: bool = False) -> str:
    """One message of a ladder, the client on the left; it may lead somewhere."""
    name = escape(name)
    left, arrow, right = (name, "<i></i>", "") if from_client else ("", '<i class="back"></i>', name)
    lock = '<span class="lock" title="encrypted">&#9679;</span>' if encrypted else "<span></span>"
    inside = (
        f"<span>{left}</span>{arrow}<span>{right}</span>{lock}<span>{size:,} B</span><span>{at * 1000:.2f} ms</span>"
    )
    return f'<li><a class="rung" href="{href}">{inside}</a></li>' if href else f'<li class="rung">{inside}</li>'


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
