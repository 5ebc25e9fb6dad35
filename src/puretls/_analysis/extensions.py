"""Extensions as fields: their vector, and each with its body by the row of its type (RFC 8446 4.2)."""

from __future__ import annotations

from puretls._analysis import names
from puretls._analysis.extension_rows import REPLY, ROWS
from puretls._analysis.fields import Field, Layout, Scan, maybe, rest, several
from puretls._wire.places import MISPLACED


def extension(scan: Scan) -> None:
    """One Extension: its type, its length, and its body by the row of its type."""
    node = Field("Extension", scan.pos)
    scan.inside(node, (extension_type, extension_data))
    node.value = node.children[-1].value if len(node.children) > 1 else ""


def extension_type(scan: Scan) -> None:
    """The number, which names the field that the extension is."""
    node = scan.field
    leaf, kind = scan.number("extension_type", 2, "Which extension this is, by its number at IANA.", "RFC 8446 4.2")
    node.name = names.extension(kind)
    leaf.value = f"{node.name} ({kind})"
    row = ROWS.get(kind)
    if row:
        node.note, node.rfc = (row.reply if scan.place & REPLY else "") or row.note, row.rfc
    elif kind in names.GREASE:
        node.note, node.rfc = (
            "Means nothing: it is there so that servers do not forget to ignore the unknown.",
            "RFC 8701",
        )
    else:
        node.note = "An extension that this program knows by its number only; a receiver ignores what it does not know."
    if kind in MISPLACED.get(scan.place, ()):
        leaf.fault = "this extension does not belong into this message"


def extension_data(scan: Scan) -> None:
    """The body: its length, and what the row says for the message this is."""
    kind = int.from_bytes(scan.data[scan.pos - 2 : scan.pos], "big")
    node = Field("extension_data", scan.pos)
    scan.inside(node, body(kind, scan.place), 2)
    content = [child.value for child in node.children if child.name != "length" and child.value]
    node.value = node.value or ", ".join(content)


def body(kind: int, place: int) -> tuple[Layout, ...]:
    """How the body of an extension looks in a message."""
    row = ROWS.get(kind)
    if row:
        for places, layouts in row.bodies.items():
            if places & place:
                return layouts
    return (maybe(rest("data")),)


def extensions(note: str, rfc: str) -> Layout:
    """The vector of extensions that ends most messages."""

    def read(scan: Scan) -> None:
        node = Field("extensions", scan.pos, note=note, rfc=rfc)
        scan.inside(node, (several(extension),), 2)
        node.value = ", ".join(child.name for child in node.children if child.name != "length")

    return read


def place(where: int, *layouts: Layout) -> Layout:
    """Layouts of a message whose extensions are those of `where`."""

    def read(scan: Scan) -> None:
        scan.place = where
        for layout in layouts:
            layout(scan)

    return read
