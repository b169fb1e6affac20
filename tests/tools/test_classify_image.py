"""Classification: sure where it is sure, honest where it is not, silent about what it cannot judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from PIL import Image

from visiongpt_agent.errors import ToolError
from visiongpt_agent.models import jobs
from visiongpt_agent.models.efficientnet_lite import imagenet_classes
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools.base import Label, ToolOutput
from visiongpt_agent.tools.classify_image import _classes_of, classify_image

Photo = Callable[[str], Image.Image]


def labels_of(output: ToolOutput) -> list[Label]:
    assert isinstance(output.value, Sequence)
    return [label for label in output.value if isinstance(label, Label)]


@pytest.mark.parametrize(
    ("name", "start"),
    [("chelsea", "It is most likely an Egyptian cat ("), ("coffee", "It is most likely an espresso (")],
)
def test_sure(pool: ModelPool, photo: Photo, name: str, start: str) -> None:
    output = classify_image(photo(name), models=pool)
    assert output.summary.startswith(start)
    assert output.uncertain == ()
    assert len(labels_of(output)) == 5
    assert output.models == ("efficientnet-lite2",)
    assert classify_image.problems({"image": photo(name)}, output) == []


def test_not_sure(pool: ModelPool, photo: Photo) -> None:
    """A portrait is no class of ImageNet."""
    output = classify_image(photo("astronaut"), models=pool)
    assert output.summary.startswith("I am not sure what kind of picture it is")
    assert output.uncertain


def test_many_kinds_of_one_thing_add_up(pool: ModelPool, photo: Photo) -> None:
    output = classify_image(photo("chelsea").rotate(25).resize((90, 60)).resize((450, 300)), models=pool)
    best = labels_of(output)[0]
    assert best.score > 0.5 or "cat" in output.summary


@pytest.mark.parametrize(
    ("name", "labels", "best", "least"),
    [
        ("chelsea", ("dog", "cat", "bird"), "cat", 0.7),
        ("chelsea", ["vehicle", "Animal"], "Animal", 0.9),
        ("chelsea", ("a cat", "some dogs"), "a cat", 0.7),
        ("coffee", ("tea kettle", "coffee", "cat"), "coffee", 0.7),
        ("coffee", ("furniture", "drink"), "drink", 0.7),
    ],
)
def test_choosing(pool: ModelPool, photo: Photo, name: str, labels: Sequence[str], best: str, least: float) -> None:
    output = classify_image(photo(name), labels, models=pool)
    first = labels_of(output)[0]
    assert first.name == best
    assert first.score > least
    assert output.summary.startswith(f"{best} fits best (")
    assert classify_image.problems({"image": photo(name), "labels": labels}, output) == []


def test_none_fits(pool: ModelPool, photo: Photo) -> None:
    output = classify_image(photo("chelsea"), ("truck", "guitar"), models=pool)
    assert output.summary.startswith("None of truck and guitar fits well")
    assert output.uncertain


def test_what_cannot_be_judged_is_named(pool: ModelPool, photo: Photo) -> None:
    output = classify_image(photo("chelsea"), ("cat", "melancholy"), models=pool)
    assert [label.name for label in labels_of(output)] == ["cat"]
    assert "melancholy" in output.missing[0]
    with pytest.raises(ToolError, match=r"cannot tell melancholy from joy .* CLIP"):
        classify_image(photo("chelsea"), ("melancholy", "joy"), models=pool)


def test_other_words_for_a_class(pool: ModelPool, photo: Photo, needs: Callable[[str], None]) -> None:
    needs(jobs.TEXT_EMBEDDING)
    output = classify_image(photo("chelsea"), ("kitten", "puppy"), models=pool)
    assert labels_of(output)[0].name == "kitten"
    assert labels_of(output)[0].score > 0.5


@pytest.mark.parametrize(
    ("label", "inside", "outside"),
    [
        ("dog", "golden retriever", "hot dog"),
        ("dogs", "pug", "timber wolf"),
        ("terrier", "Border terrier", "Border collie"),
        ("lion", "lion", "sea lion"),
        ("owl", "great grey owl", "bald eagle"),
        ("taxi", "taxi", "tank"),
        ("couch", "sofa bed", "throne"),
        ("bus", "minibus", "bison"),
        ("beach", "seashore", "lakeside"),
    ],
)
def test_what_a_label_means(label: str, inside: str, outside: str) -> None:
    names = {imagenet_classes()[i].name for i in _classes_of(label)}
    assert inside in names
    assert outside not in names


def test_faults_are_caught() -> None:
    def problems(value: list[Label], labels: Sequence[str] = ()) -> str:
        told = f"{value[0].name} ({value[0].score:.0%})" if value else ""
        return "; ".join(classify_image.problems({"labels": labels}, ToolOutput(value, told)))

    assert "no class was named" in problems([])
    assert "no ranking" in problems([Label("a", 0.1), Label("b", 0.9)])
    assert "not from 0 to 1" in problems([Label("a", 1.7)])
    assert "b was not among the labels" in problems([Label("b", 0.9)], ("a",))
    assert problems([Label("a", 0.9), Label("b", 0.1)], ("a", "b")) == ""
