"""A dry run in fields: every entry that is made, replaced, or left otherwise than recorded is a step. No database."""

from __future__ import annotations

from typing import cast

import pytest

from tests.restore_values import changed, only, part, planned, snapshot, there
from vault.ops.restore.dry_run import foresee
from vault.ports import TargetSession
from vault.repo.snapshot import Snapshot

PARTS = [part("COLLATION s.c"), part("FUNCTION s.f"), part("TABLE s.t", "COLLATION s.c", "FUNCTION s.f")]


@pytest.mark.parametrize("replace", [True, False])
def test_what_is_needed_and_is_there_otherwise_is_a_step(replace: bool) -> None:
    """It stays as it is, with -c too, because nobody asked for it."""
    present = [one for one in changed(PARTS, "COLLATION s.c") if one.label != "TABLE s.t"]
    made = planned(snapshot(*PARTS), there(*present), wanted=only("s.t"), replace=replace)
    steps = list(foresee(made, cast(Snapshot, None), cast(TargetSession, None)))
    assert [(one.action, one.entry, one.why) for one in steps] == [
        ("create", "TABLE t", ""),
        ("leave", "COLLATION c", "differs on the target"),
    ]


def test_what_was_asked_for_and_stays_is_one_step() -> None:
    made = planned(snapshot(*PARTS), there(*changed(PARTS, "COLLATION s.c")), wanted=only("s.c"))
    steps = list(foresee(made, cast(Snapshot, None), cast(TargetSession, None)))
    assert [(one.action, one.entry) for one in steps] == [("leave", "COLLATION c")]
