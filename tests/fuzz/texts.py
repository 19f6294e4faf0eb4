"""What reads text of others: pg_dump's archive, COPY text, answers of object storage, configuration, names and privileges."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from tests.fuzz.target import Target, accepted, drawn
from tests.unit.sql.test_archive import archives
from vault.app import conninfo
from vault.app.settings.load import _with_file
from vault.app.settings.values import Settings
from vault.app.toml.document import Document, read_document
from vault.bucket import errors as storage_errors
from vault.bucket.connections import Answer
from vault.bucket.listing import header_time_ns, read_buckets, read_page
from vault.bucket.multipart import is_completed
from vault.errors import IntegrityError, Malformed, UsageError, VaultError
from vault.model import ChunkList, Column, LargeObjectItem, TableName, read_address
from vault.model.files import path_text
from vault.model.object_keys import key_of, path_of
from vault.ops.view.paths import read_path
from vault.pipeline import copytext
from vault.source.files.exclude import Exclude
from vault.source.postgres.connection.resolve import resolve
from vault.sql import archive, attribute_options, statements
from vault.sql.names import outside_quotes, show_name, split_name, words

SECRETS: Final = {"password", "sslpassword", "oauth_client_secret"}
"""Settings of libpq that hold one."""
SECRET_CHARS_MIN: Final = 4
"""A shorter one is found by chance in what is shown instead of it."""
SCRATCH: Final = Path("/dev/shm") if Path("/dev/shm").is_dir() else Path("/tmp")


def texts() -> Iterator[Target]:
    yield Target(name="archive", run=pg_dump_archive, seeds=_archives)
    yield Target(name="copy text", run=copy_text, seeds=lambda: COPY_SEEDS)
    yield Target(name="listing", run=listing, seeds=lambda: LISTING_SEEDS)
    yield Target(name="storage words", run=storage_words, seeds=lambda: STORAGE_SEEDS)
    yield Target(name="toml", run=configuration, seeds=lambda: TOML_SEEDS)
    yield Target(name="connection strings", run=connection_string, seeds=lambda: CONNECTION_SEEDS)
    yield Target(name="names", run=names, seeds=lambda: NAME_SEEDS)
    yield Target(name="privileges", run=privileges, seeds=lambda: [b"a=rw*/b", b'"a ""b"=w/"c"', b"=r/p", b"a=Q/b"])
    yield Target(
        name="paths", run=paths, seeds=lambda: [b"a/b", b"a//b%/..", b"%41%zz", b"a~%" + b"x" * 300, b"\xff\x00"]
    )
    yield Target(name="excludes", run=excludes, seeds=lambda: [b"*.log", b"!/a/**/b", b"[!a-z[:digit:]]\\*", b"x/"])


# --- archives of pg_dump ---------------------------------------------------------------------------


def _archives() -> list[bytes]:
    return [
        data
        for version in ((1, 12), (1, 14), (1, 15), (1, 16))
        for data in drawn(archives(version), archive.encode, count=6)
    ]


def pg_dump_archive(data: bytes) -> None:
    try:
        found = archive.decode(data)
    except VaultError:
        return
    if found.header.format == archive.CUSTOM:
        made = archive.encode(found)
        assert made == data[: len(made)], "another archive than was read"


# --- COPY text -------------------------------------------------------------------------------------

COLUMNS: Final = tuple(
    Column(name=name, type=kind, attnum=number)
    for number, (name, kind) in enumerate(
        [
            ("n", "integer"),
            ('t "x", é', "text"),
            ("b", "boolean"),
            ("j", "jsonb"),
            ("d", "timestamp(3) with time zone"),
        ],
        1,
    )
)
TABLE: Final = TableName(schema="s", name='odd "t"')
COPY_SEEDS: Final = [
    b'\x00' + b"1\ta,b\tt\t{}\t2025-01-01\n\\N\t\\N\t\\N\t\\N\t\\N\n",
    b'\x21' + b'-1\t"q"\tf\t[1, "\\\\n"]\t\n',
    b"\x04" + b"\\.\n\n\\\\x\n\\\n",
    b"\x43" + b"a\\tb\\nc\\r\\b\\f\\v\\x41\\101\t\n",
]  # fmt: skip


def copy_text(data: bytes) -> None:
    """The first byte says how many columns there are, and where blocks end. Output is the same however it is cut, and reads back."""
    if not data:
        return
    columns, step, text = COLUMNS[: data[0] % 6], 1 + data[0] // 6, data[1:]
    whole = {form: _rendered(form, [text], columns) for form in copytext.FORMATS}
    cut = [text[at : at + step] for at in range(0, len(text), step)]
    for form, rendered in whole.items():
        again = _rendered(form, cut, columns)
        refused = isinstance(rendered, VaultError)  # for the first of several reasons, which may be another
        assert refused == isinstance(again, VaultError), "refused or not by where it is cut"
        assert isinstance(rendered, VaultError) or rendered == again or form == "sql", "another text by where it is cut"
    if columns and isinstance(whole["csv"], bytes):
        _reads_back(text, whole["csv"], len(columns))
    if isinstance(whole["jsonl"], bytes) and not any(column.type == "jsonb" for column in columns):
        for line in whole["jsonl"].decode().split("\n")[:-1]:
            assert isinstance(json.loads(line), dict)


def _rendered(form: str, blocks: list[bytes], columns: tuple[Column, ...]) -> bytes | VaultError:
    try:
        return b"".join(copytext.render(form, blocks, TABLE, columns))
    except (Malformed, UsageError) as error:
        return error


def _reads_back(text: bytes, rendered: bytes, count: int) -> None:
    """As a reader of CSV takes it, which cannot tell NULL from empty, nor a line of one empty value from none."""
    if count == 1:
        return
    fields = [line.split(b"\t") for line in text.split(b"\n")[:-1]]
    plain = [["" if one == b"\\N" else copytext.unescape(one).decode("latin-1") for one in row] for row in fields]
    if any("\r" in value or "\0" in value for row in plain for value in row):
        return
    read = list(csv.reader(io.StringIO(rendered.decode("latin-1"), newline=""), strict=True))[1:]
    assert read == plain


# --- object storage --------------------------------------------------------------------------------

_CONTENTS: Final = (
    b"<Contents><Key>p/a</Key><LastModified>2026-11-30T09:57:28.123Z</LastModified><ETag>&quot;abc&quot;</ETag>"
    b"<Size>5</Size></Contents>"
)
LISTING_SEEDS: Final = [
    b"<ListBucketResult>" + _CONTENTS + b"</ListBucketResult>",
    b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
    b"<NextContinuationToken>t</NextContinuationToken>"
    + _CONTENTS.replace(b"p/a", b"p%2Fa+b")
    + b"</ListBucketResult>",
    b"<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>",
    b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
    b"Mon, 30 Nov 2026 09:57:28 GMT",
    b'<!DOCTYPE l [<!ENTITY a "aaaa">]><ListBucketResult>&a;</ListBucketResult>',
]


def listing(data: bytes) -> None:
    for read in (lambda: read_page(data, b""), lambda: read_page(data, b"p/"), lambda: read_buckets(data)):
        try:
            read()
        except ValueError:
            continue
    is_completed(Answer(status=200, headers={}, body=data))
    header_time_ns(data.decode("latin-1"))


STORAGE_SEEDS: Final = [
    b"Generic S3 error: Server returned non-2xx status code: 403: <Error><Code>AccessDenied</Code><Message>\x1b[31m</Message></Error>",
    b"Object at location x not found: 404 HEAD",
    b"HTTP error: kind: Timeout",
    b'{"error": {"code": 403, "message": "no"}}',
]


def storage_words(data: bytes) -> None:
    """Whatever a storage says becomes an error of ours, in which a terminal finds nothing to obey."""
    text = data.decode("utf-8", "replace")
    error = storage_errors.translate(text, "cannot get x", kind="GenericError", file="x")
    assert isinstance(error, VaultError)
    assert f"{error.message}{error.why}{error.hint}".isprintable()
    storage_errors.unanswered(text)
    storage_errors.broke_off(text)
    storage_errors.conditions_unknown(text)


# --- configuration ---------------------------------------------------------------------------------

TOML_SEEDS: Final = [
    b'version = 1\n[repository]\nurl = "s3://b/p"\npassword_file = "~/x"\n[retention]\nkeep_daily = 7\ntimezone = "UTC"\n',
    b'[source.app]\ndatabase = "postgres://h/d"\ndirectories = { lib = "./lib" }\n[source.app.components]\nusers_table = "auth.users"\n',
    b'[guard]\n[signals]\n[schedule]\nbackup = "daily"\n[background]\n[drill]\nassertions = ["select true"]\n',
    b'x = """a\n"""\n[[t]]\na.b = [{c = 1}, 2]\n',
]


def configuration(data: bytes) -> None:
    """A file has mistakes that are told, with a line, and nothing else."""
    path = SCRATCH / f"pgvault-fuzz-{os.getpid()}.toml"
    path.write_bytes(data)
    try:
        document = read_document(path)
    finally:
        path.unlink()
    settings_of(document)
    for line in document.lines.values():
        assert 1 <= line <= data.count(b"\n") + 1


def settings_of(document: Document) -> None:
    try:
        _with_file(Settings(environment={}), document)
    except VaultError:
        return
    assert all(problem.message for problem in document.problems)


CONNECTION_SEEDS: Final = [
    b"postgresql://me:sEcret%20one@[::1]:5433,h:5432/db?sslmode=require&password=sEcret-two",
    b"postgres://postgres.abc:sEcret@aws-0.pooler.supabase.com:6543/postgres",
    b"host=h,i port=1,2 user = 'a b' password='s\\'Ecret' dbname=x",
    b"dbname='postgres://u:sEcret@h/d' sslpassword = sEcret",
    b"just_a_name",
]


def connection_string(data: bytes) -> None:
    """What libpq takes for a secret is refused, and not shown either, but in a URL with blanks: in a sentence, that ends there."""
    text = data.decode("utf-8", "replace").replace("\0", "")
    conninfo.client_words(text)
    conninfo.project_of(text, {})
    conninfo.place_of(text, {})
    shown = conninfo.redacted(text)
    if not accepted(partial(resolve, environment={}, allow_cleartext=True), conninfo.as_conninfo(text), UsageError):
        return
    understood = conninfo_to_dict(conninfo.as_conninfo(text))
    secrets = [str(value) for key, value in understood.items() if key in SECRETS and value]
    refused = not accepted(partial(conninfo.refuse_password, where="-d"), text, UsageError)
    assert refused or not secrets
    for secret in secrets if "://" not in text or len(text.split()) == 1 else ():
        assert len(secret) < SECRET_CHARS_MIN or text.count(secret) != 1 or secret not in shown


# --- names, privileges, paths ----------------------------------------------------------------------

NAME_SEEDS: Final = [
    b'public."a ""b".c', b"function public.f(integer,\"x,y\")", b"policy p on s.t", b"operator s.+(a,b)",
    b"ALTER TABLE ONLY a.b ALTER COLUMN c SET (n_distinct=5);", b"$a$;$a$ /* /* */ */ -- x\n; E'\\''",
]  # fmt: skip


def names(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        parts = split_name(text)
    except UsageError:
        parts = []
    if len(parts) == 2:
        assert split_name(show_name(TableName(schema=parts[0], name=parts[1]))) == parts
    assert read_address(text).printed == text
    assert "".join(attribute_options.statements(text)) == text
    attribute_options.as_users_set(text)
    list(words(text))
    outside_quotes(text)


def privileges(data: bytes) -> None:
    item = LargeObjectItem(
        oid=1, owner="o", acl=tuple(data.decode("utf-8", "replace").split("\n")), comment=None, size=0, chunks=ChunkList()
    )  # fmt: skip
    try:
        statements.large_object_access(item)
    except IntegrityError:
        return


def paths(data: bytes) -> None:
    for folder in (False, True):
        assert key_of(path_of(data, folder=folder)) == data
    assert read_path(path_text(data)) == data


def excludes(data: bytes) -> None:
    try:
        Exclude([os.fsdecode(data)])
    except UsageError:
        return
