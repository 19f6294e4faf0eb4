"""The components of a project: declarative selectors over typed entries, tables and directories. Pure.

A component is a way of looking; components overlap (a policy is part of `schema` and of `rls_policies`). Nothing is
selected by looking into SQL text. The defaults are those of a Supabase project; configuration may replace them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vault.model import Address, CatalogFacts, SchemaEntry, TableName
from vault.ops.project import supabase

COMPONENTS: Final = (
    "schema",
    "data",
    "users",
    "user_roles",
    "rls_policies",
    "rpc_functions",
    "encryption",
    "migrations",
    "edge_functions",
    "roles",
    "sequences",
    "large_objects",
)

ENCRYPTION_NAMES: Final = (
    r"is_(.*_)?encrypted"
    r"|(en|de|re)crypt(_.*)?"
    r"|.*_(en|de)crypt(ed|ion)?"
    r"|(.*_)?encryption_.*"
)
"""Whole names of functions, case ignored: is_encrypted, encrypt_api_key, decrypt, value_encrypt, get_encryption_key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selectors:
    """What the project calls its things. Each field is a key of `[source.NAME.components]`, with what stands here as default."""

    users_table: TableName = supabase.USERS_TABLE
    role_tables: tuple[TableName, ...] = supabase.USER_ROLE_TABLES
    role_related: tuple[str, ...] = supabase.USER_ROLE_RELATED
    migration_tables: tuple[TableName, ...] = supabase.MIGRATION_TABLES
    history_table: TableName = supabase.HISTORY_TABLE
    platform_schemas: frozenset[str] = supabase.PLATFORM_SCHEMAS
    exposed_schemas: frozenset[str] = supabase.EXPOSED_SCHEMAS
    encryption_names: str = ENCRYPTION_NAMES
    migrations_directory: str = supabase.MIGRATIONS_DIRECTORY
    edge_functions_directory: str = supabase.EDGE_FUNCTIONS_DIRECTORY
    file_tables: tuple[TableName, ...] = supabase.FILE_TABLES
    files_directory: str = supabase.FILES_DIRECTORY
    secret_tables: tuple[TableName, ...] = supabase.SECRET_TABLES

    def is_project_table(self, name: TableName) -> bool:
        """Whether the table counts as one of the project's own."""
        return name == self.users_table or name.schema not in self.platform_schemas

    def is_encryption_name(self, name: str) -> bool:
        return re.fullmatch(self.encryption_names, name, re.IGNORECASE) is not None

    def table_components(self, name: TableName) -> Iterator[str]:
        """Components, besides `schema`, to which the rows of a table belong."""
        yield "data"
        if name.schema == self.users_table.schema and name not in self.migration_tables:
            yield "users"
        schemas = {table.schema for table in self.role_tables}
        if name in self.role_tables or (name.name in self.role_related and name.schema in schemas):
            yield "user_roles"
        if name in self.migration_tables:
            yield "migrations"


SUPABASE: Final = Selectors()

ROUTINES: Final = frozenset({"FUNCTION", "PROCEDURE"})
_CALLERS: Final = frozenset({"trigger", "view", "materialized view"})
POLICIES: Final = frozenset({"POLICY", "ROW SECURITY"})


def is_about_policy(entry: SchemaEntry) -> bool:
    return entry.identity.desc == "COMMENT" and entry.identity.kind == "policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySelector:
    """Decides for entries of one snapshot; `catalog` tells trigger functions from those that can be called."""

    catalog: CatalogFacts
    selectors: Selectors = field(default_factory=Selectors)

    def components(self, entry: SchemaEntry) -> Iterator[str]:
        """Components to which an entry belongs, `schema` first."""
        yield "schema"
        desc = entry.identity.desc
        if desc in POLICIES or is_about_policy(entry):
            yield "rls_policies"
        if self.is_rpc(entry):
            yield "rpc_functions"
        if self.is_encryption(entry):
            yield "encryption"
        if desc.startswith("SEQUENCE"):
            yield "sequences"
        if desc == "TABLE":
            name = TableName(schema=entry.namespace, name=entry.tag)
            yield from (component for component in self.selectors.table_components(name) if component != "data")

    def is_rpc(self, entry: SchemaEntry) -> bool:
        """A function in an exposed schema that is not a trigger's (those have no arguments and cannot be called)."""
        if entry.identity.desc not in ROUTINES or entry.namespace not in self.selectors.exposed_schemas:
            return False
        return bool(entry.identity.args) or (entry.namespace, entry.identity.names[-1]) not in _trigger_functions(
            self.catalog
        )

    def is_encryption(self, entry: SchemaEntry) -> bool:
        """A function with such a name, outside the platform's schemas."""
        identity = entry.identity
        if identity.desc not in ROUTINES or entry.namespace in self.selectors.platform_schemas:
            return False
        return self.selectors.is_encryption_name(identity.names[-1])


def _trigger_functions(catalog: CatalogFacts) -> set[tuple[str, str]]:
    return {(schema, name) for schema, name, arguments, trigger, _ in catalog.functions if trigger and not arguments}


def tables_of(component: str, tables: Iterable[TableName], selectors: Selectors = SUPABASE) -> Iterator[TableName]:
    """Those of `tables` whose rows belong to `component`, in the same order."""
    return (name for name in tables if component in selectors.table_components(name))


def dependents(catalog: CatalogFacts, addresses: Iterable[Address]) -> set[Address]:
    """Triggers and views that depend on one of `addresses`, also through other views."""
    needed_by: dict[Address, list[Address]] = {}
    view_of: dict[Address, Address] = {}
    for dependent, referenced, letter in catalog.edges:
        if letter == "i" and dependent.kind == "rule":
            view_of[dependent] = referenced
        needed_by.setdefault(referenced.whole, []).append(dependent)
    dependents: set[Address] = set()
    left = list(addresses)
    while left:
        for dependent in needed_by.get(left.pop(), ()):
            address = view_of.get(dependent, dependent)
            if address not in dependents and address.kind in _CALLERS:
                dependents.add(address)
                left.append(address)
    return dependents
