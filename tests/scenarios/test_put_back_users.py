"""The emptied auth.users, with identities, sessions and all that referred to them: as superuser and as Supabase's `postgres`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fix_supabase import Platform
from tests.put_back_support import Project

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize("user", ["supabase_admin", "postgres"])
def test_emptied_users_come_back_with_what_went_with_them(platform: Platform, tmp_path: Path, user: str) -> None:
    name = platform.project()
    admin = platform.dsn(name, user="supabase_admin")
    try:
        project = Project(admin, tmp_path, user_dsn=platform.dsn(name, user=user))
        good, fine = project.take(), project.rows()
        assert fine["auth.users"]
        assert fine["auth.identities"]
        project.run("truncate public.projects cascade; delete from auth.users")
        bad, damaged = project.take(), project.rows()
        assert not damaged["auth.users"]
        done = project.put_back(good, bad, "auth.users", rows="missing", with_references=True)
        assert done.refused == []
        assert done.done is not None
        assert done.done.is_whole
        assert project.rows() == fine
        assert project.undo(done).returncode == 0
        assert project.rows() == damaged
    finally:
        platform.drop(name)
