"""DuckDB as an engine: what it says of a statement is told as that, and what it lacks is not."""

from __future__ import annotations

import re

import pytest

from vault.errors import UsageError, VaultError
from vault.source.duckdb_engine import DuckDatabase

SORTS = "SELECT count(*) FROM (SELECT DISTINCT random() FROM range(10000000))"


@pytest.mark.parametrize("room", ["", "SET max_temp_directory_size = '1MB'; SET temp_directory = '{place}';"])
def test_want_of_memory_or_room_is_no_fault_of_the_statement(room: str, tmp_path: object) -> None:
    with DuckDatabase() as database:
        database._connection.execute("SET memory_limit = '10MB'; SET temp_directory = ''")
        database._connection.execute(room.format(place=tmp_path))
        with pytest.raises(VaultError, match="not enough memory") as raised:
            database.run(SORTS, list)
    assert not isinstance(raised.value, UsageError)
    assert "TMPDIR" in raised.value.hint


def test_what_a_statement_is_refused_for_shows_no_value() -> None:
    with DuckDatabase() as database, pytest.raises(UsageError, match=re.escape("cannot be answered")) as raised:
        database.run("SELECT 'a secret'::int", list)
    assert "secret" not in raised.value.why
