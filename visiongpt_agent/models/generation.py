"""How the networks that write about pictures write: greedily, one token after the other."""

from __future__ import annotations

from typing import Any

from visiongpt_agent.models.base import Placement


def write_tokens(network: Any, inputs: Any, placement: Placement, *, longest: int, **settings: Any) -> Any:
    """What ``generate`` of a network returns, decoded greedily.

    Args:
        network: A network of ``transformers`` that generates.
        inputs: What its processor made of a picture and a prompt.
        placement: Where the network is; pixels are cast to its dtype.
        longest: The most tokens to write.
        settings: What else ``generate`` takes.
    """
    import torch

    placed = inputs.to(placement.device)
    placed["pixel_values"] = placed["pixel_values"].to(getattr(torch, placement.dtype))
    with torch.inference_mode():
        return network.generate(**placed, max_new_tokens=longest, num_beams=1, do_sample=False, **settings)
