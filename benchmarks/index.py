"""Objects in the index, a million and ten: opened with and without the local cache, its size, and what a look-up takes.

    python -m benchmarks.index [--objects N ...]

Each opening is a process of its own, so that its memory is its own: `heap` is what it holds besides files (RssAnon), `mapped` the bytes of
the cache that are mapped, of which only what is looked at is read. Packs are sparse files of the right size; their listing is a part.
"""

from __future__ import annotations

import argparse
import json
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
from vault.format.index import Fragment, PackRow, encode_fragment, fragment_name
from vault.format.object import encode_record
from vault.format.pack import HEADER_BYTES, encode_header, pack_name
from vault.ids import FragmentId, ObjectId, PackId, RepositoryId
from vault.limits import FRAGMENT_ENTRIES_MAX
from vault.model import Codec, FileKind, KeyBundle, ObjectRecord, ObjectType, PackClass, PackHeader
from vault.repo.index import Index
from vault.repo.keyring import seal_file
from vault.store.local import LocalStore, create_local

_OBJECTS_PER_PACK = 80
_OBJECT_BYTES = 200
_BUNDLE = KeyBundle(id_key=bytes(32), root=bytes(31) + b"1", cut_seed=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, nargs="*", default=[1_000_000, 10_000_000])
    parser.add_argument("--open", nargs=2, metavar=("REPOSITORY", "CACHE"))
    options = parser.parse_args()
    if options.open:
        print(json.dumps(_open(Path(options.open[0]), Path(options.open[1]))))
        return
    results = {f"{objects} objects": _measured(objects) for objects in options.objects}
    command = f"python -m benchmarks.index --objects {' '.join(map(str, options.objects))}"
    print(measure.record("index", command, {**results, "load": os.getloadavg()[0]}))


def _measured(objects: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory(prefix="pgvault-bench-") as scratch:
        repository = Path(scratch) / "repository"
        _build(repository, objects)
        size = sum(file.stat().st_size for file in (repository / "index").iterdir())
        opening = [sys.executable, "-m", "benchmarks.index", "--open", str(repository), f"{scratch}/cache"]
        results: dict[str, object] = {"fragment_bytes": size}
        for name in ("no cache", "cache", "cache again", "cache once more"):
            results[name] = json.loads(measure.run(opening).output.splitlines()[-1])
            print(f"{objects} {name:15} {results[name]}")
        return results


def _open(repository: Path, cache: Path) -> dict[str, object]:
    before = _anonymous_bytes()
    started, cpu = time.monotonic(), time.process_time()
    index = Index.open(LocalStore(repository, os.urandom), Keys.derive(_BUNDLE), cache_dir=cache, threads=1)
    opened, opened_cpu = time.monotonic() - started, time.process_time() - cpu
    heap = _anonymous_bytes() - before
    absent = [ObjectId(random.randbytes(32)) for _ in range(10_000)]
    started = time.monotonic()
    assert not any(object_id in index for object_id in absent)
    look_up = (time.monotonic() - started) / len(absent)
    return {
        "objects": len(index),
        "open_s": round(opened, 3),
        "open_cpu_s": round(opened_cpu, 3),
        "heap_bytes": heap,
        "mapped_bytes": sum(file.stat().st_size for file in cache.iterdir()),
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "look_up_us": round(look_up * 1e6, 1),
    }


def _anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def _build(repository: Path, objects: int) -> None:
    """Fragments as a writer would have left them; their packs are sparse files of the right size."""
    create_local(repository)
    (repository / "packs").mkdir(exist_ok=True)
    store, keys, draw = LocalStore(repository, os.urandom), Keys.derive(_BUNDLE), random.Random(3)
    header = encode_header(
        PackHeader(
            pack_class=PackClass.DATA, key_id=keys.key_id, repository=RepositoryId(bytes(16)), salt=draw.randbytes(32)
        )
    )
    per_fragment = FRAGMENT_ENTRIES_MAX // _OBJECTS_PER_PACK * _OBJECTS_PER_PACK
    for first in range(0, objects, per_fragment):
        _publish(store, keys, _fragment(draw, header, min(per_fragment, objects - first)))


def _fragment(draw: random.Random, header: bytes, count: int) -> Fragment:
    """Of `count` objects, a full pack after the other."""
    size = HEADER_BYTES + _OBJECTS_PER_PACK * _OBJECT_BYTES + 100
    packs = sorted(draw.randbytes(32) for _ in range(-(-count // _OBJECTS_PER_PACK)))
    entries = []
    for number in range(count):
        pack, ordinal = divmod(number, _OBJECTS_PER_PACK)
        record = ObjectRecord(
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
        entries.append(encode_record(record) + pack.to_bytes(4, "big"))
    rows = tuple(PackRow(id=PackId(pack), size=size, header=header) for pack in packs)
    return Fragment(packs=rows, entries=b"".join(sorted(entries)), supersedes=())


def _publish(store: LocalStore, keys: Keys, fragment: Fragment) -> None:
    for row in fragment.packs:
        with (Path(store.url) / pack_name(row.id)).open("wb") as file:
            file.truncate(row.size)
    data = seal_file(encode_fragment(fragment), FileKind.INDEX, keys, salt=os.urandom(24), squeeze=False)
    store.put(fragment_name(1, FragmentId(keyed.sha256(data))), data)


if __name__ == "__main__":
    main()
