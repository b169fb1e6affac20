from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageOps

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.haar_faces import HaarFaces
from visiongpt_agent.weights import InPlace

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def faces() -> HaarFaces:
    assert isinstance(HaarFaces.card.source, InPlace)
    return HaarFaces.load(HaarFaces.card.source.folder(), Placement())


def test_the_face_is_where_it_is(faces: HaarFaces, photo: Photo) -> None:
    (box,) = faces.detect(photo("astronaut")).boxes
    x1, y1, x2, y2 = box
    assert x1 < 200 < 250 < x2  # both eyes
    assert y1 < 110 < 150 < y2  # eyes to mouth


def test_the_mirror_image_has_the_mirrored_face(faces: HaarFaces, photo: Photo) -> None:
    (there,) = faces.detect(photo("astronaut")).boxes
    (mirrored,) = faces.detect(ImageOps.mirror(photo("astronaut"))).boxes
    assert mirrored[0] == pytest.approx(512 - there[2], abs=12)
    assert mirrored[1] == pytest.approx(there[1], abs=12)


@pytest.mark.slow
def test_pictures_side_by_side_do_not_disturb_each_other(faces: HaarFaces, photo: Photo) -> None:
    pictures = [photo("astronaut").resize((side, side)) for side in (96, 200, 128, 256)] * 6
    alone = [faces.detect(picture).boxes.tolist() for picture in pictures]
    with ThreadPoolExecutor(6) as workers:
        assert [found.boxes.tolist() for found in workers.map(faces.detect, pictures)] == alone


def test_boxes_scale_with_the_picture(faces: HaarFaces, photo: Photo) -> None:
    (there,) = faces.detect(photo("astronaut")).boxes
    (large,) = faces.detect(photo("astronaut").resize((2048, 2048))).boxes
    assert large / 4 == pytest.approx(there, abs=10)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3000, 30)])
def test_odd_sizes_hold_no_face(faces: HaarFaces, size: tuple[int, int]) -> None:
    assert len(faces.detect(Image.new("RGB", size, "white"))) == 0


def test_missing_weights_are_told() -> None:
    with pytest.raises(WeightsError, match="reinstall opencv-python"):
        HaarFaces.load(None, Placement())
