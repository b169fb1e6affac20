"""Fixtures shared by all tests: real photos, and the pool of real models."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

import visiongpt_agent
from tests.postgres import postgres
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

__all__ = ["postgres"]  # a fixture

if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core; torch's threads would wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")

PHOTOS = Path(visiongpt_agent.__file__).parent / "data" / "photos"


@pytest.fixture(autouse=True)
def state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of the test's own: no test sees a conversation of the person's, or of another test."""
    folder = tmp_path_factory.mktemp("state") / "visiongpt"
    monkeypatch.setenv("VISIONGPT_STATE", str(folder))
    return folder


@pytest.fixture(scope="session")
def photo() -> Callable[[str], Image.Image]:
    """A sample photo of the package by name: astronaut, chelsea (a cat), coffee, rocket; mode RGB."""

    def load(name: str) -> Image.Image:
        return Image.open(PHOTOS / f"{name}.jpg").convert("RGB")

    return load


@pytest.fixture(scope="session")
def bus_path() -> Path:
    """bus.jpg: four people beside a bus; 810x1080 pixels. It is read from the installed ultralytics wheel."""
    spec = importlib.util.find_spec("ultralytics")  # found, not imported: its own requirements are not installed
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("bus.jpg comes with ultralytics: pip install --no-deps ultralytics")
    return Path(spec.submodule_search_locations[0]) / "assets" / "bus.jpg"


@pytest.fixture(scope="session")
def bus(bus_path: Path) -> Image.Image:
    return Image.open(bus_path).convert("RGB")


@pytest.fixture(scope="session")
def pool() -> Iterator[ModelPool]:
    """The models that are usable here, shared by all tests so that each is loaded once."""
    shared = ModelPool()
    yield shared
    shared.close()


@pytest.fixture(scope="session")
def needs(pool: ModelPool) -> Callable[[str], None]:
    """Skip a test whose weights have not been pulled, naming the command that brings them."""

    def check(job: str) -> None:
        if not pool.has(job):
            pytest.skip(f"no model for {job} here: {pool.remedy(job)}")

    return check


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "store")
