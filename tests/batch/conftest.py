"""A folder of pictures with all that a batch meets: sub-folders, equal files, one that is damaged, one that is none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from visiongpt_agent import VisionGPT, sample_photo
from visiongpt_agent.pool import ModelPool

GREY = "#1 = adjust_image(image=$1, saturation=0)"
"""A plan that no model has a part in."""

REQUEST = "make it black and white"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five pictures in three folders, one of them damaged and two of them the same file, and a text."""
    top = tmp_path / "in"
    (top / "trips" / "sea").mkdir(parents=True)
    shutil.copy(sample_photo("chelsea"), top / "cat.jpg")
    shutil.copy(sample_photo("coffee"), top / "trips" / "cup.jpg")
    shutil.copy(sample_photo("coffee"), top / "trips" / "sea" / "again.jpg")
    shutil.copy(sample_photo("rocket"), top / "trips" / "sea" / "rocket.jpg")
    (top / "trips" / "broken.jpg").write_bytes(sample_photo("coffee").read_bytes()[:3000])
    (top / "notes.txt").write_text("no picture")
    return top


@pytest.fixture(scope="session")
def agent(pool: ModelPool) -> Iterator[VisionGPT]:
    shared = VisionGPT(pool=pool)
    yield shared
    shared.close()
