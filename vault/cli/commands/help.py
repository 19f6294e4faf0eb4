"""`pgvault help`: commands, and the closed lists that programs build on."""

from __future__ import annotations

import click

from vault.cli.exit_codes import MEANING, error_classes, exit_code_of
from vault.cli.options import Invocation, command
from vault.errors import UsageError

ENVIRONMENT = (
    ("PGVAULT_REPOSITORY", "the repository: a path or a file:// URL"),
    ("PGVAULT_PASSWORD_FILE", "a file with the passphrase, readable by you alone (0600)"),
    ("PGVAULT_PASSWORD_COMMAND", "a command that prints the passphrase"),
    ("PGVAULT_PASSWORD", "the passphrase itself; asked first"),
    ("PGVAULT_NEW_PASSWORD[_FILE|_COMMAND]", "the same three for key add and key passwd"),
    ("PGVAULT_RECOVERY_KIT_FILE", "a recovery kit that opens the repository instead of a passphrase"),
    ("PGVAULT_CONFIG", "a configuration file instead of pgvault.toml of the project and the user"),
    (
        "PGVAULT_CACHE_DIR",
        "where the cache is kept, of the index and of lists of snapshots; it can be deleted at any time",
    ),
    ("PGVAULT_STATE_DIR", "where the newest snapshots that this machine saw are remembered; keep it"),
    ("PGHOST, PGUSER, PGPASSFILE, PGSERVICE, ...", "libpq's own variables, for the database"),
    ("NO_COLOR", "no colours"),
)


@command(
    "help",
    help="Explain a command, or one of: errors, exit-codes, environment.",
    examples=["pgvault help backup", "pgvault help errors"],
)
@click.argument("topic", required=False)
def help(invocation: Invocation, topic: str | None) -> None:
    if topic in TOPICS:
        _print(invocation, topic)
        return
    parent = click.get_current_context().parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    if topic is None:
        click.echo(parent.get_help())
        return
    named = parent.command.get_command(parent, topic)
    if named is None:
        raise UsageError(f"no help on {topic!r}", why=f"topics besides the commands: {', '.join(TOPICS)}")
    with named.make_context(f"pgvault {topic}", ["--help"], parent=parent):
        pass


def _print(invocation: Invocation, topic: str) -> None:
    titles, rows = TOPICS[topic]
    out = invocation.renderer()
    if invocation.json:
        out.json_line({"type": "result", "topic": topic, "rows": [dict(zip(titles, row, strict=True)) for row in rows]})
    else:
        out.table(titles, rows)


def _errors() -> list[tuple[str, ...]]:
    return sorted((kind.code, str(int(exit_code_of(kind))), MEANING[exit_code_of(kind)]) for kind in error_classes())


TOPICS: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "errors": (("code", "exit", "meaning"), _errors()),
    "exit-codes": (("exit", "meaning"), [(str(int(code)), meaning) for code, meaning in MEANING.items()]),
    "environment": (("variable", "meaning"), [*ENVIRONMENT]),
}

COMMAND = help
