"""The demo, told from its start to its end on an embedded server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from tests.fix_views import Listener, StandingClock
from vault.demo import project, story
from vault.repo.remembered import remembered
from vault.repo.state import Closed
from vault.source.postgres.connection.programs import Programs
from vault.source.postgres.connection.throwaway_directories import throwaway_directory
from vault.source.postgres.connection.throwaway_server import EmbeddedServer, embedded_bin
from vault.store.memory import MemoryStore

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def told() -> Iterator[tuple[story.DemoReport, Listener, MemoryStore]]:
    listener, store = Listener(), MemoryStore()
    with throwaway_directory() as place:
        with EmbeddedServer(place / "server") as server:
            stage = story.Stage(
                store=store,
                server=server,
                directory=place / "project",
                programs=Programs(search_path="/usr/bin", embedded=embedded_bin()),
                clock=StandingClock(),
                entropy=os.urandom,
            )
            yield story.run(stage, progress=listener), listener, store


def test_what_was_restored_equals_what_was_there(told: tuple[story.DemoReport, Listener, MemoryStore]) -> None:
    report, listener, _ = told
    assert [
        text
        for kind, text in listener.events
        if kind == "demo" and text.lstrip().startswith(("differs", "not restored"))
    ] == []
    assert report.restored_equal


def test_backup_and_restore_count_the_inventory_of_a_real_project(
    told: tuple[story.DemoReport, Listener, MemoryStore],
) -> None:
    report, _, _ = told
    assert replace(report.counts, records=0) == project.INVENTORY
    assert report.restored_counts == report.counts


def test_the_snapshots_are_days_apart_and_share_what_did_not_change(
    told: tuple[story.DemoReport, Listener, MemoryStore],
) -> None:
    report, _, store = told
    opened = Closed(store).open(story.PASSPHRASE)
    manifests = [opened.manifest(snapshot_id) for snapshot_id in report.snapshots]
    assert [manifest.sequence for manifest in manifests] == [1, 2, 3, 4, 5, 6]
    times = [manifest.created_ms for manifest in manifests[: report.days]]
    assert [later - earlier for earlier, later in pairwise(times)] == [story.DAY_MS] * 4
    first, *later = (manifest.effort.new_bytes for manifest in manifests[: report.days])
    assert all(new < first for new in later)
    assert report.stored_bytes < report.source_bytes / 3


def test_the_story_names_the_damage_and_ends_with_the_users_own_commands(
    told: tuple[story.DemoReport, Listener, MemoryStore],
) -> None:
    _, listener, _ = told
    said = [text for kind, text in listener.events if kind == "demo"]
    assert any(text.strip().startswith("gone: POLICY") and "customers: select" in text for text in said)
    assert any(text.strip().startswith("gone: FUNCTION") and "usage_by_day" in text for text in said)
    assert any(text.strip() == f"gone: edge_functions/{story.LOST_FUNCTION}/index.ts" for text in said)
    assert any("public.ai_usage_events" in text and "now 0" in text for text in said)
    assert any("auth.users: 6 rows, now 4" in text for text in said)
    assert [text.strip() for text in said[-3:]] == list(story.COMMANDS)


def test_it_ends_with_a_drill_that_is_recorded(told: tuple[story.DemoReport, Listener, MemoryStore]) -> None:
    report, _, store = told
    drills = remembered(Closed(store).open(story.PASSPHRASE)).drills
    assert [(id, drill.passed, drill.not_checked) for id, drill in drills.items()] == [(report.snapshots[4], True, ())]
