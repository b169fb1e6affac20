"""The planner's prompts are, letter for letter, those its adapter was trained on."""

from __future__ import annotations

import pytest

from visiongpt_agent.plan import Argument, Kind, Signature
from visiongpt_agent.prompts import planner_system, planner_user, render_prompt


def test_the_system_prompt() -> None:
    image = Argument("image", (Kind.IMAGE,))
    tools = [
        Signature("read_text", (image,), Kind.TEXT, "OCR, read written text"),
        Signature(
            "upscale_image", (image, Argument("scale", (Kind.NUMBER,), False, 4)), Kind.IMAGE, "super-resolution"
        ),
    ]
    assert planner_system(tools) == (
        "You plan tool calls for image requests. Answer with one call a line, or reply() or decline(reason).\n"
        "Tools:\n"
        "read_text(image) -> text: OCR, read written text\n"
        "upscale_image(image, scale=4) -> image: super-resolution"
    )


@pytest.mark.parametrize(
    ("images", "request_", "text"),
    [
        ([], "Hi {there}", "Images: none\nRequest: Hi {there}"),
        (
            ["$1 user bus.jpg 810x1080", "$2 result of inpaint"],
            "count them",
            "Images: $1 user bus.jpg 810x1080; $2 result of inpaint\nRequest: count them",
        ),
    ],
)
def test_the_user_prompt(images: list[str], request_: str, text: str) -> None:
    assert planner_user(images, request_) == text


def test_the_native_prompt_teaches_references_and_control() -> None:
    text = render_prompt("planner_native")
    assert all(word in text for word in ("$1", "#1", "reply", "decline"))
