"""A partition comes whole, and only then is attached to a table that is there. No database."""

from __future__ import annotations

import pytest

from tests.restore_values import but, labels, only, part, planned, rows, snapshot, there
from vault.ops.restore.plan.steps import RestorePlan

ROOT = [part("TABLE s.root"), part("CONSTRAINT s.root.pk", "TABLE s.root"), part("INDEX s.root_i", "TABLE s.root")]
PARTITIONS = [
    part("TABLE s.mid", "TABLE s.root"),
    part("TABLE s.leaf", "TABLE s.mid"),
    part("TABLE s.other"),
    part("TABLE ATTACH s.mid", "TABLE s.root", "TABLE s.mid", sub='"s"."root"'),
    part("TABLE ATTACH s.leaf", "TABLE s.mid", "TABLE s.leaf", sub='"s"."mid"'),
    part("INDEX s.mid_i", "TABLE s.mid"),
    part("INDEX s.leaf_i", "TABLE s.leaf"),
    part("INDEX ATTACH s.mid_i", "INDEX s.root_i", "INDEX s.mid_i", sub='"s"."root_i"'),
    part("INDEX ATTACH s.leaf_i", "INDEX s.mid_i", "INDEX s.leaf_i", sub='"s"."mid_i"'),
    part("FK CONSTRAINT s.leaf.up", "TABLE s.leaf", "TABLE s.root"),
    part("FK CONSTRAINT s.leaf.side", "TABLE s.leaf", "TABLE s.other"),
]
LATE = ["INDEX ATTACH s.leaf_i", "TABLE ATTACH s.mid", "INDEX ATTACH s.mid_i", "FK CONSTRAINT s.leaf.up"]
"""An index is whole only with those below it; what a foreign key looks for is there only once it is attached."""


def brought(*present: str, root: str = "") -> RestorePlan:
    every = [*ROOT, *PARTITIONS]
    items = (rows("s.leaf", root=root),)
    return planned(
        snapshot(*every, tables=items), there(*(one for one in every if one.label in present)), wanted=only("s.*")
    )


def late(made: RestorePlan) -> list[str]:
    """All that is attached late is in no other step, and all else is in one."""
    found = labels(made, made.definitions.attachments)
    others = labels(made, [*made.definitions.before_rows, *made.definitions.after_rows])
    assert set(found).isdisjoint(others)
    return found


def test_a_new_partition_of_a_table_that_is_there_is_attached_last_the_lowest_first() -> None:
    made = brought(*(one.label for one in ROOT))
    assert late(made) == LATE
    assert "TABLE ATTACH s.leaf" in labels(made, made.definitions.before_rows), (
        "the table that it is attached to is new"
    )
    assert "FK CONSTRAINT s.leaf.side" in labels(made, made.definitions.after_rows)


def test_a_new_tree_is_attached_as_it_is_created() -> None:
    made = brought()
    assert late(made) == []
    assert {"TABLE ATTACH s.mid", "TABLE ATTACH s.leaf"} <= set(labels(made, made.definitions.before_rows))


def test_only_what_is_to_be_created_waits() -> None:
    named = {"TABLE s.mid", "TABLE ATTACH s.mid", "INDEX s.mid_i", "INDEX ATTACH s.mid_i"}
    made = brought(*(one.label for one in ROOT), *named)
    assert late(made) == ["TABLE ATTACH s.leaf", "INDEX ATTACH s.leaf_i", "FK CONSTRAINT s.leaf.up"]


def test_what_comes_through_the_root_is_attached_before_its_rows() -> None:
    above = {"TABLE s.mid", "TABLE ATTACH s.mid", "INDEX s.mid_i", "INDEX ATTACH s.mid_i"}
    present = [*(one.label for one in ROOT), *above]
    assert "TABLE ATTACH s.leaf" in late(brought(*present))
    made = brought(*present, root="s.root")
    assert "TABLE ATTACH s.leaf" in labels(made, made.definitions.before_rows)
    assert "TABLE ATTACH s.leaf" not in late(made)


def test_what_is_attached_already_makes_nothing_wait() -> None:
    lacking = ("FK CONSTRAINT s.leaf.up", "INDEX ATTACH s.leaf_i")
    made = brought(*(one.label for one in but([*ROOT, *PARTITIONS], *lacking)))
    assert late(made) == []
    assert set(lacking) <= set(labels(made, made.definitions.after_rows))
    named = {"TABLE s.mid", "TABLE s.leaf", "TABLE ATTACH s.mid", "FK CONSTRAINT s.leaf.up"}
    assert late(brought(*(one.label for one in ROOT), *named)) == ["TABLE ATTACH s.leaf", "INDEX ATTACH s.leaf_i"], (
        "nor does a key that is there come again"
    )


@pytest.mark.parametrize("unknown", ["TABLE s.root", "TABLE s.mid"])
def test_what_is_attached_to_or_by_what_nobody_knows_waits_for_nothing(unknown: str) -> None:
    known = [part("TABLE s.root"), part("TABLE s.mid")]
    attachment = part("TABLE ATTACH s.mid", *(one.label for one in but(known, unknown)))
    made = planned(snapshot(*but(known, unknown), attachment), there(*but(known, unknown)), wanted=only("s.*"))
    assert late(made) == []


def test_an_index_stays_alone_where_the_one_above_it_is_not_there() -> None:
    made = planned(snapshot(*ROOT, *PARTITIONS), there(ROOT[0]), wanted=only("s.mid"))
    assert late(made) == [one for one in LATE if one != "INDEX ATTACH s.mid_i"]


def test_one_that_need_not_wait_does_not_stop_those_that_must() -> None:
    """The attachment of a leaf to a table that is new as well, before that of a partition to one that is there."""
    parts = [*ROOT, *PARTITIONS[:3], PARTITIONS[4], PARTITIONS[3]]
    made = planned(snapshot(*parts), there(*ROOT), wanted=only("s.*"))
    assert late(made) == ["TABLE ATTACH s.mid"]
    assert "TABLE ATTACH s.leaf" in labels(made, made.definitions.before_rows)


def test_a_new_partition_of_a_new_table_waits_for_nothing_else_that_is_there() -> None:
    schema = part("SCHEMA s")
    parts = [
        schema,
        part("TABLE s.root", "SCHEMA s"),
        part("TABLE s.mid", "TABLE s.root"),
        part("TABLE ATTACH s.mid", "TABLE s.root", "TABLE s.mid", "SCHEMA s", sub='"s"."root"'),
    ]
    made = planned(snapshot(*parts), there(schema), wanted=only("s.*"))
    assert late(made) == []
    assert "TABLE ATTACH s.mid" in labels(made, made.definitions.before_rows)
