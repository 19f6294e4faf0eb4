"""Which snapshot the user's words name, and how a repository opens."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from tests.fake_source import FakeDirectory
from tests.small_repository import CLOCK, PASSPHRASE, Quiet, TestClock, new_repository, opened, quick_keys, take
from vault.errors import NoRepository, NotThere, UsageError, WrongPassphrase
from vault.ids import SnapshotId
from vault.ops.backup import run as backup
from vault.ops.repository import keys
from vault.repo.state import Closed, Open
from vault.store.memory import MemoryStore


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def at(repo: Open, when: str, *, source: str = "project", **tags: str) -> SnapshotId:
    """A snapshot taken at that time."""
    now_ms = int(datetime.fromisoformat(when).replace(tzinfo=UTC).timestamp() * 1000)
    return backup.run(
        repo,
        request=backup.BackupRequest(source=source, selection="", program="test", tags=tags),
        open_capture=None,
        directories={"lib": FakeDirectory({})},
        clock=TestClock(now_ms - 1_000),
        entropy=os.urandom,
        progress=Quiet(),
    ).id


def test_words_for_snapshots(repo: Open) -> None:
    first = at(repo, "2026-01-30T10:00:00", release="v1")
    second = at(repo, "2026-01-31T09:59:59", release="v2")
    third = at(repo, "2026-01-31T10:00:30", source="other")
    fourth = at(repo, "2026-01-31T10:00:59", release="v2")
    for words, found in {
        "latest": fourth,
        "latest~0": fourth,
        "latest~1": third,
        "latest~3": first,
        "2026-01-30": first,
        "2026-01-31": fourth,
        "2026-01-31T09:59": second,
        "2026-01-31 09:59": second,
        "2026-01-31T10:00:30": third,
        "2026-01-31T10:00:30Z": third,
        "v1": first,
        "release=v1": first,
        first.hex(): first,
        first.hex()[:12]: first,
    }.items():
        assert repo.resolve(words) == found, words
    assert repo.resolve("latest", "other") == third
    assert repo.resolve("latest~2", "project") == first
    for words in (
        "latest~4",
        "2026-02-01",
        "v3",
        "release",
        "f" * 6,
        first.hex()[:5],
        "",
        "LATEST",
        "2026-01-31T11:00",
    ):
        with pytest.raises(NotThere) as refused:
            repo.resolve(words)
        assert "did you mean latest?" not in refused.value.hint or words == "LATEST"
    with pytest.raises(NotThere) as too_far:
        repo.resolve("latest~9", "project")
    assert too_far.value.hint == "the oldest is latest~2; they are listed by: pgvault snapshots"
    with pytest.raises(NotThere):
        repo.resolve(first.hex(), "other")
    for words in ("v2", "release=v2"):
        with pytest.raises(UsageError, match="names 2"):
            repo.resolve(words)
    with pytest.raises(UsageError):
        repo.resolve("2026-13-45")


def test_repository_opens_with_any_of_its_passphrases_and_the_kit() -> None:
    store = MemoryStore()
    with quick_keys():
        created = keys.create_repository(store, passphrase="one", label="", clock=CLOCK, entropy=os.urandom)
        repo = Closed(store).open("one")
        keys.add_slot(repo, passphrase="two", label="", clock=CLOCK, entropy=os.urandom)
    report = take(repo, None, {"lib": FakeDirectory({b"f": b"content"})})
    for found in (Closed(store).open("one"), Closed(store).open("two"), Closed(store).open_with_kit(created.kit)):
        assert found.resolve("latest") == report.id
        assert found.bundle == repo.bundle
    with pytest.raises(WrongPassphrase):
        Closed(store).open("three")
    with pytest.raises(NoRepository):
        Closed(MemoryStore()).open("one")


def test_slot_of_another_repository_is_passed_over() -> None:
    files: dict[str, bytes] = {}
    stores = [MemoryStore(), MemoryStore()]
    with quick_keys():
        for store in stores:
            keys.create_repository(store, passphrase="same", label="", clock=CLOCK, entropy=os.urandom)
            files.update({name: data for name, data in store.files.items() if name.startswith("keys/")})
    for store in stores:
        both = MemoryStore({**files, "config": store.files["config"]})
        assert Closed(both).open("same").bundle == Closed(store).open("same").bundle


def test_manifest_that_cannot_be_read_hides_no_other(repo: Open) -> None:
    assert isinstance(repo.store, MemoryStore)
    first = take(repo, None, {"lib": FakeDirectory({})}).id
    second = take(repo, None, {"lib": FakeDirectory({})}).id
    repo.store.files[f"snapshots/{second.hex()}"] = b"nothing"
    assert [snapshot_id for snapshot_id, _ in opened(repo.store).snapshots()] == [first]
    assert {snapshot_id for snapshot_id, _ in opened(repo.store).scan()} == {first, second}
    assert Closed(repo.store).open(PASSPHRASE).resolve(first.hex()[:12]) == first
