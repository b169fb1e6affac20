"""Who blurs every face is told of the people on whom none was found."""

from __future__ import annotations

import pytest

from tests.graphs.harness import planned
from visiongpt_agent.graphs.answering.coverage import gaps
from visiongpt_agent.graphs.state import ImageEntry
from visiongpt_agent.language.sentences import faces_missed

BLUR = "#1 = detect_faces(image=$1)\n#2 = blur_regions(image=$1, regions=#1)"


@pytest.mark.parametrize(
    ("request_", "people", "faceless", "gap"),
    [
        ("blur every face", 2, 1, "One of two people has no blurred face: I found none there."),
        ("blur the faces so i can post it", 5, 2, "Two of five people have no blurred face: I found none there."),
        ("pixelate all faces", 2, 2, "The two people have no blurred face: I found none there."),
        ("hide all faces please", 1, 1, "The person has no blurred face: I found none there."),
        ("blur every face", 2, 0, None),
        ("blur the face on the left", 2, 1, None),
    ],
)
def test_people_without_a_blurred_face_are_told(request_: str, people: int, faceless: int, gap: str | None) -> None:
    steps = planned(BLUR)
    steps[0]["artifact"] = {"facts": {"people": people, "faceless": faceless}}
    image = ImageEntry(id="a", origin="user", title="a.jpg", width=9, height=9, turn=1)

    assert gaps(request_, steps, [image], 1) == ([gap] if gap else [])


def test_faces_that_were_only_looked_for_leave_a_doubt() -> None:
    assert faces_missed(2, 3, 1) == ("I see three people and found no face on one of them.",)
    assert faces_missed(0, 2, 2) == ("I see two people and found no face on them.",)
    assert faces_missed(2, 2, 0) == ()
