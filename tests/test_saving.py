"""Saving results: many at once into one folder, none over another."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from visiongpt_agent.files import write_new
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.result import ResultImage, VisionResult


def result_of(store: ImageStore, colors: list[tuple[int, int, int]]) -> VisionResult:
    """A result of one picture a colour, all of one title."""
    kept = [store.add(Image.new("RGB", (24, 16), color)) for color in colors]
    images = [ResultImage(one.id, "made", "", "cat-adjust_image", one.width, one.height) for one in kept]
    return VisionResult(answer="", plan="", images=tuple(images), store=store)


@pytest.mark.parametrize("links", [True, False])
def test_results_of_one_title_saved_at_once_do_not_mix(
    links: bool, store: ImageStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError("this file system has no links")

    if not links:
        monkeypatch.setattr(os, "link", refused)
    colors = [(number, 100, thread) for thread in range(6) for number in range(20)]
    results = [result_of(store, [color]) for color in colors]
    with ThreadPoolExecutor(6) as threads:
        saved = list(threads.map(lambda result: result.save(tmp_path / "out"), results))
    paths = [result.images[0].path for result in saved]
    assert len(set(paths)) == len(colors)
    assert [Image.open(path).convert("RGB").getpixel((5, 5)) for path in paths] == colors
    assert not list((tmp_path / "out").glob(".*"))


def test_the_same_picture_saved_again_keeps_its_name(store: ImageStore, tmp_path: Path) -> None:
    result = result_of(store, [(1, 2, 3), (4, 5, 6)])
    first, again = (tuple(image.path for image in result.save(tmp_path).images) for _ in range(2))
    assert first == again
    assert len(set(first)) == 2


def test_a_folder_of_the_pictures_name_is_left_alone(store: ImageStore, tmp_path: Path) -> None:
    (tmp_path / "cat-adjust_image.png").mkdir()
    path = Path(result_of(store, [(1, 2, 3)]).save(tmp_path).images[0].path)
    assert path.name == "cat-adjust_image-2.png"


def test_a_name_is_given_once(tmp_path: Path) -> None:
    assert write_new(tmp_path / "a", b"one")
    assert not write_new(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"


def test_saved_pictures_say_that_they_are_in_srgb(store: ImageStore, tmp_path: Path) -> None:
    path = result_of(store, [(9, 8, 7)]).save(tmp_path).images[0].path
    profile = ImageCms.getOpenProfile(io.BytesIO(Image.open(path).info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
