"""What a project keeps outside its database, told by rows that point there. Pure.

A backup of the database alone is no backup of it: so the ledger says what to save, until the configuration accepts that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from vault.model import Coverage, Missing, State, TableName
from vault.ops.project.components import SUPABASE, Selectors

ROOT_KEY: Final = "root key of the vault"
"""The gap's name in the ledger, as `files of SCHEMA.TABLE` is."""

ACCEPTABLE: Final = frozenset({State.NOT_EXPORTABLE, State.NOT_PERMITTED})
"""What the user may accept; a failure is nobody's decision."""


def outside(
    tables: Iterable[tuple[TableName, int]], directories: Collection[str], selectors: Selectors
) -> Iterator[tuple[str, Missing]]:
    """Component and gap. `tables`: each with its rows; `directories`: those that were captured."""
    rows = {name: number for name, number in tables if number}
    for name in selectors.file_tables:
        if name in rows and selectors.files_directory not in directories:
            yield (
                f"dir:{selectors.files_directory}",
                Missing(
                    item=f"files of {name}",
                    state=State.NOT_EXPORTABLE,
                    why=f"{rows[name]} rows describe files that lie in the platform's storage; the database does not hold them",
                    fix=f"add --dir '{selectors.files_directory}=s3://*' (pgvault help hosted-supabase), or the PATH of a copy",
                ),
            )
    sealed = [name for name in selectors.secret_tables if name in rows]
    if sealed:
        named = " and ".join(str(name) for name in sealed)
        yield (
            "encryption",
            Missing(
                item=ROOT_KEY,
                state=State.NOT_EXPORTABLE,
                why=f"the rows of {named} are ciphertext, and the key that opens them lies outside the database",
                fix="save it apart: the file that the server's getkey script reads (pgsodium_root.key), or what the"
                " platform's API gives for /v1/projects/REF/pgsodium",
            ),
        )


def accept(ledger: Mapping[str, Coverage], accepted: Collection[str]) -> dict[str, Coverage]:
    """The ledger with the gaps of these names as decisions of the user: they stay in it, as not selected."""
    return {
        component: _weighed(coverage, tuple(_accepted(gap, accepted) for gap in coverage.missing))
        for component, coverage in ledger.items()
    }


def gaps(ledger: Mapping[str, Coverage]) -> list[Missing]:
    """What was selected and is not there, each once, in order."""
    every_gap = (gap for coverage in ledger.values() for gap in coverage.missing)
    return list(dict.fromkeys(gap for gap in every_gap if gap.state not in (State.EMPTY, State.NOT_SELECTED)))


def unmatched(
    ledger: Mapping[str, Coverage],
    accepted: Collection[str],
    selectors: Selectors,
    tables: Iterable[tuple[TableName, int]] | None,
) -> Iterator[str]:
    """What the configuration names and the snapshot does not have, with what there is: a typing error there would go unseen."""
    items = {gap.item for coverage in ledger.values() for gap in coverage.missing}
    there = sorted({gap.item for gap in gaps(ledger)})
    for name in accepted:
        if name not in items:
            yield f"accepted_gaps: there is no gap {name!r}; there are: {', '.join(there) or 'none'}"
    if tables is None or selectors.role_tables == SUPABASE.role_tables:
        return
    names = {name for name, _ in tables}
    for table in selectors.role_tables:
        if table not in names:
            near = sorted(str(table) for table in names if "role" in table.name) or ["none with role in its name"]
            yield f"role_tables: no table {table} is captured; there are: {', '.join(near)}"


def _accepted(gap: Missing, accepted: Collection[str]) -> Missing:
    if gap.item not in accepted or gap.state not in ACCEPTABLE:
        return gap
    return replace(gap, state=State.NOT_SELECTED, why=f"accepted in the configuration: {gap.why}")


def _weighed(coverage: Coverage, missing: tuple[Missing, ...]) -> Coverage:
    return coverage if missing == coverage.missing else covered(coverage.count, missing)


_WORST_LAST: Final = tuple(State)


def covered(number: int, missing: tuple[Missing, ...]) -> Coverage:
    """A component with `number` captured items: its worst item's state; what was left out by choice weighs only where nothing is there."""
    states = [item.state for item in missing if not (number and item.state is State.NOT_SELECTED)]
    states = states or [State.CAPTURED if number else State.EMPTY]
    return Coverage(state=max(states, key=_WORST_LAST.index), count=number, missing=missing)
