"""Outlines drawn by hand on photos that packages carry, and how near the masks of ``segment_objects`` come to them.

    python -m tests.bench.outlines FOLDER

The folder holds the photos by name: ``lion.jpg`` out of the wheel of gradio, ``bus.jpg`` of ultralytics,
``quokka.jpg`` of imgaug, the others out of Debian's opencv-doc. Each outline was looked at as an overlay; it is good to
about two pixels.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import BoolArray, Regions
from visiongpt_agent.tools.segment_objects import segment_objects

Polygon = tuple[tuple[int, int], ...]


class Outlined(NamedTuple):
    """A thing on a photo.

    Attributes:
        photo: The photo's file name.
        polygon: The thing's outline in pixels of the photo.
    """

    photo: str
    polygon: Polygon

    def mask(self, size: tuple[int, int]) -> BoolArray:
        """All within the outline, bool ``(height, width)``."""
        canvas = Image.new("L", size)
        ImageDraw.Draw(canvas).polygon(self.polygon, fill=255)
        return np.asarray(np.asarray(canvas) > 0, np.bool_)


def ellipse(x: int, y: int, across: int, down: int) -> Polygon:
    """The ellipse round ``(x, y)`` with these radii, as a polygon of 48 corners."""
    turns = [2 * math.pi * k / 48 for k in range(48)]
    return tuple((round(x + across * math.cos(turn)), round(y + down * math.sin(turn))) for turn in turns)


def path(text: str) -> Polygon:
    """A polygon from ``x,y x,y ...``."""
    return tuple((int(x), int(y)) for x, y in (corner.split(",") for corner in text.split()))


# fmt: off
OUTLINES: Final = {
    "robin": Outlined("000.jpg", path(
        "91,13 97,13 101,10 110,7 120,6 130,8 140,13 148,22 154,31 160,42 170,55 182,70 193,84 203,98 213,110 "
        "220,121 228,130 240,137 255,141 272,150 290,158 303,165 311,172 310,178 298,177 285,173 265,163 250,156 "
        "241,152 243,162 250,181 247,184 240,179 230,168 222,157 217,154 211,158 205,163 211,172 209,174 204,170 "
        "200,165 193,167 186,172 176,181 165,191 160,197 162,203 155,205 146,211 137,219 128,226 124,231 123,228 "
        "128,220 136,210 126,208 130,205 140,206 148,202 158,190 170,178 178,171 170,175 160,176 152,177 142,183 "
        "125,196 112,206 114,210 105,213 95,215 86,218 76,227 73,228 75,220 79,217 76,213 78,210 88,210 98,209 "
        "110,202 125,190 145,176 130,169 115,160 100,145 88,130 79,113 74,98 73,85 74,74 80,60 88,48 93,38 95,25 "
        "92,18"
    )),
    "dog": Outlined("chicky_512.png", path(
        "0,110 20,98 50,98 75,105 100,115 110,105 122,90 135,65 155,47 180,37 210,33 245,34 280,42 320,52 350,60 "
        "380,70 410,90 435,110 455,130 470,160 480,190 488,215 490,250 480,262 470,240 460,260 448,290 450,320 "
        "448,360 440,390 445,420 430,430 400,445 380,462 360,465 340,480 325,490 312,512 120,512 110,485 90,478 "
        "70,460 50,455 25,462 0,470"
    )),
    "player": Outlined("messi5.jpg", path(
        "69,91 77,87 90,88 103,100 120,106 147,110 160,117 188,118 197,113 212,111 208,100 208,90 217,80 223,68 "
        "240,63 253,65 260,75 263,93 257,100 257,112 277,110 288,118 298,133 309,135 312,138 345,160 365,155 "
        "374,160 378,167 368,178 357,175 342,168 323,160 303,150 297,148 282,147 282,157 287,177 297,197 298,210 "
        "307,213 323,222 342,232 348,237 365,237 380,242 400,250 410,254 423,258 443,265 455,277 455,287 448,289 "
        "433,285 423,277 407,270 380,263 360,264 337,264 335,268 327,273 317,268 300,268 288,273 273,285 258,287 "
        "270,297 287,310 298,316 308,327 303,334 267,334 253,333 253,325 262,318 250,312 240,305 227,297 221,287 "
        "221,273 225,262 230,252 223,248 220,232 213,210 205,183 197,160 194,154 180,147 168,142 165,145 163,142 "
        "158,133 147,130 130,125 117,118 103,110 100,107 92,104 82,101 73,97"
    )),
    "ball": Outlined("messi5.jpg", ellipse(362, 312, 25, 23)),
    "quokka": Outlined("quokka.jpg", path(
        "153,109 156,81 175,68 200,66 228,74 250,60 288,52 319,49 350,52 375,65 400,56 425,59 438,78 441,102 "
        "434,140 441,165 453,196 466,240 472,277 475,315 478,352 488,377 506,396 525,427 541,471 545,515 544,565 "
        "537,602 531,643 234,643 212,609 194,571 181,527 166,477 159,440 162,396 166,359 147,340 144,309 147,271 "
        "162,240 172,202 181,171 169,159 156,134"
    )),
    "lion": Outlined("lion.jpg", path(
        "0,150 7,132 25,115 50,105 56,97 60,82 64,67 69,52 78,37 80,20 92,12 105,4 120,1 135,3 147,12 157,25 "
        "170,37 179,52 181,67 186,85 186,105 184,120 179,135 172,150 176,165 172,169 150,172 135,176 125,182 "
        "122,200 122,212 117,219 107,222 95,217 92,207 89,195 92,186 91,181 60,188 47,194 32,201 30,210 31,225 "
        "26,242 19,252 7,251 5,245 10,225 11,200 16,188 0,184"
    )),
    "squirrel": Outlined("squirrel_cls.jpg", path(
        "223,110 243,118 258,133 253,157 237,183 235,190 243,187 253,173 263,157 265,140 270,130 280,128 288,137 "
        "297,129 307,138 323,143 340,155 350,170 358,185 357,192 350,198 338,202 337,210 327,214 317,215 307,225 "
        "320,225 337,223 353,228 360,233 350,243 337,247 323,245 307,250 290,257 280,258 279,277 278,293 272,307 "
        "277,323 267,327 253,323 243,328 237,347 220,362 203,360 183,348 167,330 150,303 140,280 135,253 140,233 "
        "157,220 163,197 180,180 192,157 195,130 207,117"
    )),
    "apple": Outlined("apple.jpg", path(
        "193,12 205,6 214,22 230,56 260,56 300,58 330,63 360,72 390,84 420,108 440,135 455,165 461,200 462,240 "
        "458,280 450,320 438,360 422,395 405,430 390,455 370,475 345,488 325,488 305,494 285,490 270,495 250,490 "
        "225,484 190,494 165,490 140,482 120,470 105,445 88,415 72,370 58,325 48,290 45,250 46,200 50,165 60,130 "
        "75,105 100,80 125,65 150,60 190,62 222,60 205,30"
    )),
    "coat": Outlined("bus.jpg", path(
        "265,427 265,415 277,407 292,407 304,417 306,430 309,440 306,449 302,462 301,470 317,480 332,492 338,520 "
        "344,545 340,560 322,569 327,595 332,640 338,691 338,720 330,736 310,760 285,777 292,790 297,805 297,819 "
        "285,820 290,845 291,854 272,859 257,850 257,825 252,815 247,770 242,705 227,702 227,680 232,640 239,600 "
        "235,580 236,530 237,510 250,500 265,480 275,470 270,455 265,445"
    )),
    "thrower": Outlined("basketball1.png", path(
        "60,112 57,95 67,85 90,82 102,95 104,120 97,137 95,145 122,152 135,142 150,142 160,155 165,165 152,171 "
        "152,195 150,217 142,227 131,217 120,207 122,250 127,282 134,300 131,350 129,390 132,435 145,450 154,465 "
        "145,472 127,469 110,457 109,440 105,390 95,340 90,320 80,360 79,420 80,465 77,480 45,480 42,450 45,390 "
        "46,340 46,290 37,275 45,250 45,215 37,175 42,155 65,140 72,135 64,125"
    )),
    "butterfly": Outlined("butterfly.jpg", path(
        "220,80 230,77 241,80 244,90 240,98 247,108 262,103 290,102 330,104 370,113 400,122 430,137 455,157 "
        "475,178 484,197 480,212 460,222 440,228 415,235 395,245 370,250 361,258 355,268 340,275 335,286 318,293 "
        "312,310 300,308 285,311 275,305 265,290 262,277 258,268 254,285 250,275 246,260 240,245 236,255 231,272 "
        "228,284 222,275 216,285 205,285 198,288 194,313 186,300 180,285 165,278 158,292 152,282 143,292 137,283 "
        "127,278 122,265 95,255 70,247 45,243 25,235 10,225 7,212 15,195 35,175 60,153 95,135 125,122 160,112 "
        "190,109 212,108 217,95"
    )),
    "pot": Outlined("plant.jpg", path(
        "193,203 362,203 363,220 358,248 352,275 345,300 337,333 220,333 210,300 200,262 194,248"
    )),
    "disc": Outlined("stuff.jpg", ellipse(396, 186, 59, 60)),
    "lighter": Outlined("stuff.jpg", path(
        "318,322 327,313 354,313 359,322 356,348 356,456 316,456 316,348"
    )),
    "cap": Outlined("stuff.jpg", ellipse(228, 57, 35, 39)),
}
# fmt: on
"""By name; the things are everyday ones, whole and cut off, on plain and busy ground, two in one picture."""


def rough_box(truth: BoolArray, name: str) -> Regions:
    """A box round a thing as a detector gives it: each side off by up to 6 % of the thing's size."""
    exact = Regions.from_masks(truth[None]).boxes[0]
    sides = np.tile(exact[2:] - exact[:2], 2)
    shifts = np.random.default_rng(len(name)).uniform(-0.06, 0.06, 4) * sides
    size = (truth.shape[1], truth.shape[0])
    return Regions.clipped(size, (exact + shifts)[None], ("thing",), [0.9])


def likeness(name: str, folder: Path, pool: ModelPool) -> float:
    """IoU, 0 to 1, of the mask that is found for a thing in a rough box with the one drawn by hand."""
    one = OUTLINES[name]
    image = Image.open(folder / one.photo).convert("RGB")
    truth = one.mask(image.size)
    found = segment_objects(image, rough_box(truth, name), models=pool).value
    assert isinstance(found, Regions)
    mask = found.union_mask()
    return float(np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth))


def main() -> None:
    folder, pool = Path(sys.argv[1]), ModelPool()
    values = []
    for name in OUTLINES:
        values.append(likeness(name, folder, pool))
        print(f"{name:10} {values[-1]:.2f}", flush=True)
    print(f"{'mean':10} {np.mean(values):.3f}, least {min(values):.2f}")
    pool.close()


if __name__ == "__main__":
    main()
