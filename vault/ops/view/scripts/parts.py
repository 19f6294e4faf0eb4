"""What the SQL files of the view have in common: head and foot, titles, one entry as psql executes it. No SQL text is edited.

Invariants: names in comments hold no control character, so no comment can end its line (CVE-2025-8714 and 8715); every
file is fenced by `\\restrict` with a key that who wrote the definitions could not know, and psql stops at its first error with
exit status 3, without being asked to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vault.errors import NotThere
from vault.model import SchemaEntry
from vault.ops.view.executed.failure_count import COUNT
from vault.ops.view.executed.fence import dollar_quoted, fence_key
from vault.ops.view.executed.operator_paths import Implied
from vault.repo.snapshot import Snapshot
from vault.sql import privileges, statements
from vault.sql.encoding import client_encoding
from vault.sql.names import literal, one_line, outside_quotes, quote

OF_THE_ARCHIVE: Final = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH"})
"""Settings of the session, which the head has."""
_SETTINGS: Final = """SET statement_timeout = 0;
SET lock_timeout = 0;
SET client_encoding = '{encoding}';
SET standard_conforming_strings = on;
SET array_nulls = on;
SET transform_null_equals = off;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
"""
_STOP: Final = "\\set ON_ERROR_STOP on\n"
"""Before the fence, behind which psql takes no commands. A psql from before August 2025, which knows no fence, stops there."""
_OF_THE_DATABASE: Final = frozenset({"DATABASE", "DATABASE PROPERTIES"})
_ABOUT: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
_IN_A_TABLESPACE: Final = frozenset({"TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"})
_VARIABLE: Final = re.compile(r"""(?<!:):["'{\w]""")


def entries(snapshot: Snapshot) -> Iterator[SchemaEntry]:
    """In pg_dump's order."""
    return snapshot.entries(snapshot.order())


def head(snapshot: Snapshot, *what: str) -> bytes:
    """Comment lines, and the settings that every definition expects; of a database whose rows are any bytes these are not converted.

    Raises  NotThere: no database
    """
    if snapshot.manifest.database is None:
        raise NotThere("the snapshot holds no database")
    said = "".join(f"-- {line}\n" for line in what)
    settings = _SETTINGS.format(encoding=client_encoding(snapshot.manifest.database.server.encoding))
    return f"--\n{said}-- pgvault snapshot {snapshot.id.hex()}\n--\n\n{_STOP}\\restrict {fence_key(snapshot)}\n\n{settings}\n".encode()


def foot(snapshot: Snapshot) -> bytes:
    return f"\n\\unrestrict {fence_key(snapshot)}\n".encode()


def title(entry: SchemaEntry) -> bytes:
    parts = (
        ("Name", entry.tag),
        ("Type", entry.identity.desc),
        ("Schema", entry.namespace or "-"),
        ("Owner", entry.owner or "-"),
    )
    return f"\n--\n-- {'; '.join(f'{word}: {one_line(text)}' for word, text in parts)}\n--\n\n".encode()


def text(definition: str) -> bytes:
    """A definition with exactly one line end after it."""
    return definition.rstrip("\n").encode() + b"\n" if definition else b""


def is_of_the_database(entry: SchemaEntry) -> bool:
    """Whether it carries the name of the database that was saved."""
    return entry.identity.desc in _OF_THE_DATABASE or (
        entry.identity.desc in _ABOUT and entry.tag.startswith("DATABASE ") and not entry.namespace
    )


def as_psql_reads_it(definition: str, snapshot: Snapshot) -> str:
    """The definition, as a string that the server executes if psql would take a part of it for one of its variables.

    psql reads `[1:"USER"]` in an array's bounds as a variable, and has some of these names from the start.
    """
    if not has_variables(definition):
        return definition
    body = f"BEGIN EXECUTE {dollar_quoted(definition, snapshot, 'sql')}; END"
    return f"DO {dollar_quoted(body, snapshot, 'do')};\n"


def has_variables(definition: str) -> bool:
    """Whether there is, outside quotes, a colon that psql could take for the start of a variable."""
    return _VARIABLE.search(outside_quotes(definition)) is not None


class EntryScript:
    """Entries one after another, as pg_restore prints them: tablespace, access method, definition, owner."""

    def __init__(self, snapshot: Snapshot, implied: Implied) -> None:
        self._snapshot = snapshot
        self._implied = implied
        self._version = version_of(snapshot)
        self._tablespace = ""
        self._method = ""

    def lines(self, entry: SchemaEntry) -> bytes:
        """Nothing for settings of the archive."""
        if entry.identity.desc in OF_THE_ARCHIVE:
            return b""
        if is_of_the_database(entry):
            return (
                title(entry)
                + b"-- Belongs to the database itself and carries its name. Settings follow at the end; owner, privileges and comment are the new one's.\n"
            )
        lines = title(entry)
        if entry.definition and entry.tablespace != self._tablespace and entry.identity.desc in _IN_A_TABLESPACE:
            self._tablespace = entry.tablespace
            lines += _in_tablespace(entry.tablespace, self._snapshot).encode()
        if entry.table_access_method and entry.table_access_method != self._method:
            self._method = entry.table_access_method
            lines += f"SET default_table_access_method = {quote(entry.table_access_method)};\n".encode()
        return (
            lines
            + self._implied.around(entry, text(as_psql_reads_it(entry.definition, self._snapshot)))
            + owner(entry)
            + without_new_privileges(entry, self._version)
        )


def _in_tablespace(name: str, snapshot: Snapshot) -> str:
    """No table is lost for a tablespace that is not there."""
    if not name:
        return "SET default_tablespace = '';\n"
    body = (
        f"\nBEGIN\nIF EXISTS (SELECT FROM pg_catalog.pg_tablespace WHERE spcname = {literal(name)}) THEN\n"
        f"PERFORM pg_catalog.set_config('default_tablespace', {literal(name)}, false);\nELSE\n"
        f"RAISE WARNING 'tablespace % is not there: the default one is used', {literal(one_line(name))};\n{COUNT}"
        "PERFORM pg_catalog.set_config('default_tablespace', '', false);\nEND IF;\nEND\n"
    )
    return f"DO {dollar_quoted(body, snapshot, 'tablespace')};\n"


def version_of(snapshot: Snapshot) -> int:
    """Of the server that was saved; 0 without one."""
    database = snapshot.manifest.database
    return database.server.version_num if database else 0


def without_new_privileges(entry: SchemaEntry, version: int) -> bytes:
    """What takes back after an entry of a server of `version` what GRANT ALL means since. Does nothing on servers before 17."""
    taken_back = privileges.without_maintain(entry.identity, before=version, after=privileges.MAINTAIN_VERSION)
    return "".join(f"{line};\n" for line in taken_back).encode()


def owner(entry: SchemaEntry) -> bytes:
    """The statement that sets an entry's owner, if it has one."""
    statement = statements.set_owner(entry)
    return f"{statement}\n".encode() if statement else b""
