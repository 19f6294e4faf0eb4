"""The vectors of kind `repository`: each is made by `spec.vectors.whole` and then broken in one place."""

from __future__ import annotations

from typing import Any

from spec.vectors import lists, write
from spec.vectors.vector import Vector
from spec.vectors.whole import Collected, Files, Repo, full, index_file, name_of, of_files, of_rows, small
from spec.vectors.write import (
    DATA,
    FILE_CHUNK,
    META,
    ROW_CHUNK,
    ZSTD,
    Pack,
    encode,
    fixed,
    sha256,
)

TEXTS = [
    b"".join(b"%d\tversion %d of row\n" % (row, row == 7 and version) for row in range(60)) for version in range(5)
]
IDS = [write.object_id(ROW_CHUNK, text) for text in TEXTS]


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def delta(pack: Pack, number: int, base: int, depth: int, **options: Any) -> bytes:
    return pack.add(ROW_CHUNK, TEXTS[number], base=(IDS[base], TEXTS[base]), depth=depth, **options)


def wrong_base(repo: Repo) -> tuple[bytes, bytes]:
    lines = [fixed(f"noise {number}").hex().encode() for number in range(20)]
    noise, other = b"\n".join([*lines, b""]), b"\n".join([*lines[::-1], b""])
    target = noise + b"one more\n"
    repo.data.add(ROW_CHUNK, other)
    base = write.object_id(ROW_CHUNK, other)
    repo.data.add(ROW_CHUNK, target, base=(base, other), depth=1, stored=write.zstd(target, noise))
    return write.object_id(ROW_CHUNK, target), target


def base_of_another_type(repo: Repo) -> tuple[bytes, bytes]:
    base = repo.put(FILE_CHUNK, TEXTS[0])
    repo.data.add(ROW_CHUNK, TEXTS[1], base=(base, TEXTS[0]), depth=1)
    return IDS[1], TEXTS[1]


def deltas(c: Collected) -> None:
    def chain(repo: Repo) -> tuple[bytes, bytes]:
        repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD)
        for number in (1, 2, 3):
            delta(repo.data, number, number - 1, number)
        return IDS[3], TEXTS[3]

    def depth_skips(repo: Repo) -> tuple[bytes, bytes]:
        repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD)
        delta(repo.data, 1, 0, 64)
        return IDS[1], TEXTS[1]

    def two_ways(repo: Repo) -> tuple[bytes, bytes]:
        """0 on 1 and 1 on 0, each once whole: two writers in opposite order."""
        repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD)
        delta(repo.data, 1, 0, 1)
        other = Pack(DATA, "other")
        delta(other, 0, 1, 2)
        repo.others.append(other)
        return IDS[1], TEXTS[1]

    def cycle(repo: Repo) -> tuple[bytes, bytes]:
        delta(repo.data, 0, 1, 2)
        delta(repo.data, 1, 0, 1)
        return IDS[0], TEXTS[0]

    def itself(repo: Repo) -> tuple[bytes, bytes]:
        delta(repo.data, 0, 0, 1)
        return IDS[0], TEXTS[0]

    def not_falling(repo: Repo) -> tuple[bytes, bytes]:
        repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD)
        delta(repo.data, 1, 0, 1)
        delta(repo.data, 2, 1, 1)
        return IDS[2], TEXTS[2]

    def no_base(repo: Repo) -> tuple[bytes, bytes]:
        delta(repo.data, 1, 0, 1)
        return IDS[1], TEXTS[1]

    for name, spec, expect, comment, fill in (
        ("delta_chain", "OBJ-7 OBJ-10", "ok", "three deltas on a full chunk", chain),
        ("delta_depth_skips", "OBJ-7", "ok", "depth 64 on depth 0", depth_skips),
        ("delta_two_locations", "OBJ-10 OBJ-11", "ok", "opposite deltas, only falling depth ends the walk", two_ways),
        ("delta_cycle", "OBJ-10", "missing", "two deltas on each other", cycle),
        ("delta_on_itself", "OBJ-10", "missing", "a delta on itself", itself),
        ("delta_depth_not_falling", "OBJ-10", "missing", "depth 1 on a base of depth 1", not_falling),
        ("delta_base_absent", "OBJ-11", "missing", "no base", no_base),
        ("delta_wrong_base", "OBJ-6", "mismatch", "made from other bytes of the same length", wrong_base),
        ("delta_base_of_another_type", "OBJ-8", "malformed", "a file chunk as base", base_of_another_type),
    ):
        c.add(name, spec, expect, comment, of_rows(fill))


def stored_objects(c: Collected) -> None:
    frame = write.zstd(TEXTS[0])
    for name, spec, expect, comment, options in (
        ("object_two_frames", "OBJ-4", "malformed", "the frame twice", {"stored": frame + frame}),
        ("object_trailing_byte", "OBJ-4", "malformed", "a byte after the frame", {"stored": frame + b"\0"}),
        ("object_no_size", "OBJ-3", "malformed", "a frame without content size",
         {"stored": write.zstd(TEXTS[0], size=False)}),
        ("object_size_lies", "OBJ-3", "malformed", "a frame of other content size than the record says",
         {"stored": write.zstd(TEXTS[0] + b"\n")}),
        ("object_other_content", "OBJ-6", "mismatch", "a chunk under the id of another",
         {"stored": write.zstd(TEXTS[0].replace(b"row", b"tow"))}),
    ):  # fmt: skip

        def fill(repo: Repo, options: dict[str, Any] = options) -> tuple[bytes, bytes]:
            repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD, **options)
            return IDS[0], TEXTS[0]

        c.add(name, spec, expect, comment, of_rows(fill))

    def twice(repo: Repo, first: dict[str, Any], second: dict[str, Any]) -> tuple[bytes, bytes]:
        repo.data.add(ROW_CHUNK, TEXTS[0], codec=ZSTD, **first)
        other = Pack(DATA, "other")
        other.add(ROW_CHUNK, TEXTS[0], codec=ZSTD, **second)
        repo.others.append(other)
        return IDS[0], TEXTS[0]

    bad = {"stored": frame + b"\0"}
    c.add("two_locations_first_damaged", "OBJ-11", "ok", "one of two is damaged", of_rows(lambda r: twice(r, bad, {})))
    c.add("two_locations_second_damaged", "OBJ-11", "ok", "the other is damaged", of_rows(lambda r: twice(r, {}, bad)))
    repo, files = of_rows(lambda r: twice(r, {}, {}))
    files.pop(name_of(files, "packs", pack_class=DATA))
    c.add("two_locations_pack_missing", "OBJ-11 IDX-7", "ok", "one of two packs is gone", (repo, files))


def stored_files(c: Collected) -> None:
    def case(name: str, spec: str, expect: str, comment: str, made: tuple[Repo, Files]) -> None:
        c.add(name, spec, expect, comment, made)

    for kind, pack_class in (("data", DATA), ("meta", META)):
        repo, files = small()
        name = name_of(files, "packs", pack_class=pack_class)
        data = files[name]
        rest = {key: file for key, file in files.items() if key != name}
        case(f"pack_{kind}_missing", "IDX-7 OBJ-11", "missing", "a pack is gone", (repo, rest))
        case(f"pack_{kind}_truncated", "IDX-7", "missing", "the last byte is gone", (repo, rest | {name: data[:-1]}))
        case(f"pack_{kind}_longer", "IDX-7", "missing", "one byte more", (repo, rest | {name: data + b"\0"}))
        case(
            f"pack_{kind}_flipped",
            "OBJ-5",
            "authentication",
            "one bit of an object",
            (repo, rest | {name: flip(data, 70)}),
        )
    repo, files = small()
    names = [name for name in files if name.startswith("packs/")]
    swapped = files | {names[0]: files[names[1]], names[1]: files[names[0]]}
    case("packs_swapped", "IDX-7", "missing", "two packs of different size swapped", (repo, swapped))
    repo = Repo()
    one, other = repo.data, Pack(DATA, "other")
    one.add(FILE_CHUNK, b"content of a")
    other.add(FILE_CHUNK, b"content of b")
    repo.others.append(other)
    repo.known |= {write.object_id(FILE_CHUNK, b"content of a"), write.object_id(FILE_CHUNK, b"content of b")}
    items = [repo.file(b"a", b"content of a"), repo.file(b"b", b"content of b")]
    files = repo.finish(repo.manifest(directories={"files": of_files(items, repo)}))
    names = [name for name in files if name.startswith("packs/") and files[name][10] == DATA]
    swapped = files | {names[0]: files[names[1]], names[1]: files[names[0]]}
    case("packs_same_size", "PACK-1", "ok", "two packs of the same size", (repo, files))
    case("packs_same_size_swapped", "OBJ-15", "authentication", "the same, swapped", (repo, swapped))
    snapshots(case)
    indexes(case)
    keys(case)


def snapshots(case: Any) -> None:
    repo, files = small()
    name = name_of(files, "snapshots")
    newer = encode(repo.manifest(created=write.CREATED + 1))
    other = write.envelope(newer, write.SNAPSHOT, salt="newer")
    case(
        "snapshot_replaced",
        "SNAP-1",
        "mismatch",
        "another snapshot of this repository under its name",
        (repo, files | {name: other}),
    )
    case("snapshot_flipped", "KEY-9", "authentication", "one bit", (repo, files | {name: flip(files[name], 60)}))
    case(
        "snapshot_truncated",
        "KEY-9",
        "authentication",
        "the last byte is gone",
        (repo, files | {name: files[name][:-1]}),
    )
    relabelled = files[name][:9] + bytes([write.CHECK]) + files[name][10:]
    case("snapshot_other_kind", "KEY-9", "malformed", "header says check record", (repo, files | {name: relabelled}))


def indexes(case: Any) -> None:
    repo, files = small()
    name = name_of(files, "index")
    rest = {key: file for key, file in files.items() if key != name}
    case("index_missing", "OBJ-11", "missing", "no fragment", (repo, rest))
    junk = flip(files[name], 60)
    more = {f"index/00000002-{sha256(junk).hex()}": junk}
    case("index_one_unreadable", "IDX-8", "ok", "a damaged fragment beside a whole one", (repo, files | more))
    gone = Pack(DATA, "gone")
    gone.add(FILE_CHUNK, b"content of a")
    stale = index_file(write.fragment([(gone.finish(), gone)]), 2)
    case("index_pack_absent", "IDX-7", "ok", "a fragment tells of a pack that is not there", (repo, files | stale))
    old = bytes.fromhex(name[-64:])
    packs = [(repo.data.finish(), repo.data), (repo.meta.finish(), repo.meta)]
    newer = index_file(write.fragment(packs, [old]), 2)
    case("index_superseded_present", "IDX-8", "ok", "old and new fragment", (repo, files | newer))
    case("index_superseded_gone", "IDX-8", "ok", "only the new fragment", (repo, rest | newer))
    emptied = index_file(write.fragment(packs[1:], [old]), 2)
    case(
        "index_superseded_counts_not",
        "IDX-8",
        "missing",
        "only the old one tells of the data pack",
        (repo, files | emptied),
    )
    wrong = dict(write.fragment(packs))
    entries = wrong["entries"]
    at = next(at for at in range(0, len(entries), 88) if entries[at + 80] == FILE_CHUNK)
    wrong["entries"] = entries[: at + 67] + b"\1" + entries[at + 68 :]
    case(
        "index_other_ordinal",
        "OBJ-15",
        "authentication",
        "the fragment lies about an ordinal",
        (repo, rest | index_file(wrong)),
    )
    (fragment,) = (name for name in files if name.startswith("index/"))
    renamed = {name.replace(fragment, f"index/ffffffff-{fragment[-64:]}"): data for name, data in files.items()}
    case("index_last_generation", "IDX-10", "ok", "a fragment renamed to the last generation", (repo, renamed))
    records = ("sweeps", "leases", "forgotten", "checks", "pins", "findings", "acks", "drills")
    directories = (*records, "keys", "packs")
    strays = {f"{directory}/{'ab' * 32}": b"junk" for directory in directories}
    case("junk_everywhere", "STORE-9", "ok", "files that nobody authenticated", (repo, files | strays))
    case("names_foreign", "STORE-6", "ok", "files of other names do not count",
         (repo, files | {"tmp/0a1b": files[name], "packs/tmp-1": b"x", "snapshots/notes.txt": b"x", "index/x": b"x", "keys/.hidden": b"x"}))  # fmt: skip


def keys(case: Any) -> None:
    repo, files = small()
    slot = name_of(files, "keys")
    rest = {key: file for key, file in files.items() if key != slot}

    def slotted(data: bytes) -> Files:
        return {f"keys/{sha256(data).hex()}": data}

    def configured(data: bytes) -> Files:
        return files | {"config": data}

    second = write.slot("another", kdf={"salt": fixed("second salt")})
    case("slot_second", "KEY-3", "ok", "two slots, one opens", (repo, files | slotted(second)))
    case(
        "slot_hostile_beside",
        "KEY-4",
        "ok",
        "a slot that asks for 8 GiB is skipped",
        (repo, files | slotted(write.slot(kdf={"memory": 8 << 20}))),
    )
    long = bytes(70_000)
    case(
        "slot_long_beside", "KEY-11", "ok", "a file above the limit of slots is skipped", (repo, files | slotted(long))
    )
    case("slot_passphrase_wrong", "KEY-3", "authentication", "only the other slot", (repo, rest | slotted(second)))
    case(
        "slot_flipped",
        "KEY-2",
        "authentication",
        "the only slot is damaged",
        (repo, rest | {slot: flip(files[slot], 30)}),
    )
    case("slot_missing", "KEY-3", "authentication", "no slot", (repo, rest))
    case("slot_of_another_repository", "KEY-5", "authentication", "same keys, other repository id",
         (repo, rest | slotted(write.slot(repository=fixed("else", 16)))))  # fmt: skip
    case(
        "config_missing",
        "KEY-8",
        "missing",
        "no config",
        (repo, {key: file for key, file in files.items() if key != "config"}),
    )
    case(
        "config_flipped",
        "KEY-8",
        "authentication",
        "one bit of the MAC",
        (repo, configured(flip(write.config(), -1 % len(write.config())))),
    )
    case("config_newer", "KEY-7", "unsupported", "version 2", (repo, configured(write.config(version=2))))
    case("config_feature", "KEY-7", "unsupported", "a feature", (repo, configured(write.config(features=["later"]))))


def vectors() -> list[Vector]:
    c = Collected()
    c.add("full", "SNAP-1", "ok", "everything that a snapshot can hold", full())
    c.add("small", "SNAP-1", "ok", "one file", small())
    deltas(c)
    stored_objects(c)
    stored_files(c)
    lists.trees(c)
    lists.tree_shapes(c)
    lists.chunk_items(c)
    lists.rows(c)
    lists.values(c)
    lists.paths(c)
    lists.agreement(c)
    return c.vectors
