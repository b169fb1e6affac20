"""SAM 2 on a tiny random checkpoint of the real format, and the geometry of its masks against known truth.

The checkpoint, that of the network for videos, shows that the format is read and that answers have the right shape, not
that they are right.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.pixels import normalised
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sam import FittedInput, Sam
from visiongpt_agent.models.sam2 import Sam2
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.segment_objects import segment_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
SIDE = 128
CELL = 4


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    backbone = library.Sam2HieraDetConfig(
        hidden_size=8,
        image_size=[SIDE, SIDE],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[8, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    config = library.Sam2VideoConfig(
        vision_config=library.Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=[64, 32, 16, 8],
            backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
            fpn_hidden_size=32,
        ),
        prompt_encoder_config={"hidden_size": 32, "image_size": SIDE, "patch_size": 16},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
        image_size=SIDE,
        memory_attention_hidden_size=32,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_num_layers=1,
        memory_encoder_hidden_size=32,
        memory_encoder_output_channels=16,
        memory_fuser_embed_dim=32,
        memory_fuser_num_layers=1,
        memory_fuser_intermediate_dim=32,
        mask_downsampler_embed_dim=32,
    )
    torch.manual_seed(0)
    network = library.Sam2VideoModel(config)
    with torch.no_grad():  # the standard initialisation is so small that pictures would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("sam2"))


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> Sam2:
    return Sam2.load(checkpoint, Placement())


def test_masks_for_boxes(sam: Sam2, photo: Photo) -> None:
    image = photo("coffee")
    boxes = np.array([[20, 30, 200, 300], [300, 100, 500, 350], [0, 0, image.width, image.height]], np.float32)
    masks = sam.segment(image, boxes)
    assert masks.dtype == np.bool_
    assert masks.shape == (3, image.height, image.width)
    assert np.array_equal(masks, sam.segment(image, boxes))
    assert not np.array_equal(masks[0], masks[1]), "the box makes no difference"


def test_the_network_sees_the_picture(sam: Sam2, photo: Photo) -> None:
    import torch

    _, one = sam._look(photo("coffee"))
    _, other = sam._look(photo("rocket"))
    assert [list(level.shape) for level in one["image_embeddings"]] == [[1, 4, 32, 32], [1, 8, 16, 16], [1, 32, 8, 8]]
    assert not torch.allclose(one["image_embeddings"][-1], other["image_embeddings"][-1])


def test_the_best_of_three_masks_is_taken(sam: Sam2, photo: Photo) -> None:
    import torch

    image, box = photo("rocket"), np.array([[100, 50, 400, 300]], np.float32)
    given = torch.from_numpy(normalised(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR)))
    scale = np.array([SIDE / image.width, SIDE / image.height] * 2, np.float32)
    with torch.inference_mode():
        out = sam._network(pixel_values=given, input_boxes=torch.from_numpy(box * scale)[None])
    assert out.pred_masks.shape[1:3] == (1, 3)
    best = int(out.iou_scores[0, 0].argmax())
    coarse = out.pred_masks[:, 0, best][:, None]
    expected = torch.nn.functional.interpolate(coarse, (image.height, image.width), mode="bilinear")[0, 0] > 0
    assert np.mean(sam.segment(image, box)[0] != expected.numpy()) < 0.01


def test_many_boxes_in_batches_are_as_one_by_one(sam: Sam2, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    image, rng = photo("chelsea").resize((150, 100)), np.random.default_rng(0)
    start = rng.uniform(0, 60, (9, 2))
    boxes = np.concatenate([start, start + rng.uniform(10, 40, (9, 2))], axis=1).astype(np.float32)
    monkeypatch.setattr("visiongpt_agent.models.sam._BATCH", 4)
    alone = np.concatenate([sam.segment(image, box[None]) for box in boxes])
    assert np.mean(sam.segment(image, boxes) != alone) < 1e-3  # sums in another order


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place_through_squeezing(sam: Sam2, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 1)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    frame, _ = sam._look(image)
    assert frame == FittedInput(size, (SIDE, SIDE), SIDE)
    pixels = normalised(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    assert pixels.shape == (1, 3, SIDE, SIDE)

    light = pixels[0, 0] > (pixels.min() + pixels.max()) / 2
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    seen = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert frame.to_input(np.array([box], np.float32))[0] == pytest.approx(seen, abs=1)

    share = light.reshape(SIDE // CELL, CELL, SIDE // CELL, CELL).mean(axis=(1, 3)).astype(np.float32)
    found = Regions.from_masks(frame.to_picture(share - 0.5)[None]).boxes[0]
    across, down = (max(1.0, CELL * side / SIDE / 2) for side in size)  # half a cell of the mask
    assert found[[0, 2]] == pytest.approx([box[0], box[2]], abs=across)
    assert found[[1, 3]] == pytest.approx([box[1], box[3]], abs=down)


def test_the_input_has_the_colours_of_imagenet() -> None:
    red = normalised(Image.new("RGB", (30, 20), (255, 0, 0)))[0]
    assert red.shape == (3, 20, 30)
    assert red[:, 0, 0] == pytest.approx([(1 - 0.485) / 0.229, -0.456 / 0.224, -0.406 / 0.225], abs=1e-5)


def test_everything(sam: Sam2, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 3)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_QUALITY", -np.inf)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_STABILITY", -1)
    masks = sam.segment_everything(photo("astronaut").resize((120, 160)))
    assert masks.shape[1:] == (160, 120)
    areas = masks.sum(axis=(1, 2))
    assert len(masks) > 0
    assert areas.min() > 0
    assert areas.tolist() == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(sam: Sam2, image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    box = np.array([[0, 0, *image.size]], np.float32)
    assert sam.segment(image, box).shape == (1, image.height, image.width)
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 2)
    assert sam.segment_everything(image).shape[1:] == (image.height, image.width)
    assert sam.segment(image, np.zeros((0, 4), np.float32)).shape == (0, image.height, image.width)


def test_the_tool_over_it(checkpoint: Path, sam: Sam2, tmp_path: Path, photo: Photo) -> None:
    image, boxes = photo("coffee"), np.array([[20, 30, 200, 300], [300, 100, 500, 350]], np.float32)
    with ModelPool(Registry(Settings(home=tmp_path, weights={Sam2.card.name: checkpoint}))) as pool:
        output = segment_objects(image, Regions(image.size, boxes, ("cup", "spoon")), models=pool)
    assert output.models == (Sam2.card.name,)
    assert isinstance(output.value, Regions)
    assert output.value.masks is not None
    for mask, raw, (x1, y1, x2, y2) in zip(
        output.value.masks, sam.segment(image, boxes), boxes.astype(int), strict=True
    ):
        inside = mask[y1:y2, x1:x2]
        assert np.array_equal(inside, raw[y1:y2, x1:x2]) or inside.all(), "neither its mask nor the whole box"


def test_without_its_weights_nothing_changes(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path))
    names = [one.card.name for one in registry.for_job(SEGMENTATION_PROMPTABLE)]
    assert names.index(Sam.card.name) < names.index(Sam2.card.name) < names.index("grabcut")
    with ModelPool(registry) as pool:
        assert pool.name(SEGMENTATION_PROMPTABLE) == "grabcut"


def test_a_checkpoint_for_pictures_alone_will_do(checkpoint: Path, tmp_path: Path, sam: Sam2, photo: Photo) -> None:
    sam._network.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "sam2"
    image, box = photo("coffee"), np.array([[20, 30, 200, 300]], np.float32)
    assert np.array_equal(Sam2.load(tmp_path, Placement()).segment(image, box), sam.segment(image, box))


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "sam"}))
    with pytest.raises(WeightsError, match=f"models pull {Sam2.card.name}"):
        Sam2.load(tmp_path, Placement())


def test_missing_weights_are_told_and_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    weights = load_file(checkpoint / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"mask_decoder\.iou_token\.weight"):
        Sam2.load(tmp_path, Placement())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Sam2.card.name}"):
        Sam2.load(tmp_path, Placement())
