"""The line of a crontab, and the crontab around it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.app.schedule.tasks import ODD, ODD_TEXTS, PLAIN
from vault.app.schedule import cron
from vault.errors import UnsafeError

LINE = (
    "10 * * * * cd /srv/shop && HOME=/home/ada PATH=/usr/bin:/bin PGVAULT_CONFIG=/srv/shop/pgvault.toml "
    "/opt/pgvault/bin/pgvault schedule run --source app -q --if-due"
)
OTHERS = [
    b"",
    b"MAILTO=ada\n# my own\n17 4 * * * /usr/local/bin/other >/dev/null\n",
    b"# \xff\xfe no UTF-8\r\n@reboot x\x0c\n\n\n   \n",
    b"# >>> something else\n# <<< something else\n",
    b"# a comment about >>> pgvault-schedule in its middle\n",
    b"# \r# >>> pgvault-schedule fake\n",
]


def test_the_line_is_this() -> None:
    assert cron.line(PLAIN) == LINE
    told = f"{PLAIN.timetable}: looked at every hour, so that a missed run is caught up; "
    told += "pgvault schedule remove takes these three lines away"
    assert cron.block(PLAIN).decode().splitlines() == [
        f"# >>> pgvault-schedule {PLAIN.name} ({told})",
        LINE,
        f"# <<< pgvault-schedule {PLAIN.name}",
    ]


@pytest.mark.parametrize("text", ["back\\%", "back\\\\slash"])
def test_what_crons_read_differently_is_refused(text: str) -> None:
    """Vixie's takes `\\\\` for one backslash, so that a percent sign after it ends the command."""
    with pytest.raises(UnsafeError, match="cannot be written for cron"):
        cron.line(replace(PLAIN, folder=f"/srv/{text}"))


def test_sh_gets_the_words_as_they_were(tmp_path: Path) -> None:
    """As cron hands the line over: \\% is its spelling of %."""
    program = tmp_path / "o d d" / "show"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$PGVAULT_PASSWORD_FILE" "$@"\n')
    program.chmod(0o700)
    task = replace(ODD, words=(str(program), *ODD.words[1:]), folder=str(tmp_path))
    command = cron.line(task).split(" ", 5)[5]
    assert "%" not in command.replace("\\%", "")
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")], env={}, capture_output=True, text=True, check=True
    )
    wanted = [str(tmp_path), ODD.environment["PGVAULT_PASSWORD_FILE"], "schedule", "run", *ODD_TEXTS, "-q", "--if-due"]
    assert done.stdout.splitlines() == wanted


@pytest.mark.parametrize("others", OTHERS)
def test_the_rest_stays_byte_for_byte(others: bytes) -> None:
    with_one = cron.within(others, PLAIN)
    assert with_one.startswith(others)
    assert cron.within(with_one, PLAIN) == with_one
    with_two = cron.within(with_one + b"# mine, added later\n", ODD)
    assert set(cron.installed(with_two)) == {PLAIN.name, ODD.name}
    changed = cron.within(with_two, replace(PLAIN, folder="/srv/moved"))
    assert b"/srv/moved" in changed
    assert b"cd /srv/shop " not in changed
    assert len(changed.splitlines()) == len(with_two.splitlines())
    gone = cron.without(cron.without(changed, PLAIN.name), ODD.name)
    assert gone == others + b"# mine, added later\n"
    assert cron.without(gone, PLAIN.name) == gone


def test_a_table_without_a_last_line_end_gets_one() -> None:
    assert cron.within(b"1 * * * * x", PLAIN).startswith(b"1 * * * * x\n# >>> ")


def marked(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


BEGIN, END = f"# >>> pgvault-schedule {PLAIN.name} (...)", f"# <<< pgvault-schedule {PLAIN.name}"


@pytest.mark.parametrize(
    ("table", "number"),
    [
        (marked("x", BEGIN, LINE), 2),
        (marked("x", LINE, END), 3),
        (marked(BEGIN, LINE, END, BEGIN, LINE, END), 4),
        (marked(BEGIN, BEGIN, LINE, END), 2),
        (marked(BEGIN, LINE, f"# <<< pgvault-schedule {ODD.name}"), 3),
        (marked("# >>> pgvault-schedule", LINE, "# <<< pgvault-schedule"), 1),
        (marked(END, LINE, BEGIN), 1),
    ],
)
def test_damaged_marks_are_refused(table: bytes, number: int) -> None:
    for attempt in (
        lambda: cron.within(table, PLAIN),
        lambda: cron.without(table, ODD.name),
        lambda: cron.installed(table),
    ):
        with pytest.raises(UnsafeError) as refused:
            attempt()
        assert f"line {number}:" in refused.value.why
        assert "crontab -e" in refused.value.hint


def test_a_line_that_cron_would_cut_off_is_refused() -> None:
    with pytest.raises(UnsafeError):
        cron.line(replace(PLAIN, environment={"PATH": "/x" * 600}))
