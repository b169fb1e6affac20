"""Taking back the last request of a conversation."""

from __future__ import annotations

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from tests.scripted import ScriptedChat
from visiongpt_agent import Request, VisionGPT, sample_photo
from visiongpt_agent.errors import StateError
from visiongpt_agent.pool import ModelPool

SCRIPT = [
    "#1 = adjust_image(image=$1, saturation=0)",
    "It is grey.",
    "#1 = transform_image(image=$2, rotate=90)",
    "It is turned.",
    "#1 = transform_image(image=$2, rotate=180)",
    "It is upside down.",
]


def images(agent: VisionGPT) -> list[str]:
    kept = agent.graph.get_state({"configurable": {"thread_id": "cat"}}).values
    return [f"{entry['origin']} {entry['turn']}" for entry in kept.get("images", [])]


@pytest.mark.parametrize("in_memory", [True, False], ids=["in memory", "on disk"])
def test_the_conversation_goes_on_as_before(pool: ModelPool, in_memory: bool) -> None:
    chat = ScriptedChat(script=SCRIPT)
    agent = VisionGPT(chat, pool=pool, checkpointer=InMemorySaver() if in_memory else None)
    agent.run("grey", sample_photo("chelsea"), thread_id="cat")
    agent.run("turn it", sample_photo("coffee"), thread_id="cat")
    assert images(agent) == ["user 1", "adjust_image 1", "user 2", "transform_image 2"]

    given = agent.undo("cat")

    assert [(one.width, one.height) for one in given] == [(600, 400)]
    assert images(agent) == ["user 1", "adjust_image 1"]
    assert [(one.requests, one.status, one.request) for one in agent.threads()] == [(1, "done", "grey")]
    again = agent.invoke(
        Request(request="upside down, not the coffee", images=given), {"configurable": {"thread_id": "cat"}}
    )
    assert again.status == "done"
    assert [image.name for image in again.images] == ["$4"]
    assert "turn it" not in str(chat.asked[-2:]), "what was taken back is not told to the model"

    agent.undo("cat")
    (photo,) = agent.undo("cat")
    assert agent.threads() == []
    assert agent.store.open(photo.id).size == (451, 300)
    with pytest.raises(StateError, match="there is no conversation 'cat'"):
        agent.undo("cat")
    agent.close()


def test_a_request_that_waits_can_be_taken_back(pool: ModelPool) -> None:
    agent = VisionGPT(ScriptedChat(script=SCRIPT), pool=pool, ask_before=["transform_image"])
    agent.run("grey", sample_photo("chelsea"), thread_id="cat")
    assert agent.run("turn it", thread_id="cat").status == "waiting"

    agent.undo("cat")

    assert [(one.requests, one.status) for one in agent.threads()] == [(1, "done")]
    agent.close()
