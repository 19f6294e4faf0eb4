"""Functions and procedures as the files of the view bring them back: definition, owner, privileges, comment. No SQL text is edited.

What is on the target as it was recorded is left, so that no right is needed for it; what differs is replaced. The ACL entries
of a function are differences to the built-in privileges, so they run after these were brought back, or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from vault.model import Address, CatalogFacts, Identity, SchemaEntry
from vault.ops.project.components import ROUTINES, EntrySelector, Selectors
from vault.ops.view.executed.fence import dollar_quoted
from vault.ops.view.executed.operator_paths import implied
from vault.ops.view.executed.stand_ins import stand_ins
from vault.ops.view.scripts.parts import entries, foot, head, text, title
from vault.repo.snapshot import Snapshot
from vault.sql import statements
from vault.sql.names import literal, quote
from vault.sql.privileges import RESET

_COMMENTED: Final = """EXISTS (SELECT FROM pg_catalog.pg_get_object_address({address}) a
  JOIN pg_catalog.pg_description d ON d.classoid = a.classid AND d.objoid = a.objid AND d.objsubid = a.objsubid,
       LATERAL (SELECT ' IS ''' || pg_catalog.replace(d.description, '''', '''''') || ''';') s (words)
 WHERE pg_catalog.right(recorded, pg_catalog.length(s.words)) = s.words)"""
"""How a COMMENT statement of pg_dump ends."""
_ABOUT: Final = frozenset({"COMMENT", "SECURITY LABEL"})


def functions_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Every function that can be called from outside."""
    routines = Routines(snapshot, selectors)
    yield head(
        snapshot,
        "Functions that can be called as RPC, with owners, privileges and comments.",
        "For a database that has the roles, types and tables: psql -X -d DATABASE -f rpc_functions_complete.sql",
        "What is there as recorded is left, what differs is replaced. One whose result or argument names changed cannot be, and",
        "ends the script in an error: drop it first. Functions in schemas of the platform come only where they are missing.",
        *routines.implied.said(ROUTINES),
    )
    for entry in entries(snapshot):
        yield routines.lines(entry, routines.selector.is_rpc)
    yield foot(snapshot)


class Routines:
    """Blocks for the routines of one snapshot, in pg_dump's order. `lines` is called for every entry."""

    def __init__(self, snapshot: Snapshot, selectors: Selectors) -> None:
        catalog = snapshot.catalog()
        self.selector = EntrySelector(catalog=catalog, selectors=selectors)
        self.subjects: set[Address] = set()
        """Of those that came."""
        self.implied = implied(snapshot)
        self._snapshot = snapshot
        self._platform = selectors.platform_schemas
        self._stand_ins = stand_ins(snapshot)
        self._privileges = PrivilegeBlocks(snapshot, catalog)

    def lines(self, entry: SchemaEntry, wanted: Callable[[SchemaEntry], bool]) -> bytes:
        """The block of a routine that is `wanted`, or a comment on one that was; else nothing."""
        identity = entry.identity
        if identity.desc in _ABOUT and identity.address in self.subjects:
            return title(entry) + about(entry, self._snapshot)
        if not wanted(entry):
            return b""
        self.subjects.add(identity.address)
        early = (
            _do(
                self._snapshot,
                "",
                f"IF {lookup(one.identity)} IS NULL THEN\n{self.implied.execute(one, self._text(one))}\nEND IF;",
            )
            for one in self._stand_ins.get(identity, ())
            if wanted(one) and one.namespace not in self._platform
        )
        return b"".join([title(entry), *early, self._block(entry)])

    def _text(self, entry: SchemaEntry) -> str:
        return dollar_quoted(entry.definition, self._snapshot, "definition")

    def _block(self, entry: SchemaEntry) -> bytes:
        snapshot = self._snapshot
        steps = ["IF there IS NULL OR E'\\n' || pg_catalog.pg_get_functiondef(there) <> recorded THEN"]
        steps += [self.implied.execute(entry, "recorded"), f"there := {lookup(entry.identity)};", "END IF;"]
        steps += owned(entry, snapshot, catalog="pg_proc", column="proowner")
        steps.append(self._privileges.block(entry, "pg_proc", "proacl"))
        body = "\n".join(steps)
        if entry.namespace in self._platform:
            body = f"IF there IS NOT NULL THEN RETURN; END IF;\n{body}"
        definition = f"\n{entry.function_definition or entry.definition}"
        recorded = f"recorded constant pg_catalog.text := {dollar_quoted(definition, snapshot, 'recorded')};"
        return _do(snapshot, f"{recorded}\nthere pg_catalog.oid := {lookup(entry.identity)};", body)


class PrivilegeBlocks:
    """Blocks that bring the privileges of an object to the recorded ones, where they differ."""

    def __init__(self, snapshot: Snapshot, catalog: CatalogFacts) -> None:
        self._snapshot = snapshot
        self._acls = {address: acl for address, _, acl in catalog.acls}
        self._entries: dict[Address, list[str]] = {}
        for entry in entries(snapshot):
            if entry.identity.desc == "ACL":
                self._entries.setdefault(entry.identity.address, []).append(entry.definition)

    def block(self, entry: SchemaEntry, catalog: str, column: str) -> str:
        """PL/pgSQL after which the object `there`, a row of `catalog`, has the recorded privileges; of columns too."""
        acl = self._acls.get(entry.identity.address)
        recorded = "NULL" if acl is None else _array(acl)
        granted = [
            f"EXECUTE {dollar_quoted(grant, self._snapshot, 'acl')};"
            for grant in self._entries.get(entry.identity.address, ())
        ]
        same = (
            f"EXISTS (SELECT FROM pg_catalog.{catalog} WHERE oid = there AND CASE WHEN {recorded} IS NULL THEN {column} IS NULL"
            f" ELSE {column}::text[] @> {recorded} AND {column}::text[] <@ {recorded} END)"
        )
        identity = entry.identity
        reset = RESET % (literal(identity.kind), _array(identity.names), _array(identity.args))
        lines = [f"FOR one IN {reset.strip()} LOOP EXECUTE one; END LOOP;", *granted]
        columns = catalog == "pg_class" and len(granted) > 1
        return "\n".join(lines if columns else (f"IF NOT {same} THEN", *lines, "END IF;"))


def about(entry: SchemaEntry, snapshot: Snapshot) -> bytes:
    """A comment or label; a comment that is as recorded is left, which needs no right."""
    identity = entry.identity
    if identity.desc != "COMMENT":
        return text(entry.definition)
    address = f"{literal(identity.kind)}, {_array(identity.names)}, {_array(identity.args)}"
    there = _COMMENTED.format(address=address)
    recorded = dollar_quoted(entry.definition.rstrip("\n"), snapshot, "comment")
    declared = f"recorded constant pg_catalog.text := {recorded};"
    return _do(snapshot, declared, f"IF NOT {there} THEN EXECUTE recorded; END IF;")


def lookup(identity: Identity) -> str:
    """SQL for the oid of a routine; NULL if it is not there."""
    name = f"{'.'.join(map(quote, identity.names))}({','.join(identity.args)})"
    return f"pg_catalog.to_regprocedure({literal(name)})"


def object_block(snapshot: Snapshot, there: str, steps: Iterable[str]) -> bytes:
    """A DO block over the object whose oid the SQL `there` finds."""
    return _do(snapshot, f"there pg_catalog.oid := {there};", "\n".join(steps))


def owned(entry: SchemaEntry, snapshot: Snapshot, *, catalog: str, column: str) -> list[str]:
    """PL/pgSQL that gives the object `there`, a row of `catalog`, its owner where it has another."""
    statement = statements.set_owner(entry)
    if statement is None:
        return []
    as_recorded = f"SELECT FROM pg_catalog.{catalog} WHERE oid = there AND pg_catalog.pg_get_userbyid({column}) = {literal(entry.owner)}"
    return [f"IF NOT EXISTS ({as_recorded}) THEN EXECUTE {dollar_quoted(statement, snapshot, 'owner')}; END IF;"]


def _array(items: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, items))}]::text[]"


def _do(snapshot: Snapshot, declared: str, body: str) -> bytes:
    block = f"\nDECLARE\none text;\n{declared}\nBEGIN\n{body}\nEND\n"
    return f"DO {dollar_quoted(block, snapshot, 'do')};\n".encode()
