"""Pictures as the input of networks that were trained on ImageNet's colours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from visiongpt_agent.regions import FloatArray

if TYPE_CHECKING:
    from PIL import Image

_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)  # of R, G, B from 0 to 1
_STD: Final = np.array([0.229, 0.224, 0.225], np.float32)


def normalised(image: Image.Image) -> FloatArray:
    """The picture in units of ImageNet's spread of colours, float32 ``(1, 3, H, W)`` from -2.2 to 2.7."""
    pixels = np.asarray(image.convert("RGB"), np.float32)
    return np.ascontiguousarray(((pixels / 255 - _MEAN) / _STD).transpose(2, 0, 1)[None], np.float32)
