"""Vectors of chapters 30 and 40: object record, object, pack header, footer, trailer, whole pack."""

from __future__ import annotations

from typing import Any

from spec.vectors import write
from spec.vectors.vector import Collection, Repeat, Vector
from spec.vectors.write import (
    DATA,
    DELTA,
    ENTRY,
    FILE_CHUNK,
    ID_KEY,
    KEY_ID,
    META,
    REPOSITORY,
    ROOT,
    ROW_CHUNK,
    ZSTD,
    Pack,
    encode,
    fixed,
    record,
)

KEYS = {"id_key": ID_KEY, "root": ROOT}
MIB = 1 << 20
BASE = fixed("base")

# (name, demands, layer, comment, fields of the record); also used inside trailers and fragments
RECORD_FAULTS: tuple[tuple[str, str, str, str, dict[str, Any]], ...] = (
    ("type_0", "OBJ-2", "unsupported", "type 0", {"type": 0}),
    ("type_9", "OBJ-2", "unsupported", "a type between the known ones", {"type": 9}),
    ("type_23", "OBJ-2", "unsupported", "a node of no known list", {"type": 23}),
    ("type_snapshot", "OBJ-2", "unsupported", "a manifest is never in a pack", {"type": 32}),
    ("type_trailer", "OBJ-2", "unsupported", "a trailer is no object", {"type": 255}),
    ("codec_3", "OBJ-14", "unsupported", "codec 3", {"codec": 3}),
    ("last_byte", "OBJ-14", "malformed", "last byte 1", {"last": 1}),
    ("delta_without_base", "OBJ-14", "malformed", "codec 2, base of zeros", {"codec": DELTA, "depth": 1}),
    ("delta_without_depth", "OBJ-7", "malformed", "codec 2, depth 0", {"codec": DELTA, "base": BASE}),
    ("full_with_base", "OBJ-14", "malformed", "codec 1 and a base", {"codec": ZSTD, "base": BASE}),
    ("full_with_depth", "OBJ-7", "malformed", "codec 1, depth 1", {"codec": ZSTD, "depth": 1}),
    ("raw_with_depth", "OBJ-7", "malformed", "codec 0, depth 1", {"depth": 1}),
    ("depth_65", "OBJ-7", "limit", "depth 65", {"codec": DELTA, "base": BASE, "depth": 65}),
    ("depth_255", "OBJ-7", "limit", "depth 255", {"codec": DELTA, "base": BASE, "depth": 255}),
    ("delta_of_file_chunk", "OBJ-9", "malformed", "a delta of a file chunk",
     {"codec": DELTA, "base": BASE, "depth": 1, "type": FILE_CHUNK}),
    ("delta_of_entry", "OBJ-9", "malformed", "a delta of a schema entry",
     {"codec": DELTA, "base": BASE, "depth": 1, "type": ENTRY}),
    ("length_below_tag", "OBJ-14", "malformed", "15 sealed bytes", {"codec": ZSTD, "length": 15}),
    ("raw_length_long", "OBJ-14", "malformed", "raw, one byte too many", {"length": 117}),
    ("raw_length_short", "OBJ-14", "malformed", "raw, one byte too few", {"length": 115}),
    ("chunk_too_long", "OBJ-2", "limit", "1 MiB + 1 byte of rows", {"codec": ZSTD, "plain_length": MIB + 1}),
    ("entry_too_long", "OBJ-2", "limit", "64 MiB + 1 byte",
     {"codec": ZSTD, "type": ENTRY, "plain_length": 64 * MIB + 1}),
    ("entry_empty", "OBJ-2", "malformed", "a schema entry of no bytes", {"type": ENTRY, "plain_length": 0, "length": 16}),
)  # fmt: skip


def records() -> list[Vector]:
    c = Collection("record")
    for name, comment, fields in (
        ("raw", "raw rows", {}),
        ("raw_empty", "a chunk of no bytes", {"plain_length": 0, "length": 16}),
        ("zstd_longest_chunk", "1 MiB of rows", {"codec": ZSTD, "plain_length": MIB}),
        ("zstd_longest_entry", "64 MiB", {"codec": ZSTD, "type": ENTRY, "plain_length": 64 * MIB}),
        ("delta_depth_1", "a delta", {"codec": DELTA, "base": BASE, "depth": 1}),
        ("delta_depth_64", "the deepest delta", {"codec": DELTA, "base": BASE, "depth": 64}),
        ("node_of_large_objects", "the last node type", {"type": 22}),
        ("length_of_tag", "compressed, sealed to a tag alone: the frame will refuse", {"codec": ZSTD, "length": 16}),
        ("ordinal_largest", "an ordinal is judged by its pack", {"ordinal": 2**32 - 2}),
    ):
        c.ok(name, "OBJ-14", comment, data=record(**fields))
    for name, spec, layer, comment, fields in RECORD_FAULTS:
        c.refuse(name, spec, layer, comment, data=record(**fields))
    c.refuse("short", "OBJ-14", "malformed", "83 bytes", data=record()[:83])
    c.refuse("long", "OBJ-14", "malformed", "85 bytes", data=record() + b"\0")
    return c.vectors


def sealed(object_type: int, plain: bytes, pack_class: int = DATA, **options: Any) -> dict[str, Any]:
    pack = Pack(pack_class)
    one = pack.add(object_type, plain, **options)
    return {"header": pack.header, "record": one, "sealed": pack.body}


def objects() -> list[Vector]:
    c = Collection("object", **KEYS)
    text = b"1\tone\n2\ttwo\n" * 20
    newer = text[:120] + b"99\tnew\n" + text[120:]
    output = {"output_sha256": write.sha256(text)}

    frame = write.zstd(text)
    c.ok("raw", "OBJ-1 OBJ-15", "codec 0", output, **sealed(ROW_CHUNK, text))
    c.ok("zstd", "OBJ-1 OBJ-3 OBJ-15", "codec 1", output, **sealed(ROW_CHUNK, text, codec=ZSTD))
    c.ok("zstd_empty", "OBJ-3 OBJ-4", "an empty frame", {"output_sha256": write.sha256(b"")},
         **sealed(FILE_CHUNK, b"", codec=ZSTD))  # fmt: skip
    c.ok(
        "entry",
        "OBJ-1",
        "another type and class",
        {"output_sha256": write.sha256(b"\x80")},
        **sealed(ENTRY, b"\x80", META),
    )
    base_id = write.object_id(ROW_CHUNK, text)
    delta = sealed(ROW_CHUNK, newer, base=(base_id, text), depth=1)
    c.ok("delta", "OBJ-6 OBJ-7", "codec 2", {"output_sha256": write.sha256(newer)}, **delta, base=text)
    wrong = text[:-2] + b"0\n"
    c.refuse("delta_wrong_base", "OBJ-6", "mismatch", "another base of the same length", **delta,
             base=bytes(reversed(wrong)))  # fmt: skip
    short = text[:7]
    on_short = sealed(ROW_CHUNK, newer, base=(write.object_id(ROW_CHUNK, short), short), depth=1)
    c.refuse("delta_short_base", "OBJ-16", "limit", "a base of seven bytes", **on_short, base=short)
    for name, spec, layer, comment, options in (
        ("zstd_two_frames", "OBJ-4", "malformed", "the frame twice", {"stored": frame + frame}),
        ("zstd_trailing_byte", "OBJ-4", "malformed", "a byte after the frame", {"stored": frame + b"\0"}),
        ("zstd_skippable_frame_behind", "OBJ-4", "malformed", "a skippable frame after it",
         {"stored": frame + bytes.fromhex("502a4d1800000000")}),
        ("zstd_skippable_frame", "OBJ-4", "malformed", "nothing but a skippable frame",
         {"stored": bytes.fromhex("502a4d18") + len(text).to_bytes(4, "little") + text}),
        ("zstd_no_size", "OBJ-3", "malformed", "no content size", {"stored": write.zstd(text, size=False)}),
        ("zstd_size_above_record", "OBJ-3", "malformed", "record says a byte less", {"plain_length": len(text) - 1}),
        ("zstd_size_below_record", "OBJ-3", "malformed", "record says a byte more", {"plain_length": len(text) + 1}),
        ("zstd_size_lies_short", "OBJ-3", "malformed", "header and record claim a byte less than the blocks hold",
         {"stored": _claim(frame, len(text) - 1), "plain_length": len(text) - 1}),
        ("zstd_size_lies_long", "OBJ-3", "malformed", "header and record claim a byte more than the blocks hold",
         {"stored": _claim(frame, len(text) + 1), "plain_length": len(text) + 1}),
        ("zstd_truncated", "OBJ-4", "malformed", "frame without its last byte", {"stored": frame[:-1]}),
        ("zstd_checksum", "OBJ-17", "malformed", "a frame with its checksum", {"stored": write.zstd(text, checksum=True)}),
        ("zstd_dictionary_id", "OBJ-17", "malformed", "a frame that names dictionary 7",
         {"stored": frame[:4] + bytes([frame[4] | 1, 7]) + frame[5:]}),
        ("zstd_garbage", "OBJ-3", "malformed", "no frame", {"stored": b"this is no frame"}),
        ("zstd_empty_with_more_behind", "OBJ-4", "malformed", "an empty frame, then another",
         {"stored": write.zstd(b"") + frame, "plain_length": 0, "id": write.object_id(ROW_CHUNK, b"")}),
        ("zstd_empty_of_many_blocks", "OBJ-4", "malformed", "twenty blocks of nothing, then the last",
         {"stored": bytes.fromhex("28b52ffd2000") + bytes(60) + b"\x01\0\0", "plain_length": 0,
          "id": write.object_id(ROW_CHUNK, b"")}),
        ("id_other", "OBJ-6", "mismatch", "authentic, decodes, but is not what the id says", {"id": fixed("other")}),
        ("id_of_another_type", "OBJ-1 OBJ-6", "mismatch", "id of a file chunk with these bytes",
         {"id": write.object_id(FILE_CHUNK, text)}),
    ):  # fmt: skip
        c.refuse(name, spec, layer, comment, **sealed(ROW_CHUNK, text, codec=ZSTD, **options))
    return c.vectors


def objects_moved() -> list[Vector]:
    c = Collection("object", **KEYS)
    text = b"1\tone\n2\ttwo\n" * 20
    good = sealed(ROW_CHUNK, text)
    one, data = good["record"], good["sealed"]
    for name, comment, changed in (
        ("bit_flipped", "one bit of the ciphertext", {"sealed": bytes([data[0] ^ 1]) + data[1:]}),
        ("tag_flipped", "one bit of the tag", {"sealed": data[:-1] + bytes([data[-1] ^ 1])}),
        ("aad_ordinal", "moved to ordinal 1", {"record": one[:64] + bytes([0, 0, 0, 1]) + one[68:]}),
        ("aad_type", "row chunk opened as file chunk", {"record": one[:80] + bytes([FILE_CHUNK]) + one[81:]}),
        ("aad_id", "one bit of the id", {"record": bytes([one[0] ^ 1]) + one[1:]}),
        ("aad_header", "opened in a pack with another salt", {"header": write.pack_header(DATA, "another")}),
        ("aad_class", "opened as if in a metadata pack", {"header": write.pack_header(META)}),
    ):
        c.refuse(name, "OBJ-5 OBJ-15", "authentication", comment, **(good | changed))
    return c.vectors


def _claim(frame: bytes, size: int) -> bytes:
    """The frame with another content size; 1 byte (< 256) in a single-segment frame, as these are."""
    if frame[4] != 0x20:
        raise ValueError("not a frame with a size of one byte")
    return frame[:5] + bytes([size]) + frame[6:]


def pack_header() -> list[Vector]:
    c = Collection("pack_header", key_id=KEY_ID, repository=REPOSITORY)
    changed: dict[str, Any]
    c.ok("meta", "PACK-1", "class 0", data=write.pack_header(META))
    c.ok("data", "PACK-1", "class 1", data=write.pack_header(DATA))
    for name, layer, comment, changed in (
        ("magic_other", "malformed", "magic of an enveloped file", {"magic": b"PGVAULTF"}),
        ("version_0", "malformed", "version 0", {"version": b"\0"}),
        ("version_2", "unsupported", "a newer pack", {"version": b"\2"}),
        ("kind_1", "unsupported", "sealed to a public key", {"kind": b"\1"}),
        ("class_2", "malformed", "class 2", {"pack_class": b"\2"}),
        ("zero_byte", "malformed", "byte 11 is 1", {"zero": b"\1"}),
        ("key_id_other", "authentication", "key id of another repository", {"key_id": fixed("else", 8)}),
        ("repository_other", "authentication", "another repository", {"repository": fixed("else", 16)}),
    ):
        c.refuse(name, "PACK-1", layer, comment, data=write.pack_header(DATA, **changed))
    c.refuse("short", "PACK-1", "malformed", "67 bytes", data=write.pack_header(DATA)[:67])
    return c.vectors


def pack_footer() -> list[Vector]:
    c = Collection("pack_footer")

    def tail(length: int) -> bytes:
        return length.to_bytes(4) + b"PGVAULTE"

    c.ok("plain", "PACK-8", "trailer of 200 bytes", tail=tail(200), pack_bytes=1000)
    c.ok("trailer_fills_pack", "PACK-8", "nothing between header and trailer", tail=tail(920), pack_bytes=1000)
    c.ok("pack_largest", "PACK-8", "96 MiB", tail=tail(200), pack_bytes=96 * MIB)
    c.refuse(
        "trailer_one_byte_too_long", "PACK-8", "malformed", "reaches into the header", tail=tail(921), pack_bytes=1000
    )
    c.refuse("trailer_huge", "PACK-8", "malformed", "4 GiB announced", tail=tail(2**32 - 1), pack_bytes=1000)
    c.refuse("trailer_empty", "PACK-8", "malformed", "length 0", tail=tail(0), pack_bytes=1000)
    c.refuse("trailer_below_tag", "PACK-8", "malformed", "15 bytes", tail=tail(15), pack_bytes=1000)
    c.refuse(
        "magic_other", "PACK-8", "malformed", "magic of a header", tail=tail(200)[:4] + b"PGVAULTP", pack_bytes=1000
    )
    c.refuse("short", "PACK-8", "malformed", "11 bytes", tail=tail(200)[1:], pack_bytes=1000)
    c.refuse("pack_too_long", "PACK-8", "limit", "96 MiB + 1 byte", tail=tail(200), pack_bytes=96 * MIB + 1)
    return c.vectors


def pack_trailer() -> list[Vector]:
    c = Collection("pack_trailer")
    pack = Pack(DATA)
    for text in (b"one\n", b"two\n", b"three\n"):
        pack.add(ROW_CHUNK, text)
    good, end = pack.records, 68 + len(pack.body)

    def trailer(records: list[bytes], pad: Any = 0, **extra: Any) -> bytes:
        return encode({"entries": b"".join(records), "pad": pad} | extra)

    def case(
        name: str, spec: str, layer: str, comment: str, plain: Any, at: int = end, header: bytes = pack.header
    ) -> None:
        c.refuse(name, spec, layer, comment, plain=plain, header=header, trailer_offset=at)

    case("plain", "PACK-3 PACK-4 PACK-5 PACK-6", "ok", "three objects", trailer(good))
    case("pad", "PACK-6", "ok", "100 bytes of pad", trailer(good, 100), end + 100)
    case("ancillary_key", "ENC-10", "ok", "a key that starts with _", trailer(good, _later=1))
    case("no_entries", "PACK-3", "malformed", "an empty pack", trailer([]), 68)
    case("entries_ragged", "PACK-3", "malformed", "one byte too few", trailer([*good[:2], good[2][:-1]]))
    case(
        "ordinals_from_1",
        "PACK-4",
        "malformed",
        "first ordinal is 1",
        trailer([record(ordinal=1, length=20, plain_length=4)]),
        88,
    )
    case("ordinal_twice", "PACK-4", "malformed", "0, 1, 1",
         trailer([*good[:2], good[2][:64] + good[1][64:68] + good[2][68:]]))  # fmt: skip
    case("ordinals_swapped", "PACK-4", "malformed", "1, 0, 2", trailer([good[1], good[0], good[2]]))
    case(
        "offset_gap",
        "PACK-5",
        "malformed",
        "a gap of one byte",
        trailer([record(offset=69, length=20, plain_length=4)]),
        88,
    )
    case(
        "offset_in_header",
        "PACK-5",
        "malformed",
        "starts in the header",
        trailer([record(offset=67, length=20, plain_length=4)]),
        88,
    )
    overlap = record(ordinal=1, offset=68, length=20, plain_length=4)
    case("offsets_overlap", "PACK-5", "malformed", "two objects in one place", trailer([good[0], overlap]), 88)
    case("ends_early", "PACK-6", "malformed", "one byte between objects and trailer", trailer(good), end + 1)
    case("ends_late", "PACK-6", "malformed", "objects reach into the trailer", trailer(good), end - 1)
    case("pad_long", "PACK-6", "malformed", "pad reaches into the trailer", trailer(good, 101), end + 100)
    case("pad_negative", "ENC-12", "malformed", "pad of -1", trailer(good, -1), end - 1)
    case("class_meta", "PACK-7", "malformed", "rows in a metadata pack", trailer(good), end, write.pack_header(META))
    entry = record(type=ENTRY, length=20, plain_length=4)
    case("class_data", "PACK-7", "malformed", "a schema entry in a data pack", trailer([entry]), 88)
    case("pad_absent", "ENC-11", "malformed", "no `pad`", encode({"entries": b"".join(good)}))
    case("entries_absent", "ENC-11", "malformed", "no `entries`", encode({"pad": 0}))
    case("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", trailer(good, later=1))
    return c.vectors


def pack_trailer_records() -> list[Vector]:
    c, header = Collection("pack_trailer"), write.pack_header(DATA)
    for name, spec, layer, comment, fields in RECORD_FAULTS[:9]:
        one = record(**({"length": 20, "plain_length": 4} | fields))
        c.refuse(
            f"record_{name}",
            spec,
            layer,
            comment,
            plain=encode({"entries": one, "pad": 0}),
            header=header,
            trailer_offset=88,
        )
    many = PACK_OBJECTS_TOO_MANY
    size = (84 * many).to_bytes(4)
    huge = [b"\x82\xa7entries\xc6" + size, Repeat(record(length=20, plain_length=4), many), b"\xa3pad\0"]
    c.refuse("objects_too_many", "PACK-8", "limit", "2^20 + 1 objects", plain=huge, header=header, trailer_offset=128)
    return c.vectors


PACK_OBJECTS_TOO_MANY = (1 << 20) + 1


def packs() -> list[Vector]:
    c = Collection("pack", repository=REPOSITORY, **KEYS)
    pack = Pack(DATA)
    for text in (b"1\tone\n", b"2\ttwo\n" * 9):
        pack.add(ROW_CHUNK, text, codec=ZSTD)
    good = pack.finish()
    count = {"value": {"objects": 2}}
    c.ok("two_objects", "PACK-1 PACK-2", "header, two objects, trailer, footer", count, data=good)
    c.ok("pad", "PACK-6", "37 bytes of pad", count, data=pack.finish(fixed("pad") + b"12345"))
    c.ok("one_object_of_no_bytes", "OBJ-2", "one empty chunk", {"value": {"objects": 1}}, data=_empty_pack())
    c.refuse(
        "trailer_changed",
        "PACK-2",
        "authentication",
        "one bit of the trailer",
        data=good[:-13] + bytes([good[-13] ^ 1]) + good[-12:],
    )
    c.refuse(
        "salt_changed",
        "PACK-2",
        "authentication",
        "one bit of the salt",
        data=good[:67] + bytes([good[67] ^ 1]) + good[68:],
    )
    c.refuse("truncated", "PACK-8", "malformed", "the last byte is gone", data=good[:-1])
    c.refuse("trailing_byte", "PACK-8", "malformed", "one byte more", data=good + b"\0")
    c.refuse("head_cut", "PACK-1", "malformed", "the first byte is gone", data=good[1:])
    c.refuse("footer_length_short", "PACK-2", "authentication", "trailer one byte shorter",
             data=good[:-12] + (int.from_bytes(good[-12:-8]) - 1).to_bytes(4) + good[-8:])  # fmt: skip
    for name, at, there in (("key_id", 12, fixed("else", 8)), ("repository", 20, fixed("else", 16))):
        other = Pack(DATA)
        other.header = other.header[:at] + there + other.header[at + len(there) :]
        other.add(ROW_CHUNK, b"1\tone\n")
        c.refuse(f"{name}_other", "PACK-1", "authentication", f"another {name}, properly sealed", data=other.finish())
    c.refuse("no_objects", "PACK-3", "malformed", "an empty pack, properly sealed", data=Pack(DATA).finish())
    c.refuse("empty_file", "PACK-1", "malformed", "no byte", data=b"")
    return c.vectors


def _empty_pack() -> bytes:
    pack = Pack(DATA)
    pack.add(FILE_CHUNK, b"")
    return pack.finish()


def vectors() -> list[Vector]:
    return [
        *records(),
        *objects(),
        *objects_moved(),
        *pack_header(),
        *pack_footer(),
        *pack_trailer(),
        *pack_trailer_records(),
        *packs(),
    ]
