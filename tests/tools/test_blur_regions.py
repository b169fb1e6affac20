"""Blurring: beyond recognition where asked, exact everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from visiongpt_agent.errors import ToolError
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools.base import ToolOutput
from visiongpt_agent.tools.blur_regions import Method, blur_regions

Photo = Callable[[str], Image.Image]
FACE = np.array([[175, 65, 275, 185]])


def picture_of(output: ToolOutput) -> Image.Image:
    assert isinstance(output.value, Image.Image)
    return output.value


def test_a_face_is_no_longer_found(photo: Photo) -> None:
    image = photo("astronaut")
    finder = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"))

    def faces(picture: Image.Image) -> int:
        return len(finder.detectMultiScale(np.asarray(picture.convert("L")), 1.1, 5, minSize=(60, 60)))

    output = blur_regions(image, Regions(image.size, FACE, ("face",)))
    assert faces(image) == 1
    assert faces(picture_of(output)) == 0
    assert output.summary == "I blurred one face."


def test_a_number_cannot_be_read() -> None:
    """What is left of two numbers differs less than two renderings of one number by another pixel offset."""

    def plate(text: str) -> Image.Image:
        image = Image.new("RGB", (300, 120), "white")
        ImageDraw.Draw(image).text((60, 40), text, fill="black", font=ImageFont.load_default(size=34))
        return image

    regions = Regions((300, 120), np.array([[50, 30, 250, 90]]), ("license plate",))
    one, other = (np.asarray(picture_of(blur_regions(plate(t), regions)), np.float32) for t in ("B 3861", "B 5096"))
    before = np.abs(np.asarray(plate("B 3861"), np.float32) - np.asarray(plate("B 5096"), np.float32)).max()
    assert before > 200
    assert np.abs(one - other).max() < 60


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_only_where_asked(photo: Photo, invert: bool, masked: bool) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, FACE, ("face",))
    if masked:
        oval = Image.new("1", image.size)
        ImageDraw.Draw(oval).ellipse([int(v) for v in FACE[0]], fill=1)
        regions = Regions.from_masks(np.asarray(oval)[None], ("face",))
    output = blur_regions(image, regions, invert)
    changed = (np.asarray(picture_of(output)) != np.asarray(image)).any(axis=2)
    inside = regions.union_mask()
    if invert:
        assert not changed[inside].any()
        assert changed[~inside].mean() > 0.8
    else:
        assert changed[inside].mean() > 0.9
        assert not changed[: 65 - 20].any()
        assert not changed[:, : 175 - 20].any()
        assert not changed[185 + 20 :].any()
    args = {"image": image, "regions": regions, "invert": invert}
    assert blur_regions.problems(args, output) == []


def test_the_kept_thing_leaves_no_halo() -> None:
    """A white disc on black, all else blurred: the black around it stays black."""
    image = Image.new("RGB", (200, 200), "black")
    ImageDraw.Draw(image).ellipse((60, 60, 140, 140), fill="white")
    mask = np.asarray(image.convert("L")) > 128
    after = np.asarray(picture_of(blur_regions(image, Regions.from_masks(mask[None], ("disc",)), invert=True)))
    assert after[~mask].max() < 10
    assert after[mask].min() > 245


@pytest.mark.parametrize("box", [[0, 0, 8, 8], [0, 0, 512, 512], [500, 500, 512, 512], [100, 100, 101, 101]])
def test_any_box_can_be_blurred(photo: Photo, box: list[int]) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, np.array([box]))
    output = blur_regions(image, regions)
    assert blur_regions.problems({"image": image, "regions": regions}, output) == []


def test_a_flat_picture_stays_as_it_is_and_that_is_no_fault() -> None:
    image = Image.new("RGB", (100, 100), "teal")
    regions = Regions(image.size, np.array([[20, 20, 60, 60]]))
    output = blur_regions(image, regions)
    assert picture_of(output).tobytes() == image.tobytes()
    assert blur_regions.problems({"image": image, "regions": regions}, output) == []


def test_several_regions_and_transparency(photo: Photo) -> None:
    image = photo("astronaut").convert("RGBA")
    image.putalpha(128)
    regions = Regions(
        image.size, np.array([[10, 10, 60, 60], [100, 10, 160, 60], [300, 300, 400, 400]]), ("cup", "cup", "")
    )
    output = blur_regions(image, regions)
    assert picture_of(output).getchannel("A").getextrema() == (128, 128)
    assert output.summary == "I blurred two cups and one region."


@pytest.mark.parametrize(
    ("boxes", "invert", "message"),
    [
        (np.zeros((0, 4)), False, "nothing to blur: no region was found"),
        (np.zeros((0, 4)), True, "nothing to keep sharp: no region was found"),
        (np.array([[0, 0, 512, 512]]), True, "no background to blur"),
    ],
)
def test_refusals(photo: Photo, boxes: FloatArray, invert: bool, message: str) -> None:
    image = photo("astronaut")
    with pytest.raises(ToolError, match=message):
        blur_regions(image, Regions(image.size, boxes), invert)


@pytest.mark.parametrize("invert", [False, True])
def test_faults_are_caught(photo: Photo, invert: bool) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, FACE, ("face",))

    def problems(value: Image.Image) -> str:
        args = {"image": image, "regions": regions, "invert": invert}
        return "; ".join(blur_regions.problems(args, ToolOutput(value, "")))

    assert "nothing changed inside" in problems(image)
    assert "is not blurred" in problems(image)
    assert "outside the regions changed" in problems(picture_of(blur_regions(image, regions, not invert)))
    assert "pixels instead of 512x512" in problems(image.resize((256, 256)))
    weak = np.asarray(image).copy()
    weak[65:185, 175:275] = weak[65:185, 175:275] // 8 * 8
    assert "region 1 is not blurred" in problems(Image.fromarray(weak)) or invert


def code_on(ground: str, content: str, form: str, scale: int) -> tuple[Image.Image, Regions]:
    """A code as it is printed, and its place without the white rim."""
    import zxingcpp

    barcode = zxingcpp.create_barcode(content, getattr(zxingcpp.BarcodeFormat, form))
    drawn = Image.fromarray(np.array(barcode.to_image(scale=scale))).convert("RGB")
    image = Image.new("RGB", (900, 500), ground)
    image.paste(drawn, (40, 60))
    dark = np.asarray(drawn.convert("L")) < 128
    (top, bottom), (left, right) = (np.flatnonzero(dark.any(axis=axis))[[0, -1]] for axis in (1, 0))
    place = np.array([[40 + left, 60 + top, 41 + right, 61 + bottom]], np.float32)
    return image, Regions(image.size, place, (form,))


@pytest.mark.parametrize("ground", ["white", "black"])
@pytest.mark.parametrize(
    ("content", "form"), [("https://example.org/a", "QRCode"), ("00200000000000000017", "Code128")]
)
@pytest.mark.parametrize("scale", [2, 4])
def test_a_blurred_code_passes_and_a_code_painted_over_does_not(
    ground: str, content: str, form: str, scale: int
) -> None:
    import zxingcpp

    image, regions = code_on(ground, content, form, scale)
    args = {"image": image, "regions": regions, "invert": False}
    output = blur_regions(image, regions)
    assert zxingcpp.read_barcodes(image)
    assert not zxingcpp.read_barcodes(picture_of(output))
    assert blur_regions.problems(args, output) == []
    for paint in ("black", "white", (220, 30, 30)):
        covered = image.copy()
        left, top, right, bottom = (int(value) for value in regions.boxes[0])
        covered.paste(paint, (left, top, right, bottom))
        assert blur_regions.problems(args, ToolOutput(covered, "I blurred it."))


@pytest.mark.parametrize("cells", [3, 4, 6, 9])
def test_a_blurred_pattern_of_black_and_white_passes(cells: int) -> None:
    image, side = Image.new("RGB", (500, 500), "white"), 180 // cells
    for row in range(cells):
        for column in range(row % 2, cells, 2):
            image.paste(
                "black", (150 + column * side, 150 + row * side, 150 + (column + 1) * side, 150 + (row + 1) * side)
            )
    box = [150, 150, 150 + cells * side, 150 + cells * side]
    regions = Regions(image.size, np.array([box], np.float32), ("board",))
    args = {"image": image, "regions": regions, "invert": False}
    assert blur_regions.problems(args, blur_regions(image, regions)) == []


@pytest.mark.parametrize("invert", [False, True])
def test_black_leaves_nothing(photo: Photo, invert: bool) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, FACE, ("face",))
    output = blur_regions(image, regions, invert, "black")
    before, after = np.asarray(image), np.asarray(picture_of(output))
    area = regions.union_mask() != invert
    assert not after[area].any()
    assert (after[~area] == before[~area]).all()
    assert output.summary == ("I blacked out everything but one face." if invert else "I blacked out one face.")
    args = {"image": image, "regions": regions, "invert": invert, "method": "black"}
    assert blur_regions.problems(args, output) == []
    assert "not all black" in "; ".join(blur_regions.problems(args, blur_regions(image, regions, invert)))


@pytest.mark.parametrize("invert", [False, True])
def test_blocks_are_coarse_and_end_where_the_region_does(photo: Photo, invert: bool) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, FACE, ("face",))
    output = blur_regions(image, regions, invert, "pixelate")
    before, after = np.asarray(image), np.asarray(picture_of(output))
    area = regions.union_mask() != invert
    assert (after[~area] == before[~area]).all()
    if invert:
        assert 100 < len(np.unique(after[area], axis=0)) <= 40 * 40
    else:
        face = after[65:185, 175:275]
        assert len(np.unique(face.reshape(-1, 3), axis=0)) <= 6 * 7  # 6 blocks across, of 100 by 120 pixels 7 down
        assert np.abs(face.mean(axis=(0, 1)) - before[65:185, 175:275].mean(axis=(0, 1))).max() < 2
    args = {"image": image, "regions": regions, "invert": invert, "method": "pixelate"}
    assert blur_regions.problems(args, output) == []
    for wrong in (image, blur_regions(image, regions, invert).value):
        assert "finer detail" in "; ".join(blur_regions.problems(args, ToolOutput(wrong, "")))
    painted = np.array(before)
    painted[area] = (255, 0, 255)
    assert "painted over" in "; ".join(blur_regions.problems(args, ToolOutput(Image.fromarray(painted), "")))


@pytest.mark.parametrize("method", ["pixelate", "black"])
@pytest.mark.parametrize("box", [[0, 0, 8, 8], [0, 0, 512, 512], [100, 100, 101, 101], [20, 30, 500, 34]])
def test_any_box_can_be_covered(photo: Photo, method: Method, box: list[int]) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, np.array([box]))
    output = blur_regions(image, regions, method=method)
    assert blur_regions.problems({"image": image, "regions": regions, "method": method}, output) == []


def test_regions_that_overlap_are_covered_together(photo: Photo) -> None:
    image = photo("astronaut")
    regions = Regions(image.size, np.array([[50, 50, 200, 200], [120, 120, 300, 260]]), ("cup", "cup"))
    for method in ("pixelate", "black"):
        output = blur_regions(image, regions, method=method)
        assert blur_regions.problems({"image": image, "regions": regions, "method": method}, output) == []
