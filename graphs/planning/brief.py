"""What a planner goes by: the words, the images and what is pointed at, and the tools that its plan may name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from visiongpt_agent.plan import Signature
from visiongpt_agent.request import Pointed


@dataclass(frozen=True)
class Brief:
    """One request as a planner gets it.

    Attributes:
        request: The person's words.
        images: The images of the conversation as a planner reads them; see :func:`~.prompt.image_lines`.
        image_count: How many images there are; a long conversation's are not all listed.
        catalog: The tools that a plan may name, by name.
        pointed: The regions that the person points at.
        critique: What went wrong with the last plan, ``""`` for a first one.
        documents: For each file of several pages that came with the request, the numbers of its pages among the images.
    """

    request: str
    images: Sequence[str] = ()
    image_count: int = 0
    catalog: Mapping[str, Signature] = field(default_factory=dict)
    pointed: Sequence[Pointed] = ()
    critique: str = ""
    documents: Sequence[Sequence[int]] = ()
