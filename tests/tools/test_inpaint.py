"""Inpainting with the model that is always here: small things go, everything else is exact, limits are told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models import jobs
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.inpaint import inpaint

Photo = Callable[[str], Image.Image]


def sky(regions_share: float) -> tuple[Image.Image, Image.Image, Regions]:
    """A smooth sky without and with a dark bird on it that takes up a share of the picture."""
    rows = np.linspace(90, 220, 300)[:, None, None]
    clean = Image.fromarray(np.tile(rows, (1, 400, 3)).astype(np.uint8))
    half = (regions_share * 300 * 400) ** 0.5 / 2
    box = [200 - half, 150 - half, 200 + half, 150 + half]
    bird = clean.copy()
    ImageDraw.Draw(bird).rectangle([round(v) for v in box], fill="black")
    return clean, bird, Regions(clean.size, np.array([box]), ("bird",))


def test_a_small_thing_is_gone(pool: ModelPool) -> None:
    clean, bird, regions = sky(0.01)
    output = inpaint(bird, regions, models=pool)
    assert isinstance(output.value, Image.Image)
    off = np.abs(np.asarray(output.value, np.int16) - np.asarray(clean, np.int16))
    assert off.max() < 25
    assert output.summary == "I removed one bird and filled the gap from around it."
    assert output.uncertain == ()
    assert inpaint.problems({"image": bird, "regions": regions}, output) == []


def test_a_photo_is_untouched_outside_the_grown_mask(pool: ModelPool, photo: Photo) -> None:
    image = photo("coffee").convert("RGBA")
    image.putalpha(200)
    mask = np.zeros((400, 600), np.bool_)
    mask[20:50, 500:560] = True
    output = inpaint(image, Regions.from_masks(mask[None], ("spoon",)), models=pool)
    assert isinstance(output.value, Image.Image)
    changed = (np.asarray(output.value) != np.asarray(image)).any(axis=2)
    assert not changed[:, :490].any()
    assert not changed[60:].any()
    assert output.value.getchannel("A").getextrema() == (200, 200)


@pytest.mark.parametrize(("share", "word"), [(0.045, "smeared"), (0.02, "")])
def test_a_large_gap_is_doubted(pool: ModelPool, share: float, word: str) -> None:
    _, bird, regions = sky(share)
    if pool.name(jobs.INPAINT_REMOVE) != "telea":
        pytest.skip("a stronger model is here")
    assert word in " ".join(inpaint(bird, regions, models=pool).uncertain)
    assert bool(inpaint(bird, regions, models=pool).uncertain) == bool(word)


def test_refusals(pool: ModelPool) -> None:
    _, bird, regions = sky(0.2)
    if pool.name(jobs.INPAINT_REMOVE) == "telea":
        with pytest.raises(ToolError, match=r"removing one bird leaves a gap of 20% .*: visiongpt models pull lama$"):
            inpaint(bird, regions, models=pool)
    with pytest.raises(ToolError, match="nothing to remove: no region"):
        inpaint(bird, regions.select([]), models=pool)
    with pytest.raises(ToolError, match="cover the whole picture"):
        inpaint(bird, Regions(bird.size, np.array([[0, 0, 400, 300]])), models=pool)


def test_painting_without_a_painter_is_refused(pool: ModelPool) -> None:
    _, bird, regions = sky(0.01)
    if pool.has(jobs.INPAINT_REPLACE):
        pytest.skip("a diffusion inpainting model is here")
    with pytest.raises(ToolError, match=r'painting "a kite" into a picture needs a diffusion inpainting model: .+'):
        inpaint(bird, regions, "a kite", models=pool)


def test_faults_are_caught() -> None:
    clean, bird, regions = sky(0.01)
    args = {"image": bird, "regions": regions}
    assert inpaint.problems(args, ToolOutput(clean, "")) == []
    assert inpaint.problems(args, ToolOutput(bird, ""))[0] == "nothing changed inside the regions"
    assert "outside the regions changed" in inpaint.problems(args, ToolOutput(Image.new("RGB", bird.size), ""))[0]
    assert "instead of 400x300" in inpaint.problems(args, ToolOutput(clean.resize((40, 30)), ""))[0]
