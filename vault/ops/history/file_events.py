"""How one file of a captured directory changed: its content, size, mode, target. A time alone is no change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.errors import NotThere
from vault.model import FileItem
from vault.model.files import path_text
from vault.ops.history.events import CHANGED, CREATED, DROPPED, THERE, Event, Value, unified
from vault.ops.view.paths import read_path
from vault.repo.snapshot import Snapshot

_SHOWN_BYTES_MAX: Final = 256 * 1024
"""Of a text whose lines are compared."""


class FileDiffer:
    """Implements events.Differ. `path`: below the directory, as `ls` shows it."""

    def __init__(self, directory: str, path: str) -> None:
        self._directory, self._path = directory, read_path(path)

    def between(self, older: Snapshot, newer: Snapshot) -> Iterator[Event]:
        if older.manifest.directories[self._directory] == newer.manifest.directories[self._directory]:
            return
        was, now = self._item(older), self._item(newer)
        values = tuple(_values(was, now))
        if was is not None and now is not None and not values and was.chunks == now.chunks:
            return
        change = CHANGED if was and now else CREATED if now else DROPPED
        before, after = _text(older, was), _text(newer, now)
        patch = () if before is None or after is None else unified(before, after)
        if was is not None or now is not None:
            yield Event(snapshot=newer, what="file", change=change, values=values, patch=patch)

    def first(self, oldest: Snapshot) -> Iterator[Event]:
        item = self._item(oldest)
        if item is not None:
            yield Event(snapshot=oldest, what="file", change=THERE, values=tuple(_values(None, item)))

    def _item(self, snapshot: Snapshot) -> FileItem | None:
        try:
            return snapshot.file(self._directory, self._path)
        except NotThere:
            return None


def _values(was: FileItem | None, now: FileItem | None) -> Iterator[Value]:
    """What differs; of a file that is on one side alone, all."""
    before, after = _facts(was), _facts(now)
    for name in before | after:
        if before.get(name) != after.get(name):
            yield Value(name=name, before=before.get(name), after=after.get(name))


def _facts(item: FileItem | None) -> dict[str, str]:
    if item is None:
        return {}
    facts = {"type": item.type.name.lower(), "size": str(item.size), "mode": f"{item.mode:04o}"}
    return facts | ({"target": path_text(item.target)} if item.target else {})


def _text(snapshot: Snapshot, item: FileItem | None) -> str | None:
    """None: it is no text, or too long to be compared by lines."""
    if item is None or item.size > _SHOWN_BYTES_MAX:
        return "" if item is None else None
    try:
        text = b"".join(snapshot.file_blocks(item)).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
