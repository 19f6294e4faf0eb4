"""`[guard]`: when a snapshot looks like damage next to the one before it."""

from __future__ import annotations

from dataclasses import dataclass

from vault.app.toml.document import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """rows_lost_percent  of a table's rows, from 1 to 100; ignore: tables whose loss of rows is expected, as SCHEMA.TABLE, `*` for any text"""

    enabled: bool = True
    rows_lost_percent: int = 50
    ignore: tuple[str, ...] = ()


def read_guard(section: Table) -> GuardSettings:
    section.only(*GuardSettings.__dataclass_fields__)
    ignore = section.texts("ignore")
    for pattern in ignore:
        if "." not in pattern.strip("."):
            section.wrong("ignore", "tables as SCHEMA.TABLE", hint='ignore = ["public.events", "logs.*"]')
    return GuardSettings(
        enabled=section.flag("enabled", default=True),
        rows_lost_percent=section.integer("rows_lost_percent", 50, low=1, high=100),
        ignore=ignore,
    )
