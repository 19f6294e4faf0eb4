"""Which lines of a password file are for a connection: as libpq itself finds them."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import pq

from vault.app.passfile import names_password

LINES = [
    "127.0.0.1:54322:postgres:postgres:x",
    "*:*:*:*:x",
    "127.0.0.1:*:postgres:postgres:x:y",
    "127.0.0.1:54322:postgres:post\\gres:x",
    "\\*:*:*:*:x",
    "*x:*:*:*:x",
    "localhost:54322:postgres:postgres:x",
    "127.0.0.1:5432:postgres:postgres:x",
    "127.0.0.1:54322:other:postgres:x",
    "127.0.0.1:54322:postgres",
    "# *:*:*:*:x",
    "",
    "\n*:*:*:postgres:x\r",
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_for_a_connection_where_libpq_takes_its_password(tmp_path: Path, line: str) -> None:
    place = tmp_path / "passwords"
    place.write_text(f"{line}\n")
    place.chmod(0o600)
    asked = f"host=127.0.0.1 port=54322 dbname=postgres user=postgres passfile='{place}' channel_binding=none-such"
    attempt = pq.PGconn.connect_start(asked.encode())
    assert names_password(place, ("127.0.0.1", "54322", "postgres", "postgres")) == bool(attempt.password)
    attempt.finish()


def test_what_libpq_passes_over_names_none(tmp_path: Path) -> None:
    place = tmp_path / "passwords"
    assert not names_password(place, ("h", "1", "d", "u"))
    place.write_text("*:*:*:*:x\n")
    place.chmod(0o640)
    assert not names_password(place, ("h", "1", "d", "u"))
    assert not names_password(tmp_path, ("h", "1", "d", "u"))
