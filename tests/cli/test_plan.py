"""``visiongpt plan``: lines in, plans out, and no line lost or half-read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from visiongpt_agent.models import jobs

GOOD = '{"id": "a", "images": ["$1 user a.jpg 640x480"], "request": "count the cats"}'


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be an object"),
        ('{"id": "b", "request": "count the cats"}', 'with "id", "images" and "request"'),
        ('{"id": null, "images": [], "request": "hello"}', '"id" must be'),
        ('{"id": "b", "images": [], "request": " "}', '"request" must be'),
        ('{"id": "b", "images": "$1", "request": "hello"}', '"images" must be'),
        ('{"id": "b", "images": ["$2 user a.jpg 640x480"], "request": "hello"}', "image 1 must read"),
        ('{"id": "b", "images": [], "request": "' + "x" * 5000 + '"}', "over 4000 characters"),
        ("\udcff", "is not JSON"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_planned(
    visiongpt: Callable[..., Ran], tmp_path: Path, bad: str, fault: str
) -> None:
    (tmp_path / "in.jsonl").write_text(f"{GOOD}\n\n{bad}\n", errors="surrogateescape")

    ran = visiongpt("plan", "--input", "in.jsonl", "--output", "out.jsonl")

    assert ran.code == 2
    assert ran.err.startswith("visiongpt: in.jsonl line 3")
    assert fault in ran.err
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_files_that_cannot_be_used(visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.LLM)
    (tmp_path / "in.jsonl").write_text(GOOD)

    for arguments, fault in (
        (("--input", "missing.jsonl", "--output", "out.jsonl"), "missing.jsonl cannot be read"),
        (("--input", "in.jsonl", "--output", "no/such/folder.jsonl"), "cannot be written"),
    ):
        ran = visiongpt("plan", *arguments)
        assert ran.code == 2
        assert fault in ran.err


@pytest.mark.slow
def test_plans_with_all_tools_and_without_pictures(
    visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)
    requests = [
        {"id": "a", "images": ["$1 user street.jpg 640x480"], "request": "how many dogs are there?"},
        {"id": 2, "images": ["$1 user a.jpg 9x9", "$2 result of inpaint"], "request": "describe the picture"},
        {"id": "c", "images": [], "request": "blur the faces"},
        {"id": "d", "images": [], "request": "hello, what can you do?"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, requests)))

    ran = visiongpt("plan", "--input", "in.jsonl", "--output", "out.jsonl")

    assert (ran.code, ran.out, ran.err) == (0, "", "")
    answers = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [list(answer) for answer in answers] == [["id", "plan", "seconds"]] * 4
    assert [answer["id"] for answer in answers] == ["a", 2, "c", "d"]
    assert [answer["plan"] for answer in answers] == [
        '#1 = detect_objects(image=$1, query="dog")',
        "#1 = caption_image(image=$2)",
        'decline(reason="no image given")',
        "reply()",
    ]


@pytest.mark.parametrize(
    ("line", "arguments", "fault"),
    [
        ("", (), "holds no request"),
        (GOOD, (), 'line 1: it has no "plan" to compare with'),
        (GOOD[:-1] + ', "plan": "what?"}', (), "line 1: its gold plan cannot be read"),
        (GOOD[:-1] + ', "plan": "reply()"}', ("--details", "no/such/folder.jsonl"), "cannot be written"),
    ],
)
def test_an_evaluation_that_cannot_be_made_is_refused_before_anything_is_planned(
    visiongpt: Callable[..., Ran],
    needs: Callable[[str], None],
    tmp_path: Path,
    line: str,
    arguments: tuple[str, ...],
    fault: str,
) -> None:
    needs(jobs.LLM)
    (tmp_path / "in.jsonl").write_text(line)

    ran = visiongpt("eval", "plan", "in.jsonl", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert fault in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.slow
def test_an_evaluation_tells_scores_and_keeps_the_plans(
    visiongpt: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path
) -> None:
    needs(jobs.LLM)
    right = '#1 = detect_objects(image=$1, query="cat")'
    records = [
        {**json.loads(GOOD), "plan": right, "kind": "single"},
        {**json.loads(GOOD), "id": "b", "plan": "#1 = read_text(image=$1)", "kind": "hard"},
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, records)))

    ran = visiongpt("eval", "plan", "in.jsonl", "--details", "out.jsonl", "--json")

    scores = json.loads(ran.out)
    assert (scores["requests"], scores["exact"], scores["valid"]) == (2, 0.5, 1.0)
    assert scores["kinds"] == {"hard": [0, 1], "single": [1, 1]}
    kept = [json.loads(one) for one in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(one["id"], one["plan"], one["exact"]) for one in kept] == [("a", right, True), ("b", right, False)]
