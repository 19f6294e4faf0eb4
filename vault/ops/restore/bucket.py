"""Bring a captured directory back into a bucket, as `files` does into a directory: what is missing comes, what is equal is left
alone, what differs is left and told, or replaced when asked for. Several objects at a time; each is whole or not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from vault.errors import Incoherent, PermissionMissing, SourceError, UnsafeError
from vault.model import FileItem, FileType, Missing, State
from vault.model.files import path_text
from vault.ops.restore.files import RestoredDirectory
from vault.ops.restore.standing_paths import EQUAL, MISSING, Differing, Standing, same_bytes
from vault.ports import Progress, SourceFile
from vault.ports_of_buckets import BucketSource, BucketTarget
from vault.repo.snapshot import Snapshot
from vault.repo.workers import ordered

_THREADS: Final = 6
"""Each holds at most three parts of an object in memory."""
_AHEAD: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketMerging:
    """`there`: the target as it is read; `replace` what differs."""

    there: BucketSource
    replace: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """`state` of the object in the target, or None; the others are known when it is done.

    written  it came, if perhaps without some attributes
    told     in what it is not as in the snapshot
    denied   why it may not be written
    """

    item: FileItem
    state: SourceFile | None = None
    standing: str = MISSING
    written: bool = False
    told: Missing | None = None
    denied: PermissionMissing | None = None


def compare_bucket(snapshot: Snapshot, name: str, there: BucketSource) -> Standing:
    """How the objects stand in a bucket that is there. Raises  NotThere; IntegrityError; SourceError; Unreachable"""
    missing = equal = 0
    differing: list[Differing] = []

    def look(step: _Step) -> _Step:
        return replace(step, standing=_standing(snapshot, step, there))

    for step in _each(look, _steps(snapshot, name, there), cancel=there.cancel):
        missing += step.standing == MISSING
        equal += step.standing == EQUAL
        if step.standing not in (MISSING, EQUAL):
            differing.append(Differing(path=path_text(step.item.path), why=step.standing))
    return Standing(missing=missing, equal=equal, differing=tuple(differing))


def restore_bucket(
    snapshot: Snapshot, name: str, target: BucketTarget, *, progress: Progress, merging: BucketMerging | None = None
) -> RestoredDirectory:
    """Write every file of directory `name` as an object; with `merging` only those that it says.

    Raises  NotThere: the snapshot has no such directory; PermissionMissing: for every object; CredentialsRefused; Unreachable; IntegrityError
    """
    listed = snapshot.directory(name)
    progress.stage(f"files of {name}", listed.sums.bytes)
    there = None if merging is None else merging.there
    may_replace = merging is not None and merging.replace

    def bring(step: _Step) -> _Step:
        standing = MISSING if there is None else _standing(snapshot, step, there)
        if standing == MISSING or (may_replace and standing != EQUAL):
            return _write(snapshot, step, target, replacing=standing != MISSING, progress=progress)
        return replace(step, standing=standing)

    done = _Done()
    for step in _each(bring, _steps(snapshot, name, there), cancel=target.cancel):
        done.add(step)
        if step.denied is not None and len(done.told) >= _AHEAD:
            done.require_any()
    done.require_any()
    return RestoredDirectory(
        files=done.files,
        size=done.size,
        paths=tuple(done.paths),
        changed=tuple(done.told),
        equal=done.equal,
        left=tuple(done.left),
    )


class _Done:
    def __init__(self) -> None:
        self.files = self.size = self.equal = 0
        self.paths: list[bytes] = []
        self.left: list[Differing] = []
        self.told: list[Missing] = []
        self._denied: PermissionMissing | None = None

    def add(self, step: _Step) -> None:
        self.paths.append(step.item.path)
        self._denied = self._denied or step.denied
        if step.told is not None:
            self.told.append(step.told)
        if step.written:
            self.files += 1
            self.size += step.item.size
        elif step.standing == EQUAL:
            self.equal += 1
        elif step.standing != MISSING:
            self.left.append(Differing(path=path_text(step.item.path), why=step.standing))

    def require_any(self) -> None:
        """Raises  PermissionMissing: nothing may be written, so that it is not for one object"""
        if self._denied is not None and self.files == 0:
            raise self._denied


def _steps(snapshot: Snapshot, name: str, there: BucketSource | None) -> Iterator[_Step]:
    """Directories are left out: in a bucket they are beginnings of keys."""
    for item in snapshot.files(name):
        if item.type is FileType.DIRECTORY:
            continue
        state = None if there is None else there.state(item.path, stamped=item.stamp is not None)
        yield _Step(item=item, state=state)


def _each(work: Callable[[_Step], _Step], steps: Iterator[_Step], *, cancel: Callable[[], None]) -> Iterator[_Step]:
    done = ordered(work, steps, threads=_THREADS, ahead=_AHEAD, cancel=cancel)
    with closing(done):
        yield from done


def _write(snapshot: Snapshot, step: _Step, target: BucketTarget, *, replacing: bool, progress: Progress) -> _Step:
    """What one object is refused keeps no other one back. Raises  CredentialsRefused; Unreachable; IntegrityError"""
    item, step = step.item, replace(step, standing=MISSING)
    if item.type is FileType.SYMLINK:
        why, fix = "a bucket has no links", "restore to a directory"
        return replace(step, told=_told(item, why, state=State.NOT_EXPORTABLE, fix=fix))

    def blocks() -> Iterator[bytes]:
        for block in snapshot.file_blocks(item):
            progress.advance(len(block))
            yield block

    try:
        lost = target.write_object(item.path, blocks(), stamp=item.stamp, replace=replacing)
    except (SourceError, UnsafeError) as error:
        denied = error if isinstance(error, PermissionMissing) else None
        state = State.FAILED if denied is None else State.NOT_PERMITTED
        fix = error.hint or "look at what is there"
        told = _told(item, f"{error.message}: {error.why}", state=state, fix=fix)
        return replace(step, told=told, denied=denied)
    if not lost:
        return replace(step, written=True)
    why = f"it is there without the attributes {', '.join(map(ascii, lost))}: this bucket cannot have them"
    told = _told(item, why, state=State.NOT_EXPORTABLE, fix="set them by the means of the storage")
    return replace(step, written=True, told=told)


def _told(item: FileItem, why: str, *, state: State, fix: str) -> Missing:
    return Missing(item=path_text(item.path), state=state, why=why, fix=fix)


def _standing(snapshot: Snapshot, step: _Step, there: BucketSource) -> str:
    """As `standing_paths.standing`. What the store says is the object of then is equal without being read (88-files)."""
    item, state = step.item, step.state
    if state is None or item.type is not FileType.FILE:
        return MISSING
    if state.size != item.size:
        return f"other content there, {state.size} bytes for {item.size}"
    if _is_of_then(item, state):
        return EQUAL
    try:
        fetched = there.fetch(state)
        if fetched.file.problem is not None:
            return f"what is there cannot be read: {fetched.file.problem.why}"
        if not same_bytes(snapshot.file_blocks(item), fetched.blocks):
            return "other content there, of the same length"
    except Incoherent as error:
        return f"what is there cannot be read: {error.why}"
    return _attributes(item, fetched.file)


def _is_of_then(item: FileItem, state: SourceFile) -> bool:
    if item.stamp is None or state.stamp is None or item.racy:
        return False
    return (item.stamp.etag, item.mtime_ns) == (state.stamp.etag, state.mtime_ns)


def _attributes(item: FileItem, there: SourceFile) -> str:
    if item.stamp is None or there.stamp is None:
        return EQUAL
    wanted, found = dict(item.stamp.attributes), dict(there.stamp.attributes)
    names = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    return f"other attributes there: {', '.join(names)}" if names else EQUAL
