"""Real servers of buckets on loopback: `moto()`, `versitygw()`, `azurite()`, `fake_gcs()`, each a context manager.

    with moto() as server:
        repository = server.new_bucket() + "/prefix"     # s3://bucket-1/prefix
        ... with the variables of server.environment ...

Each is a process on a free port, with its files in a temporary directory, and gone at the end. moto comes by pip and is always
there; the others are those of bucket_programs.py, and raise LookupError without it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

from tests.bucket_programs import program_of
from tests.http_front import Connection, Forward, Front, Message, answer

MOTO_PROGRAM: Final = Path(__file__).with_name("moto_server.py")
START_TIMEOUT_S: Final = 60
ATTEMPTS: Final = 3
KEY_ID: Final = "PGVAULTTESTKEY"
SECRET: Final = "secret-of-the-tests-and-of-nothing-else"
REGION: Final = "us-east-1"
AZURE_ACCOUNT: Final = "devstoreaccount1"
AZURE_KEY: Final = base64.b64encode(b"key of the tests and of nothing else, 64 bytes long, of azurite.").decode()
SCHEMES: Final = {"moto": "s3", "versitygw": "s3", "azurite": "az", "fake-gcs": "gs"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketServer:
    """`environment`: what a user would set to reach it. `directory`: the server's own, where its files lie if it has any."""

    kind: str
    endpoint: str
    environment: Mapping[str, str]
    directory: Path
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def scheme(self) -> str:
        return SCHEMES[self.kind]

    def new_bucket(self, **options: Any) -> str:
        """URL of a bucket that nobody else has; `options` are those of S3's CreateBucket."""
        name = f"bucket-{os.getpid()}-{next(self.numbers)}"
        CREATE[self.scheme](self, name, options)
        return f"{self.scheme}://{name}"

    def at(self, endpoint: str) -> BucketServer:
        """The same server, reached through something in front of it."""
        environment = {name: value.replace(self.endpoint, endpoint) for name, value in self.environment.items()}
        return replace(self, endpoint=endpoint, environment=environment)

    def s3(self, **credentials: str) -> Any:
        """Amazon's own client, for what only an administrator does: versions, locks, policies, accounts."""
        import boto3  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        given = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, **credentials}
        settings = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, proxies={})
        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, config=settings, **given)


@contextmanager
def moto(**settings: str) -> Iterator[BucketServer]:
    """Amazon's S3 as far as moto knows it, in memory, one request after the other; `settings` are variables of its own."""

    def command(port: int, directory: Path) -> Sequence[str]:
        return (sys.executable, str(MOTO_PROGRAM), "-H", "127.0.0.1", "-p", str(port))

    with _running("moto", command, settings) as (endpoint, directory):
        yield BucketServer(kind="moto", endpoint=endpoint, environment=_amazon(endpoint), directory=directory)


@contextmanager
def versitygw(*options: str) -> Iterator[BucketServer]:
    """A gateway that keeps a bucket as a directory in `directory / "data"`, versions beside it; `options` are its global ones."""
    program = _program("versitygw")

    def command(port: int, directory: Path) -> Sequence[str]:
        for name in ("data", "versions", "accounts"):
            (directory / name).mkdir(exist_ok=True)
        listening = ("--port", f"127.0.0.1:{port}", "--keep-alive", "--quiet", "--iam-dir", str(directory / "accounts"))
        keys = ("--access", KEY_ID, "--secret", SECRET, "--region", REGION)
        kept = ("posix", "--versioning-dir", str(directory / "versions"), str(directory / "data"))
        return (program, *listening, *keys, *options, *kept)

    with _running("versitygw", command, {}) as (endpoint, directory):
        yield BucketServer(kind="versitygw", endpoint=endpoint, environment=_amazon(endpoint), directory=directory)


@contextmanager
def azurite() -> Iterator[BucketServer]:
    """Azure's blobs, in memory. Its URLs begin with the account, as Azure's own do behind a proxy."""
    program = _program("azurite-blob")

    def command(port: int, directory: Path) -> Sequence[str]:
        quiet = ("--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence")
        return (program, "--blobHost", "127.0.0.1", "--blobPort", str(port), *quiet)

    accounts = {"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_KEY}"}
    with _running("azurite", command, accounts) as (endpoint, directory):
        environment = {
            "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
            "AZURE_STORAGE_ENDPOINT": f"{endpoint}/{AZURE_ACCOUNT}",
        }
        yield BucketServer(kind="azurite", endpoint=endpoint, environment=environment, directory=directory)


@contextmanager
def fake_gcs() -> Iterator[BucketServer]:
    """Google's storage, in memory. It asks for no credentials, lists in one page, and behind `as_google` takes puts as Google does."""
    program = _program("fake-gcs-server")

    def command(port: int, directory: Path) -> Sequence[str]:
        listening = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory")
        outside = ("-public-host", f"127.0.0.1:{port}", "-external-url", f"http://127.0.0.1:{port}")
        return (program, *listening, *outside, "-log-level", "error")

    with _running("fake-gcs", command, {}) as (endpoint, directory):
        with Front(endpoint, partial(as_google, urlsplit(endpoint).netloc)) as front:
            environment = {"STORAGE_EMULATOR_HOST": front.endpoint}
            yield BucketServer(kind="fake-gcs", endpoint=front.endpoint, environment=environment, directory=directory)


def as_google(host: str, request: Message, ask: Forward, client: Connection) -> None:
    """The fake knows Google's XML interface for reading alone: a put becomes one of the JSON interface, with the same condition.
    It wants to be called by the address that it was told, and says in no code of Google's that something is not there."""
    request.drop("host")
    request.headers.append(("Host", host))
    if request.method == "PUT":
        bucket, _, name = request.target.lstrip("/").partition("?")[0].partition("/")
        condition = request.header("x-goog-if-generation-match")
        words = {"uploadType": "media", "name": unquote(name)} | ({"ifGenerationMatch": condition} if condition else {})
        request.start = f"POST /upload/storage/v1/b/{unquote(bucket)}/o?{urlencode(words)} HTTP/1.1"
        said = ask(request)
        if said.status == 200:
            made = json.loads(said.body)
            said = answer(200, ETag=made["etag"], x_goog_generation=made["generation"])
    else:
        said = ask(request)
    if said.status == 404 and request.method in ("GET", "DELETE"):
        code = "NoSuchBucket" if "list-type" in request.target else "NoSuchKey"
        said = answer(404, f"<Error><Code>{code}</Code></Error>".encode(), Content_Type="application/xml")
    client.send(said.head() + said.body)


SERVERS: Final[Mapping[str, Callable[[], AbstractContextManager[BucketServer]]]] = {
    "moto": moto,
    "versitygw": versitygw,
    "azurite": azurite,
    "fake-gcs": fake_gcs,
}


# --- processes ------------------------------------------------------------------------------------


def _program(name: str) -> str:
    found = program_of(name)
    if found is None:
        raise LookupError(
            f"MISSING: {name}; `python3 tests/bucket_programs.py` fetches it where Go and npm are installed"
        )
    return str(found)


@contextmanager
def _running(
    kind: str, command: Callable[[int, Path], Sequence[str]], settings: Mapping[str, str]
) -> Iterator[tuple[str, Path]]:
    """Endpoint and directory of a server that answers."""
    with tempfile.TemporaryDirectory(prefix=f"pgvault-{kind}-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        process, port = _start(command, directory, settings)
        try:
            yield f"http://127.0.0.1:{port}", directory
        finally:
            process.kill()
            process.wait()


def _start(
    command: Callable[[int, Path], Sequence[str]], directory: Path, settings: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """Again on another port if somebody else took the free one first."""
    log = directory / "log"
    for _ in range(ATTEMPTS):
        port = _free_port()
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(port, directory),
                env={**environment, **settings},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        if _answers(process, port):
            return process, port
        process.kill()
        process.wait()
    raise RuntimeError(f"{command(0, directory)[0]} does not start: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Waits until it does, or has ended: a port that somebody else holds answers too."""
    ends = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < ends:
        with suppress(OSError, http.client.HTTPException):
            _ask(f"http://127.0.0.1:{port}", "GET", "/")
            return process.poll() is None
        time.sleep(0.02)
    return False


def _ask(
    endpoint: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    try:
        connection.request(method, path, body, dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


# --- buckets --------------------------------------------------------------------------------------


def _amazon(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
    }


def _create_s3(server: BucketServer, name: str, options: Mapping[str, Any]) -> None:
    server.s3().create_bucket(Bucket=name, **options)


def _create_gs(server: BucketServer, name: str, options: Mapping[str, Any]) -> None:
    body = json.dumps({"name": name}).encode()
    path, sort = "/storage/v1/b?project=tests", {"Content-Type": "application/json"}
    _created(_ask(server.endpoint, "POST", path, body, sort))


def _create_az(server: BucketServer, name: str, options: Mapping[str, Any]) -> None:
    """Signed as Azure's Shared Key wants it: the words of the request in a fixed order, most of them empty here."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
    resource = f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
    signed = "PUT" + "\n" * 12 + "".join(f"{key}:{value}\n" for key, value in sorted(headers.items())) + resource
    digest = hmac.new(base64.b64decode(AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    _created(_ask(server.endpoint, "PUT", f"/{AZURE_ACCOUNT}/{name}?restype=container", b"", headers))


def _created(answer: tuple[int, bytes]) -> None:
    status, said = answer
    if status not in (200, 201):
        raise RuntimeError(f"no bucket was made: {status} {said.decode(errors='replace')[:500]}")


CREATE: Final[Mapping[str, Callable[[BucketServer, str, Mapping[str, Any]], None]]] = {
    "s3": _create_s3,
    "gs": _create_gs,
    "az": _create_az,
}
