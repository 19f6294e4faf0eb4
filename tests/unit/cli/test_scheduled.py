"""With which exit code a scheduled run ends."""

from __future__ import annotations

import pytest

from vault.cli.exit_codes import ExitCode
from vault.cli.scheduled import exit_code
from vault.ops.schedule.upkeep import UpkeepStep


def failed(code: str) -> UpkeepStep:
    return UpkeepStep(name="prune", state="failed", why="", code=code)


DONE, SKIPPED = UpkeepStep(name="retention", state="done", why=""), UpkeepStep(name="check", state="skipped", why="")


@pytest.mark.parametrize(
    ("backups", "steps", "code"),
    [
        ([0], [DONE, SKIPPED], 0),
        ([0], [], 0),
        ([0], [DONE, failed("UNSAFE")], 3),
        ([0], [failed("STORE_FULL")], 3),
        ([0], [failed("FORMAT_NEWER")], 3),
        ([0], [failed("MISSING_OBJECT")], 4),
        ([0], [failed("ROLLED_BACK"), failed("UNSAFE")], 4),
        ([3], [DONE], 3),
        ([3], [failed("UNSAFE")], 3),
        ([3], [failed("DAMAGED")], 4),
        ([4], [failed("UNSAFE")], 4),
        ([5], [SKIPPED], 5),
        ([5], [failed("UNSAFE")], 5),
        ([5], [failed("DAMAGED")], 4),
        ([0, 6], [failed("UNSAFE")], 6),
        ([0, 6], [failed("DAMAGED")], 4),
        ([13], [], 13),
    ],
)
def test_the_exit_code_is_the_gravest_of_the_backups_and_what_followed(
    backups: list[int], steps: list[UpkeepStep], code: int
) -> None:
    assert exit_code(map(ExitCode, backups), steps) == code
