"""Which column of one snapshot stands against which of another, and by which columns rows are told. Pure.

By the number of the column only where the table is the same one of the same database; what is left, by name. A column whose type
changed is compared where both types print a value alike, else it is told once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.model import Column, TableItem

_ALIKE: Final = (
    frozenset({"smallint", "integer", "bigint"}),
    frozenset({"text", "character varying"}),
)
"""Types whose COPY text of a value is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedColumns:
    """Of a table in two snapshots. `pairs`: compared ones, (before, after), in the order of `after`.

    retyped     has another type, compared or not
    unlike      not compared: a type that prints values otherwise, or a column that only some leaves store
    key         names in `after` of the columns that tell a row in both; empty: none does
    """

    pairs: tuple[tuple[Column, Column], ...]
    only_before: tuple[Column, ...]
    only_after: tuple[Column, ...]
    retyped: tuple[tuple[Column, Column], ...]
    unlike: tuple[tuple[Column, Column], ...]
    key: tuple[str, ...]


def matched_columns(
    before: Sequence[Column], after: Sequence[Column], *, same_table: bool
) -> list[tuple[Column, Column]]:
    """(before, after), in the order of `after`."""
    found: dict[str, Column] = {}
    if same_table:
        numbers = {column.attnum: column for column in before}
        found = {column.name: numbers[column.attnum] for column in after if column.attnum in numbers}
    taken = {column.name for column in found.values()}
    names = {column.name: column for column in before if column.name not in taken}
    found |= {column.name: names[column.name] for column in after if column.name not in found and column.name in names}
    return [(found[column.name], column) for column in after if column.name in found]


def compared(before: Sequence[TableItem], after: Sequence[TableItem], *, same_database: bool) -> ComparedColumns:
    """Of one table: its leaves on each side, at least one. ComparedColumns are in the order of the first."""
    oids = {item.oid: item for item in before} if same_database else {}
    same = next(((oids[item.oid], item) for item in after if item.oid in oids), None)
    first, second = same or (before[0], after[0])
    all_pairs = matched_columns(first.columns, second.columns, same_table=same is not None)
    retyped = tuple(pair for pair in all_pairs if pair[0].type != pair[1].type)
    shared = [_in_all(before), _in_all(after)]
    everywhere = [pair for pair in all_pairs if pair[0].name in shared[0] and pair[1].name in shared[1]]
    unlike = tuple(pair for pair in all_pairs if pair not in everywhere or (pair in retyped and not _alike(*pair)))
    pairs = tuple(pair for pair in all_pairs if pair not in unlike)
    gone, new = ({pair[side].name for pair in all_pairs} for side in (0, 1))
    return ComparedColumns(
        pairs=pairs,
        only_before=tuple(column for column in first.columns if column.name not in gone),
        only_after=tuple(column for column in second.columns if column.name not in new),
        retyped=retyped,
        unlike=unlike,
        key=_key(before, after, {old.name: new.name for old, new in pairs}),
    )


def places_of(item: TableItem, names: Sequence[str]) -> tuple[int, ...]:
    """Where these lie in the rows of a leaf, whose columns may have an order of their own."""
    places = {column.name: at for at, column in enumerate(item.columns)}
    return tuple(places[name] for name in names)


def _in_all(leaves: Sequence[TableItem]) -> set[str]:
    return set[str].intersection(*({column.name for column in item.columns} for item in leaves))


def _key(before: Sequence[TableItem], after: Sequence[TableItem], renamed: Mapping[str, str]) -> tuple[str, ...]:
    """What is a key of every leaf, before and after."""
    first = after[0].told_by
    keys = [{renamed.get(name, "") for name in item.told_by} for item in before]
    keys += [set(item.told_by) for item in after]
    return first if first and all(key == set(first) for key in keys) and set(first) <= set(renamed.values()) else ()


def _alike(before: Column, after: Column) -> bool:
    bases = [column.type.partition("(")[0] for column in (before, after)]
    return any(kinds.issuperset(bases) for kinds in _ALIKE) or _numeric_alike(before.type, after.type)


def _numeric_alike(before: str, after: str) -> bool:
    """numeric(10,2) and numeric(12,2) print the same places."""
    texts = [text.removeprefix("numeric(").removesuffix(")").split(",") for text in (before, after)]
    return before.startswith("numeric(") and after.startswith("numeric(") and texts[0][1:] == texts[1][1:]
