"""``visiongpt chat``: a conversation about pictures in the terminal, or over a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from visiongpt_agent.cli.background import in_background
from visiongpt_agent.cli.progress import StepDisplay
from visiongpt_agent.cli.quiet import quiet
from visiongpt_agent.cli.run import DEFAULT_FOLDER, check_folder
from visiongpt_agent.errors import VisionGPTError

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event, VisionGPT
    from visiongpt_agent.result import VisionResult

_THREAD: Final = "chat"
_HELP: Final = """Say what you want in words; the pictures are $1, $2, ... in the order of their appearance.
/image PATH   add a picture
/images       list the pictures
/save [DIR]   write the pictures that were made, into visiongpt-out where no folder is named
/models       list the models that are in memory
/help         show this
/quit         leave"""


def chat(
    images: Annotated[list[str] | None, typer.Option("--image", "-i", metavar="IMG", help="A picture.")] = None,
) -> None:
    """Talk about pictures: every request can refer to the pictures and results before it."""
    from langgraph.checkpoint.memory import InMemorySaver

    from visiongpt_agent.agent import VisionGPT

    with quiet():
        agent = VisionGPT(checkpointer=InMemorySaver())
    with closing(agent):
        conversation = Conversation(agent)
        for image in images or []:
            conversation.add_image(image)
        if sys.stdin.isatty():
            print("Add pictures with /image PATH, then say what you want; /help lists the commands.")
        for line in _lines():
            if not conversation.take(line):
                break


def _lines() -> Iterator[str]:
    """What the person types, or what the pipe holds, up to its end."""
    if not sys.stdin.isatty():
        yield from map(str.strip, sys.stdin)
        return
    import readline  # noqa: F401  # its import alone gives input() a history and line editing

    while True:
        try:
            yield input("you> ").strip()
        except EOFError:
            print()
            return


class Conversation:
    """One conversation; prints answers on stdout, progress and faults on stderr."""

    def __init__(self, agent: VisionGPT) -> None:
        self._agent = agent
        self._waiting: list[str] = []
        """Pictures that go with the next request."""
        self._results: list[VisionResult] = []
        self._commands: Mapping[str, Callable[[str], None]] = {
            "/image": self.add_image,
            "/images": self._list_images,
            "/save": self._save,
            "/models": self._list_models,
            "/help": lambda _: print(_HELP),
        }

    def take(self, line: str) -> bool:
        """Take in a line; returns False where it ends the conversation."""
        word, _, rest = line.partition(" ")
        if word in ("/quit", "/exit"):
            return False
        try:
            if not line:
                return True
            if word in self._commands:
                self._commands[word](rest.strip())
            elif line.startswith("/") and "/" not in word[1:]:
                print(f"there is no command {word}: /help lists them", file=sys.stderr)
            else:
                self._answer(line)
        except VisionGPTError as fault:  # told, and the conversation goes on
            print(f"visiongpt: {fault}", file=sys.stderr)
        return True

    def add_image(self, path: str) -> None:
        """Add a picture to the conversation.

        Raises:
            InputError: If it cannot be used.
        """
        from visiongpt_agent.images import decode

        picture = decode(str(Path(path).expanduser()))
        self._waiting.append(path)
        print(f"${self._count()} is {path}, {picture.width}x{picture.height}")

    def _answer(self, request: str) -> None:
        from visiongpt_agent.agent import Request

        images = [str(Path(path).expanduser()) for path in self._waiting]
        config = {"configurable": {"thread_id": _THREAD}}
        event: Event = {}
        with quiet(), StepDisplay() as display:
            for event in in_background(self._agent.stream(Request(request=request, images=images), config)):  # type: ignore[arg-type]
                display.show(event)
        result = event["result"]
        self._waiting.clear()
        self._results.append(result)
        print(result.answer)
        for image in result.images:
            print(f"  {image.name or 'shown'}: {image.title}, {image.width}x{image.height}; /save keeps it")
        sys.stdout.flush()

    def _known(self) -> list[str]:
        state = self._agent.graph.get_state({"configurable": {"thread_id": _THREAD}}).values
        return [f"{entry['title']}, {entry['width']}x{entry['height']}" for entry in state.get("images", [])]

    def _count(self) -> int:
        return len(self._known()) + len(self._waiting)

    def _list_images(self, _: str) -> None:
        for number, title in enumerate([*self._known(), *self._waiting], 1):
            print(f"${number} {title}")
        if not self._count():
            print("no pictures yet: /image PATH adds one")

    def _save(self, folder: str) -> None:
        target = Path(folder).expanduser() if folder else DEFAULT_FOLDER
        check_folder(target)
        self._results = [result.save(target) for result in self._results]
        paths = dict.fromkeys(image.path for result in self._results for image in result.images)
        print("\n".join(paths) or "no pictures were made yet")

    def _list_models(self, _: str) -> None:
        from visiongpt_agent.settings import format_bytes

        for model in self._agent.pool.resident():
            print(f"{model.card.name} on {model.device}, {format_bytes(model.bytes)}")
        if not self._agent.pool.resident():
            print("none yet: models are loaded when they are first needed")
