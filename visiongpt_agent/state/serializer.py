"""How a checkpoint is read back: as data, never as code to run."""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from visiongpt_agent.errors import StateError


class StrictSerializer(JsonPlusSerializer):
    """Plain values and LangChain messages; no pickle, and no other class is ever imported or called."""

    def __init__(self) -> None:
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=None)

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Read a value.

        Raises:
            StateError: If it is damaged, or is of a kind that this version does not read.
        """
        try:
            return super().loads_typed(data)
        except Exception as error:  # decoders raise many types of their own
            raise StateError(
                "a part of the conversation is damaged or was written by another version: "
                "remove it with visiongpt threads forget NAME"
            ) from error
