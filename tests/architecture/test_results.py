"""Recorded figures name the command, and no place on the machine where it ran."""

from __future__ import annotations

import json

from tests.architecture.sources import ROOT


def test_a_recorded_command_names_no_absolute_path() -> None:
    recorded = [
        json.loads(line)
        for file in sorted((ROOT / "benchmarks" / "results").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    assert recorded
    for run in recorded:
        assert not any(word.startswith("/") for word in run["command"].split()), run["command"]
