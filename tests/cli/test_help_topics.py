"""`pgvault help`: the pages for users as topics."""

from __future__ import annotations

from tests.cli.command import Command
from tests.documentation import blocks
from vault.cli.command_names import COMMANDS
from vault.cli.commands.help import LISTS, _pages


def test_every_page_is_listed_with_its_title_and_shown_as_it_is(pgvault: Command) -> None:
    listed = pgvault("help", "topics").out
    for name, page in _pages().items():
        text = page.read_text(encoding="utf-8")
        assert f"{name} " in listed
        assert text.splitlines()[0].removeprefix("# ") in listed
        assert pgvault("help", name).out == text


def test_a_topic_hides_no_command_and_no_list() -> None:
    assert not _pages().keys() & {*COMMANDS, *LISTS, "topics"}


def test_mistyped_topic_is_suggested(pgvault: Command) -> None:
    done = pgvault("help", "runbok")
    assert done.code == 2
    assert "next: pgvault help runbooks" in done.err


def test_blocks_know_their_language_and_the_file_that_the_line_before_names() -> None:
    page = "`a/b.toml`, to begin with:\n\n```toml\nx = 1\n```\n\nThen:\n\n```sh\ntrue\n```\n"
    assert [(block.language, block.file, block.text) for block in blocks(page)] == [
        ("toml", "a/b.toml", "x = 1\n"),
        ("sh", "", "true\n"),
    ]
