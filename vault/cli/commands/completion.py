"""`pgvault completion bash|zsh|fish`."""

from __future__ import annotations

from importlib.resources import files

import click

from vault.cli import output, render
from vault.cli.completion import PATIENCE_S, line_words, offered
from vault.cli.options import Choice, Invocation, command

SHELLS = ("bash", "zsh", "fish")


@command(
    "completion",
    help="Print what makes TAB work in a shell: commands, options, snapshots, tables, files, components.\n\nAt TAB nothing is asked "
    "and no command runs: tables and files are offered if the passphrase is in a variable or a file, snapshots always.",
    examples=[
        'eval "$(pgvault completion bash)"                                  # in ~/.bashrc',
        'eval "$(pgvault completion zsh)"                                   # in ~/.zshrc, after compinit',
        "pgvault completion fish > ~/.config/fish/completions/pgvault.fish",
    ],
)
@click.argument("shell", type=Choice(SHELLS))
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--offer", is_flag=True, hidden=True, help="Print the offers for WORDS: kind, word, help.")
@click.option("--patience", "patience_s", type=float, default=PATIENCE_S, hidden=True)
def completion(invocation: Invocation, shell: str, words: tuple[str, ...], offer: bool, patience_s: float) -> None:
    out = invocation.renderer()
    if not offer:
        script = files("vault").joinpath("cli", "shells", f"pgvault.{shell}").read_text(encoding="utf-8")
        if invocation.json:
            out.json_line({"type": "result", "shell": shell, "script": script})
        else:
            out.block(script)
        return
    from vault.cli.commands.help import topics
    from vault.cli.main import group

    typed = line_words(words[0]) if shell == "bash" and words else words
    lines = (
        "\t".join((kind, word, render.printable(told))) + "\n"
        for kind, word, told in offered(group(), typed, topics=topics(), patience_s=patience_s)
    )
    output.write(line.encode() for line in lines)


COMMAND = completion
