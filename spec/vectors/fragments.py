"""Vectors of chapter 50: the plaintext of an index fragment."""

from __future__ import annotations

from typing import Any

from spec.vectors import write
from spec.vectors.packs import MIB, RECORD_FAULTS
from spec.vectors.vector import Collection, Vector
from spec.vectors.write import DATA, ENTRY, META, ROW_CHUNK, ZEROS, Pack, encode, fixed, record


def vectors() -> list[Vector]:
    c = Collection("index")
    data, meta = Pack(DATA), Pack(META)
    for number in range(3):
        data.add(ROW_CHUNK, b"%d\trow\n" % number)
    meta.add(ENTRY, b"\x80")
    good = write.fragment([(data.finish(), data), (meta.finish(), meta)])
    rows = [good["entries"][at : at + 88] for at in range(0, len(good["entries"]), 88)]
    packs = good["packs"]
    position = next(number for number, pack in enumerate(packs) if pack[2] == data.header)
    size = packs[position][1]

    def case(name: str, spec: str, layer: str, comment: str, **changed: Any) -> None:
        c.refuse(name, spec, layer, comment, data=encode(good | changed))

    def rowed(**fields: Any) -> bytes:
        return record(**({"length": 20, "plain_length": 4} | fields)) + position.to_bytes(4)

    case("plain", "IDX-2 IDX-3", "ok", "two packs, four objects")
    case("supersedes", "IDX-8", "ok", "two others", supersedes=sorted([fixed("a"), fixed("b")]))
    case("empty", "IDX-2", "ok", "nothing at all", entries=b"", packs=[])
    case("ancillary_key", "ENC-10", "ok", "a key that starts with _", _later=1)
    case("ends_at_pack_end", "IDX-5", "ok", "up to the last byte", entries=rowed(offset=size - 20))
    case("entries_ragged", "IDX-2", "malformed", "one byte too few", entries=good["entries"][:-1])
    case("entries_descending", "IDX-2", "malformed", "two swapped", entries=b"".join([rows[1], rows[0], *rows[2:]]))
    case("entry_twice", "IDX-2", "malformed", "one twice", entries=b"".join([rows[0], *rows]))
    case("position_past_packs", "IDX-4", "malformed", "third of two packs", entries=rowed()[:84] + (2).to_bytes(4))
    case("past_end_of_pack", "IDX-5", "malformed", "one byte past the end", entries=rowed(offset=size - 19))
    for name, layer, offset in (("first", "ok", 68), ("in_header", "malformed", 67), ("huge", "malformed", 2**32 - 1)):
        case(f"offset_{name}", "IDX-5", layer, f"offset {offset}", entries=rowed(offset=offset))
    case("class_other", "IDX-6", "malformed", "a schema entry in the data pack", entries=rowed(type=ENTRY))
    case("packs_descending", "IDX-3", "malformed", "two swapped", entries=b"", packs=packs[::-1])
    case("pack_twice", "IDX-3", "malformed", "one twice", entries=b"", packs=[packs[0], packs[0]])
    case("pack_id_short", "IDX-3", "malformed", "31 bytes", entries=b"", packs=[[ZEROS[:31], *packs[0][1:]]])
    case("pack_header_short", "IDX-3", "malformed", "67 bytes", entries=b"", packs=[[*packs[0][:2], packs[0][2][:67]]])
    longer = [*packs[0][:2], packs[0][2] + b"\0"]
    case("pack_header_long", "IDX-3", "malformed", "69 bytes", entries=b"", packs=[longer])
    case("pack_header_magic", "IDX-3", "malformed", "no pack header", entries=b"",
         packs=[[*packs[0][:2], write.pack_header(DATA, magic=b"PGVAULTF")]])  # fmt: skip
    case(
        "pack_too_long",
        "PACK-8",
        "limit",
        "96 MiB + 1 byte",
        entries=b"",
        packs=[[packs[0][0], 96 * MIB + 1, packs[0][2]]],
    )
    case("pack_size_negative", "IDX-3", "malformed", "-1", entries=b"", packs=[[packs[0][0], -1, packs[0][2]]])
    case("pack_size_text", "IDX-3", "malformed", "size as text", entries=b"", packs=[[packs[0][0], "9", packs[0][2]]])
    case(
        "supersedes_descending", "IDX-8", "malformed", "two swapped", supersedes=sorted([fixed("a"), fixed("b")])[::-1]
    )
    case("supersedes_short", "IDX-8", "malformed", "31 bytes", supersedes=[ZEROS[:31]])
    case("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", later=1)
    for name in good:
        part = {key: item for key, item in good.items() if key != name}
        c.refuse(f"{name}_absent", "ENC-11", "malformed", f"no `{name}`", data=encode(part))
    for name, spec, layer, comment, fields in RECORD_FAULTS:
        case(f"record_{name}", spec, layer, comment, entries=rowed(**({"offset": 68} | fields)))
    return c.vectors
