"""Checkpoints of segment-anything of a network smaller than any that it builds itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SIDE, WIDTH, HEADS, FILE = 256, 32, 2, "sam_vit_b_01ec64.pth"


def tiny_sam(checkpoint: None = None) -> Any:
    """A network of the package's own parts, smaller than any that it builds itself."""
    from functools import partial

    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    grid = SIDE // 16
    encoder = ImageEncoderViT(
        img_size=SIDE,
        embed_dim=16,
        depth=2,
        num_heads=HEADS,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        global_attn_indexes=(1,),
        window_size=4,
        out_chans=WIDTH,
    )
    prompts = PromptEncoder(WIDTH, (grid, grid), (SIDE, SIDE), mask_in_chans=16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=WIDTH, num_heads=HEADS, mlp_dim=32)
    decoder = MaskDecoder(transformer_dim=WIDTH, transformer=transformer, iou_head_hidden_dim=16)
    return Sam(encoder, prompts, decoder)


@contextmanager
def small_builder(kind: str = "vit_b") -> Iterator[None]:
    """The package builds the tiny network where it would build the real one."""
    from segment_anything import sam_model_registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sam_model_registry, kind, tiny_sam)
        yield


def tiny_checkpoint(folder: Path, file: str = FILE) -> Path:
    """The tiny network's weights in a file as the package's authors publish theirs; returns the folder."""
    import torch

    torch.manual_seed(0)
    network = tiny_sam()
    with torch.no_grad():  # the standard initialisation is so small that pictures would not matter
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    torch.save(network.state_dict(), folder / file)
    return folder
