"""`pgvault init`."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import click

from vault.app import secret, wiring
from vault.cli import jsonout
from vault.cli.kit import KitFile, require_terminal
from vault.cli.options import Invocation, command
from vault.errors import UsageError


@command(
    "init",
    help="Create a repository and its recovery kit.\n\nThe passphrase encrypts everything; the recovery kit opens the "
    "repository without it. If both are lost, the backups are lost.",
    examples=[
        "pgvault init -r ./backups",
        "PGVAULT_PASSWORD_FILE=pw pgvault init -r ./backups --recovery-kit kit.txt",
    ],
)
@click.option("--recovery-kit", "kit_path", metavar="FILE", help="Write the kit to a new file (0600).")
@click.option("--no-recovery-kit", "without_kit", is_flag=True, help="Make none now.")
@click.option("--preset", metavar="dev|production", help="Write a policy for `forget` into pgvault.toml.")
@click.option(
    "--like", metavar="REPO", help="Share the id key and cut seed of REPO, so that equal chunks have equal ids."
)
@click.option("--label", default="first", show_default=True, help="What the passphrase is called in `key list`.")
def init(
    invocation: Invocation, kit_path: str | None, without_kit: bool, preset: str | None, like: str | None, label: str
) -> None:
    from vault.app.retention import PolicyFile
    from vault.ops.repository import keys

    if kit_path and without_kit:
        raise UsageError("--recovery-kit and --no-recovery-kit exclude each other")
    if not (kit_path or without_kit):
        require_terminal(json=invocation.json, hint="add --recovery-kit FILE, or --no-recovery-kit")
    settings, out = invocation.settings(), invocation.renderer()
    place = wiring.repository_path(settings)
    other = wiring.open_repository(replace(settings, repository=like)) if like else None
    wiring.refuse_taken(settings)
    policy_file = PolicyFile(settings, preset) if preset else None
    kit_file = KitFile(Path(kit_path), place) if kit_path else None
    try:
        passphrase = secret.new_passphrase(settings)
        store = wiring.create_store(settings)
        clock = wiring.SystemClock()
        created = keys.create_repository(
            store, passphrase=passphrase, label=label, clock=clock, entropy=wiring.system_entropy, like=other
        )
    except BaseException:
        if kit_file is not None:
            kit_file.discard()
        raise
    if kit_file is not None:
        kit_file.write(created.kit)
    elif not without_kit:
        out.block(created.kit)
    if policy_file is not None:
        policy_file.write()
    config = str(policy_file.path) if policy_file is not None else None
    warn_inside_git(invocation, place)
    if invocation.json:
        out.json_line(jsonout.result(repository=created.repository.hex(), url=store.url, kit=kit_path, config=config))
    else:
        out.line(f"repository {created.repository.hex()} created at {store.url}")
        if kit_path:
            out.line(f"recovery kit written to {kit_path}; keep it apart from the repository")
        if policy_file is not None:
            out.line(f"policy written to {config}: {', '.join(policy_file.lines[1:])}")
        out.talk(f"next: pgvault backup -r {shlex.quote(str(place))} -d DATABASE --dir NAME=PATH")


def warn_inside_git(invocation: Invocation, place: Path) -> None:
    whole = place.resolve()
    tree = next((folder for folder in (whole, *whole.parents) if (folder / ".git").exists()), None)
    if tree is not None:
        invocation.renderer().talk(f"warning: the repository lies in the git work tree {tree}; add it to .gitignore")


COMMAND = init
