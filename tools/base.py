"""How a tool is written, and how it becomes a LangChain tool.

A tool is one function on plain value types, in one module of this folder::

    @vision_tool("blur regions, or all but them", returns=Kind.IMAGE)
    def blur_regions(image: Image.Image, regions: Regions, invert: bool = False) -> ToolOutput:
        \"\"\"Blur the regions ...\"\"\"

Its annotations are the contract: ``Image.Image`` arguments take references to pictures, ``Regions`` arguments
references to regions, the rest are plain values. A keyword-only argument ``models: Models`` gives access to models.
A tool that looks at pictures is given transparent ones as a person sees them; one that hands a picture back is given
colours and alpha. The planner's catalogue line, the JSON schema, the grammar of plans and the LangChain tool are all
made from the function.
"""

from __future__ import annotations

import inspect
import logging
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from langchain_core.tools import BaseTool, ToolException
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, create_model

from visiongpt_agent.errors import InputError, ToolError, VisionGPTError
from visiongpt_agent.pictures.images import ImageStore, Provenance
from visiongpt_agent.pictures.transparency import ground_for, visible
from visiongpt_agent.plan import Argument, Kind, Signature, Value
from visiongpt_agent.redaction import redacted
from visiongpt_agent.regions import Regions
from visiongpt_agent.untrusted import one_line

if TYPE_CHECKING:
    from typing_extensions import TypeForm

M = TypeVar("M")
Check = Callable[..., Iterable[str]]

logger = logging.getLogger(__name__)


class Doubt(str):
    """What a postcondition yields where a result may be wrong, but need not be: a whole sentence for a person.

    It is told as uncertain; a plain ``str`` is a problem, for which the result is rejected.
    """

    __slots__ = ()


class Models(Protocol):
    """What a tool sees of the model pool."""

    def use(self, job: str, kind: TypeForm[M]) -> AbstractContextManager[M]:
        """Lease the model for a job, typed by the job's protocol (:mod:`visiongpt_agent.models.jobs`).

        Raises:
            WeightsError: If no model for the job is usable here; says which weights to pull.
        """
        ...

    def has(self, job: str) -> bool:
        """Whether a model for the job is usable here."""
        ...

    def name(self, job: str) -> str:
        """The name of the model that does the job here, ``""`` where there is none."""
        ...

    def remedy(self, job: str) -> str:
        """What to do so that the job can be done here, as one line."""
        ...


@dataclass(frozen=True)
class Label:
    """A class name and its probability, 0 to 1."""

    name: str
    score: float


@dataclass(frozen=True)
class ToolOutput:
    """What a tool hands back.

    Attributes:
        value: A picture, regions, a text, or labels, as the tool's ``returns`` says.
        summary: One or two plain sentences that say what was done or found, e.g. ``There are four people.``; every
            number and noun in them comes from ``value``. Told to the LLM and to the person.
        models: Names of the models that did it; empty for plain algorithms.
        missing: Things asked for that were looked for and not found, or could not be looked for.
        uncertain: Sentences about what may be wrong.
        facts: Further plain data (JSON) that the value does not hold.
        further: Pictures beside ``value``, where a tool makes several, or one that shows what a text tells.
        heat: Of regions found by degrees, how strongly each pixel shows what was looked for: mode L, from 0 to 255,
            in the size of the picture. It is laid over the picture where the regions are drawn.
    """

    value: Image.Image | Regions | str | Sequence[Label]
    summary: str
    models: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    heat: Image.Image | None = None
    further: tuple[Image.Image, ...] = ()


class Review(NamedTuple):
    """What the postconditions say of a result: why it is wrong, and what may be wrong with it."""

    problems: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class ToolSpec:
    """A tool as declared: its function, the planner's view of it, the jobs it needs, its postconditions.

    Attributes:
        signature: The planner's view.
        description: What a large LLM reads: the function's docstring up to its first section.
        needs: Jobs that must all be doable; alternatives in order of preference, e.g.
            ``(("detection.open_vocabulary", "detection.closed"),)``.
        function: The function itself.
        schema: Pydantic model of the arguments, references as strings.
        checks: Its postconditions.
        ladder: Other settings to try in turn where a result did not pass them: values of keyword-only parameters that
            are no part of the contract, such as a threshold.
        offered: Whether planners and people are shown it; a tool that is not offered runs where the graph plans it.
        opaque: Whether it and its postconditions are given pictures as a person sees them, in mode RGB, in place of
            transparent ones.
    """

    signature: Signature
    description: str
    needs: tuple[tuple[str, ...], ...]
    function: Callable[..., ToolOutput]
    schema: type[BaseModel]
    checks: list[Check] = field(default_factory=list)
    ladder: list[Mapping[str, Any]] = field(default_factory=list)
    offered: bool = True
    opaque: bool = False

    @property
    def name(self) -> str:
        return self.signature.tool

    def __call__(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call the tool's function on values, and with ``models=`` where it takes it."""
        values = self._as_shown({**dict(enumerate(args)), **kwargs})
        positional = [values.pop(place) for place in range(len(args))]
        return self.function(*positional, **values)

    def check(self, postcondition: Check) -> Check:
        """Decorator: declare a postcondition beside the tool.

        The function takes the tool's arguments by name (those it wants), ``output``, and ``models`` where it looks
        again with a model; it yields a sentence for each thing that is wrong with the result, and a :class:`Doubt` for
        what may be.
        """
        self.checks.append(postcondition)
        return postcondition

    def otherwise(self, **settings: Any) -> None:
        """Declare the next settings to try where a result was refused.

        Raises:
            TypeError: If the function has no such keyword-only parameter.
        """
        parameters = inspect.signature(self.function).parameters
        for name in settings:
            if name == "models" or name not in parameters or parameters[name].kind is not parameters[name].KEYWORD_ONLY:
                raise TypeError(f"{name} is no setting of {self.name}")
        self.ladder.append(settings)

    def review(self, args: Mapping[str, Any], output: ToolOutput, models: Models | None = None) -> Review:
        """Run the postconditions; those that want ``models`` only where there are any.

        A value that is no sound picture, regions, text or labels is a problem by itself, and the postconditions are
        not asked. A postcondition that raises is a doubt: the result is there, but nobody knows whether it holds.
        """
        from visiongpt_agent.tools._soundness import unsound

        found: list[str] = list(unsound(self.signature.returns, args, output))
        known = {**self._defaults(), **self._as_shown(args), "output": output, "models": models}
        for postcondition in [] if found else self.checks:
            wanted = inspect.signature(postcondition).parameters
            if "models" in wanted and models is None:
                continue
            try:
                found.extend(postcondition(**{name: known[name] for name in wanted}))
            except Exception as fault:
                logger.exception("a postcondition of %s failed", self.name)
                found.append(Doubt(f"A check of this result could not be carried out ({type(fault).__name__})."))
        doubts = tuple(dict.fromkeys(str(one) for one in found if isinstance(one, Doubt)))
        return Review(tuple(str(one) for one in found if not isinstance(one, Doubt)), doubts)

    def problems(self, args: Mapping[str, Any], output: ToolOutput, models: Models | None = None) -> list[str]:
        """What the postconditions find wrong, empty where all hold; see :meth:`review`."""
        return list(self.review(args, output, models).problems)

    def usable(self, models: Models) -> bool:
        return all(any(models.has(job) for job in alternatives) for alternatives in self.needs)

    def lacks(self, models: Models) -> str:
        """Why the tool cannot run here and what to do; ``""`` where it can."""
        for alternatives in self.needs:
            if not any(models.has(job) for job in alternatives):
                return models.remedy(alternatives[-1])
        return ""

    def model_names(self, models: Models) -> list[str]:
        """The models that would run here."""
        chosen = [next((models.name(j) for j in alternatives if models.has(j)), "") for alternatives in self.needs]
        return [name for name in chosen if name]

    def bind(self, store: ImageStore, models: Models, settings: Mapping[str, Any] | None = None) -> VisionTool:
        """The tool as a LangChain tool over a store and a pool, with settings other than usual where given."""
        return VisionTool(
            name=self.name,
            description=self.description,
            args_schema=self.schema,
            spec=self,
            store=store,
            models=models,
            settings=dict(settings or {}),
            metadata={"returns": str(self.signature.returns), "summary": self.signature.summary},
        )

    def _as_shown(self, values: Mapping[Any, Any]) -> dict[Any, Any]:
        """Arguments with the pictures among them as the tool is to have them."""
        pictures = {key: value for key, value in values.items() if isinstance(value, Image.Image)}
        if not self.opaque or not pictures:
            return dict(values)
        ground = ground_for(*pictures.values())
        return {**values, **{key: visible(picture, ground) for key, picture in pictures.items()}}

    def _defaults(self) -> dict[str, Any]:
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


class VisionTool(BaseTool):
    """A vision tool for LangChain: references in, a short text and a plain artifact out.

    Arguments that take pictures or regions are content ids of the store (``img-...``, ``reg-...``). The artifact is a
    plain dict: ``tool``, ``kind``, ``summary``, ``models``, ``missing``, ``uncertain`` (the doubts of the
    postconditions too), ``facts``, ``problems`` (failed postconditions) and, by kind, ``image``/``width``/``height``,
    ``regions``/``items`` (and ``heat``, a picture's id, where there is a heat map), ``text`` or ``labels``. Where there
    are pictures beside these, ``further`` holds ``image``/``width``/``height`` of each.
    """

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: bool | str | Callable[[ToolException], str] | None = None
    spec: ToolSpec
    store: ImageStore
    models: Any
    settings: dict[str, Any] = Field(default_factory=dict)
    model_config = ConfigDict(arbitrary_types_allowed=True)

    @property
    def signature(self) -> Signature:
        return self.spec.signature

    def _run(self, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        try:
            values, parents = self._resolve(kwargs)
            takes_models = "models" in inspect.signature(self.spec.function).parameters
            own = {**self.settings, "models": self.models} if takes_models else self.settings
            output = self.spec(**values, **own)
            review = self.spec.review(values, output, self.models)
            return output.summary, self._artifact(output, kwargs, parents, review)
        except VisionGPTError as error:
            raise ToolException(_in_brief(str(redacted(error)))) from error
        except Exception as error:
            raise redacted(error)  # noqa: B904  # the same error, not another

    def _resolve(self, kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        values: dict[str, Any] = {}
        parents: list[str] = []
        for name, value in kwargs.items():
            argument = self.signature.argument(name)
            kinds = argument.kinds if argument else ()
            if (
                isinstance(value, str)
                and Kind.IMAGE in kinds
                and (value.startswith("img-") or Kind.STRING not in kinds)
            ):
                values[name] = self.store.open(value)
                parents.append(value)
            elif isinstance(value, str) and Kind.REGIONS in kinds:
                values[name] = self.store.regions(value)
                parents.append(value)
            else:
                values[name] = value
        _check_frames(values)
        return values, parents

    def _artifact(
        self, output: ToolOutput, args: Mapping[str, Any], parents: Sequence[str], review: Review
    ) -> dict[str, Any]:
        artifact: dict[str, Any] = {
            "tool": self.name,
            "kind": str(self.signature.returns),
            "summary": output.summary,
            "models": list(output.models),
            "missing": list(output.missing),
            "uncertain": [*output.uncertain, *review.doubts],
            "facts": dict(output.facts),
            "problems": list(review.problems),
        }
        value = output.value
        made = Provenance(self.name, self.name, dict(args), ", ".join(output.models), tuple(parents))
        if output.further:
            artifact["further"] = [self._stored(picture, made) for picture in output.further]
        if isinstance(value, Image.Image):
            artifact |= self._stored(value, made)
        elif isinstance(value, Regions):
            artifact |= {"regions": self.store.add_regions(value), "items": value.to_dicts(), "of": parents[:1]}
            if output.heat is not None:
                made = Provenance("annotation", f"{self.name} heat map", parents=tuple(parents[:1]))
                artifact["heat"] = self.store.add(output.heat, made).id
        elif isinstance(value, str):
            artifact["text"] = value
        else:
            artifact["labels"] = [{"name": label.name, "score": round(label.score, 4)} for label in value]
        return artifact

    def _stored(self, picture: Image.Image, made: Provenance) -> dict[str, Any]:
        kept = self.store.add(picture, made)
        return {"image": kept.id, "width": kept.width, "height": kept.height}


def _in_brief(refusal: str) -> str:
    """A refusal on one line; of a long one, which repeats the words of a request, its beginning and its end."""
    told = one_line(refusal)
    return told if len(told) <= 400 else f"{told[:240]} ... {told[-150:]}"


def _check_frames(values: Mapping[str, Any]) -> None:
    image, regions = values.get("image"), values.get("regions")
    if isinstance(image, Image.Image) and isinstance(regions, Regions) and regions.size != image.size:
        raise ToolError(
            f"the regions belong to a picture of {regions.size[0]}x{regions.size[1]} pixels, this one has "
            f"{image.width}x{image.height}: find them again in this picture"
        )


# ------------------------------------------------------------------------------------------------------- declaration


def vision_tool(
    summary: str,
    *,
    returns: Kind,
    needs: Sequence[str | tuple[str, ...]] = (),
    offered: bool = True,
    opaque: bool | None = None,
) -> Callable[[Callable[..., ToolOutput]], ToolSpec]:
    """Declare a function as a tool.

    Args:
        summary: At most eight words for the planner's catalogue.
        returns: ``Kind.IMAGE``, ``REGIONS``, ``TEXT`` or ``LABELS``.
        needs: The jobs it cannot do without; a tuple names alternatives, the preferred first.
        offered: Whether planners and people are shown it.
        opaque: Whether it looks at pictures and is given transparent ones as a person sees them, in mode RGB. By
            default tools that hand back a picture edit: they are given colours and alpha, and keep the two apart.
    """
    looks = returns is not Kind.IMAGE if opaque is None else opaque

    def declare(function: Callable[..., ToolOutput]) -> ToolSpec:
        name = function.__name__
        hints = typing.get_type_hints(function, include_extras=True)
        arguments: list[Argument] = []
        fields: dict[str, Any] = {}
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                continue
            argument, field_definition = _argument(name, parameter, hints[parameter.name])
            arguments.append(argument)
            fields[parameter.name] = field_definition
        schema = create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
        description = inspect.cleandoc(function.__doc__ or summary).split("\n\nArgs:")[0].split("\n\nReturns:")[0]
        groups = tuple((need,) if isinstance(need, str) else tuple(need) for need in needs)
        signature = Signature(name, tuple(arguments), returns, summary)
        return ToolSpec(signature, description, groups, function, schema, offered=offered, opaque=looks)

    return declare


_PLAIN: Mapping[Any, Kind] = {str: Kind.STRING, bool: Kind.BOOLEAN, int: Kind.INTEGER, float: Kind.NUMBER}


def _argument(tool: str, parameter: inspect.Parameter, hint: Any) -> tuple[Argument, Any]:
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    kinds: list[Kind] = []
    choices: tuple[str, ...] = ()
    for option in get_args(bare) if get_origin(bare) in (Union, types.UnionType) else (bare,):
        if option is Image.Image:
            kinds.append(Kind.IMAGE)
        elif option is Regions:
            kinds.append(Kind.REGIONS)
        elif option in _PLAIN:
            kinds.append(_PLAIN[option])
        elif get_origin(option) is Literal:
            kinds.append(Kind.STRING)
            choices = get_args(option)
        elif get_origin(option) in (list, tuple, Sequence) or option in (list, tuple):
            kinds.append(Kind.STRINGS)
        elif option is not type(None):
            raise TypeError(f"{tool}.{parameter.name}: a tool's argument cannot be a {option}")
    required = parameter.default is inspect.Parameter.empty
    default: Value = None if required else parameter.default
    references = [k for k in kinds if k in (Kind.IMAGE, Kind.REGIONS)]
    seen: Any = bare
    if references:
        seen = str if type(None) not in get_args(bare) else str | None
        what, key = ("a picture", "img-...") if Kind.IMAGE in references else ("regions", "reg-...")
        words = f"reference to {what}: $1, #2 where a conversation names it so, or the id {key}"
        extras = (*extras, Field(description=words, json_schema_extra={"kinds": [str(k) for k in kinds]}))
    annotation = Annotated[(seen, *extras)] if extras else seen
    return Argument(parameter.name, tuple(kinds), required, default, choices), (
        annotation,
        ... if required else parameter.default,
    )


def one_picture(value: object) -> Image.Image:
    """The output of an image tool as a picture, for postconditions.

    Raises:
        InputError: If it is something else.
    """
    if not isinstance(value, Image.Image):
        raise InputError(f"the tool handed back a {type(value).__name__}, not a picture")
    return value
