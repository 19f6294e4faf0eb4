"""Metrics as a text file for a node exporter's collector: one file, any number of sources, replaced as a whole. 0644.

The file is its own memory: a run that fails keeps what the last good one wrote, and every run keeps what other sources wrote. Only
lines that pgvault writes are kept; all else in the file goes.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.errors import VaultError

METRICS: Final[Mapping[str, str]] = {
    "last_success_timestamp_seconds": "When the last snapshot was saved that does not look like damage.",
    "last_attempt_timestamp_seconds": "When the last backup ended, however it did.",
    "last_exit_code": "Exit code of the last backup; 0 is good, pgvault help exit-codes says the others.",
    "last_duration_seconds": "How long the last backup took.",
    "last_snapshot_rows": "Rows of the last snapshot.",
    "last_snapshot_source_bytes": "Text of all rows of the last snapshot.",
    "last_snapshot_new_bytes": "What the last snapshot added to the repository.",
    "max_age_seconds": "How old the last success may become before it is overdue.",
    "overdue": "1 if the last success was older than max_age_seconds when this was written.",
}
"""Name without its prefix -> help. All are gauges, of a source in a repository."""
PREFIX: Final = "pgvault_"
_FILE_BYTES_MAX: Final = 4 * 1024 * 1024
_SAMPLE: Final = re.compile(
    r'pgvault_(\w+)\{repository="((?:[^"\\\n]|\\.)*)",source="((?:[^"\\\n]|\\.)*)"\} (-?[0-9][0-9.e+-]{0,30})'
)
_LOCK_WAIT_S: Final = 2.0

Label = tuple[str, str]
"""Repository and source, as they stand in the file, escaped."""
Samples = dict[Label, dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A backup that ended. Counts are None where there is no snapshot; `good`: saved, whole and sound. Times in s."""

    ended_s: float
    duration_s: float
    exit_code: int
    good: bool
    max_age_s: float | None = None
    rows: int | None = None
    source_bytes: int | None = None
    new_bytes: int | None = None


def label(repository: str, source: str) -> Label:
    return _escaped(repository), _escaped(source)


def updated(before: Mapping[str, str], measured: Measured) -> dict[str, str]:
    """Metrics of a source after a backup, from those before it. Pure."""
    after = {name: before[name] for name in METRICS if name in before}
    counts = {
        "last_snapshot_rows": measured.rows,
        "last_snapshot_source_bytes": measured.source_bytes,
        "last_snapshot_new_bytes": measured.new_bytes,
    }
    after |= {name: str(value) for name, value in counts.items() if value is not None}
    after["last_attempt_timestamp_seconds"] = f"{measured.ended_s:.3f}"
    after["last_exit_code"] = str(measured.exit_code)
    after["last_duration_seconds"] = f"{measured.duration_s:.3f}"
    if measured.good:
        after["last_success_timestamp_seconds"] = f"{measured.ended_s:.3f}"
    after.pop("max_age_seconds", None)
    after.pop("overdue", None)
    if measured.max_age_s is not None:
        last = _number(after.get("last_success_timestamp_seconds"))
        late = last is None or measured.ended_s - last > measured.max_age_s
        after |= {"max_age_seconds": f"{measured.max_age_s:g}", "overdue": str(int(late))}
    return after


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def read_samples(text: str) -> Samples:
    """What pgvault wrote; lines that it did not write are passed over."""
    samples: Samples = {}
    for line in text.split("\n"):
        match = _SAMPLE.fullmatch(line)
        if match is not None and match[1] in METRICS and _number(match[4]) is not None:
            samples.setdefault((match[2], match[3]), {})[match[1]] = match[4]
    return samples


def written(samples: Mapping[Label, Mapping[str, str]]) -> str:
    """The file's text: each metric's samples together, as the format demands."""
    lines: list[str] = []
    for name, told in METRICS.items():
        having = [(key, values[name]) for key, values in sorted(samples.items()) if name in values]
        if having:
            lines += [f"# HELP {PREFIX}{name} {told}", f"# TYPE {PREFIX}{name} gauge"]
            lines += [
                f'{PREFIX}{name}{{repository="{repository}",source="{source}"}} {value}'
                for (repository, source), value in having
            ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def write(path: Path, key: Label, measured: Measured) -> None:
    """Replace the file by one with the metrics of this backup. Raises  VaultError: it cannot be written"""
    try:
        with _alone(path.parent):
            samples = read_samples(_text(path))
            samples[key] = updated(samples.get(key, {}), measured)
            _replace(path, written(samples).encode())
    except OSError as error:
        raise VaultError(
            f"{path}: the metrics cannot be written",
            why=error.strerror or type(error).__name__,
            hint="signals.prometheus_file of pgvault.toml names it",
        ) from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_FILE_BYTES_MAX).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _replace(path: Path, data: bytes) -> None:
    """The temporary name ends in no .prom, so that no collector reads it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o644)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """So that of two runs that end at once neither loses what the other wrote; who waits too long goes on."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        until = time.monotonic() + _LOCK_WAIT_S
        while time.monotonic() < until:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
                continue
            except OSError:
                pass  # a file system without locks
            break
        yield
    finally:
        os.close(descriptor)
