"""The table of spec 95-limits and vault/limits.py say the same, in both directions; so do the numbers of spec/reader.py."""

from __future__ import annotations

import re
from pathlib import Path

from spec import reader
from vault import limits

SPEC = Path(__file__).resolve().parents[2] / "spec"
ROW = re.compile(r"^\| `([a-z0-9_]+)` \| (\d+) \| ", re.MULTILINE)
ID = re.compile(r"\[([A-Z]+-\d+)\]")


def written() -> dict[str, int]:
    rows = ROW.findall((SPEC / "95-limits.md").read_text(encoding="utf-8"))
    assert len(dict(rows)) == len(rows) > 0, "a name stands twice, or there is no table"
    return {name.upper(): int(value) for name, value in rows}


def test_limits_and_their_chapter_are_equal() -> None:
    coded = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert coded == written()


def test_reader_of_the_spec_has_the_numbers_of_the_chapter() -> None:
    numbers = written()
    shared = {name: value for name, value in vars(reader).items() if name in numbers}
    assert len(shared) > 10
    assert shared == {name: numbers[name] for name in shared}
    assert {
        "lanes": (1, numbers["KDF_LANES_MAX"]),
        "memory": (numbers["KDF_MEMORY_KIB_MIN"], numbers["KDF_MEMORY_KIB_MAX"]),
        "passes": (numbers["KDF_PASSES_MIN"], numbers["KDF_PASSES_MAX"]),
    } == reader.KDF_BOUNDS


def test_every_demand_that_is_quoted_is_in_a_chapter() -> None:
    demanded = {found for path in SPEC.glob("[0-9]*.md") for found in ID.findall(path.read_text(encoding="utf-8"))}
    assert demanded
    quoted = set(ID.findall((SPEC / "reader.py").read_text(encoding="utf-8")))
    for path in (SPEC / "vectors").rglob("*.json"):
        quoted |= set(re.findall(r'"([A-Z]+-\d+)"', path.read_text(encoding="ascii")))
    assert quoted <= demanded, sorted(quoted - demanded)
