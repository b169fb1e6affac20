"""Saying what a picture shows as a whole, or which of some labels fits it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from PIL import Image, ImageOps

from visiongpt_agent.errors import ToolError
from visiongpt_agent.language.english import join, singular
from visiongpt_agent.models import jobs
from visiongpt_agent.models.efficientnet_lite import ImageNetClass, imagenet_classes
from visiongpt_agent.plan import Kind
from visiongpt_agent.regions import FloatArray
from visiongpt_agent.tools.base import Doubt, Label, Models, ToolOutput, vision_tool

_TOP: Final = 5
_SURE, _LIKELY, _FITS = 0.5, 0.3, 0.2
_SAME_MEANING: Final = 0.78
"""Cosine of two names' sentence embeddings from which they are taken to mean the same: kitten and cat have 0.79, street
and street sign 0.75."""

_UNSTABLE, _UNRELATED = 0.35, 0.6
"""Change of the best label's score in the mirror image from which it is doubted, and from which it is wrong."""

_NEEDS_CLIP: Final = "that needs a model that compares images with any text (such as CLIP), and there is none here"


@vision_tool("kind of scene, or choose a label", returns=Kind.LABELS, needs=[jobs.CLASSIFICATION])
def classify_image(image: Image.Image, labels: Sequence[str] = (), *, models: Models) -> ToolOutput:
    """Say what kind of thing or scene a picture shows, or which of the given labels fits best.

    The classifier knows the 1000 classes of ImageNet. A label's score is the sum of the probabilities of the classes
    that are a kind of it; labels that no class is a kind of cannot be judged and are named as missing.

    Args:
        image: The picture.
        labels: Labels to choose among; empty to name the classes themselves.
        models: Gives ``classification`` and, where present, ``embedding.text`` to understand other words for a class.

    Raises:
        ToolError: If none of the labels can be judged.
    """
    meanings = _meanings(labels, models) if labels else {}
    if labels and not meanings:
        raise ToolError(f"I cannot tell {join(list(labels), 'from')} in a picture: {_NEEDS_CLIP}")
    with models.use(jobs.CLASSIFICATION, jobs.Classifier) as classifier:
        names, probabilities = classifier.classes, classifier.classify(image.convert("RGB"))
    used = (models.name(jobs.CLASSIFICATION),)
    if labels:
        return _chosen(labels, meanings, probabilities, used)
    order = np.argsort(-probabilities)[:_TOP]
    top = tuple(Label(names[i], float(probabilities[i])) for i in order)
    summary, uncertain = _sentence(top, _common_kind(names, probabilities))
    return ToolOutput(top, summary, models=used, uncertain=uncertain)


# ------------------------------------------------------------------------------------------------------- free choice


def _sentence(top: Sequence[Label], kind: Label | None) -> tuple[str, tuple[str, ...]]:
    best = top[0]
    if best.score >= _SURE:
        return f"It is most likely {_a(best.name)} ({best.score:.0%}).", ()
    if kind is not None:
        return f"It is most likely {_a(kind.name)} ({kind.score:.0%}), perhaps {_a(best.name)} ({best.score:.0%}).", ()
    if best.score >= _LIKELY:
        return f"It may be {_a(best.name)} ({best.score:.0%}).", (f"The classifier gives it {best.score:.0%} only.",)
    nearest = join([f"{label.name} ({label.score:.0%})" for label in top[:3]], "or")
    return (
        f"I am not sure what kind of picture it is; the nearest classes are {nearest}.",
        (f"No class reached {_LIKELY:.0%}.",),
    )


def _a(name: str) -> str:
    if name.endswith("s") and not name.endswith(("ss", "us", "is")):
        return name
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def _common_kind(names: Sequence[str], probabilities: FloatArray) -> Label | None:
    """The narrowest kind that most of the probability falls on: many breeds at a few per cent each are still a dog."""
    members = _kinds()
    if tuple(names) != tuple(c.name for c in imagenet_classes()):
        return None
    mass = {kind: float(probabilities[list(indices)].sum()) for kind, indices in members.items()}
    sure = [kind for kind in mass if mass[kind] >= _SURE]
    narrowest = min(sure, key=lambda kind: len(members[kind]), default=None)
    return None if narrowest is None else Label(narrowest, mass[narrowest])


# -------------------------------------------------------------------------------------------------- choice of labels


def _chosen(
    labels: Sequence[str], meanings: Mapping[str, frozenset[int]], probabilities: FloatArray, used: tuple[str, ...]
) -> ToolOutput:
    scored = [Label(label, float(probabilities[sorted(indices)].sum())) for label, indices in meanings.items()]
    ranked = tuple(sorted(scored, key=lambda label: -label.score))
    missing = tuple(f"whether it is {label}: {_NEEDS_CLIP}" for label in labels if label not in meanings)
    best = ranked[0]
    if best.score < _FITS:
        summary = f"None of {join(list(meanings))} fits well; the nearest is {best.name} ({best.score:.0%})."
        return ToolOutput(ranked, summary, used, missing, (f"No label reached {_FITS:.0%}.",))
    others = [f"{label.name} {label.score:.0%}" for label in ranked[1:4]]
    rest = f"; {join(others)}" if others else ""
    doubt = () if best.score >= _SURE else (f"The classifier gives {best.name} {best.score:.0%} only.",)
    return ToolOutput(ranked, f"{best.name} fits best ({best.score:.0%}{rest}).", used, missing, doubt)


def _meanings(labels: Sequence[str], models: Models) -> dict[str, frozenset[int]]:
    """For each label that can be judged, the classes that are a kind of it."""
    found = {label: _classes_of(label) for label in labels}
    unknown = [label for label, indices in found.items() if not indices]
    if unknown and models.has(jobs.TEXT_EMBEDDING):
        found |= _by_meaning(unknown, models)
    return {label: indices for label, indices in found.items() if indices}


def _classes_of(label: str) -> frozenset[int]:
    """The classes that a label names: as a kind, by one of their names, or else by the last word of their name."""
    noun = singular(_bare(label))
    if noun in _kinds():
        return frozenset(_kinds()[noun])
    names = [_names(c) for c in imagenet_classes()]
    exact = frozenset(i for i, known in enumerate(names) if noun in known)
    return exact or frozenset(i for i, known in enumerate(names) if known[0].endswith(f" {noun}"))


def _by_meaning(labels: Sequence[str], models: Models) -> dict[str, frozenset[int]]:
    """Labels in other words: the classes and kinds whose names mean the same, or nothing."""
    vocabulary: dict[str, set[int]] = defaultdict(set)
    for index, known in enumerate(imagenet_classes()):
        vocabulary[known.name.lower()].add(index)
    for kind, indices in _kinds().items():
        vocabulary[kind] |= set(indices)
    words = list(vocabulary)
    with models.use(jobs.TEXT_EMBEDDING, jobs.TextEmbedder) as embedder:
        alike = embedder.embed([singular(_bare(label)) for label in labels]) @ embedder.embed(words).T
    best = alike.argmax(axis=1)
    return {
        label: frozenset(vocabulary[words[best[i]]]) if alike[i, best[i]] >= _SAME_MEANING else frozenset()
        for i, label in enumerate(labels)
    }


def _bare(label: str) -> str:
    words = label.lower().replace("_", " ").strip().split()
    return " ".join(words[1:] if words and words[0] in ("a", "an", "the") else words)


def _names(known: ImageNetClass) -> tuple[str, ...]:
    return tuple(name.lower().partition(" (")[0] for name in (known.name, *known.also))


def _kinds() -> Mapping[str, Sequence[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, known in enumerate(imagenet_classes()):
        for kind in known.kinds:
            members[kind].append(index)
    return members


def _labels(output: ToolOutput) -> list[Label]:
    found = output.value if isinstance(output.value, Sequence) else ()
    return [label for label in found if isinstance(label, Label)]


@classify_image.check
def _is_a_ranking(labels: Sequence[str], output: ToolOutput) -> Iterator[str]:
    ranked = _labels(output)
    if not ranked:
        yield "no class was named"
        return
    scores = [label.score for label in ranked]
    if scores != sorted(scores, reverse=True) or not all(0 <= score <= 1.001 for score in scores):
        yield f"the scores {scores} are no ranking of probabilities"
    invented = [label.name for label in ranked if labels and label.name not in labels]
    if invented:
        yield f"{join(invented)} was not among the labels"


@classify_image.check
def _tells_the_best(output: ToolOutput) -> Iterator[str]:
    ranked = _labels(output)
    if ranked and not all(told in output.summary for told in (ranked[0].name, f"({ranked[0].score:.0%}")):
        yield "the sentence about the picture does not name the best label"


@classify_image.check
def _is_the_same_mirrored(
    image: Image.Image, labels: Sequence[str], output: ToolOutput, models: Models
) -> Iterator[str]:
    """The mirror image gives the best label about the same score, and is best there, too."""
    ranked = _labels(output)
    with models.use(jobs.CLASSIFICATION, jobs.Classifier) as classifier:
        names, probabilities = classifier.classes, classifier.classify(ImageOps.mirror(image.convert("RGB")))
    if labels:
        meanings = _meanings(labels, models)
        again = {label: float(probabilities[sorted(indices)].sum()) for label, indices in meanings.items()}
    else:
        again = dict(zip(names, probabilities.tolist(), strict=True))
    best = ranked[0]
    if best.name not in again:
        yield f"the classifier knows no {best.name}"
        return
    first = max(again, key=lambda name: again[name])
    place = sum(score > again[best.name] for score in again.values())
    if abs(again[best.name] - best.score) > _UNRELATED or (not labels and place >= _TOP):
        yield f"a second look gives {best.name} {again[best.name]:.0%}, not {best.score:.0%}"
    elif (first != best.name and again[first] >= _LIKELY) or abs(again[best.name] - best.score) > _UNSTABLE:
        yield Doubt(
            f"Mirrored, the picture is rather {first} ({again[first]:.0%}; {best.name} {again[best.name]:.0%})."
        )
