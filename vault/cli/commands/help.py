"""`pgvault help`: commands, the closed lists that programs build on, and the pages of `vault/docs`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

import click

from vault.cli import page
from vault.cli.exit_codes import MEANING, OF_STATUS, error_classes, exit_code_of
from vault.cli.options import Invocation, command
from vault.cli.render import width_of
from vault.errors import UsageError
from vault.model.words import nearest
from vault.ops.guard.codes import MEANING as FINDINGS

ENVIRONMENT = (
    ("PGVAULT_REPOSITORY", "the repository: a path, or file://, s3://, gs://, az:// (help buckets)"),
    ("PGVAULT_PASSWORD_FILE", "a file with the passphrase, readable by you alone (0600)"),
    ("PGVAULT_PASSWORD_COMMAND", "a command that prints the passphrase"),
    ("PGVAULT_PASSWORD", "the passphrase itself; asked first"),
    (
        "PGVAULT_NEW_PASSWORD[_FILE|_COMMAND]",
        "the same three for key add and key passwd; of copy's other repository; of init --like's new one",
    ),
    ("PGVAULT_RECOVERY_KIT_FILE", "a recovery kit that opens the repository instead of a passphrase"),
    ("PGVAULT_CONFIG", "a configuration file instead of pgvault.toml of the project and the user"),
    (
        "PGVAULT_CACHE_DIR",
        "where the cache is kept, of the index and of lists of snapshots; it can be deleted at any time",
    ),
    ("PGVAULT_STATE_DIR", "where the newest snapshots that this machine saw are remembered; keep it"),
    (
        "PGVAULT_DIR_NAME_AWS_...",
        "AWS_... for the bucket that is directory NAME alone, beside the repository's own",
    ),
    ("PGHOST, PGUSER, PGPASSFILE, PGSERVICE, ...", "libpq's own variables, for the database"),
    ("AWS_*, GOOGLE_APPLICATION_CREDENTIALS, AZURE_*", "who asks a bucket, and where it is (help buckets)"),
    ("PGVAULT_CA_BUNDLE", "a file of certificates that a bucket's endpoint is trusted by, beside the system's"),
    ("PGVAULT_ALLOW_HTTP", "1: a bucket's endpoint may be plain http, in a network of your own"),
    (
        "PGVAULT_INSTANCE_ROLE",
        "1: ask this machine's own metadata service who it is, though it does not look like a cloud's",
    ),
    ("SUPABASE_DB_PASSWORD", "the database's password, for --linked"),
    ("NO_COLOR", "no colours"),
)


@command(
    "help",
    help="Explain a command, a topic, or one of: errors, exit-codes, findings, environment. `pgvault help topics` lists the topics.",
    examples=[
        "pgvault help backup",
        "pgvault help runbooks",
        "pgvault help errors",
        "pgvault help --man > ~/.local/share/man/man1/pgvault.1",
    ],
)
@click.argument("topic", required=False)
@click.option("--man", is_flag=True, help="Print the manual page, for man(1).")
def help(invocation: Invocation, topic: str | None, man: bool) -> None:
    if man:
        _print_manual(invocation)
        return
    if topic == "topics":
        _print(invocation, ("topic", "about"), [(name, _title(file)) for name, file in _pages().items()], topic=topic)
        return
    if topic in LISTS:
        _print(invocation, *LISTS[topic], topic=topic)
        return
    if topic is not None and (found := _pages().get(topic)) is not None:
        _print_page(invocation, topic, found.read_text(encoding="utf-8"))
        return
    parent = click.get_current_context().parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    if topic is None:
        click.echo(parent.get_help())
        return
    named = parent.command.get_command(parent, topic)
    if named is None:
        known = ("topics", *LISTS, *_pages())
        near = nearest(topic, (*parent.command.list_commands(click.get_current_context()), *known))
        raise UsageError(
            f"no help on {topic!r}",
            why=f"besides the commands there are: {', '.join(known)}",
            hint=f"pgvault help {near}" if near else "pgvault help topics",
        )
    with named.make_context(topic, ["--help"], parent=parent):
        pass


def topics() -> Iterator[tuple[str, str]]:
    """Each topic that is no command, with what it is about."""
    yield from ((name, "") for name in ("topics", *LISTS))
    yield from ((name, _title(file)) for name, file in _pages().items())


def _print_manual(invocation: Invocation) -> None:
    from vault import __version__
    from vault.cli import man

    group = click.get_current_context().find_root().command
    assert isinstance(group, click.Group)
    text = man.page(group, version=__version__, environment=ENVIRONMENT, exit_codes=MEANING.items())
    if invocation.json:
        invocation.renderer().json_line({"type": "result", "topic": "man", "rows": [{"roff": text}]})
    else:
        invocation.renderer().block(text)


def _pages() -> dict[str, Traversable]:
    """Topic -> its page of Markdown. A page has no command's name, which would hide it."""
    there = (file for file in files("vault").joinpath("docs").iterdir() if file.name.endswith(".md"))
    return {file.name.removesuffix(".md"): file for file in sorted(there, key=lambda file: file.name)}


def _title(file: Traversable) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _print_page(invocation: Invocation, topic: str, text: str) -> None:
    out = invocation.renderer()
    if invocation.json:
        out.json_line({"type": "result", "topic": topic, "rows": [{"markdown": text}]})
    else:
        for line in page.lines(text, width_of(sys.stdout)):
            out.line(line)


def _print(invocation: Invocation, titles: tuple[str, ...], rows: list[tuple[str, ...]], *, topic: str) -> None:
    out = invocation.renderer()
    if invocation.json:
        out.json_line({"type": "result", "topic": topic, "rows": [dict(zip(titles, row, strict=True)) for row in rows]})
    else:
        out.table(titles, rows, wrapped="|".join(titles[1:]))


def _errors() -> list[tuple[str, ...]]:
    return sorted((kind.code, str(int(exit_code_of(kind))), MEANING[exit_code_of(kind)]) for kind in error_classes())


LISTS: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "errors": (("code", "exit", "meaning"), _errors()),
    "exit-codes": (
        ("exit", "meaning", "of status"),
        [(str(int(code)), meaning, OF_STATUS.get(code, "")) for code, meaning in MEANING.items()],
    ),
    "environment": (("variable", "meaning"), [*ENVIRONMENT]),
    "findings": (("code", "meaning"), [*FINDINGS.items()]),
}

COMMAND = help
