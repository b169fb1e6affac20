"""Turning, flipping and resizing, against corners whose colours are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.transform_image import transform_image

Photo = Callable[[str], Image.Image]
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture
def corners() -> Image.Image:
    """60x40: red upper left, green upper right, blue lower left, white lower right."""
    image = Image.new("RGB", (60, 40))
    for colour, place in ((RED, (0, 0)), (GREEN, (30, 0)), (BLUE, (0, 20)), (WHITE, (30, 20))):
        image.paste(colour, (*place, place[0] + 30, place[1] + 20))
    return image


def corners_of(image: Image.Image) -> list[Any]:
    right, bottom = image.width - 2, image.height - 2
    return [image.getpixel(place) for place in ((1, 1), (right, 1), (1, bottom), (right, bottom))]


@pytest.mark.parametrize(
    ("args", "size", "expected", "summary"),
    [
        ({"rotate": 90}, (40, 60), [BLUE, RED, WHITE, GREEN], "I turned the picture 90 degrees clockwise."),
        ({"rotate": 180}, (60, 40), [WHITE, BLUE, GREEN, RED], "I turned the picture 180 degrees clockwise."),
        ({"rotate": 270}, (40, 60), [GREEN, WHITE, RED, BLUE], "I turned the picture 270 degrees clockwise."),
        ({"rotate": -90}, (40, 60), [GREEN, WHITE, RED, BLUE], "I turned the picture 270 degrees clockwise."),
        ({"rotate": 450}, (40, 60), [BLUE, RED, WHITE, GREEN], "I turned the picture 90 degrees clockwise."),
        ({"flip": "horizontal"}, (60, 40), [GREEN, RED, WHITE, BLUE], "I flipped the picture left to right."),
        ({"flip": "vertical"}, (60, 40), [BLUE, WHITE, RED, GREEN], "I flipped the picture upside down."),
        ({"width": 120}, (120, 80), [RED, GREEN, BLUE, WHITE], "I resized the picture to 120x80 pixels."),
        ({"height": 20}, (30, 20), [RED, GREEN, BLUE, WHITE], "I resized the picture to 30x20 pixels."),
        ({"scale": 0.5}, (30, 20), [RED, GREEN, BLUE, WHITE], "I resized the picture to 30x20 pixels."),
        ({"scale": 1.5}, (90, 60), [RED, GREEN, BLUE, WHITE], "I resized the picture to 90x60 pixels."),
        (
            {"aspect": "1:1"},
            (40, 40),
            [RED, GREEN, BLUE, WHITE],
            "I cropped the picture to a square around its middle.",
        ),
        (
            {"rotate": 90, "aspect": "4 x 5", "scale": 2},
            (80, 100),
            [BLUE, RED, WHITE, GREEN],
            "I turned the picture 90 degrees clockwise, cropped it to 4:5 around its middle and resized it to 80x100 "
            "pixels.",
        ),
        (
            {"aspect": "3:2"},
            (60, 40),
            [RED, GREEN, BLUE, WHITE],
            "The picture has the aspect 3:2 already, so it stays as it is.",
        ),
        (
            {"flip": "horizontal", "aspect": "3:2"},
            (60, 40),
            [GREEN, RED, WHITE, BLUE],
            "I flipped the picture left to right. It has the aspect 3:2 already.",
        ),
        ({"width": 50, "height": 50}, (50, 50), [RED, GREEN, BLUE, WHITE], "I resized the picture to 50x50 pixels."),
        (
            {"rotate": 90, "flip": "horizontal", "width": 80},
            (80, 120),
            [RED, BLUE, GREEN, WHITE],
            "I turned the picture 90 degrees clockwise, flipped it left to right and resized it to 80x120 pixels.",
        ),
    ],
)
def test_transforms(
    corners: Image.Image, args: dict[str, Any], size: tuple[int, int], expected: list[Any], summary: str
) -> None:
    output = transform_image(corners, **args)
    assert isinstance(output.value, Image.Image)
    assert output.value.size == size
    for found, wanted in zip(corners_of(output.value), expected, strict=True):
        assert all(abs(a - b) < 40 for a, b in zip(found, wanted, strict=True))
    assert output.summary == summary
    assert transform_image.problems({"image": corners, **args}, output) == []


def test_quarter_turns_lose_nothing(photo: Photo) -> None:
    image = photo("coffee")
    turned = image
    for _ in range(4):
        value = transform_image(turned, rotate=90).value
        assert isinstance(value, Image.Image)
        turned = value
    assert turned.tobytes() == image.tobytes()


@pytest.mark.parametrize(("mode", "corner"), [("RGB", (255, 255, 255)), ("RGBA", (255, 255, 255, 0))])
def test_other_angles_keep_the_whole_picture(photo: Photo, mode: str, corner: tuple[int, ...]) -> None:
    value = transform_image(photo("coffee").convert(mode), rotate=30).value
    assert isinstance(value, Image.Image)
    assert value.width > 600
    assert value.height > 400
    assert value.getpixel((0, 0)) == corner
    assert value.mode == mode


def test_clockwise_is_clockwise(corners: Image.Image) -> None:
    """By 45 degrees clockwise the upper left corner comes to the top."""
    value = transform_image(corners, rotate=45).value
    assert isinstance(value, Image.Image)
    assert value.getpixel((30 * 0 + round(40 * 0.7071), 4)) == pytest.approx(RED, abs=60)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({}, "nothing to do"),
        ({"rotate": 360}, "nothing to do"),
        ({"width": 8001}, "from 1 to 8000"),
        ({"width": 6000}, None),
        ({"height": 6000}, "9000x6000"),
        ({"width": -5}, "from 1 to 8000"),
        ({"width": 0.2, "height": 5}, "from 1 to 8000"),
        ({"rotate": float("nan")}, "no angle"),
        ({"scale": 0}, "give a scale above 0"),
        ({"scale": -2}, "cannot have -2 times its size"),
        ({"scale": float("nan")}, "give a scale above 0"),
        ({"scale": 200}, "from 1 to 8000"),
        ({"scale": 1e300}, "from 1 to 8000"),
        ({"scale": 0.5, "width": 20}, "give one of them"),
        ({"aspect": "wide"}, '"wide" is no aspect'),
        ({"aspect": "1:30"}, "from 1:20 to 20:1"),
        ({"aspect": "1:0"}, "is no aspect"),
        ({"aspect": "1:1", "width": 20, "height": 30}, "another aspect"),
    ],
)
def test_limits(corners: Image.Image, args: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert transform_image(corners, **args).value.size == (6000, 4000)  # type: ignore[union-attr]
        return
    with pytest.raises(ToolError, match=message):
        transform_image(corners, **args)


@settings(max_examples=60, deadline=None)
@given(
    rotate=st.sampled_from([0, 90, 180, 270]),
    flip=st.sampled_from(["", "horizontal", "vertical"]),
    width=st.integers(0, 300),
    height=st.integers(0, 300),
    scale=st.sampled_from([1.0, 0.01, 0.5, 1.7]),
    aspect=st.sampled_from(["", "1:1", "16:9", "1:20"]),
)
@example(rotate=0, flip="", width=0, height=2, scale=1.0, aspect="")  # each way of resizing gives another picture
@example(rotate=30, flip="", width=0, height=0, scale=1.7, aspect="16:9")
def test_postconditions_hold_on_every_good_result(
    rotate: int, flip: Any, width: int, height: int, scale: float, aspect: str
) -> None:
    image = Image.linear_gradient("L").resize((90, 60)).convert("RGB")
    image.paste((255, 0, 0), (0, 0, 30, 20))
    args: dict[str, Any] = {"rotate": rotate, "flip": flip, "aspect": aspect}
    args |= {"scale": scale} if scale != 1 else {"width": width, "height": 0 if aspect else height}
    if not any(args.values()):
        return
    assert transform_image.problems({"image": image, **args}, transform_image(image, **args)) == []


@pytest.mark.parametrize(
    ("aspect", "size", "holds"),
    [
        ("1:1", (400, 400), (150, 60)),  # of the coffee, 600 by 400: the cup's left
        ("9:16", (225, 400), (230, 200)),
        ("3:1", (600, 200), (300, 200)),
    ],
)
def test_an_aspect_is_cropped_around_what_matters(
    aspect: str, size: tuple[int, int], holds: tuple[int, int], photo: Photo, pool: ModelPool
) -> None:
    image = photo("coffee")
    output = transform_image(image, aspect=aspect, models=pool)
    left, top, right, bottom = output.facts["box"]

    assert one_picture(output.value).size == size
    assert one_picture(output.value).tobytes() == image.crop((left, top, right, bottom)).tobytes()
    assert left <= holds[0] < right
    assert top <= holds[1] < bottom
    assert "around its foreground" in output.summary
    assert transform_image.problems({"image": image, "aspect": aspect}, output, pool) == []


def test_faces_stay_in_a_crop_and_what_is_lost_is_told(photo: Photo, pool: ModelPool) -> None:
    image = photo("astronaut").crop((0, 0, 512, 400))  # her face is at the upper left of the middle
    output = transform_image(image, aspect="3:1", models=pool)
    left, top, right, bottom = output.facts["box"]

    assert (left, right) == (0, 512)
    assert top < 90
    assert bottom > 150
    assert output.summary == "I cropped the picture to 3:1 around the face."
    assert output.uncertain[0].endswith("% of the foreground lies outside this crop.")


def test_of_a_cut_out_what_shows_stays(photo: Photo) -> None:
    cut = Image.new("RGBA", (300, 100), (0, 0, 0, 0))
    cut.paste(photo("coffee").resize((80, 80)), (210, 10))
    output = transform_image(cut, aspect="1:1")

    assert one_picture(output.value).getchannel("A").getbbox() == (10, 10, 90, 90)
    assert transform_image.problems({"image": cut, "aspect": "1:1"}, output) == []


def test_a_crop_of_another_place_is_caught(photo: Photo) -> None:
    image, args = photo("coffee"), {"image": photo("coffee"), "aspect": "1:1"}
    lie = ToolOutput(image.crop((0, 0, 400, 400)), "", facts={"box": [200, 0, 600, 400]})
    small = ToolOutput(image.crop((0, 0, 300, 300)), "", facts={"box": [0, 0, 300, 300]})
    beyond = ToolOutput(image.crop((300, 0, 700, 400)), "", facts={"box": [300, 0, 700, 400]})

    assert "does not show what it showed before" in transform_image.problems(args, lie)[0]
    assert "not as large as it can be" in transform_image.problems(args, small)[0]
    assert "reaches out of the picture" in transform_image.problems(args, beyond)[0]
    assert "not told where" in transform_image.problems(args, ToolOutput(image, ""))[0]


@pytest.mark.parametrize("asked", [{"rotate": 90}, {"rotate": 180}, {"flip": "horizontal"}, {"flip": "vertical"}])
def test_faults_are_caught(photo: Photo, asked: dict[str, Any]) -> None:
    image = photo("astronaut")  # square: a wrong turn has the right size
    wrong: list[dict[str, Any]] = [
        {"rotate": 90},
        {"rotate": 180},
        {"rotate": 270},
        {"flip": "horizontal"},
        {"flip": "vertical"},
    ]
    for other in wrong:
        found = transform_image.problems({"image": image, **asked}, transform_image(image, **other))
        assert bool(found) == (other != asked)
    assert transform_image.problems({"image": image, **asked}, ToolOutput(image, ""))
    assert "instead of" in transform_image.problems({"image": image, "width": 64}, ToolOutput(image, ""))[0]
