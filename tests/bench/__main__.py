"""Measure and print one table; all figures are of this machine, ratios carry over to others."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.faults import measure, report
from tests.bench.memory import measured
from tests.bench.planning import planning_seconds
from visiongpt_agent.hosting.quiet import hush_libraries, quiet

_BUDGET = 24 * 10**9
REQUEST = "how many people are at the bus, and what does it say on the side?"


def main() -> None:
    hush_libraries()
    table = Table("what", "measured", "goal", title=f"{os.cpu_count()} CPU cores, {_torch()}")
    _row(table, "import visiongpt_agent, a whole process", _process("-c", "import visiongpt_agent"), 0.3)
    _row(table, "visiongpt --help, a whole process", _process("-m", "visiongpt_agent", "--help"), 0.6)
    photo = str(_bus())
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("-m", "visiongpt_agent", "run", REQUEST, "-i", photo, "--out", folder)
        _row(table, f'visiongpt run "{REQUEST}", a whole process', _process(*arguments, times=3), 15)
    with quiet():
        first, second = _requests(photo)
        ours, stock = planning_seconds()
    _row(table, "the first request in one process", first)
    _row(table, "the second request in one process", second, 5)
    _row(table, "planning, median of eight requests", ours)
    _row(table, "the same prompts and weights through transformers' generate", stock)
    table.add_row("planning: generate / ours", f"{stock / ours:.1f}x", "")
    with quiet():
        tally = measure()
    table.add_row("faults planted in results and caught", f"{tally.share_caught:.1%} of {tally.planted}", "> 95 %")
    table.add_row("false alarms in clean runs", f"{tally.false_alarms:.1%} of {tally.clean}", "< 2 %")
    table.add_row("the paper's models at real size within 24 GB", *_within_24_gb())
    Console().print(table)
    print(*report(tally), sep="\n")


def _within_24_gb() -> tuple[str, str]:
    """What came of the sequence of requests, and its goal; only where a card has as much."""
    import torch

    if not torch.cuda.is_available() or torch.cuda.get_device_properties(0).total_memory < _BUDGET:
        return "needs a GPU of 24 GB", ""
    with tempfile.TemporaryDirectory() as folder, quiet():
        told = measured(Path(folder), "cuda:0", _BUDGET)
    return told, "nothing runs out of memory: met"


def _row(table: Table, what: str, seconds: float, goal: float | None = None) -> None:
    if goal is None:
        table.add_row(what, f"{seconds:.2f} s", "")
    else:
        table.add_row(what, f"{seconds:.2f} s", f"< {goal:g} s, {'met' if seconds < goal else 'missed'}")


def _process(*arguments: str, times: int = 7) -> float:
    """Median seconds of a whole Python process, after one run that warms the disk cache."""

    def once() -> None:
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    once()
    return statistics.median(_seconds(once) for _ in range(times))


def _requests(photo: str) -> list[float]:
    from visiongpt_agent import VisionGPT

    agent = VisionGPT()
    return [_seconds(lambda: agent.run(REQUEST, photo)) for _ in range(2)]


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _bus() -> Path:
    spec = importlib.util.find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("bus.jpg comes with ultralytics: pip install --no-deps ultralytics")
    return Path(spec.submodule_search_locations[0]) / "assets" / "bus.jpg"


def _torch() -> str:
    import torch

    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return f"torch {torch.__version__}{gpu}"


if __name__ == "__main__":
    main()
