"""Whatever tokens a model prefers, what it writes under the grammar is a plan that checks."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from visiongpt_agent.errors import PlanError
from visiongpt_agent.llm import grammar
from visiongpt_agent.llm.grammar import MAX_LINE, PlanMatcher, PlanRules, plan_tokens
from visiongpt_agent.plan import CONTROL, MAX_PROPOSALS, Argument, Kind, Plan, Signature, parse_plan

FAST, SLOW = 150, 5000  # runs for each of the two tokenizers
NAMES = st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True).filter(lambda name: name not in CONTROL)
VALUES = [(kind,) for kind in Kind] + [(Kind.STRING, Kind.IMAGE)]
ARGUMENTS = st.builds(Argument, NAMES, st.sampled_from(VALUES), st.booleans(), st.none())
CHOICES = st.builds(
    Argument, NAMES, st.just((Kind.STRING,)), st.booleans(), st.none(), st.just(("a.b", "x|y", "[z]", "/", "a b"))
)
SCALARS = st.sampled_from([{"type": name} for name in ("string", "number", "integer", "boolean", "null")])
SCHEMAS = st.recursive(
    SCALARS | st.sampled_from([{}, {"enum": [1, 'a "b"', None]}, {"type": "string", "format": "date"}]),
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda parts, needed: {"type": "object", "properties": parts, "required": list(parts)[:needed]},
            st.dictionaries(st.sampled_from(["a", "b c", "d-e"]), inner, max_size=3),
            st.integers(0, 3),
        ),
        st.builds(lambda *options: {"anyOf": list(options)}, inner, inner),
    ),
    max_leaves=4,
)
DESCRIBED = st.builds(
    lambda name, required, schema: Argument(name, (Kind.JSON,), required, schema=json.dumps(schema)),
    *(NAMES, st.booleans(), SCHEMAS),
)
RETURNS = st.sampled_from([Kind.IMAGE, Kind.REGIONS, Kind.TEXT, Kind.LABELS])
SIGNATURES = st.builds(
    Signature,
    NAMES,
    st.lists(ARGUMENTS | CHOICES | DESCRIBED, max_size=4, unique_by=lambda a: a.name).map(tuple),
    RETURNS,
    st.just(""),
)
CATALOGS = st.lists(SIGNATURES, max_size=5, unique_by=lambda s: s.tool).map(lambda tools: {s.tool: s for s in tools})


@pytest.fixture(scope="session")
def tokens(tokenizer: Any) -> Any:
    return plan_tokens(tokenizer, [tokenizer.eos_token_id], len(tokenizer))


def write(matcher: PlanMatcher, rng: random.Random, loquacity: float) -> Plan:
    """A plan of random tokens; ``loquacity`` is how rarely it stops where it may."""
    ends = set(matcher.tokens.eos_tokens)
    while not matcher.done:
        if matcher.forced() or matcher.done:
            continue
        allowed = np.flatnonzero(matcher.allowed()).tolist()
        on = [token for token in allowed if token not in ends]
        matcher.accept(rng.choice(on if on and rng.random() < loquacity else allowed))
    return matcher.plan


def check_random_plan(tokens: Any, catalog: Mapping[str, Signature], seed: int, images: int, budget: int) -> Plan:
    rng = random.Random(seed)
    matcher = PlanMatcher(tokens, PlanRules(catalog, images), budget)
    plan = write(matcher, rng, rng.choice([0.5, 0.9, 1.0]))
    plan.check(catalog, images)
    assert parse_plan(str(plan)) == plan
    calls = [proposal.call() for proposal in plan]
    assert len(set(calls)) == len(calls), "a step is proposed twice"
    return plan


@given(
    seed=st.integers(0, 2**32), catalog=CATALOGS, images=st.integers(0, 12), budget=st.sampled_from([1, 20, 90, 400])
)
@settings(max_examples=FAST, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_tools_any_tokens(tokens: Any, seed: int, catalog: dict[str, Signature], images: int, budget: int) -> None:
    check_random_plan(tokens, catalog, seed, images, budget)


@pytest.mark.slow
@given(
    seed=st.integers(0, 2**32), catalog=CATALOGS, images=st.integers(0, 12), budget=st.sampled_from([1, 20, 90, 400])
)
@settings(max_examples=SLOW, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_in_all(tokens: Any, seed: int, catalog: dict[str, Signature], images: int, budget: int) -> None:
    check_random_plan(tokens, catalog, seed, images, budget)


def test_a_line_that_cannot_be_followed_is_left_out(
    tokens: Any, catalog: Mapping[str, Signature], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = "#1 = caption_image(image=$1)"
    steps = Steps(tokens, PlanRules(catalog, 1))
    monkeypatch.setattr(grammar, "_FUEL", 1)
    assert steps.may(first + "\n")
    while not steps.matcher.done:
        steps.matcher.accept(int(np.flatnonzero(steps.matcher.allowed())[0]))
    assert str(steps.matcher.plan) == first
    with pytest.raises(PlanError, match="first step cannot be followed"):
        write(PlanMatcher(tokens, PlanRules(catalog, 1), 100), random.Random(0), 1.0)


def test_real_tools_make_long_plans(tokens: Any, catalog: Mapping[str, Signature]) -> None:
    lengths = [len(check_random_plan(tokens, catalog, seed, seed % 3, 4000)) for seed in range(30)]
    assert max(lengths) == MAX_PROPOSALS
    assert min(lengths) == 1


@pytest.mark.parametrize("budget", [1, 5, 17, 40, 100])
def test_a_plan_ends_within_its_budget(tokens: Any, catalog: Mapping[str, Signature], budget: int) -> None:
    for seed in range(10):
        matcher = PlanMatcher(tokens, PlanRules(catalog, 1), budget)
        plan = write(matcher, random.Random(seed), 1.0)
        plan.check(catalog, 1)
        # The shortest plan, reply(), takes up to eight tokens of these tokenizers whatever the budget.
        assert budget - matcher.budget <= max(budget, len("reply()") + 1)


class Steps:
    """Writes texts into a matcher and tells what may follow."""

    def __init__(self, tokens: Any, rules: PlanRules) -> None:
        self.matcher = PlanMatcher(tokens, rules, 4000)

    def may(self, text: str) -> bool:
        """Whether the text may come next; it is then taken in."""
        try:
            for line in text.splitlines(keepends=True):  # no token reaches over a line's end
                for token in self.matcher.tokens.tokenize_str(line):
                    self.matcher.accept(token)
        except PlanError:
            return False
        return True


@pytest.mark.parametrize(
    ("images", "text", "allowed"),
    [
        (1, "#1 = caption_image(image=$1)", True),
        (1, "#1 = caption_image(image=$2)", False),
        (1, "#2 = caption_image(image=$1)", False),
        (1, "#1 = caption_image(image=#1)", False),
        (0, "#1 = caption_image(", False),
        (0, '#1 = generate_image(prompt="a cat")', True),
        (0, '#1 = generate_image(prompt="")', False),
        (0, '#1 = generate_image(prompt=" cat")', False),
        (0, "#1 = generate_image()", False),
        (1, "#1 = blur_regions(", False),
        (1, '#1 = detect_objects(image=$1, query="dog")\n#2 = blur_regions(image=$1, regions=#1, invert=true)', True),
        (1, '#1 = detect_objects(image=$1, query="dog")\n#2 = caption_image(image=#1)', False),
        (1, '#1 = detect_objects(image=$1, query="dog")\n#2 = detect_objects(image=$1, query="dog")', False),
        (1, '#1 = detect_objects(image=$1, query="dog")\n#2 = detect_objects(image=$1, query="dogs")', True),
        (1, "#1 = caption_image(image=$1)\nreply()", False),
        (1, "reply()", True),
        (1, 'decline(reason="no tool for audio")', True),
        (1, "decline()", False),
        (2, "#1 = stylize_image(image=$1, style=$2)", True),
        (2, '#1 = stylize_image(image=$1, style="van Gogh\'s")', True),
        (1, '#1 = flip_image(way="left/right", image=$1)', True),
        (1, '#1 = flip_image(way="up (down)", image=$1)', True),
        (1, "#1 = flip_image(image=$1)", True),
        (1, '#1 = flip_image(way="left", image=$1)', False),
        (1, "#1 = adjust_image(image=$1, brightness=-1.25)", True),
        (1, "#1 = adjust_image(image=$1, brightness=1500000)", True),
        (1, "#1 = resize_image(image=$1, width=1.25)", False),
        (2, "#1 = detect_objects(image=$1)\n#2 = blur_regions(image=$2, regions=#1)", False),
        (2, "#1 = detect_objects(image=$2)\n#2 = blur_regions(image=$2, regions=#1)", True),
        (2, "#1 = detect_objects(image=$2)\n#2 = segment_objects(image=$1)", True),
        (
            2,
            "#1 = detect_objects(image=$1)\n#2 = detect_objects(image=$2)\n#3 = blur_regions(image=$2, regions=#1",
            False,
        ),
        (
            2,
            "#1 = detect_objects(image=$1)\n#2 = resize_image(image=$1)\n#3 = blur_regions(image=#2, regions=#1)",
            True,
        ),
        (1, "#1 = resize_image(image=$1, width=0800)", False),
        (1, '#1 = classify_image(image=$1, labels=["a", "b"])', True),
        (1, "#1 = classify_image(image=$1, labels=[])", False),
        (1, '#1 = detect_objects(query="dog", image=$1)', False),
        (1, '#1 = detect_objects(image=$1, query="' + "x" * 200 + '")', True),
        (1, '#1 = detect_objects(image=$1, query="' + "x" * 201, False),
        (1, 'decline(reason="' + "x" * 81, False),
        (1, '#1 = detect_objects(image=$1, query="собака, 犬")', True),
        (1, '#1 = detect_objects(image=$1, query="a\\', False),
    ],
)
def test_what_may_be_written(
    tokens: Any, catalog: Mapping[str, Signature], images: int, text: str, allowed: bool
) -> None:
    assert Steps(tokens, PlanRules(catalog, images)).may(text) is allowed


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (" #1 = caption_image(image=$1)", True),
        ("#1 = caption_image(image=$1)", True),
        (" reply()", True),
        ("  reply()", False),
        (' #1 = generate_image(prompt="a")\n#2 = caption_image(image=#1)', True),
        (' #1 = generate_image(prompt="a")\n #2 = caption_image(image=#1)', False),
    ],
)
def test_one_space_may_stand_before_the_plan(
    tokens: Any, catalog: Mapping[str, Signature], text: str, allowed: bool
) -> None:
    """As LLaMA-2 writes it, whose first token after ``[/INST]`` is ``▁#``."""
    assert Steps(tokens, PlanRules(catalog, 1, leading_space=True)).may(text) is allowed
    assert Steps(tokens, PlanRules(catalog, 1)).may(text) is (allowed and not text.startswith(" "))


@pytest.mark.parametrize(
    ("schema", "value", "allowed"),
    [
        ({"type": "array", "items": {"type": "number"}}, "[1, 2.5]", True),
        ({"type": "array", "items": {"type": "number"}}, '["1"]', False),
        ({"type": "object"}, '{"size": "L", "count": 2}', True),
        ({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}, '{"x": 3}', True),
        ({"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}, "{}", False),
        ({"type": "string", "format": "date"}, '"2024-02-29"', True),
        ({"type": "string", "format": "date"}, '"May"', False),
        ({"enum": [None, 'a "b"', 2]}, r'"a \"b\""', True),
        ({"enum": [None, 'a "b"', 2]}, "null", True),
        ({"enum": [None, 'a "b"', 2]}, "3", False),
    ],
)
def test_values_of_json_schemas_may_be_written(tokens: Any, schema: Any, value: str, allowed: bool) -> None:
    argument = Argument("value", (Kind.JSON,), schema=json.dumps(schema))

    steps = Steps(tokens, PlanRules({"odd": Signature("odd", (argument,), Kind.TEXT, "")}))

    assert steps.may(f"#1 = odd(value={value})") is allowed


def test_forced_tokens_are_exactly_what_has_no_alternative(tokens: Any, catalog: Mapping[str, Signature]) -> None:
    matcher = PlanMatcher(tokens, PlanRules({"caption_image": catalog["caption_image"]}, 1, (), 1))
    written = tokens.decode_bytes(matcher.forced()).decode()
    assert written.strip() == "#1 = caption_image(image=$1)"
    assert matcher.done, "one proposal is allowed, so the plan is done without an end token"


def test_a_plan_without_end_stops_where_no_new_step_is_possible(tokens: Any) -> None:
    twins = {name: Signature(name, (Argument("image", (Kind.IMAGE,)),), Kind.TEXT, "") for name in ("left", "right")}
    plan = write(PlanMatcher(tokens, PlanRules(twins, 1, ())), random.Random(0), 1.0)
    assert {proposal.call() for proposal in plan} == {"left(image=$1)", "right(image=$1)"}


def test_nothing_possible_is_an_error(tokens: Any, catalog: Mapping[str, Signature]) -> None:
    with pytest.raises(PlanError, match="no plan is possible"):
        PlanMatcher(tokens, PlanRules({"caption_image": catalog["caption_image"]}, 0, ()))


def test_a_line_is_bounded(tokens: Any) -> None:
    texts = tuple(Argument(f"text_{i}", (Kind.STRING,)) for i in range(5))
    chatty = {"say": Signature("say", texts, Kind.TEXT, "")}
    plan = write(PlanMatcher(tokens, PlanRules(chatty, 0, ()), 100_000), random.Random(1), 1.0)
    assert max(len(line) for line in str(plan).splitlines()) <= MAX_LINE
