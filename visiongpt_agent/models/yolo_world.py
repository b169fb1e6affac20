"""YOLO-World in the checkpoint of Ultralytics: finds what words name, fast.

Cheng et al., *YOLO-World: Real-Time Open-Vocabulary Object Detection* (CVPR 2024),
https://github.com/AILab-CVC/YOLO-World, as Ultralytics trained it anew. The package would fetch OpenAI's CLIP to embed
the words; here the text encoder of the same CLIP, from the hub in the format of ``transformers``, is part of the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint, unusable
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.models.yolo import YoloNetwork, detections, yolo_card
from visiongpt_agent.regions import Regions
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_CLIP: Final = "clip-vit-base-patch32"


class YoloWorld(Model):
    """YOLOv8 small with the second version of the head that compares regions with words."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolov8s-worldv2",
        "YOLO-World v2 small",
        "v8.3.0/yolov8s-worldv2.pt",
        "9b2c17ab6124a913e9b3a5c170617920d91b0f01111a8479da69f00e2cf27792",
        DETECTION_OPEN_VOCABULARY,
        size=636_000_000,
        memory=500_000_000,  # estimated: 13 million parameters and 63 million of the text encoder, and activations
        rank=20,
        parts={
            _CLIP: Hub(
                "openai/clip-vit-base-patch32",
                "c237dc49a33fc61debc9276459120b7eac67e7ef",
                networks=("",),
                listed="2026-11-30",
                verified=True,
            )
        },
    )
    threshold: float = 0.25  # as Ultralytics predicts
    portable = True

    def __init__(self, network: YoloNetwork, words: Any, tokenizer: Any) -> None:
        self._network, self._words, self._tokenizer = network, words, tokenizer

    def networks(self) -> Iterator[Any]:
        """The package's network, and the text half of CLIP."""
        yield from (self._network.network, self._words)

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network = YoloNetwork.load(cls.card, folder, placement, ("WorldDetect",))
        assert folder is not None  # or else there was no network
        clip, tokenizer = read_checkpoint(cls.card, folder / _CLIP, placement, "CLIPModel", "AutoTokenizer")
        given, wanted = clip.config.projection_dim, network.network.model[-1].cv3[0][-1].out_channels
        if given != wanted:
            raise unusable(cls.card, folder, f"{_CLIP} gives {given} numbers for a word, and it wants {wanted}")
        del clip.vision_model
        return cls(network, clip, tokenizer)

    def detect(self, image: Image.Image, nouns: Sequence[str], *, threshold: float) -> Regions:
        """Objects labelled with the nouns, surest first, scores of at least ``threshold`` (0 to 1)."""
        names = tuple(dict.fromkeys(nouns))
        answer = self._network.look(image, self._embed(names))
        return detections(image.size, answer, names, threshold)

    def _embed(self, names: Sequence[str]) -> Any:
        """The words as CLIP has them: float32 ``(1, N, C)``, of unit length."""
        import torch

        longest = self._words.config.text_config.max_position_embeddings
        tokens = self._tokenizer(list(names), padding=True, truncation=True, max_length=longest, return_tensors="pt")
        with torch.inference_mode():
            pooled = self._words.text_model(**tokens.to(self._network.device)).pooler_output
            embedded = self._words.text_projection(pooled)
        return torch.nn.functional.normalize(embedded, dim=-1)[None]
