"""Codes of PostgreSQL's errors that something here is decided by, each once, under the name that PostgreSQL gives it.

What several callers must see alike is a set or a question of this module; a set that one decision alone needs stays with it.
Source: appendix A of PostgreSQL's manual (errcodes.txt). Pure.
"""

from __future__ import annotations

from typing import Final

FEATURE_NOT_SUPPORTED: Final = "0A000"
INVALID_PARAMETER_VALUE: Final = "22023"
NOT_NULL_VIOLATION: Final = "23502"
FOREIGN_KEY_VIOLATION: Final = "23503"
UNIQUE_VIOLATION: Final = "23505"
CHECK_VIOLATION: Final = "23514"
READ_ONLY_SQL_TRANSACTION: Final = "25006"
IDLE_IN_TRANSACTION_SESSION_TIMEOUT: Final = "25P03"
TRANSACTION_TIMEOUT: Final = "25P04"
DEPENDENT_OBJECTS_STILL_EXIST: Final = "2BP01"
INVALID_SCHEMA_NAME: Final = "3F000"
DEADLOCK_DETECTED: Final = "40P01"
INSUFFICIENT_PRIVILEGE: Final = "42501"
SYNTAX_ERROR: Final = "42601"
UNDEFINED_COLUMN: Final = "42703"
UNDEFINED_OBJECT: Final = "42704"
DUPLICATE_OBJECT: Final = "42710"
DATATYPE_MISMATCH: Final = "42804"
CANNOT_COERCE: Final = "42846"
UNDEFINED_FUNCTION: Final = "42883"
UNDEFINED_TABLE: Final = "42P01"
DUPLICATE_TABLE: Final = "42P07"
INVALID_FUNCTION_DEFINITION: Final = "42P13"
INVALID_TABLE_DEFINITION: Final = "42P16"
OUT_OF_MEMORY: Final = "53200"
PROGRAM_LIMIT_EXCEEDED: Final = "54000"
OBJECT_NOT_IN_PREREQUISITE_STATE: Final = "55000"
LOCK_NOT_AVAILABLE: Final = "55P03"
ADMIN_SHUTDOWN: Final = "57P01"
CRASH_SHUTDOWN: Final = "57P02"
CANNOT_CONNECT_NOW: Final = "57P03"
DATABASE_DROPPED: Final = "57P04"
IDLE_SESSION_TIMEOUT: Final = "57P05"
INTERNAL_ERROR: Final = "XX000"

NOT_FOUND: Final = frozenset({UNDEFINED_FUNCTION, UNDEFINED_TABLE, UNDEFINED_OBJECT})
"""A function or operator, a relation, a type. Every name that we write is qualified, so what is not found is gone, or stands in
the body of a function that the server ran."""

_DATA_EXCEPTION: Final = "22"
_OF_ROWS_OR_MACHINE: Final = frozenset({"23", "53", "54", "57"})
_IO_ERROR: Final = "58030"
_SYNTAX_OR_ACCESS_RULE: Final = "42"
_OF_THE_STATEMENT_ALONE: Final = frozenset(
    {
        *(INSUFFICIENT_PRIVILEGE, SYNTAX_ERROR, "42602", "42622", "42939"),
        *("42701", DUPLICATE_OBJECT, "42712", "42723", "42P03", "42P04", "42P05", "42P06", DUPLICATE_TABLE),
        *("42702", "42725", "42P08", "42P09"),
    }
)
"""Privileges, what cannot be parsed; names that are taken; what is there more than once."""

_ENDS_CONNECTION: Final = frozenset(
    {
        *(ADMIN_SHUTDOWN, CRASH_SHUTDOWN, CANNOT_CONNECT_NOW, DATABASE_DROPPED),
        *(IDLE_SESSION_TIMEOUT, IDLE_IN_TRANSACTION_SESSION_TIMEOUT, TRANSACTION_TIMEOUT),
    }
)
_CONNECTION_EXCEPTION: Final = "08"
_OF_THE_SERVER: Final = frozenset(
    {
        *(
            "03",
            "08",
            "09",
            "0A",
            "0B",
            "0F",
            "0L",
            "0P",
            "0Z",
            "20",
            "21",
            "24",
            "25",
            "26",
            "27",
            "28",
            "2B",
            "2D",
            "2F",
        ),
        *("34", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58", "F0", "XX"),
    }
)
"""Classes whose messages name objects, settings and limits. Not among them: 22 and 23 (data, violated constraints), 38 and 39
(external routines), HV (foreign servers), P0 (what PL/pgSQL code raises), and whatever class a function makes up."""
_ABOUT_INPUT: Final = frozenset({SYNTAX_ERROR, INTERNAL_ERROR})

_WAY_PAST: Final = (
    "drop that constraint, which is newer than the rows or NOT VALID, and add it again afterwards, as NOT VALID"
)


def is_mismatch(state: str) -> bool:
    """Whether a definition does not fit what it names: that is not there, or is of another type or kind than it was written for."""
    return state.startswith(_SYNTAX_OR_ACCESS_RULE) and state not in _OF_THE_STATEMENT_ALONE


def is_unfit_value(state: str) -> bool:
    """Whether a type does not take a value; most often a constant of a definition."""
    return state.startswith(_DATA_EXCEPTION)


def is_of_rows_or_machine(state: str) -> bool:
    """A constraint that rows violate, a limit, a full disk, a cancelled statement: what a definition names was all there."""
    return state[:2] in _OF_ROWS_OR_MACHINE or state == _IO_ERROR


def way_past(state: str) -> str:
    """What to do where a constraint of today refuses rows that were allowed: one that is newer, or NOT VALID; else empty."""
    return _WAY_PAST if state == CHECK_VIOLATION else ""


def ends_connection(state: str) -> bool:
    """Shutdowns, and the timeouts that end a session instead of a statement: no other statement will run on it."""
    return state in _ENDS_CONNECTION or state.startswith(_CONNECTION_EXCEPTION)


def may_quote_rows(state: str, *, inside: bool = False) -> bool:
    """Whether an error's texts may hold values of a row.

    inside  of a function or a COPY: a syntax error then quotes a statement that was put together, an internal error of an extension
            the value that its type was to read
    """
    return state[:2] not in _OF_THE_SERVER or (inside and state in _ABOUT_INPUT)
