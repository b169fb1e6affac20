from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.bench.outlines import likeness
from visiongpt_agent.models.grabcut import GrabCut
from visiongpt_agent.models.isnet import ISNet
from visiongpt_agent.models.jobs import SEGMENTATION_FOREGROUND
from visiongpt_agent.models.nanodet import NanoDet
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.segment_objects import segment_objects

Photo = Callable[[str], Image.Image]


@pytest.fixture(scope="module")
def plain() -> Iterator[ModelPool]:
    """A pool without a foreground network."""
    made = ModelPool(Registry(models=[GrabCut, NanoDet]))
    yield made
    made.close()


def ask(pool: ModelPool, image: Image.Image, given: Regions | None = None) -> ToolOutput:
    output = segment_objects(image, given, models=pool)
    assert segment_objects.problems({"image": image, "regions": given}, output) == []
    return output


def masks(output: ToolOutput) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    assert isinstance(output.value, Regions)
    assert output.value.masks is not None
    return output.value.masks


def disc(size: tuple[int, int] = (400, 300)) -> tuple[Image.Image, Regions]:
    """A red disc on noisy green, and a loose box round it."""
    noise = np.random.default_rng(0).integers(0, 40, (size[1], size[0], 3))
    image = Image.fromarray((noise + np.array([20, 120, 30])).astype(np.uint8))
    ImageDraw.Draw(image).ellipse((120, 80, 280, 240), fill=(200, 30, 40))
    return image, Regions(size, np.array([[112, 72, 288, 248]], np.float32), ("disc",), np.array([0.7], np.float32))


def test_the_catalogue_line() -> None:
    line = "segment_objects(image, regions=None) -> regions: pixel masks of regions, or of everything"
    assert str(segment_objects.signature) == line


def test_the_outline_of_a_disc(plain: ModelPool) -> None:
    image, box = disc()
    (mask,) = masks(ask(plain, image, box))
    rows, columns = np.mgrid[:300, :400]
    truth = (rows - 160) ** 2 + (columns - 200) ** 2 <= 80**2
    assert np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth) > 0.95


def test_labels_scores_and_boxes_stay(plain: ModelPool) -> None:
    image, box = disc()
    output = ask(plain, image, box)
    assert isinstance(output.value, Regions)
    assert output.value.labels == ("disc",)
    assert output.value.confidence == pytest.approx([0.7])
    assert output.summary == "I outlined one disc."


def test_everything_is_what_the_detector_finds(plain: ModelPool, bus: Image.Image) -> None:
    output = ask(plain, bus)
    assert output.summary == "I outlined four people and one bus."
    assert all(0.2 < share < 0.9 for share in output.facts["shares"])
    assert "GrabCut" in output.uncertain[0]


def test_parts_where_nothing_is_known(plain: ModelPool) -> None:
    image, _ = disc()
    output = ask(plain, image)
    assert output.summary == "I found no object that I know, and outlined two parts of the picture."


def test_nothing_stands_out_in_plain_grey(plain: ModelPool) -> None:
    image = Image.new("RGB", (200, 200), "grey")
    given = Regions((200, 200), np.array([[50, 50, 60, 52]], np.float32), ("speck",))
    output = ask(plain, image, given)
    assert output.uncertain == ("I found no outline for one speck, and took the whole box.",)
    assert output.facts["shares"] == [1.0]


def test_masks_are_kept(plain: ModelPool) -> None:
    image, box = disc()
    done = ask(plain, image, box)
    assert isinstance(done.value, Regions)
    again = ask(plain, image, done.value)
    assert again.value is done.value


def test_no_regions(plain: ModelPool) -> None:
    assert ask(plain, Image.new("RGB", (30, 30)), Regions((30, 30))).summary == "There is nothing to outline."


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 300), (3000, 2000)])
def test_odd_sizes_are_outlined_as_a_whole(plain: ModelPool, size: tuple[int, int]) -> None:
    image = Image.new("RGB", size, "white")
    parts = ask(plain, image).value
    whole = ask(plain, image, Regions(size, np.array([[0, 0, *size]], np.float32))).value
    for outlined in (parts, whole):
        assert isinstance(outlined, Regions)
        assert outlined.size == size
        assert outlined.masks is None or outlined.masks.shape == (len(outlined), size[1], size[0])
    assert isinstance(whole, Regions)
    assert len(whole) == 1
    assert whole.outlined.all()


@pytest.mark.slow
def test_a_foreground_network_cuts_finer(photo: Photo, needs: Callable[[str], None]) -> None:
    needs(SEGMENTATION_FOREGROUND)
    pool = ModelPool(Registry(models=[GrabCut, NanoDet, ISNet]))
    if not pool.has(SEGMENTATION_FOREGROUND):
        pytest.skip("isnet has not been pulled")
    output = ask(pool, photo("chelsea"))
    (mask,) = masks(output)
    pool.close()
    assert output.models == ("grabcut", "isnet")
    assert output.uncertain == ()
    assert mask[100:160, 110:320].all()  # between and round the eyes
    assert mask[250:290, 60:200].mean() > 0.95  # the chest, which GrabCut loses
    assert not mask[20:80, 400:].any()  # the blurred ground behind


def test_what_is_wrong_is_noticed() -> None:
    given = Regions((10, 10), np.array([[0, 0, 3, 3], [5, 5, 9, 9]], np.float32), ("cat", "dog"))
    wrong = np.zeros((2, 10, 10), np.bool_)
    wrong[0, 8, 8] = True
    output = ToolOutput(Regions(given.size, given.boxes, ("cat", "cow"), masks=wrong), "")
    assert segment_objects.problems({"regions": given}, output) == [
        "the mask of a cat reaches out of its box",
        "the mask of a cow is empty",
        "the outlined regions are not those that were given",
    ]


def test_a_region_at_another_place_is_noticed() -> None:
    given = Regions((10, 10), np.array([[0, 0, 3, 3]], np.float32), ("cat",))
    elsewhere = np.zeros((1, 10, 10), np.bool_)
    elsewhere[0, 5:9, 5:9] = True
    output = ToolOutput(Regions.from_masks(elsewhere, ("cat",)), "")
    assert segment_objects.problems({"regions": given}, output) == [
        "an outlined region is at another place than the one that was given"
    ]


@pytest.mark.slow
def test_outlines_are_those_that_a_hand_draws(needs: Callable[[str], None], bus_path: Path, tmp_path: Path) -> None:
    needs(SEGMENTATION_FOREGROUND)
    gradio = importlib.util.find_spec("gradio")
    assert gradio is not None
    assert gradio.submodule_search_locations is not None
    shutil.copy(bus_path, tmp_path)
    shutil.copy(Path(gradio.submodule_search_locations[0]) / "media_assets" / "images" / "lion.jpg", tmp_path)
    with closing(ModelPool()) as pool:
        assert min(likeness(name, tmp_path, pool) for name in ("coat", "lion")) > 0.8
