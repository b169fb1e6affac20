"""Segment Anything by its authors' package, on a tiny random checkpoint of the real format.

What it is held against: the package's own ``SamPredictor`` used directly, and the same weights in ``transformers``. The
checkpoint shows that the format is read and that answers have the right shape and place, not that they are right.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from tests.models.originals.needed import needed
from tests.models.originals.tiny_sam import FILE, HEADS, SIDE, WIDTH, small_builder, tiny_checkpoint, tiny_sam
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sam import Sam
from visiongpt_agent.models.segment_anything import SegmentAnything, SegmentAnythingLarge
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.segment_objects import segment_objects

needed("paper", "torchvision", "segment_anything")
pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module", autouse=True)
def small_network() -> Iterator[None]:
    with small_builder():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("segment-anything"))


@pytest.fixture(scope="module")
def sam(checkpoint: Path) -> SegmentAnything:
    return SegmentAnything.load(checkpoint, Placement())


BOXES = np.array([[20, 30, 200, 300], [300, 100, 500, 350], [0, 0, 600, 400]], np.float32)


def test_masks_are_those_of_the_package(sam: SegmentAnything, photo: Photo) -> None:
    from segment_anything import SamPredictor

    image = photo("coffee")
    masks = sam.segment(image, BOXES)
    assert masks.dtype == np.bool_
    assert masks.shape == (3, image.height, image.width)
    assert np.array_equal(masks, sam.segment(image, BOXES))
    assert not np.array_equal(masks[0], masks[1]), "the box makes no difference"

    predictor = SamPredictor(sam._network)
    predictor.set_image(np.array(image))
    for mask, box in zip(masks, BOXES, strict=True):
        three, quality, _ = predictor.predict(box=box)
        assert np.mean(mask != three[quality.argmax()]) < 1e-4  # sums in another order


RENAMED = {
    r"^image_encoder\.": "vision_encoder.",
    r"patch_embed\.proj\.": "patch_embed.projection.",
    r"\.blocks\.": ".layers.",
    r"(encoder\.layers\.\d+)\.norm([12])\.": r"\1.layer_norm\2.",
    r"\.neck\.0\.": ".neck.conv1.",
    r"\.neck\.1\.": ".neck.layer_norm1.",
    r"\.neck\.2\.": ".neck.conv2.",
    r"\.neck\.3\.": ".neck.layer_norm2.",
    r"mask_downscaling\.0\.": "mask_embed.conv1.",
    r"mask_downscaling\.1\.": "mask_embed.layer_norm1.",
    r"mask_downscaling\.3\.": "mask_embed.conv2.",
    r"mask_downscaling\.4\.": "mask_embed.layer_norm2.",
    r"mask_downscaling\.6\.": "mask_embed.conv3.",
    r"point_embeddings\.": "point_embed.",
    r"prompt_encoder\.pe_layer\.positional_encoding_gaussian_matrix": "shared_image_embedding.positional_embedding",
    r"(transformer\.layers\.\d)\.norm(\d)\.": r"\1.layer_norm\2.",
    r"norm_final_attn\.": "layer_norm_final_attn.",
    r"output_upscaling\.0\.": "upscale_conv1.",
    r"output_upscaling\.1\.": "upscale_layer_norm.",
    r"output_upscaling\.3\.": "upscale_conv2.",
    r"((?:hypernetworks_mlps\.\d|iou_prediction_head)\.)layers\.0\.": r"\1proj_in.",
    r"((?:hypernetworks_mlps\.\d|iou_prediction_head)\.)layers\.1\.": r"\1layers.0.",
    r"((?:hypernetworks_mlps\.\d|iou_prediction_head)\.)layers\.2\.": r"\1proj_out.",
}
"""From the names of the weights in the package to those in transformers."""


def test_the_same_weights_in_transformers_give_the_same_masks(sam: SegmentAnything, photo: Photo) -> None:
    import transformers

    sizes: dict[str, Any] = {"image_size": SIDE, "patch_size": 16}
    vision = transformers.SamVisionConfig(
        hidden_size=16,
        output_channels=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=HEADS,
        window_size=4,
        global_attn_indexes=[1],
        num_pos_feats=WIDTH // 2,
        mlp_dim=64,
        **sizes,
    )
    config = transformers.SamConfig(
        vision_config=vision.to_dict(),
        prompt_encoder_config=transformers.SamPromptEncoderConfig(hidden_size=WIDTH, **sizes).to_dict(),
        mask_decoder_config=transformers.SamMaskDecoderConfig(
            hidden_size=WIDTH, mlp_dim=32, num_attention_heads=HEADS, iou_head_hidden_dim=16
        ).to_dict(),
    )
    weights = {}
    for name, weight in sam._network.state_dict().items():
        for pattern, other in RENAMED.items():
            name = re.sub(pattern, other, name)
        weights[name] = weight
    shared = "shared_image_embedding.positional_embedding"
    weights["prompt_encoder.shared_embedding.positional_embedding"] = weights[shared]
    network: Any = transformers.SamModel(config)
    network.load_state_dict(weights)
    pixels = transformers.SamImageProcessor(size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE})
    image = photo("rocket")
    ours, theirs = sam.segment(image, BOXES), Sam(network.eval(), pixels, Placement()).segment(image, BOXES)
    assert 0.01 < ours.mean() < 0.99, "masks of nothing or everything would agree by themselves"
    assert np.mean(ours != theirs) < 0.01


def test_many_boxes_in_batches_are_as_one_by_one_on_one_embedding(
    sam: SegmentAnything, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, rng = photo("chelsea").resize((150, 100)), np.random.default_rng(0)
    start = rng.uniform(0, 60, (9, 2))
    boxes = np.concatenate([start, start + rng.uniform(10, 40, (9, 2))], axis=1).astype(np.float32)
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._BATCH", 4)
    looks, look = list[int](), sam._network.image_encoder.forward

    def counted(pixels: Any) -> Any:
        looks.append(1)
        return look(pixels)

    monkeypatch.setattr(sam._network.image_encoder, "forward", counted)
    together = sam.segment(image, boxes)
    assert len(looks) == 1
    alone = np.concatenate([sam.segment(image, box[None]) for box in boxes])
    assert np.mean(together != alone) < 1e-4  # sums in another order
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._PIXELS", 3 * 150 * 100 * 2)
    assert np.mean(together != sam.segment(image, boxes)) < 1e-4


def rectangle(size: tuple[int, int], box: tuple[int, int, int, int]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(size[::-1], np.bool_)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place_through_scaling_and_padding(
    sam: SegmentAnything, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the network: an encoder that sees what is light, and a decoder that answers with it."""
    import torch

    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 1)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    asked = list[Any]()

    def see(pixels: Any) -> Any:
        assert pixels.shape == (1, 3, SIDE, SIDE)
        return torch.nn.functional.avg_pool2d((pixels[:, :1] > 0).float(), 4)

    def prompts(points: Any, boxes: Any, masks: Any) -> tuple[Any, Any]:
        asked.append(boxes)
        return boxes, None

    def decode(*, image_embeddings: Any, **_: Any) -> tuple[Any, Any]:
        light = image_embeddings - 0.5
        return torch.cat([-light, light, -light], dim=1), torch.tensor([[0.1, 0.9, 0.2]])

    monkeypatch.setattr(sam._network.image_encoder, "forward", see)
    monkeypatch.setattr(sam._network.prompt_encoder, "forward", prompts)
    monkeypatch.setattr(sam._network.mask_decoder, "forward", decode)
    mask = sam.segment(image, np.array([box], np.float32))
    found = Regions.from_masks(mask).boxes[0]
    cell = 4 * max(size) / SIDE  # a cell of the mask in pixels of the picture: more cannot be known
    assert found == pytest.approx(box, abs=max(1.0, cell / 2))
    assert np.asarray(asked[0])[0] == pytest.approx(np.array(box) * SIDE / max(size), abs=1)


def test_everything(sam: SegmentAnything, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._GRID", 4)
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._LEAST_QUALITY", -1e9)
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._LEAST_STABILITY", -1)
    image = photo("astronaut").resize((120, 160))
    masks = sam.segment_everything(image)
    assert masks.dtype == np.bool_
    assert masks.shape[1:] == (160, 120)
    areas = masks.sum(axis=(1, 2))
    assert len(masks) > 0
    assert areas.min() > 0
    assert areas.tolist() == sorted(areas, reverse=True)
    assert len(masks) < 3 * 4 * 4, "no mask was taken for the same as another"


def test_nothing_believable_gives_no_parts(sam: SegmentAnything, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._GRID", 4)
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._LEAST_QUALITY", np.inf)
    assert sam.segment_everything(photo("coffee").resize((60, 40))).shape == (0, 40, 60)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(sam: SegmentAnything, image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    box = np.array([[0, 0, *image.size]], np.float32)
    assert sam.segment(image, box).shape == (1, image.height, image.width)
    monkeypatch.setattr("visiongpt_agent.models.segment_anything._GRID", 2)
    assert sam.segment_everything(image).shape[1:] == (image.height, image.width)
    assert sam.segment(image, np.zeros((0, 4), np.float32)).shape == (0, image.height, image.width)


def test_threads_share_the_network_and_not_the_picture(sam: SegmentAnything, photo: Photo) -> None:
    from concurrent.futures import ThreadPoolExecutor

    images = [photo(name).resize((150, 100)) for name in ("coffee", "chelsea", "rocket", "astronaut")]
    box = np.array([[20, 10, 100, 90]], np.float32)
    alone = [sam.segment(image, box) for image in images]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda image: sam.segment(image, box), images))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def test_the_tool_uses_it(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    image = photo("coffee")
    with ModelPool(Registry(Settings(home=tmp_path, weights={SegmentAnything.card.name: checkpoint}))) as pool:
        assert pool.name(SEGMENTATION_PROMPTABLE) == SegmentAnything.card.name
        given = Regions(image.size, BOXES[:2], ("cup", "spoon"))
        output = segment_objects(image, given, models=pool)
        (problem,) = segment_objects.problems({"image": image, "regions": given}, output)
        assert "at another place" in problem, "what a random network outlines is not where it was asked to look"
    assert output.models == (SegmentAnything.card.name,)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_what_is_no_such_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    import torch

    told = f"models pull {SegmentAnything.card.name}"
    weights = torch.load(checkpoint / FILE, weights_only=True)

    def refused(message: str = told) -> None:
        with pytest.raises(WeightsError, match=told) as error:
            SegmentAnything.load(tmp_path, Placement())
        assert message in str(error.value)

    refused("No such file")
    del weights["image_encoder.pos_embed"]
    torch.save(weights, tmp_path / FILE)
    refused("image_encoder.pos_embed")
    torch.save([1, 2], tmp_path / FILE)
    refused("holds a list")
    (tmp_path / FILE).write_bytes(b"<html>not found</html>")
    refused("it is damaged")
    mark = tmp_path / "was-here"
    torch.save({"a": Bomb(mark)}, tmp_path / FILE)
    refused("holds more than weights")
    (tmp_path / FILE).write_bytes(pickle.dumps(Bomb(mark)))
    refused("holds more than weights")
    assert not mark.exists(), "a checkpoint ran code"


def test_another_size_of_the_network_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    shutil.copy(checkpoint / FILE, tmp_path / "sam_vit_l_0b3195.pth")
    with pytest.MonkeyPatch.context() as patch:
        from segment_anything import sam_model_registry

        patch.setitem(sam_model_registry, "vit_l", tiny_large)
        with pytest.raises(WeightsError, match=f"models pull {SegmentAnythingLarge.card.name}"):
            SegmentAnythingLarge.load(tmp_path, Placement())


def tiny_large(checkpoint: None = None) -> Any:
    import torch

    network = tiny_sam()
    network.image_encoder.blocks.append(torch.nn.Linear(1, 1))
    return network
