"""DETR and RT-DETR on tiny random checkpoints of the real formats, and their classes and boxes against known truth.

The checkpoints show that the formats are read and that answers have the right shape, not that they are right.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.detr import Detr, RtDetr, _coco, classified
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.models.nanodet import NanoDet
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
Either = Detr | RtDetr
GAPS = (0, 12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
"""The numbers that COCO left out of its 91: DETR's checkpoint calls them N/A."""
VOC = {"airplane": "aeroplane", "couch": "sofa", "tv": "tvmonitor", "motorcycle": "motorbike"}
"""Some of RT-DETR's names for COCO's classes."""
PLAIN: dict[str, Any] = {
    "do_resize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "resample": 2,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


def detr_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    names = iter(COCO)
    labels = {number: "N/A" if number in GAPS else next(names) for number in range(91)}
    sizes = {f"{part}_{name}": value for part in ("encoder", "decoder") for name, value in SIZES.items()}
    config = transformers.DetrConfig(
        backbone_config=library.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 8, 8, 16], depths=[1, 1, 1, 1], out_features=["stage4"]
        ),
        d_model=16,
        num_queries=20,
        id2label=labels,
        label2id={"N/A": 0},
        **sizes,
    )
    torch.manual_seed(0)
    transformers.DetrForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 96, "longest_edge": 160}
    told = {**PLAIN, "image_processor_type": "DetrImageProcessor", "format": "coco_detection", "do_normalize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps({**told, "do_pad": True, "size": size}))
    return folder


SIZES: dict[str, Any] = {"layers": 1, "ffn_dim": 16, "attention_heads": 2}


def rt_detr_checkpoint(folder: Path) -> Path:
    import torch
    import transformers

    library: Any = transformers  # only partly typed
    config = transformers.RTDetrConfig(
        backbone_config=library.RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=[8, 16, 16, 16],
            depths=[1, 1, 1, 1],
            layer_type="basic",
            out_indices=[2, 3, 4],
        ),
        encoder_in_channels=[16, 16, 16],
        encoder_hidden_dim=16,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        d_model=16,
        decoder_in_channels=[16, 16, 16],
        decoder_ffn_dim=16,
        decoder_attention_heads=2,
        decoder_layers=2,
        decoder_n_points=2,
        num_queries=20,
        id2label={number: VOC.get(name, name) for number, name in enumerate(COCO)},
        label2id={VOC.get(name, name): number for number, name in enumerate(COCO)},
    )
    torch.manual_seed(0)
    transformers.RTDetrForObjectDetection(config).save_pretrained(folder)
    size = {"height": 96, "width": 96}
    told = {**PLAIN, "image_processor_type": "RTDetrImageProcessor", "format": "coco_detection", "do_normalize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps({**told, "do_pad": False, "size": size}))
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[type[Either], Path]:
    folders: dict[type[Either], Path] = {kind: tmp_path_factory.mktemp(kind.card.name) for kind in (Detr, RtDetr)}
    detr_checkpoint(folders[Detr])
    rt_detr_checkpoint(folders[RtDetr])
    return folders


@pytest.fixture(scope="module", params=[Detr, RtDetr], ids=["detr", "rt-detr"])
def model(request: pytest.FixtureRequest, checkpoints: dict[type[Either], Path]) -> Either:
    kind: type[Either] = request.param
    return kind.load(checkpoints[kind], Placement())


def test_detections(model: Either, photo: Photo) -> None:
    image = photo("coffee")
    found = model.detect(image, threshold=0.0)
    assert found.size == image.size
    assert 0 < len(found) <= 20
    assert set(found.labels) <= set(COCO)
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    again = model.detect(image, threshold=0.0)
    assert (again.labels, again.boxes.tolist()) == (found.labels, found.boxes.tolist())
    least = float(found.confidence[len(found) // 2])
    assert model.detect(image, threshold=least).confidence.min() >= least
    assert len(model.detect(image, threshold=1.0)) == 0


def test_the_classes_are_those_of_the_other_detector(model: Either) -> None:
    assert model.classes == NanoDet.classes
    assert [name for name in model._names if name] == list(COCO)


@pytest.mark.parametrize(
    ("label", "name"),
    [("sofa", "couch"), ("tvmonitor", "tv"), ("hair drier", "hair drier"), ("N/A", ""), ("LABEL_3", "")],
)
def test_labels_of_checkpoints(label: str, name: str) -> None:
    assert _coco(label) == name


def test_scores_of_the_two_heads() -> None:
    import torch

    logits = torch.tensor([[0.0, np.log(3), np.log(4)]])
    assert Detr._scores(logits)[0].tolist() == pytest.approx([1 / 8, 3 / 8])  # the last is no object
    assert RtDetr._scores(logits)[0].tolist() == pytest.approx([1 / 2, 3 / 4, 4 / 5])


def test_a_box_gets_its_best_class_if_it_is_one() -> None:
    boxes = np.array(
        [[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.51, 0.5], [0.2, 0.2, 0.2, 0.2], [0.9, 0.9, 0.4, 0.2]], np.float32
    )
    scores = np.array([[0.6, 0.1, 0.2], [0.5, 0.1, 0.2], [0.1, 0.3, 0.9], [0.1, 0.8, 0.1]], np.float32)
    found = classified((200, 100), boxes, scores, ["dog", "cat", ""], 0.4)
    assert found.labels == ("cat", "dog"), "the second dog is the first, the third box is of no class"
    assert found.boxes.tolist() == [pytest.approx([140, 80, 200, 100]), pytest.approx([50, 25, 150, 75])]
    assert found.confidence == pytest.approx([0.8, 0.6])


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64)])
def test_a_rectangle_keeps_its_place(model: Either, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    """A stand-in for the network answers with the box of what is bright in its input."""
    import torch

    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 2)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    steps = list[float]()

    def bright(pixel_values: Any, pixel_mask: Any = None) -> Any:
        assert pixel_mask is None or pixel_mask.all(), "a padded input would shift the boxes"
        light = pixel_values[0, 0].numpy() > (float(pixel_values.min()) + float(pixel_values.max())) / 2
        rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
        x1, x2 = columns[0] / light.shape[1], (columns[-1] + 1) / light.shape[1]
        y1, y2 = rows[0] / light.shape[0], (rows[-1] + 1) / light.shape[0]
        steps.extend([size[0] / light.shape[1], size[1] / light.shape[0], 1.0])
        logits = torch.full((1, 1, len(model._names) + isinstance(model, Detr)), -9.0)
        logits[..., model._names.index("dog")] = 9.0
        planted = torch.tensor([[[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]]])
        return SimpleNamespace(logits=logits, pred_boxes=planted)

    monkeypatch.setattr(model, "_network", bright)
    found = model.detect(image, threshold=model.threshold)
    assert found.labels == ("dog",)
    assert found.boxes[0] == pytest.approx(box, abs=max(steps))


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: Either, image: Image.Image) -> None:
    assert model.detect(image, threshold=0.0).size == image.size


def test_the_tool_over_it(
    checkpoints: dict[type[Either], Path], model: Either, tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(model)
    monkeypatch.setattr(kind, "threshold", 0.0)  # a random network is sure of nothing
    with ModelPool(Registry(Settings(home=tmp_path, weights={kind.card.name: checkpoints[kind]}))) as pool:
        assert pool.name(DETECTION_CLOSED) == kind.card.name
        image, query = photo("coffee"), "couch, cup"
        output = detect_objects(image, query, models=pool)
    assert output.models == (kind.card.name,)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) | set(output.missing) == {"couch", "cup"}
    assert detect_objects.problems({"image": image, "query": query}, output) == []


def test_without_their_weights_nothing_changes(tmp_path: Path) -> None:
    registry = Registry(Settings(home=tmp_path))
    names = [one.card.name for one in registry.for_job(DETECTION_CLOSED)]
    assert names.index("rt-detr-r50") < names.index("detr-resnet-50") < names.index("nanodet-g-416")
    with ModelPool(registry) as pool:
        assert pool.name(DETECTION_CLOSED) == "nanodet-g-416"


def test_another_kind_of_checkpoint_is_refused(checkpoints: dict[type[Either], Path]) -> None:
    with pytest.raises(WeightsError, match="models pull detr-resnet-50"):
        Detr.load(checkpoints[RtDetr], Placement())
    with pytest.raises(WeightsError, match="models pull rt-detr-r50"):
        RtDetr.load(checkpoints[Detr], Placement())


def test_a_checkpoint_that_needs_another_package_is_told(checkpoints: dict[type[Either], Path], tmp_path: Path) -> None:
    """The branch ``main`` of DETR's repository has its backbone from timm."""
    import importlib.util

    if importlib.util.find_spec("timm"):
        pytest.skip("timm is installed")
    shutil.copytree(checkpoints[Detr], tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["backbone_config"]
    (tmp_path / "config.json").write_text(json.dumps({**config, "backbone": "resnet50", "use_timm_backbone": True}))
    with pytest.raises(WeightsError, match=r"timm.*models pull detr-resnet-50"):
        Detr.load(tmp_path, Placement())


def test_the_older_form_of_the_preprocessors_file_is_read(
    checkpoints: dict[type[Either], Path], tmp_path: Path, photo: Photo
) -> None:
    """The library's own choice of a class stumbles over the names of before its image processors."""
    shutil.copytree(checkpoints[Detr], tmp_path, dirs_exist_ok=True)
    told = json.loads((tmp_path / "preprocessor_config.json").read_text())
    del told["image_processor_type"]
    older = {**told, "feature_extractor_type": "DetrFeatureExtractor", "size": 96, "max_size": 160}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(older))
    image = photo("rocket").resize((300, 100))
    seen = Detr.load(tmp_path, Placement())._pixels(images=image, return_tensors="pt")["pixel_values"]
    assert seen.shape == (1, 3, 53, 160)


@pytest.mark.parametrize("kind", [Detr, RtDetr])
def test_an_empty_folder_is_told(tmp_path: Path, kind: type[Either]) -> None:
    with pytest.raises(WeightsError, match=f"models pull {kind.card.name}"):
        kind.load(tmp_path, Placement())
