"""Names and texts of the catalogs that are no text in the database's encoding: found first, and named.

SQL_ASCII takes any bytes. The shared catalogs (roles, their comments and settings, tablespaces) hold the bytes of whichever
database wrote them: a role named in a LATIN1 database is no UTF-8, for every other database of the cluster. A definition is
text in a snapshot, so such an object can neither be captured nor left out without a word: the backup refuses and names it
before anything is listed. Rows are bytes, and are never in the way; pg_dump's text (defaults, views) is looked at in `pg_dump`.
"""

from __future__ import annotations

from typing import Final

from vault.errors import SourceError
from vault.source.postgres.connection.connect import Session
from vault.sql.encoding import codec_of, decode

NAMED_MAX: Final = 5
UNCONVERTED: Final = "SQL_ASCII"

_SHARED: Final = """
SELECT 'role ' || rolname, rolname::text FROM pg_roles
UNION ALL SELECT 'comment on role ' || rolname, shobj_description(oid, 'pg_authid') FROM pg_roles
UNION ALL SELECT 'settings of ' || coalesce('role ' || r.rolname, 'the database'), array_to_string(s.setconfig, ' ')
     FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
UNION ALL SELECT 'tablespace ' || spcname, concat_ws(' ', spcname, pg_tablespace_location(oid), array_to_string(spcoptions, ' ')) FROM pg_tablespace
UNION ALL SELECT 'comment on database ' || datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()
"""
_OWN_CATALOGS: Final = (
    *("pg_namespace", "pg_class", "pg_type", "pg_proc", "pg_operator", "pg_opclass", "pg_opfamily", "pg_collation", "pg_conversion"),
    *("pg_constraint", "pg_trigger", "pg_rewrite", "pg_policy", "pg_statistic_ext", "pg_extension", "pg_foreign_data_wrapper"),
    *("pg_foreign_server", "pg_publication", "pg_event_trigger", "pg_language", "pg_am"),
    *("pg_ts_config", "pg_ts_dict", "pg_ts_parser", "pg_ts_template"),
)  # fmt: skip
_HIGH: Final = r"~ '[\x80-\xff]'"
"""In SQL_ASCII a letter is a byte."""
_OWN: Final = "\nUNION ALL ".join(
    [
        *(
            f"SELECT pg_describe_object('{catalog}'::regclass, x.oid, 0), x::text FROM {catalog} AS x WHERE x.oid >= 16384 AND x::text {_HIGH}"
            for catalog in _OWN_CATALOGS
        ),
        f"SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum), attname::text FROM pg_attribute WHERE attnum > 0 AND attname::text {_HIGH}",
        f"SELECT pg_describe_object('pg_type'::regclass, enumtypid, 0), enumlabel::text FROM pg_enum WHERE enumlabel::text {_HIGH}",
        f"SELECT 'comment on ' || pg_describe_object(classoid, objoid, objsubid), description FROM pg_description WHERE description {_HIGH}",
        f"SELECT 'label of ' || pg_describe_object(classoid, objoid, objsubid), label FROM pg_seclabel WHERE label {_HIGH}",
    ]
)


def require(session: Session, encoding: str) -> None:
    """Raises SourceError that names what is no text in `encoding`, the database's. `session` is in no transaction"""
    codec_of(encoding)
    unconverted = _unconverted(session, _SHARED)
    if encoding == UNCONVERTED:
        unconverted += _unconverted(session, _OWN)
    wrong = sorted({_shown(name) for name, value in unconverted if not _is_text(value, encoding)})
    if not wrong:
        return
    more = f", and {len(wrong) - NAMED_MAX} more" if len(wrong) > NAMED_MAX else ""
    raise SourceError(
        f"names or texts in the catalogs are not valid {_meant(encoding)}: {', '.join(wrong[:NAMED_MAX])}{more}",
        why="their bytes were written in another encoding and cannot become text exactly (rows may hold any bytes)",
        hint="rename or rewrite them (ALTER ... RENAME, COMMENT ON) in a session whose client_encoding is the one they are in",
    )


def _unconverted(session: Session, query: str) -> list[tuple[bytes, bytes]]:
    """Names and values as the server holds them: with this client encoding it converts nothing, and psycopg decodes nothing."""
    doing = "looking for bytes that are no text"
    session.run(
        f"BEGIN READ ONLY; SET LOCAL client_encoding = '{UNCONVERTED}'; SET LOCAL search_path = ''", doing=doing
    )
    try:
        return [
            (name, value) for name, value in session.rows(query, doing=doing) if name is not None and value is not None
        ]
    finally:
        session.run("ROLLBACK", doing=doing)


def _is_text(value: bytes, encoding: str) -> bool:
    try:
        decode(value, encoding, what="")
    except SourceError:
        return False
    return True


def _shown(name: bytes) -> str:
    """Bytes that are no UTF-8 as \\xNN, control characters too: it goes to a terminal."""
    text = name.decode("utf-8", errors="backslashreplace")
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _meant(encoding: str) -> str:
    return "UTF-8 (the database is SQL_ASCII, which promises none)" if encoding == UNCONVERTED else encoding
