"""What a client remembers of the newest snapshots, so that an older repository that is put back does not pass for this one.

Whoever holds the storage can delete the newest snapshot every day, or put back last week's repository: all of it is authentic. Against
that helps only what is kept elsewhere: of each source, and of each place of the repository, the highest number that was seen there. If
every number that is there now, of a snapshot or of one that was forgotten, is lower, something was taken away. A number that nobody
authenticated counts for nothing. Nothing here stops a backup. Spec 90-threats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import IntegrityError, RolledBack
from vault.format import codec, upkeep
from vault.format.codec import Record, Row, Value
from vault.format.snapshot import snapshot_name
from vault.ids import SnapshotId
from vault.limits import FILE_BYTES_MAX
from vault.model import FileKind, Forgotten, ForgottenSnapshot, LocalKind
from vault.ports import Entropy
from vault.repo import local, private, records
from vault.repo.lineage import Known
from vault.repo.records import forgotten
from vault.repo.state import Open

_PLACES_MAX: Final = 64
"""Places of one repository that are remembered; the one that was seen first goes first."""
_DIRECTORY: Final = "heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest snapshot of a source that was seen somewhere."""

    sequence: int
    id: SnapshotId
    created_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """`there`: the highest number of the source now, 0 for none; `head`: what this machine saw in the same place."""

    source: str
    there: int
    head: Head

    def error(self) -> RolledBack:
        now = f"its highest number now is {self.there}" if self.there else "none of it is there now"
        return RolledBack(
            f"source {self.source} is older than this machine saw it",
            why=f"it saw number {self.head.sequence}, snapshot {self.head.id.hex()[:12]}; {now}, and no record says that "
            "it was forgotten: snapshots were deleted, or an older copy of the repository was put back",
            hint="find out who did that; if it was you: pgvault backup --accept-rollback, once",
            file=snapshot_name(self.head.id),
        )


class Heads:
    """The memory of one repository. `directory`: the program's state, None if there is none; `tell` hears what is wrong with it."""

    def __init__(self, repo: Open, directory: Path | None, tell: Callable[[str], None]) -> None:
        self._repo = repo
        self._sealer = local.Sealer(repo.keys, LocalKind.HEADS, repo.config.repository)
        self._directory = None if directory is None else directory / repo.config.repository.hex() / _DIRECTORY
        self._tell_once = tell
        self._told: set[str] = set()

    def rollback(self, source: str, known: Iterable[Known]) -> Rollback | None:
        """Whether the source's newest snapshot went away since this machine saw it here. `known`: all readable snapshots."""
        places = self._load(source)
        head = places.get(self._repo.store.url)
        if head is None:
            self._tell_other_places(source, places)
            return None
        there = self._highest(source, known)
        if there < head.sequence:
            there = max(there, _forgotten_number(self._repo, source))
        return Rollback(source=source, there=there, head=head) if there < head.sequence else None

    def rollbacks(self, known: Iterable[Known]) -> Iterator[Rollback]:
        """Of every source that is remembered, by name."""
        listed = list(known)
        for source in self._sources():
            found = self.rollback(source, listed)
            if found is not None:
                yield found

    def remember(self, known: Iterable[Known]) -> None:
        """Note the newest snapshot of each source; a lower number than is remembered of this place changes nothing."""
        if self._directory is None:
            return
        for source, head in newest(known).items():
            places = self._load(source)
            before = places.get(self._repo.store.url)
            if before is None or (before != head and before.sequence <= head.sequence):
                self._save(source, {**places, self._repo.store.url: head})

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._tell_once(text)

    def _highest(self, source: str, known: Iterable[Known]) -> int:
        """Of a snapshot whose file opens: what a cache says of one that was here proves nothing."""
        own = [(manifest.sequence, snapshot_id) for snapshot_id, manifest in known if manifest.source == source]
        return next((number for number, snapshot_id in sorted(own, reverse=True) if self._repo.opens(snapshot_id)), 0)

    def _sources(self) -> list[str]:
        """Those whose file can be read, by name; of the others nobody can say which they are."""
        try:
            paths = list(self._directory.iterdir()) if self._directory is not None else []
        except OSError:
            return []
        read = (self._read(path)[0] for path in paths if "." not in path.name)
        return sorted(source for source in read if source is not None)

    def _load(self, source: str) -> dict[str, Head]:
        """Place -> head, in the order in which the places were first seen."""
        if self._directory is None:
            return {}
        named, places = self._read(self._directory / self._sealer.file_name(source))
        return places if named == source else {}

    def _read(self, path: Path) -> tuple[str | None, dict[str, Head]]:
        try:
            data = private.load(path)
            return (None, {}) if data is None else _decode(self._sealer.unseal(data, name=path.name.encode()))
        except OSError as error:
            why = error.strerror or ""
        except IntegrityError as error:
            why = error.message
        self._tell(f"{path} cannot be read ({why}): whether its source's newest snapshots went away cannot be told")
        return None, {}

    def _save(self, source: str, places: Mapping[str, Head]) -> None:
        assert self._directory is not None
        kept = dict(list(places.items())[-_PLACES_MAX:])
        name = self._sealer.file_name(source)
        try:
            private.save(self._directory / name, self._sealer.seal(_encode(source, kept), name=name.encode()))
        except OSError as error:
            self._tell(
                f"cannot write to {self._directory} ({error.strerror}): snapshots of {source} that go away from "
                "now on will not be noticed from here; PGVAULT_STATE_DIR names another directory"
            )

    def _tell_other_places(self, source: str, places: Mapping[str, Head]) -> None:
        if places:
            place, head = max(places.items(), key=lambda item: item[1].sequence)
            self._tell(
                f"this repository was seen elsewhere before, with number {head.sequence} of {source}, at {place}; "
                f"at {self._repo.store.url} it is seen for the first time: what is missing here cannot be told"
            )


def newest(known: Iterable[Known]) -> dict[str, Head]:
    """Source -> its snapshot of the highest number; of forks the last by id."""
    heads: dict[str, Head] = {}
    for snapshot_id, manifest in sorted(known, key=lambda pair: (pair[1].sequence, pair[0])):
        heads[manifest.source] = Head(sequence=manifest.sequence, id=snapshot_id, created_ms=manifest.created_ms)
    return heads


def record_lost(repo: Open, rollback: Rollback, *, now_ms: int, entropy: Entropy) -> None:
    """Say in the repository that the lost head is known to be gone, so that no other client raises its alarm for it. Raises  StoreError"""
    head = rollback.head
    lost = ForgottenSnapshot(id=head.id, source=rollback.source, sequence=head.sequence, created_ms=head.created_ms)
    record = upkeep.encode_forgotten(Forgotten(created_ms=now_ms, snapshots=(lost,)))
    records.save(repo, FileKind.FORGOTTEN, record, entropy=entropy)


def _forgotten_number(repo: Open, source: str) -> int:
    """The highest number of the source in an authentic record; records that cannot be read count for nothing, `check` names them."""
    items = (item for _, record in forgotten(repo).found for item in record.snapshots)
    return max((item.sequence for item in items if item.source == source), default=0)


# --- the file of one source ----------------------------------------------------------------------


def _encode(source: str, places: Mapping[str, Head]) -> bytes:
    rows: tuple[Value, ...] = tuple((url, head.sequence, head.id, head.created_ms) for url, head in places.items())
    return codec.encode({"places": rows, "source": source})


def _decode(plain: bytes) -> tuple[str, dict[str, Head]]:
    """Raises  Malformed, LimitExceeded, Unsupported"""
    fields = Record.decode(plain, what="heads", bytes_max=FILE_BYTES_MAX)
    places = {}
    for value in fields.array("places"):
        row = Row(value, length=4, what="head")
        url = row.text()
        places[url] = Head(sequence=row.integer(1), id=SnapshotId(row.blob(32)), created_ms=row.integer())
    source = fields.text("source")
    fields.finish()
    return source, places
