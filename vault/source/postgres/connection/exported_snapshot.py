"""What one exported snapshot holds: the value that the session protocol ends with and that all who join it read from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vault.model import Missing, ServerFacts, State, TableName
from vault.sql.names import qualified


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A table as the catalog lists it. `root` is set where rows must be loaded through the partition root [B4].

    `rows_excluded`: the pattern by which its rows stay out, or empty.
    """

    name: TableName
    oid: int
    kind: str
    persistence: str
    filenode: int
    access_method: str
    condition: str
    readable: bool
    root: TableName | None
    toast: int
    rows_excluded: str

    @property
    def must_be_read(self) -> bool:
        """Its own rows, or a lock on it, which needs SELECT as well: no foreign table."""
        return self.kind in {"r", "p"}

    @property
    def lockable(self) -> bool:
        return self.readable and self.must_be_read

    @property
    def holds_rows(self) -> bool:
        return self.kind == "r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """An exported snapshot; `held`: what is in it is locked. `holding` have rows and are readable; `missing` are not.

    `unreadable`: tables that pg_dump must not meet. `sequences`: each with what will become of its value.
    """

    exported: str
    held: bool
    server: ServerFacts
    identity: str
    relations: Sequence[Relation]
    missing: Sequence[Missing]
    unreadable: Sequence[Relation]
    sequences: Sequence[tuple[TableName, State]]

    @property
    def holding(self) -> list[Relation]:
        gone = {missing.item for missing in self.missing}
        return [
            relation
            for relation in self.relations
            if relation.holds_rows and relation.readable and qualified(relation.name) not in gone
        ]
