"""Check that a repository is whole: files, index, closure of every snapshot, and on request every byte.

Finds and names; repairs nothing; `record` writes down what was found. One damaged thing never hides another: each file and each node
is looked at on its own, and every damage is told with the tables, files and snapshots that it hits. A snapshot that was whole is not
walked again while all that a listing shows is as it was (`remembered`), unless data is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vault.errors import IntegrityError, Malformed, MissingObject, NoRepository
from vault.format.config import CONFIG_NAME
from vault.format.pack import pack_name
from vault.format.snapshot import snapshot_name
from vault.ids import ObjectId, PackId, SnapshotId
from vault.model import Manifest
from vault.ops.check import strays
from vault.ops.check.amount import Amount, chosen
from vault.ops.check.closure import Closure
from vault.ops.check.damages import Damage as Damage
from vault.ops.check.damages import Damages
from vault.ops.check.packs import PackReading
from vault.ops.check.remembered import ClosureMemory, DataRead
from vault.ops.repository.keys import list_slots
from vault.ports import Entropy, Progress
from vault.repo import checks
from vault.repo.fragments import damaged_fragments
from vault.repo.freshness import Heads
from vault.repo.keyring import verified_config
from vault.repo.records import forgotten
from vault.repo.state import Indexed
from vault.repo.workers import ordered


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPacks:
    """whole, damaged   packs of which every byte was read
    left             packs that were to be read, and were not: the time was over"""

    whole: frozenset[PackId] = frozenset()
    damaged: frozenset[PackId] = frozenset()
    objects: int = 0
    bytes: int = 0
    left: int = 0
    errors: tuple[IntegrityError, ...] = ()

    @classmethod
    def of(cls, reading: PackReading, read: Sequence[PackId], planned: int) -> ReadPacks:
        packs = {pack: reading.packs[pack] for pack in read}
        return cls(
            whole=frozenset(pack for pack, one in packs.items() if one.is_whole),
            damaged=frozenset(pack for pack, one in packs.items() if not one.is_whole),
            objects=sum(one.objects for one in packs.values()),
            bytes=sum(one.size for one in packs.values()),
            left=planned - len(packs),
            errors=tuple(error for one in packs.values() for error in one.damage),
        )


class ReadingBroken(Exception):
    """Ctrl-C before the end. `read`: packs that were, each to its end; `damage`: what was found beside."""

    def __init__(self, read: ReadPacks, damage: Sequence[Damage]) -> None:
        super().__init__("broken off")
        self.read = read
        self.damage = tuple(damage)

    @property
    def lines(self) -> tuple[str, ...]:
        found = [*map(_line, self.damage), *(f"{error.file}: {error.message}" for error in self.read.errors)]
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """notes        what is no damage and should be known
    remembered   of `snapshots`, those found whole earlier; remembered_since_ms: since when at the longest
    data_read_ms when this machine had last read all data before this check, None if it does not know of it
    read         what of the packs was read"""

    objects: int
    read_bytes: int
    damage: tuple[Damage, ...]
    snapshots: int
    notes: tuple[str, ...] = ()
    remembered: int = 0
    remembered_since_ms: int | None = None
    data_read_ms: int | None = None
    read: ReadPacks = ReadPacks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """What this program keeps outside of the repository, and the time. None: nothing is remembered."""

    cache_dir: Path | None = None
    state_dir: Path | None = None
    now_ms: int = 0


def run(
    repo: Indexed,
    *,
    read_data: Amount | None,
    entropy: Entropy,
    progress: Progress,
    own: Own = Own(),
    is_over: Callable[[], bool] = lambda: False,
    threads: int = 2,
) -> CheckReport:
    """Check everything; `read_data`: of the packs' bytes, which are read and opened then, None for none.

    is_over  asked before each pack: no more are read, and the rest of the check goes on
    Raises   StoreError: the store itself does not answer; ReadingBroken: by Ctrl-C, once the files were looked at
    """
    findings = Damages()
    _check_files(repo, findings)
    read = ReadPacks()
    if read_data is not None:
        read = _read_packs(
            repo, read_data, findings, entropy=entropy, progress=progress, is_over=is_over, threads=threads
        )
    progress.stage("snapshots")
    memory = ClosureMemory(repo, own.cache_dir, now_ms=own.now_ms)
    if read_data is None:
        memory.load()
    try:
        closure = Closure(repo, _lost(repo, findings), findings.add)
        whole = _check_snapshots(repo, closure, memory, findings)
        if read_data is not None and read_data.is_all and read.left == 0:
            for stray in strays.misnamed_packs(repo):
                findings.add(stray)
    except KeyboardInterrupt as stop:
        raise ReadingBroken(read, findings.all()) from stop
    gone = {
        item.id for _, record in forgotten(repo.open).found for item in record.snapshots
    }  # of the others `strays` tells
    _check_parents(repo, whole, gone, findings)
    memory.save(whole)
    notes = [*strays.remarks(repo, gone), *_check_heads(repo, own, whole, findings)]
    data = DataRead(repo, own.state_dir)
    data_read_ms = data.load()
    if read_data is not None and read_data.is_all and read.left == 0 and not findings.all():
        data.save(own.now_ms)
    return CheckReport(
        objects=read.objects or closure.objects + memory.objects,
        read_bytes=read.bytes,
        damage=findings.all(),
        snapshots=closure.snapshots + memory.used,
        notes=tuple(notes),
        remembered=memory.used,
        remembered_since_ms=memory.since_ms if memory.used else None,
        data_read_ms=data_read_ms,
        read=read,
    )


def _read_packs(
    repo: Indexed,
    amount: Amount,
    findings: Damages,
    *,
    entropy: Entropy,
    progress: Progress,
    is_over: Callable[[], bool],
    threads: int,
) -> ReadPacks:
    """Raises  ReadingBroken"""
    packs = list(repo.index.packs())
    last = None if amount.is_all and not amount.in_turn else checks.newest(repo.open)
    read_ms = {} if last is None else {pack.id: pack.read_ms for pack in last.packs}
    planned = chosen(packs, amount, read_ms, entropy)
    progress.stage("reading packs", sum(size for _, size in planned))
    reading = PackReading(repo, [pack for pack, _ in planned])
    planned = planned if amount.in_turn else reading.deltas_first(planned)
    begun: list[PackId] = []

    def until_over() -> Iterator[tuple[PackId, int]]:
        for pack in planned:
            if is_over():
                return
            begun.append(pack[0])
            yield pack

    done = 0
    try:
        for size in ordered(lambda pack: reading.read(*pack), until_over(), threads=threads, ahead=2 * threads):
            done += 1
            progress.advance(size)
        for _ in ordered(reading.finish, begun, threads=threads, ahead=threads):
            pass
    except KeyboardInterrupt as stop:
        broken = ReadPacks.of(reading, [pack for pack in begun[:done] if reading.packs[pack].is_finished], len(planned))
        raise ReadingBroken(broken, findings.all()) from stop
    read = ReadPacks.of(reading, begun, len(planned))
    for error in read.errors:
        findings.add(error)
    return read


def keep(repo: Indexed, broken: ReadingBroken, *, host: str, now_ms: int, entropy: Entropy) -> None:
    """Leave what was read and found before it was broken off: the next check begins with the rest. It is no check, and nothing is no record.

    Raises  StoreError: it cannot be written
    """
    if not broken.read.whole and not broken.lines:
        return
    checks.record(
        repo,
        host=host,
        now_ms=now_ms,
        objects=broken.read.objects,
        read_bytes=broken.read.bytes,
        damage=broken.lines,
        whole=broken.read.whole,
        damaged=broken.read.damaged,
        entropy=entropy,
        kind=checks.PART,
    )


def record(repo: Indexed, report: CheckReport, *, host: str, now_ms: int, entropy: Entropy) -> None:
    """Leave the result in the repository, for whoever asks when it was last looked at. Raises  StoreError: it cannot be written"""
    checks.record(
        repo,
        host=host,
        now_ms=now_ms,
        objects=report.objects,
        read_bytes=report.read_bytes,
        damage=[_line(fault) for fault in report.damage],
        whole=report.read.whole,
        damaged=report.read.damaged,
        entropy=entropy,
    )


def _line(fault: Damage) -> str:
    return f"{fault.file or fault.object}: {fault.why}"


def _check_snapshots(
    repo: Indexed, closure: Closure, memory: ClosureMemory, findings: Damages
) -> dict[SnapshotId, Manifest]:
    """Every readable snapshot. Each file is read; what it refers to is walked unless it was whole and nothing has changed."""
    readable: dict[SnapshotId, Manifest] = {}
    for snapshot_id, manifest in repo.open.scan(read=True):
        if isinstance(manifest, IntegrityError):
            findings.add(manifest, affects=f"{snapshot_id.hex()[:12]}: the whole snapshot")
            continue
        readable[snapshot_id] = manifest
        if memory.holds(snapshot_id):
            continue
        before, earlier = closure.objects, findings.so_far()
        packs = closure.check(snapshot_id, manifest)
        if packs is None and not repo.open.lists(snapshot_id):
            findings.back_to(earlier)  # forgotten and pruned while it was looked at
            del readable[snapshot_id]
            continue
        if packs is not None:
            memory.add(snapshot_id, closure.packs.packs(packs), objects=closure.objects - before)
    return readable


def _check_heads(repo: Indexed, own: Own, readable: Mapping[SnapshotId, Manifest], findings: Damages) -> list[str]:
    """Whether snapshots went away since this machine saw them; what it sees now it remembers. What is wrong with its memory."""
    told: list[str] = []
    heads = Heads(repo.open, own.state_dir, told.append)
    for rollback in heads.rollbacks(readable.items()):
        findings.add_lost(rollback.error(), affects=f"{rollback.head.id.hex()[:12]}: the whole snapshot")
    heads.remember(readable.items())
    return told


def _check_files(repo: Indexed, findings: Damages) -> None:
    store = repo.open.store
    slots = list_slots(store).damage
    for error in (
        *slots,
        *damaged_fragments(store, repo.open.keys, known=repo.index.fragments(), ended=repo.index.superseded()),
    ):
        findings.add(error)
    try:
        verified_config(store, repo.open.keys)
    except NoRepository:
        findings.add(MissingObject("the configuration is missing", why="a recovery kit opened it", file=CONFIG_NAME))
    except IntegrityError as error:
        error.file = CONFIG_NAME
        findings.add(error)
    for stray in strays.damaged(repo.open):
        findings.add(stray)
    for pack_id, size in repo.index.missing_packs():
        name = pack_name(pack_id)
        there = repo.index.pack_sizes.get(pack_id)
        if there is None:
            findings.expect(MissingObject("pack is missing", file=name))
        else:
            findings.add_gone(Malformed("pack has another size", why=f"{there} bytes instead of {size}", file=name))


def _lost(repo: Indexed, findings: Damages) -> dict[ObjectId, IntegrityError]:
    """Objects that no location gives; one that is damaged in a pack may be whole in another."""
    lost: dict[ObjectId, IntegrityError] = {}
    reader = repo.reader(threads=1)
    for object_id in findings.objects():
        places = repo.index.locations(object_id)
        try:
            if places:
                reader.get(object_id, places[0].record.type)
            else:
                raise repo.index.failure(object_id) or MissingObject("object is missing", object_id=object_id.hex())
        except IntegrityError as error:
            lost[object_id] = error.bare()
    return lost


def _check_parents(
    repo: Indexed, whole: Mapping[SnapshotId, Manifest], gone: Collection[SnapshotId], findings: Damages
) -> None:
    """A parent that is neither there nor forgotten was lost (nothing knows of the newest one); numbers ascend from it (SNAP-5)."""
    there = {stored.name for stored in repo.open.store.list("snapshots/")}
    for snapshot_id, manifest in whole.items():
        parent = manifest.parent
        if parent is not None and snapshot_name(parent) not in there and parent not in gone:
            findings.add(
                MissingObject(
                    "snapshot is missing",
                    why=f"it is the parent of {snapshot_id.hex()[:12]}, and no record tells that it was forgotten",
                    file=snapshot_name(parent),
                ),
                affects=f"{parent.hex()[:12]}: the whole snapshot",
            )
        elif parent is not None and parent in whole and manifest.sequence <= whole[parent].sequence:
            findings.add(
                Malformed(
                    "snapshot has no greater number than its parent",
                    why=f"{manifest.sequence} after {whole[parent].sequence}: which of the source is the latest cannot be told",
                    file=snapshot_name(snapshot_id),
                )
            )
