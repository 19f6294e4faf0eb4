"""What a schedule takes along for directories that are buckets: what names something, and no secret."""

from __future__ import annotations

from pathlib import Path

from vault.app.schedule.plan import Here, carried_secrets, environment_of
from vault.app.settings import Settings

GIVEN = {
    "PATH": "/usr/bin",
    "PGVAULT_DIR_STORAGE_AWS_PROFILE": "files",
    "PGVAULT_DIR_STORAGE_AWS_ENDPOINT_URL": "https://files.example",
    "PGVAULT_DIR_STORAGE_AWS_SECRET_ACCESS_KEY": "geheim",
    "PGVAULT_DIR_STORAGE_AWS_SESSION_TOKEN": "geheim",
}


def test_a_profile_is_taken_along_and_a_secret_is_named(tmp_path: Path) -> None:
    here = Here(folder=tmp_path, program=("/usr/bin/pgvault",), home=str(tmp_path), host="here")
    carried = environment_of(Settings(environment=GIVEN), here)
    assert carried["PGVAULT_DIR_STORAGE_AWS_PROFILE"] == "files"
    assert carried["PGVAULT_DIR_STORAGE_AWS_ENDPOINT_URL"] == "https://files.example"
    assert "geheim" not in carried.values()
    assert carried_secrets(GIVEN) == [
        "PGVAULT_DIR_STORAGE_AWS_SECRET_ACCESS_KEY",
        "PGVAULT_DIR_STORAGE_AWS_SESSION_TOKEN",
    ]
