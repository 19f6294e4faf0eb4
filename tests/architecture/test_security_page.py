"""What SECURITY.md names is there: each promise has tests, each figure a line of results, each chapter its file."""

from __future__ import annotations

import json
import re

import pytest

from tests.architecture.sources import ROOT

PAGE = (ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`((?:tests|benchmarks|spec|vault)/[\w./*-]+)(?:::(\w+))?`")
COMMANDS = re.compile(r"`python -m (tests\.[\w.]+)")
LINKED = re.compile(r"\]\(\.\./([\w./-]+)\)")
FIGURES = re.compile(r"`(benchmarks/results/(\w+)\.jsonl)`")
PROMISES = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.partition("## What is promised")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]


def test_every_file_that_the_page_names_exists() -> None:
    named = [*(path for path, _ in NAMED.findall(PAGE)), *LINKED.findall(PAGE)]
    assert len(named) > 20
    assert [path for path in named if not list(ROOT.glob(path))] == []


def test_every_command_that_the_page_names_is_there() -> None:
    modules = [ROOT.joinpath(*name.split(".")) for name in COMMANDS.findall(PAGE)]
    assert len(modules) > 5
    runs = [module / "__main__.py" if module.is_dir() else module.with_suffix(".py") for module in modules]
    assert [path for path in runs if '__name__ == "__main__"' not in path.read_text(encoding="utf-8")] == []


def test_every_test_that_the_page_names_is_in_its_file() -> None:
    named = [(path, name) for path, name in NAMED.findall(PAGE) if name]
    assert [pair for pair in named if f"def {pair[1]}(" not in (ROOT / pair[0]).read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("promise", PROMISES, ids=lambda cells: cells[0][:40])
def test_every_promise_names_a_test(promise: list[str]) -> None:
    assert len(promise) == 3
    assert "`tests/" in promise[2]


def test_every_figure_has_a_recorded_run() -> None:
    for path, _ in FIGURES.findall(PAGE):
        lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        assert json.loads(lines[-1])["command"]
