"""What `init` has to know: of flags, environment and configuration, and in a Supabase project, on a terminal, of its three questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vault.app import beginning, secret, wiring
from vault.cli import asking
from vault.errors import UsageError
from vault.model.words import counted

if TYPE_CHECKING:
    from vault.app.places import Place
    from vault.app.project import Project
    from vault.app.settings import Settings
    from vault.cli.render import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """By flags. `linked`: the project's hosted database is meant, not its local one"""

    preset: str | None
    passphrase_path: str | None
    linked: bool
    anew: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """`settings` with the repository and the passphrase's file; `generated`: a file that is made, and that nothing uses yet."""

    settings: Settings
    project: Project | None
    config: beginning.ConfigFile | None
    generated: beginning.PassphraseFile | None
    attended: bool

    @property
    def place(self) -> Place:
        return wiring.repository_at(self.settings)


def prepare(out: Renderer, settings: Settings, said: Said) -> Prepared:
    """Makes nothing but the passphrase's file, at the end. Raises  UsageError, UnsafeError, Interrupted"""
    project = beginning.project_here(settings, linked=said.linked)
    attended = project is not None and out.can_ask() and not out.json
    promised = beginning.promised_passphrase_file(settings)
    _refuse_two_passphrases(settings, said.passphrase_path, promised=promised)
    config = beginning.ConfigFile(settings, project=project, linked=said.linked, preset=said.preset)
    place = said.passphrase_path
    if project is not None and attended:
        questions = _Questions(out, settings, project, passphrase_file=promised)
        needed = (
            settings.repository is None,
            said.preset is None and not config.has_policy,
            place is None and (promised or secret.origin(settings).kind is secret.Kind.TERMINAL),
        )
        out.talk(_found(project, linked=said.linked))
        questions.announce(sum(map(bool, needed)))
        if needed[0]:
            settings = questions.where()
        wiring.refuse_taken(settings, anew=said.anew)
        if needed[1]:
            preset = questions.preset()
            config = beginning.ConfigFile(settings, project=project, linked=said.linked, preset=preset)
        if needed[2] and questions.generate():
            place = questions.passphrase_file
    if settings.repository is None:
        raise UsageError(
            "no repository is named",
            why="it is what is to be made, and no Supabase project is here that would say where",
            hint=_typed_with(settings),
        )
    wiring.refuse_taken(settings, anew=said.anew)
    generated = None if place is None else _generate(place, settings, project)
    if generated is not None:
        settings = replace(settings, password_file=str(generated.path))
    written = config if project is not None or said.preset is not None else None
    return Prepared(settings=settings, project=project, config=written, generated=generated, attended=attended)


def _typed_with(settings: Settings) -> str:
    """The command with a place that is free."""
    place = beginning.place_of_directory(Path.cwd(), settings.environment)
    return f"pgvault init -r {place}; in the directory of a Supabase project pgvault init proposes one"


def _generate(place: str, settings: Settings, project: Project | None) -> beginning.PassphraseFile:
    repository = wiring.repository_at(settings).path
    outside = tuple(folder for folder in (repository, None if project is None else project.root) if folder is not None)
    return beginning.PassphraseFile(place, entropy=wiring.system_entropy, outside=outside)


def _refuse_two_passphrases(settings: Settings, passphrase_path: str | None, *, promised: str | None) -> None:
    found = secret.origin(settings)
    kept = promised is not None and passphrase_path is not None and beginning.same_place(passphrase_path, promised)
    if passphrase_path is not None and found.kind is not secret.Kind.TERMINAL and not kept:
        raise UsageError(
            f"--generate-passphrase and {found.name} exclude each other",
            why="both say what the passphrase of the repository is",
            hint=f"leave the option out, or unset {found.name}",
        )


def _found(project: Project, *, linked: bool) -> str:
    named = f"Supabase project {project.id}" if project.id else "Supabase project"
    things = [
        "its linked database" if linked else f"its local database on port {project.port}",
        *(name.replace("_", " ") for name in sorted(project.directories)),
    ]
    return f"{named} in {project.root}: {', '.join(things)}"


class _Questions:
    """Each is asked at most once, but for answers that are refused."""

    def __init__(self, out: Renderer, settings: Settings, project: Project, *, passphrase_file: str | None) -> None:
        self._out = out
        self._settings = settings
        self._project = project
        self._total = 0
        self._number = 0
        self.passphrase_file = passphrase_file or beginning.default_passphrase_file(project, settings.environment)

    def announce(self, total: int) -> None:
        self._total = total
        if total:
            self._out.talk(f"{counted(total, 'question')}; enter takes what stands in brackets")

    def where(self) -> Settings:
        """Outside of the project, so that deleting or moving the one leaves the other."""
        question = self._numbered("Where shall the encrypted snapshots go?")
        default, taken = beginning.default_repository(self._project, self._settings.environment)
        if taken:
            self._out.talk(
                f"there is a {taken} already; if it is of this very project, use that: end this, and copy the pgvault.toml "
                "beside its supabase/ here"
            )

        def named(place: str) -> Settings:
            settings = replace(self._settings, repository=place)
            wiring.refuse_taken(settings)
            return settings

        return asking.until(self._out, lambda: asking.line(question, default=default), named)

    def preset(self) -> str:
        from vault.ops.retention.policy import PRESETS

        question = self._numbered("Which snapshots are kept?")
        about = ("dev: all of 7 days, at least 3", "production: 30 daily ones, 13 weekly, 12 monthly")
        return asking.choice(question, words=tuple(PRESETS), default="production", about=about)

    def generate(self) -> bool:
        question = self._numbered("The passphrase?")
        about = (f"generate: one into {self.passphrase_file}", "type: your own, now and for every backup")
        return asking.choice(question, words=("generate", "type"), default="generate", about=about) == "generate"

    def _numbered(self, question: str) -> str:
        self._number += 1
        return f"{self._number}/{self._total} {question}"
