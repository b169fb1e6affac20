"""What encoders of pictures and texts share: the cosine between a picture's embedding and those of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from visiongpt_agent.models.base import PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.regions import FloatArray

if TYPE_CHECKING:
    from PIL import Image


class PairEncoder(PlacedModel):
    """Two encoders that were trained together, one for pictures and one for texts."""

    _head: ClassVar[str]
    _pixel_processor: ClassVar[str]

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self.placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, cls._head, cls._pixel_processor, "AutoTokenizer"
        )
        return cls(network, pixels, tokenizer, placement)

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        """float32 ``(len(texts),)``: cosine of the picture's embedding with each text's, -1 to 1."""
        import numpy as np
        import torch

        device, dtype = self.placement.device, getattr(torch, self.placement.dtype)
        pixels = self._pixels(images=image.convert("RGB"), return_tensors="pt")["pixel_values"]
        tokens = {name: tensor.to(device) for name, tensor in self._tokens(texts).items()}
        with torch.inference_mode():
            encoded = self._network(pixel_values=pixels.to(device, dtype), **tokens)
            cosines = encoded.image_embeds.float() @ encoded.text_embeds.float().T
        return np.asarray(cosines[0].cpu().numpy(), np.float32)

    def _tokens(self, texts: Sequence[str]) -> dict[str, Any]:
        """The tokens of the texts, padded to the longest of them, and the mask that tells padding apart."""
        return dict(self._tokenizer(list(texts), padding=True, **self._cut))

    @property
    def _cut(self) -> dict[str, Any]:
        """What makes the tokenizer cut texts at the network's length and return tensors."""
        length = self._network.config.text_config.max_position_embeddings
        return {"truncation": True, "max_length": length, "return_tensors": "pt"}
