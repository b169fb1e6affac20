"""The words the LLM sees, as text files beside this module, and the functions that fill them in.

The planner's two prompts, ``planner_system`` and ``planner_user``, are those its adapter was trained on: a changed word
costs accuracy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources

from visiongpt_agent.plan import Signature


def render_prompt(name: str, **values: object) -> str:
    """The prompt ``<name>.txt`` with its ``{fields}`` filled in."""
    return _template(name).format(**values)


def planner_system(signatures: Iterable[Signature]) -> str:
    """The planner's instruction and its catalogue, one line a tool."""
    return render_prompt("planner_system", tools="\n".join(map(str, signatures)))


def planner_user(images: Sequence[str], request: str) -> str:
    """One request as the planner sees it.

    Args:
        images: One line an image, as in ``$1 user bus.jpg 810x1080`` or ``$2 result of inpaint``.
        request: The person's words.

    Example:
        >>> print(planner_user(["$1 user bus.jpg 810x1080"], "How many people?"))
        Images: $1 user bus.jpg 810x1080
        Request: How many people?
    """
    return render_prompt("planner_user", images="; ".join(images) or "none", request=request)


@cache
def _template(name: str) -> str:
    return resources.files(__name__).joinpath(f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n")
