"""`encryption_system.sql`: the project's functions for encryption, the triggers that run them, and the views that call them.

Functions are found by name, triggers and views by the recorded dependencies. Streams; no SQL text is edited.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from vault.model import SchemaEntry
from vault.ops.project.components import EntrySelector, Selectors, dependents
from vault.ops.view.script import dollar_quoted, entries, foot, head, owner, text, title
from vault.repo.snapshot import Snapshot
from vault.sql.catalog_names import texts
from vault.sql.names import literal, quote
from vault.sql.privileges import RESET

_ABOUT: Final = frozenset({"ACL", "COMMENT"})
_VIEWS: Final = frozenset({"VIEW", "MATERIALIZED VIEW"})


def encryption_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Functions are replaced; triggers and views that exist stay; owners and grants become those recorded."""
    yield head(
        snapshot,
        "Encryption: functions, the triggers that run them and the views that call them, with owners and grants.",
        "For a database that has the tables and roles. It may run again: functions are replaced, existing triggers and views stay.",
    )
    catalog = snapshot.catalog()
    selector = EntrySelector(catalog=catalog, selectors=selectors)
    functions = [entry.identity for entry in entries(snapshot) if selector.is_encryption(entry)]
    if not functions:
        yield b"-- There are no functions of such a name in this database.\n"
    wanted = dependents(catalog, (name for function in functions for name in texts(function)))
    subjects = set()
    for entry in entries(snapshot):
        identity = entry.identity
        subject = (identity.kind, identity.names, identity.args)
        if selector.is_encryption(entry):
            subjects.add(subject)
            yield title(entry) + _function(entry) + owner(entry) + _built_in_privileges(entry, snapshot)
        elif identity.desc in _VIEWS | {"TRIGGER"} and not wanted.isdisjoint(texts(identity)):
            subjects.add(subject)
            yield title(entry) + _unless_there(entry, snapshot) + owner(entry)
            if identity.desc in _VIEWS:
                yield _built_in_privileges(entry, snapshot)
        elif identity.desc in _ABOUT and subject in subjects:
            yield title(entry) + text(entry.definition)
    yield foot(snapshot)


def _function(entry: SchemaEntry) -> bytes:
    return text(entry.function_definition.rstrip("\n") + ";" if entry.function_definition else entry.definition)


def _unless_there(entry: SchemaEntry, snapshot: Snapshot) -> bytes:
    names = entry.identity.names
    if entry.identity.desc == "TRIGGER":
        table = literal(".".join(map(quote, names[:-1])))
        absent = (
            "NOT EXISTS (SELECT FROM pg_catalog.pg_trigger"
            f" WHERE tgrelid = {table}::pg_catalog.regclass AND tgname = {literal(names[-1])})"
        )
    else:
        absent = f"pg_catalog.to_regclass({literal('.'.join(map(quote, names)))}) IS NULL"
    create = dollar_quoted(entry.definition, snapshot, "create")
    body = f"\nBEGIN\n  IF {absent} THEN\n    EXECUTE {create};\n  END IF;\nEND\n"
    return f"DO {dollar_quoted(body, snapshot, 'unless')};\n".encode()


def _built_in_privileges(entry: SchemaEntry, snapshot: Snapshot) -> bytes:
    """Undo what default privileges gave, or somebody since: the ACL entry that follows is a difference to the built-in ones."""
    identity = entry.identity
    reset = RESET % (literal(identity.kind), _array(identity.names), _array(identity.args))
    body = f"\nDECLARE\n  one text;\nBEGIN\n  FOR one IN {reset}\n  LOOP\n    EXECUTE one;\n  END LOOP;\nEND\n"
    return f"DO {dollar_quoted(body, snapshot, 'privileges')};\n".encode()


def _array(texts: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(literal, texts))}]::text[]"
