"""Whatever a TOML file looks like: the line that is told for a key is where it stands."""

from __future__ import annotations

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from vault.app.toml.lines import KeyPath, key_lines

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=6)
TRAPS = st.sampled_from(["", "[x]", "a = 1", "'", '"', "\\", "#", "]", "}", "=", "''", '""', "a.b = [", "[[y]]"])
TEXTS = st.lists(st.one_of(TRAPS, st.text("ab'\"\\#[]{}=., \n", max_size=8)), max_size=4).map("\n".join)


def quoted(text: str, *, lines: bool) -> str:
    """As a basic string, of several lines if wanted."""
    signs = {"\\": "\\\\", '"': '\\"', **({} if lines else {"\n": "\\n"})}
    safe = "".join(
        signs.get(sign, sign if sign == "\n" or sign.isprintable() else f"\\U{ord(sign):08x}") for sign in text
    )
    return f'"""\n{safe}"""' if lines else f'"{safe}"'


def written(text: str, form: int) -> str:
    if form == 0 and "'" not in text and "\n" not in text and text.isprintable():
        return f"'{text}'"
    if form == 1 and "'''" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    if form == 2:
        return f"[ # ]\n  {quoted(text, lines=True)}, {{ k = {quoted(text, lines=False)} }}, [ 1, 2 ],\n]"
    return quoted(text, lines=form == 3)


@given(
    st.lists(
        st.tuples(st.booleans(), NAMES, st.lists(st.tuples(NAMES, TEXTS, st.integers(0, 4)), max_size=3)), max_size=5
    )
)
def test_each_key_is_found_on_its_line(tables: list[tuple[bool, str, list[tuple[str, str, int]]]]) -> None:
    """The file is built line by line, so the place of each key is known without reading it."""
    text, elements = "", dict[str, int]()
    expected: dict[KeyPath, int] = {}
    for many, name, pairs in tables:
        key = ("m" if many else "t") + name
        if not many and key in elements:
            continue
        index = elements[key] = elements.get(key, -1) + 1
        table: tuple[str | int, ...] = (key, index) if many else (key,)
        expected.setdefault((key,), text.count("\n") + 1)
        expected[table] = text.count("\n") + 1
        text += f"[[ {quoted(key, lines=False)} ]] # x\n" if many else f"[{quoted(key, lines=False)}]\n"
        for inner, value, form in {pair[0]: pair for pair in pairs}.values():
            text += "# [no] key = 1\n\n"
            path = (*table, inner, "deep")
            expected[path[:-1]] = expected[path] = text.count("\n") + 1
            if form == 2:
                shown = written(value, form)
                before = shown.partition("{ k =")[0]
                expected[*path, 1] = expected[*path, 1, "k"] = expected[path] + before.count("\n")
            text += f"{quoted(inner, lines=False)} . deep = {written(value, form)}\n"
    values = tomllib.loads(text)
    assert key_lines(text, values) == expected
