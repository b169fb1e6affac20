"""What the adapters over diffusion pipelines share: what is pulled, running under a seed, fitting sizes.

The pipelines are those of ``diffusers``; a latent diffusion model paints at one resolution best (Rombach et al.,
*High-Resolution Image Synthesis with Latent Diffusion Models*, CVPR 2022), so pictures are brought near it and back.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_pipeline
from visiongpt_agent.weights import Source

if TYPE_CHECKING:
    from PIL import Image

_TURN: Final = threading.Lock()
"""The scheduler of a pipeline keeps the state of its run, so that two runs at once would spoil each other."""

DTYPES: Final = ("float32", "bfloat16", "float16")
"""float16 is for GPUs that do not compute in bfloat16; on a CPU the others come first."""


STABILITY: Final = (
    "Free for research, non-commercial use and those with an annual revenue of less than US $1,000,000; "
    "others need a licence of Stability AI: https://stability.ai/license"
)
OPEN_RAIL: Final = "The licence forbids some uses, listed in its attachment A."


def diffusion_card(
    *,
    name: str,
    title: str,
    job: str,
    source: Source,
    homepage: str,
    licence: str,
    memory: int,
    rank: int = 0,
    notice: str = "",
    dtypes: tuple[str, ...] = DTYPES,
) -> ModelCard:
    """The card of a pipeline of ``diffusers``; see :class:`~visiongpt_agent.models.base.ModelCard`."""
    return ModelCard(
        name=name,
        title=title,
        jobs=(job,),
        licence=licence,
        homepage=homepage,
        memory=memory,
        rank=rank,
        source=source,
        modules=("diffusers",),
        extra="paper",
        notice=notice,
        dtypes=dtypes,
        devices=("cuda", "cpu"),
    )


class PipelineModel(Model):
    """A model over one pipeline of ``diffusers``, which sends its inputs to its networks' device by itself."""

    portable = True
    _kind: ClassVar[str]
    """The class of the pipeline in ``diffusers``."""
    _saved_as: ClassVar[str] = ""
    """The class that its folder names, where that is another."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls(read_pipeline(cls._kind, folder, placement, cls.card, saved_as=cls._saved_as))


def paint(pipeline: Any, card: ModelCard, *, seed: int, **arguments: Any) -> Image.Image:
    """Run a pipeline for one picture; the same seed gives the same picture.

    Raises:
        ToolError: If the model's own safety checker holds the picture back.
    """
    import torch

    # Noise of a CPU generator is the same whatever device the model is on.
    generator = torch.Generator("cpu").manual_seed(seed)
    with _TURN:
        output = pipeline(generator=generator, **arguments)
    if any(getattr(output, "nsfw_content_detected", None) or ()):
        raise ToolError(f"the safety checker of {card.title} held the picture back; try other words")
    painted: Image.Image = output.images[0]
    return painted.convert("RGB")


def native_side(pipeline: Any) -> int:
    """Width and height, in pixels, of the pictures that the model was made for."""
    return int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)


def working_size(size: tuple[int, int], native: int, step: int = 8) -> tuple[int, int]:
    """Width and height to paint at: the shape of ``size``, about ``native`` squared pixels, multiples of ``step``."""
    scale = native / (size[0] * size[1]) ** 0.5
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return width, height
