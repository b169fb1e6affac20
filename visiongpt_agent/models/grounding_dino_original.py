"""Grounding DINO in the checkpoints that its authors publish, through their own package.

Liu et al., *Grounding DINO: Marrying DINO with Grounded Pre-Training for Open-Set Object Detection* (ECCV 2024),
https://github.com/IDEA-Research/GroundingDINO. The package, groundingdino-py 0.4.0, is older than transformers 5: its
wrapper of BERT calls what is no longer there, and :func:`text_encoder` stands in for it.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from visiongpt_agent.models.base import ModelCard, Placement
from visiongpt_agent.models.checkpoints import fill, read_tensors, unusable
from visiongpt_agent.models.grounding_dino import GroundingDino
from visiongpt_agent.models.jobs import DETECTION_OPEN_VOCABULARY
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Download, Hub

if TYPE_CHECKING:
    from PIL import Image

_SOURCE: Final = "https://github.com/IDEA-Research/GroundingDINO/releases/download"
_BERT: Final = "bert-base-uncased"
_SHORTEST: Final = 800
_LONGEST: Final = 1333
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)
_UNUSED: Final = frozenset({"label_enc.weight", "bert.embeddings.position_ids"})
"""In the published files, for training or of an older BERT; the network that infers has no place for them."""

_patching = threading.Lock()


def _card(name: str, title: str, file: str, sha256: str, *, size: int, memory: int, rank: int) -> ModelCard:
    words = {"config.json": "", "tokenizer.json": "", "tokenizer_config.json": "", "vocab.txt": ""}
    bert = Hub(
        "google-bert/bert-base-uncased",
        "86b5e0934494bd15c9632b12f734a8a67f723594",
        words,
        listed="2026-11-30",
        verified=True,
    )
    return ModelCard(
        name=name,
        title=title,
        jobs=(DETECTION_OPEN_VOCABULARY,),
        licence="Apache-2.0",
        homepage="https://github.com/IDEA-Research/GroundingDINO",
        memory=memory,
        rank=rank,
        source=Download({Path(file).name: (f"{_SOURCE}/{file}", sha256)}, size=size, parts={_BERT: bert}),
        modules=("groundingdino", "torchvision"),
        extra="paper",
        devices=("cuda", "cpu"),
    )


class GroundingDinoSwinT(GroundingDino):
    """The network on Swin-T, trained on Objects365, GoldG and Cap4M."""

    card: ClassVar[ModelCard] = _card(
        "groundingdino-swint-ogc",
        "Grounding DINO Swin-T OGC, original",
        "v0.1.0-alpha/groundingdino_swint_ogc.pth",
        "3b3ca2563c77c69f651d7bd133e97139c186df06231157a64c507099c52bc799",
        size=695_000_000,
        memory=2_600_000_000,  # 173 million parameters in float32; with activations, measured on random weights
        rank=2,
    )
    _configuration: ClassVar[str] = "groundingdino.config.GroundingDINO_SwinT_OGC"
    """The module of the package that says how the network is built."""

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        from transformers import AutoTokenizer, BertConfig, BertModel

        assert isinstance(cls.card.source, Download)
        (file,) = cls.card.source.files
        held = read_tensors(cls.card, folder, file).get("model")
        if folder is None or not isinstance(held, dict):
            raise unusable(cls.card, folder, f"{file} has no weights under the key model")
        try:
            words: Any = AutoTokenizer.from_pretrained(folder / _BERT, local_files_only=True)
            bert: Any = BertModel(BertConfig.from_pretrained(folder / _BERT, local_files_only=True))
        except (OSError, ValueError) as error:
            raise unusable(cls.card, folder, error) from error
        network = _build(cls._configuration, words, bert)
        named = {name.removeprefix("module."): weight for name, weight in held.items()}
        fill(cls.card, folder, network, {name: weight for name, weight in named.items() if name not in _UNUSED})
        return cls(network.to(placement.device).eval(), None, words, placement)

    @property
    def _longest(self) -> int:
        return int(self._network.max_text_len)

    def _see(self, image: Image.Image) -> Any:
        """The picture as the network takes it: float32 ``(1, 3, h, w)``."""
        from groundingdino.datasets import transforms

        prepare = transforms.Compose(
            [
                transforms.RandomResize([_SHORTEST], max_size=_LONGEST),  # a choice of one
                transforms.ToTensor(),
                transforms.Normalize(_MEAN, _STD),
            ]
        )
        pixels, _ = prepare(image.convert("RGB"), None)
        return pixels[None].to(self.placement.device)

    def _ask(self, seen: Any, text: str, words: Any) -> tuple[FloatArray, FloatArray]:
        """As the base class; the network turns the text into tokens itself, by the same tokenizer."""
        import torch

        with torch.inference_mode(), _quiet():
            out = self._network(seen, captions=[text])
        return out["pred_boxes"][0].float().cpu().numpy(), out["pred_logits"][0].float().sigmoid().cpu().numpy()


class GroundingDinoSwinB(GroundingDinoSwinT):
    """The network on Swin-B, trained on COCO, OpenImages, RefCOCO and others as well."""

    card: ClassVar[ModelCard] = _card(
        "groundingdino-swinb-cogcoor",
        "Grounding DINO Swin-B COGCOOR, original",
        "v0.1.0-alpha2/groundingdino_swinb_cogcoor.pth",
        "46270f7a822e6906b655b729c90613e48929d0f2bb8b9b76fd10a856f3ac6ab7",
        size=939_000_000,
        memory=2_900_000_000,  # 233 million parameters, as above
        rank=1,
    )
    _configuration: ClassVar[str] = "groundingdino.config.GroundingDINO_SwinB_cfg"


@cache
def text_encoder() -> type[Any]:
    """A ``torch.nn.Module`` made of the parts of a ``BertModel`` (keyword ``bert_model``), under the same names.

    It takes ``input_ids``, ``token_type_ids`` and ``position_ids``, all ``(N, T)``, and an ``attention_mask`` that is
    true where a token sees another, ``(N, T, T)``, or where a token is seen by all, ``(N, T)``; it returns a dict with
    ``last_hidden_state``, float ``(N, T, C)``.
    """
    import torch

    class TextEncoder(torch.nn.Module):
        def __init__(self, bert_model: Any) -> None:
            super().__init__()
            self.config = bert_model.config
            self.embeddings = bert_model.embeddings
            self.encoder = bert_model.encoder
            self.pooler = bert_model.pooler

        def forward(self, *, attention_mask: Any, **words: Any) -> dict[str, Any]:
            hidden = self.embeddings(**words)
            sees = attention_mask.bool()
            sees = sees[:, None] if sees.dim() == 3 else sees[:, None, None]  # the same for all heads
            bias = torch.zeros(sees.shape, dtype=hidden.dtype, device=hidden.device)
            bias = bias.masked_fill(~sees, torch.finfo(hidden.dtype).min)
            return {"last_hidden_state": self.encoder(hidden, attention_mask=bias)[0]}

    return TextEncoder


def _build(configuration: str, words: Any, bert: Any) -> Any:
    """The network with random weights, around a tokenizer and a ``BertModel``."""
    with _patching, _quiet():
        package = importlib.import_module("groundingdino.models")
        defaults = vars(importlib.import_module(configuration))
        # Gradient checkpoints change nothing but the speed, and that only of training.
        options = {**defaults, "use_checkpoint": False, "use_transformer_ckpt": False}
        with _given_words(words, bert):
            return package.build_model(SimpleNamespace(**options))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings of torch and timm for what the package uses that will go."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _given_words(words: Any, bert: Any) -> Iterator[None]:
    """Have the package take a tokenizer and a BERT instead of loading them, and wrap the BERT as it now is."""
    loader: Any = importlib.import_module("groundingdino.util.get_tokenlizer")
    network: Any = importlib.import_module("groundingdino.models.GroundingDINO.groundingdino")
    before = loader.get_tokenlizer, loader.get_pretrained_language_model, network.BertModelWarper
    loader.get_tokenlizer = lambda _: words
    loader.get_pretrained_language_model = lambda _: bert
    network.BertModelWarper = text_encoder()
    try:
        yield
    finally:
        loader.get_tokenlizer, loader.get_pretrained_language_model, network.BertModelWarper = before
