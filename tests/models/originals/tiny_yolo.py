"""Checkpoints of Ultralytics as its trainer writes them, of networks so narrow that they run in milliseconds."""

from __future__ import annotations

import copy
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.models.yolo import _package

SIDE = 160
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def plan_of(name: str) -> Any:
    """A network of the real size by a plan of the package, with random weights."""
    with _package() as tasks:
        return _kind(tasks, name)(name, verbose=False)


def tiny_network(plan: str, names: tuple[str, ...] = COCO) -> Any:
    """A network by a plan of the package (``yolo11n.yaml``), at an eighth of the width, with weights that matter."""
    import torch

    with _package() as tasks:
        cfg = tasks.yaml_model_load(plan)
        cfg["scales"] = {key: [0.33, 0.125, 256] for key in cfg["scales"]}
        torch.manual_seed(0)
        network = _kind(tasks, plan)(cfg, nc=len(names), verbose=False)
    with (
        torch.no_grad()
    ):  # the standard initialisation is so small, and so sure of nothing, that pictures do not matter
        for name, weight in network.named_parameters():
            if weight.dim() > 1:
                weight.mul_(0.3 if name.endswith(".2.weight") and "cv3." in name else 3.0)
            elif name.endswith(".2.bias") and "cv3." in name:
                weight.copy_(torch.randn_like(weight) - 2)
            elif "cv4." in name and "world" in plan:  # what a likeness with a word is multiplied by, and what is added
                weight.fill_({"logit_scale": -6.0, "bias": -1.0}.get(name.rsplit(".", 1)[1], 1.0))
            elif name.endswith(".2.bias") and "cv2." in name and len(weight) == 64:  # sides of a stride or two
                weight.copy_(-torch.arange(16).repeat(4) / 2)
    network.names = dict(enumerate(names))
    return network.eval()


def tiny_checkpoint(path: Path, plan: str, names: tuple[str, ...] = COCO, **changes: Any) -> Path:
    """Such a network in a file, with what else a trainer leaves there."""
    import torch
    from ultralytics.utils import IterableSimpleNamespace

    network = tiny_network(plan, names)
    network.args = IterableSimpleNamespace(imgsz=SIDE)
    network.pt_path = Path("runs/best.pt")
    held = {
        "epoch": -1,
        "best_fitness": np.float64(0.5),
        "model": copy.deepcopy(network).half(),
        "ema": None,
        "optimizer": None,
        "train_args": {"imgsz": SIDE, "task": "pose" if "pose" in plan else "detect", "project": None},
        "date": datetime(2026, 1, 1).isoformat(),
        "version": "8.4.190",
    }
    torch.save({**held, **changes}, path)
    return path


def tiny_world(folder: Path) -> Path:
    """YOLO-World beside the CLIP that reads its words; returns the folder."""
    tiny_clip(folder / "clip-vit-base-patch32", 512)
    tiny_checkpoint(folder / "yolov8s-worldv2.pt", "yolov8s-worldv2.yaml")
    return folder


def tiny_clip(folder: Path, width: int) -> None:
    import torch
    import transformers

    folder.mkdir(parents=True)
    pieces = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer.from_pretrained(folder).save_pretrained(folder)
    layers = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    config = transformers.CLIPConfig(
        text_config={**layers, **ends, "vocab_size": len(pieces), "max_position_embeddings": 32},
        vision_config={**layers, "image_size": 32, "patch_size": 16},
        projection_dim=width,
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(folder)


def _kind(tasks: Any, plan: str) -> Any:
    return tasks.PoseModel if "pose" in plan else tasks.WorldModel if "world" in plan else tasks.DetectionModel
