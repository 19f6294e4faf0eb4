"""What pg_dump leaves out without failing: subscriptions and the options of user mappings, because of who asks; what it warns of.

Each is named as a gap. Passwords of roles are in `cluster`, what may not be read at all in `view`, `sequences`, `largeobjects`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.model import Missing, State
from vault.source.postgres.connection.connect import Session
from vault.sql.names import quote

_SUBSCRIPTIONS: Final = """
SELECT subname::text FROM pg_subscription
 WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) ORDER BY subname COLLATE "C"
"""

_MAPPINGS_READABLE: Final = "SELECT has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT')"
_MAPPINGS: Final = """
SELECT v.usename::text, v.srvname::text, {raw} IS NOT NULL
  FROM pg_user_mappings v JOIN pg_foreign_server s ON s.oid = v.srvid {join}
 WHERE v.umoptions IS NULL AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
   AND NOT CASE WHEN v.umuser = 0 THEN pg_has_role(s.srvowner, 'USAGE')
                ELSE v.usename = current_user AND (pg_has_role(s.srvowner, 'USAGE') OR has_server_privilege(s.oid, 'USAGE')) END
   AND ({raw} IS NOT NULL OR NOT {known})
 ORDER BY v.srvname COLLATE "C", v.usename COLLATE "C"
"""
"""The view shows options as pg_dump sees them; where the catalog itself is readable it says whether there are any."""

WARNING: Final = "pg_dump: warning: "
OF_SUBSCRIPTIONS: Final = "subscriptions not dumped"


def missing(session: Session) -> Iterator[Missing]:
    """One item a subscription or user mapping that the definitions do not hold, or not wholly."""
    for (name,) in session.rows(_SUBSCRIPTIONS, doing="looking for subscriptions"):
        yield Missing(
            item=f"subscription {quote(name)}",
            state=State.NOT_PERMITTED,
            why="pg_dump gives subscriptions, which hold passwords, to superusers only",
            fix="note its connection, publications and options down, or back up as a superuser",
        )
    known: bool = session.row(_MAPPINGS_READABLE, doing="looking for user mappings")[0]
    query = _MAPPINGS.format(
        raw="m.umoptions" if known else "NULL::text[]",
        join="JOIN pg_user_mapping m ON m.oid = v.umid" if known else "",
        known="true" if known else "false",
    )
    for user, server, certain in session.rows(query, doing="looking for user mappings"):
        yield Missing(
            item=f"options of the user mapping of {quote(user)} on server {quote(server)}",
            state=State.NOT_PERMITTED,
            why="they are shown to that user and to superusers only" + ("" if certain else "; there may be none"),
            fix="note them down and set them with ALTER USER MAPPING after a restore, or back up as a superuser",
        )


def warned(said: str) -> Iterator[Missing]:
    """One item a warning of pg_dump's (`said`: its standard error), but for subscriptions, which `missing` names."""
    for line in said.split("; "):
        text = line.removeprefix(WARNING)
        if text != line and not text.startswith(OF_SUBSCRIPTIONS):
            yield Missing(
                item=f"definition that pg_dump warned of: {text}",
                state=State.NOT_EXPORTABLE,
                why="what pg_dump warns of may be missing from the definitions",
                fix="look at what the warning names, and compare it with schema.sql of the snapshot",
            )
