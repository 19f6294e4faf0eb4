"""A real database of everything, verified on its own and against the server that it came from, on each major."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.fix_postgres import Cluster
from tests.fix_views import Listener, ViewRepository
from tests.fix_zoo import Zoo, capture_of
from tests.scenarios.capture_support import open_on
from tests.scenarios.test_hostile_source import CASES, acted, hostile
from vault.ops.compare.against import TableState, compare_against
from vault.ops.project.components import SUPABASE
from vault.ops.verify import run as verify
from vault.repo.state import Closed

pytestmark = pytest.mark.postgres


def test_a_snapshot_of_everything_is_what_its_manifest_says_and_what_the_server_holds(any_zoo: Zoo) -> None:
    """In one test: the zoo is loaded once a session."""
    taken, repository = any_zoo.taken
    repo = Closed(repository.store).open("views").indexed(None)
    report = verify.run(repo, None, selectors=lambda _: SUPABASE, progress=Listener())
    assert (report.damage, report.mismatches, report.not_verified) == ((), (), ())
    assert list(report.verified) == [taken.id]
    assert report.rows > 0
    with capture_of(any_zoo.cluster, any_zoo.db)() as live:
        compared = compare_against(taken, live, key=os.urandom(32), progress=Listener())
    assert [table for table in compared.tables if table.state is not TableState.EQUAL] == []
    assert (compared.same_database, compared.definitions) == (True, ())


@pytest.fixture
def mallory(postgres: Cluster) -> Iterator[None]:
    with postgres.connect() as connection:
        connection.execute("CREATE ROLE mallory LOGIN")
        yield
        connection.execute("DROP ROLE mallory")


@pytest.mark.spec("CODE-2")
@pytest.mark.usefixtures("mallory")
@pytest.mark.parametrize("case", ["index expression", "index predicate", "statistics expression", "partition", "cast"])
def test_comparing_a_snapshot_with_the_database_runs_nothing_of_a_tables_owner(postgres: Cluster, case: str) -> None:
    with hostile(postgres, CASES[case]) as name:
        with open_on(postgres.dsn(name)) as capture:
            snapshot = ViewRepository().take(capture=lambda: capture)
        acted(postgres)
        with open_on(postgres.dsn(name)) as live:
            compared = compare_against(snapshot, live, key=os.urandom(32), progress=Listener())
        assert not acted(postgres)
        assert {table.state for table in compared.tables} == {TableState.EQUAL}
        assert compared.definitions == ()
