"""Draw plots from the newest recorded results into benchmarks/plots/. Writes SVG by hand, so that nothing has to be installed.

    python -m benchmarks.plot

What has no results yet is left out, and said.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import RESULTS

PLOTS = Path(__file__).parent / "plots"
_WIDTH, _HEIGHT = 720, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 150, 40, 48
_COLOURS = ("#1f6feb", "#d9822b", "#7a5195", "#5b8c5a", "#8b949e")
Line = tuple[str, Sequence[tuple[float, float]]]
"""Name and points."""


def main() -> None:
    PLOTS.mkdir(exist_ok=True)
    for name, draw in (("days", _days), ("month", _month), ("growth", _growth), ("many_tables", _tables)):
        newest = _newest(name)
        if newest is None:
            print(f"no results of {name} yet")
            continue
        for path, svg in draw(newest):
            (PLOTS / path).write_text(svg, encoding="utf-8")
            print(PLOTS / path)
    images = "\n".join(f"![{path.stem}]({path.name})" for path in sorted(PLOTS.glob("*.svg")))
    (PLOTS / "README.md").write_text(
        f"# Plots\n\nDrawn by `python -m benchmarks.plot`.\n\n{images}\n", encoding="utf-8"
    )


def _newest(name: str) -> Mapping[str, Any] | None:
    path = RESULTS / f"{name}.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found: Mapping[str, Any] | None = json.loads(lines[-1])["results"] if lines else None
    return found


# --- what is drawn -------------------------------------------------------------------------------


def _days(results: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    days = {name: day for name, day in results["days"].items() if not name.endswith("large")}
    tools = [name for name in ("pgvault", "restic", "borg", "plain") if name in days["first"]]

    def ratio(day: Mapping[str, Any], tool: str) -> float:
        return float(statistics.median(day[tool]["wall_s"]) / statistics.median(day["floor"]["wall_s"]))

    def megabytes(day: Mapping[str, Any], tool: str) -> float:
        return float(statistics.median(day[tool]["new_bytes"]) / 1e6)

    groups = {name: [ratio(day, tool) for tool in tools] for name, day in days.items()}
    yield "days_time.svg", _bars("A day's backup: wall time, 1 = pg_dump -Fc -Z0 > /dev/null", tools, groups)
    storing = [tool for tool in tools if tool != "plain"]
    sizes = {name: [megabytes(day, tool) for tool in storing] for name, day in days.items()}
    yield "days_bytes.svg", _bars("A day's backup: MB added to the repository", storing, sizes)


def _month(results: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    days = results["days"]
    lines = [(tool, [(day["day"], day[tool]["bytes"] / 1e6) for day in days]) for tool in ("pgvault", "restic", "borg")]
    yield "month_bytes.svg", _lines("Thirty days of mixed change", "day", "MB stored", lines)


def _growth(results: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if "size" in results:
        size = results["size"]
        times = [
            (label, [(one["scale"], one[key]) for one in size])
            for label, key in (("first", "first_s"), ("pg_dump -Z0", "floor_s"), ("unchanged", "unchanged_s"))
        ]
        yield "growth_size_time.svg", _lines("Time of a backup", "size of the tables (1 = 440 MB)", "seconds", times)
        peaks = [
            (label, [(one["scale"], one[key] / 1e6) for one in size])
            for label, key in (("first", "first_peak_bytes"), ("unchanged", "unchanged_peak_bytes"))
        ]
        yield "growth_size_memory.svg", _lines("Peak memory of a backup", "size of the tables", "MB", peaks)
    if "snapshots" in results:
        found = results["snapshots"]
        commands = [
            (name, [(one["snapshots"], one[f"{name}_cpu_s"]) for one in found])
            for name in ("check", "unchanged", "show", "snapshots")
        ]
        yield (
            "growth_snapshots_time.svg",
            _lines(
                "Commands, as the demo project's snapshots grow in number",
                "snapshots",
                "seconds of processor",
                commands,
            ),
        )
        stored = [("stored", [(one["snapshots"], one["bytes"] / 1e6) for one in found])]
        yield "growth_snapshots_bytes.svg", _lines("The demo project's repository", "snapshots", "MB", stored)


def _tables(results: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What pgvault and pg_dump took for each number of tables; a peer that fails on many has a shorter line."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for number, run in sorted(((int(key), run) for key, run in results.items() if key.isdigit())):
        for name, walls in run["wall_s"].items():
            if walls:
                lines.setdefault(name, []).append((number, statistics.median(walls)))
    yield "growth_tables_time.svg", _lines("As the number of tables grows", "tables", "seconds", list(lines.items()))


# --- how it is drawn -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values 0..top in `pixels`, with about five round ticks."""

    top: float
    pixels: int

    @classmethod
    def of(cls, values: Iterable[float], pixels: int) -> _Axis:
        highest = max(values, default=1.0) or 1.0
        step = 10 ** math.floor(math.log10(highest / 4))
        step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if step * factor * 5 >= highest)
        return cls(math.ceil(highest / step) * step, pixels)

    def at(self, value: float) -> float:
        return value / self.top * self.pixels

    @property
    def ticks(self) -> list[float]:
        step = 10 ** math.floor(math.log10(self.top / 4))
        step = next(step * factor for factor in (1, 2, 2.5, 5, 10) if step * factor * 5 >= self.top)
        return [step * number for number in range(round(self.top / step) + 1)]


def _lines(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> str:
    x = _Axis.of((point[0] for _, points in lines for point in points), _WIDTH - _LEFT - _RIGHT)
    y = _Axis.of((point[1] for _, points in lines for point in points), _HEIGHT - _TOP - _BOTTOM)
    parts = [*_frame(title, y_title, y), _text(_LEFT + x.pixels / 2, _HEIGHT - 10, x_title, "middle")]
    parts += [_text(_LEFT + x.at(tick), _HEIGHT - _BOTTOM + 16, f"{tick:g}", "middle") for tick in x.ticks]
    for place, (name, points) in enumerate(lines):
        colour = _COLOURS[place % len(_COLOURS)]
        path = " ".join(f"{_LEFT + x.at(a):.1f},{_HEIGHT - _BOTTOM - y.at(b):.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{spot.split(",")[0]}" cy="{spot.split(",")[1]}" r="2.5" fill="{colour}"/>'
            for spot in path.split()
        ]
        parts += _legend(place, name, colour)
    return _svg(parts)


def _bars(title: str, names: Sequence[str], groups: Mapping[str, Sequence[float]]) -> str:
    y = _Axis.of((value for values in groups.values() for value in values), _HEIGHT - _TOP - _BOTTOM)
    parts = _frame(title, "", y)
    width = (_WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    bar = width * 0.8 / max(1, len(names))
    for group, (label, values) in enumerate(groups.items()):
        left = _LEFT + group * width + width * 0.1
        parts.append(_text(left + width * 0.4, _HEIGHT - _BOTTOM + 16, label, "middle"))
        for place, value in enumerate(values):
            height = y.at(value)
            x, top = left + place * bar, _HEIGHT - _BOTTOM - height
            colour = _COLOURS[place % len(_COLOURS)]
            parts.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{bar:.1f}" height="{height:.1f}" fill="{colour}"/>')
            parts.append(
                _text(x + bar / 2, top - 3, f"{value:.2g}" if value < 100 else f"{value:.0f}", "middle", size=8)
            )
    for place, name in enumerate(names):
        parts += _legend(place, name, _COLOURS[place % len(_COLOURS)])
    return _svg(parts)


def _frame(title: str, y_title: str, y: _Axis) -> list[str]:
    bottom = _HEIGHT - _BOTTOM
    parts = [_text(_LEFT, 20, title, "start", size=14), _text(8, _TOP - 6, y_title, "start")]
    for tick in y.ticks:
        at = bottom - y.at(tick)
        parts.append(
            f'<line x1="{_LEFT}" y1="{at:.1f}" x2="{_WIDTH - _RIGHT}" y2="{at:.1f}" stroke="#d0d7de" stroke-width="1"/>'
        )
        parts.append(_text(_LEFT - 8, at + 4, f"{tick:g}", "end"))
    return parts


def _legend(place: int, name: str, colour: str) -> list[str]:
    x, y = _WIDTH - _RIGHT + 16, _TOP + 18 * place
    return [f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/>', _text(x + 16, y + 9, name, "start")]


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 11) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="#24292f">{escaped}</text>'


def _svg(parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif">'
    return "\n".join((head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>', *parts, "</svg>\n"))


if __name__ == "__main__":
    main()
