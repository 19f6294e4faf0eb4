"""Global options, accepted before and after the command's name, and the shape of every command's help."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from vault.errors import UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from vault.app.settings import Settings
    from vault.cli.render import Renderer


@dataclass(slots=True)
class Invocation:
    """What this call of the program was asked for globally. The last mention of an option wins. `arguments`: as typed.

    done   what is done by now, where who interrupts comes too late to stop it; empty before
    names  what may stand for a parameter, where a shell asks at TAB
    """

    json: bool = False
    quiet: bool = False
    verbosity: int = 0
    repository: str | None = None
    source: str | None = None
    arguments: tuple[str, ...] = ()
    done: str = ""
    names: Callable[[click.Parameter, click.Context, str], list[CompletionItem]] | None = None
    _renderer: Renderer | None = field(default=None, repr=False)

    def renderer(self) -> Renderer:
        if self._renderer is None:
            from vault.cli.render import Renderer

            self._renderer = Renderer(json=self.json, quiet=self.quiet, verbosity=self.verbosity, to_type=self._to_type)
        return self._renderer

    def _to_type(self, fix: str) -> str:
        if self.repository is None:
            return fix
        from vault.cli.command_names import COMMANDS
        from vault.cli.next_lines import with_repository

        return with_repository(fix, self.repository, COMMANDS)

    def typed(self, *more: str) -> str:
        """The command as typed and `more`, as a line to type; without a password that stood in it."""
        from vault.app.conninfo import redacted

        words = (*self.arguments, *more)
        return redacted(
            " ".join(["pgvault", *(word if _BACK.fullmatch(word) else shlex.quote(word) for word in words)])
        )

    def settings(self) -> Settings:
        """Raises  Misconfigured: the configuration file is wrong"""
        from vault.app.settings import load_settings

        return load_settings(repository=self.repository, source=self.source)

    def settings_without_files(self) -> Settings:
        """For what has to be told where the configuration is wrong. Raises  Misconfigured: the environment is"""
        from vault.app.settings import settings_without_files

        return settings_without_files(repository=self.repository, source=self.source)

    def settings_as_far_as_they_go(self) -> Settings | None:
        """In spite of mistakes in the files: for who is told of them. None: nothing of them can be read"""
        from vault.app.settings import read_settings

        try:
            return read_settings(repository=self.repository, source=self.source).settings
        except UsageError:
            return None


_BACK: Final = re.compile(r"latest~[0-9]+")
"""No shell does anything with it."""
_SNAPSHOT: Final = "An id or its beginning, latest, latest~2, a date, or a tag; pgvault snapshots lists them."
_ARGUMENTS: Final[Mapping[str, str]] = {
    "snapshot": _SNAPSHOT,
    "snapshots": _SNAPSHOT,
    "before": _SNAPSHOT,
    "after": _SNAPSHOT,
    "place": "A snapshot, and a path in it as pgvault ls shows it: latest:migrations.",
    "table": "SCHEMA.TABLE, as pgvault show lists it.",
    "pattern": "A name, or a glob in quotes.",
}
"""By name: what is the same everywhere. An argument that has no line here is told in its command's own text."""


def argument_help(argument: click.Argument, context: click.Context) -> list[tuple[str, str]]:
    """A line for what has something to say: a name alone would be an empty entry."""
    text = _ARGUMENTS.get(argument.name or "", "")
    return [(argument.make_metavar(context), text)] if text else []


class Command(click.Command):
    """A command that takes the global options too and ends its help with examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)
        self.params.extend(global_params())
        for param in self.params:
            if param.type is click.STRING:
                param.type = Word()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            formatter.write("\nExamples:\n" + "".join(f"  {line}\n" for line in self.examples))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        arguments: list[tuple[str, str]] = []
        own: list[tuple[str, str]] = []
        everywhere: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                arguments += argument_help(param, ctx)
            elif (record := param.get_help_record(ctx)) is not None:
                (everywhere if param.name in GLOBAL_NAMES else own).append(record)
        for title, records in (("Arguments", arguments), ("Options", own), ("Global options", everywhere)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Group(click.Group):
    """Commands that share a first word; takes the global options too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"no_args_is_help": False, **options})
        self.params.extend(global_params())

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        refuse_unknown_command(ctx, self.commands, args)
        return super().resolve_command(ctx, args)


def refuse_unknown_command(context: click.Context, known: Iterable[str], arguments: Sequence[str]) -> None:
    """Raises  UsageError: the first argument is none of the commands, with the one that was meant"""
    word = arguments[0] if arguments else ""
    names, path = list(known), context.command_path
    if word and word not in names and not word.startswith("-"):
        from vault.model.words import nearest

        near = nearest(word, names)
        hint = f"did you mean: {path} {near}? All of them: {path} --help" if near else f"{path} --help"
        raise UsageError(f"no command {word!r}", why=f"it is not one of {path}'s commands", hint=hint)


class Choice(click.Choice[str]):
    """One of a few words; a mistyped one is answered with the one that was meant."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if isinstance(value, str) and value not in self.choices:
            from vault.model.words import nearest

            near = nearest(value, self.choices)
            name = param.opts[0] if param is not None and param.opts else "the value"
            hint = f"did you mean {name} {near}?" if near else ""
            raise UsageError(f"{name} {value}: no such value", why=f"there are: {', '.join(self.choices)}", hint=hint)
        return super().convert(value, param, ctx)


class Word(click.types.StringParamType):
    """Text, of which a shell may know some words: by the parameter's name."""

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        invocation = ctx.find_object(Invocation)
        return [] if invocation is None or invocation.names is None else invocation.names(param, ctx, incomplete)


GLOBAL_NAMES = frozenset({"repository", "source", "as_json", "quiet", "verbose", "help"})


def global_params() -> list[click.Parameter]:
    """Fresh option objects; their values go to the Invocation, never to the command's function."""
    return [
        click.Option(
            ["-r", "--repo", "repository"],
            type=Word(),
            metavar="PATH",
            expose_value=False,
            callback=_store(lambda invocation, value: setattr(invocation, "repository", value)),
            help="Repository: a path, or file://, s3://, gs://, az://. Default: PGVAULT_REPOSITORY, then pgvault.toml.",
        ),
        click.Option(
            ["--source"],
            type=Word(),
            metavar="NAME",
            expose_value=False,
            callback=_store(lambda invocation, value: setattr(invocation, "source", value)),
            help="Name of the source. Default: the configuration's only one, then the project's, database's or directory's name.",
        ),
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_store(lambda invocation, value: setattr(invocation, "json", True)),
            help="Print JSON for programs.",
        ),
        click.Option(
            ["-q", "--quiet"],
            is_flag=True,
            expose_value=False,
            callback=_store(lambda invocation, value: setattr(invocation, "quiet", True)),
            help="No progress and no talk; results and errors only.",
        ),
        click.Option(
            ["-v", "--verbose"],
            count=True,
            expose_value=False,
            callback=_store(lambda invocation, value: setattr(invocation, "verbosity", invocation.verbosity + value)),
            help="Say more; twice for tracebacks, which may hold data.",
        ),
    ]


def _store(apply: Callable[[Invocation, Any], None]) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def callback(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
        if value:
            apply(context.ensure_object(Invocation), value)
        return value

    return callback


def database_options(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """-d and its alias, --local and --linked: the arguments `database`, `local` and `linked` of the command's function."""
    options = (
        click.option("-d", "--database", "--db-url", "database", metavar="URL", help=text),
        click.option("--local", is_flag=True, help="The database of `supabase start`, as supabase/config.toml says."),
        click.option("--linked", is_flag=True, help="That of `supabase link`; password: SUPABASE_DB_PASSWORD."),
    )

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def command(name: str, *, help: str, examples: Sequence[str]) -> Callable[[Callable[..., Any]], click.Command]:
    """Make a function `f(invocation, ...)` a command; see click.command for its own options."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        decorate = click.command(name, cls=Command, help=help, examples=examples, short_help=help.split("\n")[0])
        return decorate(click.pass_obj(function))

    return decorate
