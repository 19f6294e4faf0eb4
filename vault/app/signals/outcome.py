"""What is told of a backup that ended: the texts of pings and webhooks. Pure; no secret and no row data goes in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

TAIL_BYTES_MAX: Final = 10_000
"""Of the log, in a ping of failure: what the services show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One source's backup. `line`: what --json prints last, a result or an error; `text`: one line for people."""

    source: str
    exit_code: int
    text: str
    line: Mapping[str, object] = field(default_factory=dict)


def ping_url(base: str, *, source: str, word: str, run: str) -> str:
    """`base` with `/start`, `/fail` or nothing, and the run's id. `{source}` in it stands for the source's name."""
    parts = urlsplit(base.replace("{source}", quote(source, safe="")))
    path = parts.path.rstrip("/") + (f"/{word}" if word else "")
    query = "&".join(part for part in (parts.query, f"rid={run}") if part)
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def ping_text(outcomes: list[Outcome], *, exit_code: int, tail: str) -> str:
    """A line for each source; after a failure the end of the log, as much as services keep."""
    told = "\n".join(f"{one.source}: {one.text} (exit code {one.exit_code})" for one in outcomes)
    if not tail or exit_code == 0:
        return told
    kept = tail.encode("utf-8", "replace")[-TAIL_BYTES_MAX:].decode("utf-8", "ignore")
    return f"{told}\n\n{kept}"


def webhook_text(outcome: Outcome, *, run: str, host: str, program: str) -> str:
    """`text` is what chat services show."""
    value = {
        "event": "backup",
        "run": run,
        "source": outcome.source,
        "host": host,
        "program": program,
        "exit_code": outcome.exit_code,
        "text": f"pgvault: {outcome.source} on {host}: {outcome.text}",
        "result": dict(outcome.line),
    }
    return json.dumps(value)
