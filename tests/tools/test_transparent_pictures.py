"""What the tools see of transparent pictures, and what is left of colour and alpha after an edit."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.pictures.colors import name_color
from visiongpt_agent.pictures.images import ImageStore, decode
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import one_picture

Photo = Callable[[str], Image.Image]

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def ask(tool: str, store: ImageStore, pool: ModelPool, *images: Image.Image, **args: Any) -> dict[str, Any]:
    """The artifact of a tool on pictures that went in through the store, as a person's do."""
    names = [argument.name for argument in catalog()[tool].signature.arguments]
    given = {name: store.add(image).id for name, image in zip(names, images, strict=False)}
    call = {"name": tool, "args": {**given, **args}, "id": "1", "type": "tool_call"}
    artifact: dict[str, Any] = catalog()[tool].bind(store, pool).invoke(call).artifact
    assert not artifact["problems"]
    return artifact


# ---------------------------------------------------------------------------------------------------- whoever looks


def written(words: str, ink: tuple[int, int, int], alpha: int = 255) -> Image.Image:
    """Words on a transparent ground, whose hidden colour is that of the ink."""
    image = Image.new("RGBA", (900, 200), (*ink, 0))
    ImageDraw.Draw(image).text((40, 60), words, font=ImageFont.load_default(size=44), fill=(*ink, alpha))
    return image


@pytest.mark.parametrize(("ink", "alpha"), [(BLACK, 255), (WHITE, 170), ((255, 240, 150), 255)])
def test_words_on_a_transparent_ground_are_read(
    ink: tuple[int, int, int], alpha: int, store: ImageStore, pool: ModelPool
) -> None:
    assert "4711" in ask("read_text", store, pool, written("Invoice number 4711", ink, alpha))["text"]


@pytest.mark.parametrize("ink", [BLACK, (20, 20, 120)])
def test_a_code_on_a_transparent_ground_is_read(ink: tuple[int, int, int], store: ImageStore, pool: ModelPool) -> None:
    made = zxingcpp.create_barcode("https://example.org/menu", zxingcpp.BarcodeFormat.QRCode).to_image(scale=8)
    dark = np.array(made) < 128
    code = np.dstack([*(np.full(dark.shape, channel, np.uint8) for channel in ink), dark.astype(np.uint8) * 255])
    assert "https://example.org/menu" in ask("read_codes", store, pool, Image.fromarray(code))["text"]


def test_erased_words_are_not_read(store: ImageStore, pool: ModelPool) -> None:
    page = Image.new("RGBA", (800, 240), (*WHITE, 255))
    for row, words in ((30, "Account holder: M. Moss"), (150, "PIN 7391 secret")):
        ImageDraw.Draw(page).text((30, row), words, font=ImageFont.load_default(size=44), fill=(*BLACK, 255))
    pixels = np.array(page)
    pixels[120:, :, 3] = 0
    text = ask("read_text", store, pool, Image.fromarray(pixels))["text"]
    assert "Moss" in text
    assert "7391" not in text


def faint(image: Image.Image, alpha: int) -> Image.Image:
    """A picture on a plain ground of which this much shows, in 255ths; it can still be read from its colours."""
    clear = image.convert("RGBA")
    clear.putalpha(alpha)
    ground = Image.new("RGBA", (900, 400), (180, 200, 180, 255))
    ground.paste(clear, (200, 50))  # with its alpha, which nothing lies behind
    return ground


@pytest.mark.parametrize("alpha", [0, 2])
def test_an_erased_thing_is_not_found(alpha: int, photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    assert not ask("detect_objects", store, pool, faint(photo("chelsea"), alpha), query="cat")["items"]
    assert not ask("detect_faces", store, pool, faint(photo("astronaut"), alpha))["items"]


def test_what_shows_is_found(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    assert ask("detect_objects", store, pool, faint(photo("chelsea"), 254), query="cat")["items"]


def test_pictures_that_look_alike_are_told_as_alike(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    """Whether the ground is white paint or transparent, a person sees no difference."""
    painted = photo("coffee").convert("RGBA")
    painted.paste(WHITE, (0, 0, 200, 400))
    erased = photo("coffee").convert("RGBA")
    erased.paste((0, 0, 0, 0), (0, 0, 200, 400))
    assert ask("compare_images", store, pool, painted, erased)["facts"]["identical"]
    assert not ask("compare_images", store, pool, photo("coffee"), erased)["facts"]["identical"]


def test_a_drawing_does_not_show_what_was_erased(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    from visiongpt_agent.pictures.drawing import draw_heat, draw_regions

    erased = photo("coffee").convert("RGBA")
    erased.putalpha(0)
    erased.paste((200, 0, 0, 255), (100, 100, 300, 300))
    drawn = draw_regions(erased, Regions(erased.size, np.array([[100, 100, 300, 300]], np.float32), ("square",)))
    heated = draw_heat(erased, Image.new("L", erased.size, 0))
    assert (np.asarray(drawn)[320:] == 255).all()
    assert (np.asarray(heated)[320:] == 255).all()


# ------------------------------------------------------------------------------------------------------ whoever edits

SIZE = (120, 90)
CLAY = (150, 90, 60)


def shown(kind: str) -> FloatArray:
    """How much of a picture shows: a disc with a hard rim, one with a soft rim, or half of everything."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    away = np.hypot(x - SIZE[0] / 2, y - SIZE[1] / 2)
    alpha = {"hard": away < 35, "soft": np.clip((45 - away) / 20, 0, 1), "half": np.full(away.shape, 128 / 255)}[kind]
    return np.asarray(np.rint(alpha * 255) / 255, np.float32)


def clear(colors: npt.ArrayLike, alpha: FloatArray, hidden: tuple[int, int, int] = (255, 0, 255)) -> Image.Image:
    """A picture of colours ``(H, W, 3)`` of which only so much shows, another colour hidden where nothing does."""
    pixels = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)
    pixels[..., :3] = np.where(alpha[..., None] > 0, colors, np.array(hidden))
    pixels[..., 3] = np.rint(alpha * 255)
    return Image.fromarray(pixels)


def middle(*, masks: bool = True) -> Regions:
    """A region of 28 by 20 pixels in the middle, where all of a disc shows."""
    mask = np.zeros((1, SIZE[1], SIZE[0]), np.bool_)
    mask[0, 35:55, 46:74] = True
    region = Regions.from_masks(mask, ("spot",))
    return region if masks else Regions(region.size, region.boxes, region.labels)


def across() -> Regions:
    """A region from the middle out over the rim."""
    mask = np.zeros((1, SIZE[1], SIZE[0]), np.bool_)
    mask[0, 30:60, 50:118] = True
    return Regions.from_masks(mask, ("spot",))


EDITS: dict[str, tuple[str, dict[str, Any]]] = {
    "brighter": ("adjust_image", {"brightness": 1.4}),
    "more contrast": ("adjust_image", {"contrast": 1.7}),
    "black and white": ("adjust_image", {"saturation": 0}),
    "sharper": ("adjust_image", {"sharpness": 3}),
    "smoother": ("adjust_image", {"sharpness": 0}),
    "warmer": ("adjust_image", {"look": "warm"}),
    "flipped": ("transform_image", {"flip": "horizontal"}),
    "turned": ("transform_image", {"rotate": 90}),
    "slanted": ("transform_image", {"rotate": 20}),
    "shrunk": ("transform_image", {"width": 40}),
    "squared": ("transform_image", {"aspect": "1:1"}),
    "cropped": ("crop_regions", {"regions": across()}),
    "written on": ("add_text", {"text": "spot"}),
    "combined": ("combine_images", {"other": Image.new("RGB", (60, 45), "teal")}),
    "marked": ("highlight_regions", {"regions": across()}),
    "blurred": ("blur_regions", {"regions": across()}),
    "pixelated": ("blur_regions", {"regions": across(), "method": "pixelate"}),
    "blacked out": ("blur_regions", {"regions": across(), "method": "black"}),
    "blurred around": ("blur_regions", {"regions": middle(), "invert": True}),
    "recoloured": ("recolor_regions", {"regions": across(), "color": "teal"}),
    "removed": ("inpaint", {"regions": middle()}),
    "enlarged": ("upscale_image", {"scale": 2}),
    "in a style": ("stylize_image", {"style": "pencil sketch"}),
    "in a learned style": ("stylize_image", {"style": "mosaic"}),
    "before blue": ("replace_background", {"prompt": "blue"}),
}
"""Every tool that edits here, most of them in more ways than one."""

EVERYWHERE = (
    "brighter",
    "more contrast",
    "black and white",
    "sharper",
    "smoother",
    "warmer",
    "flipped",
    "turned",
    "shrunk",
)
"""Edits that do to a picture of which half shows what they do to the whole one."""


def edited(name: str, image: Image.Image, pool: ModelPool) -> Image.Image:
    """A picture edited, by a result that passes its checks."""
    tool, args = EDITS[name]
    spec = catalog()[tool]
    models = {"models": pool} if "models" in inspect.signature(spec.function).parameters else {}
    output = spec(image, **args, **models)
    assert spec.problems({"image": image, **args}, output, pool) == []
    assert isinstance(output.value, Image.Image)
    return output.value


def channels(value: object) -> tuple[FloatArray, FloatArray]:
    """The colours of a picture from 0 to 255 ``(H, W, 3)`` and its alpha from 0 to 1 ``(H, W)``."""
    pixels = np.asarray(one_picture(value).convert("RGBA"), np.float32)
    return pixels[..., :3], np.asarray(pixels[..., 3] / 255, np.float32)


def test_the_table_has_every_tool_that_edits() -> None:
    makes_anew = {"generate_image", "generate_with_control", "estimate_depth"}
    needs_the_hub = {"edit_image"}
    apart = {"remove_background"}
    edits = {name for name, spec in catalog().items() if spec.signature.returns is Kind.IMAGE}
    assert edits - makes_anew - needs_the_hub - apart == {tool for tool, _ in EDITS.values()}


@pytest.mark.parametrize("kind", ["hard", "soft"])
@pytest.mark.parametrize("name", EDITS)
def test_what_is_hidden_changes_nothing(name: str, kind: str, photo: Photo, pool: ModelPool) -> None:
    colors = np.asarray(photo("coffee").resize(SIZE))
    one, other = (edited(name, clear(colors, shown(kind), hidden), pool) for hidden in ((255, 0, 255), (0, 60, 0)))
    assert decode(one).tobytes() == decode(other).tobytes()


@pytest.mark.parametrize("kind", ["hard", "soft", "half"])
@pytest.mark.parametrize("name", ["sharper", "smoother", "slanted", "shrunk", "blurred", "blurred around", "removed"])
def test_one_colour_stays_that_colour(name: str, kind: str, pool: ModelPool) -> None:
    """Smoothing, sharpening and filling mix what shows with nothing else."""
    colors, alpha = channels(edited(name, clear(CLAY, shown(kind)), pool))
    off = np.abs(colors - np.array(CLAY)).max(axis=2) * alpha  # faint colours are coarse in 8 bits
    assert off.max() <= 3
    if name not in ("slanted", "shrunk"):
        assert np.array_equal(alpha, shown(kind))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_half_of_a_picture_is_edited_as_the_whole(name: str, photo: Photo, pool: ModelPool) -> None:
    whole = photo("chelsea").resize(SIZE)
    colors, alpha = channels(edited(name, clear(np.asarray(whole), shown("half")), pool))
    assert np.abs(colors - channels(edited(name, whole, pool))[0]).max() <= (3 if name == "shrunk" else 0)
    assert np.abs(alpha - 128 / 255).max() < 0.01


def grey(colors: FloatArray) -> FloatArray:
    return np.asarray((colors @ np.array([0.299, 0.587, 0.114], np.float32))[..., None], np.float32)


def from_definition(name: str, colors: FloatArray, alpha: FloatArray) -> FloatArray:
    """What an adjustment is, worked out from what shows."""
    if name == "brighter":
        return colors * np.float32(1.4)
    if name == "black and white":
        return np.repeat(grey(colors), 3, axis=2)
    if name == "more contrast":
        pivot = round(float((grey(colors)[..., 0] * alpha).sum() / alpha.sum()))
        return np.asarray(pivot + (colors - pivot) * 1.7, np.float32)
    kernel, total, share = np.ones((3, 3)), np.zeros(colors.shape), np.zeros(alpha.shape)
    kernel[1, 1] = 5
    for (row, column), weight in np.ndenumerate(kernel):
        moved, part = (np.roll(array, (row - 1, column - 1), (0, 1)) for array in (colors, alpha))
        total, share = total + weight * (moved * part[..., None]), share + weight * part
    smooth = total / np.maximum(share, 1e-6)[..., None]
    return np.asarray(smooth + (colors - smooth) * (3 if name == "sharper" else 0), np.float32)


@pytest.mark.parametrize("kind", ["hard", "soft", "half"])
@pytest.mark.parametrize("name", ["brighter", "more contrast", "black and white", "sharper", "smoother"])
def test_adjustments_are_those_of_what_shows(name: str, kind: str, photo: Photo, pool: ModelPool) -> None:
    before = np.asarray(photo("rocket").resize(SIZE), np.float32)
    colors, alpha = channels(edited(name, clear(before, shown(kind)), pool))
    expected = np.clip(from_definition(name, before, shown(kind)), 0, 255)
    off = np.abs(colors - expected)[2:-2, 2:-2][shown(kind)[2:-2, 2:-2] > 0]  # at the border conventions differ
    assert off.max() <= 4
    assert np.array_equal(alpha, shown(kind))


@pytest.mark.parametrize("kind", ["hard", "soft", "half"])
@pytest.mark.parametrize("name", ["slanted", "shrunk", "enlarged"])
def test_resampling_weighs_colours_by_how_much_shows(name: str, kind: str, photo: Photo, pool: ModelPool) -> None:
    """As planes of what colour there is and of how much shows, each resampled by itself."""
    before, alpha = np.asarray(photo("coffee").resize(SIZE), np.float32), shown(kind)
    made = edited(name, clear(before, alpha), pool)

    def resampled(plane: FloatArray) -> FloatArray:
        image = Image.fromarray(plane)
        if name == "slanted":
            image = image.rotate(-20, Image.Resampling.BICUBIC, expand=True)
        return np.asarray(image.resize(made.size, Image.Resampling.LANCZOS), np.float32)

    colors, shows = channels(made)
    part = np.clip(resampled(alpha), 0, 1)
    premultiplied = np.dstack([resampled(np.asarray(before[..., c] * alpha, np.float32)) for c in range(3)])
    off = np.abs(colors * shows[..., None] - np.clip(premultiplied, 0, 255))
    assert np.abs(shows - part).max() < (0.02 if name != "slanted" else 0.05)
    assert off.mean() < (4 if name == "enlarged" else 1)
    rim = (part > 0.05) & (part < 0.95)
    if rim.any():
        assert off[rim].mean() < (8 if name == "enlarged" else 2)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_recoloured_region_is_shaded_around_the_middle_of_what_shows(
    kind: str, photo: Photo, pool: ModelPool
) -> None:
    """As though the region ended where the picture does."""
    before, alpha = photo("coffee").resize(SIZE), shown(kind)
    colors, _ = channels(edited("recoloured", clear(np.asarray(before), alpha), pool))
    region = across()
    assert region.masks is not None
    ending = Regions.from_masks(region.masks & (alpha > 0), ("spot",))
    expected = channels(catalog()["recolor_regions"](before, ending, "teal").value)[0]
    inside = (region.masks & (np.roll(alpha, 6, axis=1) > 0) & (alpha > 0))[0]
    assert np.abs(colors - expected)[inside].mean() < 1


def test_a_thing_removed_from_nothing_leaves_nothing(pool: ModelPool) -> None:
    alpha = np.zeros((SIZE[1], SIZE[0]), np.float32)
    alpha[10:80, 6:60] = 1  # a block of clay, and a ball apart from it
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    ball = np.hypot(x - 90, y - 45) < 9
    alpha[ball] = 1
    colors = np.where(ball[..., None], (20, 200, 40), CLAY)
    image, regions = clear(colors, alpha), Regions.from_masks(ball[None], ("ball",))
    output = catalog()["inpaint"](image, regions, models=pool)
    made, shows = channels(output.value)
    assert catalog()["inpaint"].problems({"image": image, "regions": regions, "prompt": ""}, output) == []
    assert (shows[:, 62:] == 0).all()
    assert (made[10:80, 6:60] == CLAY).all()


def test_a_thing_removed_at_a_rim_leaves_what_is_around_it(pool: ModelPool) -> None:
    alpha = np.zeros((SIZE[1], SIZE[0]), np.float32)
    alpha[:, :60] = 1
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    ball = np.hypot(x - 60, y - 45) < 8
    alpha[ball] = 1
    image = clear(np.where(ball[..., None], (20, 200, 40), CLAY), alpha)
    made, shows = channels(catalog()["inpaint"](image, Regions.from_masks(ball[None], ("ball",)), models=pool).value)
    assert shows[40:50, 52:57].mean() > 0.75
    assert shows[40:50, 63:68].mean() < 0.25
    assert np.abs(made[shows > 0.2] - np.array(CLAY)).max() <= 6  # nothing of the ball's green is left


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_cut_out_is_laid_on_its_new_background_once(kind: str, photo: Photo, pool: ModelPool) -> None:
    before, alpha = np.asarray(photo("coffee").resize(SIZE), np.float32), shown(kind)[..., None]
    colors, shows = channels(edited("before blue", clear(before, shown(kind)), pool))
    blue = colors[0, 0]
    assert name_color((int(blue[0]), int(blue[1]), int(blue[2]))) == "blue"
    assert np.abs(colors - (before * alpha + blue * (1 - alpha))).max() <= 1
    assert (shows == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hard", "half"])
def test_a_foreground_is_cut_out_of_what_shows(kind: str, photo: Photo, pool: ModelPool) -> None:
    whole = photo("coffee").resize((SIZE[0] * 2, SIZE[1] * 2))
    alpha = np.kron(shown(kind), np.ones((2, 2), np.float32))
    pixels = np.dstack([np.asarray(whole), np.rint(alpha * 255).astype(np.uint8)])
    spec = catalog()["remove_background"]
    image = Image.fromarray(pixels)
    output = spec(image, models=pool)
    assert spec.problems({"image": image}, output) == []
    colors, shows = channels(output.value)
    assert (shows <= alpha + 0.01).all()
    sure = shows >= alpha.max() - 0.005
    assert sure.mean() > 0.02
    assert np.abs(colors - np.asarray(whole, np.float32))[sure].mean() < 2


@pytest.mark.slow
def test_a_cut_out_survives_a_chain(photo: Photo, store: ImageStore, pool: ModelPool) -> None:
    """Removed background, enlarged, more contrast: on black and on white no rim of the other ground is seen."""
    first = ask("remove_background", store, pool, photo("astronaut").resize((160, 160)))
    large = ask("upscale_image", store, pool, store.open(first["image"]), scale=2)
    last = ask("adjust_image", store, pool, store.open(large["image"]), contrast=1.3)
    small, made = (store.open(artifact["image"]) for artifact in (first, last))
    colors, shows = channels(made)
    rim = (shows > 0.3) & (shows < 0.9)
    inner = np.asarray(small.resize(made.size, Image.Resampling.BICUBIC).convert("RGB"), np.float32)
    assert rim.sum() > 50
    assert np.abs(colors[rim].mean(axis=0) - inner[rim].mean(axis=0)).max() < 30
