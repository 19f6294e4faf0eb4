"""Text and tables in a width: nothing is lost, nothing sticks out that could be broken, and what is copied is never broken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault.cli.layout import Columns, cells, table, wrapped
from vault.cli.page import lines

WORDS = st.lists(st.text(st.characters(codec="utf-8", categories=("L", "N")), min_size=1, max_size=12), max_size=30)


def laid(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]], columns: Columns, width: int | None) -> list[str]:
    return list(table(titles, rows, columns, width=width))


@given(WORDS, st.integers(40, 120))
def test_every_word_is_there_in_its_order_and_no_line_is_too_wide(words: list[str], width: int) -> None:
    shown = wrapped(" ".join(words), width, first="  why:  ", rest=" " * 8)
    assert " ".join(" ".join(line.split()) for line in shown).split() == ["why:", *words]
    assert all(cells(line) <= width for line in shown)


def test_without_a_width_a_text_is_a_line() -> None:
    assert wrapped("a " * 200, None, first="- ") == ["- " + "a " * 200]


def test_a_command_at_the_end_and_a_long_word_are_not_broken() -> None:
    command = "pgvault restore 3fa2b1c0d1e2 -d DATABASE --into-source --only WHAT --dry-run"
    assert wrapped(f"if not: {command}", 50)[-1] == command
    assert wrapped("file /" + "a" * 60 + " is there", 40, rest="  ") == ["file", "  /" + "a" * 60, "  is there"]


def test_the_sign_that_ends_a_command_stays_with_it() -> None:
    text = "one every day: pgvault schedule install; whether all is well: pgvault status, now"
    assert wrapped(text, 40) == ["one every day: pgvault schedule install;", "whether all is well: pgvault status, now"]


@pytest.mark.parametrize(
    "typed",
    [
        "psql -X -d postgresql://postgres@127.0.0.1:54722/postgres -f /home/me/.local/state/pgvault/undo/one.sql",
        "dropdb -h 127.0.0.1 -p 54722 c3 && createdb -h 127.0.0.1 -p 54722 c3 && pgvault restore 3fa2b1c0d1e2 -d c3",
        "PGVAULT_RECOVERY_KIT_FILE=kit.txt pgvault key add",
        "pgvault rows latest public.t --where 'a, b; c'",
    ],
)
def test_what_is_to_be_typed_has_no_line_end_in_it(typed: str) -> None:
    assert typed in wrapped(typed, 40, first="  next: ", rest="        ")[0]
    said = wrapped(f"undo it, if that was not what you wanted, with: {typed}; or leave it as it is", 40)
    assert any(line.startswith(typed) for line in said)


def test_wide_characters_take_two_columns() -> None:
    assert (cells("✅ ok"), cells("表"), cells("e\u0301")) == (5, 2, 1)
    assert laid(("name", "rows"), [("表", "1"), ("abc", "2")], Columns(), None) == ["name  rows", "表    1", "abc   2"]


def test_a_table_that_fits_is_the_same_with_and_without_a_width() -> None:
    columns = Columns(right="b", spare="a", wrapped="c")
    rows = [("1", "20", "x y"), ("10", "2", "z")]
    assert laid(("a", "b", "c"), rows, columns, None) == laid(("a", "b", "c"), rows, columns, 40)


def test_spare_columns_go_one_by_one_and_then_others_get_several_lines() -> None:
    titles = ("id", "host", "server", "about")
    rows = [("1", "h" * 10, "s" * 10, "some words about it that go on"), ("2", "h", "s", "few")]
    columns = Columns(spare="server|host", wrapped="about")
    assert laid(titles, rows, columns, 60)[0] == "id  host        server      about"
    assert laid(titles, rows, columns, 48)[0] == "id  host        about"
    assert laid(titles, rows, columns, 30) == [
        "id  about",
        "1   some words about it that",
        "    go on",
        "2   few",
    ]


PAGE = """# Title

- an item with a sentence that goes on
  and on

```sh
pgvault a --long-option --another-long-option --and-more
```

| word | meaning |
|---|---|
| `a` | something that is said with words |
"""


def test_a_page_keeps_what_is_typed_and_lays_out_the_rest() -> None:
    assert list(lines(PAGE, None)) == PAGE.splitlines()
    shown = list(lines(PAGE, 24))
    assert "pgvault a --long-option --another-long-option --and-more" in shown
    assert shown[2:4] == ["- an item with a", "  sentence that goes on"]
    assert shown[-3:] == ["word  meaning", "`a`   something that is", "      said with words"]
