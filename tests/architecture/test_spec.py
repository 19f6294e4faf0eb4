"""The spec and what quotes it: every demand is proved by a test or a vector, every tag is explained, every link leads somewhere."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.sources import ROOT

CHAPTERS = sorted((ROOT / "spec").glob("*.md"))
PITFALLS = ROOT / "spec" / "87-postgres-pitfalls.md"
DEMAND = re.compile(r"\[([A-Z]+-\d+)\]")
TAG = re.compile(r"\[([A-Z]\d+)\]")


def sources() -> Iterator[Path]:
    for tree in ("vault", "tests", "benchmarks"):
        yield from sorted((ROOT / tree).rglob("*.py"))


def quoted(pattern: re.Pattern[str], paths: Iterator[Path]) -> dict[str, str]:
    """What the pattern finds -> the last file that has it."""
    return {
        word: str(path.relative_to(ROOT))
        for path in paths
        for word in pattern.findall(path.read_text(encoding="utf-8"))
    }


def demands() -> dict[str, str]:
    return quoted(DEMAND, iter(CHAPTERS))


def proved_by_vectors() -> set[str]:
    vectors = sorted((ROOT / "spec" / "vectors").glob("*/*.json"))
    return {demand for path in vectors for demand in json.loads(path.read_text(encoding="utf-8"))["spec"]}


def proved_by_tests() -> set[str]:
    """The arguments of every `pytest.mark.spec(...)`."""
    return {
        argument.value
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "spec"
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_demand_is_proved_by_a_test_or_a_vector() -> None:
    unproved = demands().keys() - proved_by_tests() - proved_by_vectors()
    assert sorted(unproved) == [], "name a test with @pytest.mark.spec, or a vector"


def test_nothing_proves_a_demand_that_is_not_there() -> None:
    assert sorted((proved_by_tests() | proved_by_vectors()) - demands().keys()) == []


def test_every_tag_is_explained_in_the_chapter_of_pitfalls() -> None:
    explained = re.findall(r"^\| \*\*([A-Z]\d+)\*\* \|", PITFALLS.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(set(explained)) == len(explained) > 30
    used = quoted(TAG, iter([*sources(), *CHAPTERS]))
    assert len(used) > 20
    assert {tag: where for tag, where in used.items() if tag not in explained} == {}


def test_chapters_that_are_named_are_there() -> None:
    there = {path.stem for path in CHAPTERS} | {path.stem for path in (ROOT / "spec" / "adr").glob("*.md")}
    named = quoted(re.compile(r"\b(?<![-/\w])(\d\d-(?!bit|byte)[a-z]+(?:-[a-z]+)*)\b"), iter([*sources(), *CHAPTERS]))
    assert {name: where for name, where in named.items() if name not in there} == {}
