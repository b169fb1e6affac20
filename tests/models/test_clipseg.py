"""CLIPSeg on a tiny random checkpoint of the real format, and the place of its masks against known truth.

The checkpoint shows that the format is read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clipseg import ClipSeg
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.masks import covered, guided
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIDE = 64


def tiny_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer"}))
    layers: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    words = {"vocab_size": len(pieces), "max_position_embeddings": 40, "num_hidden_layers": 1}
    config = transformers.CLIPSegConfig(
        text_config={**layers, **ends, **words},
        vision_config={**layers, "num_hidden_layers": 3, "image_size": 32, "patch_size": 16},
        projection_dim=8,
        reduce_dim=8,
        extract_layers=[0, 1, 2],
        conditional_layer=0,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=16,
        use_complex_transposed_convolution=True,
    )
    torch.manual_seed(0)
    network = transformers.CLIPSegForImageSegmentation(config)
    with torch.no_grad():  # the standard initialisation is so small that pictures and words would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    network.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "ViTImageProcessor",
                "do_resize": True,
                "do_rescale": True,
                "do_normalize": True,
                "size": {"height": SIDE, "width": SIDE},
                "resample": 2,
                "rescale_factor": 1 / 255,
                "image_mean": [0.485, 0.456, 0.406],
                "image_std": [0.229, 0.224, 0.225],
            }
        )
    )
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("clipseg"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> ClipSeg:
    return ClipSeg.load(checkpoint, Placement())


class Bright:
    """In the network's place: every pixel of its input that is bright shows every word."""

    def __init__(self) -> None:
        vision = SimpleNamespace(patch_size=16)
        self.config = SimpleNamespace(text_config=SimpleNamespace(max_position_embeddings=40), vision_config=vision)

    def __call__(self, pixel_values: Any, **words: Any) -> Any:
        return SimpleNamespace(logits=20 * pixel_values.mean(dim=1))


def test_a_region_for_each_word(model: ClipSeg, photo: Photo) -> None:
    image, words = photo("coffee").resize((150, 100)), ["sky", "Wet road", "grass", "water", "wall"]
    found = model.segment(image, words, threshold=0.0)
    assert found.size == image.size
    assert found.labels == tuple(words)
    assert found.masks is not None
    assert found.masks.dtype == np.bool_
    assert found.masks.shape == (5, image.height, image.width)
    assert found.masks.all(), "at a threshold of 0 everything is covered"
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert len(set(found.confidence.tolist())) == len(words), "the word makes no difference"
    again = model.segment(image, words, threshold=0.0)
    assert again.confidence.tolist() == found.confidence.tolist()


def test_words_together_are_as_one_by_one(model: ClipSeg, photo: Photo) -> None:
    image, words = (
        photo("rocket").resize((150, 100)),
        ["sky", "a very long word with much behind it", "sea", "sand", "road", "snow"],
    )
    together = model.segment(image, words, threshold=0.0)
    alone = [float(model.segment(image, [word], threshold=0.0).confidence[0]) for word in words]
    assert together.confidence == pytest.approx(alone, abs=1e-4)


def test_a_higher_threshold_takes_fewer_pixels(model: ClipSeg, photo: Photo) -> None:
    image = photo("chelsea")
    scores = guided(next(model._scores(image, ["grass"])), image, 1 / 8)  # the tiny input is four patches wide
    low, high = (float(np.quantile(scores, share)) for share in (0.3, 0.7))
    wide, narrow = (model.segment(image, ["grass"], threshold=level) for level in (low, high))
    assert wide.masks is not None
    assert narrow.masks is not None
    assert wide.masks.mean() == pytest.approx(0.7, abs=0.01)
    assert narrow.masks.mean() == pytest.approx(0.3, abs=0.01)
    assert wide.masks[narrow.masks].all()
    assert narrow.confidence[0] >= high
    assert wide.confidence[0] >= low
    assert len(model.segment(image, ["grass"], threshold=float(scores.max()) + 0.01)) == 0
    assert len(model.segment(image, [], threshold=0.5)) == 0


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place(model: ClipSeg, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1])
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    monkeypatch.setattr(model, "_network", Bright())
    found = model.segment(image, ["snow"], threshold=0.5)
    assert found.labels == ("snow",)
    across, down = max(1.0, size[0] / SIDE), max(1.0, size[1] / SIDE)  # a pixel of the input: more cannot be known
    assert np.abs(found.boxes[0] - box)[[0, 2]].max() <= across
    assert np.abs(found.boxes[0] - box)[[1, 3]].max() <= down
    truth = np.zeros(size[::-1], np.bool_)
    truth[box[1] : box[3], box[0] : box[2]] = True
    assert found.masks is not None
    wrong = np.argwhere(found.masks[0] != truth)
    near = [min(abs(y - box[1]) / down, abs(x - box[0]) / across, abs(x - box[2]) / across) for y, x in wrong]
    assert max(near, default=0) <= 1, "only pixels at the edge may differ"


def test_masks_of_a_map_of_whole_cells() -> None:
    coarse = np.zeros((4, 4), np.float32)
    coarse[:2] = 0.8
    found = covered((8, 16), ["sky", "sea"], [coarse, np.zeros((4, 4), np.float32)], 0.4)
    assert found.labels == ("sky",)
    assert found.masks is not None
    assert found.masks[0].all(axis=1).tolist() == [True] * 8 + [False] * 8  # a cell is four pixels high
    assert not found.masks[0, 8:].any()
    assert 0.6 < found.confidence[0] <= 0.8


def hills(size: tuple[int, int]) -> tuple[Image.Image, npt.NDArray[np.bool_]]:
    """A sky over green hills as bright as it is, noise over both; and which pixels are sky."""
    width, height = size
    ridge = [(0, 0.6), (0.2, 0.3), (0.35, 0.55), (0.6, 0.25), (0.8, 0.5), (1, 0.4)]
    outline = [(0.0, float(height)), *((x * width, y * height) for x, y in ridge), (float(width), float(height))]
    image, land = Image.new("RGB", size, (110, 130, 200)), Image.new("1", size)
    ImageDraw.Draw(image).polygon(outline, fill=(120, 150, 60))
    ImageDraw.Draw(land).polygon(outline, fill=1)
    noise = np.random.default_rng(0).integers(-15, 16, (height, width, 3))
    noisy = np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(noisy), ~np.asarray(land)


@pytest.mark.parametrize("size", [(440, 330), (1320, 990), (330, 440)])
def test_coarse_scores_find_the_edges_of_the_picture(size: tuple[int, int]) -> None:
    image, sky = hills(size)
    patches = 22
    shares = np.asarray(Image.fromarray((sky * 255).astype(np.uint8)).resize((patches, patches), Image.Resampling.BOX))
    coarse = (0.1 + 0.8 * shares / 255).astype(np.float32)
    fine = guided(coarse, image, 1 / 2 / patches)
    assert fine.dtype == np.float32
    assert fine.shape == sky.shape
    assert 0 <= fine.min() <= fine.max() <= 1
    rough = covered(size, ["sky"], [coarse], 0.5).masks
    sharp = covered(size, ["sky"], [fine], 0.5).masks
    assert rough is not None
    assert sharp is not None
    assert np.mean(sharp[0] != sky) < np.mean(rough[0] != sky) / 2
    assert np.mean(sharp[0] != sky) < 0.01


def test_without_edges_scores_stay_where_they_are() -> None:
    coarse = np.zeros((22, 22), np.float32)
    coarse[:11] = 0.8
    fine = guided(coarse, Image.new("RGB", (220, 220), "grey"), 1 / 44)
    assert fine[:94] == pytest.approx(0.8, abs=1e-3)  # within a cell and a half
    assert fine[126:] == pytest.approx(0, abs=1e-3)
    assert fine[110].mean() == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: ClipSeg, image: Image.Image) -> None:
    found = model.segment(image, ["sky", "x" * 400, "雪"], threshold=0.0)
    assert found.masks is not None
    assert found.masks.shape == (3, image.height, image.width)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(checkpoint: Path, model: ClipSeg, photo: Photo, dtype: str) -> None:
    half = ClipSeg.load(checkpoint, Placement(dtype=dtype))
    exact = np.stack(list(model._scores(photo("rocket"), ["sky", "grass"])))
    rough = np.stack(list(half._scores(photo("rocket"), ["sky", "grass"])))
    assert rough.dtype == np.float32
    assert np.abs(rough - exact).mean() < 0.05


def test_it_looks_for_any_words(model: ClipSeg) -> None:
    assert model.knows("sky")
    assert model.knows("peeling paint")
    assert not model.knows(" ")


def test_the_pool_finds_it_for_its_job(checkpoint: Path, tmp_path: Path) -> None:
    with ModelPool(Registry(Settings(home=tmp_path, weights={ClipSeg.card.name: checkpoint}))) as pool:
        assert pool.name(SEGMENTATION_SEMANTIC) == ClipSeg.card.name


def test_without_its_weights_the_remedy_is_told(tmp_path: Path) -> None:
    with ModelPool(Registry(Settings(home=tmp_path))) as pool:
        assert not pool.has(SEGMENTATION_SEMANTIC)
        assert pool.remedy(SEGMENTATION_SEMANTIC) == f"visiongpt models pull {ClipSeg.card.name}"


def test_another_kind_of_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "clip"}))
    with pytest.raises(WeightsError, match=f"visiongpt models pull {ClipSeg.card.name}"):
        ClipSeg.load(tmp_path, Placement())


def test_missing_weights_are_told_and_not_made_up(checkpoint: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    weights = load_file(checkpoint / "model.safetensors")
    del weights["decoder.film_mul.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"decoder\.film_mul\.weight"):
        ClipSeg.load(tmp_path, Placement())


def test_the_older_form_of_the_preprocessors_file_is_read(checkpoint: Path, tmp_path: Path, photo: Photo) -> None:
    """The library's own choice of a class stumbles over the names of before its image processors."""
    shutil.copytree(checkpoint, tmp_path, dirs_exist_ok=True)
    told = json.loads((checkpoint / "preprocessor_config.json").read_text())
    del told["image_processor_type"]
    older = {**told, "feature_extractor_type": "ViTFeatureExtractor", "size": SIDE}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    old, new = ClipSeg.load(tmp_path, Placement()), ClipSeg.load(checkpoint, Placement())
    images = photo("rocket").resize((120, 80))
    seen, again = (model._pixels(images=images, return_tensors="pt")["pixel_values"] for model in (old, new))
    assert seen.shape == (1, 3, SIDE, SIDE)
    assert np.array_equal(seen.numpy(), again.numpy())


def test_an_empty_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"models pull {ClipSeg.card.name}"):
        ClipSeg.load(tmp_path, Placement())
