"""Runs of every tool over varied pictures: photos, and pictures drawn here, so that what is in them is known."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs
from visiongpt_agent.pictures.colors import name_color
from visiongpt_agent.regions import FloatArray, Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import Models

if TYPE_CHECKING:
    from typing_extensions import TypeForm

M = TypeVar("M")


@dataclass(frozen=True)
class Run:
    """One call of a tool: its name, the values of its arguments, the models it sees, and a name for people."""

    tool: str
    args: Mapping[str, Any]
    models: Models
    title: str


def runs(models: Models, only: Sequence[str] = (), title: str = "") -> Iterator[Run]:
    """All runs, or those of some tools, or the one of a title; over stand-ins where a tool's models come from a hub."""
    pictures = {**photos(), **drawn()}
    hub = StandIns(models, _STAND_INS)
    for tool, calls in {**_calls(pictures, models), **_hub_calls(pictures)}.items():
        makes_up = tool in ("generate_image", "generate_with_control", "edit_image")
        seen = hub.matching() if makes_up else hub if tool in _HUB else models
        for name, args in calls if not only or tool in only else []:
            if title in ("", name):
                yield Run(tool, {k: value() if callable(value) else value for k, value in args.items()}, seen, name)


# --------------------------------------------------------------------------------------------------------- pictures


def photos() -> dict[str, Image.Image]:
    """The package's sample photos, a street scene, and some of them darker, smaller or in part."""
    found = {n: Image.open(sample_photo(n)).convert("RGB") for n in ("astronaut", "chelsea", "coffee", "rocket")}
    spec = importlib.util.find_spec("ultralytics")
    if spec is not None and spec.submodule_search_locations:
        found["bus"] = Image.open(Path(spec.submodule_search_locations[0]) / "assets" / "bus.jpg").convert("RGB")
        found["street"] = found["bus"].crop((0, 350, 810, 950))
    found["dim coffee"] = ImageEnhance.Brightness(found["coffee"]).enhance(0.7)
    found["small chelsea"] = found["chelsea"].resize((300, 200))
    found["portrait"] = found["astronaut"].crop((90, 0, 400, 330))
    return found


def drawn() -> dict[str, Image.Image]:
    """Shapes, texts, codes and surfaces."""
    return {
        "sign": written([("NO PARKING", 60, (40, 40)), ("Mon-Fri 8:30 - 17:00", 34, (40, 130))], (640, 240)),
        "receipt": written(
            [("CORNER SHOP", 30, (30, 20)), ("Bread 2.40", 26, (30, 80)), ("Milk 1.15", 26, (30, 125)),
             ("TOTAL 3.55", 30, (30, 180))], (340, 260)),
        "dark poster": written([("Summer Festival", 52, (50, 50)), ("12 August 2026", 36, (50, 150))], (600, 240),
                               (250, 240, 200), (30, 40, 80)),
        "qr": code("QRCode", "https://example.org/menu?table=7"),
        "barcode": code("EAN13", "4006381333931"),
        "ticket": ticket(),
        "shapes": shapes(1),
        "more shapes": shapes(2),
        "blank": Image.new("RGB", (320, 240), (200, 200, 195)),
        "brushed": surface(3),
        "scratched": scratched(surface(3)),
        "woven": surface(4, weave=True),
        "stained": scratched(surface(4, weave=True), stain=True),
    }  # fmt: skip


def written(
    lines: Sequence[tuple[str, int, tuple[int, int]]],
    size: tuple[int, int],
    ink: tuple[int, int, int] = (20, 20, 25),
    ground: tuple[int, int, int] = (240, 238, 230),
) -> Image.Image:
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    for text, height, place in lines:
        draw.text(place, text, ink, ImageFont.load_default(height))
    return _grainy(image, 5)


def code(kind: str, text: str) -> Image.Image:
    import zxingcpp

    made = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, kind))
    pixels = np.asarray(zxingcpp.write_barcode_to_image(made, scale=4))
    return _grainy(ImageOps.expand(Image.fromarray(pixels).convert("RGB"), 60, (235, 235, 235)), 6)


def ticket() -> Image.Image:
    image = Image.new("RGB", (700, 420), (225, 230, 240))
    image.paste(code("QRCode", "SEAT 14B").resize((220, 220)), (40, 100))
    image.paste(code("Code128", "TRAIN-9041").resize((360, 150)), (300, 140))
    return image


def shapes(seed: int) -> Image.Image:
    """A disc, a square and a triangle in strong colours on a soft gradient."""
    rows, columns = np.mgrid[:360, :480]
    ground = np.stack([150 + columns / 12, 170 + rows / 12, 160 + (rows + columns) / 24], axis=-1)
    image = Image.fromarray(ground.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    colours = [(200, 40, 40), (40, 90, 200), (30, 150, 60)]
    draw.ellipse((50, 60, 170, 180), fill=colours[seed % 3], outline=(60, 20, 20), width=4)
    draw.rectangle((220, 70, 330, 190), fill=colours[(seed + 1) % 3], outline=(20, 30, 60), width=4)
    draw.polygon([(380, 320), (290, 320), (335, 220)], fill=colours[(seed + 2) % 3])
    return _grainy(image, 3)


def shape_regions(masks: bool) -> Regions:
    """Where :func:`shapes` has its disc and its square."""
    canvas = [Image.new("1", (480, 360)) for _ in range(2)]
    ImageDraw.Draw(canvas[0]).ellipse((50, 60, 170, 180), fill=1)
    ImageDraw.Draw(canvas[1]).rectangle((220, 70, 330, 190), fill=1)
    found = Regions.from_masks(np.stack([np.asarray(one) for one in canvas]), ("disc", "square"))
    return found if masks else Regions(found.size, found.boxes, found.labels)


def surface(seed: int, weave: bool = False) -> Image.Image:
    noise = np.random.default_rng(seed).normal(0, 28, (384, 512)).astype(np.float32)
    stripes = cv2.GaussianBlur(noise, (31, 1), 8) * 3
    rows, columns = np.mgrid[:384, :512]
    pattern = 18 * np.sin(rows / 3) * np.sin(columns / 3) if weave else 0
    grey = np.clip(140 + (stripes if not weave else noise / 3) + pattern, 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def scratched(image: Image.Image, stain: bool = False) -> Image.Image:
    damaged = image.copy()
    draw = ImageDraw.Draw(damaged)
    if stain:
        draw.ellipse((300, 150, 360, 205), fill=(70, 45, 30))
    else:
        draw.line((180, 120, 260, 230, 300, 240), fill=(245, 245, 240), width=5)
    return damaged


def _grainy(image: Image.Image, strength: float) -> Image.Image:
    noise = np.random.default_rng(7).normal(0, strength, (image.height, image.width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


# ------------------------------------------------------------------------------------------------------------ calls

Calls = dict[str, list[tuple[str, dict[str, Any]]]]
"""By tool: titles and arguments; an argument that takes a model to find is a function that finds it."""

_HUB = ("caption_image", "answer_question", "estimate_depth", "estimate_pose")


def _calls(p: Mapping[str, Image.Image], models: Models) -> Calls:
    """Arguments of the tools that run on the embedded weights."""
    names = [name for name in ("astronaut", "chelsea", "coffee", "street") if name in p]
    found = {name: cache(partial(_found, p[name], models)) for name in names}
    outlined = {name: cache(partial(_outlined, p[name], found[name], models)) for name in names}
    queries = {
        "astronaut": ("", "person", "people, dog"),
        "chelsea": ("cat", "cat, dog"),
        "coffee": ("cup", "", "spaceship"),
        "rocket": ("", "person"),
        "bus": ("people", "bus", "", "person on the right"),
        "street": ("person, bus", "leftmost person"),
        "portrait": ("person",),
        "shapes": ("cat",),
    }
    spot = Regions((480, 360), np.array([[380, 40, 420, 80]], np.float32), ("spot",))
    spotted = p["shapes"].copy()
    ImageDraw.Draw(spotted).ellipse((383, 43, 417, 77), fill=(250, 240, 90))
    speck = Regions(p["rocket"].size, np.array([[120, 120, 160, 150]], np.float32))
    scrape = Regions(p["scratched"].size, np.array([[250, 222, 304, 246]], np.float32))
    calls: Calls = {
        "detect_objects": [
            (f"{name} {query!r}", {"image": p[name], "query": query})
            for name, asked in queries.items() if name in p for query in asked
        ],
        "segment_objects": [
            # Without the bus in the street, of which the segmenter has the people in front: no clean run.
            *((name, {"image": p[name], "regions": partial(_but_bus, regions)}) for name, regions in found.items()),
            ("shapes", {"image": p["shapes"], "regions": shape_regions(False)}),
            ("everything in rocket", {"image": p["rocket"]}),
            ("everything in chelsea", {"image": p["chelsea"]}),
        ],
        "read_text": [(n, {"image": p[n]}) for n in
                      ("sign", "receipt", "dark poster", "bus", "astronaut", "chelsea", "shapes", "blank") if n in p],
        "read_codes": [(n, {"image": p[n]}) for n in ("qr", "barcode", "ticket", "chelsea", "sign")],
        "classify_image": [
            *((n, {"image": p[n]}) for n in
              ("astronaut", "chelsea", "coffee", "rocket", "bus", "dim coffee") if n in p),
            ("chelsea of two", {"image": p["chelsea"], "labels": ["cat", "dog"]}),
            ("coffee of three", {"image": p["coffee"], "labels": ["espresso", "cat", "missile"]}),
            ("rocket of two", {"image": p["rocket"], "labels": ["missile", "bus"]}),
        ],
        "detect_faces": [(n, {"image": p[n]}) for n in
                         ("astronaut", "portrait", "street", "chelsea", "coffee", "shapes") if n in p],
        "detect_anomalies": [
            ("scratched", {"image": p["scratched"]}),
            ("stained", {"image": p["stained"]}),
            ("brushed", {"image": p["brushed"]}),
            ("scratched beside good", {"image": p["scratched"], "reference": p["brushed"]}),
            ("stained beside good", {"image": p["stained"], "reference": p["woven"]}),
        ],
        "compare_images": [
            ("coffee, dim coffee", {"image": p["coffee"], "other": p["dim coffee"]}),
            ("coffee twice", {"image": p["coffee"], "other": p["coffee"]}),
            ("shapes, spotted", {"image": p["shapes"], "other": spotted}),
            ("astronaut, chelsea", {"image": p["astronaut"], "other": p["chelsea"]}),
            ("brushed, scratched", {"image": p["brushed"], "other": p["scratched"]}),
        ],
        "inpaint": [
            ("spot", {"image": spotted, "regions": spot}),
            ("rocket", {"image": p["rocket"], "regions": speck}),
            ("scratch", {"image": p["scratched"], "regions": scrape}),
            ("spot by mask", {"image": spotted, "regions": _disc_mask(spot)}),
        ],
        "remove_background": [(n, {"image": p[n]}) for n in ("chelsea", "coffee", "astronaut", "shapes")],
        "replace_background": [
            ("chelsea on white", {"image": p["chelsea"], "prompt": "plain white"}),
            ("coffee on a gradient", {"image": p["coffee"], "prompt": "gradient from blue to white"}),
            ("astronaut before rocket", {"image": p["astronaut"], "background": p["rocket"]}),
        ],
        "stylize_image": [
            (f"{name} as {style}", {"image": p[name], "style": style})
            for name, style in (("chelsea", "watercolor"), ("coffee", "pencil sketch"), ("astronaut", "starry night"),
                                ("rocket", "mosaic"), ("coffee", "cartoon"), ("rocket", "black and yellow ink"),
                                ("chelsea", "oil painting"))
        ],
        "upscale_image": [
            ("chelsea", {"image": p["small chelsea"].resize((150, 100)), "scale": 4}),
            ("sign", {"image": p["sign"].resize((160, 60)), "scale": 2}),
            ("coffee", {"image": p["coffee"].resize((150, 100)), "scale": 3}),
        ],
        "recolor_regions": [
            *((f"{n} {colour}", {"image": p[n], "regions": outlined[n], "color": colour}) for n, colour in
              (("chelsea", "blue"), ("astronaut", "green"), ("street", "red"), ("coffee", "white")) if n in outlined),
            ("shapes purple", {"image": p["shapes"], "regions": shape_regions(True), "color": "purple"}),
            ("boxes of shapes black", {"image": p["shapes"], "regions": shape_regions(False), "color": "black"}),
        ],
        "blur_regions": [
            *((n, {"image": p[n], "regions": found[n]}) for n in found),
            *((f"around {n}", {"image": p[n], "regions": outlined[n], "invert": True}) for n in outlined),
        ],
        "highlight_regions": [
            *((n, {"image": p[n], "regions": found[n]}) for n in found),
            *((f"outlined {n}", {"image": p[n], "regions": outlined[n]}) for n in outlined),
        ],
        "crop_regions": [
            *((n, {"image": p[n], "regions": found[n]}) for n in found),
            ("shapes", {"image": p["shapes"], "regions": shape_regions(False)}),
        ],
        "adjust_image": [
            (f"{name} {args}", {"image": p[name], **args}) for name, args in (
                ("chelsea", {"brightness": 1.4}), ("chelsea", {"brightness": 0.5}), ("coffee", {"contrast": 1.5}),
                ("coffee", {"saturation": 0.0}), ("rocket", {"saturation": 2.0}), ("astronaut", {"sharpness": 2.0}),
                ("astronaut", {"sharpness": 0.0}), ("rocket", {"brightness": 1.2, "contrast": 0.8}),
                ("sign", {"contrast": 0.6, "saturation": 0.5, "sharpness": 1.5}),
                ("coffee", {"look": "sepia"}), ("chelsea", {"look": "cool", "contrast": 1.3}))
        ],
        "transform_image": [
            (f"{name} {args}", {"image": p[name], **args}) for name, args in (
                ("chelsea", {"rotate": 90}), ("chelsea", {"rotate": 180}), ("coffee", {"flip": "horizontal"}),
                ("coffee", {"flip": "vertical"}), ("rocket", {"width": 320}), ("rocket", {"width": 200, "height": 300}),
                ("astronaut", {"rotate": 30}), ("sign", {"rotate": -12.5}), ("bus", {"rotate": 270, "height": 400}),
                ("shapes", {"rotate": 45, "flip": "horizontal"}), ("coffee", {"scale": 0.5}),
                ("rocket", {"aspect": "1:1"})) if name in p
        ],
    }  # fmt: skip
    return calls


def _hub_calls(p: Mapping[str, Image.Image]) -> Calls:
    names = ("chelsea", "coffee", "rocket", "astronaut", "shapes")
    prompts = ("a lighthouse at dusk", "a bowl of cherries", "a meadow in spring")
    people = [name for name in ("astronaut", "street", "portrait", "rocket") if name in p]
    return {
        "caption_image": [(n, {"image": p[n]}) for n in names],
        "answer_question": [(n, {"image": p[n], "question": "what colour is it?"}) for n in names],
        "estimate_depth": [(n, {"image": p[n]}) for n in names],
        "estimate_pose": [(n, {"image": p[n]}) for n in people],
        "generate_image": [(words, {"prompt": words}) for words in prompts],
        "generate_with_control": [(n, {"image": p[n], "prompt": w}) for n, w in zip(names, prompts, strict=False)],
        "edit_image": [
            (f"{n}: {w}", {"image": p[n], "instruction": w})
            for n, w in zip(names, ("make it winter", "turn day to night", "make it autumn"), strict=False)
        ],
    }


def _found(image: Image.Image, models: Models) -> Regions:
    value = catalog()["detect_objects"](image, models=models).value
    assert isinstance(value, Regions)
    return value


def _outlined(image: Image.Image, find: Callable[[], Regions], models: Models) -> Regions:
    """By the segmenter alone, which is quick."""
    boxes = find()
    with models.use(jobs.SEGMENTATION_PROMPTABLE, jobs.PromptableSegmenter) as segmenter:
        return Regions.from_masks(segmenter.segment(image, boxes.boxes), boxes.labels, boxes.confidence)


def _but_bus(find: Callable[[], Regions]) -> Regions:
    found = find()
    return found.select([i for i, label in enumerate(found.labels) if label not in ("bus", "skateboard")])


def _disc_mask(spot: Regions) -> Regions:
    canvas = Image.new("1", spot.size)
    ImageDraw.Draw(canvas).ellipse((382, 42, 418, 78), fill=1)
    return Regions.from_masks(np.asarray(canvas)[None], spot.labels)


# ---------------------------------------------------------------------------------------------------------- stand-ins


class StandIns:
    """A pool with stand-ins for some jobs: adapters that keep the protocol of their job, without weights."""

    def __init__(self, models: Models, others: Mapping[str, Callable[[], Any]]) -> None:
        self._models, self._others = models, {job: make() for job, make in others.items()}

    def matching(self) -> StandIns:
        """The same, and a stand-in for matching pictures with words."""
        more = StandIns(self._models, {})
        more._others = {**self._others, jobs.IMAGE_TEXT: TintMatcher()}
        return more

    def use(self, job: str, kind: TypeForm[M]) -> AbstractContextManager[M]:
        return nullcontext(self._others[job]) if job in self._others else self._models.use(job, kind)

    def has(self, job: str) -> bool:
        return job in self._others or self._models.has(job)

    def name(self, job: str) -> str:
        return "stand-in" if job in self._others else self._models.name(job)

    def remedy(self, job: str) -> str:
        return self._models.remedy(job)


class ColourCaptioner:
    def caption(self, image: Image.Image) -> str:
        middle = image.crop((image.width // 4, image.height // 4, 3 * image.width // 4, 3 * image.height // 4))
        low = image.crop((0, image.height // 2, image.width, image.height))
        places = zip(("held", "framed", "grounded"), (middle, image, low), strict=True)
        return " and ".join(f"{place}{_colour_of(part)}" for place, part in places)


class ColourAnswerer:
    def answer(self, image: Image.Image, question: str) -> str:
        return _colour_of(image)


class BrightnessDepth:
    """Low and bright is near."""

    def depth(self, image: Image.Image) -> FloatArray:
        grey = cv2.GaussianBlur(np.asarray(image.convert("L"), np.float32), (0, 0), 6)
        near = grey / 255 + np.linspace(0, 0.5, image.height, dtype=np.float32)[:, None]
        return np.asarray((near - near.min()) / max(float(np.ptp(near)), 1e-6), np.float32)


class BoxPose:
    """Joints at fixed places of the box, left and right as in a person who faces the camera."""

    joints = ("nose", "left eye", "right eye", "left shoulder", "right shoulder", "left wrist", "right wrist",
              "left hip", "right hip", "left knee", "right knee", "left ankle", "right ankle")  # fmt: skip
    _places = ((0.5, 0.1), (0.55, 0.08), (0.45, 0.08), (0.7, 0.25), (0.3, 0.25), (0.8, 0.5), (0.2, 0.5),
               (0.6, 0.55), (0.4, 0.55), (0.6, 0.75), (0.4, 0.75), (0.6, 0.95), (0.4, 0.95))  # fmt: skip

    def keypoints(self, image: Image.Image, boxes: FloatArray) -> FloatArray:
        sides = boxes[:, None, 2:] - boxes[:, None, :2]
        places = boxes[:, None, :2] + np.array(self._places, np.float32)[None] * sides
        return np.concatenate([places, np.full((*places.shape[:2], 1), 0.9, np.float32)], axis=2)


class TintedPatterns:
    """Smooth patterns in the tint of the prompt."""

    def generate(self, prompt: str, *, seed: int) -> Image.Image:
        rows, columns = np.mgrid[:256, :256]
        turn = sum(tint(prompt)) % 7 + 2
        shade = 0.7 + 0.3 * np.sin(rows / 256 * turn) * np.cos(columns / 40)
        return Image.fromarray((shade[..., None] * tint(prompt)).astype(np.uint8))


class TintedEdges:
    controls = ("edges",)

    def generate(self, structure: Image.Image, prompt: str, *, control: str, seed: int) -> Image.Image:
        lines = cv2.dilate(np.asarray(structure.convert("L")), np.ones((3, 3), np.uint8))[..., None] / 255
        return _grainy(Image.fromarray((np.array(tint(prompt)) * (1 - 0.8 * lines)).astype(np.uint8)), 3)


class Tinter:
    def edit(self, image: Image.Image, instruction: str, *, seed: int) -> Image.Image:
        return Image.blend(image.convert("RGB"), Image.new("RGB", image.size, tint(instruction)), 0.5)


class TintMatcher:
    """Words fit a picture by how near its middle colour is to their tint."""

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        mean = np.median(np.asarray(image.convert("RGB"), np.float32), axis=(0, 1))
        return np.array([1 - np.abs(mean - tint(text)).mean() / 128 for text in texts], np.float32)


def tint(words: str) -> tuple[int, int, int]:
    """A strong colour that belongs to the words."""
    one, two, three = hashlib.sha256(words.encode()).digest()[:3]
    return 40 + one % 200, 40 + two % 200, 40 + three % 200


def _colour_of(image: Image.Image) -> str:
    red, green, blue = np.asarray(image.convert("RGB")).reshape(-1, 3).mean(axis=0).astype(int)
    return name_color((int(red), int(green), int(blue))).split()[-1]


_STAND_INS: Mapping[str, Callable[[], Any]] = {
    jobs.CAPTION: ColourCaptioner,
    jobs.VQA: ColourAnswerer,
    jobs.DEPTH: BrightnessDepth,
    jobs.POSE: BoxPose,
    jobs.TEXT_TO_IMAGE: TintedPatterns,
    jobs.CONTROL: TintedEdges,
    jobs.INSTRUCT: Tinter,
}
