"""The nine lines that end a backup and a restore, and the same nine numbers counted in a live database.

The texts are fixed, word for word but for the number of one, since people search their logs for them; the command line puts
the sign before them.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Final, Protocol

from vault.model import CatalogFacts, Counts
from vault.model.snapshot import SUMMARY_COMPONENTS
from vault.model.words import counted
from vault.ops.project.components import SUPABASE, Selectors
from vault.ops.project.counts import count
from vault.repo.snapshot import Snapshot
from vault.sql.names import quote
from vault.sql.planning import reached


class Asked(Protocol):
    """A session of the database that is counted, with an empty search path."""

    def rows(self, query: str, *, doing: str) -> Sequence[Sequence[object]]: ...
    def copied(self, statement: str, *, doing: str) -> int:
        """Rows that a COPY ... TO STDOUT gives; they are thrown away."""


_DOING: Final = "counting what was restored"
_COUNTED_MAX: Final = 20
"""Tables in one statement, which locks each and its indexes."""

_TABLES: Final = """
SELECT n.nspname, c.relname, c.relkind = 'r', c.relispartition, e.oid IS NOT NULL,
  coalesce(e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)], ''), c.oid, (
    SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated = '' ORDER BY a.attlen < 0, a.attnum LIMIT 1)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid
  AND d.objsubid = 0 AND d.deptype = 'e'
LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY 1, 2"""
"""Schema, name, has rows of its own, partition, an extension's, which of its rows are the user's, oid, a column: the tables that a backup has."""

_FOREIGN: Final = reached("ANY(ARRAY(SELECT oid FROM pg_class WHERE relkind = 'r'))")

_FUNCTIONS: Final = """
SELECT n.nspname, p.proname, p.prorettype IN ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype)
FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind IN ('f', 'p', 'w') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
      AND d.objid = p.oid AND d.deptype = 'e')"""


_POLICIES: Final = """
SELECT pg_catalog.count(*) FROM pg_catalog.pg_policy WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.objid = polrelid AND d.objsubid = 0 AND d.deptype = 'e')"""


def nine_lines(counts: Counts) -> list[str]:
    """The summary of a backup, without the sign that starts each line."""
    return [
        f"Database tables: {counted(counts.tables, 'table')}",
        f"Data records: {counted(counts.records, 'total record')}",
        f"Users: {counted(counts.users, 'user')} (with encrypted passwords)",
        f"User roles: {counted(counts.user_roles, 'role assignment')}",
        f"RLS policies: {counted(counts.rls_policies, 'policy', 'policies')}",
        f"RPC functions: {counted(counts.rpc_functions, 'function')}",
        f"Migrations: {counted(counts.migrations, 'file')}",
        f"Edge Functions: {counted(counts.edge_functions, 'function')}",
        f"Encryption functions: {counted(counts.encryption_functions, 'function')}",
    ]


def lost_lines(counts: Counts, before: Counts) -> frozenset[str]:
    """Components of which an earlier snapshot had some, and this one has none: no success, whatever was captured."""
    numbers = zip(SUMMARY_COMPONENTS, Counts.__dataclass_fields__, strict=True)
    return frozenset(component for component, name in numbers if getattr(before, name) and not getattr(counts, name))


def count_snapshot(snapshot: Snapshot, selectors: Selectors = SUPABASE) -> Counts:
    """Count a snapshot again, by other selectors than those of its backup. Reads all definitions."""
    directories = {name: (item.path for item in snapshot.files(name)) for name in snapshot.manifest.directories}
    if snapshot.manifest.database is None:
        return count((), (), catalog=CatalogFacts(), directories=directories, selectors=selectors)
    return count(
        snapshot.entries(snapshot.order()),
        ((item.name, item.sums.rows) for item in snapshot.tables()),
        catalog=snapshot.catalog(),
        directories=directories,
        selectors=selectors,
    )


def count_target(asked: Asked, *, files: Mapping[str, int], selectors: Selectors = SUPABASE) -> Counts:
    """Count a database as it is now. `files`: `migrations` and `edge_functions`, counted by the caller, who knows where.

    Records are the rows of all tables that a backup would read, each by itself: a partition may be a foreign table, whose rows are
    elsewhere, so no root is asked. Nor is a query planned that would run somebody else's function.
    """
    tables = asked.rows(_TABLES, doing=_DOING)
    foreign = {row[0] for row in asked.rows(_FOREIGN, doing=_DOING) if not row[6]}
    rows = _rows(asked, [table for table in tables if table[2]], foreign)
    own = [(str(schema), str(name)) for schema, name, _, part, extension, *_ in tables if not (part or extension)]
    functions = [
        (str(schema), str(name), bool(trigger)) for schema, name, trigger in asked.rows(_FUNCTIONS, doing=_DOING)
    ]
    users = (selectors.users_table.schema, selectors.users_table.name)
    return Counts(
        tables=sum(name == users or name[0] not in selectors.platform_schemas for name in own),
        records=sum(rows.values()),
        users=rows.get(users, 0),
        user_roles=sum(rows.get((name.schema, name.name), 0) for name in selectors.role_tables),
        rls_policies=_number(asked, _POLICIES),
        rpc_functions=sum(schema in selectors.exposed_schemas and not trigger for schema, _, trigger in functions),
        migrations=files.get("migrations", 0),
        edge_functions=files.get("edge_functions", 0),
        encryption_functions=sum(
            schema not in selectors.platform_schemas and selectors.is_encryption_name(name)
            for schema, name, _ in functions
        ),
    )


def _rows(asked: Asked, tables: Sequence[Sequence[object]], foreign: Container[object]) -> dict[tuple[str, str], int]:
    """Table -> its rows. Those on which no query is planned are read; the others are counted many in a statement."""
    counts: dict[tuple[str, str], int] = {}
    queries: dict[tuple[str, str], str] = {}
    for schema, name, _, _, _, condition, oid, column in tables:
        table = (str(schema), str(name))
        target = f"{quote(table[0])}.{quote(table[1])}"
        if oid in foreign:
            listed = "" if column is None else f"({quote(str(column))})"
            counts[table] = asked.copied(f"COPY {target} {listed} TO STDOUT", doing=_DOING)
        else:
            queries[table] = f"SELECT pg_catalog.count(*) FROM ONLY {target} {condition}"
    for start in range(0, len(queries), _COUNTED_MAX):
        batch = list(queries)[start : start + _COUNTED_MAX]
        numbered = (f"SELECT {at}, ({queries[table]})" for at, table in enumerate(batch))
        for at, number in asked.rows(" UNION ALL ".join(numbered), doing=_DOING):
            counts[batch[int(str(at))]] = int(str(number))
    return counts


def _number(asked: Asked, query: str) -> int:
    return int(str(asked.rows(query, doing=_DOING)[0][0]))
