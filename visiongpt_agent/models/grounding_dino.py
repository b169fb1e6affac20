"""Grounding DINO: finds what words name.

Liu et al., *Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object Detection* (ECCV 2024),
https://github.com/IDEA-Research/GroundingDINO, in the format of ``transformers``. The repository is taken at ``main``:
pinned by the manifest at first pull.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.precision import FLOATS
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_HALVED: Final = ("model.backbone.conv_encoder.model", "model.text_backbone")
_TEXT_THRESHOLD: Final = 0.25
_SAME_OBJECT: Final = 0.5
_LONGEST_STRIP: Final = 500
"""Long by short side: a picture more stretched than that would be scaled to no pixels at all, and it shows nothing."""


class GroundingDino(PlacedModel):
    """The network on Swin-T.

    It scores each box against each token of a text such as ``dog. red car.``. Of the nouns that a box has a token over
    the threshold for, it gets the one whose tokens score best on average, so that what ``red car`` and ``blue car``
    share does not decide between them. Its score is, as in the paper's repository, that of the best token.
    """

    card: ClassVar[ModelCard] = ModelCard(
        name="grounding-dino-tiny",
        title="Grounding DINO tiny",
        jobs=(DETECTION_OPEN_VOCABULARY,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/IDEA-Research/grounding-dino-tiny",
        memory=2_400_000_000,  # 172 million parameters in float32; with activations, measured on random weights
        rank=0,
        source=Hub(
            "IDEA-Research/grounding-dino-tiny",
            "a2bb814dd30d776dcf7e30523b00659f4f141c71",
            networks=("",),
            size=690_306_000,
            listed="2026-11-30",
            verified=True,
        ),
        dtypes=FLOATS,
        devices=("cuda", "cpu"),
    )
    threshold: float = 0.35
    _head: ClassVar[str] = "GroundingDinoForObjectDetection"

    def __init__(self, network: Any, pixels: Any, tokenizer: Any, placement: Placement) -> None:
        self._network, self._pixels, self._tokenizer, self.placement = network, pixels, tokenizer, placement

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network, pixels, tokenizer = read_checkpoint(
            cls.card, folder, placement, cls._head, "AutoImageProcessor", "AutoTokenizer", halved=_HALVED
        )
        return cls(network, pixels, tokenizer, placement)

    def detect(self, image: Image.Image, nouns: Sequence[str], *, threshold: float) -> Regions:
        """Objects labelled with the nouns, surest first, scores of at least ``threshold`` (0 to 1)."""
        found = Regions(image.size)
        if max(image.size) > _LONGEST_STRIP * min(image.size):
            return found
        seen = self._see(image)
        for group in self._groups(nouns):
            text, spans = prompt(group)
            words = self._tokenizer(
                text, return_offsets_mapping=True, return_tensors="pt", truncation=True, max_length=self._longest
            )
            members = token_members(spans, words.pop("offset_mapping")[0].numpy())
            boxes, scores = self._ask(seen, text, words)
            scores = scores[:, : members.shape[1]]
            found = found.merge(grounded(image.size, boxes, scores, group, members, threshold))
        return found.nms(_SAME_OBJECT)

    def _see(self, image: Image.Image) -> Any:
        """What the network is shown of a picture."""
        return self._pixels(images=image.convert("RGB"), return_tensors="pt").to(self.placement.device)

    def _ask(self, seen: Any, text: str, words: Any) -> tuple[FloatArray, FloatArray]:
        """Boxes ``(queries, 4)`` as shares of the picture, and their scores for each token, ``(queries, tokens)``."""
        import torch

        with torch.inference_mode():
            out = self._network(**seen, **words.to(self.placement.device))
        return out.pred_boxes[0].float().cpu().numpy(), out.logits[0].float().sigmoid().cpu().numpy()

    @property
    def _longest(self) -> int:
        return int(self._network.config.max_text_len)

    def _groups(self, nouns: Sequence[str]) -> Iterator[list[str]]:
        """The nouns, each once, in groups that fit into one text."""
        group, length = list[str](), 2  # [CLS] and [SEP]
        for noun in dict.fromkeys(nouns):
            more = len(self._tokenizer(_clean(noun), add_special_tokens=False)["input_ids"]) + 1  # the full stop
            if group and length + more > self._longest:
                yield group
                group, length = [], 2
            group.append(noun)
            length += more
        if group:
            yield group


def prompt(nouns: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text that asks for the nouns, ``dog. lemon.``, and from which to which character each stands in it."""
    text, spans = "", list[tuple[int, int]]()
    for noun in nouns:
        text += " " if text else ""
        spans.append((len(text), len(text) + len(_clean(noun))))
        text += _clean(noun) + "."
    return text, spans


def token_members(spans: Sequence[tuple[int, int]], offsets: npt.NDArray[np.int64]) -> BoolArray:
    """Which tokens are part of which noun, bool ``(nouns, tokens)``, from the characters that each token covers.

    Args:
        spans: First and past-the-last character of each noun.
        offsets: The same of each token, ``(tokens, 2)``; special tokens cover none.
    """
    starts, ends = offsets[:, 0], offsets[:, 1]
    return np.array([(starts >= first) & (ends <= last) & (starts < ends) for first, last in spans], np.bool_)


def grounded(
    size: tuple[int, int],
    boxes: FloatArray,
    scores: FloatArray,
    nouns: Sequence[str],
    members: BoolArray,
    threshold: float,
) -> Regions:
    """Regions from the network's answer.

    Args:
        size: ``(width, height)`` of the picture.
        boxes: ``(queries, 4)``: centre x and y, width, height, as shares of the picture.
        scores: Of each box for each token, 0 to 1, ``(queries, tokens)``.
        nouns: What was asked for.
        members: Which tokens are part of which noun, ``(nouns, tokens)``.
        threshold: Least score of a box; a token below 0.25 never counts as seen.
    """
    best = np.max(scores[:, None, :] * members[None], axis=2)  # (queries, nouns)
    mean = scores @ members.T / np.maximum(members.sum(axis=1), 1)
    named = np.where((best >= threshold) & (best > _TEXT_THRESHOLD), mean, -1)
    queries, noun = np.flatnonzero(named.max(axis=1) >= 0), named.argmax(axis=1)
    middle, half = boxes[queries, :2], boxes[queries, 2:] / 2
    corners = np.concatenate([middle - half, middle + half], axis=1) * np.array([*size, *size], np.float32)
    return Regions.clipped(size, corners, [nouns[n] for n in noun[queries]], best[queries, noun[queries]])


def _clean(noun: str) -> str:
    """Lower case, and without the characters that end a phrase for the network."""
    return " ".join(re.sub(r"[.?]", " ", noun.lower()).split())
