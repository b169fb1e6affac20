"""YOLO v8, 11 and 26 in the checkpoints of Ultralytics: finds the objects of a fixed list of classes.

Jocher et al., *Ultralytics YOLO*, https://github.com/ultralytics/ultralytics, AGPL-3.0, which also covers the package
that runs them. A ``.pt`` of theirs is a pickle of a whole network. None of the classes that it names is ever made:
:func:`read_yolo` takes from it tensors, the plan of the network and plain values, and the network is built anew.
"""

from __future__ import annotations

import math
import os
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

import numpy as np

from visiongpt_agent.models.base import Model, ModelCard, Placement
from visiongpt_agent.models.checkpoints import fill, unusable
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import Download, Hub

if TYPE_CHECKING:
    from PIL import Image

HOMEPAGE: Final = "https://github.com/ultralytics/ultralytics"
NOTICE: Final = (
    "Ultralytics YOLO, weights and package, is under AGPL-3.0: whoever offers a service with it must give its users "
    "the source of all of it, or buy a licence of Ultralytics."
)
_SOURCE: Final = "https://github.com/ultralytics/assets/releases/download"
_SIDE: Final = 640
_GREY: Final = 114
_SAME_OBJECT: Final = 0.7
_CANDIDATES: Final = 1000
"""Boxes that are compared with each other at most, the surest."""
_ACTIVATION: Final = re.compile(r"(torch\.)?nn\.\w+\((inplace=(True|False))?\)")
_FETCHING_LAYERS: Final = frozenset({"TorchVision"})
"""Layers of the package that download weights of their own."""

_reading = threading.Lock()


def yolo_card(
    name: str,
    title: str,
    file: str,
    sha256: str,
    job: str,
    *,
    size: int,
    memory: int,
    rank: int,
    parts: Mapping[str, Hub] | None = None,
) -> ModelCard:
    """The card of a checkpoint that Ultralytics publishes as ``release/file``."""
    return ModelCard(
        name=name,
        title=title,
        jobs=(job,),
        licence="AGPL-3.0",
        homepage=HOMEPAGE,
        memory=memory,
        rank=rank,
        source=Download({Path(file).name: (f"{_SOURCE}/{file}", sha256)}, size=size, parts=parts or {}),
        modules=("ultralytics", "torchvision"),
        extra="yolo",
        notice=NOTICE,
        devices=("cuda", "cpu"),
    )


class Yolo(Model):
    """YOLO11 medium."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolo11m",
        "YOLO11 medium",
        "v8.3.0/yolo11m.pt",
        "d5ffc1a674953a08e11a8d21e022781b1b23a19b730afc309290bd9fb5305b95",
        DETECTION_CLOSED,
        size=40_700_000,
        memory=390_000_000,  # 20 million parameters in float32; with activations, measured on random weights
        rank=11,
    )
    threshold: float = 0.25  # as Ultralytics predicts
    portable = True

    def __init__(self, network: YoloNetwork) -> None:
        self._network = network
        self.classes = network.names

    def networks(self) -> Iterator[Any]:
        """The package's network."""
        yield self._network.network

    @classmethod
    def load(cls, folder: Path | None, placement: Placement) -> Self:
        network = YoloNetwork.load(cls.card, folder, placement, ("Detect", "v10Detect"))
        known = network.network.model[-1].nc
        if known != len(network.names):
            raise unusable(cls.card, folder, f"it knows {known} classes and has {len(network.names)} names")
        return cls(network)

    def detect(self, image: Image.Image, *, threshold: float) -> Regions:
        """All objects with a score of at least ``threshold`` (0 to 1), surest first, labelled with ``classes``."""
        return detections(image.size, self._network.look(image), self.classes, threshold)


class Yolo11Nano(Yolo):
    """YOLO11 nano."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolo11n",
        "YOLO11 nano",
        "v8.3.0/yolo11n.pt",
        "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1",
        DETECTION_CLOSED,
        size=5_600_000,
        memory=120_000_000,  # 2.6 million parameters, as above
        rank=14,
    )


class Yolo26Medium(Yolo):
    """YOLO26 medium."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolo26m",
        "YOLO26 medium",
        "v8.4.0/yolo26m.pt",
        "401cea9ab23ad19246ff7744859816bc599f350e93c9dd30367b6f0a0745d0b7",
        DETECTION_CLOSED,
        size=44_000_000,
        memory=440_000_000,  # 22 million parameters, as above
        rank=10,
    )


class Yolo26Nano(Yolo):
    """YOLO26 nano."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolo26n",
        "YOLO26 nano",
        "v8.4.0/yolo26n.pt",
        "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
        DETECTION_CLOSED,
        size=5_500_000,
        memory=130_000_000,  # 2.6 million parameters, as above
        rank=13,
    )


class YoloV8Small(Yolo):
    """YOLOv8 small."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolov8s",
        "YOLOv8 small",
        "v8.3.0/yolov8s.pt",
        "1f47a78bf100391c2a140b7ac73a1caae18c32779be7d310658112f7ac9aa78a",
        DETECTION_CLOSED,
        size=22_600_000,
        memory=200_000_000,  # 11 million parameters, as above
        rank=12,
    )


class YoloV8Nano(Yolo):
    """YOLOv8 nano."""

    card: ClassVar[ModelCard] = yolo_card(
        "yolov8n",
        "YOLOv8 nano",
        "v8.3.0/yolov8n.pt",
        "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36",
        DETECTION_CLOSED,
        size=6_549_796,
        memory=120_000_000,  # 3.2 million parameters, as above
        rank=15,
    )


@dataclass(frozen=True)
class Answer:
    """What a network says of a picture, one row a box.

    Attributes:
        boxes: float32 ``(N, 4)``, ``xyxy`` in pixels of the picture.
        scores: float32 ``(N, classes)`` from 0 to 1.
        points: float32 ``(N, joints, 3)``: x and y in pixels of the picture and a score from 0 to 1; a network without
            joints has 0 of them.
    """

    boxes: FloatArray
    scores: FloatArray
    points: FloatArray


@dataclass(frozen=True)
class Letterbox:
    """Where a picture lies in the network's input: factors across and down, and its left and upper edge in pixels."""

    factors: tuple[float, float]
    corner: tuple[int, int]

    def to_picture(self, places: FloatArray) -> FloatArray:
        """Pixels of the input, ``(..., 2)`` with x before y, as pixels of the picture."""
        return np.asarray((places - np.array(self.corner)) / np.array(self.factors), np.float32)


@dataclass(frozen=True)
class YoloNetwork:
    """A network of Ultralytics, ready to infer.

    Attributes:
        network: A ``DetectionModel``, ``PoseModel`` or ``WorldModel`` of the package.
        names: The classes.
        side: Of the square that a picture is scaled to fit into, in pixels.
    """

    network: Any
    names: tuple[str, ...]
    side: int
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    """The package's layers keep the grid of the last input, so that two threads must not run them at once."""

    @classmethod
    def load(cls, card: ModelCard, folder: Path | None, placement: Placement, heads: tuple[str, ...]) -> Self:
        """Build the network that a card's checkpoint describes and fill it with its weights.

        Args:
            card: Its source names the file.
            folder: Where the file is.
            placement: Device and dtype.
            heads: Layers of the package that the last one must be among.

        Raises:
            WeightsError: If the file is not there, is no such checkpoint, or its last layer is another.
        """
        assert isinstance(card.source, Download)
        (file,) = card.source.files
        held = read_yolo(card, folder, file)
        kinds = {"Pose": "PoseModel", "Pose26": "PoseModel", "WorldDetect": "WorldModel"}
        if held.head not in heads:
            raise unusable(card, folder, f"{file} is of another kind, it ends in {held.head}")
        with _package() as tasks:
            check_plan(card, folder, held.plan, tasks)
            try:
                network = getattr(tasks, kinds.get(held.head, "DetectionModel"))(cfg=held.plan, verbose=False)
            except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError, RuntimeError) as error:
                raise unusable(card, folder, f"{file} describes no network: {error}") from error
        fill(card, folder, network, held.weights)
        network.end2end = False  # of two heads the one that the package predicts with, if nothing else is asked for
        stride = int(max(network.stride))
        return cls(network.to(placement.device).eval(), held.names, math.ceil(held.side / stride) * stride)

    @property
    def device(self) -> Any:
        """Where its weights are, a ``torch.device``."""
        return next(self.network.parameters()).device

    def look(self, image: Image.Image, words: Any = None) -> Answer:
        """What it sees in a picture; a network of open vocabulary looks for ``words``, float ``(1, N, C)``."""
        import torch

        head = self.network.model[-1]
        canvas, frame = letterbox(image, self.side, int(max(self.network.stride)))
        pixels = torch.from_numpy(canvas).to(self.device).permute(2, 0, 1)[None].float() / 255
        with self._turn, torch.inference_mode():
            if words is None:
                out, _ = self.network(pixels)
            else:
                head.nc = words.shape[1]
                out, _ = self.network(pixels, txt_feats=words)
            rows = out[0].float().cpu().numpy()
            classes = int(head.nc)
        boxes, scores, rest = columns(rows, classes)
        points = rest.reshape(len(rest), -1, 3) if rest.size else np.zeros((len(boxes), 0, 3), np.float32)
        points = np.concatenate([frame.to_picture(points[..., :2]), points[..., 2:]], axis=-1)
        return Answer(frame.to_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4), scores, points)


@dataclass(frozen=True)
class YoloFile:
    """What a checkpoint holds: the plan, its last layer, the weights by name, the classes, the side of the input."""

    plan: dict[str, Any]
    head: str
    weights: dict[str, Any]
    names: tuple[str, ...]
    side: int


class Inert:
    """Stands for whatever a pickle names; takes any arguments and state, and does nothing with them."""

    def __new__(cls, *_: object, **__: object) -> Self:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def read_yolo(card: ModelCard, folder: Path | None, file: str) -> YoloFile:
    """Read a checkpoint of Ultralytics without making any object that it names, and hence without running its code.

    Raises:
        WeightsError: If it is not there, is none, or names what could only be there to do harm.
    """
    import torch

    try:
        if folder is None:
            raise OSError("no folder was given")
        with _all_inert(folder / file):
            held = torch.load(folder / file, map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file raises almost anything
        raise unusable(card, folder, error) from error
    try:
        return _taken(held)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise unusable(card, folder, f"{file} holds no network of Ultralytics") from error


@contextmanager
def _all_inert(path: Path) -> Iterator[None]:
    """Whatever a checkpoint names, torch takes for :class:`Inert`, also what somebody has told it to trust."""
    from torch import serialization

    with _reading:
        trusted = serialization.get_safe_globals()
        serialization.clear_safe_globals()
        try:
            named = serialization.get_unsafe_globals_in_checkpoint(path)
            serialization.add_safe_globals([(Inert, name) for name in named])
            yield
        finally:
            added = [
                one for one in serialization.get_safe_globals() if not (isinstance(one, tuple) and one[0] is Inert)
            ]
            serialization.clear_safe_globals()
            serialization.add_safe_globals([*trusted, *added])


def _taken(held: Any) -> YoloFile:
    (network, *_) = [held[key] for key in ("ema", "model") if isinstance(held.get(key), Inert)]
    trained = held.get("train_args")
    side = trained.get("imgsz") if isinstance(trained, dict) else None
    names = network.names
    return YoloFile(
        dict(network.yaml),
        str(network.yaml["head"][-1][2]),
        dict(_weights(network)),
        tuple(str(names[number]) for number in sorted(names)),
        side if isinstance(side, int) and 32 <= side <= 4096 else _SIDE,
    )


def check_plan(card: ModelCard, folder: Path | None, plan: Mapping[str, Any], tasks: Any) -> None:
    """Refuse a plan that names anything but layers: the package calls what it names, and evaluates the activation.

    Raises:
        WeightsError: If it does.
    """
    import torch

    activation = plan.get("activation")
    if activation and not (isinstance(activation, str) and _ACTIVATION.fullmatch(activation)):
        raise unusable(card, folder, f"its plan has the activation {activation!r}")
    for layer in [*plan.get("backbone", ()), *plan["head"]]:
        name = layer[2] if isinstance(layer, list) and len(layer) == 4 else layer
        known = None
        if isinstance(name, str) and name not in _FETCHING_LAYERS:
            place, short = (torch.nn, name[3:]) if name.startswith("nn.") else (tasks, name)
            known = getattr(place, short, None)
        if not (isinstance(known, type) and issubclass(known, torch.nn.Module)) or issubclass(known, tasks.BaseModel):
            raise unusable(card, folder, f"its plan has {name!r}, which is no layer")


def letterbox(image: Image.Image, side: int, stride: int) -> tuple[Any, Letterbox]:
    """A picture as the networks were trained on: scaled to fit, grey bars up to a multiple of the stride.

    Returns:
        uint8 ``(h, w, 3)``, RGB, and where the picture lies in it.
    """
    import cv2

    size = np.array(image.size)
    inner = np.maximum(1, np.round(size * (side / max(image.size)))).astype(int)
    outer = -(-inner // stride) * stride
    (left, top), (width, height) = (outer - inner) // 2, inner
    canvas = np.full((outer[1], outer[0], 3), _GREY, np.uint8)
    pixels = np.asarray(image.convert("RGB"))
    canvas[top : top + height, left : left + width] = cv2.resize(
        pixels, (width, height), interpolation=cv2.INTER_LINEAR
    )
    across, down = inner / size
    return canvas, Letterbox((float(across), float(down)), (int(left), int(top)))


def columns(rows: FloatArray, classes: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Boxes ``xyxy``, scores and the rest from ``(4 + classes + rest, N)``, whose boxes are centre and size."""
    turned = rows.T
    middle, half = turned[:, :2], turned[:, 2:4] / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    return boxes, turned[:, 4 : 4 + classes], turned[:, 4 + classes :]


def detections(size: tuple[int, int], answer: Answer, names: tuple[str, ...], threshold: float) -> Regions:
    """Regions from an answer, surest first: each box with its best class, and one box for each object.

    Args:
        size: ``(width, height)`` of the picture.
        answer: The network's.
        names: Of its classes.
        threshold: Least score.
    """
    from torch import from_numpy
    from torchvision.ops import batched_nms

    best, kind = answer.scores.max(axis=1), answer.scores.argmax(axis=1)
    order = np.argsort(-best, kind="stable")[:_CANDIDATES]
    order = order[best[order] >= threshold]
    # Before the boxes are clipped, as the networks are evaluated.
    parts = (from_numpy(np.ascontiguousarray(part[order])) for part in (answer.boxes, best, kind))
    order = order[batched_nms(*parts, _SAME_OBJECT).numpy()]
    return Regions.clipped(size, answer.boxes[order], [names[number] for number in kind[order]], best[order])


def _weights(network: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The parameters and buffers of what a pickled ``torch.nn.Module`` has become, by name."""
    kept = vars(network)
    temporary = kept.get("_non_persistent_buffers_set", ())
    for name, value in {**kept.get("_parameters", {}), **kept.get("_buffers", {})}.items():
        if value is not None and name not in temporary:
            yield prefix + name, value
    for name, child in kept.get("_modules", {}).items():
        if isinstance(child, Inert):
            yield from _weights(child, f"{prefix}{name}.")


@contextmanager
def _package() -> Iterator[Any]:
    """The package's module of networks, imported so that it asks no network, installs and reports nothing.

    What its import changes for everybody else in the process is put back.
    """
    with _reading:
        if "ultralytics" not in sys.modules:
            import cv2

            threads, printing = cv2.getNumThreads(), np.get_printoptions()
            workers = os.environ.get("OMP_NUM_THREADS")
            os.environ.setdefault("YOLO_OFFLINE", "true")
            os.environ.setdefault("YOLO_AUTOINSTALL", "false")
            os.environ.setdefault("YOLO_VERBOSE", "false")
            os.environ.setdefault("YOLO_CONFIG_DIR", str(Settings.load().home))
            os.environ.setdefault("ULTRALYTICS_SAFE_LOAD", "true")
            from ultralytics.utils import SETTINGS

            SETTINGS.update({"sync": False})
            cv2.setNumThreads(threads)
            np.set_printoptions(**printing)
            if workers is None:
                os.environ.pop("OMP_NUM_THREADS", None)
        from ultralytics.nn import tasks

        yield tasks
