"""What verify finds: damage by the tables that it hits, numbers that are not those of the content, doubts; and what it reads only once."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from tests.damage_support import Sample, flipped, make_sample
from tests.fake_source import FakeDatabase, FakeDirectory
from tests.small_repository import Quiet, new_repository, opened, put_manifest, rows, take
from tests.unit.ops.repair.support import chunks, fresh, spoil_object, two_days
from tests.unit.ops.repair.test_snapshots import repaired
from tests.worlds import forget
from vault.errors import UsageError
from vault.ids import SnapshotId
from vault.model import ChunkList, Manifest, ObjectType, Origin
from vault.ops.check.parts import WHOLE, Part
from vault.ops.project.components import SUPABASE, Selectors
from vault.ops.verify import run as verify
from vault.ops.verify.contents import SnapshotContents
from vault.repo import checks
from vault.repo.lineage import is_mended
from vault.repo.state import Indexed, Open
from vault.store.memory import MemoryStore


@pytest.fixture(scope="module")
def sample() -> Sample:
    return make_sample()


def verified(
    repo: Open | Indexed, *wanted: SnapshotId, part: Part = WHOLE, selectors: Selectors = SUPABASE
) -> verify.VerifyReport:
    indexed = repo if isinstance(repo, Indexed) else repo.indexed(None)
    return verify.run(indexed, wanted or None, selectors=lambda _: selectors, progress=Quiet(), part=part)


def only(repo: Open) -> tuple[SnapshotId, Manifest]:
    [pair] = repo.snapshots()
    return pair


def test_sound_snapshots_are_verified(sample: Sample) -> None:
    report = verified(opened(MemoryStore(dict(sample.files))))
    assert (report.damage, report.mismatches, report.not_verified) == ((), (), ())
    assert list(report.verified) == list(report.asked) == sample.snapshots
    assert report.rendered > 10


def test_what_snapshots_share_is_decoded_once(sample: Sample) -> None:
    repo = opened(MemoryStore(dict(sample.files)))
    one = verified(repo, sample.snapshots[0]).read_bytes
    alone = sum(verified(repo, snapshot).read_bytes for snapshot in sample.snapshots)
    together = verified(repo).read_bytes
    assert one < together < alone / 1.5
    again = verified(repo, sample.snapshots[0], sample.snapshots[0])
    assert again.read_bytes == one


def test_damage_is_told_with_the_tables_files_and_snapshots_that_it_hits(sample: Sample) -> None:
    for name in sample.names("packs data"):
        store = MemoryStore({**sample.files, name: flipped(sample.files[name], 75)})
        report = verified(opened(store))
        [fault] = report.damage
        assert fault.file == name
        hit = {snapshot for snapshot in sample.snapshots if any(snapshot.hex()[:12] in one for one in fault.affects)}
        assert hit, "a flip of the first object's first byte"
        assert set(report.verified) == set(sample.snapshots) - hit
        assert all(":" in one for one in fault.affects)


def test_a_snapshot_past_the_places_that_are_kept_is_not_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vault.ops.verify.run._PLACES_MAX", 1)
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 400)]}))
    _, manifest = only(repo)
    wrong = replace(manifest.counts, rls_policies=2)
    forged = [put_manifest(repo, manifest, counts=wrong, sequence=number) for number in (2, 3)]
    assert verified(repo, *forged).verified == {}


@pytest.mark.parametrize(
    ("changes", "item", "why"),
    [
        ({"records": 7}, "records", "7 are recorded, and 400 are there"),
        ({"rls_policies": 2}, "rls_policies", "2 are recorded, and 0 are there"),
    ],
)
def test_numbers_of_the_manifest_that_are_not_those_of_the_content_are_mismatches(
    changes: dict[str, int], item: str, why: str
) -> None:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 400)]}))
    _, manifest = only(repo)
    forged = put_manifest(repo, manifest, counts=replace(manifest.counts, **changes))
    report = verified(repo, forged)
    told = {where: one.why for one in report.mismatches for where in one.where}
    assert told[f"{forged.hex()[:12]}:{item}"] == why
    assert report.verified == {}


def test_coverage_has_to_agree_with_the_lists() -> None:
    repo = new_repository(MemoryStore())
    database = FakeDatabase(tables={"public.t": [rows(1, 40)], "public.u": [rows(2, 40)]})
    take(repo, database, {"lib": FakeDirectory({b"a": b"content"})})
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 40)]}), source="other")
    manifests = {manifest.source: manifest for _, manifest in repo.snapshots()}
    part = manifests["other"].database
    without_table = put_manifest(repo, manifests["project"], database=part)
    without_files = put_manifest(repo, manifests["project"], directories={}, sequence=9)
    told = {where: one.why for one in verified(repo).mismatches for where in one.where}
    assert told[f"{without_table.hex()[:12]}:coverage of data"] == "2 are recorded, and 1 are there"
    assert "it is not there" in told[f"{without_files.hex()[:12]}:lib/"]


def test_numbers_by_names_of_the_configuration_are_not_verified_with_others() -> None:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"auth.users": [rows(1, 40)]}))
    snapshot, manifest = only(repo)
    forged = put_manifest(repo, manifest, counts=replace(manifest.counts, edge_functions=5), sequence=2)
    assert verified(repo, snapshot, selectors=replace(SUPABASE, exposed_schemas=frozenset())).not_verified == ()
    report = verified(repo, forged)
    assert [one.where for one in report.not_verified] == [[f"{forged.hex()[:12]}:edge_functions"]]


def test_extents_and_files_hold_what_their_lists_say() -> None:
    repo = new_repository(MemoryStore())
    database = FakeDatabase(tables={"public.t": [rows(1, 400)]}, large_objects={7: rows(70, 90)})
    take(repo, database, {"lib": FakeDirectory({b"a": b"content"})})
    snapshot_id, manifest = only(repo)
    told: list[str] = []
    indexed = repo.indexed(None)
    contents = SnapshotContents(
        indexed, {}, lambda error, label: told.append(f"{label}: {error.why or error.message}"), progress=Quiet()
    )
    contents.of(snapshot_id, manifest)
    snapshot = indexed.snapshot(snapshot_id)
    [table], [large], [file] = snapshot.tables(), snapshot.large_objects(), snapshot.files("lib")
    assert table.inline is not None
    extent = table.inline
    [chunk] = extent.chunks.inline
    longer, on = replace(chunk, length=chunk.length + 1), replace(chunk, continues=True)
    wrong = [
        replace(extent, rows=401),
        replace(extent, bytes=extent.bytes + 1),
        *(replace(extent, chunks=ChunkList(inline=(one,))) for one in (longer, on)),
        extent,
    ]
    contents.prepare(table, wrong)
    assert [contents.holds(one, "rows") for one in wrong] == [False, False, False, False, True]
    blobs = [replace(large, size=1), replace(file, size=8), large, file]
    contents.prepare(None, blobs)
    assert [contents.holds(one, "blob") for one in blobs] == [False, False, True, True]
    assert told == [
        "rows: 400 instead of 401",
        f"rows: {extent.bytes} instead of {extent.bytes + 1}",
        "rows: chunk has another length than its list says",
        "rows: the last chunk of an extent continues",
        f"blob: {large.size} instead of 1",
        "blob: 7 instead of 8",
    ]


def test_rows_without_a_form_in_utf8_are_not_verified_and_no_damage() -> None:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [b"1\t\x81\n"]}))
    _, manifest = only(repo)
    assert manifest.database is not None
    server = replace(manifest.database.server, encoding="WIN1252")
    snapshot = put_manifest(repo, manifest, database=replace(manifest.database, server=server), sequence=2)
    report = verified(repo, snapshot)
    assert (report.damage, report.mismatches, report.verified) == ((), (), {})
    assert [one.where for one in report.not_verified] == [[f"{snapshot.hex()[:12]}:table public.t"]]


def test_rows_taken_over_against_the_rules_are_a_mismatch() -> None:
    repo = new_repository(MemoryStore())
    first = FakeDatabase(tables={"public.t": [rows(n, 300) for n in range(4)]})
    second = FakeDatabase(tables={"public.t": [rows(9, 300), *first.tables["public.t"][1:]]}, earlier=first)
    take(repo, first)
    took = take(repo, second)
    assert took.manifest.effort.extents_reused == 3
    assert verified(repo).mismatches == ()
    manifest = took.manifest
    assert manifest.database is not None
    more = put_manifest(repo, manifest, effort=replace(manifest.effort, extents_reused=4), sequence=3)
    server = replace(manifest.database.server, timeline=7)
    promoted = put_manifest(repo, manifest, database=replace(manifest.database, server=server), sequence=4)
    none = put_manifest(repo, manifest, parent=None, sequence=5)
    told = {where: one.why for one in verified(repo).mismatches for where in one.where}
    assert told[f"{more.hex()[:12]}:rows"].endswith("and 3 are as they are there")
    assert told[f"{promoted.hex()[:12]}:rows"].endswith("the server was promoted or recovered to a point in time")
    assert told[f"{none.hex()[:12]}:rows"].endswith("and there was no snapshot before it")


def test_what_shares_unread_rows_with_a_suspect_snapshot_is_not_verified() -> None:
    repo = new_repository(MemoryStore())
    database = FakeDatabase(tables={"public.t": [rows(n, 300) for n in range(4)]})
    again = replace(database, earlier=database)
    full = take(repo, database)
    middle = take(repo, again)
    last = take(repo, again)
    suspect = put_manifest(repo, last.manifest, suspect="rows changed without a trace", sequence=4, parent=last.id)
    report = verified(repo)
    doubted = {where.partition(":")[0] for one in report.not_verified for where in one.where}
    assert doubted == {one.hex()[:12] for one in (middle.id, last.id, suspect)}
    assert list(report.verified) == [full.id]


@pytest.mark.parametrize("lost", [ObjectType.ROW_CHUNK, ObjectType.SCHEMA_ENTRY])
def test_a_repaired_snapshot_is_not_verified_and_no_damage(lost: ObjectType) -> None:
    """Numbers of what was lost stand in its manifest."""
    store, _ = two_days()
    spoil_object(store, chunks(fresh(store), lost)[0])
    assert verified(fresh(store)).damage
    repaired(store)
    report = verified(fresh(store))
    mended = {snapshot.hex()[:12] for snapshot, manifest in fresh(store).snapshots() if is_mended(manifest)}
    assert mended
    assert report.mismatches == ()
    assert mended == {where.partition(":")[0] for one in report.not_verified for where in one.where}


def test_numbers_of_a_repaired_snapshot_may_be_those_of_what_it_was_made_of() -> None:
    repo = new_repository(MemoryStore())
    take(repo, FakeDatabase(tables={"public.t": [rows(1, 400)]}))
    damaged, manifest = only(repo)
    origin = Origin(repository=repo.config.repository, snapshot=damaged)
    counts = replace(manifest.counts, records=401)
    put_manifest(repo, manifest, counts=counts, suspect="repaired: 1 loss", origin=origin, sequence=2)
    assert verified(repo).mismatches == ()
    put_manifest(repo, manifest, counts=counts, sequence=3)
    assert verified(repo).mismatches != ()


def test_a_snapshot_that_goes_meanwhile_is_not_damaged(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = opened(MemoryStore(dict(sample.files))).indexed(None)
    goes = sample.snapshots[1]
    begun = verify._Verifying.one

    def one(self: verify._Verifying, snapshot: SnapshotId, *rest: object) -> None:
        if snapshot == goes:
            forget(opened(repo.open.store), goes)
            for name in sample.names("packs"):
                repo.open.store.delete(name)
        begun(self, snapshot, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(verify._Verifying, "one", one)
    report = verified(repo, goes)
    assert (report.damage, report.mismatches) == ((), ())
    assert [one.why for one in report.not_verified] == ["it was forgotten meanwhile"]


def test_parts_share_nothing_and_leave_nothing_out(sample: Sample) -> None:
    repo = opened(MemoryStore(dict(sample.files)))
    last = sample.snapshots[-1]
    whole = verified(repo, last)
    parts = [verified(repo, last, part=Part(number, 3)) for number in (1, 2, 3)]
    assert sum(one.read_bytes for one in parts) == whole.read_bytes
    assert sum(one.rendered for one in parts) == whole.rendered
    assert all(one.read_bytes < whole.read_bytes for one in parts)
    assert [one.verified for one in parts] == [{}, {}, {}]
    for text in ("0/3", "4/3", "1", "1/0", "a/b", "1/20000"):
        with pytest.raises(UsageError):
            Part.read(text, option="--split")
    assert Part.read("2/3", option="--split") == Part(2, 3)


@pytest.mark.spec("NOTE-10")
def test_a_record_is_left_and_carries_on_what_others_said(sample: Sample) -> None:
    name, repo = next(
        (name, repo)
        for name in sample.names("packs data")
        for repo in [opened(MemoryStore({**sample.files, name: flipped(sample.files[name], 75)})).indexed(None)]
        if 0 < len(verified(repo).verified) < len(sample.snapshots)
    )

    def leave(*wanted: SnapshotId, now_ms: int) -> None:
        verify.record(repo, verified(repo, *wanted), host="here", now_ms=now_ms, entropy=os.urandom)

    def newest() -> tuple[dict[SnapshotId, int], tuple[str, ...]]:
        record = checks.newest_verified(repo.open)
        assert record is not None
        return {one.snapshot: one.checked_ms for one in record.closures}, record.damage

    leave(now_ms=1_000)
    held, lines = newest()
    hit = set(sample.snapshots) - set(held)
    assert {line.partition(": ")[0] for line in lines} == {snapshot.hex()[:12] for snapshot in hit}
    assert all(name in line for line in lines)
    whole = next(iter(held))
    leave(whole, now_ms=2_000)
    assert newest() == (held | {whole: 2_000}, lines)
    repo = opened(MemoryStore({**sample.files, **_records(repo)})).indexed(None)  # mended
    leave(*hit, now_ms=3_000)
    assert newest() == (dict.fromkeys(held, 1_000) | {whole: 2_000} | dict.fromkeys(hit, 3_000), ())
    leave(whole, now_ms=4_000)
    assert newest()[1] == ()
    assert checks.newest(repo.open) is None, "it is no check"


def _records(repo: Indexed) -> dict[str, bytes]:
    store = repo.open.store
    return {stored.name: store.get(stored.name) for stored in store.list("checks/")}
