"""Where a new snapshot stands among those of its source: its parent, its number, and whether it is the same database at all. Pure.

A source is a name and the database behind it. Every Supabase database is called postgres, so the name alone proves nothing: where the
database is another one, nobody but the user can say whether it moved or is another project's. Spec 60-snapshot, 85-reuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vault.errors import Incoherent, UnsafeError
from vault.model import Manifest, ServerFacts
from vault.repo.lineage import Known, calendar, in_order

_SEQUENCE_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`distrust`: why no extent of the parent may be taken over, or empty."""

    source: str
    parent: Known | None
    sequence: int
    distrust: str


def choose_line(known: Iterable[Known], *, source: str, selection: str, above: int = 0) -> Line:
    """The parent is the newest snapshot of the source that is not suspect, of the same selection if there is one.

    A suspect snapshot says that something is wrong with what came before it. One with the parent's own number was taken beside it, from
    the same rows, and puts it in doubt as a later one does. Its number is greater than any of the source and than `above`.
    """
    same = in_order(pair for pair in known if pair[1].source == source)
    sound = [pair for pair in same if not pair[1].suspect]
    alike = [pair for pair in sound if pair[1].selection == selection]
    parent = next(reversed(alike or sound), None)
    from_number = 0 if parent is None else parent[1].sequence
    doubted = any(manifest.suspect and manifest.sequence >= from_number for _, manifest in same)
    sequence = max([above, *(manifest.sequence for _, manifest in same)]) + 1
    if sequence > _SEQUENCE_MAX:  # somebody with the keys used them up; no decoder takes a greater one
        raise UnsafeError(
            f"source {source} has no number left for a snapshot", hint="go on under another name: --source NAME"
        )
    return Line(
        source=source,
        parent=parent,
        sequence=sequence,
        distrust="a newer snapshot is suspect" if doubted else "",
    )


class OtherDatabase(Exception):
    """The database that was reached is not the one of the source's snapshots."""

    def __init__(self, server: ServerFacts, newest: Known) -> None:
        super().__init__("another database")
        self.server = server
        self.newest = newest


def require_same(known: Iterable[Known], source: str, server: ServerFacts) -> None:
    """Raises  OtherDatabase: a snapshot of the source that is not older than the newest of this database is of another one"""
    same = [pair for pair in in_order(known) if pair[1].source == source and pair[1].database is not None]
    own = [manifest.sequence for _, manifest in same if _key(manifest) == server.database_key]
    others = [pair for pair in same if _key(pair[1]) != server.database_key]
    if others and others[-1][1].sequence >= max(own, default=0):
        raise OtherDatabase(server, others[-1])


def _key(manifest: Manifest) -> tuple[str, int] | None:
    return None if manifest.database is None else manifest.database.server.database_key


def own_name(source: str, server: ServerFacts) -> str:
    """Of the line of snapshots that a database gets until somebody says whose it is; the same every night."""
    return f"{source}~{server.system_id}.{server.database_oid}"


def apart(source: str, other: OtherDatabase) -> str:
    """Why a snapshot was saved under `own_name`, for the user."""
    return f"{_difference(other)}; so this snapshot is of source {own_name(source, other.server)}. {_WAYS_OUT}"


_WAYS_OUT = (
    "Another project, whose stack has the port perhaps: give it a name with --source NAME; this one, on another server now "
    "or made anew (supabase db reset): say --server-moved, once"
)


def refusal(source: str, other: OtherDatabase) -> UnsafeError:
    return UnsafeError(f"{source} is the source of another database", why=_difference(other), hint=_WAYS_OUT)


def refusal_apart(source: str, other: OtherDatabase) -> UnsafeError:
    """Why a snapshot cannot be saved under `own_name` either."""
    return UnsafeError(
        f"{source}, the name that this database would get, is the source of another database",
        why=_difference(other),
        hint=_WAYS_OUT,
    )


def require_reached(expected: ServerFacts, server: ServerFacts) -> None:
    """Raises  Incoherent: this is not the database that the snapshot's name was made for"""
    if server.database_key != expected.database_key:
        raise Incoherent(
            "the connection leads now to one database and now to another",
            why=f"first {_shown(expected)}, then {_shown(server)}",
            hint="name one server in the connection, and back up each database under a source of its own (--source NAME)",
        )


def _difference(other: OtherDatabase) -> str:
    snapshot_id, manifest = other.newest
    assert manifest.database is not None, "a snapshot without one is no other database's"
    return (
        f"its snapshot {snapshot_id.hex()[:12]} of {calendar(manifest.created_ms):%Y-%m-%d %H:%M} is of "
        f"{_shown(manifest.database.server)}, and this is {_shown(other.server)}"
    )


def _shown(server: ServerFacts) -> str:
    return f"database {server.database} (oid {server.database_oid}) of PostgreSQL system {server.system_id}"
