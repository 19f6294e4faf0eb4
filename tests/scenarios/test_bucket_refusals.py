"""What storage refuses, and what is wrong with the way to it: told with a reason and what to type, by the exit code of its kind."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bucket_programs import program_of
from tests.bucket_servers import KEY_ID, SECRET, BucketServer
from tests.cli.command import Command
from tests.fake_source import FakeDatabase
from tests.fix_buckets import BucketServers
from tests.http_front import Connection, Forward, Front, Message, answer
from tests.small_repository import PASSPHRASE, damage, new_repository, opened, rows, take
from vault.app.settings import Settings
from vault.app.wiring import open_store, refuse_taken
from vault.cli.exit_codes import ExitCode, exit_code_of
from vault.errors import NotFound, StoreDenied, VaultError
from vault.ports import ObjectStore
from vault.repo.state import Closed
from vault.store.memory import MemoryStore


def store_of(url: str, environment: Mapping[str, str]) -> ObjectStore:
    return open_store(Settings(repository=url, environment=environment))


def refused(url: str, environment: Mapping[str, str]) -> VaultError:
    """Of opening, or of reading a file, or of looking for a place to make a repository: the same."""
    with pytest.raises(VaultError) as caught:
        store_of(url, environment).get("config")
    with pytest.raises(type(caught.value)):
        refuse_taken(Settings(repository=url, environment=environment))
    error = caught.value
    assert error.why
    assert error.hint
    assert SECRET not in f"{error.message} {error.why} {error.hint} {error.args}"
    return error


def exit_code(error: VaultError) -> ExitCode:
    return exit_code_of(type(error))


@pytest.fixture(scope="module")
def gateway(bucket_servers: BucketServers) -> BucketServer:
    """One that checks signatures and rights."""
    return bucket_servers["versitygw"]


def test_a_bucket_that_is_not_there_is_no_repository(bucket_server: BucketServer) -> None:
    if bucket_server.kind == "fake-gcs":
        pytest.skip("it says of a bucket what it says of an object")
    url = f"{bucket_server.scheme}://bucket-of-nobody/x"
    error = refused(url, bucket_server.environment)
    assert (exit_code(error), "no such bucket" in error.why) == (ExitCode.NO_REPOSITORY, True)
    assert bucket_server.endpoint in error.why
    with pytest.raises(type(error)):
        store_of(url, bucket_server.environment).put("config", b"")
    with pytest.raises(type(error)):
        list(store_of(url, bucket_server.environment).list(""))


def test_a_bucket_that_goes_away_meanwhile_is_told(s3_server: BucketServer) -> None:
    url = s3_server.new_bucket()
    store = store_of(url, s3_server.environment)
    store.put("config", b"x")
    store.delete("config")
    s3_server.s3().delete_bucket(Bucket=url.partition("://")[2])
    calls = (lambda: store.put("config", b""), lambda: store.get("config"), lambda: list(store.list("packs/")))
    for call in calls:
        with pytest.raises(VaultError) as caught:
            call()
        assert exit_code(caught.value) is ExitCode.NO_REPOSITORY


@pytest.mark.parametrize(
    ("variables", "word"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "another-secret"}, "secret"),
        ({"AWS_ACCESS_KEY_ID": "NOBODY"}, "not know"),
        ({"AWS_SESSION_TOKEN": "a-token"}, "not know"),
        ({"AWS_REGION": "eu-central-1"}, "region"),
    ],
)
def test_wrong_keys_and_a_wrong_region_are_told(gateway: BucketServer, variables: dict[str, str], word: str) -> None:
    error = refused(gateway.new_bucket() + "/x", {**gateway.environment, **variables})
    assert (exit_code(error), word in error.why) == (ExitCode.STORAGE, True), error.why
    assert "another-secret" not in f"{error.why}{error.hint}"
    assert error.why.endswith("(from AWS_ACCESS_KEY_ID)") or "AWS_REGION" in variables
    if "AWS_REGION" in variables:
        assert error.hint == "export AWS_REGION=us-east-1"


# --- rights --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def somebody(gateway: BucketServer) -> dict[str, str]:
    """Variables of an account that owns nothing."""
    words = (
        "admin",
        "--access",
        KEY_ID,
        "--secret",
        SECRET,
        "--region",
        "us-east-1",
        "--endpoint-url",
        gateway.endpoint,
    )
    user = ("create-user", "--access", "somebody", "--secret", "secret-of-somebody", "--role", "user")
    subprocess.run([str(program_of("versitygw")), *words, *user], check=True, capture_output=True)
    keys = {"AWS_ACCESS_KEY_ID": "somebody", "AWS_SECRET_ACCESS_KEY": "secret-of-somebody"}
    return {**gateway.environment, **keys}


def bucket_for(gateway: BucketServer, *actions: str) -> str:
    """URL in a bucket in which somebody may do this alone."""
    url = gateway.new_bucket()
    name = url.partition("://")[2]
    own, below = f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"
    statements = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["somebody"]},
            "Action": f"s3:{action}",
            "Resource": own if action == "ListBucket" else below,
        }
        for action in actions
    ]
    gateway.s3().put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return f"{url}/x"


@pytest.mark.parametrize(
    ("missing", "allowed"),
    [
        ("GetObject", ("ListBucket", "PutObject", "DeleteObject")),
        ("ListBucket", ("GetObject", "PutObject", "DeleteObject")),
        ("PutObject", ("ListBucket", "GetObject", "DeleteObject")),
        ("DeleteObject", ("ListBucket", "GetObject", "PutObject")),
    ],
)
def test_a_right_that_is_missing_is_told_by_the_call_that_needs_it(
    gateway: BucketServer, somebody: dict[str, str], missing: str, allowed: tuple[str, ...]
) -> None:
    url = bucket_for(gateway, *allowed)
    store_of(url, gateway.environment).put("packs/a", b"1")
    store = store_of(url, somebody)
    calls: dict[str, Callable[[], object]] = {
        "PutObject": lambda: store.put("packs/b", b"2"),
        "GetObject": lambda: store.get("packs/a"),
        "ListBucket": lambda: list(store.list("packs/")),
        "DeleteObject": lambda: store.delete("packs/a", "packs/b"),
    }
    for action, call in calls.items():
        if action == missing:
            with pytest.raises(StoreDenied) as caught:
                call()
            assert exit_code(caught.value) is ExitCode.STORAGE
            assert "right" in caught.value.why
        else:
            call()


# --- the way to it -------------------------------------------------------------------------------


class Page(http.server.BaseHTTPRequestHandler):
    """A web server that has a page for everything that it is asked for."""

    status = 200

    def do_GET(self) -> None:
        body = b"<!DOCTYPE html>\n<html><head><meta charset=utf-8></head><body>Welcome</body></html>"
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Last-Modified", "Mon, 30 Nov 2026 10:00:00 GMT")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("status", [200, 404, 403])
def test_what_is_no_object_storage_is_told(s3_server: BucketServer, status: int) -> None:
    page = type("PageOf", (Page,), {"status": status})
    with served(page) as address:
        error = refused("s3://bucket-1/x", {**s3_server.environment, "AWS_ENDPOINT_URL": f"http://{address}"})
    assert (exit_code(error), "no object storage" in error.why) == (ExitCode.STORAGE, True)


def test_nobody_at_the_endpoint_is_told(s3_server: BucketServer) -> None:
    error = refused("s3://bucket-1/x", {**s3_server.environment, "AWS_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (exit_code(error), error.why) == (
        ExitCode.STORAGE,
        "nothing listens there; asked was http://127.0.0.1:1 (AWS_ENDPOINT_URL)",
    )


@contextmanager
def answering(server: BucketServer, status: int, code: str, method: str = "") -> Iterator[BucketServer]:
    """The server behind one that gives this answer to requests of that method, or to all."""
    body = f"<Error><Code>{code}</Code><Message>Said by the test.</Message></Error>".encode()

    def handle(request: Message, forward: Forward, connection: Connection) -> None:
        made_up = method in ("", request.method)
        said = answer(status, body, Content_Type="application/xml") if made_up else forward(request)
        connection.send(said.head() + (b"" if request.method == "HEAD" else said.body))

    with Front(server.endpoint, handle) as front:
        yield server.at(front.endpoint)


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (400, "ExpiredToken", "expired"),
        (403, "RequestTimeTooSkewed", "clock"),
        (403, "AccessDenied", "right"),
        (403, "AllAccessDisabled", "right"),
        (403, "InvalidObjectState", "archive"),
    ],
)
def test_what_a_provider_says_is_told(s3_server: BucketServer, status: int, code: str, word: str) -> None:
    with answering(s3_server, status, code) as behind:
        error = refused("s3://bucket-1/x", behind.environment)
    assert (exit_code(error), word in error.why) == (ExitCode.STORAGE, True), error.why
    assert "Said by the test." in error.why


@pytest.mark.parametrize(("status", "code"), [(403, "QuotaExceeded"), (507, "XMinioStorageFull")])
def test_a_quota_that_is_used_up_stops_what_is_written_alone(s3_server: BucketServer, status: int, code: str) -> None:
    url = s3_server.new_bucket()
    store_of(url, s3_server.environment).put("packs/a", b"1")
    with answering(s3_server, status, code, method="PUT") as behind:
        store = store_of(url, behind.environment)
        with pytest.raises(VaultError) as caught:
            store.put("packs/b", b"2")
        assert (caught.value.code, exit_code(caught.value)) == ("STORE_FULL", ExitCode.STORAGE)
        assert store.get("packs/a") == b"1"
        with pytest.raises(NotFound):
            store.get("packs/b")


class NothingHere(Page):
    """Storage in which there is nothing."""

    def do_GET(self) -> None:
        body = b"<Error><Code>NoSuchKey</Code><Message>Not here.</Message></Error>"
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


def certified(place: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 by an authority of its own, and the authority's."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=place, check=True, capture_output=True)

    ec = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *ec, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *ec, "-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "request.pem")
    (place / "extensions").write_text("subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n", encoding="ascii")
    by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
    openssl("x509", "-req", "-in", "request.pem", *by, "-out", "certificate.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place / "certificate.pem", place / "key.pem")
    return place / "ca.pem", context


def test_a_certificate_of_ones_own_is_trusted_where_it_is_named(s3_server: BucketServer, tmp_path: Path) -> None:
    authority, context = certified(tmp_path)
    with served(NothingHere, context) as address:
        environment = {**s3_server.environment, "AWS_ENDPOINT_URL": f"https://{address}"}
        error = refused("s3://bucket-1/x", environment)
        assert (exit_code(error), "certificate" in error.why) == (ExitCode.STORAGE, True), error.why
        assert "AWS_CA_BUNDLE" in error.hint
        for variable in ("AWS_CA_BUNDLE", "PGVAULT_CA_BUNDLE"):
            with pytest.raises(NotFound):
                store_of("s3://bucket-1/x", {**environment, variable: str(authority)}).get("config")


def test_plain_http_to_elsewhere_is_refused(s3_server: BucketServer) -> None:
    error = refused("s3://bucket-1/x", {**s3_server.environment, "AWS_ENDPOINT_URL": "http://192.0.2.1:9000"})
    assert exit_code(error) is ExitCode.UNSAFE


def test_without_the_extra_it_is_told_what_to_install(s3_server: BucketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    error = refused("s3://bucket-1/x", s3_server.environment)
    assert (exit_code(error), "pgvault[s3]" in error.hint) == (ExitCode.USAGE, True)


# --- what another tool copied ------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["config", "packs/", "index/", "snapshots/", "keys/"])
def test_a_repository_that_was_copied_in_part_is_told(s3_server: BucketServer, missing: str) -> None:
    behind = MemoryStore()
    take(new_repository(behind), FakeDatabase(tables={"public.t": [rows(1, 300)]}))
    url = s3_server.new_bucket() + "/copied"
    store = store_of(url, s3_server.environment)
    for name, data in behind.files.items():
        if not name.startswith(missing):
            store.put(name, data)
    if missing in ("config", "keys/"):
        with pytest.raises(VaultError) as caught:
            Closed(store).open(PASSPHRASE)
        assert caught.value.why or caught.value.hint
    elif missing == "snapshots/":
        assert opened(store).snapshots() == []
    else:
        assert damage(opened(store))


# --- without the right to delete ---------------------------------------------------------------------


def test_without_the_right_to_delete_nothing_fails_and_what_stays_is_told(
    gateway: BucketServer, somebody: dict[str, str], tmp_path: Path
) -> None:
    url = bucket_for(gateway, "ListBucket", "GetObject", "PutObject")
    pgvault = Command(home=tmp_path, environment={**somebody, "PGVAULT_REPOSITORY": url})
    (tmp_path / "files").mkdir()
    for words in (
        ("init", "--no-recovery-kit"),
        ("backup", "--dir", "files=files"),
        ("backup", "--dir", "files=files"),
        ("prune", "--min-age", "0"),
        ("check", "--read-data"),
    ):
        done = pgvault(*words)
        assert done.code == 0, done.err
        assert ("leases/" in done.err) == (words[0] in ("backup", "prune")), done.err
    refused = pgvault("unlock")
    assert (refused.code, "right" in refused.err) == (15, True), "whoever asks for a removal is refused"
