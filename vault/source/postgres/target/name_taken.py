"""An index, or a constraint with one, whose name another table's index has: made under a free name, and nobody's definition is edited.

A table that was renamed keeps the names of its keys, so the recorded table came back without any. In one transaction the other index
steps aside, the definition runs, the new one is renamed, and the other gets its name back. Spec 75-restore [RST-27].
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from vault.model import Identity
from vault.source.postgres.connection.connect import Connection
from vault.source.postgres.connection.sql_text import text
from vault.sql.names import quote

INDEXED: Final = frozenset({"CONSTRAINT", "INDEX"})
_ASIDE: Final = "pgvault aside"
_NAME_BYTES_MAX: Final = 63
_HOLDER: Final = """
select n.nspname, t.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_index i on i.indexrelid = c.oid join pg_catalog.pg_class t on t.oid = i.indrelid
 where n.nspname = %s and c.relname = %s
"""
_NAMES: Final = "select relname::text from pg_catalog.pg_class where relnamespace = %s::pg_catalog.regnamespace"


def create_beside(connection: Connection, identity: Identity, create: Callable[[], None]) -> str:
    """In words what was done; empty if no index has the name. Raises psycopg.Error, SourceError: nothing was changed"""
    schema, name = identity.names[0], identity.names[-1]
    held = connection.execute(_HOLDER, (schema, name)).fetchall()
    if not held:
        return ""
    taken = {str(row[0]) for row in connection.execute(_NAMES, (quote(schema),)).fetchall()}
    free = _free(name, taken)
    with connection.transaction():
        connection.execute(text(_rename(schema, name, _ASIDE)))
        create()
        connection.execute(text(_rename(schema, name, free)))
        connection.execute(text(_rename(schema, _ASIDE, name)))
    return f"made as {free}: its name belongs to an index of {held[0][0]}.{held[0][1]}"


def _free(name: str, taken: set[str]) -> str:
    number = 1
    while True:
        end = str(number)
        free = name.encode()[: _NAME_BYTES_MAX - len(end)].decode(errors="ignore") + end
        if free not in taken:
            return free
        number += 1


def _rename(schema: str, name: str, new: str) -> str:
    return f"ALTER INDEX {quote(schema)}.{quote(name)} RENAME TO {quote(new)}"
