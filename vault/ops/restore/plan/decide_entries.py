"""Decide for each entry and table what a restore does with it, given what the target has and allows. Pure.

An object that is there and equal is left; one that differs is replaced only on request, and never in a schema that the platform
manages. Invariant: every picked entry gets exactly one decision; what is not done has its reason. Spec 76-selection.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Final

from vault.model import SchemaEntry, TableItem, TableName
from vault.ops.project import supabase
from vault.ops.project.components import POLICIES, Selectors
from vault.ops.restore.plan.contents import rows_of
from vault.ops.restore.plan.decision import Action, Decision, RowMode, Situation, TableRows
from vault.ops.restore.plan.definition_differences import in_what
from vault.ops.restore.plan.exchange import IN_PLACE, compared, equal
from vault.ops.restore.plan.extensions import brought_members

_SUPERUSERS: Final = frozenset(
    {
        *("ACCESS METHOD", "EVENT TRIGGER", "FOREIGN DATA WRAPPER", "OPERATOR CLASS", "OPERATOR FAMILY"),
        *("PROCEDURAL LANGUAGE", "SHELL TYPE", "TEXT SEARCH PARSER", "TEXT SEARCH TEMPLATE"),
    }
)
"""Entries that PostgreSQL lets only a superuser create."""
_BY_PRIVILEGE: Final = frozenset({"TRIGGER", "ACL", "COMMENT", "SECURITY LABEL", "PUBLICATION TABLE", "FK CONSTRAINT"})
"""Entries about a relation that not only its owner may create: the server decides when it is tried."""
_OF_PROJECT: Final = frozenset({"POLICY", "TRIGGER", "PUBLICATION TABLE"})
"""What a project adds to the platform's tables and may replace there."""


_CALLED_MAX: Final = 5
_BY_HAND: Final = frozenset({"DEFAULT ACL", "PUBLICATION", "SCHEMA", "SUBSCRIPTION"})
"""Entries for whose replacement there is no safe way."""


def decide(situation: Situation) -> dict[int, Decision]:
    """Position -> decision, for every picked entry and those left out with a reason."""
    decisions = {at: _decide(situation, at) for at in situation.picked.entries}
    decisions.update(
        {at: Decision(action=Action.SKIP, why=why, lacking=True) for at, why in situation.picked.left.items()}
    )
    decisions.update(_owners(situation))
    return decisions


def _owners(situation: Situation) -> dict[int, Decision]:
    """Of tables whose policies were asked for: an owner is subject to none of them, so another one is another policy."""
    owners: dict[int, Decision] = {}
    for at in situation.picked.explicit:
        identity = situation.contents.items[at].identity
        home = situation.graph.relation(identity.relation) if identity.desc in POLICIES else None
        if home is None or home in situation.picked.explicit:
            continue
        if situation.contents.items[home].entry.namespace in situation.selectors.platform_schemas:
            continue
        entry = situation.contents.items[home].entry
        present = situation.present.entries.get(entry.identity)
        if present is not None and present.owner != entry.owner:
            why = f"its owner, who is subject to no policy, is {present.owner} and was {entry.owner}"
            action = Action.REPLACE if situation.replace else Action.KEEP
            alone = replace(present, definition=entry.definition)
            owners[home] = Decision(action=action, why=why, present=alone, lacking=not situation.replace, in_place=True)
    return owners


def _decide(situation: Situation, at: int) -> Decision:
    entry = situation.contents.items[at].entry
    present = situation.present.entries.get(entry.identity)
    if present is None:
        why = _hidden(situation, entry) or _refusal(situation, at)
        return Decision(action=Action.SKIP, why=why, lacking=True) if why else Decision(action=Action.CREATE)
    alike = equal(entry, present)
    otherwise = alike and entry.identity in situation.otherwise
    if (alike and not otherwise) or entry.identity.desc == "EXTENSION":
        return Decision(action=Action.EQUAL, present=present)
    if entry.namespace in situation.selectors.platform_schemas and entry.identity.desc not in _OF_PROJECT:
        return Decision(action=Action.KEEP, why="the platform's own differs", present=present)
    asked = at in situation.picked.explicit
    owner_alone = not alike and compared(entry) == compared(present)
    if owner_alone:  # what is done is told by comparing the two
        present = replace(present, definition=entry.definition)
    why = _in_what(situation, entry, present)
    if otherwise:  # made anew as if its text was another
        present = replace(present, definition="")
    if entry.identity.desc in _BY_HAND and not owner_alone:
        return Decision(action=Action.KEEP, why=f"{why}; change it by hand", lacking=asked)
    if situation.replace and asked:
        in_place = owner_alone or entry.identity.desc in IN_PLACE or not present.drop
        return Decision(action=Action.REPLACE, present=present, in_place=in_place)
    return Decision(action=Action.KEEP, why=why, present=present, lacking=asked)


def _in_what(situation: Situation, entry: SchemaEntry, present: SchemaEntry) -> str:
    if equal(entry, present):
        called = situation.otherwise[entry.identity]
        more = f" and {len(called) - _CALLED_MAX} more" if len(called) > _CALLED_MAX else ""
        return f"equal in text, but differs on the target in what it calls: {', '.join(called[:_CALLED_MAX])}{more}"
    if entry.identity.desc != "TABLE":
        return in_what(entry, present)
    name = entry.identity.relation
    recorded = next((item.columns for item in situation.contents.tables if item.name == name), ())
    columns = {*(column.name for column in recorded), *situation.present.columns.get(name, ())}
    return in_what(entry, present, columns=columns)


def _hidden(situation: Situation, entry: SchemaEntry) -> str:
    """Whether the entry may be on the target unseen, because its table cannot be read there."""
    names = entry.identity.names
    if len(names) < 2 or TableName(schema=names[0], name=names[1]) not in situation.present.unreadable:
        return ""
    return f"role {situation.target.user} may not read {names[0]}.{names[1]} on the target"


# --- what the target allows ----------------------------------------------------------------------


def _refusal(situation: Situation, at: int) -> str:
    """Why the restoring role may not create an entry; empty where it may, or the server has to be asked."""
    target, entry = situation.target, situation.contents.items[at].entry
    desc = entry.identity.desc
    if target.superuser:
        return ""
    if desc in _SUPERUSERS:
        return "only a superuser may create it"
    if desc == "SCHEMA" and not target.may_create_schemas:
        return f"role {target.user} may not create schemas in database {target.database}"
    if desc == "DEFAULT ACL" and entry.owner not in (*target.acts_as, ""):
        return f"role {target.user} is not a member of {entry.owner}"
    home = _owner_of_relation(situation, at)
    if home is not None:
        if desc not in _BY_PRIVILEGE and home not in target.acts_as:
            return f"its table belongs to {home}, and role {target.user} is not a member of it"
        return ""
    schema = next((known for known in target.schemas if known.name == entry.namespace), None)
    if schema is not None and not schema.may_create and desc not in _BY_PRIVILEGE:
        return f"role {target.user} may not create in schema {schema.name}, which belongs to {schema.owner}"
    return ""


def _owner_of_relation(situation: Situation, at: int) -> str | None:
    """Owner of the relation that an entry is a part of, on the target; None for what is a relation or stands alone."""
    home = situation.graph.home(at)
    if home is None:
        return None
    present = situation.present.entries.get(situation.contents.items[home].identity)
    return None if present is None else present.owner


# --- rows ----------------------------------------------------------------------------------------


def rows_into(
    situation: Situation, decisions: Mapping[int, Decision], exchanged: Collection[TableName]
) -> tuple[list[TableRows], dict[TableName, str]]:
    """How the rows of each picked table come, but for those of `exchanged` ones; and why those of others cannot come."""
    rows: list[TableRows] = []
    refused: dict[TableName, str] = {}
    brought = brought_members(situation.contents.catalog, situation.target)
    for item in situation.picked.tables:
        if item.name in exchanged:
            continue
        mode = _mode(situation, decisions, item)
        if mode in (RowMode.MERGE, RowMode.EXACT):
            if is_platforms_own(item, situation.selectors):
                continue
            why = _unfit(situation, item)
        else:
            why = mode if isinstance(mode, str) else ""
        if why and item.name == supabase.JOBS_TABLE and item.name in situation.present.read_only:
            mode, why = RowMode.JOBS, ""
        emptied = mode is RowMode.MEMBER and item.name in brought  # of what the extension puts there
        if not (rows_of(item) or mode is RowMode.EXACT or emptied):
            continue
        if why:
            refused[item.name] = why
        elif isinstance(mode, RowMode):
            merged = mode in (RowMode.MERGE, RowMode.EXACT)
            rows.append(TableRows(item=item, mode=mode, without=_lacking(situation, item) if merged else frozenset()))
    return _through_roots(situation, rows, refused), refused


def _through_roots(situation: Situation, rows: list[TableRows], refused: dict[TableName, str]) -> list[TableRows]:
    """Rows that must be all that a root holds come in one step for all its partitions; with some alone, others would be lost."""
    groups: dict[TableName, list[TableItem]] = {}
    for step in rows:
        if step.mode is RowMode.EXACT and step.item.load_via_root is not None:
            groups.setdefault(step.item.load_via_root, []).append(step.item)
    steps = [step for step in rows if step.mode is not RowMode.EXACT or step.item.load_via_root is None]
    for root, items in groups.items():
        everyone = {item.name for item in situation.contents.tables if item.load_via_root == root}
        everyone.update(name for name in situation.graph.below([root]) if name in situation.contents.without_rows)
        columns = {tuple(column.name for column in item.columns) for item in items}
        if everyone == {item.name for item in items} and len(columns) == 1:
            without = _lacking(situation, items[0])
            steps.append(TableRows(item=items[0], mode=RowMode.EXACT, together=tuple(items[1:]), without=without))
        else:
            why = f"its rows come through {root}, and are replaced only with all of its partitions"
            refused.update({item.name: why for item in items})
    return steps


def _mode(situation: Situation, decisions: Mapping[int, Decision], item: TableItem) -> RowMode | str:
    """How rows come in, or in words why they cannot."""
    at = situation.graph.relation(item.name)
    decision = decisions.get(at) if at is not None else None
    if decision is not None and decision.action is Action.CREATE:
        return RowMode.NEW
    if item.name in situation.present.columns:
        return RowMode.EXACT if situation.replace else RowMode.MERGE
    if at is None and situation.definitions and item.name not in situation.present.unreadable:
        return RowMode.MEMBER
    if item.name in situation.present.unreadable:
        return f"role {situation.target.user} may not read it on the target"
    return decision.why if decision is not None and decision.why else "it is not on the target"


def is_platforms_own(item: TableItem, selectors: Selectors) -> bool:
    """A record of the platform's own migrations: it describes the target's tables, not the snapshot's."""
    return item.name in selectors.migration_tables and item.name.schema != selectors.history_table.schema


def _unfit(situation: Situation, item: TableItem) -> str:
    """Why rows may not come into a table that is there."""
    into = item.load_via_root or item.name
    if into in situation.present.read_only:
        hint = supabase.WRITTEN_OTHERWISE.get(item.name)
        return f"role {situation.target.user} may not write it{f'; {hint}' if hint else ''}"
    if situation.replace and not situation.target.may_replicate:
        return f"role {situation.target.user} may not switch off its triggers and foreign keys, which would change other tables"
    lacking = _lacking(situation, item)
    needed = lacking.intersection(item.key_columns) or (lacking if len(lacking) == len(item.columns) else set())
    return f"the target's table has no column {', '.join(sorted(needed))}" if needed else ""


def _lacking(situation: Situation, item: TableItem) -> frozenset[str]:
    return frozenset(column.name for column in item.columns) - situation.present.columns[item.name]
