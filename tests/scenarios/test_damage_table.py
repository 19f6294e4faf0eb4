"""The catalogue of damage as one table: every kind of file in every way that it can be wrong, and what is told of it.

The tests are made from the table. Whatever it says of a cell: nothing is read that is not what was stored, a full check names what cannot
be read, a verify passes no such snapshot, the next backup is taken and whole (but for what it found there, by an index that was right, in
bytes that changed unseen), and a prune refuses or takes nothing that could be read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from tests.bucket_stores import store_in
from tests.damage_judge import expect
from tests.damage_support import flipped
from tests.damage_world import DIRECTORY_OF, World, names, world
from tests.fix_buckets import BucketServers
from vault.model import FileKind
from vault.ports import ObjectStore
from vault.store.memory import MemoryStore

TABLE: Final = """
                      config   slot     data pack  meta pack  index    snapshot  lease     sweep     forgotten  check     pin       findings  ack       drill
missing               refused  silent   named      named      missed   named     silent    silent    silent     silent    silent    silent    silent    silent
empty                 refused  named    named      named      named    named     named     named     named      named     named     named     named     named
cut off               refused  named    named      named      named    named     named     named     named      named     named     named     named     named
cut in half           refused  named    named      named      named    named     named     named     named      named     named     named     named     named
extended              refused  named    named      named      named    named     named     named     named      named     named     named     named     named
twice                 refused  named    named      named      named    named     named     named     named      named     named     named     named     named
first bit             refused  named    read       read       named    named     named     named     named      named     named     named     named     named
middle bit            refused  named    read       read       named    named     named     named     named      named     named     named     named     named
last bit              refused  named    read       read       named    named     named     named     named      named     named     named     named     named
zeroed                refused  named    read       read       named    named     named     named     named      named     named     named     named     named
swapped               -        named    named      named      named    named     named     named     named      named     named     named     named     named
replayed              -        silent   noted      noted      silent   undone    silent    silent    silent     silent    silent    silent    silent    silent
renamed               refused  named    moved      moved      named    named     named     named     named      named     named     named     named     named
renumbered            -        -        -          -          silent   -         -         -         -          -         -         -         -         -
of another kind       refused  named    named      named      named    named     named     named     named      named     named     named     named     named
foreign in its place  refused  named    named      named      named    named     named     named     named      named     named     named     named     named
foreign beside        -        silent   noted      noted      named    named     named     named     named      named     named     named     named     named
unknown beside        noted    noted    noted      noted      noted    noted     noted     noted     noted      noted     noted     noted     noted     noted
"""
"""named    `check` names the file
read     `check --read-data` does
missed   `check` tells what is missing; nothing tells the name of the file
moved    `check` tells what is missing, `check --read-data` also the name under which it lies
undone   `check` tells what is missing, and that the file is there again that was forgotten
noted    `check` tells of it, and that it is no damage
silent   nothing that is needed is lost, and nobody without a memory could tell
refused  nothing opens, and the error names the file"""

Files = dict[str, bytes]
Change = Callable[[World, Files, str, str], None]
"""(the world, its files, a kind, the file of that kind): changes the files."""

OTHER_ID: Final = "0123456789abcdef" * 4


def becomes(made: Callable[[bytes], bytes]) -> Change:
    def change(world: World, files: Files, kind: str, name: str) -> None:
        files[name] = made(files[name])

    return change


def _missing(world: World, files: Files, kind: str, name: str) -> None:
    del files[name]


def _swapped(world: World, files: Files, kind: str, name: str) -> None:
    other = next(one for one in names(files, kind) if one != name)
    files[name], files[other] = files[other], files[name]


def _replayed(world: World, files: Files, kind: str, name: str) -> None:
    old, data = world.gone[kind]
    files[old] = data


def _renamed(world: World, files: Files, kind: str, name: str) -> None:
    files[f"{name[: -len(OTHER_ID)]}{OTHER_ID}" if "/" in name else f"{name}-1"] = files.pop(name)


def _renumbered(world: World, files: Files, kind: str, name: str) -> None:
    files[f"index/000000ff{name[len('index/') + 8 :]}"] = files.pop(name)


def _of_another_kind(world: World, files: Files, kind: str, name: str) -> None:
    other = "pin" if kind != "pin" else "ack"
    files[name] = files[world.victims[other]]


def _foreign_in_its_place(world: World, files: Files, kind: str, name: str) -> None:
    files[name] = world.foreign[kind][1]


def _foreign_beside(world: World, files: Files, kind: str, name: str) -> None:
    theirs, data = world.foreign[kind]
    files[theirs] = data


def _unknown_beside(world: World, files: Files, kind: str, name: str) -> None:
    files[f"{DIRECTORY_OF[kind].partition('/')[0]}-readme" if kind == "config" else f"{DIRECTORY_OF[kind]}readme"] = (
        b"x"
    )


CHANGES: Final[Mapping[str, Change]] = {
    "missing": _missing,
    "empty": becomes(lambda data: b""),
    "cut off": becomes(lambda data: data[:-1]),
    "cut in half": becomes(lambda data: data[: len(data) // 2]),
    "extended": becomes(lambda data: data + b"\0"),
    "twice": becomes(lambda data: data + data),
    "first bit": becomes(lambda data: flipped(data, 0)),
    "middle bit": becomes(lambda data: flipped(data, len(data) // 2)),
    "last bit": becomes(lambda data: flipped(data, -1)),
    "zeroed": becomes(lambda data: bytes(len(data))),
    "swapped": _swapped,
    "replayed": _replayed,
    "renamed": _renamed,
    "renumbered": _renumbered,
    "of another kind": _of_another_kind,
    "foreign in its place": _foreign_in_its_place,
    "foreign beside": _foreign_beside,
    "unknown beside": _unknown_beside,
}
"""Damage -> what it does. Where a kind cannot have it, the table has a dash."""


def read_table(text: str) -> dict[tuple[str, str], str]:
    """(damage, kind) -> outcome; columns part where two blanks stand."""
    split = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.strip("\n").split("\n")]
    kinds, *lines = split
    assert all(len(line) == len(kinds) + 1 for line in lines)
    return {(line[0], kind): outcome for line in lines for kind, outcome in zip(kinds, line[1:], strict=True)}


EXPECTED: Final = read_table(TABLE)
CELLS: Final = [(damage, kind) for (damage, kind), outcome in EXPECTED.items() if outcome != "-"]


def test_every_kind_of_file_has_every_damage() -> None:
    """A kind that somebody adds has no damages yet, and fails here."""
    kinds = {kind for _, kind in EXPECTED}
    assert {kind.name.lower() for kind in FileKind} <= kinds
    assert kinds == set(DIRECTORY_OF) == set(world().victims)
    assert {damage for damage, _ in EXPECTED} == set(CHANGES)
    assert len(EXPECTED) == len(kinds) * len(CHANGES)
    assert {kind for damage, kind in CELLS if damage == "replayed"} == set(world().gone)
    assert {kind for damage, kind in CELLS if damage == "foreign beside"} | {"config"} == set(world().foreign)


def changed(damage: str, kind: str) -> tuple[Files, str]:
    """The files after it, and the name of the one that it is about."""
    files = dict(world().files)
    name = world().victims[kind]
    CHANGES[damage](world(), files, kind, name)
    beside = {"replayed": world().gone, "foreign beside": world().foreign}.get(damage)
    if beside is not None:
        return files, beside[kind][0]
    if damage == "unknown beside" or (damage == "renamed" and kind != "config"):
        (name,) = files.keys() - world().files.keys()
    return files, name


@pytest.mark.parametrize(("damage", "kind"), CELLS)
def test_damage_is_told_and_nothing_else_is_lost(damage: str, kind: str) -> None:
    files, name = changed(damage, kind)
    expect(EXPECTED[damage, kind], MemoryStore(files), name, fresh=lambda: MemoryStore(dict(files)))


@pytest.mark.parametrize(("damage", "kind"), CELLS[::17])
@pytest.mark.parametrize("server", ["moto", "versitygw"])
def test_damage_in_a_bucket_is_told_alike(bucket_servers: BucketServers, server: str, damage: str, kind: str) -> None:
    """A sample: what a store is has no part in what a file says."""
    files, name = changed(damage, kind)

    def bucket() -> ObjectStore:
        store = store_in(bucket_servers[server])
        for one, data in files.items():
            store.put(one, data)
        return store

    expect(EXPECTED[damage, kind], bucket(), name, fresh=bucket, quick=True)
