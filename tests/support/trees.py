"""What holds for every tree of fields, whatever its bytes are."""

from __future__ import annotations

from puretls._analysis.fields import Field


def tiles(root: Field, data: bytes) -> None:
    """The leaves are the bytes, once and in order; nodes are what is in them; nothing in it steers a terminal."""
    position = 0
    for leaf in root.leaves():
        assert leaf.start == position, leaf
        position += leaf.size
    assert position == len(data) == root.size
    for _, node in root.walk():
        assert node.name
        assert all(text.isprintable() for text in (node.name, node.value, node.note, node.fault))
        if node.children:
            assert (node.children[0].start, node.children[-1].end) == (node.start, node.end)
