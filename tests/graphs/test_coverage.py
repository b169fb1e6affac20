"""What a request names and no step took on is told; what was taken on, refused or only talked about is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PIL import Image

from tests.graphs.harness import planned
from tests.scripted import ScriptedChat
from visiongpt_agent import VisionGPT
from visiongpt_agent.graphs.answering.coverage import gaps
from visiongpt_agent.graphs.state import ImageEntry
from visiongpt_agent.pool import ModelPool

DETECT_DOG = '#1 = detect_objects(image=$1, query="dog")'
BLUR_FACES = "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"
CROP_CUP = '#1 = detect_objects(image=$1, query="cup")\n#2 = crop_regions(image=$1, regions=#1)'
CUT_OUT = "#1 = remove_background(image=$1)"
TURN = "#1 = transform_image(image=$1, rotate=90)"
CONTRAST = "#1 = adjust_image(image=$1, contrast=1.5)"
DEPTH = "#1 = estimate_depth(image=$1)"
BLUR_ONE_OF_TWO = f"{BLUR_FACES}\n#3 = detect_faces(image=$2)"


def missed(request: str, plan: str, titles: tuple[str, ...] = ("a.jpg",), turn: int = 1) -> list[str]:
    images = [ImageEntry(id=t, origin="user", title=t, width=9, height=9, turn=1) for t in titles]
    return gaps(request, planned(plan), images, turn)


@pytest.mark.parametrize(
    ("request_", "plan", "gap"),
    [
        ("find the dogs and the lemons", DETECT_DOG, "I did not look for lemons."),
        ("count the lemons and the dogs", DETECT_DOG, "I did not look for lemons."),
        ("where are the dogs? and find the umbrellas too", DETECT_DOG, "I did not look for umbrellas."),
        ("how many horses are there", DETECT_DOG, "I did not look for horses."),
        ("blur the faces and sharpen it", BLUR_FACES, "I did not sharpen the picture."),
        ("sharpen it and blur all faces", "#1 = adjust_image(image=$1, sharpness=1.5)", "I did not blur anything."),
        ("crop to the cup, then enlarge it twice", CROP_CUP, "I did not make the picture twice as large."),
        ("crop to the cup, then upscale it 2x", CROP_CUP, "I did not make the picture twice as large."),
        ("take the background away and make it black and white", CUT_OUT,
         "I did not make the picture black and white."),
        ("remove the background and tell me how many dogs there are", CUT_OUT, "I did not look for or count anything."),
        ("rotate it by 90 degrees and mirror it", TURN, "I did not flip the picture left to right."),
        ("more contrast please, and sharpen it", CONTRAST, "I did not sharpen the picture."),
        ("describe the picture and read the code", "#1 = caption_image(image=$1)", "I did not read the code."),
        ("estimate the depth and find the body keypoints", DEPTH, "I did not look for body keypoints."),
        ("turn it upside down; the dog should be red", TURN, "I did not change any colour."),
        ("crop it to 4:5 and flip it", '#1 = transform_image(image=$1, aspect="1:1")',
         "I did not crop the picture to 4:5."),
        ("make it half the size", "#1 = transform_image(image=$1, scale=2)",
         "I did not make the picture half as large."),
        ("find the dog and write 'REX' on it", DETECT_DOG, "I did not write anything on the picture."),
        ("find the dog and put the pictures side by side", DETECT_DOG, "I did not put the pictures into one."),
        ("make it snowy and count the dogs", DETECT_DOG, "I did not make it snowy."),
    ],
)  # fmt: skip
def test_what_no_step_took_on_is_told(request_: str, plan: str, gap: str | None) -> None:
    assert gap is None or gap in missed(request_, plan)


@pytest.mark.parametrize(
    ("request_", "plan"),
    [
        ("find the dogs", DETECT_DOG),
        ("find the dogs and puppies", DETECT_DOG),
        ("find the dog. don't touch the sky, and don't blur anything", DETECT_DOG),
        ("find the dog without the bus", DETECT_DOG),
        ("find the dog, not the cat beside it", DETECT_DOG),
        ("find the dog so that I can crop the picture later", DETECT_DOG),
        ("my brother cropped and sharpened it. where is the dog?", DETECT_DOG),
        ("is there a dog? I want to blur it afterwards", DETECT_DOG),
        ("count the animals", DETECT_DOG),
        ("find the cups and glasses", '#1 = detect_objects(image=$1, query="cup, glass")'),
        ("blur the faces because we publish it tomorrow", BLUR_FACES),
        ("blur every face", BLUR_FACES),
        ("blur all faces and hide nothing else", BLUR_FACES),
        ("crop to the cup", CROP_CUP),
        ("cut the background out", CUT_OUT),
        ("get rid of the background", CUT_OUT),
        ("make it look like a watercolor", '#1 = stylize_image(image=$1, style="watercolor")'),
        ("paint me a picture of a dog and a cat", '#1 = generate_image(prompt="a dog and a cat")'),
        ("draw a man who is blurring a photo", '#1 = generate_image(prompt="man who is blurring a photo")'),
        ("make everything grey except the balloon",
         '#1 = edit_image(image=$1, instruction="make everything grey except the balloon")'),
        ("is the crop ripe?", '#1 = answer_question(image=$1, question="is the crop ripe?")'),
        ("is it a dog or a cat?", '#1 = classify_image(image=$1, labels=["dog", "cat"])'),
        ("turn the red door green",
         '#1 = detect_objects(image=$1, query="red door")\n#2 = recolor_regions(image=$1, regions=#1, color="green")'),
        ("make it brighter", "#1 = adjust_image(image=$1, brightness=1.2)"),
        ("what does the sign say?", "#1 = read_text(image=$1)"),
        ("find the dog and highlight it",
         '#1 = detect_objects(image=$1, query="dog")\n#2 = highlight_regions(image=$1, regions=#1)'),
        ("write 'REX' at the top", '#1 = add_text(image=$1, text="REX", position="top")'),
        ("find the dogs that stand side by side", DETECT_DOG),
        ("I want the dog and nothing else",
         '#1 = detect_objects(image=$1, query="dog")\n#2 = segment_objects(image=$1, regions=#1)\n'
         "#3 = remove_background(image=$1, regions=#2)"),
        ("crop each dog separately",
         '#1 = detect_objects(image=$1, query="dog")\n#2 = crop_regions(image=$1, regions=#1, each=true)'),
        ("crop it to a square", '#1 = transform_image(image=$1, aspect="1:1")'),
        ("make it half the size, then sepia",
         '#1 = transform_image(image=$1, scale=0.5)\n#2 = adjust_image(image=#1, look="sepia")'),
    ],
)  # fmt: skip
def test_nothing_is_told_of_what_was_done_or_not_asked_for(request_: str, plan: str) -> None:
    assert missed(request_, plan) == []


@pytest.mark.parametrize(
    ("request_", "plan", "gap"),
    [
        ("black and white for both pictures", "#1 = adjust_image(image=$1, saturation=0)", "I did not use b.jpg."),
        ("count the dogs in $1 and $2", DETECT_DOG, "I did not use b.jpg."),
        ("find the dog in the second picture", DETECT_DOG, "I did not use b.jpg."),
        ("find the dog in b.jpg", DETECT_DOG, "I did not use b.jpg."),
        ("find the dog in each picture", DETECT_DOG, "I did not use b.jpg."),
        ("blur the faces in both", BLUR_ONE_OF_TWO, "I did not blur anything in b.jpg."),
        ("find the dog in the first picture, ignore the second one", DETECT_DOG, None),
        ("find the dog in a.jpg", DETECT_DOG, None),
        ("all pictures except the second one: find the dog", DETECT_DOG, None),
        ("find the dog", DETECT_DOG, None),
        ("compare the two pictures", "#1 = compare_images(image=$1, other=$2)", None),
        ("find both dogs", DETECT_DOG, None),
    ],
)  # fmt: skip
def test_images_that_were_meant_and_not_used_are_told(request_: str, plan: str, gap: str | None) -> None:
    assert missed(request_, plan, ("a.jpg", "b.jpg")) == ([gap] if gap else [])


def test_a_gap_makes_the_result_partial(pool: ModelPool, photo: Callable[[str], Image.Image]) -> None:
    chat = ScriptedChat(script=["#1 = transform_image(image=$1, rotate=90)", "All is done, the picture is sharp."])

    result = VisionGPT(chat, pool=pool).run("turn it by 90 degrees and sharpen it", photo("rocket"))

    assert result.status == "partial"
    assert result.answer == "I turned the picture 90 degrees clockwise. I did not sharpen the picture."
    assert "I did not sharpen the picture." in result.warnings
