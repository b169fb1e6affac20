"""What the readers of each format make of an export: the masks come back (IoU at least 0.98).

pycocotools and supervision belong to the development environment; Ultralytics runs in that of the models' authors, and
Label Studio's converter, whose pins exclude what the agent needs, wherever it can be imported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent import Regions, VisionResult
from visiongpt_agent.exports import export
from visiongpt_agent.exports.supervision import to_detections
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.regions import BoolArray
from visiongpt_agent.result import RegionResult

pytestmark = pytest.mark.slow

H, W = 480, 640
LABELS = ("ring", "giraffe", "wall", "blob", "sign")


def shapes() -> Regions:
    """A ring, a thing in two parts, one at the border, a round one, and one of which only the box is known."""
    rows, columns = np.mgrid[:H, :W]
    masks = np.zeros((4, H, W), np.bool_)
    away = np.hypot(rows - 150, columns - 450)
    masks[0] = (away < 120) & (away > 60)
    masks[1, 40:400, 60:160] = True
    masks[1, 200:220, 60:160] = False
    masks[2, 300:, 560:] = masks[2, 420:, 300:] = True
    masks[3] = ((rows - 340) / 70.0) ** 2 + ((columns - 260) / 50.0) ** 2 < 1
    outlined = Regions.from_masks(masks, LABELS[:4], [0.9, 0.8, 0.7, 0.6])
    return outlined.merge(Regions((W, H), np.array([[200, 20, 290, 80]]), ("sign",), np.array([0.5])))


@pytest.fixture
def result(store: ImageStore, tmp_path: Path) -> VisionResult:
    image = store.add(Image.effect_noise((W, H), 80).convert("RGB"))
    entry = RegionResult("$1", "segment_objects", store.add_regions(shapes()), (), image.id, "scene")
    return VisionResult("", "", regions=(entry,), store=store)


def expected() -> dict[str, BoolArray]:
    found = shapes()
    return {label: found.select([i]).union_mask() for i, label in enumerate(found.labels)}


def likeness(one: Any, other: Any) -> float:
    first, second = np.asarray(one, np.bool_), np.asarray(other, np.bool_)
    return float((first & second).sum() / (first | second).sum())


def assert_same(seen: dict[str, Any], least: float = 0.98) -> None:
    wanted = expected()
    assert set(seen) == set(wanted)
    for label, mask in seen.items():
        # Readers that fill polygons with their border make whole boxes a pixel wider.
        assert likeness(mask, wanted[label]) > (0.96 if label == "sign" else least), label


def test_pycocotools(result: VisionResult, tmp_path: Path) -> None:
    coco_api = pytest.importorskip("pycocotools.coco")
    folder = export(result, "coco", tmp_path)

    coco = coco_api.COCO(folder / "annotations.json")

    annotations = coco.loadAnns(coco.getAnnIds(iscrowd=False))
    names = {one["id"]: one["name"] for one in coco.loadCats(coco.getCatIds())}
    assert_same({names[a["category_id"]]: coco.annToMask(a) for a in annotations}, 0.985)
    assert {names[a["category_id"]]: isinstance(a["segmentation"], list) for a in annotations} == {
        "ring": False,
        "giraffe": True,
        "wall": True,
        "blob": True,
        "sign": True,
    }


@pytest.mark.parametrize("form", ["coco", "yolo"], ids=["annotations", "labels"])
def test_supervision(form: str, result: VisionResult, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    folder = export(result, form, tmp_path)

    if form == "coco":
        read = supervision.DetectionDataset.from_coco(
            str(folder / "images"), str(folder / "annotations.json"), force_masks=True
        )
    else:
        read = supervision.DetectionDataset.from_yolo(
            str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml")
        )

    ((_, pixels, detections),) = list(read)
    assert pixels.shape == (H, W, 3)
    masks = {read.classes[i]: mask for i, mask in zip(detections.class_id, detections.mask, strict=True)}
    # It rounds the corners of COCO's polygons and fills their border: on the right and below a pixel more.
    assert_same(masks, 0.97 if form == "coco" else 0.98)
    assert form == "yolo" or likeness(masks["ring"], expected()["ring"]) == 1


def test_supervision_takes_the_regions_themselves(result: VisionResult) -> None:
    pytest.importorskip("supervision")
    detections = to_detections(shapes())
    masks = {str(name): mask for name, mask in zip(detections["class_name"], detections.mask, strict=True)}
    assert not masks.pop("sign").any()
    assert all(likeness(mask, expected()[label]) == 1 for label, mask in masks.items())


@pytest.fixture
def ultralytics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from tests.models.originals.needed import lacking

    if lost := lacking("torchvision", "ultralytics"):
        pytest.skip(f"needs {', '.join(lost)}: pip install 'visiongpt-agent[yolo]'")
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    monkeypatch.setenv("YOLO_CONFIG_DIR", str(tmp_path))
    import ultralytics.data.dataset
    import ultralytics.data.utils

    return ultralytics.data


def test_ultralytics_yolo(ultralytics: Any, result: VisionResult, tmp_path: Path) -> None:
    folder = export(result, "yolo", tmp_path)
    export(result, "yolo", tmp_path, append=True, val=0.5)

    data = ultralytics.utils.check_det_dataset(str(folder / "data.yaml"))
    (train,) = ultralytics.dataset.YOLODataset(img_path=data["train"], data=data, task="segment", augment=False).labels

    assert data["val"] == str(folder / "val.txt")
    assert Path(train["im_file"]).name == "scene.png"
    assert len(train["segments"]) == len(LABELS), "one a thing, so that no mask is thrown away"
    masks = {
        data["names"][int(number)]: ultralytics.utils.polygon2mask((H, W), [np.reshape(path * [W, H], -1)])
        for number, path in zip(train["cls"][:, 0], train["segments"], strict=True)
    }
    assert_same(masks)


def test_label_studios_converter(result: VisionResult, tmp_path: Path) -> None:
    converter = pytest.importorskip("label_studio_sdk.converter")
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    folder = export(result, "labelstudio", tmp_path)
    (task,) = json.loads((folder / "tasks.json").read_text())
    annotated = {"id": 1, "data": task["data"], "annotations": [{"id": 1, **task["predictions"][0]}]}
    (tmp_path / "annotated.json").write_text(json.dumps([annotated]))
    config = (folder / "interface.xml").read_text()

    read = converter.Converter(config, str(folder), download_resources=False)
    read.convert_to_coco(str(tmp_path / "annotated.json"), str(tmp_path / "coco"), is_dir=False)

    told = json.loads((tmp_path / "coco" / "result.json").read_text())
    names = {one["id"]: one["name"] for one in told["categories"]}
    boxes = {names[a["category_id"]]: a["bbox"] for a in told["annotations"]}
    assert np.allclose(boxes["sign"], [200, 20, 90, 60], atol=0.1)
    assert np.allclose(boxes["blob"], [211, 271, 99, 139], atol=1)
    seen = {
        result["value"]["brushlabels"][0]: np.reshape(brush.decode_rle(result["value"]["rle"]), (H, W, 4))[..., 3] > 0
        for result in task["predictions"][0]["result"]
        if result["type"] == "brushlabels"
    }
    assert set(seen) == {"ring", "giraffe"}
    assert all(np.array_equal(mask, expected()[label]) for label, mask in seen.items())
