"""`pgvault init`."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vault.app import secret, wiring
from vault.cli import asking, jsonout
from vault.cli.beginning import Prepared, Said, prepare
from vault.cli.exit_codes import ExitCode
from vault.cli.kit import KitFile, require_terminal
from vault.cli.options import Invocation, command
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.app.beginning import PassphraseFile
    from vault.app.places import Place
    from vault.app.settings import Settings
    from vault.cli.render import Renderer
    from vault.ops.repository.keys import Created
    from vault.repo.state import Open


@command(
    "init",
    help="Create a repository and its recovery kit.\n\nThe passphrase encrypts everything; the recovery kit opens the "
    "repository without it. If both are lost, the backups are lost. In a Supabase project it asks what is not said, writes "
    "pgvault.toml and offers the first snapshot; without a terminal nothing is asked.",
    examples=[
        "pgvault init",
        "pgvault init -r ../backups --preset production --recovery-kit ~/kit.txt --generate-passphrase ~/.pgvault-passphrase",
        "PGVAULT_PASSWORD_FILE=pw pgvault init -r ./backups --recovery-kit kit.txt",
    ],
)
@click.option("--recovery-kit", "kit_path", metavar="FILE", help="Write the kit to a new file (0600).")
@click.option("--no-recovery-kit", "without_kit", is_flag=True, help="Make none now.")
@click.option("--preset", metavar="dev|production", help="Write a policy for `forget` into pgvault.toml.")
@click.option(
    "--generate-passphrase", "passphrase_path", metavar="FILE", help="Make one into a new file (0600); it is not shown."
)
@click.option("--linked", is_flag=True, help="Write down the database of `supabase link` instead of the local one.")
@click.option("--backup/--no-backup", "first", default=None, help="Take the first snapshot too; or do not offer it.")
@click.option(
    "--like",
    metavar="REPO",
    help="Share the id key and cut seed of REPO, which PGVAULT_PASSWORD opens, so that equal chunks have equal ids. The new passphrase "
    "is PGVAULT_NEW_PASSWORD (_FILE, _COMMAND) if set, else the same.",
)
@click.option(
    "--anew", is_flag=True, help="Though this machine saved snapshots into one there, which is gone for good."
)
@click.option("--label", default="first", show_default=True, help="What the passphrase is called in `key list`.")
def init(
    invocation: Invocation,
    kit_path: str | None,
    without_kit: bool,
    preset: str | None,
    passphrase_path: str | None,
    linked: bool,
    first: bool | None,
    like: str | None,
    anew: bool,
    label: str,
) -> int:
    if kit_path and without_kit:
        raise UsageError("--recovery-kit and --no-recovery-kit exclude each other")
    if not (kit_path or without_kit):
        require_terminal(json=invocation.json, hint="add --recovery-kit ~/pgvault-kit.txt, or --no-recovery-kit")
    settings, out = invocation.settings(), invocation.renderer()
    other = wiring.open_repository(replace(settings, repository=like)) if like is not None else None
    prepared = prepare(out, settings, Said(preset=preset, passphrase_path=passphrase_path, linked=linked, anew=anew))
    created, passphrase, note = _create(out, prepared, kit_path=kit_path, label=label, like=other)
    if not (kit_path or without_kit):
        out.line()
        out.block(created.kit)
        out.line()
    _tell(invocation, prepared, created, kit_path=kit_path, last=first is not True)
    for text in filter(None, (note, secret.remark(passphrase))):
        out.talk(f"note: {text}")
    if first is None and prepared.attended:
        first = asking.choice("Take the first snapshot now?", words=("yes", "no"), default="yes") == "yes"
    if first:
        return _first_snapshot(invocation, prepared, passphrase)
    out.talk(f"next: {_next(prepared)}")
    return ExitCode.OK


def _create(
    out: Renderer, prepared: Prepared, *, kit_path: str | None, label: str, like: Open | None
) -> tuple[Created, str, str]:
    """The repository, its kit in its file, the passphrase, and what is to be said of the place. Of what failed nothing is left that opens nothing."""
    from vault.ops.repository import keys

    kit_file: KitFile | None = None
    try:
        kit_file = KitFile(Path(kit_path), prepared.place) if kit_path else None
        beside = like is not None and prepared.generated is None
        obtain = secret.new_passphrase_beside if beside else secret.new_passphrase
        passphrase = obtain(prepared.settings)
        store = wiring.create_store(prepared.settings)
        created = keys.create_repository(
            store,
            passphrase=passphrase,
            label=label,
            clock=wiring.SystemClock(),
            entropy=wiring.system_entropy,
            like=like,
        )
    except BaseException:
        if kit_file is not None:
            kit_file.discard()
        if prepared.generated is not None:
            _keep_or_discard(out, prepared.generated, prepared.settings)
        raise
    if kit_file is not None:
        kit_file.write(created.kit)
    return created, passphrase, wiring.note_of(store)


def _keep_or_discard(out: Renderer, generated: PassphraseFile, settings: Settings) -> None:
    if wiring.may_be_there(settings):
        out.insist(f"warning: {generated.path} stays: a repository that it opens may be there, or still come to be")
    else:
        generated.discard()


def _tell(invocation: Invocation, prepared: Prepared, created: Created, *, kit_path: str | None, last: bool) -> None:
    """What was made and where, and the configuration is written. `last`: nothing of this command's result follows."""
    out, config, generated = invocation.renderer(), prepared.config, prepared.generated
    written = None if config is None else _write(prepared)
    warn_inside_git(invocation, prepared.place)
    url = wiring.open_store(prepared.settings).url
    if invocation.json:
        made = jsonout.result(
            repository=created.repository.hex(),
            url=url,
            kit=kit_path,
            config=None if config is None or written is None else str(config.path),
            passphrase_file=None if generated is None else str(generated.path),
        )
        out.json_line(made if last else {**made, "type": "created"})
        return
    out.text(f"repository {created.repository.hex()} created at {url}", rest="  ")
    if kit_path:
        out.text(f"recovery kit written to {kit_path}; keep it apart from the repository", rest="  ")
    if generated is not None:
        out.text(f"passphrase written to {generated.place} (0600); keep a copy apart from the repository", rest="  ")
    if config is not None and written is not None:
        policy = f"; policy: {config.policy}" if config.policy else ""
        out.text(f"configuration written to {config.path}{policy}", rest="  ")
        for line in written:
            out.line(f"  add by hand: {line}")


def _write(prepared: Prepared) -> list[str] | None:
    """What is left to the user; None if there was nothing to write. What the configuration said itself is not said twice."""
    config, settings, generated = prepared.config, prepared.settings, prepared.generated
    assert config is not None
    said = settings.origins.get("repository.url")
    from_file = said is not None and said.kind == "file"
    return config.write(
        repository=None if prepared.project is None or from_file else settings.repository,
        password_file=None if generated is None else generated.place,
    )


def _first_snapshot(invocation: Invocation, prepared: Prepared, passphrase: str) -> int:
    """By the configuration as it is now."""
    from vault.app.backup_request import BackupOptions, plan_backup
    from vault.cli.commands.backup import take_in_turn

    made = prepared.settings
    settings = replace(invocation.settings(), repository=made.repository, password_file=made.password_file)
    plan = plan_backup(settings, BackupOptions())
    opened = wiring.open_repository_with(settings, passphrase)
    code = take_in_turn(invocation, settings, plan, unlock=lambda: opened).code
    where = "one every day: pgvault schedule install; whether all is well: pgvault status"
    if secret.origin(settings).kind is secret.Kind.TERMINAL:
        where = (
            "for one every day put the passphrase into a file that is yours alone (chmod 600), and name it in pgvault.toml, "
            "[repository] password_file; then: pgvault schedule install"
        )
    invocation.renderer().talk(f"next: {where}")
    return code


def _next(prepared: Prepared) -> str:
    if prepared.project is not None and prepared.config is not None:
        return "pgvault backup"
    named = f"pgvault backup -r {shlex.quote(prepared.place.typed)}"
    if prepared.settings.names_database():
        return named
    return f"{named} -d DATABASE, or --dir NAME=PATH, or both; a database may be postgresql://USER@HOST/DATABASE"


def warn_inside_git(invocation: Invocation, place: Place) -> None:
    if place.path is None:
        return
    whole = place.path.resolve()
    tree = next((folder for folder in (whole, *whole.parents) if (folder / ".git").exists()), None)
    if tree is not None:
        invocation.renderer().talk(f"warning: the repository lies in the git work tree {tree}; add it to .gitignore")


COMMAND = init
