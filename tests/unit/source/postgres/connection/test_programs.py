"""Which client program is taken, by what the programs themselves say of their version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vault.errors import SourceError
from vault.source.postgres.connection.programs import Children, Program, Programs, version_of
from vault.source.postgres.definitions import pg_dump


def installed(place: Path, said: str) -> str:
    """A directory with a pg_dump that says `said`."""
    place.mkdir()
    program = place / "pg_dump"
    program.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {said}'\n")
    program.chmod(0o755)
    return str(place)


@pytest.mark.parametrize(
    ("said", "version"),
    [("15.20 (Debian 15.20-0+deb12u1)", (15, 20)), ("18beta1", (18, 0)), ("19devel", (19, 0)), ("18rc1", (18, 0))],
)
def test_version_is_major_and_minor(tmp_path: Path, said: str, version: tuple[int, int]) -> None:
    assert version_of(Path(installed(tmp_path / "bin", said), "pg_dump")) == version


def test_newest_minor_is_taken_whatever_the_order_of_the_places(tmp_path: Path) -> None:
    places = [installed(tmp_path / name, name) for name in ("15.9", "15.20", "15.18")]
    for order in (places, places[::-1]):
        found = Programs(system_places=order).require("pg_dump", major=15, local=True)
        assert found.version == (15, 20)


@pytest.mark.parametrize(
    ("program", "server", "older"),
    [((15, 18), 150020, True), ((15, 20), 150020, False), ((15, 9), 150010, True), ((18, 6), 150020, False), ((15, 18), 140023, False)],
)  # fmt: skip
def test_only_an_older_minor_of_the_same_major_misses_news(program: tuple[int, int], server: int, older: bool) -> None:
    assert Program(path=Path("pg_dump"), version=program).misses_news_of(server) is older


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children(environment={}, connection={}, password="")
    yield made
    made.close()


def test_a_pg_dump_that_is_killed_may_have_lacked_memory(children: Children) -> None:
    """No message says why: the kernel ends with SIGKILL what takes too much."""
    with pytest.raises(SourceError) as caught:
        pg_dump.read(children.start(["/bin/sh", "-c", "kill -9 $$"], feed=False))
    assert "SIGKILL" in caught.value.why
    assert "memory" in caught.value.why
    assert "memory" in caught.value.hint


def test_a_program_that_is_killed_when_it_is_asked_for_its_version_may_have_lacked_memory(tmp_path: Path) -> None:
    program = tmp_path / "psql"
    program.write_text("#!/bin/sh\nkill -9 $$\n")
    program.chmod(0o755)
    with pytest.raises(SourceError) as caught:
        version_of(program)
    assert "SIGKILL" in caught.value.why
    assert "memory" in caught.value.hint


def test_a_program_that_does_not_start_is_no_defect_of_ours(children: Children, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="psql does not run"):
        children.start([str(tmp_path / "psql")], feed=True)
