"""Whether what failed is a consequence of something else that is missing, weaker, or another than recorded: told with that, once.

Spec 75-restore, "What the rows do not allow".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from vault.errors import SourceError
from vault.model import SchemaEntry
from vault.ops.project.components import ROUTINES
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.decision import Action, Decision
from vault.ops.restore.plan.definition_differences import is_called_alike
from vault.ops.restore.plan.graph import RELATIONS, EntryGraph
from vault.ops.restore.plan.steps import RestorePlan
from vault.sql import sqlstate

_NOT_FOUND: Final = sqlstate.NOT_FOUND | {sqlstate.UNDEFINED_COLUMN, sqlstate.INVALID_SCHEMA_NAME}
_WITHOUT_CAST: Final = frozenset({sqlstate.CANNOT_COERCE, sqlstate.DATATYPE_MISMATCH, sqlstate.UNDEFINED_FUNCTION})
_COMPUTED: Final = "MATERIALIZED VIEW DATA"
_READS_ROWS: Final = frozenset({"INDEX", "CONSTRAINT", "CHECK CONSTRAINT", _COMPUTED})
"""Entries that a value of a row can fail, as well as one of their definition."""
_NAMES_ROLES: Final = frozenset({"ACL", "DEFAULT ACL", "POLICY", "USER MAPPING"})
_HOLDS_VALUES: Final = RELATIONS | {"TYPE", "DOMAIN"}
_ATTACHES: Final = frozenset({"TABLE ATTACH", "INDEX ATTACH"})
_WITHOUT_EXPRESSIONS: Final = _ATTACHES | {"FK CONSTRAINT", "SEQUENCE OWNED BY"}
_MAJOR: Final = 10_000


class Causes:
    """`failed`: positions of entries that are missing or weaker; `beside`: made under another name. The caller adds to both."""

    def __init__(self, plan: RestorePlan, graph: EntryGraph, failures: Failures) -> None:
        self._items = plan.contents.items
        self._owner_of_sequence = plan.row_steps.owner_of_sequence
        self._graph = graph
        self._failures = failures
        self.failed: set[int] = set()
        self.beside: set[int] = set()
        skipped = (at for at, one in plan.decisions.items() if one.action is Action.SKIP and one.present is None)
        self._absent = frozenset(skipped)
        self._otherwise = frozenset(
            at for at, one in plan.decisions.items() if _is_kept_otherwise(one, self._items[at].entry)
        )
        self._decisions = plan.decisions
        versions = (plan.contents.server.version_num, plan.target.version_num)
        self._same_major = versions[0] // _MAJOR == versions[1] // _MAJOR

    def missing(self, needs: Iterable[int]) -> set[int]:
        """Those that failed, or were never to come."""
        return (self.failed | self._absent).intersection(needs)

    def of(self, at: int, error: SourceError) -> str:
        """The entry that failed before or differs, if what this one needs of it is what the server missed; else empty."""
        item = self._items[at]
        missing = self.missing(item.needs)
        owner = None
        if item.identity.kind == "sequence":
            owner = self._owner_of_sequence.get(item.identity.relation)
        if owner is not None:  # pg_dump's SEQUENCE OWNED BY needs the sequence alone
            missing |= self.missing(need for need in [self._graph.relation(owner)] if need is not None)
        elsewhere = self.beside.intersection(item.needs)
        if elsewhere and item.identity.desc == "INDEX ATTACH":  # which ATTACH of the table makes up for
            return self._items[min(elsewhere)].entry.label
        unfilled = item.identity.desc == _COMPUTED and error.sqlstate == sqlstate.OBJECT_NOT_IN_PREREQUISITE_STATE
        if missing and (unfilled or error.sqlstate in _NOT_FOUND):
            causes = missing
        elif error.inside:
            causes = set()
        elif self._is_unfit(at, error.sqlstate):
            causes = missing or self._otherwise_below(at) or self._casts(at, error.sqlstate)
        elif sqlstate.is_unfit_value(error.sqlstate) and item.identity.desc not in _READS_ROWS:
            causes = {need for need in self._values_of(at) if self._items[need].identity.desc in _HOLDS_VALUES}
        else:
            causes = set()
        return self._items[min(causes)].entry.label if causes else ""

    def _is_unfit(self, at: int, state: str) -> bool:
        """Whether the definition does not fit what is there, and it is not what stands under its own name that is in the way."""
        desc, action = self._items[at].identity.desc, self._decisions[at].action
        if state == sqlstate.SYNTAX_ERROR:  # "is a generated column", "is an identity column"
            return desc == "DEFAULT" and self._same_major
        if state == sqlstate.FEATURE_NOT_SUPPORTED:
            return desc in _WITHOUT_EXPRESSIONS and self._same_major
        if state == sqlstate.UNDEFINED_OBJECT:  # which a role is, too
            return desc not in _NAMES_ROLES
        if state == sqlstate.INVALID_TABLE_DEFINITION:  # a second primary key, columns that a view cannot lose
            return desc in _ATTACHES
        if state == sqlstate.INVALID_FUNCTION_DEFINITION:
            return action is Action.CREATE
        return sqlstate.is_mismatch(state)

    def _otherwise_below(self, at: int) -> set[int]:
        """What differs of that which it needs, the nearest: a server of the same major makes the same of the same.

        Not told where the server may see to it otherwise: of another major that is so a step further down, and of what an
        extension brings, which can be of another version, always.
        """
        needs, seen = set(self._items[at].needs), {at}
        if any(self._items[need].identity.desc == "EXTENSION" for need in needs):
            return set()
        while needs and not needs & self._otherwise and self._same_major:
            seen |= needs
            needs = {below for need in needs for below in self._items[need].needs} - seen
        return needs & self._otherwise

    def _casts(self, at: int, state: str) -> set[int]:
        """Casts that failed or differ: no dependency names them, but their function, or their types where they have none."""
        if state not in _WITHOUT_CAST:
            return set()
        needs = self._items[at].needs
        casts = (one for one in self._lacking() if self._items[one].identity.desc == "CAST")
        return {cast for cast in casts if not set(self._made_of(cast)).isdisjoint(needs)}

    def _made_of(self, cast: int) -> Sequence[int]:
        needs = self._items[cast].needs
        return [need for need in needs if self._items[need].identity.desc in ROUTINES] or needs

    def _values_of(self, at: int) -> set[int]:
        """Missing or other types and relations that a constant of the entry may be of: a partition's bounds are of its root's."""
        needs = set(self._items[at].needs)
        if self._items[at].identity.desc in _ATTACHES:
            needs.update(*(self._items[need].needs for need in self._items[at].needs))
        return self._lacking() & needs

    def _lacking(self) -> set[int]:
        return self.failed | self._absent | self._otherwise

    def of_weaker(self, at: int) -> str:
        """The rows that did not come, if a foreign key of others to their table is what was made weaker."""
        identity = self._items[at].identity
        if identity.desc != "FK CONSTRAINT":
            return ""
        tables = (self._items[need].identity for need in self._items[at].needs)
        names = (
            f"TABLE DATA {table.relation}"
            for table in tables
            if table.desc == "TABLE" and table.relation != identity.relation
        )
        return next((name for name in names if self._failures.has(name)), "")


def _is_kept_otherwise(decision: Decision, recorded: SchemaEntry) -> bool:
    if decision.action is not Action.KEEP or not decision.lacking:
        return False
    return decision.present is None or not is_called_alike(recorded, decision.present)
