"""What a snapshot holds, in numbers: the nine counts, and the coverage ledger. Pure.

Invariant: every component of the contract gets exactly one state, and everything selected that is not in the snapshot is
an item of `missing`. A component shows the state of its worst item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import UsageError
from vault.model import CatalogFacts, Counts, Coverage, Missing, SchemaEntry, State, TableName
from vault.ops.project.components import COMPONENTS, SUPABASE, Selectors
from vault.ops.project.files_outside import accept, covered, outside
from vault.sql.names import split_name

_SCHEMA_WORDS: Final = (
    "aggregate cast constraint definition domain extension foreign function index materialized operator options procedure"
    " publication rule schema subscription trigger type view"
)
_KINDS: Final = {
    **dict.fromkeys(("role", "roles", "passwords", "tablespace", "tablespaces", "membership", "setting"), "roles"),
    **dict.fromkeys(("sequence", "sequences"), "sequences"),
    **dict.fromkeys(("policy", "policies", "row"), "rls_policies"),
    **dict.fromkeys(_SCHEMA_WORDS.split(), "schema"),
}
"""First word of a missing item's name -> component."""

_OF_TABLES: Final = ("schema", "data")
_NARROWED: Final = (
    *_OF_TABLES,
    *("users", "user_roles", "rls_policies", "rpc_functions", "encryption", "sequences"),
)
"""Components that patterns narrow; how far is known only of those that are left with nothing."""


def count(
    entries: Iterable[SchemaEntry],
    tables: Iterable[tuple[TableName, int]],
    *,
    catalog: CatalogFacts,
    directories: Mapping[str, Iterable[bytes]],
    selectors: Selectors = SUPABASE,
) -> Counts:
    """Count a snapshot. `tables`: each with its rows; `directories`: name -> paths.

    Tables are ordinary ones and roots of partitions outside the platform's schemas, and the users' table; records are
    the rows of all tables; functions are neither triggers' nor extensions', in exposed schemas; policies are those of tables
    that are no extension's, whose script makes its own. `count_target` counts the same in a database.
    """
    project, partitions, policies = set(), set(), 0
    members = _members(catalog)
    for entry in entries:
        name = TableName(schema=entry.namespace, name=entry.tag)
        if entry.identity.desc == "TABLE" and selectors.is_project_table(name):
            project.add(name)
        elif entry.identity.desc == "TABLE ATTACH":
            partitions.add(name)
        policies += entry.identity.desc == "POLICY" and entry.identity.relation not in members
    rows = dict(tables)
    own = [function for function in catalog.functions if not function[4]]
    return Counts(
        tables=len(project - partitions),
        records=sum(rows.values()),
        users=rows.get(selectors.users_table, 0),
        user_roles=sum(rows.get(name, 0) for name in selectors.role_tables),
        rls_policies=policies,
        rpc_functions=sum(schema in selectors.exposed_schemas and not trigger for schema, _, _, trigger, _ in own),
        migrations=count_migrations(directories.get(selectors.migrations_directory, ())),
        edge_functions=count_edge_functions(directories.get(selectors.edge_functions_directory, ())),
        encryption_functions=sum(
            schema not in selectors.platform_schemas and selectors.is_encryption_name(name)
            for schema, name, _, _, _ in own
        ),
    )


def _members(catalog: CatalogFacts) -> frozenset[TableName]:
    """Tables that belong to an extension."""
    members = (dependent for dependent, _, letter in catalog.edges if letter == "e")
    return frozenset(address.relation for address in members if address.kind == "table")


def count_migrations(paths: Iterable[bytes]) -> int:
    """Files named `*.sql`."""
    return sum(path.endswith(b".sql") for path in paths)


def count_edge_functions(paths: Iterable[bytes]) -> int:
    """Top directories with something in them whose name starts with neither `_` nor `.`."""
    return len({path.split(b"/", 1)[0] for path in paths if b"/" in path and path[:1] not in (b"_", b".")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What a backup has, for the ledger. `tables`: those whose rows are in the snapshot, with how many.

    `missing`: what the database did not give, by its name: `SCHEMA.TABLE` as in SQL, `large object N`, `role ...`, `sequence ...`.
    `missing_files`: directory -> its paths that could not be captured.
    `patterns`: that narrowed the database, as options; `outside`: whether what lies in no schema was captured all the same.
    `accepted`: names of gaps that the user has accepted.
    """

    counts: Counts
    database: bool
    directories: frozenset[str]
    tables: Sequence[tuple[TableName, int]] = ()
    entries: int = 0
    roles: int = 0
    sequences: int = 0
    large_objects: int = 0
    missing: Sequence[Missing] = ()
    missing_files: Mapping[str, Sequence[Missing]] = field(default_factory=dict)
    patterns: Sequence[str] = ()
    outside: bool = True
    accepted: Sequence[str] = ()


def coverage(captured: Captured, selectors: Selectors = SUPABASE) -> dict[str, Coverage]:
    """The ledger: each of COMPONENTS, and `dir:NAME` for every further directory, or for files that nothing holds."""
    counts = captured.counts
    numbers = {
        "schema": captured.entries,
        "data": len(captured.tables),
        "users": counts.users,
        "user_roles": counts.user_roles,
        "rls_policies": counts.rls_policies,
        "rpc_functions": counts.rpc_functions,
        "encryption": counts.encryption_functions,
        "migrations": counts.migrations,
        "edge_functions": counts.edge_functions,
        "roles": captured.roles,
        "sequences": captured.sequences,
        "large_objects": captured.large_objects,
    }
    missing: dict[str, list[Missing]] = {name: [] for name in COMPONENTS}
    for item in captured.missing:
        for name in _components_of(item, selectors):
            missing[name].append(item)
    narrowed = [_narrowed(pattern) for pattern in captured.patterns]
    for name in _NARROWED:
        if name in _OF_TABLES or not numbers[name]:
            missing[name] += narrowed
    if not captured.outside:
        missing["large_objects"] += narrowed
    own = {
        "migrations": selectors.migrations_directory,
        "edge_functions": selectors.edge_functions_directory,
    }
    for component, directory in own.items():
        missing[component] += captured.missing_files.get(directory, ())
        if directory not in captured.directories:
            missing[component].append(_without_directory(directory))
    ledger = {}
    for name in COMPONENTS:
        if not captured.database and name not in own:
            ledger[name] = Coverage(state=State.NOT_SELECTED, count=0)
        else:
            ledger[name] = covered(numbers[name], tuple(missing[name]))
    for directory in sorted(captured.directories - set(own.values())):
        ledger[f"dir:{directory}"] = covered(1, tuple(captured.missing_files.get(directory, ())))
    for component, gap in outside(captured.tables, captured.directories, selectors):
        if component not in ledger:
            ledger[component] = covered(0, (gap,))
        else:
            ledger[component] = covered(ledger[component].count, (*ledger[component].missing, gap))
    return accept(ledger, captured.accepted)


def _narrowed(pattern: str) -> Missing:
    return Missing(
        item=f"what {pattern} leaves out",
        state=State.NOT_SELECTED,
        why="the backup was asked for a part of the database",
        fix=f"back up without {pattern}",
    )


def _without_directory(directory: str) -> Missing:
    return Missing(
        item=f"directory {directory}",
        state=State.NOT_SELECTED,
        why="no such directory was given to the backup",
        fix=f"add --dir {directory}=PATH",
    )


def _components_of(item: Missing, selectors: Selectors) -> list[str]:
    """Components that miss an item, by its name; what is no table, role, sequence or large object is `schema`."""
    words = item.item.split(" ")
    if item.item.startswith("large object"):
        return ["large_objects"]
    if words[0] in _KINDS and (len(words) > 1 or "." not in item.item):
        return [_KINDS[words[0]]]
    try:
        schema, table = split_name(item.item.removeprefix("table "))
    except (UsageError, ValueError):  # no name of a table, or not of two parts
        return ["schema"]
    return list(selectors.table_components(TableName(schema=schema, name=table)))
