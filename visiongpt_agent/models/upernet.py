"""UPerNet: which pixels show which of the 150 classes of ADE20K.

Xiao et al., *Unified Perceptual Parsing for Scene Understanding* (ECCV 2018), on ConvNeXt (Liu et al., *A ConvNet for
the 2020s*, CVPR 2022), trained by OpenMMLab, https://github.com/open-mmlab/mmsegmentation, in the format of
``transformers``. The repository is taken at ``main``: pinned by the manifest at first pull. It is here for its licence:
the weights of SegFormer and Mask2Former for these classes may not be used commercially.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.masks import covered
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_ALSO: Final[Mapping[str, tuple[str, ...]]] = {
    "asphalt": ("road",),
    "body of water": ("water", "sea", "river", "lake"),
    "carpet": ("rug",),
    "dirt": ("earth", "dirt track"),
    "ground": ("earth",),
    "highway": ("road",),
    "lawn": ("grass",),
    "meadow": ("grass", "field"),
    "ocean": ("sea",),
    "pavement": ("sidewalk",),
    "pond": ("lake",),
    "shore": ("sand",),
    "soil": ("earth",),
    "street": ("road",),
    "beach": ("sand",),
    "water": ("water", "sea", "river", "lake", "waterfall", "swimming pool"),
}
"""The classes that together are what a word means, where there is more to it than the class of that name."""


class UperNet(PlacedModel):
    """The network on ConvNeXt-T. The whole picture is squeezed into a square of 512 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="upernet-convnext-tiny",
        title="UPerNet ConvNeXt-T ADE20K",
        jobs=(SEGMENTATION_SEMANTIC,),
        licence="MIT",
        homepage="https://huggingface.co/openmmlab/upernet-convnext-tiny",
        memory=700_000_000,  # 60 million parameters in float32; with activations, measured on random weights
        rank=10,
        source=Hub("openmmlab/upernet-convnext-tiny", "main", networks=("",), size=241_000_000, listed="2026-11-30"),
        dtypes=("float32", "float16", "bfloat16"),
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.5

    def __init__(self, network: Any, pixels: Any, placement: Placement) -> None:
        self._network, self._pixels, self.placement = network, pixels, placement
        self._numbers = {
            name.strip().lower(): int(number)
            for number, names in network.config.id2label.items()
            for name in names.split(",")
        }

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "UperNetForSemanticSegmentation"
        network, pixels = read_checkpoint(cls.card, folder, placement, head, "SegformerImageProcessorPil")
        return cls(network, pixels, placement)

    def knows(self, word: str) -> bool:
        """Whether it is one of the classes, or some of them together."""
        return bool(self._members(word))

    def segment(self, image: Image.Image, words: Sequence[str], *, threshold: float) -> Regions:
        """What the words name, each that is seen as one region with a mask of all its pixels, in the words' order."""
        return covered(image.size, words, self._scores(image, words), threshold)

    def _members(self, word: str) -> list[int]:
        """The numbers of the classes that a word means."""
        name = word.strip().lower()
        return [self._numbers[one] for one in _ALSO.get(name, (name,)) if one in self._numbers]

    def _scores(self, image: Image.Image, words: Sequence[str]) -> Iterator[FloatArray]:
        """For each word its classes' joint probability at each place of the picture, float32 ``(h, w)``."""
        import torch

        seen = self._pixels(images=image.convert("RGB"), return_tensors="pt")
        picture = seen["pixel_values"].to(self.placement.device, getattr(torch, self.placement.dtype))
        with torch.inference_mode():
            shares = self._network(pixel_values=picture).logits[0].float().softmax(dim=0)
        for word in words:
            yield np.asarray(shares[self._members(word)].sum(dim=0).cpu().numpy(), np.float32)
