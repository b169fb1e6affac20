"""The agent as a graph over messages: text and image blocks in, text and image blocks out.

It fits into any ``StateGraph`` whose state has ``messages``, and into LangGraph Studio and Server. The conversation is
told by its messages alone: the pictures that people sent and those that were made are ``$1``, ``$2``, ... in order, so
that a follow-up finds them whatever keeps the messages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import VisionGPTError
from visiongpt_agent.langchain.blocks import image_blocks, source_of, thumbnail_url
from visiongpt_agent.langchain.nested import Nested, content_blocks, stream_writer
from visiongpt_agent.langchain.pictures import stored
from visiongpt_agent.pictures.images import Provenance
from visiongpt_agent.result import VisionResult


class MessagesState(TypedDict):
    """What goes in and comes out."""

    messages: Annotated[list[AnyMessage], add_messages]


class TurnState(MessagesState, total=False):
    """A request on its way: ``images`` are content ids of the store, ``fault`` says why it cannot be carried out."""

    request: str
    images: list[str]
    fault: str
    plan: str
    status: str


MessageGraph = CompiledStateGraph[TurnState, None, MessagesState, MessagesState]


def message_graph(
    agent: VisionGPT,
    *,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
    name: str = "visiongpt",
    previews: bool = True,
) -> MessageGraph:
    """A graph that answers the last human message with one AI message.

    Streams: ``updates`` has the pictures taken in (``intake``) and the plan, status and answer (``vision``); ``custom``
    the events of :meth:`VisionGPT.stream <visiongpt_agent.agent.VisionGPT.stream>` as they happen, and for each picture
    of the result ``{"preview": {"id", "title", "url"}}`` with a small JPEG as a data URL.

    Args:
        agent: Carries out the requests.
        checkpointer: Keeps the messages of a conversation; none is needed inside another graph or a LangGraph server.
        name: The graph's name, and that of its messages.
        previews: Whether answers show the pictures made; False where a model that reads text only reads on.

    Returns:
        A compiled graph. The answer's ``response_metadata`` has ``status``, ``plan``, ``warnings`` and ``images``, the
        content ids of the pictures made: ``agent.store.open(id)`` has them in full.
    """
    nodes = _Nodes(agent, name, previews)
    graph = StateGraph(TurnState, input_schema=MessagesState, output_schema=MessagesState)
    graph.add_node("intake", nodes.intake)
    graph.add_node("vision", nodes.vision)
    graph.add_edge(START, "intake")
    graph.add_conditional_edges("intake", nodes.route, ["vision", END])
    graph.add_edge("vision", END)
    return graph.compile(checkpointer=checkpointer, name=name)


class _Nodes:
    """What the nodes do."""

    def __init__(self, agent: VisionGPT, name: str, previews: bool) -> None:
        self._agent = agent
        self._nested = Nested(agent)
        self._name = name
        self._previews = previews

    def intake(self, state: TurnState) -> dict[str, Any]:
        """Take the request from the last human message, and the pictures from all messages."""
        asked = next((m for m in reversed(state["messages"]) if isinstance(m, HumanMessage)), None)
        try:
            images = list(self._pictures(state["messages"]))
        except VisionGPTError as error:
            return self._refused(error)
        return {"request": asked.text if asked else "", "images": images, "fault": ""}

    def route(self, state: TurnState) -> Literal["vision", "__end__"]:
        return "__end__" if state["fault"] else "vision"

    def vision(self, state: TurnState, config: RunnableConfig) -> dict[str, Any]:
        """Carry the request out and tell its result."""
        store = self._agent.store
        try:
            images = [stored(store, key) for key in state["images"]]
            result = self._nested.carry_out({"request": state["request"], "images": images}, config)
            self._show(result)
            answer = AIMessage(
                [*content_blocks(self._agent, result, previews=self._previews)],
                name=self._name,
                response_metadata={
                    "status": result.status,
                    "plan": result.plan,
                    "warnings": list(result.warnings),
                    "images": [image.id for image in result.images if image.role == "made"],
                },
            )
        except VisionGPTError as error:
            return self._refused(error)
        return {"messages": [answer], "plan": result.plan, "status": result.status}

    def _pictures(self, messages: Sequence[AnyMessage]) -> Iterator[str]:
        """Content ids of the pictures that people sent and of those made for them, in order."""
        for message in messages:
            if isinstance(message, HumanMessage):
                for block in image_blocks(message):
                    yield self._agent.store.add(source_of(block), Provenance("user", "image")).id
            elif isinstance(message, AIMessage):
                made = message.response_metadata.get("images", ())
                yield from (key for key in made if isinstance(key, str) and key in self._agent.store)

    def _show(self, result: VisionResult) -> None:
        tell = stream_writer()
        for index, image in enumerate(result.images):
            tell({"preview": {"id": image.id, "title": image.title, "url": thumbnail_url(result.picture(index))}})

    def _refused(self, error: VisionGPTError) -> dict[str, Any]:
        answer = AIMessage(str(error), name=self._name, response_metadata={"status": "failed"})
        return {"messages": [answer], "fault": str(error), "status": "failed"}
