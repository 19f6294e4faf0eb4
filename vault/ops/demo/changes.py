"""What changed between two snapshots, in words: definitions by name, tables by their number of rows. Reads no rows."""

from __future__ import annotations

from collections.abc import Iterator

from vault.model import Identity
from vault.ops.table import show_name, table_sums
from vault.ops.view_paths import one_line
from vault.repo.snapshot import Snapshot


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Lines like `gone: POLICY public.customers "customers: select"`, definitions first."""
    old = {item.identity: item.entry for item in before.entry_items()}
    new = {item.identity: item.entry for item in after.entry_items()}
    for word, found in (("gone", old.keys() - new.keys()), ("new", new.keys() - old.keys())):
        yield from (f"{word}: {_shown(identity)}" for identity in sorted(found))
    both = sorted(identity for identity in old.keys() & new.keys() if old[identity] != new[identity])
    yield from (f"changed: {_shown(identity)}" for identity in both)
    rows = {item.name: table_sums(item)[0] for item in after.tables()}
    for item in before.tables():
        then, now = table_sums(item)[0], rows.get(item.name)
        if now is not None and now != then:
            yield f"{show_name(item.name)}: {then} rows, now {now}"


def _shown(identity: Identity) -> str:
    arguments = f"({', '.join(identity.args)})" if identity.desc in ("FUNCTION", "PROCEDURE") else ""
    return one_line(f"{identity.desc} {'.'.join(identity.names)}{arguments}{' ' if identity.sub else ''}{identity.sub}")
