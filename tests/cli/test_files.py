"""Directories at the command line: what is left out, and what a restore brings back into one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command
from vault.model import State


@pytest.fixture
def project(pgvault_ready: Command) -> Path:
    root = pgvault_ready.home / "project"
    for path in ("main.ts", ".env", "node_modules/x/y", "below/one", "below/two"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def listed(command: Command, snapshot: str = "latest") -> set[str]:
    entries = command("ls", f"{snapshot}:project", "-R", "--json").json()["entries"]
    return {entry["path"].removeprefix("project/") for entry in entries if entry["kind"] != "directory"}


def test_excluded_paths_are_not_saved_and_stand_in_the_coverage(pgvault_ready: Command, project: Path) -> None:
    done = pgvault_ready("backup", "--dir", "project=project", "--exclude", "node_modules", "--exclude", ".e*")
    assert done.code == 0, done.err
    assert listed(pgvault_ready) == {"main.ts", "below/one", "below/two"}
    coverage = pgvault_ready("show", "latest", "--json").json()["coverage"]["dir:project"]
    assert coverage["state"] == State.CAPTURED.value
    assert {item["item"]: (item["state"], item["why"].split(",")[0]) for item in coverage["missing"]} == {
        "what --exclude .e* leaves out": ("not_selected", "1 path"),
        "what --exclude node_modules leaves out": ("not_selected", "1 path"),
    }


def test_configuration_names_patterns_and_flags_replace_them(pgvault_ready: Command, project: Path) -> None:
    (pgvault_ready.home / "pgvault.toml").write_text(
        'version = 1\n[source.app]\ndirectories = { project = "project" }\nexclude = ["node_modules"]\n'
    )
    assert pgvault_ready("backup").code == 0
    assert listed(pgvault_ready) == {"main.ts", ".env", "below/one", "below/two"}
    assert pgvault_ready("backup", "--exclude", "below").code == 0
    assert listed(pgvault_ready) == {"main.ts", ".env", "node_modules/x/y"}


def test_pattern_that_matches_nothing_and_names_seldom_meant_are_told(pgvault_ready: Command, project: Path) -> None:
    done = pgvault_ready("backup", "--dir", "project=project", "--exclude", "node-modules")
    assert done.code == 0
    assert "--exclude node-modules matched no path" in done.err
    assert "node_modules is backed up too" in done.err
    assert ".env is backed up too" in done.err
    done = pgvault_ready("backup", "--dir", "project=project", "--exclude", "node_modules", "--exclude", ".env")
    assert "backed up too" not in done.err
    assert "matched no path" not in done.err


def test_wrong_pattern_is_refused_before_anything_is_saved(pgvault_ready: Command, project: Path) -> None:
    done = pgvault_ready("backup", "--dir", "project=project", "--exclude", "a\\")
    assert (done.code, "not a pattern" in done.err) == (2, True)
    assert pgvault_ready("snapshots", "--json").json()["snapshots"] == []
