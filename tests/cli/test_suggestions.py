"""What was mistyped is answered with what was meant, as it is to be typed."""

from __future__ import annotations

import ast

import pytest

from tests.architecture.sources import modules
from tests.cli.command import Command
from vault.model.words import nearest


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("bakcup", "did you mean: pgvault backup?"),
        ("key lst", "did you mean: pgvault key list?"),
        ("key", "pgvault key --help"),
        ("snapshots --jsn", "did you mean --json?"),
        ("table latest x --format cvs", "did you mean --format csv?"),
        ("help bakup", "pgvault help backup"),
        ("help enviroment", "pgvault help environment"),
        ("nothing-like-it", "pgvault --help"),
        ("backup --bogus", "pgvault backup --help"),
    ],
)
def test_words_of_the_command_line(pgvault: Command, typed: str, meant: str) -> None:
    done = pgvault(*typed.split())
    assert done.code == 2
    assert f"next: {meant}" in done.err, done.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("show lates", "did you mean latest?"),
        ("show relase-1", "did you mean release-1?"),
        ("show abc", "6 digits"),
        ("show latest --source filse", "did you mean --source files?"),
        ("ls latest:flies", "did you mean files?"),
        ("backup --source nigthly", "did you mean --source nightly?"),
    ],
)
def test_names_of_the_repository_and_of_the_configuration(pgvault_ready: Command, typed: str, meant: str) -> None:
    (pgvault_ready.home / "files").mkdir()
    (pgvault_ready.home / "files" / "one").write_text("1")
    assert pgvault_ready("backup", "--dir", "files=files", "--tag", "name=release-1").code == 0
    (pgvault_ready.home / "pgvault.toml").write_text("version = 1\n[source.nightly]\n[source.weekly]\n")
    done = pgvault_ready(*typed.split())
    assert done.code == 2
    assert meant in done.err, done.err


def test_a_guess_is_made_in_one_place() -> None:
    guessing = [name for name, tree in modules() if "get_close_matches" in ast.unparse(tree)]
    assert guessing == ["vault.model.words"]


@pytest.mark.parametrize(
    ("word", "known", "meant"),
    [
        ("Orders", ["orders"], "orders"),
        ("x", ["orders"], None),
        ("LATEST", ["Latest", "last"], "Latest"),
        ("a", [], None),
    ],
)
def test_case_counts_for_nothing(word: str, known: list[str], meant: str | None) -> None:
    assert nearest(word, known) == meant
