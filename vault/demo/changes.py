"""What changed between two snapshots, in words: definitions and files by name, tables by their number of rows.

Reads no rows and no file's content. Enough for the demo; it does not see rows that changed while their number stayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vault.model import FileItem, Identity
from vault.model.files import path_text
from vault.repo.snapshot import Snapshot
from vault.sql.names import one_line, show_name


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Lines like `gone: POLICY public.customers.customers: select`: definitions, then tables, then files."""
    old = {item.identity: item.entry for item in before.entry_items()}
    new = {item.identity: item.entry for item in after.entry_items()}
    yield from _differences({_shown(key): value for key, value in old.items()}, {_shown(k): v for k, v in new.items()})
    rows = {item.name: item.sums.rows for item in after.tables()}
    for item in before.tables():
        then, now = item.sums.rows, rows.get(item.name)
        if now is not None and now != then:
            yield f"{show_name(item.name)}: {then} rows, now {now}"
    for name in sorted(before.manifest.directories.keys() & after.manifest.directories.keys()):
        yield from _differences(
            *({_path(name, item): item.chunks for item in side.files(name)} for side in (before, after))
        )


def _differences(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    yield from (f"gone: {name}" for name in sorted(old.keys() - new.keys()))
    yield from (f"new: {name}" for name in sorted(new.keys() - old.keys()))
    yield from (f"changed: {name}" for name in sorted(old.keys() & new.keys()) if old[name] != new[name])


def _path(directory: str, item: FileItem) -> str:
    return one_line(f"{directory}/{path_text(item.path)}")


def _shown(identity: Identity) -> str:
    arguments = f"({', '.join(identity.args)})" if identity.desc in ("FUNCTION", "PROCEDURE") else ""
    return one_line(f"{identity.desc} {'.'.join(identity.names)}{arguments}{' ' if identity.sub else ''}{identity.sub}")
