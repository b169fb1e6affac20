"""Descriptions and answers put together from what the small models find, where no captioning or VQA model is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from tests.bench.gallery import code, written
from visiongpt_agent.errors import ToolError
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.answer_question import answer_question
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.caption_image import caption_image

Photo = Callable[[str], Image.Image]

SIGN = [("NO PARKING", 60, (40, 40))]


@pytest.fixture(autouse=True)
def _composed(pool: ModelPool, needs: Callable[[str], None]) -> None:
    needs(jobs.DETECTION_CLOSED)
    if pool.has(jobs.CAPTION) or pool.has(jobs.VQA) or pool.has(jobs.DETECTION_OPEN_VOCABULARY):
        pytest.skip("models that describe, answer or look for any words are here")


def describe(pool: ModelPool, image: Image.Image) -> ToolOutput:
    output = caption_image(image, models=pool)
    assert caption_image.problems({"image": image}, output, pool) == []
    return output


def ask(pool: ModelPool, image: Image.Image, question: str) -> ToolOutput:
    output = answer_question(image, question, models=pool)
    assert answer_question.problems({"image": image, "question": question}, output, pool) == []
    return output


# -------------------------------------------------------------------------------------------------------- descriptions


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda photo, bus: photo("chelsea"), ["It shows one cat."]),
        pytest.param(
            lambda photo, bus: photo("astronaut"), ["It shows one person.", "I see one face."], marks=pytest.mark.slow
        ),
        pytest.param(lambda photo, bus: bus, ["It shows four people and one bus.", '"MADRID"'], marks=pytest.mark.slow),
        pytest.param(
            lambda photo, bus: written(SIGN, (640, 160)), ['Written in it is "NO PARKING".'], marks=pytest.mark.slow
        ),
        (lambda photo, bus: code("QRCode", "table 7"), ['There is a QR Code that says "table 7".']),
    ],
    ids=["cat", "astronaut", "street", "sign", "code"],
)
def test_it_tells_what_is_there(
    make: Callable[[Photo, Image.Image], Image.Image],
    told: list[str],
    pool: ModelPool,
    photo: Photo,
    bus: Image.Image,
) -> None:
    output = describe(pool, make(photo, bus))
    for part in told:
        assert part in str(output.value)
    assert f"for a model that describes: {pool.remedy(jobs.CAPTION)}." in output.summary
    assert output.summary.startswith(str(output.value))
    assert output.models


@pytest.mark.slow
def test_what_is_seen_in_one_look_only_is_left_out(pool: ModelPool, photo: Photo) -> None:
    """The small detector takes a part of this cat for a person, but not in the mirrored picture."""
    assert "person" not in str(describe(pool, photo("chelsea")).value)


def test_nothing_recognised_is_no_description(pool: ModelPool) -> None:
    with pytest.raises(ToolError, match=r"recognise nothing .* visiongpt models pull "):
        caption_image(Image.new("RGB", (320, 240), (200, 200, 195)), models=pool)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["another number", "a thing of its own"])
def test_a_description_of_what_is_not_there_is_refused(fault: str, pool: ModelPool, photo: Photo) -> None:
    image = photo("chelsea")
    good = describe(pool, image)
    if fault == "another number":
        lied = str(good.value).replace("one cat", "two cats")
        facts: dict[str, Any] = {**good.facts, "counts": {"cat": 2}}
    else:
        lied, facts = f"{good.value} A dog sleeps beside it.", dict(good.facts)
    facts["composed"] = [part.replace("one cat", "two cats") for part in good.facts["composed"]]
    bad = replace(good, value=lied, summary=good.summary.replace(str(good.value), lied), facts=facts)
    assert caption_image.problems({"image": image}, bad, pool)


# ------------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize(
    ("picture", "question", "answer", "told"),
    [
        ("bus", "how many people are there?", "four", "I count four people."),
        ("bus", "How many people do you see", "four", "I count four people."),
        ("chelsea", "how many dogs are there?", "none, as far as I find dogs", "I find no dogs."),
        ("chelsea", "is there a cat?", "yes, one cat", "Yes, there is one cat."),
        ("chelsea", "Is there a dog in the picture?", "no, I find no dog", "No, I find no dog."),
        ("chelsea", "does it show any cats", "yes, one cat", "Yes, there is one cat."),
        ("coffee", "where is the cup?", "in the middle of the picture", "The cup is in the middle of the picture."),
        ("chelsea", "where is the dog", "nowhere that I find, I see no dog", "I see no dog."),
        ("sign", "what does the sign say?", '"NO PARKING"', 'It says "NO PARKING".'),
        ("chelsea", "what is written on it?", "nothing that I can read", "I see nothing there that I can read."),
    ],
)
def test_questions_of_number_presence_place_and_writing(
    picture: str, question: str, answer: str, told: str, pool: ModelPool, photo: Photo, bus: Image.Image
) -> None:
    image = bus if picture == "bus" else written(SIGN, (640, 160)) if picture == "sign" else photo(picture)
    output = ask(pool, image, question)
    assert output.value == answer
    assert output.summary == told


@pytest.mark.slow
def test_the_colour_of_a_thing_is_that_within_its_outline(pool: ModelPool, photo: Photo, bus: Image.Image) -> None:
    assert ask(pool, photo("chelsea"), "what colour is the cat?").value == "brown"
    painted = _painted(pool, bus)
    assert ask(pool, painted, "what color is the bus?").value in ("red", "mostly red")


def _painted(pool: ModelPool, bus: Image.Image) -> Image.Image:
    """The bus with a coat of red over its box, its shades kept."""
    from visiongpt_agent.tools.detect_objects import detect_objects
    from visiongpt_agent.tools.recolor_regions import recolor_regions

    found = detect_objects(bus, "bus", models=pool).value
    assert isinstance(found, Regions)
    painted = recolor_regions(bus, found, "red").value
    assert isinstance(painted, Image.Image)
    return painted


def test_what_a_question_says_beyond_the_thing_is_told_as_a_doubt(pool: ModelPool, bus: Image.Image) -> None:
    output = ask(pool, bus, "how many people are at the bus?")
    assert output.value == "four"
    assert "I looked in the whole picture, not only at the bus." in output.uncertain


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("why are they waiting?", "needs a model that answers by looking"),
        ("how many people wear a hat?", "needs a model that answers by looking"),
        ("how many people in the picture are laughing?", "needs a model that answers by looking"),
        ("is the cup full?", "needs a model that answers by looking"),
        ("is there a man who waves?", "needs a model that answers by looking"),
        ("where is it?", 'cannot tell what "it" means'),
        ("what colour is the person?", "many colours at once"),
        ("how many lemons are there?", 'cannot look for "lemons"'),
    ],
)
def test_every_other_question_is_declined_with_the_way_to_a_model(
    question: str, told: str, pool: ModelPool, bus: Image.Image
) -> None:
    with pytest.raises(ToolError, match="visiongpt models pull ") as refused:
        answer_question(bus, question, models=pool)
    assert told in str(refused.value)


def test_another_answer_than_the_picture_gives_is_refused(pool: ModelPool, photo: Photo) -> None:
    good = ask(pool, photo("chelsea"), "is there a cat?")
    bad = replace(good, value="no, I find no cat", summary=good.summary.replace("yes, one cat", "no, I find no cat"))
    args = {"image": photo("chelsea"), "question": "is there a cat?"}
    assert answer_question.problems(args, bad, pool) == [
        "asked again, what is found in the picture gives another answer"
    ]
