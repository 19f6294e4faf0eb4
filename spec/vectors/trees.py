"""Vectors of chapter 60, one structure at a time: nodes and their items, manifest, schema, roles, catalog, ledger."""

from __future__ import annotations

from typing import Any

from spec.vectors import write
from spec.vectors.vector import Collection, Repeat, Vector
from spec.vectors.write import (
    CHUNKS,
    EMPTY,
    ENTRIES,
    EXTENTS,
    FILES,
    LARGE_OBJECTS,
    SEQUENCES,
    TABLES,
    ZEROS,
    encode,
    fixed,
    identity,
)

Case = tuple[str, str, str, str, Any]
"""name, demands, layer, comment, value"""

CHUNK = [fixed("chunk"), 10, False]
NAMES = identity("TABLE", "table", ["public", "item"])
BIG = [fixed("root"), 9, 0, 90]
MIB = 1 << 20
WIDE = ("flush_lsn", "horizon", "insert_lsn", "insert_lsn_before", "next_xid")


def _put(_type: int, plain: bytes) -> bytes:
    return write.object_id(_type, plain)


def changed(value: list[Any], **at: Any) -> list[Any]:
    """A copy with other fields: `_3=...` for position 3."""
    copy = list(value)
    for name, item in at.items():
        copy[int(name[1:])] = item
    return copy


FILE = write.file_item(b"a/b", [b"0123456789"], _put)
LINK = write.other_item(b"link", "l", b"a/b", 0o777)
DIRECTORY = write.other_item(b"a", "d")
EXTENT = write.extent(0, [b"1\tone\n"], _put)
DIGESTED = changed(EXTENT, _5=[fixed("one")])
COLUMN = ["total", "numeric", 3, False]
TABLE = write.table("public", "item", [EXTENT], _put)
LARGE = [16500, "postgres", None, None, 10, [[CHUNK], None]]
SEQUENCE = ["public", "item_id_seq", 42, True]


def _items() -> list[tuple[int, Case]]:
    """(node type, case): a leaf with that one item."""
    t9 = "TREE-9 ENC-12"
    cases: list[tuple[int, Case]] = [
        (FILES, ("file", "TREE-9", "ok", "a file", FILE)),
        (FILES, ("file_not_utf8", "TREE-9", "ok", "a name of any bytes", changed(FILE, _0=b"\xff\n\\"))),
        (FILES, ("file_empty", "TREE-10", "ok", "a file of no bytes has no chunk", write.file_item(b"e", [], _put))),
        (FILES, ("file_of_nine_chunks", "TREE-7", "ok", "a list", changed(FILE, _4=90, _9=[[], BIG]))),
        (FILES, ("link", "TREE-9", "ok", "a link", LINK)),
        (FILES, ("directory", "TREE-9", "ok", "a directory, before the epoch", DIRECTORY)),
        (FILES, ("file_size_other", "TREE-10", "malformed", "11 bytes in a chunk of 10", changed(FILE, _4=11))),
        (FILES, ("file_chunks_both", "TREE-7", "malformed", "inline and in a list", changed(FILE, _4=90, _9=[[CHUNK], BIG]))),
        (FILES, ("file_list_of_eight", "TREE-7", "malformed", "a list of what fits inline",
                 changed(FILE, _4=80, _9=[[], [fixed("root"), 8, 0, 80]]))),
        (FILES, ("file_nine_inline", "TREE-7", "limit", "nine chunks inline", changed(FILE, _4=90, _9=[[CHUNK] * 9, None]))),
        (FILES, ("file_continues", "TREE-11", "malformed", "a chunk of a file continues",
                 changed(FILE, _9=[[changed(CHUNK, _2=True)], None]))),
        (FILES, ("chunk_too_long", "OBJ-2", "limit", "1 MiB + 1 byte",
                 changed(FILE, _4=MIB + 1, _9=[[changed(CHUNK, _1=MIB + 1)], None]))),
        (FILES, ("directory_with_chunks", "TREE-9", "malformed", "size and chunks", changed(DIRECTORY, _4=10, _9=[[CHUNK], None]))),
        (FILES, ("directory_with_target", "TREE-9", "malformed", "a target", changed(DIRECTORY, _8=b"x"))),
        (FILES, ("link_with_size", "TREE-9", "malformed", "a size", changed(LINK, _4=3))),
        (FILES, ("file_type_other", t9, "malformed", "a socket", changed(DIRECTORY, _1="s"))),
        (FILES, ("file_mode_large", t9, "malformed", "mode 010000", changed(FILE, _3=[0, 0], _2=0o10000))),
        (FILES, ("file_mode_negative", t9, "malformed", "mode -1", changed(FILE, _2=-1))),
        (FILES, ("file_size_negative", t9, "malformed", "size -1", changed(DIRECTORY, _4=-1))),
        (FILES, ("file_path_text", t9, "malformed", "a path as text", changed(FILE, _0="a"))),
        (FILES, ("file_fields_9", t9, "malformed", "no chunk list", FILE[:9])),
        (FILES, ("file_fields_11", t9, "malformed", "one field more", [*FILE, 0])),
        (ENTRIES, ("entry", "TREE-2", "ok", "an entry", [NAMES, 2, fixed("entry")])),
        (ENTRIES, ("entry_section_5", "ENC-12", "malformed", "section 5", [NAMES, 5, fixed("entry")])),
        (ENTRIES, ("entry_section_0", "ENC-12", "malformed", "section 0", [NAMES, 0, fixed("entry")])),
        (ENTRIES, ("entry_identity_short", "ENC-12", "malformed", "no sub", [NAMES[:4], 2, fixed("entry")])),
        (ENTRIES, ("entry_id_short", "ENC-12", "malformed", "31 bytes", [NAMES, 2, ZEROS[:31]])),
        (SEQUENCES, ("sequence", "TREE-2", "ok", "a sequence", SEQUENCE)),
        (SEQUENCES, ("sequence_smallest", "TREE-2", "ok", "-2^63", changed(SEQUENCE, _2=-(2**63)))),
        (SEQUENCES, ("sequence_large", "ENC-12", "malformed", "2^63", changed(SEQUENCE, _2=2**63))),
        (SEQUENCES, ("sequence_called_integer", "ENC-12", "malformed", "1 for true", changed(SEQUENCE, _3=1))),
    ]  # fmt: skip
    return [*cases, *_file_bounds(), *_tables_and_extents(), *_other_items()]


def _file_bounds() -> list[tuple[int, Case]]:
    t12 = "TREE-12 ENC-12"
    return [
        (FILES, ("file_time_2446", "TREE-12", "ok", "the last second of ext4", changed(FILE, _3=[15_032_385_535, 0]))),
        (FILES, ("file_time_largest", "TREE-12", "ok", "2^63 - 1 s", changed(FILE, _3=[2**63 - 1, 999_999_999]))),
        (FILES, ("file_time_smallest", "TREE-12", "ok", "-2^63 s", changed(FILE, _5=[-(2**63), 0]))),
        (FILES, ("file_time_before_epoch", "TREE-12", "ok", "1 ns before it", changed(FILE, _3=[-1, 999_999_999]))),
        (FILES, ("file_time_integer", t12, "malformed", "ns since the epoch", changed(FILE, _3=1_600_000_000_123_456_789))),
        (FILES, ("file_time_second_of_ns", t12, "malformed", "10^9 ns", changed(FILE, _3=[0, 10**9]))),
        (FILES, ("file_time_negative_ns", t12, "malformed", "-1 ns", changed(FILE, _5=[0, -1]))),
        (FILES, ("file_time_large", t12, "malformed", "2^63 s", changed(FILE, _3=[2**63, 0]))),
        (FILES, ("file_path_longest", "TREE-12", "ok", "64 KiB", changed(FILE, _0=b"a/" * (2**15 - 1) + b"ab"))),
        (FILES, ("file_path_too_long", "TREE-12", "limit", "64 KiB + 1", changed(FILE, _0=b"a/" * 2**15 + b"a"))),
        (FILES, ("link_target_too_long", "TREE-12", "limit", "64 KiB + 1", changed(LINK, _8=b"a" * (2**16 + 1)))),
    ]  # fmt: skip


def _tables_and_extents() -> list[tuple[int, Case]]:
    return [
        (EXTENTS, ("extent", "TREE-10", "ok", "an extent", EXTENT)),
        (EXTENTS, ("extent_empty", "TREE-10", "ok", "no rows", [1024, 1024, 0, 0, [[], None], [], None])),
        (EXTENTS, ("extent_bytes_other", "TREE-10", "malformed", "a byte more than its chunks", changed(EXTENT, _3=7))),
        (EXTENTS, ("extent_last_continues", "TREE-11", "malformed", "its last chunk continues",
                   [0, 1, 0, 10, [[changed(CHUNK, _2=True)], None], [], None])),
        (TABLES, ("table", "TREE-8", "ok", "one extent, inline", TABLE)),
        (TABLES, ("table_empty", "TREE-8", "ok", "no extent", changed(TABLE, _12=None))),
        (TABLES, ("table_two_extents", "TREE-8", "ok", "a list", changed(TABLE, _11=[fixed("root"), 2, 5, 90], _12=None))),
        (TABLES, ("table_with_root", "TREE-8", "ok", "loaded through its root", changed(TABLE, _9=["public", "whole"]))),
        (TABLES, ("table_one_extent_in_list", "TREE-8", "malformed", "must be inline", changed(TABLE, _11=[fixed("root"), 1, 5, 90], _12=None))),
        (TABLES, ("table_both", "TREE-8", "malformed", "inline and a list", changed(TABLE, _11=[fixed("root"), 2, 5, 90]))),
        (TABLES, ("table_root_short", "ENC-12", "malformed", "a root without a name", changed(TABLE, _9=["public"]))),
        (TABLES, ("table_column_short", "ENC-12", "malformed", "a column of three", changed(TABLE, _6=[["id", "bigint", 1]]))),
        (TABLES, ("table_oid_large", "ENC-12", "malformed", "oid 2^32", changed(TABLE, _2=2**32))),
        (TABLES, ("table_fields_13", "ENC-12", "malformed", "no generated columns", TABLE[:13])),
        (TABLES, ("table_generated", "TREE-14", "ok", "a generated column, its values not read", changed(TABLE, _13=[COLUMN]))),
        (TABLES, ("table_generated_digest", "TREE-14", "ok", "and read", changed(TABLE, _12=DIGESTED, _13=[COLUMN]))),
        (TABLES, ("table_digest_alone", "TREE-14", "malformed", "a digest and no column", changed(TABLE, _12=DIGESTED))),
        (TABLES, ("table_digest_lacking", "TREE-14", "malformed", "one digest, two columns", changed(TABLE, _12=DIGESTED, _13=[COLUMN] * 2))),
    ]  # fmt: skip


def _other_items() -> list[tuple[int, Case]]:
    cases: list[tuple[int, Case]] = [
        (LARGE_OBJECTS, ("large_object", "TREE-10", "ok", "ten bytes", LARGE)),
        (LARGE_OBJECTS, ("large_object_empty_acl", "TREE-10", "ok", "an acl of nobody", changed(LARGE, _2=[], _3=""))),
        (LARGE_OBJECTS, ("large_object_size", "TREE-10", "malformed", "nine bytes in a chunk of ten", changed(LARGE, _4=9))),
        (LARGE_OBJECTS, ("large_object_oid", "ENC-12", "malformed", "oid 2^32", changed(LARGE, _0=2**32))),
        (CHUNKS, ("chunk", "TREE-7", "ok", "a chunk", CHUNK)),
        (TABLES, ("table_attnum_first", "ENC-12", "ok", "attnum 1", changed(TABLE, _6=[["id", "bigint", 1, True]]))),
        (TABLES, ("table_attnum_last", "ENC-12", "ok", "attnum 32767", changed(TABLE, _6=[["id", "bigint", 32767, True]]))),
        (TABLES, ("table_attnum_0", "ENC-12", "malformed", "attnum 0", changed(TABLE, _6=[["id", "bigint", 0, True]]))),
        (TABLES, ("table_attnum_32768", "ENC-12", "malformed", "attnum 2^15", changed(TABLE, _6=[["id", "bigint", 32768, True]]))),
        (TABLES, ("table_condition_nil", "ENC-12", "malformed", "no condition is an empty text", changed(TABLE, _10=None))),
        (FILES, ("file_racy_integer", "TREE-9 ENC-12", "malformed", "1 for true", changed(FILE, _7=1))),
        (CHUNKS, ("chunk_continues_integer", "ENC-12", "malformed", "0 for false", changed(CHUNK, _2=0))),
    ]  # fmt: skip
    for name, path in (
        ("empty", b""), ("absolute", b"/etc/passwd"), ("dot_dot", b"a/../b"), ("dot_dot_first", b"../b"),
        ("dot", b"a/./b"), ("only_dot", b"."), ("double_slash", b"a//b"), ("slash_last", b"a/"), ("nul", b"a\0b"),
    ):  # fmt: skip
        cases.append((FILES, (f"path_{name}", "TREE-9", "malformed", f"path {path!r}", changed(FILE, _0=path))))
    return cases


def nodes() -> list[Vector]:
    c = Collection("node")
    for node_type, (name, spec, layer, comment, item) in _items():
        c.refuse(f"item_{name}", spec, layer, comment, data=encode([0, [item]]), node_type=node_type)
    member = [b"k", fixed("node"), 3, 0, 30]
    names = [write.other_item(b"%c" % letter, "d") for letter in b"abc"]
    cases: list[Case] = [
        ("leaf", "TREE-2", "ok", "three directories", [0, names]),
        ("inner", "TREE-3", "ok", "two children", [1, [member, changed(member, _0=b"l")]]),
        ("inner_one_member", "TREE-3", "ok", "one child", [3, [member]]),
        ("level_12", "TREE-3", "ok", "the highest level", [12, [member]]),
        ("level_13", "TREE-3", "limit", "one too high", [13, [member]]),
        ("level_negative", "ENC-12", "malformed", "level -1", [-1, [member]]),
        ("no_members", "TREE-3", "malformed", "a leaf of nothing", [0, []]),
        ("inner_no_members", "TREE-3", "malformed", "an inner node of nothing", [1, []]),
        ("leaf_descending", "TREE-2", "malformed", "b before a", [0, [names[1], names[0]]]),
        ("leaf_key_twice", "TREE-2", "malformed", "a twice", [0, [names[0], names[0]]]),
        ("inner_descending", "TREE-2", "malformed", "l before k", [1, [changed(member, _0=b"l"), member]]),
        ("inner_child_twice", "TREE-2", "malformed", "one child named twice", [1, [member, member]]),
        ("inner_child_many_times", "TREE-2", "malformed", "one child named 512 times", [1, [member] * 512]),
        ("inner_member_short", "ENC-12", "malformed", "no bytes", [1, [member[:4]]]),
        ("inner_member_empty", "TREE-1", "malformed", "a child of no items", [1, [changed(member, _2=0)]]),
        ("inner_rows_negative", "ENC-12", "malformed", "rows -1", [1, [changed(member, _3=-1)]]),
        ("inner_id_short", "ENC-12", "malformed", "31 bytes", [1, [changed(member, _1=ZEROS[:31])]]),
        ("inner_key_text", "ENC-12", "malformed", "a key as text", [1, [changed(member, _0="k")]]),
        ("leaf_with_children", "ENC-12", "malformed", "children at level 0", [0, [member]]),
        ("inner_with_items", "ENC-12", "malformed", "items at level 1", [1, names]),
        ("record", "ENC-12", "malformed", "a map", {"level": 0, "members": names}),
        ("three_fields", "ENC-12", "malformed", "one field more", [0, names, 0]),
        (
            "512_members",
            "TREE-3",
            "ok",
            "the largest node",
            [0, [write.other_item(b"%03d" % n, "d") for n in range(512)]],
        ),
        (
            "513_members",
            "TREE-3",
            "limit",
            "one too many",
            [0, [write.other_item(b"%03d" % n, "d") for n in range(513)]],
        ),
    ]
    for name, spec, layer, comment, value in cases:
        c.refuse(name, spec, layer, comment, data=encode(value), node_type=FILES)
    c.ok("chunks_repeat", "TREE-2", "content may repeat", data=encode([0, [CHUNK, CHUNK, CHUNK]]), node_type=CHUNKS)
    tables = [write.table("public", name, [], _put) for name in ("b", "a")]
    c.refuse("tables_descending", "TREE-2", "malformed", "b before a", data=encode([0, tables]), node_type=TABLES)
    order = [changed(TABLE, _0="a", _1="z"), changed(TABLE, _0="a\x01", _1="a")]
    c.ok("tables_by_schema", "TREE-2", "00 ends the schema in a key", data=encode([0, order]), node_type=TABLES)
    c.refuse(
        "not_canonical",
        "ENC-8",
        "malformed",
        "level in two bytes",
        data=b"\x92\xcc\0\x91" + encode(names[0]),
        node_type=FILES,
    )
    return c.vectors


def _manifest() -> dict[str, Any]:
    database = {
        "catalog": fixed("catalog"), "entries": [fixed("entries"), 2, 0, 0], "large_objects": EMPTY,
        "order": fixed("order"), "roles": fixed("roles"), "sequences": EMPTY, "server": write.SERVER,
        "tables": [fixed("tables"), 3, 1000, 99_000],
    }  # fmt: skip
    return write.manifest(
        coverage={"rows": ["captured", 3], "files": ["failed", 1]}, database=database, parent=fixed("parent"),
        directories={"edge_functions": [fixed("files"), 4, 0, 400], "empty": EMPTY}, tags={"why": "test", "": "\u00e4"},
    )  # fmt: skip


def _servers(database: dict[str, Any]) -> list[Case]:
    def with_server(**changed: Any) -> dict[str, Any]:
        return {"database": database | {"server": write.SERVER | changed}}

    bad = [(f"server_{name}_negative", "ENC-12", "malformed", f"{name} -1", with_server(**{name: -1})) for name in WIDE]
    return [
        (
            "server_largest",
            "ENC-12",
            "ok",
            "ids and positions of 64 bits",
            with_server(**dict.fromkeys(WIDE, 2**64 - 1)),
        ),
        ("server_database_oid_large", "ENC-12", "malformed", "oid 2^32", with_server(database_oid=2**32)),
        ("server_system_id_integer", "ENC-12", "malformed", "an integer for text", with_server(system_id=7)),
        *bad,
    ]


ORIGINS: list[Case] = [
    ("copied", "SNAP-23", "ok", "made of a snapshot of another repository", {"origin": [ZEROS[:16], ZEROS]}),
    ("origin_short", "SNAP-23", "malformed", "a repository id of 15 bytes", {"origin": [ZEROS[:15], ZEROS]}),
    ("origin_alone", "SNAP-23", "malformed", "no snapshot", {"origin": [ZEROS[:16]]}),
]


def manifests() -> list[Vector]:
    c = Collection("snapshot")
    good = _manifest()
    database = good["database"]
    cases: list[Case] = [
        ("full", "SNAP-1", "ok", "database and directories", {}),
        ("directories_only", "SNAP-1", "ok", "no database, no parent", {"database": None, "parent": None}),
        ("ancillary_key", "ENC-10", "ok", "a key that starts with _", {"_later": [1]}),
        ("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", {"later": 1}),
        ("database_key_unknown", "ENC-10", "unsupported", "in `database`", {"database": database | {"later": 1}}),
        (
            "server_key_unknown",
            "ENC-10",
            "unsupported",
            "in `server`",
            {"database": database | {"server": write.SERVER | {"x": 1}}},
        ),
        ("sequence_0", "ENC-12", "malformed", "numbers start at 1", {"sequence": 0}),
        ("state_unknown", "ENC-12", "malformed", "a state that is none", {"coverage": {"rows": ["fine", 3]}}),
        ("parent_short", "ENC-12", "malformed", "31 bytes", {"parent": ZEROS[:31]}),
        *ORIGINS,
        ("ledger_nil", "ENC-12", "malformed", "no ledger", {"ledger": None}),
        ("tag_integer", "ENC-12", "malformed", "a tag that is no text", {"tags": {"n": 1}}),
        ("count_negative", "ENC-12", "malformed", "-1 users", {"counts": good["counts"] | {"users": -1}}),
        *_servers(database),
        *(
            (f"reference_{name}", "TREE-1", "malformed", comment, {"directories": {"a": reference}})
            for name, comment, reference in (
                ("root_without_items", "a root, no items", [fixed("r"), 0, 0, 0]),
                ("items_without_root", "items, no root", [None, 1, 0, 0]),
                ("sums_without_items", "no items, a row", [None, 0, 1, 0]),
            )
        ),
        ("reference_short", "ENC-12", "malformed", "no bytes", {"directories": {"a": [None, 0, 0]}}),
    ]
    for name in ("..", "a/b", "", "A", "a.b"):
        label = {"..": "dot_dot", "a/b": "slash", "": "empty", "A": "upper_case", "a.b": "dot"}[name]
        cases.append(
            (f"directory_{label}", "SNAP-2", "malformed", f"directory {name!r}", {"directories": {name: EMPTY}})
        )
    for case, spec, layer, comment, fields in cases:
        c.refuse(case, spec, layer, comment, data=encode(good | fields))
    for key in good:
        part = {name: item for name, item in good.items() if name != key}
        c.refuse(f"{key}_absent", "ENC-11", "malformed", f"no `{key}`", data=encode(part))
    c.refuse("too_long", "ENC-9", "limit", "64 MiB + 1 byte", data=[Repeat(b"\x80", (64 << 20) + 1)])
    return c.vectors


def _faults(kind: str, spec: str, good: dict[str, Any], cases: list[Case], *, keys: bool = True) -> list[Vector]:
    """The good one, `cases` as changed fields, an unknown key and every key left out."""
    c = Collection(kind)
    c.ok("good", spec, "all fields", data=encode(good))
    for name, demands, layer, comment, fields in cases:
        c.refuse(name, demands, layer, comment, data=encode(good | fields))
    if keys:
        c.ok("ancillary_key", "ENC-10", "a key that starts with _", data=encode(good | {"_later": 1}))
        c.refuse("key_unknown", "ENC-10", "unsupported", "a key that nobody knows", data=encode(good | {"later": 1}))
        for key in good:
            part = {name: item for name, item in good.items() if name != key}
            c.refuse(f"{key}_absent", "ENC-11", "malformed", f"no `{key}`", data=encode(part))
    c.refuse("array", "ENC-12", "malformed", "an array", data=encode([good]))
    return c.vectors


def schema() -> list[Vector]:
    bad = "ENC-12"
    entry = write.entry(NAMES, 2, "CREATE TABLE public.item (id bigint);\n")
    order = {
        "entries": [[NAMES, 2, fixed("1"), []], [identity("ACL", "table", ["public", "item"]), 1, fixed("2"), [0]]]
    }
    first, second = order["entries"]
    return [
        *_faults("entry", "ENC-11", entry, [
            ("section_0", bad, "malformed", "section 0", {"section": 0}),
            ("definition_bytes", bad, "malformed", "a definition of bytes", {"definition": b"x"}),
            ("owner_nil", bad, "malformed", "no owner is an empty text", {"owner": None}),
            ("identity_text", bad, "malformed", "identity as text", {"identity": "TABLE"}),
        ]),
        *_faults("order", "ENC-11", order, [
            ("needs_later", "ENC-11", "ok", "needs may point forward", {"entries": [changed(first, _3=[1]), second]}),
            ("empty", "ENC-11", "ok", "no entries", {"entries": []}),
            ("needs_past_end", bad, "malformed", "position 2 of 2", {"entries": [first, changed(second, _3=[2])]}),
            ("needs_negative", bad, "malformed", "position -1", {"entries": [first, changed(second, _3=[-1])]}),
            ("needs_twice", bad, "malformed", "one position twice", {"entries": [first, changed(second, _3=[0, 0])]}),
            ("needs_descending", bad, "malformed", "1, 0", {"entries": [first, second, changed(second, _3=[1, 0])]}),
            ("needs_absent", bad, "malformed", "an entry of three", {"entries": [first[:3]]}),
            ("section_5", bad, "malformed", "section 5", {"entries": [changed(first, _1=5)]}),
        ]),
    ]  # fmt: skip


def cluster() -> list[Vector]:
    bad = "ENC-12"
    role, catalog, ledger = write.ROLE, write.CATALOG_VALUE, write.LEDGER_VALUE
    return [
        *_faults("roles", "ENC-11", write.ROLES_VALUE, [
            ("role_of_11", bad, "malformed", "no comment", {"roles": [role[:11]]}),
            ("role_name_nil", bad, "malformed", "no name", {"roles": [changed(role, _0=None)]}),
            ("role_superuser_integer", bad, "malformed", "1 for true", {"roles": [changed(role, _1=1)]}),
            ("role_limit_none", "ENC-12", "ok", "-1: no limit", {"roles": [changed(role, _8=-1)]}),
            ("role_limit_large", bad, "malformed", "2^31", {"roles": [changed(role, _8=2**31)]}),
            ("role_limit_minus_2", bad, "malformed", "-2", {"roles": [changed(role, _8=-2)]}),
            ("setting_here_text", bad, "malformed", "a database's name for true", {"settings": [["app", "shop", "a", "b"]]}),
            ("tablespace_options_nil", bad, "malformed", "no options are an empty array",
             {"tablespaces": [["fast", "postgres", "/mnt/fast", None, None]]}),
            ("role_limit_text", bad, "malformed", "a limit as text", {"roles": [changed(role, _8="1")]}),
            ("membership_of_5", bad, "malformed", "no `set`", {"memberships": [["a", "b", "c", False, None]]}),
            ("verifiers_integer", bad, "malformed", "1 for true", {"verifiers_read": 1}),
        ]),
        *_faults("catalog", "ENC-11", catalog, [
            ("edge_of_2", bad, "malformed", "no type", {"edges": [["a", "b"]]}),
            ("function_of_4", bad, "malformed", "one field less", {"functions": [["public", "f", "", False]]}),
            ("policy_roles_text", bad, "malformed", "roles as text", {"policies": [["public", "item", "own", "app"]]}),
            ("operator_of_2", bad, "malformed", "no count", {"operators": [["policy a on b.c", "operator b.=(d,d)"]]}),
            ("operator_count_text", bad, "malformed", "a count as text", {"operators": [["a", "b", "1"]]}),
            ("operator_count_negative", bad, "malformed", "called less than never", {"operators": [["a", "b", -1]]}),
            ("database_integer", bad, "malformed", "a property that is no text", {"database": {"limit": 1}}),
        ]),
        *_faults("ledger", "ENC-11", ledger, [
            ("state_unknown", bad, "malformed", "a state that is none", {"rows": ["fine", 1, []]}),
            ("item_state_unknown", bad, "malformed", "the same in an item", {"rows": ["failed", 1, [["a", "bad", "", ""]]]}),
            ("item_of_3", bad, "malformed", "no fix", {"rows": ["failed", 1, [["a", "failed", ""]]]}),
            ("count_negative", bad, "malformed", "-1", {"rows": ["captured", -1, []]}),
        ], keys=False),
    ]  # fmt: skip


def vectors() -> list[Vector]:
    return [*nodes(), *manifests(), *schema(), *cluster()]
