"""Pictures that a tool makes beside its result are images of the conversation and of the result, like any other."""

from __future__ import annotations

from PIL import Image

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.pool import ModelPool

EACH = '#1 = detect_objects(image=$1, query="person")\n#2 = crop_regions(image=$1, regions=#1, each=true)'


def test_every_crop_is_an_image_that_a_follow_up_may_name(pool: ModelPool, bus: Image.Image) -> None:
    chat = ScriptedChat(script=[EACH, "Done.", "#1 = transform_image(image=$5, rotate=90)", "Done."])
    agent = VisionGPT(chat, pool=pool)
    first = agent.run("crop each person separately", bus, thread_id="street")
    later = agent.run("turn the last of them", thread_id="street")

    assert first.answer == "I cropped four people, each to a picture of its own."
    made = [image for image in first.images if image.role == "made"]
    assert [image.name for image in made] == ["$2", "$3", "$4", "$5"]
    assert len({image.id for image in made}) == 4
    (turned,) = (image for image in later.images if image.role == "made")
    assert (turned.width, turned.height) == (made[3].height, made[3].width)
