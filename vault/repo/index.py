"""Where objects are: the live fragments of a repository as sorted runs, and the packs that are really there.

Readers look up here; a writer also adds what it has just published. A fragment that cannot be read is remembered as damage and the
rest still counts. Spec 50-index.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path

from vault.crypto.keys import Keys
from vault.errors import IntegrityError, MissingObject, NotFound
from vault.format.index import Fragment, parse_fragment_name
from vault.format.pack import parse_pack_name
from vault.ids import FragmentId, ObjectId, PackId
from vault.limits import DELTA_DEPTH_MAX
from vault.model import Location
from vault.ports import ObjectStore, StoredFile
from vault.repo import runs
from vault.repo.fragments import FragmentReader, named_fragments
from vault.repo.glance import Glance, listed
from vault.repo.run_cache import RunCache
from vault.repo.runs import MERGED, Link, Run, name_of
from vault.repo.workers import both

_LISTINGS_MAX = 5
"""A listing that names what is gone this often is no race with a prune: it lies, or it is a cache."""
_VAIN_LOADS_MAX = 16
"""Of loads, one after the other, that were to find a place of an object; as many when one changed nothing."""
_RUNS_MAX = 16
"""More small runs than this are merged in the cache: a look-up bisects every run."""
ANY_DEPTH = DELTA_DEPTH_MAX + 1
"""Below this is every place that a fragment may tell of."""


Listed = tuple[Iterable[StoredFile], Iterable[StoredFile]]
"""Files of index/ and of packs/."""
Listing = Callable[[ObjectStore], Listed]


class Index:
    """Open it with `Index.open`. Thread-safe."""

    def __init__(
        self,
        live: list[Run],
        sizes: dict[PackId, int],
        damage: list[IntegrityError],
        generation: int,
        *,
        reopen: Callable[[], Index],
        cache: RunCache,
    ) -> None:
        self._cache = cache
        self._runs = live
        self._reopen = reopen
        self._reloading = threading.Lock()
        self._added: list[Run] = []
        self.loads = 0
        self._listed = self.fragments(), hash(frozenset(sizes.items()))
        self._vain_loads = 0
        self._failed: dict[ObjectId, dict[Location, IntegrityError]] = {}
        self._lock = threading.Lock()
        self.pack_sizes = sizes
        self.damage = damage
        self.generation = generation
        self._swept: frozenset[PackId] = frozenset()

    @classmethod
    def open(
        cls, store: ObjectStore, keys: Keys, *, cache_dir: Path | None, listing: Listing | None = None, threads: int
    ) -> Index:
        """List packs and fragments, and load every live fragment, from the cache where it is intact there.

        A listed fragment that is gone was merged into one that the listing did not have yet: both are listed again (LEASE-8).

        listing  how fragments and packs are listed; None: as a writer has to
        """
        cache = RunCache(cache_dir)
        held: dict[FragmentId, Run] = {}
        for _ in range(_LISTINGS_MAX):
            fragments, packs = (listing or fragments_then_packs)(store)
            sizes, (names, generation) = _pack_sizes(packs), named_fragments(fragments)
            loaded, damage, gone = _load(FragmentReader(store, keys, threads), names, cache, held=held)
            if not gone:
                break
        damage += [MissingObject("index fragment is gone", why="each listing names it", file=name) for name in gone]
        superseded = {old for run in loaded for old in run.supersedes}
        if any(0 < len(superseded.intersection(run.covers)) < len(run.covers) for run in loaded):
            # A merged run that is superseded in part would bring back entries that were dropped on purpose.
            for name in cache.names(MERGED):
                cache.remove(name)
            loaded, damage, _ = _load(FragmentReader(store, keys, threads), names, cache, held=held)
        live = [run for run in loaded if not superseded.issuperset(run.covers)]
        damage = [error for error in damage if _fragment_id(error.file) not in superseded]
        live = _merge_small(live, cache)
        for run in live:
            run.restrict(sizes)
        return cls(
            live,
            sizes,
            damage,
            generation,
            reopen=partial(cls.open, store, keys, cache_dir=cache_dir, listing=packs_then_fragments, threads=threads),
            cache=cache,
        )

    def reload(self, seen: int, *, gone: PackId | None) -> bool:
        """List fragments and packs again: a prune may have copied what is wanted into another pack, and deleted the old one.

        seen     `loads` as it was before the look-up that failed
        gone     a pack that was listed and is not there; None: an object has no place at all. That a load can be wrong about when prunes
                 follow each other closely, so it is done again until one finds what the one before it had
        Returns  whether to look again; after a pack that is gone always
        """
        with self._reloading:
            if self.loads != seen:
                return True  # another thread did
            if gone is None and self._vain_loads >= _VAIN_LOADS_MAX:
                return False
            fresh = self._reopen()
            if gone is not None:
                fresh.pack_sizes.pop(gone, None)  # a late listing may still have it
                self._vain_loads = 0
            elif fresh._listed == self._listed:
                self._vain_loads = _VAIN_LOADS_MAX
                return False
            else:
                self._vain_loads += 1
            self._listed = fresh._listed
            with self._lock:
                known = fresh.fragments()
                live = [*fresh.runs, *(run for run in self._added if not known.issuperset(run.covers))]
                for run in live:
                    run.restrict(fresh.pack_sizes)
                self._runs, self.pack_sizes, self.damage = live, fresh.pack_sizes, fresh.damage
                self.generation = max(self.generation, fresh.generation)
                self.loads += 1
            return True

    @property
    def runs(self) -> tuple[Run, ...]:
        return tuple(self._runs)

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def locations(self, object_id: ObjectId) -> list[Location]:
        """Usable locations, shallowest first; several if the object was stored more than once."""
        return [link.run.location(link) for link in self._links(object_id)]

    def _links(self, object_id: ObjectId) -> list[Link]:
        links = [link for run in self._runs for link in run.links(object_id)]
        failed = self._failed.get(object_id)
        if failed:
            links = [link for link in links if link.run.location(link) not in failed]
        links.sort(key=lambda link: link.depth)
        return links

    def __contains__(self, object_id: ObjectId) -> bool:
        return bool(self._links(object_id))

    def chain(self, object_id: ObjectId) -> list[Location]:
        """The shallowest location that can be read, then that of its base, down to a whole one (OBJ-10); empty if none can."""
        return [link.run.location(link) for link in self._chain(object_id, ANY_DEPTH, set())]

    def chain_head(self, object_id: ObjectId) -> Location | None:
        """The first of `chain`."""
        links = self._chain(object_id, ANY_DEPTH, set())
        return links[0].run.location(links[0]) if links else None

    def is_orphan(self, base: ObjectId, *, depth: int) -> bool:
        """Whether nothing that is there tells of the base of a delta of that depth, or of a base below it: it was pruned, or is lost.

        A place that is there and damaged, or too deep, is another matter: then the delta cannot be read for that reason.
        """
        return self._is_orphan(base, depth, set())

    def _is_orphan(self, base: ObjectId, depth: int, orphans: set[tuple[ObjectId, int]]) -> bool:
        """`orphans`: those that were found; where all of a chain is there twice, there are 2 ** depth ways down."""
        if (base, depth) not in orphans:
            for link in [link for run in tuple(self._runs) for link in run.links(base)]:
                if link.base is None or link.depth >= depth or not self._is_orphan(link.base, link.depth, orphans):
                    return False
            orphans.add((base, depth))
        return True

    def head_and_packs(self, object_id: ObjectId) -> tuple[Location, list[PackId]] | None:
        """The first of `chain`, and the packs of all of it."""
        links = self._chain(object_id, ANY_DEPTH, set())
        return (links[0].run.location(links[0]), [link.run.pack_of(link) for link in links]) if links else None

    def packs_of(self, object_id: ObjectId) -> list[PackId]:
        """Of its usable locations."""
        return [link.run.pack_of(link) for link in self._links(object_id)]

    def fragments(self) -> frozenset[FragmentId]:
        """Those that count, each readable."""
        return frozenset(cover for run in tuple(self._runs) for cover in run.covers)

    def superseded(self) -> frozenset[FragmentId]:
        """Those that a readable one takes the place of; they may still be there, and readable or not."""
        return frozenset(old for run in tuple(self._runs) for old in run.supersedes)

    def sweep(self, packs: Iterable[PackId]) -> None:
        """Packs that somebody has announced to delete: from now on a writer relies on none of them (LEASE-10); readers still read them."""
        with self._lock:
            self._swept = self._swept.union(packs)

    @property
    def swept(self) -> frozenset[PackId]:
        """All that `sweep` was told."""
        return self._swept

    def lasting_chain(self, object_id: ObjectId) -> list[Location]:
        """As `chain`, outside of swept packs: what a new snapshot may rely on."""
        return [link.run.location(link) for link in self._lasting(object_id)]

    def lasting_packs(self, object_id: ObjectId) -> list[PackId]:
        """The packs of `lasting_chain`."""
        return [link.run.pack_of(link) for link in self._lasting(object_id)]

    def _lasting(self, object_id: ObjectId) -> list[Link]:
        return self._chain(object_id, ANY_DEPTH, set(), self._swept)

    def _chain(
        self,
        object_id: ObjectId,
        below: int,
        dead: set[tuple[ObjectId, int]],
        swept: frozenset[PackId] = frozenset(),
    ) -> list[Link]:
        if (object_id, below) in dead:
            return []
        for link in self._links(object_id):
            if link.depth >= below:
                break
            if swept and link.run.pack_of(link) in swept:
                continue
            if link.base is None:
                return [link]
            rest = self._chain(link.base, link.depth, dead, swept)
            if rest and rest[0].type == link.type:
                return [link, *rest]
        dead.add((object_id, below))
        return []

    def distrust(self, object_id: ObjectId, place: Location, error: IntegrityError) -> None:
        """Count a location that failed as not there: it is not read again, and a writer stores the object anew."""
        with self._lock:
            failed = self._failed.get(object_id, {})
            self._failed[object_id] = {**failed, place: error.with_traceback(None)}

    def failure(self, object_id: ObjectId) -> IntegrityError | None:
        """Why the last location that was distrusted failed."""
        failed = self._failed.get(object_id)
        return None if failed is None else list(failed.values())[-1]

    def failures(self) -> list[tuple[Location, IntegrityError]]:
        """Every place that was distrusted, and why."""
        return [pair for failed in tuple(self._failed.values()) for pair in failed.items()]

    def distrusted(self, object_id: ObjectId) -> Collection[Location]:
        """Places of the object that failed."""
        return self._failed.get(object_id, {})

    def gone_from(self, object_id: ObjectId) -> PackId | None:
        """A pack that should hold the object or a base of it, and that the store does not have in the size that is known."""
        wanted: ObjectId | None = object_id
        below = ANY_DEPTH
        while wanted is not None:
            for run in tuple(self._runs):
                for pack in run.gone_from(wanted):
                    return pack
            known = (place for run in tuple(self._runs) for place in run.locations(wanted))
            place = next((place for place in known if 0 < place.record.depth < below), None)
            wanted, below = (None, 0) if place is None else (place.record.base, place.record.depth)
        return None

    def in_pack(self, pack: PackId, *, usable: bool = True) -> Iterator[Location]:
        """Everything that should be in one pack, by looking at every entry. `usable`: only if it is there in the size that is known."""
        return (place for run in tuple(self._runs) for place in run.in_pack(pack, usable=usable))

    def add(self, fragment: Fragment, fragment_id: FragmentId) -> None:
        """Make a fragment that was just published visible; who opens the index next finds it in the cache."""
        run = self._cache.save(name_of([fragment_id]), partial(runs.from_fragment, fragment, fragment_id))
        with self._lock:
            self.pack_sizes.update({row.id: row.size for row in fragment.packs})
            self._runs = [*self._runs, run]
            self._added.append(run)

    def missing_packs(self) -> Iterator[tuple[PackId, int]]:
        """Packs that fragments name and the store does not have in a size that one of them tells."""
        return ((pack, size) for pack, size in self.packs() if self.pack_sizes.get(pack) != size)

    def packs(self) -> Iterator[tuple[PackId, int]]:
        """Every pack that fragments name, each once; of several sizes that they tell, the one that it has."""
        sizes: dict[PackId, int] = {}
        for run in tuple(self._runs):
            for row in run.packs():
                if row.id not in sizes or self.pack_sizes.get(row.id) == row.size:
                    sizes[row.id] = row.size
        return iter(sizes.items())


def fragments_then_packs(store: ObjectStore) -> Listed:
    """As a writer lists them (LEASE-10)."""
    fragments = tuple(store.list("index/"))
    return fragments, tuple(store.list("packs/"))


def packs_then_fragments(store: ObjectStore) -> Listed:
    """A pack that is not there had been copied by then, and a fragment told of the copy: what has no place now has none."""
    packs = tuple(store.list("packs/"))
    return tuple(store.list("index/")), packs


class Glancing:
    """The first time as a glance tells them, or both at once; then as a writer lists them."""

    def __init__(self, glance: Glance) -> None:
        self._glance: Glance | None = glance

    def __call__(self, store: ObjectStore) -> Listed:
        glance, self._glance = self._glance, None
        if glance is None:
            return fragments_then_packs(store)
        return both(lambda: listed(glance, store, "index/"), lambda: listed(glance, store, "packs/"))


def _pack_sizes(files: Iterable[StoredFile]) -> dict[PackId, int]:
    packs = ((parse_pack_name(stored.name), stored.size) for stored in files)
    return {pack: size for pack, size in packs if pack is not None}


def _load(
    fragments: FragmentReader, names: dict[FragmentId, str], cache: RunCache, *, held: dict[FragmentId, Run]
) -> tuple[list[Run], list[IntegrityError], list[str]]:
    """Runs, what is wrong with fragments that are there, and names of those that are not. `held`: those that an earlier try has read."""
    loaded: list[Run] = []
    damage: list[IntegrityError] = []
    gone: list[str] = []
    todo = dict(names)
    for name in cache.names(MERGED):
        run = cache.load(name)
        if run is not None and todo.keys() >= set(run.covers):
            loaded.append(run)
            for cover in run.covers:
                del todo[cover]
        else:
            cache.remove(name)
    unread: list[tuple[FragmentId, str]] = []
    for fragment_id, name in todo.items():
        run = held[fragment_id] if fragment_id in held else cache.load(name_of([fragment_id]))
        if run is None or run.covers != (fragment_id,):
            unread.append((fragment_id, name))
        else:
            held[fragment_id] = run
            loaded.append(run)
    for fragment_id, name, told in fragments.read(unread):
        if isinstance(told, NotFound):
            gone.append(name)
        elif isinstance(told, IntegrityError):
            told.file = name
            damage.append(told)
        else:
            held[fragment_id] = cache.save(name_of([fragment_id]), partial(runs.from_fragment, told, fragment_id))
            loaded.append(held[fragment_id])
    return loaded, damage, gone


def _fragment_id(name: str) -> FragmentId | None:
    parsed = parse_fragment_name(name)
    return None if parsed is None else parsed[1]


def _merge_small(live: list[Run], cache: RunCache) -> list[Run]:
    """The smallest runs become one, up to the first that is larger than twice all those before it: few are left, and an entry is
    copied a few times in its life."""
    if len(live) <= _RUNS_MAX:
        return live
    ascending = sorted(live, key=len)
    count, entries = 2, len(ascending[0]) + len(ascending[1])
    while count < len(ascending) and len(ascending[count]) <= 2 * entries:
        entries += len(ascending[count])
        count += 1
    small = ascending[:count]
    merged = cache.save(name_of([cover for run in small for cover in run.covers]), partial(runs.merge, small))
    for run in small:
        cache.remove(name_of(run.covers))
    return [merged, *ascending[count:]]
