"""Defects: places that look unlike the rest of the picture, or unlike a good reference.

The method is PatchCore's (Roth et al., "Towards total recall in industrial anomaly detection", 2022): patches are
described by middle layers of a classifier and compared with a memory of good patches. The memory is made of a reference
picture or, without one, of the picture itself: on a surface of one texture good patches have many likes elsewhere.

Where there is no reference but a model that compares pictures with words, each place is also scored by how damaged it
looks in words; what both ways of looking do not agree on is told as a doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import count_phrase, join, place_of
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools._damage_in_words import damage_map, damaged, windows
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool

_SMALLEST: Final = 64
_LABEL: Final = "anomaly"
_NEIGHBOURS: Final = 3
_NOT_ITSELF: Final = 5
"""Patches this close (in grid cells) show the same defect and are no evidence that a patch is normal."""

_BORDER: Final = 4
"""So many cells at the borders are unlike the rest of any picture, because what the network sees there is cut off."""

_SHIFT: Final = 3
"""How far (in grid cells) a patch may have moved between the picture and its reference."""

_RIM: Final = 4.0
_PEAK_OF_REST, _PEAK_OF_REFERENCE = 9.0, 12.0
_STRENGTH: Final = 38.0
"""An anomaly is a joined patch of cells over ``_RIM`` whose highest is over the peak, and whose peak times the root of
its cells is over ``_STRENGTH``; the unit is the median absolute deviation. The figures lie between scratches of 2 to 4
pixels planted on brick, grass and gravel, and clean cut-outs of the same."""

_CLEARLY, _FAINT = 1.5, 0.6
_ELSEWHERE, _AGREES = 0.4, 0.57
"""IoU of an outline with that of the second look; the cells that both are made of are eight pixels wide or more."""

_DAMAGED, _MORE_THAN_USUAL = 0.6, 0.1
"""Shares of the words for damage from which a place that does not stand out is told all the same, as a doubt."""

_SAME: Final = 0.03
"""Least distance that counts as one deviation: near-identical patches would make a molehill of noise a mountain."""


@vision_tool("defects, optionally against a good reference", returns=Kind.REGIONS, needs=[jobs.IMAGE_FEATURES])
def detect_anomalies(image: Image.Image, reference: Image.Image | None = None, *, models: Models) -> ToolOutput:
    """Find defects such as scratches, stains and odd parts, as regions with masks.

    With a reference the picture is compared with it place by place (both must show the same view). Without one each
    part is compared with the rest of the picture, which suits surfaces of one texture.

    Args:
        image: The picture to inspect.
        reference: A picture of a good specimen.
        models: Gives ``features.image`` and, where there is one, ``matching.image_text``.

    Raises:
        ToolError: If a picture is smaller than 64 pixels on a side, or too narrow to be judged without a reference.
    """
    for picture in (image, reference):
        if picture is not None and min(picture.size) < _SMALLEST:
            raise ToolError(
                f"a picture of {picture.width}x{picture.height} pixels is too small to inspect: use 64 or more"
            )
    deviation, peak = _deviation(image, reference, models)
    found = _regions(deviation, image.size, peak)
    used, doubts = [models.name(jobs.IMAGE_FEATURES)], list[str]()
    if reference is None:
        doubts.append("Without a reference the outermost rim of the picture is not judged.")
        if models.has(jobs.IMAGE_TEXT):
            doubts += _doubts_in_words(image, found, models)
            used.append(models.name(jobs.IMAGE_TEXT))
    return ToolOutput(
        found,
        _sentence(found, reference is not None),
        models=tuple(used),
        uncertain=tuple(doubts),
        heat=_heat(deviation, image.size, peak),
    )


def _doubts_in_words(image: Image.Image, found: Regions, models: Models) -> Iterator[str]:
    """Where the look in words does not bear out what was found, or sees damage where nothing was."""
    picture = image.convert("RGB")
    with models.use(jobs.IMAGE_TEXT, jobs.ImageTextMatcher) as matcher:
        seen = windows(picture, matcher)
        usual = float(np.median(damage_map(seen, image.size)))
        for box in found.boxes:
            if damaged(picture.crop(_around(box, image.size)), matcher) <= usual:
                yield f"In words, what stands out {place_of(box, image.size)} looks no more damaged than the rest."
    elsewhere = [window for window in seen if not any(_overlap(window.box, box) for box in found.boxes)]
    worst = max(elsewhere, key=lambda window: window.score, default=None)
    if worst and worst.score > max(_DAMAGED, usual + _MORE_THAN_USUAL):
        yield f"In words, there may be damage {place_of(worst.box, image.size)} that does not stand out from the rest."


def _overlap(one: Sequence[float], other: FloatArray) -> bool:
    return bool(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3])


def _around(box: FloatArray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box ``xyxy`` with half its sides around, within the picture."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    across, down = max(16.0, (x2 - x1) / 2), max(16.0, (y2 - y1) / 2)
    left, upper = max(0, int(x1 - across)), max(0, int(y1 - down))
    return left, upper, min(size[0], int(x2 + across)), min(size[1], int(y2 + down))


def _heat(deviation: FloatArray, size: tuple[int, int], peak: float) -> Image.Image:
    """The deviation as a heat map, mode L: 127 where an anomaly's least peak is, 255 at twice that."""
    degrees = Image.fromarray(np.clip(deviation / peak * 127.5, 0, 255).astype(np.uint8))
    return degrees.resize(size, Image.Resampling.BILINEAR)


def _deviation(image: Image.Image, reference: Image.Image | None, models: Models) -> tuple[FloatArray, float]:
    """How much each cell deviates, float32 ``(h, w)``, and from which peak on that is an anomaly."""
    with models.use(jobs.IMAGE_FEATURES, jobs.ImageFeatures) as backbone:
        if reference is None:
            return _from_rest(backbone.features(image)), _PEAK_OF_REST
        seen, good = (backbone.features(_without_noise(picture)) for picture in (image, reference))
        return _from_reference(seen, good), _PEAK_OF_REFERENCE


def _without_noise(image: Image.Image) -> Image.Image:
    """Two shots of one thing differ by sensor noise, which the features would take for texture."""
    return image.convert("RGB").filter(ImageFilter.GaussianBlur(max(image.size) / 512))


def _from_rest(features: FloatArray) -> FloatArray:
    """How much each cell deviates from the rest of its picture, float32 ``(h, w)``, in robust deviations."""
    patches, (height, width) = _scaled(features, features), features.shape[1:]
    distances = _distances(patches, patches)
    rows, columns = np.divmod(np.arange(height * width), width)
    near = (np.abs(rows[:, None] - rows) <= _NOT_ITSELF) & (np.abs(columns[:, None] - columns) <= _NOT_ITSELF)
    distances[near] = np.inf
    nearest = np.partition(distances, _NEIGHBOURS - 1, axis=1)[:, :_NEIGHBOURS].mean(axis=1)
    return _without_rim(_robust(nearest.reshape(height, width)))


def _from_reference(features: FloatArray, good: FloatArray) -> FloatArray:
    """How much each cell deviates from its place in the reference, or from all of it where the shapes differ."""
    height, width = features.shape[1:]
    distances = _distances(_scaled(features, good), _scaled(good, good))
    if features.shape == good.shape:
        rows, columns = np.divmod(np.arange(height * width), width)
        far = (np.abs(rows[:, None] - rows) > _SHIFT) | (np.abs(columns[:, None] - columns) > _SHIFT)
        distances[far] = np.inf
    deviation = _robust(distances.min(axis=1).reshape(height, width))
    return deviation if features.shape == good.shape else _without_rim(deviation)


def _without_rim(deviation: FloatArray) -> FloatArray:
    inner = np.zeros_like(deviation)
    inner[_BORDER:-_BORDER, _BORDER:-_BORDER] = deviation[_BORDER:-_BORDER, _BORDER:-_BORDER]
    if min(deviation.shape) <= 2 * _BORDER:
        raise ToolError("the picture is too narrow to be inspected without a reference of the same view: give one")
    return inner


def _scaled(features: FloatArray, good: FloatArray) -> FloatArray:
    """Patches ``(h * w, C)`` in units of each channel's spread over the good patches, divided by the root of C."""
    channels = features.shape[0]
    normal = good.reshape(channels, -1).T
    spread = normal.std(axis=0) + 1e-3
    return np.asarray(
        (features.reshape(channels, -1).T - np.median(normal, axis=0)) / spread / channels**0.5, np.float32
    )


def _distances(patches: FloatArray, memory: FloatArray) -> FloatArray:
    squared = (patches**2).sum(axis=1)[:, None] + (memory**2).sum(axis=1)[None] - 2 * patches @ memory.T
    return np.asarray(np.sqrt(np.maximum(squared, 0)), np.float32)


def _robust(distances: FloatArray) -> FloatArray:
    import cv2

    smooth = np.asarray(cv2.GaussianBlur(distances, (3, 3), 0.8), np.float32)
    middle = np.median(smooth)
    return np.asarray((smooth - middle) / max(float(np.median(np.abs(smooth - middle))), _SAME), np.float32)


def _regions(deviation: FloatArray, size: tuple[int, int], least: float) -> Regions:
    """The anomalies as regions with masks, the strongest first; scores are 0.5 at the least peak and tend to 1."""
    import cv2

    count, cells = cv2.connectedComponents((deviation > _RIM).astype(np.uint8), connectivity=8)
    masks, peaks = list[BoolArray](), list[float]()
    for number in range(1, count):
        member = cells == number
        peak = float(deviation[member].max())
        if peak < least or peak * member.sum() ** 0.5 < _STRENGTH:
            continue
        inside = np.where(member, deviation, 0)
        fine = cv2.resize(inside.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        masks.append(np.asarray(fine > max(_RIM, peak / 3), np.bool_))
        peaks.append(peak)
    order = np.argsort(peaks)[::-1]
    if not masks:
        return Regions(size, masks=np.zeros((0, size[1], size[0]), np.bool_))
    scores = np.array([peaks[i] / (peaks[i] + least) for i in order], np.float32)
    return Regions.from_masks(np.stack([masks[i] for i in order]), (_LABEL,) * len(masks), scores)


def _sentence(found: Regions, referenced: bool) -> str:
    compared = "compared with the reference" if referenced else "compared with the rest of the picture"
    if not len(found):
        return f"I found no anomaly that stands out, {compared}."
    places = list(dict.fromkeys(place_of(box, found.size) for box in found.boxes))
    return f"I found {_anomalies(len(found))} {join(places)}, {compared}."


def _anomalies(count: int) -> str:
    return "one anomaly" if count == 1 else count_phrase(count, _LABEL)


@detect_anomalies.check
def _marks_parts_of_the_picture(image: Image.Image, output: ToolOutput) -> Iterator[str]:
    found = output.value
    if not isinstance(found, Regions):
        yield "the tool handed back no regions"
        return
    if found.size != image.size:
        yield f"the regions belong to a picture of {found.size}, not {image.size}"
    elif len(found) and found.masks is None:
        yield "the anomalies have no outline"
    elif set(found.labels) - {_LABEL}:
        yield "something else than an anomaly was found"
    elif found.masks is not None and not _tight(found):
        yield "the boxes of the anomalies are not those of their outlines"
    elif found.masks is not None and (found.masks.sum(axis=0) > 1).any():
        yield "an anomaly was marked twice"
    elif len(found) and found.union_mask().mean() > 0.5:
        yield f"{found.union_mask().mean():.0%} of the picture is marked: that is no exception"


def _best_fit(mask: BoolArray, others: Regions) -> float:
    """The highest IoU of a mask with one of the others, 0 to 1."""
    masks = np.zeros((0, *mask.shape), np.bool_) if others.masks is None else others.masks
    return max((float((mask & other).sum() / (mask | other).sum()) for other in masks), default=0.0)


def _tight(found: Regions) -> bool:
    assert found.masks is not None
    outlined = Regions.from_masks(found.masks)
    return len(outlined) == len(found) and bool(np.abs(outlined.boxes - found.boxes).max(initial=0) <= 1)


@detect_anomalies.check
def _tells_what_was_found(reference: Image.Image | None, output: ToolOutput) -> Iterator[str]:
    assert isinstance(output.value, Regions)
    if output.summary != _sentence(output.value, reference is not None):
        yield "the anomalies that are told are not those that were found"


@detect_anomalies.check
def _a_second_look_agrees(
    image: Image.Image, reference: Image.Image | None, output: ToolOutput, models: Models
) -> Iterator[str]:
    """In the mirror image the marked places deviate too, and no other does so clearly."""
    import cv2

    found = output.value
    assert isinstance(found, Regions)
    mirrored = None if reference is None else ImageOps.mirror(reference)
    turned, peak = _deviation(ImageOps.mirror(image), mirrored, models)
    deviation = np.ascontiguousarray(turned[:, ::-1])
    fine = np.asarray(cv2.resize(deviation, image.size, interpolation=cv2.INTER_LINEAR), np.float32)
    for mask in np.zeros((0, 1, 1), np.bool_) if found.masks is None else found.masks:
        if not mask.any():
            yield "an anomaly has an empty outline"
        elif float(fine[mask].max()) < peak / 2 or float(np.median(fine[mask])) < _RIM / 2:
            yield "a second look sees nothing odd where an anomaly was marked"
            return
    faint = _regions(deviation, image.size, _FAINT * peak)
    fits = [_best_fit(mask, faint) for mask in found.masks] if found.masks is not None else []
    if min(fits, default=1.0) < _ELSEWHERE:
        yield "a second look outlines an anomaly otherwise"
    elif min(fits, default=1.0) < _AGREES:
        yield Doubt("A second look does not quite agree on where an anomaly ends.")
    again = _regions(deviation, image.size, _CLEARLY * peak)
    unmarked = (
        [mask for mask in again.masks if not (mask & found.union_mask()).any()] if again.masks is not None else []
    )
    if unmarked and not len(found):
        yield f"a second look sees {_anomalies(len(unmarked))} where none was found"
    elif unmarked:
        yield Doubt(f"A second look sees {_anomalies(len(unmarked))} more.")
