"""A source is a name and a database: which snapshots say that it is another one (spec 60-snapshot)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.fake_source import FakeCapture, FakeDatabase, FakeOpener
from tests.small_repository import new_repository, put_manifest, rows, take
from vault.errors import Incoherent, UnsafeError
from vault.ids import SnapshotId
from vault.model import DatabasePart, Manifest
from vault.ops.backup.number_and_parent import OtherDatabase, require_same
from vault.repo.state import Open
from vault.store.memory import MemoryStore

OURS = FakeDatabase(tables={"public.t": [rows(1, 20)]})
THEIRS = replace(OURS, system_id="2")


@pytest.fixture
def repo() -> Open:
    return new_repository(MemoryStore())


def history(text: str) -> list[tuple[SnapshotId, Manifest]]:
    """`1a 2b 2a 3-`: numbers of source s, with the system of each or - for directories alone."""
    repo = new_repository(MemoryStore())
    with_database = take(repo, OURS).manifest
    assert with_database.database is not None
    pairs = []
    for at, word in enumerate(text.split()):
        server = replace(with_database.database.server, system_id=word[1:])
        part: DatabasePart | None = replace(with_database.database, server=server)
        manifest = replace(with_database, source="s", sequence=int(word[0]), database=None if word[1] == "-" else part)
        pairs.append((SnapshotId(bytes([at]) * 32), manifest))
    return pairs


@pytest.mark.spec("SNAP-8")
@pytest.mark.parametrize(
    ("snapshots", "same"),
    [
        ("", True),
        ("1-", True),
        ("1a", True),
        ("1b", False),
        ("1b 2-", False),
        ("1b 2a", True),
        ("1a 2b", False),
        ("1a 2b 3a", True),
        ("1b 2a 3-", True),
        ("1a 1b", False),
        ("1b 1a", False),
        ("1a 1b 2a", True),
        ("1a 1b 2b", False),
        ("1a 2b 2a", False),
    ],
)
def test_the_database_of_the_greatest_number_alone_is_the_sources(snapshots: str, same: bool) -> None:
    known = history(snapshots)
    server = history("1a")[0][1].database
    assert server is not None
    if same:
        require_same(known, "s", server.server)
    else:
        with pytest.raises(OtherDatabase):
            require_same(known, "s", server.server)
    require_same(known, "another source", server.server)


def test_the_same_oid_on_another_system_is_saved_apart_and_nothing_is_taken_over(repo: Open) -> None:
    first = take(repo, OURS)
    other = take(repo, replace(THEIRS, earlier=OURS))
    assert (first.apart, first.manifest.source) == ("", "project")
    assert other.manifest.source == "project~2.5"
    assert (other.manifest.parent, other.manifest.effort.extents_reused) == (None, 0)
    assert "is of database project (oid 5) of PostgreSQL system 1" in other.apart
    again = take(repo, replace(THEIRS, earlier=THEIRS))
    assert (again.manifest.parent, again.manifest.effort.extents_reused) == (other.id, 1)
    assert again.apart
    assert take(repo, replace(THEIRS), source="project~2.5").apart == ""
    assert take(repo, OURS).manifest.parent == first.id


def test_a_derived_name_that_belongs_to_another_database_is_refused_as_that(repo: Open) -> None:
    take(repo, OURS)
    taken = take(repo, replace(OURS, system_id="3"), source="project~2.5")
    with pytest.raises(UnsafeError) as refused:
        take(repo, THEIRS)
    assert refused.value.message.startswith(
        "project~2.5, the name that this database would get, is the source of another"
    )
    assert taken.id.hex()[:12] in refused.value.why
    assert "PostgreSQL system 3, and this is" in refused.value.why
    assert "--source NAME" in refused.value.hint
    assert len(repo.snapshots()) == 2


class Balanced(FakeOpener):
    """Reaches the first database once, and the second from then on."""

    def __init__(self, first: FakeDatabase, then: FakeDatabase) -> None:
        super().__init__(first)
        self._then = then

    def __call__(self) -> FakeCapture:
        made = super().__call__()
        self._database = self._then
        return made


@pytest.mark.parametrize("has_snapshots", [False, True])
def test_a_connection_that_leads_now_here_and_now_there_is_told_as_that(repo: Open, has_snapshots: bool) -> None:
    """And nothing of the one is saved under the other's name."""
    take(repo, OURS)
    if has_snapshots:
        take(repo, THEIRS, source="project~2.5")
    before = len(repo.snapshots())
    with pytest.raises(Incoherent, match="now to one database and now to another") as refused:
        take(repo, Balanced(THEIRS, replace(OURS, system_id="3")))
    assert "system 2, then database project (oid 5) of PostgreSQL system 3" in refused.value.why
    assert len(repo.snapshots()) == before


def test_somebody_who_is_there_is_asked(repo: Open) -> None:
    take(repo, OURS)
    before = dict(repo.store.files)  # type: ignore[attr-defined]
    with pytest.raises(UnsafeError, match="another database") as refused:
        take(repo, THEIRS, attended=True)
    assert "--server-moved" in refused.value.hint
    assert before == repo.store.files  # type: ignore[attr-defined]


def test_a_server_that_moved_is_said_once(repo: Open) -> None:
    first = take(repo, OURS)
    moved = take(repo, THEIRS, moved=True, attended=True)
    assert (moved.manifest.parent, moved.manifest.source) == (first.id, "project")
    assert take(repo, THEIRS, attended=True).manifest.parent == moved.id
    assert take(repo, OURS).apart


def test_directories_alone_are_of_no_server(repo: Open) -> None:
    take(repo, OURS)
    assert take(repo, None).apart == ""
    assert take(repo, THEIRS).apart


def test_a_source_whose_numbers_are_used_up_is_refused(repo: Open) -> None:
    """A greater number would be written and never read again."""
    put_manifest(repo, take(repo, OURS).manifest, sequence=2**63 - 1)
    with pytest.raises(UnsafeError, match="no number left"):
        take(repo, OURS)
    assert take(repo, OURS, source="another").manifest.sequence == 1
