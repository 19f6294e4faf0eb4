"""Whether a manifest and its ledger say what the lists of the snapshot hold: numbers, states, directories.

Numbers that follow from names in the configuration (which table holds users, which schema's functions count) can be counted again only by
the names of now, or by those that are usual; where neither gives the recorded number, nothing is proven.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from vault.model import Counts, Coverage, Ledger, Manifest, State
from vault.ops.project.components import SUPABASE, Selectors
from vault.ops.project.files_outside import covered
from vault.ops.project.summary import count_snapshot
from vault.repo.snapshot import Snapshot

_BY_NAMES: Final = (
    "tables",
    "users",
    "user_roles",
    "rpc_functions",
    "migrations",
    "edge_functions",
    "encryption_functions",
)
_ALWAYS: Final = ("records", "rls_policies")
_OF_COUNTS: Final = {
    "users": "users",
    "user_roles": "user_roles",
    "rls_policies": "rls_policies",
    "rpc_functions": "rpc_functions",
    "encryption": "encryption_functions",
    "migrations": "migrations",
    "edge_functions": "edge_functions",
}
"""Component of the ledger -> count of the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """`proven`: the lists hold something else; else it cannot be told."""

    item: str
    why: str
    proven: bool = True


def disagreements(snapshot: Snapshot, selectors: Selectors) -> Iterator[Disagreement]:
    """Reads all definitions and the lists of files. Raises  IntegrityError, StoreError"""
    manifest, ledger = snapshot.manifest, snapshot.ledger()
    for component, number in _held(snapshot).items():
        if component in ledger and ledger[component].count != number:
            yield _numbers(f"coverage of {component}", ledger[component].count, number)
    for component, name in _OF_COUNTS.items():
        if component in ledger and ledger[component].count != getattr(manifest.counts, name):
            yield _numbers(f"coverage of {component}", ledger[component].count, getattr(manifest.counts, name))
    yield from _counts(snapshot, selectors)
    yield from _states(ledger, has_database=manifest.database is not None)
    yield from _directories(manifest, ledger)


def _held(snapshot: Snapshot) -> dict[str, int]:
    part = snapshot.manifest.database
    if part is None:
        return {}
    return {
        "schema": part.entries.sums.items,
        "data": part.tables.sums.items,
        "roles": len(snapshot.roles().roles),
        "sequences": part.sequences.sums.items,
        "large_objects": part.large_objects.sums.items,
    }


def _counts(snapshot: Snapshot, selectors: Selectors) -> Iterator[Disagreement]:
    recorded = snapshot.manifest.counts
    counted = count_snapshot(snapshot, selectors)
    usual: Counts | None = None
    for name in (*_ALWAYS, *_BY_NAMES):
        number, now = getattr(recorded, name), getattr(counted, name)
        if number == now:
            continue
        if name in _ALWAYS:
            yield _numbers(name, number, now)
            continue
        usual = usual or count_snapshot(snapshot, SUPABASE)
        if number != getattr(usual, name):
            why = f"{number} were counted, and {now} are there by the names in the configuration of now"
            yield Disagreement(item=name, why=why, proven=False)


def _states(ledger: Ledger, *, has_database: bool) -> Iterator[Disagreement]:
    for component, coverage in ledger.items():
        if coverage.state is not State.NOT_SELECTED or coverage.missing or has_database:
            expected = covered(coverage.count, coverage.missing).state
            if coverage.state is not expected:
                why = f"it is called {coverage.state.value}, and its items make it {expected.value}"
                yield Disagreement(item=f"coverage of {component}", why=why)


def _directories(manifest: Manifest, ledger: Ledger) -> Iterator[Disagreement]:
    named = {name.removeprefix("dir:") for name, coverage in ledger.items() if _is_directory(name, coverage)}
    for name in sorted(named - manifest.directories.keys()):
        yield Disagreement(item=f"{name}/", why="the ledger says that it was captured, and it is not there")


def _is_directory(name: str, coverage: Coverage) -> bool:
    return name.startswith("dir:") and coverage.count > 0


def _numbers(item: str, recorded: int, there: int) -> Disagreement:
    return Disagreement(item=item, why=f"{recorded} are recorded, and {there} are there")
