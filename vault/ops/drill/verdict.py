"""What a drill says in the end: what differs, what was not checked, and with that whether it passed. Pure.

Everything that a restore could not do and everything that a comparison found is in one of the two lists. Not checked is what this server
cannot tell: another major or version prints it otherwise, something is not at hand, the snapshot does not hold it, the target had it before.
Spec 77-drill.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.model import Address, Ledger, Missing, State, TargetFacts
from vault.ops.compare.facts import MISSING, UNKNOWN, Difference
from vault.ops.compare.recorded import is_of_text
from vault.ops.drill.out_of_reach import OutOfReach
from vault.ops.restore.failures import Failure
from vault.ops.restore.plan.contents import Contents

_MAJOR: Final = 10_000
_COMPARED_BESIDE: Final = frozenset({"ACL"})
"""Entries whose text another major writes otherwise, while all that they say is compared as facts too. Of a policy only its roles are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One line of a verdict: `kind` as of a difference, or restore, count, file, assertion, reader, gap, damage, collation. Never a value of a row."""

    kind: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.why}" if self.name else f"{self.kind}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillVerdict:
    mismatches: tuple[Point, ...] = ()
    not_checked: tuple[Point, ...] = ()

    @property
    def passed(self) -> bool:
        """Nothing failed; what was not checked is told beside it."""
        return not self.mismatches

    def __add__(self, other: DrillVerdict) -> DrillVerdict:
        return DrillVerdict(
            mismatches=(*self.mismatches, *other.mismatches), not_checked=(*self.not_checked, *other.not_checked)
        )


def differs(*points: Point) -> DrillVerdict:
    return DrillVerdict(mismatches=points)


def unchecked(*points: Point) -> DrillVerdict:
    return DrillVerdict(not_checked=points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """Knows what was restored and what the target was before. `beyond`: what it cannot have; `partial`: a snapshot of a part."""

    contents: Contents
    target: TargetFacts
    beyond: OutOfReach
    partial: bool = False

    # --- what the restore said

    def of_extensions(self) -> DrillVerdict:
        """A stub is never silent, however equal it looks; the others show themselves."""
        roots = ((address, why) for address, why in self.beyond.own.items() if address.kind == "extension")
        return unchecked(
            *(
                Point(kind="extension", name=address.names[0], why=why)
                for address, why in roots
                if address.names[0] in self.beyond.stubs
            )
        )

    def of_failures(self, failures: Iterable[Failure]) -> DrillVerdict:
        """What follows from a failure that could not be helped could not be helped either."""
        verdict = DrillVerdict()
        excused: dict[str, str] = {}
        told: set[str] = set()
        for failure in failures:
            own = "" if failure.because in told else self.beyond.why_failed(failure.entry, failure.state)
            why = own or excused.get(failure.because, "")
            if why:
                excused.setdefault(failure.entry, why)
                verdict += unchecked(Point(kind="restore", name=failure.entry, why=why))
            else:
                told.add(failure.entry)
                verdict += differs(Point(kind="restore", name=failure.entry, why=failure.why))
        return verdict

    def of_counts(self, failures: Iterable[Failure], *, lost: bool) -> DrillVerdict:
        """The nine lines. `lost`: something could not come for what is not at hand; then no number proves anything."""
        verdict = DrillVerdict()
        for failure in failures:
            if self.partial:
                why = f"{failure.why}; the snapshot is of a part of its database, and was counted as a whole"
                verdict += unchecked(Point(kind="count", name=failure.entry, why=why))
            elif lost and self.beyond.extensions:
                names = ", ".join(sorted(self.beyond.extensions))
                why = f"{failure.why}; what needs {names} is not all there"
                verdict += unchecked(Point(kind="count", name=failure.entry, why=why))
            else:
                verdict += differs(Point(kind="count", name=failure.entry, why=failure.why))
        return verdict

    # --- what the comparison found

    def of_differences(self, differences: Collection[Difference], failed: Iterable[Failure] = ()) -> DrillVerdict:
        """`failed`: what the restore said; what was not made because of what is not at hand is missing now."""
        verdict = DrillVerdict()
        lacking = self.beyond.lacking(
            [failure.entry for failure in failed if self.beyond.why_failed(failure.entry, failure.state)]
        )
        privileges = {one.about for one in differences if one.kind in ("privileges", "policy")}
        for difference in differences:
            if self._is_compared_beside(difference, privileges):
                continue
            if why := self._why_not_checked(difference, lacking):
                verdict += unchecked(Point(kind=difference.kind, name=difference.name, why=why))
            else:
                verdict += differs(Point(kind=difference.kind, name=difference.name, why=difference.what))
        return verdict

    def of_unread(self, missing: Iterable[Missing], ledger: Ledger) -> DrillVerdict:
        """What the target does not let us read; what the snapshot could not get either is told as its gap."""
        known = {gap.item for coverage in ledger.values() for gap in coverage.missing}
        weighed = (
            gap for gap in missing if gap.item not in known and gap.state not in (State.EMPTY, State.NOT_SELECTED)
        )
        return unchecked(*(Point(kind="unread", name=gap.item, why=gap.why) for gap in weighed))

    @property
    def _majors(self) -> tuple[int, int]:
        return self.contents.server.version_num // _MAJOR, self.target.version_num // _MAJOR

    def _is_compared_beside(self, difference: Difference, others: Collection[Address | None]) -> bool:
        before, after = self._majors
        desc = difference.name.partition(" ")[0]
        return (
            before != after and is_of_text(difference) and desc in _COMPARED_BESIDE and difference.about not in others
        )

    def _why_not_checked(self, difference: Difference, lacking: Mapping[Address, str]) -> str:
        """Empty: it is a mismatch."""
        about = difference.about
        if difference.kind == "rows" and self.contents.server.encoding != self.target.encoding:
            return "the target has another encoding, in which the text of its rows is not the same"
        if about is not None and about in self.beyond.own:
            return self.beyond.own[about]
        if about is not None and difference.what == MISSING and about.whole in lacking:
            return lacking[about.whole]
        for look in (self._of_role, self._of_table, self._of_major, self._of_tablespace):
            if why := look(difference):
                return why
        return ""

    def _of_role(self, difference: Difference) -> str:
        about = difference.about
        if difference.kind not in ("role", "membership", "setting") or about is None:
            return ""
        if difference.kind == "setting" and about.names == ("",) and "in this database" not in difference.name:
            return "a restore sets nothing for all roles of a cluster"
        standing = {role.name for role in self.target.roles.roles}
        if set(about.names) <= standing and about.names != ("",):
            return f"{difference.what}; it was there before, and a restore alters no role that is there"
        return ""

    def _of_table(self, difference: Difference) -> str:
        """Rows that the snapshot was not to have, or could not get; a table that nobody defined is no such thing."""
        if difference.kind != "table" or difference.what != UNKNOWN or difference.about is None:
            return ""
        known = difference.about.relation in self.contents.without_rows
        return "its rows are not in the snapshot" if known else ""

    def _of_major(self, difference: Difference) -> str:
        before, after = self._majors
        if before == after:
            return ""
        if is_of_text(difference):
            return f"PostgreSQL {after} prints it otherwise than {before}"
        about = difference.about
        if difference.kind == "privileges" and about is not None:
            defined = any(item.identity.address == about for item in self.contents.items)
            if about.kind == "type" or (not defined and difference.what in (MISSING, UNKNOWN)):
                return f"PostgreSQL {after} has other objects of its own beside it than {before}"
        return ""

    def _of_tablespace(self, difference: Difference) -> str:
        if difference.kind == "entry" and difference.parts == ("tablespace",):
            return "its tablespace is not on this server"
        return ""


def of_gaps(gaps: Iterable[Missing]) -> DrillVerdict:
    """What the backup did not get is not restored, and so not proven."""
    return unchecked(*(Point(kind="gap", name=gap.item, why=f"not in the snapshot: {gap.why}") for gap in gaps))


def shortened(points: Collection[Point], *, lines_max: int, bytes_max: int) -> Iterator[str]:
    """As lines of a record, the last of which says how many there are besides."""
    shown = list(points)[: lines_max - 1] if len(points) > lines_max else points
    for point in shown:
        yield str(point).encode()[:bytes_max].decode(errors="ignore")
    if len(points) > len(shown):
        yield f"and {len(points) - len(shown)} more"
