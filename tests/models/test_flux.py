"""FLUX on tiny random checkpoints of the real format, with shards and both text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from tests.models import tiny_diffusion as tiny
from visiongpt_agent.errors import WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.flux import FluxSchnell
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings

pytest.importorskip("diffusers")
pytestmark = pytest.mark.usefixtures("one_thread")

PLACEMENT = Placement(dtype="bfloat16")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.checkpoint_flux(tmp_path_factory.mktemp("flux"))


def small(folder: Path) -> FluxSchnell:
    """With pictures of 32x32 pixels: their size is no part of a checkpoint, but fixed in the library."""
    generator = FluxSchnell.load(folder, PLACEMENT)
    generator._pipeline.default_sample_size = tiny.WIDTH
    return generator


def test_text_to_image(folder: Path) -> None:
    generator = small(folder)
    made = generator.generate("a cat", seed=1)
    assert (made.mode, made.size) == ("RGB", (2 * tiny.WIDTH, 2 * tiny.WIDTH))
    assert np.asarray(made).std() > 0
    assert made == generator.generate("a cat", seed=1)
    assert made != generator.generate("a cat", seed=2)
    assert made != generator.generate("the sea at night", seed=1)


@pytest.mark.slow
def test_its_own_size(folder: Path) -> None:
    # 128 latent pixels a side, and this decoder doubles; the real one makes eight of each.
    assert FluxSchnell.load(folder, PLACEMENT).generate("a cat", seed=1).size == (256, 256)


def test_the_pool_loads_it_in_half_precision(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    placed: list[Placement] = []
    load = FluxSchnell.load.__func__  # type: ignore[attr-defined]

    def noted(cls: type[FluxSchnell], path: Path, placement: Placement) -> FluxSchnell:
        placed.append(placement)
        return cast(FluxSchnell, load(cls, path, placement))

    monkeypatch.setattr(FluxSchnell, "load", classmethod(noted))
    settings = Settings(home=tmp_path, weights={FluxSchnell.card.name: folder})
    with ModelPool(Registry(settings), budget=50_000_000_000) as pool, pool.lease(FluxSchnell) as generator:
        assert generator._pipeline.transformer.dtype == generator._pipeline.text_encoder_2.dtype
    assert placed == [PLACEMENT]


def test_other_checkpoints_are_refused(tmp_path: Path) -> None:
    remedy = r"models pull flux\.1-schnell"
    with pytest.raises(WeightsError, match=f"has no model_index.*{remedy}"):
        FluxSchnell.load(tmp_path, PLACEMENT)
    with pytest.raises(WeightsError, match=f"holds a StableDiffusionXLPipeline.*{remedy}"):
        FluxSchnell.load(tiny.checkpoint_xl(tmp_path / "xl"), PLACEMENT)
    with pytest.raises(WeightsError, match=f"takes guidance.*{remedy}"):
        FluxSchnell.load(tiny.checkpoint_flux(tmp_path / "dev", guidance=True), PLACEMENT)


def test_what_is_pulled_loads_without_the_copy_in_one_piece(tmp_path: Path) -> None:
    origin = tiny.checkpoint_flux(tmp_path / "origin")
    (origin / "flux1-schnell.safetensors").write_bytes(b"not to be taken")
    registry = Registry(Settings(home=tmp_path))
    pulled = registry.store.pull(FluxSchnell, origin=origin)
    assert pulled is not None
    assert registry.usable(FluxSchnell.card) == ""
    assert not (pulled / "flux1-schnell.safetensors").exists()
    assert small(pulled).generate("a cat", seed=1) == small(origin).generate("a cat", seed=1)


def test_that_it_is_gated_is_told() -> None:
    assert "gated" in FluxSchnell.card.notice
    assert "HF_TOKEN" in FluxSchnell.card.notice
