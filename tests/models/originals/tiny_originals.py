"""A tiny checkpoint of every model that runs on its authors' package, and what makes the package build it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.models.originals import tiny_grounding_dino, tiny_sam, tiny_yolo
from visiongpt_agent.models.grounding_dino_original import GroundingDinoSwinB, GroundingDinoSwinT


@dataclass(frozen=True)
class TinyOriginal:
    """How one is made and loaded.

    Attributes:
        make: Writes the checkpoint into a folder and returns the folder.
        small: Within it the package builds the tiny network where it would build the real one.
    """

    make: Callable[[Path], Path]
    small: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)


def _sam(kind: str, file: str) -> TinyOriginal:
    return TinyOriginal(lambda folder: tiny_sam.tiny_checkpoint(folder, file), lambda: tiny_sam.small_builder(kind))


def _grounding_dino(kind: type[GroundingDinoSwinT], file: str) -> TinyOriginal:
    return TinyOriginal(
        lambda folder: tiny_grounding_dino.tiny_checkpoint(folder, kind, file),
        lambda: tiny_grounding_dino.small_network(kind._configuration),
    )


def _yolo(name: str, *names: str) -> TinyOriginal:
    def make(folder: Path) -> Path:
        plan = f"{name}.yaml"
        if names:
            tiny_yolo.tiny_checkpoint(folder / f"{name}.pt", plan, names)
        else:
            tiny_yolo.tiny_checkpoint(folder / f"{name}.pt", plan)
        return folder

    return TinyOriginal(make)


ORIGINALS: Final[Mapping[str, TinyOriginal]] = {
    "groundingdino-swinb-cogcoor": _grounding_dino(GroundingDinoSwinB, "groundingdino_swinb_cogcoor.pth"),
    "groundingdino-swint-ogc": _grounding_dino(GroundingDinoSwinT, "groundingdino_swint_ogc.pth"),
    "sam-vit-b-original": _sam("vit_b", "sam_vit_b_01ec64.pth"),
    "sam-vit-h-original": _sam("vit_h", "sam_vit_h_4b8939.pth"),
    "sam-vit-l-original": _sam("vit_l", "sam_vit_l_0b3195.pth"),
    "yolo11m": _yolo("yolo11m"),
    "yolo11n": _yolo("yolo11n"),
    "yolo11n-pose": _yolo("yolo11n-pose", "person"),
    "yolo26m": _yolo("yolo26m"),
    "yolo26n": _yolo("yolo26n"),
    "yolov8n": _yolo("yolov8n"),
    "yolov8n-pose": _yolo("yolov8n-pose", "person"),
    "yolov8s": _yolo("yolov8s"),
    "yolov8s-worldv2": TinyOriginal(tiny_yolo.tiny_world),
}
"""By the card's name."""
