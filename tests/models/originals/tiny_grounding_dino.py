"""Checkpoints of Grounding DINO as its authors publish them, of a network of two layers on a narrow Swin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from visiongpt_agent.models.grounding_dino_original import GroundingDinoSwinT

FILE = "groundingdino_swint_ogc.pth"
WORDS = ["dog", "lemon", "red", "blue", "car", "cup", "hot", "st", "bernard", "##s", "le", "##on"]
SIZES = {"enc_layers": 2, "dec_layers": 2, "dim_feedforward": 16, "num_queries": 20, "enc_n_points": 2}


@contextmanager
def small_network(configuration: str = "groundingdino.config.GroundingDINO_SwinT_OGC") -> Iterator[None]:
    """The package builds a network of two layers on a narrow Swin where it would build the real one."""
    import importlib
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of timm, for how the package imports it
        backbone: Any = importlib.import_module("groundingdino.models.GroundingDINO.backbone.backbone")
    sizes = importlib.import_module(configuration)
    swin = importlib.import_module("groundingdino.models.GroundingDINO.backbone.swin_transformer").SwinTransformer

    def narrow(_: str, **options: Any) -> Any:
        return swin(embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbone, "build_swin_transformer", narrow)
        for name, value in SIZES.items():
            patch.setattr(sizes, name, value)
        patch.setattr("visiongpt_agent.models.grounding_dino_original._SHORTEST", 96)
        patch.setattr("visiongpt_agent.models.grounding_dino_original._LONGEST", 192)
        yield


def tiny_checkpoint(folder: Path, kind: type[GroundingDinoSwinT] = GroundingDinoSwinT, file: str = FILE) -> Path:
    """The small network's weights as its authors publish theirs, beside its text encoder's; returns the folder."""
    import torch
    import transformers

    from visiongpt_agent.models import grounding_dino_original as module

    words = folder / "bert-base-uncased"
    words.mkdir()
    vocabulary = [f"[unused{i}]" for i in range(1030)]
    vocabulary[0], vocabulary[100], vocabulary[101], vocabulary[102] = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
    vocabulary[103], vocabulary[1012], vocabulary[1029] = "[MASK]", ".", "?"
    vocabulary[200 : 200 + len(WORDS)] = WORDS
    (words / "vocab.txt").write_text("\n".join(vocabulary))
    tokenizer = transformers.BertTokenizer(vocab=str(words / "vocab.txt"))
    tokenizer.save_pretrained(words)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2
    )
    config.save_pretrained(words)
    torch.manual_seed(0)
    network = module._build(kind._configuration, tokenizer, transformers.BertModel(config))
    with torch.no_grad():  # the last layer of boxes starts at zero: all boxes would be where they are proposed
        for weight in network.bbox_embed.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    weights = {f"module.{name}": weight for name, weight in network.state_dict().items()}
    weights["module.label_enc.weight"] = torch.zeros(2001, 256)  # as in the published file
    weights["module.bert.embeddings.position_ids"] = torch.arange(512)[None]
    torch.save({"model": weights}, folder / file)
    return folder
