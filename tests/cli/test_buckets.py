"""A repository in a bucket, from init to the day on which the machine is gone, through the real command."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket_servers import SECRET, BucketServer
from tests.cli.command import HANG_S, Command
from tests.cli.test_journey import conforming
from tests.faulty_proxy import Asked, Fate, FaultyProxy, on
from tests.fix_buckets import BucketServers
from tests.fix_postgres import Cluster
from tests.jobs_support import record, state_of, until
from vault.bucket.client import connect
from vault.bucket.place import parse_place

NOTES = """
CREATE TABLE notes (id int PRIMARY KEY, body text NOT NULL);
INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 500) n;
"""


def in_bucket(server: BucketServer, home: Path, url: str) -> Command:
    """The command on a machine of its own, whose repository is at `url`."""
    home.mkdir(parents=True, exist_ok=True)
    return Command(home=home, environment={**server.environment, "PGVAULT_REPOSITORY": url})


@pytest.fixture
def url(s3_server: BucketServer) -> str:
    return s3_server.new_bucket() + "/projects/app"


@pytest.fixture
def pgvault(s3_server: BucketServer, tmp_path: Path, url: str) -> Command:
    command = in_bucket(s3_server, tmp_path / "machine", url)
    (command.home / "files").mkdir()
    (command.home / "files/letter").write_text("dear reader")
    return command


@pytest.fixture
def ready(pgvault: Command) -> Command:
    done = pgvault("init", "--recovery-kit", str(pgvault.home.parent / "kit"))
    assert done.code == 0, done.err
    return pgvault


def succeed(command: Command, *words: str, **environment: str) -> str:
    done = command(*words, **environment)
    assert done.code == 0, done.out + done.err
    return done.out


@pytest.mark.postgres
def test_journey_and_the_day_on_which_the_machine_is_gone(
    ready: Command, s3_server: BucketServer, url: str, pg15: Cluster, tmp_path: Path
) -> None:
    database, target = pg15.createdb(), pg15.createdb()
    with pg15.connect(database) as connection:
        connection.execute(NOTES.encode())
    succeed(ready, "backup", "-d", pg15.dsn(database), "--dir", "files=files")
    listed = conforming(ready("snapshots", "--json").json(), "snapshots")["snapshots"]
    assert [one["rows"] for one in listed] == [500]
    assert succeed(ready, "cat", "latest:files/letter") == "dear reader"
    succeed(ready, "check", "--read-data")
    assert "SAFE" in succeed(ready, "status")
    machines = [in_bucket(s3_server, tmp_path / name, url) for name in ("by-passphrase", "by-kit")]
    kit = {"PGVAULT_RECOVERY_KIT_FILE": str(tmp_path / "kit"), "PGVAULT_PASSWORD": ""}
    for machine, secret, place in zip(machines, ({}, kit), (target, pg15.createdb()), strict=True):
        assert list(machine.home.iterdir()) == []
        done = machine("restore", "latest", "-d", pg15.dsn(place), "--dir", "files=back", "--yes", **secret)
        assert done.code == 0, done.err
        assert (machine.home / "back/letter").read_text() == "dear reader"
        with pg15.connect(place) as connection:
            assert connection.execute("SELECT count(*), max(body) FROM notes").fetchone() == (500, "note 99")


def test_retention_keys_and_repair_over_http(ready: Command) -> None:
    for text in ("one", "two", "three"):
        (ready.home / "files/letter").write_text(text * 1000)
        succeed(ready, "backup", "--dir", "files=files")
    succeed(ready, "forget", "--keep-last", "1")
    succeed(ready, "prune", "--min-age", "0")
    assert succeed(ready, "cat", "latest:files/letter") == "three" * 1000
    assert len(ready("snapshots", "--json").json()["snapshots"]) == 1
    succeed(ready, "key", "add", PGVAULT_NEW_PASSWORD="another-passphrase")
    assert len(conforming(ready("key", "list", "--json").json(), "key list")["keys"]) == 2
    assert succeed(ready, "snapshots", PGVAULT_PASSWORD="another-passphrase")
    succeed(ready, "repair", "index", "--yes")
    succeed(ready, "check", "--read-data")
    succeed(ready, "pin", "latest", "--reason", "kept")
    succeed(ready, "unlock")


def test_a_prune_after_a_forget_reads_what_the_storage_holds(ready: Command, s3_server: BucketServer, url: str) -> None:
    """Copies on this machine say nothing of a pack that rotted there, and a prune may take what repairs it."""
    for text in ("one", "two"):
        (ready.home / "files/letter").write_text(text * 1000)
        succeed(ready, "backup", "--dir", "files=files")
    succeed(ready, "ls", "latest")
    copies = {path.name for path in ready.home.rglob("packs/*")}
    bucket = connect(parse_place(url), s3_server.environment)
    copied = [found for found in bucket.list("packs/") if found.key.rpartition("/")[2] in copies]
    assert copied
    for found in copied:
        bucket.put(found.key, bytes(found.size))
    refused = ready("forget", "--keep-last", "1", "--prune")
    assert (refused.code, "nothing is pruned" in refused.err) == (8, True), refused.out + refused.err


def test_snapshots_go_from_bucket_to_disk_and_back(ready: Command, s3_server: BucketServer) -> None:
    succeed(ready, "backup", "--dir", "files=files")
    other = s3_server.new_bucket() + "/again"
    for place in ("disk", other):
        succeed(ready, "-r", place, "init", "--no-recovery-kit")
    succeed(ready, "copy", "disk")
    succeed(ready, "-r", "disk", "copy", other)
    assert succeed(ready, "-r", other, "cat", "latest:files/letter") == "dear reader"
    succeed(ready, "-r", other, "check", "--read-data")


def test_init_tells_where_the_repository_is(pgvault: Command, url: str) -> None:
    made = conforming(pgvault("init", "--no-recovery-kit", "--json").json(), "init")
    assert made["url"] == url
    again = pgvault("init", "--no-recovery-kit")
    assert (again.code, url in again.err) == (8, True), again.err
    assert not (pgvault.home / "s3:").exists()


@pytest.mark.parametrize("name", ["README.md", "a b/photo.jpg", "zebra", "packs/x"])
def test_init_refuses_a_prefix_that_holds_something_else(
    pgvault: Command, s3_server: BucketServer, url: str, name: str
) -> None:
    connect(parse_place(url), s3_server.environment).put(name, b"x")
    refused = pgvault("init", "--no-recovery-kit")
    assert (refused.code, name in refused.err) == (8, True), refused.err
    above = url.rpartition("/")[0]
    assert pgvault("-r", above, "init", "--no-recovery-kit").code == 8
    succeed(pgvault, "-r", f"{url}-2", "init", "--no-recovery-kit")


def test_of_two_clients_that_make_one_repository_one_is_refused(pgvault: Command, url: str) -> None:
    racing = [pgvault.start("init", "--no-recovery-kit") for _ in range(4)]
    outcomes = [process.communicate(timeout=HANG_S) for process in racing]
    assert sorted(process.returncode for process in racing) == [0, 8, 8, 8], outcomes
    succeed(pgvault, "backup", "--dir", "files=files")
    assert succeed(pgvault, "cat", "latest:files/letter") == "dear reader"


def test_an_init_that_did_not_finish_is_begun_again(pgvault: Command, s3_server: BucketServer, url: str) -> None:
    succeed(pgvault, "init", "--no-recovery-kit")
    connect(parse_place(url), s3_server.environment).delete(["config"])
    assert pgvault("snapshots").code == 10
    succeed(pgvault, "init", "--no-recovery-kit")
    assert len(pgvault("key", "list", "--json").json()["left_behind"]) == 1


def test_a_bucket_in_the_configuration_is_shown_without_what_is_secret(pgvault: Command, url: str) -> None:
    (pgvault.home / "pgvault.toml").write_text(f'version = 1\n[repository]\nurl = "{url}"\n')
    unset = {"PGVAULT_REPOSITORY": ""}
    succeed(pgvault, "init", "--no-recovery-kit", **unset)
    assert url in succeed(pgvault, "config", "show", **unset)
    succeed(pgvault, "config", "validate", **unset)
    doctor = pgvault("doctor", "--json", **unset)
    assert url in doctor.out
    assert SECRET not in doctor.out + doctor.err
    assert "space" in doctor.out


@pytest.mark.parametrize(
    "place",
    ["s3://AKIA:hunter2-in-a-url@bucket/x", "s3://bucket/x?secret=hunter2-in-a-url", "az://k:hunter2-in-a-url@c/x"],
)
def test_a_secret_in_a_place_is_refused_and_never_shown(pgvault: Command, place: str) -> None:
    for words in (("status",), ("init", "--no-recovery-kit"), ("config", "show")):
        done = pgvault(*words, PGVAULT_REPOSITORY=place)
        assert done.code != 0 or words[0] == "config", done.out
    (pgvault.home / "pgvault.toml").write_text(f'version = 1\n[repository]\nurl = "{place}"\n')
    assert pgvault("config", "validate", PGVAULT_REPOSITORY="").code == 2


def test_a_repository_in_the_bucket_that_is_captured_is_refused(ready: Command, url: str) -> None:
    bucket = url.rpartition("/projects")[0]
    for place in (bucket, f"{bucket}/projects", url):
        refused = ready("backup", "--dir", f"storage={place}")
        assert refused.code == 8, refused.err


class Silence:
    """A server that takes what is sent and never answers. `asked`: once somebody has sent something"""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.endpoint = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.asked = threading.Event()

    def take(self) -> None:
        taken = []
        while True:
            try:
                taken.append(self._listening.accept()[0])
                if taken[-1].recv(1):
                    self.asked.set()
            except OSError:
                break
        for one in taken:
            one.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        silent = Silence(listening)
        taking = threading.Thread(target=silent.take)
        taking.start()
        yield silent
        listening.shutdown(socket.SHUT_RDWR)
        taking.join()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [("snapshots",), ("backup", "--dir", "files=files"), ("init", "--no-recovery-kit")])
def test_an_interrupt_is_obeyed_while_the_storage_does_not_answer(
    pgvault: Command, silence: Silence, words: tuple[str, ...], number: int
) -> None:
    command = Command(home=pgvault.home, environment={**pgvault.environment, "AWS_ENDPOINT_URL": silence.endpoint})
    process = command.start(*words)
    assert silence.asked.wait(HANG_S)
    process.send_signal(number)
    _, said = process.communicate(timeout=HANG_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said


def test_an_interrupt_is_obeyed_while_workers_wait_for_the_storage(ready: Command, s3_server: BucketServer) -> None:
    (ready.home / "files/large").write_bytes(os.urandom(40 << 20))
    held = Fate.HELD
    with FaultyProxy(s3_server.endpoint, on(held, method="PUT", kind="packs", times=1000), held_s=HANG_S) as proxy:
        command = Command(home=ready.home, environment={**ready.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        process = command.start("backup", "--dir", "files=files")
        while not proxy.counts()["PUT", "packs"]:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=HANG_S)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    succeed(ready, "backup", "--dir", "files=files")
    succeed(ready, "check", "--read-data")


def test_storage_without_conditions_is_used_with_a_note(pgvault: Command, s3_server: BucketServer) -> None:
    def unknown(asked: Asked) -> Fate:
        return Fate.NOT_IMPLEMENTED if asked.method == "PUT" and asked.conditional else Fate.PASS

    with FaultyProxy(s3_server.endpoint, unknown) as proxy:
        command = Command(home=pgvault.home, environment={**pgvault.environment, "AWS_ENDPOINT_URL": proxy.endpoint})
        made = command("init", "--no-recovery-kit")
        assert (made.code, "If-None-Match" in made.err) == (0, True), made.err
        succeed(command, "backup", "--dir", "files=files")
        assert command("init", "--no-recovery-kit").code == 8
    assert succeed(pgvault, "cat", "latest:files/letter") == "dear reader"


def test_azure_holds_a_repository_like_any_other(bucket_servers: BucketServers, tmp_path: Path) -> None:
    server = bucket_servers["azurite"]
    command = in_bucket(server, tmp_path / "machine", server.new_bucket() + "/app")
    (command.home / "files").mkdir()
    (command.home / "files/letter").write_text("dear reader")
    succeed(command, "init", "--no-recovery-kit")
    succeed(command, "backup", "--dir", "files=files")
    assert succeed(command, "cat", "latest:files/letter") == "dear reader"
    succeed(command, "forget", "--keep-last", "1")
    succeed(command, "prune", "--min-age", "0")
    succeed(command, "check", "--read-data")


def test_a_job_is_begun_without_asking_the_bucket(pgvault: Command, silence: Silence) -> None:
    command = Command(home=pgvault.home, environment={**pgvault.environment, "AWS_ENDPOINT_URL": silence.endpoint})
    started = command("backup", "--background", "--dir", "files=files", "--json")
    assert (started.code, silence.endpoint in started.err) == (0, False), started.err
    name = started.json()["job"]
    assert silence.asked.wait(HANG_S), "the job itself asks"
    until(lambda: bool(record(state_of(command), name).pid))
    os.kill(record(state_of(command), name).pid or 0, signal.SIGKILL)


NO_NAMES = (
    b"<ListBucketResult><Name>b</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
    b"<IsTruncated>false</IsTruncated></ListBucketResult>"
)


class Proxy(http.server.BaseHTTPRequestHandler):
    """Of HTTP: it says of every address what storage without anything in it says."""

    def do_GET(self) -> None:
        assert self.path.startswith("http://storage.example/")
        listing = "list-type" in self.path
        body = NO_NAMES if listing else b"<Error><Code>NoSuchKey</Code><Message>Not here.</Message></Error>"
        self.send_response(200 if listing else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


def test_a_proxy_is_obeyed_and_its_password_never_shown(pgvault: Command) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        variables = {
            "AWS_ENDPOINT_URL": "http://storage.example",
            "PGVAULT_ALLOW_HTTP": "1",
            "NO_PROXY": "",
            "no_proxy": "",
        }
        there = {**variables, "HTTP_PROXY": f"http://somebody:hunter2-in-a-url@127.0.0.1:{server.server_port}"}
        assert pgvault("snapshots", **there).code == 10
        server.shutdown()
        serving.join()
    gone = pgvault("snapshots", **there)
    assert (gone.code, "listens" in gone.err) == (15, True), gone.err
