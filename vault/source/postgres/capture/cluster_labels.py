"""Security labels of cluster-wide objects: they belong to no entry, and a restore never alters roles that exist. Named as gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Missing, State
from vault.source.postgres.connection.connect import Session

_LABELS: Final = """
SELECT coalesce('role ' || r.rolname, 'tablespace ' || t.spcname, 'database ' || d.datname), provider
  FROM pg_shseclabel s
  LEFT JOIN pg_roles r ON s.classoid = 'pg_authid'::regclass AND r.oid = s.objoid
  LEFT JOIN pg_tablespace t ON s.classoid = 'pg_tablespace'::regclass AND t.oid = s.objoid
  LEFT JOIN pg_database d ON s.classoid = 'pg_database'::regclass AND d.oid = s.objoid
 WHERE d.datname IS NULL OR d.datname = current_database()
 ORDER BY 1, 2
"""


def missing(session: Session) -> Iterator[Missing]:
    """One item a label."""
    for name, provider in session.rows(_LABELS, doing="looking for security labels"):
        yield Missing(
            item=f"{name}: security label of {provider}",
            state=State.NOT_EXPORTABLE,
            why="pgvault does not store labels of roles, tablespaces and databases",
            fix="note it down and set it again with SECURITY LABEL after a restore",
        )
