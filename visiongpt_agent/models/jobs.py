"""The jobs that tools need done, each as a protocol on plain value types.

An adapter for a job implements its protocol; a tool sees the protocol only, so that models can be swapped. Pictures are
``PIL.Image`` in mode RGB; boxes and masks are :class:`~visiongpt_agent.regions.Regions` in pixels of that picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from visiongpt_agent.regions import BoolArray, FloatArray, Regions

if TYPE_CHECKING:
    from PIL import Image

DETECTION_CLOSED: Final = "detection.closed"
DETECTION_OPEN_VOCABULARY: Final = "detection.open_vocabulary"
DETECTION_FACES: Final = "detection.faces"
SEGMENTATION_PROMPTABLE: Final = "segmentation.promptable"
SEGMENTATION_FOREGROUND: Final = "segmentation.foreground"
SEGMENTATION_PEOPLE: Final = "segmentation.people"
SEGMENTATION_SEMANTIC: Final = "segmentation.semantic"
CLASSIFICATION: Final = "classification"
IMAGE_FEATURES: Final = "features.image"
TEXT_EMBEDDING: Final = "embedding.text"
IMAGE_TEXT: Final = "matching.image_text"
OCR: Final = "ocr"
CODES: Final = "codes"
CAPTION: Final = "caption"
VQA: Final = "vqa"
DEPTH: Final = "depth"
POSE: Final = "pose"
TEXT_TO_IMAGE: Final = "generation.text_to_image"
CONTROL: Final = "generation.control"
INSTRUCT: Final = "editing.instruct"
INPAINT_REMOVE: Final = "editing.inpaint_remove"
INPAINT_REPLACE: Final = "editing.inpaint_replace"
STYLE: Final = "style"
STYLE_FILTER: Final = "style.filter"
UPSCALE: Final = "upscale"
LLM: Final = "llm"


class ClosedDetector(Protocol):
    """``detection.closed``: finds a fixed list of classes."""

    classes: tuple[str, ...]
    threshold: float
    """The score, 0 to 1, from which this model's detections are to be believed."""

    def detect(self, image: Image.Image, *, threshold: float) -> Regions:
        """All objects with a score of at least ``threshold`` (0 to 1), labelled with names out of ``classes``."""
        ...


class OpenVocabularyDetector(Protocol):
    """``detection.open_vocabulary``: finds what words name."""

    threshold: float
    """The score, 0 to 1, from which this model's detections are to be believed."""

    def detect(self, image: Image.Image, nouns: Sequence[str], *, threshold: float) -> Regions:
        """Objects labelled with the nouns (non-empty sequence), scores of at least ``threshold`` (0 to 1)."""
        ...


class FaceDetector(Protocol):
    """``detection.faces``."""

    def detect(self, image: Image.Image) -> Regions:
        """The faces, each labelled ``face``."""
        ...


class PromptableSegmenter(Protocol):
    """``segmentation.promptable``: masks for boxes."""

    caveat: str
    """What to know about every one of its masks, as a sentence; ``""`` for nothing."""

    def segment(self, image: Image.Image, boxes: FloatArray) -> BoolArray:
        """Masks, bool ``(N, H, W)``, for boxes ``xyxy`` ``(N, 4)`` in pixels; a mask may be empty where it failed."""
        ...

    def segment_everything(self, image: Image.Image) -> BoolArray:
        """Masks of all parts of the picture, bool ``(N, H, W)``, largest first."""
        ...


class ForegroundSegmenter(Protocol):
    """``segmentation.foreground``."""

    caveat: str
    """What to know about every one of its mattes, as a sentence; ``""`` for nothing."""

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to the foreground, float32 ``(H, W)`` from 0 to 1."""
        ...


class PeopleSegmenter(Protocol):
    """``segmentation.people``."""

    def matte(self, image: Image.Image) -> FloatArray:
        """How much each pixel belongs to a person, float32 ``(H, W)`` from 0 to 1."""
        ...


class SemanticSegmenter(Protocol):
    """``segmentation.semantic``: which pixels show what words name; stuff without a shape too, as sky or grass."""

    threshold: float
    """The score, 0 to 1, from which this model's pixels are to be believed."""

    def knows(self, word: str) -> bool:
        """Whether it can look for what a word or phrase in the singular names; a model for any words always can."""
        ...

    def segment(self, image: Image.Image, words: Sequence[str], *, threshold: float) -> Regions:
        """What the words name, each that is seen as one region with a mask of all its pixels, in the words' order.

        Args:
            image: The picture.
            words: Words that it :meth:`knows`, each once.
            threshold: Least score of a pixel, 0 to 1; the score of a region is the mean over its mask.
        """
        ...


class Classifier(Protocol):
    """``classification``: probabilities of a fixed list of classes."""

    classes: tuple[str, ...]

    def classify(self, image: Image.Image) -> FloatArray:
        """float32 ``(len(classes),)``, summing to 1."""
        ...


class ImageFeatures(Protocol):
    """``features.image``: dense features of a backbone."""

    def features(self, image: Image.Image) -> npt.NDArray[np.float32]:
        """float32 ``(C, h, w)`` on a grid over the whole picture."""
        ...


class ImageTextMatcher(Protocol):
    """``matching.image_text``: how well words fit a picture."""

    def match(self, image: Image.Image, texts: Sequence[str]) -> FloatArray:
        """float32 ``(len(texts),)``: the likeness of each text to the picture, -1 to 1, comparable within a call."""
        ...


class TextEmbedder(Protocol):
    """``embedding.text``."""

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """float32 ``(N, D)``, rows of unit length."""
        ...


@dataclass(frozen=True)
class TextLine:
    """A line of text found in a picture: the text, a score from 0 to 1, its corners ``((x, y), ...)`` in pixels."""

    text: str
    score: float
    corners: tuple[tuple[float, float], ...]


class TextReader(Protocol):
    """``ocr``."""

    def read(self, image: Image.Image) -> list[TextLine]:
        """The lines of text, in reading order."""
        ...


class CodeReader(Protocol):
    """``codes``."""

    def read(self, image: Image.Image) -> list[tuple[str, TextLine]]:
        """The codes: the format (``QR Code``, ``EAN-13``, ...) and the content with its place, score 1."""
        ...


class Inpainter(Protocol):
    """``editing.inpaint_remove``: fills a mask from its surroundings."""

    max_share: float
    """Largest share of the picture (0 to 1) that it fills believably."""
    beyond: str
    """What to do about larger holes, as a clause, e.g. ``say what is to be painted there instead``."""

    def remove(self, image: Image.Image, mask: BoolArray) -> Image.Image:
        """The picture with the mask, bool ``(H, W)``, filled in; pixels outside it unchanged."""
        ...


class PromptInpainter(Protocol):
    """``editing.inpaint_replace``: paints what words describe into a mask."""

    def replace(self, image: Image.Image, mask: BoolArray, prompt: str, *, seed: int) -> Image.Image:
        """The picture, same size, the mask, bool ``(H, W)``, showing the prompt; outside it as good as unchanged."""
        ...


class Stylizer(Protocol):
    """``style``: paints a picture in a style."""

    styles: tuple[str, ...]

    def stylize(self, image: Image.Image, style: str | Image.Image) -> Image.Image:
        """The picture, same size, in the style: one of ``styles``, or that of another picture."""
        ...


class StyleFilter(Protocol):
    """``style.filter``: makes a picture look drawn or painted by image processing."""

    styles: tuple[str, ...]

    def stylize(self, image: Image.Image, style: str) -> Image.Image:
        """The picture, same size, in one of ``styles``."""
        ...


class Upscaler(Protocol):
    """``upscale``: super-resolution by a fixed factor."""

    factor: int
    max_pixels: int
    """Largest picture, in pixels before upscaling, that it does in about half a minute."""

    def upscale(self, image: Image.Image) -> Image.Image:
        """The picture, ``factor`` times as wide and high."""
        ...


class Captioner(Protocol):
    """``caption``."""

    def caption(self, image: Image.Image) -> str:
        """What the picture shows, as a phrase without a full stop, e.g. ``a cat on a sofa``."""
        ...


class VisualAnswerer(Protocol):
    """``vqa``: answers questions that need looking."""

    def answer(self, image: Image.Image, question: str) -> str:
        """The answer, often a word or two, e.g. ``red``."""
        ...


class DepthEstimator(Protocol):
    """``depth``: relative depth from one picture."""

    def depth(self, image: Image.Image) -> FloatArray:
        """How near each pixel is, float32 ``(H, W)``: 1 the nearest, 0 the farthest; no unit of length."""
        ...


class PoseEstimator(Protocol):
    """``pose``: the joints of people who have been found already."""

    joints: tuple[str, ...]

    def keypoints(self, image: Image.Image, boxes: FloatArray) -> FloatArray:
        """float32 ``(N, len(joints), 3)``: x and y in pixels and a score from 0 to 1, for boxes ``xyxy`` ``(N, 4)``."""
        ...


class TextToImage(Protocol):
    """``generation.text_to_image``."""

    def generate(self, prompt: str, *, seed: int) -> Image.Image:
        """A new picture of what the prompt says, in the size that the model is made for."""
        ...


class ControlledGenerator(Protocol):
    """``generation.control``: a new picture over the structure of another."""

    controls: tuple[str, ...]
    """Out of ``edges``, ``depth`` and ``pose``, those it follows."""

    def generate(self, structure: Image.Image, prompt: str, *, control: str, seed: int) -> Image.Image:
        """A new picture, same size.

        Args:
            structure: RGB: white edges on black, a depth map (near is white), or skeletons on black as OpenPose draws.
            prompt: What it is to show.
            control: Which of the three ``structure`` is.
            seed: The same seed gives the same picture.
        """
        ...


class InstructEditor(Protocol):
    """``editing.instruct``."""

    def edit(self, image: Image.Image, instruction: str, *, seed: int) -> Image.Image:
        """The picture, same size, changed as the instruction says."""
        ...
