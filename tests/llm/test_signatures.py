"""Signatures read from what LangChain takes for a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.signatures import signature_of
from visiongpt_agent.plan import Argument, Kind, Signature


class Blur(BaseModel):
    """Blur regions of a picture. Faces, for example."""

    image: Annotated[str, Field(json_schema_extra={"kinds": ["image"]})]
    regions: Annotated[str | None, Field(json_schema_extra={"kinds": ["regions"]})] = None
    style: Annotated[str, Field(json_schema_extra={"kinds": ["string", "image"]})] = "soft"


class Everything(BaseModel):
    """Every type that a plan holds"""

    text: str
    whole: int
    number: float = 1.5
    flag: bool = False
    labels: list[str] = []
    control: Literal["edges", "depth"] = "edges"
    maybe: int | None = None


def test_kinds_of_references_come_from_the_schema() -> None:
    blur = StructuredTool.from_function(
        lambda **_: "", name="blur", description="Blur regions.", args_schema=Blur, metadata={"returns": "image"}
    )
    assert signature_of(blur) == Signature(
        "blur",
        (
            Argument("image", (Kind.IMAGE,)),
            Argument("regions", (Kind.REGIONS,), False, None),
            Argument("style", (Kind.STRING, Kind.IMAGE), False, "soft"),
        ),
        Kind.IMAGE,
        "Blur regions",
    )


def test_plain_types() -> None:
    assert signature_of(Everything).arguments == (
        Argument("text", (Kind.STRING,)),
        Argument("whole", (Kind.INTEGER,)),
        Argument("number", (Kind.NUMBER,), False, 1.5),
        Argument("flag", (Kind.BOOLEAN,), False, False),
        Argument("labels", (Kind.STRINGS,), False, ()),
        Argument("control", (Kind.STRING,), False, "edges", ("edges", "depth")),
        Argument("maybe", (Kind.INTEGER,), False, None),
    )


def test_the_catalogue_line() -> None:
    assert (
        str(signature_of(Everything))
        == 'Everything(text, whole, number=1.5, flag=false, labels=[], control="edges", maybe=None) -> text: '
        "Every type that a plan holds"
    )


def test_a_function_and_a_dict() -> None:
    def add(a: int, b: int = 2) -> int:
        """Add two numbers. Slowly.

        Args:
            a: One.
            b: Another.
        """
        return a + b

    expected = (Argument("a", (Kind.INTEGER,)), Argument("b", (Kind.INTEGER,), False, 2))
    made = signature_of(add)
    assert (made.tool, made.arguments, made.summary) == ("add", expected, "Add two numbers")
    as_dict: dict[str, Any] = {
        "name": "add",
        "description": "",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": 2}},
            "required": ["a"],
        },
    }
    assert signature_of(as_dict).arguments == expected
    assert signature_of(tool(add)).arguments == expected


def test_a_tool_with_its_own_signature_is_believed() -> None:
    class Own:
        signature = Signature("own", (), Kind.IMAGE, "made by hand")

    assert signature_of(Own) is Own.signature


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"type": "object"}, r"odd\.value cannot stand in a plan: it is object"),
        ({"type": "array", "items": {"type": "number"}}, r"odd\.value cannot stand in a plan: it is a list of number"),
        ({}, r"odd\.value cannot stand in a plan: it is any type"),
        ({"enum": [1, 2], "type": "integer"}, r"odd\.value .*1 is no choice"),
        ({"enum": ['a "b"'], "type": "string"}, r"odd\.value .*is no choice"),
        ({"type": "string", "default": {"a": 1}}, r"odd\.value .*its default is \{'a': 1\}"),
    ],
)
def test_what_a_plan_cannot_hold(schema: dict[str, Any], message: str) -> None:
    odd = {"name": "odd", "description": "", "parameters": {"type": "object", "properties": {"value": schema}}}
    with pytest.raises(PlanError, match=message):
        signature_of(odd)


def test_a_name_that_plans_cannot_hold() -> None:
    with pytest.raises(PlanError, match="'web-search' cannot stand in a plan"):
        signature_of({"name": "web-search", "description": "", "parameters": {"type": "object", "properties": {}}})
