"""Stable Diffusion XL, its turbo and its inpainting, on tiny random checkpoints of the real format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models import tiny_diffusion as tiny
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.sdxl_inpainting import SdxlInpainting
from visiongpt_agent.models.stable_diffusion import SdTurbo
from visiongpt_agent.models.stable_diffusion_xl import SdxlTurbo, StableDiffusionXL
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.generate_image import generate_image
from visiongpt_agent.tools.inpaint import inpaint

pytest.importorskip("diffusers")
pytestmark = pytest.mark.usefixtures("one_thread")

Photo = Callable[[str], Image.Image]
Size = tuple[int, int]

GENERATORS = (StableDiffusionXL, SdxlTurbo)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint_xl(tmp_path_factory.mktemp("xl"))


@pytest.fixture(scope="module")
def masks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint_xl(tmp_path_factory.mktemp("xl-inpainting"), "StableDiffusionXLInpaintPipeline", channels=9)


def hole(size: Size, left: int, upper: int, right: int, lower: int) -> BoolArray:
    mask = np.zeros(size[::-1], np.bool_)
    mask[upper:lower, left:right] = True
    return mask


@pytest.mark.parametrize("model", GENERATORS)
def test_text_to_image(words: Path, model: type[StableDiffusionXL | SdxlTurbo]) -> None:
    generator = model.load(words, Placement())
    made = generator.generate("a cat", seed=1)
    assert (made.mode, made.size) == ("RGB", (2 * tiny.WIDTH, 2 * tiny.WIDTH))
    assert made == generator.generate("a cat", seed=1)
    assert made != generator.generate("a cat", seed=2)
    assert made != generator.generate("the sea at night", seed=1)


@pytest.mark.parametrize(
    ("size", "box"),
    [((131, 85), (40, 20, 77, 51)), ((300, 40), (0, 0, 30, 40)), ((17, 200), (3, 90, 9, 130)), ((5, 5), (2, 2, 3, 3))],
)
def test_inpainting_changes_the_mask_alone(
    masks: Path, photo: Photo, size: Size, box: tuple[int, int, int, int]
) -> None:
    scene, mask = photo("coffee").resize(size), hole(size, *box)
    painter = SdxlInpainting.load(masks, Placement())
    made = painter.replace(scene, mask, "a cat", seed=1)
    assert (made.mode, made.size) == ("RGB", size)
    changed = (np.asarray(made) != np.asarray(scene)).any(axis=2)
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.9


def test_inpainting_follows_seed_words_and_picture(masks: Path, photo: Photo) -> None:
    scene = photo("coffee").resize((131, 85))
    mask = hole(scene.size, 40, 20, 77, 51)
    painter = SdxlInpainting.load(masks, Placement())
    made = painter.replace(scene, mask, "a cat", seed=1)
    assert made == painter.replace(scene, mask, "a cat", seed=1)
    others = [
        painter.replace(scene, mask, "a cat", seed=2),
        painter.replace(scene, mask, "the sea at night", seed=1),
        painter.replace(scene.rotate(180), mask, "a cat", seed=1),
    ]
    for other in others:
        assert (np.asarray(other)[mask] != np.asarray(made)[mask]).any()
    nothing = painter.replace(scene.convert("L"), np.zeros_like(mask), "a cat", seed=1)
    assert nothing == scene.convert("L").convert("RGB")


@pytest.mark.parametrize("model", [*GENERATORS, SdxlInpainting])
def test_half_precision(tmp_path: Path, photo: Photo, model: type[Model]) -> None:
    painting = model is SdxlInpainting
    kind = "StableDiffusionXLInpaintPipeline" if painting else "StableDiffusionXLPipeline"
    tiny.in_half_precision(tiny.checkpoint_xl(tmp_path, kind, channels=9 if painting else 4))
    loaded = model.load(tmp_path, Placement(dtype="bfloat16"))
    if isinstance(loaded, SdxlInpainting):
        scene = photo("coffee").resize((64, 48))
        made = loaded.replace(scene, hole(scene.size, 10, 10, 30, 30), "a cat", seed=1)
        assert made.size == scene.size
    else:
        assert isinstance(loaded, GENERATORS)
        made = loaded.generate("a cat", seed=1)
        assert made.size == (2 * tiny.WIDTH, 2 * tiny.WIDTH)
    assert np.asarray(made).std() > 0


def test_the_tools_over_these_models(tmp_path: Path, words: Path, masks: Path, photo: Photo) -> None:
    weights = {StableDiffusionXL.card.name: words, SdxlInpainting.card.name: masks}
    scene = photo("coffee").resize((131, 85))
    mask = hole(scene.size, 40, 20, 77, 51)
    cup = Regions(scene.size, np.array([[40, 20, 77, 51]], np.float32), ("cup",), masks=mask[None])
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights))) as pool:
        assert generate_image("a cat", models=pool).models == ("stable-diffusion-xl",)
        replaced = inpaint(scene, cup, "a cat", models=pool)
    assert replaced.models == ("sdxl-inpainting",)
    assert inpaint.problems({"image": scene, "regions": cup, "prompt": "a cat"}, replaced) == []


def test_the_models_of_before_stay_the_first_choice(tmp_path: Path, words: Path) -> None:
    small = tiny.checkpoint(tmp_path / "small")
    weights = {StableDiffusionXL.card.name: words, SdTurbo.card.name: small}
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights))) as pool:
        assert generate_image("a cat", models=pool).models == ("sd-turbo",)


@pytest.mark.parametrize("model", [*GENERATORS, SdxlInpainting])
def test_other_checkpoints_are_refused(tmp_path: Path, words: Path, masks: Path, model: type[Model]) -> None:
    remedy = f"models pull {model.card.name}"
    small = tiny.checkpoint(tmp_path / "small")
    for folder, reason in (
        (None, "no folder was given"),
        (tmp_path, "has no model_index"),
        (small, "holds a StableDiffusionPipeline"),
        (words if model is SdxlInpainting else masks, "holds a StableDiffusionXL"),
    ):
        with pytest.raises(WeightsError, match=f"{reason}.*{remedy}"):
            model.load(folder, Placement())


def test_small_models_refuse_large_checkpoints(words: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds a StableDiffusionXLPipeline.*models pull sd-turbo"):
        SdTurbo.load(words, Placement())


def test_what_is_pulled_loads_without_the_old_decoder(tmp_path: Path) -> None:
    origin = tiny.checkpoint_xl(tmp_path / "origin")
    expected = StableDiffusionXL.load(origin, Placement()).generate("a cat", seed=1)
    tiny.in_half_precision(origin)
    others = "vae_1_0/diffusion_pytorch_model.fp16.safetensors", "sd_xl_base_1.0.safetensors"
    for other in others:
        (origin / other).parent.mkdir(exist_ok=True)
        (origin / other).write_bytes(b"not to be taken")
    registry = Registry(Settings(home=tmp_path))
    pulled = registry.store.pull(StableDiffusionXL, origin=origin)
    assert pulled is not None
    assert registry.usable(StableDiffusionXL.card) == ""
    assert not any((pulled / other).exists() for other in others)
    assert StableDiffusionXL.load(pulled, Placement()).generate("a cat", seed=1) == expected
