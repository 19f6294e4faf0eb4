"""A step that fails ends neither the run nor the steps after it."""

from __future__ import annotations

import errno

from tests.fix_views import PASSPHRASE, Listener, ViewRepository
from vault.app.schedule.upkeep import Upkeep
from vault.app.settings import Settings
from vault.repo.state import Closed


def test_an_error_of_the_machine_fails_its_step_alone() -> None:
    upkeep = Upkeep(
        repo=Closed(ViewRepository().store).open(PASSPHRASE),
        settings=Settings(),
        sources=(),
        pruned_ms=0,
        checked_ms=0,
        progress=Listener(),
        now_ms=0,
    )

    def full() -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    step = upkeep._step("drill", "", full)
    assert (step.state, step.code) == ("failed", "SOURCE_FAILED")
    assert "No space left" in step.why
