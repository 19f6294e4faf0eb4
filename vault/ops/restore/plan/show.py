"""The plan of a restore in words, for the person who says yes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from vault.model import SchemaEntry
from vault.model.words import counted, size
from vault.ops.restore.plan.decision import Action, RowMode
from vault.ops.restore.plan.steps import RestorePlan

_NAMED_MAX: Final = 20
_NOT_FORCED: Final = " NO FORCE ROW LEVEL SECURITY;"
"""As the capture writes it, of a table that has policies or row-level security and whose owner need not obey them."""
_MODES: Final = {
    RowMode.NEW: "into tables that are created",
    RowMode.MEMBER: "into tables of extensions",
    RowMode.MERGE: "into tables that are there: rows whose key is missing are added, rows that are there stay",
    RowMode.JOBS: "through the functions of pg_cron",
    RowMode.EXACT: "REPLACE the rows of tables that are there: newer ones are deleted",
}


def lines(plan: RestorePlan) -> Iterator[str]:
    """What will be done, then what will not, then what to know before saying yes."""
    target = plan.target
    yield f"into database {target.database} on PostgreSQL {target.version_num // 10000}, as {target.user}"
    apart = {at for steps in plan.exchanges for at in steps.exchange.entries}
    created = (at for at in plan.positions(Action.CREATE) if at not in apart)
    kinds = Counter(_kind(plan.contents.items[at].entry) for at in created)
    for kind, count in sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0])):
        yield f"  {count} {kind}"
    yield from _others(plan)
    yield from _exchanges(plan)
    yield from _drops(plan)
    yield from _rows(plan)
    if plan.roles.create:
        yield f"  new roles: {', '.join(role.name for role in plan.roles.create)}"
    yield from (f"not done: {name}: {why}" for name, why in plan.refused)
    for at in plan.picked.dependents:
        entry = plan.contents.items[at].entry
        about = entry.identity.desc in ("ACL", "COMMENT", "SECURITY LABEL")  # their tags are phrases
        where = f"{entry.namespace}." if entry.namespace and not about else ""
        yield f"also missing on the target, not selected: {entry.identity.desc} {where}{entry.tag}"
    yield from (f"differs, not changed: {difference}" for difference in plan.roles.differences)
    yield from (f"warning: {warning}" for warning in plan.warnings)


def _kind(entry: SchemaEntry) -> str:
    """As PostgreSQL calls it; a table has row-level security, and whether its owner obeys it, in an entry each."""
    if entry.identity.sub != "FORCE":
        return entry.identity.desc
    is_off = entry.definition.rstrip().endswith(_NOT_FORCED)
    return f"{entry.identity.desc}: {'NO FORCE' if is_off else 'FORCE'}"


def _others(plan: RestorePlan) -> Iterator[str]:
    """What is on the target already."""
    equal = len(plan.positions(Action.EQUAL))
    if equal:
        yield f"  {counted(equal, 'definition')} there and equal"
    for action, word in ((Action.REPLACE, "replace"), (Action.KEEP, "left as it is")):
        positions = [at for at in plan.positions(action) if not plan.decisions[at].lacking]
        for at in positions[:_NAMED_MAX]:
            entry, why = plan.contents.items[at].entry, plan.decisions[at].why
            yield f"  {word}: {entry.label}{f' ({why})' if why else ''}"
        if len(positions) > _NAMED_MAX:
            yield f"  {word}: {len(positions) - _NAMED_MAX} more"


def _exchanges(plan: RestorePlan) -> Iterator[str]:
    """What is dropped and created anew, rows and all."""
    for steps in plan.exchanges:
        entries = [plan.contents.items[at].entry for at in steps.exchange.replaced]
        yield f"  DROP AND CREATE ANEW: {', '.join(entry.label for entry in entries)}"
        others = len(steps.exchange.entries) - len(entries)
        if others:
            yield f"    with {counted(others, 'definition')} that go{'es' if others == 1 else ''} with it and come{'s' if others == 1 else ''} back"
        for table in steps.tables:
            yield f"    with its rows, which are replaced: {table.name}"
        for lost in steps.exchange.beside:
            yield f"    LOST, because the snapshot does not have it: {lost}"


def _drops(plan: RestorePlan) -> Iterator[str]:
    for entry in plan.access.drops:
        yield f"  DROP, because the snapshot does not have it: {entry.label}"


def _without_rows(plan: RestorePlan) -> Iterator[str]:
    """Tables whose rows nobody can bring back from this snapshot."""
    absent = plan.contents.without_rows if plan.options.wanted.data else ()
    created = [name for name in absent if name in plan.created_tables]
    left = [name for name in plan.picked.without_rows if name not in created]
    for words, names in (
        ("created empty, because their rows are not in the snapshot (what refers to them will fail)", created),
        ("rows are not in the snapshot, and what is there stays", left),
    ):
        if names:
            shown = ", ".join(f"{name.schema}.{name.name}" for name in names[:_NAMED_MAX])
            yield f"  {words}: {shown}{', ...' if len(names) > _NAMED_MAX else ''}"


def _rows(plan: RestorePlan) -> Iterator[str]:
    platform = sum(not plan.options.selectors.is_project_table(table.name) for table in plan.tables)
    # `Database tables` counts the project's: who compares the two finds the others here.
    apart = f" ({platform} of them the platform's own)" if platform else ""
    yield f"  {counted(plan.rows, 'row')} of {counted(len(plan.tables), 'table')}{apart}, {size(plan.bytes)}"
    if not plan.fresh:
        for mode, words in _MODES.items():
            names = [str(item.name) for item in plan.tables_by(mode)]
            if names:
                shown = ", ".join(names[:_NAMED_MAX]) + (", ..." if len(names) > _NAMED_MAX else "")
                yield f"    {words}: {shown}"
        if plan.target.may_replicate and any(map(plan.tables_by, (RowMode.MERGE, RowMode.EXACT))):
            yield "    their triggers and foreign keys are off meanwhile; foreign keys are verified afterwards"
    empty = [str(name) for name in plan.created_empty]
    if empty:
        yield f"  created without their rows, which are not selected: {', '.join(empty[:_NAMED_MAX])}"
    yield from _without_rows(plan)
    sequences = plan.contents.sequences if plan.picked.sequences is None else len(plan.picked.sequences)
    large_objects = plan.contents.large_objects if plan.picked.large_objects else 0
    yield f"  {counted(sequences, 'sequence value')}, {counted(large_objects, 'large object')}"
