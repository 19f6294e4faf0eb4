"""forget, pin and unpin as a user types them, wrongly too."""

from __future__ import annotations

import tomllib

import jsonschema
import pytest

from tests.cli.command import Command
from tests.cli.shapes import SHAPES
from tests.cli.terminal import CTRL_C, answered, before_the_question
from tests.unit.ops.retention.test_policy import NOW, ms, of_day
from vault.cli.calendar import months
from vault.ops.retention.policy import Policy, Span, judge
from vault.ops.retention.time_zone import named_zone


def taken(pgvault: Command, count: int = 3, source: str = "app") -> list[str]:
    """Ids of so many snapshots of a directory, oldest first."""
    (pgvault.home / "a").mkdir(exist_ok=True)
    ids = []
    for number in range(count):
        (pgvault.home / "a" / "file").write_text(f"{source} {number}")
        done = pgvault("backup", "--dir", "a=a", "--source", source, "--json")
        assert done.code == 0, done.err
        ids.append(done.json()["snapshot"])
    return ids


def left(pgvault: Command) -> list[str]:
    return [snapshot["id"] for snapshot in pgvault("snapshots", "--json").json()["snapshots"]]


def test_forget_shows_then_does_and_says_why(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    dry = pgvault_ready("forget", "--keep-last", "2", "--dry-run", "--json")
    jsonschema.validate(dry.json(), SHAPES["forget"])
    assert left(pgvault_ready) == ids
    done = pgvault_ready("forget", "--keep-last", "2", "--json")
    assert done.code == 0
    assert {**dry.json(), "dry_run": False} == done.json()
    assert [one["id"] for one in done.json()["removed"]] == ids[:1]
    assert done.json()["kept"][0]["reasons"] == ["keep-last, 2 of 2"]
    assert left(pgvault_ready) == ids[1:]
    text = pgvault_ready("forget", "--keep-last", "1")
    lines = text.out.splitlines()
    assert [line.split()[5] for line in lines[1:3]] == ["goes", "keep"]
    assert lines[2].endswith("keep-last, 1 of 1; the newest that is whole and sound")
    assert lines[3] == "forgot 1 snapshot, kept 1"
    assert pgvault_ready("check").code == 0


def test_the_calendar_has_a_sign_for_each_day_of_the_zone() -> None:
    days = [of_day(number, number * 0.25) for number in range(1, 20)]
    verdicts = judge(days, Policy(within=Span(days=2, hours=13)), calendar=named_zone("UTC"), now_ms=ms(NOW))
    assert months(verdicts, named_zone("UTC"), signs="#o%.") == [
        "2026-01  oo%###.........................",
        "         # all of the day stay  o all go  % some stay",
    ]
    far = months(verdicts, named_zone("Pacific/Kiritimati"), signs="#o%.")
    assert far[0] == "2026-01  .oo%##........................."


def test_named_snapshots_go_and_pins_hold(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    pinned = pgvault_ready("pin", ids[0][:8], "--reason", "the audit", "--json")
    jsonschema.validate(pinned.json(), SHAPES["pin"])
    refused = pgvault_ready("forget", ids[0][:8])
    assert (refused.code, "the audit" in refused.err, f"unpin {ids[0][:12]}" in refused.err) == (8, True, True)
    assert "PINNED" in pgvault_ready("snapshots").out
    assert "PINNED    the audit" in pgvault_ready("show", ids[0]).out
    assert pgvault_ready("show", ids[0], "--json").json()["snapshot"]["pinned"] == "the audit"
    listed = pgvault_ready("snapshots", "--json")
    jsonschema.validate(listed.json(), SHAPES["snapshots"])
    assert [one["pinned"] for one in listed.json()["snapshots"]] == ["the audit", None, None]
    jsonschema.validate(pgvault_ready("unpin", ids[0], "--json").json(), SHAPES["pin"])
    assert pgvault_ready("unpin", ids[0]).code == 2
    unasked = pgvault_ready("forget", ids[0][:8], ids[1][:8])
    assert (unasked.code, "add --yes" in unasked.err, left(pgvault_ready)) == (2, True, ids), "names are no timer's"
    assert pgvault_ready("forget", ids[0][:8], ids[1][:8], "--yes").code == 0
    assert left(pgvault_ready) == ids[2:]
    last = pgvault_ready("forget", "latest")
    assert (last.code, "--unsafe-allow-remove-all" in last.err) == (8, True)
    assert pgvault_ready("forget", "latest", "--unsafe-allow-remove-all", "--yes").code == 0
    assert left(pgvault_ready) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("forget", "no policy"),
        ("forget --keep-last 0", "policy is empty"),
        ("forget --keep-tag", "keep-tag"),
        ("forget --keep-daily x", "--keep-daily x: not a count"),
        ("forget --keep-within 7", "--keep-within 7: not a length of time"),
        ("forget --preset prod", "--preset prod: no such preset"),
        ("forget --keep-dayly 7", "no such option"),
        ("forget --keep-last 1 --timezone Mars/Olympus", "Mars/Olympus: no time zone"),
        ("forget latest --keep-last 1", "exclude each other"),
        ("forget latest --preset dev", "exclude each other"),
        ("forget abcdef12", "no snapshot abcdef12"),
        ("forget --keep-id abcdef12", "no snapshot abcdef12"),
        ("forget --keep-last 1 --source nobody", "no snapshot of source nobody"),
        ("forget --keep-last 1 --source app --all-sources", "exclude each other"),
        ("pin latest", "--reason"),
        ("pin abcdef12 --reason x", "no snapshot abcdef12"),
        ("unpin latest", "not pinned"),
    ],
)
def test_what_cannot_be_meant_changes_nothing(one_snapshot: Command, arguments: str, said: str) -> None:
    done = one_snapshot(*arguments.split())
    assert done.code == 2, done.err
    assert said in done.err.lower() or said in done.err
    assert len(left(one_snapshot)) == 1


@pytest.fixture
def one_snapshot(pgvault_ready: Command) -> Command:
    taken(pgvault_ready, 1)
    return pgvault_ready


def test_a_policy_reaches_only_sources_of_the_configuration(pgvault_ready: Command) -> None:
    mine, other = taken(pgvault_ready, 2, "app"), taken(pgvault_ready, 2, "other")
    refused = pgvault_ready("forget", "--keep-last", "1")
    assert (refused.code, "app, other" in refused.err) == (2, True)
    (pgvault_ready.home / "pgvault.toml").write_text(
        '[source.app]\ndirectories = { a = "a" }\n[retention]\nkeep_last = 1\n'
    )
    assert pgvault_ready("forget").code == 0
    assert sorted(left(pgvault_ready)) == sorted([mine[1], *other])
    assert pgvault_ready("forget", "--keep-last", "9", "--all-sources").code == 0
    assert len(left(pgvault_ready)) == 3, "options stand in place of the file's policy"
    assert pgvault_ready("forget", "--all-sources").code == 0
    assert sorted(left(pgvault_ready)) == sorted([mine[1], other[1]])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("keep_dayly = 7", "did you mean 'keep_daily'"),
        ('keep_daily = "x"', "retention.keep_daily x: not a count"),
        ("keep_within = 7", "retention.keep_within must be text"),
        ('keep_tag = "x"', "must be a list of texts"),
        ('preset = "prod"', "no such preset"),
    ],
)
def test_a_wrong_policy_in_the_configuration_is_named_with_its_file(pgvault: Command, table: str, said: str) -> None:
    (pgvault.home / "pgvault.toml").write_text(f"[retention]\n{table}\n")
    done = pgvault("forget")
    assert done.code == 2
    assert said in done.err
    assert "pgvault.toml" in done.err


def test_init_writes_the_preset_and_forget_uses_it(pgvault: Command) -> None:
    (pgvault.home / "pgvault.toml").write_text('version = 1\n[source.app]\ndirectories = { a = "a" }  # mine')
    done = pgvault("init", "--no-recovery-kit", "--preset", "production", "--json")
    jsonschema.validate(done.json(), SHAPES["init"])
    path = pgvault.home / "pgvault.toml"
    assert done.json()["config"] == str(path)
    assert "# mine" in path.read_text()
    policy = {"keep_daily": 30, "keep_weekly": 13, "keep_monthly": 12}
    assert tomllib.loads(path.read_text())["retention"] == policy
    taken(pgvault)
    assert "keep-daily, 1 of 30" in pgvault("forget").out
    assert len(left(pgvault)) == 2, "the newest of the day, and the oldest while there are few"


def test_init_refuses_a_preset_before_it_makes_anything(pgvault: Command) -> None:
    assert pgvault("init", "--no-recovery-kit", "--preset", "prod").code == 2
    (pgvault.home / "pgvault.toml").write_text("[retention]\nkeep_last = 1\n")
    refused = pgvault("init", "--no-recovery-kit", "--preset", "dev")
    assert (refused.code, "has a policy already" in refused.err) == (8, True)
    assert not pgvault.repository.exists()
    (pgvault.home / "pgvault.toml").unlink()
    assert pgvault("init", "--no-recovery-kit", "--preset", "dev").code == 0
    made = tomllib.loads((pgvault.home / "pgvault.toml").read_text())
    assert made == {"version": 1, "retention": {"keep_within": "7d", "keep_last": 3}}


def test_damage_is_named_and_is_the_exit_code(one_snapshot: Command) -> None:
    (one_snapshot.repository / "snapshots" / ("ab" * 32)).write_bytes(b"junk")
    done = one_snapshot("forget", "--keep-last", "1", "--json")
    assert done.code == 4
    assert done.json()["damage"][0]["file"] == "snapshots/" + "ab" * 32
    (one_snapshot.repository / "pins").mkdir(exist_ok=True)
    (one_snapshot.repository / "pins" / ("ab" * 32)).write_bytes(b"junk")
    refused = one_snapshot("forget", "--keep-last", "1")
    assert refused.code == 4
    assert refused.err.startswith("pgvault: pins/abab")
    assert "remove that file" in refused.err


def test_a_named_one_goes_and_the_others_are_counted_as_kept(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    assert pgvault_ready("forget", "latest~1", "--yes").out.splitlines()[-1] == "forgot 1 snapshot, kept 2"
    assert left(pgvault_ready) == [ids[0], ids[2]]


def test_quiet_shows_no_table_and_many_damaged_files_few_warnings(pgvault_ready: Command) -> None:
    taken(pgvault_ready)
    for number in range(40):
        (pgvault_ready.home / "repository" / "snapshots" / f"{number:064x}").write_bytes(b"junk")
    done = pgvault_ready("forget", "--keep-last", "2", "-q")
    assert done.code == 4
    assert done.out == "forgot 1 snapshot, kept 2\n"
    assert len(done.err.splitlines()) == 6
    assert "35 more files" in done.err


@pytest.mark.spec("RET-14")
def test_policy_is_refused_before_anything_goes_while_findings_cannot_be_read(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    (pgvault_ready.home / "repository" / "findings").mkdir(exist_ok=True)
    (pgvault_ready.home / "repository" / "findings" / f"{7:064x}").write_bytes(b"junk")
    done = pgvault_ready("forget", "--keep-last", "1")
    assert done.code == 4
    assert f"findings/{7:064x}" in done.err
    assert "next: " in done.err
    assert left(pgvault_ready) == ids


@pytest.mark.parametrize(("answer", "stay"), [("n", 3), ("y", 1)])
def test_on_a_terminal_the_plan_is_shown_and_asked_for(pgvault_ready: Command, answer: str, stay: int) -> None:
    taken(pgvault_ready)
    code, shown = answered(pgvault_ready, "forget", "--keep-last", "1", answers=[answer])
    assert code == (1 if answer == "n" else 0)
    assert ("pgvault: nothing was forgotten" in shown) == (answer == "n")
    assert shown.index("goes") < shown.index("Forget 2 snapshots? [y/N] ")
    assert len(left(pgvault_ready)) == stay
    code, shown = answered(pgvault_ready, "forget", "--keep-last", "1", "--yes")
    assert (code, len(left(pgvault_ready))) == (0, 1)


def test_the_question_stands_below_the_table_also_where_that_goes_into_a_pipe(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    assert ids[0][:12].encode() in before_the_question(pgvault_ready, "forget", ids[0][:8])
    assert len(left(pgvault_ready)) == 3


def test_ctrl_c_at_the_question_says_that_nothing_was_done(pgvault_ready: Command) -> None:
    ids = taken(pgvault_ready)
    code, shown = answered(pgvault_ready, "forget", ids[0][:8], answers=[CTRL_C])
    assert (code, "nothing was forgotten" in shown) == (130, True)
    assert len(left(pgvault_ready)) == 3


def test_snapshots_that_hold_other_things_are_series_of_their_own_and_that_is_said(pgvault_ready: Command) -> None:
    taken(pgvault_ready, 2)
    (pgvault_ready.home / "b").mkdir()
    done = pgvault_ready("backup", "--dir", "a=a", "--dir", "b=b", "--source", "app", "--json")
    assert done.code == 0
    dry = pgvault_ready("forget", "--keep-last", "1", "--dry-run")
    assert [line.split()[5] for line in dry.out.splitlines()[1:4]] == ["goes", "keep", "keep"]
    assert "app has 2 series, by what they hold, and each rule counts in each of them:" in dry.err
    assert "  2 snapshots of a\n" in dry.err
    assert "  1 snapshot of a, b\n" in dry.err
    refused = pgvault_ready("restore", "latest~1", "--dir", "b=back", "--yes")
    assert refused.code == 2
    assert f"next: {done.json()['snapshot'][:12]} is the newest of app that has it" in refused.err
