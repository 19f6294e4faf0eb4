"""What a guard can find: a closed list, for programs. Spec 60-snapshot.

A code is never given another meaning, and never goes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DATABASE_EMPTY: Final = "database_empty"
SCHEMA_GONE: Final = "schema_gone"
TABLE_GONE: Final = "table_gone"
TABLE_EMPTIED: Final = "table_emptied"
ROWS_LOST: Final = "rows_lost"
CONTENT_LOST: Final = "content_lost"
ROWS_NOT_CAPTURED: Final = "rows_not_captured"
USERS_LOST: Final = "users_lost"
POLICY_GONE: Final = "policy_gone"
ROW_SECURITY_OFF: Final = "row_security_off"
ROW_SECURITY_NOT_FORCED: Final = "row_security_not_forced"
ROLE_RAISED: Final = "role_raised"
FUNCTION_GONE: Final = "function_gone"
VIEW_GONE: Final = "view_gone"
TRIGGER_GONE: Final = "trigger_gone"
GRANTS_GONE: Final = "grants_gone"
POLICY_OPENED: Final = "policy_opened"
LARGE_OBJECTS_LOST: Final = "large_objects_lost"
FILES_LOST: Final = "files_lost"
REWRITTEN: Final = "rewritten"
NOT_COMPARED: Final = "not_compared"
MORE: Final = "more"

OF_CONTENTS: Final = frozenset(
    {
        DATABASE_EMPTY,
        SCHEMA_GONE,
        TABLE_GONE,
        TABLE_EMPTIED,
        ROWS_LOST,
        CONTENT_LOST,
        ROWS_NOT_CAPTURED,
        USERS_LOST,
        LARGE_OBJECTS_LOST,
        FILES_LOST,
        MORE,
    }
)
"""Rows, text or files are gone, which may be in no other snapshot than the one before."""

MEANING: Final[Mapping[str, str]] = {
    DATABASE_EMPTY: "no table has a row any more",
    SCHEMA_GONE: "a schema was dropped, with the tables that it had",
    TABLE_GONE: "a table was dropped",
    TABLE_EMPTIED: "a table has no row any more",
    ROWS_LOST: "a table, or a partitioned one with its partitions, lost more rows than is usual",
    CONTENT_LOST: "a table has its rows, and much less text in them",
    ROWS_NOT_CAPTURED: "rows of a table that were in the last snapshot could not be read, or were left out",
    USERS_LOST: "the users' table lost more rows than is usual, or is gone",
    POLICY_GONE: "a policy was dropped",
    ROW_SECURITY_OFF: "row-level security of a table was switched off",
    ROW_SECURITY_NOT_FORCED: "row-level security does not bind the table's owner any more",
    ROLE_RAISED: "a role got rights like a superuser's",
    FUNCTION_GONE: "a function or procedure was dropped",
    VIEW_GONE: "a view was dropped",
    TRIGGER_GONE: "a trigger was dropped from a table that is there",
    GRANTS_GONE: "an object that is there lost all that was granted on it",
    POLICY_OPENED: "a policy lets every row through now",
    LARGE_OBJECTS_LOST: "most large objects, or most of their bytes, are gone",
    FILES_LOST: "most files of a directory, or most of their bytes, are gone",
    REWRITTEN: "nearly everything has another content, though there is about as much of it: was it encrypted?",
    NOT_COMPARED: "the comparison with the last good snapshot, or with a later one, could not be made",
    MORE: "there are more findings than are recorded",
}
