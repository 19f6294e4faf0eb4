"""What a comparison says nothing of, and why: what one of the snapshots did not capture. Never "no difference"."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from vault.model import Address, State, TableName
from vault.ops.diff.found import ChangeKind, FoundChange, Live
from vault.ops.diff.rows import TableChanges
from vault.ops.project.backup_selection import narrowed
from vault.repo.snapshot import Snapshot
from vault.sql.names import show_name

_KIND_OF_PARTS = frozenset(
    {"table constraint", "trigger", "policy", "rule", "default value", "table column", "row security"}
)
"""Objects whose address starts with schema and name of the table that they are part of."""
_ABOUT_OTHERS: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncompared:
    what: str
    why: str
    fix: str = ""


def gaps(before: Snapshot, after: Snapshot, *, of: Collection[TableName] | None) -> Iterator[Uncompared]:
    """What the snapshots themselves say that they lack, each once. `of`: only of these tables. Raises  IntegrityError"""
    wanted = None if of is None else {show_name(name) for name in of}
    told: set[str] = set()
    for snapshot in (before, after):
        for coverage in snapshot.ledger().values():
            for gap in coverage.missing:
                if gap.state in (State.EMPTY, State.NOT_SELECTED) or gap.item in told:
                    continue
                if wanted is not None and gap.item not in wanted:
                    continue
                told.add(gap.item)
                state = gap.state.value.replace("_", " ")
                yield Uncompared(what=gap.item, why=f"{state} in {_named(snapshot)}: {gap.why}", fix=gap.fix)


def database(before: Snapshot, after: Snapshot) -> Iterator[Uncompared]:
    """One that only one of them has: nothing says that it was selected in the other."""
    there = [snapshot.manifest.database is not None for snapshot in (before, after)]
    if there[0] != there[1]:
        yield Uncompared(what="database", why=f"{_named(after if there[0] else before)} holds none")


def directories(before: Snapshot, after: Snapshot, *, live: Live | None) -> Iterator[Uncompared]:
    """As `database`. `live`: `after` has those of which it is known where they are."""
    sides = [snapshot.manifest.directories.keys() for snapshot in (before, after)]
    names = sorted(sides[0] ^ sides[1])
    for name in names:
        if live is not None:
            yield Uncompared(
                what=f"directory {name}",
                why="nothing says where it is now, or it is not there",
                fix=live.with_directories(names),
            )
        else:
            without = after if name in sides[0] else before
            yield Uncompared(what=f"directory {name}", why=f"{_named(without)} does not hold it")


def of_table(changes: TableChanges) -> Iterator[Uncompared]:
    for name in changes.uncaptured:
        yield Uncompared(
            what=f"rows of {show_name(name)}",
            why="the table is there in both, and only one of the snapshots has its rows",
            fix="compare snapshots of the same selection",
        )
    for old, new in changes.unlike:
        yield Uncompared(
            what=f"column {new.name} of {show_name(changes.name)}",
            why=f"{old.type} and {new.type} print values otherwise"
            if old.type != new.type
            else "only some partitions store it",
        )


class Selected:
    """Tells what is new, or gone, from what only one of two snapshots was asked to capture."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        are_alike = narrowed(before.manifest.selection) == narrowed(after.manifest.selection)
        self._beyond = [None if are_alike else _beyond(snapshot) for snapshot in (before, after)]
        self.left_out = 0

    def passes(self, found: FoundChange) -> bool:
        """False: the side that lacks it was made of a part of a database in which it is, and of another part than the other side; counted."""
        if found.kind != "definition" or found.change is ChangeKind.CHANGED or found.about is None:
            return True
        beyond = self._beyond[0 if found.change is ChangeKind.ADDED else 1]
        if beyond is None or _subject(found.about) not in beyond:
            return True
        self.left_out += 1
        return False

    def told(self) -> Iterator[Uncompared]:
        if self.left_out:
            yield Uncompared(
                what=f"{self.left_out} definitions", why="one of the snapshots was made of a part of its database"
            )


def _beyond(snapshot: Snapshot) -> frozenset[Address] | None:
    """Every object of a database of which a part was captured, but those that were; None: all of it was."""
    if snapshot.manifest.database is None or not narrowed(snapshot.manifest.selection):
        return None
    captured = {item.identity.address for item in snapshot.entry_items() if item.identity.desc not in _ABOUT_OTHERS}
    return frozenset(address for address, _, _ in snapshot.catalog().acls) - captured


def _subject(about: Address) -> Address:
    return Address(kind="table", names=about.names[:2]) if about.kind in _KIND_OF_PARTS else about.whole


def _named(snapshot: Snapshot) -> str:
    return snapshot.id.hex()[:12]
