"""Does a snapshot look like the ruin of an earlier one? Pure; what is found is a warning, never a verdict.

Theory of operation: numbers and names are compared, never contents, so an unchanged day costs nothing and a changed one little. What
cannot be seen so: rows of which each has another value and about the same length (`REWRITTEN` sees that of the whole only), a policy or
function that says something else; a table that was dropped, and whose name another one took that was there and has about as many rows:
that is how a new version of a table comes in. A dropped schema is told once, not table by table; a
partition that goes is judged by what is left of its root; a table that has another name is the same one if the database is.

Invariant: findings ascend by code and subject, each pair once; what `bounded` leaves of them is at most `FINDINGS_MAX`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from vault.limits import NOTE_BYTES_MAX
from vault.model import Address, Finding, Sums, TableName
from vault.model.words import counted, size
from vault.ops.guard import codes
from vault.ops.guard.facts import (
    BYTES_LOST_MIN,
    REWRITTEN_BYTES_MIN,
    ROWS_LOST_MIN,
    DatabaseFacts,
    Facts,
    TableFact,
    Terms,
)
from vault.sql.names import show_name

FINDINGS_MAX: Final = 50
"""Of one snapshot: nobody reads more, and each one that is answered is a file."""
_REWRITTEN_PERCENT: Final = 40
"""Of all bytes, stored anew. Text compresses to less than that; what is encrypted does not, in hexadecimal to a half."""
_ALIKE_PERCENT: Final = 20
"""Sizes that differ by no more are about the same."""


def compare(before: Facts, after: Facts, terms: Terms) -> tuple[Finding, ...]:
    """All that is wrong with `after`, if `before` was good."""
    found: list[Finding] = []
    if before.database is not None and after.database is not None:
        found += _database(before.database, after.database, terms)
    for name in sorted(before.directories.keys() & after.directories.keys()):
        if text := _lost(before.directories[name], after.directories[name], terms, what="path"):
            found.append(finding(codes.FILES_LOST, name, text))
    found += _rewritten(before, after)
    return tuple(_ordered(found))


def finding(code: str, subject: str, text: str) -> Finding:
    return Finding(code=code, subject=_short(subject), text=_short(text))


def bounded(found: Iterable[Finding]) -> tuple[Finding, ...]:
    """In order, each pair of code and subject once, and the number of those that are too many. `found`: all, none of which says so."""
    ordered = _ordered(found)
    if len(ordered) > FINDINGS_MAX:
        left = ordered[FINDINGS_MAX - 1 :]
        ordered = ordered[: FINDINGS_MAX - 1]
        more = finding(
            codes.MORE, "", f"{counted(len(left), 'more finding')}, the first: {left[0].code} {left[0].subject}"
        )
        ordered = _ordered([*ordered, more])
    return tuple(ordered)


def _ordered(found: Iterable[Finding]) -> list[Finding]:
    """Of several that say the same of one thing the last."""
    return sorted({(one.code, one.subject): one for one in found}.values(), key=lambda one: (one.code, one.subject))


def _short(text: str) -> str:
    data = text.encode()
    return text if len(data) <= NOTE_BYTES_MAX else data[: NOTE_BYTES_MAX - 3].decode(errors="ignore") + "..."


# --- the database ----------------------------------------------------------------------------------


def _database(before: DatabaseFacts, after: DatabaseFacts, terms: Terms) -> Iterator[Finding]:
    renamed = _renamed(before, after)
    if before.rows and not after.rows:
        yield finding(codes.DATABASE_EMPTY, "", f"there were {before.rows} rows, and there is none")
    else:
        yield from _tables(before, after, terms, renamed=renamed)
    dropped = _dropped_schemas(before, after, renamed)
    for schema in sorted(dropped):
        tables = sum(name.schema == schema for name in before.tables)
        yield finding(codes.SCHEMA_GONE, schema, f"it had {counted(tables, 'table')} with rows captured")
    yield from _security(before, after, renamed=renamed)
    left_out = terms.platform_schemas | dropped
    yield from _routines(before, after, left_out=left_out)
    yield from _views(before, after, terms, left_out=left_out)
    yield from _code(before, after, terms, renamed=renamed)
    if before.key[0] == after.key[0]:  # another cluster has other roles
        yield from _roles(before, after)
    if text := _lost(before.large_objects, after.large_objects, terms, what="large object"):
        if after.lacks_large_objects:
            were, are = before.large_objects.items, after.large_objects.items
            text = f"{counted(were, 'large object')} before, {are} after; others are there and not captured"
        yield finding(codes.LARGE_OBJECTS_LOST, "", text)


def _dropped_schemas(
    before: DatabaseFacts, after: DatabaseFacts, renamed: Mapping[TableName, TableName]
) -> frozenset[str]:
    """Without those of which a table is there under another name, and what else they had is told by itself; and without those that have
    no table, and whose views and functions are all in one new schema: it was renamed."""
    gone = before.schemas - {name.schema for name in renamed}
    without_tables = gone - {name.schema for name in before.tables}
    return gone - {schema for schema in without_tables if _is_renamed(schema, before, after)}


def _is_renamed(schema: str, before: DatabaseFacts, after: DatabaseFacts) -> bool:
    had = _in_schema(schema, before)
    return bool(had) and any(had <= _in_schema(new, after) for new in after.schemas)


def _in_schema(schema: str, facts: DatabaseFacts) -> set[tuple[str, str]]:
    """Its views that the other one has not, and its functions."""
    views = {("view", view.name) for view in facts.views if view.schema == schema}
    return views | {("function", name) for where, name in facts.functions if where == schema}


def _renamed(before: DatabaseFacts, after: DatabaseFacts) -> Mapping[TableName, TableName]:
    """Names that are gone -> the new ones. A root is known by a partition of it."""
    new = {fact.oid: name for name, fact in _by_oid(before, after).values()}
    gone = {name: fact.oid for name, fact in before.tables.items() if name not in after.tables}
    renamed = {name: new[oid] for name, oid in gone.items() if oid in new}
    for name in before.parents.keys() & before.tables.keys():
        old, now = _root(name, before.parents), _root(renamed.get(name, name), after.parents)
        if old in before.described and now in after.described:
            renamed[old] = now
    return renamed


def _by_oid(before: DatabaseFacts, after: DatabaseFacts) -> Mapping[int, tuple[TableName, TableFact]]:
    """An oid is a table's as long as the database is the same; in another one it tells nothing."""
    return {fact.oid: (name, fact) for name, fact in after.tables.items()} if before.key == after.key else {}


def _tables(
    before: DatabaseFacts, after: DatabaseFacts, terms: Terms, *, renamed: Mapping[TableName, TableName]
) -> Iterator[Finding]:
    """Each table; of those that belonged together below one root, the whole, whatever became of them."""
    dropped = _dropped_schemas(before, after, renamed)
    was: dict[TableName, _Text] = {}
    for name, fact in before.tables.items():
        root = _root(name, before.parents)
        was[root] = was.get(root, _NOTHING).and_of(fact)
    now = _left(before, after, renamed=renamed)
    lacking = {_root(name, before.parents) for name in after.undescribed}
    for name in sorted(was):
        there = now.get(name)
        if there is None and name.schema in dropped:
            continue
        is_root = name not in before.tables
        if there is None and is_root and name not in before.described | lacking:
            there = _NOTHING  # without a partition
        if told := _table(name, was[name], there, terms, is_lacking=name in lacking):
            code, text = told
            yield finding(codes.USERS_LOST if name == terms.users_table else code, show_name(name), text)


def _left(
    before: DatabaseFacts, after: DatabaseFacts, *, renamed: Mapping[TableName, TableName]
) -> dict[TableName, _Text]:
    """What is left of each table or root, by its old name. A table lives on under its name or its oid, wherever it has more rows."""
    left: dict[TableName, _Text] = {}
    by_oid = _by_oid(before, after)
    old_oids = {fact.oid for fact in before.tables.values()} if by_oid else set()
    for name, fact in before.tables.items():
        same = [after.tables[name]] if name in after.tables else []
        same += [by_oid[fact.oid][1]] if fact.oid in by_oid else []
        if same:
            root = _root(name, before.parents)
            left[root] = left.get(root, _NOTHING).and_of(max(same, key=lambda one: one.rows))
    old_names = {new: old for old, new in renamed.items()}
    for name, fact in after.tables.items():
        if name not in before.tables and fact.oid not in old_oids:
            root = _root(name, after.parents)
            root = old_names.get(root, root)
            left[root] = left.get(root, _NOTHING).and_of(fact)
    return left


@dataclass(frozen=True, slots=True)
class _Text:
    """Of a table, or of all below one root."""

    rows: int = 0
    bytes: int = 0

    def and_of(self, fact: TableFact) -> _Text:
        return _Text(self.rows + fact.rows, self.bytes + fact.bytes)


_NOTHING: Final = _Text()
_USING: Final = " USING ("
_CHECK: Final = " WITH CHECK ("
_USING_ALL: Final = re.compile(r" USING \(true\)(?: WITH CHECK \(.*\))?;?\s*\Z", re.DOTALL)
_CHECK_ALL: Final = re.compile(r" WITH CHECK \(true\);?\s*\Z")
_RUN_FROM: Final = re.compile(r'(?:FUNCTION|PROCEDURE) (?:"((?:[^"]|"")+)"|(\w+))\.')
"""The schema of the function that a trigger runs."""
_ANYBODYS: Final = frozenset({"aggregate", "domain", "function", "language", "procedure", "type"})
"""Kinds of which everybody may use an object, unless that is revoked."""
_TYPES: Final = frozenset({"domain", "type"})
"""Their address is one name with its schema."""
_RELATIONS: Final = frozenset({"foreign table", "materialized view", "sequence", "table", "view"})
_WITHOUT_SCHEMA: Final = frozenset({"foreign-data wrapper", "language", "large object", "server"})


def _table(
    name: TableName, was: _Text, there: _Text | None, terms: Terms, *, is_lacking: bool
) -> tuple[str, str] | None:
    """Code and text of the first thing that is wrong with a table. `is_lacking`: rows of it, or of a partition, are not captured."""
    is_users = name == terms.users_table
    if terms.ignores(name) and not is_users:
        return None
    if there is None:
        if is_lacking:
            return (
                codes.ROWS_NOT_CAPTURED,
                f"{counted(was.rows, 'row')} before; it is there, its rows are not captured",
            )
        return codes.TABLE_GONE, f"it had {counted(was.rows, 'row')}"
    rows = f"{counted(was.rows, 'row')} before, {there.rows} after"
    churns = name.schema in terms.platform_schemas and not is_users
    is_emptied = was.rows >= (ROWS_LOST_MIN if churns else 1) and not there.rows
    if is_emptied or terms.is_lost(was.rows, there.rows, at_least=1 if is_users else ROWS_LOST_MIN):
        if is_lacking:
            return codes.ROWS_NOT_CAPTURED, f"{rows}; those of a partition that is there are not captured"
        return codes.TABLE_EMPTIED if is_emptied else codes.ROWS_LOST, rows
    if terms.is_lost(was.bytes, there.bytes, at_least=BYTES_LOST_MIN):
        return codes.CONTENT_LOST, f"{rows}, with {size(was.bytes)} of text before and {size(there.bytes)} after"
    return None


def _root(name: TableName, parents: Mapping[TableName, TableName]) -> TableName:
    seen = {name}
    while (above := parents.get(name)) is not None and above not in seen:
        seen.add(above)
        name = above
    return name


def _security(
    before: DatabaseFacts, after: DatabaseFacts, *, renamed: Mapping[TableName, TableName]
) -> Iterator[Finding]:
    """Of tables that are there: `described` on one side alone is what was dropped, or has another name."""
    gone = before.described - renamed.keys()
    texts = {(table, text) for (table, _), text in after.policies.items()}
    for (table, policy), text in sorted(before.policies.items()):
        at = renamed.get(table, table)
        is_there = (at, policy) in after.policies or (at, text) in texts
        if not is_there and table not in gone:
            yield finding(codes.POLICY_GONE, f"{policy} on {show_name(table)}", _is_there(table, at))
    for (table, policy), text in sorted(before.policies.items()):
        there = after.policies.get((renamed.get(table, table), policy), "")
        if _lets_all(there) - _lets_all(text):
            yield finding(
                codes.POLICY_OPENED, f"{policy} on {show_name(table)}", "what it checks is true for every row"
            )
    for table, was in sorted(before.row_security.items()):
        if table in gone:
            continue
        now = after.row_security.get(renamed.get(table, table))
        if was.enabled and (now is None or not now.enabled):
            yield finding(
                codes.ROW_SECURITY_OFF, show_name(table), "every role that may read the table sees all its rows"
            )
        elif was.forced and (now is None or not now.forced):
            yield finding(codes.ROW_SECURITY_NOT_FORCED, show_name(table), "its owner sees and changes all its rows")


def _is_there(was: TableName, now: TableName) -> str:
    """Of a table that lives on, also under another name: who restores by the old one gets a second table."""
    return "the table is there" if was == now else f"the table is there, as {show_name(now)}"


def _lets_all(policy: str) -> set[str]:
    """What of a policy is true for every row: which rows are seen, which are written. Where nothing is said of the latter, it is the former."""
    text = f" {policy}"
    clauses = {_USING} if _USING_ALL.search(text) else set[str]()
    if _CHECK_ALL.search(text) or (clauses and _CHECK not in text):
        clauses.add(_CHECK)
    return clauses


def _routines(before: DatabaseFacts, after: DatabaseFacts, *, left_out: AbstractSet[str]) -> Iterator[Finding]:
    """Of those that have a definition: what comes with a range type by itself goes with it."""
    moved = {name for _, name in after.functions - before.functions}
    texts = frozenset[str]().union(*after.routines.values())
    for schema, name in sorted((before.functions - after.functions) & before.routines.keys()):
        if schema not in left_out and name not in moved and not before.routines[schema, name] & texts:
            subject = show_name(TableName(schema=schema, name=name))
            yield finding(codes.FUNCTION_GONE, subject, "no function or procedure has its name or its text any more")


def _views(
    before: DatabaseFacts, after: DatabaseFacts, terms: Terms, *, left_out: AbstractSet[str]
) -> Iterator[Finding]:
    moved = {name.name for name in after.views}
    for view, text in sorted(before.views.items()):
        is_there = view.name in moved or text in after.views.values()
        if not is_there and view.schema not in left_out and not terms.ignores(view):
            yield finding(codes.VIEW_GONE, show_name(view), "no view has its name or its text any more")


def _code(
    before: DatabaseFacts, after: DatabaseFacts, terms: Terms, *, renamed: Mapping[TableName, TableName]
) -> Iterator[Finding]:
    """Triggers that went, and privileges that went from what is there."""
    gone = before.described - renamed.keys()
    running = {(table, text) for (table, _), text in after.triggers.items()}
    for (table, trigger), text in sorted(before.triggers.items()):
        at = renamed.get(table, table)
        if terms.ignores(table) or _is_the_platforms(table, text, terms):
            continue
        if table not in gone and (at, trigger) not in after.triggers and (at, text) not in running:
            told = f"{_is_there(table, at)}; it ran {text}"
            yield finding(codes.TRIGGER_GONE, f"{trigger} on {show_name(table)}", told)
    for address, granted in sorted(before.granted.items()):
        if not _is_left_out(address, terms) and granted not in _granted_now(address, before, after):
            is_open = address.kind in _ANYBODYS or (address.kind, address.names) == ("schema", ("public",))
            now = "everybody (PUBLIC) has what is the default" if is_open else "its owner alone may use it"
            yield finding(codes.GRANTS_GONE, str(address), now)


def _granted_now(address: Address, before: DatabaseFacts, after: DatabaseFacts) -> set[str]:
    """On what the object may be now, if another one has its name: of a table that is known, of what pg_dump names by a tag it is any new
    one, and of others nobody can tell; what has their name has the default privileges."""
    new = {one: text for one, text in after.granted.items() if one.kind == address.kind}
    was = before.tables.get(address.relation) if address.kind == "table" else None
    by_oid = _by_oid(before, after)
    if was is not None and by_oid:
        there = by_oid.get(was.oid)
        return {text for one, text in new.items() if there is not None and one.relation == there[0]}
    return set(new.values()) if address.kind in ("", "table") else set()


def _is_the_platforms(table: TableName, runs: str, terms: Terms) -> bool:
    """A trigger of a platform's table that runs the platform's function; one that runs the project's, as on `auth.users`, is the project's."""
    run = _RUN_FROM.match(runs)
    return table.schema in terms.platform_schemas and run is not None and (run[1] or run[2]) in terms.platform_schemas


def _is_left_out(address: Address, terms: Terms) -> bool:
    """Whether its grants are the platform's, or it is ignored."""
    if not address.kind or address.kind in _WITHOUT_SCHEMA:
        return False
    schema = address.names[0].partition(".")[0] if address.kind in _TYPES else address.names[0]
    return schema in terms.platform_schemas or (address.kind in _RELATIONS and terms.ignores(address.relation))


def _roles(before: DatabaseFacts, after: DatabaseFacts) -> Iterator[Finding]:
    for role, powers in sorted(after.powers.items()):
        new = powers - before.powers.get(role, frozenset())
        if new:
            yield finding(codes.ROLE_RAISED, role, f"new: {', '.join(sorted(new))}")


# --- what is only summed up --------------------------------------------------------------------------


def _lost(before: Sums, after: Sums, terms: Terms, *, what: str) -> str:
    """Why a list of things that have bytes looks ruined; empty if it does not."""
    if before.items and not after.items:
        return f"there {'was' if before.items == 1 else 'were'} {counted(before.items, what)}, and there is none"
    if terms.is_lost(before.items, after.items, at_least=ROWS_LOST_MIN):
        return f"{counted(before.items, what)} before, {after.items} after"
    if before.bytes and not after.bytes:
        return f"{size(before.bytes)} before, and every one is empty after"
    if terms.is_lost(before.bytes, after.bytes, at_least=BYTES_LOST_MIN):
        return f"{size(before.bytes)} before, {size(after.bytes)} after"
    return ""


def _rewritten(before: Facts, after: Facts) -> Iterator[Finding]:
    if before.bytes < REWRITTEN_BYTES_MIN or abs(after.bytes - before.bytes) * 100 > _ALIKE_PERCENT * before.bytes:
        return
    if after.new_bytes * 100 > _REWRITTEN_PERCENT * after.bytes:
        yield finding(
            codes.REWRITTEN,
            "",
            f"{size(after.new_bytes)} of {size(after.bytes)} had to be stored anew, which is more than text compresses to",
        )
