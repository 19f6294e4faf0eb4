"""Decide what a restore will do, before anything is written. Pure: values in, a plan out.

Never touches the target. Invariant: every entry of the snapshot that was picked is in exactly one step, or is named in
`left_out`, or its decision says why nothing is done. Spec 75-restore.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from vault.errors import UnsafeError
from vault.model import Present, Section, TableName, TargetFacts, read_address
from vault.ops.project.components import Selectors
from vault.ops.restore.plan import unrecorded_policies
from vault.ops.restore.plan.called_otherwise import called_otherwise
from vault.ops.restore.plan.comes_along import pick
from vault.ops.restore.plan.contents import Contents, Item, bytes_of
from vault.ops.restore.plan.decide_entries import decide, rows_into
from vault.ops.restore.plan.decide_privileges import decide_privileges, future
from vault.ops.restore.plan.decision import Action, Decision, Exchange, Situation, TableRows
from vault.ops.restore.plan.exchange import exchanges
from vault.ops.restore.plan.graph import EntryGraph
from vault.ops.restore.plan.left_undone import narrowed, undone, wider
from vault.ops.restore.plan.only_words import Wanted
from vault.ops.restore.plan.partition_attachments import attachments
from vault.ops.restore.plan.referring_tables import Reference, references
from vault.ops.restore.plan.roles import RoleSteps, role_steps
from vault.ops.restore.plan.schema_public import with_public
from vault.ops.restore.plan.standing_keys import parents_first
from vault.ops.restore.plan.steps import (
    AccessSteps,
    DefinitionSteps,
    ExchangeSteps,
    RestoreOptions,
    RestorePlan,
    RowSteps,
)
from vault.ops.restore.plan.triggers import firing, referring
from vault.ops.restore.plan.warnings import OF_THE_DATABASE, warnings

_SHOWN_MAX: Final = 5

_ACL_PASS: Final = frozenset({"ACL", "DEFAULT ACL"})
_LAST_PASS: Final = frozenset({"EVENT TRIGGER", "MATERIALIZED VIEW DATA"})
_SAID: Final = frozenset({"COMMENT", "SECURITY LABEL"})
_NOT_EXECUTED: Final = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH", "TABLE DATA", "SEQUENCE SET"})
"""Settings of the session, and what is captured as rows, sequences and large objects instead."""
_OF_PLATFORM: Final = frozenset({"event trigger", "publication", "foreign-data wrapper", "server", "language", "cast"})
"""Kinds without a schema that a platform has before a project comes."""
_STARTING_JOBS: Final = frozenset({"cron"})
"""Schemas whose rows start jobs: they come after everything else."""


def is_read_first(target: TargetFacts, wanted: Wanted) -> bool:
    """Whether a plan needs the target's definitions: only a whole restore takes an empty database for what initdb makes."""
    return bool(target.in_the_way) or not wanted.everything


def plan(
    contents: Contents,
    target: TargetFacts,
    options: RestoreOptions | None = None,
    *,
    present: Present | None = None,
) -> RestorePlan:
    """The steps that bring what is wanted of `contents` into `target`.

    present  the target's definitions; needed where it is not empty, and where not everything is wanted
    Raises   UnsafeError: the target holds something else, or is the source
    """
    options = options or RestoreOptions()
    refuse(contents, target, options)
    contents, present = with_public(contents, present, target)
    situation = _situation(contents, target, options, present)
    picked = situation.picked
    decisions = decide(situation)
    built_in = decide_privileges(situation, decisions)
    exchanged = [_exchange_steps(situation, exchange) for exchange in exchanges(situation, decisions)]
    apart = {at for exchange in exchanged for at in exchange.exchange.entries}
    rows, not_loaded = rows_into(
        situation, decisions, {item.name for exchange in exchanged for item in exchange.tables}
    )
    roles, steps = _role_steps(situation, options), _steps(contents, _active(decisions) - apart)
    others = unrecorded_policies.beyond(situation, apart)
    return RestorePlan(
        contents=contents,
        target=target,
        options=options,
        picked=picked,
        decisions=decisions,
        roles=roles,
        definitions=_definition_steps(situation, decisions, steps, attachments(situation, decisions, apart)),
        exchanges=tuple(exchanged),
        row_steps=_row_steps(situation, rows),
        access=AccessSteps(
            privileges=tuple(steps["privileges"]),
            resets=(*built_in.lacking, *(built_in.wider if options.replace else ())),
            drops=tuple(others) if options.replace else (),
        ),
        refused=(
            *undone(situation, decisions, not_loaded, left_out=set(steps["left out"])),
            *(() if options.replace else (*map(wider, built_in.wider), *map(unrecorded_policies.told, others))),
            *roles.kept,
            *(narrowed(step) for step in rows if step.without),
        ),
        warnings=(
            *warnings(contents, target, roles=roles, picked=picked),
            *firing(situation, rows),
            *future(situation),
        ),
        fresh=not target.in_the_way,
    )


def _definition_steps(
    situation: Situation, decisions: Mapping[int, Decision], steps: Mapping[str, list[int]], late: tuple[int, ...]
) -> DefinitionSteps:
    """`late`: attachments that wait."""
    created = [at for at in steps["first"] if decisions[at].action is Action.CREATE]
    row_security = _row_security(situation.contents, created, steps["after"])
    early = {at for positions in row_security.values() for at in positions}
    return DefinitionSteps(
        before_rows=tuple(at for at in steps["first"] if at not in late),
        row_security=row_security,
        after_rows=tuple(at for at in steps["after"] if at not in early and at not in late),
        attachments=late,
        last=tuple(steps["last"]),
        left_out=tuple(steps["left out"]),
    )


def _row_steps(situation: Situation, rows: list[TableRows]) -> RowSteps:
    jobs = [step for step in rows if step.item.name.schema in _STARTING_JOBS]
    others = _largest_first(step for step in rows if step not in jobs)
    return RowSteps(
        tables=parents_first(others, situation.contents.catalog),
        late=_largest_first(jobs),
        owner_of_sequence=situation.graph.owner_of_sequence,
        read_only=situation.present.read_only,
        references=_references(situation, rows) if situation.target.in_the_way else (),
    )


def _active(decisions: Mapping[int, Decision]) -> set[int]:
    return {at for at, decision in decisions.items() if decision.action in (Action.CREATE, Action.REPLACE)}


def _role_steps(situation: Situation, options: RestoreOptions) -> RoleSteps:
    only = situation.picked.roles
    named = only is None and not options.wanted.everything
    return role_steps(
        situation.contents.roles, situation.target, only=only, add_memberships=named, replace=options.replace
    )


def _references(situation: Situation, rows: Iterable[TableRows]) -> tuple[Reference, ...]:
    return references(situation.contents, situation.graph, (item for step in rows for item in step.items))


def _situation(contents: Contents, target: TargetFacts, options: RestoreOptions, present: Present) -> Situation:
    situation = Situation(
        contents=contents,
        graph=EntryGraph(contents),
        picked=pick(contents, options.wanted, there=frozenset(present.entries), selectors=options.selectors),
        target=target,
        present=present,
        selectors=options.selectors,
        replace=options.replace,
        definitions=options.wanted.definitions,
        otherwise=called_otherwise(contents, present, target.version_num),
        named=options.wanted.names,
    )
    brought = referring(situation)
    return replace(
        situation, picked=replace(situation.picked, tables=(*situation.picked.tables, *brought), brought=brought)
    )


def _exchange_steps(situation: Situation, exchange: Exchange) -> ExchangeSteps:
    steps = _steps(situation.contents, set(exchange.entries))
    row_security = _row_security(situation.contents, steps["first"], steps["after"])
    early = {at for positions in row_security.values() for at in positions}
    tables: set[TableName] = set()
    sequences: set[TableName] = set()
    for at in exchange.entries:
        identity = situation.contents.items[at].identity
        if identity.desc in ("TABLE", "SEQUENCE"):
            (tables if identity.desc == "TABLE" else sequences).add(identity.relation)
    return ExchangeSteps(
        exchange=exchange,
        definitions=tuple(steps["first"]),
        row_security=row_security,
        tables=tuple(item for item in situation.picked.tables if item.name in tables),
        sequences=frozenset(sequences),
        then=(*(at for at in steps["after"] if at not in early), *steps["privileges"], *steps["last"]),
    )


def _largest_first(rows: Iterable[TableRows]) -> tuple[TableRows, ...]:
    return tuple(sorted(rows, key=lambda step: (-bytes_of(step.item), step.item.name)))


def refuse(contents: Contents, target: TargetFacts, options: RestoreOptions) -> None:
    """Raises  UnsafeError: the target is the source, or what is there is another snapshot's source, and --into-source was not said;
    it is not empty, and neither a selection nor -c was asked for"""
    if contents.server.database_key == target.database_key and not options.into_source:
        raise UnsafeError(
            f"database {target.database} is the one that the snapshot was taken from",
            why="a restore over the source can destroy what it should save",
            hint="restore into a new database, or say --into-source",
        )
    part = options.replace or not (options.wanted.everything and options.wanted.definitions)
    other = options.sources.get(target.database_key)
    if other is not None and not options.into_source and (part or target.in_the_way):
        raise UnsafeError(
            f"database {target.database} is one that is backed up here, as source {other}",
            why="the snapshot is of another database, and would bring its rows and definitions into this one",
            hint=f"restore a snapshot of {other} (pgvault snapshots --source {other}), or say --into-source",
        )
    in_the_way = [] if part else beside_the_platform(target, options.selectors)
    if in_the_way:
        shown = ", ".join(in_the_way[:_SHOWN_MAX])
        more = len(in_the_way) - _SHOWN_MAX
        raise UnsafeError(
            f"database {target.database} is not empty",
            why=f"it holds {shown}{f' and {more} more' if more > 0 else ''}",
            hint="restore into a new database (createdb NAME), name what you miss with --only, or replace what differs with -c",
        )


def beside_the_platform(target: TargetFacts, selectors: Selectors) -> list[str]:
    """What is in the way, without what a managed platform has before a project comes."""
    standing = [read_address(printed) for printed in target.in_the_way]
    own = [
        address
        for address in standing
        if address.kind != "schema" or address.names[0] not in selectors.platform_schemas
    ]
    is_platform = len(own) < len(standing)
    return [str(address) for address in own if not (is_platform and address.kind in _OF_PLATFORM)]


def _steps(contents: Contents, active: set[int]) -> dict[str, list[int]]:
    """Positions by step, in order; of what is never executed all, of the rest the `active` ones."""
    steps: dict[str, list[int]] = {step: [] for step in ("first", "after", "privileges", "last", "left out")}
    rows_come = False
    for at, item in enumerate(contents.items):
        rows_come = rows_come or item.entry.section in (Section.DATA, Section.POST_DATA)
        step = _step(item, rows_come=rows_come)
        if step == "left out" or at in active:
            steps[step].append(at)
    return steps


def _step(item: Item, *, rows_come: bool) -> str:
    """pg_restore's _tocEntryRestorePass, and before it the parting of what comes before the rows from what comes after."""
    desc = item.identity.desc
    if desc in _NOT_EXECUTED or desc.startswith("BLOB") or item.identity.kind == "large object":
        return "left out"
    if desc in OF_THE_DATABASE or item.identity.kind == "database":
        return "left out"
    if desc in _ACL_PASS:
        return "privileges"
    if desc in _LAST_PASS or (desc in _SAID and item.entry.tag.startswith("EVENT TRIGGER ")):
        return "last"
    return "first" if item.entry.section is Section.PRE_DATA or not rows_come else "after"


def _row_security(contents: Contents, first: list[int], after: list[int]) -> dict[int, tuple[int, ...]]:
    tables = {contents.items[at].identity.names: at for at in first if contents.items[at].identity.desc == "TABLE"}
    row_security: dict[int, tuple[int, ...]] = {}
    for at in after:
        identity = contents.items[at].identity
        if identity.desc == "ROW SECURITY" and identity.names in tables:
            table = tables[identity.names]
            row_security[table] = (*row_security.get(table, ()), at)
    return row_security
