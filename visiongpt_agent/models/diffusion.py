"""What the adapters over diffusion pipelines share: reading a folder, running under a seed, fitting sizes.

The pipelines are those of ``diffusers``; a latent diffusion model paints at one resolution best (Rombach et al.,
*High-Resolution Image Synthesis with Latent Diffusion Models*, CVPR 2022), so pictures are brought near it and back.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visiongpt_agent.errors import ToolError, WeightsError
from visiongpt_agent.models.base import ModelCard, Placement

if TYPE_CHECKING:
    from PIL import Image

HALF_FILES: Final[Mapping[str, str]] = {"*.json": "", "*/merges.txt": "", "*.fp16.safetensors": ""}
"""What is pulled of a repository that has its weights in half precision too: half the bytes, the same pictures."""

FULL_FILES: Final[Mapping[str, str]] = {
    "*.json": "",
    "*/merges.txt": "",
    "*/model.safetensors": "",
    "*/diffusion_pytorch_model.safetensors": "",
}
"""What is pulled of one that has not, without the copies in one piece that lie beside the parts."""

_TURN: Final = threading.Lock()
"""The scheduler of a pipeline keeps the state of its run, so that two runs at once would spoil each other."""

DTYPES: Final = ("float32", "bfloat16", "float16")
"""float16 is for GPUs that do not compute in bfloat16; on a CPU the others come first."""


def load_pipeline(
    kind: str, folder: Path | None, placement: Placement, card: ModelCard, *, saved_as: str = "", **parts: Any
) -> Any:
    """Load a pipeline from a folder alone, its weights from safetensors alone.

    Args:
        kind: Name of the class in ``diffusers``.
        folder: What ``save_pretrained`` writes, or the files of a hub repository; full or half precision.
        placement: Device and dtype.
        card: The model's card, for messages.
        saved_as: Name of the class that the folder was saved from; ``""`` for the same.
        parts: Parts of the pipeline that are loaded already.

    Raises:
        WeightsError: If the folder does not hold such a pipeline.
    """
    import diffusers
    import torch
    from safetensors import SafetensorError

    try:
        if folder is None or not (folder / "model_index.json").is_file():
            raise OSError("it has no model_index.json")
        held = json.loads((folder / "model_index.json").read_text(encoding="utf-8")).get("_class_name")
        if held != (saved_as or kind):
            raise OSError(f"it holds a {held}")
        with _no_progress_bars():
            pipeline = getattr(diffusers, kind).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                variant=half_variant(folder),
                dtype=getattr(torch, placement.dtype),
                **_feature_extractor(folder),
                **parts,
            )
        for name, part in pipeline.components.items():
            if isinstance(part, torch.nn.Module) and any(weight.is_meta for weight in part.parameters()):
                raise OSError(f"weights of its {name} are missing")
    except (OSError, ValueError, AttributeError, SafetensorError) as error:
        raise no_weights(folder, card, error) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(placement.device)


def load_network(kind: str, folder: Path, placement: Placement, card: ModelCard) -> Any:
    """Load one network, by the name of its class in ``diffusers``, as :func:`load_pipeline` loads pipelines.

    Raises:
        WeightsError: If the folder does not hold it.
    """
    import diffusers
    import torch

    try:
        with _no_progress_bars():
            network = getattr(diffusers, kind).from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                variant=half_variant(folder),
                dtype=getattr(torch, placement.dtype),
            )
    except (OSError, ValueError, AttributeError) as error:
        raise no_weights(folder, card, error) from error
    return network.to(placement.device).eval()


def half_variant(folder: Path) -> str | None:
    """``fp16`` where the folder of a network, or those of a pipeline's parts, hold weights named so; else None."""
    named = "*.fp16.safetensors"
    return "fp16" if any(folder.glob(named)) or any(folder.glob(f"*/{named}")) else None


def no_weights(folder: Path | None, card: ModelCard, error: Exception) -> WeightsError:
    """The error for a folder that is not what the adapter expects."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return WeightsError(f"{folder} holds no {card.title} ({reason}): visiongpt models pull {card.name}")


def paint(pipeline: Any, card: ModelCard, *, seed: int, **arguments: Any) -> Image.Image:
    """Run a pipeline for one picture; the same seed gives the same picture.

    Raises:
        ToolError: If the model's own safety checker holds the picture back.
    """
    import torch

    # Noise of a CPU generator is the same whatever device the model is on.
    generator = torch.Generator("cpu").manual_seed(seed)
    with _TURN:
        made = pipeline(generator=generator, **arguments)
    if any(getattr(made, "nsfw_content_detected", None) or ()):
        raise ToolError(f"the safety checker of {card.title} held the picture back; try other words")
    painted: Image.Image = made.images[0]
    return painted.convert("RGB")


def native_side(pipeline: Any) -> int:
    """Width and height, in pixels, of the pictures that the model was made for."""
    return int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)


def working_size(size: tuple[int, int], native: int, step: int = 8) -> tuple[int, int]:
    """Width and height to paint at: the shape of ``size``, about ``native`` squared pixels, multiples of ``step``."""
    scale = native / (size[0] * size[1]) ** 0.5
    width, height = (max(step, round(side * scale / step) * step) for side in size)
    return width, height


def _feature_extractor(folder: Path) -> dict[str, Any]:
    """That of the safety checker, loaded here since old pipelines name a class that no longer exists."""
    if not (folder / "feature_extractor").is_dir():
        return {}
    from transformers import CLIPImageProcessor

    return {
        "feature_extractor": CLIPImageProcessor.from_pretrained(folder / "feature_extractor", local_files_only=True)
    }


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    shown = [library for library in (of_diffusers, of_transformers) if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
