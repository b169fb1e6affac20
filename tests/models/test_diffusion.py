"""Adapters over diffusion pipelines, on tiny random checkpoints of the real format.

They show that the format is read, and what holds of any picture painted: sizes, seeds, untouched pixels; not that the
pictures are good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models import tiny_diffusion as tiny
from tests.models.tiny_checkpoints import depth_anything as depth_checkpoint
from visiongpt_agent.errors import ToolError, WeightsError
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.models.controlnet import ControlNet
from visiongpt_agent.models.depth_anything import DepthAnything
from visiongpt_agent.models.diffusion import working_size
from visiongpt_agent.models.instruct_pix2pix import InstructPix2Pix
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sd_inpainting import StableDiffusionInpainting, window_around
from visiongpt_agent.models.stable_diffusion import SdTurbo, StableDiffusion15
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.edit_image import edit_image
from visiongpt_agent.tools.generate_image import generate_image
from visiongpt_agent.tools.generate_with_control import edges, generate_with_control
from visiongpt_agent.tools.inpaint import inpaint

pytest.importorskip("diffusers")

Photo = Callable[[str], Image.Image]
Folder = Callable[[type[Model]], Path]

FORMATS = {
    SdTurbo: ("StableDiffusionPipeline", 4, None),
    StableDiffusion15: ("StableDiffusionPipeline", 4, False),
    InstructPix2Pix: ("StableDiffusionInstructPix2PixPipeline", 8, False),
    ControlNet: ("StableDiffusionPipeline", 4, False),
    StableDiffusionInpainting: ("StableDiffusionInpaintPipeline", 9, False),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On networks this small, threads wait for each other longer than they work."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    made: dict[type[Model], Path] = {}

    def save(model: type[Model]) -> Path:
        if model not in made:
            kind, channels, flags = FORMATS[model]
            made[model] = tiny.checkpoint(tmp_path_factory.mktemp(model.card.name), kind, channels, flags)
        if model is ControlNet:
            for seed, control in enumerate(("edges", "depth")):
                tiny.control(made[model] / "controls" / control, seed=seed)
        return made[model]

    return save


@pytest.fixture
def scene(photo: Photo) -> Image.Image:
    return photo("coffee").resize((131, 85))


@pytest.fixture
def mask() -> BoolArray:
    hole = np.zeros((85, 131), np.bool_)
    hole[20:51, 40:77] = True
    return hole


@pytest.mark.parametrize("model", [SdTurbo, StableDiffusion15])
def test_text_to_image(folder: Folder, model: type[SdTurbo | StableDiffusion15]) -> None:
    generator = model.load(folder(model), Placement())
    made = generator.generate("a cat", seed=1)
    assert (made.mode, made.size) == ("RGB", (2 * tiny.WIDTH, 2 * tiny.WIDTH))
    assert made == generator.generate("a cat", seed=1)
    assert made != generator.generate("a cat", seed=2)
    assert made != generator.generate("the sea at night", seed=1)


def test_instruct(folder: Folder, scene: Image.Image) -> None:
    editor = InstructPix2Pix.load(folder(InstructPix2Pix), Placement())
    made = editor.edit(scene, "make it winter", seed=1)
    assert (made.mode, made.size) == ("RGB", scene.size)
    assert made == editor.edit(scene, "make it winter", seed=1)
    assert made != editor.edit(scene, "make it winter", seed=2)
    assert made != editor.edit(scene.rotate(180), "make it winter", seed=1)


def test_inpainting_changes_the_mask_alone(folder: Folder, scene: Image.Image, mask: BoolArray) -> None:
    painter = StableDiffusionInpainting.load(folder(StableDiffusionInpainting), Placement())
    made = painter.replace(scene, mask, "a cat", seed=1)
    assert (made.mode, made.size) == ("RGB", scene.size)
    changed = (np.asarray(made) != np.asarray(scene)).any(axis=2)
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.9
    assert made == painter.replace(scene, mask, "a cat", seed=1)
    assert made != painter.replace(scene, mask, "a cat", seed=2)
    assert painter.replace(scene, np.zeros_like(mask), "a cat", seed=1) == scene


def test_control(folder: Folder, scene: Image.Image) -> None:
    generator = ControlNet.load(folder(ControlNet), Placement())
    assert generator.controls == ("edges", "depth")
    drawn = edges(scene)
    made = generator.generate(drawn, "a cat", control="edges", seed=1)
    assert (made.mode, made.size) == ("RGB", scene.size)
    assert made == generator.generate(drawn, "a cat", control="edges", seed=1)
    assert made != generator.generate(drawn, "a cat", control="edges", seed=2)
    assert made != generator.generate(drawn.rotate(180), "a cat", control="edges", seed=1)
    assert made != generator.generate(drawn, "a cat", control="depth", seed=1)


def test_the_tool_over_control_says_what_is_lacking(tmp_path: Path, folder: Folder, scene: Image.Image) -> None:
    pool = ModelPool(Registry(Settings(home=tmp_path, weights={ControlNet.card.name: folder(ControlNet)})))
    made = generate_with_control(scene, "a cat", "edges", models=pool)
    assert isinstance(made.value, Image.Image)
    assert made.value.size == scene.size
    assert made.models == ("controlnet-v1-1",)
    with pytest.raises(ToolError, match="keeps edges or depth, not pose"):
        generate_with_control(scene, "a cat", "pose", models=pool)
    with pytest.raises(ToolError, match="models pull depth-anything-v2-small"):
        generate_with_control(scene, "a cat", "depth", models=pool)
    pool.close()


def test_the_tool_keeps_depth_where_a_depth_model_is_here(tmp_path: Path, folder: Folder, scene: Image.Image) -> None:
    (tmp_path / "depth").mkdir()
    weights = {
        ControlNet.card.name: folder(ControlNet),
        DepthAnything.card.name: depth_checkpoint(tmp_path / "depth"),
    }
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights))) as pool:
        made = generate_with_control(scene, "a cat", "depth", models=pool)
    assert made.models == ("depth-anything-v2-small", "controlnet-v1-1")
    assert generate_with_control.problems({"image": scene, "control": "depth"}, made) == []


def test_control_networks_in_half_precision(tmp_path: Path, scene: Image.Image) -> None:
    tiny.checkpoint(tmp_path, flags=False)
    tiny.control(tmp_path / "controls" / "pose", seed=0)
    tiny.in_half_precision(tmp_path)
    generator = ControlNet.load(tmp_path, Placement(dtype="bfloat16"))
    assert generator.controls == ("pose",)
    assert generator.generate(scene, "a cat", control="pose", seed=1).size == scene.size


def test_half_precision_and_old_class_names(tmp_path: Path) -> None:
    tiny.checkpoint(tmp_path, flags=False)
    tiny.in_half_precision(tmp_path)
    tiny.with_old_class_name(tmp_path)
    generator = StableDiffusion15.load(tmp_path, Placement(dtype="bfloat16"))
    made = generator.generate("a cat", seed=1)
    assert made.size == (2 * tiny.WIDTH, 2 * tiny.WIDTH)
    assert made == generator.generate("a cat", seed=1)


def test_the_safety_checker_is_kept_and_heard(tmp_path: Path) -> None:
    generator = StableDiffusion15.load(tiny.checkpoint(tmp_path, flags=True), Placement())
    with pytest.raises(ToolError, match=r"safety checker of Stable Diffusion 1\.5"):
        generator.generate("a cat", seed=1)


def test_the_tools_over_these_models(tmp_path: Path, folder: Folder, scene: Image.Image, mask: BoolArray) -> None:
    models = (SdTurbo, InstructPix2Pix, StableDiffusionInpainting)
    pool = ModelPool(Registry(Settings(home=tmp_path, weights={model.card.name: folder(model) for model in models})))

    made = generate_image("a cat", models=pool)
    assert made.models == ("sd-turbo",)
    assert generate_image.problems({}, made) == []

    edited = edit_image(scene, "make it winter", models=pool)
    assert edited.models == ("instruct-pix2pix",)
    assert edit_image.problems({"image": scene}, edited) == []

    cup = Regions(scene.size, np.array([[40, 20, 77, 51]], np.float32), ("cup",), masks=mask[None])
    replaced = inpaint(scene, cup, "a cat", models=pool)
    assert replaced.models == ("stable-diffusion-inpainting",)
    assert inpaint.problems({"image": scene, "regions": cup, "prompt": "a cat"}, replaced) == []
    pool.close()


@pytest.mark.parametrize("model", FORMATS)
def test_weights_that_are_not_there_are_told(tmp_path: Path, folder: Folder, model: type[Model]) -> None:
    with pytest.raises(WeightsError, match=f"models pull {model.card.name}"):
        model.load(tmp_path, Placement())
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "model_index.json").write_bytes((folder(model) / "model_index.json").read_bytes())
    with pytest.raises(WeightsError, match=f"models pull {model.card.name}"):
        model.load(pickled, Placement())


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model", "text_encoder/model"])
def test_damaged_weights_are_told(tmp_path: Path, part: str) -> None:
    file = tiny.checkpoint(tmp_path) / f"{part}.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(WeightsError, match="models pull sd-turbo"):
        SdTurbo.load(tmp_path, Placement())


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_networks_that_lack_weights_are_told(tmp_path: Path, part: str) -> None:
    from safetensors.torch import load_file, save_file

    file = tiny.checkpoint(tmp_path) / part / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    weights.pop("conv_norm_out.weight" if part == "unet" else "decoder.conv_norm_out.weight")
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=f"weights of its {part} are missing.*models pull sd-turbo"):
        SdTurbo.load(tmp_path, Placement())


def test_a_pipeline_of_another_kind_is_refused(folder: Folder) -> None:
    with pytest.raises(
        WeightsError, match=r"holds a StableDiffusionInpaintPipeline.*models pull stable-diffusion-v1-5"
    ):
        StableDiffusion15.load(folder(StableDiffusionInpainting), Placement())
    with pytest.raises(WeightsError, match=r"holds a StableDiffusionPipeline.*models pull stable-diffusion-inpainting"):
        StableDiffusionInpainting.load(folder(StableDiffusion15), Placement())


@pytest.mark.parametrize(
    ("size", "native", "expected"),
    [
        ((512, 512), 512, (512, 512)),
        ((4000, 3000), 512, (592, 440)),
        ((30, 30), 512, (512, 512)),
        ((900, 1), 64, (1920, 8)),
    ],
)
def test_working_sizes(size: tuple[int, int], native: int, expected: tuple[int, int]) -> None:
    assert working_size(size, native) == expected


@pytest.mark.parametrize(
    ("hole", "native", "expected"),
    [
        ((100, 100, 120, 110), 64, (78, 73, 142, 137)),
        ((100, 100, 200, 140), 64, (50, 80, 250, 160)),
        ((0, 190, 10, 200), 64, (0, 136, 64, 200)),
        ((0, 0, 300, 200), 64, (0, 0, 300, 200)),
        ((150, 100, 151, 101), 512, (0, 0, 300, 200)),
    ],
)
def test_windows(hole: tuple[int, int, int, int], native: int, expected: tuple[int, int, int, int]) -> None:
    mask = np.zeros((200, 300), np.bool_)
    mask[hole[1] : hole[3], hole[0] : hole[2]] = True
    assert window_around(mask, native) == expected
