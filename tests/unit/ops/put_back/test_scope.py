"""Which tables a put back is about, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.ops.put_back.test_staged_rows import table
from vault.errors import PermissionMissing, UnsafeError, UsageError, VaultError
from vault.model import TableName
from vault.model.put_back import StagedTable, StandingReference, StandingTable
from vault.ops.put_back.scope import Compared, ordered, related, staged_table


def name(word: str) -> TableName:
    return TableName(schema="public", name=word)


def reference(child: str, parent: str) -> StandingReference:
    return StandingReference(
        name=f"{child}_{parent}",
        child=name(child),
        columns=("p",),
        parent=name(parent),
        parent_columns=("id",),
        operators=("operator(pg_catalog.=)",),
    )


def staged(word: str) -> StagedTable:
    base = table("id", "p")
    return replace(base, standing=replace(base.standing, name=name(word)))


def test_all_that_refer_to_each_other_are_related_at_any_remove() -> None:
    keys = [reference("b", "a"), reference("c", "b"), reference("c", "d"), reference("x", "y")]
    assert related(name("a"), keys) == {name("a"), name("b"), name("c"), name("d")}
    assert related(name("alone"), keys) == {name("alone")}


def test_parents_stand_before_their_children_and_circles_end() -> None:
    keys = [reference("a", "b"), reference("b", "c"), reference("a", "a"), reference("e", "d"), reference("d", "e")]
    order = [one.name.name for one in ordered([staged(word) for word in "abcde"], keys)]
    assert order.index("c") < order.index("b") < order.index("a")
    assert sorted(order) == list("abcde")


COMPARED = Compared(name=name("t"), columns=("id", "v"), key=("id",))


@pytest.mark.parametrize(
    ("compared", "changed", "error"),
    [
        (replace(COMPARED, key=()), {}, UsageError),
        (COMPARED, {"partition": True}, UsageError),
        (COMPARED, {"keys": (("v",),)}, UsageError),
        (COMPARED, {"barred": "public.evil(text)"}, UnsafeError),
        (COMPARED, {"lacking": ("UPDATE",)}, PermissionMissing),
        (COMPARED, {"lacking": ("BYPASSRLS",)}, PermissionMissing),
    ],
    ids=["no key", "a partition", "key gone", "foreign code", "no right", "row-level security"],
)
def test_what_cannot_be_told_or_may_not_be_read_is_refused_with_what_to_do(
    compared: Compared, changed: dict[str, object], error: type[VaultError]
) -> None:
    standing: StandingTable = replace(table("id", "v").standing, **changed)  # type: ignore[arg-type]
    with pytest.raises(error) as refused:
        staged_table(1, compared, standing, asked=True)
    assert refused.value.hint


def test_columns_that_are_gone_or_computed_are_not_written_and_those_made_again_are() -> None:
    standing = table("id", "v", "made").standing
    computed = tuple(replace(column, computed=column.name == "v") for column in standing.columns)
    compared = Compared(name=name("t"), columns=("id", "v", "gone"), key=("id",), only_before=("made", "other"))
    found = staged_table(1, compared, replace(standing, columns=computed), asked=True)
    assert (found.columns, found.extra) == (("id",), ("made",))
    assert staged_table(1, compared, standing, asked=False).extra == ()
