"""An answer in fields: of a result, and as the response format of an agent around the tools."""

from __future__ import annotations

from contextlib import closing

from langchain.agents import create_agent

from tests.langchain.conftest import Say
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionAnswer, VisionGPT, sample_photo, visiongpt_tools
from visiongpt_agent.pool import ModelPool

TURN = "#1 = transform_image(image=$1, rotate=90)"
TURNED = "I turned the picture 90 degrees clockwise."


def test_a_picture_that_was_made_stands_in_it_by_its_id(pool: ModelPool) -> None:
    with closing(VisionGPT(ScriptedChat(script=[TURN, TURNED]), pool=pool)) as agent:
        answer = VisionAnswer.of(agent.run("turn it", sample_photo("rocket")))

        assert (answer.answer, answer.regions, answer.texts) == (TURNED, [], [])
        assert agent.store.open(answer.images[0]).size == (427, 640)


def test_an_agent_around_the_tools_answers_in_it(pool: ModelPool, say: Say) -> None:
    chat = ScriptedChat(script=[TURN, f'#1 = VisionAnswer(answer="{TURNED}", texts=["EXIT"])'])
    agent = create_agent(chat, visiongpt_tools(only=["transform_image"], pool=pool), response_format=VisionAnswer)

    state = agent.invoke({"messages": [say("turn it", "rocket")]})

    assert state["structured_response"] == VisionAnswer(answer=TURNED, texts=["EXIT"])


def test_what_was_found_stands_in_fields(pool: ModelPool) -> None:
    plan = '#1 = detect_objects(image=$1, query="cat")'
    with closing(VisionGPT(ScriptedChat(script=[plan, "There is one cat."]), pool=pool)) as agent:
        answer = VisionAnswer.of(agent.run("where is the cat?", sample_photo("chelsea")))

    (cat,) = answer.regions
    assert (cat.image, cat.label) == ("$1", "cat")
    x1, y1, x2, y2 = cat.box
    assert 0 <= x1 < x2 <= 451
    assert 0 <= y1 < y2 <= 300
