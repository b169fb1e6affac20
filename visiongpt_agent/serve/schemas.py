"""What goes over the wire, as models: the source of the OpenAPI document."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from visiongpt_agent.request import MAX_REQUEST_CHARACTERS
from visiongpt_agent.serve.problems import Problem, problem_of

if TYPE_CHECKING:
    from visiongpt_agent.hosting.runs import Run
    from visiongpt_agent.result import VisionResult

State = Literal["queued", "running", "finished", "failed", "cancelled"]


class NewRequest(BaseModel):
    """A request about pictures."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"request": "how many cups are there?", "images": ["data:image/png;base64,..."]}]
        },
    )

    request: str = Field(
        min_length=1,
        max_length=MAX_REQUEST_CHARACTERS,
        description="What is wanted, in words; the pictures of the conversation are $1, $2, ...",
    )
    images: list[str] = Field(
        default_factory=list, description="Pictures as base64 or data URLs; never addresses or paths."
    )
    pages: str = Field(
        default="",
        max_length=100,
        description="Pages or frames to take of files that have several: `all`, `2`, or `1,3-5`; by default the first, "
        "and of a document whose text is asked for all.",
    )
    thread: str | None = Field(
        default=None, description="The conversation to go on with: the `thread` of an earlier answer."
    )


class Picture(BaseModel):
    """A picture of a result; ``url`` is where its PNG can be had."""

    id: str
    role: str = Field(description="`made` by a tool, or `annotated`: an original with regions drawn on it.")
    name: str = Field(description="`$k` where later requests of the thread can refer to it, else empty.")
    title: str
    width: int
    height: int
    url: str


class Found(BaseModel):
    """Regions that a tool found on an image of the conversation."""

    image: str
    tool: str
    items: list[dict[str, Any]] = Field(description="Each with `label`, `score` (0 to 1) and `box` (x1, y1, x2, y2).")


class StepTaken(BaseModel):
    """A step as it went."""

    model_config = ConfigDict(extra="allow")

    id: int
    tool: str
    args: dict[str, Any]
    model: str
    seconds: float
    verdict: str


class Result(BaseModel):
    """The answer to a request."""

    model_config = ConfigDict(extra="allow")

    answer: str
    status: str = Field(description="`done`, `partial`, `declined`, `failed`.")
    plan: str
    images: list[Picture]
    regions: list[Found]
    steps: list[StepTaken]
    warnings: list[str]
    lines: list[dict[str, Any]] = Field(
        description="Text that was read, in reading order: `image`, `page`, `order`, `text`, `score`, `box`, `corners`."
    )
    codes: list[dict[str, Any]] = Field(
        description="QR and bar codes: `image`, `page`, `format`, `text`, `box`, `corners`."
    )
    labels: list[dict[str, Any]] = Field(description="Classes of an image, the likeliest first: `name` and `score`.")
    answers: list[dict[str, Any]] = Field(description="What a `tool` says in words: `question` and `text`.")
    measurements: list[dict[str, Any]] = Field(description="What a `tool` measured: its `values`.")

    @classmethod
    def of(cls, result: VisionResult) -> Result:
        pictures = [
            Picture(
                id=image.id,
                role=image.role,
                name=image.name,
                title=image.title,
                width=image.width,
                height=image.height,
                url=f"/v1/artifacts/{image.id}",
            )
            for image in result.images
        ]
        return cls.model_validate({**result.to_dict(), "images": pictures})


class RequestState(BaseModel):
    """Where a request stands; ``result`` is there once it has finished, ``problem`` where it failed."""

    id: str
    thread: str
    state: State
    created: datetime
    ended: datetime | None = None
    result: Result | None = None
    problem: Problem | None = None

    @classmethod
    def of(cls, run: Run) -> RequestState:
        state = run.state  # first: what an ended run holds changes no more
        return cls(
            id=run.id,
            thread=run.thread,
            state=state.value,
            created=_moment(run.created),
            ended=_moment(run.ended_at) if run.ended_at else None,
            result=Result.of(run.result) if run.result else None,
            problem=problem_of(run.fault) if run.fault else None,
        )


class Tool(BaseModel):
    """A tool that the agent may use."""

    name: str
    description: str
    args: list[str]
    returns: str
    available: bool
    model: str = Field(description="The models that would run; empty where it needs none or cannot run.")
    needs: str = Field(description="The one step that makes it available; empty where it is.")


class Health(BaseModel):
    """Whether the server does what the path asks about."""

    status: Literal["ok"] = "ok"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
