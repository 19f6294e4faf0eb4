"""The words of a policy, as options and as the table `[retention]` of a configuration. Pure.

Nothing is guessed: a word that is no number, no length of time, no preset is refused where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from vault.errors import UsageError
from vault.ops.retention.policy import PRESETS, UNLIMITED, Policy, Span

UNITS: Final = ("hourly", "daily", "weekly", "monthly", "yearly")
COUNTS: Final = ("keep_last", *(f"keep_{unit}" for unit in UNITS))
SPANS: Final = ("keep_within", *(f"keep_within_{unit}" for unit in UNITS))
RULES: Final = ("preset", *COUNTS, *SPANS, "keep_tag")
"""Keys of `[retention]`; an option has dashes for the underscores. A preset is the ground, and each other rule stands in place of its."""

_COUNT_MAX: Final = 10**9
_PART: Final = re.compile(r"([0-9]{1,6})([ymwdh])")
_SPAN: Final = re.compile(rf"(?:{_PART.pattern})+")


def option(key: str) -> str:
    return "--" + key.replace("_", "-")


def read_policy(words: Mapping[str, Any], name: Callable[[str], str] = option) -> Policy:
    """`words`: by keys of RULES, numbers as numbers or text; what is None or empty is not there. `name`: how a key is called in errors.

    Raises  UsageError
    """
    given = {key: words[key] for key in RULES if words.get(key) not in (None, "", (), [])}
    policy = Policy()
    if "preset" in given:
        policy = _preset(given["preset"], name("preset"))
    counts = {key.removeprefix("keep_"): read_count(given[key], name(key)) for key in COUNTS if key in given}
    spans = {key.removeprefix("keep_"): read_span(given[key], name(key)) for key in SPANS if key in given}
    tags = {"tags": tuple(given["keep_tag"])} if "keep_tag" in given else {}
    changes: dict[str, Any] = {**counts, **spans, **tags}
    return replace(policy, **changes)


def read_count(value: object, name: str) -> int:
    """A number, or `unlimited`."""
    if value == "unlimited":
        return UNLIMITED
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > _COUNT_MAX:
        raise UsageError(f"{name} {text}: not a count", hint=f"write {name} 7, or unlimited")
    return int(text)


def read_span(value: object, name: str) -> Span | None:
    """`2y5m7d3h`: years, months, days, hours; `w` for weeks. A length of nothing is no rule, as a count of 0 is none."""
    text = str(value)
    parts = _PART.findall(text)
    units = [unit for _, unit in parts]
    if not _SPAN.fullmatch(text) or len(set(units)) != len(units):
        raise UsageError(
            f"{name} {text}: not a length of time",
            why="years, months, weeks, days and hours, each once: 1y, 6m, 2w, 7d, 36h, 1y6m",
            hint=f"{name} 7d",
        )
    length = {unit: int(number) for number, unit in parts}
    days = length.get("d", 0) + 7 * length.get("w", 0)
    span = Span(years=length.get("y", 0), months=length.get("m", 0), days=days, hours=length.get("h", 0))
    return None if span == Span() else span


def written(preset: str) -> list[str]:
    """The preset's rules as lines of a `[retention]` table, so that a later program's idea of it changes nothing."""
    policy = _preset(preset, "--preset")
    counts = [f"{key} = {number}" for key in COUNTS if (number := getattr(policy, key.removeprefix("keep_")))]
    spans = [f'{key} = "{span}"' for key in SPANS if (span := getattr(policy, key.removeprefix("keep_")))]
    return [*spans, *counts]


def _preset(value: object, name: str) -> Policy:
    preset = PRESETS.get(str(value))
    if preset is None:
        raise UsageError(f"{name} {value}: no such preset", why=f"there are: {', '.join(PRESETS)}", hint=f"{name} dev")
    return preset
