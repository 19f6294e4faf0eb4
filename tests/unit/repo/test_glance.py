"""One page of a listing, and the copy of the configuration that it lets stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fake_source import FakeDirectory
from tests.faults import RecordingStore
from tests.small_repository import TestClock, new_repository, opened_far, take
from vault.errors import NotFound
from vault.repo.glance import PAGE_FILES, Glance, Look
from vault.repo.index import Glancing
from vault.store.memory import MemoryStore


def names(glance: Glance, prefix: str) -> list[str] | None:
    files = glance.take(prefix)
    return None if files is None else [file.name for file in files]


def test_a_small_store_is_told_whole_and_each_directory_once() -> None:
    glance = Glance(MemoryStore({"config": b"c", "keys/a": b"", "snapshots/b": b""}))
    assert names(glance, "keys/") == ["keys/a"]
    assert names(glance, "findings/") == []
    assert names(glance, "snapshots/") == ["snapshots/b"]
    assert names(glance, "snapshots/") is None


def test_of_a_large_store_only_what_sorts_before_the_last_name_is_told() -> None:
    packs = {f"packs/{number:064x}": b"" for number in range(PAGE_FILES)}
    recording = RecordingStore(MemoryStore({"keys/a": b"", "snapshots/b": b"", **packs}))
    glance = Glance(recording)
    assert recording.requests() == ["list"]
    assert names(glance, "keys/") == ["keys/a"]
    assert names(glance, "packs/") is None
    assert names(glance, "pins/") is None
    assert names(glance, "snapshots/") is None


def test_a_page_that_ends_with_the_last_file_of_a_directory_does_not_tell_of_it() -> None:
    keys = {f"keys/{number:064x}": b"" for number in range(PAGE_FILES)}
    assert names(Glance(MemoryStore(keys)), "keys/") is None


def test_an_index_takes_the_glance_once_and_then_lists_as_a_writer_does() -> None:
    recording = RecordingStore(MemoryStore({"index/a": b"", "packs/b": b""}))
    listing = Glancing(Glance(recording))
    assert [[file.name for file in files] for files in listing(recording)] == [["index/a"], ["packs/b"]]
    assert recording.requests() == ["list"]
    recording.put("index/c", b"")
    assert [[file.name for file in files] for files in listing(recording)] == [["index/a", "index/c"], ["packs/b"]]
    assert [call.name for call in recording.calls if call.kind == "list"] == ["", "index/", "packs/"]


def look(store: RecordingStore, copies: Path) -> bytes:
    return Look(store, is_far=True, uptime_s=lambda: 0.0, copies=copies).config(lambda: store.get("config"))


def test_a_configuration_is_read_again_when_it_is_another_file(tmp_path: Path) -> None:
    clock = TestClock()
    memory = MemoryStore(clock=clock)
    recording = RecordingStore(memory)
    memory.put("config", b"one")
    assert [look(recording, tmp_path) for _ in range(3)] == [b"one"] * 3
    assert recording.requests().count("get config") == 1
    memory.delete("config")
    memory.put("config", b"two")
    assert look(recording, tmp_path) == b"two"
    memory.delete("config")
    with pytest.raises(NotFound):
        look(recording, tmp_path)


def test_a_damaged_copy_of_the_configuration_is_none(tmp_path: Path) -> None:
    recording = RecordingStore(MemoryStore({"config": b"one"}))
    look(recording, tmp_path)
    (copy,) = tmp_path.iterdir()
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    assert look(recording, tmp_path) == b"one"
    copy.write_bytes(b"")
    assert look(recording, tmp_path) == b"one"
    assert recording.requests().count("get config") == 3


def test_a_glance_is_taken_anew_after_somebody_has_typed_a_passphrase() -> None:
    times = iter([0.0, 60.0])
    recording = RecordingStore(MemoryStore({"config": b"c"}))
    late = Look(recording, is_far=True, uptime_s=lambda: next(times))
    assert late.config(lambda: recording.get("config")) == b"c"
    late.glance()
    assert recording.requests().count("list") == 2


@pytest.mark.parametrize(("after_s", "listings"), [(5.0, 1), (5.5, 2)])
def test_a_glance_is_fresh_for_five_seconds_from_its_beginning(after_s: float, listings: int) -> None:
    times = iter([100.0, 100.0 + after_s])
    recording = RecordingStore(MemoryStore({"config": b"c"}))
    late = Look(recording, is_far=True, uptime_s=lambda: next(times))
    late.config(lambda: recording.get("config"))
    late.glance()
    assert recording.requests().count("list") == listings
    late.glance(anew=True)
    assert recording.requests().count("list") == listings + 1


def test_a_file_that_is_called_nearly_like_the_configuration_is_none(tmp_path: Path) -> None:
    memory = MemoryStore({"config": b"one"})
    recording = RecordingStore(memory)
    assert look(recording, tmp_path) == b"one"
    memory.files["config.old"] = memory.files.pop("config")
    with pytest.raises(NotFound):
        look(recording, tmp_path)


def test_a_configuration_of_another_length_than_was_listed_is_not_kept(tmp_path: Path) -> None:
    """Somebody exchanged it between the listing and the reading: nobody knows of which time it is."""
    store = MemoryStore({"config": b"one"})
    exchanged = Look(store, is_far=True, uptime_s=lambda: 0.0, copies=tmp_path).config(lambda: b"another")
    assert exchanged == b"another"
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_that_the_page_does_not_tell_of_is_read_and_not_kept(tmp_path: Path) -> None:
    before = {f"acks/{number:064x}": b"" for number in range(PAGE_FILES)}
    assert look(RecordingStore(MemoryStore({"config": b"one", **before})), tmp_path) == b"one"
    assert list(tmp_path.iterdir()) == []


def test_who_has_not_read_the_configuration_gets_a_glance_too() -> None:
    assert Look(MemoryStore({"keys/a": b""}), is_far=True, uptime_s=lambda: 0.0).glance() is not None


def test_what_was_listed_at_opening_is_told_when_every_snapshot_was_known_before(tmp_path: Path) -> None:
    """Else somebody lists again: what was put before a snapshot need not be in a listing that began before it."""
    store = MemoryStore()
    near = new_repository(store)
    first = opened_far(store, tmp_path)
    assert first.listed_at_opening("findings/") is None, "nobody has looked which snapshots there are"
    take(near, None, {"lib": FakeDirectory({})})
    for expected in (None, ()):
        repo = opened_far(store, tmp_path)
        repo.snapshots(at_opening=True)
        assert repo.listed_at_opening("findings/") == expected


def test_a_repository_at_hand_is_not_listed() -> None:
    recording = RecordingStore(MemoryStore({"config": b"c"}))
    near = Look(recording, is_far=False, uptime_s=lambda: 0.0)
    assert near.config(lambda: recording.get("config")) == b"c"
    assert near.glance() is None
    assert recording.requests() == ["get config"]
