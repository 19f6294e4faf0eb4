"""What an entry is about where pg_dump does not say: the address of an object that has no entry of its own.

Schema public as initdb makes it, what is built in, and members of extensions have no entry, but privileges, comments and labels
that differ from the usual are entries. Their tag names the object as pg_dump prints names. Spec 60, "Entries about what has none".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from vault.source.postgres.connection.connect import Session

Subject = tuple[str, tuple[str, ...], tuple[str, ...]]
"""Kind, names and arguments of an object's address."""

_WORDS: Final = (
    *("FOREIGN DATA WRAPPER", "FOREIGN SERVER", "AGGREGATE", "COLUMN", "FUNCTION", "LANGUAGE", "PROCEDURE"),
    *("SCHEMA", "SEQUENCE", "TABLE", "TYPE", "VIEW"),
)
"""With which a tag can begin."""

_SUBJECTS: Final = """
WITH wanted AS (
    SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS w(word, schema, name, place)
), found (place, classid, objid) AS (
    SELECT place, 'pg_namespace'::regclass::oid, o.oid FROM wanted JOIN pg_namespace o ON quote_ident(nspname) = name WHERE word = 'SCHEMA'
    UNION ALL
    SELECT place, 'pg_language'::regclass, o.oid FROM wanted JOIN pg_language o ON quote_ident(lanname) = name WHERE word = 'LANGUAGE'
    UNION ALL
    SELECT place, 'pg_foreign_data_wrapper'::regclass, o.oid FROM wanted JOIN pg_foreign_data_wrapper o ON quote_ident(fdwname) = name
     WHERE word = 'FOREIGN DATA WRAPPER'
    UNION ALL
    SELECT place, 'pg_foreign_server'::regclass, o.oid FROM wanted JOIN pg_foreign_server o ON quote_ident(srvname) = name
     WHERE word = 'FOREIGN SERVER'
    UNION ALL
    SELECT place, 'pg_class'::regclass, o.oid FROM wanted JOIN pg_namespace n ON nspname = schema JOIN pg_class o ON relnamespace = n.oid
       AND (quote_ident(relname) = name AND word <> 'COLUMN' OR word = 'COLUMN' AND EXISTS (
           SELECT FROM pg_attribute WHERE attrelid = o.oid AND quote_ident(relname) || '.' || quote_ident(attname) = name))
     WHERE word IN ('TABLE', 'SEQUENCE', 'VIEW', 'COLUMN')
    UNION ALL
    SELECT place, 'pg_type'::regclass, o.oid FROM wanted JOIN pg_namespace n ON nspname = schema
      JOIN pg_type o ON typnamespace = n.oid AND quote_ident(typname) = name WHERE word = 'TYPE'
    UNION ALL
    SELECT place, 'pg_proc'::regclass, o.oid FROM wanted JOIN pg_namespace n ON nspname = schema
      JOIN pg_proc o ON pronamespace = n.oid AND starts_with(name, quote_ident(proname) || '(')
       AND quote_ident(proname) || '(' || pg_get_function_identity_arguments(o.oid) || ')' = name
     WHERE word IN ('FUNCTION', 'PROCEDURE', 'AGGREGATE')
)
SELECT f.place - 1, a.type, a.object_names, a.object_args,
       (SELECT refobjid::int8 FROM pg_depend d WHERE d.classid = f.classid AND d.objid = f.objid AND d.deptype = 'e')
  FROM found f, LATERAL pg_identify_object_as_address(f.classid, f.objid, 0) AS a WHERE a.type IS NOT NULL
"""


def subjects(session: Session, tags: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], tuple[Subject, int | None]]:
    """(schema, tag) -> address, and oid of the extension that it is a member of. What no object answers to is left out."""
    parted = [(schema, tag, *_parted(tag)) for schema, tag in tags]
    columns = [[word for *_, word, _ in parted], [schema for schema, *_ in parted], [name for *_, name in parted]]
    rows = session.rows(_SUBJECTS, columns, doing="identifying what entries are about") if parted else []
    return {
        (parted[place][0], parted[place][1]): ((kind, tuple(names), tuple(args or ())), extension)
        for place, kind, names, args, extension in rows
    }


def _parted(tag: str) -> tuple[str, str]:
    word = next((word for word in _WORDS if tag.startswith(f"{word} ")), "")
    return word, tag[len(word) + 1 :] if word else ""
