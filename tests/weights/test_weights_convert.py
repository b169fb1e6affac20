"""Pickled checkpoints become safetensors; what they hold beside weights is not run unless a person asks for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from tests.models import tiny_checkpoints
from visiongpt_agent.cli.models import app
from visiongpt_agent.errors import InputError, WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.vitpose import VitPose
from visiongpt_agent.weights.convert import convert

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.float16)}


class Marks:
    """Leaves a file behind when it is read from a pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


def same(written: Path, weights: dict[str, Any] = WEIGHTS) -> bool:
    tensors = load_file(written)
    return tensors.keys() == weights.keys() and all(
        torch.equal(tensors[name], value) and tensors[name].dtype == value.dtype for name, value in weights.items()
    )


@pytest.mark.parametrize(
    ("content", "name", "becomes"),
    [
        (WEIGHTS, "pytorch_model.bin", "model.safetensors"),
        (WEIGHTS, "diffusion_pytorch_model.fp16.bin", "diffusion_pytorch_model.fp16.safetensors"),
        ({"state_dict": WEIGHTS, "epoch": 3}, "net.ckpt", "net.safetensors"),
        ({"model": WEIGHTS, "args": {"lr": 0.1}}, "net.pth", "net.safetensors"),
        ({"model": {"state_dict": WEIGHTS}}, "net.pt", "net.safetensors"),
    ],
)
def test_a_file(tmp_path: Path, content: Any, name: str, becomes: str) -> None:
    torch.save(content, tmp_path / name)
    (written,) = convert(tmp_path / name, tmp_path / "out")
    assert written == tmp_path / "out" / becomes
    assert same(written)


def test_a_folder_in_shards_with_its_index_and_its_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    (folder / "vae").mkdir(parents=True)
    shards = {"pytorch_model-00001-of-00002.bin": "a.weight", "pytorch_model-00002-of-00002.bin": "a.bias"}
    for file, name in shards.items():
        torch.save({name: WEIGHTS[name]}, folder / file)
    index = {"metadata": {"total_size": 28}, "weight_map": {name: file for file, name in shards.items()}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    (folder / "config.json").write_text("{}")
    (folder / "modeling_mine.py").write_text("print('code')")
    torch.save(WEIGHTS, folder / "vae" / "diffusion_pytorch_model.bin")

    convert(folder, tmp_path / "out")

    names = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    inside = str(Path("vae") / "diffusion_pytorch_model.safetensors")
    assert names == ["config.json", first, second, "model.safetensors.index.json", inside]
    written = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert written == {"metadata": {"total_size": 28}, "weight_map": {"a.weight": first, "a.bias": second}}
    assert same(tmp_path / "out" / inside)


def test_weights_that_share_memory_or_lie_across(tmp_path: Path) -> None:
    tied = torch.arange(12.0).reshape(3, 4)
    weights = {"embed": tied, "head": tied, "part": tied[1:], "across": tied.T}
    torch.save(weights, tmp_path / "a.bin")
    (written,) = convert(tmp_path / "a.bin", tmp_path / "out")
    assert same(written, weights)


def test_a_converted_model_is_the_model(tmp_path: Path, photo: Callable[[str], Any]) -> None:
    folder = tiny_checkpoints.vitpose(tmp_path)
    boxes = torch.tensor([[10.0, 10.0, 90.0, 120.0]]).numpy()
    before = VitPose.load(folder, Placement()).keypoints(photo("astronaut"), boxes)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=f"visiongpt models convert {folder} NEW_FOLDER"):
        VitPose.load(folder, Placement())
    convert(folder, tmp_path / "out")
    assert (VitPose.load(tmp_path / "out", Placement()).keypoints(photo("astronaut"), boxes) == before).all()


def test_what_a_file_says_is_not_run_unless_it_is_asked_for(tmp_path: Path) -> None:
    mark, file = tmp_path / "was here", tmp_path / "net.pt"
    torch.save({"model": WEIGHTS, "extra": Marks(mark)}, file)

    refused = CliRunner().invoke(app, ["convert", str(file), str(tmp_path / "out")])
    assert refused.exit_code == 3
    assert "holds more than weights" in refused.stderr
    assert "--run-its-code" in refused.stderr
    assert not mark.exists()
    assert not list(tmp_path.glob("out*"))

    done = CliRunner().invoke(app, ["convert", str(file), str(tmp_path / "out"), "--run-its-code"])
    assert done.exit_code == 0
    assert "may run any code" in done.stderr
    assert mark.exists()
    assert same(tmp_path / "out" / "net.safetensors")


def test_a_whole_network_in_a_file_that_is_trusted(tmp_path: Path) -> None:
    network = torch.nn.Linear(3, 2)
    torch.save({"model": network}, tmp_path / "net.pt")
    (written,) = convert(tmp_path / "net.pt", tmp_path / "out", run_code=True)
    assert same(written, network.state_dict())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", WeightsError, "damaged"),
        (b"PK\x03\x04 no zip", WeightsError, "damaged"),
        (b"\x80\x04N.", WeightsError, "damaged|no weights"),
    ],
)
@pytest.mark.parametrize("run_code", [False, True])
def test_what_holds_no_weights(
    tmp_path: Path, content: bytes, error: type[Exception], message: str, run_code: bool
) -> None:
    (tmp_path / "a.bin").write_bytes(content)
    with pytest.raises(error, match=message):
        convert(tmp_path / "a.bin", tmp_path / "out", run_code=run_code)
    assert not list(tmp_path.glob("out*"))


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text("{}")
    torch.save(WEIGHTS, outside / "other.bin")
    folder = tmp_path / "hub"
    folder.mkdir()
    torch.save(WEIGHTS, folder / "pytorch_model.bin")
    (folder / "config.json").symlink_to(outside / "secret.json")
    (folder / "more").symlink_to(outside)
    (folder / "other.bin").symlink_to(outside / "other.bin")
    (folder / "same.bin").symlink_to(folder / "pytorch_model.bin")

    convert(folder, tmp_path / "out")

    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["model.safetensors", "same.safetensors"]
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(InputError, match="holds no checkpoint to convert"):
        convert(folder, tmp_path / "again")


def test_bad_input(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "a.bin")
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="is there already"):
        convert(tmp_path / "a.bin", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no checkpoint to convert"):
        convert(tmp_path / "empty", tmp_path / "new")
    assert CliRunner().invoke(app, ["convert", str(tmp_path / "empty"), str(tmp_path / "new")]).exit_code == 2
    assert CliRunner().invoke(app, ["convert", str(tmp_path / "none"), str(tmp_path / "new")]).exit_code == 2
