"""The fixed settings of every session: the same rows give the same bytes, whoever reads them, and are read back alike. Pure.

Those of reading are SET LOCAL inside the transaction, so a pooler can neither lose nor leak them [C4], and utility statements,
so they take no snapshot before the locks are held [A1]. Why each: reference of PostgreSQL's pg_dump (`setup_connection`), and [D2].
Rows are not converted by client_encoding but by COPY's ENCODING option, which names the server's encoding.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"

Pairs = tuple[tuple[str, str], ...]

SHARED: Final[Pairs] = (
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("xmloption", "content"),
    ("lc_monetary", "C"),
    ("search_path", ""),
    ("standard_conforming_strings", "on"),
    ("row_security", "off"),
    ("constraint_exclusion", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
)
"""Of sessions that read and of those that restore: a value that one side alone had would garble rows on their way back."""

TAKEN_IN: Final[Pairs] = (("array_nulls", "on"), ("transform_null_equals", "off"), ("exit_on_error", "off"))
"""Of the same sessions, without any say in how rows are written: an array's NULL is not the word, `a = NULL` not `a IS NULL`, and an error
no end of the session. Whoever owns a database can set the contrary there [B9].
"""

FIXED: Final[Pairs] = (
    *SHARED,
    ("quote_all_identifiers", "off"),
    ("synchronize_seqscans", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("enable_tidscan", "on"),
    ("jit", "off"),
)
"""Of sessions that read."""

RESTORING: Final[Pairs] = (
    *SHARED,
    *TAKEN_IN,
    ("check_function_bodies", "off"),
    ("escape_string_warning", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("client_min_messages", "warning"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("synchronous_commit", "off"),
)
"""pg_restore's, and those of reading. Definitions are UTF-8; COPY names the encoding of rows. What a server does not have is left out.

A merge compares with what is there once it has the table's lock: no snapshot may be older, as in another isolation it is. Commits do not
wait for the disk; `flush` does, once.
"""

CONNECTION_CHECK: Final = "2s"
"""How often the server looks whether the client of a running statement is still there."""

WHERE_KNOWN: Final[Pairs] = (
    ("transaction_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("restrict_nonsystem_relation_kind", "view,foreign-table"),
    ("client_connection_check_interval", CONNECTION_CHECK),
)
"""Not in every supported release; asked for before they are set."""


def fixed(known: Collection[str]) -> str:
    """Statements that fix a session that reads, to follow BEGIN. `known`: which of WHERE_KNOWN the server has."""
    pairs = (*FIXED, *TAKEN_IN, *((name, value) for name, value in WHERE_KNOWN if name in known))
    return "".join(f"SET LOCAL {name} = '{value}';" for name, value in pairs)
