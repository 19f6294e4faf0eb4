"""Questions on a terminal, each with a default: to stderr, because stdout is data. Never asks where nobody can answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import click

from vault.cli.layout import cells, wrapped
from vault.cli.render import encodable, out_first, printable, width_of
from vault.errors import Declined, Interrupted, UsageError, VaultError

if TYPE_CHECKING:
    from vault.cli.render import Renderer

_T = TypeVar("_T")
MARGIN: Final = 4
TYPED: Final = 12
"""Columns that an answer gets beside its question; else it stands below."""


def line(question: str, *, default: str, about: Sequence[str] = ()) -> str:
    """What was typed; an empty line is the default. `about`: lines below the question. Raises  Interrupted: the input ended"""
    width, margin = width_of(sys.stderr), " " * MARGIN
    shown = wrapped(printable(question), width, rest=margin)
    for text in about:
        shown += wrapped(printable(text), width, first=margin, rest=margin * 2)
    asked = f"[{printable(default)}] "
    is_beside = not about and (width is None or cells(shown[-1]) + cells(asked) + TYPED <= width)
    shown = [*shown[:-1], f"{shown[-1]} {asked}"] if is_beside else [*shown, margin + asked]
    out_first()
    sys.stderr.write(encodable("\n".join(shown), sys.stderr))
    sys.stderr.flush()
    typed = sys.stdin.readline()
    if not typed:
        sys.stderr.write("\n")
        raise Interrupted("nothing was done", why="the input ended before the question was answered")
    return typed.strip() or default


def choice(question: str, *, words: Sequence[str], default: str, about: Sequence[str] = ()) -> str:
    """One of the words, or the beginning of one; asked until it is. Raises  Interrupted"""
    while True:
        typed = line(question, default=default, about=about).lower()
        fitting = [word for word in words if word.startswith(typed)]
        if len(fitting) == 1:
            return fitting[0]
        sys.stderr.write(f"  please type {' or '.join(words)}\n")


YES: Final = click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
"""Of what takes away something that the plan names; on a terminal it is shown first, and asked."""


def agreed(out: Renderer, question: str, *, yes: bool, nothing: str) -> None:
    """Where somebody is there to answer; else it is done. nothing: what has happened so far. Raises  Declined, Interrupted"""
    if not yes and not out.json and out.can_ask():
        _asked(out, question, nothing=nothing)


def required(out: Renderer, question: str, *, yes: bool, nothing: str) -> None:
    """Of what nobody does by a clock: without a terminal --yes is needed. Raises  UsageError: there is nobody to ask; as `agreed`"""
    if yes:
        return
    if not out.can_ask():
        raise UsageError(nothing, why="there is no terminal to ask on", hint="add --yes")
    _asked(out, question, nothing=nothing)


def _asked(out: Renderer, question: str, *, nothing: str) -> None:
    try:
        is_yes = out.ask(question)
    except KeyboardInterrupt as stop:
        raise Interrupted(nothing, why="interrupted at the question", hint="--yes does it without asking") from stop
    if not is_yes:
        raise Declined(nothing, why="the answer was not yes", hint="--yes does it without asking")


def until(out: Renderer, ask: Callable[[], str], attempt: Callable[[str], _T]) -> _T:
    """Asked again, with the reason, until `attempt` takes the answer. Raises  Interrupted"""
    while True:
        typed = ask()
        try:
            return attempt(typed)
        except Interrupted:
            raise
        except VaultError as error:
            out.error(error.message, why=error.why, fix=error.hint)
