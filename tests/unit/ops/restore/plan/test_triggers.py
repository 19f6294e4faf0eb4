"""Triggers that a role may not switch off: what fires is said, and what they may have filled comes too. No database."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.restore_values import FULL, labels, only, part, planned, rows, snapshot, table_name, there
from vault.ops.restore.plan.steps import RestorePlan

BOUND = replace(FULL, may_replicate=False, user="me")
PARTS = [
    part("TABLE s.t"),
    part("TABLE s.log"),
    part("FK CONSTRAINT s.log.fk", "TABLE s.log", "TABLE s.t"),
    part("TABLE auth.log"),
    part("FK CONSTRAINT auth.log.fk", "TABLE auth.log", "TABLE s.t"),
    part("TABLE s.free"),
]
ITEMS = (rows("s.t"), rows("s.log"), rows("auth.log"), rows("s.free"))
FIRING = {table_name("s.t"): (("quiet", True), ("loud", False), ("calm", True), ("shrill", False))}


def made(items: Any = ITEMS, *, target: Any = BOUND, wanted: str = "s.t", **fields: Any) -> RestorePlan:
    present = there(*PARTS, **{"triggers": FIRING, **fields})
    return planned(snapshot(*PARTS, tables=items), present, target=target, wanted=only(*wanted.split()))


def brought(found: RestorePlan) -> list[str]:
    return [item.name.name for item in found.picked.brought]


def test_what_fires_is_said_and_what_it_may_have_filled_comes() -> None:
    found = made()
    assert brought(found) == brought(made(wanted="s.t s.free")) == ["log"]
    assert {item.name.name for item in found.tables} == {"t", "log"}
    assert [one for one in found.warnings if "rows" in one] == [
        "do nothing while rows of s.t come, because their functions are replaced meanwhile: quiet, calm",
        "will fire while rows of s.t come, for role me may not switch them off, and what they write is not the snapshot's: loud, shrill",
        "missing rows come too, of tables that such triggers may have filled: s.log",
    ]
    assert labels(found, found.definitions.before_rows) == []


def test_what_fires_for_rows_through_a_root_is_the_roots() -> None:
    items = (rows("s.t", root="s.free"), *ITEMS[1:])
    found = made(items, triggers={table_name("s.free"): (("loud", False),)})
    assert brought(found) == ["log"]
    assert any("will fire while rows of s.t come" in one for one in found.warnings)


NOTHING: dict[str, dict[str, Any]] = {
    "a role that may switch them off": {"target": FULL},
    "no triggers": {"triggers": {}},
    "triggers of another table": {"triggers": {table_name("s.free"): (("loud", False),)}},
    "no rows of it": {"items": (rows("s.t", 0), *ITEMS[1:])},
    "no rows of the other": {"items": (rows("s.t"), rows("s.log", 0))},
    "the other is not there": {"columns": {"s.t": ("id", "v")}},
    "the other is picked": {"wanted": "s.t s.log"},
}


@pytest.mark.parametrize("case", NOTHING)
def test_nothing_more_comes_where_nothing_fires_or_could_be_filled(case: str) -> None:
    found = made(**NOTHING[case])
    assert brought(found) == []
    assert not any("missing rows come too" in one for one in found.warnings)
    assert any("will fire" in one for one in found.warnings) is (
        case in ("no rows of the other", "the other is not there", "the other is picked")
    )


def test_what_further_triggers_may_have_filled_comes_too_and_partitions_do() -> None:
    parts = [
        *PARTS,
        part("TABLE s.further"),
        part("FK CONSTRAINT s.further.fk", "TABLE s.further", "TABLE s.log"),
        part("FK CONSTRAINT s.log.back", "TABLE s.log", "TABLE s.further"),
        part("TABLE s.root"),
        part("FK CONSTRAINT s.root.fk", "TABLE s.root", "TABLE s.further"),
        part("TABLE s.leaf"),
        part("TABLE ATTACH s.leaf", "TABLE s.leaf", "TABLE s.root"),
    ]
    items = (*ITEMS, rows("s.further"), rows("s.leaf"))
    triggers = {table_name(name): (("t", True),) for name in ("s.t", "s.log", "s.further")}
    contents, wanted = snapshot(*parts, tables=items), only("s.t")
    found = planned(contents, there(*parts, triggers=triggers), target=BOUND, wanted=wanted)
    assert brought(found) == ["further", "leaf", "log"]
    assert any(one.endswith("may have filled: s.further, s.leaf, s.log") for one in found.warnings)
    del triggers[table_name("s.log")]
    assert brought(planned(contents, there(*parts, triggers=triggers), target=BOUND, wanted=wanted)) == ["log"]
