"""Every job asked of a model on a photo: the answer keeps to the job's protocol, and can be compared with another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from visiongpt_agent.models import jobs
from visiongpt_agent.regions import Regions


def answer(model: Any, job: str, image: Image.Image) -> Any:
    """What the model says to the job, checked for types, shapes and ranges; equal answers compare equal."""
    return plain(_ASK[job](model, image))


def plain(value: Any) -> Any:
    """An answer as values that ``==`` compares whole."""
    match value:
        case np.ndarray():
            return value.shape, str(value.dtype), value.tobytes()
        case Image.Image():
            return value.size, value.tobytes()
        case Regions():
            return value.size, value.labels, plain(value.boxes), plain(value.scores), plain(value.masks)
        case list() | tuple():
            return [plain(part) for part in value]
        case _:
            return value


def _regions(found: Regions, image: Image.Image, names: Any) -> Regions:
    assert found.size == image.size
    assert set(found.labels) <= set(names)
    assert found.boxes.dtype == np.float32
    assert found.boxes.shape == (len(found), 4)
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([*image.size, *image.size])).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    return found


def _masks(masks: Any, image: Image.Image) -> Any:
    assert masks.dtype == np.bool_
    assert masks.shape[1:] == (image.height, image.width)
    return masks


def _shares(values: Any, shape: tuple[int, ...], least: float = 0.0) -> Any:
    assert values.dtype == np.float32
    assert values.shape == shape
    assert np.isfinite(values).all()
    assert least - 0.01 <= values.min() <= values.max() <= 1.01
    return values


def _picture(made: Any, size: tuple[int, int] | None) -> Any:
    assert isinstance(made, Image.Image)
    assert made.mode == "RGB"
    assert size is None or made.size == size
    return made


def _words(said: Any) -> str:
    assert isinstance(said, str)
    return said


def _boxes(image: Image.Image) -> Any:
    return np.array([[2, 3, image.width // 2, image.height // 2], [0, 0, *image.size]], np.float32)


def _hole(image: Image.Image) -> Any:
    mask = np.zeros((image.height, image.width), np.bool_)
    mask[10:20, 12:24] = True
    return mask


def _closed(model: Any, image: Image.Image) -> Any:
    assert 0 < model.threshold < 1
    assert len(model.detect(image, threshold=1.01)) == 0
    return _regions(model.detect(image, threshold=0.0), image, model.classes)


def _open(model: Any, image: Image.Image) -> Any:
    assert 0 < model.threshold < 1
    assert len(model.detect(image, ["cup"], threshold=1.01)) == 0
    return _regions(model.detect(image, ["cup", "red car"], threshold=0.0), image, ("cup", "red car"))


def _promptable(model: Any, image: Image.Image) -> Any:
    assert isinstance(model.caveat, str)
    masks = _masks(model.segment(image, _boxes(image)), image)
    assert len(masks) == 2
    parts = _masks(model.segment_everything(image), image)
    sizes = [int(part.sum()) for part in parts]
    assert sizes == sorted(sizes, reverse=True)
    return masks, parts


def _foreground(model: Any, image: Image.Image) -> Any:
    assert isinstance(model.caveat, str)
    return _shares(model.matte(image), (image.height, image.width))


def _people(model: Any, image: Image.Image) -> Any:
    return _shares(model.matte(image), (image.height, image.width))


def _classes(model: Any, image: Image.Image) -> Any:
    probabilities = _shares(model.classify(image), (len(model.classes),))
    assert abs(float(probabilities.sum()) - 1) < 0.01
    return probabilities


def _features(model: Any, image: Image.Image) -> Any:
    features = model.features(image)
    assert features.dtype == np.float32
    assert features.ndim == 3
    assert np.isfinite(features).all()
    return features


def _embedding(model: Any, image: Image.Image) -> Any:
    vectors = model.embed(["a cup", "a cup of coffee on a table"])
    assert vectors.dtype == np.float32
    assert len(vectors) == 2
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    assert len(model.embed([])) == 0
    return vectors


def _matching(model: Any, image: Image.Image) -> Any:
    return _shares(model.match(image, ["a cat", "a cup of coffee"]), (2,), least=-1.0)


def _lines(lines: Any, image: Image.Image) -> Any:
    for line in lines:
        assert line.text
        assert 0 <= line.score <= 1
        corners = np.array(line.corners)
        assert corners.shape == (4, 2)
        assert (corners > -image.width / 2).all()
        assert (corners < 1.5 * max(image.size)).all()
    return lines


def _codes(model: Any, image: Image.Image) -> Any:
    codes = model.read(image)
    _lines([line for _, line in codes], image)
    return codes


def _removed(model: Any, image: Image.Image) -> Any:
    assert 0 < model.max_share <= 1
    hole = _hole(image)
    filled = _picture(model.remove(image, hole), image.size)
    assert np.array_equal(np.asarray(filled)[~hole], np.asarray(image)[~hole])
    return filled


def _styled(model: Any, image: Image.Image) -> Any:
    by_name = _picture(model.stylize(image, model.styles[0]), image.size) if model.styles else None
    return by_name, _picture(model.stylize(image, image.rotate(180)), image.size)


def _larger(model: Any, image: Image.Image) -> Any:
    assert model.max_pixels > 0
    small = image.resize((24, 16))
    return _picture(model.upscale(small), (24 * model.factor, 16 * model.factor))


def _depth(model: Any, image: Image.Image) -> Any:
    return _shares(model.depth(image), (image.height, image.width))


def _joints(model: Any, image: Image.Image) -> Any:
    joints = model.keypoints(image, _boxes(image))
    assert joints.dtype == np.float32
    assert joints.shape == (2, len(model.joints), 3)
    assert np.isfinite(joints).all()
    assert ((joints[..., 2] >= 0) & (joints[..., 2] <= 1)).all()
    assert model.keypoints(image, np.zeros((0, 4), np.float32)).shape == (0, len(model.joints), 3)
    return joints


def _controlled(model: Any, image: Image.Image) -> Any:
    assert set(model.controls) <= {"edges", "depth", "pose"}
    return _picture(model.generate(image, "a cat", control=model.controls[0], seed=1), image.size)


def _plans(model: Any, image: Image.Image) -> str:
    assert isinstance(model.writes, bool)
    return _words(model.chat.bind(max_tokens=8).invoke("What is in the picture?").content)


def _semantic(model: Any, image: Image.Image) -> Any:
    words = [word for word in ("sky", "grass", "wall", "cup") if model.knows(word)]
    found = _regions(model.segment(image, words, threshold=0.0), image, words)
    assert found.masks is not None or len(found) == 0
    return found


_ASK: dict[str, Callable[[Any, Image.Image], Any]] = {
    jobs.DETECTION_CLOSED: _closed,
    jobs.DETECTION_OPEN_VOCABULARY: _open,
    jobs.DETECTION_FACES: lambda model, image: _regions(model.detect(image), image, ("face",)),
    jobs.SEGMENTATION_PROMPTABLE: _promptable,
    jobs.SEGMENTATION_FOREGROUND: _foreground,
    jobs.SEGMENTATION_PEOPLE: _people,
    jobs.SEGMENTATION_SEMANTIC: _semantic,
    jobs.CLASSIFICATION: _classes,
    jobs.IMAGE_FEATURES: _features,
    jobs.TEXT_EMBEDDING: _embedding,
    jobs.IMAGE_TEXT: _matching,
    jobs.OCR: lambda model, image: _lines(model.read(image), image),
    jobs.CODES: _codes,
    jobs.CAPTION: lambda model, image: _words(model.caption(image)),
    jobs.VQA: lambda model, image: _words(model.answer(image, "what is this ?")),
    jobs.DEPTH: _depth,
    jobs.POSE: _joints,
    jobs.TEXT_TO_IMAGE: lambda model, image: _picture(model.generate("a cat", seed=1), None),
    jobs.CONTROL: _controlled,
    jobs.INSTRUCT: lambda model, image: _picture(model.edit(image, "make it winter", seed=1), image.size),
    jobs.INPAINT_REMOVE: _removed,
    jobs.INPAINT_REPLACE: lambda model, image: _picture(
        model.replace(image, _hole(image), "a cat", seed=1), image.size
    ),
    jobs.STYLE: _styled,
    jobs.STYLE_FILTER: lambda model, image: _picture(model.stylize(image, model.styles[0]), image.size),
    jobs.UPSCALE: _larger,
    jobs.LLM: _plans,
}
