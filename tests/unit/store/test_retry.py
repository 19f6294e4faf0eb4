"""What is tried again, how often, and what is not."""

from __future__ import annotations

import pytest

from tests.faults import Crashed, Fault, FaultStore, RecordingStore
from vault.errors import AlreadyExists, StoreError, StoreFull, Unavailable
from vault.store.memory import MemoryStore
from vault.store.retry import RetryStore


def retrying(memory: MemoryStore, *faults: Fault, slept: list[float] | None = None) -> RetryStore:
    delays = [] if slept is None else slept
    return RetryStore(FaultStore(memory, faults), attempts=3, sleep=delays.append, jitter=lambda: 0.0)


def unavailable(kind: str, *at: int, after: bool = False) -> list[Fault]:
    return [Fault(kind=kind, at=number, error=Unavailable("busy"), after=after) for number in at]


def test_delays_double_and_the_last_failure_is_raised() -> None:
    slept: list[float] = []
    with pytest.raises(Unavailable):
        retrying(MemoryStore({"a": b""}), *unavailable("get", 1, 2, 3), slept=slept).get("a")
    assert slept == [0.5, 1.0]


def test_one_attempt_is_one_call_and_no_delay() -> None:
    slept: list[float] = []
    for call in (lambda store: store.get("a"), lambda store: list(store.list(""))):
        recording = RecordingStore(FaultStore(MemoryStore({"a": b""}), unavailable("get", 1) + unavailable("list", 1)))
        with pytest.raises(Unavailable):
            call(RetryStore(recording, attempts=1, sleep=slept.append, jitter=lambda: 0.0))
        assert len(recording.calls) == 1
    assert slept == []


def test_delays_have_a_longest_one() -> None:
    slept: list[float] = []
    behind = FaultStore(MemoryStore({"a": b""}), unavailable("get", *range(1, 9)))
    RetryStore(behind, attempts=9, sleep=slept.append, jitter=lambda: 0.0).get("a")
    assert slept == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_jitter_shortens_a_delay_by_up_to_a_half() -> None:
    slept: list[float] = []
    behind = FaultStore(MemoryStore({"a": b""}), unavailable("get", 1))
    RetryStore(behind, attempts=2, sleep=slept.append, jitter=lambda: 0.5).get("a")
    assert slept == [0.375]


@pytest.mark.parametrize("error", [StoreError("no"), StoreFull("full"), KeyboardInterrupt()])
def test_other_failures_pass_at_once(error: BaseException) -> None:
    slept: list[float] = []
    with pytest.raises(type(error)):
        retrying(MemoryStore(), Fault(kind="barrier", error=error), slept=slept).barrier()
    assert slept == []


@pytest.mark.spec("STORE-5")
def test_put_whose_answer_was_lost_succeeds() -> None:
    memory = MemoryStore()
    retrying(memory, *unavailable("put", 1, after=True)).put("a", b"1")
    assert memory.files == {"a": b"1"}


@pytest.mark.spec("STORE-5")
def test_retried_put_that_meets_other_bytes_is_refused() -> None:
    memory = MemoryStore({"a": b"theirs"})
    with pytest.raises(AlreadyExists):
        retrying(memory, *unavailable("put", 1)).put("a", b"mine")
    assert memory.files == {"a": b"theirs"}


def test_first_put_that_meets_equal_bytes_is_refused_without_reading() -> None:
    recording = RecordingStore(MemoryStore({"a": b"1"}))
    with pytest.raises(AlreadyExists):
        RetryStore(recording, attempts=3, sleep=lambda seconds: None, jitter=lambda: 0.0).put("a", b"1")
    assert [call.kind for call in recording.calls] == ["put"]


class StoreWithBreakingList(MemoryStore):
    """Its listing breaks after one further name each time."""

    def list(self, prefix):  # type: ignore[no-untyped-def]
        self.given = getattr(self, "given", 0) + 1
        yield from list(super().list(prefix))[: self.given]
        if self.given < len(self.files):
            raise Unavailable("broken")


def test_broken_listing_goes_on_without_repeating_a_name() -> None:
    names = [f"packs/{number}" for number in range(6)]
    store = StoreWithBreakingList(dict.fromkeys(names, b""))
    found = RetryStore(store, attempts=2, sleep=lambda seconds: None, jitter=lambda: 0.0).list("packs/")
    assert [file.name for file in found] == names


def test_listing_that_never_begins_is_asked_for_as_often_as_anything_else() -> None:
    slept: list[float] = []
    with pytest.raises(Unavailable):
        list(retrying(MemoryStore({"a": b""}), *unavailable("list", 1, 2, 3), slept=slept).list(""))
    assert slept == [0.5, 1.0]
    found = retrying(MemoryStore({"a": b""}), *unavailable("list", 1, 2), slept=slept).list("")
    assert [file.name for file in found] == ["a"]
    assert slept == [0.5, 1.0] * 2


def test_fault_store_cuts_the_view_after_a_crash() -> None:
    memory = MemoryStore()
    store = FaultStore(memory, [Fault(kind="put", at=2, after=True, crash=True)])
    store.put("a", b"1")
    with pytest.raises(Crashed):
        store.put("b", b"2")
    for call in (lambda: store.get("a"), lambda: store.put("c", b""), store.barrier):
        with pytest.raises(Crashed):
            call()
    assert sorted(memory.files) == ["a", "b"]
