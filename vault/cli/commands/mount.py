"""`pgvault mount`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from vault.cli import jsonout
from vault.cli.options import Invocation, command
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.errors import VaultError


@command(
    "mount",
    help="Show all snapshots as files, read-only, until it is unmounted.\n\n"
    "DIR is an empty directory. In it: snapshots/TIME and ids/ID, each the tree that ls shows, and latest, a link to the newest. "
    "Ctrl-C or fusermount3 -u DIR ends it; after a kill -9, fusermount3 -u DIR clears what is left.\n\n"
    "Everything is read when it is looked at. Sizes are exact, so a listing with sizes (ls -l) renders what it lists, once: "
    "for data_records that reads the rows. What fits is kept until it is unmounted, readable by nobody else: up to --spool on this "
    "machine's disk, in files without a name. Only you can read the mount.\n\n"
    "A snapshot that was looked into is kept from then on: forgotten and pruned meanwhile, it stays as it is until it is unmounted.",
    examples=["pgvault mount ~/mnt", "pgvault mount ~/mnt --spool 5G"],
)
@click.argument("directory", metavar="DIR")
@click.option(
    "--spool", metavar="SIZE", help="Room on the disk for files that were rendered; default 512M, 0 for none."
)
def mount(invocation: Invocation, directory: str, spool: str | None) -> None:
    from vault.app.history import open_history, room
    from vault.app.processes import reading_several
    from vault.app.quantities import size_bytes
    from vault.app.wiring import SystemClock
    from vault.cli.mount import place
    from vault.cli.mount.contents import SPOOL_BYTES, FileContents
    from vault.cli.mount.tree import Tree

    settings = invocation.settings()
    spool_bytes = SPOOL_BYTES if spool is None else size_bytes(spool, option="--spool")
    place.check_place(directory)
    place.check_fuse(settings.environment)
    try:
        from vault.cli.mount.fuse import Files, serve
    except (ImportError, OSError) as error:
        raise place.missing_library(error) from error
    history = open_history(settings)
    out = invocation.renderer()
    for damaged in history.damaged:
        out.insist(f"warning: {damaged.file}: {damaged.message}; run: pgvault check")
    where = os.path.abspath(directory)

    def mounted() -> None:
        if invocation.json:
            out.json_line({"type": "mounted", "path": where, "snapshots": len(history.snapshots)})
        else:
            out.talk(
                f"{counted(len(history.snapshots), 'snapshot')} at {where}; Ctrl-C or {place.unmount(directory)} ends it"
            )

    def tell(error: VaultError) -> None:
        out.insist(f"warning: {error.message}{': ' if error.why else ''}{error.why}")

    with room(settings, "mounted") as directory_of_spool, reading_several(history.repository) as hold:
        tree = Tree(history.reload, hold, settings.selectors, SystemClock().now_ms)
        serve(Files(tree, FileContents(directory_of_spool, spool_bytes=spool_bytes), mounted=mounted, tell=tell), where)
    if invocation.json:
        out.json_line(jsonout.result(path=where, snapshots=len(history.snapshots), read_bytes=history.read.bytes))


COMMAND = mount
