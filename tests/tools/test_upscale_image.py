from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.upscale_image import upscale_image

Photo = Callable[[str], Image.Image]


@pytest.fixture
def small(photo: Photo, needs: Callable[[str], None]) -> Image.Image:
    needs("upscale")
    return photo("chelsea").crop((100, 50, 221, 130))


@pytest.mark.parametrize(
    ("scale", "size"), [(4, (484, 320)), (3, (363, 240)), (2, (242, 160)), (1.5, (182, 120)), (1.01, (122, 81))]
)
def test_scales(pool: ModelPool, small: Image.Image, scale: float, size: tuple[int, int]) -> None:
    output = upscale_image(small, scale, models=pool)
    assert isinstance(output.value, Image.Image)
    assert (output.value.mode, output.value.size) == ("RGB", size)
    assert output.summary == f"I enlarged the picture {scale:g} times, to {size[0]}x{size[1]} pixels."
    assert output.models == (pool.name("upscale"),)
    assert upscale_image.problems({"image": small, "scale": scale}, output) == []


def test_transparency_grows_along(pool: ModelPool, small: Image.Image) -> None:
    small.putalpha(Image.linear_gradient("L").resize(small.size))
    output = upscale_image(small, 2, models=pool)
    assert isinstance(output.value, Image.Image)
    assert output.value.mode == "RGBA"
    assert output.value.getpixel((5, 1))[3] < 10 < 245 < output.value.getpixel((5, 158))[3]  # type: ignore[index]


@pytest.mark.parametrize("scale", [1, 0, -2, 5, 100, float("nan"), float("inf")])
def test_scales_out_of_range(pool: ModelPool, photo: Photo, scale: float) -> None:
    with pytest.raises(ToolError, match="more than 1 and up to 4 times"):
        upscale_image(photo("chelsea"), scale, models=pool)


@pytest.mark.parametrize(
    ("size", "advice"), [((2000, 2000), "scale 2.8 is possible"), ((6000, 6000), "it is large enough already")]
)
def test_results_too_large(pool: ModelPool, size: tuple[int, int], advice: str) -> None:
    with pytest.raises(ToolError, match=f"more than the 32 million allowed: {advice}"):
        upscale_image(Image.new("RGB", size), 4, models=pool)


def test_a_picture_too_large_for_the_network_is_interpolated_and_says_so(pool: ModelPool, small: Image.Image) -> None:
    output = upscale_image(small.resize((2000, 1500)), 2, models=pool)
    assert isinstance(output.value, Image.Image)
    assert output.value.size == (4000, 3000)
    assert output.models == ()
    assert "interpolated" in output.uncertain[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda image: image, "451x300 pixels, not 902x600"),
        (lambda image: Image.new("RGB", (902, 600), "grey"), "nearly flat"),
        (lambda image: image.resize((902, 600)).transpose(Image.Transpose.FLIP_LEFT_RIGHT), "does not look like"),
    ],
)
def test_wrong_results_are_noticed(photo: Photo, wrong: Callable[[Image.Image], Image.Image], message: str) -> None:
    image = photo("chelsea")
    (problem,) = upscale_image.problems({"image": image, "scale": 2}, ToolOutput(wrong(image), ""))
    assert message in problem
