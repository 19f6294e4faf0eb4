"""Security labels that no entry of the archive carries: of large objects and of cluster-wide objects. Named as gaps, never dropped silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Missing, State
from vault.source.postgres.connect import Session

_LABELS: Final = """
SELECT 'large object ' || objoid, provider FROM pg_seclabel WHERE classoid = 'pg_largeobject'::regclass
UNION ALL
SELECT coalesce('role ' || r.rolname, 'tablespace ' || t.spcname), provider
  FROM pg_shseclabel s
  LEFT JOIN pg_roles r ON s.classoid = 'pg_authid'::regclass AND r.oid = s.objoid
  LEFT JOIN pg_tablespace t ON s.classoid = 'pg_tablespace'::regclass AND t.oid = s.objoid
 WHERE s.classoid <> 'pg_database'::regclass
 ORDER BY 1, 2
"""


def missing(session: Session) -> Iterator[Missing]:
    """One item a label."""
    for name, provider in session.rows(_LABELS, doing="looking for security labels"):
        yield Missing(
            item=f"{name}: security label of {provider}",
            state=State.NOT_EXPORTABLE,
            why="pgvault does not store labels of large objects, roles and tablespaces",
            fix="note it down and set it again with SECURITY LABEL after a restore",
        )
