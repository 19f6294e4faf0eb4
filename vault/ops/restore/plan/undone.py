"""What was asked for and stays undone, in words, as failures of the restore name it. Pure. Spec 76-selection."""

from __future__ import annotations

from collections.abc import Mapping

from vault.model import Identity, TableName
from vault.ops.restore.plan.decision import Action, Decision, Situation, TableRows


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
    now: Situation, decisions: Mapping[int, Decision], not_loaded: Mapping[TableName, str], *, left_out: set[int]
) -> list[tuple[str, str]]:
    """What was asked for and stays undone, as failures of the restore name it."""
    found = []
    for at, one in sorted(decisions.items()):
        if one.lacking and at not in left_out:
            entry = now.contents.items[at].entry
            hint = (
                "; -c replaces it" if one.action is Action.KEEP and one.present is not None and not now.replace else ""
            )
            found.append((entry.label, f"{one.why}{hint}"))
    for name in now.picked.without_rows:
        if not now.definitions and name in now.named:
            found.append((f"TABLE DATA {name}", "its rows are not in the snapshot"))
    for item in now.picked.tables:
        if item.name in not_loaded:
            found.append((f"TABLE DATA {item.name}", f"not loaded: {not_loaded[item.name]}"))
    return found
