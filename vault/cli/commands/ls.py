"""`pgvault ls`."""

from __future__ import annotations

import stat

import click

from vault.app import wiring
from vault.cli import about, jsonout, names
from vault.cli.options import Invocation, command

KINDS = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}


@command(
    "ls",
    help="List the files of a snapshot, the rendered ones included.\n\nBytes of a name "
    "that are not UTF-8 are shown as %XX, and % as %25; cat and extract take names in that form.",
    examples=["pgvault ls latest", "pgvault ls latest:edge_functions", "pgvault ls latest~1:data_records --json"],
)
@click.argument("place", metavar="SNAPSHOT[:PATH]")
@click.option("-R", "--recursive", is_flag=True, help="Everything below, not one level.")
def ls(invocation: Invocation, place: str, recursive: bool) -> None:
    snapshot, path = names.split_path(place)
    items = wiring.open_view(invocation.settings(), snapshot).ls(path, recursive=recursive)
    out = invocation.renderer()
    if invocation.json:
        out.json_line(jsonout.result(entries=[jsonout.view_entry(item) for item in items]))
        return
    for item in items:
        size = "-" if item.size_bytes is None else str(item.size_bytes)
        when = about.instant(item.mtime_ns // 1_000_000)[:-5].replace("T", " ")
        out.line(f"{stat.filemode(item.mode | KINDS[item.kind])} {size:>12} {when} {_typeable(item.path)}")


def _typeable(path: str) -> str:
    """As cat and extract take it, in one line: what is not printable as %XX."""
    return "".join(sign if sign.isprintable() else "".join(f"%{byte:02X}" for byte in sign.encode()) for sign in path)


COMMAND = ls
