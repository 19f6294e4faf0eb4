"""A table as other engines see it: its columns with their types and names, and how it is called in a directory. Pure, by declaration.

Engines that do not tell upper from lower case (Spark, SQLite) would take two columns for one: the later one has a number then, which
is told. A partition key or a column for exact texts gives way to a column of the table in the same manner.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from vault.model import Column, TableItem, TableName
from vault.ops.datasets.declared import DataType, UserTypes, type_of
from vault.ops.project.file_names import table_files
from vault.sql.names import one_line, show_name

KEY: Final = "snapshot"
EXACT: Final = "_exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetColumn:
    """`name` is what other engines call it."""

    column: Column
    name: str
    type: DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """`columns` as rows have them; `left_out`: generated ones without values. `folder`: a name for files, with no `=` in it.

    key    of the partition that is a snapshot
    exact  the column that has COPY text where a type does not have the value; None: every type has all
    """

    name: TableName
    folder: str
    columns: tuple[DatasetColumn, ...]
    left_out: tuple[Column, ...]
    key: str
    exact: str | None

    @property
    def notes(self) -> list[str]:
        """What is to be told of it where names that differ in case alone are one, and a snapshot is a partition."""
        told = self.renamed
        if self.key != KEY:
            told.append(f"{show_name(self.name)}: the partition key is called {self.key}, as a column is called {KEY}")
        return told + self.notes_of_rows

    @property
    def renamed(self) -> list[str]:
        called = show_name(self.name)
        return [
            f"{called}: column {one_line(one.column.name)} is called {one_line(one.name)}, as another differs in case alone"
            for one in self.columns
            if one.name != one.column.name
        ]

    @property
    def notes_of_rows(self) -> list[str]:
        """What is to be told of it anywhere."""
        if not self.left_out:
            return []
        names = ", ".join(one_line(column.name) for column in self.left_out)
        return [f"{show_name(self.name)}: without the generated columns {names}, whose values were not captured"]


def shape_of(item: TableItem, folder: str, known: UserTypes, *, values: bool) -> TableShape:
    """`values`: whether those of generated columns are there. A table without columns has the exact one, so that its rows are there."""
    columns = item.columns
    if values:
        columns = tuple(sorted((*columns, *item.generated), key=lambda column: column.attnum))
    names = distinct([column.name for column in columns])
    shown = tuple(
        DatasetColumn(column=column, name=name, type=type_of(column.type, known))
        for column, name in zip(columns, names, strict=True)
    )
    inexact = not shown or any(one.type.may_be_inexact for one in shown)
    return TableShape(
        name=item.name,
        folder=folder,
        columns=shown,
        left_out=() if values else item.generated,
        key=free_name(KEY, names),
        exact=free_name(EXACT, names) if inexact else None,
    )


def distinct(names: Sequence[str]) -> list[str]:
    """Each name, with a number where one before it is the same but for case."""
    given: list[str] = []
    exact = {name.casefold() for name in names}
    for at, name in enumerate(names):
        twin = name.casefold() in {one.casefold() for one in names[:at]}
        given.append(free_name(name, [*given, *exact]) if twin else name)
    return given


def free_name(wanted: str, taken: Collection[str]) -> str:
    """`wanted`, or the first of `wanted_2`, `wanted_3`, ... that is not taken, whatever the case."""
    folded = {name.casefold() for name in taken}
    numbered = (wanted if number == 1 else f"{wanted}_{number}" for number in range(1, len(folded) + 2))
    return next(name for name in numbered if name.casefold() not in folded)


def folders(tables: Iterable[TableName]) -> dict[TableName, str]:
    """What a table's files are called: its path in `data_records`, without `=`, which would be taken for a partition."""
    return {name: path.replace("=", "%3D") for path, name in table_files(tables).items()}
