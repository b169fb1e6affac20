"""What comes back: one answer in text, pictures and regions, and an account of how it came about."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from visiongpt_agent.files import remove_leftovers, write_new

if TYPE_CHECKING:
    from PIL import Image

    from visiongpt_agent.pictures.images import ImageStore

Status = Literal["done", "partial", "declined", "failed", "waiting"]


@dataclass(frozen=True)
class ResultImage:
    """A picture of the result.

    Attributes:
        id: Its content id in the store.
        role: ``made`` by a tool, or ``annotated``: an original with the regions drawn on it.
        name: ``$k`` where later requests can refer to it, else ``""``.
        title: What it shows, fit for a file name, e.g. ``bus-detect_objects``.
        width: In pixels.
        height: In pixels.
        path: The file it was saved to, ``""`` before :meth:`VisionResult.save`.
        before: The content id of the original that it was made from, ``""`` where there is none.
    """

    id: str
    role: Literal["made", "annotated"]
    name: str
    title: str
    width: int
    height: int
    path: str = ""
    before: str = ""


@dataclass(frozen=True)
class RegionResult:
    """Regions that a step found.

    Attributes:
        of: The image that they are on, ``$1``; ``""`` for one that has no name.
        tool: What found them.
        id: Where the store has them, masks included.
        items: Label, score and box of each.
        image: The content id of that image.
        title: What to call it: the file's name without its suffix.
        outlined: Whether a later step handed the same regions back with masks.
    """

    of: str
    tool: str
    id: str
    items: tuple[Mapping[str, Any], ...]
    image: str = ""
    title: str = ""
    outlined: bool = False


Corners = tuple[tuple[float, float], ...]
"""Of what was read, ``(x, y)`` in pixels, in the order of reading from its beginning."""


@dataclass(frozen=True)
class TextLine:
    """A line of text that was read.

    Attributes:
        of: The image that it is on, ``$1``; ``""`` for one that has no name.
        text: As it was read, whole.
        score: How sure the reader is, 0 to 1.
        corners: Its four corners.
        order: Its place in the reading order of its image, counted from 1.
        page: The page of the file that the image is, counted from 1.
        sure: Whether it counts as read; the sentence and the text leave out what does not.
    """

    of: str
    text: str
    score: float
    corners: Corners
    order: int
    page: int = 1
    sure: bool = True


@dataclass(frozen=True)
class Code:
    """A QR or bar code that was read: image, format (``QR Code``, ``EAN-13``), whole content, corners, page."""

    of: str
    format: str
    text: str
    corners: Corners
    page: int = 1


@dataclass(frozen=True)
class ScoredLabel:
    """A class or label of an image, and its probability, 0 to 1."""

    of: str
    name: str
    score: float


@dataclass(frozen=True)
class ToolAnswer:
    """What a tool says of an image in words: the answer to a question, a caption, a comparison.

    Attributes:
        of: The image.
        tool: Who says it.
        question: What it answers, ``""`` where nothing was asked.
        text: The answer, whole.
    """

    of: str
    tool: str
    question: str
    text: str


@dataclass(frozen=True)
class Measurement:
    """What a tool measured on an image: counts, places, keypoints, likeness, shares, by the tool's own names."""

    of: str
    tool: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class StepReport:
    """One step as it went: seconds of wall-clock time, verdict of the verifier, what it said or why it failed."""

    id: int
    tool: str
    args: Mapping[str, Any]
    model: str
    seconds: float
    verdict: str
    told: str


@dataclass(frozen=True)
class VisionResult:
    """The answer to one request.

    Attributes:
        answer: One or a few sentences, every number and noun of which comes from a result.
        plan: The plan's text.
        images: Pictures made, and originals with regions drawn on them.
        regions: Regions found.
        steps: The steps taken.
        warnings: What may be wrong, and what was not done.
        status: ``done``, ``partial``, ``declined``, ``failed``, or ``waiting`` for a person's approval.
        thread_id: The conversation; give it in the config of the next request to follow up.
        pending: The calls that wait for approval, e.g. ``#2 = inpaint(image=$1, regions=#1)``.
        lines: Text that was read, whole and in reading order; the answer may shorten it.
        codes: QR and bar codes that were read.
        labels: What images as a whole were classified as, the likeliest first.
        answers: What tools said in words.
        measurements: What tools measured.
    """

    answer: str
    plan: str
    images: tuple[ResultImage, ...] = ()
    regions: tuple[RegionResult, ...] = ()
    steps: tuple[StepReport, ...] = ()
    warnings: tuple[str, ...] = ()
    status: Status = "done"
    thread_id: str = ""
    pending: tuple[str, ...] = ()
    lines: tuple[TextLine, ...] = ()
    codes: tuple[Code, ...] = ()
    labels: tuple[ScoredLabel, ...] = ()
    answers: tuple[ToolAnswer, ...] = ()
    measurements: tuple[Measurement, ...] = ()
    store: ImageStore | None = field(default=None, repr=False, compare=False)

    @property
    def text(self) -> str:
        """All that was read: the lines of each image and page, then the contents of its codes; ``""`` for nothing."""
        blocks: dict[tuple[str, int, str], list[str]] = {}
        for line in self.lines:
            if line.sure:
                blocks.setdefault((line.of, line.page, "text"), []).append(line.text)
        for code in self.codes:
            blocks.setdefault((code.of, code.page, "codes"), []).append(code.text)
        return "\n\n".join("\n".join(block) for block in blocks.values())

    def picture(self, index: int = -1) -> Image.Image:
        """One of ``images`` as a ``PIL.Image``; by default the last.

        Raises:
            IndexError: If there is no such picture.
        """
        if self.store is None:
            raise IndexError("this result was built without a store: it has no pictures")
        return self.store.open(self.images[index].id)

    def before_after(self, index: int = -1) -> Image.Image:
        """One of ``images`` beside the original that it was made from, as one ``PIL.Image``; see ``side_by_side``.

        Raises:
            IndexError: If there is no such picture, or it was made from no other.
        """
        if self.store is None or not self.images[index].before:
            raise IndexError("this picture was made from no other: there is nothing to compare it with")
        from visiongpt_agent.pictures.drawing import side_by_side

        return side_by_side(self.store.open(self.images[index].before), self.picture(index))

    def save(self, folder: str | Path) -> VisionResult:
        """Write the pictures as PNG files, tagged sRGB, and return the result with their paths.

        A name that another picture has is never taken: several threads and processes may save into one folder.

        Raises:
            InputError: If the folder cannot be written.
        """
        if self.store is None or not self.images:
            return self
        import io

        from visiongpt_agent.pictures.color_profiles import srgb_profile

        target, saved = Path(folder).expanduser(), list[ResultImage]()
        remove_leftovers(target)
        for image in self.images:
            buffer = io.BytesIO()
            self.store.open(image.id).save(buffer, "PNG", compress_level=3, icc_profile=srgb_profile())
            path = _written(target, image.title, buffer.getvalue())
            saved.append(replace(image, path=str(path)))
        return replace(self, images=tuple(saved))

    def to_dict(self) -> dict[str, Any]:
        """The result as plain data that JSON can hold."""
        return {
            "answer": self.answer,
            "plan": self.plan,
            "images": [
                {"name": i.name, "role": i.role, "path": i.path, "width": i.width, "height": i.height, "id": i.id}
                for i in self.images
            ],
            "regions": [
                {"image": r.of, "tool": r.tool, "items": [dict(item) for item in r.items]} for r in self.regions
            ],
            "steps": [
                {
                    "id": s.id,
                    "tool": s.tool,
                    "args": dict(s.args),
                    "model": s.model,
                    "seconds": s.seconds,
                    "verdict": s.verdict,
                }
                for s in self.steps
            ],
            "warnings": list(self.warnings),
            "status": self.status,
            "lines": [_placed(asdict(line)) for line in self.lines],
            "codes": [_placed(asdict(code)) for code in self.codes],
            "labels": [_placed(asdict(label)) for label in self.labels],
            "answers": [_placed(asdict(answer)) for answer in self.answers],
            "measurements": [_placed(asdict(one)) for one in self.measurements],
            **({"pending": list(self.pending), "thread_id": self.thread_id} if self.pending else {}),
        }

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=1)

    def __str__(self) -> str:
        lines = [self.answer]
        lines += [f"  {image.path}" for image in self.images if image.path]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """How Jupyter shows it; see :mod:`visiongpt_agent.notebook.result_html`."""
        from visiongpt_agent.notebook.result_html import result_html

        return result_html(self)


def _placed(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry as JSON has it: the image by that name, and beside the corners the box round them."""
    placed = {"image": entry.pop("of"), **entry}
    if corners := entry.get("corners"):
        across, down = zip(*corners, strict=True)
        placed["corners"] = [list(corner) for corner in corners]
        placed["box"] = [min(across), min(down), max(across), max(down)]
    return placed


def _written(folder: Path, title: str, data: bytes) -> Path:
    """Write a picture under the first name that no other picture has; one that holds these bytes already is its own."""
    stem = re.sub(r"[^\w.-]+", "_", title).strip("._-")[:80].encode()[:200].decode(errors="ignore") or "picture"
    for number in itertools.count(1):
        path = folder / (f"{stem}.png" if number == 1 else f"{stem}-{number}.png")
        if not path.exists() and write_new(path, data):
            return path
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return path
    raise AssertionError("numbers do not end")
