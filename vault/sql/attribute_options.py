"""Options of columns that only the server sets, taken out of a table's definition. Pure.

Since their minors of August 2026 servers keep `pg_attver`, a number of their own, among the attribute options of every
column. pg_dump of such a minor leaves it out; an older one, and one of a later major, writes it as if a user had set it:
`ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=22159328, n_distinct=5)`. Older servers refuse it, another server gives
another number, so it is no part of a definition. Every option that is not named here stays: an unknown one may be a user's.

No pattern meets raw text: the definition is cut into its statements by PostgreSQL's lexical rules, so that what stands in
a literal, a name or a comment is never a statement, and one that is not word for word of the form above stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from vault.sql.names import words

SERVER_ONLY: Final = frozenset({"pg_attver"})
WITH_COLUMNS: Final = frozenset({"TABLE", "FOREIGN TABLE", "MATERIALIZED VIEW"})
"""Entries in which pg_dump writes options of columns."""


def as_users_set(definition: str) -> str:
    """`definition` of an entry of WITH_COLUMNS without options of SERVER_ONLY; the very same text if it has none."""
    if not any(name in definition for name in SERVER_ONLY):
        return definition
    return "".join(_kept(statement) for statement in statements(definition))


def _kept(statement: str) -> str:
    options = _options(statement)
    if options is None:
        return statement
    kept = [option for option in options if option.partition("=")[0] not in SERVER_ONLY]
    if len(kept) == len(options):
        return statement
    if not kept:
        return ""
    opening, closing = statement.rindex("("), statement.rindex(")")
    return f"{statement[: opening + 1]}{', '.join(kept)}{statement[closing:]}"


def _options(statement: str) -> list[str] | None:
    """What `ALTER [FOREIGN] TABLE ONLY schema.name ALTER COLUMN name SET (option=value, ...);` sets; None for anything else."""
    tokens = words(statement)
    try:
        word = next(tokens)
        if word != "alter" or (word := next(tokens)) not in ("table", "foreign"):
            return None
        if word == "foreign" and next(tokens) != "table":
            return None
        if next(tokens) != "only" or not _name(next(tokens)) or next(tokens) != "." or not _name(next(tokens)):
            return None
        if [next(tokens), next(tokens)] != ["alter", "column"] or not _name(next(tokens)):
            return None
        if [next(tokens), next(tokens)] != ["set", "("] or list(tokens)[-2:] != [")", ";"]:
            return None
    except StopIteration:
        return None
    inside = statement[statement.rindex("(") + 1 : statement.rindex(")")]
    options = inside.split(", ")
    return options if all(_option(option) for option in options) else None


def _name(word: str) -> bool:
    return word.startswith('"') or word[0].isalpha() or word[0] == "_"


def _option(text: str) -> bool:
    """`name=value` where the value is a number or a word."""
    name, equals, value = text.partition("=")
    return bool(equals and value) and name.isidentifier() and all(sign.isalnum() or sign in "+-._" for sign in value)


# --- statements ----------------------------------------------------------------------------------


def statements(text: str) -> Iterator[str]:
    """`text` cut after each semicolon that ends a statement, and the line break behind it. Joined they are `text`."""
    begin = at = 0
    while at < len(text):
        end = _past(text, at)
        if text[at] == ";":
            end += text[end : end + 1] == "\n"
            yield text[begin:end]
            begin = end
        at = end
    if begin < len(text):
        yield text[begin:]


def _past(text: str, at: int) -> int:
    """End of the literal, name, comment, word or character at `at`; the end of `text` if it is not closed."""
    letter = text[at]
    if letter in "'\"":
        return _past_quoted(text, at, escapes=False)
    if text.startswith(("e'", "E'"), at):
        return _past_quoted(text, at + 1, escapes=True)
    if text.startswith("--", at):
        return _after(text, "\n", at)
    if text.startswith("/*", at):
        return _past_comment(text, at)
    if letter == "$":
        return _past_dollar(text, at)
    if letter.isalnum() or letter == "_":
        while at < len(text) and (text[at].isalnum() or text[at] in "_$"):
            at += 1
        return at
    return at + 1


def _past_quoted(text: str, at: int, *, escapes: bool) -> int:
    quote, at = text[at], at + 1
    while at < len(text) and (text[at] != quote or text[at + 1 : at + 2] == quote):
        at += 2 if text[at] == quote or (escapes and text[at] == "\\") else 1
    return min(at + 1, len(text))


def _past_comment(text: str, at: int) -> int:
    depth = 0
    while at < len(text):
        if text.startswith("/*", at):
            depth, at = depth + 1, at + 2
        elif text.startswith("*/", at):
            depth, at = depth - 1, at + 2
            if depth == 0:
                return at
        else:
            at += 1
    return at


def _past_dollar(text: str, at: int) -> int:
    end = at + 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    if text[end : end + 1] != "$" or text[at + 1 : at + 2].isdigit():
        return at + 1
    return _after(text, text[at : end + 1], end + 1)


def _after(text: str, sign: str, at: int) -> int:
    start = text.find(sign, at)
    return len(text) if start < 0 else start + len(sign)
