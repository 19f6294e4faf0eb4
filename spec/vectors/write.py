"""The vectors' own writer: spec chapters 10 to 60 as bytes, with a handle on every field so that one of them can be wrong.

Shares no code with `vault` and none with `spec/reader.py`. Everything is deterministic: keys and salts are SHA-256 of a
word. It checks nothing; what it writes is as right or as wrong as its caller says.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import zstandard
from blake3 import blake3
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def fixed(word: str, length: int = 32) -> bytes:
    return hashlib.sha256(word.encode()).digest()[:length]


ID_KEY, ROOT, REPOSITORY = fixed("id key"), fixed("root"), fixed("repository", 16)
CUT = 0x0123456789ABCDEF
PASSPHRASE = "correct horse battery staple"
CREATED = 1_700_000_000_000
ZEROS = bytes(32)

# --- encoding ----------------------------------------------------------------------------------------------------


def encode(value: Any) -> bytes:
    def in_order(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: in_order(part[key]) for key in sorted(part, key=str.encode)}
        return [in_order(item) for item in part] if isinstance(part, list | tuple) else part

    return bytes(msgpack.packb(in_order(value)))


# --- keys --------------------------------------------------------------------------------------------------------


def hkdf(key: bytes, salt: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(key)


KEY_ID = hkdf(ROOT, b"", b"pgvault/1/key-id", 8)


def bundle(**changed: Any) -> bytes:
    return encode({"cut": CUT, "id": ID_KEY, "kind": "full", "root": ROOT} | changed)


def _kek(passphrase: str, kdf: dict[str, Any]) -> bytes:
    """Zeros where the parameters are too wrong, or too dear, to derive with: such a slot is refused before."""
    numbers: list[Any] = [kdf.get(name) for name in ("lanes", "memory", "passes")]
    if [type(number) for number in numbers] != [int] * 3 or len(kdf["salt"]) != 32:
        return ZEROS
    lanes, memory, passes = numbers
    if not (1 <= lanes <= 4 and 8192 <= memory <= 65536 and 1 <= passes <= 4):
        return ZEROS
    derive = Argon2id(salt=kdf["salt"], length=32, iterations=passes, lanes=lanes, memory_cost=memory)
    return derive.derive(passphrase.encode())


def slot(
    passphrase: str = PASSPHRASE,
    *,
    kdf: dict[str, Any] | None = None,
    plain: bytes | None = None,
    drop: str = "",
    **changed: Any,
) -> bytes:
    """A key slot file. `kdf`: changed parameters; `plain`: another bundle; `drop`: a key to leave out."""
    parameters: dict[str, Any] = {
        "lanes": 1,
        "memory": 8192,
        "name": "argon2id",
        "passes": 1,
        "salt": fixed("slot salt"),
    } | (kdf or {})
    value = {"created": CREATED, "kdf": parameters, "label": "vector", "repository": REPOSITORY, "version": 1} | changed
    value.pop(drop, None)
    aad = b"PGVAULTK" + encode(value)
    key = _kek(passphrase, parameters)
    wrapped = AESGCM(key).encrypt(bytes(12), bundle() if plain is None else plain, aad)
    return b"PGVAULTK" + encode(value | ({} if drop == "wrapped" else {"wrapped": changed.get("wrapped", wrapped)}))


def kit(*, secret: str | None = None, repository: str | None = None, slot_line: str | None = None) -> list[str]:
    """The five lines, checksum right for the four before it."""
    word = fixed("kit secret").hex()
    lines = [
        "pgvault-recovery-kit 1",
        f"repository {repository or REPOSITORY.hex()}",
        f"secret {secret or word}",
        f"slot {slot_line or base64.b64encode(slot(word)).decode()}",
    ]
    return [*lines, kit_checksum(lines)]


def kit_checksum(lines: list[str]) -> str:
    return "checksum " + hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()[:16]


def config(*, drop: str = "", key: bytes = ROOT, **changed: Any) -> bytes:
    value = {"created": CREATED, "features": [], "repository": REPOSITORY, "version": 1} | changed
    value.pop(drop, None)
    body = b"PGVAULTC" + encode(value)
    return body + blake3(body, key=hkdf(key, b"", b"pgvault/1/config")).digest()


INDEX, SNAPSHOT, LEASE, SWEEP, FORGOTTEN, CHECK, PIN, FINDINGS, ACK, DRILL = range(1, 11)


def envelope(
    plain: bytes,
    kind: int,
    *,
    codec: int = 0,
    stored: bytes | None = None,
    header: dict[int, bytes] | None = None,
    salt: str = "file salt",
) -> bytes:
    """`header`: offset -> bytes that stand there instead; the body is sealed under the header as it then is."""
    head = bytearray(b"PGVAULTF" + bytes([1, kind, codec, 0]) + KEY_ID + fixed(f"{salt} {kind}")[:24])
    for at, there in (header or {}).items():
        head[at : at + len(there)] = there
    purpose = hkdf(ROOT, b"", b"pgvault/1/file\0" + head[9:10])
    key = hkdf(purpose, bytes(head[20:44]), b"pgvault/1/file-key\0" + head)
    body = stored if stored is not None else zstd(plain) if codec == 1 else plain
    return bytes(head) + AESGCM(key).encrypt(bytes(12), body, bytes(head))


# --- objects and packs -------------------------------------------------------------------------------------------

ROW_CHUNK, FILE_CHUNK, LARGE_OBJECT_CHUNK, ENTRY, ORDER, ROLES, CATALOG, LEDGER = range(1, 9)
TABLES, EXTENTS, CHUNKS, FILES, ENTRIES, SEQUENCES, LARGE_OBJECTS = range(16, 23)
META, DATA = 0, 1
RAW, ZSTD, DELTA = 0, 1, 2


def object_id(object_type: int, plain: bytes) -> bytes:
    return blake3(bytes([object_type]) + plain, key=ID_KEY).digest()


def zstd(plain: bytes, base: bytes | None = None, *, size: bool = True, checksum: bool = False) -> bytes:
    prefix = zstandard.ZstdCompressionDict(base, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if base else None
    return zstandard.ZstdCompressor(
        level=3, dict_data=prefix, write_content_size=size, write_checksum=checksum, write_dict_id=False
    ).compress(plain)


def record(
    *,
    id: bytes = fixed("some id"),
    base: bytes = ZEROS,
    ordinal: int = 0,
    offset: int = 68,
    length: int = 116,
    plain_length: int = 100,
    type: int = ROW_CHUNK,
    codec: int = RAW,
    depth: int = 0,
    last: int = 0,
) -> bytes:
    numbers = b"".join(number.to_bytes(4) for number in (ordinal, offset, length, plain_length))
    return id + base + numbers + bytes([type, codec, depth, last])


def pack_header(pack_class: int, salt: str = "pack", /, **changed: bytes) -> bytes:
    parts = {
        "magic": b"PGVAULTP", "version": b"\1", "kind": b"\0", "pack_class": bytes([pack_class]), "zero": b"\0",
        "key_id": KEY_ID, "repository": REPOSITORY, "salt": fixed(f"pack salt {salt} {pack_class}"),
    } | changed  # fmt: skip
    return b"".join(parts.values())


def seal(header: bytes, one: bytes, stored: bytes) -> bytes:
    class_key = hkdf(ROOT, b"", b"pgvault/1/pack\0" + header[10:11])
    key = hkdf(class_key, header[36:68], b"pgvault/1/pack-key\0" + header)
    aad = blake3(header).digest() + one[64:68] + one[80:83] + b"\0" + one[:64] + one[76:80] + bytes(4)
    return AESGCM(key).encrypt(bytes(8) + one[64:68], stored, aad)


def trailer_record(plain_length: int) -> bytes:
    return record(id=ZEROS, ordinal=2**32 - 1, offset=0, length=0, plain_length=plain_length, type=255)


class Pack:
    """One pack; `add` returns the record, `finish` the file."""

    def __init__(self, pack_class: int, salt: str = "pack") -> None:
        self.header = pack_header(pack_class, salt)
        self.body = b""
        self.records: list[bytes] = []

    def add(
        self,
        object_type: int,
        plain: bytes,
        *,
        base: tuple[bytes, bytes] | None = None,
        depth: int = 0,
        codec: int = RAW,
        stored: bytes | None = None,
        **changed: Any,
    ) -> bytes:
        """`base`: (id, plaintext) that the delta is made from; `stored`: other bytes before sealing; `changed`: of the record."""
        codec = DELTA if base else codec
        if stored is None:
            stored = plain if codec == RAW else zstd(plain, base[1] if base else None)
        fields: dict[str, Any] = {
            "id": object_id(object_type, plain), "base": base[0] if base else ZEROS, "ordinal": len(self.records),
            "offset": 68 + len(self.body), "length": len(stored) + 16, "plain_length": len(plain),
            "type": object_type, "codec": codec, "depth": depth,
        }  # fmt: skip
        one = record(**(fields | changed))
        self.records.append(one)
        self.body += seal(self.header, one, stored)
        return one

    def trailer(self, pad: int = 0) -> bytes:
        return encode({"entries": b"".join(self.records), "pad": pad})

    def finish(self, pad: bytes = b"", trailer: bytes | None = None) -> bytes:
        plain = self.trailer(len(pad)) if trailer is None else trailer
        sealed = seal(self.header, trailer_record(len(plain)), plain)
        return self.header + self.body + pad + sealed + len(sealed).to_bytes(4) + b"PGVAULTE"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def fragment(packs: list[tuple[bytes, Pack]], supersedes: list[bytes] | None = None) -> dict[str, Any]:
    """Record of a fragment that tells all of `packs`: (file, its builder)."""
    ordered = sorted(packs, key=lambda pair: sha256(pair[0]))
    rows = [one + position.to_bytes(4) for position, (_file, pack) in enumerate(ordered) for one in pack.records]
    listed = [[sha256(file), len(file), pack.header] for file, pack in ordered]
    return {"entries": b"".join(sorted(rows)), "packs": listed, "supersedes": sorted(supersedes or [])}


# --- trees -------------------------------------------------------------------------------------------------------

Put = Callable[[int, bytes], bytes]


def _name(item: Any) -> bytes:
    return bytes(item[0].encode() + b"\0" + item[1].encode())


KEYS: dict[int, Callable[[Any], bytes]] = {
    TABLES: _name,
    EXTENTS: lambda item: item[0].to_bytes(8),
    CHUNKS: lambda item: item[0],
    FILES: lambda item: item[0],
    ENTRIES: lambda item: encode(item[0]),
    SEQUENCES: _name,
    LARGE_OBJECTS: lambda item: item[0].to_bytes(4),
}


def item_sums(item: Any, node_type: int) -> list[int]:
    """[items, rows, bytes]"""
    if node_type == TABLES:
        return [1, item[12][2], item[12][3]] if item[12] else [1, item[11][2], item[11][3]]
    if node_type == EXTENTS:
        return [1, item[2], item[3]]
    at = {CHUNKS: 1, FILES: 4, LARGE_OBJECTS: 4}.get(node_type)
    return [1, 0, item[at] if at else 0]


def ends_node(level: int, key: bytes) -> bool:
    return int.from_bytes(blake3(b"\0" + bytes([level]) + key, key=ID_KEY).digest()[:4]) < 2**32 // 48


def tree(items: list[Any], node_type: int, put: Put, *, every: int = 0) -> list[Any]:
    """List reference of `items`; `every` > 0 splits the leaves after so many items instead of by the rule."""
    if not items:
        return [None, 0, 0, 0]
    level = 0
    members = [(KEYS[node_type](item), item, item_sums(item, node_type)) for item in items]
    while True:
        groups: list[list[Any]] = [[]]
        for member in members:
            if len(groups[-1]) == (every if every and level == 0 else 512):
                groups.append([])
            groups[-1].append(member)
            if ends_node(level, member[0]) and not every:
                groups.append([])
        nodes = []
        for group in filter(None, groups):
            node_id = put(node_type, encode([level, [member[1] for member in group]]))
            sums = [sum(column) for column in zip(*(member[2] for member in group), strict=True)]
            nodes.append((group[-1][0], [group[-1][0], node_id, *sums], sums))
        if len(nodes) == 1:
            return [nodes[0][1][1], *nodes[0][2]]
        level, members = level + 1, nodes


def chunk_list(plains: list[bytes], object_type: int, put: Put) -> list[Any]:
    items = [
        [put(object_type, plain), len(plain), object_type == ROW_CHUNK and not plain.endswith(b"\n")]
        for plain in plains
    ]
    return [items, None] if len(items) <= 8 else [[], tree(items, CHUNKS, put)]


def extent(start: int, plains: list[bytes], put: Put, blocks: int = 1024) -> list[Any]:
    text = b"".join(plains)
    return [start, blocks, text.count(b"\n"), len(text), chunk_list(plains, ROW_CHUNK, put), [], None]


def digests(text: bytes, columns: int) -> list[bytes]:
    """Of each column of COPY text."""
    fields = [line.split(b"\t") for line in text.split(b"\n")[:-1]]
    return [digest(row[at] for row in fields) for at in range(columns)]


def digest(fields: Iterable[bytes]) -> bytes:
    total = sum(int.from_bytes(blake3(b"\xff" + field, key=ID_KEY).digest()) for field in fields)
    return (total % 2**256).to_bytes(32)


def with_values(extent: list[Any], plains: list[bytes], columns: int, put: Put) -> list[Any]:
    """The extent of a table with so many generated columns; `plains`: COPY text of these, in chunks."""
    return [*extent[:5], digests(b"".join(plains), columns), chunk_list(plains, ROW_CHUNK, put)]


def table(schema: str, name: str, extents: list[Any], put: Put) -> list[Any]:
    columns = [["id", "bigint", 1, True], ["note", "text", 2, False]]
    many = tree(extents, EXTENTS, put) if len(extents) != 1 else [None, 0, 0, 0]
    inline = extents[0] if len(extents) == 1 else None
    return [schema, name, 16384, 16384, "r", "heap", columns, ["id"], fixed("print"), None, "", many, inline, []]


def file_item(path: bytes, plains: list[bytes], put: Put, mode: int = 0o644) -> list[Any]:
    size = sum(map(len, plains))
    chunks = chunk_list(plains, FILE_CHUNK, put)
    return [path, "f", mode, [1_600_000_000, 123_456_789], size, [1_600_000_000, 1], 4711, False, b"", chunks]


def other_item(path: bytes, kind: str, target: bytes = b"", mode: int = 0o755) -> list[Any]:
    return [path, kind, mode, [-1, 0], 0, [1_600_000_000, 1], 4712, False, target, [[], None]]


# --- snapshot ----------------------------------------------------------------------------------------------------

SERVER = {
    "database": "shop", "database_oid": 16400, "encoding": "UTF8", "flush_lsn": 3 << 32, "horizon": 750,
    "in_recovery": False, "insert_lsn": (3 << 32) + 64, "insert_lsn_before": (3 << 32) + 8, "next_xid": 751,
    "postmaster_start": "2026-01-01 00:00:00+00", "snapshot": "00000003-0000001B-1", "system_id": "7123456789012345678",
    "timeline": 1, "version": "15.14", "version_num": 150014,
}  # fmt: skip
COUNTS = "edge_functions encryption_functions migrations records rls_policies rpc_functions tables user_roles users"
EFFORT = "duration extents extents_reused new_bytes read_bytes"
EMPTY = [None, 0, 0, 0]


def manifest(**changed: Any) -> dict[str, Any]:
    return {
        "counts": dict.fromkeys(COUNTS.split(), 0), "coverage": {}, "created": CREATED, "database": None,
        "directories": {}, "effort": dict.fromkeys(EFFORT.split(), 0),
        "host": "client", "ledger": fixed("ledger"), "origin": None, "parent": None, "program": "vectors", "selection": "all", "sequence": 1,
        "source": "shop", "suspect": "", "tags": {},
    } | changed  # fmt: skip


def identity(desc: str, kind: str, names: list[str]) -> list[Any]:
    return [desc, kind, names, [], ""]


def entry(names: list[Any], section: int, definition: str, **changed: Any) -> dict[str, Any]:
    return {
        "definition": definition, "drop": "", "function_definition": "", "identity": names, "namespace": "public",
        "owner": "postgres", "section": section, "table_access_method": "", "tablespace": "", "tag": names[2][-1],
    } | changed  # fmt: skip


ROLE = ["app", False, True, False, False, True, False, False, -1, None, None, None]
ROLES_VALUE = {
    "memberships": [["app", "web", "postgres", False, True, None]], "parameter_acls": [["work_mem", ["app=s/postgres"]]],
    "roles": [ROLE], "settings": [["app", True, "work_mem", "64MB"]],
    "tablespaces": [["fast", "postgres", "/mnt/fast", None, []]], "verifiers_read": True,
}  # fmt: skip
CATALOG_VALUE = {
    "acls": [["table public.item", "postgres", None]], "database": {"collate": "C", "icu": None},
    "edges": [["table public.item", "schema public", "n"]], "extensions": [["plpgsql", "1.0", "pg_catalog"]],
    "functions": [["public", "f", "integer", False, False]], "policies": [["public", "item", "own", ["app"]]],
    "operators": [["policy own on public.item", "operator public.=(public.citext,public.citext)", 1]],
}  # fmt: skip
LEDGER_VALUE = {"rows": ["captured", 2, []], "files": ["failed", 1, [["a/socket", "not_exportable", "socket", ""]]]}
