"""BLIP: captions, and answers to questions about a picture.

Li et al., *BLIP: Bootstrapping Language-Image Pre-training* (ICML 2022), https://github.com/salesforce/BLIP, in the
format of ``transformers``. The repositories are taken at ``main``: pinned by the manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.generation import write_tokens
from visiongpt_agent.models.jobs import CAPTION, VQA
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_LONGEST: Final = 40


class _Blip(PlacedModel):
    """BLIP with a text head: takes a picture, optionally with a prompt, and returns greedily decoded text."""

    _head: ClassVar[str]

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self.placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import transformers

        network, pixels, words = read_checkpoint(
            cls.card, folder, placement, cls._head, "AutoImageProcessor", "AutoTokenizer"
        )
        library: Any = transformers  # only partly typed
        return cls(network, library.BlipProcessor(image_processor=pixels, tokenizer=words), placement)

    def _say(self, image: Image.Image, **words: str) -> str:
        inputs = self._processor(images=image.convert("RGB"), return_tensors="pt", **words)
        tokens = write_tokens(self._network, inputs, self.placement, longest=_LONGEST)
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
        # A pickle and a file of TensorFlow are all that it has; the pickle is converted on pull.
        source=Hub(
            "Salesforce/blip-image-captioning-base",
            "82a37760796d32b1411fe092ab5d4e227313294b",
            networks=("",),
            size=990_769_000,
            listed="2026-11-30",
            verified=True,
        ),
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
        source=Hub(
            "Salesforce/blip-vqa-base",
            "787b3d35d57e49572baabd22884b3d5a05acf072",
            networks=("",),
            size=1_539_749_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=("float32", "float16", "bfloat16"),
    )
    _head = "BlipForQuestionAnswering"

    def answer(self, image: Image.Image, question: str) -> str:
        """The answer, often a word or two."""
        return self._say(image, text=question)
