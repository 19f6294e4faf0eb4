"""Questions on a terminal, each with a default: to stderr, because stdout is data. Never asks where nobody can answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from vault.cli.render import encodable, printable
from vault.errors import Interrupted, VaultError

if TYPE_CHECKING:
    from vault.cli.render import Renderer

_T = TypeVar("_T")


def line(question: str, *, default: str) -> str:
    """What was typed; an empty line is the default. Raises  Interrupted: the input ended"""
    sys.stderr.write(encodable(printable(f"{question} [{default}] "), sys.stderr))
    sys.stderr.flush()
    typed = sys.stdin.readline()
    if not typed:
        sys.stderr.write("\n")
        raise Interrupted("nothing was done", why="the input ended before the question was answered")
    return typed.strip() or default


def choice(question: str, *, words: Sequence[str], default: str) -> str:
    """One of the words, or the beginning of one; asked until it is. Raises  Interrupted"""
    while True:
        typed = line(question, default=default).lower()
        fitting = [word for word in words if word.startswith(typed)]
        if len(fitting) == 1:
            return fitting[0]
        sys.stderr.write(f"  please type {' or '.join(words)}\n")


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
