"""The one door to checkpoints: what is no checkpoint of the model, or not a whole one, is refused with its cause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.models import tiny_checkpoints
from tests.models.test_sam2 import tiny_checkpoint as tiny_sam2
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.clip import Clip
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.sam2 import Sam2

pytestmark = pytest.mark.usefixtures("one_thread")

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 605157884\n"
WEIGHTS = "model.safetensors"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return tiny_checkpoints.clip(tmp_path / "clip")


def refusal(folder: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        Clip.load(folder, Placement())
    return str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "cause"),
    [
        (lambda _: POINTER, "model.safetensors is a Git LFS pointer, not the weights"),
        (lambda whole: whole[: len(whole) // 2], "bytes where its header says"),
        (lambda whole: whole[:3], "model.safetensors is no safetensors file, or it is cut short"),
        (lambda _: b"", "model.safetensors is empty"),
        (lambda _: b"<!DOCTYPE html><html>sign in</html>", "model.safetensors is no safetensors file"),
    ],
    ids=["pointer", "half", "header", "empty", "page"],
)
def test_the_cause_is_told_for_files_that_are_no_weights(
    clip: Path, spoil: Callable[[bytes], bytes], cause: str
) -> None:
    (clip / WEIGHTS).write_bytes(spoil((clip / WEIGHTS).read_bytes()))
    message = refusal(clip)
    assert cause in message
    assert message.endswith("visiongpt models pull clip-vit-base-patch32")


def test_a_pickle_that_is_a_pointer_is_not_to_be_converted(clip: Path) -> None:
    (clip / WEIGHTS).unlink()
    (clip / "pytorch_model.bin").write_bytes(POINTER)
    message = refusal(clip)
    assert "pytorch_model.bin is a Git LFS pointer" in message
    assert "convert" not in message


def test_a_pointer_beside_the_weights_does_no_harm(clip: Path) -> None:
    (clip / "pytorch_model.bin").write_bytes(POINTER)
    Clip.load(clip, Placement())


def without(folder: Path, *names: str) -> Path:
    tensors = load_file(folder / WEIGHTS)
    for name in names:
        del tensors[name]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})
    return folder


def test_a_parameter_that_is_missing_is_told(clip: Path) -> None:
    without(clip, "visual_projection.weight")
    assert "1 weights are missing, visual_projection.weight among them" in refusal(clip)


def test_weights_of_another_shape_are_told(clip: Path) -> None:
    tensors: dict[str, Any] = load_file(clip / WEIGHTS)
    tensors["visual_projection.weight"] = tensors["visual_projection.weight"][:3].clone()
    save_file(tensors, clip / WEIGHTS, {"format": "pt"})
    assert "holds no CLIP ViT-B/32" in refusal(clip)


def test_a_buffer_that_is_missing_is_told(tmp_path: Path) -> None:
    """Buffers are part of the checkpoint too: a random one gives other masks each time it is loaded."""
    folder = without(
        tiny_sam2(tmp_path),
        "shared_image_embedding.positional_embedding",
        "prompt_encoder.shared_embedding.positional_embedding",
    )
    with pytest.raises(WeightsError, match=r"shared_image_embedding\.positional_embedding is missing"):
        Sam2.load(folder, Placement())


def test_a_copy_that_was_saved_once_is_filled_in(tmp_path: Path) -> None:
    """transformers up to 4.57 saved the frequencies of SAM 2 once, as those of the picture."""
    folder = without(tiny_sam2(tmp_path), "prompt_encoder.shared_embedding.positional_embedding")
    (network,) = Sam2.load(folder, Placement()).networks()
    tensors = network.state_dict()
    saved = load_file(folder / WEIGHTS)["shared_image_embedding.positional_embedding"]
    assert tensors["prompt_encoder.shared_embedding.positional_embedding"].equal(saved)
    assert tensors["shared_image_embedding.positional_embedding"].equal(saved)


def test_another_kind_of_model_is_told(tmp_path: Path) -> None:
    tiny_checkpoints.depth_anything(tmp_path)
    assert "its config.json is that of depth_anything" in refusal(tmp_path)
    assert DepthAnything.load(tmp_path, Placement()).placement == Placement()
