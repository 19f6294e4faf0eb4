"""A repository's states as classes: Closed -> Open -> Indexed. What needs an index cannot be asked without one.

Closed has a store, Open has keys and can list snapshots, Indexed can read and write objects.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.errors import ContentMismatch, IntegrityError, LimitExceeded, Malformed, NotFound, NotThere, UsageError
from vault.format.snapshot import decode_manifest, parse_snapshot_name, snapshot_name
from vault.ids import PackId, SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, KeyBundle, Manifest, ObjectType, RepositoryConfig
from vault.model.words import nearest
from vault.ports import Clock, Entropy, ObjectStore, StoredFile
from vault.repo.dates import span_ms
from vault.repo.glance import Glance, listed
from vault.repo.index import Glancing, Index
from vault.repo.keyring import unlock, unlock_with_kit, unseal_file
from vault.repo.lineage import Known, in_order, tag_words
from vault.repo.manifests import ManifestCache
from vault.repo.meta_packs import MetaPacks
from vault.repo.reader import Reader
from vault.repo.snapshot import Snapshot
from vault.repo.uncollected import uncollected
from vault.repo.uploads import begin
from vault.repo.workers import FETCH_THREADS, fetched
from vault.repo.writer import Writer

_PREFIX = re.compile(r"[0-9a-f]{6,64}")
_SHORT = re.compile(r"[0-9a-f]{1,5}")
_LATEST = re.compile(r"latest(?:~([0-9]{1,6}))?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?Z?)?")


_LIST_THEM = "list them with: pgvault snapshots"


class Closed:
    """A store that may hold a repository."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def open(self, passphrase: str) -> Open:
        """Raises  NoRepository, WrongPassphrase, IntegrityError, StoreError"""
        return Open(self.store, *unlock(self.store, passphrase))

    def open_with_kit(self, text: str) -> Open:
        """Raises  as `open`, and Malformed: the text is no intact recovery kit"""
        return Open(self.store, *unlock_with_kit(self.store, text))


class Open:
    """A repository whose keys are known."""

    def __init__(
        self,
        store: ObjectStore,
        config: RepositoryConfig,
        keys: Keys,
        bundle: KeyBundle,
        *,
        cache_dir: Path | None = None,
        glance: Glance | None = None,
        copies: bool = False,
    ) -> None:
        """`cache_dir` is private to this program; None decodes every manifest anew.

        copies  packs of metadata that earlier runs kept will do; False for whoever must see what the store holds
        glance  what was listed when the repository was opened, where each request is a round trip; None: listings cost nothing
        """
        self.store = store
        self.config = config
        self.keys = keys
        self.bundle = bundle
        self.fetch_threads = 1 if glance is None else FETCH_THREADS
        self.own_cache = own = None if cache_dir is None else cache_dir / config.repository.hex()
        self._manifests = ManifestCache(own, keys, config.repository)
        self.meta_packs = (
            None if glance is None else MetaPacks(store, own / "packs" if own is not None and copies else None)
        )
        self._glance = self._index_glance = glance
        self._all_known = False
        self._whole: set[SnapshotId] = set()

    def snapshots(self, *, at_opening: bool = False) -> list[tuple[SnapshotId, Manifest]]:
        """Every readable snapshot, oldest first. `at_opening`: as `listing`"""
        return self.listing(at_opening=at_opening)[0]

    def listing(self, *, at_opening: bool = False) -> tuple[list[tuple[SnapshotId, Manifest]], list[IntegrityError]]:
        """Every readable snapshot, oldest first (`lineage.in_order`), and what is wrong with the others.

        at_opening  those that were listed when the repository was opened will do; only the first who asks has them so
        """
        readable: list[tuple[SnapshotId, Manifest]] = []
        damaged: list[IntegrityError] = []
        with uncollected(), closing(self.scan(at_opening=at_opening)) as scanned:
            for snapshot_id, manifest in scanned:
                if isinstance(manifest, IntegrityError):
                    damaged.append(manifest)
                else:
                    readable.append((snapshot_id, manifest))
        return in_order(readable), damaged

    def scan(
        self, *, read: bool = False, at_opening: bool = False
    ) -> Generator[tuple[SnapshotId, Manifest | IntegrityError], None, None]:
        """Every file under snapshots/, in no useful order, with what is wrong with it if it cannot be read.

        read  every file, also of which the cache tells what it said; at_opening: as `listing`
        """
        if not at_opening:
            self._glance = None  # what is listed from here on is newer
        found = {parse_snapshot_name(file.name): file for file in listed(self._glance, self.store, "snapshots/")}
        files = [(snapshot_id, file) for snapshot_id, file in found.items() if snapshot_id is not None]
        self._whole = set()
        wanted: list[tuple[SnapshotId, StoredFile]] = []
        for snapshot_id, file in files:
            known = None if read else self._manifests.get(snapshot_id, file.size)
            if known is None:
                wanted.append((snapshot_id, file))
            else:
                yield snapshot_id, known
        self._all_known = not wanted
        with fetched(self._fetch, wanted, threads=self.fetch_threads) as results:
            for (snapshot_id, file), told in zip(wanted, results, strict=True):
                try:
                    if told is not None:
                        yield snapshot_id, self._decoded(snapshot_id, file.size, told)
                except IntegrityError as error:
                    error.file = file.name
                    yield snapshot_id, error
        self._manifests.save(snapshot_id for snapshot_id, _ in files)

    def _fetch(self, wanted: tuple[SnapshotId, StoredFile]) -> bytes | IntegrityError | None:
        """A manifest's bytes, or what is wrong with them; None: forgotten between the listing and the reading."""
        try:
            if wanted[1].size > FILE_BYTES_MAX:
                raise LimitExceeded("snapshot file is too long")
            return self._manifest_bytes(wanted[0])
        except NotFound:
            return None
        except IntegrityError as error:
            return error

    def _decoded(self, snapshot_id: SnapshotId, size: int, told: bytes | IntegrityError) -> Manifest:
        if isinstance(told, IntegrityError):
            raise told
        self._whole.add(snapshot_id)
        manifest = self._manifests.get(snapshot_id, size)
        if manifest is None:
            manifest = decode_manifest(told)
            self._manifests.add(snapshot_id, size, manifest)
        return manifest

    def listed_at_opening(self, prefix: str) -> tuple[StoredFile, ...] | None:
        """Files that were listed together with the snapshots, to whoever asks first; None: somebody has to list them.

        Only if an earlier run knew each of those snapshots: then they were there before the listing began, and so was all that was
        put before them.
        """
        return self.glanced(prefix) if self._all_known else None

    def glanced(self, prefix: str) -> tuple[StoredFile, ...] | None:
        """As `listed_at_opening`, for who only shows them: whatever snapshots there are."""
        return None if self._glance is None else self._glance.take(prefix)

    def keep(self, snapshot_id: SnapshotId, size: int, manifest: Manifest) -> None:
        """Remember a snapshot that was just put, so that the next run need not read it."""
        self._manifests.add(snapshot_id, size, manifest)
        self._manifests.save(None)

    def manifest(self, snapshot_id: SnapshotId) -> Manifest:
        """From its file. Raises  NotFound; IntegrityError"""
        return decode_manifest(self._manifest_bytes(snapshot_id))

    def opens(self, snapshot_id: SnapshotId) -> bool:
        """Whether the snapshot's file is there and whole, whatever the cache tells of it: read since the snapshots were last listed."""
        if snapshot_id in self._whole:
            return True
        try:
            self._manifest_bytes(snapshot_id)
        except (NotFound, IntegrityError):
            return False
        self._whole.add(snapshot_id)
        return True

    def lists(self, snapshot_id: SnapshotId) -> bool:
        """Whether the snapshot's file is there now, whole or not."""
        name = snapshot_name(snapshot_id)
        return any(stored.name == name for stored in self.store.list(name))

    def _manifest_bytes(self, snapshot_id: SnapshotId) -> bytes:
        """Raises  NotFound; IntegrityError"""
        plain = unseal_file(self.store.get(snapshot_name(snapshot_id)), FileKind.SNAPSHOT, self.keys)
        if SnapshotId(keyed.object_id(self.keys.id_key, ObjectType.SNAPSHOT, plain)) != snapshot_id:
            raise ContentMismatch("snapshot has another content than its name", object_id=snapshot_id.hex())
        return plain

    def resolve(
        self,
        spec: str,
        source: str | None = None,
        *,
        here: Callable[[Collection[str]], Collection[str]] | None = None,
        certain: bool = False,
    ) -> SnapshotId:
        """The snapshot that `spec` names: exact tag value, `latest`, `latest~N`, a date (the newest of that time), an id prefix.

        source  restricts the choice to one source; here: of the sources there are, those that a word means, where an id means any
        Raises  NotThere; UsageError: ambiguous, also, where it must be `certain`, a time of several sources; Malformed: a damaged
        snapshot might be the one
        """
        every, damaged = self.listing(at_opening=True)
        known = [pair for pair in every if source is None or pair[1].source == source]
        if every and not known:
            raise no_such_source(every, source or "")
        of_words = known if here is None or source is not None or _is_id(spec, known) else _of_here(known, here)
        tagged = [snapshot_id for snapshot_id, manifest in of_words if spec in tag_words(manifest)]
        if tagged:
            return _single(tagged, spec)
        is_time = bool(_LATEST.fullmatch(spec) or _DATE.fullmatch(spec))
        if damaged and is_time:
            raise Malformed(
                f"which snapshot {spec} is cannot be told",
                why=f"{len(damaged)} damaged: {damaged[0].file}",
                hint="name one by its id, from: pgvault snapshots; and run: pgvault check",
                file=damaged[0].file,
            )
        if is_time:
            back, among = _among(spec, of_words)
            if certain:
                _require_one_source(spec, among)
            if back < len(among):
                return among[-1 - back][0]
        elif _PREFIX.fullmatch(spec):
            matches = [snapshot_id for snapshot_id, _ in known if snapshot_id.hex().startswith(spec)]
            hidden = [error for error in damaged if error.file.startswith(f"snapshots/{spec}")]
            if hidden:
                raise Malformed(
                    f"snapshot {spec} cannot be read" if not matches else f"which snapshot {spec} is cannot be told",
                    why=hidden[0].message,
                    hint="run: pgvault check",
                    file=hidden[0].file,
                )
            if matches:
                return _single(matches, spec)
        if here is not None and len(of_words) < len(known):
            raise _not_here(spec, known, of_words, here=here)
        raise NotThere(
            f"no snapshot {spec}",
            why=f"the repository has {len(known)}" + (f" of source {source}" if source else ""),
            hint=_meant(spec, known, of_words),
        )

    def indexed(self, cache_dir: Path | None, *, at_opening: bool = False) -> Indexed:
        """Load the index. `cache_dir` is private to this program; None keeps the index in memory.

        at_opening  for who only reads: what was listed when the repository was opened will do, in any order; what he does not find
                    there he looks for once more (LEASE-24)
        """
        own = None if cache_dir is None else cache_dir / self.config.repository.hex()
        glance, self._index_glance = self._index_glance if at_opening else None, None
        listing = None if glance is None else Glancing(glance)
        index = Index.open(self.store, self.keys, cache_dir=own, listing=listing, threads=self.fetch_threads)
        return Indexed(self, index)


class Indexed:
    """A repository whose objects can be found."""

    def __init__(self, opened: Open, index: Index) -> None:
        self.open = opened
        self.index = index

    def reader(self, *, threads: int = 2) -> Reader:
        return Reader(
            self.open.store,
            self.open.keys,
            self.index,
            repository=self.open.config.repository,
            threads=threads,
            meta=self.open.meta_packs,
        )

    def writer(
        self,
        *,
        entropy: Entropy,
        threads: int = 2,
        published: Callable[[frozenset[PackId]], None] | None = None,
        clock: Clock | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> Writer:
        """`published`: as `Writer` takes it; `clock`, `tell`: as `Uploads` takes them, where requests are round trips."""
        is_far, own = self.open.meta_packs is not None, self.open.own_cache
        return Writer(
            self.open.store,
            self.open.keys,
            self.index,
            reader=self.reader(),
            repository=self.open.config.repository,
            entropy=entropy,
            threads=threads,
            published=published,
            meta=self.open.meta_packs,
            outbox=begin(self.open.store, own, entropy=entropy, clock=clock, tell=tell) if is_far else None,
        )

    def snapshot(self, snapshot_id: SnapshotId, *, threads: int = 2) -> Snapshot:
        return self.known(snapshot_id, self.open.manifest(snapshot_id), threads=threads)

    def known(self, snapshot_id: SnapshotId, manifest: Manifest, *, threads: int = 2) -> Snapshot:
        """The snapshot whose manifest was read already."""
        return Snapshot(snapshot_id, manifest, self.reader(threads=threads))


def no_such_source(known: Iterable[Known], source: str) -> NotThere:
    names = _sources(known)
    near = nearest(source, names)
    return NotThere(
        f"no snapshot of source {source}",
        why=f"the repository has those of: {', '.join(names)}",
        hint=f"did you mean --source {near}?" if near else "name one of these with --source, or leave it out",
    )


def _is_id(spec: str, known: Iterable[Known]) -> bool:
    """Whether it can only be one, so that nothing here is asked what it means."""
    is_word = any(spec in tag_words(manifest) for _, manifest in known)
    return bool(_PREFIX.fullmatch(spec)) and not is_word


def _sources(known: Iterable[Known]) -> list[str]:
    return sorted({manifest.source for _, manifest in known})


def _of_here(known: Sequence[Known], here: Callable[[Collection[str]], Collection[str]]) -> list[Known]:
    meant = here(_sources(known))
    return [pair for pair in known if pair[1].source in meant]


def _among(spec: str, known: Sequence[Known]) -> tuple[int, Sequence[Known]]:
    """How far back, and among which, oldest first, `latest~N` or a date means. Raises  UsageError: no date"""
    if latest := _LATEST.fullmatch(spec):
        return int(latest.group(1) or 0), known
    start, end = span_ms(spec)
    return 0, [pair for pair in known if start <= pair[1].created_ms < end]


def _require_one_source(spec: str, among: Sequence[Known]) -> None:
    if len(names := _sources(among)) > 1:
        raise UsageError(
            f"{spec} of which source?",
            why=f"they are: {', '.join(names)}",
            hint=f"add --source {shlex.quote(names[0])}, or another of them, or name it by its id",
        )


def _not_here(
    spec: str, known: Sequence[Known], of_words: Sequence[Known], *, here: Callable[[Collection[str]], Collection[str]]
) -> NotThere:
    names, of_here = _sources(known), here(_sources(known))
    meant, others = ", ".join(sorted(of_here)), [name for name in names if name not in of_here]
    return NotThere(
        f"no snapshot {spec} of source {meant}",
        why=f"{meant} is meant here, and has {len(of_words)}; the repository has those of: {', '.join(names)}",
        hint=f"if another source is meant, add it: --source {shlex.quote(others[0])}"
        if others
        else "pgvault snapshots",
    )


def _meant(spec: str, known: Iterable[Known], of_words: Sequence[Known]) -> str:
    if of_words and _LATEST.fullmatch(spec):
        return f"the oldest is latest~{len(of_words) - 1}; they are listed by: pgvault snapshots"
    if _SHORT.fullmatch(spec):
        return "list them with: pgvault snapshots (an id needs 6 digits)"
    words = sorted({word for _, manifest in known for word in tag_words(manifest)})
    near = nearest(spec, ["latest", *words])
    return f"did you mean {near}? They are listed by: pgvault snapshots" if near and near != spec else _LIST_THEM


def _single(matches: list[SnapshotId], spec: str) -> SnapshotId:
    if len(matches) > 1:
        some = ", ".join(match.hex()[:12] for match in matches[:5])
        hint = "name one by its id" if not _PREFIX.fullmatch(spec) else "use more digits of the id"
        raise UsageError(f"{spec} names {len(matches)} snapshots", why=some, hint=hint)
    return matches[0]
