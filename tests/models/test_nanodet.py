from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.nanodet import NanoDet
from visiongpt_agent.regions import Regions
from visiongpt_agent.weights import InPlace

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def nanodet() -> NanoDet:
    assert isinstance(NanoDet.card.source, InPlace)
    return NanoDet.load(NanoDet.card.source.folder(), Placement())


def found(nanodet: NanoDet, image: Image.Image) -> Regions:
    return nanodet.detect(image, threshold=nanodet.threshold)


def test_four_people_and_a_bus(nanodet: NanoDet, bus: Image.Image) -> None:
    assert sorted(found(nanodet, bus).labels) == ["bus", "person", "person", "person", "person"]


def test_one_look_has_the_scores_known_of_these_weights(nanodet: NanoDet, bus: Image.Image) -> None:
    look = nanodet._look(bus, fit=False, mirror=False)
    people = sorted(
        (float(s) for n, s in zip(look.labels, look.confidence, strict=True) if n == "person"), reverse=True
    )
    assert people[:4] == pytest.approx([0.82, 0.61, 0.55, 0.49], abs=0.05)


@pytest.mark.parametrize(("name", "label"), [("chelsea", "cat"), ("coffee", "cup"), ("astronaut", "person")])
def test_the_thing_of_a_photo(nanodet: NanoDet, photo: Photo, name: str, label: str) -> None:
    assert found(nanodet, photo(name)).labels[0] == label


def test_no_person_in_the_cat(nanodet: NanoDet, photo: Photo) -> None:
    assert found(nanodet, photo("chelsea")).labels == ("cat",)


def test_nothing_in_an_empty_picture(nanodet: NanoDet) -> None:
    assert len(found(nanodet, Image.new("RGB", (640, 480), (120, 130, 140)))) == 0


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_boxes_scale_with_the_picture(nanodet: NanoDet, bus: Image.Image, factor: float) -> None:
    there = found(nanodet, bus)
    larger = found(nanodet, bus.resize((int(bus.width * factor), int(bus.height * factor)), Image.Resampling.LANCZOS))
    back = Regions(bus.size, larger.boxes / factor, larger.labels, larger.confidence)
    assert sorted(back.labels) == sorted(there.labels)
    assert (there.iou(back).max(axis=1) > 0.8).all()


def test_boxes_move_with_the_picture(nanodet: NanoDet, photo: Photo) -> None:
    image = photo("astronaut")
    moved = found(nanodet, ImageOps.expand(image, (200, 80, 40, 120), fill=(128, 128, 128)))
    person, box = found(nanodet, image).boxes[0], moved.boxes[moved.labels.index("person")]
    assert np.abs(box - np.array([200, 80, 200, 80]) - person).max() < 40


def test_boxes_mirror_with_the_picture(nanodet: NanoDet, bus: Image.Image) -> None:
    there, mirrored = found(nanodet, bus), found(nanodet, ImageOps.mirror(bus))
    boxes = mirrored.boxes.copy()
    boxes[:, [0, 2]] = bus.width - boxes[:, [2, 0]]
    assert sorted(mirrored.labels) == sorted(there.labels)
    assert (there.iou(Regions(bus.size, boxes, mirrored.labels)).max(axis=1) > 0.9).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 600), (5000, 20)])
def test_odd_sizes_do_not_crash(nanodet: NanoDet, size: tuple[int, int]) -> None:
    assert found(nanodet, Image.new("RGB", size, "white")).size == size


def test_missing_weights_are_told() -> None:
    with pytest.raises(WeightsError, match="reinstall"):
        NanoDet.load(None, Placement())
