"""A batch takes no more memory the longer it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.batch.conftest import GREY, REQUEST
from visiongpt_agent import VisionGPT, batch

PICTURES = 1_000
WARM = 300
"""After so many, libraries have what they keep for good."""


@pytest.mark.slow
def test_memory_stays_flat_over_many_pictures(tmp_path: Path, agent: VisionGPT) -> None:
    draw, process, sizes = np.random.default_rng(3), psutil.Process(), list[int]()
    (tmp_path / "in").mkdir()
    for number in range(PICTURES):
        pixels = draw.integers(0, 256, (120, 160, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / f"{number:04}.jpg")

    for row in batch.run(tmp_path / "in", REQUEST, tmp_path / "out", agent=agent, plan=GREY):
        assert row.status == "done"
        sizes.append(process.memory_info().rss)

    assert len(sizes) == PICTURES
    assert max(sizes[WARM:]) < 1.1 * sizes[WARM]
