"""Mask2Former: which pixels show which of the 150 classes of ADE20K, by masks that each are of one class.

Cheng et al., *Masked-attention Mask Transformer for Universal Image Segmentation* (CVPR 2022),
https://github.com/facebookresearch/Mask2Former, in the format of ``transformers``. The repository is taken at ``main``:
pinned by the manifest at first pull.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import SEGMENTATION_SEMANTIC
from visiongpt_agent.models.pixels import normalised
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.models.upernet import UperNet
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_SHORTER, _LONGER, _STEP = 512, 2048, 32
_ENCODER = "model.pixel_level_module.encoder"
_HALVED = (_ENCODER,)
_UNUSED = (f"{_ENCODER}.swin.layernorm.weight", f"{_ENCODER}.swin.layernorm.bias")
"""The norm of the encoder's last state: the decoder takes the stages, which have norms of their own."""


class Mask2Former(UperNet):
    """The network on Swin-S. The picture is scaled to 512 pixels on its shorter side, 2048 at most on the longer.

    It knows the same words as UPerNet, whose weights are free: it comes after it unless it is chosen by name.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="mask2former-swin-small-ade",
        title="Mask2Former Swin-S ADE20K",
        jobs=(SEGMENTATION_SEMANTIC,),
        licence="CC-BY-NC-4.0",
        homepage="https://huggingface.co/facebook/mask2former-swin-small-ade-semantic",
        memory=900_000_000,  # 69 million parameters in float32; with activations, estimated
        rank=20,
        source=Hub(
            "facebook/mask2former-swin-small-ade-semantic",
            "main",
            networks=("",),
            size=280_000_000,
            listed="2026-11-30",
        ),
        modules=("scipy",),  # the library will not build the network without it, for a loss that only training needs
        extra="paper",
        notice="The weights may not be used commercially.",
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "Mask2FormerForUniversalSegmentation"
        (network,) = read_checkpoint(cls.card, folder, placement, head, halved=_HALVED, unused=_UNUSED)
        return cls(network, None, placement)

    def _scores(self, image: Image.Image, words: Sequence[str]) -> Iterator[FloatArray]:
        """For each word how surely one of the masks of its classes covers each place, float32 ``(h, w)``, 0 to 1."""
        import torch
        from PIL import Image

        seen = image.convert("RGB").resize(_shown(image.size), Image.Resampling.BILINEAR)
        with torch.inference_mode():
            out = self._network(pixel_values=torch.from_numpy(normalised(seen)).to(self.placement.device))
            classes = out.class_queries_logits[0].float().softmax(dim=-1)[:, :-1]  # the last is that of no class
            masks = out.masks_queries_logits[0].float().sigmoid()
            for word in words:
                share = classes[:, self._members(word)].sum(dim=1)
                yield np.asarray(torch.einsum("q,qhw->hw", share, masks).clamp(0, 1).cpu().numpy(), np.float32)


def _shown(size: tuple[int, int]) -> tuple[int, int]:
    """The size in which a picture is shown: its sides are whole numbers of the encoder's coarsest cells."""
    factor = min(_SHORTER / min(size), _LONGER / max(size))
    width, height = (max(1, round(side * factor / _STEP)) * _STEP for side in size)
    return width, height
