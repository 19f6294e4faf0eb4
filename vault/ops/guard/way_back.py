"""The line that leads from a ruin back to what the last good snapshot has: what is missing comes, and it is a dry run first. Pure.

It names what was found to be gone, so that it can be typed as it stands; what no word of --only is for comes with the whole.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import UsageError
from vault.ids import SnapshotId
from vault.model import Finding, TableName
from vault.ops.guard import codes
from vault.ops.guard.ack import Waiting
from vault.ops.guard.references import has_it
from vault.ops.project.backup_selection import closest
from vault.ops.project.components import COMPONENTS
from vault.repo.lineage import Known, in_order
from vault.repo.remembered import Remembered
from vault.sql.names import show_name, split_name

_NAMES_MAX: Final = 5
"""More tables than that are the component: nobody types them all."""
_ON: Final = " on "
_OF_TABLES: Final = frozenset(
    {codes.TABLE_GONE, codes.TABLE_EMPTIED, codes.ROWS_LOST, codes.CONTENT_LOST, codes.ROWS_NOT_CAPTURED}
)
_ITSELF: Final = frozenset({*_OF_TABLES, codes.VIEW_GONE, codes.FUNCTION_GONE})
"""Findings whose subject is a word of --only."""
_COMPONENT: Final[Mapping[str, str]] = {
    codes.DATABASE_EMPTY: "data",
    codes.USERS_LOST: "users",
    codes.POLICY_GONE: "rls_policies",
    codes.POLICY_OPENED: "rls_policies",
    codes.ROW_SECURITY_OFF: "rls_policies",
    codes.ROW_SECURITY_NOT_FORCED: "rls_policies",
    codes.LARGE_OBJECTS_LOST: "large_objects",
    codes.GRANTS_GONE: "schema",
}
_DIFFERS: Final = frozenset(
    {codes.CONTENT_LOST, codes.POLICY_OPENED, codes.ROW_SECURITY_NOT_FORCED, codes.REWRITTEN, codes.GRANTS_GONE}
)
"""What they are about is there, and another: only -c replaces it."""
_WHOLE: Final = ("schema", "data")


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a restore of a source goes.

    database     words by which `restore` reaches it; directories: where each that is known lies
    """

    database: str = ""
    directories: Mapping[str, str] = field(default_factory=dict)


def way_back(good: Known, found: Sequence[Finding], way: Way) -> str:
    """What to type for what `found` says is gone; `found` is not empty."""
    id, manifest = good
    files = [one.subject for one in found if one.code == codes.FILES_LOST and one.subject in manifest.directories]
    if manifest.database is None:
        files = files or sorted(manifest.directories)
    words = ["pgvault restore", id.hex()[:12]]
    others = [one for one in found if one.code != codes.FILES_LOST]
    if manifest.database is not None and (others or not files):
        words += [way.database, "--into-source", *(f"--only {shlex.quote(word)}" for word in _only(others))]
    words += [shlex.join(["--dir", f"{name}={_place(name, way.directories)}"]) for name in files]
    words += ["-c"] if _DIFFERS.intersection(one.code for one in found) else []
    return " ".join(filter(None, [*words, "--dry-run"]))


def ways_back(
    rows: Sequence[Waiting], known: Sequence[Known], notes: Remembered, ways: Mapping[str, Way]
) -> dict[SnapshotId, str]:
    """By ruin, the newest of each source and selection among `rows`: the line that leads back. None where no good one is there any more."""
    selections = {id: manifest.selection for id, manifest in known}
    newest = {(row.source, selections.get(row.snapshot, "")): row for row in rows}
    found: dict[SnapshotId, str] = {}
    for (source, selection), ruin in newest.items():
        earlier = [pair for pair in in_order(known) if pair[1].source == source and pair[1].sequence < ruin.sequence]
        its = [(row.finding, _good(row, selection, earlier, notes)) for row in rows if row.snapshot == ruin.snapshot]
        good = next((pair for _, pair in its if pair is not None), None)
        if good is not None:
            there = [one for one, pair in its if pair is not None and pair[0] == good[0]]
            found[ruin.snapshot] = way_back(good, there, ways.get(source, Way()))
    return found


def _good(row: Waiting, selection: str, earlier: Sequence[Known], notes: Remembered) -> Known | None:
    """Where what a finding says is gone was last: of contents in a ruin too, in which other things were found."""
    if row.finding.code in codes.OF_CONTENTS:
        return closest(selection, [pair for pair in earlier if has_it(row.finding, pair, notes, row.snapshot)])
    return closest(selection, [pair for pair in earlier if notes.is_sound(*pair)])


def _only(found: Iterable[Finding]) -> Sequence[str]:
    words = list(dict.fromkeys(word for one in found for word in _words(one)))
    if len(words) > _NAMES_MAX:
        words = list(dict.fromkeys(word for one in found for word in _components(one)))
    return words or _WHOLE


def _words(one: Finding) -> Iterator[str]:
    if one.code == codes.SCHEMA_GONE:
        yield _schema(one.subject)
    elif one.code in _ITSELF:
        yield one.subject
    elif one.code in _COMPONENT:
        yield _COMPONENT[one.code]
    elif one.code == codes.TRIGGER_GONE:
        yield _table_of(one.subject)
    elif one.code in (codes.MORE, codes.REWRITTEN):
        yield from _WHOLE


def _schema(name: str) -> str:
    """As --only reads it: in quotes where it must be, and with what is in it where it is called as a component."""
    shown = show_name(TableName(schema=name, name="a")).removesuffix(".a")
    return f"{shown}.*" if shown in COMPONENTS else shown


def _table_of(subject: str) -> str:
    """Of `NAME on TABLE` the latter. Either may have the word between them in it."""
    words = subject.split(_ON)
    tables = (_ON.join(words[at:]) for at in range(1, len(words)))
    return next((table for table in tables if _is_table(table)), words[-1])


def _is_table(text: str) -> bool:
    try:
        parts = split_name(text)
    except UsageError:
        return False
    return len(parts) == 2 and show_name(TableName(schema=parts[0], name=parts[1])) == text


def _components(one: Finding) -> Iterator[str]:
    """Where a table went, its definition may have gone too."""
    if one.code in _OF_TABLES or one.code == codes.SCHEMA_GONE:
        yield from _WHOLE
    elif one.code in _COMPONENT:
        yield _COMPONENT[one.code]
    else:
        yield from (word if word in _WHOLE else "schema" for word in _words(one))


def _place(name: str, directories: Mapping[str, str]) -> str:
    """Beside, where nobody knows where it was."""
    known = directories.get(name, "")
    return known if known and "*" not in known else f"{name}.restored"
