"""Reuse is not believed blindly: samples, `--full`, suspect and incoherent snapshots (spec 85-reuse, "Trust is checked")."""

from __future__ import annotations

import os

import pytest

from tests.fake_source import FakeDatabase, FakeOpener
from tests.small_repository import CLOCK, Quiet, contents, new_repository, rows, take
from vault.ops.backup import run as backup
from vault.repo.state import Open
from vault.store.memory import MemoryStore

TRUE = FakeDatabase(tables={"public.t": [rows(1, 300)], "public.u": [rows(n, 300) for n in range(5, 9)]})
OTHER = {"public.t": [rows(2, 300)], "public.u": [rows(n, 300) for n in range(15, 19)]}
LYING = FakeDatabase(tables=OTHER, earlier=FakeDatabase(tables=OTHER))
"""All rows are others than in TRUE, and the server calls them unchanged."""


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def unchanged(database: FakeDatabase) -> FakeDatabase:
    return FakeDatabase(tables=database.tables, earlier=database)


def full(repo: Open, database: FakeDatabase, progress: Quiet, *, selection: str = "") -> backup.BackupReport:
    return backup.run(
        repo,
        request=backup.BackupRequest(source="project", selection=selection, program="test", full=True),
        open_capture=FakeOpener(database),
        directories={},
        clock=CLOCK,
        entropy=os.urandom,
        progress=progress,
    )


def test_full_compares_everything_and_stores_what_it_read(repo: Open) -> None:
    take(repo, TRUE)
    progress = Quiet()
    report = full(repo, LYING, progress)
    assert "public.t from block 0" in report.manifest.suspect
    assert sum(event.startswith("error: ") for event in progress.events) == 5
    assert contents(repo, report.id)["table public.t"] == OTHER["public.t"][0]
    assert contents(repo, report.id)["table public.u"] == b"".join(OTHER["public.u"])
    assert report.manifest.effort.extents_reused == 0


def test_full_of_an_unchanged_database_is_not_suspect(repo: Open) -> None:
    take(repo, TRUE)
    assert full(repo, unchanged(TRUE), Quiet()).manifest.suspect == ""
    assert take(repo, unchanged(TRUE)).manifest.effort.extents_reused == 5


@pytest.mark.spec("REUSE-4")
def test_the_sampled_extent_is_stored_as_it_was_read(repo: Open) -> None:
    one = FakeDatabase(tables={"public.t": [rows(1, 300)]})
    take(repo, one)
    report = take(repo, FakeDatabase(tables={"public.t": OTHER["public.t"]}, earlier=unchanged(LYING)))
    assert "public.t" in report.manifest.suspect
    assert contents(repo, report.id)["table public.t"] == OTHER["public.t"][0]


def test_after_a_suspect_snapshot_everything_is_read_and_then_reuse_goes_on(repo: Open) -> None:
    """Its parent is what is in doubt, and it would be the next base."""
    take(repo, TRUE)
    full(repo, LYING, Quiet())
    second = take(repo, LYING)
    assert (second.manifest.suspect, second.manifest.effort.extents_reused) == ("", 0)
    assert contents(repo, second.id)["table public.u"] == b"".join(OTHER["public.u"])
    third = take(repo, LYING)
    assert (third.manifest.parent, third.manifest.effort.extents_reused) == (second.id, 5)


def test_a_snapshot_under_which_definitions_changed_is_no_base(repo: Open) -> None:
    take(repo, FakeDatabase(tables=TRUE.tables, changed=(("type public.e",),) * 3))
    assert take(repo, unchanged(TRUE)).manifest.effort.extents_reused == 0
    assert take(repo, unchanged(TRUE)).manifest.effort.extents_reused == 5


def test_a_suspect_snapshot_of_another_selection_is_doubt_too(repo: Open) -> None:
    """It is the same server whose rows changed without a trace, and what the parent took over may be wrong by the same fault."""
    take(repo, TRUE, selection="all")
    take(repo, TRUE, selection="some")
    assert "public.t" in full(repo, LYING, Quiet(), selection="all").manifest.suspect
    second = take(repo, unchanged(LYING), selection="some")
    assert second.manifest.effort.extents_reused == 0
    assert contents(repo, second.id)["table public.u"] == b"".join(OTHER["public.u"])
    assert take(repo, unchanged(LYING), selection="some").manifest.effort.extents_reused == 5
    assert take(repo, TRUE, source="another").manifest.parent is None
