"""Grounding DINO by its authors' package, on a tiny random checkpoint of the real format.

The words and the places of boxes are tested with the adapter of ``transformers``, which this one shares them with; here
it is what differs: the file, the text encoder on today's ``transformers``, what the network is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.models.originals.needed import needed
from tests.models.originals.tiny_grounding_dino import FILE, small_network, tiny_checkpoint
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grounding_dino_original import GroundingDinoSwinB, GroundingDinoSwinT, text_encoder
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

needed("paper", "torchvision", "groundingdino")
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("error")]

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with small_network():
        yield


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("groundingdino"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> GroundingDinoSwinT:
    return GroundingDinoSwinT.load(checkpoint, Placement())


def alike(one: Regions, other: Regions) -> bool:
    return one.labels == other.labels and np.array_equal(one.boxes, other.boxes)


def test_detections(model: GroundingDinoSwinT, photo: Photo) -> None:
    image, nouns = photo("coffee"), ["Dog", "hot dog", "lemons"]
    found = model.detect(image, nouns, threshold=0.0)
    assert found.size == image.size
    assert len(found) > 0
    assert set(found.labels) <= set(nouns)
    assert found.confidence.min() > 0.25, "no token below the text threshold counts"
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    assert alike(found, model.detect(image, nouns, threshold=0.0))
    assert len(model.detect(image, nouns, threshold=1.0)) == 0


def test_the_weights_are_those_of_the_file(checkpoint: Path, model: GroundingDinoSwinT) -> None:
    import torch

    held = torch.load(checkpoint / FILE, weights_only=True)["model"]
    for name, weight in model._network.state_dict().items():
        assert torch.equal(weight, held[f"module.{name}"]), name
    assert not model._network.training


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_text_encoder_is_bert(attention: str) -> None:
    """Against the ``BertModel`` of transformers whole, which takes the same masks in its own way."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, intermediate_size=16, num_hidden_layers=3, num_attention_heads=2
    )
    config._attn_implementation = attention
    bert: Any = transformers.BertModel(config)
    encoder = text_encoder()(bert_model=bert.eval()).eval()
    assert set(encoder.state_dict()) == set(bert.state_dict())
    words = {"input_ids": torch.randint(0, 50, (2, 9)), "token_type_ids": torch.zeros(2, 9, dtype=torch.long)}
    words["position_ids"] = torch.tensor([[0, 0, 1, 2, 0, 1, 2, 3, 0]]).expand(2, 9)

    seen_by_all = torch.ones(2, 9, dtype=torch.long)
    seen_by_all[1, 6:] = 0
    with torch.inference_mode():
        ours = encoder(attention_mask=seen_by_all, **words)["last_hidden_state"]
        theirs = bert(attention_mask=seen_by_all, **words).last_hidden_state
    assert torch.allclose(ours, theirs, atol=1e-6)

    phrases = torch.tensor([0, 1, 1, 1, 2, 2, 2, 2, 3])  # a token sees those of its own phrase
    sees = (phrases[:, None] == phrases[None]).expand(2, 9, 9)
    with torch.inference_mode():
        ours = encoder(attention_mask=sees, **words)["last_hidden_state"]
        for phrase in range(4):  # hence a phrase is as if it stood alone
            alone = {name: value[:, phrases == phrase] for name, value in words.items()}
            theirs = bert(**alone).last_hidden_state
            assert torch.allclose(ours[:, phrases == phrase], theirs, atol=1e-5)


def test_nouns_do_not_see_each_other(model: GroundingDinoSwinT) -> None:
    """The package's masks reach the text encoder: what stands beside a phrase does not change its words."""
    import torch

    inputs = list[dict[str, Any]]()
    handle = model._network.bert.register_forward_hook(
        lambda _, __, given, out: inputs.append({**given, **out}), with_kwargs=True
    )
    for text in ("dog. red car.", "lemon. red car."):
        model._ask(model._see(Image.new("RGB", (96, 96))), text, None)
    handle.remove()
    one, other = (seen["last_hidden_state"][0] for seen in inputs)
    assert inputs[0]["input_ids"].shape == (1, 7)  # [CLS] dog . red car . [SEP]
    assert torch.allclose(one[3:6], other[3:6], atol=1e-6)
    assert not torch.allclose(one[1], other[1], atol=1e-3)


def test_more_nouns_than_fit_into_one_text(model: GroundingDinoSwinT, photo: Photo) -> None:
    nouns = [f"{'red ' * i}car" for i in range(30)]
    assert len(list(model._groups(nouns))) == 2
    assert set(model.detect(photo("chelsea"), nouns, threshold=0.0).labels) <= set(nouns)


@pytest.mark.parametrize("nouns", [["..."], ["red " * 400]])
def test_odd_nouns_do_not_break_it(model: GroundingDinoSwinT, photo: Photo, nouns: list[str]) -> None:
    assert set(model.detect(photo("chelsea"), nouns, threshold=0.0).labels) <= set(nouns)


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(model: GroundingDinoSwinT, image: Image.Image) -> None:
    assert model.detect(image, ["dog"], threshold=0.3).size == image.size


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64)])
def test_a_rectangle_keeps_its_place(
    model: GroundingDinoSwinT, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the network: one that answers with the place of what is light in what it is shown."""
    import torch

    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 2)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")
    shown = list[tuple[int, int]]()

    def see(pixels: Any, captions: list[str]) -> dict[str, Any]:
        assert captions == ["lemon. dog."]
        high, wide = pixels.shape[-2:]
        shown.append((wide, high))
        light = pixels[0, 0] > 0
        rows, columns = light.any(dim=1).nonzero().ravel(), light.any(dim=0).nonzero().ravel()
        x1, x2, y1, y2 = columns[0] / wide, (columns[-1] + 1) / wide, rows[0] / high, (rows[-1] + 1) / high
        logits = torch.full((1, 1, 256), -torch.inf)
        logits[0, 0, 3] = 3  # [CLS] lemon . dog
        return {"pred_boxes": torch.tensor([[[(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]]]), "pred_logits": logits}

    monkeypatch.setattr(model._network, "forward", see)
    found = model.detect(image, ["lemon", "dog"], threshold=0.35)
    assert found.labels == ("dog",)
    assert found.confidence[0] == pytest.approx(1 / (1 + np.exp(-3)))
    assert max(shown[0]) <= 192
    assert shown[0][0] / shown[0][1] == pytest.approx(size[0] / size[1], rel=0.03)
    step = max(size[0] / shown[0][0], size[1] / shown[0][1], 1.0)  # a pixel of the input
    assert found.boxes[0] == pytest.approx(box, abs=step)


def test_the_tool_over_it(checkpoint: Path, tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GroundingDinoSwinT, "threshold", 0.0)  # a random network is sure of nothing
    image, query = photo("coffee"), "dog, red car"
    with ModelPool(Registry(Settings(home=tmp_path, weights={GroundingDinoSwinT.card.name: checkpoint}))) as pool:
        assert pool.name(DETECTION_OPEN_VOCABULARY) == GroundingDinoSwinT.card.name
        output = detect_objects(image, query, models=pool)
    assert output.models == (GroundingDinoSwinT.card.name,)
    assert detect_objects.problems({"image": image, "query": query}, output) == []


def test_the_package_is_left_as_it_was(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from groundingdino.models.GroundingDINO import bertwarper, groundingdino
    from groundingdino.util import get_tokenlizer

    before = get_tokenlizer.get_tokenlizer, get_tokenlizer.get_pretrained_language_model
    GroundingDinoSwinT.load(checkpoint, Placement())
    assert groundingdino.BertModelWarper is bertwarper.BertModelWarper
    assert (get_tokenlizer.get_tokenlizer, get_tokenlizer.get_pretrained_language_model) == before
    assert capsys.readouterr().out == ""


def test_what_is_no_such_checkpoint_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    import shutil

    import torch

    def refused(message: str) -> None:
        with pytest.raises(WeightsError, match=f"models pull {GroundingDinoSwinT.card.name}") as error:
            GroundingDinoSwinT.load(tmp_path, Placement())
        assert message in str(error.value)

    refused("No such file")
    shutil.copy(checkpoint / FILE, tmp_path)
    refused("bert-base-uncased")
    shutil.copytree(checkpoint / "bert-base-uncased", tmp_path / "bert-base-uncased")
    held = torch.load(checkpoint / FILE, weights_only=True)
    torch.save(held["model"], tmp_path / FILE)
    refused("has no weights under the key model")
    del held["model"]["module.feat_map.bias"]
    torch.save(held, tmp_path / FILE)
    refused("feat_map.bias")
    held["model"]["module.feat_map.bias"] = torch.zeros(256)
    held["model"]["module.of_another_network"] = torch.zeros(1)
    torch.save(held, tmp_path / FILE)
    refused("of_another_network")
    with pytest.raises(WeightsError, match=f"models pull {GroundingDinoSwinB.card.name}"):
        GroundingDinoSwinB.load(tmp_path, Placement())
