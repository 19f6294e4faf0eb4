"""`encryption_system.sql`: the project's functions for encryption, the triggers that run them, and the views that call them.

Functions are found by name, triggers and views by the recorded dependencies. Streams; no SQL text is edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import SchemaEntry
from vault.ops.project.components import ROUTINES, Selectors, dependents
from vault.ops.view.executed.fence import dollar_quoted
from vault.ops.view.executed.operator_paths import Implied
from vault.ops.view.scripts.parts import entries, foot, head, title
from vault.ops.view.scripts.routines import PrivilegeBlocks, Routines, object_block, owned
from vault.repo.snapshot import Snapshot
from vault.sql.names import literal, quote

_VIEWS: Final = frozenset({"VIEW", "MATERIALIZED VIEW"})


def encryption_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Functions are replaced; triggers and views that exist stay; owners and grants become those recorded."""
    routines = Routines(snapshot, selectors)
    yield head(
        snapshot,
        "Encryption: functions, the triggers that run them and the views that call them, with owners, privileges and comments.",
        "For a database that has the tables and roles: psql -X -d DATABASE -f encryption_system.sql. It may run again:",
        "what is there as recorded is left, functions that differ are replaced, existing triggers and views stay.",
        *routines.implied.said(ROUTINES | _VIEWS | {"TRIGGER"}),
    )
    catalog = snapshot.catalog()
    wanted_routines = routines.selector.is_encryption
    functions = [entry.identity.address for entry in entries(snapshot) if wanted_routines(entry)]
    if not functions:
        yield b"-- There are no functions of such a name in this database.\n"
    wanted = dependents(catalog, functions)
    privileges = PrivilegeBlocks(snapshot, catalog)
    for entry in entries(snapshot):
        identity = entry.identity
        if identity.desc in _VIEWS | {"TRIGGER"} and identity.address in wanted:
            routines.subjects.add(identity.address)
            yield title(entry) + _unless_there(entry, snapshot, privileges, routines.implied)
        else:
            yield routines.lines(entry, wanted_routines)
    yield foot(snapshot)


def _unless_there(entry: SchemaEntry, snapshot: Snapshot, privileges: PrivilegeBlocks, found: Implied) -> bytes:
    names = entry.identity.names
    create = found.execute(entry, dollar_quoted(entry.definition, snapshot, "create"))
    if entry.identity.desc == "TRIGGER":
        table = literal(".".join(map(quote, names[:-1])))
        there = f"(SELECT oid FROM pg_catalog.pg_trigger WHERE tgrelid = {table}::pg_catalog.regclass AND tgname = {literal(names[-1])})"
        return object_block(snapshot, there, [f"IF there IS NULL THEN {create} END IF;"])
    there = f"pg_catalog.to_regclass({literal('.'.join(map(quote, names)))})"
    steps = [f"IF there IS NULL THEN {create} there := {there}; END IF;"]
    return object_block(
        snapshot,
        there,
        [
            *steps,
            *owned(entry, snapshot, catalog="pg_class", column="relowner"),
            privileges.block(entry, "pg_class", "relacl"),
        ],
    )
