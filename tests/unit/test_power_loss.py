"""The model of a disk that loses power: what it says that may be found, of the calls whose outcome POSIX leaves open."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.power_loss import DiskModel, Files
from tests.recording_disk import Step

CREATE = Step(kind="create", path="/r/tmp/1")
WRITE = Step(kind="write", path="/r/tmp/1", data=b"1234")
SYNC = Step(kind="fsync", path="/r/tmp/1")
NAME = Step(kind="link", path="/r/tmp/1", new="/r/a")
SYNC_ROOT = Step(kind="fsync", path="/r")
REMOVE = Step(kind="unlink", path="/r/a")


def after(*steps: Step, before: Files | None = None) -> list[dict[str, bytes | None] | None]:
    """States by what lies outside of tmp/, without repetition."""
    model = DiskModel("/r", {"tmp": None} if before is None else before)
    for step in steps:
        model.replay(step)
    found: list[dict[str, bytes | None] | None] = []
    for state in model.states(most=256, choice=random.Random(1)):
        visible = None if state is None else {name: data for name, data in state.items() if name[:3] != "tmp"}
        if visible not in found:
            found.append(visible)
    return found


def sorted_states(states: Sequence[dict[str, bytes | None] | None]) -> list[str]:
    return sorted(map(repr, states))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param([CREATE, WRITE, SYNC], [{}], id="no name"),
        pytest.param([CREATE, WRITE, SYNC, NAME], [{}, {"a": b"1234"}], id="a name that is not synced"),
        pytest.param([CREATE, WRITE, SYNC, NAME, SYNC_ROOT], [{"a": b"1234"}], id="a name that is"),
        pytest.param(
            [CREATE, WRITE, NAME, SYNC_ROOT],
            [{"a": b""}, {"a": b"12"}, {"a": b"\0\0\0\0"}, {"a": b"1234"}],
            id="a name without its bytes",
        ),
        pytest.param(
            [CREATE, WRITE, SYNC, NAME, SYNC_ROOT, REMOVE], [{"a": b"1234"}, {}], id="a removal that is not synced"
        ),
        pytest.param([CREATE, WRITE, SYNC, NAME, REMOVE], [{}, {"a": b"1234"}], id="there for a moment"),
    ],
)
def test_of_a_file_there_may_be(steps: Sequence[Step], expected: list[dict[str, bytes | None] | None]) -> None:
    assert sorted_states(after(*steps)) == sorted_states(expected)


def test_names_reach_the_platter_in_any_order() -> None:
    other = [
        Step(kind=step.kind, path=step.path.replace("1", "2"), new="/r/b" if step.new else "")
        for step in (CREATE, NAME)
    ]
    found = after(CREATE, NAME, *other)
    assert sorted_states(found) == sorted_states([{}, {"a": b""}, {"b": b""}, {"a": b"", "b": b""}])


def test_both_ends_of_a_rename_are_apart() -> None:
    moved = Step(kind="rename", path="/r/x/a", new="/r/y/a")
    found = after(moved, before={"x/a": b"1", "y": None})
    names = [sorted(name for name, data in (state or {}).items() if data is not None) for state in found]
    assert sorted(names) == [[], ["x/a"], ["x/a", "y/a"], ["y/a"]]


def test_a_directory_may_never_have_been_made() -> None:
    model = DiskModel("/r", None)
    for step in (Step(kind="mkdir", path="/r"), Step(kind="mkdir", path="/r/packs")):
        model.replay(step)
    assert list(model.states(most=9, choice=random.Random(1))) == [None, None, {}, {"packs": None}]
    assert (model.pessimistic(), model.as_written()) == (None, {"packs": None})


def test_of_too_many_states_those_at_the_edges_are_told() -> None:
    model = DiskModel("/r", {"tmp": None})
    for number in range(20):
        model.replay(Step(kind="create", path=f"/r/{number}"))
    found = [set(state or {}) - {"tmp"} for state in model.states(most=100, choice=random.Random(1))]
    assert len(found) == 100
    every = {str(number) for number in range(20)}
    for wanted in (set(), every, {"0"}, every - {"19"}, {"0", "1", "2"}, every - {"0", "1"}):
        assert wanted in found
