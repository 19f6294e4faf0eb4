"""A policy that the target alone has may let in others than before: told, and dropped on request alone. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import Part, changed, only, part, planned, snapshot, there
from vault.ops.restore.plan.steps import RestorePlan

PARTS = [
    part("TABLE s.t"),
    part("POLICY s.t.own", "TABLE s.t"),
    part("TABLE s.bare"),
    part("TABLE s.other"),
    part("TRIGGER s.other.g", "TABLE s.other"),
    part("TABLE auth.users"),
    part("POLICY auth.users.own", "TABLE auth.users"),
]
THEIRS = {
    name: part(f"POLICY {name}.theirs", tag=f"{name} theirs") for name in ("s.t", "s.bare", "s.unknown", "auth.users")
}


def found(*words: str, replace: bool, of: str = "", differs: tuple[str, ...] = ()) -> RestorePlan:
    theirs: list[Part] = [one for name, one in THEIRS.items() if of in ("", name)]
    present = there(*changed(PARTS, *differs), *theirs, part("TRIGGER s.t.theirs"), part("TABLE s.unknown"))
    return planned(snapshot(*PARTS), present, wanted=only(*words) if words else None, replace=replace)


ASKED: list[tuple[tuple[str, ...], set[str]]] = [
    (("rls_policies",), {"s.t", "s.bare"}),
    (("schema",), {"s.t", "s.bare"}),
    (("s.t",), {"s.t"}),
    (("s.bare",), {"s.bare"}),
    (("s.other",), set()),
    (("users",), set()),
    (("data",), set()),
]


@pytest.mark.parametrize(("words", "expected"), ASKED)
def test_policies_of_the_target_alone_are_told_and_dropped_on_request_alone(
    words: tuple[str, ...], expected: set[str]
) -> None:
    tags = sorted(f"{name} theirs" for name in expected)
    told = found(*words, replace=False)
    assert told.access.drops == ()
    assert [name for name, _ in told.refused] == [f"POLICY {tag}" for tag in tags]
    dropped = found(*words, replace=True)
    assert [one.tag for one in dropped.access.drops] == tags
    assert dropped.refused == ()


def test_everything_takes_those_of_all_tables_of_the_project() -> None:
    assert [one.tag for one in found(replace=True).access.drops] == ["s.bare theirs", "s.t theirs"]


def test_what_goes_with_its_table_is_not_dropped_twice() -> None:
    made = planned(
        snapshot(*PARTS),
        there(*changed(PARTS, "TABLE s.t"), THEIRS["s.t"], columns={}),
        wanted=only("s.t"),
        replace=True,
    )
    assert made.access.drops == ()
    assert made.exchanges[0].exchange.beside == ("POLICY s.t theirs",)
