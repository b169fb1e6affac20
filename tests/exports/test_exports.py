"""Exports: planted shapes come back from every format, in the format's own coordinates."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tests.scripted import ScriptedChat
from visiongpt_agent import InputError, Regions, VisionGPT, VisionResult
from visiongpt_agent.exports import FORMATS, _brush, export
from visiongpt_agent.exports.coco import run_lengths
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.result import RegionResult

SIZE = (200, 100)


def planted() -> Regions:
    """A ring (with a hole), a bar in two parts, and a plain square; masks (3, 100, 200)."""
    masks = np.zeros((3, SIZE[1], SIZE[0]), np.bool_)
    masks[0, 10:40, 20:60] = True
    masks[0, 20:30, 30:50] = False
    masks[1, 50:60, 100:120] = masks[1, 50:60, 130:170] = True
    masks[2, 70:90, 10:30] = True
    return Regions.from_masks(masks, labels=("ring", "bar", "square"), scores=[0.9, 0.8, 0.7])


def result_with(regions: Regions, store: ImageStore) -> VisionResult:
    picture = store.add(Image.new("RGB", SIZE, "white"))
    found = RegionResult("$1", "segment_objects", store.add_regions(regions), (), picture.id, "my shapes")
    return VisionResult("", "", regions=(found,), store=store)


def drawn(polygon: list[tuple[float, float]]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """The pixels whose centre lies in a polygon, by ten times oversampling."""
    canvas = Image.new("1", (SIZE[0] * 10, SIZE[1] * 10))
    ImageDraw.Draw(canvas).polygon([(x * 10, y * 10) for x, y in polygon], fill=1)
    return np.asarray(canvas)[5::10, 5::10]


def pairs(values: list[float], width: float = 1, height: float = 1) -> list[tuple[float, float]]:
    return [(x * width, y * height) for x, y in zip(values[::2], values[1::2], strict=True)]


def test_coco(store: ImageStore, tmp_path: Path) -> None:
    shapes = planted()

    made = export(result_with(shapes, store), "coco", tmp_path)

    told = json.loads((made / "annotations.json").read_text())
    assert told["images"] == [{"id": 1, "file_name": "my_shapes.png", "width": 200, "height": 100}]
    assert Image.open(made / "images" / "my_shapes.png").size == SIZE
    assert [category["name"] for category in told["categories"]] == ["bar", "ring", "square"]
    ring, bar, square = told["annotations"]
    assert [a["category_id"] for a in (ring, bar, square)] == [2, 1, 3]
    assert ring["bbox"] == [20, 10, 40, 30]
    assert [a["area"] for a in (ring, bar, square)] == [40 * 30 - 20 * 10, 20 * 10 + 40 * 10, 400]
    assert [a["score"] for a in (ring, bar, square)] == [0.9, 0.8, 0.7]
    masks = shapes.masks
    assert masks is not None
    assert ring["segmentation"] == {"counts": run_lengths(masks[0]), "size": [100, 200]}
    parts = [drawn(pairs(part)) for part in bar["segmentation"]]
    assert len(parts) == 2
    assert (parts[0] | parts[1]).sum() == pytest.approx(600, abs=30)
    assert not ((parts[0] | parts[1]) & ~masks[1]).any()
    assert len(square["segmentation"][0]) == 8


@pytest.mark.parametrize(
    "mask",
    [
        np.array([[0, 1], [1, 1]], np.bool_),
        np.array([[1, 0, 0], [1, 1, 0]], np.bool_),
        np.ones((2, 2), np.bool_),
        np.zeros((2, 3), np.bool_),
    ],
)
def test_run_lengths_tell_the_mask(mask: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
    counts = run_lengths(mask)

    values = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    assert np.array_equal(values.reshape(mask.shape[::-1]).T, mask)


def test_yolo_polygons(store: ImageStore, tmp_path: Path) -> None:
    made = export(result_with(planted(), store), "yolo", tmp_path)

    lines = (made / "labels" / "my_shapes.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "0", "2"]
    assert '  1: "ring"' in (made / "data.yaml").read_text()
    masks = planted().masks
    assert masks is not None
    for line, mask in zip(lines, masks, strict=True):
        canvas = np.zeros(mask.shape, np.uint8)
        corners = pairs([float(v) for v in line.split()[1:]], *SIZE)
        cv2.fillPoly(canvas, [np.array(corners).astype(np.int32)], 1)  # as Ultralytics does
        between = 30 - 1 if line.startswith("0") else 0  # the line from one part of the bar to the other
        assert np.count_nonzero(canvas.astype(np.bool_) ^ mask) <= between


def test_a_box_among_masks_does_not_flatten_them(store: ImageStore, tmp_path: Path) -> None:
    mixed = planted().merge(Regions(SIZE, np.array([[100, 70, 140, 90]]), labels=("box",)))

    yolo = export(result_with(mixed, store), "yolo", tmp_path)
    coco = export(result_with(mixed, store), "coco", tmp_path)

    lines = [line.split() for line in (yolo / "labels" / "my_shapes.txt").read_text().splitlines()]
    assert [len(line) for line in lines[2:]] == [9, 9], "the square's corners, and those of the box"
    corners = np.array(pairs([float(v) for v in lines[3][1:]], *SIZE))
    assert np.allclose(corners, [(100, 70), (140, 70), (140, 90), (100, 90)])
    told = json.loads((coco / "annotations.json").read_text())["annotations"]
    assert [a["area"] for a in told] == [1000, 600, 400, 800]


def test_yolo_boxes(store: ImageStore, tmp_path: Path) -> None:
    boxes = Regions(SIZE, np.array([[20, 10, 60, 40]]), labels=("ring",))

    made = export(result_with(boxes, store), "yolo", tmp_path)

    assert (made / "labels" / "my_shapes.txt").read_text() == "0 0.200000 0.250000 0.200000 0.300000\n"


def test_labelme(store: ImageStore, tmp_path: Path) -> None:
    made = export(result_with(planted(), store), "labelme", tmp_path)

    told = json.loads((made / "my_shapes.json").read_text())
    assert (told["imagePath"], told["imageWidth"], told["imageHeight"]) == ("my_shapes.png", 200, 100)
    assert [(s["label"], s["shape_type"], s["group_id"]) for s in told["shapes"]] == [
        ("ring", "mask", None),
        ("bar", "polygon", 0),
        ("bar", "polygon", 0),
        ("square", "polygon", None),
    ]
    ring, masks = told["shapes"][0], planted().masks
    assert masks is not None
    assert ring["points"] == [[20, 10], [59, 39]]
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(b64decode(ring["mask"])))), masks[0][10:40, 20:60])
    xs, ys = zip(*told["shapes"][3]["points"], strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == pytest.approx((10, 30, 70, 90), abs=0.5)


def test_label_studio(store: ImageStore, tmp_path: Path) -> None:
    boxes = Regions(SIZE, np.array([[20, 10, 60, 40]]), labels=("a<b",))

    made = export(result_with(boxes, store), "labelstudio", tmp_path)

    (task,) = json.loads((made / "tasks.json").read_text())
    (region,) = task["predictions"][0]["result"]
    assert region["value"] == {"x": 10, "y": 10, "width": 20, "height": 30, "rectanglelabels": ["a<b"]}
    assert (region["original_width"], region["original_height"]) == SIZE
    assert '<Label value="a&lt;b"/>' in (made / "interface.xml").read_text()


def test_label_studio_takes_a_brush_where_a_polygon_would_lose_something(store: ImageStore, tmp_path: Path) -> None:
    made = export(result_with(planted(), store), "labelstudio", tmp_path)

    (task,) = json.loads((made / "tasks.json").read_text())
    results = task["predictions"][0]["result"]
    assert [(r["from_name"], r["type"]) for r in results] == [
        ("mask", "brushlabels"),
        ("mask", "brushlabels"),
        ("outline", "polygonlabels"),
    ]
    masks = planted().masks
    assert masks is not None
    for result, mask in zip(results[:2], masks, strict=False):
        assert np.array_equal(_brush.decode(result["value"]["rle"], SIZE), mask)


@given(st.integers(1, 9), st.integers(1, 40), st.data())
def test_a_brush_is_read_back(height: int, width: int, data: st.DataObject) -> None:
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits, np.bool_).reshape(height, width)
    assert np.array_equal(_brush.decode(_brush.encode(mask), (width, height)), mask)


@pytest.mark.parametrize("form", FORMATS)
def test_an_earlier_export_is_left_alone(form: str, store: ImageStore, tmp_path: Path) -> None:
    result = result_with(planted(), store)

    first, second = export(result, form, tmp_path), export(result, form, tmp_path)

    assert (first.name, second.name) == (form, f"{form}-2")


def test_what_cannot_be_exported(store: ImageStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the formats are coco, yolo, labelme, labelstudio"):
        export(result_with(planted(), store), "voc", tmp_path)
    with pytest.raises(InputError, match="nothing to export"):
        export(VisionResult("", "", store=store), "coco", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be made"):
        export(result_with(planted(), store), "coco", tmp_path / "file")


@pytest.mark.slow
def test_outlined_boxes_are_exported_once(pool: ModelPool, photo: Callable[[str], Image.Image], tmp_path: Path) -> None:
    plan = '#1 = detect_objects(image=$1, query="cup")\n#2 = segment_objects(image=$1, regions=#1)'
    result = VisionGPT(ScriptedChat(script=[plan, "Done."]), pool=pool).run("outline the cup", photo("coffee"))

    made = export(result, "coco", tmp_path)

    told = json.loads((made / "annotations.json").read_text())
    assert len(told["annotations"]) == len(result.regions[1].items) == 1
    x, y, width, height = told["annotations"][0]["bbox"]
    assert told["annotations"][0]["area"] < width * height  # the mask's, not the box's
    assert 0 <= x < x + width <= told["images"][0]["width"]
    assert 0 <= y < y + height <= told["images"][0]["height"]
