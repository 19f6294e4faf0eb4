"""The fixed settings of every session that reads: the same rows give the same bytes, whoever reads them. Pure.

They are SET LOCAL inside the transaction, so a pooler can neither lose nor leak them [C4], and utility statements, so they
take no snapshot before the locks are held [A1]. Why each: reference of PostgreSQL's pg_dump (`setup_connection`), and [D2].
Rows are not converted by client_encoding but by COPY's ENCODING option, which names the server's encoding.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

FIXED: Final[tuple[tuple[str, str], ...]] = (
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
    ("quote_all_identifiers", "off"),
    ("row_security", "off"),
    ("synchronize_seqscans", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("enable_tidscan", "on"),
    ("jit", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
)

WHERE_KNOWN: Final[tuple[tuple[str, str], ...]] = (
    ("transaction_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("restrict_nonsystem_relation_kind", "view,foreign-table"),
    ("client_connection_check_interval", "2s"),
)
"""Not in every supported release; asked for before they are set."""


def fixed(known: Collection[str]) -> str:
    """Statements that fix a session, to follow BEGIN. `known`: which of WHERE_KNOWN the server has."""
    pairs = (*FIXED, *((name, value) for name, value in WHERE_KNOWN if name in known))
    return "".join(f"SET LOCAL {name} = '{value}';" for name, value in pairs)
