"""Vectors of kind `repository`: complete tiny repositories, read to their end.

`outputs` of a good one: what a reader gets, as name -> SHA-256. Names: `rows <schema>.<table>`, `file <directory> <hex of
path>`, `link ...` (the target), `entry <position>`, `large_object <oid>`, `sequence <schema>.<name>` (`<last> <called>`),
`values <schema>.<table>` where there are values of generated columns for each extent that has rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spec.vectors import write
from spec.vectors.vector import Vector
from spec.vectors.write import (
    CATALOG,
    DATA,
    ENTRIES,
    ENTRY,
    FILES,
    LARGE_OBJECT_CHUNK,
    LARGE_OBJECTS,
    LEDGER,
    META,
    ORDER,
    ROLES,
    SEQUENCES,
    TABLES,
    ZSTD,
    Pack,
    encode,
    identity,
    sha256,
)

Files = dict[str, bytes]


class Repo:
    """Objects go to `data` and `meta`; `others` are further packs, filled by hand. `outputs` grows with what is added."""

    def __init__(self) -> None:
        self.data, self.meta = Pack(DATA), Pack(META)
        self.others: list[Pack] = []
        self.known: set[bytes] = set()
        self.outputs: dict[str, bytes] = {}

    def put(self, object_type: int, plain: bytes) -> bytes:
        object_id = write.object_id(object_type, plain)
        if object_id not in self.known:
            self.known.add(object_id)
            small = len(write.zstd(plain)) < len(plain)
            pack = self.data if object_type <= LARGE_OBJECT_CHUNK else self.meta
            pack.add(object_type, plain, codec=ZSTD if small else write.RAW)
        return object_id

    def file(self, path: bytes, *plains: bytes) -> list[Any]:
        self.outputs[f"file files {path.hex()}"] = sha256(b"".join(plains))
        return write.file_item(path, list(plains), self.put)

    def extent(self, start: int, *plains: bytes) -> list[Any]:
        return write.extent(start, list(plains), self.put)

    def valued(self, extent: list[Any], *plains: bytes, columns: int) -> list[Any]:
        """With the values of so many generated columns."""
        return write.with_values(extent, list(plains), columns, self.put)

    def table(self, name: str, *extents: list[Any], rows: bytes, generated: int = 0) -> list[Any]:
        self.outputs[f"rows public.{name}"] = sha256(rows)
        columns = [[f"generated {at}", "text", 3 + at, False] for at in range(generated)]
        return [*write.table("public", name, list(extents), self.put)[:13], columns]

    def database(self, tables: list[Any] | None = None, **changed: Any) -> dict[str, Any]:
        """A database with these tables (or a list reference), no entries and nobody in it."""
        order = self.put(ORDER, encode({"entries": changed.pop("order_entries", [])}))
        reference = tables if tables and (tables[0] is None or isinstance(tables[0], bytes)) else None
        return {
            "catalog": self.put(CATALOG, encode(write.CATALOG_VALUE)), "entries": write.EMPTY,
            "large_objects": write.EMPTY, "order": order, "roles": self.put(ROLES, encode(write.ROLES_VALUE)),
            "sequences": write.EMPTY, "server": write.SERVER,
            "tables": reference or write.tree(tables or [], TABLES, self.put),
        } | changed  # fmt: skip

    def manifest(self, **changed: Any) -> dict[str, Any]:
        ledger = {"rows": ["captured", 1, []]}
        fields = {"ledger": self.put(LEDGER, encode(ledger)), "coverage": {"rows": ["captured", 1]}}
        return write.manifest(**(fields | changed))

    def finish(self, manifest: dict[str, Any], *, codec: int = 0, index: bool = True) -> Files:
        plain = encode(manifest)
        slot = write.slot()
        files = {
            "config": write.config(),
            f"keys/{sha256(slot).hex()}": slot,
            f"snapshots/{write.object_id(32, plain).hex()}": write.envelope(plain, write.SNAPSHOT, codec=codec),
        }
        packs = [(pack.finish(), pack) for pack in (self.data, self.meta, *self.others) if pack.records]
        files |= {f"packs/{sha256(file).hex()}": file for file, _pack in packs}
        return files | (index_file(write.fragment(packs)) if index else {})


def index_file(fragment: dict[str, Any], generation: int = 1) -> Files:
    data = write.envelope(encode(fragment), write.INDEX, salt=f"fragment {generation}")
    return {f"index/{generation:08x}-{sha256(data).hex()}": data}


ROWS = b"".join(b"%d\tnote %d\n" % (number, number * 7919) for number in range(40))


def _valued(repo: Repo) -> list[Any]:
    """Three extents, two generated columns, a value that is in two chunks."""
    values = [b"10\ta b\n" + b"20\t" + b"y" * 300, b"y" * 300 + b"\n\\N\t\n"]
    extents = [
        repo.valued(repo.extent(0, b"1\tx\n2\ty\n3\tz\n"), *values, columns=2),
        repo.extent(1024),
        repo.valued(repo.extent(2048, b"4\tx\n"), b"40\t\\t\n", columns=2),
    ]
    repo.outputs["values public.valued"] = sha256(b"".join(values) + b"40\t\\t\n")
    return repo.table("valued", *extents, rows=b"1\tx\n2\ty\n3\tz\n4\tx\n", generated=2)


def full() -> tuple[Repo, Files]:
    """Everything that a snapshot can hold, small."""
    repo = Repo()
    chunks = [bytes([number]) * 100 for number in range(5)] * 2
    link = write.other_item(b"link", "l", b"a/../b", 0o777)
    repo.outputs["link files " + b"link".hex()] = sha256(b"a/../b")
    items = [
        write.other_item(b"a", "d"), repo.file(b"a/big", *chunks), repo.file(b"a/small", b"small"),
        repo.file(b"empty"), write.other_item(b"hollow", "d", mode=0o700), link, repo.file(b"n\xffme\n", b"bytes"),
    ]  # fmt: skip
    parts = [ROWS[:300], ROWS[300:]]
    cut = [part[: part.rindex(b"\n") + 1] if part is parts[0] else part for part in parts]
    cut[1] = ROWS[len(cut[0]) :]
    long_row = [b"1\t" + b"x" * 500, b"y" * 500, b"z\n2\tshort\n"]
    tables = [
        repo.table("item", repo.extent(0, *cut), rows=ROWS),
        repo.table("many", *(repo.extent(1024 * n, *([b"%d\tx\n" % n] if n else [])) for n in range(3)),
                   rows=b"1\tx\n2\tx\n"),
        repo.table("none", rows=b""),
        _valued(repo),
        repo.table("wide", repo.extent(0, *long_row), rows=b"".join(long_row)),
    ]  # fmt: skip
    names = [identity("ENCODING", "", ["ENCODING"]), identity("TABLE", "table", ["public", "item"]),
             identity("INDEX", "index", ["public", "item_idx"])]  # fmt: skip
    entries = [
        write.entry(names[0], 1, "SET client_encoding = 'UTF8';\n", namespace="", owner=""),
        write.entry(
            names[1], 2, "CREATE TABLE public.item (id bigint, note text);\n", drop="DROP TABLE public.item;\n"
        ),
        write.entry(names[2], 4, "CREATE INDEX item_idx ON public.item (id);\n"),
    ]
    order = []
    for position, entry in enumerate(entries):
        repo.outputs[f"entry {position}"] = sha256(encode(entry))
        order.append(
            [entry["identity"], entry["section"], repo.put(ENTRY, encode(entry)), [1] if position == 2 else []]
        )
    listed = sorted(([item[0], item[1], item[2]] for item in order), key=lambda item: encode(item[0]))
    large = [16500, "postgres", ["app=r/postgres"], "note", 11,
             write.chunk_list([b"large ", b"bytes"], LARGE_OBJECT_CHUNK, repo.put)]  # fmt: skip
    repo.outputs["large_object 16500"] = sha256(b"large bytes")
    repo.outputs["sequence public.item_id_seq"] = sha256(b"42 true")
    database = repo.database(
        tables, order_entries=order, entries=write.tree(listed, ENTRIES, repo.put),
        sequences=write.tree([["public", "item_id_seq", 42, True]], SEQUENCES, repo.put),
        large_objects=write.tree([large], LARGE_OBJECTS, repo.put),
    )  # fmt: skip
    directories = {"files": write.tree(items, FILES, repo.put), "none": write.EMPTY}
    return repo, repo.finish(repo.manifest(database=database, directories=directories), codec=1)


def small() -> tuple[Repo, Files]:
    """One directory with one file: what the faults of stored files start from."""
    repo = Repo()
    reference = write.tree([repo.file(b"a", b"content of a")], FILES, repo.put)
    return repo, repo.finish(repo.manifest(directories={"files": reference}))


def of_rows(fill: Callable[[Repo], tuple[bytes, bytes]]) -> tuple[Repo, Files]:
    """One table of one chunk; `fill` stores it in its own way and returns (id, plaintext)."""
    repo = Repo()
    object_id, text = fill(repo)
    one = [0, 1024, text.count(b"\n"), len(text), [[[object_id, len(text), False]], None], [], None]
    table = repo.table("item", one, rows=text)
    return repo, repo.finish(repo.manifest(database=repo.database([table])))


def of_files(items: list[Any], repo: Repo, *, every: int = 0) -> list[Any]:
    return write.tree(items, FILES, repo.put, every=every)


def name_of(files: Files, directory: str, *, pack_class: int | None = None) -> str:
    found = [name for name in files if name.startswith(directory + "/")]
    return next(name for name in found if pack_class is None or files[name][10] == pack_class)


class Collected:
    def __init__(self) -> None:
        self.vectors: list[Vector] = []

    def add(self, name: str, spec: str, expect: str, comment: str, made: tuple[Repo, Files], **inputs: Any) -> None:
        repo, files = made
        more = {"outputs": dict(sorted(repo.outputs.items()))} if expect == "ok" else {}
        self.vectors.append(
            Vector(
                name=f"repository/{name}", spec=spec.split(), comment=comment, expect=expect, more=more,
                input={"files": dict(sorted(files.items())), "passphrase": write.PASSPHRASE} | inputs,
            )
        )  # fmt: skip
