"""Postconditions that look again: a clean run of each passes, a damaged one does not. The bench plants many more."""

from __future__ import annotations

import pytest

from tests.bench.faults import Verdict, judged
from tests.bench.gallery import runs
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.pool import ModelPool

CASES = [
    ("detect_objects", "chelsea 'cat'", "boxes from 0 to 1", "rejected"),
    ("detect_objects", "chelsea 'cat'", "wrong label", "rejected"),
    ("detect_objects", "chelsea 'cat'", "all lost", "rejected"),
    ("read_codes", "qr", "other content", "rejected"),
    ("read_codes", "ticket", "one code lost", "rejected"),
    ("compare_images", "shapes, spotted", "likeness off", "rejected"),
    ("inpaint", "spot", "filled with one grey", "rejected"),
    ("adjust_image", "chelsea {'brightness': 1.4}", "result of another run", "rejected"),
    ("adjust_image", "coffee {'contrast': 1.5}", "a quarter lost", "rejected"),
    ("transform_image", "astronaut {'rotate': 30}", "mirrored", "rejected"),
    ("stylize_image", "coffee as pencil sketch", "result of another run", "rejected"),
    ("caption_image", "chelsea", "hallucinated caption", "doubted"),
    ("answer_question", "chelsea", "answer of another question", "doubted"),
    ("estimate_depth", "chelsea", "result of another run", "rejected"),
    ("estimate_pose", "astronaut", "joints mirrored", "rejected"),
    ("generate_image", "a lighthouse at dusk", "noise", "rejected"),
    ("generate_image", "a lighthouse at dusk", "result of another run", "doubted"),
    ("generate_with_control", "coffee", "grey picture", "rejected"),
    ("edit_image", "chelsea: make it winter", "noise", "rejected"),
]
SLOW = [
    ("recolor_regions", "shapes purple", "edit in the wrong place", "rejected"),
    ("blur_regions", "chelsea", "filled with one grey", "rejected"),
    ("segment_objects", "shapes", "mask shifted in its box", "rejected"),
    ("segment_objects", "shapes", "inverted in its box", "rejected"),
    ("read_text", "sign", "hallucinated line", "rejected"),
    ("read_text", "receipt", "one word changed", "doubted"),
    ("read_text", "sign", "all text lost", "rejected"),
    ("detect_faces", "portrait", "boxes moved by half", "rejected"),
    ("detect_faces", "portrait", "all lost", "rejected"),
    ("detect_anomalies", "scratched beside good", "one thing invented", "rejected"),
    ("detect_anomalies", "scratched beside good", "all lost", "rejected"),
    ("classify_image", "coffee", "labels of another picture", "rejected"),
    ("upscale_image", "chelsea", "a quarter lost", "rejected"),
    ("remove_background", "coffee", "shifted cut-out", "rejected"),
    ("remove_background", "coffee", "inverted cut-out", "doubted"),
    ("replace_background", "coffee on a gradient", "unchanged output", "rejected"),
]


@pytest.mark.parametrize(
    ("tool", "title", "fault", "verdict"),
    [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_a_fault_is_caught(
    pool: ModelPool, store: ImageStore, tool: str, title: str, fault: str, verdict: Verdict
) -> None:
    among = [
        run for run in runs(pool, [tool]) if fault.endswith(("another run", "another picture")) or run.title == title
    ]
    clean, damaged = judged(among, title, fault, store)
    assert clean == "accepted"
    assert damaged == verdict


def test_a_removed_thing_that_is_still_there_is_doubted(pool: ModelPool, store: ImageStore) -> None:
    """A cat that a painter has put back, a little changed."""
    from PIL import ImageFilter

    from visiongpt_agent import sample_photo
    from visiongpt_agent.pictures.images import decode
    from visiongpt_agent.regions import Regions
    from visiongpt_agent.tools.base import ToolOutput
    from visiongpt_agent.tools.detect_objects import detect_objects
    from visiongpt_agent.tools.inpaint import inpaint

    image = decode(sample_photo("chelsea"))
    cat = detect_objects(image, "cat", models=pool).value
    assert isinstance(cat, Regions)
    still = image.filter(ImageFilter.GaussianBlur(1))
    review = inpaint.review({"image": image, "regions": cat}, ToolOutput(still, ""), pool)
    assert "Something that looks like a cat is still seen where it was removed." in review.doubts
