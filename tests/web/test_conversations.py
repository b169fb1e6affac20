"""Conversations of the page: what they take in, that they do not mix, that nothing of them stays."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tiny_pictures import png
from tests.web.conftest import TURN, WORDED
from visiongpt_agent import InputError, VisionGPT, sample_photo
from visiongpt_agent.web.conversations import Conversation, Conversations, FullError, PageLimits, Turn

Maker = Callable[..., Callable[[], VisionGPT]]
COFFEE = sample_photo("coffee").read_bytes()


def asked(conversation: Conversation, request: str = "turn it") -> Turn:
    return list(conversation.ask(request))[-1]


def test_a_request_and_a_follow_up(scripted: Maker) -> None:
    conversation = Conversations(scripted(), PageLimits()).begin()
    conversation.add(COFFEE, "C:\\photos\\my coffee.jpg")

    told = [(turn.plan, [step.verdict for step in turn.steps]) for turn in conversation.ask("turn it")]
    first = conversation.turns[0]
    asked(conversation, "and again")

    assert told[0] == ("", [])
    assert (TURN, [""]) in told
    assert (TURN, ["running"]) in told
    assert told[-1] == (TURN, ["accepted"])
    assert first.added == ("my coffee.jpg",)
    assert first.result is not None
    assert first.result.answer == WORDED
    assert [(p.name, p.title, p.width) for p in conversation.pictures()] == [
        ("$1", "my coffee.jpg", 600),
        ("$2", "transform image", 400),
        ("$3", "transform image", 400),
    ]


def test_a_picture_that_was_added_can_be_pointed_at_before_the_first_request(scripted: Maker) -> None:
    blur = "#1 = select_regions(image=$1, boxes=[{pointed}])\n#2 = blur_regions(image=$1, regions=#1)"
    conversation = Conversations(scripted(blur, "done"), PageLimits()).begin()
    conversation.add(COFFEE, "coffee.jpg")

    turn = list(conversation.ask("blur this", [{"image": 1, "box": [10, 10, 200, 200], "label": ""}]))[-1]

    assert [step.verdict for step in turn.steps] == ["accepted", "accepted"]
    assert turn.steps[0].call == 'select_regions(image=$1, boxes=["10 10 200 200"])'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not a picture at all", "note.jpg is not a picture that can be read"),
        (b"", "note.jpg is empty"),
        (COFFEE[:5000], "note.jpg is damaged"),
        (COFFEE + b" " * 2**20, "note.jpg is larger than 1 MB"),
    ],
)
def test_bad_files_are_refused_by_name(scripted: Maker, data: bytes, said: str) -> None:
    conversation = Conversations(scripted(), PageLimits(picture_bytes=2**20)).begin()

    with pytest.raises(InputError, match=said):
        conversation.add(data, "note.jpg")
    assert conversation.pictures() == []


def test_bounds_on_pixels_and_number(scripted: Maker) -> None:
    conversation = Conversations(scripted(), PageLimits(pictures=1, picture_pixels=1000)).begin()

    with pytest.raises(InputError, match="40x40 pixels"):
        conversation.add(png(40, 40), "large.png")
    conversation.add(png(20, 20), "a.png")
    with pytest.raises(InputError, match="one too many"):
        conversation.add(png(20, 20), "b.png")


def test_conversations_do_not_see_each_other(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits())
    one, two = conversations.begin(), conversations.begin()
    one.add(COFFEE, "coffee.jpg")
    two.add(sample_photo("rocket").read_bytes(), "rocket.jpg")
    threads = [threading.Thread(target=asked, args=[each]) for each in (one, two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [p.title for p in one.pictures()] == ["coffee.jpg", "transform image"]
    assert [p.title for p in two.pictures()] == ["rocket.jpg", "transform image"]
    assert one.key != two.key
    assert one.png(one.pictures()[1].id)
    with pytest.raises(InputError, match="no such picture"):
        one.png(two.pictures()[1].id)


def test_requests_beyond_the_bound_wait_and_can_be_stopped(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(at_once=1))
    first, second = conversations.begin(), conversations.begin()
    first.add(COFFEE, "coffee.jpg")
    second.add(COFFEE, "coffee.jpg")

    going = first.ask("turn it")
    next(going)
    waiting = second.ask("turn it")
    assert next(waiting).waiting
    second.stop()
    assert list(waiting)[-1].stopped
    list(going)
    assert asked(second).result is not None


def test_nothing_stays_of_a_conversation_that_ended(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(idle_seconds=0))
    conversation = conversations.begin()
    conversation.add(COFFEE, "coffee.jpg")
    result = asked(conversation).result
    assert result is not None
    assert result.store is not None
    folder: Path = result.store.folder
    assert list(folder.iterdir())

    conversations.sweep()

    assert not folder.exists()
    assert len(conversations) == 0
    with pytest.raises(InputError, match="has ended"):
        conversations.get(conversation.key)


def test_newcomers_end_nobodys_conversation(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(conversations=3))
    first = conversations.begin("tab 1")
    first.add(COFFEE, "coffee.jpg")
    others = [conversations.begin(f"tab {number}") for number in (2, 3)]

    for _ in range(41):
        with pytest.raises(FullError, match="all 3 places are taken"):
            conversations.begin("tab 4")

    assert [conversations.get(each.key) for each in (first, *others)] == [first, *others]
    conversations.end(others[0].key)
    assert conversations.begin("tab 4")


def test_an_unused_conversation_makes_room_soon(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(conversations=2, unused_seconds=0))
    used = conversations.begin()
    used.add(COFFEE, "coffee.jpg")

    keys = {conversations.begin().key for _ in range(41)}

    assert len(keys) == 41
    assert conversations.get(used.key) is used


def test_a_request_under_way_is_not_idle(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(idle_seconds=0))
    conversation = conversations.begin()
    going = conversation.ask("turn $1")
    next(going)

    conversations.sweep()
    assert conversations.get(conversation.key) is conversation
    list(going)
    conversations.sweep()
    assert len(conversations) == 0


def test_a_closed_tab_is_given_a_while(scripted: Maker) -> None:
    conversations = Conversations(scripted(), PageLimits(closed_seconds=0))
    one, two = conversations.begin("tab 1"), conversations.begin("tab 2")

    conversations.tab_closed("tab 2")
    two.touch()  # it came back
    conversations.sweep()
    assert conversations.get(two.key) is two
    conversations.tab_closed("tab 2")
    conversations.sweep()
    assert conversations.get(one.key) is one
    assert len(conversations) == 1


def test_a_fault_is_told_and_the_conversation_goes_on(scripted: Maker) -> None:
    conversation = Conversations(scripted(), PageLimits()).begin()

    assert "there is no image $7" in asked(conversation, "turn $7").fault
    conversation.add(COFFEE, "coffee.jpg")
    assert asked(conversation).result is not None
