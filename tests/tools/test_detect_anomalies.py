"""Anomalies with known truth: planted ones are found where they are, clean pictures give none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.errors import ToolError
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.detect_anomalies import _sentence, detect_anomalies

Photo = Callable[[str], Image.Image]
SCRATCH = [(150, 180), (195, 160), (240, 150)]


def weave(seed: int = 0) -> Image.Image:
    """A woven texture with uneven threads, 384 pixels square."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:384, 0:384].astype(np.float32)
    threads = np.sin(2 * np.pi * rows / 12) + np.sin(2 * np.pi * columns / 12)
    pixels = 130 + 25 * threads + rng.normal(0, 12, threads.shape)
    grey = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
    return grey.convert("RGB")


def scratched(image: Image.Image) -> Image.Image:
    copy = image.copy()
    ImageDraw.Draw(copy).line(SCRATCH, fill=(245, 245, 245), width=4)
    return copy


def regions_of(output: ToolOutput) -> Regions:
    assert isinstance(output.value, Regions)
    return output.value


@pytest.mark.parametrize("seed", range(3))
def test_a_scratch_is_found_at_its_place(pool: ModelPool, seed: int) -> None:
    image = scratched(weave(seed))
    output = detect_anomalies(image, models=pool)
    found = regions_of(output)
    assert found.labels == ("anomaly",)
    x1, y1, x2, y2 = found.boxes[0]
    assert x1 < 165 < 225 < x2
    assert y1 < 160 < 170 < y2
    assert (x2 - x1) * (y2 - y1) < 150 * 90
    assert found.confidence[0] > 0.5
    assert output.summary == "I found one anomaly in the middle, compared with the rest of the picture."
    assert detect_anomalies.problems({"image": image}, output) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_clean_surface_gives_none(pool: ModelPool, seed: int) -> None:
    output = detect_anomalies(weave(seed), models=pool)
    assert len(regions_of(output)) == 0
    assert output.summary == "I found no anomaly that stands out, compared with the rest of the picture."


def test_a_plain_surface_with_a_scratch_and_without(pool: ModelPool) -> None:
    plain = Image.new("RGB", (384, 384), (120, 130, 140))
    assert len(regions_of(detect_anomalies(plain, models=pool))) == 0
    assert len(regions_of(detect_anomalies(scratched(plain), models=pool))) == 1


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_against_a_reference(pool: ModelPool, photo: Photo, name: str) -> None:
    """The good picture is another shot: noisier, a little brighter."""
    image = photo(name)
    noise = np.random.default_rng(0).normal(4, 3, (image.height, image.width, 3))
    good = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    clean = detect_anomalies(image, good, models=pool)
    assert clean.summary == "I found no anomaly that stands out, compared with the reference."
    found = regions_of(detect_anomalies(scratched(image), good, models=pool))
    assert len(found) == 1
    truth = Image.new("1", image.size)
    ImageDraw.Draw(truth).line(SCRATCH, fill=1, width=4)
    assert found.union_mask()[np.asarray(truth)].mean() > 0.6
    assert found.union_mask().mean() < 0.1


def test_the_heat_map_is_hot_where_the_scratch_is(pool: ModelPool) -> None:
    plain = Image.new("RGB", (384, 384), (120, 130, 140))
    heat = detect_anomalies(scratched(plain), models=pool).heat
    assert heat is not None
    assert (heat.mode, heat.size) == ("L", plain.size)
    truth = Image.new("1", plain.size)
    ImageDraw.Draw(truth).line(SCRATCH, fill=1, width=4)
    degrees, on = np.asarray(heat), np.asarray(truth)
    assert np.median(degrees[on]) > 127
    assert np.median(degrees[~on]) < 10


def test_the_heat_map_lies_under_the_drawn_regions(pool: ModelPool) -> None:
    plain = Image.new("RGB", (384, 384), (120, 130, 140))
    chat = ScriptedChat(script=["#1 = detect_anomalies(image=$1)"])
    with closing(VisionGPT(chat, pool=pool)) as agent:
        result = agent.run("is it scratched?", scratched(plain))
        (drawn,) = result.images
        pixels = np.asarray(result.picture(), np.int16)
    assert drawn.role == "annotated"
    away = np.abs(pixels - np.array((120, 130, 140))).sum(axis=2)
    inside = Image.new("1", plain.size)
    ImageDraw.Draw(inside).line(SCRATCH, fill=1, width=4)
    assert np.median(away[np.asarray(inside)]) > 60
    assert (away < 12).mean() > 0.5, "where there is nothing the picture stays as it is"


def test_identical_to_the_reference(pool: ModelPool, photo: Photo) -> None:
    assert len(regions_of(detect_anomalies(photo("astronaut"), photo("astronaut"), models=pool))) == 0


def test_a_reference_of_another_shape_is_a_memory_of_good_patches(pool: ModelPool) -> None:
    found = regions_of(detect_anomalies(scratched(weave(1)), weave(2).crop((0, 0, 384, 200)), models=pool))
    assert len(found) == 1


def test_too_small(pool: ModelPool) -> None:
    with pytest.raises(ToolError, match="40x200 pixels is too small"):
        detect_anomalies(Image.new("RGB", (40, 200)), models=pool)


def test_faults_are_caught() -> None:
    image = Image.new("RGB", (100, 80))

    def problems(value: Regions | str) -> str:
        return "; ".join(detect_anomalies.problems({"image": image}, ToolOutput(value, "")))

    assert "not regions" in problems("")
    assert "not 100x80" in problems(Regions((80, 100)))
    assert "no outline" in problems(Regions((100, 80), np.array([[0, 0, 9, 9]])))
    whole = np.ones((1, 80, 100), np.bool_)
    assert "100% of the picture is marked" in problems(Regions.from_masks(whole, ("anomaly",)))
    assert "something else" in problems(Regions.from_masks(whole, ("dog",)))
    corner = np.zeros((1, 80, 100), np.bool_)
    corner[0, :9, :9] = True
    twice = Regions.from_masks(np.concatenate([corner, corner]), ("anomaly", "anomaly"))
    assert "marked twice" in problems(twice)
    loose = Regions((100, 80), np.array([[0, 0, 30, 30]]), ("anomaly",), masks=corner)
    assert "not those of their outlines" in problems(loose)
    nothing = ToolOutput(Regions((100, 80)), _sentence(Regions((100, 80)), False))
    assert detect_anomalies.problems({"image": image}, nothing) == []
