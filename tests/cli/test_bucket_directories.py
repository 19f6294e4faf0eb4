"""Directories that are buckets, through the real command: saved, looked at, brought back, and told where they do not fit."""

from __future__ import annotations

import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bucket_directories import empty, fill, objects_of
from tests.bucket_servers import KEY_ID, SECRET, BucketServer
from tests.cli.command import HANG_S, Command, Done
from tests.cli.test_journey import conforming
from tests.faulty_proxy import Asked, Fate, FaultyProxy
from tests.fix_buckets import BucketServers
from tests.fix_postgres import Cluster

OBJECTS = """
CREATE SCHEMA storage;
CREATE TABLE storage.objects (id int PRIMARY KEY, bucket_id text, name text, version text);
INSERT INTO storage.objects VALUES (1, 'avatars', 'a/1.png', 'v1'), (2, 'avatars', 'a.png', 'v2'), (3, NULL, NULL, NULL);
"""


@pytest.fixture
def url(s3_server: BucketServer) -> str:
    return s3_server.new_bucket()


@pytest.fixture
def beside(pgvault_ready: Command, s3_server: BucketServer) -> Command:
    return Command(home=pgvault_ready.home, environment={**pgvault_ready.environment, **s3_server.environment})


def held(server: BucketServer, url: str) -> dict[bytes, bytes]:
    objects = objects_of(server, url)
    return {item.key: b"".join(objects.open(item.key, item.etag).blocks) for item in objects.list()}


def succeed(command: Command, *words: str, **environment: str) -> Done:
    done = command(*words, **environment)
    assert done.code == 0, done.out + done.err
    return done


def listed(command: Command, *words: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = conforming(succeed(command, "ls", *words, "--json").json(), "ls")["entries"]
    return entries


def test_a_bucket_is_saved_looked_at_and_brought_back(beside: Command, s3_server: BucketServer, url: str) -> None:
    fill(s3_server, url + "/files", {b"a//b": b"odd", b"photo.png": b"png", b"../up": b"up"}, content_type="image/png")
    told = conforming(succeed(beside, "backup", "--dir", f"storage={url}/files", "--json").json(), "backup")
    assert (told["files"], told["file_bytes"]) == (3, 8)
    assert told["coverage"]["dir:storage"]["missing"] == []
    again = succeed(beside, "backup", "--dir", f"storage={url}/files", "--json").json()
    assert again["new_bytes"] < told["new_bytes"]
    assert "photo.png" in succeed(beside, "ls", "latest:storage").out
    assert succeed(beside, "cat", "latest:storage/a/%/b").out == "odd"
    succeed(beside, "extract", "latest", "storage", "--to", "out")
    assert (beside.home / "out/storage/%2E%2E/up").read_text() == "up"
    assert succeed(beside, "show", "latest").code == 0
    other = s3_server.new_bucket()
    succeed(beside, "restore", "latest", "--dir", f"storage={other}", "--yes")
    assert held(s3_server, other) == held(s3_server, url + "/files")
    empty(s3_server, other, "photo.png")
    fill(s3_server, other, {b"a//b": b"else", b"new": b"new"})
    plan = succeed(beside, "restore", "latest", "--dir", f"storage={other}", "--dry-run").out
    assert "1 missing there, which come; 1 there and equal, which stay" in plan
    assert "1 differ there" in plan
    assert held(s3_server, other)[b"a//b"] == b"else"
    succeed(beside, "restore", "latest", "--dir", f"storage={other}", "--yes")
    assert held(s3_server, other) == {b"a//b": b"else", b"new": b"new", b"../up": b"up", b"photo.png": b"png"}
    succeed(beside, "restore", "latest", "--dir", f"storage={other}", "-c", "--yes")
    assert held(s3_server, other)[b"a//b"] == b"odd"
    succeed(beside, "restore", "latest", "--dir", "storage=here", "--yes")
    assert (beside.home / "here/photo.png").read_bytes() == b"png"
    succeed(beside, "check", "--read-data")


def test_folders_of_a_bucket_are_seen_though_it_holds_objects_alone(
    beside: Command, s3_server: BucketServer, url: str
) -> None:
    fill(
        s3_server, url, {b"avatars/1.txt": b"one", b"avatars/deep/2.txt": b"two", b"avatars-old/3": b"3", b"x//y": b"y"}
    )
    succeed(beside, "backup", "--dir", f"storage={url}")
    level = [(entry["path"], entry["kind"]) for entry in listed(beside, "latest:storage")]
    assert level == [(f"storage/{name}", "directory") for name in ("avatars-old", "avatars", "x")]
    below = [entry["path"] for entry in listed(beside, "latest:storage/avatars/", "-R")]
    assert below == ["storage/avatars/1.txt", "storage/avatars/deep", "storage/avatars/deep/2.txt"]
    succeed(beside, "extract", "latest", "storage/avatars", "--to", "out")
    assert (beside.home / "out/avatars/deep/2.txt").read_text() == "two"
    succeed(beside, "extract", "latest", "storage/x/%", "--to", "odd")
    assert (beside.home / "odd/%/y").read_text() == "y"
    assert "did you mean storage/avatars?" in beside("ls", "latest:storage/avatar").err
    assert "is a directory" in beside("cat", "latest:storage/avatars").err
    for form in ("layout", "tar"):
        succeed(beside, "export", "latest", "--format", form, "-o", form)
    with tarfile.open(beside.home / "tar") as tar:
        assert sum(member.isdir() for member in tar) == 6
    assert (beside.home / "layout/storage/avatars/1.txt").read_text() == "one"


def test_a_bucket_that_cannot_be_meant_is_refused(beside: Command, s3_server: BucketServer, url: str) -> None:
    for name, code, why in (
        ("gs://bucket", 2, "AWS_ENDPOINT_URL=https://storage.googleapis.com"),
        ("az://bucket", 2, "not read object by object"),
        ("s3://key:secret@bucket", 2, "holds a bucket and a prefix"),
        (
            "s3://not-there-at-all",
            6,
            f"no such bucket: The specified bucket does not exist; asked was {s3_server.endpoint} (AWS_ENDPOINT_URL)",
        ),
    ):
        done = beside("backup", "--dir", f"storage={name}")
        assert done.code == code, (name, done.err)
        assert why in done.err
        assert "secret@" not in done.err
    done = beside("backup", "--dir", f"storage={url}", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.code == 15, done.err
    assert "--dir storage: no credentials for" in done.err


@pytest.mark.parametrize(
    ("below", "directory"), [("", "/inner"), ("/repo", ""), ("/repo", "/repo/packs"), ("/repo", "*")]
)
def test_the_bucket_of_the_repository_is_refused(
    beside: Command, s3_server: BucketServer, url: str, below: str, directory: str
) -> None:
    captured = "s3://*" if directory == "*" else url + directory
    done = beside("-r", url + below, "backup", "--dir", f"storage={captured}")
    assert done.code == 8, done.err
    assert "the repository lies in" in done.err


def test_a_bucket_beside_the_repository_is_not_refused(beside: Command, s3_server: BucketServer, url: str) -> None:
    fill(s3_server, url, {b"files/a": b"a"})
    succeed(beside, "-r", url + "/repo", "init", "--no-recovery-kit")
    succeed(beside, "-r", url + "/repo", "backup", "--dir", f"storage={url}/files")
    done = beside("-r", url + "/repo", "restore", "latest", "--dir", f"storage={url}/repo/x", "--yes")
    assert done.code == 8, done.err


def test_repository_and_directory_have_credentials_of_their_own(
    pgvault_ready: Command, bucket_servers: BucketServers, tmp_path: Path
) -> None:
    repository, files = bucket_servers["moto"], bucket_servers["versitygw"]
    url = files.new_bucket()
    fill(files, url, {b"a": b"a"})
    place = {**pgvault_ready.environment, **repository.environment, "PGVAULT_REPOSITORY": repository.new_bucket()}
    command = Command(
        home=pgvault_ready.home, environment={**place, "AWS_ACCESS_KEY_ID": "other", "HOME": str(tmp_path)}
    )
    succeed(command, "init", "--no-recovery-kit")
    own = {f"PGVAULT_DIR_MY_FILES_{name}": value for name, value in files.environment.items()}
    succeed(command, "backup", "--dir", f"my-files={url}", **own)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/credentials").write_text(
        f"[files]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\nregion = us-east-1\n"
        f"endpoint_url = {files.endpoint}\n"
    )
    (command.home / "pgvault.toml").write_text(
        f'[source.app.directories]\nmy-files = "{url}"\n[source.app.bucket_profiles]\nmy-files = "files"\n'
    )
    assert succeed(command, "backup", "--json").json()["files"] == 1
    assert succeed(command, "config", "validate").code == 0
    assert "bucket_profiles.my-files" in succeed(command, "config", "show").out
    wrong = command("backup", **{**own, "PGVAULT_DIR_MY_FILES_AWS_SECRET_ACCESS_KEY": "geheim"})
    assert wrong.code == 7, wrong.err
    assert "geheim" not in wrong.err + wrong.out
    assert "the secret does not belong to the key" in wrong.err
    looked = command("doctor", **{**own, "PGVAULT_DIR_MY_FILES_AWS_SECRET_ACCESS_KEY": "geheim"})
    assert "the secret does not belong to the key" in looked.out + looked.err
    succeed(command, "restore", "latest", "--dir", f"my-files={files.new_bucket()}", "--yes")


def test_ctrl_c_is_heard_while_objects_are_read(beside: Command, s3_server: BucketServer, url: str) -> None:
    fill(s3_server, url, {b"%d" % number: b"x" for number in range(20)})

    def held(asked: Asked) -> Fate:
        return Fate.PASS if "list-type" in asked.target else Fate.HELD

    with FaultyProxy(s3_server.endpoint, held, held_s=600) as proxy:
        behind = Command(
            home=beside.home, environment={**beside.environment, **s3_server.at(proxy.endpoint).environment}
        )
        running = behind.start("backup", "--dir", f"storage={url}")
        while len(proxy.asked) < 4:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=HANG_S)
    assert running.returncode == 130, told
    assert "Traceback" not in told


@pytest.mark.postgres
def test_rows_of_storage_and_their_objects_are_compared(
    beside: Command, bucket_servers: BucketServers, pg15: Cluster
) -> None:
    server = bucket_servers["moto"]
    url, database = server.new_bucket(), pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(OBJECTS.encode())
    words = ("backup", "-d", pg15.dsn(database), "--dir", f"storage={url}/tenant", "--json")
    fill(server, url, {b"tenant/avatars/a/1.png/v1": b"1", b"tenant/avatars/a.png/v2": b"2"})
    whole = succeed(beside, *words).json()
    assert whole["coverage"]["dir:storage"] == {"state": "captured", "count": 1, "missing": []}
    empty(server, url, "tenant/avatars/a.png/v2")
    done = beside(*words)
    assert done.code == 3, done.err
    (gap,) = done.json()["coverage"]["dir:storage"]["missing"]
    assert (gap["item"], gap["state"]) == ("file avatars/a.png", "not_exportable")
    configuration = '[source.app]\naccepted_gaps = ["file avatars/a.png"]\n'
    (beside.home / "pgvault.toml").write_text(configuration)
    succeed(beside, "--source", "app", *words)
