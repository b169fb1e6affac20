from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.blazeface import BlazeFace
from visiongpt_agent.regions import Regions
from visiongpt_agent.weights import InPlace

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def faces() -> BlazeFace:
    assert isinstance(BlazeFace.card.source, InPlace)
    return BlazeFace.load(BlazeFace.card.source.folder(), Placement())


def test_the_face_is_where_it_is(faces: BlazeFace, photo: Photo) -> None:
    (box,) = faces.detect(photo("astronaut")).boxes
    x1, y1, x2, y2 = box
    assert 160 < x1 < 200 < 250 < x2 < 290  # both eyes, and not much more than the head
    assert 40 < y1 < 110 < 150 < y2 < 200  # eyes to mouth


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "small": lambda image: image.resize((image.width // 4, image.height // 4)),
    "dark": lambda image: ImageEnhance.Brightness(image).enhance(0.35),
    "grey": lambda image: image.convert("L"),
    "tilted": lambda image: image.rotate(30, expand=True),
    "half hidden": lambda image: _covered(image, (150, 140, 300, 200)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_face_is_found_too(
    faces: BlazeFace, photo: Photo, change: Callable[[Image.Image], Image.Image]
) -> None:
    assert len(faces.detect(change(photo("astronaut")))) == 1


def test_two_faces_by_the_bus_and_their_mirror_image(faces: BlazeFace, bus: Image.Image) -> None:
    here, mirrored = faces.detect(bus), faces.detect(ImageOps.mirror(bus))
    assert len(here) == 2
    boxes = mirrored.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1]) + np.array([bus.width, 0, bus.width, 0])
    assert (here.iou(Regions(bus.size, boxes.astype(np.float32))).max(axis=1) > 0.5).all()


@pytest.mark.parametrize("name", ["chelsea", "coffee", "rocket"])
def test_cats_and_cups_have_none(faces: BlazeFace, photo: Photo, name: str) -> None:
    assert len(faces.detect(photo(name))) == 0


@pytest.mark.slow
def test_a_face_of_a_hundred_pixels_is_found_in_twenty_four_million(faces: BlazeFace, photo: Photo) -> None:
    wide = Image.effect_noise((6000, 4000), 40).convert("RGB")
    wide.paste(photo("astronaut"), (4300, 2900))
    (box,) = faces.detect(wide).boxes
    (alone,) = faces.detect(photo("astronaut")).boxes
    assert box - np.array([4300, 2900, 4300, 2900]) == pytest.approx(alone, abs=15)


def test_pictures_side_by_side_do_not_disturb_each_other(faces: BlazeFace, photo: Photo) -> None:
    pictures = [photo("astronaut").resize((side, side)) for side in (96, 200, 128, 256)] * 2
    alone = [faces.detect(picture).boxes.tolist() for picture in pictures]
    with ThreadPoolExecutor(4) as workers:
        assert [found.boxes.tolist() for found in workers.map(faces.detect, pictures)] == alone


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3000, 30)])
def test_odd_sizes_hold_no_face(faces: BlazeFace, size: tuple[int, int]) -> None:
    assert len(faces.detect(Image.new("RGB", size, "white"))) == 0


def test_what_a_fault_of_the_weights_needs_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"blazeface_full_range.onnx is missing: pip install --force"):
        BlazeFace.load(tmp_path, Placement())
    (tmp_path / "blazeface_full_range.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="is damaged: pip install --force"):
        BlazeFace.load(tmp_path, Placement())


def _covered(image: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The picture with a plain patch, as a scarf over mouth and chin."""
    covered = image.copy()
    covered.paste((40, 60, 120), box)
    return covered
