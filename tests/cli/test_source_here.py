"""Whose snapshot a word means: in a project's directory its own, wherever else the repository's newest lies."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tests.cli.command import Command

BY_CONFIGURATION = '[source.acme]\ndirectories = { f = "f" }\n'
BY_PROJECT = 'project_id = "acme"\n[db]\nport = 1\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Two projects in one repository, whose newest snapshot is the shop's. `ids`: source -> its snapshots, oldest first."""

    acme: Command
    ids: dict[str, list[str]]

    def configure(self, name: str, text: str) -> None:
        place = self.acme.home / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)

    def shown(self, word: str, *arguments: str) -> str:
        done = self.acme("show", word, "--json", *arguments)
        assert done.code == 0, done.err
        return str(done.json()["snapshot"]["id"])


@pytest.fixture
def shared(pgvault_ready: Command) -> Shared:
    home = pgvault_ready.home / "acme"
    (home / "f").mkdir(parents=True)
    acme = replace(pgvault_ready, home=home, environment={"PGVAULT_REPOSITORY": str(pgvault_ready.repository)})
    ids: dict[str, list[str]] = {"acme": [], "shop": []}
    for source in ("acme", "acme", "shop"):
        (home / "f" / "letter").write_text(f"{source} {len(ids[source])}")
        tag = f"{source}{len(ids[source])}"
        done = acme("--source", source, "backup", "--dir", "f=f", "--tag", f"of={tag}", "--json")
        assert done.code == 0, done.err
        ids[source].append(done.json()["snapshot"])
    return Shared(acme=acme, ids=ids)


@pytest.fixture(params=["pgvault.toml", "supabase/config.toml"])
def inside(request: pytest.FixtureRequest, shared: Shared) -> Shared:
    shared.configure(request.param, BY_CONFIGURATION if request.param == "pgvault.toml" else BY_PROJECT)
    return shared


def test_words_mean_the_source_that_a_backup_would_take_here_and_ids_any(inside: Shared) -> None:
    older, newer = inside.ids["acme"]
    (other,) = inside.ids["shop"]
    day = inside.acme("snapshots", "--json").json()["snapshots"][0]["time"][:10]
    for word, meant in {"latest": newer, "latest~1": older, day: newer, "acme0": older, other[:12]: other}.items():
        assert inside.shown(word) == meant, word
    assert inside.shown("latest", "--source", "shop") == other
    assert len(inside.acme("snapshots", "--json").json()["snapshots"]) == 3
    for word in ("latest~2", "shop0"):
        done = inside.acme("show", word)
        assert (done.code, "of source acme" in done.err) == (2, True), done.err


def test_every_command_that_takes_a_word_means_the_same_snapshot(inside: Shared) -> None:
    newer, home = inside.ids["acme"][1], inside.acme.home
    assert inside.acme("cat", "latest:f/letter").out == "acme 1"
    assert inside.acme("extract", "latest", "f", "--to", "out").code == 0
    assert [path.read_text() for path in (home / "out").rglob("letter")] == ["acme 1"]
    assert inside.acme("restore", "latest", "--dir", "f=back", "--yes").code == 0
    assert (home / "back" / "letter").read_text() == "acme 1"
    assert newer[:12] in inside.acme("pin", "latest", "--reason", "why").out
    assert inside.acme("unpin", "latest").code == 0
    assert newer[:12] in inside.acme("forget", "latest", "--dry-run").out
    assert inside.acme("forget", "latest", "--yes").code == 0
    assert inside.shown("latest") == inside.ids["acme"][0]


@pytest.mark.parametrize("text", ["[source.nova]\n", "[source.nova]\n[source.acme]\n[source.shop]\n", ""])
def test_what_changes_something_never_guesses_the_source(shared: Shared, text: str) -> None:
    shared.configure("pgvault.toml", text)
    only = text.count("source") == 1
    for command in ("restore latest --dir f=back --yes", "forget latest --dry-run", "pin latest --reason x"):
        done = shared.acme(*command.split())
        assert (done.code, "acme, shop" in done.err, "--source" in done.err) == (2, True, True), done.err
    assert shared.acme("show", "latest").code == (2 if only else 0)
    assert shared.acme("restore", shared.ids["shop"][0][:12], "--dir", "f=back", "--yes").code == 0
    assert shared.acme("restore", "shop0", "--dir", "f=again", "--yes").code == (2 if only else 0)
