"""ViTPose: the joints of people who have been found already.

Xu et al., *ViTPose: Simple Vision Transformer Baselines for Human Pose Estimation* (NeurIPS 2022),
https://github.com/ViTAE-Transformer/ViTPose, in the format of ``transformers``. Crops and heat maps are aligned without
bias as by Huang et al., *The Devil is in the Details* (CVPR 2020). The repository is taken at ``main``: pinned by the
manifest at first pull.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, Self

from visiongpt_agent.models.base import ModelCard, PlacedModel, Placement
from visiongpt_agent.models.checkpoints import read_checkpoint
from visiongpt_agent.models.jobs import POSE
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.weights import Hub

if TYPE_CHECKING:
    from PIL import Image

_SIDES: Final = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)
_MARGIN: Final = 1.25
_AT_ONCE: Final = 16


class PersonCrop(NamedTuple):
    """The part of a picture that is shown to the network: centre and size in pixels."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def around(cls, box: FloatArray, aspect: float) -> PersonCrop:
        """A box ``xyxy`` with a margin, made as wide for its height as the network's input is."""
        x1, y1, x2, y2 = (float(edge) for edge in box)
        width, height = max(x2 - x1, (y2 - y1) * aspect, 1.0), max(y2 - y1, (x2 - x1) / aspect, 1.0)
        return cls((x1 + x2) / 2, (y1 + y2) / 2, width * _MARGIN, height * _MARGIN)


class VitPose(PlacedModel):
    """The base network with the simple decoder, trained on COCO."""

    card: ClassVar[ModelCard] = ModelCard(
        name="vitpose-base-simple",
        title="ViTPose base",
        jobs=(POSE,),
        licence="Apache-2.0",
        homepage="https://huggingface.co/usyd-community/vitpose-base-simple",
        memory=600_000_000,  # estimated: 86 M parameters, and as much again for sixteen crops at a time
        source=Hub("usyd-community/vitpose-base-simple", "main", networks=("",), size=344_000_000, listed="2026-11-30"),
        dtypes=("float32", "float16"),  # bfloat16 is too coarse for places between pixels
        devices=("cuda", "cpu"),
    )
    joints = ("nose", *(f"{side} {joint}" for joint in _SIDES for side in ("left", "right")))

    def __init__(self, network: Any, placement: Placement) -> None:
        self._network, self.placement = network, placement
        self._height, self._width = network.config.backbone_config.image_size

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        (network,) = read_checkpoint(cls.card, folder, placement, "VitPoseForPoseEstimation", halved=("backbone",))
        return cls(network, placement)

    def keypoints(self, image: Image.Image, boxes: FloatArray) -> FloatArray:
        """float32 ``(N, len(joints), 3)``: x and y in pixels and a score from 0 to 1, for boxes ``xyxy`` ``(N, 4)``."""
        import numpy as np
        import torch

        rgb = np.asarray(image.convert("RGB"))
        frames = [PersonCrop.around(box, self._width / self._height) for box in boxes]
        poses = [np.zeros((0, len(self.joints), 3), np.float32)]
        for start in range(0, len(frames), _AT_ONCE):
            some = frames[start : start + _AT_ONCE]
            crops = np.stack([crop(rgb, frame, self._width, self._height) for frame in some])
            with torch.inference_mode():
                batch = torch.from_numpy(crops).to(self.placement.device)
                maps = self._network(batch).heatmaps.float().cpu().numpy()
            poses.append(peaks(maps, some))
        return np.concatenate(poses)


def crop(rgb: Any, frame: PersonCrop, width: int, height: int) -> FloatArray:
    """A frame of a picture, uint8 ``(H, W, 3)``, for the network: float32 ``(3, height, width)``, normalised."""
    import cv2
    import numpy as np

    # Centres of the outermost pixels lie on the frame's edges, as those of the heat maps do.
    right, down = (width - 1) / frame.width, (height - 1) / frame.height
    matrix = np.array(
        [[right, 0, right * (frame.width / 2 - frame.x)], [0, down, down * (frame.height / 2 - frame.y)]], np.float64
    )
    cut = np.asarray(cv2.warpAffine(rgb, matrix, (width, height), flags=cv2.INTER_LINEAR), np.float32) / 255
    normalised = (cut - np.array(_MEAN, np.float32)) / np.array(_STD, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1), np.float32)


def peaks(maps: FloatArray, frames: list[PersonCrop]) -> FloatArray:
    """Where heat maps, ``(N, J, h, w)``, are highest, in pixels of the picture, and how high: float32 ``(N, J, 3)``.

    Between pixels the place is that of the parabola through the logarithms, exact for Gaussians, as by Zhang et al.,
    *Distribution-Aware Coordinate Representation* (CVPR 2020), without their cross term.
    """
    import numpy as np

    people, joints, height, width = maps.shape
    best = maps.reshape(people, joints, -1).argmax(axis=2)
    rows, columns = np.divmod(best, width)
    logs = np.pad(np.log(np.maximum(maps, 1e-3)), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    who, which = np.ogrid[:people, :joints]

    def shift(row: int, column: int) -> Any:
        before, at, after = (logs[who, which, rows + 1 + k * row, columns + 1 + k * column] for k in (-1, 0, 1))
        return np.clip((after - before) / 2 / np.maximum(2 * at - before - after, 1e-6), -0.5, 0.5)

    x, y, wide, high = (np.array([getattr(f, name) for f in frames])[:, None] for name in PersonCrop._fields)
    across = x + wide * ((columns + shift(0, 1)) / (width - 1) - 0.5)
    down = y + high * ((rows + shift(1, 0)) / (height - 1) - 0.5)
    scores = np.clip(maps.max(axis=(2, 3)), 0, 1)
    return np.stack([across, down, scores], axis=2).astype(np.float32)
