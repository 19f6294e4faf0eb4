"""The manual page pgvault(1), from what `--help` shows: one text for both. Pure."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import click

from vault.cli.options import GLOBAL_NAMES, Command

_COLUMNS = 72
"""Of the source; a reader fills its own lines. Escapes lengthen them."""

FILES = (
    ("pgvault.toml", "the configuration of a project, in its directory or above"),
    ("~/.config/pgvault/pgvault.toml", "the user's"),
    ("~/.local/state/pgvault", "what this machine remembers: newest snapshots seen, jobs, schedules"),
    ("~/.cache/pgvault", "the cache of the index and of lists; it can be deleted at any time"),
)


def page(
    group: click.Group, *, version: str, environment: Iterable[tuple[str, str]], exit_codes: Iterable[tuple[int, str]]
) -> str:
    """The page as roff, for man(1)."""
    context = click.Context(group, info_name="pgvault")
    summary = (group.help or "").rstrip(".")
    lines = [
        f'.TH PGVAULT 1 "" "pgvault {version}" "User Commands"',
        *_section("NAME", _prose(f"pgvault - {summary[:1].lower()}{summary[1:]}")),
        *_section("SYNOPSIS", [".B pgvault", "[OPTIONS] COMMAND [ARGUMENT]..."]),
        *_section("DESCRIPTION", _command_list(group, context)),
        *_section("GLOBAL OPTIONS", _options(context, group.get_params(context))),
        *_section("COMMANDS", _commands(group, context)),
        *_section("ENVIRONMENT", _defined(environment)),
        *_section("EXIT STATUS", _defined((str(int(code)), meaning) for code, meaning in exit_codes)),
        *_section("FILES", _defined(FILES)),
        *_section("SEE ALSO", [r"pg_dump(1), pg_restore(1), psql(1)"]),
    ]
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    return [f".SH {title}", *lines]


def _command_list(group: click.Group, context: click.Context) -> Iterator[str]:
    named = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return _defined((name, command.get_short_help_str(200)) for name, command in named if command is not None)


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, inner)
        else:
            yield from _command(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = " ".join(piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]")
    yield f'.SS "{_text(f"{context.command_path} {pieces}".strip())}"'
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        yield from ([".PP"] if number else [])
        yield from _prose(paragraph)
    own = [param for param in command.get_params(context) if param.name not in GLOBAL_NAMES]
    yield from _options(context, own)
    examples: Sequence[str] = command.examples if isinstance(command, Command) else ()
    if examples:
        yield from (".PP", "Examples:", ".PP", ".RS 4", ".nf", *map(_text, examples), ".fi", ".RE")


def _options(context: click.Context, params: Iterable[click.Parameter]) -> Iterator[str]:
    own = (param for param in params if isinstance(param, click.Option) and param.name != "help")
    records = (option.get_help_record(context) for option in own)
    return _defined(record for record in records if record is not None)


def _defined(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, text in pairs:
        yield from (".TP", rf"\fB{_text(term)}\fR", *_prose(text))


def _prose(text: str) -> list[str]:
    return [_text(line) for line in textwrap.wrap(" ".join(text.split()), _COLUMNS, break_on_hyphens=False)]


_SPECIAL = re.compile(r"[\\\-]")


def _text(text: str) -> str:
    """As text of roff: no macro at its start, dashes that can be copied as they are typed."""
    shown = _SPECIAL.sub(lambda found: r"\e" if found[0] == "\\" else r"\-", text.replace('"', r"\(dq"))
    return rf"\&{shown}" if shown.startswith((".", "'")) else shown
