"""YOLO of Ultralytics on tiny random checkpoints of the real format.

What it is held against: the package's own ``YOLO(...).predict`` on the same file. The checkpoints show that the format
is read and that answers have the right shape and place, not that they are right.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.models.originals.needed import needed
from tests.models.originals.tiny_yolo import SIDE, tiny_checkpoint, tiny_network
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.language.vocabulary import COCO
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.jobs import DETECTION_CLOSED
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.yolo import Answer, Yolo, Yolo11Nano, Yolo26Nano, YoloV8Nano, detections, letterbox
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.detect_objects import detect_objects

needed("yolo", "torchvision", "ultralytics")

pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
KINDS: list[type[Yolo]] = [YoloV8Nano, Yolo11Nano, Yolo26Nano]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[type[Yolo], Path]:
    folder = tmp_path_factory.mktemp("yolo")
    for kind in KINDS:
        tiny_checkpoint(folder / f"{kind.card.name}.pt", f"{kind.card.name}.yaml")
    return dict.fromkeys(KINDS, folder)


@pytest.fixture(scope="module")
def models(folders: dict[type[Yolo], Path]) -> dict[type[Yolo], Yolo]:
    return {kind: kind.load(folder, Placement()) for kind, folder in folders.items()}


def alike(one: Regions, other: Regions) -> bool:
    return one.labels == other.labels and np.array_equal(one.boxes, other.boxes)


@pytest.mark.parametrize("kind", KINDS)
def test_detections_are_those_of_the_package(
    models: dict[type[Yolo], Yolo], folders: dict[type[Yolo], Path], photo: Photo, kind: type[Yolo]
) -> None:
    from ultralytics import YOLO

    image, model = photo("coffee"), models[kind]
    found = model.detect(image, threshold=0.0)
    assert found.size == image.size
    assert set(found.labels) <= set(model.classes) == set(COCO)
    assert found.confidence.tolist() == sorted(found.confidence, reverse=True)
    assert len(set(found.confidence.round(4))) > 5, "a network that does not look would also pass"
    assert alike(found, model.detect(image, threshold=0.0))
    assert len(model.detect(image, threshold=1.0)) == 0
    assert len(model.detect(image, threshold=float(found.confidence[4]))) == 5

    package = YOLO(folders[kind] / f"{kind.card.name}.pt")
    bgr = np.ascontiguousarray(np.asarray(image)[..., ::-1])
    (told,) = package.predict(bgr, conf=0.0001, iou=0.7, imgsz=SIDE, verbose=False, device="cpu")
    boxes, scores, numbers = (part.numpy() for part in (told.boxes.xyxy, told.boxes.conf, told.boxes.cls))
    seen = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)  # some lie in the bars
    boxes, scores, numbers = boxes[seen][:15], scores[seen][:15], numbers[seen][:15]
    assert len(boxes) == 15
    assert found.confidence[:15] == pytest.approx(scores, abs=1e-4)
    assert found.boxes[:15] == pytest.approx(boxes, abs=0.5)
    assert found.labels[:15] == tuple(COCO[int(number)] for number in numbers)


def test_the_weights_are_those_of_the_file(models: dict[type[Yolo], Yolo]) -> None:
    import torch

    for kind, model in models.items():
        network = model._network.network
        held = tiny_network(f"{kind.card.name}.yaml").half().float().state_dict()
        assert not network.training
        assert set(held) == set(network.state_dict())
        for name, weight in network.state_dict().items():
            assert torch.equal(weight, held[name]), name


def test_the_names_are_those_of_coco() -> None:
    from ultralytics.utils import ROOT, YAML

    names = YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"]
    assert tuple(names[number] for number in range(80)) == COCO


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (513, 97), (97, 513), (64, 64), (1000, 750)])
def test_a_rectangle_keeps_its_place(
    models: dict[type[Yolo], Yolo], kind: type[Yolo], size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place of the network: one that answers with the place of what is light in what it is shown."""
    import torch

    model, shown = models[kind], list[tuple[int, int]]()
    box = (size[0] // 4, size[1] // 3, size[0] * 3 // 4, size[1] - 2)
    image = Image.new("RGB", size)
    ImageDraw.Draw(image).rectangle((box[0], box[1], box[2] - 1, box[3] - 1), fill="white")

    def see(pixels: Any) -> tuple[Any, None]:
        high, wide = pixels.shape[-2:]
        shown.append((wide, high))
        assert (wide % 32, high % 32) == (0, 0)
        light = pixels[0, 0] > 0.75  # the bars are grey
        rows, across = light.any(dim=1).nonzero().ravel(), light.any(dim=0).nonzero().ravel()
        x1, x2, y1, y2 = (float(edge) for edge in (across[0], across[-1] + 1, rows[0], rows[-1] + 1))
        scores = torch.zeros(80)
        scores[16] = 0.9
        one = torch.cat([torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]), scores])
        nearly = one.clone()  # the same thing again, fainter, and something else in the same place
        nearly[20] = 0.6
        other = one.clone()
        other[[20, 21]] = torch.tensor([0.0, 0.5])
        return torch.stack([nearly, one, other], dim=1)[None], None

    monkeypatch.setattr(model._network.network, "forward", see)
    found = model.detect(image, threshold=0.3)
    assert found.labels == ("dog", "horse")
    assert found.confidence[0] == pytest.approx(0.9)
    assert max(shown[0]) == SIDE
    assert found.boxes[0] == pytest.approx(box, abs=max(1.0, max(size) / SIDE))  # a pixel of the input


def test_the_picture_is_in_the_middle_of_grey_bars() -> None:
    canvas, frame = letterbox(Image.new("RGB", (640, 440), "red"), 640, 32)
    assert canvas.shape == (448, 640, 3)
    assert (canvas[:4] == 114).all()
    assert (canvas[444:] == 114).all()
    assert (canvas[4:444] == (255, 0, 0)).all()
    assert frame.to_picture(np.array([[0, 4], [640, 444]], np.float32)).tolist() == [[0, 0], [640, 440]]


def test_the_surest_are_kept_of_very_many() -> None:
    rng = np.random.default_rng(0)
    corner = 20 * np.stack(np.divmod(np.arange(2400), 50), axis=1)  # side by side
    boxes = np.concatenate([corner, corner + 10], axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, (2400, 2)).astype(np.float32)
    answer = Answer(boxes, scores, np.zeros((2400, 0, 3), np.float32))
    found = detections((1000, 1000), answer, ("a", "b"), 0.0)
    assert found.confidence == pytest.approx(np.sort(scores.max(axis=1))[::-1][:1000])
    assert set(found.labels) == {"a", "b"}


@pytest.mark.parametrize(
    "image",
    [Image.new("L", (90, 60), 128), Image.new("RGB", (1, 1)), Image.new("RGB", (7, 5)), Image.new("P", (999, 1))],
)
def test_grey_and_tiny_pictures(models: dict[type[Yolo], Yolo], image: Image.Image) -> None:
    for model in models.values():
        assert model.detect(image, threshold=0.0).size == image.size


def test_threads_share_a_network(models: dict[type[Yolo], Yolo], photo: Photo) -> None:
    from concurrent.futures import ThreadPoolExecutor

    model = models[Yolo11Nano]
    images = [photo("coffee").resize(size) for size in ((160, 96), (96, 160), (160, 160), (64, 160))] * 3
    alone = [model.detect(image, threshold=0.0) for image in images]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda image: model.detect(image, threshold=0.0), images))
    assert all(alike(one, other) for one, other in zip(alone, together, strict=True))


def test_the_tool_over_it(
    folders: dict[type[Yolo], Path], tmp_path: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Yolo, "threshold", 0.01)  # a random network is sure of nothing
    image = photo("coffee")
    with ModelPool(Registry(Settings(home=tmp_path, weights={"yolo26n": folders[Yolo26Nano]}))) as pool:
        assert pool.name(DETECTION_CLOSED) == "yolo26n", "before the embedded detector, once it is here"
        output = detect_objects(image, models=pool)
    assert output.models == ("yolo26n",)
    assert isinstance(output.value, Regions)
    assert set(output.value.labels) <= set(COCO)


def test_ones_own_training_brings_its_own_classes_and_size(tmp_path: Path, photo: Photo) -> None:
    tiny_checkpoint(tmp_path / "yolo11n.pt", "yolo11n.yaml", ("scratch", "dent"), train_args={"imgsz": 90})
    model = Yolo11Nano.load(tmp_path, Placement())
    assert model.classes == ("scratch", "dent")
    assert model._network.side == 96
    assert set(model.detect(photo("coffee"), threshold=0.0).labels) <= {"scratch", "dent"}


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


class Command:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self.path}",)


class Evaluated:
    """Evaluates a text when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, (f"__import__('pathlib').Path({str(self.path)!r}).touch()",)


@pytest.mark.parametrize("kind", [Bomb, Command, Evaluated])
def test_a_checkpoint_runs_no_code(tmp_path: Path, kind: type[Any], photo: Photo) -> None:
    mark = tmp_path / "was-here"
    tiny_checkpoint(tmp_path / "yolo11n.pt", "yolo11n.yaml", optimizer=kind(mark))
    try:
        model = Yolo11Nano.load(tmp_path, Placement())
    except WeightsError as error:
        assert "holds more than weights" in str(error)  # noqa: PT017 - either of the two will do
    else:
        model.detect(photo("coffee"), threshold=0.0)
    assert not mark.exists()


def test_what_the_process_trusts_is_not_made_either(tmp_path: Path) -> None:
    import torch
    from ultralytics.nn import tasks

    mark = tmp_path / "was-here"
    tiny_checkpoint(tmp_path / "yolo11n.pt", "yolo11n.yaml", optimizer=Evaluated(mark))
    trusted: list[Any] = [tasks.DetectionModel, torch.nn.Conv2d, (eval, "builtins.eval")]
    with torch.serialization.safe_globals(trusted):
        before = torch.serialization.get_safe_globals()
        model = Yolo11Nano.load(tmp_path, Placement())
        assert set(torch.serialization.get_safe_globals()) == set(before)
    assert not mark.exists()
    held = tiny_network("yolo11n.yaml").half().float()
    assert torch.equal(model._network.network.model[0].conv.weight, held.model[0].conv.weight)


def planned(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    import torch

    network = tiny_network("yolo11n.yaml")
    change(network.yaml)
    torch.save({"model": network}, tmp_path / "yolo11n.pt")
    return tmp_path


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        ("torch_safe_load", "'torch_safe_load', which is no layer"),
        ("TorchVision", "'TorchVision', which is no layer"),
        ("DetectionModel", "'DetectionModel', which is no layer"),
        ("nn.init", "'nn.init', which is no layer"),
        ("torchvision.ops.MLP", "which is no layer"),
        ("nn.functional.relu", "which is no layer"),
        (["Conv"], "which is no layer"),
    ],
)
def test_a_plan_may_name_layers_only(tmp_path: Path, layer: Any, told: str) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["backbone"][1][2] = layer

    with pytest.raises(WeightsError, match=told):
        Yolo11Nano.load(planned(tmp_path, change), Placement())


@pytest.mark.parametrize("activation", ["nn.Softplus(__import__('os').getpid())", "print(1)", ["nn.ReLU()"]])
def test_a_plan_may_not_have_code_evaluated(tmp_path: Path, activation: Any) -> None:
    with pytest.raises(WeightsError, match="has the activation"):
        Yolo11Nano.load(planned(tmp_path, lambda plan: plan.update(activation=activation)), Placement())


def test_an_activation_of_ones_own_is_kept(tmp_path: Path) -> None:
    network = Yolo11Nano.load(planned(tmp_path, lambda plan: plan.update(activation="nn.ReLU()")), Placement())._network
    assert type(network.network.model[0].act).__name__ == "ReLU"


def test_what_is_no_such_checkpoint_is_refused(folders: dict[type[Yolo], Path], tmp_path: Path) -> None:
    import torch

    def refused(message: str = "") -> None:
        with pytest.raises(WeightsError, match="models pull yolo11n") as error:
            Yolo11Nano.load(tmp_path, Placement())
        assert message in str(error.value)

    file = tmp_path / "yolo11n.pt"
    refused("No such file")
    file.write_bytes(b"")
    refused()
    file.write_bytes(b"<html>not found</html>")
    refused()
    torch.save({"model": {"weight": torch.zeros(1)}}, file)
    refused("holds no network of Ultralytics")
    torch.save([1], file)
    refused("holds no network of Ultralytics")
    tiny_checkpoint(file, "yolo11n-pose.yaml", ("person",))
    refused("it ends in Pose")
    network = tiny_network("yolo11n.yaml")
    for name, value in {"yaml": {"head": [[1]]}, "names": {0: "a", "b": "c"}, "_modules": [1]}.items():
        broken = tiny_network("yolo11n.yaml")
        broken.__dict__[name] = value
        torch.save({"ema": None, "model": broken}, file)
        refused("holds no network of Ultralytics")
    torch.save({"ema": torch.zeros(2), "model": torch.zeros(2)}, file)
    refused("holds no network of Ultralytics")
    network.names = {0: "dog"}
    torch.save({"model": network}, file)
    refused("it knows 80 classes and has 1 names")
    del network.model[0].bn.weight
    torch.save({"model": network}, file)
    refused("model.0.bn.weight")
    planned(tmp_path, lambda plan: plan["head"].pop(0))
    refused()


def test_the_package_is_quiet_and_leaves_the_process_as_it_was(folders: dict[type[Yolo], Path], tmp_path: Path) -> None:
    script = f"""
import os, socket, sys
import cv2, numpy, torch
from pathlib import Path
from PIL import Image
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.yolo import Yolo11Nano
def refuse(*_, **__): raise AssertionError("a network was asked")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
cv2.setNumThreads(3)
before = cv2.getNumThreads(), numpy.get_printoptions(), os.environ.get("OMP_NUM_THREADS")
model = Yolo11Nano.load(Path({str(folders[Yolo11Nano])!r}), Placement())
model.detect(Image.new("RGB", (90, 60)), threshold=0.5)
assert before == (cv2.getNumThreads(), numpy.get_printoptions(), os.environ.get("OMP_NUM_THREADS"))
from ultralytics.utils import AUTOINSTALL, ONLINE, SETTINGS, USER_CONFIG_DIR
assert (AUTOINSTALL, ONLINE, SETTINGS["sync"]) == (False, False, False)
print(USER_CONFIG_DIR)
"""
    import os

    environment = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "OMP_"))}
    environment |= {"VISIONGPT_HOME": str(tmp_path / "visiongpt"), "HOME": str(tmp_path / "person")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path / "visiongpt")
    assert not (tmp_path / "person").exists()
