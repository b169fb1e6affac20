"""What every adapter keeps to: its jobs' protocols, its device and dtype, and nothing left in memory once it is closed.

A model whose weights are too large to come with the tests runs on a tiny random checkpoint of the real format: it has
a line in ``TINY``, or in ``ORIGINALS`` where it runs on its authors' package. The others run on their real weights.
What lacks packages or weights here is skipped, and says so.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import types
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.contract.job_answers import answer
from tests.models import tiny_checkpoints, tiny_diffusion
from tests.models.originals.tiny_originals import ORIGINALS
from visiongpt_agent.models import jobs
from visiongpt_agent.models.base import Model, Placement
from visiongpt_agent.models.llama import llama_named
from visiongpt_agent.models.registry import Registry, discovered
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.weights import InPlace, Npm, Wheel

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def _made_by(test: str, function: str = "tiny_checkpoint") -> Callable[[Path], Path]:
    """The tiny checkpoint of an adapter's own test, ``tests/models/test_<name>.py``."""
    return lambda folder: getattr(importlib.import_module(f"tests.models.test_{test}"), function)(folder)


TINY: dict[str, Callable[[Path], Path]] = {
    "birefnet": _made_by("birefnet"),
    "birefnet-lite": _made_by("birefnet"),
    "blip-caption-base": lambda folder: tiny_checkpoints.blip(folder, "BlipForConditionalGeneration"),
    "blip-vqa-base": lambda folder: tiny_checkpoints.blip(folder, "BlipForQuestionAnswering"),
    "blip2-opt-2.7b": _made_by("blip2"),
    "clip-vit-base-patch32": tiny_checkpoints.clip,
    "clipseg-rd64-refined": _made_by("clipseg"),
    "controlnet-v1-1": lambda folder: tiny_checkpoints.controlnet(folder, "edges"),
    "depth-anything-v2-small": tiny_checkpoints.depth_anything,
    "detr-resnet-50": _made_by("detr", "detr_checkpoint"),
    "dinov2-small": _made_by("dinov2"),
    "dpt-large": _made_by("dpt"),
    "florence-2-base": _made_by("florence2"),
    "flux.1-schnell": tiny_diffusion.checkpoint_flux,
    "grounding-dino-tiny": tiny_checkpoints.grounding_dino,
    "instruct-pix2pix": lambda folder: tiny_diffusion.checkpoint(
        folder, "StableDiffusionInstructPix2PixPipeline", channels=8, flags=False
    ),
    "lama": _made_by("lama"),
    "llmdet-tiny": lambda folder: tiny_checkpoints.grounding_dino(folder, "MMGroundingDino"),
    "llava-1.5-7b": _made_by("image_text_to_text", "llava_checkpoint"),
    "mask2former-swin-small-ade": _made_by("mask2former"),
    "mm-grounding-dino-tiny": lambda folder: tiny_checkpoints.grounding_dino(folder, "MMGroundingDino"),
    "owlv2-base": tiny_checkpoints.owlv2,
    "qwen2.5-vl-3b-instruct": _made_by("image_text_to_text", "qwen_checkpoint"),
    "rt-detr-r50": _made_by("detr", "rt_detr_checkpoint"),
    "sam-hq-vit-base": _made_by("sam_hq"),
    "sam-vit-base": tiny_checkpoints.sam,
    "sam2.1-hiera-small": _made_by("sam2"),
    "sd-turbo": tiny_diffusion.checkpoint,
    "sdxl-inpainting": lambda folder: tiny_diffusion.checkpoint_xl(
        folder, "StableDiffusionXLInpaintPipeline", channels=9
    ),
    "sdxl-turbo": tiny_diffusion.checkpoint_xl,
    "siglip2-base-patch16-224": _made_by("siglip"),
    "smolvlm-256m-instruct": _made_by("image_text_to_text", "smolvlm_checkpoint"),
    "smolvlm-500m-instruct": _made_by("image_text_to_text", "smolvlm_checkpoint"),
    "stable-diffusion-2-1": lambda folder: tiny_diffusion.checkpoint(folder, flags=False),
    "stable-diffusion-inpainting": lambda folder: tiny_diffusion.checkpoint(
        folder, "StableDiffusionInpaintPipeline", channels=9, flags=False
    ),
    "stable-diffusion-v1-5": lambda folder: tiny_diffusion.checkpoint(folder, flags=False),
    "stable-diffusion-x4-upscaler": tiny_diffusion.checkpoint_upscaler,
    "stable-diffusion-xl": tiny_diffusion.checkpoint_xl,
    "upernet-convnext-tiny": _made_by("upernet"),
    "vitpose-base-simple": tiny_checkpoints.vitpose,
}
"""By the card's name, what writes a tiny checkpoint into a folder: a new adapter is tested by one line here."""

MODELS = [pytest.param(model, id=model.card.name) for model in discovered()]
DTYPES = [
    pytest.param(model, dtype, id=f"{model.card.name}-{dtype}")
    for model in discovered()
    for dtype in model.card.dtypes
    if len(model.card.dtypes) > 1
]

Folder = Callable[[type[Model]], Path | None]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder of a model's weights, tiny or real; skips the test where it needs what is not here."""
    here, made = Registry(), dict[str, Path]()

    def find(model: type[Model]) -> Path | None:
        name = model.card.name
        lost = [module for module in model.card.modules if importlib.util.find_spec(module) is None]
        if lost:
            pytest.skip(here.usable(model.card))  # with the command that installs them
        if name in TINY or name in ORIGINALS:
            if name not in made:
                make = TINY[name] if name in TINY else ORIGINALS[name].make
                made[name] = make(tmp_path_factory.mktemp(name))
            return made[name]
        if why := here.usable(model.card):
            pytest.skip(why)  # with the command that brings the weights
        return here.store.folder(model.card)

    return find


@pytest.fixture(autouse=True)
def small_original(request: pytest.FixtureRequest) -> Iterator[None]:
    """A package of the authors builds its tiny network in place of the real one."""
    model = request.node.callspec.params.get("model") if hasattr(request.node, "callspec") else None
    original = ORIGINALS.get(model.card.name) if model else None
    lost = [name for name in model.card.modules if importlib.util.find_spec(name) is None] if model else []
    with original.small() if original and not lost else nullcontext():
        yield


@pytest.fixture
def image(photo: Callable[[str], Image.Image]) -> Image.Image:
    return photo("coffee").resize((96, 64))


def answers(model: Any, image: Image.Image) -> dict[str, Any]:
    return {job: answer(model, job, image) for job in model.card.jobs}


def parts(model: Model) -> Iterator[Any]:
    """The model and all that only it can reach through its attributes, as far as references to it can be weak."""
    yield model
    for value in vars(model).values():
        for part in value.values() if isinstance(value, dict) else (value,):
            if type(part).__weakrefoffset__ and not isinstance(part, type | types.ModuleType | types.FunctionType):
                yield part


def networks(model: Model) -> list[Any]:
    """The torch networks in a model."""
    import torch

    seen, stack, found = set[int](), [vars(model)], list[Any]()
    while stack:
        value: Any = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, torch.nn.Module):
            found.append(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
        elif type(value).__module__.partition(".")[0] in ("diffusers", "transformers", "langchain_huggingface"):
            stack.append(vars(value) if hasattr(value, "__dict__") else {})
        elif type(value).__module__.startswith("visiongpt_agent."):
            stack.append(getattr(value, "__dict__", {}))
    return found


def all_tensors(model: Model) -> Iterator[Any]:
    """The tensors of its networks, and those that it keeps beside them."""
    import torch

    for network in networks(model):
        yield from (*network.parameters(), *network.buffers())
    left = list(vars(model).values())
    while left:
        value = left.pop()
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list | tuple):
            left.extend(value)


def size_by_place(model: Model) -> dict[int, int]:
    """Bytes of the tensors of its networks by where they lie, so that those that are shared count once."""
    return {
        tensor.data_ptr(): tensor.nbytes
        for network in networks(model)
        for tensor in (*network.parameters(), *network.buffers())
    }


def tensors() -> int:
    """How many torch tensors are in memory."""
    import torch

    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


def test_every_model_can_be_tried() -> None:
    """By a tiny checkpoint, or by real weights that come from a package registry."""
    for model in discovered():
        source = model.card.source
        real = source is None or isinstance(source, InPlace | Wheel | Npm)
        assert model.card.name in TINY or model.card.name in ORIGINALS or real, (
            f"{model.card.name}: add a line to TINY, or to ORIGINALS where it runs on its authors' package"
        )
    assert not {*TINY, *ORIGINALS} - {model.card.name for model in discovered()}, "these are no models"


@pytest.mark.parametrize("model", MODELS)
def test_it_does_its_jobs_and_does_them_alike_when_loaded_anew_and_leaves_nothing_behind(
    model: type[Model], folder: Folder, image: Image.Image, tmp_path: Path
) -> None:
    place, card = folder(model), model.card
    settings = replace(Settings.load(), device="cpu")
    if place is not None and (card.name in TINY or card.name in ORIGINALS):
        settings = Settings(home=tmp_path, device="cpu", weights={card.name: place})
    with ModelPool(Registry(settings, models=[model]), budget=10**12) as pool:
        said = {job: _through_the_pool(pool, model, job, image) for job in card.jobs}
        (entry,) = pool.resident()
        assert (entry.card, entry.device, entry.in_use) == (card, "cpu", 0)
        assert entry.bytes > 0
    before = tensors()  # what libraries keep for good is there by now

    again = model.load(place, Placement(dtype=card.dtypes[0]))
    assert answers(again, image) == said
    left = [weakref.ref(part) for part in (*parts(again), *networks(again))]
    assert all(tensor.device.type == "cpu" for network in networks(again) for tensor in network.parameters())
    assert again.measure() == sum(size_by_place(again).values()), "the pool measures all of its networks"
    if again.to("meta"):  # the one other device that every torch has
        assert {tensor.device.type for tensor in all_tensors(again)} == {"meta"}, "what is moved is moved whole"
    again.close()
    del again

    assert tensors() <= before
    assert all(part() is None for part in left)


def _through_the_pool(pool: ModelPool, model: type[Model], job: str, image: Image.Image) -> Any:
    with pool.use(job, object) as leased:
        assert isinstance(leased, model)
        return answer(leased, job, image)


def test_what_stays_behind_is_seen() -> None:
    """The measure itself: a network that a cache holds on to is alive, and its tensors are counted."""
    import torch

    before = tensors()
    kept = torch.nn.Linear(2, 2)
    left = weakref.ref(kept)
    assert tensors() == before + 2
    assert left() is kept
    del kept
    assert tensors() == before
    assert left() is None


@pytest.mark.parametrize(("model", "dtype"), DTYPES)
def test_it_keeps_to_its_dtype(model: type[Model], dtype: str, folder: Folder, image: Image.Image) -> None:
    import torch

    loaded = model.load(folder(model), Placement(dtype=dtype))
    sizes = Counter[Any]()
    for network in networks(loaded):
        for parameter in network.parameters():
            sizes[parameter.dtype] += parameter.numel() if parameter.is_floating_point() else 0
    # Parts that place things stay as they are, and those whose authors found half precision too coarse, as BLIP-2's.
    assert (+sizes).keys() <= {getattr(torch, dtype), torch.float32}
    assert sizes[getattr(torch, dtype)] > 0
    answers(loaded, image)
    loaded.close()


def test_a_language_model_of_the_users_own(tmp_path: Path, image: Image.Image) -> None:
    place = tiny_checkpoints.llama(tmp_path / "tiny-llama", ["detect_objects(image, query) -> regions", "reply()"])
    model = llama_named(str(place))
    loaded = model.load(place, Placement(dtype=model.card.dtypes[0]))
    assert model.card.jobs == (jobs.LLM,)
    said = answers(loaded, image)
    left = [weakref.ref(network) for network in networks(loaded)]
    loaded.close()
    del loaded
    gc.collect()
    assert left
    assert all(network() is None for network in left)
    assert answers(model.load(place, Placement(dtype=model.card.dtypes[0])), image) == said
