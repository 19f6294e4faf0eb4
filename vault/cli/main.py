"""The command group, loaded lazily, and the single place where errors become messages and exit codes.

Invariant: a user sees what failed, why, and what to type next; a traceback only with -vv, a secret never.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import NoReturn

import click

from vault.cli import interrupting, last_words
from vault.cli.command_names import COMMANDS
from vault.cli.exit_codes import ExitCode
from vault.cli.failures import Told, is_out_of_memory, is_out_of_threads, told
from vault.cli.options import Invocation, global_params, refuse_unknown_command
from vault.cli.output import STDOUT, silence, writing
from vault.errors import UsageError, VaultError


class LazyGroup(click.Group):
    """Imports a command's module only when that command runs, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"vault.cli.commands.{cmd_name}").COMMAND
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        refuse_unknown_command(ctx, COMMANDS, args)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(
            "\nStart:  pgvault demo\n        pgvault init        (in the directory of a Supabase project)\n"
            "        pgvault init -r ~/backups; pgvault backup -r ~/backups -d postgresql:///app\n"
            "\nExit and error codes: pgvault help errors. Environment: pgvault help environment.\n"
        )


def group() -> LazyGroup:
    return LazyGroup(
        name="pgvault",
        help="Encrypted, deduplicating backups of a PostgreSQL database and its project's directories.",
        params=[*global_params(), click.Option(["-V", "--version"], is_flag=True, help="Print the version.")],
        callback=_version,
        invoke_without_command=True,
        no_args_is_help=False,
        context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    )


def _version(*, version: bool) -> None:
    context = click.get_current_context()
    if version:
        from vault import __version__
        from vault.limits import FORMAT_VERSION

        click.echo(f"pgvault {__version__} (repository format {FORMAT_VERSION})")
        context.exit(0)
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    try:
        code = run(sys.argv[1:] if arguments is None else arguments)
    except KeyboardInterrupt:  # once more, while the first was being told
        code = ExitCode.INTERRUPTED
    except Exception as error:  # while the first was being told
        memory = next(filter(_may_be_memory, _with_what_came_before(error)), None)
        if memory is None:
            raise
        last_words.say(memory, is_json="--json" in (sys.argv[1:] if arguments is None else arguments))
        os._exit(ExitCode.FAILED)  # at once: there may be no memory for one exception more
    interrupting.over()
    sys.exit(code)


def _may_be_memory(error: BaseException) -> bool:
    """ImportError and SystemError: Python does not say of them where it was."""
    return isinstance(error, (ImportError, SystemError)) or is_out_of_memory(error) or is_out_of_threads(error)


def _with_what_came_before(
    error: BaseException | None, *, until: BaseException | None = None
) -> Iterator[BaseException]:
    while error is not None and error is not until:
        yield error
        error = error.__context__


def run(arguments: Sequence[str]) -> int:
    """Run one command; returns the exit code. Every error ends here."""
    _occupy_standard_streams()
    invocation = Invocation(json="--json" in arguments, verbosity=0, arguments=tuple(arguments))
    interrupting.install()
    context: click.Context | None = None
    try:
        with group().make_context("pgvault", list(arguments), obj=invocation) as context:
            code = context.command.invoke(context)
        with writing(STDOUT):
            sys.stdout.flush()
        return int(code) if isinstance(code, int) else ExitCode.OK
    except click.exceptions.Exit as done:
        return done.exit_code
    except (KeyboardInterrupt, click.Abort):
        from vault.cli.interrupted import interrupted

        command = context.invoked_subcommand if context else None
        return _report(invocation, interrupted(command, arguments, done=invocation.done))
    except BrokenPipeError:
        silence(sys.stdout)
        return ExitCode.OK
    except click.ClickException as error:
        return _report_usage(invocation, error, context)
    except VaultError as error:
        return _report_error(invocation, error)
    except OSError as error:
        return _report_output(invocation, error)
    except Exception as error:
        return _report_unexpected(invocation, error)


def _occupy_standard_streams() -> None:
    """Let no file that is opened later become the standard output of this program or its children.

    A closed output then refuses what is written to it; a closed stderr swallows it.
    """
    for number, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            taken = os.open(os.devnull, mode)
            if taken != number:
                os.dup2(taken, number)
                os.close(taken)
            os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


# --- errors --------------------------------------------------------------------------------------


def _report_usage(invocation: Invocation, error: click.ClickException, top: click.Context | None) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    context = context or _invoked(top)
    command = context.command_path if context is not None else "pgvault"
    said = f"no such option {error.option_name}" if isinstance(error, click.NoSuchOption) else error.format_message()
    lines = said.strip().splitlines() or ["wrong usage"]
    message = lines[0][:1].lower() + lines[0][1:].rstrip(".")
    return _report(
        invocation,
        Told(
            code=UsageError.code,
            exit_code=ExitCode.USAGE,
            message=message,
            why=" ".join(line.strip() for line in lines[1:]),
            fix=_meant(error) or _complete(error, context) or f"{command} --help",
        ),
    )


def _meant(error: click.ClickException) -> str:
    """The option that was mistyped, as it is spelled."""
    if not isinstance(error, click.NoSuchOption) or error.ctx is None:
        return ""
    from vault.model.words import nearest

    options = (name for param in error.ctx.command.params for name in (*param.opts, *param.secondary_opts))
    near = nearest(error.option_name.lstrip("-"), [name[2:] for name in options if name.startswith("--")])
    return f"did you mean --{near}? All of them: {error.ctx.command_path} --help" if near else ""


def _invoked(top: click.Context | None) -> click.Context | None:
    """Of the command that was found: what its words lack click tells without it."""
    name = None if top is None else top.invoked_subcommand
    if top is None or name is None or not isinstance(top.command, click.Group):
        return None
    command = top.command.get_command(top, name)
    return None if command is None else click.Context(command, info_name=name, parent=top)


def _complete(error: click.ClickException, context: click.Context | None) -> str:
    """The option that lacks its value, with what that looks like."""
    if not isinstance(error, click.BadOptionUsage) or context is None:
        return ""
    params = (param for param in context.command.params if error.option_name in param.opts)
    metavar = next((param.make_metavar(context) for param in params), "")
    path = context.command_path
    return f"{path} {error.option_name} {metavar}; what that is: {path} --help" if metavar else ""


def _report_error(invocation: Invocation, error: VaultError) -> int:
    if invocation.verbosity >= 2:
        _traceback(error)
    return _report(invocation, told(error))


def _report_output(invocation: Invocation, error: OSError) -> int:
    """Help is written by click, which knows no place. A full stdout refuses what it still holds once more; one without a buffer holds nothing."""
    try:
        with writing(STDOUT):
            if _origin(error).startswith(f"{click.utils.__file__}:"):
                raise error
            sys.stdout.flush()
    except VaultError as refused:
        return _report_error(invocation, refused)
    return _report_unexpected(invocation, error)


def _report_unexpected(invocation: Invocation, error: Exception) -> int:
    if invocation.verbosity >= 2:
        _traceback(error)
    elif invocation.verbosity == 1:
        invocation.renderer().talk(f"{_origin(error)}: {type(error).__name__}")
    return _report(invocation, told(error))


def _origin(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "unknown place" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def _traceback(error: BaseException) -> None:
    import traceback

    traceback.print_exception(error)


def _report(invocation: Invocation, failure: Told) -> int:
    """Three parts on stderr, or with --json one line on stdout. Raises only for want of memory."""
    about = sys.exception()
    try:
        renderer = invocation.renderer()
        if invocation.json:
            parts = {"code": failure.code, "message": failure.message, "why": failure.why}
            parts["fix"] = renderer.to_type(failure.fix)
            renderer.json_line({"type": "error", **parts, "exit_code": int(failure.exit_code)})
        else:
            renderer.error(failure.message, why=failure.why, fix=failure.fix)
        sys.stdout.flush()
    except (OSError, VaultError) as error:
        if any(map(is_out_of_memory, _with_what_came_before(error, until=about))):
            raise
        silence(sys.stdout)
    last_words.Spoken.once = True
    return failure.exit_code
