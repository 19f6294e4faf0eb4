"""Names of tasks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.app.schedule.tasks import PLAIN
from vault.app.schedule.task import CARRIED, NAME, task_name
from vault.errors import UsageError

PAIRS = [
    ("/srv/shop/pgvault.toml", "app"),
    ("/srv/shop/pgvault.toml", None),
    ("/srv/shop/pgvault.tomlapp", None),
    ("/srv/other/pgvault.toml", "app"),
    ("/srv/shop/pgvault.toml", "APP"),
    ("/srv/shop/pgvault.toml", "a p p"),
    ("/srv/shop/pgvault.toml", "postgres@localhost:5432"),
    ("/srv/shop/pgvault.toml", "ünïcode"),
    ("/srv/shop/pgvault.toml", "../../etc/passwd"),
    ("/srv/shop/pgvault.toml", "-"),
    ("/srv/shop/pgvault.toml", "x" * 500),
    ("/", None),
    ("s3://bucket/prefix", "app\udcff"),
]


def test_each_pair_has_a_name_of_its_own_that_any_scheduler_takes() -> None:
    names = [task_name(place, source) for place, source in PAIRS]
    assert len(set(names)) == len(PAIRS)
    assert all(NAME.fullmatch(name) for name in names)
    assert names[0].startswith("pgvault-app-")
    assert names == [task_name(place, source) for place, source in PAIRS]


@pytest.mark.parametrize("text", ["two\nlines", "two\rlines", "nul\0", "ends with \\"])
def test_what_no_schedule_can_hold_is_refused(text: str) -> None:
    for change in ({"folder": text}, {"environment": {"X": text}}, {"words": ("/bin/true", text)}):
        with pytest.raises(UsageError):
            replace(PLAIN, **change)


def test_no_secret_is_carried() -> None:
    named = {name for name in CARRIED if "PASS" in name or "SECRET" in name or "TOKEN" in name or "COMMAND" in name}
    files = {"AWS_WEB_IDENTITY_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE", "PGVAULT_PASSWORD_FILE", "PGPASSFILE"}
    assert named == files, "what names a file is no secret"
