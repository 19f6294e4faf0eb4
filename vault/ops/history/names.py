"""What things of a snapshot are called, and how words of the user's are held against that. Pure.

A pattern is a glob: `*` is any text, also with `/` and `.` in it, `?` one character, `[a-z]` one of several. With a `/` it is held against
whole paths, as `pgvault ls` shows them; else against the last name (of a file, a table, a policy) and against the whole one, which has its
schema, and where it is part of a table that table, before it: `public.orders.own`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Final

from vault.errors import UsageError
from vault.model import Address
from vault.ops.view.definitions.homes import bare
from vault.sql.names import quote, split_name

_CALLED: Final = frozenset({"function", "procedure", "aggregate", "operator"})
_BARE: Final = re.compile(r"[a-z_][a-z0-9_]*")
FILE: Final = "file"
DIRECTORY: Final = "directory"
LINK: Final = "link"
FILE_KINDS: Final = frozenset({FILE, DIRECTORY, LINK})
ROLE: Final = "role"
SETTING: Final = "setting"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Thing:
    """Something that snapshots hold. `kind`: of its address, or file, directory, link, role, setting; `names`: its path, for a file.

    directory   of a file, else empty
    """

    kind: str
    names: tuple[str, ...]
    args: tuple[str, ...] = ()
    directory: str = ""

    def __str__(self) -> str:
        """As `log` takes it."""
        if self.directory:
            return f"{self.directory}/{self.names[0]}"
        if self.kind == ROLE or self.kind == SETTING or self.kind == "type":
            return self.names[0]
        name = ".".join(map(_shown, self.names))
        if self.kind in _CALLED:
            return f"{name}({','.join(map(bare, self.args))})"
        return " ".join((name, *self.args))

    @property
    def address(self) -> Address:
        return Address(kind=self.kind, names=self.names, args=self.args)


def thing_of(address: Address) -> Thing:
    return Thing(kind=address.kind, names=address.names, args=address.args)


def _shown(name: str) -> str:
    return name if _BARE.fullmatch(name) else quote(name)


class Pattern:
    """What `find` looks for. Raises  UsageError: it is empty"""

    def __init__(self, text: str, *, ignore_case: bool = False) -> None:
        if not text:
            raise UsageError("nothing to look for", hint="pgvault find 'orders*'")
        self.text = text
        self.has_path = "/" in text
        self._matches = re.compile(translate(text.strip("/")), re.IGNORECASE if ignore_case else 0).match

    def fits_path(self, path: str) -> bool:
        return self._matches(path if self.has_path else path.rpartition("/")[2]) is not None

    def fits(self, thing: Thing) -> bool:
        """A thing that is no file."""
        return not self.has_path and any(self._matches(name) is not None for name in _spellings(thing))


def _spellings(thing: Thing) -> Iterator[str]:
    whole = ".".join(thing.names)
    yield whole
    yield thing.names[-1]
    if thing.kind == "type":
        yield from (".".join(type_names(thing.names[0])), type_names(thing.names[0])[-1])
    if thing.kind in _CALLED:
        arguments = f"({','.join(map(bare, thing.args))})"
        yield from (f"{whole}{arguments}", f"{thing.names[-1]}{arguments}")


def type_names(printed: str) -> tuple[str, ...]:
    """Schema and name of a type, which a server prints as one text; what is built in has one name."""
    try:
        return tuple(split_name(printed))
    except UsageError:
        return (printed,)


class Words:
    """What `log` was asked for: a name as SQL writes it (`orders`, `public.orders.own`, `public."Odd name"`, `add(integer)`) or a path."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.path = text.strip("/") if "/" in text else ""
        name, bracket, arguments = text.partition("(")
        self._args = _arguments(arguments.removesuffix(")").split(",")) if bracket and text.endswith(")") else None
        try:
            self._parts = tuple(split_name(name if self._args is not None else text))
        except UsageError:
            self._parts = ()

    def rank(self, thing: Thing) -> int | None:
        """How well it fits, 0 best: the whole name, then one in `public`, then its end; None: it does not."""
        names = type_names(thing.names[0]) if thing.kind == "type" else thing.names
        if self._args is not None:
            if thing.kind not in _CALLED or self._args != _arguments(thing.args):
                return None
        elif self.text in (str(thing), ".".join(thing.names)):
            return 0
        return self._rank_of(names)

    def _rank_of(self, names: Sequence[str]) -> int | None:
        parts = self._parts
        if not parts or tuple(names[-len(parts) :]) != parts:
            return None
        if len(names) == len(parts):
            return 0
        return 1 if tuple(names) == ("public", *parts) else 2


def _arguments(types: Iterable[str]) -> str:
    """Without blanks at which nobody looks, and without the schema of what is built in."""
    return ",".join("".join(bare(printed.strip()).split()) for printed in types)
