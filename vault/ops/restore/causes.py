"""Whether what failed is a consequence of something else that is missing, weaker, or another than recorded: told with that, once.

Spec 75-restore, "What the rows do not allow".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vault.errors import SourceError
from vault.ops.restore.failures import Failures
from vault.ops.restore.plan.decision import Action
from vault.ops.restore.plan.graph import EntryGraph
from vault.ops.restore.plan.steps import RestorePlan
from vault.sql import sqlstate

_NOT_FOUND: Final = sqlstate.NOT_FOUND | {sqlstate.UNDEFINED_COLUMN, sqlstate.INVALID_SCHEMA_NAME}
_IN_WHAT_DIFFERS: Final = frozenset({sqlstate.UNDEFINED_COLUMN, sqlstate.UNDEFINED_FUNCTION})
"""What a table or routine that is there otherwise does not have."""
_COMPUTED: Final = "MATERIALIZED VIEW DATA"


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
            at for at, one in plan.decisions.items() if one.action is Action.KEEP and one.lacking
        )

    def missing(self, needs: Iterable[int]) -> set[int]:
        """Those that failed, or were never to come."""
        return (self.failed | self._absent).intersection(needs)

    def of(self, at: int, error: SourceError) -> str:
        """The entry that failed before, if something that it should have made is what was not found."""
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
        if error.sqlstate in _IN_WHAT_DIFFERS:
            missing |= self._otherwise.intersection(item.needs)
        unfilled = item.identity.desc == _COMPUTED and error.sqlstate == sqlstate.OBJECT_NOT_IN_PREREQUISITE_STATE
        if not missing or not (unfilled or error.sqlstate in _NOT_FOUND):
            return ""
        return self._items[min(missing)].entry.label

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
