"""`pgvault config`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from vault.cli.exit_codes import ExitCode
from vault.cli.layout import GAP, Columns, cells, table
from vault.cli.options import Group, Invocation, command
from vault.cli.render import width_of
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.configuration.effective import Value

_DEFAULT: Final = "default"


@click.group("config", cls=Group, help="Show the settings that are in effect, or look for mistakes in them.")
def config() -> None:
    pass


@command(
    "show",
    help="Show every setting that is in effect, and where it was said.\n\nFlags win over the environment, which wins over "
    "files. A secret is never shown; where it comes from is.",
    examples=["pgvault config show", "pgvault config show --json"],
)
def show(invocation: Invocation) -> None:
    from vault.app.configuration.effective import effective

    settings, out = invocation.settings(), invocation.renderer()
    found = effective(settings)
    if invocation.json:
        rows = [
            {
                "key": one.key,
                "value": list(one.value) if isinstance(one.value, tuple) else one.value,
                "origin": None
                if one.origin is None
                else {"kind": one.origin.kind, "name": one.origin.name, "line": one.origin.line},
            }
            for one in found.settings
        ]
        out.json_line({"type": "result", "files": [str(path) for path in settings.files], "settings": rows})
    else:
        said = [(one.key, _shown(one.value), _near(str(one.origin or _DEFAULT))) for one in found.settings]
        for line in _laid_out(said, width_of(sys.stdout)):
            out.line(line)
    for error in found.untold:
        out.insist(f"warning: {error.message}{f': {error.why}' if error.why else ''}")


def _laid_out(rows: Sequence[tuple[str, str, str]], width: int | None) -> Iterator[str]:
    """A table; where that is too wide, by sections, with what said a long value below it."""
    lines = list(table(("key", "value", "from"), rows, Columns(), width=None))
    if width is None or max(map(cells, lines)) <= width:
        yield from lines
        return
    parted = [(*_parted(key), value, said) for key, value, said in rows]
    margin = max(len(name) for _, name, _, _ in parted) + 2 * GAP
    room = width - margin - max(len(said) for *_, said in parted) - GAP
    for section, group in groupby(parted, lambda row: row[0]):
        yield from ([f"[{section}]"] if section else [])
        for _, name, value, said in group:
            head = f"{' ' * GAP}{name}".ljust(margin)
            if cells(value) <= room:
                yield f"{head}{value}{' ' * (room - cells(value) + GAP)}{said}"
            else:
                yield f"{head}{value}"
                yield f"{' ' * (margin + room + GAP)}{said}"


def _parted(key: str) -> tuple[str, str]:
    """Section and name, of `source.NAME.directories.WHAT` too."""
    section, is_directory, name = key.rpartition(".directories.")
    if not is_directory:
        section, _, name = key.rpartition(".")
    return section, is_directory.lstrip(".") + name


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return (", ".join(value) or "-") if isinstance(value, tuple) else str(value)


def _near(place: str) -> str:
    """A path below the working directory without it."""
    return place.removeprefix(f"{Path.cwd()}/")


@command(
    "validate",
    help="Tell every mistake in the configuration, with its place and what to write instead.\n\nAlso looks whether what it "
    "names is there: directories, the repository, the file of the passphrase and who can read it. Connects to nothing. "
    "Exit code 2 if there is a mistake.",
    examples=["pgvault config validate", "PGVAULT_CONFIG=other.toml pgvault config validate"],
)
def validate(invocation: Invocation) -> int:
    from vault.app.configuration.validation import validate as look

    out = invocation.renderer()
    found = look(repository=invocation.repository, source=invocation.source)
    files = [str(path) for path in found.files]
    if invocation.json:
        rows = [{"place": one.place, "message": one.message, "why": one.why, "fix": one.fix} for one in found.mistakes]
        out.json_line({"type": "result", "valid": not rows, "files": files, "mistakes": rows})
    else:
        for one in found.mistakes:
            out.text(f"{_near(one.place)}: {one.message}" if one.place else one.message)
            for head, text in (("why: ", one.why), ("next:", one.fix)):
                if text:
                    out.text(text, first=f"  {head} ", rest=" " * 8)
        where = ", ".join(map(_near, files)) or "no file of a configuration was found"
        out.line(f"{counted(len(found.mistakes), 'mistake')}" if found.mistakes else f"no mistake: {where}")
    return ExitCode.USAGE if found.mistakes else ExitCode.OK


config.add_command(show)
config.add_command(validate)

COMMAND = config
