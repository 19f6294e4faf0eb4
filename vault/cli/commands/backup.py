"""`pgvault backup`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from vault.app.backup import run_backup
from vault.app.backup_request import BackupOptions, plan_backup
from vault.cli import render
from vault.cli.exit_codes import ExitCode
from vault.cli.options import Invocation, command
from vault.cli.progress import shown
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.ops.backup.run import BackupReport


@command(
    "backup",
    help="Save one snapshot of a database and its directories.\n\nThe database is -d, else the configuration's, else "
    "what PGHOST, PGDATABASE, PGSERVICE, ... say. Passwords come from PGPASSFILE or PGPASSWORD.",
    examples=[
        "pgvault backup -d postgresql://postgres@127.0.0.1:54322/postgres",
        "pgvault backup -d app --dir migrations=supabase/migrations --dir edge_functions=supabase/functions",
        "pgvault backup --dir documents=/srv/documents --tag release=1.4",
    ],
)
@click.option("-d", "--database", metavar="URL", help="Database name, URL or connection string, without a password.")
@click.option("--dir", "directories", multiple=True, metavar="NAME=PATH", help="A directory; may be repeated.")
@click.option(
    "--exclude",
    multiple=True,
    metavar="PATTERN",
    help="Leave these paths of the directories out (gitignore's syntax); may be repeated.",
)
@click.option("-n", "--schema", "include_schemas", multiple=True, metavar="PATTERN", help="Only these schemas.")
@click.option("-N", "--exclude-schema", "exclude_schemas", multiple=True, metavar="PATTERN", help="Not these schemas.")
@click.option("-t", "--table", "include_tables", multiple=True, metavar="PATTERN", help="Only these tables.")
@click.option("-T", "--exclude-table", "exclude_tables", multiple=True, metavar="PATTERN", help="Not these tables.")
@click.option(
    "--exclude-table-data",
    multiple=True,
    metavar="PATTERN",
    help="Of these tables the definition without rows; may be repeated.",
)
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A name for the snapshot; may be repeated.")
@click.option("--full", is_flag=True, help="Read everything, also what is known to be unchanged.")
@click.option("--allow-gaps", is_flag=True, help="Leave out and report what cannot be read (exit 3).")
@click.option("--allow-cleartext", is_flag=True, help="Accept a connection to another host without TLS.")
@click.option("--server-moved", is_flag=True, help="The source's database is on another server now, or was made anew.")
@click.option("-j", "--jobs", type=click.IntRange(1, 32), default=2, show_default=True, help="Reading connections.")
def backup(invocation: Invocation, directories: Sequence[str], tags: Sequence[str], **options: Any) -> int:
    settings, out = invocation.settings(), invocation.renderer()
    plan = plan_backup(settings, BackupOptions(directories=tuple(directories), tags=tuple(tags), **options))
    with shown(out) as progress:
        report = run_backup(settings, plan, attended=out.can_ask(), progress=progress)
    from vault.cli import jsonout
    from vault.ops.project.outside import gaps

    incomplete = gaps(report.ledger)
    if invocation.json:
        out.json_line(jsonout.backup(report))
    else:
        _draw(invocation, report)
    if report.apart:
        out.insist(f"warning: {report.apart}")
    if report.manifest.suspect:
        out.insist(f"warning: {report.manifest.suspect}; the next backup reads everything again")
        return ExitCode.DAMAGE
    return ExitCode.INCOMPLETE if incomplete or report.apart else ExitCode.OK


def _draw(invocation: Invocation, report: BackupReport) -> None:
    from vault.cli.jsonout import file_bytes, source_bytes
    from vault.ops.project.selection import narrowed

    out, manifest = invocation.renderer(), report.manifest
    out.missing(report.ledger)
    _tell_how_to_accept(invocation, report)
    whole = source_bytes(manifest) + file_bytes(manifest)
    out.line(
        f"snapshot {report.id.hex()[:12]} of {manifest.source}: {render.size(whole)}, "
        f"{render.size(manifest.effort.new_bytes)} new, {manifest.effort.duration_ms / 1000:.1f} s"
    )
    if part := narrowed(manifest.selection):
        out.line(f"a part of the database only: {', '.join(part)}")
    out.line()
    states = {name: item.state.value for name, item in report.ledger.items()}
    out.summary(manifest.counts, states, every_line=manifest.database is not None)
    for name, listed in sorted(manifest.directories.items()):
        out.line(
            f"{render.mark(states.get(f'dir:{name}', 'captured'))} Directory {name}: {counted(listed.sums.items, 'path')}"
        )


def _tell_how_to_accept(invocation: Invocation, report: BackupReport) -> None:
    from vault.ops.project.outside import ACCEPTABLE, gaps

    names = [gap.item for gap in gaps(report.ledger) if gap.state in ACCEPTABLE]
    if names:
        out, source = invocation.renderer(), report.manifest.source
        key = source if re.fullmatch(r"[A-Za-z0-9_-]+", source) else json.dumps(source)
        out.talk(f"what is meant to be so is accepted in pgvault.toml, [source.{key}]:")
        out.talk(f"  accepted_gaps = {json.dumps(names, ensure_ascii=False)}")


COMMAND = backup
