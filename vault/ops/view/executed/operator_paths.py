"""Definitions that call operators which their text cannot name, as psql and pg_restore read them. Pure.

`CASE x WHEN`, `NULLIF`, `IS DISTINCT FROM` and `JOIN USING` have no form that names their operator's schema, so that under the
empty search path of a script one outside of pg_catalog is lost: for citext the text's own `=` takes its place. A restore compares
what came of each; a script cannot, so it carries the path that finds the operators. Spec 75-restore [RST-13].
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.model import Address, Identity, SchemaEntry
from vault.model.meaning import Calls, meanings, search_paths
from vault.repo.snapshot import Snapshot
from vault.sql.addresses import may_belong_to, with_own
from vault.sql.names import literal, one_line, outside_quotes

_NAMELESS: Final = re.compile(
    r"\bCASE\b(?!\s+WHEN\b)|\bNULLIF\b|\bDISTINCT\s+FROM\b|\bJOIN\b.*\bUSING\s*\(", re.DOTALL | re.IGNORECASE
)
_NAMED: Final = re.compile(r"(?<!WITH )\bOPERATOR\s*\(")
"""Not that of an exclusion constraint, which is no call."""
_SET: Final = "pg_catalog.set_config('search_path', {path}, {local})"
_FOUND: Final = (
    "What these call in CASE, NULLIF, IS DISTINCT FROM or JOIN USING has no name in SQL; a search_path around them finds it.",
    "Only a restore by pgvault looks whether they call what they did:",
)
_OPEN: Final = (
    "These may compare otherwise than they did, for SQL has no name for what they call in CASE, NULLIF, IS DISTINCT FROM or",
    "JOIN USING; a restore by pgvault keeps it:",
)
_COLUMN: Final = "table column"


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """`paths`: entry -> search_path that its definition needs, "" where no path is surely right. `labels`: entry -> its name."""

    paths: Mapping[Identity, str] = field(default_factory=dict)
    labels: Mapping[Identity, str] = field(default_factory=dict)

    def around(self, entry: SchemaEntry, statement: bytes) -> bytes:
        """The statement of an entry, in a script for psql."""
        path = self.paths.get(entry.identity)
        if not path or not statement:
            return statement
        before, after = (_SET.format(path=literal(one), local="false") for one in (path, ""))
        return f"SELECT {before};\n".encode() + statement + f"SELECT {after};\n".encode()

    def execute(self, entry: SchemaEntry, statement: str) -> str:
        """PL/pgSQL that executes the text that `statement` yields."""
        path = self.paths.get(entry.identity)
        if not path:
            return f"EXECUTE {statement};"
        before, after = (_SET.format(path=literal(one), local="true") for one in (path, ""))
        return f"PERFORM {before}; EXECUTE {statement}; PERFORM {after};"

    def said(self, descs: frozenset[str] | None = None) -> Iterator[str]:
        """Lines for the head of a script that holds entries of `descs`, or all."""
        for lines, is_found in ((_FOUND, True), (_OPEN, False)):
            names = [
                label
                for identity, label in self.labels.items()
                if bool(self.paths[identity]) is is_found and (descs is None or identity.desc in descs)
            ]
            if names:
                yield from (*lines, *(f"  {name}" for name in names))


def implied(snapshot: Snapshot) -> Implied:
    """Of the definitions of a snapshot. Reads those alone that call an operator outside of pg_catalog."""
    called = _called(snapshot)
    if not called:
        return Implied()
    paths: dict[Identity, str] = {}
    labels: dict[Identity, str] = {}
    for entry in snapshot.entries(item for item in snapshot.order() if item.identity in called):
        calls = called[entry.identity]
        if is_nameless(entry.definition):
            paths[entry.identity] = path_of(entry.definition, calls)
            labels[entry.identity] = one_line(f"{entry.label} in {entry.namespace}" if entry.namespace else entry.label)
    return Implied(paths=paths, labels=labels)


def is_nameless(definition: str) -> bool:
    """Whether something in it, outside of quotes, calls an operator without naming it."""
    return _NAMELESS.search(outside_quotes(definition)) is not None


def path_of(definition: str, calls: Calls) -> str:
    """The search_path under which what is not named finds its operator; "" if all that `calls` counts may be named in the text.

    Where both are in one text, more calls than names tell that some are implied.
    """
    if sum(calls.values()) <= len(_NAMED.findall(outside_quotes(definition))):
        return ""
    return next(search_paths([calls]), "")


def _called(snapshot: Snapshot) -> dict[Identity, Counter[Address]]:
    """Entry -> operators outside of pg_catalog that its expressions call, how often."""
    facts = snapshot.catalog()
    of = {address: calls for address, calls in meanings((), facts.operators).of.items() if calls}
    if not of:
        return {}
    owners: dict[Address, Identity] = {}
    for item in snapshot.order():
        if not item.identity.sub:  # not what another entry says about it
            for address in with_own(item.identity):
                owners.setdefault(address, item.identity)
    called: dict[Identity, Counter[Address]] = {}
    for address, calls in of.items():
        owner = next((owners[above] for above in _owners(address) if above in owners), None)
        if owner is not None:
            called.setdefault(owner, Counter()).update(calls)
    return called


def _owners(address: Address) -> Iterator[Address]:
    """A default has an entry of its own, or is in that of its table."""
    if address.kind == _COLUMN:
        yield Address(kind="default value", names=address.names)
    yield from may_belong_to(address)
