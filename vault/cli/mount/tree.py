"""Which paths the file system has: every snapshot's tree under `ids/` and, by the time at which it was taken, under `snapshots/`.

`latest` is a link to the newest. With several sources each has a folder in `snapshots/`, with a `latest` of its own. `ids/` lists ids with 12
digits and takes any prefix that is long enough. Nothing is read before it is looked at; snapshots that come or go while it is mounted
are seen, but one that was looked into stays. Knows nothing of FUSE. Memory: the manifests, and the names of a few snapshots' trees.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.errors import NotThere
from vault.ids import SnapshotId
from vault.ops.project.components import Selectors
from vault.ops.view.extract import entry_name
from vault.ops.view.paths import encode_name
from vault.ops.view.tree import View, ViewEntry
from vault.repo.lineage import calendar
from vault.repo.snapshot import Snapshot

IDS: Final = "ids"
SNAPSHOTS: Final = "snapshots"
LATEST: Final = "latest"
_SHOWN_DIGITS: Final = 12
_PREFIX_DIGITS_MIN: Final = 6
_VIEWS_MAX: Final = 16
_FRESH_MS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PathNode:
    """A path. `view` and `entry` are set below a snapshot; `target` is that of a link; `mtime_ns` of what has no entry."""

    kind: str
    mtime_ns: int
    view: View | None = None
    snapshot: Snapshot | None = None
    entry: ViewEntry | None = None
    target: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """Folder -> name in it -> snapshot, another folder (None), or where a link points to."""

    folders: Mapping[str, Mapping[str, Snapshot | str | None]]
    by_id: Mapping[str, Snapshot]
    read_ms: int


@dataclass(slots=True)
class Tree:
    """`load` lists the snapshots, oldest first; `hold` keeps one, whatever is forgotten and pruned from then on. Thread-safe."""

    load: Callable[[], Sequence[Snapshot]]
    hold: Callable[[Snapshot], None]
    selectors: Callable[[str], Selectors]
    now_ms: Callable[[], int]
    _listing: _Listing | None = None
    _held: dict[SnapshotId, Snapshot] = field(default_factory=dict)
    _views: OrderedDict[SnapshotId, View] = field(default_factory=OrderedDict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def node(self, path: str) -> PathNode:
        """`path` begins with a slash, `/` is the root. Raises  NotThere; as `View.entry`"""
        parts = [part for part in path.split("/") if part]
        listing = self._listed()
        folder, depth = "", 0
        for depth, name in enumerate(parts, 1):
            found = self._in(listing, folder, name)
            if isinstance(found, Snapshot):
                return self._below(found, "/".join(parts[depth:]))
            if isinstance(found, str):
                if depth < len(parts):
                    raise NotThere(f"no {path}")
                return PathNode(kind="symlink", mtime_ns=listing.read_ms * 1_000_000, target=found.encode())
            folder = f"{folder}/{name}" if folder else name
        return PathNode(kind="directory", mtime_ns=listing.read_ms * 1_000_000)

    def names(self, path: str) -> Iterator[tuple[bytes, str]]:
        """(name, kind) of what is in a directory. Raises  NotThere"""
        node = self.node(path)
        if node.view is not None:
            yield from self._names_below(node)
            return
        folder = "/".join(part for part in path.split("/") if part)
        for name, found in self._listed().folders.get(folder, {}).items():
            yield name.encode(), "symlink" if isinstance(found, str) else "directory"

    def _in(self, listing: _Listing, folder: str, name: str) -> Snapshot | str | None:
        """Raises  NotThere"""
        within = listing.folders.get(folder, {})
        if name in within:
            return within[name]
        if folder == IDS and len(name) >= _PREFIX_DIGITS_MIN:
            matches = [snapshot for text, snapshot in listing.by_id.items() if text.startswith(name)]
            if len(matches) == 1:
                return matches[0]
        raise NotThere(f"no {folder}/{name}")

    def _below(self, snapshot: Snapshot, inner: str) -> PathNode:
        view = self._view(snapshot)
        taken_ns = snapshot.manifest.created_ms * 1_000_000
        if not inner:
            return PathNode(kind="directory", mtime_ns=taken_ns, view=view, snapshot=snapshot)
        self._keep(snapshot)
        entry = view.find(shown_path(inner, snapshot))
        if entry is None:
            raise NotThere(f"no {inner}")
        target = entry.item.target if entry.item is not None else b""
        return PathNode(
            kind=entry.kind, mtime_ns=entry.mtime_ns, view=view, snapshot=snapshot, entry=entry, target=target
        )

    def _names_below(self, node: PathNode) -> Iterator[tuple[bytes, str]]:
        assert node.view is not None, "the caller has looked"
        assert node.snapshot is not None, "its view is of one"
        self._keep(node.snapshot)
        above = "" if node.entry is None else node.entry.path
        for entry in node.view.ls(above):
            yield entry_name(entry).rpartition(b"/")[2], entry.kind

    def _keep(self, snapshot: Snapshot) -> None:
        """It is looked into, not only listed."""
        with self._lock:
            if snapshot.id not in self._held:
                self.hold(snapshot)
                self._held[snapshot.id] = snapshot

    def _view(self, snapshot: Snapshot) -> View:
        with self._lock:
            view = self._views.get(snapshot.id)
            if view is None:
                view = self._views[snapshot.id] = View(snapshot, self.selectors(snapshot.manifest.source))
                while len(self._views) > _VIEWS_MAX:
                    self._views.popitem(last=False)
            self._views.move_to_end(snapshot.id)
            return view

    def _listed(self) -> _Listing:
        with self._lock:
            now_ms = self.now_ms()
            if self._listing is None or not 0 <= now_ms - self._listing.read_ms < _FRESH_MS:
                self._listing = _read_listing(self._shown(), now_ms)
            return self._listing

    def _shown(self) -> Sequence[Snapshot]:
        there = {snapshot.id: snapshot for snapshot in self.load()}
        forgotten = [snapshot for snapshot_id, snapshot in self._held.items() if snapshot_id not in there]
        return (
            sorted((*there.values(), *forgotten), key=lambda one: one.manifest.created_ms)
            if forgotten
            else [*there.values()]
        )


def _read_listing(snapshots: Sequence[Snapshot], now_ms: int) -> _Listing:
    by_source: dict[str, list[Snapshot]] = {}
    for snapshot in snapshots:
        by_source.setdefault(snapshot.manifest.source, []).append(snapshot)
    folders: dict[str, dict[str, Snapshot | str | None]] = {"": {IDS: None, SNAPSHOTS: None}}
    folders[IDS] = {snapshot.id.hex()[:_SHOWN_DIGITS]: snapshot for snapshot in snapshots}
    if len(by_source) == 1:
        (own,) = by_source.values()
        folders[SNAPSHOTS] = dict(_by_time(own))
        folders[""][LATEST] = f"{SNAPSHOTS}/{list(folders[SNAPSHOTS])[-1]}"
    else:
        folders[SNAPSHOTS] = {encode_name(source): None for source in by_source}
        for source, own in by_source.items():
            times: dict[str, Snapshot | str | None] = dict(_by_time(own))
            times[LATEST] = list(times)[-1]
            folders[f"{SNAPSHOTS}/{encode_name(source)}"] = times
    by_id = {snapshot.id.hex(): snapshot for snapshot in snapshots}
    return _Listing(folders=folders, by_id=by_id, read_ms=now_ms)


def _by_time(snapshots: Sequence[Snapshot]) -> Iterator[tuple[str, Snapshot]]:
    """In UTC, to the second; those of one second have their ids behind it."""
    times = [calendar(snapshot.manifest.created_ms).strftime("%Y-%m-%d_%H-%M-%S") for snapshot in snapshots]
    several = Counter(times)
    for time, snapshot in zip(times, snapshots, strict=True):
        yield time if several[time] == 1 else f"{time}_{snapshot.id.hex()[:_SHOWN_DIGITS]}", snapshot


def shown_path(inner: str, snapshot: Snapshot) -> str:
    """A path below a snapshot as the view takes it: in a captured directory names are bytes, and `%` is no escape."""
    top, slash, below = inner.partition("/")
    if not slash or top not in snapshot.manifest.directories:
        return inner
    return top + slash + below.replace("%", "%25")
