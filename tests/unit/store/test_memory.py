"""The store in memory: what it says, and where its ages come from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.small_repository import TestClock
from vault.errors import AlreadyExists, Malformed, NotFound, StoreError
from vault.store.memory import MemoryStore
from vault.store.readonly import ReadOnlyStore


def test_ages_are_of_its_clock_and_go_with_the_file() -> None:
    store = MemoryStore({"old": b"x"}, clock=TestClock(0))
    store.put("a", b"x")
    store.put("b", b"x")
    assert [(file.name, file.modified_ms) for file in store.list("")] == [("a", 1_000), ("b", 2_000), ("old", 0)]
    store.delete("a")
    store.files["a"] = b"anew"
    assert [file.modified_ms for file in store.list("a")] == [0]
    without = MemoryStore()
    without.put("a", b"x")
    assert [file.modified_ms for file in without.list("")] == [0]


def test_what_it_refuses_is_told() -> None:
    store = MemoryStore({"a": b"0123"})
    reading = ReadOnlyStore(store)
    calls: list[tuple[Callable[[], object], type[StoreError], str]] = [
        (lambda: store.put("a", b"x"), AlreadyExists, "a exists already in memory:"),
        (lambda: store.get("b"), NotFound, "b is not in memory:"),
        (lambda: reading.put("b", b""), StoreError, "cannot write b in memory:"),
        (lambda: reading.delete("a", "b"), StoreError, "cannot delete a, b in memory:"),
    ]
    for call, kind, message in calls:
        with pytest.raises(kind) as caught:
            call()
        assert str(caught.value) == message
    with pytest.raises(Malformed) as short:
        store.get_range("a", 2, 3)
    assert (short.value.message, short.value.file) == ("a is too short", "a")
    assert short.value.why == "it has 4 bytes, bytes 2 to 5 are needed"
    assert store.get_range("a", 0, 4) == b"0123"
