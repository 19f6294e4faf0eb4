"""Routines in a circle, by defaults of their arguments or by bodies that are parsed: no order creates them, so some come first as stand-ins.

pg_dump breaks such a circle somewhere and its restore loses a routine. A stand-in has the name, the arguments and the result, as many
defaults (all NULL), and a body that calls nothing; every call finds it. The true one comes by CREATE OR REPLACE at its place in the
order. Circles of a routine and a view or a default are parted by pg_dump. Spec 75-restore, RST-14.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from vault.errors import SourceError
from vault.model import Address, SchemaEntry
from vault.ops.project.components import ROUTINES
from vault.ops.restore.plan.contents import Contents
from vault.ports import TargetSession
from vault.sql.arguments import stand_in
from vault.sql.sqlstate import UNDEFINED_FUNCTION


class Circles:
    """`waiting`: positions of entries that this restore creates and has not created yet; its owner keeps it up to date."""

    def __init__(self, contents: Contents, waiting: Collection[int]) -> None:
        self._contents = contents
        self._waiting = waiting
        self._provisional: dict[int, SchemaEntry] = {}

    def provisional(self, at: int) -> SchemaEntry | None:
        """What stands in for an entry until its turn."""
        return self._provisional.get(at)

    def open(self, session: TargetSession, at: int, why: SourceError) -> bool:
        """After a routine failed with `why`: make stand-ins of those that it calls; True: try again. Raises Unreachable"""
        if self._contents.items[at].entry.identity.desc not in ROUTINES or why.sqlstate != UNDEFINED_FUNCTION:
            return False
        return sum(self._stand_in(session, other) for other in self._called(at)) > 0

    def is_left(self, session: TargetSession, at: int) -> bool:
        """After a routine failed: whether a stand-in of it stays, because others need it. Raises Unreachable"""
        if at not in self._provisional:
            return False
        try:
            session.run([self._provisional[at].drop])
        except SourceError:
            return True
        return False

    def _stand_in(self, session: TargetSession, at: int) -> bool:
        entry = self._contents.items[at].entry
        definition = stand_in(entry.definition)
        if definition is None or at in self._provisional or at not in self._waiting:
            return False
        try:
            session.run([definition])  # what it calls is not what the recorded one calls, so it is no entry
        except SourceError:
            return False
        self._provisional[at] = replace(entry, definition=definition)
        return True

    def _called(self, at: int) -> Iterator[int]:
        for called in self._calls.get(self._contents.items[at].identity.address, ()):
            if called in self._routines:
                yield self._routines[called]

    @cached_property
    def _routines(self) -> Mapping[Address, int]:
        items = enumerate(self._contents.items)
        return {item.identity.address: at for at, item in items if item.identity.desc in ROUTINES}

    @cached_property
    def _calls(self) -> Mapping[Address, list[Address]]:
        calls: dict[Address, list[Address]] = {}
        for dependent, referenced, _ in self._contents.catalog.edges:
            if dependent in self._routines:
                calls.setdefault(dependent, []).append(referenced)
        return calls
