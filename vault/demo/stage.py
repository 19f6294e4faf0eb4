"""What the demonstration plays on: a throwaway server, an empty repository, a directory; removed at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app.settings import Settings
from vault.app.wiring import SystemClock, client_programs, system_entropy
from vault.errors import UnsafeError

if TYPE_CHECKING:
    from vault.demo.story import Stage
    from vault.source.postgres.connection.programs import Programs


@contextmanager
def demo_stage(keep: str | None, settings: Settings) -> Iterator[Stage]:
    """A throwaway server and an empty repository; all is removed at the end, but not what `keep` names.

    Raises  UnsafeError: `keep` is not empty; SourceError: there is no PostgreSQL to start
    """
    from vault.demo.story import Stage
    from vault.source.postgres.connection.throwaway_directories import throwaway_directory
    from vault.source.postgres.connection.throwaway_server import EmbeddedServer
    from vault.store.local import LocalStore, create_local

    with throwaway_directory() as temporary:
        place = temporary / "kept" if keep is None else Path(keep)
        if keep is not None and place.exists() and any(place.iterdir()):
            raise UnsafeError(f"{keep} is not empty", hint="name a new or empty directory")
        project = place / "project"
        project.mkdir(parents=True, mode=0o700)
        create_local(place / "repository")
        programs = client_programs(settings)
        with EmbeddedServer(temporary / "server", binaries=server_binaries(programs)) as server:
            yield Stage(
                store=LocalStore(place / "repository", system_entropy),
                server=server,
                directory=project,
                programs=replace(programs, directory=server.bin),
                clock=SystemClock(),
                entropy=system_entropy,
            )


def server_binaries(programs: Programs) -> Path | None:
    """Where an installed server's programs are; None means the embedded ones, which come first."""
    if programs.embedded is not None:
        return None
    program = programs.find("postgres", major=15, local=True)
    return None if program is None else program.path.parent
