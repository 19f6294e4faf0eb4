"""Paths of the `schema/` folder. Pure.

A name of the database is written as it is, but `%`, `/`, `~`, what is not printable, and a leading `-` or `.` become %XX of their UTF-8; so
does the `_` of a schema that is called as the folder of what is in no schema. A name too long for a file ends in `~` and 8 hex digits, and
so do names in one folder that differ in case alone. Invariant: two homes never share a path, not even on a disk that ignores case.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from vault.model import OrderItem
from vault.ops.project.file_names import folded
from vault.ops.view.definitions.homes import DATABASE, Home, homes

FOLDER: Final = "schema"
FOLDER_BESIDE: Final = "schema.definitions"
"""Where a captured directory is called `schema`: no captured directory has a dot in its name."""

_DATABASE_FOLDER: Final = "_database"
_ENDING: Final = ".sql"
_NAME_BYTES_MAX: Final = 200
"""File systems end at 255; a mark of 9, another 9 and the ending come behind."""
_UNSAFE: Final = "%/~"
_UNSAFE_FIRST: Final = "-."


class DefinitionFiles:
    """The files of one snapshot, by path below the folder: each with its items in pg_dump's order."""

    def __init__(self, order: Sequence[OrderItem]) -> None:
        placed = homes(order)
        paths = _paths(set(placed))
        self.files: dict[str, list[OrderItem]] = {}
        for home, item in zip(placed, order, strict=True):
            self.files.setdefault(paths[home], []).append(item)
        self._folders = _folders(self.files)

    def is_folder(self, path: str) -> bool:
        return path in self._folders

    def below(self, folder: str, *, recursive: bool) -> Iterator[str]:
        """Paths of what is in a folder, by name; a folder stands just before what is in it."""
        for name in self._folders[folder]:
            path = f"{folder}/{name}" if folder else name
            yield path
            if recursive and path in self._folders:
                yield from self.below(path, recursive=True)


def _folders(files: Iterable[str]) -> dict[str, list[str]]:
    """Folder -> names in it; "" is the topmost."""
    names: dict[str, set[str]] = {"": set()}
    for path in files:
        while path:
            above, _, name = path.rpartition("/")
            known = above in names and name in names[above]
            names.setdefault(above, set()).add(name)
            if known:
                break
            path = above
    return {folder: sorted(within) for folder, within in names.items()}


def _paths(placed: Iterable[Home]) -> Mapping[Home, str]:
    safe = {home: tuple(_safe(home)) for home in placed}
    in_folder: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for parts in safe.values():
        for depth, part in enumerate(parts):
            in_folder[parts[:depth]].add(part)
    alike = {folder: Counter(map(folded, parts)) for folder, parts in in_folder.items()}

    def shown(parts: tuple[str, ...], depth: int) -> str:
        part = parts[depth]
        stem, ending = (part[: -len(_ENDING)], _ENDING) if depth == len(parts) - 1 else (part, "")
        return part if alike[parts[:depth]][folded(part)] == 1 else f"{stem}~{_mark(stem)}{ending}"

    return {home: "/".join(shown(parts, depth) for depth in range(len(parts))) for home, parts in safe.items()}


def _safe(home: Home) -> Iterator[str]:
    """The parts of a path, before those that differ in case alone are told apart."""
    first = home[0]
    if first == DATABASE:
        yield _DATABASE_FOLDER
    elif folded(first) == _DATABASE_FOLDER:
        yield f"%{ord('_'):02X}{_encode(first[1:])}"
    else:
        yield _encode(first)
    yield from map(_encode, home[1:-1])
    yield _encode(home[-1]) + _ENDING


def _encode(name: str) -> str:
    """One name as a part of a path. One-to-one, but for the marked end of a long one."""
    text = "".join(
        _percent(sign) if sign in _UNSAFE or not sign.isprintable() or (at == 0 and sign in _UNSAFE_FIRST) else sign
        for at, sign in enumerate(name)
    )
    raw = text.encode()
    if len(raw) <= _NAME_BYTES_MAX:
        return text or "%"
    return raw[:_NAME_BYTES_MAX].decode(errors="ignore").rstrip("%") + f"~{_mark(name)}"


def _percent(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode())


def _mark(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]
