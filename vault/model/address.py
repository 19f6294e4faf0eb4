"""What objects of a database are called: by address, as this program looks them up, and in one text, as a server prints them.

The text (pg_identify_object: kind, then names that are quoted wherever they are not bare) is what the catalog facts hold. It has
one grammar, so it is read here alone, once, when it comes from a server or out of a repository; nothing above takes it apart or
guesses how a name would be printed. Pure. Spec 60-snapshot.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

_NAME: Final = r'(?:[a-z_][a-z0-9_]*|"(?:[^"]|"")+")'
_NAMES: Final = rf"(?P<names>{_NAME}(?:\.{_NAME})*)"
_TYPE: Final = r'(?:[^",]|"(?:[^"]|"")*")+'
"""Patterns are compiled when they are used: most commands read no facts."""

_RELATIONS: Final = (
    *("table", "index", "sequence", "toast table", "view", "materialized view", "composite type", "foreign table"),
)
_OF_COLUMN: Final = " column"
_PLAIN: Final = (
    *_RELATIONS,
    *(f"{kind}{_OF_COLUMN}" for kind in _RELATIONS),
    *("access method", "collation", "conversion", "database", "event trigger", "extension", "foreign-data wrapper"),
    *("language", "publication", "role", "schema", "server", "statistics object", "subscription", "tablespace"),
    *("text search configuration", "text search dictionary", "text search parser", "text search template"),
)
_OF_RELATION: Final = ("policy", "rule", "table constraint", "trigger")
_ROUTINES: Final = ("aggregate", "function", "procedure")
_UNREAD: Final = (
    *("cast", "default acl", "function of access method", "large object", "operator of access method", "parameter ACL"),
    *("publication namespace", "role membership", "transform", "type", "user mapping"),
)
"""Their names stay one text: a type's address is one, as format_type prints it, and by the others nothing is looked up."""

_GRAMMAR: Final[Mapping[str, str]] = {
    kind: pattern
    for kinds, pattern in (
        (_PLAIN, _NAMES),
        (_OF_RELATION, rf"(?P<last>{_NAME}) on {_NAMES}"),
        (_ROUTINES, rf"{_NAMES}\((?P<args>.*)\)"),
        (_UNREAD, r"(?P<whole>.+)"),
        (("default value",), rf"for {_NAMES}"),
        (("domain constraint",), rf"(?P<arg>{_NAME}) on (?P<whole>.+)"),
        (("operator",), rf"(?P<names>{_NAME})\.(?P<sign>[^(]+)\((?P<args>.*)\)"),
        (("operator class", "operator family"), rf"{_NAMES} USING (?P<first>{_NAME})"),
        (("publication relation",), rf"{_NAMES} in publication (?P<arg>{_NAME})"),
    )
    for kind in kinds
}
"""Kind -> what follows it. PostgreSQL's getObjectIdentityParts, 13 to 18."""
_KIND_WORDS_MAX: Final = max(len(kind.split(" ")) for kind in _GRAMMAR)
_ADDRESSES_MAX: Final = 1 << 16
"""Kept: facts name most objects several times, and are read three times over (from the catalogs, as a proof, from the parent)."""
_NO_TYPE: Final = "NONE"
"""In the place of an operand that an operator does not have."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableName:
    schema: str
    name: str

    def __str__(self) -> str:
        """The name as messages show it: nothing quoted, never SQL (`sql.names.qualified`), never read back (`show_name`)."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Address:
    """Kind, names and arguments, as pg_identify_object_as_address tells them apart. Equal exactly for one object.

    printed   as the server that told of it prints it; no part of what it is
    """

    kind: str
    names: tuple[str, ...]
    args: tuple[str, ...] = ()
    printed: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.printed or f"{self.kind} {'.'.join(self.names)}"

    @property
    def relation(self) -> TableName:
        """Schema and name with which the address of a relation, or of a part of one, starts. `names` has at least two."""
        return TableName(schema=self.names[0], name=self.names[1])

    @property
    def is_column(self) -> bool:
        """Of a relation of any kind."""
        return self.kind.endswith(_OF_COLUMN)

    @property
    def whole(self) -> Address:
        """The relation that a column is of; any other object itself."""
        return Address(kind=self.kind.removesuffix(_OF_COLUMN), names=self.names[:-1]) if self.is_column else self


@lru_cache(maxsize=_ADDRESSES_MAX)
def read_address(printed: str) -> Address:
    """The address of an object that pg_identify_object prints so. What has another form is one name, of no kind."""
    kind = _kind_of(printed)
    name = re.fullmatch(_GRAMMAR[kind], printed[len(kind) + 1 :], re.DOTALL) if kind else None
    if name is None:
        return Address(kind="", names=(printed,), printed=printed)
    parts = name.groupdict()
    whole, names, args = parts.get("whole"), parts.get("names") or "", parts.get("args") or ""
    words = [parts.get("first"), *re.findall(_NAME, names), parts.get("last")]
    return Address(
        kind=kind,
        names=(
            *([] if whole is None else [whole]),
            *(_unquoted(word) for word in words if word),
            *([parts["sign"]] if "sign" in parts else []),
        ),
        args=(
            *([_unquoted(parts["arg"])] if "arg" in parts else []),
            *(argument for argument in re.findall(_TYPE, args) if argument != _NO_TYPE),
        ),
        printed=printed,
    )


def _kind_of(printed: str) -> str:
    """The longest kind that it starts with. No name is taken for a part of it: where a space follows one, it is quoted."""
    words = printed.split(" ", _KIND_WORDS_MAX)[:-1]
    starts = (" ".join(words[:count]) for count in range(len(words), 0, -1))
    return next((start for start in starts if start in _GRAMMAR), "")


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
