from __future__ import annotations

from pathlib import Path

import pytest

from visiongpt_agent.language.vocabulary import COCO, Fit, Noun, describe_fit, is_stuff, read_query, understand

PAIRS = [
    tuple(line.split(" = "))
    for line in (Path(__file__).parent / "data" / "word_pairs.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


def read(query: str) -> list[Noun]:
    return [understand(noun) for noun in read_query(query)]


def test_there_are_80_classes() -> None:
    assert len(set(COCO)) == 80


def test_every_class_is_asked_for_by_its_own_name() -> None:
    assert [read(name)[0].classes for name in COCO] == [(name,) for name in COCO]


@pytest.mark.parametrize(("word", "truth"), PAIRS)
def test_a_word_is_matched_with_its_class_or_none(word: str, truth: str) -> None:
    (noun,) = read(word)
    assert (noun.classes or ("-",)) == (truth,)


@pytest.mark.parametrize(
    ("query", "name", "attribute", "place", "many"),
    [
        ("the red buses", "bus", "red", "", True),
        ("vase on the left", "vase", "", "left", False),
        ("left vase", "vase", "", "left", False),
        ("the dogs on the right side", "dog", "", "right", True),
        ("biggest dog", "dog", "", "largest", False),
        ("man in the striped shirt", "man", "in the striped shirt", "", False),
        ("license plate of the white van", "license plate", "of the white van", "", False),
        ("white dog sleeping on the sofa", "dog", "white sleeping on the sofa", "", False),
        ("cars in the picture", "car", "", "", True),
        ("two puppies", "puppy", "", "", True),
        ("herd of sheep", "sheep", "", "", False),
        ("wine glasses", "wine glass", "", "", True),
        ("TVs", "tv", "", "", True),
    ],
)
def test_reading_a_phrase(query: str, name: str, attribute: str, place: str, many: bool) -> None:
    (noun,) = read_query(query)
    assert (noun.name, noun.attribute, noun.place, noun.many) == (name, attribute, place, many)


def test_reading_several_things() -> None:
    assert [n.name for n in read_query("dog, lemon; cats and dogs")] == ["dog", "lemon", "cat", "dog"]
    assert [n.name for n in read_query("dog, dog")] == ["dog"]
    assert [n.name for n in read_query("salt and pepper shaker")] == ["salt and pepper shaker"]
    assert read_query(" , the, ;") == []


@pytest.mark.parametrize(
    ("query", "fit", "sentences"),
    [
        ("sofa", Fit.SAME, []),
        ("puppies", Fit.WIDER, ["The detector here does not tell puppies from other dogs."]),
        ("old dogs", Fit.SAME, ["The detector here does not tell old dogs from other dogs."]),
        ("bus driver", Fit.WIDER, ["The detector here does not tell bus drivers from other people."]),
        ("pet", Fit.NARROWER, ["Of all pets the detector here knows only cats and dogs."]),
        ("van", Fit.WIDER, ["The detector here does not tell vans from other cars or trucks."]),
        ("mouse", Fit.SAME, ["By mice the detector here means computer mice, not the animals."]),
        ("lemon", Fit.NONE, []),
    ],
)
def test_what_the_classes_do_not_tell(query: str, fit: Fit, sentences: list[str]) -> None:
    (noun,) = read(query)
    assert noun.fit is fit
    assert describe_fit(noun) == sentences


@pytest.mark.parametrize(
    ("phrase", "stuff"),
    [
        ("sky", True),
        ("the blue sky", True),
        ("sky behind the tower", True),
        ("grass on the left", True),
        ("walls", True),
        ("body of water", True),
        ("dog", False),
        ("beach ball", False),
        ("water bottle", False),
        ("glass of water", False),
        ("wall clock", False),
        ("clock on the wall", False),
        ("road sign", False),
        ("snow leopard", False),
        ("sky, grass", False),
        ("", False),
    ],
)
def test_stuff_is_told_from_things_named_after_it(phrase: str, stuff: bool) -> None:
    assert is_stuff(phrase) is stuff


def test_stuff_is_known_to_no_detector_of_things() -> None:
    assert [(noun.name, noun.attribute, noun.classes, noun.fit) for noun in read("wet road and blue sky")] == [
        ("road", "wet", (), Fit.NONE),
        ("sky", "blue", (), Fit.NONE),
    ]


@pytest.mark.parametrize("asked", ["bike", "the bikes", "red bike", "cycles"])
def test_a_word_for_either_of_two_classes_means_both(asked: str) -> None:
    (noun,) = read(asked)
    assert (set(noun.classes), noun.fit) == ({"motorcycle", "bicycle"}, Fit.SAME)
    assert noun.label("motorcycle") == noun.name
    assert read("pushbike")[0].classes == ("bicycle",)
    assert read("motorbike")[0].classes == ("motorcycle",)
