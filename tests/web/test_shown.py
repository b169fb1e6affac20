"""What is shown: the turns as HTML, the regions' names, the conversation as Python."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import TURN, WORDED
from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.web.as_python import as_python
from visiongpt_agent.web.conversations import Conversations, PageLimits, Picture, StepShown, Turn
from visiongpt_agent.web.page import region_names, stage_value
from visiongpt_agent.web.transcript import conversation_html, start_html, turn_html

Maker = Callable[..., Callable[[], VisionGPT]]
EVIL = '<img src=x onerror="alert(1)">'


def test_a_turn_ticks_off_its_steps() -> None:
    turn = Turn(
        1, "do it", plan="...", steps=[StepShown(1, "a(x=1)", "accepted", 1.23, "I did a."), StepShown(2, "b()")]
    )

    shown = turn_html("key", [turn])

    assert 'aria-label="accepted"' in shown
    assert "<b>a</b>(x=1)" in shown
    assert "1.2 s" in shown
    assert 'aria-label="to do"' in shown
    assert "Planning" in turn_html("key", [Turn(1, "do it")])
    assert "Waiting" in turn_html("key", [Turn(1, "do it", waiting=True)])
    assert "Loading SAM &lt;H&gt;, BLIP …" in turn_html("key", [Turn(1, "do it", loading=["SAM <H>", "BLIP"])])


def test_what_others_wrote_is_escaped() -> None:
    turn = Turn(
        1,
        EVIL,
        (EVIL,),
        ({"image": 1, "box": [1, 2, 3, 4], "label": EVIL},),
        EVIL,
        [StepShown(1, f'read_text(a="{EVIL}")', "failed", 1, EVIL)],
        fault=EVIL,
    )

    assert "<img" not in turn_html(EVIL, [turn]) + start_html([EVIL])


def test_regions_have_names_that_tell_them_apart() -> None:
    boxes = [[0, 10, 20, 60], [80, 10, 99, 60], [40, 40, 60, 60]]
    regions = tuple(
        {"label": label, "score": 0.9, "box": box}
        for label, box in zip(("person", "person", "cup"), boxes, strict=True)
    )

    names = region_names(Picture("$1", "a.jpg", "img-0", 100, 100, regions))

    assert names[2] == "cup"
    assert names[0].startswith("person 1, ")
    assert "left" in names[0]
    assert "right" in names[1]


def test_the_stage_is_plain_data(scripted: Maker) -> None:
    conversation = Conversations(scripted(), PageLimits()).begin()
    conversation.add(sample_photo("coffee").read_bytes(), "coffee.jpg")

    value = json.loads(json.dumps(stage_value(conversation)))

    assert (value["current"], value["selected"]) == ("$1", [])
    assert value["pictures"][0]["url"].startswith(f"conversations/{conversation.key}/pictures/img-")


def test_python_of_a_conversation_runs_and_does_the_same(
    scripted: Maker, pool: ModelPool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blur = "#1 = select_regions(image=$1, boxes=[{pointed}])\n#2 = blur_regions(image=$1, regions=#1)"
    make = scripted(TURN, WORDED, blur, WORDED)
    conversation = Conversations(make, PageLimits()).begin()
    conversation.add(sample_photo("coffee").read_bytes(), "coffee.jpg")
    conversation.add(sample_photo("rocket").read_bytes(), 'my "rocket".jpg')
    list(conversation.ask("turn it"))
    list(conversation.ask('blur this, "please"', [{"image": 1, "box": [10, 10, 200, 200], "label": "cup"}]))
    result = conversation.turns[-1].result
    assert result is not None

    code = as_python(conversation.turns)

    assert code in _unescaped(conversation_html(conversation.key, conversation.turns))
    (tmp_path / 'my "rocket".jpg').write_bytes(sample_photo("rocket").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("visiongpt_agent.VisionGPT", make)  # the code makes its own agent: here one from the script
    names: dict[str, Any] = {}
    exec(compile(code, "copied", "exec"), names)
    again = names["result"]
    assert again.plan == result.plan
    assert [image.id for image in again.images] == [image.id for image in result.images]
    assert list((tmp_path / "pictures").glob("*.png"))


def test_python_of_one_request() -> None:
    code = as_python([Turn(1, "count the cups", ("coffee.jpg",))])

    assert code.splitlines() == [
        "from visiongpt_agent import VisionGPT, sample_photo",
        "",
        "agent = VisionGPT()",
        "result = agent.run('count the cups', sample_photo('coffee'))",
        "print(result.answer)",
        'result.save("pictures")',
    ]


def _unescaped(text: str) -> str:
    import html

    return html.unescape(text)
