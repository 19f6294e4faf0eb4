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


def test_pattern_that_takes_paths_back_is_not_told_to_match_nothing(pgvault_ready: Command, project: Path) -> None:
    patterns = ("--exclude", "*", "--exclude", "!*/", "--exclude", "!*.ts")
    done = pgvault_ready("backup", "--dir", "project=project", *patterns)
    assert done.code == 0
    assert listed(pgvault_ready) == {"main.ts"}
    assert "matched no path" not in done.err


def test_wrong_pattern_is_refused_before_anything_is_saved(pgvault_ready: Command, project: Path) -> None:
    done = pgvault_ready("backup", "--dir", "project=project", "--exclude", "a\\")
    assert (done.code, "not a pattern" in done.err) == (2, True)
    assert pgvault_ready("snapshots", "--json").json()["snapshots"] == []


@pytest.fixture
def damaged(pgvault_ready: Command, project: Path) -> Path:
    """The project, saved, then damaged: one file is gone, one changed, one a directory, one new."""
    assert pgvault_ready("backup", "--dir", "project=project").code == 0
    (project / "below/one").unlink()
    (project / "main.ts").write_text("longer than before")
    (project / "below/two").write_text("BELOW/TWO"[:9])
    (project / "new").write_text("mine")
    return project


def state(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}


@pytest.mark.spec("SEL-20")
def test_restore_into_a_directory_brings_what_is_missing_and_shows_what_differs(
    pgvault_ready: Command, damaged: Path
) -> None:
    before = state(damaged)
    plan = pgvault_ready("restore", "latest", "--dir", "project=project", "--dry-run")
    assert plan.code == 0, plan.err
    assert "1 missing there" in plan.out
    assert "2 differ there, which are left" in plan.out
    assert "main.ts: other content there" in plan.out
    assert state(damaged) == before
    done = pgvault_ready("restore", "latest", "--dir", "project=project", "--yes", "--json")
    assert done.code == 0, done.err
    assert done.json()["files"] == 1
    assert [one["path"] for one in done.json()["files_left"]] == ["project/below/two", "project/main.ts"]
    assert state(damaged) == {**before, "below/one": "below/one"}


def test_restore_replaces_what_differs_when_told_and_never_removes(pgvault_ready: Command, damaged: Path) -> None:
    before = (damaged / "node_modules/x/y").stat().st_mtime_ns
    done = pgvault_ready("restore", "latest", "--dir", "project=project", "-c", "--yes")
    assert done.code == 0, done.err
    found = state(damaged)
    assert found.pop("new") == "mine"
    assert found == {path: path for path in ("main.ts", ".env", "node_modules/x/y", "below/one", "below/two")}
    assert (damaged / "node_modules/x/y").stat().st_mtime_ns == before


def test_what_is_in_the_way_of_one_path_keeps_no_other_away(pgvault_ready: Command, damaged: Path) -> None:
    (damaged / "main.ts").unlink()
    (damaged / "main.ts").mkdir()
    (damaged / "main.ts/inner").write_text("mine")
    done = pgvault_ready("restore", "latest", "--dir", "project=project", "-c", "--yes", "--json")
    assert done.code == 9
    assert [one["entry"] for one in done.json()["failed"] if "main.ts" in one["entry"]] == ["project: main.ts"]
    assert state(damaged)["below/two"] == "below/two"
    assert state(damaged)["main.ts/inner"] == "mine"


def test_link_in_a_directory_leads_nowhere_outside(pgvault_ready: Command, damaged: Path) -> None:
    outside = pgvault_ready.home / "outside"
    outside.mkdir()
    (damaged / "below/two").unlink()
    (damaged / "below").rmdir()
    (damaged / "below").symlink_to(outside)
    done = pgvault_ready("restore", "latest", "--dir", "project=project", "-c", "--yes")
    assert done.code == 9
    assert list(outside.iterdir()) == []


def test_extracted_path_keeps_its_last_name_alone(pgvault_ready: Command, project: Path) -> None:
    assert pgvault_ready("backup", "--dir", "project=project").code == 0
    assert pgvault_ready("extract", "latest", "project/below", "project/node_modules/x", "--to", "out").code == 0
    assert set(state(pgvault_ready.home / "out")) == {"below/one", "below/two", "x/y"}
    assert pgvault_ready("extract", "latest", "project/main.ts", "--to", "one").code == 0
    assert set(state(pgvault_ready.home / "one")) == {"main.ts"}


def test_two_extracted_paths_of_one_name_are_refused(pgvault_ready: Command, project: Path) -> None:
    (project / "below/main.ts").write_text("other")
    assert pgvault_ready("backup", "--dir", "project=project").code == 0
    done = pgvault_ready("extract", "latest", "project/main.ts", "project/below/main.ts", "--to", "out")
    assert done.code == 2
    assert "both be written as main.ts" in done.err
    assert not list((pgvault_ready.home / "out").glob("*"))
