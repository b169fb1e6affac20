"""Segment Anything on a tiny random checkpoint of the real format, and the geometry of its masks against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from tests.models import tiny_checkpoints
from tests.models.tiny_checkpoints import SAM_SIDE as SIDE
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sam import FittedInput, Sam, distinct, stability
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.segment_objects import segment_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
CELL = 4


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoints.sam(tmp_path_factory.mktemp("sam"))


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> Sam:
    return Sam.load(checkpoint, Placement())


def rectangle(size: tuple[int, int], box: tuple[int, int, int, int]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(size[::-1], np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def test_masks_for_boxes(sam: Sam, photo: Photo) -> None:
    image = photo("coffee")
    boxes = np.array([[20, 30, 200, 300], [300, 100, 500, 350], [0, 0, image.width, image.height]], np.float32)
    masks = sam.segment(image, boxes)
    assert masks.dtype == np.bool_
    assert masks.shape == (3, image.height, image.width)
    assert np.array_equal(masks, sam.segment(image, boxes))
    assert not np.array_equal(masks[0], masks[1]), "the box makes no difference"


def test_many_boxes_in_batches_are_as_one_by_one_on_one_embedding(
    sam: Sam, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, rng = photo("chelsea").resize((150, 100)), np.random.default_rng(0)
    start = rng.uniform(0, 60, (9, 2))
    boxes = np.concatenate([start, start + rng.uniform(10, 40, (9, 2))], axis=1).astype(np.float32)
    monkeypatch.setattr("visiongpt_agent.models.sam._BATCH", 4)
    looks, look = list[int](), sam._network.get_image_embeddings

    def counted(pixels: Any) -> Any:
        looks.append(1)
        return look(pixels)

    monkeypatch.setattr(sam._network, "get_image_embeddings", counted)
    together = sam.segment(image, boxes)
    assert len(looks) == 1
    alone = np.concatenate([sam.segment(image, box[None]) for box in boxes])
    assert np.mean(together != alone) < 1e-4  # sums in another order


def test_the_best_of_three_masks_is_taken(sam: Sam, photo: Photo) -> None:
    import torch

    image, box = photo("rocket"), np.array([[100, 50, 400, 300]], np.float32)
    frame, _ = sam._look(image)
    given = sam._pixels(images=image, return_tensors="pt")
    with torch.inference_mode():
        out = sam._network(given["pixel_values"], input_boxes=torch.from_numpy(frame.to_input(box))[None])
    best = int(out.iou_scores[0, 0].argmax())
    expected = sam._pixels.post_process_masks(
        out.pred_masks, given["original_sizes"], given["reshaped_input_sizes"], pad_size={"height": SIDE, "width": SIDE}
    )[0][0, best]
    assert np.mean(sam.segment(image, box)[0] != expected.numpy()) < 1e-4


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place_through_scaling_and_padding(sam: Sam, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 1)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    frame, _ = sam._look(image)
    pixels = sam._pixels(images=image, return_tensors="pt")["pixel_values"][0, 0].numpy()
    assert pixels.shape == (SIDE, SIDE)

    light = pixels > (pixels[: frame.fitted[1], : frame.fitted[0]].min() + pixels.max()) / 2
    light &= rectangle((SIDE, SIDE), (0, 0, *frame.fitted))
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    seen = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert frame.to_input(np.array([box], np.float32))[0] == pytest.approx(seen, abs=1)

    share = light.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).mean(axis=(1, 3)).astype(np.float32)
    mask = frame.to_picture(share - 0.5)
    found = Regions.from_masks(mask[None]).boxes[0]
    cell = CELL * max(size) / SIDE  # a cell of the mask in pixels of the picture: more cannot be known
    assert found == pytest.approx(box, abs=max(1.0, cell / 2))


def test_a_mask_of_whole_cells_is_exact() -> None:
    frame = FittedInput((512, 256), (256, 128), SIDE)
    logits = np.full((64, 64), -1, np.float32)
    logits[8:24, 16:48] = 1
    mask = frame.to_picture(logits)
    inner, outer = rectangle((512, 256), (130, 66, 382, 190)), rectangle((512, 256), (126, 62, 386, 194))
    assert mask[inner].all()
    assert not mask[~outer].any()
    assert frame.cut(logits).shape == (32, 64)


def test_parts_are_stable_and_distinct() -> None:
    sure = np.where(rectangle((20, 20), (5, 5, 15, 15)), 5, -5).astype(np.float32)
    vague = np.where(rectangle((20, 20), (5, 5, 15, 15)), 0.5, -0.5).astype(np.float32)
    assert stability(np.stack([sure, vague, sure - 20])).tolist() == [1, 0, 0]

    whole, nearly, part = (rectangle((20, 20), box) for box in ((0, 0, 20, 10), (0, 0, 20, 9), (0, 0, 10, 10)))
    assert distinct([nearly, whole, part], [0.9, 0.95, 0.99]) == [2, 1]
    assert distinct([], []) == []


def test_everything(sam: Sam, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 4)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_QUALITY", -np.inf)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_STABILITY", -1)
    image = photo("astronaut").resize((120, 160))
    masks = sam.segment_everything(image)
    assert masks.dtype == np.bool_
    assert masks.shape[1:] == (160, 120)
    areas = masks.sum(axis=(1, 2))
    assert len(masks) > 0
    assert areas.min() > 0
    assert areas.tolist() == sorted(areas, reverse=True)
    assert len(masks) < 3 * 4 * 4, "no mask was taken for the same as another"


def test_nothing_believable_gives_no_parts(sam: Sam, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 4)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_QUALITY", np.inf)
    assert sam.segment_everything(photo("coffee").resize((60, 40))).shape == (0, 40, 60)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(sam: Sam, image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    box = np.array([[0, 0, *image.size]], np.float32)
    assert sam.segment(image, box).shape == (1, image.height, image.width)
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 2)
    assert sam.segment_everything(image).shape[1:] == (image.height, image.width)
    assert sam.segment(image, np.zeros((0, 4), np.float32)).shape == (0, image.height, image.width)


def test_the_tool_uses_it_alone_and_for_all_regions(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    image = photo("coffee")
    boxes = np.array([[20, 30, 200, 300], [300, 100, 500, 350]], np.float32)
    with ModelPool(Registry(Settings(home=tmp_path, weights={Sam.card.name: checkpoint}))) as pool:
        assert pool.name(SEGMENTATION_PROMPTABLE) == Sam.card.name
        given = Regions(image.size, boxes, ("cup", "spoon"))
        output = segment_objects(image, given, models=pool)
        (problem,) = segment_objects.problems({"image": image, "regions": given}, output)
        assert "at another place" in problem, "what a random network outlines is not where it was asked to look"
        with pool.lease(Sam) as sam:
            own = sam.segment(image, boxes)
    assert output.models == (Sam.card.name,)
    assert isinstance(output.value, Regions)
    assert output.value.masks is not None
    for mask, raw, (x1, y1, x2, y2) in zip(output.value.masks, own, boxes.astype(int), strict=True):
        inside = mask[y1:y2, x1:x2]
        assert np.array_equal(inside, raw[y1:y2, x1:x2]) or inside.all(), "neither its mask nor the whole box"


def test_without_its_weights_nothing_changes(tmp_path: Path) -> None:
    with ModelPool(Registry(Settings(home=tmp_path))) as pool:
        assert pool.name(SEGMENTATION_PROMPTABLE) == "grabcut"


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    for name in checkpoint.iterdir():
        shutil.copy(name, tmp_path)
    (tmp_path / "config.json").write_text((checkpoint / "config.json").read_text().replace('"sam"', '"sam2"'))
    with pytest.raises(WeightsError, match=f"models pull {Sam.card.name}"):
        Sam.load(tmp_path, Placement())


def test_missing_weights_are_told_and_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    for name in ("config.json", "preprocessor_config.json"):
        shutil.copy(checkpoint / name, tmp_path)
    weights = load_file(checkpoint / "model.safetensors")
    del weights["vision_encoder.pos_embed"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"vision_encoder\.pos_embed"):
        Sam.load(tmp_path, Placement())
