"""Which server a drill takes: the snapshot's major, else the wheel's if it is newer, else the nearest newer one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.errors import SourceError
from vault.source.postgres.connection.programs import Program
from vault.source.postgres.connection.server_choice import choose

WHEEL = Path("/wheel")


def server(major: int, minor: int = 0, place: str = "") -> Program:
    return Program(path=Path(place or f"/system/{major}") / "postgres", version=(major, minor))


@pytest.mark.spec("DRILL-5")
@pytest.mark.parametrize(
    ("major", "servers", "chosen"),
    [
        (15, [server(15, 3), server(15, 9), server(18, 1, "/wheel")], (15, 9)),
        (15, [server(14), server(16), server(18, 1, "/wheel")], (18, 1)),
        (18, [server(15), server(18, 1, "/wheel")], (18, 1)),
        (14, [server(17), server(16, 2), server(16, 1)], (16, 2)),
        (18, [server(18, 2), server(18, 1, "/wheel")], (18, 2)),
    ],
)
def test_choice(major: int, servers: list[Program], chosen: tuple[int, int]) -> None:
    assert choose(major, servers, embedded=WHEEL).version == chosen


@pytest.mark.parametrize(
    ("servers", "why"), [([server(9), server(15)], "there is only version 9, 15"), ([], "no server's")]
)
def test_an_older_one_is_never_taken(servers: list[Program], why: str) -> None:
    with pytest.raises(SourceError) as refused:
        choose(16, servers, embedded=WHEEL)
    assert why in refused.value.why
    assert "postgresql-16" in refused.value.hint
