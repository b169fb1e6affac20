"""Say what a picture shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import singular
from visiongpt_agent.models.jobs import CAPTION, DETECTION_CLOSED, DETECTION_OPEN_VOCABULARY, Captioner
from visiongpt_agent.pictures.transparency import flatten
from visiongpt_agent.plan import Kind
from visiongpt_agent.tools._composed_caption import compose_caption, faults_of_caption
from visiongpt_agent.tools._second_look import fits_words, zoomed_in
from visiongpt_agent.tools.base import Doubt, Models, ToolOutput, vision_tool

_SMALL_WORDS: Final = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "on",
        "in",
        "at",
        "by",
        "to",
        "and",
        "or",
        "with",
        "some",
        "one",
        "two",
        "is",
        "are",
        "it",
        "its",
        "this",
        "that",
        "there",
        "photo",
        "picture",
        "image",
    ]
)

_SHARED: Final = 0.35
"""So much of all words of both captions must be in both."""


@vision_tool("describe the image", returns=Kind.TEXT, needs=[(CAPTION, DETECTION_OPEN_VOCABULARY, DETECTION_CLOSED)])
def caption_image(image: Image.Image, *, models: Models) -> ToolOutput:
    """Describe what the picture shows in a sentence or two.

    Args:
        image: The picture.
        models: Where the captioner comes from, or else what finds the things that a description is composed of.

    Returns:
        The caption as a sentence; where it is composed it says so, and ``facts`` has its parts as ``composed``.

    Raises:
        ToolError: If the model finds no words, or nothing is recognised that a description could be composed of.
    """
    if not models.has(CAPTION):
        return compose_caption(flatten(image), models)
    with models.use(CAPTION, Captioner) as captioner:
        caption = captioner.caption(flatten(image)).strip(" .")
    if not caption:
        raise ToolError("the captioning model found no words for this picture; ask a question about it instead")
    sentence = f"{caption[0].upper()}{caption[1:]}."
    return ToolOutput(sentence, f"The picture shows this: {caption}.", models=(models.name(CAPTION),))


@caption_image.check
def is_a_sentence(output: ToolOutput) -> Iterator[str]:
    words = str(output.value).lower().strip(" .").split()
    if not words:
        yield "the caption is empty"
    elif len(words) >= 6 and len(set(words)) <= len(words) / 3:
        yield "the caption repeats itself"


@caption_image.check
def what_is_told_is_the_caption(output: ToolOutput) -> Iterator[str]:
    if str(output.value).strip(" .").lower() not in output.summary.lower():
        yield "the sentence about the picture is not its caption"


@caption_image.check
def a_second_look_agrees(image: Image.Image, output: ToolOutput, models: Models) -> Iterator[str]:
    """Looked at a little closer, the picture is described with some of the same words; a matching model agrees."""
    if "composed" in output.facts:
        yield from faults_of_caption(flatten(image), output, models)
        return
    with models.use(CAPTION, Captioner) as captioner:
        again = captioner.caption(zoomed_in(flatten(image))).strip(" .")
    caption = str(output.value).strip(" .")
    shared, all_words = _words(caption) & _words(again), _words(caption) | _words(again)
    if len(shared) < _SHARED * len(all_words):
        yield Doubt(f"Looked at again, the picture shows this: {again}.")
    elif not fits_words(image, caption, models):
        yield Doubt("A model that compares pictures with words does not find this caption fitting.")


def _words(caption: str) -> set[str]:
    """The words that tell something."""
    return {singular(word) for word in re.findall(r"[a-z]+", caption.lower())} - _SMALL_WORDS
