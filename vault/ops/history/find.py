"""Where something is: files, tables, policies, functions and all other definitions, and roles, over all snapshots of their sources.

Of neighbours only what differs is read, so a node that several snapshots share is read once. What cannot be read is told and passed over,
never taken for gone. Memory: what was found, and what one snapshot changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vault.errors import IntegrityError
from vault.ids import ObjectId
from vault.model import FileItem, FileType, Identity
from vault.model.files import path_text
from vault.model.words import nearest
from vault.ops.history.names import DIRECTORY, FILE, LINK, ROLE, SETTING, Pattern, Thing, thing_of
from vault.ops.history.strands import Strand, is_part, of_databases, of_directories
from vault.ops.view.definitions.paths import DefinitionFiles
from vault.repo import differing
from vault.repo.snapshot import Snapshot

_FILES = {FileType.FILE: FILE, FileType.DIRECTORY: DIRECTORY, FileType.SYMLINK: LINK}
_PARTS = frozenset({"table column", "default value"})
"""Parts of a table that nobody names."""

Change = tuple[Thing, int]
"""How many more entries of a thing there are than in the snapshot before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundThing:
    """`count` of the source's snapshots have it, from `first` to `last`. `there`: the newest one that could have it does."""

    thing: Thing
    source: str
    first: Snapshot
    last: Snapshot
    count: int
    there: bool


@dataclass(slots=True, kw_only=True)
class FoundThings:
    """`found` by source, kind and name; `unread`: snapshots that could not be looked into, with the reason."""

    found: list[FoundThing] = field(default_factory=list)
    unread: list[tuple[Snapshot, IntegrityError]] = field(default_factory=list)


Fits = Callable[[Thing], bool]


def find(snapshots: Sequence[Snapshot], pattern: Pattern) -> FoundThings:
    """What the pattern fits in any of the snapshots (oldest first). Raises  StoreError"""
    return find_things(
        snapshots,
        pattern.fits,
        fits_path=pattern.fits_path,
        fits_file=pattern.fits_path if pattern.has_path else None,
    )


def near_name(snapshots: Sequence[Snapshot], text: str) -> str | None:
    """What the newest snapshots have that was meant by a name that nothing has, most likely; as `log` takes it. Raises  StoreError"""
    called: dict[str, str] = {}

    def collect(thing: Thing) -> bool:
        shown = str(thing)
        for name in (shown, ".".join(thing.names), *([] if "." in text else [thing.names[-1]])):
            called.setdefault(name, shown)
        return False

    def collect_path(path: str) -> bool:
        for name in (path, *([] if "/" in text else [path.rpartition("/")[2]])):
            called.setdefault(name, path)
        return False

    newest = {snapshot.manifest.source: snapshot for snapshot in snapshots}
    find_things([*newest.values()], collect, fits_path=collect_path)
    near = nearest(text, called)
    return None if near is None else called[near]


def find_things(
    snapshots: Sequence[Snapshot],
    fits: Fits,
    *,
    fits_path: Callable[[str], bool],
    fits_file: Callable[[str], bool] | None = None,
) -> FoundThings:
    """As `find`. `fits_path`: of a captured file, from its directory on; `fits_file`: of a file of the `schema/` folder, if that is asked"""
    sightings = _Sightings()
    for strand in of_databases(snapshots):
        of_entries = _by_file(fits_file) if fits_file is not None else _by_entry(fits)
        sightings.walk(strand, of_entries)
        sightings.walk(strand, _roles(fits))
    for (_, name), strand in of_directories(snapshots).items():
        sightings.walk(strand, _files(name, fits_path))
    return sightings.findings()


Changes = Callable[[Snapshot | None, Snapshot], Iterable[Change]]


class _Sightings:
    def __init__(self) -> None:
        self._seen: dict[tuple[str, Thing], FoundThing] = {}
        self._unread: dict[Snapshot, IntegrityError] = {}

    def walk(self, strand: Strand, changes: Changes) -> None:
        """Add what one strand has, from its oldest snapshot on."""
        counts: Counter[Thing] = Counter()
        since: dict[Thing, int] = {}
        read: list[Snapshot] = []
        for snapshot in strand:
            try:
                changed = list(changes(read[-1] if read else None, snapshot))
            except IntegrityError as error:
                self._unread.setdefault(snapshot, error)
                continue
            read.append(snapshot)
            for thing, more in changed:
                counts[thing] += more
            for thing in dict.fromkeys(thing for thing, _ in changed):
                if counts[thing] > 0:
                    since.setdefault(thing, len(read) - 1)
                elif thing in since:
                    self._add(thing, read[since.pop(thing) : -1], there=False)
        for thing, start in since.items():
            self._add(thing, read[start:], there=True)

    def _add(self, thing: Thing, run: Sequence[Snapshot], *, there: bool) -> None:
        """A run of snapshots that have it. Whether it is still there, those of the whole database say, if they know of it."""
        if not run:
            return
        key = run[0].manifest.source, thing
        before = self._seen.get(key)
        if before is None:
            self._seen[key] = FoundThing(
                thing=thing, source=key[0], first=run[0], last=run[-1], count=len(run), there=there
            )
            return
        later = run[-1].manifest.sequence >= before.last.manifest.sequence
        whole_knows = is_part(run[-1]) and not is_part(before.last)
        self._seen[key] = FoundThing(
            thing=thing,
            source=key[0],
            first=min(before.first, run[0], key=lambda one: one.manifest.sequence),
            last=run[-1] if later else before.last,
            count=before.count + len(run),
            there=before.there if whole_knows or not later else there,
        )

    def findings(self) -> FoundThings:
        ordered = sorted(self._seen.values(), key=lambda one: (one.source, one.thing))
        return FoundThings(found=ordered, unread=list(self._unread.items()))


def _by_entry(fits: Fits) -> Changes:
    def changes(before: Snapshot | None, after: Snapshot) -> Iterator[Change]:
        pairs = ((None, item) for item in after.entry_items()) if before is None else differing.entries(before, after)
        for was, now in pairs:
            item = now if was is None else was
            if item is not None and (was is None or now is None) and _is_named(item.identity):
                thing = thing_of(item.identity.address)
                if fits(thing):
                    yield thing, 1 if was is None else -1

    return changes


def _is_named(identity: Identity) -> bool:
    """Whether it is something that people name: no column, no default."""
    return bool(identity.kind) and identity.kind not in _PARTS and not identity.address.is_column


def _by_file(fits: Callable[[str], bool]) -> Changes:
    """Things whose file in `schema/` fits."""
    known: dict[ObjectId, Counter[Thing]] = {}

    def things(snapshot: Snapshot) -> Counter[Thing]:
        database = snapshot.manifest.database
        assert database is not None, "a strand of databases"
        if database.order not in known:
            files = DefinitionFiles(snapshot.order()).files
            items = (item for path, items in files.items() if fits(f"schema/{path}") for item in items)
            while len(known) > 1:
                known.pop(next(iter(known)))
            known[database.order] = Counter(
                thing_of(item.identity.address) for item in items if _is_named(item.identity)
            )
        return known[database.order]

    def changes(before: Snapshot | None, after: Snapshot) -> Iterator[Change]:
        was = Counter[Thing]() if before is None else things(before)
        now = things(after)
        yield from ((thing, now[thing] - was[thing]) for thing in {*was, *now} if now[thing] != was[thing])

    return changes


def _roles(fits: Fits) -> Changes:
    known: dict[ObjectId, set[Thing]] = {}

    def names(snapshot: Snapshot) -> set[Thing]:
        database = snapshot.manifest.database
        assert database is not None, "a strand of databases"
        if database.roles not in known:
            roles = snapshot.roles()
            things = [Thing(kind=ROLE, names=(role.name,)) for role in roles.roles]
            things += [Thing(kind=SETTING, names=(setting.name,)) for setting in roles.settings]
            known[database.roles] = {thing for thing in things if fits(thing)}
        return known[database.roles]

    def changes(before: Snapshot | None, after: Snapshot) -> Iterator[Change]:
        was = set[Thing]() if before is None else names(before)
        yield from ((thing, 1) for thing in names(after) - was)
        yield from ((thing, -1) for thing in was - names(after))

    return changes


def _files(directory: str, fits: Callable[[str], bool]) -> Changes:
    def thing(item: FileItem | None) -> Thing | None:
        if item is None or not fits(f"{directory}/{path_text(item.path)}"):
            return None
        return Thing(kind=_FILES[item.type], names=(path_text(item.path),), directory=directory)

    def changes(before: Snapshot | None, after: Snapshot) -> Iterator[Change]:
        pairs = (
            ((None, item) for item in after.files(directory))
            if before is None
            else differing.files(before, after, directory)
        )
        for was, now in pairs:
            old, new = thing(was), thing(now)
            if old != new:
                yield from ((one, more) for one, more in ((old, -1), (new, 1)) if one is not None)

    return changes
