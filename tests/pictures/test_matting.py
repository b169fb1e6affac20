from __future__ import annotations

import numpy as np
from PIL import Image

from visiongpt_agent.pictures.matting import foreground_colors


def test_a_red_disc_on_green_is_red_up_to_its_rim() -> None:
    y, x = np.mgrid[:120, :160]
    matte = np.clip((40 - np.hypot(x - 80, y - 60)) / 6 + 0.5, 0, 1).astype(np.float32)
    mixed = matte[..., None] * [255, 0, 0] + (1 - matte[..., None]) * [0, 255, 0]
    colors = foreground_colors(Image.fromarray((mixed + 0.5).astype(np.uint8)), matte)
    rim = (matte > 0.2) & (matte < 0.8)
    assert np.abs(mixed[rim] - [255, 0, 0]).mean() > 70
    assert np.abs(colors[rim] - [255, 0, 0]).mean() < 10
    sure = matte == 1
    assert np.abs(colors[sure] - mixed[sure]).max() < 1
