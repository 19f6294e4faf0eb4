"""What a comparison says nothing of, and why: what one of the snapshots did not capture. Never "no difference"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

from vault.model import Address, State, TableName
from vault.model.words import counted
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
    """Tells what is new, or gone, from what only one of two snapshots was asked to capture, or could."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        self._snapshots = (before, after)
        parts = [narrowed(snapshot.manifest.selection) for snapshot in (before, after)]
        self._beyond = [
            _beyond(snapshot) if (part and parts[0] != parts[1]) or _is_lacking(snapshot, "schema") else frozenset()
            for snapshot, part in zip((before, after), parts, strict=True)
        ]
        self._left_out: Counter[str] = Counter()

    def passes(self, found: FoundChange) -> bool:
        """False: it is, or may be, in the database of the side that lacks it, which has another part of it or might not read all; counted."""
        if found.change is ChangeKind.CHANGED:
            return True
        side = 0 if found.change is ChangeKind.ADDED else 1
        if found.kind == "large object":
            is_there = _is_lacking(self._snapshots[side], "large_objects")
        elif found.kind == "sequence":
            is_there = found.about in _objects(self._snapshots[side])
        else:
            is_there = (
                found.kind == "definition" and found.about is not None and _subject(found.about) in self._beyond[side]
            )
        self._left_out[found.kind] += is_there
        return not is_there

    def told(self) -> Iterator[Uncompared]:
        for kind, number in sorted((+self._left_out).items()):
            yield Uncompared(what=counted(number, kind), why="one of the snapshots has only a part of its database")


def _is_lacking(snapshot: Snapshot, component: str) -> bool:
    """Whether something of it is there that it has not."""
    state, _ = snapshot.manifest.coverage.get(component, (State.CAPTURED, 0))
    return state not in (State.CAPTURED, State.EMPTY)


def _objects(snapshot: Snapshot) -> frozenset[Address]:
    """Of its database, those that it has not too."""
    return frozenset(address for address, _, _ in snapshot.catalog().acls)


def _beyond(snapshot: Snapshot) -> frozenset[Address]:
    """Every object of its database, but those whose definition it has."""
    if snapshot.manifest.database is None:
        return frozenset()
    captured = {item.identity.address for item in snapshot.entry_items() if item.identity.desc not in _ABOUT_OTHERS}
    return _objects(snapshot) - captured


def _subject(about: Address) -> Address:
    return Address(kind="table", names=about.names[:2]) if about.kind in _KIND_OF_PARTS else about.whole


def _named(snapshot: Snapshot) -> str:
    return snapshot.id.hex()[:12]
