"""Who hears of a backup: of one by hand, of a job in the background, of a scheduled run over several sources."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import SECRETS, Command
from tests.cli.shapes import SHAPES
from tests.http_server import Hearing, answers, hangs, measured_s, serving
from tests.jobs_support import only, over, state_of, until
from vault.app.signals.post import DEADLINE_S

SECRET = SECRETS[1]
"""In each URL; `Command` looks for it in every output."""


def configure(shop: Command, hearing: Hearing, *, more: str = "") -> Path:
    metrics = shop.home / "metrics.prom"
    (shop.home / "pgvault.toml").write_text(
        '[source.app]\ndirectories = { documents = "documents" }\n'
        f'[signals]\nping_url = "{hearing.url}/{SECRET}/ping"\nwebhook_url = "env(HOOK)"\nprometheus_file = "metrics.prom"\n'
        f"{more}"
    )
    return metrics


@pytest.fixture
def shop(pgvault_ready: Command) -> Command:
    (pgvault_ready.home / "documents").mkdir()
    (pgvault_ready.home / "documents" / "letter").write_text("dear reader")
    return pgvault_ready


def words(hearing: Hearing) -> list[str]:
    """What came, in order: of a ping its last word."""
    return [path.partition("?")[0].rpartition("/")[2] for path in hearing.paths()]


def runs(hearing: Hearing) -> set[str]:
    return {path.rpartition("rid=")[2] for path in hearing.paths() if "rid=" in path}


def test_a_backup_by_hand_is_told(shop: Command) -> None:
    with serving(answers(200)) as server:
        metrics = configure(shop, server)
        done = shop("backup", "--json", HOOK=f"{server.url}/{SECRET}/hook")
    assert done.code == 0, done.err
    assert sorted(words(server)) == ["hook", "ping", "start"]
    assert len(runs(server)) == 1
    [hook] = [one for one in server.got if one.path.endswith("/hook")]
    told = json.loads(hook.body)
    jsonschema.validate(told["result"], SHAPES["backup"])
    assert told["result"] == done.json()
    assert told["exit_code"] == 0
    assert 'pgvault_last_exit_code{repository="' in metrics.read_text()
    assert "warning" not in done.err


def test_a_failure_is_told_with_its_reason_and_the_metrics_say_so_too(shop: Command) -> None:
    with serving(answers(200)) as server:
        metrics = configure(shop, server)
        assert shop("backup", HOOK=f"{server.url}/hook").code == 0
        before = metrics.read_text()
        server.got.clear()
        (shop.home / "documents").rename(shop.home / "moved")
        assert shop("backup", HOOK=f"{server.url}/hook").code == 2
    assert sorted(words(server)) == ["fail", "hook", "start"]
    [fail] = [one for one in server.got if "/fail" in one.path]
    assert "is not a directory" in fail.body
    assert "(exit code 2)" in fail.body
    [hook] = [one for one in server.got if one.path.endswith("/hook")]
    jsonschema.validate(json.loads(hook.body)["result"], SHAPES["error"])
    after = metrics.read_text()

    def sample(text: str, name: str) -> str:
        [line] = [line for line in text.splitlines() if line.startswith(f"pgvault_{name}{{")]
        return line.rpartition(" ")[2]

    assert sample(after, "last_exit_code") == "2"
    assert sample(after, "last_success_timestamp_seconds") == sample(before, "last_success_timestamp_seconds")
    assert sample(after, "last_attempt_timestamp_seconds") != sample(before, "last_attempt_timestamp_seconds")


def test_a_mistake_in_a_command_is_nobodys_alarm(shop: Command) -> None:
    with serving(answers(200)) as server:
        configure(shop, server)
        assert shop("backup", "--dir", "no pair").code == 2
        assert shop("snapshots").code == 0
    assert server.got == []


def test_who_hangs_costs_seconds_and_no_exit_code(shop: Command) -> None:
    with serving(hangs) as server:
        configure(shop, server)
        with measured_s() as quick:
            Command(home=shop.home)("--help")
        with measured_s() as taken:
            done = shop("backup", "--json", HOOK=f"{server.url}/{SECRET}/hook")
    assert done.code == 0
    assert done.json()["type"] == "result"
    assert taken[0] < quick[0] + DEADLINE_S + 15
    host = server.url.removeprefix("http://")
    assert f"warning: signals.ping_url: {host}: no answer within {DEADLINE_S:g} s" in done.err
    assert f"warning: signals.webhook_url: {host}: no answer" in done.err


def test_a_variable_that_is_not_set_is_told_and_stops_nothing(shop: Command) -> None:
    with serving(answers(200)) as server:
        configure(shop, server)
        done = shop("backup")
    assert done.code == 0
    assert "signals.webhook_url: no URL: the variable HOOK is not set" in done.err
    assert sorted(words(server)) == ["ping", "start"]


def test_a_job_in_the_background_tells_with_the_end_of_its_log(shop: Command) -> None:
    with serving(answers(200)) as server:
        configure(shop, server)
        assert shop("backup", "--background", HOOK=f"{server.url}/hook", PGVAULT_PASSWORD="wrong").code == 0
        job = over(state_of(shop), only(state_of(shop)).id)
        assert job.exit_code == 12
    [fail] = [one for one in server.got if "/fail" in one.path]
    assert "(exit code 12)" in fail.body
    assert f"job {job.id}: backup of app" in fail.body
    assert sorted(words(server)) == ["fail", "hook", "start"]


def test_several_sources_are_one_run_with_one_ping(shop: Command) -> None:
    more = '[source.broken]\ndirectories = { documents = "no such directory" }\n'
    for command in (("backup", "--all"), ("schedule", "run")):
        with serving(answers(200)) as server:
            metrics = configure(shop, server, more=more)
            assert shop(*command, HOOK=f"{server.url}/hook").code == 2
        assert [word for word in words(server) if word != "hook"] == ["start", "fail"], command
        hooks = [json.loads(one.body) for one in server.got if one.path.endswith("/hook")]
        assert {(hook["source"], hook["exit_code"]) for hook in hooks} == {("app", 0), ("broken", 2)}
        [fail] = [one for one in server.got if "/fail" in one.path]
        assert "app: snapshot " in fail.body
        assert "broken: " in fail.body
        assert metrics.read_text().count("pgvault_last_exit_code{") == 2


def test_nobody_is_told_who_is_not_configured(shop: Command) -> None:
    """Not even the modules are there."""
    (shop.home / "pgvault.toml").write_text('[source.app]\ndirectories = { documents = "documents" }\n')
    (shop.home / "sitecustomize.py").write_text(
        "import atexit, pathlib, sys\n"
        "atexit.register(lambda: pathlib.Path('modules').write_text('\\n'.join(sys.modules)))\n"
    )
    assert shop("backup", PYTHONPATH=str(shop.home)).code == 0
    modules = (shop.home / "modules").read_text().split("\n")
    assert "vault.app.backup" in modules
    assert not [name for name in modules if name.startswith(("vault.app.signals", "http.client", "vault.app.schedule"))]


def test_a_job_that_is_told_to_end_while_it_tells_of_its_snapshot_has_saved_it(shop: Command) -> None:
    with serving(hangs) as server:
        configure(shop, server)
        assert shop("backup", "--background", HOOK=f"{server.url}/hook").code == 0
        until(lambda: "/hook" in server.paths())
        job = only(state_of(shop))
        os.kill(job.pid, signal.SIGTERM)
        job = over(state_of(shop), job.id)
    assert (job.exit_code, job.error) == (0, None)
    assert job.snapshot is not None
    assert "interrupted" in Path(job.log).read_text()


def test_the_service_manager_hears_what_a_scheduled_run_does(shop: Command, tmp_path: Path) -> None:
    import socket

    (shop.home / "pgvault.toml").write_text('[source.app]\ndirectories = { documents = "documents" }\n')
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(path)
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        assert shop("schedule", "run", NOTIFY_SOCKET=path).code == 0
        channel.setblocking(False)
        heard = []
        while True:
            try:
                heard.append(channel.recv(4096).decode())
            except BlockingIOError:
                break
    assert heard[0] == "STATUS=saving app"
    assert heard[-1] == "STOPPING=1"
    assert any("directory documents" in text for text in heard)


@pytest.mark.parametrize("start", [("backup", "--background"), ("run", "--after", "--", "true")], ids=["start", "run"])
def test_a_start_that_a_broken_configuration_refused_is_told(shop: Command, start: tuple[str, ...]) -> None:
    with serving(answers(200)) as server:
        metrics = configure(shop, server, more="[guard]\nrows = 1\n")
        done = shop(*start, HOOK=f"{server.url}/{SECRET}/hook")
        assert done.code == 0
        assert "NO BACKUP RUNS" in done.err
        until(lambda: "fail" in words(server))
    assert sorted(words(server)) == ["fail", "hook", "start"]
    [fail] = [one for one in server.got if "fail" in one.path]
    assert "unknown key" in fail.body
    assert metrics.exists()


def test_a_scheduled_run_that_a_broken_configuration_refused_is_told(shop: Command) -> None:
    with serving(answers(200)) as server:
        configure(shop, server, more="[guard]\nrows = 1\n")
        done = shop("schedule", "run", HOOK=f"{server.url}/{SECRET}/hook")
    assert done.code == 2
    assert sorted(words(server)) == ["fail", "hook", "start"]
