"""Zero-shot scores of damage, with a model in place of CLIP for which red things are the damaged ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.bench.gallery import StandIns
from visiongpt_agent.models.jobs import IMAGE_TEXT
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools._damage_in_words import damage_map, windows
from visiongpt_agent.tools.detect_anomalies import detect_anomalies

SIZE = (480, 360)


class RedIsDamaged:
    """The cosine with words for damage grows with the share of red pixels, that with the others falls."""

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        pixels = np.asarray(image.convert("RGB"), np.float32)
        red = float((pixels[..., 0] > pixels[..., 1] + 100).mean())
        good = [any(word in text for word in ("flawless", "perfect", "without")) for text in texts]
        assert 0 < sum(good) < len(texts)
        return np.array([0.25 - red if is_good else 0.2 + red for is_good in good], np.float32)


def surface(*boxes: tuple[int, int, int, int], fill: str = "red") -> Image.Image:
    image = Image.new("RGB", SIZE, (120, 130, 140))
    for box in boxes:
        ImageDraw.Draw(image).rectangle(box, fill=fill)
    return image


@pytest.mark.parametrize("cell", [(0, 0), (2, 4), (5, 5), (3, 0)])
def test_the_score_is_highest_where_the_damage_is(cell: tuple[int, int]) -> None:
    row, column = cell
    box = (column * 80, row * 60, column * 80 + 79, row * 60 + 59)
    scores = damage_map(windows(surface(box), RedIsDamaged()), SIZE)
    assert scores.dtype == np.float32
    assert scores.shape == (6, 6)
    assert ((scores > 0) & (scores < 1)).all()
    assert scores[cell] == scores.max()
    assert scores[cell] > np.median(scores) + 0.05


def test_a_flawless_surface_is_flawless_everywhere() -> None:
    scores = damage_map(windows(surface(), RedIsDamaged()), SIZE)
    assert (scores < 0.5).all()
    assert np.ptp(scores) < 1e-6


def test_what_stands_out_and_looks_damaged_is_no_doubt(pool: ModelPool) -> None:
    output = detect_anomalies(surface((200, 150, 290, 215)), models=StandIns(pool, {IMAGE_TEXT: RedIsDamaged}))
    assert output.summary.startswith("I found one anomaly")
    assert not [doubt for doubt in output.uncertain if doubt.startswith("In words")]


def test_what_stands_out_but_looks_like_the_rest_is_doubted(pool: ModelPool) -> None:
    blue = surface((200, 150, 290, 215), fill="blue")
    output = detect_anomalies(blue, models=StandIns(pool, {IMAGE_TEXT: RedIsDamaged}))
    assert output.summary.startswith("I found one anomaly")
    assert "In words, what stands out in the middle looks no more damaged than the rest." in output.uncertain


def test_damage_that_does_not_stand_out_is_told_as_a_doubt(pool: ModelPool) -> None:
    """Each spot has its likes elsewhere, as threads of a weave have."""
    spots = [(x, y, x + 15, y + 15) for x in range(48, 450, 64) for y in range(48, 330, 64)]
    output = detect_anomalies(surface(*spots), models=StandIns(pool, {IMAGE_TEXT: RedIsDamaged}))
    assert output.summary == "I found no anomaly that stands out, compared with the rest of the picture."
    assert "In words, there may be damage at the bottom that does not stand out from the rest." in output.uncertain


def test_with_a_reference_or_without_such_a_model_it_is_not_asked(pool: ModelPool) -> None:
    class Never:
        def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
            raise AssertionError("the reference says what is good")

    output = detect_anomalies(surface(), surface(), models=StandIns(pool, {IMAGE_TEXT: Never}))
    assert output.uncertain == ()
    alone = detect_anomalies(surface(), models=pool)
    assert alone.uncertain == ("Without a reference the outermost rim of the picture is not judged.",)
