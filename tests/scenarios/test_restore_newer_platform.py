"""A project restored where the platform's own tables have moved on, and where they guard their rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.errors import InsufficientPrivilege

from tests.fix_supabase import Platform
from tests.restore_support import restored, snapshot_of
from vault.repo.snapshot import Snapshot

pytestmark = pytest.mark.postgres

NEWER = """
ALTER TABLE auth.users ADD COLUMN pronouns text NOT NULL DEFAULT 'unknown';
ALTER TABLE storage.objects ADD COLUMN level integer GENERATED ALWAYS AS (length(name)) STORED;
ALTER TABLE auth.sessions ADD COLUMN tag text;
INSERT INTO auth.schema_migrations VALUES ('20990101000000');
DELETE FROM auth.schema_migrations WHERE version = '20171026211738';
UPDATE storage.migrations SET hash = 'newer' WHERE id = 55;
INSERT INTO realtime.schema_migrations VALUES (20990101000000, '2099-01-01');
"""
MIGRATIONS = (
    "SELECT version::text FROM auth.schema_migrations UNION ALL SELECT hash FROM storage.migrations"
    " UNION ALL SELECT version::text FROM realtime.schema_migrations ORDER BY 1"
)


@pytest.fixture(scope="module")
def project(platform: Platform) -> Iterator[str]:
    name = platform.project()
    yield name
    platform.drop(name)


@pytest.fixture(scope="module")
def snapshot(platform: Platform, project: str) -> Snapshot:
    return snapshot_of(platform.dsn(project))


@pytest.fixture
def newer(platform: Platform) -> Iterator[str]:
    name = platform.empty()
    with platform.admin(name) as connection:
        connection.execute(NEWER)
    yield name
    platform.drop(name)


def query(platform: Platform, db: str, text: str) -> list[tuple[object, ...]]:
    with platform.admin(db) as connection:
        return connection.execute(text.encode()).fetchall()


def test_rows_come_by_the_names_of_columns_and_migrations_of_the_platform_stay(
    platform: Platform, project: str, snapshot: Snapshot, newer: str
) -> None:
    before = query(platform, newer, MIGRATIONS)
    done = restored(snapshot, platform.dsn(newer))
    assert not any("auth." in name or "storage." in name for name in done.failed)
    assert query(platform, newer, MIGRATIONS) == before != query(platform, project, MIGRATIONS)
    users = "SELECT id, email, encrypted_password, confirmed_at, raw_user_meta_data::text FROM auth.users ORDER BY id"
    assert query(platform, newer, users) == query(platform, project, users)
    assert query(platform, newer, "SELECT DISTINCT pronouns FROM auth.users") == [("unknown",)]
    objects = "SELECT bucket_id, name, path_tokens FROM storage.objects ORDER BY name"
    assert query(platform, newer, objects) == query(platform, project, objects)


def test_values_of_columns_that_the_platform_no_longer_has_stay_out_and_are_told(
    platform: Platform, project: str, snapshot: Snapshot, newer: str
) -> None:
    with platform.admin(newer) as connection:
        connection.execute("ALTER TABLE auth.users DROP COLUMN raw_app_meta_data, DROP COLUMN aud")
        connection.execute("ALTER TABLE auth.identities DROP COLUMN id")
    done = restored(snapshot, platform.dsn(newer))
    assert done.failed["TABLE DATA auth.users"] == (
        "without values of aud, raw_app_meta_data: the target's table has no such column"
    )
    assert done.failed["TABLE DATA auth.identities"] == "not loaded: the target's table has no column id"
    assert not any(name.startswith("FK CONSTRAINT") for name in done.failed)
    users = "SELECT id, email, encrypted_password, raw_user_meta_data::text, created_at FROM auth.users ORDER BY id"
    assert query(platform, newer, users) == query(platform, project, users)
    again = restored(snapshot, platform.dsn(newer), "users")
    (rows,) = (rows for name, rows in again.report.merged.items() if name.name == "users")
    assert (rows.added, rows.differing, rows.refused) == (0, 0, 0)


@pytest.mark.spec("SEL-5")
def test_guarded_rows_of_storage_are_deleted_on_request_only(platform: Platform) -> None:
    name = platform.project()
    objects = "SELECT bucket_id, name, metadata::text FROM storage.objects ORDER BY name"
    kept = query(platform, name, objects)
    snapshot = snapshot_of(platform.dsn(name))
    with platform.admin(name) as connection:
        connection.execute("UPDATE storage.objects SET metadata = '{}' WHERE name LIKE '%1/me.png'")
        connection.execute("INSERT INTO storage.objects (bucket_id, name) VALUES ('avatars', 'later.png')")
    left = restored(snapshot, platform.dsn(name), "storage.objects", into_source=True)
    assert left.failed == {}
    with platform.connect(name) as connection, pytest.raises(InsufficientPrivilege):
        connection.execute("DELETE FROM storage.objects")
    assert len(query(platform, name, objects)) == len(kept) + 1
    exact = restored(snapshot, platform.dsn(name), "storage.objects", into_source=True, replace=True)
    assert exact.failed == {}
    assert query(platform, name, objects) == kept
    platform.drop(name)
