"""ControlNet: new pictures over the edges, the depth or the pose of another.

Zhang et al., *Adding Conditional Control to Text-to-Image Diffusion Models* (ICCV 2023),
https://github.com/lllyasviel/ControlNet-v1-1-nightly. The repositories are taken at ``main``: pinned by the manifest at
first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_network, read_pipeline, unusable
from visiongpt_agent.models.diffusion import (
    OPEN_RAIL,
    diffusion_card,
    native_side,
    paint,
    working_size,
)
from visiongpt_agent.models.jobs import CONTROL
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_NETWORKS: Final = {
    "edges": "lllyasviel/control_v11p_sd15_canny",
    "depth": "lllyasviel/control_v11f1p_sd15_depth",
    "pose": "lllyasviel/control_v11p_sd15_openpose",
}
_STEPS: Final = 25
_GUIDANCE: Final = 7.5


def _network(repo: str) -> Hub:
    return Hub(repo, "main", networks=("",), variant="fp16", listed="2026-11-30")


class ControlNet(Model):
    """Stable Diffusion 1.5 with its safety checker, and the control networks that its folder holds.

    Each network lies in a sub-folder of ``controls``: ``edges``, ``depth``, ``pose``.
    """

    card: ClassVar[ModelCard] = diffusion_card(
        name="controlnet-v1-1",
        title="ControlNet 1.1 over Stable Diffusion 1.5",
        job=CONTROL,
        licence="CreativeML OpenRAIL-M",
        homepage="https://github.com/lllyasviel/ControlNet-v1-1-nightly",
        # Estimated: 1,371 M parameters of Stable Diffusion and its safety checker, 361 M of each of the three networks,
        # a fifth on top.
        memory=11_800_000_000,
        source=Hub(
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "main",
            size=4_910_000_000,
            parts={f"controls/{control}": _network(repo) for control, repo in _NETWORKS.items()},
            pipeline=True,
            variant="fp16",
            listed="2026-11-30",
            verified=True,
        ),
        notice=OPEN_RAIL,
    )
    portable = True

    def __init__(self, pipelines: dict[str, Any]) -> None:
        self._pipelines = pipelines
        self.controls = tuple(pipelines)

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        here = [control for control in _NETWORKS if folder is not None and (folder / "controls" / control).is_dir()]
        if folder is None or not here:
            raise unusable(cls.card, folder, "it has no folder controls/edges, depth or pose")
        networks = {
            control: read_network("ControlNetModel", folder / "controls" / control, placement, cls.card)
            for control in here
        }
        kind = "StableDiffusionControlNetPipeline"
        first = read_pipeline(
            kind, folder, placement, cls.card, saved_as="StableDiffusionPipeline", controlnet=networks[here[0]]
        )
        return cls({control: _with_network(first, network) for control, network in networks.items()})

    def generate(self, structure: Image.Image, prompt: str, *, control: str, seed: int) -> Image.Image:
        """A new picture, same size.

        Args:
            structure: RGB: white edges on black, a depth map (near is white), or skeletons on black as OpenPose draws.
            prompt: What it is to show.
            control: Which of the three ``structure`` is, one of ``controls``.
            seed: The same seed gives the same picture.

        Raises:
            ToolError: If the model's own safety checker holds the picture back.
        """
        pipeline = self._pipelines[control]
        width, height = working_size(structure.size, native_side(pipeline))
        painted = paint(
            pipeline,
            self.card,
            seed=seed,
            prompt=prompt,
            image=structure.convert("RGB").resize((width, height)),
            width=width,
            height=height,
            num_inference_steps=_STEPS,
            guidance_scale=_GUIDANCE,
        )
        return painted.resize(structure.size)


def _with_network(pipeline: Any, network: Any) -> Any:
    """A pipeline over the same parts with another control network."""
    parts = {**pipeline.components, "controlnet": network}
    other = type(pipeline)(**parts, requires_safety_checker=pipeline.config.requires_safety_checker)
    other.set_progress_bar_config(disable=True)
    return other
