"""HQ-SAM on a tiny random checkpoint of the real format; what it has of SAM is tested with SAM.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sam import Sam
from visiongpt_agent.models.sam_hq import SamHq
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.segment_objects import segment_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
SIDE = 256


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    sizes: dict[str, Any] = {"image_size": SIDE, "patch_size": 16}
    decoder: dict[str, Any] = {"hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16}
    config = library.SamHQConfig(
        vision_config=library.SamHQVisionConfig(
            hidden_size=16,
            output_channels=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_pos_feats=16,
            window_size=4,
            global_attn_indexes=[1],
            **sizes,
        ).to_dict(),
        prompt_encoder_config=library.SamHQPromptEncoderConfig(hidden_size=32, **sizes).to_dict(),
        mask_decoder_config=library.SamHQMaskDecoderConfig(vit_dim=16, **decoder).to_dict(),
    )
    torch.manual_seed(0)
    network = library.SamHQModel(config)
    with torch.no_grad():  # the standard initialisation is so small that pictures would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    network.save_pretrained(folder)
    library.SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE}).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("sam-hq"))


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> SamHq:
    return SamHq.load(checkpoint, Placement())


def test_masks_for_boxes(sam: SamHq, photo: Photo) -> None:
    image = photo("coffee")
    boxes = np.array([[20, 30, 200, 300], [300, 100, 500, 350], [0, 0, image.width, image.height]], np.float32)
    masks = sam.segment(image, boxes)
    assert masks.dtype == np.bool_
    assert masks.shape == (3, image.height, image.width)
    assert np.array_equal(masks, sam.segment(image, boxes))
    assert not np.array_equal(masks[0], masks[1]), "the box makes no difference"


@pytest.mark.parametrize("size", [(300, 200), (97, 513)])
def test_masks_are_those_of_the_library(sam: SamHq, photo: Photo, size: tuple[int, int]) -> None:
    """The embedding computed once gives what the whole network gives, at the place where the library puts it."""
    import torch

    image = photo("rocket").resize(size)
    box = np.array([[size[0] * 0.2, size[1] * 0.1, size[0] * 0.9, size[1] * 0.8]], np.float32)
    given = sam._pixels(images=image, return_tensors="pt")
    scale = SIDE / max(size)
    with torch.inference_mode():
        out = sam._network(pixel_values=given["pixel_values"], input_boxes=torch.from_numpy(box * scale)[None])
    best = int(out.iou_scores[0, 0].argmax())
    expected = sam._pixels.post_process_masks(
        out.pred_masks, given["original_sizes"], given["reshaped_input_sizes"], pad_size={"height": SIDE, "width": SIDE}
    )[0][0, best]
    assert np.mean(sam.segment(image, box)[0] != expected.numpy()) < 0.01


def test_it_differs_from_sam_by_the_early_layers(sam: SamHq, photo: Photo) -> None:
    import torch

    image, box = photo("coffee"), np.array([[100, 50, 400, 300]], np.float32)
    frame, embedding = sam._look(image)
    given = {"input_boxes": frame.to_input(box)}
    ((fine, _),) = sam._decode(embedding, **given)
    assert fine.shape == (3, SIDE // 4, SIDE // 4)
    between = [torch.zeros_like(one) for one in embedding["intermediate_embeddings"]]
    ((blind, _),) = sam._decode({**embedding, "intermediate_embeddings": between}, **given)
    assert not np.allclose(fine, blind)


def test_everything(sam: SamHq, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.sam._GRID", 3)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_QUALITY", -np.inf)
    monkeypatch.setattr("visiongpt_agent.models.sam._LEAST_STABILITY", -1)
    masks = sam.segment_everything(photo("astronaut").resize((120, 160)))
    assert masks.shape[1:] == (160, 120)
    assert 0 < len(masks) < 3 * 3 * 3, "no mask was taken for the same as another"
    areas = masks.sum(axis=(1, 2))
    assert areas.tolist() == sorted(areas, reverse=True)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(sam: SamHq, image: Image.Image) -> None:
    box = np.array([[0, 0, *image.size]], np.float32)
    assert sam.segment(image, box).shape == (1, image.height, image.width)
    assert sam.segment(image, np.zeros((0, 4), np.float32)).shape == (0, image.height, image.width)


def test_the_tool_over_it(checkpoint: Path, sam: SamHq, tmp_path: Path, photo: Photo) -> None:
    image, boxes = photo("coffee"), np.array([[20, 30, 200, 300], [300, 100, 500, 350]], np.float32)
    with ModelPool(Registry(Settings(home=tmp_path, weights={SamHq.card.name: checkpoint}))) as pool:
        output = segment_objects(image, Regions(image.size, boxes, ("cup", "spoon")), models=pool)
    assert output.models == (SamHq.card.name,)
    assert isinstance(output.value, Regions)
    assert output.value.masks is not None
    for mask, raw, (x1, y1, x2, y2) in zip(
        output.value.masks, sam.segment(image, boxes), boxes.astype(int), strict=True
    ):
        inside = mask[y1:y2, x1:x2]
        assert np.array_equal(inside, raw[y1:y2, x1:x2]) or inside.all(), "neither its mask nor the whole box"


def test_it_comes_after_sam(tmp_path: Path) -> None:
    names = [one.card.name for one in Registry(Settings(home=tmp_path)).for_job(SEGMENTATION_PROMPTABLE)]
    assert names.index(Sam.card.name) < names.index(SamHq.card.name) < names.index("grabcut")


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {Sam.card.name}"):
        Sam.load(checkpoint, Placement())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {SamHq.card.name}"):
        SamHq.load(tmp_path, Placement())
