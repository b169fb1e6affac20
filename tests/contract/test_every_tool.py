"""What every tool keeps to: a result that can be used, or a refusal in one line; never another error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from langchain_core.tools import ToolException
from PIL import Image
from pydantic import ValidationError

from tests.contract.examples import example, middle
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec

Run = Callable[[ToolSpec, dict[str, Any]], dict[str, Any] | None]


def taking(*kinds: Kind, quick: bool = False) -> list[Any]:
    """The tools with an argument of one of these kinds, or all; those that run a model count as slow unless quick."""
    return [
        pytest.param(spec, id=name, marks=[pytest.mark.slow] if spec.needs and not quick else [])
        for name, spec in catalog().items()
        if not kinds or any(kind in argument.kinds for argument in spec.signature.arguments for kind in kinds)
    ]


@pytest.fixture
def run(store: ImageStore, pool: ModelPool) -> Run:
    """Call a tool: the artifact of a result that can be used, None where it was refused in one line."""

    def call(spec: ToolSpec, args: dict[str, Any]) -> dict[str, Any] | None:
        try:
            message = spec.bind(store, pool).invoke({"name": spec.name, "args": args, "id": "1", "type": "tool_call"})
        except ValidationError:  # of the arguments: what is wrong stands in it
            return None
        except ToolException as refusal:
            told = str(refusal)
            assert 10 <= len(told) <= 400, told
            assert "\n" not in told
            return None
        check(message.artifact, spec, store)
        assert message.content == message.artifact["summary"] != ""
        artifact: dict[str, Any] = message.artifact
        return artifact

    return call


def check(artifact: dict[str, Any], spec: ToolSpec, store: ImageStore) -> None:
    json.dumps(artifact, allow_nan=False)
    assert artifact["tool"] == spec.name
    assert artifact["kind"] == spec.signature.returns
    match spec.signature.returns:
        case Kind.IMAGE:
            picture = store.open(artifact["image"])
            assert picture.size == (artifact["width"], artifact["height"])
        case Kind.REGIONS:
            assert len(store.regions(artifact["regions"])) == len(artifact["items"])
        case Kind.TEXT:
            assert isinstance(artifact["text"], str)
        case _:
            assert all(label["name"] and 0 <= label["score"] <= 1 for label in artifact["labels"])


@pytest.fixture
def small(photo: Callable[[str], Image.Image]) -> Image.Image:
    return photo("coffee").resize((96, 64))


def _veiled(photo: Image.Image) -> Image.Image:
    veiled = photo.convert("RGBA")
    veiled.putalpha(Image.linear_gradient("L").resize(photo.size))
    return veiled


PICTURES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "one pixel": lambda _: Image.new("RGB", (1, 1), "teal"),
    "one row": lambda photo: photo.resize((90, 1)),
    "grey": lambda photo: photo.convert("L"),
    "half transparent": _veiled,
    "wholly transparent": lambda photo: Image.new("RGBA", photo.size, (0, 0, 0, 0)),
}


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES.keys())
@pytest.mark.parametrize("spec", taking(Kind.IMAGE))
def test_any_picture(
    spec: ToolSpec, make: Callable[[Image.Image], Image.Image], run: Run, small: Image.Image, store: ImageStore
) -> None:
    run(spec, example(spec, make(small), store))


@pytest.mark.slow
@pytest.mark.parametrize("spec", taking(Kind.IMAGE))
def test_a_picture_8000_pixels_wide(
    spec: ToolSpec, run: Run, photo: Callable[[str], Image.Image], store: ImageStore
) -> None:
    run(spec, example(spec, photo("coffee").resize((8000, 250)), store))


def _without_pixels(size: tuple[int, int]) -> Regions:
    found = middle(size)
    return Regions(size, found.boxes, found.labels, found.scores, np.zeros((1, size[1], size[0]), np.bool_))


REGIONS: dict[str, Callable[[tuple[int, int]], Regions]] = {
    "of another picture": lambda size: middle((size[0] + 7, size[1])),
    "none": lambda size: Regions(size),
    "none, with masks": lambda size: Regions(size, masks=np.zeros((0, size[1], size[0]), np.bool_)),
    "boxes alone": lambda size: middle(size, masks=False),
    "a mask without pixels": _without_pixels,
    "the whole picture": lambda size: Regions(size, np.array([[0, 0, *size]], np.float32)),
    "a fraction of a pixel": lambda size: Regions(size, np.array([[3.2, 3.2, 3.4, 3.4]], np.float32)),
}


@pytest.mark.parametrize("make", REGIONS.values(), ids=REGIONS.keys())
@pytest.mark.parametrize("spec", taking(Kind.REGIONS))
def test_any_regions(
    spec: ToolSpec, make: Callable[[tuple[int, int]], Regions], run: Run, small: Image.Image, store: ImageStore
) -> None:
    args = example(spec, small, store)
    name = next(a.name for a in spec.signature.arguments if Kind.REGIONS in a.kinds)
    regions = make(small.size)

    result = run(spec, {**args, name: store.add_regions(regions)})

    assert result is None or regions.size == small.size


WORDS = ("", "x" * 5000, "\x00\x1b[31m\n", "$1", "img-0123456789abcdef", "žába 青い 🐸")


@pytest.mark.parametrize("words", WORDS, ids=repr)
@pytest.mark.parametrize("spec", taking(Kind.STRING, Kind.STRINGS))
def test_any_words(spec: ToolSpec, words: str, run: Run, small: Image.Image, store: ImageStore) -> None:
    args = example(spec, small, store)
    for argument in spec.signature.arguments:
        if Kind.STRING in argument.kinds:
            run(spec, {**args, argument.name: words})
        elif Kind.STRINGS in argument.kinds:
            run(spec, {**args, argument.name: [words, words]})


NUMBERS = (0, -1, 0.001, 1e9, math.inf, -math.inf, math.nan, 10**30)


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("spec", taking(Kind.NUMBER, Kind.INTEGER))
def test_any_number(spec: ToolSpec, number: float, run: Run, small: Image.Image, store: ImageStore) -> None:
    args = example(spec, small, store)
    for argument in spec.signature.arguments:
        if Kind.NUMBER in argument.kinds or Kind.INTEGER in argument.kinds:
            run(spec, {**args, argument.name: number})


@pytest.mark.parametrize("wrong", [None, 3, "no such thing", [], {}, "reg-0123456789abcdef", "img-../../x"], ids=repr)
@pytest.mark.parametrize("spec", taking(Kind.IMAGE, Kind.REGIONS, quick=True))
def test_a_reference_to_nothing_is_refused(
    spec: ToolSpec, wrong: Any, run: Run, small: Image.Image, store: ImageStore
) -> None:
    args = example(spec, small, store)
    for argument in spec.signature.arguments:
        if set(argument.kinds) <= {Kind.IMAGE, Kind.REGIONS} and not (wrong is None and not argument.required):
            assert run(spec, {**args, argument.name: wrong}) is None


@pytest.mark.parametrize("spec", taking(quick=True))
def test_unknown_and_absent_arguments_are_refused(
    spec: ToolSpec, run: Run, small: Image.Image, store: ImageStore
) -> None:
    args = example(spec, small, store)

    assert run(spec, {**args, "surprise": 1}) is None
    for argument in spec.signature.arguments:
        if argument.required:
            assert run(spec, {name: value for name, value in args.items() if name != argument.name}) is None


@pytest.mark.parametrize("spec", taking())
def test_calls_side_by_side_come_to_the_same(
    spec: ToolSpec, run: Run, small: Image.Image, store: ImageStore, pool: ModelPool
) -> None:
    if lack := spec.lacks(pool):
        pytest.skip(f"no model for {spec.name} here: {lack}")
    args = example(spec, small, store)

    with ThreadPoolExecutor(4) as workers:
        results = list(workers.map(lambda _: run(spec, args), range(4)))

    assert results[0] is not None
    assert all(result == results[0] for result in results)
