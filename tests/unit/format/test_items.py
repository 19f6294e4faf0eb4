"""Items of every list: keys, sums, and what each refuses: spec 60-snapshot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

import pytest

from vault.errors import IntegrityError, Malformed
from vault.format import codec, lists
from vault.format.codec import Value
from vault.format.files import one_tree
from vault.format.lists import ListFormat
from vault.ids import ObjectId
from vault.model import (
    ChunkList,
    ChunkRef,
    Column,
    EntryItem,
    Extent,
    FileItem,
    FileType,
    Identity,
    LargeObjectItem,
    ListRef,
    Section,
    SequenceItem,
    Stamp,
    Sums,
    TableItem,
    TableName,
)

T = TypeVar("T")
ID = ObjectId(b"\xaa" * 32)
CHUNKS = ChunkList(inline=(ChunkRef(id=ID, length=3, continues=True), ChunkRef(id=ID, length=4)))
PLAIN = ChunkList(inline=(ChunkRef(id=ID, length=7),))
FILE = FileItem(
    path=b"dir/\xff.txt", type=FileType.FILE, mode=0o644, mtime_ns=-5, size=7, ctime_ns=6, inode=2**64 - 1, chunks=PLAIN
)
LINK = FileItem(path=b"link", type=FileType.SYMLINK, mode=0o777, mtime_ns=1, target=b"dir")
EXTENT = Extent(start=1024, blocks=1024, rows=2, bytes=7, chunks=CHUNKS)
TABLE = TableItem(
    name=TableName(schema="public", name="events"),
    oid=16384,
    filenode=16390,
    kind="r",
    access_method="heap",
    columns=(Column(name="id", type="bigint", attnum=1, not_null=True),),
    key_columns=("id",),
    fingerprint=b"f" * 32,
    load_via_root=TableName(schema="public", name="root"),
    condition="",
    extents=ListRef(),
    inline=EXTENT,
)
STORED = ListRef(root=ID, sums=Sums(items=2, rows=20, bytes=200))
LARGE_OBJECT = LargeObjectItem(oid=0x01020304, owner="o", acl=("a=rw/o",), comment=None, size=7, chunks=PLAIN)
IDENTITY = Identity(desc="TABLE", kind="table", names=("public", "events"))
ENTRY = EntryItem(identity=IDENTITY, section=Section.PRE_DATA, entry=ID)
SEQUENCE = SequenceItem(name=TableName(schema="s", name="q"), last_value=-1, is_called=True)

FORMATS: list[tuple[ListFormat[Any], Any, bytes, Sums]] = [
    (lists.FILES, FILE, b"dir/\xff.txt", Sums(items=1, bytes=7)),
    (lists.FILES, LINK, b"link", Sums(items=1)),
    (lists.EXTENTS, EXTENT, bytes.fromhex("0000000000000400"), Sums(items=1, rows=2, bytes=7)),
    (lists.TABLES, TABLE, b"public\x00events", Sums(items=1, rows=2, bytes=7)),
    (lists.TABLES, replace(TABLE, inline=None, extents=STORED), b"public\x00events", Sums(items=1, rows=20, bytes=200)),
    (lists.TABLES, replace(TABLE, inline=None), b"public\x00events", Sums(items=1)),
    (lists.CHUNKS, PLAIN.inline[0], ID, Sums(items=1, bytes=7)),
    (lists.ENTRIES, ENTRY, bytes.fromhex("95") + b"\xa5TABLE\xa5table\x92\xa6public\xa6events\x90\xa0", Sums(items=1)),
    (lists.SEQUENCES, SEQUENCE, b"s\x00q", Sums(items=1)),
    (lists.LARGE_OBJECTS, LARGE_OBJECT, bytes.fromhex("01020304"), Sums(items=1, bytes=7)),
]


@pytest.mark.parametrize(("form", "item", "key", "sums"), FORMATS)
def test_item_has_the_key_and_sums_of_the_spec(form: ListFormat[T], item: T, key: bytes, sums: Sums) -> None:
    assert form.key(item) == key
    assert form.sums(item) == sums
    assert form.decode(codec.decode(codec.encode(form.encode(item)), what="item", bytes_max=10_000)) == item


def test_file_and_table_have_the_field_order_of_the_spec() -> None:
    chunk_list = (((ID, 7, False),), None)
    assert lists.FILES.encode(FILE) == (
        b"dir/\xff.txt", "f", 0o644, (-1, 999_999_995), 7, (0, 6), 2**64 - 1, False, b"", chunk_list,
    )  # fmt: skip
    extent = (1024, 1024, 2, 7, (((ID, 3, True), (ID, 4, False)), None), (), None)
    assert lists.TABLES.encode(TABLE) == (
        "public", "events", 16384, 16390, "r", "heap", (("id", "bigint", 1, True),), ("id",), b"f" * 32,
        ("public", "root"), "", (None, 0, 0, 0), extent, (),
    )  # fmt: skip
    assert lists.LARGE_OBJECTS.encode(LARGE_OBJECT) == (0x01020304, "o", ("a=rw/o",), None, 7, chunk_list)


def changed(form: ListFormat[T], item: T, **fields: Value) -> Value:
    """The item's array with fields (f0, f1, ...) replaced."""
    encoded = form.encode(item)
    assert isinstance(encoded, tuple)
    return tuple(fields.get(f"f{at}", value) for at, value in enumerate(encoded))


CONTINUED: Value = (((ID, 7, True),), None)
INSIDE: Value = (((ID, 3, True), (ID, 4, False)), None)


@pytest.mark.spec("TREE-9")
@pytest.mark.parametrize(
    "path", [b"", b"/etc/passwd", b"a//b", b"a/", b".", b"..", b"a/../b", b"./a", b"a/..", b"a\x00b"]
)
def test_path_that_could_leave_its_directory_is_refused(path: bytes) -> None:
    with pytest.raises(Malformed):
        lists.FILES.decode(changed(lists.FILES, FILE, f0=path))
    with pytest.raises(Malformed):
        lists.FILES.encode(replace(FILE, path=path))


@pytest.mark.parametrize(
    ("fault", "form", "value"),
    [
        ("TREE-9: type", lists.FILES, changed(lists.FILES, FILE, f1="x")),
        ("TREE-9: mode", lists.FILES, changed(lists.FILES, FILE, f2=0o10000)),
        ("TREE-9: directory with a size", lists.FILES, changed(lists.FILES, FILE, f1="d")),
        (
            "TREE-9: directory with an empty chunk",
            lists.FILES,
            changed(lists.FILES, LINK, f1="d", f8=b"", f9=(((ID, 0, False),), None)),
        ),
        ("TREE-9: file with a target", lists.FILES, changed(lists.FILES, FILE, f8=b"x")),
        ("TREE-10: file size", lists.FILES, changed(lists.FILES, FILE, f4=8)),
        ("TREE-11: file continues", lists.FILES, changed(lists.FILES, FILE, f9=CONTINUED)),
        ("TREE-11: row in a file", lists.FILES, changed(lists.FILES, FILE, f9=INSIDE)),
        ("TREE-11: row in a large object", lists.LARGE_OBJECTS, changed(lists.LARGE_OBJECTS, LARGE_OBJECT, f5=INSIDE)),
        ("TREE-10: extent bytes", lists.EXTENTS, changed(lists.EXTENTS, EXTENT, f3=8)),
        ("TREE-11: extent continues", lists.EXTENTS, changed(lists.EXTENTS, EXTENT, f4=CONTINUED)),
        ("TREE-10: large object size", lists.LARGE_OBJECTS, changed(lists.LARGE_OBJECTS, LARGE_OBJECT, f4=8)),
        (
            "TREE-11: large object continues",
            lists.LARGE_OBJECTS,
            changed(lists.LARGE_OBJECTS, LARGE_OBJECT, f5=CONTINUED),
        ),
        ("oid", lists.LARGE_OBJECTS, changed(lists.LARGE_OBJECTS, LARGE_OBJECT, f0=2**32)),
        ("TREE-8: one stored extent", lists.TABLES, changed(lists.TABLES, TABLE, f11=(ID, 1, 2, 7), f12=None)),
        ("TREE-8: inline and stored", lists.TABLES, changed(lists.TABLES, TABLE, f11=(ID, 2, 2, 7))),
        ("oid", lists.TABLES, changed(lists.TABLES, TABLE, f2=2**32)),
        ("column", lists.TABLES, changed(lists.TABLES, TABLE, f6=(("id", "bigint", 1),))),
        ("root", lists.TABLES, changed(lists.TABLES, TABLE, f9=("public",))),
        ("section 0", lists.ENTRIES, changed(lists.ENTRIES, ENTRY, f1=0)),
        ("section 5", lists.ENTRIES, changed(lists.ENTRIES, ENTRY, f1=5)),
        ("entry id", lists.ENTRIES, changed(lists.ENTRIES, ENTRY, f2=b"x")),
        ("sequence value", lists.SEQUENCES, changed(lists.SEQUENCES, SEQUENCE, f2=2**63)),
        ("sequence flag", lists.SEQUENCES, changed(lists.SEQUENCES, SEQUENCE, f3=1)),
    ],
)
def test_item_with_one_fault_is_malformed(fault: str, form: ListFormat[Any], value: Value) -> None:
    with pytest.raises(Malformed):
        form.decode(value)


def test_the_part_of_an_item_that_is_wrong_is_named() -> None:
    with pytest.raises(Malformed, match=r"^table: root"):
        lists.TABLES.decode(changed(lists.TABLES, TABLE, f9=("public",)))


@pytest.mark.parametrize(
    ("form", "item"),
    [
        (lists.FILES, replace(FILE, size=8)),
        (lists.FILES, replace(FILE, type=FileType.DIRECTORY)),
        (lists.FILES, replace(LINK, size=3)),
        (lists.FILES, replace(FILE, stamp=Stamp(etag="", version="", attributes=(("b", ""), ("a", ""))))),
        (lists.FILES, replace(FILE, stamp=Stamp(etag="", version="", attributes=(("a", "1"), ("a", "2"))))),
        (lists.EXTENTS, replace(EXTENT, bytes=8)),
        (lists.LARGE_OBJECTS, replace(LARGE_OBJECT, size=8)),
        (lists.LARGE_OBJECTS, replace(LARGE_OBJECT, chunks=CHUNKS)),
        (lists.TABLES, replace(TABLE, extents=STORED)),
        (lists.TABLES, replace(TABLE, inline=None, extents=replace(STORED, sums=Sums(items=1)))),
        (lists.SEQUENCES, replace(SEQUENCE, name=TableName(schema="\udcff", name="q"))),
    ],
)
def test_writer_is_held_to_the_same_rules(form: ListFormat[T], item: T) -> None:
    with pytest.raises(IntegrityError):
        codec.encode(form.encode(item))


def tree(*paths: bytes, links: tuple[bytes, ...] = ()) -> list[FileItem]:
    leaves = [replace(FILE, path=path) for path in paths]
    return sorted([*leaves, *(replace(LINK, path=path) for path in links)], key=lambda item: item.path)


@pytest.mark.spec("TREE-13")
@pytest.mark.parametrize(
    "items",
    [
        tree(b"a", b"a/b"),
        tree(b"a", b"a!", b"a!x", b"a/b/c"),
        tree(b"a/b", b"a/b/c/d"),
        tree(b"a/x", links=(b"a",)),
        tree(b"a", b"a!", b"a!/x"),
    ],
)
def test_path_below_a_file_or_link_is_malformed(items: list[FileItem]) -> None:
    with pytest.raises(Malformed):
        list(one_tree(items))


@pytest.mark.parametrize("items", [tree(), tree(b"a", b"a!", b"a-b", b"b/c"), tree(b"a/b", b"a/c", links=(b"a!",))])
def test_paths_beside_files_are_one_tree(items: list[FileItem]) -> None:
    assert list(one_tree(items)) == items
