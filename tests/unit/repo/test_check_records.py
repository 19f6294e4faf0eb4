"""Records of checks and verifies, field by field: what one writes down, what several say together, and which of them stay (spec 60-snapshot)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import pytest

from tests.fake_source import FakeDatabase
from tests.faults import RecordingStore
from tests.small_repository import new_repository, opened, rows, take
from tests.unit.repo.test_remembered import Ticking
from vault.format.notes import decode_check, encode_check
from vault.format.pack import pack_name
from vault.ids import PackId, SnapshotId
from vault.model import CheckedPack, CheckRecord, FileKind, WholeClosure
from vault.ports import StoredFile
from vault.repo import checks
from vault.repo.records import load, save
from vault.repo.state import Open
from vault.store.memory import MemoryStore

P, Q = PackId(b"\1" * 32), PackId(b"\2" * 32)


@pytest.fixture
def clock() -> Ticking:
    """What the store's machine takes for the time."""
    made = Ticking()
    made.at_ms = 0
    return made


@pytest.fixture
def repo(clock: Ticking) -> Open:
    return new_repository(MemoryStore(clock=clock))


def note(
    repo: Open,
    created_ms: int,
    *,
    kind: str = "check",
    damage: Sequence[str] = (),
    read_ms: Sequence[int | None] = (),
    closures: Sequence[WholeClosure] = (),
) -> CheckRecord:
    """A record that somebody else wrote, of the packs P and Q."""
    packs = tuple(CheckedPack(id=name, size=9, read_ms=one) for name, one in zip((P, Q), read_ms, strict=False))
    made = CheckRecord(
        created_ms=created_ms,
        kind=kind,
        host="other",
        objects=1,
        read_bytes=2,
        damage=tuple(damage),
        packs=packs,
        closures=tuple(closures),
    )
    save(repo, FileKind.CHECK, encode_check(made), entropy=os.urandom)
    return made


def there(repo: Open) -> list[tuple[str, int]]:
    return sorted((one.kind, one.created_ms) for _, one in load(repo, FileKind.CHECK, decode_check).found)


def newest(repo: Open) -> CheckRecord:
    found = checks.newest(repo)
    assert found is not None
    assert checks.newest_of_each(repo)[0] == found
    return found


def record(
    repo: Open,
    now_ms: int,
    *,
    kind: str = checks.CHECK,
    damage: Sequence[str] = ("snapshots/x: bad",),
    whole: Sequence[PackId] = (),
    damaged: Sequence[PackId] = (),
) -> CheckRecord:
    return checks.record(
        repo.indexed(None),
        host="here",
        now_ms=now_ms,
        objects=5,
        read_bytes=6,
        damage=damage,
        whole=whole,
        damaged=damaged,
        entropy=os.urandom,
        kind=kind,
    )


# --- what one writes down ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["check", "part"])
def test_a_check_writes_down_what_it_found_of_every_pack(repo: Open, kind: str) -> None:
    for number in range(4):
        take(repo, FakeDatabase(tables={"public.t": [rows(number, 50)]}))
    sizes = repo.indexed(None).index.pack_sizes
    first, second, *others = sorted(sizes)
    made = record(repo, 7, kind=kind, whole=[first], damaged=[second])
    assert made == CheckRecord(
        created_ms=7,
        kind=kind,
        host="here",
        objects=5,
        read_bytes=6,
        damage=("snapshots/x: bad", f"{pack_name(second)}: it was read, and is damaged"),
        packs=(
            CheckedPack(id=first, size=sizes[first], read_ms=7),
            *(CheckedPack(id=name, size=sizes[name], read_ms=None) for name in (second, *others)),
        ),
    )
    assert newest(repo) == made
    again = record(repo, 8, whole=[], damaged=[second])
    assert again.damage == made.damage, "the line about a pack is carried on, once"
    assert [pack.read_ms for pack in again.packs[:2]] == [7, None]


def test_a_verify_writes_down_which_snapshots_are_whole(repo: Open) -> None:
    ids = sorted(take(repo, FakeDatabase(tables={"public.t": [rows(number, 50)]})).id for number in range(3))
    indexed = repo.indexed(None)
    packs = sorted(indexed.index.pack_sizes.items())
    made = checks.record_verified(
        indexed,
        host="here",
        now_ms=7,
        objects=5,
        read_bytes=6,
        damage=[f"{ids[2].hex()[:12]}: bad"],
        verified={ids[1]: None, ids[0]: frozenset({packs[1][0], packs[0][0]})},
        asked=ids,
        entropy=os.urandom,
    )
    assert made == CheckRecord(
        created_ms=7,
        kind="verify",
        host="here",
        objects=5,
        read_bytes=6,
        damage=(f"{ids[2].hex()[:12]}: bad",),
        packs=tuple(CheckedPack(id=name, size=size, read_ms=None) for name, size in packs),
        closures=(
            WholeClosure(snapshot=ids[0], checked_ms=7, packs=(0, 1)),
            WholeClosure(snapshot=ids[1], checked_ms=7, packs=tuple(range(len(packs)))),
        ),
    )
    told = checks.newest_verified(repo)
    assert told is not None
    assert (told.damage, told.packs) == (made.damage, ())
    assert told.closures == tuple(WholeClosure(snapshot=one, checked_ms=7, packs=()) for one in ids[:2])
    assert checks.newest_of_each(repo) == (None, told)


@pytest.mark.parametrize(("lines", "more"), [(100, 0), (101, 1), (140, 40)])
def test_of_many_lines_of_a_verify_a_hundred_are_kept_and_the_others_counted(repo: Open, lines: int, more: int) -> None:
    snapshot_id = take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]})).id
    damage = [f"{snapshot_id.hex()[:12]}: table {number:03}" for number in range(lines)]
    made = checks.record_verified(
        repo.indexed(None),
        host="h",
        now_ms=1,
        objects=1,
        read_bytes=1,
        damage=damage,
        verified={},
        asked=[snapshot_id],
        entropy=os.urandom,
    )
    assert list(made.damage) == damage[:100] + [f"and {more} more"] * (more > 0)


def verify(
    repo: Open, now_ms: int, *, whole: Sequence[SnapshotId] = (), asked: Sequence[SnapshotId] = ()
) -> tuple[WholeClosure, ...]:
    return checks.record_verified(
        repo.indexed(None),
        host="h",
        now_ms=now_ms,
        objects=1,
        read_bytes=1,
        damage=[],
        verified=dict.fromkeys(whole),
        asked=asked,
        entropy=os.urandom,
    ).closures


def test_what_others_verified_is_carried_on_while_all_their_packs_are_listed_as_they_were(repo: Open) -> None:
    ids = sorted(take(repo, FakeDatabase(tables={"public.t": [rows(number, 50)]})).id for number in range(2))
    sizes = sorted(repo.indexed(None).index.pack_sizes.items())
    closure = WholeClosure(snapshot=ids[0], checked_ms=1, packs=(0, 1))

    def carried(*more: int) -> tuple[WholeClosure, ...]:
        """`more`: by how much each pack was longer."""
        packs = zip(sizes, (*more, *[0] * len(sizes)), strict=False)
        made = CheckRecord(
            created_ms=1,
            kind="verify",
            host="h",
            objects=1,
            read_bytes=1,
            packs=tuple(CheckedPack(id=name, size=size + longer, read_ms=None) for (name, size), longer in packs),
            closures=(closure,),
        )
        save(repo, FileKind.CHECK, encode_check(made), entropy=os.urandom)
        told = verify(repo, 2)
        repo.store.delete(*(stored.name for stored in repo.store.list("checks/")))
        return told

    assert carried() == carried(0, 0, 1) == (closure,)
    assert carried(1, 1) == carried(1, 0) == carried(0, 1) == ()


def test_what_was_said_of_a_snapshot_before_counts_no_more_once_it_was_looked_at(repo: Open) -> None:
    one = take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]})).id
    assert [closure.snapshot for closure in verify(repo, 1, whole=[one], asked=[one])] == [one]
    assert [closure.checked_ms for closure in verify(repo, 2)] == [1]
    assert verify(repo, 3, asked=[one]) == ()


def test_a_pack_that_is_found_damaged_again_keeps_the_words_that_were_said_of_it(repo: Open) -> None:
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]}))
    pack = min(repo.indexed(None).index.pack_sizes)
    line = f"{pack_name(pack)}: its bytes do not match"
    assert record(repo, 1, damage=[line], damaged=[pack]).damage == (line,)
    assert record(repo, 2, damage=[], damaged=[pack]).damage == (line,)


class Backwards(MemoryStore):
    """Lists in no order that anybody could rely on."""

    def list(self, prefix: str) -> Iterator[StoredFile]:
        return iter(sorted(super().list(prefix), key=lambda file: file.name, reverse=True))


def test_packs_are_written_down_ascending_in_whatever_order_they_are_listed() -> None:
    repo = new_repository(Backwards())
    for number in range(3):
        take(repo, FakeDatabase(tables={"public.t": [rows(number, 50)]}))
    every = sorted(repo.indexed(None).index.pack_sizes)
    assert len(every) > 2
    assert [pack.id for pack in record(repo, 1).packs] == every
    (one, *_) = (snapshot_id for snapshot_id, _ in repo.snapshots())
    assert verify(repo, 2, whole=[one], asked=[one])[0].packs == tuple(range(len(every)))


# --- what several say together -----------------------------------------------------------------------


def test_parts_after_a_check_tell_on_and_the_next_check_ends_that(repo: Open) -> None:
    note(repo, 1, damage=["snapshots/a: bad"], read_ms=[None, 1])
    note(repo, 2, kind="part", damage=["snapshots/b: bad", "snapshots/a: bad"], read_ms=[2, 1])
    note(repo, 3, kind="verify", damage=["0123: no matter"])
    found = newest(repo)
    assert (found.kind, found.created_ms, found.host) == ("check", 1, "other")
    assert found.damage == ("snapshots/a: bad", "snapshots/b: bad"), "each once"
    assert [pack.read_ms for pack in found.packs] == [2, 1]
    note(repo, 4, damage=["snapshots/c: bad"], read_ms=[2, 1])
    assert (newest(repo).created_ms, newest(repo).damage) == (4, ("snapshots/c: bad",))


def test_parts_alone_are_told_as_parts_all_of_them(repo: Open) -> None:
    note(repo, 1, kind="part", damage=["snapshots/a: bad"], read_ms=[1])
    note(repo, 2, kind="part", damage=["snapshots/b: bad"], read_ms=[1])
    found = newest(repo)
    assert (found.kind, found.created_ms, found.damage) == ("part", 2, ("snapshots/a: bad", "snapshots/b: bad"))


@pytest.mark.spec("NOTE-9")
@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ((None, ""), (None, ""), (None, "")),
        ((3, ""), (None, ""), (3, "")),
        ((3, ""), (2, ""), (3, "")),
        ((2, ""), (3, ""), (3, "")),
        ((2, ""), (20, ""), (20, "")),
        ((None, ""), (0, ""), (0, "")),
        ((3, ""), (None, "bad"), (None, "bad")),
        ((None, "bad"), (None, ""), (None, "bad")),
        ((None, "bad"), (3, ""), (None, "bad")),
        ((None, "bad"), (20, ""), (20, "")),
        ((None, "bad"), (None, "worse"), (None, "worse")),
    ],
)
def test_a_pack_is_whole_since_it_was_last_read_and_damaged_until_a_check_read_it(
    repo: Open, first: tuple[int | None, str], second: tuple[int | None, str], told: tuple[int | None, str]
) -> None:
    """The second record was made at 20; what it says of an earlier time it only carries on."""
    name = pack_name(P)
    for created_ms, (read_ms, line) in ((10, first), (20, second)):
        note(repo, created_ms, damage=[f"{name}: {line}"] * bool(line), read_ms=[read_ms])
    found = newest(repo)
    assert ([pack.read_ms for pack in found.packs], found.damage) == (
        [told[0]],
        (f"{name}: {told[1]}",) if told[1] else (),
    )


def test_damage_of_a_pack_that_a_later_part_read_whole_is_told_no_more(repo: Open) -> None:
    note(repo, 1, damage=[f"{pack_name(P)}: bad", f"{pack_name(Q)}: bad"], read_ms=[None, None])
    note(repo, 2, kind="part", read_ms=[2, None])
    assert newest(repo).damage == (f"{pack_name(Q)}: bad",)


def test_damage_of_a_snapshot_is_told_until_it_was_verified_later(repo: Open) -> None:
    one = take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]})).id
    line = f"{one.hex()[:12]}: bad"

    def told() -> tuple[str, ...]:
        found = checks.newest_verified(repo)
        assert found is not None
        return found.damage

    note(repo, 0, kind="verify", damage=[line, "0123456789ab: of another", line])
    assert told() == (line,)
    note(repo, 5, kind="verify", damage=[line], closures=[WholeClosure(snapshot=one, checked_ms=4, packs=())])
    assert told() == (line,)
    note(repo, 6, kind="verify", closures=[WholeClosure(snapshot=one, checked_ms=5, packs=())])
    assert told() == ()


# --- which of them stay ------------------------------------------------------------------------------


def test_three_of_each_kind_stay(repo: Open) -> None:
    for now_ms in range(1, 6):
        for kind in ("check", "part", "verify"):
            note(repo, now_ms, kind=kind)
    checks.tidy(repo)
    assert there(repo) == [(kind, now_ms) for kind in ("check", "part", "verify") for now_ms in (3, 4, 5)]


def test_each_record_that_is_written_lets_older_ones_go(repo: Open) -> None:
    for now_ms in range(1, 6):
        record(repo, now_ms)
        verify(repo, now_ms)
    assert there(repo) == [(kind, now_ms) for kind in ("check", "verify") for now_ms in (3, 4, 5)]


@pytest.mark.parametrize(("kind", "stays"), [("check", []), ("part", [("check", 8)])])
def test_what_the_store_s_clock_puts_after_a_record_that_carries_it_on_goes(
    repo: Open, clock: Ticking, kind: str, stays: list[tuple[str, int]]
) -> None:
    """A part takes back no check: nobody has looked at all again."""
    clock.at_ms = 100
    note(repo, 8)
    note(repo, 9, kind="part")
    clock.at_ms = 50
    record(repo, 10, kind=kind)
    assert (kind, 10) in there(repo)
    assert [one for one in there(repo) if one[0] == "check" and one[1] < 10] == stays
    clock.at_ms = 60
    record(repo, 11)
    assert newest(repo).created_ms == 11


def test_what_was_listed_already_is_not_listed_again(repo: Open) -> None:
    note(repo, 1)
    recording = RecordingStore(repo.store)
    assert checks.newest(opened(recording)) is not None
    assert recording.requests().count("list checks") == 1


def test_snapshot_names_alone_are_verified(repo: Open) -> None:
    """What else lies there is no snapshot, and one that is gone is not told of."""
    one = take(repo, FakeDatabase(tables={"public.t": [rows(1, 50)]})).id
    repo.store.put("snapshots/readme", b"x")
    gone = SnapshotId(b"\3" * 32)
    closures = [WholeClosure(snapshot=name, checked_ms=1, packs=()) for name in sorted((one, gone))]
    note(repo, 2, kind="verify", closures=closures, damage=[f"{gone.hex()[:12]}: bad"])
    found = checks.newest_verified(repo)
    assert found is not None
    assert ([closure.snapshot for closure in found.closures], found.damage) == ([one], ())
