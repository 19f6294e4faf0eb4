"""Run a command and say what it took: wall and CPU seconds, and peak memory over its whole process tree."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

_SAMPLE_S = 0.02
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One run. `peak_bytes`: largest sum of the proportional set sizes of the process and its descendants."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    code: int
    output: str


def _inherited() -> dict[str, str]:
    """What an installed program has: its modules compiled. Some machines ask Python to write none."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def run(command: Sequence[str] | str, *, env: Mapping[str, str] | None = None, memory: bool = False) -> Figures:
    """Run a command (a text is given to bash with pipefail) and wait for it."""
    words = ["bash", "-o", "pipefail", "-c", command] if isinstance(command, str) else list(command)
    before = os.times()
    started = time.monotonic()
    child = subprocess.Popen(
        words, env={**_inherited(), **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    sampler = _Sampler(child.pid) if memory else None
    output = child.communicate()[0]
    wall = time.monotonic() - started
    after = os.times()
    return Figures(
        wall_s=wall,
        cpu_s=after.children_user + after.children_system - before.children_user - before.children_system,
        peak_bytes=sampler.stop() if sampler else 0,
        code=child.returncode,
        output=output,
    )


class _Sampler:
    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ended.set()
        self._thread.join()
        return self._peak

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            self._peak = max(self._peak, sum(_pss(pid) for pid in _tree(self._pid)))


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{task}/children").read_text()
                found.extend(int(child) for child in children.split())
        except OSError:
            continue
    return found


def _pss(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def medians(count: int, once: Callable[[], Figures], *, warm_up: int = 1) -> list[Figures]:
    """`count` runs after `warm_up` that are not counted, ordered by wall time; the middle one is the median."""
    for _ in range(warm_up):
        once()
    return sorted((once() for _ in range(count)), key=lambda figures: figures.wall_s)


def median(runs: Sequence[Figures]) -> Figures:
    return runs[len(runs) // 2]


def spread(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def machine() -> dict[str, object]:
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_bytes": pages, "python": platform.python_version()}


def record(name: str, command: str, results: Mapping[str, object]) -> Path:
    """Append one JSON line with machine, date and command to results/NAME.jsonl."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.jsonl"
    line = {"date": datetime.now(UTC).date().isoformat(), "command": command, "machine": machine(), "results": results}
    with path.open("a") as file:
        file.write(json.dumps(line, default=asdict) + "\n")
    return path
