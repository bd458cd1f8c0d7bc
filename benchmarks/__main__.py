"""Run every measurement and print a table: `.venv/bin/python -m benchmarks [rounds]`."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from benchmarks import engine, raw

TASKS = 20_000
Found = TypeVar("Found")


def main() -> None:
    """Measure in turn, so that a slow moment of the machine meets baseline and engine alike."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    measured: dict[str, list[float]] = {"raw": [], "nothing": [], "one_write": [], "ten_ms": []}
    kept: dict[str, list[float]] = {"commits": [], "started": [], "kept": []}
    for _ in range(rounds):
        kept["commits"].append(_in_a_folder(lambda each: raw.commits_per_second(each, 5_000)))
        kept["started"].append(
            _in_a_folder(lambda each: engine.jobs_started_per_second(each, 2_000))
        )
        kept["kept"].append(_in_a_folder(lambda each: engine.tasks_kept_per_second(each, 100_000)))
        measured["raw"].append(_in_a_folder(lambda each: raw.updates_per_second(each, TASKS)))
        for handler, tasks in (("nothing", TASKS), ("one_write", TASKS), ("ten_ms", 2_000)):
            measured[handler].append(_tasks_per_second(handler, tasks))
    latencies = _in_a_folder(lambda each: engine.start_latencies(each, 200))
    memory, cpu = _in_a_folder(lambda each: engine.at_rest(each, 5))
    _print(measured)
    _print_kept(kept)
    print(f"start of a lone task: p50 {_at(latencies, 50):.1f} ms, p99 {_at(latencies, 99):.1f} ms")
    print(f"at rest: {memory:.0f} MB, {cpu:.2f} % of a core (the engine alone, without the web)")


def _tasks_per_second(handler: str, tasks: int) -> float:
    return _in_a_folder(lambda each: engine.tasks_per_second(each, handler, tasks))


def _in_a_folder(measure: Callable[[Path], Found]) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        return measure(Path(folder))


def _print(measured: dict[str, list[float]]) -> None:
    baseline = statistics.median(measured["raw"])
    for name, figures in measured.items():
        middle = statistics.median(figures)
        spread = f"{min(figures):,.0f} to {max(figures):,.0f}"
        # Ten threads that take ten milliseconds each end a thousand tasks a second at best.
        part, of = (middle / 1000, "ideal") if name == "ten_ms" else (middle / baseline, "raw")
        print(f"{name:10} {middle:10,.0f} /s  ({spread})  {part:6.1%} of {of}")


def _print_kept(kept: dict[str, list[float]]) -> None:
    commits = statistics.median(kept["commits"])
    for name, figures in kept.items():
        middle = statistics.median(figures)
        spread = f"{min(figures):,.0f} to {max(figures):,.0f}"
        part = "" if name == "kept" else f"{middle / commits:6.1%} of raw commits"
        print(f"{name:10} {middle:10,.0f} /s  ({spread})  {part}")


def _at(figures: list[float], percent: int) -> float:
    return figures[min(len(figures) - 1, len(figures) * percent // 100)]


if __name__ == "__main__":
    main()
