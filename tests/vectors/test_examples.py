"""The hex examples in the chapters are what the vectors' own writer makes."""

from __future__ import annotations

import re
from itertools import takewhile

from spec.vectors import write
from tests.vectors.stored import ROOT

TEXT = b"1\tone\n"
ID = write.object_id(write.ROW_CHUNK, TEXT)


def example(chapter: str) -> str:
    """All hex at the starts of lines in the chapter's blocks of code, joined."""
    text = next(ROOT.parent.glob(f"{chapter}-*.md")).read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"```\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    hexes = re.compile(r"([0-9a-f]{2})+").fullmatch
    return "".join(token for line in lines for token in takewhile(hexes, line.split()))


def test_example_of_encoding() -> None:
    value = {"\u00e4": True, "b": [1, -1, 128], "a": b"\0\xff", "_x": None}
    assert write.encode(value).hex() in example("10")


def test_examples_of_keys() -> None:
    found = example("20")
    for data in (write.bundle(), write.config(), write.envelope(b"\x80", write.LEASE)):
        assert data.hex() in found
    local = write.hkdf(write.ROOT, b"", b"pgvault/1/local\0\x01", 64)
    chapter = next(ROOT.parent.glob("20-*.md")).read_text(encoding="utf-8")
    assert local[:32].hex() in chapter
    assert local[32:].hex() in chapter


def test_examples_of_object_pack_and_index() -> None:
    pack = write.Pack(write.DATA)
    pack.add(write.ROW_CHUNK, TEXT)
    chapters = {
        number: (next(ROOT.parent.glob(f"{number}-*.md"))).read_text(encoding="utf-8") for number in (30, 40, 50)
    }
    file = pack.finish()
    assert ID.hex() in chapters[30]
    assert f"{pack.body[:6].hex()} {pack.body[6:].hex()}" in chapters[30]
    assert pack.header.hex() + pack.body.hex() in example("40")
    assert file[-12:].hex() in example("40")
    assert write.sha256(file).hex() in chapters[40]
    assert write.sha256(file).hex() in chapters[50]


def test_examples_of_trees() -> None:
    chunk_node = write.encode([0, [[ID, len(TEXT), False]]])
    extent_node = write.encode([0, [write.extent(0, [TEXT], lambda kind, plain: write.object_id(kind, plain))]])
    key = write.encode(write.identity("TABLE", "table", ["public", "item"]))
    for data in (chunk_node, extent_node, key):
        assert data.hex() in example("60")
