"""Which pictures the language model of a larger agent may name, and what the names mean."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import BaseMessage

from visiongpt_agent.errors import InputError
from visiongpt_agent.langchain.blocks import pictures_of_people, source_of
from visiongpt_agent.pictures.images import ImageStore, Provenance, StoredImage

_SHOWN_NAMES = 20


@dataclass(frozen=True)
class Pictures:
    """Names to pictures. The model's words are looked up, never opened: they cannot become a path or an address.

    Attributes:
        store: Where pictures are kept; its ids (``img-...``) are names too.
        given: Pictures that the developer hands over, by name, in any form that ``images.decode`` reads.
        folder: A folder whose own files (not those of its sub-folders) are names too.
    """

    store: ImageStore
    given: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None

    def find(self, name: str, messages: Sequence[BaseMessage] = ()) -> str:
        """The content id of the picture that a model named.

        Args:
            name: A given name, a file name of the folder, ``$k`` (the k-th picture that a person sent in
                ``messages``), an id of the store, or a ``data:image/...`` URL.
            messages: The conversation so far.

        Raises:
            InputError: If there is no such picture, or it cannot be read; says which names there are.
        """
        if name.startswith("img-") and name in self.store:
            return name
        return self.store.add(self.source(name, messages), Provenance("user", name[:60]), name=name[:60]).id

    def knows(self, name: str) -> bool:
        """Whether words are the name of a picture, where they could also be other words."""
        named = name in self.given or name.startswith(("data:image/", "img-")) or re.fullmatch(r"\$[1-9]\d?", name)
        return bool(named) or any(path.name == name for path in self._files())

    def source(self, name: str, messages: Sequence[BaseMessage] = ()) -> Any:
        """The picture that a model named, in a form that ``VisionGPT.invoke`` takes; see :meth:`find`.

        Raises:
            InputError: If there is no such picture; says which names there are.
        """
        if name in self.given:
            return self.given[name]
        if name.startswith("data:"):
            return name
        if name.startswith("img-") and name in self.store:
            return stored(self.store, name)
        blocks = pictures_of_people(messages)
        if re.fullmatch(r"\$[1-9]\d?", name) and int(name[1:]) <= len(blocks):
            return source_of(blocks[int(name[1:]) - 1])
        for path in self._files():
            if path.name == name:
                return path
        raise InputError(f"there is no picture named {name[:60]!r}: {self._what_there_is(len(blocks))}")

    def _files(self) -> Iterator[Path]:
        if self.folder is None:
            return
        root = self.folder.resolve()
        for path in sorted(root.iterdir()):
            # A link may lead out of the folder: only what really lies in it counts.
            if path.is_file() and path.resolve().parent == root and not path.name.startswith("."):
                yield path

    def _what_there_is(self, sent: int) -> str:
        names = [*self.given, *(f"${k}" for k in range(1, sent + 1)), *(path.name for path in self._files())]
        return f"the names are {_listed(names)}" if names else "no picture was handed over"

    def described(self) -> str:
        """How the model may name a picture, for the description of an argument."""
        given = f"one of {_listed(list(self.given))}; " if self.given else ""
        files = "a file name of the picture folder; " if self.folder else ""
        return f"name of a picture: {given}{files}$1, $2, ... (pictures sent by the person); an id img-... of a result"


def stored(store: ImageStore, key: str) -> StoredImage:
    """The picture of the store with this content id.

    Raises:
        InputError: If the store does not hold it.
    """
    image = store.open(key)
    return StoredImage(key, image.width, image.height, image.mode)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")
