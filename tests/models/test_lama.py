"""LaMa's adapter over small networks with the inputs and outputs of the real one, whose answers are known.

They show that each hole is cut out, scaled, shown and pasted as it ought to be; not that the fillings are good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.models import tiny_onnx
from tests.models.tiny_onnx import node
from visiongpt_agent.errors import ToolError, WeightsError
from visiongpt_agent.models.base import Placement
from visiongpt_agent.models.lama import LaMa
from visiongpt_agent.models.registry import Registry
from visiongpt_agent.models.telea import Telea
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools.inpaint import inpaint

Photo = Callable[[str], Image.Image]
Pixels = npt.NDArray[np.uint8]

SIDE = 512
MEAN = (
    node("Sub", ["one", "mask"], "known"),
    node("Mul", ["image", "known"], "shown"),
    node("ReduceMean", ["shown"], "light", axes=[2, 3]),
    node("ReduceMean", ["known"], "share", axes=[2, 3]),
    node("Div", ["light", "share"], "mean"),
    node("Mul", ["mean", "white"], "output"),
)
"""Fills with the mean colour of all that is not masked."""
TRANSPOSED = (node("Transpose", ["image"], "turned", perm=[0, 1, 3, 2]), node("Mul", ["turned", "white"], "output"))
"""Shows at (x, y) what the picture has at (y, x)."""
PLACES = (
    node("Mul", ["image", "zero"], "nothing"),
    node("Mul", ["mask", "zero"], "nowhere"),
    node("Add", ["nothing", "nowhere"], "black"),
    node("Add", ["black", "places"], "output"),
)
"""Paints red as the column / 2 and green as the row / 2 of its 512, whatever it is shown."""


def saved(folder: Path, nodes: Sequence[bytes], side: int = SIDE, image: str = "image", mask: str = "mask") -> Path:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / 2
    content = tiny_onnx.network(
        nodes,
        {image: (1, 3, side, side), mask: (1, 1, side, side)},
        {"output": (1, 3, side, side)},
        {
            "one": np.ones((1, 1, 1, 1), np.float32),
            "zero": np.zeros((1, 1, 1, 1), np.float32),
            "white": np.full((1, 3, side, side), 255, np.float32),
            "places": np.stack([columns, rows, np.zeros_like(rows)])[None],
        },
    )
    (folder / "lama_fp32.onnx").write_bytes(content)
    return folder


def tiny_checkpoint(folder: Path) -> Path:
    return saved(folder, MEAN)


def lama(folder: Path, nodes: Sequence[bytes]) -> LaMa:
    return LaMa.load(saved(folder, nodes), Placement())


def hole(size: tuple[int, int], *boxes: tuple[int, int, int, int]) -> BoolArray:
    mask = np.zeros(size[::-1], np.bool_)
    for left, upper, right, lower in boxes:
        mask[upper:lower, left:right] = True
    return mask


def without(picture: Image.Image, mask: BoolArray) -> Pixels:
    return np.asarray(picture)[~mask]


@pytest.mark.parametrize("size", [(640, 420), (131, 85), (1500, 37)])
def test_outside_the_mask_nothing_changes(tmp_path: Path, photo: Photo, size: tuple[int, int]) -> None:
    picture = photo("coffee").resize(size)
    mask = hole(size, (40, 9, 77, 30))
    filled = lama(tmp_path, MEAN).remove(picture, mask)
    assert (filled.mode, filled.size) == ("RGB", size)
    assert np.array_equal(without(filled, mask), without(picture, mask))
    assert (np.asarray(filled)[mask] != np.asarray(picture)[mask]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((700, 600), [(300, 200, 380, 290)]),
        ((1600, 1300), [(200, 300, 1100, 1000)]),
        ((1601, 240), [(201, 30, 1100, 171)]),
        ((90, 70), [(0, 0, 20, 70)]),
        ((1800, 700), [(20, 20, 60, 60), (1700, 650, 1800, 700), (900, 300, 901, 301), (850, 0, 950, 10)]),
        ((1400, 512), [(600, 100, 700, 200), (880, 100, 910, 120)]),
    ],
)
def test_what_is_removed_leaves_no_trace(
    tmp_path: Path, size: tuple[int, int], boxes: list[tuple[int, int, int, int]]
) -> None:
    # Were the mask a pixel off or smaller than what scaling smears, the red would tint the mean of the blue.
    mask = hole(size, *boxes)
    pixels = np.full((*mask.shape, 3), (40, 80, 160), np.uint8)
    pixels[mask] = (255, 0, 0)
    filled = lama(tmp_path, MEAN).remove(Image.fromarray(pixels), mask)
    assert filled.getcolors() == [(size[0] * size[1], (40, 80, 160))]


def test_the_network_sees_the_window_in_its_place(tmp_path: Path, photo: Photo) -> None:
    picture = photo("coffee").resize((900, 800))
    mask = hole(picture.size, (500, 420, 540, 490))
    filled = np.asarray(lama(tmp_path, TRANSPOSED).remove(picture, mask))
    # The 512 pixels around the middle of the hole, (520, 455), begin at (264, 199).
    window = np.asarray(picture)[199 : 199 + SIDE, 264 : 264 + SIDE]
    shown = np.where(mask[199 : 199 + SIDE, 264 : 264 + SIDE, None], 0, window)
    expected = shown.swapaxes(0, 1)[420 - 199 : 490 - 199, 500 - 264 : 540 - 264]
    assert np.array_equal(filled[420:490, 500:540], expected)


@pytest.mark.parametrize(
    ("size", "box", "corner", "side"),
    [
        ((512, 512), (100, 200, 160, 230), (0, 0), 512),
        ((1200, 900), (600, 500, 640, 560), (364, 274), 512),
        ((1200, 900), (1160, 0, 1200, 40), (688, 0), 512),
        ((2000, 1900), (700, 600, 1200, 1000), (450, 300), 1000),
        ((300, 200), (100, 60, 180, 90), (0, 0), 512),
    ],
)
def test_what_it_paints_lands_where_it_painted(
    tmp_path: Path, size: tuple[int, int], box: tuple[int, int, int, int], corner: tuple[int, int], side: int
) -> None:
    mask = hole(size, box)
    filled = np.asarray(lama(tmp_path, PLACES).remove(Image.new("RGB", size), mask), np.float32)
    rows, columns = np.nonzero(mask)
    scale = SIDE / side
    for channel, at, start in ((0, columns, corner[0]), (1, rows, corner[1])):
        expected = ((at - start + 0.5) * scale - 0.5) / 2
        assert np.abs(filled[mask][:, channel] - expected).max() <= 1


def test_holes_apart_keep_their_resolution(tmp_path: Path) -> None:
    size = (1800, 700)
    mask = hole(size, (100, 300, 140, 340), (1600, 300, 1640, 340))
    filled = np.asarray(lama(tmp_path, PLACES).remove(Image.new("RGB", size), mask), np.float32)
    for left in (100, 1600):
        red = filled[310, left : left + 40, 0]
        assert red[-1] - red[0] == pytest.approx(39 / 2, abs=1)


def test_a_hole_filled_already_is_not_filled_again(tmp_path: Path) -> None:
    size = (1200, 512)
    one, other = (600, 100, 700, 200), (720, 100, 740, 120)
    filled = np.asarray(lama(tmp_path, PLACES).remove(Image.new("RGB", size), hole(size, one, other)), np.float32)
    # The window of the larger, from column 394 on, holds the smaller one whole.
    assert np.abs(filled[110, 720:740, 0] - (np.arange(720, 740) - 394) / 2).max() <= 1


def test_a_hole_at_the_rim_of_a_window_has_a_window_of_its_own(tmp_path: Path) -> None:
    size = (1400, 512)
    one, other = (600, 100, 700, 200), (880, 100, 910, 120)
    filled = np.asarray(lama(tmp_path, PLACES).remove(Image.new("RGB", size), hole(size, one, other)), np.float32)
    # The window of the larger ends at column 906; that of the smaller begins at 639.
    assert np.abs(filled[110, 600:700, 0] - (np.arange(600, 700) - 394) / 2).max() <= 1
    assert np.abs(filled[110, 880:910, 0] - (np.arange(880, 910) - 639) / 2).max() <= 1


@pytest.mark.parametrize(
    ("picture", "size"), [("1", (1, 1)), ("L", (33, 20)), ("RGBA", (33, 20)), ("RGB", (600, 1)), ("P", (7, 7))]
)
def test_odd_pictures(tmp_path: Path, picture: str, size: tuple[int, int]) -> None:
    image = Image.linear_gradient("L").resize(size).convert("RGB").convert(picture)
    mask = np.zeros(size[::-1], np.bool_)
    mask[0, 0] = size != (1, 1)
    filled = lama(tmp_path, MEAN).remove(image, mask)
    assert (filled.mode, filled.size) == ("RGB", size)
    assert np.array_equal(without(filled, mask), without(image.convert("RGB"), mask))


def test_an_empty_mask_changes_nothing_and_runs_are_alike(tmp_path: Path, photo: Photo) -> None:
    picture, model = photo("rocket"), lama(tmp_path, TRANSPOSED)
    assert model.remove(picture, hole(picture.size)).tobytes() == picture.tobytes()
    mask = hole(picture.size, (100, 100, 160, 180))
    assert model.remove(picture, mask) == model.remove(picture, mask)


def test_inputs_are_told_apart_by_their_shapes(tmp_path: Path) -> None:
    nodes = (
        node("Transpose", ["b"], "turned", perm=[0, 1, 3, 2]),
        node("Mul", ["a", "zero"], "nowhere"),
        node("Add", ["turned", "nowhere"], "seen"),
        node("Mul", ["seen", "white"], "output"),
    )
    model = LaMa.load(saved(tmp_path, nodes, image="b", mask="a"), Placement())
    mask = hole((SIDE, SIDE), (10, 20, 30, 40))
    assert set(np.unique(np.asarray(model.remove(Image.new("RGB", (SIDE, SIDE), "white"), mask))[mask])) == {0, 255}


def test_missing_damaged_and_other_networks_are_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"lama_fp32\.onnx is missing.*models pull lama"):
        LaMa.load(tmp_path, Placement())
    (tmp_path / "lama_fp32.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"is damaged.*models pull lama"):
        LaMa.load(tmp_path, Placement())
    with pytest.raises(WeightsError, match=r"holds no Big LaMa.*models pull lama"):
        LaMa.load(saved(tmp_path, TRANSPOSED, side=256), Placement())


def test_the_tool_prefers_it_and_allows_larger_gaps(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    weights = {LaMa.card.name: saved(tmp_path / "weights", MEAN)}
    pixels = np.full((200, 300, 3), (40, 80, 160), np.uint8)
    pixels[50:150, 100:200] = (255, 0, 0)
    thing = Regions((300, 200), np.array([[100, 50, 200, 150]], np.float32), ("box",))
    assert thing.union_mask().mean() > Telea.max_share
    with ModelPool(Registry(Settings(home=tmp_path, weights=weights))) as pool:
        made = inpaint(Image.fromarray(pixels), thing, models=pool)
        most = Regions((300, 200), np.array([[0, 0, 290, 150]], np.float32), ("wall",))
        with pytest.raises(ToolError, match=r"gap of 72% .* lama fills at most 50% believably, say what is to be"):
            inpaint(Image.fromarray(pixels), most, models=pool)
    assert made.models == ("lama",)
    assert isinstance(made.value, Image.Image)
    assert made.value.getcolors() == [(300 * 200, (40, 80, 160))]
