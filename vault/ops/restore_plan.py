"""Decide what a restore into an empty database will do, before anything is written. Pure: values in, a plan out.

Never touches the target. Invariant: every entry of the snapshot is in exactly one step of the plan or is named in `left_out`.
Spec 75-restore.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vault.errors import UnsafeError
from vault.model import OrderItem, SchemaEntry, Section, TableItem, TableName
from vault.ops.restore_contents import Contents, bytes_of, rows_of
from vault.ops.restore_roles import RoleSteps, role_steps
from vault.ops.restore_warnings import OF_THE_DATABASE, warnings
from vault.ports import TargetFacts

_SHOWN_MAX: Final = 5

_ACL_PASS: Final = frozenset({"ACL", "DEFAULT ACL"})
_LAST_PASS: Final = frozenset({"EVENT TRIGGER", "MATERIALIZED VIEW DATA"})
_NOT_EXECUTED: Final = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH", "TABLE DATA", "SEQUENCE SET", "BLOBS"})
"""Settings of the session, and what is captured as rows, sequences and large objects instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """Steps in their order; numbers are positions in `contents.order`.

    definitions      before the rows, serial
    row_security     position of a TABLE -> positions of ROW SECURITY entries that belong in its transaction
    tables           that have rows, largest first; also empty ones that CREATE EXTENSION may fill
    after_rows       indexes, constraints, triggers, rules, policies ...: in parallel as `needs` allow
    privileges       ACL and DEFAULT ACL
    last             event triggers, refreshes of materialized views, and comments on event triggers
    """

    contents: Contents
    target: TargetFacts
    roles: RoleSteps
    definitions: tuple[int, ...]
    row_security: Mapping[int, tuple[int, ...]]
    tables: tuple[TableItem, ...]
    after_rows: tuple[int, ...]
    privileges: tuple[int, ...]
    last: tuple[int, ...]
    left_out: tuple[int, ...]
    warnings: tuple[str, ...]

    @property
    def new_extensions(self) -> bool:
        """No extension of the snapshot was on the target before, so rows in their tables are CREATE EXTENSION's own."""
        return _brings_extensions(self.contents, self.target)

    @property
    def rows(self) -> int:
        return sum(rows_of(table) for table in self.tables)

    @property
    def bytes(self) -> int:
        return sum(bytes_of(table) for table in self.tables)

    def lines(self) -> Iterator[str]:
        """The plan for people: what will be created, then what to know before saying yes."""
        target = self.target
        yield f"into database {target.database} on PostgreSQL {target.version_num // 10000}, as {target.user}"
        kinds = Counter(item.identity.desc for at, item in enumerate(self.contents.order) if at not in self.left_out)
        for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0])):
            yield f"  {count} {kind}"
        yield f"  {self.rows} rows of {sum(1 for table in self.tables if rows_of(table))} tables, {self.bytes} bytes"
        yield f"  {self.contents.sequences} sequence values, {self.contents.large_objects} large objects"
        if self.roles.create:
            yield f"  new roles: {', '.join(role.name for role in self.roles.create)}"
        yield from (f"differs, not changed: {difference}" for difference in self.roles.differences)
        yield from (f"warning: {warning}" for warning in self.warnings)


def plan(contents: Contents, target: TargetFacts, *, into_source: bool = False) -> RestorePlan:
    """The steps that bring `contents` into an empty `target`.

    Raises  UnsafeError: the target is not empty, or is the source and `into_source` is False
    """
    _refuse(contents, target, into_source=into_source)
    positions = range(len(contents.order))
    steps: dict[str, list[int]] = {step: [] for step in ("first", "after", "privileges", "last", "left out")}
    rows_come = False
    for at in positions:
        rows_come = rows_come or contents.order[at].section in (Section.DATA, Section.POST_DATA)
        steps[_step(contents.order[at], contents.entries[at], rows_come=rows_come)].append(at)
    row_security = _row_security(contents, steps["first"], steps["after"])
    early = {at for positions in row_security.values() for at in positions}
    emptied = _new_members(contents, target)
    with_rows = (table for table in contents.tables if rows_of(table) or table.name in emptied)
    return RestorePlan(
        contents=contents,
        target=target,
        roles=role_steps(contents.roles, target),
        definitions=tuple(steps["first"]),
        row_security=row_security,
        tables=tuple(sorted(with_rows, key=lambda table: (-bytes_of(table), table.name))),
        after_rows=tuple(at for at in steps["after"] if at not in early),
        privileges=tuple(steps["privileges"]),
        last=tuple(steps["last"]),
        left_out=tuple(steps["left out"]),
        warnings=tuple(warnings(contents, target)),
    )


def _new_members(contents: Contents, target: TargetFacts) -> frozenset[TableName]:
    """Tables that no entry defines, so that extensions do, if none of these was on the target before."""
    extensions = any(entry.identity.desc == "EXTENSION" for entry in contents.entries)
    if not extensions or not _brings_extensions(contents, target):
        return frozenset()
    defined = {item.identity.names for item in contents.order if item.identity.desc == "TABLE"}
    return frozenset(table.name for table in contents.tables if (table.name.schema, table.name.name) not in defined)


def _brings_extensions(contents: Contents, target: TargetFacts) -> bool:
    needed = {entry.tag for entry in contents.entries if entry.identity.desc == "EXTENSION"}
    return needed.isdisjoint(target.extensions_installed)


def _refuse(contents: Contents, target: TargetFacts, *, into_source: bool) -> None:
    server = contents.server
    if (server.system_id, server.database_oid) == (target.system_id, target.database_oid) and not into_source:
        raise UnsafeError(
            f"database {target.database} is the one that the snapshot was taken from",
            why="a restore over the source can destroy what it should save",
            hint="restore into a new database, or say --into-source",
        )
    if target.in_the_way:
        shown = ", ".join(target.in_the_way[:_SHOWN_MAX])
        more = len(target.in_the_way) - _SHOWN_MAX
        raise UnsafeError(
            f"database {target.database} is not empty",
            why=f"it holds {shown}{f' and {more} more' if more > 0 else ''}",
            hint="restore into a new database: createdb NAME",
        )


def _step(item: OrderItem, entry: SchemaEntry, *, rows_come: bool) -> str:
    """pg_restore's _tocEntryRestorePass, and before it the parting of what comes before the rows from what comes after."""
    desc = item.identity.desc
    if desc in _NOT_EXECUTED or desc.startswith("BLOB") or item.identity.kind == "large object":
        return "left out"
    if desc in OF_THE_DATABASE or item.identity.kind == "database":
        return "left out"
    if desc in _ACL_PASS:
        return "privileges"
    if desc in _LAST_PASS or (desc == "COMMENT" and entry.tag.startswith("EVENT TRIGGER ")):
        return "last"
    before_rows = item.section is Section.PRE_DATA or (item.section is Section.NONE and not rows_come)
    return "first" if before_rows else "after"


def _row_security(contents: Contents, first: list[int], after: list[int]) -> dict[int, tuple[int, ...]]:
    tables = {contents.order[at].identity.names: at for at in first if contents.order[at].identity.desc == "TABLE"}
    found: dict[int, tuple[int, ...]] = {}
    for at in after:
        identity = contents.order[at].identity
        if identity.desc == "ROW SECURITY" and identity.names in tables:
            table = tables[identity.names]
            found[table] = (*found.get(table, ()), at)
    return found
