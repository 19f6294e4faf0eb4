"""Whether CREATE OR REPLACE can bring a definition as recorded, as far as its text tells. Pure.

A view keeps its columns, a routine its result and the names of its arguments: another list of them is refused. Texts are only compared,
so a doubt costs an exchange where a replacement would have done, and a replacement that the server refuses is told. Spec 76-selection.
"""

from __future__ import annotations

from typing import Final

from vault.model import SchemaEntry

REPLACED: Final = frozenset({"VIEW", "FUNCTION", "PROCEDURE"})
"""Entries that CREATE OR REPLACE is tried for."""
_QUERY: Final = " AS\n"
_FROM: Final = "\n   FROM "
"""As `pg_get_viewdef` indents the clause that follows the columns of the outermost query."""
_OPTIONS: Final = "\n    LANGUAGE "
"""After the arguments and the result, as `pg_get_functiondef` writes it."""


def keeps_its_shape(entry: SchemaEntry, present: SchemaEntry) -> bool:
    """Whether what is there has the recorded columns, or less of them at the end; or the recorded arguments and result."""
    recorded, there = (_shape(one) for one in (entry, present))
    return f"{recorded},".startswith(f"{there},")  # no routine's head goes on with a comma


def _shape(entry: SchemaEntry) -> str:
    if entry.identity.desc == "VIEW":
        return entry.definition.partition(_QUERY)[2].partition(_FROM)[0].removesuffix(";\n")
    return entry.definition.partition(_OPTIONS)[0]
