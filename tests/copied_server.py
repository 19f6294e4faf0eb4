"""Servers made from the files of a running one: standbys, and recoveries to a point in time."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.fix_postgres import Cluster
from vault.source.postgres.connection.server import EmbeddedServer


@contextmanager
def copy_of(
    cluster: Cluster, *, standby: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[EmbeddedServer]:
    """A physical copy of `cluster` as it is now, not started yet; stopped and deleted at the end.

    standby   it follows the server that it was copied from
    settings  how it recovers otherwise; with any, it recovers from an archive
    """
    place = Path(tempfile.mkdtemp(prefix="pgvault-test-"))
    place.chmod(0o755)
    data = place / "server" / "data"
    data.mkdir(parents=True)
    data.chmod(0o700)
    command = [str(cluster.bin / "pg_basebackup"), "-D", str(data), "-c", "fast", "-d", cluster.dsn()]
    subprocess.run([*command, "-R"] if standby else command, check=True, capture_output=True)
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        if standby:  # the server's own settings replace what -R wrote
            file.write((data / "postgresql.auto.conf").read_text(encoding="utf-8"))
        file.writelines(f"{name} = '{value}'\n" for name, value in (settings or {}).items())
    if settings:
        (data / "recovery.signal").touch()
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "postgres", str(place / "server")], check=True)
    copied = EmbeddedServer(place / "server", binaries=cluster.bin)
    try:
        yield copied
    finally:
        copied.stop("immediate")
        shutil.rmtree(place, ignore_errors=True)
