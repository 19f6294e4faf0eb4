"""The text file of metrics."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from vault.app.signals.prometheus import METRICS, Measured, label, read_samples, updated, write, written
from vault.errors import VaultError

GOOD = Measured(
    ended_s=1_800_000_000.5,
    duration_s=2.25,
    exit_code=0,
    good=True,
    max_age_s=93_600,
    rows=28785,
    source_bytes=4_400_000,
    new_bytes=1024,
)
FAILED = Measured(ended_s=1_800_086_400, duration_s=0.1, exit_code=6, good=False, max_age_s=93_600)
APP = label("/srv/backups", "app")

GOLDEN = """\
# HELP pgvault_last_success_timestamp_seconds When the last snapshot was saved that does not look like damage.
# TYPE pgvault_last_success_timestamp_seconds gauge
pgvault_last_success_timestamp_seconds{repository="/srv/backups",source="app"} 1800000000.500
# HELP pgvault_last_attempt_timestamp_seconds When the last backup ended, however it did.
# TYPE pgvault_last_attempt_timestamp_seconds gauge
pgvault_last_attempt_timestamp_seconds{repository="/srv/backups",source="app"} 1800086400.000
# HELP pgvault_last_exit_code Exit code of the last backup; 0 is good, pgvault help exit-codes says the others.
# TYPE pgvault_last_exit_code gauge
pgvault_last_exit_code{repository="/srv/backups",source="app"} 6
# HELP pgvault_last_duration_seconds How long the last backup took.
# TYPE pgvault_last_duration_seconds gauge
pgvault_last_duration_seconds{repository="/srv/backups",source="app"} 0.100
# HELP pgvault_last_snapshot_rows Rows of the last snapshot.
# TYPE pgvault_last_snapshot_rows gauge
pgvault_last_snapshot_rows{repository="/srv/backups",source="app"} 28785
# HELP pgvault_last_snapshot_source_bytes Text of all rows of the last snapshot.
# TYPE pgvault_last_snapshot_source_bytes gauge
pgvault_last_snapshot_source_bytes{repository="/srv/backups",source="app"} 4400000
# HELP pgvault_last_snapshot_new_bytes What the last snapshot added to the repository.
# TYPE pgvault_last_snapshot_new_bytes gauge
pgvault_last_snapshot_new_bytes{repository="/srv/backups",source="app"} 1024
# HELP pgvault_max_age_seconds How old the last success may become before it is overdue.
# TYPE pgvault_max_age_seconds gauge
pgvault_max_age_seconds{repository="/srv/backups",source="app"} 93600
# HELP pgvault_overdue 1 if the last success was older than max_age_seconds when this was written.
# TYPE pgvault_overdue gauge
pgvault_overdue{repository="/srv/backups",source="app"} 0
"""


def test_after_a_failure_the_last_success_still_stands(tmp_path: Path) -> None:
    file = tmp_path / "pgvault.prom"
    write(file, APP, GOOD)
    write(file, APP, FAILED)
    assert file.read_text() == GOLDEN
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["pgvault.prom"]


def test_it_is_overdue_when_the_last_success_is_too_old_or_was_never() -> None:
    after = updated({}, GOOD)
    assert updated(after, replace(FAILED, ended_s=GOOD.ended_s + 93_600))["overdue"] == "0"
    assert updated(after, replace(FAILED, ended_s=GOOD.ended_s + 93_601))["overdue"] == "1"
    assert updated({}, FAILED)["overdue"] == "1"
    assert "last_success_timestamp_seconds" not in updated({}, FAILED)
    assert "overdue" not in updated(after, replace(FAILED, max_age_s=None))


def test_a_snapshot_that_looks_like_damage_is_no_success() -> None:
    after = updated(updated({}, GOOD), replace(GOOD, ended_s=1_800_000_100, exit_code=5, good=False, rows=3))
    assert after["last_success_timestamp_seconds"] == "1800000000.500"
    assert after["last_snapshot_rows"] == "3"


def test_sources_share_a_file_and_their_names_may_be_anything(tmp_path: Path) -> None:
    file = tmp_path / "pgvault.prom"
    odd = label("/srv/b", 'a"} 1\n# \\ x\udcff{')
    for key in (APP, odd, label("/srv/other", "app")):
        write(file, key, GOOD)
    write(file, APP, FAILED)
    samples = read_samples(file.read_text())
    assert set(samples) == {APP, odd, label("/srv/other", "app")}
    assert samples[odd]["last_exit_code"] == "0"
    assert samples[APP]["last_exit_code"] == "6"
    assert read_samples(written(samples)) == samples


@pytest.mark.parametrize(
    "text",
    [
        "",
        "other_metric 1\n",
        'pgvault_unknown{repository="a",source="b"} 1\n',
        'pgvault_overdue{repository="a",source="b"} one\n',
        'pgvault_overdue{repository="a",source="b"} 1e\n',
        'pgvault_overdue{source="b"} 1\n',
        "\0\0\0",
        'pgvault_overdue{repository="a",sour',
    ],
)
def test_what_pgvault_did_not_write_is_passed_over(text: str, tmp_path: Path) -> None:
    file = tmp_path / "pgvault.prom"
    file.write_text(text)
    write(file, APP, GOOD)
    assert set(read_samples(file.read_text())) == {APP}
    assert all(line.startswith(("#", "pgvault_")) for line in file.read_text().splitlines())


def test_each_line_is_one_that_a_collector_reads() -> None:
    text = written({APP: updated({}, GOOD)})
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) pgvault_[a-z_]+ .+|pgvault_[a-z_]+\{(\w+="[^"]*",?)+\} [0-9.e+]+', line), (
            line
        )
    assert all(text.index(f"# HELP pgvault_{name} ") < text.index(f"\npgvault_{name}{{") for name in METRICS)


def test_runs_that_end_at_once_lose_nothing(tmp_path: Path) -> None:
    """Twelve processes' worth of writers of one file."""
    file = tmp_path / "pgvault.prom"
    keys = [label("/srv/backups", f"source {number}") for number in range(12)]
    threads = [threading.Thread(target=write, args=(file, key, GOOD)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(read_samples(file.read_text())) == set(keys)


def test_a_reader_sees_a_whole_file_whenever_it_looks(tmp_path: Path) -> None:
    file = tmp_path / "pgvault.prom"
    write(file, APP, GOOD)
    script = (
        "import sys; from pathlib import Path; from tests.unit.app.signals.test_prometheus import *\n"
        "for _ in range(100): write(Path(sys.argv[1]), APP, GOOD)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(file)]) as writing:
        while writing.poll() is None:
            assert file.read_text().endswith('pgvault_overdue{repository="/srv/backups",source="app"} 0\n')
    assert writing.returncode == 0


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(VaultError) as refused:
        write(tmp_path / "no such directory" / "x.prom", APP, GOOD)
    assert "No such file" in refused.value.why
    (tmp_path / "taken").mkdir()
    with pytest.raises(VaultError):
        write(tmp_path / "taken", APP, GOOD)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
