"""SAM 2: Segment Anything on a hierarchical encoder, several times as fast as the first.

Ravi et al., *SAM 2: Segment Anything in Images and Videos* (ICLR 2025), https://github.com/facebookresearch/sam2, in
the format of ``transformers``; of the checkpoint for videos only what works on single pictures is loaded. The
repository is taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import SEGMENTATION_PROMPTABLE
from visiongpt_agent.models.pixels import normalised
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.models.sam import FittedInput, Sam
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_PICTURE_PLACES: Final = "shared_image_embedding.positional_embedding"
_PROMPT_PLACES: Final = "prompt_encoder.shared_embedding.positional_embedding"
"""The same random frequencies as for the picture, which transformers up to 4.57 therefore saved once only."""


class Sam2(Sam):
    """SAM 2.1 on Hiera-S. The whole picture is squeezed into a square of 1024 pixels.

    The picture is prepared here: the library's own processor cannot be imported without torchvision.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="sam2.1-hiera-small",
        title="SAM 2.1 Hiera-S",
        jobs=(SEGMENTATION_PROMPTABLE,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/facebook/sam2.1-hiera-small",
        memory=1_200_000_000,  # 39 million parameters in float32; with activations, measured on random weights
        rank=5,
        source=Hub(
            "facebook/sam2.1-hiera-small",
            "ee5bba1d82bb8749febdf90f45e84b687142ba03",
            networks=("",),
            size=184_310_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        (network,) = read_checkpoint(
            cls.card,
            folder,
            placement,
            "Sam2Model",
            also=("sam2_video",),
            halved=("vision_encoder",),
            copies={_PROMPT_PLACES: _PICTURE_PLACES},
        )
        return cls(network, None, placement)

    def _look(self, image: Image.Image) -> tuple[FittedInput, dict[str, Any]]:
        import torch
        from PIL import Image

        side = int(self._network.config.prompt_encoder_config.image_size)
        square = image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(normalised(square)).to(self.placement.device)
        with torch.inference_mode():
            return FittedInput(image.size, (side, side), side), self._embedding(pixels)
