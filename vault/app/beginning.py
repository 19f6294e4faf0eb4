"""What `init` makes beside the repository: the project's configuration, and a passphrase that nobody needs to know.

The configuration holds no secret. A generated passphrase is in its file, synced and read back, before anything depends on it;
it is never shown.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from vault.app import secret
from vault.app.database import PLATFORM_PASSWORD, of_project
from vault.app.project import Project, find_project
from vault.app.settings import Settings, SourceSettings, config_to_write
from vault.app.settings.source import SupabaseDatabase
from vault.app.toml.document import Document, dotted, home_path, read_document
from vault.errors import UnsafeError, UsageError
from vault.ops.retention.policy_words import written

_NUMBERS_MAX: Final = 100
_PASSPHRASE_BYTES: Final = 24
"""Of randomness: more than the key that is derived from it can make use of."""

_HEAD: Final = """\
# pgvault: encrypted snapshots of this project. No secret is in this file; it may be committed.
# What is in effect, and where it was said: pgvault config show. Mistakes in here: pgvault config validate
version = 1
"""


def project_here(settings: Settings, *, linked: bool) -> Project | None:
    """Around the working directory. Raises  UsageError: its configuration cannot be read; `linked` is wanted, and it is not"""
    if linked:
        return of_project(settings, "linked", configured=SourceSettings()).project
    return find_project(Path.cwd(), settings.environment)


def project_name(project: Project) -> str:
    return project.id or project.root.name or "project"


def default_repository(project: Project, environment: Mapping[str, str]) -> tuple[str, str]:
    """Below the home directory: outside the project, and still there when the project is moved; without one beside the project.

    Returns with it the one that another checkout or project of this name has, or nothing.
    """
    if not environment.get("HOME"):
        return str(project.root.parent / f"{project.root.name}-pgvault"), ""
    name = _plain(project_name(project))
    free = free_of(_below_home, name)
    return _below_home(free), "" if free == name else _below_home(name)


def place_of_directory(folder: Path, environment: Mapping[str, str]) -> str:
    """As that of a project which is called as the directory."""
    name = _plain(folder.name)
    return _below_home(free_of(_below_home, name)) if environment.get("HOME") else f"{name}-pgvault"


def _below_home(name: str) -> str:
    return f"~/pgvault/{name}"


def free_of(place: Callable[[str], str], name: str) -> str:
    """The first of NAME, NAME-2, ... whose place nobody has: another checkout of a project, or another project, may bear its name."""
    numbered = (name if number == 1 else f"{name}-{number}" for number in range(1, _NUMBERS_MAX))
    return next((one for one in numbered if not _holds_something(home_path(place(one)))), name)


def _holds_something(path: Path) -> bool:
    """An empty directory is a place too: a disk may have been mounted there, which the command that makes a repository looks at."""
    try:
        return any(path.iterdir())
    except OSError:
        return os.path.lexists(path)


def default_passphrase_file(project: Project, environment: Mapping[str, str]) -> str:
    base = environment.get("XDG_CONFIG_HOME") or ("~/.config" if environment.get("HOME") else "")
    if not base:
        return str(project.root.parent / f"{project.root.name}.passphrase")

    def place(name: str) -> str:
        return f"{base}/pgvault/{name}.passphrase"

    return place(free_of(place, _plain(project_name(project))))


def promised_passphrase_file(settings: Settings) -> str | None:
    """The file that the configuration names, if it is not there: on another machine, say, than that where it was written."""
    path = settings.password_file
    named = secret.origin(settings).name == "repository.password_file"
    return path if named and path is not None and not Path(path).exists() else None


def same_place(one: str, other: str) -> bool:
    return home_path(one).absolute().resolve() == home_path(other).absolute().resolve()


def _plain(name: str) -> str:
    """As a file's name that needs no quoting."""
    kept = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in name).lstrip(".")
    return kept or "project"


class PassphraseFile:
    """A new file (0600) with a passphrase made of randomness; taken before anything else happens."""

    def __init__(self, place: str, *, entropy: Callable[[int], bytes], outside: tuple[Path, ...]) -> None:
        """`outside`: where it must not lie. Raises  UnsafeError: it would, or it is there already; UsageError: it cannot be made"""
        self.place = place
        self.path = home_path(place).absolute()
        for folder in outside:
            if self.path.resolve().is_relative_to(folder.resolve()):
                raise UnsafeError(
                    f"{place} would lie in {folder}",
                    why="whoever gets a copy of that would have the passphrase with it",
                    hint="name a file elsewhere",
                )
        self.text = base64.b64encode(entropy(_PASSPHRASE_BYTES)).decode("ascii")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            hint = f"name a new file; or use that one: PGVAULT_PASSWORD_FILE={place} pgvault init"
            raise UnsafeError(f"{place} exists already", why="no passphrase is overwritten", hint=hint) from error
        except OSError as error:
            raise UsageError(f"cannot create {place}", why=error.strerror or "") from error
        try:
            self._write(descriptor)
        except OSError as error:
            self.discard()
            raise UsageError(f"cannot write {place}", why=error.strerror or "") from error

    def _write(self, descriptor: int) -> None:
        data = f"{self.text}\n".encode("ascii")
        with os.fdopen(descriptor, "r+b") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        if self.path.read_bytes() != data:
            raise OSError(0, "it reads back differently")

    def discard(self) -> None:
        """Remove it: nothing depends on it."""
        self.path.unlink(missing_ok=True)


class ConfigFile:
    """The configuration that `init` begins, or adds to: looked at first, written when the repository is there.

    Of a file that is there only tables that it lacks are added, at its end.
    """

    def __init__(self, settings: Settings, *, project: Project | None, linked: bool, preset: str | None) -> None:
        """`linked`: which database of the project. Raises  UsageError: no such preset, or a file that cannot be read; UnsafeError: it has a policy, and a preset is asked for"""
        self.path = config_to_write(settings.environment)
        self._rules = written(preset) if preset else []
        self._project = project
        self._database: SupabaseDatabase = "linked" if linked else "local"
        there = self.path.exists()
        document = read_document(self.path) if there else Document(path=self.path, values={})
        document.require()
        self._values = document.values
        self._text = self.path.read_text(encoding="utf-8") if there else ""
        if preset and "retention" in self._values:
            raise UnsafeError(
                f"{self.path} has a policy already",
                why="its table [retention]",
                hint="change it there, or leave --preset out",
            )

    @property
    def has_policy(self) -> bool:
        return "retention" in self._values

    @property
    def policy(self) -> str:
        return ", ".join(self._rules)

    @property
    def names_passphrase(self) -> bool:
        """Whether the file says already where the passphrase comes from."""
        table = self._values.get("repository", {})
        return "password_file" in table or "password_command" in table

    def write(self, *, repository: str | None, password_file: str | None) -> list[str] | None:
        """Returns lines that a table which is there already would need, for the user to add; None if there was nothing to write.

        repository, password_file  as typed
        Raises  UsageError: it cannot be written
        """
        own = self._repository(repository, password_file)
        tables: list[str] = []
        missing: list[str] = []
        if own and "repository" not in self._values:
            tables.append("\n".join(["[repository]", *own]))
        elif own:
            missing = [
                "[repository]",
                *(line for line in own if line.partition(" ")[0] not in self._values["repository"]),
            ]
        if self._project is not None and "source" not in self._values:
            tables.append(_source(self._project, self._database))
        if self._rules:
            rules = "\n".join(self._rules)
            tables.append(
                f"[retention]                   # what stays, for `pgvault forget` and for scheduled runs\n{rules}"
            )
        if tables:
            self._append(tables)
        lacking = missing if len(missing) > 1 else []
        return lacking if tables or lacking else None

    def _repository(self, repository: str | None, password_file: str | None) -> list[str]:
        lines = []
        if repository is not None:
            lines.append(f"url = {json.dumps(self._from_here(repository), ensure_ascii=False)}")
        if password_file is not None and not self.names_passphrase:
            place = json.dumps(self._from_here(password_file), ensure_ascii=False)
            lines.append(f"password_file = {place}  # 0600; without it and the recovery kit nobody reads a snapshot")
        return lines

    def _from_here(self, place: str) -> str:
        """What was typed relative to the working directory, relative to the file; all else as it is."""
        if "://" in place or place.startswith("~") or Path(place).is_absolute():
            return place
        return os.path.relpath(Path(place).absolute(), self.path.absolute().parent)

    def _append(self, tables: list[str]) -> None:
        head = "" if self._text else _HEAD
        gap = "\n" if not self._text or self._text.endswith("\n") else "\n\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(head + gap + "\n\n".join(tables) + "\n")
        except OSError as error:
            raise UsageError(
                f"cannot write {self.path}",
                why=f"{error.strerror or ''}; the repository is there, and nothing says so",
                hint="write it yourself: " + "; ".join(line for table in tables for line in table.splitlines()),
            ) from error


def _source(project: Project, database: SupabaseDatabase) -> str:
    return "\n".join(
        (
            f"[{dotted(('source', project_name(project)))}]",
            f"supabase = {json.dumps(database)}            # {_MEANING[database]}; with migrations and edge functions",
            '# exclude_table_data = ["public.logs"]   # the definition without rows',
            '# exclude = [".env"]          # files of the directories, in gitignore\'s syntax',
        )
    )


_MEANING: Final[Mapping[SupabaseDatabase, str]] = {
    "local": 'the database of `supabase start`; "linked": the hosted one',
    "linked": f'the database of `supabase link`, password in {PLATFORM_PASSWORD}; "local": that of `supabase start`',
}
