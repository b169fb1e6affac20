"""BLIP-2: captions, and answers to questions about a picture, by a language model that was left as it was.

Li et al., *BLIP-2: Bootstrapping Language-Image Pre-training with Frozen Image Encoders and Large Language Models*
(ICML 2023), https://github.com/salesforce/LAVIS/tree/main/projects/blip2, in the format of ``transformers``. The
repository is taken at ``main``: pinned by the manifest at first pull.
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


class Blip2(PlacedModel):
    """ViT-g/14 and a querying transformer before OPT 2.7B. The whole picture is squeezed into 224 by 224 pixels."""

    card: ClassVar[ModelCard] = ModelCard(
        name="blip2-opt-2.7b",
        title="BLIP-2 OPT 2.7B",
        jobs=(CAPTION, VQA),
        licence="MIT",
        homepage="https://huggingface.co/Salesforce/blip2-opt-2.7b",
        memory=16_500_000_000,  # estimated: 3.74 billion parameters in float32, a tenth on top
        rank=14,
        source=Hub("Salesforce/blip2-opt-2.7b", "main", networks=("",), size=15_000_000_000, listed="2026-11-30"),
        dtypes=("float32", "bfloat16", "float16"),
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self.placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        import transformers

        head = "Blip2ForConditionalGeneration"
        network, pixels, words = read_checkpoint(
            cls.card, folder, placement, head, "AutoImageProcessor", "AutoTokenizer"
        )
        library: Any = transformers  # only partly typed
        processor = library.Blip2Processor(pixels, words, num_query_tokens=network.config.num_query_tokens)
        return cls(network, processor, placement)

    def caption(self, image: Image.Image) -> str:
        """What the picture shows, as a phrase without a full stop."""
        return self._say(image, "").rstrip(" .")

    def answer(self, image: Image.Image, question: str) -> str:
        """The answer, often a word or two."""
        for marker in self._processor.tokenizer.get_added_vocab():  # it would be taken for a place of the picture's
            question = question.replace(marker, " ")
        return self._say(image, f"Question: {question.strip()} Answer:")

    def _say(self, image: Image.Image, prompt: str) -> str:
        pixels = image.convert("RGB")
        if min(pixels.size) == 1:  # such an axis would be mistaken for that of the colours
            pixels = pixels.resize((max(2, pixels.width), max(2, pixels.height)))
        inputs = self._processor(images=pixels, text=[prompt], return_tensors="pt")
        tokens = write_tokens(self._network, inputs, self.placement, longest=_LONGEST)
        answer = tokens[0, inputs["input_ids"].shape[1] :]
        text = str(self._processor.tokenizer.decode(answer, skip_special_tokens=True)).strip()
        return text.splitlines()[0].strip() if text else ""
