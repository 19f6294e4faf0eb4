"""A policy in words: as options, and as a table of the configuration."""

from __future__ import annotations

import tomllib

import pytest

from vault.errors import UsageError
from vault.ops.retention.policy import PRESETS, UNLIMITED, Policy, Span
from vault.ops.retention.policy_words import option, read_policy, written


def test_words_are_read_as_restic_reads_them() -> None:
    words = {
        "keep_last": "3",
        "keep_daily": "unlimited",
        "keep_within": "2y5m7d3h",
        "keep_within_weekly": "36h",
        "keep_tag": ("a", "b=c"),
    }
    assert read_policy(words) == Policy(
        last=3,
        daily=UNLIMITED,
        within=Span(years=2, months=5, days=7, hours=3),
        within_weekly=Span(hours=36),
        tags=("a", "b=c"),
    )
    assert read_policy({"keep_within": "2w1d"}).within == Span(days=15)
    assert str(Span(years=1, days=3)) == "1y3d"


def test_a_preset_is_the_ground_of_what_else_is_said() -> None:
    assert read_policy({"preset": "production"}) == PRESETS["production"]
    both = read_policy({"preset": "production", "keep_daily": 7, "keep_tag": ["release"]})
    assert both == Policy(daily=7, weekly=13, monthly=12, tags=("release",))


@pytest.mark.parametrize("words", [{}, {"keep_last": "0"}, {"keep_within": "0d"}, {"keep_tag": ()}, {"keep_daily": 0}])
def test_no_rule_is_an_empty_policy(words: dict[str, object]) -> None:
    assert read_policy(words).is_empty()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("keep_last", bad) for bad in ("-1", "x", "1.5", " 3", "99999999999", True, 3.0, "٣")),
        *(("keep_within", bad) for bad in ("7", "d", "7d7d", "-7d", "7 d", "7s", "1d2", "1000000000d", "٣d", 7)),
        ("preset", "prod"),
    ],
)
def test_what_cannot_be_meant_is_refused_where_it_stands(key: str, value: object) -> None:
    with pytest.raises(UsageError) as refused:
        read_policy({key: value})
    assert refused.value.message.startswith(option(key))
    assert refused.value.hint
    with pytest.raises(UsageError, match=r"pgvault\.toml: retention\."):
        read_policy({key: value}, lambda name: f"pgvault.toml: retention.{name}")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_that_is_written_out_means_the_same(preset: str) -> None:
    table = tomllib.loads("\n".join(written(preset)))
    assert read_policy(table) == PRESETS[preset]
    assert "preset" not in table
