"""Read a pgvault repository with nothing but its passphrase: one file, independent of the `vault` package.

    python reader.py REPO list                      the snapshots
    python reader.py REPO show SNAP                 one manifest, as JSON
    python reader.py REPO ls SNAP                   what it holds
    python reader.py REPO restore SNAP --to DIR     all of it, as plain files

SNAP is an id, a prefix of one (6 hex digits or more) or `latest`. The passphrase comes from PGVAULT_PASSWORD, from the file
named by PGVAULT_PASSWORD_FILE, or from a prompt; `--recovery-kit FILE` takes its place. Needs zstandard, blake3, msgpack
and cryptography from PyPI.

It refuses whatever the chapters beside it say a reader must refuse; the ids in brackets are theirs. Rows and files are
streamed; the index is held in memory. It never writes to the repository. The exit code is 0 only if everything was
written and every id and sum was right.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import getpass
import hashlib
import itertools
import json
import os
import re
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, filterfalse, pairwise
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]
import zstandard
from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Refused(Exception):
    """`layer`: malformed, limit, unsupported, authentication, mismatch or missing (10-encoding)."""

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(f"{layer}: {message}")
        self.layer = layer


def need(holds: bool, message: str, layer: str = "malformed") -> None:
    if not holds:
        raise Refused(layer, message)


# --- 95-limits: the numbers that a reader needs ------------------------------------------------------------------

CHUNK_BYTES_MAX = 1 << 20
META_BYTES_MAX = 64 << 20
FILE_BYTES_MAX = 64 << 20
PACK_BYTES_MAX = 96 << 20
PACK_OBJECTS_MAX = 1 << 20
FRAGMENT_ENTRIES_MAX = 1 << 17
NOTE_BYTES_MAX = 4 << 10
NOTES_MAX = 1024
SLOT_BYTES_MAX = CONFIG_BYTES_MAX = 64 << 10
KDF_BOUNDS = {"lanes": (1, 64), "memory": (8 << 10, 4 << 20), "passes": (1, 64)}
NESTING_DEPTH_MAX = 16
NODE_ITEMS_MAX = 512
TREE_LEVEL_MAX = 12
INLINE_CHUNKS_MAX = 8
PATH_BYTES_MAX = 64 << 10
STAMP_BYTES_MAX = 16 << 10
DELTA_DEPTH_MAX = 64
DELTA_BASE_BYTES_MIN = 8
EMPTY_FRAME_BYTES_MAX = 64
TRAILER_ORDINAL = 2**32 - 1
TAG_BYTES = 16
ZEROS = bytes(32)

# --- 10-encoding -------------------------------------------------------------------------------------------------


def _is_deeper(value: Any, containers: int) -> bool:
    """Looks no further down than that: msgpack reads hundreds of them, more than Python's stack takes."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return containers == 0 or any(_is_deeper(item, containers - 1) for item in inner)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value, key=lambda text: text.encode())}
    need(not isinstance(value, float | msgpack.ExtType | msgpack.Timestamp), "float or extension type")  # [ENC-5]
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def encode(value: Any) -> bytes:
    packed: bytes = msgpack.packb(_sorted(value), use_bin_type=True)
    return packed


def decode(data: bytes, what: str, bytes_max: int = META_BYTES_MAX) -> Any:
    need(len(data) <= bytes_max, f"{what} is longer than {bytes_max} bytes", "limit")  # [ENC-9]
    try:
        value = msgpack.unpackb(data, raw=False, strict_map_key=True)
    except msgpack.StackError as error:
        raise Refused("limit", f"{what} is nested too deeply") from error
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Refused("malformed", f"{what} is not msgpack: {type(error).__name__}") from error
    need(not _is_deeper(value, NESTING_DEPTH_MAX), f"{what} is nested too deeply", "limit")  # [ENC-6]
    try:
        again = encode(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused("malformed", f"{what} holds what has no canonical form") from error
    need(again == data, f"{what} is not in canonical form")  # [ENC-8]: order, duplicates, long forms
    return value


# A check takes a value and where it stands, and refuses or returns. Records and tuples are built from smaller checks.
Check = Callable[[Any, str], None]
COUNT_MAX = 2**63 - 1


def integer(low: int, high: int) -> Check:
    def check(value: Any, where: str) -> None:
        need(type(value) is int and low <= value <= high, f"{where} is not an integer from {low} to {high}")

    return check


def binary(length: int | None = None) -> Check:
    def check(value: Any, where: str) -> None:
        need(isinstance(value, bytes) and length in (None, len(value)), f"{where} is not {length or 'some'} bytes")

    return check


def text(value: Any, where: str) -> None:
    need(isinstance(value, str), f"{where} is not text")


def boolean(value: Any, where: str) -> None:
    need(isinstance(value, bool), f"{where} is not a boolean")


def optional(inner: Check) -> Check:
    return lambda value, where: None if value is None else inner(value, where)


def one_of(*values: Any) -> Check:
    return lambda value, where: need(type(value) is type(values[0]) and value in values, f"{where} is none of {values}")


def array(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        need(isinstance(value, list), f"{where} is not an array")
        for position, item in enumerate(value):
            inner(item, f"{where}[{position}]")

    return check


def tuple_of(*inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        need(isinstance(value, list) and len(value) == len(inner), f"{where} is not an array of {len(inner)}")
        for position, item in enumerate(value):
            inner[position](item, f"{where}[{position}]")

    return check


def mapping(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        need(isinstance(value, dict), f"{where} is not a map")
        for key, item in value.items():
            inner(item, f"{where}.{key}")

    return check


def record(**inner: Check) -> Check:
    """[ENC-10] [ENC-11] [ENC-12]; names of keys end in one `_` here if Python wants it."""
    known = {name.rstrip("_"): check for name, check in inner.items()}

    def check(value: Any, where: str) -> None:
        need(isinstance(value, dict), f"{where} is not a record")
        for key in value:
            need(key in known or key.startswith("_"), f"{where} has the unknown key {key!r}", "unsupported")
        for key, item_check in known.items():
            need(key in value, f"{where} lacks {key!r}")
            item_check(value[key], f"{where}.{key}")

    return check


def ascending(values: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(values))


count, u32, id32 = integer(0, COUNT_MAX), integer(0, 2**32 - 1), binary(32)
signed, u64, texts = integer(-(2**63), COUNT_MAX), integer(0, 2**64 - 1), array(text)

# --- 20-keys: derivation, slots, kit, configuration, envelope ----------------------------------------------------


def _hkdf(key: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt or None, info=info).derive(key)


@dataclass(frozen=True)
class Keys:
    id_key: bytes
    root: bytes

    @property
    def key_id(self) -> bytes:
        return _hkdf(self.root, b"", b"pgvault/1/key-id", 8)

    @property
    def config_mac(self) -> bytes:
        return _hkdf(self.root, b"", b"pgvault/1/config")

    def file_key(self, header: bytes) -> bytes:
        purpose = _hkdf(self.root, b"", b"pgvault/1/file\0" + header[9:10])
        return _hkdf(purpose, header[20:44], b"pgvault/1/file-key\0" + header)

    def pack_key(self, header: bytes) -> bytes:
        class_key = _hkdf(self.root, b"", b"pgvault/1/pack\0" + header[10:11])
        return _hkdf(class_key, header[36:68], b"pgvault/1/pack-key\0" + header)

    def object_id(self, object_type: int, plain: bytes) -> bytes:
        return blake3(bytes([object_type]) + plain, key=self.id_key).digest()


def _open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes, what: str) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError) as error:
        raise Refused("authentication", f"{what} does not open") from error


def decode_bundle(data: bytes) -> dict[str, Any]:
    value = decode(data, "key bundle", SLOT_BYTES_MAX)
    kind = value.get("kind") if isinstance(value, dict) else None
    need(not isinstance(kind, str) or kind == "full", f"key bundle of kind {kind!r}", "unsupported")  # [KEY-1]
    record(cut=integer(1, COUNT_MAX), id=id32, kind=one_of("full"), root=id32)(value, "key bundle")
    return dict(value)


def _version(value: Any, what: str) -> None:
    version = value.get("version") if isinstance(value, dict) else None
    need(type(version) is int and version >= 1, f"{what} has no version")
    need(version == 1, f"{what} is of version {version}", "unsupported")


def decode_slot(data: bytes) -> dict[str, Any]:
    need(len(data) <= SLOT_BYTES_MAX, "key slot is too long", "limit")
    need(data[:8] == b"PGVAULTK", "not a key slot")
    value = decode(data[8:], "key slot")
    _version(value, "key slot")
    kdf = value.get("kdf")
    name = kdf.get("name") if isinstance(kdf, dict) else None
    need(not isinstance(name, str) or name == "argon2id", f"key derivation {name!r}", "unsupported")
    parameter = integer(0, 2**64 - 1)
    record(
        created=count,
        kdf=record(lanes=parameter, memory=parameter, name=one_of("argon2id"), passes=parameter, salt=id32),
        label=text,
        repository=binary(16),
        version=integer(1, 1),
        wrapped=binary(),
    )(value, "key slot")
    need(len(value["label"].encode()) <= 200, "label is longer than 200 bytes")
    need(len(value["wrapped"]) > TAG_BYTES, "wrapped bundle is too short")
    for parameter_name, (low, high) in KDF_BOUNDS.items():  # [KEY-4], before anything is derived
        need(low <= value["kdf"][parameter_name] <= high, f"{parameter_name} is out of bounds", "limit")
    return dict(value)


def without_line_end(text: str) -> str:
    """A passphrase as a file or a variable gives it."""
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")  # [KEY-10]


def password_bytes(passphrase: str) -> bytes:
    return unicodedata.normalize("NFC", passphrase).encode()


def open_slot(data: bytes, passphrase: str) -> tuple[Keys, bytes]:
    """Keys and the id of the repository that the slot belongs to."""
    slot = decode_slot(data)
    kdf = slot["kdf"]
    password = password_bytes(passphrase)
    parameters = {"salt": kdf["salt"], "iterations": kdf["passes"], "lanes": kdf["lanes"], "memory_cost": kdf["memory"]}
    kek = Argon2id(length=32, **parameters).derive(password)
    aad = data[:8] + encode({name: value for name, value in slot.items() if name != "wrapped"})
    bundle = decode_bundle(_open(kek, bytes(12), slot["wrapped"], aad, "key slot"))  # [KEY-3]
    return Keys(bundle["id"], bundle["root"]), slot["repository"]


def decode_kit(data: bytes) -> tuple[bytes, str, bytes]:
    """Repository id, the slot's passphrase, the slot file."""
    need(len(data) <= 2 * SLOT_BYTES_MAX, "recovery kit is too long", "limit")
    try:
        lines: list[str] = []
        blanks = " \t\r\u00a0\ufeff"
        trimmed = (re.sub(f"[{blanks}]+", " ", line.strip(blanks), count=1) for line in data.decode().split("\n"))
        kept = (line for line in trimmed if line and not line.startswith("#"))
        for line in itertools.dropwhile(lambda line: line.split(" ")[0] != "pgvault-recovery-kit", kept):
            line = "slot " if line == "slot" else line
            if lines and lines[-1].startswith("slot ") and re.fullmatch(r"[A-Za-z0-9+/=]+", line):
                lines[-1] += line  # a screen broke it
            else:
                lines.append(line)
    except UnicodeDecodeError as error:
        raise Refused("malformed", "recovery kit is not UTF-8") from error
    need(bool(lines) and lines[0].startswith("pgvault-recovery-kit "), "not a recovery kit")
    need(re.fullmatch(r"[1-9][0-9]*", lines[0][21:]) is not None, "recovery kit has no version")
    need(lines[0] == "pgvault-recovery-kit 1", "recovery kit of a newer version", "unsupported")
    need([line.split(" ")[0] for line in lines[1:]] == ["repository", "secret", "slot", "checksum"], "kit lines differ")
    repository, secret, slot, checksum = (line.split(" ", 1)[-1] for line in lines[1:])
    need(re.fullmatch(r"[0-9a-f]{32}", repository) is not None, "kit: repository is not 16 bytes of hex")
    need(re.fullmatch(r"[0-9a-f]{64}", secret) is not None, "kit: secret is not 32 bytes of hex")
    body = "".join(line + "\n" for line in lines[:4]).encode()
    need(hashlib.sha256(body).hexdigest()[:16] == checksum, "recovery kit: checksum differs, a typing mistake?")
    try:
        file = base64.b64decode(slot, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("malformed", "kit: slot is not base64") from error
    need(base64.b64encode(file).decode() == slot, "kit: slot is not base64")
    need(decode_slot(file)["repository"].hex() == repository, "kit: slot of another repository", "authentication")
    return bytes.fromhex(repository), secret, file


def split_config(data: bytes) -> tuple[bytes, bytes, bytes]:
    """What the MAC covers, the record's bytes, the MAC."""
    need(len(data) <= CONFIG_BYTES_MAX, "config is too long", "limit")
    need(data[:8] == b"PGVAULTC" and len(data) > 40, "not a pgvault configuration")
    return data[:-32], data[8:-32], data[-32:]


def decode_config(data: bytes) -> dict[str, Any]:
    """The record's bytes, as from `split_config`; [KEY-7] version and features first."""
    value = decode(data, "config", CONFIG_BYTES_MAX)
    _version(value, "config")
    features = value.get("features")
    array(text)(features, "config.features")
    need(not features, f"features {features}", "unsupported")
    record(created=count, features=texts, repository=binary(16), version=integer(1, 1))(value, "config")
    return dict(value)


def check_config(data: bytes, keys: Keys) -> None:
    covered, _record, mac = split_config(data)
    need(blake3(covered, key=keys.config_mac).digest() == mac, "config: MAC differs", "authentication")  # [KEY-8]


INDEX, SNAPSHOT, LEASE, SWEEP, FORGOTTEN, CHECK, PIN, FINDINGS, ACK, DRILL = range(1, 11)


def check_envelope_header(data: bytes, kind: int, key_id: bytes) -> None:
    need(len(data) <= FILE_BYTES_MAX, "file is too long", "limit")
    need(len(data) >= 44 + TAG_BYTES and data[:8] == b"PGVAULTF", "not an enveloped file")
    need(data[8] >= 1, "file of version 0")
    need(data[8] == 1, f"file of version {data[8]}", "unsupported")
    need(data[9] == kind, f"file of kind {data[9]}, not {kind}")
    need(data[10] in (0, 1), f"file of codec {data[10]}", "unsupported")
    need(data[11] == 0, "byte 11 of the file is not 0")
    need(data[12:20] == key_id, "file of another key", "authentication")


def open_envelope(data: bytes, kind: int, keys: Keys) -> bytes:
    check_envelope_header(data, kind, keys.key_id)
    plain = _open(keys.file_key(data[:44]), bytes(12), data[44:], data[:44], "file")  # [KEY-9]
    return decompress(plain, None, FILE_BYTES_MAX) if data[10] == 1 else plain


# --- 30-object ---------------------------------------------------------------------------------------------------

ROW_CHUNK, FILE_CHUNK, LARGE_OBJECT_CHUNK, ENTRY, ORDER, ROLES, CATALOG, LEDGER = range(1, 9)
TABLES, EXTENTS, CHUNKS, FILES, ENTRIES, SEQUENCES, LARGE_OBJECTS = range(16, 23)
MANIFEST = 32
DATA_TYPES = (ROW_CHUNK, FILE_CHUNK, LARGE_OBJECT_CHUNK)
PACKED_TYPES = (*range(1, 9), *range(16, 23))


def decompress(frame: bytes, plain_length: int | None, bytes_max: int, base: bytes | None = None) -> bytes:
    """One zstd frame; `plain_length` None: whatever its header claims, up to `bytes_max`."""
    need(frame[:4] == b"\x28\xb5\x2f\xfd", "not a zstd frame")
    try:
        parameters = zstandard.get_frame_parameters(frame)
        need(not parameters.dict_id and not parameters.has_checksum, "frame with dictionary id or checksum")  # [OBJ-17]
        claimed = parameters.content_size
        need(claimed != zstandard.CONTENTSIZE_UNKNOWN, "frame without content size")  # [OBJ-3]
        need(plain_length in (None, claimed), "content size differs from the record")
        need(claimed <= bytes_max, f"frame of {claimed} bytes", "limit")
        dictionary = None
        if base is not None:
            need(len(base) >= DELTA_BASE_BYTES_MIN, "base of a delta is too short", "limit")  # [OBJ-16]
            dictionary = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
        if claimed:
            plain = decompressor.decompress(frame, max_output_size=claimed, allow_extra_data=False)  # [OBJ-4]
        else:  # the one-shot call looks at nothing behind a frame that claims to be empty
            need(len(frame) <= EMPTY_FRAME_BYTES_MAX, "empty frame is too long")
            piece = decompressor.decompressobj()
            plain = piece.decompress(frame)
            need(piece.eof and not piece.unused_data, "not exactly one frame")
    except zstandard.ZstdError as error:
        raise Refused("malformed", "zstd frame does not decompress") from error
    need(len(plain) == claimed, "frame holds another number of bytes than it claims")
    return plain


@dataclass(frozen=True)
class Record:
    """84 bytes of 30-object."""

    raw: bytes

    @property
    def id(self) -> bytes:
        return self.raw[:32]

    @property
    def base(self) -> bytes:
        return self.raw[32:64]

    def _u32(self, at: int) -> int:
        return int.from_bytes(self.raw[at : at + 4])

    ordinal = property(lambda self: self._u32(64))
    offset = property(lambda self: self._u32(68))
    length = property(lambda self: self._u32(72))
    plain_length = property(lambda self: self._u32(76))
    type = property(lambda self: self.raw[80])
    codec = property(lambda self: self.raw[81])
    depth = property(lambda self: self.raw[82])


def _plain_max(object_type: int) -> int:
    return CHUNK_BYTES_MAX if object_type in DATA_TYPES else META_BYTES_MAX


def decode_record(raw: bytes) -> Record:
    need(len(raw) == 84, "object record is not 84 bytes")
    one = Record(raw)
    need(one.type in PACKED_TYPES, f"object of type {one.type}", "unsupported")
    need(one.codec in (0, 1, 2), f"object of codec {one.codec}", "unsupported")
    need(raw[83] == 0, "last byte of an object record is not 0")
    delta = one.codec == 2
    need(delta == (one.base != ZEROS) and delta == (one.depth > 0), "base, depth and codec disagree")  # [OBJ-14]
    need(one.depth <= DELTA_DEPTH_MAX, f"depth {one.depth}", "limit")  # [OBJ-7]
    need(not delta or one.type == ROW_CHUNK, "delta of a type that has none")  # [OBJ-9]
    need(one.length >= TAG_BYTES, "sealed object is shorter than its tag")
    need(one.codec != 0 or one.length == one.plain_length + TAG_BYTES, "raw object of another length")
    need(one.plain_length <= _plain_max(one.type), "object is too long", "limit")  # [OBJ-2]
    need(one.plain_length > 0 or one.type in DATA_TYPES, "metadata object of no bytes")
    return one


def object_aad(header: bytes, one: Record) -> bytes:
    """[OBJ-15]"""
    meta = one.raw[64:68] + one.raw[80:83] + b"\0"
    return blake3(header).digest() + meta + one.id + one.base + one.raw[76:80] + bytes(4)


def unseal(sealed: bytes, header: bytes, one: Record, keys: Keys) -> bytes:
    nonce = bytes(8) + one.raw[64:68]
    return _open(keys.pack_key(header), nonce, sealed, object_aad(header, one), f"object {one.id.hex()}")


def decode_object(sealed: bytes, header: bytes, one: Record, keys: Keys, base: bytes | None = None) -> bytes:
    stored = unseal(sealed, header, one, keys)
    plain = stored
    if one.codec:
        plain = decompress(stored, one.plain_length, _plain_max(one.type), base)
    need(len(plain) == one.plain_length, "object of another length")
    need(keys.object_id(one.type, plain) == one.id, f"object {one.id.hex()} has another id", "mismatch")  # [OBJ-6]
    return plain


# --- 40-pack -----------------------------------------------------------------------------------------------------


def check_pack_header(header: bytes, keys: Keys | None, repository: bytes | None) -> None:
    need(len(header) == 68 and header[:8] == b"PGVAULTP", "not a pack")
    need(header[8] >= 1, "pack of version 0")
    need(header[8] == 1, f"pack of version {header[8]}", "unsupported")
    need(header[9] == 0, f"pack of kind {header[9]}", "unsupported")
    need(header[10] in (0, 1), f"pack of class {header[10]}")
    need(header[11] == 0, "byte 11 of the pack is not 0")
    need(keys is None or header[12:20] == keys.key_id, "pack of another key", "authentication")
    need(repository in (None, header[20:36]), "pack of another repository", "authentication")


def decode_footer(tail: bytes, pack_bytes: int) -> int:
    """Length of the sealed trailer; `tail`: the last 12 bytes."""
    need(pack_bytes <= PACK_BYTES_MAX, "pack is too long", "limit")  # [PACK-8]
    need(len(tail) == 12 and tail[4:] == b"PGVAULTE", "pack does not end as a pack does")
    length = int.from_bytes(tail[:4])
    need(TAG_BYTES < length <= pack_bytes - 68 - 12, "trailer does not fit into the pack")
    return length


def trailer_record(plain_length: int) -> Record:
    head = ZEROS + ZEROS + TRAILER_ORDINAL.to_bytes(4) + bytes(8) + plain_length.to_bytes(4)
    return Record(head + bytes([255, 0, 0, 0]))  # [PACK-2]


def decode_trailer(plain: bytes, header: bytes, trailer_offset: int) -> list[Record]:
    value = decode(plain, "pack trailer", PACK_BYTES_MAX)
    record(entries=binary(), pad=integer(0, PACK_BYTES_MAX))(value, "pack trailer")
    raw = value["entries"]
    need(len(raw) % 84 == 0 and len(raw) > 0, "trailer without whole entries")  # [PACK-3]
    need(len(raw) // 84 <= PACK_OBJECTS_MAX, "too many objects in a pack", "limit")
    records, offset = [], 68
    for position in range(len(raw) // 84):
        one = decode_record(raw[84 * position : 84 * position + 84])
        need(one.ordinal == position, "ordinals are not 0, 1, 2, ...")  # [PACK-4]
        need(one.offset == offset, "objects of a pack leave a gap")  # [PACK-5]
        need((one.type in DATA_TYPES) == (header[10] == 1), "object in a pack of the other class")  # [PACK-7]
        offset += one.length
        records.append(one)
    need(offset + value["pad"] == trailer_offset, "pad does not end where the trailer begins")  # [PACK-6]
    return records


def read_pack(data: bytes, keys: Keys, repository: bytes | None = None) -> list[Record]:
    """Header, footer and trailer of a whole pack."""
    check_pack_header(data[:68], keys, repository)
    length = decode_footer(data[-12:], len(data))
    at = len(data) - 12 - length
    one = trailer_record(length - TAG_BYTES)
    return decode_trailer(unseal(data[at : at + length], data[:68], one, keys), data[:68], at)


# --- 50-index ----------------------------------------------------------------------------------------------------


def decode_fragment(plain: bytes) -> dict[str, Any]:
    """`packs` as encoded; `entries` become a list of (record, position of its pack)."""
    value = decode(plain, "index fragment", FILE_BYTES_MAX)
    packs = array(tuple_of(id32, integer(0, COUNT_MAX), binary(68)))
    record(entries=binary(), packs=packs, supersedes=array(id32))(value, "index fragment")
    need(ascending([pack[0] for pack in value["packs"]]), "packs of a fragment are not ascending")  # [IDX-3]
    need(ascending(value["supersedes"]), "superseded fragments are not ascending")
    for _id, size, header in value["packs"]:
        check_pack_header(header, None, None)
        need(size <= PACK_BYTES_MAX, "pack is too long", "limit")
    raw = value["entries"]
    need(len(raw) % 88 == 0, "fragment without whole entries")
    need(len(raw) // 88 <= FRAGMENT_ENTRIES_MAX, "too many entries in a fragment", "limit")
    parts = [raw[at : at + 88] for at in range(0, len(raw), 88)]
    need(ascending(parts), "entries of a fragment are not ascending")  # [IDX-2]
    entries = []
    for part in parts:
        one, position = decode_record(part[:84]), int.from_bytes(part[84:])
        need(position < len(value["packs"]), "entry of a pack that is not listed")  # [IDX-4]
        _id, size, header = value["packs"][position]
        need(one.offset >= 68 and one.offset + one.length <= size, "entry past the end of its pack")  # [IDX-5]
        need((one.type in DATA_TYPES) == (header[10] == 1), "entry in a pack of the other class")  # [IDX-6]
        entries.append((one, position))
    return {**value, "entries": entries}


# --- 60-snapshot: items, nodes, objects --------------------------------------------------------------------------


def list_reference(value: Any, where: str) -> None:
    tuple_of(optional(id32), count, count, count)(value, where)
    need((value[0] is None) == (value[1] == 0), f"{where}: a root, or items, but not both")  # [TREE-1]
    need(value[1] > 0 or value[2:] == [0, 0], f"{where}: an empty list with sums")


def chunk_item(value: Any, where: str) -> None:
    tuple_of(id32, count, boolean)(value, where)
    need(value[1] <= CHUNK_BYTES_MAX, f"{where} is too long", "limit")


def chunk_list(value: Any, where: str) -> None:
    tuple_of(array(chunk_item), optional(list_reference))(value, where)
    inline, more = value
    need(len(inline) <= INLINE_CHUNKS_MAX, f"{where}: too many inline chunks", "limit")  # [TREE-7]
    need(more is None or not inline, f"{where}: chunks inline and in a list")
    need(more is None or more[1] > INLINE_CHUNKS_MAX, f"{where}: a list of chunks that fit inline")


def chunk_sum(value: Any) -> int:
    return int(value[1][3] if value[1] else sum(item[1] for item in value[0]))


def plain_chunks(value: Any, size: int, where: str) -> None:
    """Chunks of a file or large object."""
    need(chunk_sum(value) == size, f"{where}: its chunks have another sum")  # [TREE-10]
    need(not any(item[2] for item in value[0]), f"{where}: a chunk that continues a row")  # [TREE-11]


def safe_path(path: bytes) -> bool:
    """[TREE-9]"""
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))


file_time = tuple_of(signed, integer(0, 10**9 - 1))  # [TREE-12]


stamp = record(attributes=mapping(text), etag=text, version=text)


def file_item(value: Any, where: str) -> None:
    kinds = one_of("f", "d", "l")
    fields = (binary(), kinds, integer(0, 0o7777), file_time, count, file_time, u64, boolean, binary(), chunk_list)
    stamped = isinstance(value, list) and len(value) == 11
    tuple_of(*fields, *([stamp] if stamped else []))(value, where)
    if stamped:  # [TREE-16]
        need(value[1] == "f", f"{where}: a stamp without a file")
        texts = [value[10]["etag"], value[10]["version"], *value[10]["attributes"], *value[10]["attributes"].values()]
        need(sum(len(one.encode()) for one in texts) <= STAMP_BYTES_MAX, f"{where}: a stamp that is too long", "limit")
    need(max(len(value[0]), len(value[8])) <= PATH_BYTES_MAX, f"{where}: a path that is too long", "limit")  # [TREE-12]
    need(safe_path(value[0]), f"{where}: not a relative path")
    need(value[1] == "f" or value[4] == 0, f"{where}: a size without a file")
    need((value[1] == "l") or not value[8], f"{where}: a target without a link")
    plain_chunks(value[9], value[4], where)


def extent_item(value: Any, where: str) -> None:
    tuple_of(count, count, count, count, chunk_list, array(binary(32)), optional(chunk_list))(value, where)
    need(chunk_sum(value[4]) == value[3], f"{where}: its chunks have another sum")  # [TREE-10]
    for chunks in value[4], value[6] or [[]]:
        need(not (chunks[0] and chunks[0][-1][2]), f"{where}: its last chunk continues")  # [TREE-11]
    need(value[6] is None or value[5], f"{where}: values without digests")  # [TREE-15]


def table_item(value: Any, where: str) -> None:
    column = tuple_of(text, text, integer(1, 2**15 - 1), boolean)
    tuple_of(
        text, text, u32, u32, text, text, array(column), texts, binary(),
        optional(tuple_of(text, text)), text, list_reference, optional(extent_item), array(column),
    )(value, where)  # fmt: skip
    need(value[12] is None or value[11] == [None, 0, 0, 0], f"{where}: extents inline and in a list")  # [TREE-8]
    need(value[11][1] != 1, f"{where}: a list of one extent")
    if value[12] is not None:
        check_digests(value, value[12])


def check_digests(table: list[Any], extent: list[Any]) -> None:
    need(len(extent[5]) in (0, len(table[13])), "digests of other columns than the table's")  # [TREE-14]


def fields_digest(id_key: bytes, fields: Iterable[bytes]) -> bytes:
    """Of the values of a generated column, as COPY prints them, in any order: for a comparison after a restore."""
    return as_digest(fields_sum(id_key, fields))


def fields_sum(id_key: bytes, fields: Iterable[bytes]) -> int:
    return sum(int.from_bytes(blake3(b"\xff" + field, key=id_key).digest()) for field in fields)  # [SNAP-20]


def as_digest(total: int) -> bytes:
    return (total % 2**256).to_bytes(32)


identity = tuple_of(text, text, texts, texts, text)
section = integer(1, 4)
entry_item = tuple_of(identity, section, id32)
sequence_item = tuple_of(text, text, signed, boolean)


def large_object_item(value: Any, where: str) -> None:
    tuple_of(u32, text, optional(texts), optional(text), count, chunk_list)(value, where)
    plain_chunks(value[5], value[4], where)


def _name_key(item: Any) -> bytes:
    return bytes(item[0].encode() + b"\0" + item[1].encode())


def _table_sums(item: Any) -> tuple[int, int]:
    return (item[12][2], item[12][3]) if item[12] else (item[11][2], item[11][3])


@dataclass(frozen=True)
class ListKind:
    """How the items of a list are checked, keyed, and what rows and bytes they add to its sums."""

    check: Check
    key: Callable[[Any], bytes]
    sums: Callable[[Any], tuple[int, int]]


LISTS = {
    CHUNKS: ListKind(chunk_item, lambda item: item[0], lambda item: (0, item[1])),
    FILES: ListKind(file_item, lambda item: item[0], lambda item: (0, item[4])),
    TABLES: ListKind(table_item, _name_key, _table_sums),
    EXTENTS: ListKind(extent_item, lambda item: item[0].to_bytes(8), lambda item: (item[2], item[3])),
    ENTRIES: ListKind(entry_item, lambda item: encode(item[0]), lambda item: (0, 0)),
    SEQUENCES: ListKind(sequence_item, _name_key, lambda item: (0, 0)),
    LARGE_OBJECTS: ListKind(large_object_item, lambda item: item[0].to_bytes(4), lambda item: (0, item[4])),
}


@dataclass(frozen=True)
class Node:
    """`keys[i]` and `sums[i]` (items, rows, bytes) belong to `members[i]`."""

    level: int
    members: list[Any]
    keys: list[bytes]
    sums: list[tuple[int, int, int]]


def decode_node(plain: bytes, node_type: int) -> Node:
    level, members = _node_parts(decode(plain, "node"))
    kind = LISTS[node_type]
    child = tuple_of(binary(), id32, integer(1, COUNT_MAX), count, count)
    for position, member in enumerate(members):
        (child if level else kind.check)(member, f"member {position}")
    keys = [member[0] if level else kind.key(member) for member in members]
    need(node_type == CHUNKS or ascending(keys), "keys of a node are not ascending")  # [TREE-2]
    sums = [tuple(member[2:5]) if level else (1, *kind.sums(member)) for member in members]
    return Node(level, members, keys, sums)


def _node_parts(value: Any) -> tuple[int, list[Any]]:
    tuple_of(integer(0, COUNT_MAX), lambda members, where: need(isinstance(members, list), where))(value, "node")
    level, members = value
    need(level <= TREE_LEVEL_MAX, f"node of level {level}", "limit")
    need(len(members) > 0, "node without members")  # [TREE-3]
    need(len(members) <= NODE_ITEMS_MAX, "node with too many members", "limit")
    return level, members


STATES = ("captured", "empty", "not_selected", "not_exportable", "not_permitted", "failed")
SERVER = record(
    database=text, database_oid=u32, encoding=text, flush_lsn=u64, horizon=u64, in_recovery=boolean, insert_lsn=u64,
    insert_lsn_before=u64, next_xid=u64, postmaster_start=text, snapshot=text, system_id=text, timeline=u64,
    version=text, version_num=count,
)  # fmt: skip
DATABASE = record(
    catalog=id32, entries=list_reference, large_objects=list_reference, order=id32, roles=id32,
    sequences=list_reference, tables=list_reference, server=SERVER,
)  # fmt: skip
COUNTS = "edge_functions encryption_functions migrations records rls_policies rpc_functions tables user_roles users"
MANIFEST_RECORD = record(
    counts=record(**dict.fromkeys(COUNTS.split(), count)),
    coverage=mapping(tuple_of(one_of(*STATES), count)),
    created=count,
    database=optional(DATABASE),
    directories=mapping(list_reference),
    effort=record(duration=count, extents=count, extents_reused=count, new_bytes=count, read_bytes=count),
    host=text, ledger=id32, origin=optional(tuple_of(binary(16), id32)), parent=optional(id32), program=text, selection=text, sequence=integer(1, COUNT_MAX), source=text,
    suspect=text, tags=mapping(text),
)  # fmt: skip


def decode_manifest(plain: bytes) -> dict[str, Any]:
    value = decode(plain, "snapshot manifest", FILE_BYTES_MAX)
    MANIFEST_RECORD(value, "snapshot manifest")
    for name in value["directories"]:
        need(re.fullmatch(r"[a-z0-9_-]+", name) is not None, f"directory name {name!r}")  # [SNAP-2]
    return dict(value)


ENTRY_RECORD = record(
    definition=text, drop=text, function_definition=text, identity=identity, namespace=text, owner=text,
    section=section, table_access_method=text, tablespace=text, tag=text,
)  # fmt: skip


def decode_entry(plain: bytes) -> dict[str, Any]:
    value = decode(plain, "schema entry")
    ENTRY_RECORD(value, "schema entry")
    return dict(value)


def decode_order(plain: bytes) -> list[Any]:
    value = decode(plain, "schema order")
    record(entries=array(tuple_of(identity, section, id32, array(count))))(value, "schema order")
    entries: list[Any] = value["entries"]
    for item in entries:
        need(ascending(item[3]), "needs are not ascending")
        need(not item[3] or item[3][-1] < len(entries), "needs a position that is not there")
    return entries


ROLE_FIELDS = {
    "roles": (
        ("name", text), ("superuser", boolean), ("inherit", boolean), ("create_role", boolean),
        ("create_db", boolean), ("can_login", boolean), ("replication", boolean), ("bypass_rls", boolean),
        ("connection_limit", integer(-1, 2**31 - 1)), ("valid_until", optional(text)), ("verifier", optional(text)),
        ("comment", optional(text)),
    ),
    "memberships": (
        ("role", text), ("member", text), ("grantor", text), ("admin", boolean), ("inherit", optional(boolean)),
        ("set", optional(boolean)),
    ),
    "settings": (("role", text), ("here", boolean), ("name", text), ("value", text)),
    "tablespaces": (
        ("name", text), ("owner", text), ("location", text), ("acl", optional(texts)), ("options", texts),
    ),
    "parameter_acls": (("name", text), ("acl", texts)),
}  # fmt: skip


def decode_roles(plain: bytes) -> dict[str, Any]:
    value = decode(plain, "roles")
    arrays = {name: array(tuple_of(*(check for _name, check in fields))) for name, fields in ROLE_FIELDS.items()}
    record(verifiers_read=boolean, **arrays)(value, "roles")
    return dict(value)


def decode_catalog(plain: bytes) -> dict[str, Any]:
    value = decode(plain, "catalog facts")
    record(
        acls=array(tuple_of(text, text, optional(texts))),
        database=mapping(optional(text)),
        edges=array(tuple_of(text, text, text)),
        extensions=array(tuple_of(text, text, text)),
        functions=array(tuple_of(text, text, text, boolean, boolean)),
        operators=array(tuple_of(text, text, count)),
        policies=array(tuple_of(text, text, text, texts)),
    )(value, "catalog facts")
    return dict(value)


def decode_ledger(plain: bytes) -> dict[str, Any]:
    value = decode(plain, "coverage ledger")
    missing = tuple_of(text, one_of(*STATES), text, text)
    mapping(tuple_of(one_of(*STATES), count, array(missing)))(value, "coverage ledger")
    return dict(value)


def _note(value: Any, where: str) -> None:
    text(value, where)
    need(len(value.encode()) <= NOTE_BYTES_MAX, f"{where} is too long", "limit")  # [NOTE-1]


def _few(inner: Check) -> Check:
    def check(value: Any, where: str) -> None:
        array(inner)(value, where)
        need(len(value) <= NOTES_MAX, f"{where} has too many lines", "limit")  # [NOTE-1]

    return check


_number = integer(1, COUNT_MAX)
_packs = array(id32)
_closure = tuple_of(id32, count, array(count))
RECORDS = {
    LEASE: record(created=count, host=text, packs=_packs, parent=optional(id32), pid=count, purpose=text, source=text),
    SWEEP: record(created=count, packs=_packs),
    FORGOTTEN: record(created=count, snapshots=array(tuple_of(id32, text, _number, count))),
    CHECK: record(
        closures=array(_closure), created=count, damage=texts, host=_note, kind=text, objects=count,
        packs=array(tuple_of(id32, count, optional(count))), read_bytes=count,
    ),
    PIN: record(created=count, host=_note, reason=_note, sequence=_number, snapshot=id32, source=text),
    FINDINGS: record(
        created=count, findings=_few(tuple_of(_note, _note, _note)), holders=_few(_number), sequence=_number,
        snapshot=id32, source=text,
    ),
    ACK: record(created=count, finding=id32, host=_note, reason=_note),
    DRILL: record(
        created=count, duration=count, host=_note, mismatches=_few(_note), not_checked=_few(_note), passed=boolean,
        rows=count, server=_note, snapshot=id32, source=text, tables=count,
    ),
}  # fmt: skip
"""Kind -> what its plaintext must be. A restore needs none of them; here for whoever wants to look."""


def decode_upkeep(plain: bytes, kind: int) -> dict[str, Any]:
    value = decode(plain, "record", FILE_BYTES_MAX)
    RECORDS[kind](value, "record")
    if kind in (LEASE, SWEEP):
        need(ascending(value["packs"]), "packs do not ascend")
    elif kind == CHECK:  # [NOTE-4]
        need(ascending([pack[0] for pack in value["packs"]]), "packs do not ascend")
        need(ascending([closure[0] for closure in value["closures"]]), "closures do not ascend")
        for _id, _when, positions in value["closures"]:
            need(ascending(positions) and all(at < len(value["packs"]) for at in positions), "positions are not those")
    elif kind == FINDINGS:  # [NOTE-2]
        pairs = [(code.encode(), subject.encode()) for code, subject, _text in value["findings"]]
        need(bool(pairs) and ascending(pairs), "findings do not ascend")
        need(ascending([*value["holders"], value["sequence"]]), "holders are not numbers before its own that ascend")
    elif kind == DRILL:
        need(not (value["passed"] and value["mismatches"]), "it passed, and something differed")  # [NOTE-5]
    return dict(value)


def finding_id(snapshot: bytes, code: str, subject: str) -> bytes:
    return hashlib.sha256(encode([snapshot, code, subject])).digest()  # [NOTE-3]


# --- the repository: files, index, objects -----------------------------------------------------------------------

NAMES = {
    "keys": re.compile(r"[0-9a-f]{64}"),
    "packs": re.compile(r"[0-9a-f]{64}"),
    "index": re.compile(r"[0-9a-f]{8}-[0-9a-f]{64}"),
    "snapshots": re.compile(r"[0-9a-f]{64}"),
}


def warn(message: str) -> None:
    print(f"reader: {message}", file=sys.stderr)


@dataclass(frozen=True)
class Store:
    """A directory. Names that are not of the form of 70-store do not exist."""

    root: Path

    def list(self, directory: str) -> list[str]:
        path = self.root / directory
        names = sorted(os.listdir(path)) if path.is_dir() else []
        return [name for name in names if NAMES[directory].fullmatch(name)]

    def size(self, name: str) -> int | None:
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str, bytes_max: int) -> bytes:
        size = self.size(name)
        if size is None:
            raise Refused("missing", f"{name} is not there")
        need(size <= bytes_max, f"{name} is too long", "limit")
        return (self.root / name).read_bytes()

    def range(self, name: str, offset: int, length: int) -> bytes:
        try:
            with open(self.root / name, "rb") as file:
                file.seek(offset)
                data = file.read(length)
        except FileNotFoundError as error:
            raise Refused("missing", f"{name} is not there") from error
        need(len(data) == length, f"{name} ends early")
        return data


@dataclass
class Repository:
    store: Store
    keys: Keys
    id: bytes
    # object id -> locations (pack id, pack header, record)
    places: dict[bytes, list[tuple[bytes, bytes, Record]]] = field(default_factory=dict)

    # --- opening -------------------------------------------------------------------------------------------------

    @classmethod
    def unlock(cls, store: Store, passphrase: Callable[[], str], kit: bytes | None = None) -> Repository:
        config = store.read("config", CONFIG_BYTES_MAX) if store.size("config") is not None or kit is None else None
        expected = decode_config(split_config(config)[1])["repository"] if config is not None else None
        if kit is not None:
            kit_repository, secret, slot = decode_kit(kit)
            opened = open_slot(slot, secret)
            need(opened[1] == kit_repository, "recovery kit of another repository", "authentication")
        else:
            opened = cls._try_slots(store, passphrase(), expected)
        keys, repository = opened
        if config is not None:
            check_config(config, keys)
            need(repository == expected, "key slot of another repository", "authentication")  # [KEY-5]
        return cls(store, keys, repository)

    @staticmethod
    def _try_slots(store: Store, passphrase: str, expected: bytes | None) -> tuple[Keys, bytes]:
        slots = []
        for name in store.list("keys"):
            try:
                data = store.read(f"keys/{name}", SLOT_BYTES_MAX)
                need(hashlib.sha256(data).hexdigest() == name, "key slot is damaged", "mismatch")  # [KEY-2]
                slot = decode_slot(data)
                need(expected in (None, slot["repository"]), "key slot of another repository", "authentication")
                slots.append((slot["kdf"]["passes"] * slot["kdf"]["memory"], name, data))
            except Refused as refused:
                warn(f"keys/{name}: {refused}")
        for _cost, name, data in sorted(slots):  # [KEY-11]
            try:
                return open_slot(data, passphrase)
            except Refused as refused:
                if refused.layer != "authentication":
                    warn(f"keys/{name}: {refused}")
        raise Refused("authentication", "no key slot opens: wrong passphrase")

    def load_index(self) -> None:
        fragments, superseded, unreadable = {}, set(), []
        for name in self.store.list("index"):
            try:
                data = self.store.read(f"index/{name}", FILE_BYTES_MAX)
                need(hashlib.sha256(data).hexdigest() == name[9:], "another name than its bytes", "mismatch")  # [IDX-1]
                fragment = decode_fragment(open_envelope(data, INDEX, self.keys))
                for _id, _size, header in fragment["packs"]:
                    check_pack_header(header, self.keys, self.id)
            except Refused as refused:  # [IDX-8]: the rest counts
                warn(f"index/{name}: {refused}")
                unreadable.append(name)
                continue
            fragments[bytes.fromhex(name[9:])] = fragment
            superseded |= set(fragment["supersedes"])
        known: set[bytes] = set()
        for fragment_id, fragment in fragments.items():
            if fragment_id not in superseded:
                known |= self._add_fragment(fragment)
        if unreadable:
            self._add_trailers(known)

    def _add_fragment(self, fragment: dict[str, Any]) -> set[bytes]:
        usable = [self.store.size(f"packs/{pack.hex()}") == size for pack, size, _header in fragment["packs"]]
        for one, position in fragment["entries"]:
            pack, _size, header = fragment["packs"][position]
            if usable[position]:  # [IDX-7]
                self.places.setdefault(one.id, []).append((pack, header, one))
        return {pack for (pack, _size, _header), ok in zip(fragment["packs"], usable, strict=True) if ok}

    def _add_trailers(self, known: set[bytes]) -> None:
        """What an unreadable fragment said is also in the trailers of its packs."""
        for name in self.store.list("packs"):
            if bytes.fromhex(name) in known:
                continue
            try:
                data = self.store.read(f"packs/{name}", PACK_BYTES_MAX)
                need(hashlib.sha256(data).hexdigest() == name, "another name than its bytes", "mismatch")  # [PACK-1]
                for one in read_pack(data, self.keys, self.id):
                    self.places.setdefault(one.id, []).append((bytes.fromhex(name), data[:68], one))
            except Refused as refused:
                warn(f"packs/{name}: {refused}")

    # --- objects -------------------------------------------------------------------------------------------------

    def get(self, object_id: bytes, object_type: int) -> bytes:
        return self._get(object_id, object_type, DELTA_DEPTH_MAX + 1, {})

    def _get(self, wanted: bytes, object_type: int, below: int, failed: dict[tuple[bytes, int], Refused]) -> bytes:
        """Try every location of depth < `below`; `failed` holds those that were tried for this object already."""
        problem = Refused("missing", f"object {wanted.hex()} has no usable location")
        for pack, header, one in self.places.get(wanted, ()):
            if one.depth >= below:  # [OBJ-10]
                continue
            place = (pack, one.ordinal)
            try:
                if place in failed:
                    raise failed[place]
                need(one.type == object_type, f"object {wanted.hex()} is of type {one.type}, not {object_type}")
                base = self._get(one.base, object_type, one.depth, failed) if one.codec == 2 else None  # [OBJ-8]
                sealed = self.store.range(f"packs/{pack.hex()}", one.offset, one.length)
                return decode_object(sealed, header, one, self.keys, base)
            except Refused as refused:  # [OBJ-11]: the next location
                problem = failed[place] = refused
        raise problem

    def walk(self, reference: list[Any], node_type: int) -> Iterator[Any]:
        """The items of a list, in order; sums, levels and keys are enforced on the way."""
        if reference[0] is None:
            return
        last: list[bytes] = []
        for key, item in self._walk_node(reference[0], node_type, tuple(reference[1:]), None):
            need(node_type == CHUNKS or not last or last[0] < key, "keys of a list are not ascending")  # [TREE-2]
            last = [key]
            yield item

    def _walk_node(
        self, node_id: bytes, node_type: int, sums: tuple[int, ...], parent: tuple[int, bytes] | None
    ) -> Iterator[tuple[bytes, Any]]:
        node = decode_node(self.get(node_id, node_type), node_type)
        need(
            tuple(map(sum, zip(*node.sums, strict=True))) == sums, "sums of a node differ from its parent's"
        )  # [TREE-5]
        if parent is not None:
            need(node.level == parent[0] - 1, "level does not fall by one")  # [TREE-6]
            need(node.keys[-1] == parent[1], "last key of a node differs from its parent's")
        for key, member, member_sums in zip(node.keys, node.members, node.sums, strict=True):
            if node.level == 0:
                yield key, member
            else:
                yield from self._walk_node(member[1], node_type, member_sums, (node.level, key))

    def chunks(self, chunks: list[Any], object_type: int) -> Iterator[tuple[bytes, bool]]:
        """(plain bytes, continues) of each chunk of a file, a large object or an extent."""
        inline, more = chunks
        for chunk_id, length, continues in self.walk(more, CHUNKS) if more else inline:
            plain = self.get(chunk_id, object_type)
            need(len(plain) == length, "chunk of another length than its reference")
            need(object_type == ROW_CHUNK or not continues, "a chunk that continues a row")
            yield plain, continues

    # --- snapshots -----------------------------------------------------------------------------------------------

    def manifest(self, name: str) -> dict[str, Any]:
        plain = open_envelope(self.store.read(f"snapshots/{name}", FILE_BYTES_MAX), SNAPSHOT, self.keys)
        need(self.keys.object_id(MANIFEST, plain).hex() == name, "snapshot under another name", "mismatch")  # [SNAP-1]
        return decode_manifest(plain)

    def snapshots(self) -> Iterator[tuple[str, dict[str, Any] | Refused]]:
        for name in self.store.list("snapshots"):
            try:
                yield name, self.manifest(name)
            except Refused as refused:
                yield name, refused

    def find(self, wanted: str) -> str:
        names = self.store.list("snapshots")
        if wanted == "latest":
            newest: dict[str, tuple[int, str, int]] = {}  # per source by number, never by clock [SNAP-5]
            for name, manifest in self.snapshots():
                if isinstance(manifest, Refused):
                    warn(f"snapshots/{name}: {manifest}")
                else:
                    one = (manifest["sequence"], name, manifest["created"])
                    newest[manifest["source"]] = max(one, newest.get(manifest["source"], one))
            need(bool(newest), "no snapshot", "missing")
            return max((created, source, name) for source, (_, name, created) in newest.items())[2]
        found = [name for name in names if name.startswith(wanted)]
        need(len(wanted) >= 6 and len(found) == 1, f"{len(found)} snapshots are named {wanted}", "missing")
        return found[0]

    def extents(self, table: list[Any]) -> Iterator[Any]:
        if table[12] is not None:
            yield table[12]
        else:
            for extent in self.walk(table[11], EXTENTS):
                check_digests(table, extent)
                yield extent

    def rows(self, table: list[Any]) -> Iterator[bytes]:
        """COPY text of a table in the server's encoding, chunk by chunk."""
        for extent in self.extents(table):
            yield from self._row_text(extent[4], extent[2])

    def _row_text(self, chunks: list[Any], rows: int) -> Iterator[bytes]:
        seen, open_row = 0, False
        for plain, continues in self.chunks(chunks, ROW_CHUNK):
            need(plain.endswith(b"\n") != continues, "a chunk's last row and its mark disagree")  # [TREE-11]
            seen, open_row = seen + plain.count(b"\n"), continues
            yield plain
        need(not open_row, "the last row of an extent has no end")
        need(seen == rows, "an extent holds another number of rows than it says")  # [TREE-10, TREE-15]

    def has_values(self, table: list[Any]) -> bool:
        """Whether the generated columns of every row were captured."""
        return bool(table[13]) and all(extent[6] is not None or extent[2] == 0 for extent in self.extents(table))

    def values(self, table: list[Any]) -> Iterator[bytes]:
        """COPY text of the generated columns, a row for each of `rows`, in that order."""
        for extent in self.extents(table):
            if extent[6] is not None:
                yield from self._values(extent, len(table[13]))

    def _values(self, extent: list[Any], columns: int) -> Iterator[bytes]:
        sums, rest = [0] * columns, [b""]
        for plain in self._row_text(extent[6], extent[2]):
            rest.append(plain)
            if b"\n" in plain:
                *whole, last = b"".join(rest).split(b"\n")
                rest = [last]
            else:
                whole = []
            for row in whole:
                fields = row.split(b"\t")
                need(len(fields) == columns, "values of other columns than the table's")  # [TREE-15]
                sums = [
                    total + fields_sum(self.keys.id_key, [field]) for total, field in zip(sums, fields, strict=True)
                ]
            yield plain
        need([as_digest(total) for total in sums] == extent[5], "values of other digests")  # [SNAP-21]

    def ledger(self, manifest: dict[str, Any]) -> dict[str, Any]:
        ledger = decode_ledger(self.get(manifest["ledger"], LEDGER))
        coverage = {name: item[:2] for name, item in ledger.items()}
        need(coverage == manifest["coverage"], "coverage of manifest and ledger differ")  # [SNAP-4]
        return ledger

    def files(self, reference: list[Any]) -> Iterator[list[Any]]:
        """File items by path, none below one that is no directory."""
        above: list[bytes] = []
        for item in self.walk(reference, FILES):
            while above and not item[0].startswith(above[-1]):
                above.pop()
            need(
                not any(item[0].startswith(path + b"/") for path in above), "a path below a file or a link"
            )  # [TREE-13]
            if item[1] != "d":
                above.append(item[0])
            yield item

    def entries(self, database: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Schema entries in the recorded order, each equal to its place in the entry list."""
        order = decode_order(self.get(database["order"], ORDER))
        listed = {encode(item[0]): item for item in self.walk(database["entries"], ENTRIES)}
        need(len(listed) == len(order), "entry list and schema order differ in number")
        for names, in_section, entry_id, _needs in order:
            need(
                listed.get(encode(names)) == [names, in_section, entry_id], "entry list and schema order differ"
            )  # [SNAP-3]
            entry = decode_entry(self.get(entry_id, ENTRY))
            need([entry["identity"], entry["section"]] == [names, in_section], "entry under another identity")
            yield entry


# --- writing a snapshot out --------------------------------------------------------------------------------------


def percent(name: str) -> str:
    """A database's name as part of a file name."""

    def escape(match: re.Match[str]) -> str:
        return "".join(f"%{byte:02X}" for byte in match[0].encode())

    return re.sub(r"[%/.\x00-\x1f\x7f]|^-", escape, name)


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    body = value.replace("'", "''")
    return "E'" + body.replace("\\", "\\\\") + "'" if "\\" in body else f"'{body}'"


def comment(value: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]", "?", value)


NAMED = [
    "COLLATION",
    "CONVERSION",
    "DOMAIN",
    "FOREIGN TABLE",
    "MATERIALIZED VIEW",
    "SEQUENCE",
    "STATISTICS",
    "TABLE",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH CONFIGURATION",
    "TYPE",
    "VIEW",
    "PROCEDURAL LANGUAGE",
    "SCHEMA",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "SERVER",
    "PUBLICATION",
    "SUBSCRIPTION",
]
BY_DROP = {"AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE"}


def owner_statement(entry: dict[str, Any]) -> str:
    """pg_restore's ALTER ... OWNER TO; the definition does not hold it."""
    desc = entry["identity"][0]
    if not entry["owner"] or not entry["drop"]:
        return ""
    if desc in NAMED:
        prefix = quote(entry["namespace"]) + "." if entry["namespace"] else ""
        return f"ALTER {desc} {prefix}{quote(entry['tag'])} OWNER TO {quote(entry['owner'])};\n"
    if desc in BY_DROP:
        return f"ALTER {entry['drop'].removeprefix('DROP ').rstrip().rstrip(';')} OWNER TO {quote(entry['owner'])};\n"
    return ""


def of_database(entry: dict[str, Any]) -> bool:
    """Of the database itself: pg_restore runs these with --create only."""
    desc, tag = entry["identity"][0], entry["tag"]
    about = desc in ("ACL", "COMMENT", "SECURITY LABEL") and tag.startswith("DATABASE ")
    return desc in ("DATABASE", "DATABASE PROPERTIES") or about


def restore_pass(entry: dict[str, Any]) -> int:
    """0 objects, 1 privileges, 2 what must see the finished schema; pg_restore's passes."""
    desc = entry["identity"][0]
    if desc in ("ACL", "ACL LANGUAGE", "DEFAULT ACL"):
        return 1
    late = desc in ("EVENT TRIGGER", "MATERIALIZED VIEW DATA")
    return 2 if late or (desc == "COMMENT" and entry["tag"].startswith("EVENT TRIGGER ")) else 0


QUOTED = re.compile(r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)


def for_psql(definition: str) -> str:
    """As a string for the server where psql would take `:"USER"` or `:n`, as array bounds have them, for a variable of its own."""
    if not re.search(r"""(?<!:):["'{\w]""", QUOTED.sub(lambda found: found[0][0], definition)):
        return definition
    mark = f"$d{hashlib.sha256(definition.encode()).hexdigest()}$"
    return f"DO {mark[:-1]}o$BEGIN EXECUTE {mark}{definition}{mark}; END{mark[:-1]}o$;\n"


SCHEMA_HEAD = """-- Written by spec/reader.py: the schema of one snapshot, for psql.
-- Roles first (roles.json). The rows (data_records/load.sql), sequences.sql and large_objects/ go in at the line
-- "-- ROWS GO IN HERE", between the pre-data and the post-data section.
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET array_nulls = on;
SET transform_null_equals = off;
SET check_function_bodies = false;
SET xmloption = content;
SET row_security = off;
SELECT pg_catalog.set_config('search_path', '', false);
"""


class Restore:
    """Writes one snapshot below a directory; every method writes one part of it."""

    def __init__(self, repository: Repository, manifest: dict[str, Any], target: Path) -> None:
        self.repository = repository
        self.manifest = manifest
        self.target = target

    def run(self) -> None:
        self.target.mkdir(parents=True, exist_ok=True)
        need(not any(self.target.iterdir()), f"{self.target} is not empty", "usage")
        ledger = self.repository.ledger(self.manifest)
        self._json("snapshot.json", self.manifest)
        self._json("coverage.json", ledger)
        for name, reference in self.manifest["directories"].items():
            self.directory(name, reference)
        database = self.manifest["database"]
        if database is not None:
            self.roles(database)
            self.schema(database)
            self.sequences(database)
            self.tables(database)
            self.large_objects(database)

    def _write(self, name: str, pieces: Iterator[bytes]) -> int:
        path = self.target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                size += file.write(piece)
        return size

    def _json(self, name: str, value: Any) -> None:
        self._write(name, iter([(json.dumps(value, indent=1, default=_json_default) + "\n").encode()]))

    # --- directories ---------------------------------------------------------------------------------------------

    def directory(self, name: str, reference: list[Any]) -> None:
        root = os.fsencode(self.target / "directories" / name)
        os.makedirs(root)
        finished: list[tuple[bytes, int, list[int]]] = []  # directories get their modes and times last
        for path, kind, mode, mtime, size, _ctime, _inode, _racy, link, chunks, *_ in self.repository.files(reference):
            full = self._place(root, path)
            if kind == "d":
                os.makedirs(full, exist_ok=True)
                finished.append((full, mode, mtime))
            elif kind == "l":
                os.symlink(link, full)
                self._set_time(full, mtime)
            else:
                self._file(full, size, chunks)
                os.chmod(full, mode)
                self._set_time(full, mtime)
        for full, mode, mtime in reversed(finished):
            os.chmod(full, mode)
            self._set_time(full, mtime)

    @staticmethod
    def _set_time(full: bytes, mtime: list[int]) -> None:
        """What the file system cannot hold is told; the content is there all the same."""
        whole = mtime[0] * 10**9 + mtime[1]
        try:
            os.utime(full, ns=(whole, whole), follow_symlinks=False)
        except (OSError, OverflowError) as error:
            warn(f"{os.fsdecode(full)!r}: its time {mtime} cannot be set: {error}")

    @staticmethod
    def _place(root: bytes, path: bytes) -> bytes:
        """Full name; every part above it is a directory, never a link that was restored before."""
        full = root
        for part in path.split(b"/")[:-1]:
            full = full + b"/" + part
            try:
                need(stat.S_ISDIR(os.lstat(full).st_mode), "a path below something that is no directory")
            except FileNotFoundError:
                os.mkdir(full)
        return full + b"/" + path.split(b"/")[-1]

    def _file(self, full: bytes, size: int, chunks: list[Any]) -> None:
        written = 0
        with open(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            for plain, _continues in self.repository.chunks(chunks, FILE_CHUNK):
                written += file.write(plain)
        need(written == size, "file of another size")

    # --- database ------------------------------------------------------------------------------------------------

    def roles(self, database: dict[str, Any]) -> None:
        roles = decode_roles(self.repository.get(database["roles"], ROLES))
        named: dict[str, Any] = {
            kind: [dict(zip((name for name, _check in fields), item, strict=True)) for item in roles[kind]]
            for kind, fields in ROLE_FIELDS.items()
        }
        self._json("roles.json", {**named, "verifiers_read": roles["verifiers_read"]})
        self._json("catalog.json", decode_catalog(self.repository.get(database["catalog"], CATALOG)))

    def schema(self, database: dict[str, Any]) -> None:
        self._write("schema.sql", self._schema(database))
        head = b"-- The database that the snapshot was taken of; schema.sql goes into any empty one.\n"
        entries = filter(of_database, self.repository.entries(database))
        self._write("database.sql", chain([head], map(self._entry, entries)))

    def _schema(self, database: dict[str, Any]) -> Iterator[bytes]:
        yield SCHEMA_HEAD.encode()
        later: tuple[list[dict[str, Any]], ...] = ([], [], [])
        marked = False
        for entry in filterfalse(of_database, self.repository.entries(database)):
            number = restore_pass(entry)
            if entry["section"] in (3, 4) and not marked:
                marked = True
                yield b"\n-- ROWS GO IN HERE\n"
            if number:
                later[number].append(entry)
            else:
                yield self._entry(entry)
        if not marked:
            yield b"\n-- ROWS GO IN HERE\n"
        for entry in later[1] + later[2]:
            yield self._entry(entry)

    @staticmethod
    def _entry(entry: dict[str, Any]) -> bytes:
        desc = entry["identity"][0]
        lines = [f"\n-- {comment(desc)} {comment(entry['namespace'])} {comment(entry['tag'])}\n"]
        if desc in ("TABLE", "MATERIALIZED VIEW", "INDEX", "CONSTRAINT"):
            lines.append(f"SET default_tablespace = {literal(entry['tablespace'])};\n")
        if entry["table_access_method"]:
            lines.append(f"SET default_table_access_method = {quote(entry['table_access_method'])};\n")
        definition = for_psql(entry["definition"])
        lines.append(definition if definition.endswith("\n") or not definition else definition + "\n")
        return "".join([*lines, owner_statement(entry)]).encode()

    def sequences(self, database: dict[str, Any]) -> None:
        def lines() -> Iterator[bytes]:
            for schema, name, last, called in self.repository.walk(database["sequences"], SEQUENCES):
                target = literal(f"{quote(schema)}.{quote(name)}")
                yield f"SELECT pg_catalog.setval({target}, {last}, {str(called).lower()});\n".encode()

        self._write("sequences.sql", lines())

    def tables(self, database: dict[str, Any]) -> None:
        self._write("data_records/load.sql", self._tables(database))

    def _tables(self, database: dict[str, Any]) -> Iterator[bytes]:
        r"""Write every table, and yield the \copy commands that load them."""
        yield b"-- psql -f load.sql, in this directory, after the pre-data section of schema.sql\n"
        yield f"\\encoding {database['server']['encoding']}\n".encode()
        for table in self.repository.walk(database["tables"], TABLES):
            file = f"{percent(table[0])}.{percent(table[1])}.copy"
            size = self._write(f"data_records/{file}", self.repository.rows(table))
            need(size == _table_sums(table)[1], f"{file} has another size")
            schema, name = table[9] or table[:2]
            columns = ", ".join(quote(column[0]) for column in table[6])
            command = f"\\copy {quote(schema)}.{quote(name)} ({columns}) from {literal(file)}"
            if not table[6] or "\n" in command:
                warn(f"{file}: load it by hand, psql cannot name it in one line")
                command = f"-- by hand: {comment(command)}"
            yield command.encode() + b"\n"
            if self.repository.has_values(table):
                values = f"{percent(table[0])}.{percent(table[1])}.generated.copy"
                self._write(f"data_records/{values}", self.repository.values(table))
                names = comment(", ".join(quote(column[0]) for column in table[13]))
                yield f"-- {values}: what its generated columns were ({names}); they are computed again\n".encode()

    def large_objects(self, database: dict[str, Any]) -> None:
        facts = []
        for oid, owner, acl, note, size, chunks in self.repository.walk(database["large_objects"], LARGE_OBJECTS):
            pieces = (plain for plain, _continues in self.repository.chunks(chunks, LARGE_OBJECT_CHUNK))
            need(self._write(f"large_objects/{oid}", pieces) == size, f"large object {oid} has another size")
            facts.append({"oid": oid, "owner": owner, "acl": acl, "comment": note, "size": size})
        if facts:
            self._json("large_objects.json", facts)


def _json_default(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value).__name__)


# --- command line ------------------------------------------------------------------------------------------------


def _passphrase() -> str:
    if "PGVAULT_PASSWORD" in os.environ:
        return without_line_end(os.environ["PGVAULT_PASSWORD"])
    if "PGVAULT_PASSWORD_FILE" in os.environ:
        return without_line_end(Path(os.environ["PGVAULT_PASSWORD_FILE"]).read_bytes().decode())
    return getpass.getpass("passphrase: ")


def _list(repository: Repository) -> int:
    unreadable = 0
    for name, manifest in repository.snapshots():
        if isinstance(manifest, Refused):
            warn(f"snapshots/{name}: {manifest}")
            unreadable += 1
        else:
            print(name, manifest["created"], manifest["sequence"], json.dumps(manifest["source"]))
    return 1 if unreadable else 0


def _ls(repository: Repository, manifest: dict[str, Any]) -> None:
    for name, reference in manifest["directories"].items():
        for item in repository.files(reference):
            path = re.sub(r"[\x00-\x1f\x7f]", "?", item[0].decode(errors="backslashreplace"))
            print(f"directories/{name}/{path}", item[1], item[4])
    if manifest["database"]:
        for table in repository.walk(manifest["database"]["tables"], TABLES):
            rows, size = _table_sums(table)
            print(f"data_records/{percent(table[0])}.{percent(table[1])}.copy", rows, size)


def run(arguments: argparse.Namespace) -> int:
    kit = Path(arguments.recovery_kit).read_bytes() if arguments.recovery_kit else None
    repository = Repository.unlock(Store(Path(arguments.repository)), _passphrase, kit)
    if arguments.command == "list":
        return _list(repository)
    name = repository.find(arguments.snapshot)
    manifest = repository.manifest(name)
    if arguments.command == "show":
        print(json.dumps({"id": name, **manifest}, indent=1, default=_json_default))
        return 0
    repository.load_index()
    if arguments.command == "ls":
        _ls(repository, manifest)
    else:
        Restore(repository, manifest, Path(arguments.to)).run()
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Read a pgvault repository without pgvault.")
    parser.add_argument("repository")
    parser.add_argument("--recovery-kit", metavar="FILE")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the snapshots: id, time in ms, number, source")
    commands.add_parser("show", help="one manifest as JSON").add_argument("snapshot")
    commands.add_parser("ls", help="what a snapshot holds").add_argument("snapshot")
    restore = commands.add_parser("restore", help="write a snapshot out as plain files")
    restore.add_argument("snapshot")
    restore.add_argument("--to", required=True, metavar="DIR")
    for name in ("list", "show", "ls", "restore"):
        commands.choices[name].add_argument("--recovery-kit", metavar="FILE", default=argparse.SUPPRESS)
    try:
        return run(parser.parse_args(argv))
    except Refused as refused:
        warn(str(refused))
    except OSError as error:
        warn(f"{error.strerror}: {error.filename}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
