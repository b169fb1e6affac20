"""Edits of the whole picture are held against the request by value, direction and number."""

from __future__ import annotations

import pytest

from tests.graphs.harness import planned
from visiongpt_agent.graphs.answering.coverage import gaps
from visiongpt_agent.graphs.answering.edits_asked import edits_wanted
from visiongpt_agent.graphs.answering.wishes import is_wished
from visiongpt_agent.graphs.state import ImageEntry

LEFT, RIGHT, DOWN = "rotate=270", "rotate=90", "rotate=180"
MIRROR, OVER = 'flip="horizontal"', 'flip="vertical"'


def chain(*calls: str) -> str:
    """A plan in which each call works on the picture that the one before made: ``rotate=90``, ``saturation=0``."""
    lines = []
    for number, call in enumerate(calls, 1):
        tool = "adjust_image" if call.split("=")[0] in ("saturation", "brightness", "contrast") else "transform_image"
        lines.append(f"#{number} = {tool}(image={f'#{number - 1}' if number > 1 else '$1'}, {call})")
    return "\n".join(lines)


def missed(request: str, plan: str) -> list[str]:
    image = ImageEntry(id="a", origin="user", title="a.jpg", width=400, height=300, turn=1)
    return gaps(request, planned(plan), [image], 1)


@pytest.mark.parametrize(
    ("request_", "kind", "meets", "fails"),
    [
        ("make it twice as bright", "brightness", [2.0, 1.9], [0.7, 1.2, 3.0]),
        ("half as bright please", "brightness", [0.5], [2.0, 0.8]),
        ("20% brighter", "brightness", [1.2], [0.8, 1.8]),
        ("make this picture darker by 40 %", "brightness", [0.6], [0.4, 1.4]),
        ("a bit brighter", "brightness", [1.2, 1.5], [0.9, 2.5]),
        ("it is too dark, can you fix that", "brightness", [1.3], [0.7]),
        ("that's too bright, tone it down", "brightness", [0.7], [1.3]),
        ("double the contrast", "contrast", [2.0], [1.2, 0.5]),
        ("lower the contrast by a third", "contrast", [0.67], [0.33, 1.5]),
        ("more contrast please", "contrast", [1.2, 3.0], [0.9]),
        ("make it a little less colourful", "saturation", [0.8], [0.0, 1.5]),
        ("black n white pls", "saturation", [0.0], [0.5]),
        ("turn all three into black and white", "saturation", [0.0], [2.0]),
        ("take the colour out", "saturation", [0.0], [0.3]),
        ("sharpen it", "sharpness", [1.5], [0.5]),
        ("rotate it by 90 degrees clockwise", "turn", [90.0], [270.0, 180.0]),
        ("turn it 90 degrees to the left", "turn", [270.0], [90.0]),
        ("turn the photo a quarter turn counterclockwise", "turn", [270.0], [90.0]),
        ("rotate the picture by 90", "turn", [90.0, 270.0], [180.0]),
        ("I want it turned upside down", "turn", [180.0], [90.0]),
        ("rotate by -90 degrees", "turn", [270.0], [90.0]),
        ("mirror it so that the flag is on the right side", "flip", ["horizontal"], ["vertical"]),
        ("flip it top to bottom", "flip", ["vertical"], ["horizontal"]),
        ("flip it", "flip", ["vertical", "horizontal"], []),
        ("shrink it to 50 %", "scale", [0.5], [0.25, 2.0]),
        ("enlarge it twice", "scale", [2.0], [4.0]),
        ("make it half the size", "scale", [0.5], [2.0]),
        ("resize to 320 px wide, keep the proportions", "width", [320.0], [640.0]),
        ("resize it to 640x480", "width", [640.0], [480.0]),
        ("give it a sepia tone", "look", ["sepia"], ["warm"]),
        ("turn it into a negative", "look", ["negative"], ["sepia"]),
        ("crop it to 16:9", "aspect", [16 / 9], [1.0]),
        ("crop the photo to a square, please", "aspect", [1.0], [0.8]),
    ],
)  # fmt: skip
def test_a_wish_has_the_values_that_meet_it(
    request_: str, kind: str, meets: list[float | str], fails: list[float | str]
) -> None:
    edits = edits_wanted(request_, is_wished)

    assert len(edits) == 1
    assert all(edits[0].is_met_by(kind, value) for value in meets)
    assert not any(edits[0].is_met_by(kind, value) for value in fails)


@pytest.mark.parametrize(
    "request_",
    [
        "is this a black and white photo?", "find the black and white cat", "find the mirror", "is it mirrored?",
        "don't flip it", "my brother sharpened it. where is the dog?", "turn the red door green", "find the darker cup",
        "turn left at the sign, what does it say?", "is the left one brighter?", "leave the contrast alone",
        "what does the page in the black and white photo say", "make everything grey except the balloon",
        "find the flip flops", "how bright is it?", "count the people in the upper half",
    ],
)  # fmt: skip
def test_no_edit_is_read_where_none_is_wished(request_: str) -> None:
    assert edits_wanted(request_, is_wished) == []


@pytest.mark.parametrize(
    ("request_", "calls", "gap"),
    [
        ("flip it, then turn it left and make it black and white", (MIRROR, LEFT, "saturation=0"), None),
        ("flip it, then turn it left and make it black and white", (MIRROR, RIGHT, "saturation=0"),
         "I did not turn the picture 90 degrees anticlockwise."),
        ("flip it left to right and turn it upside down", (MIRROR,), "I did not turn the picture upside down."),
        ("flip it horizontally and vertically", (MIRROR, OVER), None),
        ("flip it horizontally and vertically", (MIRROR, MIRROR), "I did not flip the picture top to bottom."),
        ("flip it horizontally and vertically", (DOWN,), None),
        ("rotate it 90 degrees clockwise twice", (DOWN,), None),
        ("rotate it 90 degrees clockwise twice", (RIGHT,), "I did not turn the picture 90 degrees clockwise."),
        ("mirror it, then rotate it 90 degrees clockwise", (RIGHT, MIRROR),
         "I turned and flipped the picture in another order than you asked for."),
        ("mirror it, then rotate it 180 degrees", (DOWN, MIRROR), None),
        ("turn it right, then make it grey", (RIGHT, MIRROR, "saturation=0"),
         "I also flipped the picture left to right, which you did not ask for."),
        ("turn it right and make it grey", ("saturation=0", RIGHT), None),
        ("make it twice as bright", ("brightness=0.7",), "I did not make the picture twice as bright."),
        ("make it brighter and raise the contrast", ("brightness=1.3, contrast=1.2",), None),
        ("make it brighter and raise the contrast", ("brightness=1.3, contrast=0.8",), "I did not raise the contrast."),
        ("make it half as wide, 200 pixels wide", ("width=200",), None),
        ("make it half the size", ("width=200",), None),
        ("make it half the size", ("width=300",), "I did not make the picture half as large."),
        ("before you turn it right, mirror it", (MIRROR, RIGHT), None),
    ],
)  # fmt: skip
def test_chains_are_held_against_the_request(request_: str, calls: tuple[str, ...], gap: str | None) -> None:
    assert missed(request_, chain(*calls)) == ([gap] if gap else [])


def test_edits_on_separate_copies_are_no_chain() -> None:
    plan = '#1 = transform_image(image=$1, flip="horizontal")\n#2 = adjust_image(image=$1, saturation=0)'

    gap = "I made each of these changes on a picture of its own, not all on the same."
    assert missed("mirror it, then make it black and white", plan) == [gap]
    assert missed("mirror it and make it black and white, as two versions", plan) == []


def test_what_is_wanted_of_a_part_is_not_met_by_the_whole_picture() -> None:
    plan = "#1 = adjust_image(image=$1, brightness=0.7)"

    assert missed("darken everything behind the cat", plan) == ["I did not make that part darker alone."]
    edit = '#1 = edit_image(image=$1, instruction="darken everything behind the cat")'
    assert missed("darken everything behind the cat", edit) == []


@pytest.mark.parametrize(
    ("request_", "plan", "gap"),
    [
        ("make the bike blue", "red", "I did not paint anything blue."),
        ("make the bike blue", "navy blue", None),
        ("recolor the car to gray please", "grey", None),
    ],
)
def test_a_thing_has_the_colour_that_was_asked_for(request_: str, plan: str, gap: str | None) -> None:
    find = '#1 = detect_objects(image=$1, query="bike, car")'

    assert missed(request_, f'{find}\n#2 = recolor_regions(image=$1, regions=#1, color="{plan}")') == (
        [gap] if gap else []
    )


def test_what_is_blurred_is_what_was_to_be() -> None:
    person = '#1 = detect_objects(image=$1, query="person")\n#2 = blur_regions(image=$1, regions=#1{})'

    assert missed("blur the background", person.format(", invert=true")) == []
    assert missed("blur everything but the person", person.format("")) == [
        "I blurred the things themselves, not what is around them."
    ]
    faces = "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1, invert=true)"
    assert missed("blur all faces", faces) == ["I blurred what is around them, not the things themselves."]
