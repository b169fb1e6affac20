"""What a checkpointer keeps: finished steps after a crash, questions to a person across processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command
from PIL import Image

from tests.graphs.harness import CONFIG, asking, graph_of, logging_tool, wait_for
from visiongpt_agent.graphs.resources import Limits
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Proposal
from visiongpt_agent.pool import ModelPool

TWO = "#1 = quick(image=$1)\n#2 = slow(image=$1)\n#3 = adjust_image(image=#1, saturation=0)"
GREY = "#1 = adjust_image(image=$1, saturation=0)"


class _KilledError(BaseException):
    """Stands for the end of the process: nothing in the package may catch it."""


@pytest.fixture
def savers(tmp_path: Path) -> Iterator[Callable[[], SqliteSaver]]:
    """Opens one database again and again, as each process would."""
    opened: list[Any] = []

    def open_saver() -> SqliteSaver:
        opened.append(SqliteSaver.from_conn_string(str(tmp_path / "talk.sqlite")))
        saver: SqliteSaver = opened[-1].__enter__()
        return saver

    yield open_saver
    for manager in opened:
        manager.__exit__(None, None, None)


def test_a_step_that_has_finished_is_not_done_again_after_a_crash(
    savers: Callable[[], SqliteSaver],
    pool: ModelPool,
    store: ImageStore,
    photo: Callable[[str], Image.Image],
    log: Path,
) -> None:
    saver = savers()

    def die_once_the_other_is_kept() -> None:
        wait_for(
            lambda: any("steps" in write for write in getattr(saver.get_tuple(CONFIG), "pending_writes", None) or [])
        )
        raise _KilledError

    dying = [logging_tool("quick", log), logging_tool("slow", log, die_once_the_other_is_kept)]
    graph = graph_of(TWO, pool=pool, store=store, saver=saver, tools=dying)
    with pytest.raises(_KilledError):
        graph.invoke(asking(store, photo("rocket")), CONFIG, durability="sync")
    assert sorted(log.read_text().split()) == ["quick", "slow"]

    living = [logging_tool("quick", log), logging_tool("slow", log)]
    graph = graph_of("All is said.", pool=pool, store=store, saver=savers(), tools=living)
    state = graph.invoke(None, CONFIG, durability="sync")

    assert sorted(log.read_text().split()) == ["quick", "slow", "slow"]
    assert [(step["id"], step["verdict"]) for step in state["steps"]] == [(n, "accepted") for n in (1, 2, 3)]
    assert [entry["origin"] for entry in state["images"]] == ["user", "quick", "slow", "adjust_image"]
    assert state["status"] == "done"
    told = [message.tool_call_id for message in state["messages"] if message.type == "tool"]
    assert len(told) == len(set(told)) == 3


@pytest.mark.slow
def test_the_time_while_nobody_worked_does_not_count(
    savers: Callable[[], SqliteSaver],
    pool: ModelPool,
    store: ImageStore,
    photo: Callable[[str], Image.Image],
    log: Path,
) -> None:
    limits = Limits(seconds=3)
    graph = graph_of(GREY, pool=pool, store=store, saver=savers(), ask_before=["adjust_image"], limits=limits)
    graph.invoke(asking(store, photo("rocket")), CONFIG)
    time.sleep(3.1)

    assert graph.invoke(Command(resume=True), CONFIG)["status"] == "done"


@pytest.mark.parametrize(
    ("answer", "verdict", "status"),
    [(True, "accepted", "done"), (False, "skipped", "failed"), ("yes", "skipped", "failed")],
)
def test_a_step_waits_for_its_approval_across_processes(
    answer: object,
    verdict: str,
    status: str,
    savers: Callable[[], SqliteSaver],
    pool: ModelPool,
    store: ImageStore,
    photo: Callable[[str], Image.Image],
) -> None:
    graph = graph_of(GREY, pool=pool, store=store, saver=savers(), ask_before=["adjust_image"])
    asked = graph.invoke(asking(store, photo("rocket")), CONFIG)["__interrupt__"]
    assert [one.value for one in asked] == [{"id": 1, "tool": "adjust_image", "call": GREY}]

    graph = graph_of("Grey.", pool=pool, store=store, saver=savers(), ask_before=["adjust_image"])
    state = graph.invoke(Command(resume=answer), CONFIG)

    assert [step["verdict"] for step in state["steps"]] == [verdict]
    assert state["status"] == status
    if verdict == "skipped":
        assert state["steps"][0]["cause"] == "denied"
        assert "I did not make the picture black and white: it was not approved." in state["answer"]


async def test_approval_in_async_calls(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], tmp_path: Path
) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "talk.sqlite")) as saver:
        graph = graph_of(GREY, "Grey.", pool=pool, store=store, saver=saver, ask_before=["adjust_image"])
        state = await graph.ainvoke(asking(store, photo("rocket")), CONFIG)
        assert len(state["__interrupt__"]) == 1
        state = await graph.ainvoke(Command(resume=True), CONFIG)

    assert state["status"] == "done"


def test_each_of_several_questions_has_its_own_answer(
    pool: ModelPool, store: ImageStore, photo: Callable[[str], Image.Image], log: Path
) -> None:
    def costly(proposal: Proposal) -> bool:
        return proposal.tool == "adjust_image"

    plan = f"{GREY}\n#2 = adjust_image(image=$1, brightness=2)\n#3 = quick(image=$1)"
    graph = graph_of(
        plan, pool=pool, store=store, saver=InMemorySaver(), tools=[logging_tool("quick", log)], ask_before=costly
    )
    asked = graph.invoke(asking(store, photo("rocket")), CONFIG)["__interrupt__"]

    answers = {one.id: one.value["id"] == 2 for one in asked}
    state = graph.invoke(Command(resume=answers), CONFIG)

    assert [step["verdict"] for step in state["steps"]] == ["skipped", "accepted", "accepted"]
    assert log.read_text().split() == ["quick"]  # it ran while the others waited
    assert state["status"] == "partial"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"
