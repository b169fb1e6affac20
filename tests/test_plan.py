"""The plan text: what is read, what is written, what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from visiongpt_agent.errors import PlanError
from visiongpt_agent.plan import Kind, Plan, Proposal, Ref, Value, format_value, parse_plan
from visiongpt_agent.tools import catalog

CATALOG = {name: spec.signature for name, spec in catalog().items()}

REMOVE = """#1 = detect_objects(image=$1, query="dog")
#2 = segment_objects(image=$1, regions=#1)
#3 = inpaint(image=$1, regions=#2)"""


def test_a_chain_is_read_and_written_back() -> None:
    plan = parse_plan(REMOVE)

    assert [p.tool for p in plan] == ["detect_objects", "segment_objects", "inpaint"]
    assert plan.proposals[0].args == {"image": Ref("$", 1), "query": "dog"}
    assert plan.proposals[2].refs == (Ref("$", 1), Ref("#", 2))
    assert str(plan) == REMOVE
    plan.check(CATALOG, images=1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$3", Ref("$", 3)),
        ("#12", Ref("#", 12)),
        ('"a, b = (c)"', "a, b = (c)"),
        ('""', ""),
        ('["a", "b c"]', ("a", "b c")),
        ("[]", ()),
        ("true", True),
        ("false", False),
        ("None", None),
        ("-90", -90),
        ("1.5", 1.5),
        ("0.0", 0.0),
    ],
)
def test_values(text: str, value: Value) -> None:
    plan = parse_plan(f"#1 = tool(a={text}, b=1)")

    assert plan.proposals[0].args == {"a": value, "b": 1}
    assert type(plan.proposals[0].args["a"]) is type(value)
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("  \n \n", "empty"),
        ("I will find the dog", "not a call"),
        ("detect_objects(image=$1)", "must start with #1 ="),
        ("#1 = reply()", "takes no number"),
        ('#1 = detect_objects(image=$1, query="dog)', "cannot read the arguments"),
        ("#1 = detect_objects(image=$0)", "cannot read the arguments"),
        ("#1 = detect_objects(image=$1 query=$2)", "cannot read the arguments"),
        ("#1 = detect_objects(image=$1,)", "cannot read the arguments"),
        ("#1 = detect_objects(image=$1, image=$1)", "given twice"),
        ("#1 = detect_objects($1)", "cannot read the arguments"),
        ("#1 = detect_objects(image=$1); rm", "not a call"),
    ],
)
def test_what_is_no_plan(text: str, fault: str) -> None:
    with pytest.raises(PlanError, match=fault):
        parse_plan(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("#1 = fly(image=$1)", "no tool 'fly'"),
        ("#1 = detect_objects(picture=$1)", "needs image="),
        ('#1 = detect_objects(image=$1, noun="dog")', "no argument 'noun'"),
        ("#1 = detect_objects(image=$7)", r"no image \$7"),
        ("#1 = detect_objects(image=#1)", "not an earlier proposal"),
        ("#2 = detect_objects(image=$1)", "numbered #2"),
        ("#1 = detect_objects(image=$1)\n#2 = upscale_image(image=#1)", "takes image, but #1 is regions"),
        ("#1 = crop_regions(image=$1, regions=$1)", "takes regions"),
        ("#1 = detect_objects(image=$1, query=3)", "takes string"),
        ('#1 = upscale_image(image=$1, scale="big")', "takes number"),
        ("#1 = upscale_image(image=$1, scale=true)", "takes number"),
        ('#1 = generate_with_control(image=$1, prompt="a", control="mood")', 'takes "edges" or'),
        ("#1 = detect_faces(image=$2)\n#2 = blur_regions(image=$1, regions=#1)", r"#1 are regions of \$2, not of \$1"),
        (
            "#1 = upscale_image(image=$2)\n#2 = detect_faces(image=#1)\n#3 = blur_regions(image=$1, regions=#2)",
            r"#2 are regions of \$2, not of \$1",
        ),
        ("reply()\n#2 = read_text(image=$1)", "stand alone"),
        ("decline()", "needs reason="),
        ("\n".join(f"#{n} = read_text(image=$1)" for n in range(1, 14)), "13 proposals"),
    ],
)
def test_what_does_not_check(text: str, fault: str) -> None:
    with pytest.raises(PlanError, match=fault):
        parse_plan(text).check(CATALOG, images=2)


@pytest.mark.parametrize("text", ["reply()", 'decline(reason="no tool for audio")'])
def test_control_actions(text: str) -> None:
    plan = parse_plan(text)
    plan.check(CATALOG, images=0)

    assert plan.control is not None
    assert str(plan) == text


def test_a_style_is_a_name_or_a_picture() -> None:
    for style in ('"mosaic"', "$2"):
        parse_plan(f"#1 = stylize_image(image=$1, style={style})").check(CATALOG, images=2)
    assert CATALOG["stylize_image"].arguments[1].kinds == (Kind.STRING, Kind.IMAGE)


references = st.builds(Ref, st.sampled_from("$#"), st.integers(1, 99))
strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
values = st.one_of(
    references,
    strings,
    st.booleans(),
    st.none(),
    st.integers(-(10**6), 10**6),
    st.floats(-1000, 1000).map(lambda x: round(x, 3)),
    st.lists(strings, max_size=3).map(tuple),
)
names = st.from_regex(r"[a-z]{1,6}", fullmatch=True).filter(lambda n: n not in ("reply", "decline"))


@given(st.lists(st.tuples(names, st.dictionaries(names, values, max_size=4)), min_size=1, max_size=5))
def test_whatever_is_written_is_read_back(calls: list[tuple[str, dict[str, Value]]]) -> None:
    plan = Plan(tuple(Proposal(n, tool, args) for n, (tool, args) in enumerate(calls, 1)))

    again = parse_plan(str(plan))

    assert str(again) == str(plan)
    assert [p.tool for p in again] == [p.tool for p in plan]
    assert [set(p.args) for p in again] == [set(p.args) for p in plan]


@given(st.text(max_size=200))
def test_any_text_is_a_plan_or_a_plan_error(text: str) -> None:
    with contextlib.suppress(PlanError):
        parse_plan(text).check(CATALOG, images=1)
