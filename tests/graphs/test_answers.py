"""Answers as a person reads them: what was done first, one sentence for one fact, no word of the machinery."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest
from langchain_core.runnables import RunnableConfig
from PIL import Image

from tests.graphs.harness import graph_of
from visiongpt_agent.graphs.state import ImageEntry, fresh_turn
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.tools import catalog

Photo = Callable[[str], Image.Image]

MACHINERY: Final = (
    *catalog(),
    *("transform image", "adjust image", "recolor regions", "blur regions", "crop regions", "segment objects"),
    *(
        "detect objects",
        "detect anomalies",
        "remove background",
        "upscale image",
        "inpaint",
        "query=",
        "regions=",
        "image=",
        "$",
        "None",
        "the answer is",
        "a anomaly",
        "an one",
        "  ",
        "..",
    ),
    *(
        "So I did not transform",
        "could not answer question",
        "is another model",
        "Traceback",
        "did not recolor regions",
    ),
    *("#3", "postcondition", "artifact", "argument", "with the detector here ("),
)
"""What no answer may hold."""


def answer(request: str, plan: str, pictures: dict[str, Image.Image], pool: ModelPool, store: ImageStore) -> Any:
    """The graph's last state on a request with a scripted plan, worded by the account alone."""
    images = []
    for title, picture in pictures.items():
        kept = store.add(picture, Provenance("user", title))
        images.append(ImageEntry(id=kept.id, origin="user", title=title, width=kept.width, height=kept.height, turn=1))
    graph = graph_of(plan, pool=pool, store=store, writes=False)
    return graph.invoke(fresh_turn(request, 1, images), RunnableConfig(configurable={"thread_id": "answers"}))


FIND = '#1 = detect_objects(image=$1, query="{}")'
CUT = f"{FIND}\n#2 = segment_objects(image=$1, regions=#1)"
FACES = "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"

ONE = [
    ("chelsea", "is there a cat?", FIND.format("cat"), "There is one cat, in the middle of the picture."),
    ("chelsea", "find the cat and the dog", FIND.format("cat, dog"),
     "There is one cat, in the middle of the picture. I found no dog."),
    ("chelsea", "is there a dog in it?", FIND.format("dog"), "I found no dog."),
    ("chelsea", "how many coins are there?", FIND.format("coin"),
     'I cannot look for "coin": the detector here knows 80 everyday things, and this is none of them. '
     "Another model looks for it: visiongpt models pull grounding-dino-tiny."),
    ("chelsea", "find the coins and lamps", FIND.format("coin, lamp"),
     'I cannot look for "coin" or "lamp": the detector here knows 80 everyday things, and these are none of them. '
     "Another model looks for them: visiongpt models pull grounding-dino-tiny."),
    ("chelsea", "paint the bike blue",
     f'{CUT.format("bike")}\n#3 = recolor_regions(image=$1, regions=#2, color="blue")',
     "I found no bike, so the picture stays as it is."),
    ("chelsea", "remove the dog", f'{CUT.format("dog")}\n#3 = inpaint(image=$1, regions=#2)',
     "I found no dog, so the picture stays as it is."),
    ("chelsea", "crop to the dog and read what it says",
     f'{FIND.format("dog")}\n#2 = crop_regions(image=$1, regions=#1)\n#3 = read_text(image=#2)',
     "I found no dog, so I did not read the text."),
    ("chelsea", "mirror it and cut out the dog",
     '#1 = transform_image(image=$1, flip="horizontal")\n#2 = detect_objects(image=#1, query="dog")\n'
     "#3 = crop_regions(image=#1, regions=#2)",
     "I flipped the picture left to right. I found no dog, so I did not crop the picture."),
    ("chelsea", "outline the cat", CUT.format("cat"), "I outlined one cat."),
    ("chelsea", "mirror it", '#1 = transform_image(image=$1, flip="horizontal")',
     "I flipped the picture left to right."),
    ("chelsea", "turn it upside down", "#1 = transform_image(image=$1, rotate=180)",
     "I turned the picture 180 degrees clockwise."),
    ("chelsea", "make it black and white", "#1 = adjust_image(image=$1, saturation=0)",
     "I made the picture black and white."),
    ("chelsea", "make it 20 % brighter", "#1 = adjust_image(image=$1, brightness=1.2)",
     "I made the picture 20 % brighter."),
    ("chelsea", "darker, with more contrast", "#1 = adjust_image(image=$1, brightness=0.8, contrast=1.3)",
     "I made the picture 20 % darker and raised the contrast by 30 %."),
    ("chelsea", "make the colours stronger, sharpen it", "#1 = adjust_image(image=$1, saturation=1.5, sharpness=2)",
     "I made the colours 50 % stronger and sharpened the picture by 100 %."),
    ("chelsea", "sharpen it and blur all faces", "#1 = adjust_image(image=$1, sharpness=2)",
     "I sharpened the picture by 100 %. I did not blur anything."),
    ("chelsea", "make it twice as bright", "#1 = adjust_image(image=$1, brightness=0.7)",
     "I made the picture 30 % darker. I did not make the picture twice as bright."),
    ("chelsea", "resize it to 320 pixels wide", "#1 = transform_image(image=$1, width=320)",
     "I resized the picture to 320x213 pixels."),
    ("chelsea", "make it 20000 pixels wide", "#1 = transform_image(image=$1, width=20000)",
     "I could not resize the picture: a picture of 20000x13304 pixels cannot be made: "
     "each side must be from 1 to 8000."),
    ("chelsea", "crop to the cat", f'{FIND.format("cat")}\n#2 = crop_regions(image=$1, regions=#1)', None),
    ("chelsea", "paint the cat gren",
     f'{CUT.format("cat")}\n#3 = recolor_regions(image=$1, regions=#2, color="gren")',
     'I could not change any colour: "gren" is no colour that I know: '
     "try a name such as navy blue or sage green, or #1e90ff."),
    ("chelsea", "is there a cat?", '#1 = answer_question(image=$1, question="is there a cat?")',
     "Yes, there is one cat."),
    ("chelsea", "how many dogs do you see", '#1 = answer_question(image=$1, question="how many dogs do you see")',
     "I find no dogs."),
    ("coffee", "where is the cup?", '#1 = answer_question(image=$1, question="where is the cup?")', None),
    ("chelsea", "why is the cat sad?", '#1 = answer_question(image=$1, question="why is the cat sad?")',
     "I could not answer that: it needs a model that answers by looking: visiongpt models pull blip-vqa-base. "
     "Without one I can say how many, whether there are any, where, what colour, and what is written."),
    ("chelsea", "read what it says", "#1 = read_text(image=$1)", "I found no text."),
    ("chelsea", "scan the code", "#1 = read_codes(image=$1)", "I found no QR code or bar code."),
    ("astronaut", "count the faces", "#1 = detect_faces(image=$1)",
     "There is one face, at the top of the picture."),
    ("astronaut", "blur the face", FACES,
     "I blurred one face."),
    ("coffee", "blur all faces", FACES,
     "I found no face, so the picture stays as it is. A face that is tiny or turned far away may have been missed."),
    ("astronaut", "find the woman", FIND.format("woman"), None),
    ("chelsea", "find the cat, then the cat again",
     f'{FIND.format("cat")}\n#2 = detect_objects(image=$1, query="cat")',
     "There is one cat, in the middle of the picture."),
    ("chelsea", "paint it as a watercolor", '#1 = stylize_image(image=$1, style="watercolor")', None),
    ("chelsea", "mark the scratches", "#1 = detect_anomalies(image=$1)", None),
    ("chelsea", "put it on a red background", '#1 = replace_background(image=$1, prompt="red")', None),
    ("chelsea", "how deep is it", "#1 = estimate_depth(image=$1)", None),
]  # fmt: skip

SEVERAL = [
    ("black and white for all three pictures",
     "\n".join(f"#{k} = adjust_image(image=${k}, saturation=0)" for k in (1, 2, 3)),
     "I made coffee.png, cat.png and rocket.jpg black and white."),
    ("which of these has a cat?",
     "\n".join(f'#{k} = detect_objects(image=${k}, query="cat")' for k in (1, 2, 3)),
     "In cat.png there is one cat, in the middle. I found no cat in coffee.png or rocket.jpg."),
    ("mirror the first and turn the second by 90 degrees",
     '#1 = transform_image(image=$1, flip="horizontal")\n#2 = transform_image(image=$2, rotate=90)',
     "I flipped coffee.png left to right. I turned cat.png 90 degrees clockwise."),
    ("blur the faces in every picture",
     f"{FACES}\n#3 = detect_faces(image=$2)\n#4 = detect_faces(image=$3)",
     "I found no face in coffee.png, cat.png or rocket.jpg, so the picture stays as it is. "
     "I did not blur anything in cat.png or rocket.jpg. "
     "A face that is tiny or turned far away may have been missed."),
    ("find the cat in the first two", "\n".join(f'#{k} = detect_objects(image=${k}, query="cat")' for k in (1, 2)),
     "In cat.png there is one cat, in the middle. I found no cat in coffee.png."),
]  # fmt: skip


_SLOW: Final = ("segment_objects", "faces", "background", "stylize", "anomalies", "inpaint", "read_text")


def cases(table: Sequence[tuple[str | None, ...]]) -> list[object]:
    """The rows, those marked as slow whose plan has a model at work that takes its time."""
    return [
        pytest.param(*row, marks=[pytest.mark.slow] if any(name in str(row[-2]) for name in _SLOW) else [])
        for row in table
    ]


@pytest.mark.parametrize(("picture", "request_", "plan", "expected"), cases(ONE))
def test_an_answer_on_one_picture(
    picture: str, request_: str, plan: str, expected: str | None, pool: ModelPool, photo: Photo, store: ImageStore
) -> None:
    state = answer(request_, plan, {f"{picture}.jpg": photo(picture)}, pool, store)

    assert expected is None or state["answer"] == expected
    assert_written_by_a_person(state["answer"])


@pytest.mark.parametrize(("request_", "plan", "expected"), cases(SEVERAL))
def test_an_answer_on_several_pictures(
    request_: str, plan: str, expected: str, pool: ModelPool, photo: Photo, store: ImageStore
) -> None:
    pictures = {"coffee.png": photo("coffee"), "cat.png": photo("chelsea"), "rocket.jpg": photo("rocket")}
    state = answer(request_, plan, pictures, pool, store)

    assert state["answer"].startswith(expected)  # what the detector is unsure of may follow
    assert_written_by_a_person(state["answer"])


def assert_written_by_a_person(text: str) -> None:
    """Assert that a text is whole sentences with the right articles, each once, and nothing of the machinery."""
    assert not [words for words in MACHINERY if words in text]
    assert not re.search(r"#\d+\b", text)  # a step, as in a plan; a colour such as #1e90ff is fine
    assert not re.search(
        r"\ba [aeio]\w+|\ban [^aeiou\W]\w+|\b(\w+) \1\b", text.replace("one", "").replace("an RGB", "")
    )
    parts = [part for part in re.split(r'(?<=[.!?])\s+(?=[A-Z"])', text) if part]
    assert len(parts) == len(set(parts))
    assert all(part[0].isupper() or part[0] == '"' for part in parts)
    assert text.endswith((".", "!", '"'))
