"""A script that goes on past what cannot be done counts it, and ends in an error. Text only."""

from __future__ import annotations

from typing import Final

_UNDONE: Final = "pgvault.undone"

COUNT_UNDONE: Final = f"DO $$BEGIN PERFORM pg_catalog.set_config('{_UNDONE}', '0', false); END$$;\n"
"""To be run before the first COUNT."""
FAIL_IF_UNDONE: Final = (
    f"DO $$BEGIN IF pg_catalog.current_setting('{_UNDONE}') <> '0' THEN"
    f" RAISE EXCEPTION '% of the statements could not be executed: see the warnings',"
    f" pg_catalog.current_setting('{_UNDONE}'); END IF; END$$;\n"
)
COUNT: Final = (
    f"PERFORM pg_catalog.set_config('{_UNDONE}',"
    f" (pg_catalog.current_setting('{_UNDONE}')::pg_catalog.int4 + 1)::pg_catalog.text, false);\n"
)
"""PL/pgSQL, after a warning that says what."""
