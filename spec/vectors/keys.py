"""Vectors of chapters 10 and 20: encoding, key bundle, key slot, recovery kit, configuration, envelope."""

from __future__ import annotations

import base64
from typing import Any

from spec.vectors import write
from spec.vectors.vector import Collection, Repeat, Vector
from spec.vectors.write import CREATED, ID_KEY, REPOSITORY, ROOT, encode, fixed

KEYS = {"id_key": ID_KEY, "root": ROOT}


def encoding() -> list[Vector]:
    c = Collection("encoding")
    for name, value in {
        "integers": [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1],
        "negative_integers": [-1, -32, -33, -128, -129, -(2**15), -(2**31), -(2**31) - 1, -(2**63)],
        "text": ["", "a" * 31, "b" * 32, "c" * 255, "d" * 256, "\u00e4\u20ac\U0001f40d"],
        "bytes": [b"", bytes(255), bytes(256)],
        "scalars": [None, True, False],
        "map_in_order_of_utf8": {"": 1, "Z": 2, "a": 3, "aa": 4, "\u00e4": 5, "\uffff": 6, "\U0001f40d": 7},
        "array_of_16": list(range(16)),
        "long_map": {f"{number:02}": number for number in range(20)},
    }.items():
        c.ok(name, "ENC-1 ENC-2 ENC-3 ENC-4", name.replace("_", " "), data=encode(value))
    c.ok("depth_16", "ENC-6", "sixteen arrays, each in the one before", data=b"\x91" * 15 + b"\x90")
    c.refuse("depth_17", "ENC-6", "limit", "one array more", data=b"\x91" * 16 + b"\x90")
    c.refuse("depth_thousands", "ENC-6", "limit", "a stack for the reader", data=[Repeat(b"\x91", 5000), b"\x90"])
    c.refuse(
        "depth_hundreds", "ENC-6", "limit", "no stack for msgpack, one for Python", data=[Repeat(b"\x91", 500), b"\x90"]
    )
    c.refuse("depth_17_maps", "ENC-6", "limit", "seventeen maps", data=b"\x81\xa1a" * 16 + b"\x80")
    for name, spec, comment, data in (
        ("integer_long_form", "ENC-1 ENC-8", "1 in two bytes", "cc01"),
        ("integer_long_form_16", "ENC-1 ENC-8", "255 in three bytes", "cd00ff"),
        ("integer_long_form_64", "ENC-1 ENC-8", "1 in nine bytes", "cf0000000000000001"),
        ("integer_signed_form", "ENC-1 ENC-8", "30000 as a signed integer of the same length", "d17530"),
        ("integer_negative_long_form", "ENC-1 ENC-8", "-1 in two bytes", "d0ff"),
        ("bytes_long_form", "ENC-2 ENC-8", "one byte with a length of two", "c5000161"),
        ("text_long_form", "ENC-3 ENC-8", "one letter with a length byte", "d90161"),
        ("text_not_utf8", "ENC-3", "a lone continuation byte", "a180"),
        ("text_surrogate", "ENC-3", "half of a surrogate pair", "a3eda080"),
        ("array_long_form", "ENC-8", "an empty array with a length of two bytes", "dc0000"),
        ("map_long_form", "ENC-8", "an empty map with a length of two bytes", "de0000"),
        ("map_out_of_order", "ENC-4 ENC-8", "b before a", "82a16201a16102"),
        ("map_duplicate_key", "ENC-4 ENC-8", "a twice, same value", "82a16101a16101"),
        ("map_key_integer", "ENC-4", "a key that is no text", "810102"),
        ("map_key_bytes", "ENC-4", "a key of bytes", "81c4016101"),
        ("map_key_nil", "ENC-4", "a key of nil", "81c001"),
        ("float_64", "ENC-5", "1.0", "cb3ff0000000000000"),
        ("float_32", "ENC-5", "1.0", "ca3f800000"),
        ("extension", "ENC-5", "extension type 5", "d40500"),
        ("timestamp", "ENC-5", "extension type -1", "d6ff00000000"),
        ("reserved_byte", "ENC-8", "c1 is never used", "c1"),
        ("trailing_byte", "ENC-7", "a nil after the value", "c0c0"),
        ("empty", "ENC-7", "no value at all", ""),
        ("text_truncated", "ENC-7", "two letters announced, one there", "a261"),
        ("array_truncated", "ENC-7", "two members announced, one there", "92c0"),
        ("array_huge_count", "ENC-9", "four milliards of members announced, none there", "ddffffffff"),
        ("bytes_huge_length", "ENC-9", "four gigabytes announced, none there", "c6ffffffff"),
    ):
        c.refuse(name, spec, "malformed", comment, data=bytes.fromhex(data))
    c.refuse(
        "input_too_long",
        "ENC-9",
        "limit",
        "one byte past the bound that was given",
        data=[b"\xc5\x04\x00", Repeat(b"\0", 1024)],
    )
    return c.vectors


def bundle() -> list[Vector]:
    c = Collection("bundle")
    value = {"cut": write.CUT, "id": ID_KEY, "kind": "full", "root": ROOT}
    c.ok("full", "KEY-1", "a full key bundle", data=write.bundle())
    c.ok("cut_largest", "ENC-12", "cut seed 2^63-1", data=write.bundle(cut=2**63 - 1))
    c.ok("ancillary_key", "ENC-10", "a key that starts with _ is ignored", data=write.bundle(_later=1))
    c.refuse("kind_reserved", "KEY-1", "unsupported", "kind `write`", data=write.bundle(kind="write"))
    c.refuse("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", data=write.bundle(extra=1))
    for name, comment, changed in (
        ("cut_zero", "cut seed 0", {"cut": 0}),
        ("cut_too_large", "cut seed 2^63", {"cut": 2**63}),
        ("id_short", "id key of 31 bytes", {"id": ID_KEY[:31]}),
        ("root_long", "root of 33 bytes", {"root": ROOT + b"\0"}),
        ("root_text", "root as text", {"root": "0" * 32}),
        ("cut_boolean", "cut seed `true`", {"cut": True}),
    ):
        c.refuse(name, "ENC-12", "malformed", comment, data=write.bundle(**changed))
    for name in value:
        part = {key: item for key, item in value.items() if key != name}
        c.refuse(f"{name}_absent", "ENC-11", "malformed", f"no `{name}`", data=encode(part))
    return c.vectors


def passphrase() -> list[Vector]:
    c = Collection("passphrase")
    for name, comment, given, password in (
        ("plain", "no line end", "secret", "secret"),
        ("lf", "one LF", "secret\n", "secret"),
        ("crlf", "one CR LF", "secret\r\n", "secret"),
        ("lf_twice", "only the last goes", "secret\n\n", "secret\n"),
        ("crlf_twice", "only the last goes", "secret\r\n\r\n", "secret\r\n"),
        ("lf_crlf", "only the last goes", "secret\n\r\n", "secret\n"),
        ("cr", "a CR alone is no line end", "secret\r", "secret\r"),
        ("line_before", "a line end before the end stays", "\nse\ncret", "\nse\ncret"),
        ("blanks", "blanks stay", " secret \t\n", " secret \t"),
        ("mark", "a byte order mark stays", "\ufeffsecret\n", "\ufeffsecret"),
        ("nfd", "composed", "pa\u0308ss\n", "p\u00e4ss"),
        ("singleton", "the Kelvin sign is a K", "\u212a", "K"),
    ):
        made = {"value": {"password": password.encode()}}
        c.ok(name, "KEY-10", comment, made, data=given.encode())
    return c.vectors


def slot() -> list[Vector]:
    c = Collection("slot", passphrase=write.PASSPHRASE)
    kdf: dict[str, Any]
    opened = {"value": {"id": ID_KEY, "root": ROOT, "repository": REPOSITORY}}
    nfc, nfd = "p\u00e4ssw\u00f6rd", "pa\u0308sswo\u0308rd"
    c.ok("opens", "KEY-2 KEY-3", "opens with its passphrase", opened, data=write.slot())
    c.ok("opens_nfc", "KEY-3", "decomposed passphrase, composed when the slot was written", opened,
         data=write.slot(nfc), passphrase=nfd)  # fmt: skip
    c.ok("two_lanes", "KEY-4", "two passes and two lanes", opened, data=write.slot(kdf={"passes": 2, "lanes": 2}))
    c.ok("label_200_bytes", "ENC-12", "the longest label", opened, data=write.slot(label="\u00e4" * 100))
    c.refuse("passphrase_wrong", "KEY-3", "authentication", "another passphrase", data=write.slot(), passphrase="other")
    flipped = bytearray(write.slot())
    flipped[flipped.index(b"vector")] ^= 1
    c.refuse("label_changed", "KEY-3", "authentication", "the label is authenticated", data=bytes(flipped))
    for name, comment, kdf in (
        ("memory_huge", "4 GiB + 1 KiB", {"memory": (4 << 20) + 1}),
        ("memory_below_floor", "8 MiB - 1 KiB", {"memory": (8 << 10) - 1}),
        ("passes_zero", "no pass", {"passes": 0}),
        ("passes_many", "65 passes", {"passes": 65}),
        ("lanes_zero", "no lane", {"lanes": 0}),
        ("lanes_many", "65 lanes", {"lanes": 65}),
    ):
        c.refuse(f"kdf_{name}", "KEY-4", "limit", comment, data=write.slot(kdf=kdf))
    for name, comment, kdf in (
        ("salt_short", "salt of 31 bytes", {"salt": fixed("salt")[:31]}),
        ("salt_long", "salt of 33 bytes", {"salt": fixed("salt") + b"\0"}),
        ("passes_negative", "minus one pass", {"passes": -1}),
        ("memory_text", "memory as text", {"memory": "8192"}),
    ):
        c.refuse(f"kdf_{name}", "ENC-12", "malformed", comment, data=write.slot(kdf=kdf))
    c.refuse("kdf_other", "ENC-10", "unsupported", "scrypt", data=write.slot(kdf={"name": "scrypt"}))
    c.refuse("kdf_key_unknown", "ENC-10", "unsupported", "a key in `kdf`", data=write.slot(kdf={"secret": 1}))
    c.refuse("version_2", "ENC-10", "unsupported", "a newer slot", data=write.slot(version=2))
    c.refuse("version_0", "ENC-12", "malformed", "version 0", data=write.slot(version=0))
    c.refuse("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", data=write.slot(extra=1))
    c.refuse("label_long", "ENC-12", "malformed", "201 bytes", data=write.slot(label="x" * 201))
    c.refuse("repository_short", "ENC-12", "malformed", "15 bytes", data=write.slot(repository=REPOSITORY[:15]))
    c.refuse(
        "wrapped_tag_only", "ENC-12", "malformed", "15 bytes: shorter than a tag", data=write.slot(wrapped=bytes(15))
    )
    for name in ("created", "kdf", "label", "repository", "version", "wrapped"):
        c.refuse(f"{name}_absent", "ENC-11", "malformed", f"no `{name}`", data=write.slot(drop=name))
    good = write.slot()
    c.refuse("magic_other", "KEY-2", "malformed", "magic of a pack", data=b"PGVAULTP" + good[8:])
    c.refuse("truncated", "ENC-7", "malformed", "the last byte is gone", data=good[:-1])
    c.refuse("trailing_byte", "ENC-7", "malformed", "one byte more", data=good + b"\0")
    c.refuse("too_long", "ENC-9", "limit", "64 KiB + 1 byte", data=[good, Repeat(b"\0", (64 << 10) + 1 - len(good))])
    return c.vectors


def kit() -> list[Vector]:
    c = Collection("kit")
    good = write.kit()

    def text(lines: list[str]) -> bytes:
        return "".join(line + "\n" for line in lines).encode()

    def signed(lines: list[str]) -> bytes:
        return text([*lines, write.kit_checksum(lines)])

    opened = {"value": {"id": ID_KEY, "root": ROOT, "repository": REPOSITORY}}
    c.ok("plain", "KEY-6", "five lines", opened, data=text(good))
    c.ok("comments", "KEY-6", "lines for people before, between and after", opened,
         data=text(["# keep this", *good[:2], "# \u00e4", *good[2:], "#"]))  # fmt: skip
    kit_in_pieces(c, good, opened)
    other = base64.b64encode(write.slot(fixed("kit secret").hex(), repository=fixed("other", 16))).decode()
    c.refuse("checksum_wrong", "KEY-6", "malformed", "last digit of the secret mistyped",
             data=text([*good[:2], good[2][:-1] + ("0" if good[2][-1] != "0" else "1"), *good[3:]]))  # fmt: skip
    c.refuse("version_2", "KEY-6", "unsupported", "a newer kit", data=signed(["pgvault-recovery-kit 2", *good[1:4]]))
    c.refuse("not_a_kit", "KEY-6", "malformed", "another file", data=b"hello\n")
    c.refuse("empty", "KEY-6", "malformed", "no line", data=b"")
    for version in ("", "0", "one"):
        first = f"pgvault-recovery-kit {version}".rstrip()
        c.refuse(
            f"version_{version or 'absent'}",
            "KEY-6",
            "malformed",
            f"version {version!r}",
            data=signed([first, *good[1:4]]),
        )
    c.refuse("repository_short", "KEY-6", "malformed", "15 bytes", data=signed([good[0], good[1][:-2], *good[2:4]]))
    padded = base64.b64encode(write.slot(fixed("kit secret").hex(), label="vec")).decode()
    loose = padded.rstrip("=")[:-1] + chr(ord(padded.rstrip("=")[-1]) + 1) + "=" * padded.count("=")
    c.refuse("slot_base64_loose", "KEY-6", "malformed", "bits that are set behind the last byte",
             data=signed([*good[:3], f"slot {loose}"]))  # fmt: skip
    c.refuse(
        "lines_swapped",
        "KEY-6",
        "malformed",
        "secret before repository",
        data=signed([good[0], good[2], good[1], good[3]]),
    )
    c.refuse("line_missing", "KEY-6", "malformed", "no secret", data=signed([good[0], good[1], good[3]]))
    c.refuse("line_twice", "KEY-6", "malformed", "the checksum twice", data=text([*good, good[4]]))
    c.refuse("secret_short", "KEY-6", "malformed", "31 bytes", data=signed([*good[:2], good[2][:-2], good[3]]))
    c.refuse("secret_upper_case", "KEY-6", "malformed", "hex in capitals",
             data=signed([*good[:2], "secret " + good[2][7:].upper(), good[3]]))  # fmt: skip
    c.refuse(
        "slot_not_base64",
        "KEY-6",
        "malformed",
        "a letter that base64 has not",
        data=signed([*good[:3], good[3][:-4] + "!!!!"]),
    )
    c.refuse("slot_without_padding", "KEY-6", "malformed", "padding cut off",
             data=signed([*good[:3], "slot " + base64.b64encode(write.slot(label="vectors")).decode().rstrip("=")]))  # fmt: skip
    c.refuse("slot_of_another_repository", "KEY-5 KEY-6", "authentication", "slot names another repository",
             data=signed([*good[:3], f"slot {other}"]))  # fmt: skip
    return c.vectors


def kit_in_pieces(c: Collection, good: list[str], opened: dict[str, Any]) -> None:
    pieces = [good[3][at : at + 80] for at in range(0, len(good[3]), 80)]

    def text(lines: list[str]) -> bytes:
        return "".join(line + "\n" for line in lines).encode()

    c.ok("empty_lines", "KEY-6", "lines of nothing before, between and after", opened,
         data=text(["", *good[:3], "", "", *good[3:], ""]))  # fmt: skip
    c.ok("blanks", "KEY-6", "a byte order mark, CR LF, and blanks around lines and behind labels", opened,
         data=("\ufeff" + "".join(f"  {line}\t \r\n\u00a0\r\n" for line in good).replace("t ", "t\u00a0\t")).encode())  # fmt: skip
    c.ok("text_before", "KEY-6", "lines of a mail before it, one of them a broken line for people", opened,
         data=text(["Dear Ada,", "# Whoever holds this", "can read all.", "slot", *good]))  # fmt: skip
    c.ok("slot_behind_its_label", "KEY-6", "the line broken at its space", opened,
         data=text([*good[:3], "slot", good[3][5:], good[4]]))  # fmt: skip
    c.refuse("text_behind", "KEY-6", "malformed", "a line behind the checksum", data=text([*good, "Ada"]))
    c.refuse("blank_in_the_secret", "KEY-6", "malformed", "a space within a value",
             data=text([*good[:2], good[2][:40] + " " + good[2][40:], *good[3:]]))  # fmt: skip
    c.ok("slot_broken", "KEY-6", "the slot as a screen of 80 columns shows it", opened,
         data=text([*good[:3], *pieces, good[4]]))  # fmt: skip
    c.refuse("slot_piece_missing", "KEY-6", "malformed", "a broken slot without its second piece",
             data=text([*good[:3], pieces[0], *pieces[2:], good[4]]))  # fmt: skip
    c.refuse("secret_broken", "KEY-6", "malformed", "another line than the slot in two",
             data=text([*good[:2], good[2][:40], good[2][40:], *good[3:]]))  # fmt: skip


def config() -> list[Vector]:
    c = Collection("config", root=ROOT)
    c.ok("plain", "KEY-7 KEY-8", "version 1, no feature", data=write.config())
    c.ok("ancillary_key", "ENC-10", "a key that starts with _ is ignored", data=write.config(_later=1))
    c.refuse("version_2", "KEY-7", "unsupported", "a newer repository", data=write.config(version=2))
    c.refuse("version_2_other_keys", "KEY-7", "unsupported", "newer, with keys that nobody knows",
             data=write.config(version=2, later=1, drop="created"))  # fmt: skip
    c.refuse("feature_unknown", "KEY-7", "unsupported", "a feature", data=write.config(features=["later"]))
    c.refuse("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", data=write.config(later=1))
    c.refuse("version_0", "ENC-12", "malformed", "version 0", data=write.config(version=0))
    c.refuse("created_negative", "ENC-12", "malformed", "before the epoch", data=write.config(created=-1))
    c.refuse("repository_long", "ENC-12", "malformed", "17 bytes", data=write.config(repository=REPOSITORY + b"\0"))
    for name in ("created", "features", "repository", "version"):
        c.refuse(f"{name}_absent", "ENC-11", "malformed", f"no `{name}`", data=write.config(drop=name))
    good = write.config()
    c.refuse("mac_wrong", "KEY-8", "authentication", "last bit of the MAC", data=good[:-1] + bytes([good[-1] ^ 1]))
    c.refuse(
        "mac_of_another_key", "KEY-8", "authentication", "MAC under another root", data=write.config(key=fixed("else"))
    )
    c.refuse("magic_other", "KEY-8", "malformed", "magic of a key slot", data=b"PGVAULTK" + good[8:])
    c.refuse("truncated", "KEY-8", "malformed", "nothing but magic and MAC", data=good[:8] + good[-32:])
    c.refuse("too_long", "ENC-9", "limit", "64 KiB + 1 byte", data=[good, Repeat(b"\0", (64 << 10) + 1 - len(good))])
    return c.vectors


def envelope() -> list[Vector]:
    plain = encode({"created": CREATED, "packs": []})
    c = Collection("envelope", file_kind=write.SWEEP, **KEYS)
    output = {"output_sha256": write.sha256(plain)}
    good = write.envelope(plain, write.SWEEP)
    c.ok("raw", "KEY-9", "codec 0", output, data=good)
    c.ok("zstd", "KEY-9 OBJ-3", "codec 1", output, data=write.envelope(plain, write.SWEEP, codec=1))
    for name, at, there, layer, comment in (
        ("magic_other", 0, b"PGVAULTP", "malformed", "magic of a pack"),
        ("version_0", 8, b"\0", "malformed", "version 0"),
        ("version_2", 8, b"\2", "unsupported", "a newer file"),
        ("kind_0", 9, b"\0", "malformed", "kind 0"),
        ("kind_other", 9, b"\1", "malformed", "an index fragment where a sweep is expected"),
        ("kind_11", 9, b"\x0b", "malformed", "a kind that is not there"),
        ("codec_2", 10, b"\2", "unsupported", "codec 2"),
        ("zero_byte", 11, b"\1", "malformed", "byte 11 is 1"),
        ("key_id_other", 12, fixed("else", 8), "authentication", "key id of another repository"),
    ):
        data = write.envelope(plain, write.SWEEP, header={at: there})
        c.refuse(f"header_{name}", "KEY-9", layer, comment + ", properly sealed", data=data)
    for name, comment, data in (
        ("salt_changed", "one bit of the salt", good[:43] + bytes([good[43] ^ 1]) + good[44:]),
        ("body_changed", "one bit of the body", good[:44] + bytes([good[44] ^ 1]) + good[45:]),
        ("tag_changed", "one bit of the tag", good[:-1] + bytes([good[-1] ^ 0x80])),
        ("truncated", "the last byte is gone", good[:-1]),
        ("trailing_byte", "one byte more", good + b"\0"),
        ("kind_relabelled", "a lease, relabelled as a sweep", _relabel(write.envelope(plain, write.LEASE))),
    ):
        c.refuse(name, "KEY-9", "authentication", comment, data=data)
    for name, comment, data in (
        ("empty", "no byte", b""),
        ("short", "43 bytes", good[:43]),
    ):
        c.refuse(name, "KEY-9", "malformed", comment, data=data)
    c.refuse("too_long", "ENC-9", "limit", "64 MiB + 1 byte", data=[good, Repeat(b"\0", (64 << 20) + 1 - len(good))])
    frame = write.zstd(plain)
    bomb = bytes.fromhex("28b52ffda0") + ((64 << 20) + 1).to_bytes(4, "little") + b"\x03\x00\x00a"
    for name, spec, layer, comment, stored in (
        ("zstd_two_frames", "OBJ-4", "malformed", "the frame twice", frame + frame),
        ("zstd_trailing_byte", "OBJ-4", "malformed", "one byte after the frame", frame + b"\0"),
        ("zstd_no_size", "OBJ-3", "malformed", "no content size", write.zstd(plain, size=False)),
        ("zstd_truncated", "OBJ-4", "malformed", "frame without its end", frame[:-1]),
        ("zstd_checksum", "OBJ-17", "malformed", "a frame with its checksum", write.zstd(plain, checksum=True)),
        ("zstd_garbage", "OBJ-3", "malformed", "no frame", b"no frame at all"),
        ("zstd_bomb", "OBJ-3", "limit", "claims 64 MiB + 1 byte", bomb),
    ):
        data = write.envelope(plain, write.SWEEP, codec=1, stored=stored)
        c.refuse(name, spec, layer, comment + ", authentic", data=data)
    return c.vectors


def _relabel(data: bytes) -> bytes:
    return data[:9] + bytes([write.SWEEP]) + data[10:]


def vectors() -> list[Vector]:
    return [*encoding(), *bundle(), *passphrase(), *slot(), *kit(), *config(), *envelope()]
