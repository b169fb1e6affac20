"""Half precision where it does no harm: encoders are halved, and what is found stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.models import tiny_checkpoints
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.owlv2 import Owlv2
from visiongpt_agent.models.precision import halve
from visiongpt_agent.models.sam import Sam
from visiongpt_agent.models.vitpose import VitPose

BOX = np.array([[50, 60, 300, 200]], np.float32)


@dataclass
class Output:
    seen: Any
    mask: Any = None


class Encoder(torch.nn.Module):
    """Says in which dtype it was asked, and answers in the way that is wanted of it."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.answer, self.asked = answer, list[Any]()

    def forward(self, pixels: Any, mask: Any = None) -> Any:
        self.asked.append((pixels.dtype, None if mask is None else mask.dtype))
        return self.answer(pixels * self.weight)


class Network(torch.nn.Module):
    def __init__(self, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self.encoder, self.head = Encoder(answer), torch.nn.Linear(2, 2)

    def forward(self, pixels: Any, mask: Any = None) -> Any:
        return self.encoder(pixels, mask=mask)


@pytest.mark.parametrize(
    ("answer", "tensor"),
    [
        pytest.param(lambda x: x, lambda out: out, id="tensor"),
        pytest.param(lambda x: [(x, x > 0)], lambda out: out[0][0], id="nested"),
        pytest.param(lambda x: {"maps": [x]}, lambda out: out["maps"][0], id="mapping"),
        pytest.param(lambda x: Output(x), lambda out: out.seen, id="dataclass"),
    ],
)
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_halved_part_takes_and_gives_what_the_rest_is_in(
    dtype: str, answer: Callable[[Any], Any], tensor: Callable[[Any], Any]
) -> None:
    network = Network(answer)
    halve(network, ["encoder"], dtype)
    out = network(torch.tensor([[1.0, 2.0]]), mask=torch.tensor([True]))
    assert network.encoder.asked == [(getattr(torch, dtype), torch.bool)]
    assert tensor(out).dtype == torch.float32
    assert tensor(out).tolist() == [[1.0, 2.0]]
    assert (network.encoder.weight.dtype, network.head.weight.dtype) == (getattr(torch, dtype), torch.float32)


def test_float32_leaves_the_network_as_it_is() -> None:
    network = Network(lambda x: x)
    halve(network, ["encoder"], "float32")
    assert network.encoder.weight.dtype == torch.float32
    assert not network.encoder._forward_hooks


@pytest.mark.parametrize(
    ("model", "make", "find", "most"),
    [
        pytest.param(Sam, tiny_checkpoints.sam, lambda m, i: m.segment(i, BOX).astype(float), 1, id="sam"),
        pytest.param(VitPose, tiny_checkpoints.vitpose, lambda m, i: m.keypoints(i, BOX), 0.5, id="vitpose"),
        pytest.param(DepthAnything, tiny_checkpoints.depth_anything, lambda m, i: m.depth(i), 0.02, id="depth"),
        pytest.param(Owlv2, tiny_checkpoints.owlv2, lambda m, i: m.detect(i, ["cup"], threshold=0).boxes, 2, id="owl"),
    ],
)
def test_what_is_found_in_half_precision_is_where_it_is_in_full(
    model: type[Model],
    make: Callable[[Path], Path],
    find: Callable[[Any, Image.Image], Any],
    most: float,
    tmp_path: Path,
    photo: Callable[[str], Image.Image],
) -> None:
    """``most`` is in pixels, or a share of the depth; of a mask at most one pixel in fifty may change sides."""
    place, image = make(tmp_path), photo("coffee")
    full, half = (find(model.load(place, Placement(dtype=dtype)), image) for dtype in ("float32", "float16"))
    difference = np.abs(full - half)
    assert half.shape == full.shape
    assert difference.max() <= most
    assert full.any()
    if model is Sam:
        assert difference.sum() < 0.02 * max(full.sum(), half.sum())
