"""Entries are handed out as soon as what they need is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.values import schema_entry
from vault.model import Identity
from vault.ops.restore import schedule
from vault.ops.restore.plan.contents import Item
from vault.ops.restore.schedule import Schedule


def items_of(*entries: tuple[str, tuple[int, ...]]) -> tuple[Item, ...]:
    """Of (desc, needs), each of a name of its own."""
    return tuple(
        Item(entry=schema_entry(Identity(desc=desc, kind="table", names=("s", f"x{at}")), ""), needs=needs)
        for at, (desc, needs) in enumerate(entries)
    )


def tasks_of(planned: Schedule, execute: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    return (task for task in planned.tasks(execute) if task is not None)


def test_schedule_hands_out_what_needs_allow() -> None:
    items = items_of(("TABLE", ()), ("CONSTRAINT", (0, 2)), ("INDEX", (0,)), ("FK CONSTRAINT", (1,)))
    done: list[int] = []
    for task in tasks_of(Schedule(items, (1, 2, 3)), done.append):
        task()
    assert done == [2, 1, 3]


def test_schedule_finishes_a_cycle() -> None:
    items = items_of(("RULE", (1,)), ("RULE", (0,)))
    done: list[int] = []
    for task in tasks_of(Schedule(items, (0, 1)), done.append):
        task()
    assert done == [0, 1]


def test_schedule_runs_indexes_of_a_table_together_but_constraints_alone() -> None:
    items = items_of(("TABLE", ()), ("INDEX", (0,)), ("INDEX", (0,)), ("CONSTRAINT", (0,)), ("CONSTRAINT", ()))
    tasks = tasks_of(Schedule(items, (1, 2, 3, 4)), lambda at: taken.append(at))
    taken: list[int] = []
    together = [next(tasks) for _ in range(3)]
    waiting = threading.Thread(target=lambda: next(tasks)())
    waiting.start()
    for task in together:
        task()
    waiting.join()
    assert taken == [1, 2, 4, 3]


def test_schedule_ends_after_an_error() -> None:
    def fail(at: int) -> None:
        raise RuntimeError(str(at))

    tasks = tasks_of(Schedule(items_of(("INDEX", ()), ("INDEX", (0,))), (0, 1)), fail)
    with pytest.raises(RuntimeError):
        next(tasks)()
    assert list(tasks) == []


def test_schedule_says_when_nothing_becomes_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "LOOK_S", 0.01)
    tasks = Schedule(items_of(("INDEX", ()), ("INDEX", (0,))), (0, 1)).tasks(lambda at: None)
    first = next(tasks)
    assert first is not None
    assert next(tasks) is None, "the first one has not come to its end"
    first()
    last = next(tasks)
    assert last is not None
    last()
    assert list(tasks) == []
