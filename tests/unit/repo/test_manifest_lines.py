"""The file of the cached manifests, byte by byte as its module says, and what of a file that somebody else left is still believed."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import rows, take
from vault.format import codec
from vault.ids import SnapshotId
from vault.model import ListRef, LocalKind, Manifest, Origin, Sums
from vault.repo import local
from vault.repo.manifests import ManifestCache
from vault.repo.state import Open

IDS = [SnapshotId(bytes([number]) * 32) for number in range(1, 5)]
HEAD = 32 + 8 + 4


@pytest.fixture
def manifest(repo: Open) -> Manifest:
    return take(repo, FakeDatabase(tables={"public.t": [rows(1, 5)]})).manifest


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifests"


def cache(repo: Open, path: Path) -> ManifestCache:
    return ManifestCache(path.parent, repo.keys, repo.config.repository)


def kept(repo: Open, path: Path, manifest: Manifest, ids: list[SnapshotId]) -> bytes:
    """The file after one run that learned of these, each of size 7."""
    own = cache(repo, path)
    for snapshot_id in ids:
        own.add(snapshot_id, 7, manifest)
    own.save(None)
    return path.read_bytes()


def lines(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    at = 16
    while at < len(data):
        key, size, length = struct.unpack_from(">32sQI", data, at)
        at += HEAD + length
        yield key, size, data[at - length : at]
    assert at == len(data)


def test_a_line_is_sealed_and_bound_to_the_layout_the_size_and_the_snapshot(
    repo: Open, manifest: Manifest, path: Path
) -> None:
    data = kept(repo, path, manifest, IDS[:2])
    assert data.startswith(b"PGVMANI1")
    sealer = local.Sealer(repo.keys, LocalKind.MANIFESTS, repo.config.repository)
    found = list(lines(data))
    assert [(key, size) for key, size, _ in found] == [(IDS[0], 7), (IDS[1], 7)]
    for key, size, sealed in found:
        assert sealer.unseal(sealed, name=data[8:16] + size.to_bytes(8, "big") + key)


def test_a_line_is_told_for_its_size_alone_and_as_it_was_added(repo: Open, manifest: Manifest, path: Path) -> None:
    kept(repo, path, manifest, IDS[:2])
    own = cache(repo, path)
    assert [own.get(IDS[0], size) for size in (6, 7, 8)] == [None, manifest, None]
    assert own.get(IDS[2], 7) is None
    bare = replace(manifest, database=None, origin=None, parent=None, tags={})
    own.add(IDS[2], 9, bare)
    own.save(None)
    assert cache(repo, path).get(IDS[2], 9) == bare


@pytest.mark.parametrize(
    "torn",
    [b"", b"x", bytes(HEAD - 1), bytes(HEAD - 1) + b"\1", bytes(HEAD - 1) + b"\2x"],
    ids=["nothing", "a byte", "less than a head", "a head alone", "a part of a line"],
)
def test_what_a_killed_run_left_is_cut_off_and_the_lines_before_it_stay(
    repo: Open, manifest: Manifest, path: Path, torn: bytes
) -> None:
    data = kept(repo, path, manifest, IDS[:2])
    path.write_bytes(data + torn)
    own = cache(repo, path)
    assert [own.get(one, 7) for one in IDS[:3]] == [manifest, manifest, None]
    own.add(IDS[2], 7, manifest)
    own.save(None)
    assert [key for key, _, _ in lines(path.read_bytes())] == IDS[:3]
    assert path.read_bytes().startswith(data)


@pytest.mark.parametrize("head", [b"PGVMANI2", b"PGVMANI", b""])
def test_a_file_that_is_none_of_ours_is_written_anew(repo: Open, manifest: Manifest, path: Path, head: bytes) -> None:
    data = kept(repo, path, manifest, IDS[:2])
    path.write_bytes(head + data[8:])
    own = cache(repo, path)
    assert own.get(IDS[0], 7) is None
    own.add(IDS[2], 7, manifest)
    own.save(None)
    assert path.read_bytes()[:16] == data[:16]
    assert [key for key, _, _ in lines(path.read_bytes())] == IDS[2:3]


def test_a_run_that_learned_nothing_writes_nothing(repo: Open, manifest: Manifest, path: Path) -> None:
    kept(repo, path, manifest, IDS[:1])
    os.utime(path, (1, 1))
    own = cache(repo, path)
    own.get(IDS[0], 7)
    own.save(None)
    own.save([])
    assert path.stat().st_mtime == 1


@pytest.mark.parametrize("listed", [None, IDS[:2]])
def test_a_run_that_learned_nothing_mends_what_a_killed_one_left(
    repo: Open, manifest: Manifest, path: Path, listed: list[SnapshotId] | None
) -> None:
    data = kept(repo, path, manifest, IDS[:2])
    path.write_bytes(data + b"torn")
    own = cache(repo, path)
    assert own.get(IDS[0], 7) == manifest
    own.save(listed)
    assert path.read_bytes() == data


def test_a_line_that_does_not_open_goes_with_the_next_save(repo: Open, manifest: Manifest, path: Path) -> None:
    """Also where nothing was learned: else each run would try it again."""
    data = kept(repo, path, manifest, IDS[:2])
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    own = cache(repo, path)
    assert [own.get(one, 7) for one in IDS[:2]] == [manifest, None]
    own.add(IDS[1], 7, manifest)
    own.save(IDS[:2])
    assert [cache(repo, path).get(one, 7) for one in IDS[:2]] == [manifest, manifest]
    assert [key for key, _, _ in lines(path.read_bytes())] == IDS[:2]


def test_a_snapshot_that_is_learned_anew_has_one_line(repo: Open, manifest: Manifest, path: Path) -> None:
    data = kept(repo, path, manifest, IDS[:3])
    path.write_bytes(data + b"torn")
    own = cache(repo, path)
    own.add(IDS[1], 8, manifest)
    own.save(None)
    assert sorted((key, size) for key, size, _ in lines(path.read_bytes())) == [
        (IDS[0], 7),
        (IDS[1], 8),
        (IDS[2], 7),
    ]
    assert own.get(IDS[1], 8) == manifest, "what was saved is known to the same run"


@pytest.mark.parametrize(("lines_there", "gone", "rewritten"), [(200, 100, False), (200, 101, True), (201, 100, False)])
def test_of_many_lines_half_may_be_of_snapshots_that_are_gone(
    repo: Open, manifest: Manifest, path: Path, lines_there: int, gone: int, rewritten: bool
) -> None:
    many = [SnapshotId(number.to_bytes(32, "big")) for number in range(lines_there)]
    kept(repo, path, manifest, many)
    own = cache(repo, path)
    own.add(IDS[0], 7, manifest)
    own.save([*many[gone:], IDS[0]])
    assert len(list(lines(path.read_bytes()))) == lines_there + 1 - gone * rewritten


@pytest.mark.parametrize("more", [True, False])
@pytest.mark.parametrize("path_to", [(0,), (1,), (2,), (4, 0), (4, 1), (4, 2), (5, 0), (6, 0), (7,), (8,), ()])
def test_a_line_with_a_value_too_many_or_too_few_is_none(
    repo: Open, manifest: Manifest, path: Path, path_to: tuple[int, ...], more: bool
) -> None:
    """Of every part of it: whoever wrote it knew other fields, and what he meant by the others nobody knows."""
    origin = Origin(repository=repo.config.repository, snapshot=IDS[3])
    directories = {"lib": ListRef(root=None, sums=Sums())}
    data = kept(repo, path, replace(manifest, origin=origin, directories=directories), IDS[:1])
    sealer = local.Sealer(repo.keys, LocalKind.MANIFESTS, repo.config.repository)
    name = data[8:16] + (7).to_bytes(8, "big") + IDS[0]
    ((_, _, sealed),) = lines(data)

    def changed(value: Any, steps: tuple[int, ...]) -> Any:
        if not steps:
            return (*value, 0) if more else value[:-1]
        first, *others = steps
        return (*value[:first], changed(value[first], tuple(others)), *value[first + 1 :])

    def written(line: Any) -> Manifest | None:
        again = sealer.seal(codec.encode(line), name=name)
        path.write_bytes(data[:16] + struct.pack(">32sQI", IDS[0], 7, len(again)) + again)
        return cache(repo, path).get(IDS[0], 7)

    line = codec.decode_own(sealer.unseal(sealed, name=name))
    assert written(line) == replace(manifest, origin=origin, directories=directories)
    assert written(changed(line, path_to)) is None
