"""`[source.NAME]`: the database and the directories of one source, and what its project calls its things."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from vault.app.conninfo import refuse_password
from vault.app.toml.document import Table
from vault.bucket.place import names_bucket
from vault.errors import UsageError

if TYPE_CHECKING:
    from vault.model import TableName
    from vault.ops.project.components import Selectors

SupabaseDatabase = Literal["local", "linked"]
"""Which database of a Supabase project: that of `supabase start`, or that of `supabase link`."""
SUPABASE_DATABASES: Final[tuple[SupabaseDatabase, ...]] = ("local", "linked")

_TABLES = ("include_schemas", "exclude_schemas", "include_tables", "exclude_tables", "exclude_table_data")
_LISTS = (*_TABLES, "exclude", "accepted_gaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Relative directories are relative to the configuration file, in whose `folder` a Supabase project is looked for.

    supabase     which database of that project is meant; excludes `database`
    directories  None where nothing is said of any, which leaves a project's own; a bucket's is its URL
    bucket_profiles  of a directory that is a bucket: the profile of Amazon's files that reaches it
    """

    database: str | None = None
    supabase: SupabaseDatabase | None = None
    folder: Path | None = None
    directories: Mapping[str, str] | None = None
    include_schemas: tuple[str, ...] = ()
    exclude_schemas: tuple[str, ...] = ()
    include_tables: tuple[str, ...] = ()
    exclude_tables: tuple[str, ...] = ()
    exclude_table_data: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    accepted_gaps: tuple[str, ...] = ()
    components: Selectors | None = None
    bucket_profiles: Mapping[str, str] = field(default_factory=dict)


def read_source(section: Table) -> SourceSettings:
    section.only("database", "supabase", "directories", "bucket_profiles", "components", *_LISTS)
    supabase = section.word("supabase", SUPABASE_DATABASES)
    if supabase is not None and "database" in section.values:
        section.refuse(
            "database", f"{section.full('database')} and supabase exclude each other", hint="remove one of them"
        )
    return SourceSettings(
        database=section.read("database", section.text("database"), lambda text: _without_password(section, text)),
        supabase=supabase,
        folder=section.document.path.absolute().parent if supabase is not None else None,
        directories=_directories(section.table("directories")) if "directories" in section.values else None,
        bucket_profiles=_profiles(section.table("bucket_profiles")) if "bucket_profiles" in section.values else {},
        components=_selectors(section.table("components")) if "components" in section.values else None,
        **{name: section.texts(name) for name in _LISTS},
    )


def _directories(section: Table) -> dict[str, str]:
    found = {name: _bucket(section, name) or section.path(name) for name in section.values}
    return {name: path for name, path in found.items() if path is not None}


def _bucket(section: Table, name: str) -> str | None:
    """The URL of a bucket, as it stands; None for a path."""
    value = section.values[name]
    return value if isinstance(value, str) and names_bucket(value) else None


def _profiles(section: Table) -> dict[str, str]:
    found = {name: section.text(name) for name in section.values}
    return {name: profile for name, profile in found.items() if profile}


def _without_password(section: Table, text: str) -> str:
    refuse_password(text, where=section.full("database"))
    return text


def _selectors(section: Table) -> Selectors:
    from vault.ops.project.components import SUPABASE, Selectors

    section.only(*Selectors.__dataclass_fields__)
    known = [key for key in section.values if key in Selectors.__dataclass_fields__]
    values: dict[str, Any] = {key: _selector(section, key, getattr(SUPABASE, key)) for key in known}
    return replace(SUPABASE, **{key: value for key, value in values.items() if value is not None})


def _selector(section: Table, key: str, default: object) -> object:
    """A value of the default's type, None if it is wrong. Table names follow psql's rules."""
    from vault.model import TableName

    if isinstance(default, TableName):
        return section.read(key, section.text(key), lambda text: _table_name(section.full(key), text))
    if isinstance(default, str):
        text = section.text(key)
        return (
            section.read(key, text, lambda text: _expression(section.full(key), text))
            if key == "encryption_names"
            else text
        )
    texts = section.texts(key)
    if isinstance(default, frozenset):
        return frozenset(texts)
    if isinstance(default, tuple) and isinstance(default[0], TableName):
        return section.read(key, texts, lambda texts: tuple(_table_name(section.full(key), text) for text in texts))
    return texts


def _table_name(name: str, text: str) -> TableName:
    from vault.model import TableName
    from vault.sql.names import split_name

    try:
        schema, table = split_name(text)
    except (UsageError, ValueError):
        raise UsageError(f"{name} must be SCHEMA.TABLE, with double quotes as in SQL") from None
    return TableName(schema=schema, name=table)


def _expression(name: str, text: str) -> str:
    try:
        re.compile(text)
    except re.error:
        raise UsageError(f"{name} must be a regular expression of Python") from None
    return text
