"""A million objects in the index: opened with and without the local cache, its size, and what a look-up takes.

    python -m benchmarks.index [--objects N]

Each opening is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import measure
from vault.crypto import keyed
from vault.crypto.keys import Keys
from vault.format.index import build_fragment, encode_fragment, fragment_name
from vault.format.pack import HEADER_BYTES, encode_header, pack_name
from vault.ids import FragmentId, ObjectId, PackId, RepositoryId
from vault.limits import FRAGMENT_ENTRIES_MAX
from vault.model import Codec, FileKind, KeyBundle, ObjectRecord, ObjectType, PackClass, PackEntry, PackHeader
from vault.repo.index import Index
from vault.repo.keyring import seal_file
from vault.store.local import LocalStore, create_local

_OBJECTS_PER_PACK = 80
_OBJECT_BYTES = 200
_BUNDLE = KeyBundle(id_key=bytes(32), root=bytes(31) + b"1", cut_seed=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=1_000_000)
    parser.add_argument("--open", nargs=2, metavar=("REPOSITORY", "CACHE"))
    options = parser.parse_args()
    if options.open:
        _open(Path(options.open[0]), Path(options.open[1]))
        return
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository = Path(scratch) / "repository"
        _build(repository, options.objects)
        size = sum(file.stat().st_size for file in (repository / "index").iterdir())
        opening = [sys.executable, "-m", "benchmarks.index", "--open", str(repository), f"{scratch}/cache"]
        results = {}
        for name in ("no cache", "cache"):
            results[name] = measure.run(opening).output.strip()
            print(f"{name:9} {results[name]}")
    print(f"fragments {size / 1e6:.1f} MB")
    command = f"python -m benchmarks.index --objects {options.objects}"
    print(measure.record("index", command, {"objects": options.objects, "fragment_bytes": size, **results}))


def _open(repository: Path, cache: Path) -> None:
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    index = Index.open(LocalStore(repository, os.urandom), Keys.derive(_BUNDLE), cache_dir=cache)
    opened = time.monotonic() - started
    absent = [ObjectId(random.randbytes(32)) for _ in range(10_000)]
    started = time.monotonic()
    assert not any(object_id in index for object_id in absent)
    look_up = (time.monotonic() - started) / len(absent)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
    print(f"opened {len(index)} in {opened:.3f} s, {grown:.0f} MiB more at the peak, a look-up {look_up * 1e6:.1f} us")


def _build(repository: Path, objects: int) -> None:
    """Fragments as a writer would have left them; their packs are sparse files of the right size."""
    create_local(repository)
    (repository / "packs").mkdir(exist_ok=True)
    store, keys, draw = LocalStore(repository, os.urandom), Keys.derive(_BUNDLE), random.Random(3)
    entries: list[PackEntry] = []
    for number in range(0, objects, _OBJECTS_PER_PACK):
        entries.append(_pack(draw, keys, min(_OBJECTS_PER_PACK, objects - number)))
        with (repository / pack_name(entries[-1].pack)).open("wb") as file:
            file.truncate(entries[-1].size)
        if len(entries) * _OBJECTS_PER_PACK >= FRAGMENT_ENTRIES_MAX - _OBJECTS_PER_PACK:
            _publish(store, keys, entries)
            entries = []
    if entries:
        _publish(store, keys, entries)


def _pack(draw: random.Random, keys: Keys, count: int) -> PackEntry:
    header = encode_header(
        PackHeader(
            pack_class=PackClass.DATA,
            key_id=keys.key_id,
            repository=RepositoryId(bytes(16)),
            salt=draw.randbytes(32),
        )
    )
    records = tuple(
        ObjectRecord(
            id=ObjectId(draw.randbytes(32)),
            type=ObjectType.ROW_CHUNK,
            codec=Codec.ZSTD,
            depth=0,
            base=None,
            ordinal=ordinal,
            offset=HEADER_BYTES + ordinal * _OBJECT_BYTES,
            length=_OBJECT_BYTES,
            plain_length=500_000,
        )
        for ordinal in range(count)
    )
    size = HEADER_BYTES + count * _OBJECT_BYTES + 100
    return PackEntry(pack=PackId(draw.randbytes(32)), size=size, header=header, records=records)


def _publish(store: LocalStore, keys: Keys, entries: list[PackEntry]) -> None:
    plain = encode_fragment(build_fragment(entries))
    data = seal_file(plain, FileKind.INDEX, keys, salt=os.urandom(24), squeeze=False)
    store.put(fragment_name(1, FragmentId(keyed.sha256(data))), data)


if __name__ == "__main__":
    main()
