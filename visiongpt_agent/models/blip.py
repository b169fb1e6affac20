"""BLIP: captions, and answers to questions about a picture.

Li et al., *BLIP: Bootstrapping Language-Image Pre-training* (ICML 2022), https://github.com/salesforce/BLIP, in the
format of ``transformers``. The repositories are taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.jobs import CAPTION, VQA
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_FILES: Final = {"config.json": "", "*.json": "", "vocab.txt": "", "*.safetensors": ""}
_LONGEST: Final = 40


class _Blip(Model):
    """What both heads share: a picture, perhaps words, in; words out, decoded greedily."""

    _head: ClassVar[str]

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self._placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import torch
        import transformers

        library: Any = transformers  # only partly typed
        try:
            head = getattr(library, cls._head)
            dtype = getattr(torch, placement.dtype)
            network = head.from_pretrained(folder, local_files_only=True, use_safetensors=True, dtype=dtype)
            tokenizer = library.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            pixels = library.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0][:120]
            raise WeightsError(
                f"{folder} holds no {cls.card.title} ({reason}): visiongpt models pull {cls.card.name}"
            ) from error
        processor = library.BlipProcessor(image_processor=pixels, tokenizer=tokenizer)
        return cls(network.to(placement.device).eval(), processor, placement)

    def _say(self, image: Image.Image, **words: str) -> str:
        import torch

        given = self._processor(images=image.convert("RGB"), return_tensors="pt", **words).to(self._placement.device)
        given["pixel_values"] = given["pixel_values"].to(getattr(torch, self._placement.dtype))
        with torch.inference_mode():
            tokens = self._network.generate(**given, max_new_tokens=_LONGEST, num_beams=1, do_sample=False)
        return str(self._processor.decode(tokens[0], skip_special_tokens=True)).strip()


class BlipCaption(_Blip):
    """BLIP base, fine-tuned on COCO captions."""

    card: ClassVar[ModelCard] = ModelCard(
        name="blip-caption-base",
        title="BLIP captioning base",
        jobs=(CAPTION,),
        licence="BSD-3-Clause",
        homepage="https://huggingface.co/Salesforce/blip-image-captioning-base",
        memory=1_300_000_000,
        source=Hub("Salesforce/blip-image-captioning-base", "main", _FILES, size=990_000_000),
        dtypes=("float32", "float16", "bfloat16"),
    )
    _head = "BlipForConditionalGeneration"

    def caption(self, image: Image.Image) -> str:
        """What the picture shows, as a phrase without a full stop."""
        return self._say(image).rstrip(" .")


class BlipVqa(_Blip):
    """BLIP base, fine-tuned on VQA v2: short answers."""

    card: ClassVar[ModelCard] = ModelCard(
        name="blip-vqa-base",
        title="BLIP VQA base",
        jobs=(VQA,),
        licence="BSD-3-Clause",
        homepage="https://huggingface.co/Salesforce/blip-vqa-base",
        memory=1_800_000_000,
        source=Hub("Salesforce/blip-vqa-base", "main", _FILES, size=1_540_000_000),
        dtypes=("float32", "float16", "bfloat16"),
    )
    _head = "BlipForQuestionAnswering"

    def answer(self, image: Image.Image, question: str) -> str:
        """The answer, often a word or two."""
        return self._say(image, text=question)
