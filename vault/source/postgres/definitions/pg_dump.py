"""Definitions: pg_dump's archive, read from its output, as typed entries with identities that survive a dump.

An entry with a catalog id is named by pg_identify_object_as_address; one without (ACL, COMMENT, SEQUENCE OWNED BY, ...) by the
address of the first entry that it depends on, else of the object that its tag names, and its tag; an attachment by the child, and then by the parent. Never by tag
alone [B5]; two entries of one identity are an error. Dump ids and oids leave the entry, so that equal definitions are equal objects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from vault.errors import Incoherent, Malformed, SourceError, Unreachable, Unsupported
from vault.model import Identity, SchemaEntry, Section, State
from vault.model.words import after, ended
from vault.ports import SchemaDump
from vault.source.postgres.connection.connect import Session
from vault.source.postgres.connection.exported_snapshot import Exported
from vault.source.postgres.connection.programs import ChildProcess, Children, Program
from vault.source.postgres.definitions import beyond_pg_dump
from vault.source.postgres.definitions.subjects import Subject, subjects
from vault.sql import archive, attribute_options
from vault.sql.encoding import decode
from vault.sql.names import qualified, quote
from vault.sql.pattern import Selection

ARCHIVE_BYTES_MAX: Final = 1 << 30
READ_BYTES: Final = 1 << 20
SIGNS_OF_CHANGE: Final = ("timeout", "does not exist", "cache lookup failed", "could not open relation")
"""In what pg_dump says when somebody queues for a lock or drops things meanwhile: a new snapshot may succeed."""
SIGNS_OF_LOSS: Final = (
    "server closed the connection unexpectedly",
    "could not receive data from server",
    "could not send data to server",
    "no connection to the server",
    "SSL connection has been closed unexpectedly",
    "terminating connection due to",
    "Connection refused",
)
"""In what pg_dump says when its connection broke, or the server went down. Of its words these alone are passed on: the query says nothing."""
CATALOG_PROC: Final = "1255"
PARTITIONED: Final = ord("p")
ATTACHMENTS: Final = {
    "TABLE ATTACH": ("table", ("TABLE", "FOREIGN TABLE")),
    "INDEX ATTACH": ("index", ("INDEX", "CONSTRAINT")),
}
"""Entry -> kind of what is attached, and entries that may define it or its parent. pg_dump names both in no fixed order."""

_ADDRESSES: Final = """
SELECT x.classid::text, x.objid::text, a.type, a.object_names, a.object_args
  FROM unnest(%s::oid[], %s::oid[]) AS x(classid, objid),
       LATERAL pg_identify_object_as_address(x.classid, x.objid, 0) AS a
"""

_FUNCTIONS: Final = """
SELECT oid::text, pg_get_functiondef(oid) FROM pg_proc WHERE oid = ANY(%s::oid[]) AND prokind <> 'a'
"""

ABOUT: Final = frozenset({"ACL", "COMMENT", "SECURITY LABEL"})
CATALOG_EXTENSION: Final = "3079"


_DATA: Final = """
SELECT coalesce(bool_or(relkind = 'm'), false), coalesce(bool_or(relkind = 'm' AND relname ~ '_seq$'), false),
       count(*) FILTER (WHERE relkind = 'S' AND relname !~ '_seq$'), count(*) FILTER (WHERE relkind = 'S')
  FROM pg_class WHERE relkind IN ('m', 'S')
"""


def unread_data(session: Session) -> tuple[str, int]:
    """A pattern of relations whose rows pg_dump need not think of, or none, and how many sequences it will still read and lock.

    Up to 17 it reads the value of every sequence, and throws it away. The pattern must not match a materialized view: its
    REFRESH would be left out.
    """
    views, alike, others, every = session.row(_DATA, doing="counting sequences")
    if not views:
        return "*.*", 0
    return ("", every) if alike else ("*.*_seq", others)


_WORDS: Final = {"standard_conforming_strings": "on", "quote_all_identifiers": "off"}
"""With the first one off pg_dump doubles every backslash, in comments and whatever else it quotes itself, and a restore would keep both [B9]."""


def variables(connection: Mapping[str, str], odd_words: Sequence[str]) -> dict[str, str]:
    """`connection`, with which pg_dump writes as it does elsewhere: nobody can set anything in its session.

    Only where it must be: a pooler may refuse options at the start of a session [C4].
    """
    options = [f"-c {name}={_WORDS[name]}" for name in odd_words]
    return (
        {**connection, "PGOPTIONS": " ".join([*filter(None, [connection.get("PGOPTIONS")]), *options])}
        if options
        else {**connection}
    )


def start(
    program: Program, children: Children, view: Exported, selection: Selection, *, unread: str, lock_timeout_s: float
) -> ChildProcess:
    """Start pg_dump inside the snapshot; its output is the archive. `unread`: of `unread_data`.

    It locks each table that it describes, so what cannot be read has no definition either; of a sequence it reads the
    value, though that is not asked for here, unless told to leave its data out.
    """
    unreadable = [name for name, state in view.sequences if state is not State.CAPTURED]
    command = [
        str(program.path),
        *(
            "--format=custom",
            "--compress=0",
            "--section=pre-data",
            "--section=post-data",
            "--no-blobs",
            "--no-password",
        ),
        *(f"--snapshot={view.exported}", f"--encoding={view.server.encoding}"),
        f"--lock-wait-timeout={int(lock_timeout_s * 1000)}",
        *selection.options(),
        *(f"--exclude-table={qualified(gone.name)}" for gone in view.unreadable),
        *(f"--exclude-table-data={name}" for name in (unread, *map(qualified, unreadable)) if name),
    ]
    return children.start(command, feed=False)


def collect(raw: bytes, session: Session, encoding: str, scope: beyond_pg_dump.Scope, *, version: int) -> SchemaDump:
    """Turn pg_dump's output into entries, with those that it leaves out. Raises SourceError, Incoherent"""
    try:
        parsed = archive.decode(raw)
    except (Malformed, Unsupported) as error:
        raise SourceError("the output of pg_dump could not be read", why=error.message) from error
    entries = [entry for entry in parsed.entries if entry.section != Section.DATA]
    identities, members = _identities(session, entries, encoding)
    functions = _functions(session, entries)
    places = {entry.dump_id: place for place, entry in enumerate(entries)}
    defined = tuple(
        replace(_entry(entry, identity, encoding), function_definition=functions.get(entry.oid or b"", ""))
        if entry.table_oid == CATALOG_PROC.encode()
        else _entry(entry, identity, encoding)
        for entry, identity in zip(entries, identities, strict=True)
    )
    needs = tuple(
        tuple(sorted({places[int(need)] for need in entry.needs if int(need) in places} | members.get(place, set())))
        for place, entry in enumerate(entries)
    )
    ids = {_catalog_id(entry): place for place, entry in enumerate(entries) if "0" not in _catalog_id(entry)}
    objects = {(int(catalog), int(oid)): place for (catalog, oid), place in ids.items()}
    return beyond_pg_dump.add(
        session, SchemaDump(entries=defined, needs=needs), objects, beyond_pg_dump.read(session, scope, version=version)
    )


def read(child: ChildProcess) -> bytes:
    """pg_dump's output, to its end. Raises SourceError, Incoherent, Unreachable"""
    stream = child.process.stdout
    parts, size = [], 0
    with child.lock:
        while stream is not None and not stream.closed and (part := stream.read(READ_BYTES)):
            parts.append(part)
            size += len(part)
            if size > ARCHIVE_BYTES_MAX:
                raise SourceError("the definitions of the database are larger than 1 GiB")
    code = child.process.wait()
    if code != 0:
        said = child.said()
        lost = [sign for sign in SIGNS_OF_LOSS if sign in said]
        if lost and not any(sign in said for sign in SIGNS_OF_CHANGE):
            raise Unreachable("pg_dump lost its connection to the server while it read the definitions", why=lost[0])
        kind = Incoherent if any(sign in said for sign in SIGNS_OF_CHANGE) else SourceError
        raise kind("pg_dump could not read the definitions", why=said or ended(code), hint=after(code))
    return b"".join(parts)


def _identities(
    session: Session, entries: Sequence[archive.Entry], encoding: str
) -> tuple[list[Identity], dict[int, set[int]]]:
    """One each, in their order; and of entries about members of extensions the place of the extension's entry."""
    addresses = _addresses(session, entries)
    by_dump_id = {entry.dump_id: entry for entry in entries}
    identities = [_identity(entry, addresses, by_dump_id, encoding) for entry in entries]
    members = _name_subjects(session, entries, identities, encoding)
    seen: set[Identity] = set()
    for identity in identities:
        if identity in seen:
            raise SourceError(
                f"two definitions have one identity: {identity.desc} {'.'.join(identity.names)} {identity.sub}",
                why="pgvault cannot tell them apart in a backup",
            )
        seen.add(identity)
    return identities, members


def _name_subjects(
    session: Session, entries: Sequence[archive.Entry], identities: list[Identity], encoding: str
) -> dict[int, set[int]]:
    """Put into `identities` the addresses of what has no entry; returns place -> place of the extension that it belongs to."""
    nameless = {
        place: (_text(entry.namespace, encoding, "an entry"), _text(entry.tag, encoding, "an entry"))
        for place, entry in enumerate(entries)
        if identities[place].desc in ABOUT and not identities[place].kind
    }
    addresses = subjects(session, [*nameless.values()])
    extensions = {
        int(entry.oid or 0): place for place, entry in enumerate(entries) if _catalog_id(entry)[0] == CATALOG_EXTENSION
    }
    members: dict[int, set[int]] = {}
    for place, said in nameless.items():
        if said in addresses:
            (kind, names, args), extension = addresses[said]
            identities[place] = Identity(desc=identities[place].desc, kind=kind, names=names, args=args, sub=said[1])
            if extension in extensions:
                members[place] = {extensions[extension]}
    return members


def _identity(
    entry: archive.Entry,
    addresses: Mapping[tuple[str, str], Subject],
    by_dump_id: Mapping[int, archive.Entry],
    encoding: str,
) -> Identity:
    desc = _text(entry.desc, encoding, "an entry")
    own = addresses.get(_catalog_id(entry))
    if own is not None:
        return Identity(desc=desc, kind=own[0], names=own[1], args=own[2])
    tag = _text(entry.tag, encoding, f"an entry {desc}")
    namespace = _text(entry.namespace, encoding, f"{desc} {tag}")
    needed = [by_dump_id[int(need)] for need in entry.needs if int(need) in by_dump_id]
    if desc in ATTACHMENTS:
        return _attachment(
            desc, (namespace, tag), [(other.desc, addresses.get(_catalog_id(other))) for other in needed]
        )
    for subject in (addresses.get(_catalog_id(other)) for other in needed):
        if subject is not None:
            return Identity(desc=desc, kind=subject[0], names=subject[1], args=subject[2], sub=tag)
    if desc in {"ENCODING", "STDSTRINGS", "SEARCHPATH"}:
        return Identity(desc=desc, kind="", names=())
    return Identity(desc=desc, kind="", names=(), sub=f"{quote(namespace)}.{quote(tag)}" if namespace else tag)


def _attachment(desc: str, child: tuple[str, str], needed: Sequence[tuple[bytes | None, Subject | None]]) -> Identity:
    """Whatever the order of `needed`. An index behind a constraint has the constraint's name and the table's schema."""
    kind, defining = ATTACHMENTS[desc]
    relations = {
        (address[1][0], address[1][-1]): address[0]
        for said, address in needed
        if address is not None and (said or b"").decode("ascii") in defining
    }
    if desc == "TABLE ATTACH":
        kind = relations.get(child, kind)
    parents = sorted(f"{quote(schema)}.{quote(name)}" for schema, name in relations.keys() - {child})
    return Identity(desc=desc, kind=kind, names=child, sub=" ".join(parents))


def _catalog_id(entry: archive.Entry) -> tuple[str, str]:
    return ((entry.table_oid or b"0").decode("ascii"), (entry.oid or b"0").decode("ascii"))


def _addresses(session: Session, entries: Sequence[archive.Entry]) -> dict[tuple[str, str], Subject]:
    wanted = sorted({_catalog_id(entry) for entry in entries if "0" not in _catalog_id(entry)})
    rows = session.rows(
        _ADDRESSES, [[int(key[0]) for key in wanted], [int(key[1]) for key in wanted]], doing="identifying definitions"
    )
    addresses: dict[tuple[str, str], Subject] = {}
    for classid, objid, kind, names, args in rows:
        if kind is None or names is None:
            raise Incoherent(
                "a definition was dropped during the backup", why=f"object {objid} of catalog {classid} is gone"
            )
        addresses[(classid, objid)] = (kind, tuple(names), tuple(args or ()))
    return addresses


def _functions(session: Session, entries: Sequence[archive.Entry]) -> dict[bytes, str]:
    oids = [int(entry.oid) for entry in entries if entry.oid and entry.table_oid == CATALOG_PROC.encode()]
    if not oids:
        return {}
    rows = session.rows(_FUNCTIONS, [oids], doing="reading functions")
    return {oid.encode(): text for oid, text in rows}


def _entry(entry: archive.Entry, identity: Identity, encoding: str) -> SchemaEntry:
    """A partitioned table has no storage: the method of its partitions to come is a statement of its own, as in pg_restore."""
    what = f"{identity.desc} {'.'.join(identity.names)} {identity.sub}".strip()
    definition = _text(entry.definition, encoding, what)
    method = _text(entry.access_method, encoding, what)
    if method and entry.relation_kind == PARTITIONED:
        name = f"{quote(_text(entry.namespace, encoding, what))}.{quote(_text(entry.tag, encoding, what))}"
        definition += f"\nALTER TABLE {name} SET ACCESS METHOD {quote(method)};\n"
        method = ""
    if identity.desc in attribute_options.WITH_COLUMNS:
        definition = attribute_options.as_users_set(definition)
    return SchemaEntry(
        identity=identity,
        section=Section(entry.section),
        tag=_text(entry.tag, encoding, what),
        namespace=_text(entry.namespace, encoding, what),
        owner=_text(entry.owner, encoding, what),
        definition=definition,
        drop=_text(entry.drop, encoding, what),
        tablespace=_text(entry.tablespace, encoding, what),
        table_access_method=method,
    )


def _text(raw: bytes | None, encoding: str, what: str) -> str:
    return decode(raw or b"", encoding, what=what)
