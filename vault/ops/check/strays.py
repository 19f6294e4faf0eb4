"""Files that look like a repository's and that nobody with its keys put there under that name. They stop nobody, so a check names them.

All sealed records of spec 60, and fragments under a name that no writer gives. What is no damage and
should be known all the same is a remark: files of other names, packs that nobody knows, forgotten snapshots that are there, no snapshot
at all. Spec 70-store, 90-threats.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Final

from vault.crypto import keyed
from vault.errors import ContentMismatch, IntegrityError, Malformed, NotFound
from vault.format import notes, upkeep
from vault.format.config import CONFIG_NAME
from vault.format.index import GENERATION_USUAL_MAX, parse_fragment_name
from vault.format.keyslot import parse_slot_name
from vault.format.pack import pack_name, parse_pack_name
from vault.format.snapshot import parse_snapshot_name
from vault.ids import PackId, SnapshotId
from vault.model import FileKind
from vault.model.words import counted, size
from vault.ports import StoredFile
from vault.repo.keyring import unseal_file
from vault.repo.state import Indexed, Open

DECODERS: Final[Mapping[FileKind, Callable[[bytes], object]]] = {
    FileKind.LEASE: upkeep.decode_lease,
    FileKind.SWEEP: upkeep.decode_sweep,
    FileKind.FORGOTTEN: upkeep.decode_forgotten,
    FileKind.CHECK: notes.decode_check,
    FileKind.PIN: notes.decode_pin,
    FileKind.FINDINGS: notes.decode_findings,
    FileKind.ACK: notes.decode_ack,
    FileKind.DRILL: notes.decode_drill,
}
"""Of every kind that has a directory of its own."""
_NAMED_MAX: Final = 5
"""Names in one remark."""


def damaged(repo: Open) -> Iterator[IntegrityError]:
    """What is wrong with each file, with its name. Raises  StoreError"""
    for stored in repo.store.list("index/"):
        parsed = parse_fragment_name(stored.name)
        if parsed is not None and parsed[0] > GENERATION_USUAL_MAX:
            why = "somebody renamed it, or put it there; a prune gives it another name"
            yield Malformed("index fragment of a generation to which no writer counts", why=why, file=stored.name)
    for kind, directory in upkeep.DIRECTORIES.items():
        for stored in repo.store.list(f"{directory}/"):
            try:
                _open(repo, kind, stored)
            except NotFound:
                continue
            except IntegrityError as error:
                error.file = stored.name
                yield error


def _open(repo: Open, kind: FileKind, stored: StoredFile) -> None:
    """Raises  NotFound: it went away; IntegrityError"""
    parsed = upkeep.parse_upkeep_name(stored.name)
    if parsed is None:
        return
    data = repo.store.get(stored.name)
    if keyed.sha256(data) != parsed[1]:
        raise ContentMismatch(f"{kind.name.lower()} is damaged", why="its bytes do not match its name")
    DECODERS[kind](unseal_file(data, kind, repo.keys))


def misnamed_packs(repo: Indexed) -> Iterator[IntegrityError]:
    """Of the packs that no index names, those whose bytes are not those of their name: reads each whole. Raises  StoreError

    Nothing is read of them otherwise. But one that was renamed is all that is left of what the index misses under its own name.
    """
    known = {pack for pack, _ in repo.index.packs()}
    for stored in repo.open.store.list("packs/"):
        pack = parse_pack_name(stored.name)
        if pack is None or pack in known:
            continue
        try:
            data = repo.open.store.get(stored.name)
        except NotFound:
            continue
        except IntegrityError as error:
            error.file = stored.name
            yield error
            continue
        own = PackId(keyed.sha256(data))
        if own != pack:
            why = "its bytes do not match its name"
            if own in known and own not in repo.index.pack_sizes:
                why = f"its bytes are those of {pack_name(own)}, which is missing: rename it back"
            yield ContentMismatch("pack under another name", why=why, file=stored.name)


def remarks(repo: Indexed, forgotten: Collection[SnapshotId]) -> Iterator[str]:
    """In sentences. `forgotten`: snapshots that a record calls so. Raises  StoreError"""
    snapshots: set[SnapshotId] = set()
    unknown = unknown_bytes = 0
    foreign: list[str] = []
    named = {pack for pack, _ in repo.index.packs()}
    for stored in repo.open.store.list(""):
        pack, snapshot = parse_pack_name(stored.name), parse_snapshot_name(stored.name)
        if snapshot is not None:
            snapshots.add(snapshot)
        if pack is not None and pack not in named:
            unknown += 1
            unknown_bytes += stored.size
        elif pack is None and not _is_ours(stored.name):
            foreign.append(stored.name)
    packs = repo.index.pack_sizes
    if packs and not snapshots:
        yield (
            f"objects that no snapshot needs: {counted(len(packs), 'pack')}, {size(sum(packs.values()))}, and no snapshot at "
            "all. A first backup that did not finish leaves that, and so does whoever deletes every snapshot"
        )
    elif unknown:
        yield (
            f"{counted(unknown, 'pack')} that no index names, {size(unknown_bytes)}: left by a backup that did not finish, put back "
            "after a prune, or told of only by an index that is gone"
        )
    if back := sorted(snapshots.intersection(forgotten)):
        yield (
            f"{counted(len(back), 'snapshot')} that a record calls forgotten, and that {'is' if len(back) == 1 else 'are'} there: "
            f"{_some([snapshot.hex()[:12] for snapshot in back])}. A forget that did not finish leaves that, and so does whoever "
            "puts an old file back; the next pgvault forget removes it, unless it is pinned"
        )
    if foreign:
        yield f"{counted(len(foreign), 'file')} of other names, passed over: {_some(foreign)}"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    return f"{', '.join(names[:_NAMED_MAX])}{more}"


def _is_ours(name: str) -> bool:
    return (
        name == CONFIG_NAME
        or parse_slot_name(name) is not None
        or parse_snapshot_name(name) is not None
        or parse_fragment_name(name) is not None
        or upkeep.parse_upkeep_name(name) is not None
    )
