"""What was asked for and stays undone, in words, as failures of the restore name it. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Mapping

from vault.model import Identity, TableName
from vault.ops.restore.plan.decision import Decision, Situation, TableRows


def wider(identity: Identity) -> tuple[str, str]:
    name = f"{identity.kind} {'.'.join(identity.names)}"
    return f"ACL {name}", "the target grants what the snapshot does not; -c takes it back"


def narrowed(rows: TableRows) -> tuple[str, str]:
    name, columns = rows.item.name, ", ".join(sorted(rows.without))
    return (
        f"TABLE DATA {name}",
        f"without values of {columns}: the target's table has no such column",
    )


def undone(
    situation: Situation, decisions: Mapping[int, Decision], not_loaded: Mapping[TableName, str], *, left_out: set[int]
) -> list[tuple[str, str]]:
    """What was asked for and stays undone, as failures of the restore name it."""
    failures = []
    for at, decision in sorted(decisions.items()):
        if decision.lacking and at not in left_out:
            entry = situation.contents.items[at].entry
            hint = "; -c replaces it" if decision.present is not None and not situation.replace else ""
            failures.append((entry.label, f"{decision.why}{hint}"))
    for name in situation.picked.without_rows:
        if not situation.definitions and name in situation.named:
            failures.append((f"TABLE DATA {name}", "its rows are not in the snapshot"))
    for item in situation.picked.tables:
        if item.name in not_loaded:
            failures.append((f"TABLE DATA {item.name}", f"not loaded: {not_loaded[item.name]}"))
    return failures
