"""Answers to questions of number, presence, place, colour and writing, from detection, outlines and text reading.

They stand in where no model that answers questions is here, and say what they go by. Any other question is declined.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language import sentences
from visiongpt_agent.language.english import count_phrase, join, number_word, place_of, plural, sentence
from visiongpt_agent.language.vocabulary import read_query
from visiongpt_agent.models.jobs import VQA
from visiongpt_agent.pictures.colors import name_color, parse_color
from visiongpt_agent.pictures.materials import coloured, hue_spread, painted_share, to_lab_picture
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools._composed_caption import confirmed
from visiongpt_agent.tools.base import Models, ToolOutput
from visiongpt_agent.tools.read_text import read_text
from visiongpt_agent.tools.segment_objects import segment_objects
from visiongpt_agent.untrusted import quote

_MAIN, _SECOND = 0.45, 0.25
"""Shares of a thing's outline, 0 to 1, from which a colour is the thing's, and from which it is one of two."""
_SURE: Final = 0.5
"""The score of a detection from which its colour is worth telling."""
_SAMPLES: Final = 400
_HUED: Final = 0.3
"""Share of a thing's paint that must have a hue for its hue alone to be told: dark and pale, it is the same paint."""
_ONE_HUE: Final = 25.0
"""Degrees over which the hues of one paint spread at most."""
_LINES_TOLD: Final = 4


@dataclass(frozen=True)
class _Answer:
    """The answer in a few words and as a sentence, what it goes by, and the models and doubts behind it."""

    words: str
    sentence: str
    by: str
    models: tuple[str, ...]
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Asked:
    """The thing that a question is about, as a query, and what is not taken into account of the question."""

    what: str
    doubts: tuple[str, ...] = ()


def compose_answer(image: Image.Image, question: str, models: Models) -> ToolOutput:
    """Answer a question by what is found in the picture.

    Args:
        image: The picture, RGB.
        question: In words.
        models: The detector, the segmenter and the reader.

    Raises:
        ToolError: If it is a question of another kind, or of a thing that cannot be looked for; says which model would
            answer it.
    """
    for pattern, answer in _KINDS:
        match = pattern.search(question)
        asked = _asked(question, match) if match else None
        if asked is not None:
            found = answer(image, asked, models)
            return ToolOutput(
                found.words,
                found.sentence,
                models=found.models,
                uncertain=(*found.doubts, *asked.doubts),
                facts={"composed": found.by},
            )
    raise ToolError(
        f"it needs a model that answers by looking: {models.remedy(VQA)}. Without one I can say how many, whether "
        "there are any, where, what colour, and what is written."
    )


def _asked(question: str, match: re.Match[str]) -> _Asked | None:
    """What a question is about; None where it says more of it than can be looked for."""
    what, rest = match.groupdict().get("what", ""), question[match.end() :]
    if any(noun.attribute and parse_color(noun.attribute) is None for noun in read_query(what)):
        return None  # "man who waves", "people wear a hat"
    if "what" not in match.groupdict() or _NOTHING_MORE.fullmatch(rest):
        return _Asked(what)
    if place := _PLACE.fullmatch(rest):
        return _Asked(f"{what} {place['place']}")
    if where := _WHERE.fullmatch(rest):
        return _Asked(what, (f"I looked in the whole picture, not only {where['where']}.",))
    return None


def _many(image: Image.Image, asked: _Asked, models: Models) -> _Answer:
    found, output, noun = _look_for(image, asked.what, models)
    count = number_word(len(found)) if len(found) else f"none, as far as I find {plural(noun)}"
    told = f"I count {count_phrase(len(found), noun)}." if len(found) else f"I find no {plural(noun)}."
    return _Answer(count, told, "detection", output.models, output.uncertain)


def _any(image: Image.Image, asked: _Asked, models: Models) -> _Answer:
    found, output, noun = _look_for(image, asked.what, models)
    said = f"yes, {count_phrase(len(found), noun)}" if len(found) else f"no, I find no {noun}"
    verb = "is" if len(found) == 1 else "are"
    told = f"Yes, there {verb} {count_phrase(len(found), noun)}." if len(found) else sentence(said)
    return _Answer(said, told, "detection", output.models, output.uncertain)


def _where(image: Image.Image, asked: _Asked, models: Models) -> _Answer:
    found, output, noun = _look_for(image, asked.what, models)
    if not len(found):
        words, told = f"nowhere that I find, I see no {noun}", f"I see no {noun}."
        return _Answer(words, told, "detection", output.models, output.uncertain)
    tally = Counter(place_of(box, found.size) for box in found.boxes)
    places = list(tally) if len(found) == 1 else [f"{number_word(count)} {place}" for place, count in tally.items()]
    words = f"{join(places)} of the picture"
    told = f"The {noun} is {words}." if len(found) == 1 else f"I see {count_phrase(len(found), noun)}: {words}."
    return _Answer(words, told, "detection", output.models, output.uncertain)


def _colour(image: Image.Image, asked: _Asked, models: Models) -> _Answer:
    found, output, noun = _look_for(image, asked.what, models)
    if "person" in found.labels:
        raise _unknown("people have many colours at once", models)
    if not len(found):
        words, told = f"none that I can tell, I see no {noun}", f"I see no {noun}."
        return _Answer(words, told, "detection", output.models, output.uncertain)
    if found.confidence is not None and found.confidence.max() < _SURE:
        raise _unknown(f"I am not sure enough of the {noun}", models)
    largest = found.select([int(found.areas.argmax())])
    outline = segment_objects(image, largest, models=models)
    assert isinstance(outline.value, Regions)
    (first, share), *others = _colours(image, outline.value) or [("", 0.0)]
    if share < _MAIN:
        raise _unknown(f"the {noun} has no one colour", models)
    second = [colour for colour, part in others[:1] if part >= _SECOND]
    said = f"mostly {join([first, *second])}" if share < 1 - _SECOND else first
    doubts = (f"I looked at the largest of {count_phrase(len(found), noun)}.",) if len(found) > 1 else ()
    used = tuple(dict.fromkeys((*output.models, *outline.models)))
    told = f"The {noun} is {said}."
    return _Answer(said, told, "detection and its outline", used, (*output.uncertain, *outline.uncertain, *doubts))


def _colours(image: Image.Image, outline: Regions) -> list[tuple[str, float]]:
    """The plain colours of a thing by their share of its paint, 0 to 1, the largest first.

    Shadow, chrome, tyre and glass on a thing with a hue are no paint; see :mod:`visiongpt_agent.pictures.materials`.
    """
    mask, rgb = outline.union_mask(), np.asarray(image.convert("RGB"))
    lab = to_lab_picture(rgb)
    paint = mask & (painted_share(lab, mask) > 0.5)
    hued = paint & coloured(lab)
    if np.count_nonzero(hued) >= _HUED * np.count_nonzero(paint) and hue_spread(lab[hued]) < _ONE_HUE:
        chroma = np.hypot(lab[hued][:, 1], lab[hued][:, 2])
        red, green, blue = (int(value) for value in rgb[hued][chroma >= np.median(chroma)].mean(axis=0))
        name = name_color((red, green, blue)).split()[-1]
        bluish = blue > green > red  # a dull blue lies nearer to light purple than to the blue of screens
        return [("blue" if name == "purple" and bluish else name, 1.0)]
    pixels = rgb[paint if paint.any() else mask]
    sample = pixels[np.linspace(0, len(pixels) - 1, min(_SAMPLES, len(pixels))).astype(int)]
    names = Counter(name_color((int(r), int(g), int(b))).split()[-1] for r, g, b in sample)  # dark red is red
    return [(name, count / len(sample)) for name, count in names.most_common()]


def _writing(image: Image.Image, _: _Asked, models: Models) -> _Answer:
    if not read_text.usable(models):
        raise ToolError(f"there is no reader here: {read_text.lacks(models)}")
    output = read_text(image, models=models)
    lines = str(output.value).splitlines()
    said = ", ".join(quote(line) for line in lines[:_LINES_TOLD]) + (" and more" if len(lines) > _LINES_TOLD else "")
    told = f"It says {said}." if said else "I see nothing there that I can read."
    return _Answer(said or "nothing that I can read", told, "text reading", output.models, output.uncertain)


def _look_for(image: Image.Image, what: str, models: Models) -> tuple[Regions, ToolOutput, str]:
    """What is there of the one thing that a question names, what detection said of it, and its name."""
    nouns = read_query(what)
    if len(nouns) != 1 or nouns[0].name in _NO_THINGS:
        raise _unknown(f'I cannot tell what "{what}" means', models)
    found, output = confirmed(image, nouns[0].asked, models)
    if output.facts["unsupported"]:
        raise ToolError(output.summary.rstrip("."))
    return found, output, nouns[0].name


def _unknown(why: str, models: Models) -> ToolError:
    return ToolError(sentences.needs_another_model(why, models.remedy(VQA)))


_NO_THINGS: Final = frozenset(
    ["it", "this", "that", "they", "he", "she", "thing", "one", "picture", "photo", "image", "background"]
)
_ENDS: Final = (
    r"(?= (?:are|is|can|do|does|have|has|there|in|on|at|by|near|under|behind|beside|inside|outside|you|we|i|visible"
    r"|shown|here|anywhere)\b|\W*$)"
)
_THE: Final = r"(?:the |my |his |her |their |its |this |that |these |those |an? |any |some )*"
_NOTHING_MORE: Final = re.compile(
    r"(?: (?:are|is|there|visible|shown|here|anywhere|in|on|can|do|does|you|we|i|see|it|have|has"
    r"|(?:the|this|that|my) (?:picture|photo|image)))*\W*",
    re.I,
)
_PLACE: Final = re.compile(
    r"(?: (?:are|is|there))* (?P<place>(?:on|at|in) the (?:(?:far )?left|right|top|bottom|middle|cent(?:er|re)))\W*",
    re.I,
)
_WHERE: Final = re.compile(
    r"(?: (?:are|is|there))* (?P<where>(?:in|on|at|by|near|under|behind|beside|inside|outside) (?:the |a |an |my )?"
    r"[\w-]+)\W*",
    re.I,
)


def _asks(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("<what>", rf"{_THE}(?P<what>[\w'-]+(?: [\w'-]+)*?){_ENDS}"), re.I)


_KINDS: Final[tuple[tuple[re.Pattern[str], Callable[[Image.Image, _Asked, Models], _Answer]], ...]] = (
    (
        re.compile(r"\bwhat (?:does|do|did) .+ (?:say|read)\b|\bwhat(?:'s| is) (?:written|printed)\b", re.I),
        _writing,
    ),
    (_asks(r"\bhow many <what>"), _many),
    (_asks(r"^(?:what|which) colou?rs? (?:is|are|does|do|has|have) <what>"), _colour),
    (_asks(r"^where(?:'s| is| are| can i find) <what>"), _where),
    (
        _asks(
            r"^(?:(?:is|are) there|(?:do|can) you see|does (?:it|the (?:picture|photo|image)) (?:show|have|contain))"
            r" <what>"
        ),
        _any,
    ),
)
