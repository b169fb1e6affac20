"""What the agent can say of itself without a tool: greetings, what it can do, why it declines."""

from __future__ import annotations

import re
from typing import Final

from visiongpt_agent.graphs.resources import Resources
from visiongpt_agent.graphs.state import AgentState
from visiongpt_agent.language.english import plural
from visiongpt_agent.language.languages import only_english
from visiongpt_agent.language.lexicon import DAYTIMES, FAREWELLS, GREETINGS, ORDINALS, PICTURE, PRAISE, THANKS, one_of
from visiongpt_agent.language.sentences import ABILITIES
from visiongpt_agent.plan import Refusal

_THANKS = re.compile(rf"\b{one_of((*THANKS, *PRAISE))}\b", re.I)
_BYE = re.compile(rf"\b(?:{one_of(FAREWELLS)}|that'?s (?:it|all))\b", re.I)
_GREETING = re.compile(rf"^\W*(?:{one_of(GREETINGS)}|(?:good|guten) {one_of(DAYTIMES)})\b", re.I)
_WHO = re.compile(r"\b(who|what) (are|r) (you|u)\b|\bwho (made|built|wrote|trained)\b|\byour name\b", re.I)
_PRIVACY = re.compile(
    rf"\b(?:keep|store|save|share|upload|send|privacy|private|delete)\b.*\b{one_of((*PICTURE, 'data', 'them'))}", re.I
)

_WHAT_I_AM: Final = (
    "I am VisionGPT-Agent, a program that plans with a language model and works on pictures with vision models."
)


def abilities(resources: Resources) -> str:
    """What can be done here, as one sentence made from the tools that can run."""
    runnable = resources.runnable()
    known = [words for tool, words in ABILITIES.items() if tool in runnable]
    known += [spec.signature.summary for name, spec in runnable.items() if name not in ABILITIES]
    if not known:
        return "No tool can run here: `visiongpt doctor` says what is missing."
    return f"I can {', '.join(known[:-1])}{' and ' if len(known) > 1 else ''}{known[-1]}."


def answer_about_self(request: str, resources: Resources) -> str:
    """The answer to a request that needs no tool."""
    if _PRIVACY.search(request):
        return (
            "Everything runs on this machine: pictures are kept in this agent's own folder for the conversation and "
            "are not sent anywhere."
        )
    if _WHO.search(request):
        return f"{_WHAT_I_AM} {abilities(resources)}"
    if _GREETING.search(request) and len(request.split()) <= 6:
        return f"Hello! Give me a picture and say what you want done with it. {abilities(resources)}"
    if _BYE.search(request) and "?" not in request:
        return "Goodbye!"
    if _THANKS.search(request) and "?" not in request:
        return "You're welcome!"
    return abilities(resources)


def explain_refusal(refusal: Refusal, state: AgentState, resources: Resources) -> str:
    """Why the request was declined, and what would help.

    Args:
        refusal: Why. A reason in the language model's own words is told only if all of them are the person's or usual
            in a refusal.
        state: The conversation.
        resources: Says what can be done here.
    """
    cause, detail = refusal["cause"], refusal["detail"].strip(" .")
    if cause == "language":
        return only_english(detail)
    if cause == "no_model":
        ability = ABILITIES.get(refusal["tool"], refusal["tool"].replace("_", " "))
        return f"To {ability} I need a model that is not here: {detail}."
    if cause in ("model", "no_plan") and "image" in detail and not state["images"]:
        return "That needs a picture, and none was given: hand one in with the request."
    if cause == "no_plan":
        detail = f"no usable plan was made ({detail})"
    elif cause == "model" and not _is_plain(detail, state["request"]):
        detail = "no tool here does what is asked"
    elif cause in ("model", "no_image") and re.search(rf"\b{one_of(PICTURE)}\b", detail):
        names = ", ".join(f"${k} ({entry['title']})" for k, entry in enumerate(state["images"], 1))
        return f"I cannot do that: {detail}. The images here are {names}."
    return f"I cannot do that: {detail}. Ask me what I can do to see what is possible."


_REFUSAL: Final = frozenset(
    {
        *("no", "not", "none", "nothing", "tool", "tools", "can", "cannot", "do", "does", "is", "are", "there", "here"),
        *(
            "for",
            "of",
            "to",
            "the",
            "a",
            "an",
            "in",
            "on",
            "with",
            "this",
            "that",
            "it",
            "and",
            "or",
            "without",
            "only",
        ),
        *PICTURE,
        *map(plural, PICTURE),
        *("given", "named", "such", "need", "needs"),
        *("asked", "request", "supported", "model", "available", "possible", "else", "what", "works"),
        *ORDINALS,
        *("audio", "sound", "music", "speech", "video", "animation", "e-mail", "email", "mail", "printing", "print"),
        *("web", "internet", "search", "browsing", "file", "files", "code", "payment", "calendar", "text", "writing"),
        *("document", "documents", "names", "name", "identity", "person", "people", "medical", "advice"),
    }
)


def _is_plain(reason: str, request: str) -> bool:
    words = set(re.findall(r"[^\s.,;:()!?]+", reason.casefold()))
    return len(reason) <= 200 and words <= _REFUSAL | set(re.findall(r"[^\s.,;:()!?]+", request.casefold()))
