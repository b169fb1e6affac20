"""MM-Grounding-DINO and LLMDet on a tiny random checkpoint of the format that both have.

What they make of words and boxes is Grounding DINO's, and tested there against known truth.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.models.tiny_checkpoints import grounding_dino
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.grounding_dino import GroundingDino, grounded, prompt, token_members
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.mm_grounding_dino import LLMDet, MMGroundingDino
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grounding_dino(tmp_path_factory.mktemp("mm-grounding-dino"), "MMGroundingDino")


def test_its_boxes_are_those_of_the_library(checkpoint: Path, photo: Photo) -> None:
    """The network of ``transformers``, asked here by hand, gives the boxes and scores that the adapter tells."""
    import torch
    import transformers

    image, nouns = photo("coffee").convert("RGB"), ["dog", "red car"]
    library: Any = transformers  # only partly typed
    network = library.MMGroundingDinoForObjectDetection.from_pretrained(checkpoint).eval()
    tokenizer = library.AutoTokenizer.from_pretrained(checkpoint)
    pixels = library.AutoImageProcessor.from_pretrained(checkpoint)
    text, spans = prompt(nouns)
    words = tokenizer(text, return_offsets_mapping=True, return_tensors="pt")
    members = token_members(spans, words.pop("offset_mapping")[0].numpy())
    with torch.inference_mode():
        out = network(**pixels(images=image, return_tensors="pt"), **words)
    scores = out.logits[0].sigmoid().numpy()[:, : members.shape[1]]
    expected = grounded(image.size, out.pred_boxes[0].numpy(), scores, nouns, members, 0.1).nms(0.5)
    found = MMGroundingDino.load(checkpoint, Placement()).detect(image, nouns, threshold=0.1)
    assert len(found) > 0
    assert found.labels == expected.labels
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=0.1)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-5)


@pytest.mark.parametrize("model", [MMGroundingDino, LLMDet])
def test_the_tool_uses_it(checkpoint: Path, model: type[GroundingDino], photo: Photo, tmp_path: Path) -> None:
    image, query = photo("coffee"), "dog, red car"
    with ModelPool(Registry(Settings(home=tmp_path, weights={model.card.name: checkpoint}))) as pool:
        output = detect_objects(image, query, models=pool)
    assert output.models == (model.card.name,)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) | set(output.missing) == {"dog", "red car"}
    assert detect_objects.problems({"image": image, "query": query}, output) == []


def test_the_order_of_preference(tmp_path: Path) -> None:
    names = [model.card.name for model in Registry(Settings(home=tmp_path)).for_job(DETECTION_OPEN_VOCABULARY)]
    ranked = [model.card.name for model in (GroundingDino, LLMDet, MMGroundingDino)]
    assert [name for name in names if name in ranked] == ranked


def test_the_paper_s_checkpoint_is_another_kind(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"its config\.json is that of grounding-dino.*models pull llmdet-tiny"):
        LLMDet.load(grounding_dino(tmp_path), Placement())
