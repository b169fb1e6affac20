"""The vision tools one by one, for an agent whose own language model plans."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import BaseMessage
from langchain_core.tools import ToolException
from langgraph.prebuilt import ToolRuntime
from pydantic import BaseModel, ConfigDict, create_model

from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.langchain.blocks import Block, image_block, text_block
from visiongpt_agent.langchain.injected import RUNTIME_FIELD, messages_around
from visiongpt_agent.langchain.pictures import Pictures
from visiongpt_agent.langchain.refusals import in_one_line
from visiongpt_agent.pictures.images import ImageStore
from visiongpt_agent.plan import Argument, Kind
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.settings import Settings
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec, VisionTool

SHOWN_ITEMS: Final = 20
"""How many regions or labels a result lists; the artifact has them all."""


class NamingTool(VisionTool):
    """A vision tool whose pictures are given by name, and whose result a language model can read and look at.

    The content is a text block, which names the ids that later calls can refer to (``img-...``, ``reg-...``), and an
    image block where there is something to see. The artifact is that of ``VisionTool``.
    """

    pictures: Pictures
    previews: bool = True

    def _run(  # type: ignore[override]  # content blocks in place of a text
        self,
        runtime: ToolRuntime[Any, Any] = None,  # type: ignore[assignment]  # LangChain finds it by its very type
        **kwargs: Any,
    ) -> tuple[list[Block], dict[str, Any]]:
        try:
            messages = messages_around(runtime)
            named = {name: self._look_up(name, value, messages) for name, value in kwargs.items()}
            told, artifact = super()._run(**named)
            if artifact["problems"]:
                raise ToolException(
                    f"the result did not pass its check and is not used: {'; '.join(artifact['problems'])}"
                )
            return self._content(told, artifact, named), artifact
        except VisionGPTError as error:
            raise ToolException(str(error)) from error

    def _look_up(self, name: str, value: Any, messages: Sequence[BaseMessage]) -> Any:
        """The value of an argument, with a picture's name replaced by its content id."""
        argument = self.signature.argument(name)
        if argument is None or not isinstance(value, str):
            return value
        if Kind.REGIONS in argument.kinds and value not in self.store:
            raise InputError(
                f"{name}={value[:40]!r} is no result here: find regions first (detect_objects, segment_objects) and "
                "give their id reg-..."
            )
        if Kind.IMAGE not in argument.kinds or (Kind.STRING in argument.kinds and not self.pictures.knows(value)):
            return value
        return self.pictures.find(value, messages)

    def _content(self, told: str, artifact: Mapping[str, Any], args: Mapping[str, Any]) -> list[Block]:
        text = "\n".join([told, *artifact["uncertain"], *_listed(artifact)])
        picture = self._picture(artifact, args) if self.previews else None
        return [text_block(text), *([picture] if picture else [])]

    def _picture(self, artifact: Mapping[str, Any], args: Mapping[str, Any]) -> Block | None:
        if "image" in artifact:
            return image_block(self.store.open(artifact["image"]), artifact["image"])
        if artifact.get("items") and "image" in args:
            return image_block(self.store.regions(artifact["regions"]).draw(self.store.open(args["image"])))
        return None


def visiongpt_tools(
    images: Mapping[str, Any] | None = None,
    *,
    folder: str | Path | None = None,
    only: Collection[str] | None = None,
    tools: Sequence[ToolSpec] = (),
    store: ImageStore | None = None,
    pool: ModelPool | None = None,
    previews: bool = True,
) -> list[NamingTool]:
    """The vision tools that can run here, as LangChain tools over one store and one pool of models.

    For ``langchain.agents.create_agent`` and ``langgraph.prebuilt.ToolNode``. A language model names pictures: those
    given here, ``$1``, ``$2``, ... for those that a person sent in the conversation's messages (the state's
    ``messages``), and the ids of results. Its words are looked up, and never become a path or an address.

    What cannot be done comes back as an error message that it can act on. To have it raised instead, for a middleware
    that retries, set ``tool.handle_tool_error = False``.

    Args:
        images: Pictures by the name that the model may use, in any form that ``images.decode`` reads.
        folder: A folder whose picture files the model may use by their names.
        only: Names of the tools wanted; by default all that can run here.
        tools: Further tools beside those of the package.
        store: Keeps pictures and regions; by default in a temporary folder.
        pool: Owns the models; share one with a ``VisionGPT`` to load each model once.
        previews: Whether results show a small picture; False for a model that reads text only.

    Raises:
        InputError: If ``only`` names a tool that does not exist, or that has no model here; says which to pull.

    Example:
        >>> from visiongpt_agent import sample_photo, visiongpt_tools
        >>> turn, = visiongpt_tools({"cat": sample_photo("chelsea")}, only=["transform_image"])
        >>> print(turn.invoke({"image": "cat", "rotate": 90})[0]["text"].splitlines()[0])
        I turned the picture 90 degrees clockwise.
    """
    store, pool = store or ImageStore(), pool or ModelPool(settings=Settings.load())
    pictures = Pictures(store, images or {}, Path(folder) if folder else None)
    known = {**catalog(), **{spec.name: spec for spec in tools}}
    for name in only or ():
        if name not in known:
            raise InputError(f"there is no tool {name!r}: the tools are {', '.join(known)}")
        if lack := known[name].lacks(pool):
            raise InputError(f"{name} has no model here: {lack}")
    wanted = [spec for spec in known.values() if (spec.name in only if only is not None else spec.usable(pool))]
    return [naming_tool(spec, pictures, pool, previews) for spec in wanted]


def naming_tool(spec: ToolSpec, pictures: Pictures, pool: ModelPool, previews: bool = True) -> NamingTool:
    """One tool, whether it can run here or not; see :func:`visiongpt_tools`."""
    return NamingTool(
        name=spec.name,
        description=spec.description,
        args_schema=_arguments(spec, pictures),
        spec=spec,
        store=pictures.store,
        models=pool,
        pictures=pictures,
        previews=previews,
        handle_tool_error=True,
        handle_validation_error=in_one_line,
    )


def _arguments(spec: ToolSpec, pictures: Pictures) -> type[BaseModel]:
    """The tool's arguments, with what a model must know of references, and the conversation, which it is not shown."""
    fields: dict[str, Any] = {}
    for name, info in spec.schema.model_fields.items():
        told = copy(info)
        argument = spec.signature.argument(name)
        if argument is not None:
            told.description = _reference(argument, pictures) or info.description
        fields[name] = (info.annotation, told)
    fields["runtime"] = RUNTIME_FIELD
    return create_model(spec.name, __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields)


def _reference(argument: Argument, pictures: Pictures) -> str:
    """How a reference is written, ``""`` where the argument takes none."""
    if Kind.REGIONS in argument.kinds:
        return "id reg-... that a tool which finds things named in its result for the same picture"
    if Kind.IMAGE in argument.kinds:
        words = "words, or the " if Kind.STRING in argument.kinds else ""
        return f"{words}{pictures.described()}"
    return ""


def _listed(artifact: Mapping[str, Any]) -> list[str]:
    """What later calls can refer to, and the single findings."""
    further = [f"{one['image']}, {one['width']}x{one['height']} pixels" for one in artifact.get("further", ())]
    if "image" in artifact:
        first = f"The picture is {artifact['image']}, {artifact['width']}x{artifact['height']} pixels."
        return [first, *_first([f"A further picture is {one}." for one in further])]
    if further:
        return _first([f"A picture of it is {one}." for one in further])
    if "regions" in artifact:
        found = [f"{item['label'] or 'region'} {item['score']:.2f} {item['box']}" for item in artifact["items"]]
        head = f"The regions are {artifact['regions']} (score, box x1 y1 x2 y2 in pixels):"
        return [head, *_first(found)] if found else []
    return _first([f"{label['name']} {label['score']:.2f}" for label in artifact.get("labels", ())])


def _first(lines: Sequence[str]) -> list[str]:
    more = len(lines) - SHOWN_ITEMS
    return [*lines[:SHOWN_ITEMS], *([f"and {more} more"] if more > 0 else [])]
