"""An inspected connection in words: as a ladder in the terminal, and as one JSON document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from puretls._analysis.conversation import Conversation, Message
from puretls._analysis.fields import Field
from puretls._analysis.ja4 import fingerprint
from puretls._analysis.keylog import PURPOSES
from puretls.cli.render import Plain

MIDDLING = frozenset({  # what only `--full` shows: what TLS 1.3 keeps for the sake of older software, and fillers
    "msg_type", "length", "type", "level", "legacy_version", "legacy_compression_methods", "legacy_compression_method",
    "legacy_session_id", "legacy_session_id_echo", "certificate_request_context", "ec_point_formats", "padding",
    "extended_master_secret", "encrypt_then_mac", "renegotiation_info", "ticket_age_add", "ticket_nonce",
})  # fmt: skip
OPENED = frozenset({"extensions", "certificate_list"})  # worth a line for each thing in them
HEX = 24  # bytes of a field that `--full` shows in hexadecimal
Part = tuple[str, str]  # some text and what it is: a key of `Plain.line`


@dataclass
class Inspection:
    """One connection, and what its two sides made of it."""

    title: str
    conversation: Conversation
    facts: dict[str, str] = field(default_factory=dict)
    failed: str = ""

    def __post_init__(self) -> None:
        self.ja4, self.ja4_r = fingerprint(self.conversation.client_hello)
        if self.ja4:
            self.facts["JA4"] = self.ja4

    def document(self) -> dict[str, Any]:
        """For JSON. Bytes are hexadecimal, fields are trees, times are milliseconds since the connection stood."""
        return {
            "title": self.title,
            "failed": self.failed or None,
            "facts": self.facts,
            "ja4": self.ja4 or None,
            "ja4_r": self.ja4_r or None,
            "secrets": [
                {
                    "label": one.label,
                    "of": side(one.from_client),
                    "purpose": purpose(one.label),
                    "secret": one.secret.hex(),
                    "key": one.key.hex(),
                    "iv": one.iv.hex(),
                }
                for one in self.conversation.keys
            ],
            "records": [
                {
                    "from": side(record.from_client),
                    "at_ms": round(record.at * 1000, 3),
                    "bytes": record.raw.hex(),
                    "fields": tree(record.field),
                    "secret": record.secret or None,
                    "fault": record.fault or None,
                    "decrypted": {"bytes": record.plain.hex(), "fields": tree(record.inner)} if record.inner else None,
                    "messages": [
                        {"name": one.name, "bytes": one.raw.hex(), "fields": tree(one.field)} for one in record.messages
                    ],
                }
                for record in self.conversation.records
            ],
        }


def side(from_client: bool) -> str:
    """Who speaks."""
    return "client" if from_client else "server"


def purpose(label: str) -> str:
    """What a secret is for; those after a KeyUpdate have the purpose of their first."""
    base, _, number = label.rpartition("_")
    return PURPOSES.get(label) or PURPOSES.get(f"{base}_0", "") + (", after a KeyUpdate" if number.isdigit() else "")


def tree(node: Field) -> dict[str, Any]:
    """A field and what is in it; what is empty is left out."""
    told: dict[str, Any] = {"name": node.name, "start": node.start, "size": node.size}
    told |= {name: text for name in ("value", "note", "rfc", "fault") if (text := getattr(node, name))}
    if node.children:
        told["fields"] = [tree(child) for child in node.children]
    return told


# The terminal


def show(inspection: Inspection, screen: Plain, *, full: bool) -> None:
    """The ladder, rung by rung, with what is on each of them."""
    screen.heading(inspection.title)
    if inspection.facts:
        screen.pairs(list(inspection.facts.items()))
    screen.heading("The ladder", "every message in order; encrypted ones are shown decrypted")
    labels: dict[bool, str] = {}
    for record in inspection.conversation.records:
        if record.secret and record.secret != labels.get(record.from_client):
            labels[record.from_client] = record.secret
            screen.line()
            screen.line(
                ("  encrypted from here on: the ", "dim"),
                (side(record.from_client), "dim"),
                (" writes with ", "dim"),
                (record.secret, "secret"),
            )
        for fault in (record.fault, *record.field.faults()):
            if fault:
                screen.line()
                screen.line((f"  {side(record.from_client)}: {len(record.raw):,} bytes: {fault}", "bad"))
        if full:
            kind = f"{record.field.name}, {len(record.raw):,} bytes from the {side(record.from_client)}"
            screen.line()
            screen.line(("  record: ", "dim"), (kind, "dim"))
            for parts in every_field(record.field, record.raw):
                screen.line(*parts)
            if record.inner:
                screen.line(("  decrypted:", "dim"))
                for parts in every_field(record.inner, record.plain):
                    screen.line(*parts)
        for message in record.messages:
            screen.rung(message.from_client, message.spoken, len(message.raw), message.at)
            for parts in every_field(message.field, message.raw) if full else chosen_fields(message):
                screen.line(*parts)
    if full and inspection.conversation.keys:
        screen.heading("Secrets", "of this connection only, which is over: they open nothing else")
        for one in inspection.conversation.keys:
            screen.line(("  ", ""), (one.label, "secret"), (f"  {purpose(one.label)}", "dim"))
            screen.pairs([("secret", one.secret.hex()), ("key", one.key.hex()), ("iv", one.iv.hex())])


def chosen_fields(message: Message) -> Iterator[tuple[Part, ...]]:
    """What matters in a message, a line each, and a sentence about it."""
    if message.field.note:
        yield (f"      {message.field.note}", "note"), (f"  {message.field.rfc}", "dim")
    for node in message.field.children:
        if node.name in OPENED:
            for child in node.children:
                yield from one_field(child)
        else:
            yield from one_field(node)


def one_field(node: Field) -> Iterator[tuple[Part, ...]]:
    """A field in a line or two, unless it is of no interest."""
    if node.fault or node.faults():
        yield from ((("        ", ""), (fault, "bad")) for fault in node.faults())
    if node.name in MIDDLING or node.name.startswith("GREASE"):
        return
    yield ("        ", ""), (node.name, "name"), (f"  {node.value}", "value")
    if node.note:
        yield ((f"            {node.note}", "dim"),)


def every_field(root: Field, data: bytes) -> Iterator[tuple[Part, ...]]:
    """All fields as a tree, with offsets and bytes."""
    for depth, node in root.walk():
        if depth == 0:
            continue
        shown = data[node.start : node.end]
        spelled = shown[:HEX].hex(" ") + (" ..." if len(shown) > HEX else "")
        yield (
            (f"      {node.start:5} ", "dim"),
            ("  " * (depth - 1), ""),
            (node.name, "name"),
            (f"  {node.value}", "value"),
            (f"   [{spelled}]" if not node.children and shown else "", "dim"),
            (f"   {node.fault}" if node.fault else "", "bad"),
        )
        if node.note:
            yield ("            " + "  " * (depth - 1), ""), (f"  {node.note}", "dim"), (f"  {node.rfc}", "dim")
