"""Servers made from the files of a running one: standbys, and recoveries to a point in time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.fix_postgres import Cluster
from vault.source.postgres.connection.throwaway_directories import throwaway_directory
from vault.source.postgres.connection.throwaway_server import EmbeddedServer


@contextmanager
def copy_of(
    cluster: Cluster, *, standby: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedServer]:
    """A physical copy of `cluster` as it is now, not started yet; stopped and deleted at the end.

    standby   it follows the server that it was copied from
    settings  how it recovers otherwise; with any, it recovers from an archive
    """
    with throwaway_directory() as place:
        copied = _copy(cluster, place / "server", standby=standby, settings=settings or {})
        try:
            yield copied
        finally:
            copied.stop("immediate")


def _copy(cluster: Cluster, place: Path, *, standby: bool, settings: Mapping[str, str]) -> EmbeddedServer:
    data = place / "data"
    data.mkdir(parents=True, mode=0o700)
    command = [str(cluster.bin / "pg_basebackup"), "-D", str(data), "-c", "fast", "-d", cluster.dsn()]
    subprocess.run([*command, "-R"] if standby else command, check=True, capture_output=True)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        if standby:  # the server's own settings replace what -R wrote
            file.write((data / "postgresql.auto.conf").read_text(encoding="utf-8"))
        file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
    if settings:
        (data / "recovery.signal").touch()
    return cluster.beside(place)
