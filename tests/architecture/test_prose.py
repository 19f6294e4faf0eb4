"""One sentence a line in what people read: a changed sentence is a changed line, and a review shows which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "benchmarks" / "README.md",
        *(ROOT / ".github").glob("*.md"),
        *(ROOT / "spec").rglob("*.md"),
        *(ROOT / "vault" / "docs").glob("*.md"),
    ]
)
HEAD = re.compile(r" *(?:(?:[-*]|\d+\.) +)?(?:\*\*[^*]*\*\*(?::|(?: \([0-9, ]+\)\.))? +)?")
"""Indentation, the mark of a list, and words in bold that a paragraph begins with."""
CODE = re.compile(r"``.+?``|`[^`]*`|\]\([^)]*\)")
CODE_BLOCK = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)
SENTENCE_END = re.compile(r"""(?<![.\s])[.!?][)"*_]* +(?=[\["(*_]*(?:[A-Z0-9`]|pg_|psql|libpq|zstd))""")
ABBREVIATED = re.compile(r"(?:\b[A-Z]|e\.g|i\.e|vs|cf|No)\.$")


def sentences(line: str) -> list[str]:
    """The sentences of a line of Markdown; what stands in code and in addresses ends none."""
    hidden = CODE.sub(lambda code: "`" + "x" * (len(code[0]) - 2) + "`", line)
    start, parts = 0, []
    head = HEAD.match(hidden)
    assert head is not None
    for end in SENTENCE_END.finditer(hidden, head.end()):
        if not ABBREVIATED.search(hidden[: end.start() + 1]):
            parts.append(line[start : end.end()].rstrip())
            start = end.end()
    return [*parts, line[start:]]


def prose(page: str) -> Iterator[tuple[int, str]]:
    """Number and text of the lines that are no code, no table and no heading."""
    code = False
    for number, line in enumerate(page.split("\n"), 1):
        if line.lstrip().startswith("```"):
            code = not code
        elif not code and not line.lstrip().startswith(("|", "#", "<")):
            yield number, line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_line_holds_one_sentence(path: Path) -> None:
    lines = prose(path.read_text(encoding="utf-8"))
    assert [f"{number}: {line}" for number, line in lines if len(sentences(line)) > 1] == []


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("One sentence, with `a. B` in code and 0 .. 9.", 1),
        ("1. **Read.** COPY delivers rows [X-1].", 1),
        ("- A first one. `code` begins the next (as here). [ABC-1] too!", 3),
        ("By J. Smith, e.g. Postgres ... Then on.", 1),
        ("It ends. pg_dump begins.", 2),
        ("A [link](a. B) is one.", 1),
        ("Version 1.2 is 3.4 MB.", 1),
    ],
)
def test_sentences_are_told_apart(line: str, count: int) -> None:
    assert len(sentences(line)) == count


def test_there_are_pages() -> None:
    assert len(PAGES) > 25


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_page_links_to_is_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", CODE_BLOCK.sub("", text))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []
