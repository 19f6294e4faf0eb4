"""Privileges that an object has, whatever way its catalog writes them: no ACL means the built-in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from vault.model import Identity, TableName
from vault.sql import privileges
from vault.sql.catalog_names import relation_in, texts
from vault.sql.statements import read_acl_item

_OF_RELATIONS: Final = "arwdDxt"
_BUILT_IN: Final = {
    "aggregate": ("X", "X"),
    "domain": ("U", "U"),
    "foreign-data wrapper": ("U", ""),
    "foreign table": (_OF_RELATIONS, ""),
    "function": ("X", "X"),
    "language": ("U", "U"),
    "large object": ("rw", ""),
    "materialized view": (_OF_RELATIONS, ""),
    "procedure": ("X", "X"),
    "schema": ("UC", ""),
    "sequence": ("rwU", ""),
    "server": ("U", ""),
    "table": (_OF_RELATIONS, ""),
    "type": ("U", "U"),
    "view": (_OF_RELATIONS, ""),
}
"""Kind of object -> privileges of its owner and of PUBLIC where it has no ACL (acldefault)."""


def in_force(name: str, owner: str, acl: tuple[str, ...] | None, version_num: int) -> Iterable[str]:
    """The privileges in force, as a server of `version_num` knows them: no ACL means the built-in ones.

    Before 17 an owner could not be without what MAINTAIN is now, so it is not looked at; anybody else's is.
    """
    kind = next((kind for kind in _BUILT_IN if name.startswith(f"{kind} ")), "")
    own, public = _BUILT_IN.get(kind, ("", ""))
    role = owner if owner.replace("_", "").isalnum() and owner.isascii() else '"' + owner.replace('"', '""') + '"'
    knows = own != _OF_RELATIONS or version_num >= privileges.MAINTAIN_VERSION
    if acl is not None:
        return acl if knows else (_without_maintain(item, of=role) for item in acl)
    own += "m" if own == _OF_RELATIONS and knows else ""
    return [f"{who}={letters}/{role}" for who, letters in ((role, own), ("", public)) if letters]


def _without_maintain(item: str, *, of: str) -> str:
    who, letters = f"{of}=", item.removeprefix(f"{of}=").partition("/")
    return f"{who}{letters[0].replace('m', '')}/{letters[2]}" if item.startswith(who) else item


Grant = tuple[str, str, str, bool]
"""Name of the object or column, grantee (empty for PUBLIC, `*` for the owner), letter, whether it may be handed on."""


@dataclass(frozen=True, slots=True)
class Privileges:
    """Those of a snapshot or of a target, by object."""

    objects: Mapping[str, tuple[str, tuple[str, ...] | None]]
    columns: Mapping[TableName, tuple[tuple[str, tuple[str, ...]], ...]]

    @classmethod
    def of(cls, acls: Iterable[tuple[str, str, tuple[str, ...] | None]]) -> Privileges:
        """`acls` as in CatalogFacts."""
        objects = {name: (owner, acl) for name, owner, acl in acls}
        columns: dict[TableName, tuple[tuple[str, tuple[str, ...]], ...]] = {}
        for name, (_, acl) in objects.items():
            table = relation_in(name, "table column")
            if table is not None:
                columns[table] = (*columns.get(table, ()), (name, acl or ()))
        return cls(objects, columns)

    def knows(self, subject: Identity) -> bool:
        return any(name in self.objects for name in texts(subject))

    def grants(self, subject: Identity, version_num: int) -> frozenset[Grant] | None:
        """In force on an object and its columns, whoever granted them; None: nothing is known of it."""
        name = next((name for name in texts(subject) if name in self.objects), None)
        if name is None:
            return None
        owner, acl = self.objects[name]
        named = [("", item) for item in in_force(name, owner, acl, version_num)]
        columns = (
            self.columns.get(TableName(schema=subject.names[0], name=subject.names[1]), ())
            if len(subject.names) == 2
            else ()
        )
        return frozenset(
            (part, "*" if item.grantee == owner else item.grantee, letter, grantable)
            for part, text in chain(named, ((column, text) for column, items in columns for text in items))
            for item in [read_acl_item(text)]
            for letter, grantable in item.privileges
        )
