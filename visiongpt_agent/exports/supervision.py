"""To and from ``supervision.Detections`` (https://github.com/roboflow/supervision), by its attributes.

No version is asked for: groundingdino-py pins one of 2023, which holds boxes only; later ones hold masks and names too.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from visiongpt_agent.errors import InputError
from visiongpt_agent.regions import Regions


def to_detections(regions: Regions, kind: type[Any] | None = None) -> Any:
    """The regions as ``Detections``: ``xyxy``, ``confidence``, ``class_id``, and masks and names where it holds them.

    Args:
        regions: Class ids are the places of their labels, sorted.
        kind: The class to make; by default ``supervision.Detections``.

    Raises:
        InputError: If supervision is not installed.
    """
    names = sorted(set(regions.labels))
    values: dict[str, Any] = {
        "xyxy": regions.boxes.copy(),
        "confidence": regions.confidence.copy(),
        "class_id": np.array([names.index(label) for label in regions.labels], np.int64),
        "mask": regions.masks,
        "data": {"class_name": np.array(regions.labels, dtype=np.str_)},
    }
    cls = kind or _installed()
    fields = inspect.signature(cls).parameters
    return cls(**{name: value for name, value in values.items() if name in fields})


def from_detections(detections: Any, size: tuple[int, int], names: Sequence[str] = ()) -> Regions:
    """Regions from ``Detections`` of any version.

    Args:
        detections: What has ``xyxy`` ``(N, 4)`` in pixels, and maybe ``confidence`` (0 to 1), ``class_id``, ``mask``
            ``(N, H, W)`` and ``data["class_name"]``.
        size: ``(width, height)`` of the picture in pixels.
        names: What the class ids mean, where the detections do not say it themselves.

    Raises:
        InputError: If the numbers make no regions of such a picture.
    """
    boxes = np.asarray(detections.xyxy, np.float32).reshape(-1, 4)
    class_names = (getattr(detections, "data", None) or {}).get("class_name")
    ids = getattr(detections, "class_id", None)
    if class_names is not None:
        labels = tuple(str(name) for name in class_names)
    elif ids is not None and names:
        if len(ids) and not 0 <= int(np.min(ids)) <= int(np.max(ids)) < len(names):
            raise InputError(f"class ids from {np.min(ids)} to {np.max(ids)} need as many names, not {len(names)}")
        labels = tuple(names[int(number)] for number in ids)
    else:
        labels = ()
    mask = getattr(detections, "mask", None)
    return Regions(
        size,
        np.clip(boxes, 0, np.array([*size, *size], np.float32)),  # detectors reach over the edge by fractions
        labels,
        getattr(detections, "confidence", None),
        None if mask is None else np.asarray(mask, np.bool_),
    )


def _installed() -> type[Any]:
    import importlib

    try:
        cls: type[Any] = importlib.import_module("supervision").Detections
    except ImportError:
        raise InputError("supervision is not installed: pip install supervision") from None
    return cls
