"""What a shell offers at TAB: commands and options, and the names that the repository and the configuration hold.

Never asks, never runs a command of the user's, never waits: a passphrase comes from a variable or a regular file or not at all, and
what is not found within PATIENCE_S is not offered. Ids of snapshots are names of files, for which no key is needed. It fails silently.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Final, NoReturn

import click
from click.shell_completion import CompletionItem, ShellComplete, split_arg_string

from vault.cli.options import Invocation

if TYPE_CHECKING:
    from types import FrameType

    from vault.app.settings import Settings
    from vault.repo.snapshot import Snapshot

PATIENCE_S: Final = 3.0
OFFERS_MAX: Final = 500
ID_DIGITS: Final = 12
FILE, DIRECTORY = "file", "dir"

Offers = Iterable[tuple[str, str]]
"""Words, each with what is told beside it."""


class _Late(BaseException):
    """PATIENCE_S are over. No Exception: nothing on the way may take it for a fault of its own."""


def offered(
    command: click.Command, words: Sequence[str], *, topics: Offers = (), patience_s: float = PATIENCE_S
) -> list[tuple[str, str, str]]:
    """Kind (plain, file, dir), word and help of each offer.

    words   what is typed after the program's name; the last one is not finished, and may be empty
    topics  of `help`, besides the commands; what is not found within `patience_s` is not offered
    """
    *before, incomplete = words or [""]
    found: list[CompletionItem] = []
    invocation = Invocation(names=partial(_names, topics))
    with suppress(Exception, _Late), _patience(patience_s):
        found = ShellComplete(command, {"obj": invocation}, "pgvault", "").get_completions(before, incomplete)
    offers = ((item.type, str(item.value), " ".join((item.help or "").split())) for item in found)
    return [offer for offer in offers if offer[1].isprintable()]  # else it could not be typed as it is shown


def line_words(line: str) -> list[str]:
    """The words of a line of bash up to the cursor, without the program's name."""
    words = split_arg_string(line)[1:]
    return words if words and not line[-1:].isspace() else [*words, ""]


def _names(topics: Offers, parameter: click.Parameter, context: click.Context, incomplete: str) -> list[CompletionItem]:
    """What may stand for the parameter; nothing where nothing is known of it."""
    name = str(parameter.name)
    if name in PATHS:
        return [CompletionItem(incomplete, type=PATHS[name])]
    invocation = context.find_object(Invocation)
    if invocation is None or name not in NAMES:
        return []
    words = NAMES[name](_Asked(context=context, settings=invocation.settings(), incomplete=incomplete, topics=topics))
    fitting = (CompletionItem(word, help=told) for word, told in words if word.startswith(incomplete))
    return list(islice(fitting, OFFERS_MAX))


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _give_up(number: int, frame: FrameType | None) -> NoReturn:
    raise _Late


# --- where names come from -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One question: what was typed before it, and the word so far."""

    context: click.Context
    settings: Settings
    incomplete: str
    topics: Offers

    def snapshot(self) -> str:
        """That which was typed."""
        return str(self.context.params.get("snapshot") or "latest")

    def opened(self, spec: str) -> Snapshot | None:
        """None where the key would have to be asked for, or a program be run for it."""
        from vault.app import secret, wiring

        origin = secret.origin(self.settings)
        if origin.kind in (secret.Kind.TERMINAL, secret.Kind.COMMAND):
            return None
        if origin.kind in (secret.Kind.FILE, secret.Kind.KIT) and not stat.S_ISREG(os.stat(origin.value).st_mode):
            return None  # a pipe gives its secret once, to somebody else
        return wiring.open_snapshot(self.settings, spec)


def _snapshots(asked: _Asked) -> Offers:
    from vault.app import wiring
    from vault.cli.about import instant
    from vault.format.snapshot import parse_snapshot_name

    yield "latest", "the newest"
    stored = sorted(wiring.open_store(asked.settings).list("snapshots/"), key=lambda file: -file.modified_ms)
    for file in stored:
        if (found := parse_snapshot_name(file.name)) is not None:
            yield found.hex()[:ID_DIGITS], instant(file.modified_ms)[:16].replace("T", " ")


def _place(asked: _Asked) -> Offers:
    """SNAP, then SNAP:PATH, a directory at a time."""
    spec, colon, path = asked.incomplete.partition(":")
    if not colon:
        return ((f"{word}:", told) for word, told in _snapshots(asked))
    return ((f"{spec}:{word}", told) for word, told in _below(asked, spec, path))


def _paths(asked: _Asked) -> Offers:
    return _below(asked, asked.snapshot(), asked.incomplete)


def _below(asked: _Asked, spec: str, path: str) -> Offers:
    from vault.ops.view.tree import View

    snapshot = asked.opened(spec)
    if snapshot is not None:
        for entry in View(snapshot, asked.settings.selectors(snapshot.manifest.source)).ls(path.rpartition("/")[0]):
            yield f"{entry.path}/" if entry.kind == "directory" else entry.path, ""


def _tables(asked: _Asked) -> Offers:
    from vault.sql.names import show_name

    snapshot = asked.opened(asked.snapshot())
    if snapshot is not None:
        yield from ((show_name(item.name), "") for item in snapshot.tables())


def _columns(asked: _Asked) -> Offers:
    """COLUMN= of the table that was typed, as its newest snapshot has it."""
    from vault.ops.view.table import find_table

    table, snapshot = asked.context.params.get("thing"), asked.opened("latest")
    if table and snapshot is not None:
        yield from ((f"{column.name}=", column.type) for column in find_table(snapshot, table).columns)


def _what(asked: _Asked) -> Offers:
    """Of --only: components, schemas and tables."""
    from vault.ops.project.components import COMPONENTS

    yield from ((name, "component") for name in COMPONENTS)
    tables = list(_tables(asked))
    yield from ((schema, "schema") for schema in sorted({name.partition(".")[0] for name, _ in tables}))
    yield from tables


def _sources(asked: _Asked) -> Offers:
    return ((name, "") for name in sorted(asked.settings.sources))


def _directories(asked: _Asked) -> Offers:
    """Of --dir: the names that mean something, and those of the configuration."""
    selectors = asked.settings.selectors("")
    known = {selectors.migrations_directory, selectors.edge_functions_directory, selectors.files_directory}
    known |= {name for source in asked.settings.sources.values() for name in source.directories or {}}
    return ((f"{name}=", "") for name in sorted(known))


def _files_of(prefix: str) -> Callable[[_Asked], Offers]:
    """Ids that are names of files in the repository."""

    def found(asked: _Asked) -> Offers:
        from vault.app import wiring

        for file in wiring.open_store(asked.settings).list(prefix):
            yield file.name.removeprefix(prefix)[:ID_DIGITS], ""

    return found


def _topics(asked: _Asked) -> Offers:
    root = asked.context.find_root()
    assert isinstance(root.command, click.Group)
    yield from ((name, "") for name in root.command.list_commands(root))
    yield from asked.topics


def _presets(asked: _Asked) -> Offers:
    return (("dev", "7 days, and at least 3"), ("production", "30 daily, 13 weekly, 12 monthly"))


NAMES: Final[Mapping[str, Callable[[_Asked], Offers]]] = {
    **dict.fromkeys(("snapshot", "snapshots", "before", "after", "specs", "keep_id", "what"), _snapshots),
    "place": _place,
    "paths": _paths,
    **dict.fromkeys(("table", "thing", "pattern"), _tables),
    "columns": _columns,
    "only": _what,
    **dict.fromkeys(("source", "name"), _sources),
    "directories": _directories,
    "id": _files_of("keys/"),
    "lease": _files_of("leases/"),
    "topic": _topics,
    "preset": _presets,
}
"""Name of a parameter -> what may stand there."""

PATHS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("repository", "repo", "like", "target", "keep", "directory"), DIRECTORY),
    **dict.fromkeys(("kit_path", "file", "path"), FILE),
}
