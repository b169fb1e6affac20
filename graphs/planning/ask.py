"""Asking a language model for a plan, until it is one that checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig

from visiongpt_agent.errors import PlanError
from visiongpt_agent.graphs.planning.brief import Brief
from visiongpt_agent.graphs.planning.pointing import check_boxes
from visiongpt_agent.graphs.planning.profile import PlannerProfile, profile_of
from visiongpt_agent.graphs.planning.prompt import messages, tools_shown
from visiongpt_agent.graphs.planning.rules import within
from visiongpt_agent.graphs.planning.uncovered import uncovered
from visiongpt_agent.graphs.resources import LanguageModel
from visiongpt_agent.llm.plans import plan_of
from visiongpt_agent.plan import Plan, Refusal
from visiongpt_agent.redaction import guarded
from visiongpt_agent.tools.base import VisionTool

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 3
"""How often a model that writes no valid plan is told what is wrong with it before the request is declined."""

Ask = Callable[[Sequence[BaseMessage]], AIMessage]


def request_plan(
    llm: LanguageModel, tools: Sequence[VisionTool], brief: Brief, config: RunnableConfig | None = None
) -> Plan:
    """Ask a language model for a plan, with the rules of its profile around it.

    Args:
        llm: The language model.
        tools: Those that it may be shown, in the order of the catalogue.
        brief: What it goes by. A plan may also name tools that are not shown: a person may ask by name for one whose
            weights are not here.
        config: LangChain's, for callbacks.

    Raises:
        PlanError: If the model writes no plan that checks.
    """
    profile = profile_of(llm)
    return within(profile.rules, partial(_checked_plan, llm, profile, tools, config))(brief)


def _checked_plan(
    llm: LanguageModel,
    profile: PlannerProfile,
    tools: Sequence[VisionTool],
    config: RunnableConfig | None,
    brief: Brief,
) -> Plan:
    """The model's own plan; a model whose plans need not check is told what is wrong with one, and asked again.

    Of a plan that checks it is told once what of the request is not covered, and decides.
    """
    shown, config = tools_shown(profile, tools, brief), guarded(config)
    options: dict[str, Any] = {"images": brief.image_count} if profile.grammar else {}

    def ask(conversation: Sequence[BaseMessage]) -> Plan:
        answer: AIMessage = llm.call(lambda chat: chat.bind_tools(shown, **options).invoke([*conversation], config))
        plan = plan_of(answer, brief.catalog)
        plan.check(brief.catalog, brief.image_count)
        check_boxes(plan, brief.pointed)
        return plan

    conversation = messages(profile, brief)
    for _ in range(0 if profile.grammar else ATTEMPTS - 1):
        try:
            return _reconsidered(ask(conversation), brief, conversation, ask)
        except PlanError as fault:
            logger.info("the model's plan was refused: %s", fault)
            conversation = [*conversation, HumanMessage(f"That plan cannot be used: {fault}. Call the tools again.")]
    return ask(conversation)


def _reconsidered(
    plan: Plan, brief: Brief, conversation: Sequence[BaseMessage], ask: Callable[[Sequence[BaseMessage]], Plan]
) -> Plan:
    """The plan that a model decides on once it is told what its first one passes over."""
    missed = [] if brief.critique else uncovered(plan, brief.request, brief.image_count)
    if not missed:
        return plan
    logger.info("the model is told of its plan: %s", "; ".join(missed))
    said = (
        f"Look at your plan once more:\n{plan}\nAs I read the request, {'; '.join(missed)}. "
        "Call the tools again as you think right: the same ones if the plan is meant so."
    )
    try:
        return ask([*conversation, HumanMessage(said)])
    except PlanError:
        return plan


def no_usable_plan(fault: PlanError) -> Plan:
    """The plan that declines since the model made none that checks."""
    refusal = Refusal(cause="no_plan", tool="", detail=str(fault))
    return Plan.decline(refusal, f"no usable plan was made ({fault})")
