"""kill -9 at any moment of a request of five steps: another process goes on, nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import multiprocessing
import random
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from tests import crash
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.state.sqlite import SqliteConversations

KILLS = 50
WAIT = 60


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash", "cv2", "onnxruntime", "visiongpt_agent.state.sqlite"])
    return context


@dataclass(frozen=True)
class Crash:
    """What a kill left: ``moment`` as the log tells it, the steps whose results were kept, what ran by then."""

    moment: str
    kept: frozenset[str]
    ran: Counter[str]


@pytest.mark.slow
def test_it_goes_on_after_kill_9(processes: ForkServerContext, needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.DETECTION_CLOSED)
    whole = tmp_path / "whole"
    _run(processes, crash.begin, whole)
    expected = json.loads((whole / "result.json").read_text())
    assert expected["status"] == "done"
    chance, times = random.Random(2), _times(whole / "log")
    # As many in each stretch between two lines of the log, at any moment of it.
    stretches = [number * (len(times) - 1) // KILLS for number in range(KILLS)]
    delays = [chance.random() * (times[at + 1] - times[at]) for at in stretches]

    def crash_and_go_on(number: int) -> Crash:
        folder = tmp_path / str(number)
        _run(processes, crash.begin, folder, kill=(stretches[number] + 1, delays[number]))
        crashed = _look(folder)
        _run(processes, crash.go_on, folder)
        _check(folder, crashed, expected)
        return crashed

    with ThreadPoolExecutor(2) as workers:
        crashes = list(workers.map(crash_and_go_on, range(KILLS)))

    spread = Counter(crashed.moment for crashed in crashes)
    print("\nkills:", *(f"{spread[moment]:3} {moment}" for moment in sorted(spread)), sep="\n  ")
    print("  steps kept at the kill:", sorted(Counter(len(crashed.kept) for crashed in crashes).items()))
    assert len(spread) >= 8


def _run(
    processes: ForkServerContext,
    work: Callable[[Path], None],
    folder: Path,
    kill: tuple[int, float] | None = None,
) -> None:
    """Run it to its end, or kill it some seconds after the log has so many lines."""
    folder.mkdir(exist_ok=True)
    process = processes.Process(target=work, args=(folder,))
    process.start()
    if kill is not None:
        lines, delay = kill
        while process.is_alive() and len(_lines(folder / "log")) < lines:
            time.sleep(0.001)
        time.sleep(delay)
        process.kill()
    process.join(WAIT)
    assert process.exitcode in ((0,) if kill is None else (0, -signal.SIGKILL))


def _times(log: Path) -> list[float]:
    return [float(line.split()[0]) for line in log.read_text().splitlines()]


def _lines(log: Path) -> list[str]:
    """What the log says, without its times."""
    return [line.partition(" ")[2] for line in log.read_text().splitlines()] if log.exists() else []


def _look(folder: Path) -> Crash:
    lines = _lines(folder / "log")
    ran = Counter(line.split()[1] for line in lines if re.match(r"begins \w", line))
    return Crash(_moment(lines), frozenset(_kept(folder / "state" / "conversations.sqlite")), ran)


def _moment(lines: list[str]) -> str:
    last = lines[-1].split() if lines else []
    if len(last) == 2:
        number = crash.TOOLS.index(last[1]) + 1
        return f"in step {number}" if last[0] == "begins" else f"after step {number}"
    return "before step 1" if last == ["begins"] else "after the result"


def _kept(database: Path) -> set[str]:
    """The steps whose results the state on disk has, applied already or yet to be."""
    if not database.exists():
        return set()
    saver = SqliteConversations(database)
    try:
        state = saver.get_tuple({"configurable": {"thread_id": crash.THREAD}})
    finally:
        saver.close()
    if state is None:
        return set()
    lists = [state.checkpoint["channel_values"].get("steps", [])]
    lists += [value for _, channel, value in state.pending_writes or () if channel == "steps"]
    return {step["tool"] for steps in lists for step in steps}


def _check(folder: Path, crashed: Crash, expected: dict[str, Any]) -> None:
    assert json.loads((folder / "result.json").read_text()) == expected
    ran = _look(folder).ran
    assert set(ran) == set(crash.TOOLS), "a step was lost"
    again = {tool for tool in crash.TOOLS if ran[tool] > crashed.ran[tool]}
    assert not again & crashed.kept, "a step was done again whose result was kept"
    assert max(ran.values()) <= 2
    assert not [path for path in folder.rglob("*") if path.name.endswith(".part")]
    assert [path.name for path in (folder / "state" / "locks").iterdir()] == ["gate.lock"]
    assert {path.name for path in (folder / "out").iterdir()} == set(expected["files"])
    databases = {"conversations.sqlite", "conversations.sqlite-shm", "conversations.sqlite-wal"}
    assert {path.name for path in (folder / "state").iterdir()} - databases == {"locks", "pictures"}
    _check_pictures(folder.parent / "whole", folder)


def _check_pictures(whole: Path, folder: Path) -> None:
    """The store has the pictures of a run without a crash, each of them whole, and no other."""
    names = [{path.name for path in (place / "state" / "pictures").iterdir()} for place in (whole, folder)]
    assert names[0] == names[1]
    store = ImageStore(folder / "state" / "pictures")
    for name in names[1]:
        if name.endswith(".png"):
            store.open(Path(name).stem).load()
