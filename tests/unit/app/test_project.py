"""The Supabase project around a directory: found, read, refused where it is half-written, and what `supabase link` left."""

from __future__ import annotations

from pathlib import Path

import pytest

from vault.app.project import Project, find_project
from vault.errors import UsageError

REF = "abcdefghijklmnopqrst"
POOLER = f"postgresql://postgres.{REF}@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"


def project(root: Path, text: str, *, name: str = "config.toml", **environment: str) -> Project:
    (root / "supabase").mkdir(exist_ok=True)
    (root / "supabase" / name).write_text(text, encoding="utf-8")
    found = find_project(root, environment)
    assert found is not None
    return found


def link(root: Path, **files: str) -> None:
    folder = root / "supabase" / ".temp"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", "-")).write_text(text, encoding="utf-8")


def test_a_project_says_where_its_things_are(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "functions" / "deep").mkdir(parents=True)
    text = '# a comment\nproject_id = "lilac"\n[db]\nport = 54999\nmajor_version = 17\n'
    found = project(tmp_path, text)
    assert (found.root, found.id, found.port, found.major) == (tmp_path, "lilac", 54999, 17)
    assert found.directories == {"edge_functions": str(tmp_path / "supabase" / "functions")}
    assert find_project(tmp_path / "supabase" / "functions" / "deep", {}) == found
    assert find_project(tmp_path.parent, {}) is None


def test_what_is_not_said_is_as_the_cli_has_it(tmp_path: Path) -> None:
    found = project(tmp_path, 'project_id = "lilac"\n')
    assert (found.local_url, found.major) == ("postgresql://postgres@127.0.0.1:54322/postgres", None)


def test_the_cli_prefers_json(tmp_path: Path) -> None:
    project(tmp_path, 'project_id = "old"\n')
    found = project(tmp_path, '{"project_id": "new", "db": {"port": 6000}}', name="config.json")
    assert (found.id, found.port) == ("new", 6000)


def test_values_may_come_from_the_environment(tmp_path: Path) -> None:
    text = 'project_id = "env(NAME)"\n[db]\nport = "env(PORT)"\n'
    found = project(tmp_path, text, NAME="lilac", PORT="6001")
    assert (found.id, found.port) == ("lilac", 6001)
    with pytest.raises(UsageError, match=r"config\.toml:3: db\.port is env\(PORT\)") as refused:
        project(tmp_path, text)
    assert "not set" in refused.value.why


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('project_id = "lilac"\n[db]\nport = ', 3),
        ('project_id = "lilac"\n[db\n', 2),
        ('project_id = """lilac\n[db]\n', 2),
        ('project_id = "lilac"\n[db]\nport = "54322"\n', 3),
        ('project_id = "lilac"\n\n[db]\nport = 0\n', 4),
        ('project_id = "lilac"\n[db]\nport = 65536\n', 3),
        ('project_id = "lilac"\n[db]\nmajor_version = true\n', 3),
    ],
)
def test_a_file_that_is_half_written_or_wrong_is_refused_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    with pytest.raises(UsageError) as refused:
        project(tmp_path, text)
    assert refused.value.message.startswith(f"{tmp_path / 'supabase' / 'config.toml'}:{line}: ")


@pytest.mark.parametrize(("name", "text"), [("config.toml", ""), ("config.toml", "# not yet\n"), ("config.json", "")])
def test_a_file_without_anything_is_no_project(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(UsageError, match=r"empty|no JSON"):
        project(tmp_path, text, name=name)


def test_json_that_ends_early_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"config\.json:2: it is no JSON"):
        project(tmp_path, '{"project_id": "x",\n', name="config.json")
    with pytest.raises(UsageError, match="no JSON object"):
        project(tmp_path, "[]", name="config.json")


@pytest.mark.parametrize("pooler", [POOLER, POOLER.replace("@", ":[YOUR-PASSWORD]@") + "\n", None])
def test_a_linked_project_is_reached_by_its_session_pooler_or_directly(tmp_path: Path, pooler: str | None) -> None:
    found = project(tmp_path, 'project_id = "lilac"')
    assert found.linked() is None
    link(tmp_path, project_ref=f"{REF}\n", **({"pooler_url": pooler} if pooler else {}))
    linked = found.linked()
    assert linked is not None
    assert linked.reference == REF
    place = "aws-0-eu-central-1.pooler.supabase.com" if pooler else f"db.{REF}.supabase.co"
    user = f"postgres.{REF}" if pooler else "postgres"
    assert linked.url == f"postgresql://{user}@{place}:5432/postgres", "6543 cannot hold a snapshot"


@pytest.mark.parametrize(
    "files",
    [
        {"project_ref": "../../etc"},
        {"project_ref": REF, "pooler_url": POOLER.replace(REF, REF[::-1])},
        {"project_ref": REF, "pooler_url": POOLER.replace("supabase.com", "supabase.com.evil.example")},
        {"project_ref": REF, "pooler_url": "postgresql://[half"},
        {"project_ref": REF, "pooler_url": f"postgresql://postgres.{REF}@evil.example:6543/postgres"},
    ],
)
def test_a_link_to_another_place_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    found = project(tmp_path, 'project_id = "lilac"')
    link(tmp_path, **files)
    with pytest.raises(UsageError) as refused:
        found.linked()
    assert "supabase link" in refused.value.hint
