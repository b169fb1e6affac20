"""Cutting out the foreground and giving it another background, on real photos."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput, one_picture
from visiongpt_agent.tools.remove_background import remove_background
from visiongpt_agent.tools.replace_background import plain_ground, replace_background

Photo = Callable[[str], Image.Image]
CUP, TABLE = (300, 130), (20, 20)


@pytest.fixture(scope="module")
def coffee() -> Image.Image:
    from visiongpt_agent.samples import sample_photo

    return Image.open(sample_photo("coffee")).convert("RGB")


@pytest.fixture(scope="module")
def cut(pool: ModelPool, coffee: Image.Image) -> ToolOutput:
    return remove_background(coffee, models=pool)


def test_the_cup_stays_and_the_table_goes(cut: ToolOutput, coffee: Image.Image, pool: ModelPool) -> None:
    made = cut.value
    assert isinstance(made, Image.Image)
    assert (made.mode, made.size) == ("RGBA", coffee.size)
    assert made.getpixel(CUP) == pytest.approx((*coffee.getpixel(CUP), 255), abs=2)  # type: ignore[misc]
    assert made.getpixel(TABLE) == (255, 255, 255, 0)  # nothing of the old background is left under alpha
    alpha = np.asarray(made)[..., 3]
    assert ((alpha > 20) & (alpha < 235)).mean() > 0.002  # soft edges
    assert cut.summary == "I cut out the foreground; the background is transparent."
    assert cut.models == (pool.name("segmentation.foreground"),)
    assert remove_background.problems({"image": coffee}, cut) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda image: image, "no transparency"),
        (lambda image: image.convert("RGBA"), "100% of the picture is left"),
        (lambda image: Image.new("RGBA", image.size), "0% of the picture is left"),
        (lambda image: image.convert("RGBA").resize((10, 10)), "10x10 pixels"),
        (lambda image: half_transparent(ImageOps.invert(image)), "does not look as it did"),
    ],
)
def test_wrong_cut_outs_are_noticed(
    coffee: Image.Image, wrong: Callable[[Image.Image], Image.Image], message: str
) -> None:
    found = remove_background.problems({"image": coffee}, ToolOutput(wrong(coffee), ""))
    assert any(message in problem for problem in found)


def half_transparent(image: Image.Image) -> Image.Image:
    alpha = Image.new("L", image.size)
    alpha.paste(255, (0, 0, image.width // 2, image.height))
    image.putalpha(alpha)
    return image


def test_what_is_transparent_already_stays_so(pool: ModelPool, cut: ToolOutput) -> None:
    assert isinstance(cut.value, Image.Image)
    again = remove_background(cut.value, models=pool)
    alpha, before = (np.asarray(image)[..., 3].astype(int) for image in (again.value, cut.value))
    assert (alpha <= before + 1).all()
    assert (alpha > 127).mean() > 0.3


def disc(size: tuple[int, int], at: tuple[int, int] = CUP, radius: int = 70) -> Regions:
    y, x = np.mgrid[: size[1], : size[0]]
    return Regions.from_masks((np.hypot(x - at[0], y - at[1]) < radius)[None], ["cup"])


def test_regions_are_cut_out_along_their_outlines(pool: ModelPool, coffee: Image.Image) -> None:
    regions = disc(coffee.size)
    output = remove_background(coffee, regions, models=pool)
    made = np.asarray(one_picture(output.value), np.int16)
    y, x = np.mgrid[: coffee.height, : coffee.width]
    away = np.hypot(x - CUP[0], y - CUP[1])

    assert (made[away < 67, 3] == 255).all()
    assert (made[away > 74, 3] == 0).all()
    assert ((made[..., 3] > 20) & (made[..., 3] < 235)).sum() > 200  # soft edges
    assert np.array_equal(made[away < 67, :3], np.asarray(coffee)[away < 67])
    assert output.summary == "I cut out one cup; the rest is transparent."
    assert output.uncertain == ()
    assert remove_background.problems({"image": coffee, "regions": regions}, output) == []


def test_a_small_thing_may_be_cut_out_and_a_box_is_told(pool: ModelPool, coffee: Image.Image) -> None:
    box = Regions(coffee.size, np.array([[100, 50, 120, 70]], np.float32), ("spot",))
    output = remove_background(coffee, box, models=pool)

    assert one_picture(output.value).getchannel("A").getbbox() == pytest.approx((100, 50, 120, 70), abs=4)
    assert output.uncertain == ("What has no outline was cut out along its box.",)
    assert remove_background.problems({"image": coffee, "regions": box}, output) == []


def test_of_a_transparent_picture_no_more_shows_than_before(pool: ModelPool, coffee: Image.Image) -> None:
    veiled = coffee.convert("RGBA")
    veiled.putalpha(100)
    output = remove_background(veiled, disc(coffee.size), models=pool)

    assert one_picture(output.value).getchannel("A").getextrema() == (0, 100)
    assert remove_background.problems({"image": veiled, "regions": disc(coffee.size)}, output) == []


def test_regions_that_cannot_be_cut_out(pool: ModelPool, coffee: Image.Image) -> None:
    with pytest.raises(ToolError, match="nothing to cut out"):
        remove_background(coffee, Regions(coffee.size), models=pool)
    with pytest.raises(ToolError, match="no background to take away"):
        remove_background(coffee, Regions(coffee.size, np.array([[0, 0, *coffee.size]], np.float32)), models=pool)


def test_other_regions_than_were_asked_for_are_noticed(pool: ModelPool, coffee: Image.Image, cut: ToolOutput) -> None:
    args = {"image": coffee, "regions": disc(coffee.size)}
    elsewhere = remove_background(coffee, disc(coffee.size, (200, 200)), models=pool)

    told = ["a part of the regions was cut away", "something beside the regions was kept"]
    assert remove_background.problems(args, elsewhere) == told
    assert remove_background.problems(args, cut)[-1] == told[1]


def test_a_flat_picture_has_no_foreground(pool: ModelPool) -> None:
    with pytest.raises(ToolError, match="nothing stands out"):
        remove_background(Image.new("RGB", (64, 64), "teal"), models=pool)


@pytest.mark.parametrize(
    ("prompt", "top", "bottom"),
    [
        ("plain white", (255, 255, 255), (255, 255, 255)),
        ("A black background.", (0, 0, 0), (0, 0, 0)),
        ("#102030", (16, 32, 48), (16, 32, 48)),
        ("gradient from white to black", (255, 255, 255), (0, 0, 0)),
        ("black to white gradient", (0, 0, 0), (255, 255, 255)),
        ("a white gradient", (255, 255, 255), (255, 255, 255)),
        ("sunset gradient", (38, 40, 92), (255, 214, 130)),
        ("plain forest green", (34, 139, 34), (34, 139, 34)),
    ],
)
def test_plain_grounds(prompt: str, top: tuple[int, ...], bottom: tuple[int, ...]) -> None:
    ground = plain_ground(prompt, (20, 101))
    assert ground is not None
    assert (ground.size, ground.getpixel((10, 0)), ground.getpixel((10, 100))) == ((20, 101), top, bottom)


def test_a_sideways_gradient() -> None:
    ground = plain_ground("horizontal gradient from white to black", (101, 20))
    assert ground is not None
    assert (ground.getpixel((0, 5)), ground.getpixel((100, 5))) == ((255, 255, 255), (0, 0, 0))


@pytest.mark.parametrize(
    "prompt",
    ["a beach", "a sandy beach at sunset", "forest", "the ocean", "a city at night", "snow", "gradient of mood"],
)
def test_scenes_are_not_taken_for_colours(prompt: str) -> None:
    assert plain_ground(prompt, (4, 4)) is None


@pytest.mark.slow
def test_a_plain_background(pool: ModelPool, coffee: Image.Image) -> None:
    args = {"image": coffee, "prompt": "pale blue"}
    output = replace_background(**args, models=pool)
    made = output.value
    assert isinstance(made, Image.Image)
    assert (made.mode, made.size) == ("RGB", coffee.size)
    assert made.getpixel(TABLE) == plain_ground("pale blue", (1, 1)).getpixel((0, 0))  # type: ignore[union-attr]
    assert np.abs(np.subtract(made.getpixel(CUP), coffee.getpixel(CUP))).max() <= 1  # type: ignore[arg-type]
    assert output.summary == "I put the foreground in front of the new background, pale blue."
    assert replace_background.problems(args, output) == []


@pytest.mark.slow
def test_another_picture_behind(pool: ModelPool, coffee: Image.Image, photo: Photo) -> None:
    args = {"image": coffee, "background": photo("rocket")}
    output = replace_background(**args, models=pool)
    assert isinstance(output.value, Image.Image)
    behind = ImageOps.fit(photo("rocket"), coffee.size, Image.Resampling.LANCZOS)
    assert output.value.getpixel(TABLE) == behind.getpixel(TABLE)
    assert replace_background.problems(args, output) == []


def test_what_cannot_be_done_is_told(pool: ModelPool, coffee: Image.Image) -> None:
    with pytest.raises(ToolError, match="say which background"):
        replace_background(coffee, models=pool)
    if not pool.has("generation.text_to_image"):
        with pytest.raises(ToolError, match="'beach' has to be generated, and no image generator is here"):
            replace_background(coffee, "a beach", models=pool)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda image: image, "as it did before"),
        (lambda image: ImageOps.invert(image), "new background is not in the picture"),
        (lambda image: Image.new("RGB", image.size, "white"), "or nothing else is"),
        (lambda image: image.resize((10, 10)), "10x10 pixels"),
    ],
)
def test_wrong_backgrounds_are_noticed(
    coffee: Image.Image, wrong: Callable[[Image.Image], Image.Image], message: str
) -> None:
    found = replace_background.problems({"image": coffee, "prompt": "white"}, ToolOutput(wrong(coffee), ""))
    assert any(message in problem for problem in found)
