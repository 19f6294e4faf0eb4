"""Which object of the database an entry is shown with: what makes it, belongs to it and is said about it stands in one file. Pure.

A table's file has its columns, defaults, keys, indexes, statistics targets, row security, privileges and comments; policies, triggers and
rules have files of their own below its name, as functions, types and all else that has an address do. Nothing is left out: what no rule
knows has a file by its kind and names. Decided from identities and recorded dependencies alone, so a file keeps its place whatever is
beside it. Spec 60-snapshot (identities).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vault.errors import UsageError
from vault.model import Identity, OrderItem
from vault.sql.names import split_name

Home = tuple[str, ...]
"""Folders, each a name of the database or a word of ours, and last what the file is called; nothing is made safe yet."""

DATABASE: Final = ""
"""First word of what is in no schema: no schema has an empty name."""
SCHEMA: Final = "schema"
"""The file of a schema itself, beside the folders of what is in it."""

_RELATIONS: Final[Mapping[str, str]] = {
    "table": "tables",
    "foreign table": "foreign_tables",
    "view": "views",
    "materialized view": "materialized_views",
    "sequence": "sequences",
    "composite type": "types",
}
_BELOW_RELATION: Final[Mapping[str, str]] = {"policy": "policies", "trigger": "triggers", "rule": "rules"}
_PART_OF_RELATION: Final = frozenset({"table constraint", "default value"})
_CALLED: Final[Mapping[str, str]] = {
    "function": "functions",
    "procedure": "procedures",
    "aggregate": "aggregates",
    "operator": "operators",
}
_IN_SCHEMA: Final[Mapping[str, str]] = {
    "collation": "collations",
    "conversion": "conversions",
    "index": "indexes",
    "statistics object": "statistics",
    "text search configuration": "text_search_configurations",
    "text search dictionary": "text_search_dictionaries",
    "text search parser": "text_search_parsers",
    "text search template": "text_search_templates",
}
_BY_METHOD: Final[Mapping[str, str]] = {"operator class": "operator_classes", "operator family": "operator_families"}
_IN_DATABASE: Final[Mapping[str, str]] = {
    "access method": "access_methods",
    "cast": "casts",
    "default acl": "default_privileges",
    "event trigger": "event_triggers",
    "extension": "extensions",
    "foreign-data wrapper": "foreign_data_wrappers",
    "language": "languages",
    "large object": "large_objects",
    "publication": "publications",
    "server": "servers",
    "subscription": "subscriptions",
    "transform": "transforms",
    "user mapping": "user_mappings",
}
_OF_PUBLICATION: Final = frozenset({"publication relation", "publication namespace"})
_TYPES: Final = frozenset({"type", "domain constraint"})
_SETTINGS: Final = frozenset({"ENCODING", "STDSTRINGS", "SEARCHPATH"})
_OF_A_VIEW: Final = "_RETURN"
"""The rule that a view is."""


def homes(items: Sequence[OrderItem]) -> list[Home]:
    """One for each item, in their order. Items of one object have one home."""
    folders = {item.identity.names: _RELATIONS[item.identity.kind] for item in items if _is_relation(item.identity)}
    places = _Places(items, folders)
    return [places.home(at) for at in range(len(items))]


def _is_relation(identity: Identity) -> bool:
    return identity.kind in _RELATIONS and len(identity.names) == 2


class _Places:
    def __init__(self, items: Sequence[OrderItem], folders: Mapping[tuple[str, ...], str]) -> None:
        self._items = items
        self._folders = folders
        self._indexed: dict[tuple[str, ...], Home] = {}
        for at, item in enumerate(items):
            if item.identity.desc == "INDEX":
                self._indexed[item.identity.names] = self._of_index(at)

    def home(self, at: int) -> Home:
        identity = self._items[at].identity
        kind, names, args = identity.kind, identity.address.whole.names, identity.args
        if identity.desc == "INDEX ATTACH":
            return self._of_attachment(at)
        if identity.address.is_column or kind in _PART_OF_RELATION or _is_relation(identity):
            return self._relation(names)
        if kind in _BELOW_RELATION and len(names) == 3:
            if names[2] == _OF_A_VIEW:
                return self._relation(names)
            return names[0], _BELOW_RELATION[kind], names[1], names[2]
        if kind == "index" and names in self._indexed:
            return self._indexed[names]
        if kind in _IN_SCHEMA and len(names) == 2:
            return names[0], _IN_SCHEMA[kind], names[1]
        if kind in _CALLED and len(names) == 2:
            return names[0], _CALLED[kind], called(names[1], args)
        if kind in _BY_METHOD and len(names) == 3:
            return names[1], _BY_METHOD[kind], names[0], names[2]
        if identity.desc == "SHELL TYPE" and not kind:
            return _type(identity.sub)
        if kind in _TYPES and len(names) == 1:
            return _type(names[0])
        if kind == "schema" and len(names) == 1:
            return names[0], SCHEMA
        return DATABASE, *_of_the_database(identity)

    def _relation(self, names: tuple[str, ...]) -> Home:
        return names[0], self._folders.get(names[:2], _RELATIONS["table"]), names[1]

    def _of_index(self, at: int) -> Home:
        """With the relation that it needs; the address of an index does not say which that is."""
        names = self._items[at].identity.names
        for need in self._items[at].needs:
            identity = self._items[need].identity
            if _is_relation(identity) and identity.kind != "sequence" and identity.names[0] == names[0]:
                return self._relation(identity.names)
        return names[0], _IN_SCHEMA["index"], names[-1]

    def _of_attachment(self, at: int) -> Home:
        """With the child's table. An index behind a constraint has the constraint's name and the table's schema."""
        child = self._items[at].identity.names
        for need in self._items[at].needs:
            identity = self._items[need].identity
            if identity.kind == "table constraint" and (identity.names[0], identity.names[-1]) == child:
                return self._relation(identity.names)
        return self._indexed.get(child, (child[0], _IN_SCHEMA["index"], child[-1]))


def called(name: str, args: Sequence[str]) -> str:
    """Overloads are told apart by their arguments, whether there are others or not; brackets are left out where they say nothing."""
    return f"{name}({','.join(map(bare, args))})" if args or "(" in name else name


def bare(printed: str) -> str:
    """A type as people write it: what is built in without its schema. Every other type is printed with one."""
    return printed.removeprefix("pg_catalog.")


def _type(printed: str) -> Home:
    """As format_type prints it: schema and name, each quoted where it is not bare; what is built in has a name alone."""
    try:
        parts = split_name(printed)
    except UsageError:
        parts = [printed]
    return (parts[0], "types", parts[1]) if len(parts) == 2 else (DATABASE, "types", printed)


def _of_the_database(identity: Identity) -> Home:
    """What is in no schema, and what no rule above knows."""
    kind, names, args = identity.kind, identity.names, identity.args
    if kind == "database":
        return ("database",)  # it is the one that was saved, whatever it is called
    if identity.desc == "USER MAPPING" and not kind:
        return _IN_DATABASE["user mapping"], identity.sub.removeprefix("USER MAPPING ")
    if not kind:
        return ("settings",) if identity.desc in _SETTINGS else (identity.desc.lower().replace(" ", "_"), identity.sub)
    if kind in _OF_PUBLICATION and args:
        return _IN_DATABASE["publication"], args[0]
    return _IN_DATABASE.get(kind, kind.replace(" ", "_")), *map(bare, names), *map(bare, args)
