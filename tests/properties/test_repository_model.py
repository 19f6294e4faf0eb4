"""Short histories of a repository against the model; long ones are `python -m tests.repository_model`."""

from __future__ import annotations

from tests.repository_model import run


def test_no_history_loses_anything() -> None:
    run(histories=12, steps=20)
