from __future__ import annotations

import pytest

from visiongpt_agent.language.english import a_, count_phrase, join, place_of, plural, sentence, singular, split_head


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("dog", "dogs"),
        ("banana", "bananas"),
        ("canvas", "canvases"),
        ("rhino", "rhinos"),
        ("bus", "buses"),
        ("person", "people"),
        ("knife", "knives"),
        ("butter knife", "butter knives"),
        ("policeman", "policemen"),
        ("policewoman", "policewomen"),
        ("human", "humans"),
        ("puppy", "puppies"),
        ("key", "keys"),
        ("bench", "benches"),
        ("box", "boxes"),
        ("wine glass", "wine glasses"),
        ("sheep", "sheep"),
        ("scissors", "scissors"),
        ("bookshelf", "bookshelves"),
        ("toothbrush", "toothbrushes"),
        ("computer mouse", "computer mice"),
        ("horse", "horses"),
        ("vase", "vases"),
        ("house", "houses"),
        ("nose", "noses"),
        ("tie", "ties"),
        ("man in the striped shirt", "men in the striped shirt"),
        ("cup of coffee", "cups of coffee"),
        ("snowboard", "snowboards"),
        ("specimen", "specimens"),
        ("axis", "axes"),
    ],
)
def test_plural_and_singular_are_each_others_inverse(one: str, many: str) -> None:
    assert plural(one) == many
    assert singular(many) == one or many == "axes"  # which is the plural of axis and of axe
    assert singular(one) == one


def test_count_phrase() -> None:
    assert [count_phrase(n, "dog") for n in (0, 1, 3, 12, 13, 1200)] == [
        "no dog",
        "one dog",
        "three dogs",
        "twelve dogs",
        "13 dogs",
        "1,200 dogs",
    ]


def test_join() -> None:
    assert [join(list(letters)) for letters in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert join(["a", "b"], last="or") == "a or b"


def test_sentence() -> None:
    assert sentence("there is a dog") == "There is a dog."
    assert sentence("Is there?") == "Is there?"


@pytest.mark.parametrize(
    ("phrase", "head"),
    [("man in the striped shirt", "man"), ("license plate of the white van", "license plate"), ("onion", "onion")],
)
def test_split_head(phrase: str, head: str) -> None:
    assert split_head(phrase) == (head, phrase[len(head) :])


@pytest.mark.parametrize(
    ("box", "place"),
    [
        ((0, 0, 10, 10), "in the upper left"),
        ((40, 40, 60, 60), "in the middle"),
        ((90, 40, 100, 60), "on the right"),
        ((40, 90, 60, 100), "at the bottom"),
        ((0, 0, 100, 100), "in the middle"),
        ((100, 100, 100, 100), "in the lower right"),
    ],
)
def test_place_of(box: tuple[int, int, int, int], place: str) -> None:
    assert place_of(box, (100, 100)) == place


def test_the_article() -> None:
    words = ("cup", "apple", "umbrella", "unicorn", "hourglass")
    assert [a_(word) for word in words] == ["a cup", "an apple", "an umbrella", "a unicorn", "an hourglass"]
