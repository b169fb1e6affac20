"""``visiongpt chat`` over a pipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Ran
from visiongpt_agent import sample_photo
from visiongpt_agent.models import jobs


def test_commands(visiongpt_process: Callable[..., Ran], tmp_path: Path) -> None:
    coffee = sample_photo("coffee")
    lines = [
        "/images",
        f"/image {coffee}",
        "/image missing.jpg",
        "/images",
        "/models",
        "/save",
        "/fly",
        "/help",
        "/quit",
    ]

    ran = visiongpt_process("chat", stdin="\n".join([*lines, "never read"]))

    assert ran.code == 0
    assert ran.out.splitlines()[:6] == [
        "no pictures yet: /image PATH adds one",
        f"$1 is {coffee}, 600x400",
        f"$1 {coffee}",
        "none yet: models are loaded when they are first needed",
        "no pictures were made yet",
        "Say what you want in words; the pictures are $1, $2, ... in the order of their appearance.",
    ]
    assert ran.err.splitlines() == [
        "visiongpt: missing.jpg does not exist: check the path",
        "there is no command /fly: /help lists them",
    ]
    assert not list(tmp_path.iterdir())


def test_a_bad_picture_at_the_start_ends_it(visiongpt_process: Callable[..., Ran]) -> None:
    ran = visiongpt_process("chat", "-i", "missing.jpg", stdin="hello\n")

    assert (ran.code, ran.err) == (2, "visiongpt: missing.jpg does not exist: check the path\n")


@pytest.mark.slow
def test_a_conversation(visiongpt_process: Callable[..., Ran], needs: Callable[[str], None], tmp_path: Path) -> None:
    needs(jobs.LLM)
    lines = ["blur $7", "rotate it by 90 degrees", "now make it black and white", "/images", "/save made", "/models"]

    ran = visiongpt_process("chat", "-i", sample_photo("rocket"), stdin="\n".join(lines))

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "there is no image $7" in ran.err
    assert "  $2: rocket-transform_image, 427x640; /save keeps it" in ran.out
    assert "\n$1 rocket.jpg, 640x427\n$2 transform_image, 427x640\n$3 adjust_image, 427x640\n" in ran.out
    assert len(list((tmp_path / "made").glob("*.png"))) == 2
    assert "smollm2-135m on cpu" in ran.out or "smollm2-135m on cuda" in ran.out
