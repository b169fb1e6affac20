"""Signatures read from what LangChain takes for a tool."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from langchain_core.tools import StructuredTool, tool
from pydantic import BaseModel, Field

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm.signatures import signature_of, signatures_of
from visiongpt_agent.plan import Argument, Kind, Signature, parse_plan


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
        ({"enum": ['a "b"'], "type": "string"}, r"odd\.value .*none of its choices"),
        ({"type": "string", "default": {"a": 1}}, r"odd\.value .*its default is \{'a': 1\}"),
    ],
)
def test_what_a_plan_cannot_hold_is_left_out_where_it_may_be(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        signature_of(odd(value=schema, required=["value"]))
    assert signature_of(odd(value=schema, plain={"type": "string"})).arguments == (
        Argument("plain", (Kind.STRING,), False),
    )


def odd(name: str = "odd", required: list[str] | None = None, **properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required or []}
    return {"name": name, "description": "", "parameters": parameters}


@pytest.mark.parametrize(
    ("schema", "kind", "choices"),
    [
        ({"enum": [1, 2, 5], "type": "integer"}, Kind.INTEGER, (1, 2, 5)),
        ({"enum": [0.5, 2], "type": "number"}, Kind.NUMBER, (0.5, 2)),
        ({"const": 7}, Kind.INTEGER, (7,)),
        ({"enum": ["a", 'a "b"']}, Kind.STRING, ("a",)),
        ({"type": ["string", "null"]}, Kind.STRING, ()),
        ({"anyOf": [{"enum": ["auto"]}, {"type": "integer"}]}, Kind.STRING, ()),
    ],
)
def test_choices_of_any_kind(schema: dict[str, Any], kind: Kind, choices: tuple[Any, ...]) -> None:
    (argument,) = signature_of(odd(value=schema)).arguments

    assert (argument.kinds[0], argument.choices) == (kind, choices)


def test_a_plan_keeps_to_choices_that_are_numbers() -> None:
    catalog = {"odd": signature_of(odd(value={"enum": [1, 5]}, on={"enum": [True]}))}

    parse_plan("#1 = odd(value=5, on=true)").check(catalog, 0)
    for wrong in ("value=2", 'value="5"', "value=true", "on=1"):
        with pytest.raises(PlanError, match=r"odd\.(value takes 1 or 5|on takes true)"):
            parse_plan(f"#1 = odd({wrong})").check(catalog, 0)


@pytest.mark.parametrize(
    ("name", "plain"), [("web-search", "web_search"), ("maps.route", "maps_route"), ("3d", "_3d"), ("fly", "fly")]
)
def test_a_name_that_plans_cannot_hold_is_written_otherwise(name: str, plain: str) -> None:
    signature = signature_of(odd(name))

    assert (signature.tool, signature.name) == (plain, name if name != plain else "")


def test_no_list_is_refused_for_one_tool() -> None:
    whole, part = odd("whole", text={"type": "string"}), odd("part", ["box"], box={"type": "object"})

    assert [signature.tool for signature in signatures_of([part, whole])] == ["whole"]
    with pytest.raises(PlanError, match=r"part\.box"):
        signatures_of([part])
    with pytest.raises(PlanError, match="two tools are called a_b"):
        signatures_of([odd("a-b"), odd("a.b")])
