"""The line that leads back from a ruin names what went, as it can be typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fake_source import FakeDatabase
from tests.small_repository import new_repository, rows, take
from vault.ids import SnapshotId
from vault.model import Finding
from vault.ops.guard import codes
from vault.ops.guard.compare import finding
from vault.ops.guard.way_back import Way, way_back
from vault.ops.project.components import COMPONENTS
from vault.repo.lineage import Known
from vault.store.memory import MemoryStore

_MANIFEST = take(new_repository(MemoryStore()), FakeDatabase(tables={"public.t": [rows(1, 3)]})).manifest
_GOOD: Known = (SnapshotId(bytes(32)), _MANIFEST)
_WAY = Way(database="--local", directories={"a": "/srv/my files", "b": "s3://*"})


def _of(*found: Finding, good: Known = _GOOD) -> str:
    return way_back(good, found, _WAY).removeprefix("pgvault restore 000000000000 ").removesuffix(" --dry-run")


def _with_directories(*, database: bool) -> Known:
    assert _MANIFEST.database is not None
    listed = dict.fromkeys("abc", _MANIFEST.database.tables)
    return _GOOD[0], replace(_MANIFEST, directories=listed, database=_MANIFEST.database if database else None)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([finding(codes.TABLE_EMPTIED, 'public."My notes"', "")], """--only 'public."My notes"'"""),
        ([finding(codes.USERS_LOST, "auth.users", "")], "--only users"),
        ([finding(codes.POLICY_GONE, "mine on public.t", "")], "--only rls_policies"),
        ([finding(codes.TRIGGER_GONE, "seen on public.t", "")], "--only public.t"),
        ([finding(codes.TRIGGER_GONE, 'a on b on public."x on y"', "")], """--only 'public."x on y"'"""),
        ([finding(codes.TRIGGER_GONE, "a on s.b on public.t", "")], "--only public.t"),
        ([finding(codes.SCHEMA_GONE, "My shop", "")], """--only '"My shop"'"""),
        ([finding(codes.SCHEMA_GONE, "data", "")], "--only 'data.*'"),
        ([finding(codes.SCHEMA_GONE, "shop", ""), finding(codes.VIEW_GONE, "x.v", "")], "--only shop --only x.v"),
        ([finding(codes.CONTENT_LOST, "public.t", "")], "--only public.t -c"),
        ([finding(codes.ROLE_RAISED, "joe", "")], "--only schema --only data"),
        ([finding(codes.ROWS_LOST, f"public.t{n}", "") for n in range(9)], "--only schema --only data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_went_is_named(found: list[Finding], words: str) -> None:
    assert _of(*found) == f"--local --into-source {words}"


@pytest.mark.parametrize("code", codes.MEANING)
def test_every_finding_has_a_way_without_a_placeholder(code: str) -> None:
    told = _of(finding(code, "x on public.t", ""))
    assert "WHAT" not in told
    word = told.partition("--only ")[2].split()[0].strip("'\"")
    assert word in {*COMPONENTS, "x", "public.t"}


def test_a_directory_goes_back_where_it_lies_or_beside() -> None:
    lost = [finding(codes.FILES_LOST, name, "") for name in "abc"]
    places = "--dir 'a=/srv/my files' --dir b=b.restored --dir c=c.restored"
    assert _of(*lost, good=_with_directories(database=True)) == places
    assert _of(*lost, good=_with_directories(database=False)) == places
    both = _of(lost[0], finding(codes.TABLE_GONE, "public.t", ""), good=_with_directories(database=True))
    assert both == "--local --into-source --only public.t --dir 'a=/srv/my files'"
