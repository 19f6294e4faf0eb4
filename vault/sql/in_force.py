"""Privileges that an object has, whatever way its catalog writes them: no ACL means the built-in one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from vault.model import Address, TableName
from vault.model.database import Owned
from vault.sql import privileges
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
_WITH_COLUMNS: Final = frozenset({"foreign table", "materialized view", "table", "view"})


def in_force(kind: str, owner: str, *, acl: tuple[str, ...] | None, version_num: int) -> Iterable[str]:
    """The privileges in force on an object of a `kind`, as a server of `version_num` knows them: no ACL means the built-in ones.

    Before 17 an owner could not be without what MAINTAIN is now, so it is not looked at; anybody else's is.
    """
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
"""Name of the column (empty for the object), grantee (empty for PUBLIC, `*` for the owner), letter, whether it may be handed on."""


@dataclass(frozen=True, slots=True)
class Privileges:
    """Those of a snapshot or of a target, by object."""

    objects: Mapping[Address, tuple[str, tuple[str, ...] | None]]
    columns: Mapping[TableName, list[tuple[str, tuple[str, ...]]]]

    @classmethod
    def of(cls, acls: Iterable[Owned]) -> Privileges:
        """`acls` as in CatalogFacts."""
        objects = {address: (owner, acl) for address, owner, acl in acls}
        columns: dict[TableName, list[tuple[str, tuple[str, ...]]]] = {}
        for address, (_, acl) in objects.items():
            if address.is_column:
                columns.setdefault(address.relation, []).append((address.names[-1], acl or ()))
        return cls(objects, columns)

    def knows(self, address: Address) -> bool:
        return address in self.objects

    def grants(self, address: Address, version_num: int) -> frozenset[Grant] | None:
        """In force on an object and its columns, whoever granted them; None: nothing is known of it."""
        if address not in self.objects:
            return None
        owner, acl = self.objects[address]
        named = [("", item) for item in in_force(address.kind, owner, acl=acl, version_num=version_num)]
        columns = self.columns.get(address.relation, []) if address.kind in _WITH_COLUMNS else []
        return frozenset(
            (part, "*" if item.grantee == owner else item.grantee, letter, grantable)
            for part, text in chain(named, ((column, text) for column, items in columns for text in items))
            for item in [read_acl_item(text)]
            for letter, grantable in item.privileges
        )
