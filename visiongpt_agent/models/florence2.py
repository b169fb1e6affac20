"""Florence-2: lines of text with their corners, and captions, all written as words by one small network.

Xiao et al., *Florence-2: Advancing a Unified Representation for a Variety of Vision Tasks* (CVPR 2024, arXiv
2311.06242), in the format of ``transformers``. The repository is taken at ``main``: pinned by the manifest at first
pull.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.generation import write_tokens
from visiongpt_agent.models.image_text_to_text import as_phrase
from visiongpt_agent.models.jobs import CAPTION, OCR, TextLine
from visiongpt_agent.models.pp_ocr import in_reading_order
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_LONGEST_CAPTION: Final = 40
_LONGEST_TEXT: Final = 1000
_PLACE: Final = re.compile(r"<loc_(\d+)>")
_BINS: Final = 1000
"""Into how many parts it divides each side of a picture to tell a place."""
_CORNERS: Final = 4
_FLOOR: Final = 0.3


class Florence2(PlacedModel):
    """The base network. The whole picture is squeezed into a square of 768 pixels, so small print is lost."""

    card: ClassVar[ModelCard] = ModelCard(
        name="florence-2-base",
        title="Florence-2 base",
        jobs=(OCR, CAPTION),
        licence="MIT",
        homepage="https://huggingface.co/florence-community/Florence-2-base",
        memory=1_300_000_000,  # estimated: 232 million parameters in float32, two fifths on top for 768 by 768 pixels
        rank=16,
        source=Hub("florence-community/Florence-2-base", "main", networks=("",), size=930_000_000, listed="2026-11-30"),
        dtypes=("float32", "bfloat16", "float16"),
        devices=("cuda", "cpu"),
    )

    def __init__(self, network: Any, processor: Any, placement: Placement) -> None:
        self._network, self._processor, self.placement = network, processor, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        head = "Florence2ForConditionalGeneration"
        network, processor = read_checkpoint(cls.card, folder, placement, head, "Florence2Processor")
        return cls(network, processor, placement)

    def caption(self, image: Image.Image) -> str:
        """What the picture shows, as a phrase without a full stop."""
        tokens, _ = self._write(image, "<CAPTION>", _LONGEST_CAPTION)
        return as_phrase(str(self._processor.tokenizer.decode(tokens, skip_special_tokens=True)))

    def read(self, image: Image.Image) -> list[TextLine]:
        """The lines of text with a score of at least 0.3, in reading order.

        The score of a line is the mean probability that the network gave to the words' tokens as it wrote them.
        """
        tokens, odds = self._write(image, "<OCR_WITH_REGION>", _LONGEST_TEXT)
        lines = lines_written(self._processor.tokenizer, tokens, odds, image.size)
        return in_reading_order([line for line in lines if line.score >= _FLOOR])

    def _write(self, image: Image.Image, task: str, longest: int) -> tuple[list[int], list[float]]:
        """The tokens that it writes for a task, and the probability, 0 to 1, that it gave to each."""
        import torch

        pixels = image.convert("RGB")
        if min(pixels.size) == 1:  # such an axis would be mistaken for that of the colours
            pixels = pixels.resize((max(2, pixels.width), max(2, pixels.height)))
        inputs = self._processor(images=pixels, text=task, return_tensors="pt")
        room = int(self._network.config.text_config.max_position_embeddings) - 1
        out = write_tokens(
            self._network,
            inputs,
            self.placement,
            longest=min(longest, room),
            return_dict_in_generate=True,
            output_logits=True,
        )
        written = out.sequences[0, -len(out.logits) :]
        odds = torch.cat(out.logits).float().softmax(-1).gather(1, written[:, None])[:, 0]
        return written.tolist(), odds.tolist()


def lines_written(
    tokenizer: Any, tokens: Sequence[int], odds: Sequence[float], size: tuple[int, int]
) -> list[TextLine]:
    """The lines that tokens tell of: words, then eight places, x and y of each corner in turn.

    Args:
        tokenizer: Knows the places as ``<loc_0>`` to ``<loc_999>``.
        tokens: As the network wrote them; a line without words, or with more or fewer places, is left out.
        odds: The probability of each token, 0 to 1.
        size: ``(width, height)`` of the picture, in whose pixels the corners are.
    """
    special = set(tokenizer.all_special_ids)
    lines: list[TextLine] = []
    words: list[int] = []
    sure: list[float] = []
    places: list[int] = []

    def finish() -> None:
        text = str(tokenizer.decode(words)).strip()
        if text and len(places) == 2 * _CORNERS:
            shares = [(place + 0.5) / _BINS for place in places]
            corners = tuple((x * size[0], y * size[1]) for x, y in zip(shares[::2], shares[1::2], strict=True))
            lines.append(TextLine(text, sum(sure) / len(sure), corners))
        words.clear()
        sure.clear()
        places.clear()

    for token, odd in zip(tokens, odds, strict=True):
        place = _PLACE.fullmatch(str(tokenizer.convert_ids_to_tokens(token)))
        if place:
            places.append(int(place[1]))
        elif token not in special:
            if places:
                finish()
            words.append(token)
            sure.append(odd)
    finish()
    return lines
