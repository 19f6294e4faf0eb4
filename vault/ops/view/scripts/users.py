"""SQL files of the view that bring back rows of a few tables: users, their roles, applied migrations. Streams.

Each file is one transaction and may run again: a row whose key is there stays as it is. Triggers do not fire, so foreign keys are
checked by the file itself, and a row without its counterpart undoes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from vault.model import SequenceItem, TableItem, TableName
from vault.ops.project.components import Selectors, tables_of
from vault.ops.view.executed.key_checks import check_keys
from vault.ops.view.scripts.parts import foot, head
from vault.pipeline import copytext
from vault.repo.snapshot import Snapshot
from vault.sql.encoding import codec_of
from vault.sql.names import literal, one_line, qualified

_IDENTITIES: Final = "identities"
"""Where the platform keeps how users sign in, beside the users."""

_TIMES: Final = ("timestamp", "date")
_WITHOUT_TIMES: Final = (
    "This table has no column for the time of application, so nothing can say when a migration was applied.",
    "The version, which starts each file's name, is the time at which the migration was written.",
)


def users_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Rows of the users' table and of their identities."""
    what = "Users with their encrypted passwords (hashes, as they were), and how they sign in."
    return rows_script(snapshot, what, users_tables(snapshot, selectors))


def user_roles_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """Rows of the application's role tables."""
    what = "Roles of the application's users: assignments, permissions, trail. Roles of the cluster are in roles.sql."
    return rows_script(snapshot, what, role_tables(snapshot, selectors))


def history_sql(snapshot: Snapshot, selectors: Selectors) -> Iterator[bytes]:
    """The table of applied migrations as INSERT statements."""
    item = snapshot.table(selectors.history_table)
    notes = () if _has_time(item) else _WITHOUT_TIMES
    yield from rows_script(snapshot, f"Applied migrations: the rows of {qualified(item.name)}.", [item], *notes)


def users_tables(snapshot: Snapshot, selectors: Selectors) -> list[TableItem]:
    """Empty if the snapshot has no users."""
    users = selectors.users_table
    wanted = (users, TableName(schema=users.schema, name=_IDENTITIES))
    items = {item.name: item for item in snapshot.tables() if item.name in wanted}
    return [items[name] for name in wanted if name in items] if users in items else []


def role_tables(snapshot: Snapshot, selectors: Selectors) -> list[TableItem]:
    items = {item.name: item for item in snapshot.tables()}
    return [items[name] for name in tables_of("user_roles", items, selectors)]


def rows_script(snapshot: Snapshot, what: str, items: Sequence[TableItem], *notes: str) -> Iterator[bytes]:
    """One transaction that inserts the rows of `items` that are not there."""
    yield head(
        snapshot,
        what,
        *notes,
        "For a database that has these tables: psql -X -d DATABASE -f FILE",
        "One transaction, which may run again: a row whose key is there already stays as it is.",
        "Triggers do not fire (session_replication_role); foreign keys are checked at the end.",
    )
    yield b"BEGIN;\nSET LOCAL session_replication_role = replica;\n"
    database = snapshot.manifest.database
    codec = codec_of(database.server.encoding if database else "UTF8")
    for item in items:
        name = one_line(str(item.name))
        yield f"\n-- {name}\n".encode()
        if not item.key_columns:
            yield b"-- This table has no unique key: running the file again adds its rows once more.\n"
        rows = copytext.to_utf8(copytext.whole_rows(snapshot.rows(item)), codec)
        yield from copytext.inserts(rows, item.name, item.columns, key=item.key_columns)
    yield b"\n"
    for sequence in _sequences(snapshot, [item.name for item in items]):
        yield _at_least(sequence).encode()
    yield f"\n{check_keys(snapshot, [item.name for item in items])}COMMIT;\n".encode()
    yield foot(snapshot)


def _sequences(snapshot: Snapshot, tables: Sequence[TableName]) -> Iterator[SequenceItem]:
    """Sequences of the tables' columns that were used."""
    order = snapshot.order()
    names = {(name.schema, name.name) for name in tables}
    places = {at for at, item in enumerate(order) if item.identity.desc == "TABLE" and item.identity.names in names}
    owned = {
        item.identity.names for item in order if item.identity.desc == "SEQUENCE" and not places.isdisjoint(item.needs)
    }
    for item in snapshot.sequences():
        if item.is_called and (item.name.schema, item.name.name) in owned:
            yield item


def _at_least(item: SequenceItem) -> str:
    name = qualified(item.name)
    setval = f"SELECT pg_catalog.setval({literal(name)}, {item.last_value})"
    return f"{setval} FROM {name} WHERE last_value < {item.last_value};\n"


def _has_time(item: TableItem) -> bool:
    return any(column.type.startswith(_TIMES) for column in item.columns)
