"""The line of a key of a TOML file: right, or not told."""

from __future__ import annotations

import tomllib

import pytest

from vault.app.toml.lines import KeyPath, key_lines

HARD = '''\
# a = 1, in a comment
"quoted key" = 1
'literal.key' = 2
a . "b.c" . d = 3
text = """
[not.a.table]
no_key = 1 \\"""
ends in two marks"""""
after = \'\'\'
[[neither]]
x = 2\'\'\'
last = [ # a comment ] with marks "
  "a ] b", \'c # d\',
  [ 1, 2 ],
  { x = 1, y.z = [ { deep = "}" } ] },
]
moment = 1979-05-27 07:32:00 # with a blank in it
empty = ""
none = \'\'
"\\u00e4" = { "k\\"" = 1 }

[table]
key = 1
[ "spaced" . table ]
key = 2
[table.below]
key = 3

[[many]]
name = "one"
[[many.inner]]
key = 4
[[many.inner]]
key = 5
[many.plain]
key = 6

[[many]] # the second
name = "two"
[[many.inner]]
key = 7
'''
LINES: dict[KeyPath, int] = {
    ("quoted key",): 2, ("literal.key",): 3, ("a", "b.c", "d"): 4, ("text",): 5, ("after",): 9, ("last",): 12,
    ("last", 3, "y", "z", 0, "deep"): 15, ("moment",): 17, ("empty",): 18, ("none",): 19, ("ä", 'k"'): 20,
    ("table",): 22, ("table", "key"): 23, ("spaced", "table", "key"): 25, ("table", "below", "key"): 27,
    ("many", 0): 29, ("many", 0, "inner", 0, "key"): 32, ("many", 0, "inner", 1, "key"): 34,
    ("many", 0, "plain", "key"): 36, ("many", 1): 38, ("many", 1, "name"): 39, ("many", 1, "inner", 0, "key"): 41,
}  # fmt: skip


def lines_of(text: str) -> dict[KeyPath, int]:
    return key_lines(text, tomllib.loads(text))


def test_each_key_has_the_line_where_it_stands() -> None:
    lines = lines_of(HARD)
    assert {path: lines.get(path) for path in LINES} == LINES


def test_lines_do_not_depend_on_how_they_end() -> None:
    assert lines_of(HARD.replace("\n", "\r\n")) == lines_of(HARD)


@pytest.mark.parametrize("cut", range(HARD.count("\n")))
def test_of_each_file_that_ends_early_all_lines_are_right(cut: int) -> None:
    """What is told of a beginning is what is told of the whole: nothing behind a key moves it."""
    text = "".join(HARD.splitlines(keepends=True)[:cut])
    try:
        found = lines_of(text)
    except tomllib.TOMLDecodeError:
        return
    whole = lines_of(HARD)
    assert found == {path: whole[path] for path in found}
    assert bool(found) == bool(tomllib.loads(text))


def test_a_key_that_stands_in_a_text_too_is_not_mistaken() -> None:
    assert lines_of('a = """\nb = 1\n"""\nb = 2\n') == {("a",): 1, ("b",): 4}
    assert lines_of("a = '''\n[b]\n'''\n[b]\nc = ']'\n") == {("a",): 1, ("b",): 4, ("b", "c"): 5}


def test_a_comment_behind_a_number_ends_nothing() -> None:
    assert lines_of("a = [ 1 # ] , }\n, 2 ]\nb = 3 # [c]\n") == {("a",): 1, ("b",): 3}


def test_where_text_and_values_do_not_agree_no_line_is_told() -> None:
    assert key_lines("a = 1\nb = 2\n", {"a": 1}) == {}
    assert key_lines("a = 1\n", {"a": 1, "b": 2}) == {}
    assert key_lines("a = 1\nb = {", {"a": 1, "b": {}}) == {}
