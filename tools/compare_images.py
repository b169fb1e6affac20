"""Saying how two pictures differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from visiongpt_agent.language.english import count_phrase, join, place_of
from visiongpt_agent.models import jobs
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import BoolArray, FloatArray, Regions
from visiongpt_agent.tools.base import Models, ToolOutput, vision_tool

_SIDE: Final = 512
_CHANGED: Final = 25.0
"""Difference of a slightly smoothed channel, of 255, from which a pixel counts as changed: above noise and JPEG."""

_SMALLEST_PLACE: Final = 0.001
_PLACES: Final = 3
_VISIBLE_SHIFT: Final = 3.0


@vision_tool("how two images differ", returns=Kind.TEXT)
def compare_images(image: Image.Image, other: Image.Image, *, models: Models) -> ToolOutput:
    """Say how alike two pictures are and what differs: size, brightness, colour, changed places, objects.

    Likeness is the mean structural similarity (SSIM; Wang et al., "Image quality assessment: from error visibility to
    structural similarity", 2004) of the grey pictures at 512 pixels on the longer side.

    Args:
        image: The first picture.
        other: The second picture; what is told is how it differs from the first.
        models: Gives ``detection.closed`` and ``features.image`` where present.
    """
    if image.size == other.size and image.convert("RGBA").tobytes() == other.convert("RGBA").tobytes():
        text = "The two pictures are identical, pixel for pixel."
        return ToolOutput(text, text, facts={"identical": True, "ssim": 1.0, "changed": 0.0})
    first, second = _aligned(image, other)
    likeness = ssim(_grey(first), _grey(second))
    changed = _changed(first, second)
    sentences = [_verdict(likeness), *_sizes(image, other), *_tones(first, second), _where(changed)]
    facts: dict[str, object] = {
        "identical": False,
        "ssim": round(likeness, 4),
        "changed": round(float(changed.mean()), 4),
    }
    used = list[str]()
    if models.has(jobs.DETECTION_CLOSED):
        sentences += _objects(image, other, models)
        used.append(models.name(jobs.DETECTION_CLOSED))
    if models.has(jobs.IMAGE_FEATURES):
        facts["feature_cosine"] = round(_feature_cosine(first, second, models), 4)
        used.append(models.name(jobs.IMAGE_FEATURES))
    text = " ".join(sentences)
    return ToolOutput(text, text, models=tuple(used), facts=facts)


def _aligned(image: Image.Image, other: Image.Image) -> tuple[Image.Image, Image.Image]:
    """Both in RGB at the first one's shape, 512 pixels on the longer side at most."""
    scale = min(1.0, _SIDE / max(image.size))
    size = max(16, round(image.width * scale)), max(16, round(image.height * scale))
    first, second = (picture.convert("RGB").resize(size, Image.Resampling.LANCZOS) for picture in (image, other))
    return first, second


def _grey(image: Image.Image) -> FloatArray:
    return np.asarray(image.convert("L"), np.float32)


def ssim(one: FloatArray, other: FloatArray) -> float:
    """Mean structural similarity of two grey pictures ``(H, W)`` of 0 to 255, with the paper's Gaussian window.

    Returns:
        1 for equal pictures, about 0 for unrelated ones, below 0 for inverted ones.
    """
    import cv2

    def mean(values: FloatArray) -> FloatArray:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5), np.float32)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_one, mean_other = mean(one), mean(other)
    variance_one, variance_other = mean(one * one) - mean_one**2, mean(other * other) - mean_other**2
    covariance = mean(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + c1) / (mean_one**2 + mean_other**2 + c1)
    structure = (2 * covariance + c2) / (variance_one + variance_other + c2)
    return float((luminance * structure).mean())


def _verdict(likeness: float) -> str:
    words = (
        "are nearly the same"
        if likeness >= 0.95
        else "are alike"
        if likeness >= 0.75
        else "are alike in parts"
        if likeness >= 0.45
        else "look different"
    )
    return f"The two pictures {words} (structural similarity {likeness:.2f} of 1)."


def _sizes(image: Image.Image, other: Image.Image) -> Iterator[str]:
    if image.size != other.size:
        yield f"The first has {image.width}x{image.height} pixels, the second {other.width}x{other.height}."
    if abs(np.log(image.width / image.height * other.height / other.width)) > 0.02:
        yield "They have different shapes, so the second was stretched onto the first to compare them."


def _tones(first: Image.Image, second: Image.Image) -> Iterator[str]:
    """Brightness and colour, where they differ to the eye."""
    change = float(_grey(second).mean() - _grey(first).mean())
    if abs(change) >= _VISIBLE_SHIFT:
        yield f"The second is {'brighter' if change > 0 else 'darker'} by {abs(change) / 255:.0%} of the full range."
    before, after = (_colourfulness(picture) for picture in (first, second))
    if after < 2 <= before - 2:
        yield "The second is black and white."
    elif before < 2 <= after - 2:
        yield "The first is black and white."
    elif abs(after - before) >= 2 * _VISIBLE_SHIFT:
        yield f"The second is {'more' if after > before else 'less'} colourful."
    warmth = [float((p[..., 0] - p[..., 2]).mean()) for p in (np.asarray(i, np.float32) for i in (first, second))]
    if min(before, after) >= 2 and abs(warmth[1] - warmth[0]) >= 2 * _VISIBLE_SHIFT:
        yield f"Its colours are {'warmer' if warmth[1] > warmth[0] else 'cooler'}."


def _colourfulness(image: Image.Image) -> float:
    pixels = np.asarray(image, np.float32)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())


def _changed(first: Image.Image, second: Image.Image) -> BoolArray:
    import cv2

    smooth = [cv2.GaussianBlur(np.asarray(picture, np.float32), (0, 0), 1.5) for picture in (first, second)]
    return np.asarray(np.abs(smooth[0] - smooth[1]).max(axis=2) > _CHANGED, np.bool_)


def _where(changed: BoolArray) -> str:
    share = float(changed.mean())
    places = _places(changed)
    if not places:
        return "No place changed clearly."
    told = f"{share:.0%}" if share >= 0.01 else f"{share:.1%}"
    if share > 0.4:
        return f"{told} of the pixels changed clearly."
    return f"{told} of the pixels changed clearly, mostly {join(places)}."


def _places(changed: BoolArray) -> list[str]:
    """Where the largest changed patches are, in words, the largest first."""
    import cv2

    joined = cv2.dilate(changed.astype(np.uint8), np.ones((9, 9), np.uint8))
    _, cells = cv2.connectedComponents(joined)
    sizes: npt.NDArray[np.intp] = np.bincount(cells[changed], minlength=1)
    sizes[0] = 0
    largest = [int(i) for i in np.argsort(-sizes)[:_PLACES] if sizes[i] >= _SMALLEST_PLACE * changed.size]
    patches = [Regions.from_masks((changed & (cells == i))[None]) for i in largest]
    size = changed.shape[1], changed.shape[0]
    return list(dict.fromkeys(place_of(patch.boxes[0], size) for patch in patches))


def _objects(image: Image.Image, other: Image.Image, models: Models) -> Iterator[str]:
    """What a detector sees in one picture only."""
    with models.use(jobs.DETECTION_CLOSED, jobs.ClosedDetector) as detector:
        sure = detector.threshold
        first, second = (
            Counter(detector.detect(picture.convert("RGB"), threshold=sure).labels) for picture in (image, other)
        )
    gone, new = first - second, second - first
    if gone:
        yield f"The first shows {_listed(gone)} that I do not see in the second."
    if new:
        yield f"The second shows {_listed(new)} that I do not see in the first."
    if first and first == second:
        yield f"Both show {_listed(first)}."


def _listed(things: Counter[str]) -> str:
    return join([count_phrase(count, name) for name, count in things.items()])


def _feature_cosine(first: Image.Image, second: Image.Image, models: Models) -> float:
    with models.use(jobs.IMAGE_FEATURES, jobs.ImageFeatures) as backbone:
        one, two = (backbone.features(picture).mean(axis=(1, 2)) for picture in (first, second))
    return float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)))


@compare_images.check
def _says_identical_only_if_so(image: Image.Image, other: Image.Image, output: ToolOutput) -> Iterator[str]:
    same = image.size == other.size and image.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()
    if not isinstance(output.value, str) or not output.value.strip():
        yield "the comparison is empty"
    elif same != ("identical" in output.value):
        yield f"the text says {'' if not same else 'not '}identical, the pixels say otherwise"


@compare_images.check
def _says_what_the_pixels_say(
    image: Image.Image, other: Image.Image, output: ToolOutput, models: Models
) -> Iterator[str]:
    """Figures and sentences are those that come out again; what only a detector sees must be seen again."""
    if output.summary != output.value:
        yield "the sentence that is told is not the comparison"
    if output.facts["identical"]:
        return
    first, second = _aligned(image, other)
    likeness, changed = ssim(_grey(first), _grey(second)), _changed(first, second)
    figures = (output.facts["ssim"] - likeness, output.facts["changed"] - float(changed.mean()))
    if max(map(abs, figures)) > 1e-3:
        yield "the likeness that is told is not that of the two pictures"
    told = [_verdict(likeness), *_sizes(image, other), *_tones(first, second), _where(changed)]
    seen = list(_objects(image, other, models)) if models.has(jobs.DETECTION_CLOSED) else []
    if output.value != " ".join([*told, *seen]):
        yield "the text does not say what comes out when the pictures are compared again"
