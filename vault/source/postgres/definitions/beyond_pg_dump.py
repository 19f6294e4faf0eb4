"""Definitions that pg_dump leaves out, as entries among its own: on extension members, of invalid indexes, switched-off foreign keys.

Read in the snapshot's session by `beyond_pg_dump_sql` and `beyond_pg_dump_members`, put where pg_dump would have put them, with what they need.
Invariant: no entry's identity is one that pg_dump already gave; what pg_dump gave keeps its order. Spec 60, "What pg_dump leaves out".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import Incoherent
from vault.model import Identity, Missing, SchemaEntry, Section, State
from vault.ports import SchemaDump
from vault.source.postgres.connection.connect import Row, Session
from vault.source.postgres.definitions import beyond_pg_dump_members, beyond_pg_dump_sql
from vault.sql.roles import set_routine

CatalogId = tuple[int, int]
"""(catalog, object), both oids."""

RESTRICTED_PUBLICATIONS_SINCE: Final = 150000
NOT_NULL_CONSTRAINTS_SINCE: Final = 180000
READS_MAX: Final = 5
BEFORE_ROWS_MAX: Final = 3
"""Ranks up to this one are of section pre-data."""
INDEX_RANK: Final = 4
"""Keys, indexes and checks: at the start of post-data, so that foreign keys of pg_dump's find them."""
ABOUT_RANK: Final = 7
"""Comments and labels: section none, at the end."""

_PARTS: Final = (
    beyond_pg_dump_members.TABLES,
    beyond_pg_dump_members.SEQUENCES,
    beyond_pg_dump_members.ROUTINES,
    beyond_pg_dump_members.BODIES,
    beyond_pg_dump_members.COLUMNS,
    beyond_pg_dump_members.DEFAULTS,
    beyond_pg_dump_members.LABELS_OF_TYPES,
    beyond_pg_dump_members.OWNERS,
    beyond_pg_dump_members.COMMENTS,
    beyond_pg_dump_members.SECURITY_LABELS,
    beyond_pg_dump_sql.ROW_SECURITY,
    beyond_pg_dump_sql.FORCED_ROW_SECURITY,
    beyond_pg_dump_sql.DISABLED_ROW_SECURITY,
    beyond_pg_dump_sql.INDEXES,
    beyond_pg_dump_sql.KEYS,
    beyond_pg_dump_sql.CONSTRAINTS,
    beyond_pg_dump_sql.DOMAIN_CONSTRAINTS,
    beyond_pg_dump_sql.STATISTICS,
    beyond_pg_dump_sql.TRIGGERS,
    beyond_pg_dump_sql.RULES,
    beyond_pg_dump_sql.POLICIES,
    beyond_pg_dump_sql.FOREIGN_KEY_STATES,
    beyond_pg_dump_sql.LARGE_OBJECT_LABELS,
    beyond_pg_dump_sql.LANGUAGE_PRIVILEGES,
    beyond_pg_dump_sql.MULTIRANGE_PRIVILEGES,
)

_ADDRESS: Final = """
SELECT f.*, a.type, a.object_names, a.object_args
  FROM ({parts}) AS f (descr, rank, class, object, part, sub, tag, schema, owner, definition, drop, tablespace),
       LATERAL pg_identify_object_as_address(f.class, f.object, f.part) AS a
"""

_REFERENCES: Final = """
WITH RECURSIVE wanted AS (
    SELECT * FROM unnest(%s::oid[], %s::oid[]) AS w(class, object)
), reached AS (
    SELECT class, object, class AS classid, object AS objid, 0 AS depth FROM wanted
    UNION
    SELECT class, object, 'pg_attrdef'::regclass, f.oid, 0 FROM wanted JOIN pg_attrdef f ON class = 'pg_class'::regclass AND f.adrelid = object
      JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum AND a.attgenerated <> ''
    UNION
    SELECT r.class, r.object, d.refclassid, d.refobjid, 1 FROM reached r
      JOIN pg_depend d ON d.classid = r.classid AND d.objid = r.objid
     WHERE d.refobjid >= 16384 AND (r.depth = 0 OR d.deptype IN ('e', 'i', 'a'))
)
SELECT DISTINCT class::int8, object::int8, classid::int8, objid::int8 FROM reached
"""
"""What each object refers to, and what that belongs to: a member to its extension, a row type to its table, a column's default to its column."""

_DEPENDENTS: Final = """
SELECT DISTINCT w.class::int8, w.object::int8, coalesce(u.classid, d.classid)::int8, coalesce(u.objid, d.objid)::int8
  FROM (SELECT class, object, class AS classid, object AS objid FROM unnest(%s::oid[], %s::oid[]) AS w(class, object)
        UNION ALL
        SELECT k.tableoid, k.oid, 'pg_class'::regclass, k.conindid FROM pg_constraint k WHERE k.oid = ANY(%s::oid[]) AND k.contype IN ('p', 'u', 'x')) AS w
  JOIN pg_depend d ON d.refclassid = w.classid AND d.refobjid = w.objid AND d.deptype = 'n'
  LEFT JOIN LATERAL (SELECT 'pg_class'::regclass AS classid, ev_class AS objid FROM pg_rewrite WHERE d.classid = 'pg_rewrite'::regclass AND oid = d.objid) u ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`tables`: oids of those that are selected, None: all; `everything`: nothing is named to be included.

    `own`: also what the extensions' scripts themselves wrote on their tables.
    """

    tables: Sequence[int] | None
    everything: bool
    own: bool = False


ALL_ON_MEMBERS: Final = Scope(tables=None, everything=True, own=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """`rank` orders what refers to each other; `object` is what the entry makes or is about."""

    entry: SchemaEntry
    rank: int
    object: CatalogId


def read(session: Session, scope: Scope, *, version: int) -> list[Extra]:
    """What pg_dump leaves out, by rank and identity. Raises Incoherent: something was dropped meanwhile"""
    parts = [*_PARTS, _publications(version)]
    if version < NOT_NULL_CONSTRAINTS_SINCE:
        parts.append(beyond_pg_dump_members.NOT_NULL)
    query = beyond_pg_dump_sql.FRAME + _ADDRESS.format(parts=" UNION ALL ".join(parts))
    rows = session.rows(query, _parameters(scope), doing="reading what pg_dump leaves out")
    settings = session.rows(
        beyond_pg_dump_sql.FRAME + beyond_pg_dump_members.SETTINGS,
        _parameters(scope),
        doing="reading settings of functions",
    )
    if scope.own:  # what is dropped meanwhile is none of the asker's
        rows = [row for row in rows if None not in (row[9], row[12])]
    extras = [*(_extra(row) for row in rows), *(_settings(row) for row in settings)]
    return sorted(extras, key=lambda extra: (extra.rank, extra.entry.identity))


def on_members(session: Session) -> dict[Identity, str]:
    """Definitions of all that is on extensions' members, whoever made it. Raises SourceError"""
    version = session.connection.info.server_version
    for attempt in range(1, READS_MAX + 1):
        try:
            return {
                extra.entry.identity: extra.entry.definition for extra in read(session, ALL_ON_MEMBERS, version=version)
            }
        except Incoherent:  # another connection dropped something while the server described it
            if attempt == READS_MAX:
                raise
    raise AssertionError("unreachable")


def _publications(version: int) -> str:
    known = version >= RESTRICTED_PUBLICATIONS_SINCE
    return beyond_pg_dump_sql.PUBLICATIONS.format(
        restricted=beyond_pg_dump_sql.PUBLICATION_RESTRICTED if known else "''"
    )


def _parameters(scope: Scope) -> dict[str, object]:
    tables = None if scope.tables is None else list(scope.tables)
    return {"tables": tables, "everything": scope.everything, "own": scope.own}


def _extra(row: Row) -> Extra:
    desc, rank, catalog, oid, _, sub, tag, schema, owner, definition, drop, tablespace, kind, names, args = row
    if definition is None or kind is None:
        raise Incoherent("a definition was dropped during the backup", why=f"{desc} {tag} is gone")
    identity = Identity(desc=desc, kind=kind, names=tuple(names), args=tuple(args), sub=sub)
    if kind == "large object":  # entries about those are not executed: they come with the object itself
        identity = Identity(desc=desc, kind="", names=(), sub=sub)
    return Extra(
        entry=SchemaEntry(
            identity=identity,
            section=_section(rank),
            tag=tag,
            namespace=schema,
            owner=owner,
            definition=definition,
            drop=drop,
            tablespace=tablespace,
            table_access_method="",
        ),
        rank=rank,
        object=(catalog, oid),
    )


def _section(rank: int) -> Section:
    if rank <= BEFORE_ROWS_MAX:
        return Section.PRE_DATA
    return Section.NONE if rank == ABOUT_RANK else Section.POST_DATA


def _settings(row: Row) -> Extra:
    """A member's SET clauses: lists among them need another quoting than SQL has."""
    *fields, name, definer, settings, kind, names, args = row
    return _extra((*fields[:9], set_routine(name, definer=definer, settings=settings), "", "", kind, names, args))


# --- among pg_dump's -----------------------------------------------------------------------------


def add(session: Session, dump: SchemaDump, places: Mapping[CatalogId, int], extras: Sequence[Extra]) -> SchemaDump:
    """`dump` with `extras` in it; `places`: position of each of its entries that is a catalog object."""
    given = {entry.identity for entry in dump.entries}
    new = [extra for extra in extras if extra.entry.identity not in given]
    if not new:
        return dump
    needs = _Needs(session, dump, places, new)
    order = sorted(range(len(new)), key=lambda number: (needs.floor[number], new[number].rank, number))
    moved, at = [], 0
    for place in range(len(dump.entries)):
        while at < len(order) and needs.floor[order[at]] <= place:
            at += 1
        moved.append(place + at)
    placed = {added: needs.floor[added] + number for number, added in enumerate(order)}
    whole: dict[int, tuple[SchemaEntry, tuple[int, ...]]] = {}
    for place, entry in enumerate(dump.entries):
        later = {placed[added] for added in needs.later.get(place, ())}
        whole[moved[place]] = (entry, tuple(sorted({moved[need] for need in dump.needs[place]} | later)))
    for added, extra in enumerate(new):
        own = {moved[need] for need in needs.of_dump[added]} | {placed[need] for need in needs.of_new[added]}
        whole[placed[added]] = (extra.entry, tuple(sorted(own)))
    return SchemaDump(
        entries=tuple(whole[place][0] for place in range(len(whole))),
        needs=tuple(whole[place][1] for place in range(len(whole))),
    )


class _Needs:
    """What each new entry needs, and the first place at which it may stand. `later`: entries of the dump that need new ones."""

    def __init__(
        self, session: Session, dump: SchemaDump, places: Mapping[CatalogId, int], new: Sequence[Extra]
    ) -> None:
        classes, objects = [extra.object[0] for extra in new], [extra.object[1] for extra in new]
        references: dict[CatalogId, set[CatalogId]] = {}
        doing = "reading dependencies"
        for catalog, oid, class_, object_ in session.rows(_REFERENCES, [classes, objects], doing=doing):
            references.setdefault((catalog, oid), set()).add((class_, object_))
        defined: dict[CatalogId, list[int]] = {}
        for added, extra in enumerate(new):
            defined.setdefault(extra.object, []).append(added)
        self.of_dump: list[set[int]] = []
        self.of_new: list[set[int]] = []
        for extra in new:
            reached = references.get(extra.object, set())
            self.of_dump.append({places[reference] for reference in reached if reference in places})
            others = {other for reference in reached for other in defined.get(reference, ())}
            self.of_new.append({other for other in others if new[other].rank < extra.rank})
        self.later: dict[int, set[int]] = {}
        for catalog, oid, class_, object_ in session.rows(_DEPENDENTS, [classes, objects, objects], doing=doing):
            place = places.get((class_, object_))
            if place is not None:
                keys = (added for added in defined[catalog, oid] if new[added].rank == INDEX_RANK)
                self.later.setdefault(place, set()).update(keys)
        self.floor: list[int] = []
        for added, extra in enumerate(new):
            self.floor.append(self._floor(dump, extra.rank, added))

    def _floor(self, dump: SchemaDump, rank: int, added: int) -> int:
        count = len(dump.entries)
        if rank > INDEX_RANK:
            return count
        sections = [entry.section for entry in dump.entries]
        first_after = sections.index(Section.POST_DATA) if Section.POST_DATA in sections else count
        before = max((need + 1 for need in self.of_dump[added]), default=0 if rank == INDEX_RANK else first_after)
        lowest = max(before, first_after if rank == INDEX_RANK else 0)
        return max(lowest, *(self.floor[need] for need in self.of_new[added]), 0)


# --- what cannot be expressed --------------------------------------------------------------------


def missing(session: Session, scope: Scope) -> Iterator[Missing]:
    """Notes on invalid indexes, and tables that somebody made a member and whose definition has no simple form."""
    doing = "looking for what cannot be saved"
    for name in _names(session, beyond_pg_dump_sql.INVALID_INDEXES, scope=scope, doing=doing):
        yield Missing(
            item=f"index {name}",
            state=State.CAPTURED,
            why="it is invalid on the server; a restore creates it anew, as valid if the rows allow it",
            fix=f"REINDEX INDEX {name}, or DROP INDEX {name}",
        )
    for name in _names(session, beyond_pg_dump_members.NOT_EXPRESSED, scope=scope, doing=doing):
        yield Missing(
            item=f"extension table {name}",
            state=State.NOT_EXPORTABLE,
            why="it was made a member of an extension, and is no plain table: its definition is not in the backup",
            fix="ALTER EXTENSION ... DROP TABLE, then back up again",
        )


def _names(session: Session, query: str, *, scope: Scope, doing: str) -> list[str]:
    return [row[0] for row in session.rows(beyond_pg_dump_sql.FRAME + query, _parameters(scope), doing=doing)]
