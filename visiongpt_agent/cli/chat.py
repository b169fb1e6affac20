"""``visiongpt chat``: a conversation about pictures in the terminal, or over a pipe."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from visiongpt_agent.cli.approval import approved, has_person, shown
from visiongpt_agent.cli.output import say
from visiongpt_agent.cli.pictures import draw, how, write
from visiongpt_agent.cli.run import DEFAULT_FOLDER, check_folder, command_to_resume
from visiongpt_agent.cli.typed import History, Terminated, typed_lines
from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig

    from visiongpt_agent.agent import VisionGPT
    from visiongpt_agent.pictures.images import StoredImage
    from visiongpt_agent.result import VisionResult

_THREAD: Final = "chat"
"""What a conversation is called that nobody named; it ends with the process."""

_HELP: Final = """Say what you want in words; the pictures are $1, $2, ... in the order of their appearance.
/image PATH   add a picture
/images       list the pictures
/undo         take back the last request, and the pictures that it made
/save [DIR]   write the pictures that were made, into visiongpt-out where no folder is named
/models       list the models that are in memory
/help         show this
/quit         leave; so does Ctrl-D, while Ctrl-C calls off the request under way"""


def chat(
    images: Annotated[list[str] | None, typer.Option("--image", "-i", metavar="IMG", help="A picture.")] = None,
    thread: Annotated[str, typer.Option("--thread", metavar="NAME", help="Keep the conversation; go on with it.")] = "",
    ask_before: Annotated[
        list[str] | None, typer.Option("--ask-before", metavar="TOOL", help="Ask before this tool runs; repeatable.")
    ] = None,
) -> None:
    """Talk about pictures: every request can refer to the pictures and results before it."""
    from langgraph.checkpoint.memory import InMemorySaver

    from visiongpt_agent.agent import VisionGPT

    with quiet():
        agent = VisionGPT(checkpointer=None if thread else InMemorySaver(), ask_before=tuple(ask_before or ()))
    with closing(agent):
        converse(agent, thread, images or [])


def converse(agent: VisionGPT, thread: str = "", images: Sequence[str] = ()) -> None:
    """Answer what a person types, or a pipe holds, up to its end."""
    conversation = Conversation(agent, thread)
    for image in images:
        conversation.add_image(image)
    for line in _lines(agent, conversation):
        if not conversation.take(line):
            break


def _lines(agent: VisionGPT, conversation: Conversation) -> Iterator[str]:
    """What the person types, or what the pipe holds, up to its end."""
    if not sys.stdin.isatty():
        yield from map(str.strip, sys.stdin)
        return
    signal.signal(signal.SIGTERM, _terminate)
    conversation.greet()
    yield from typed_lines("you> ", History(agent.settings.state / "chat-history"), tuple(conversation.commands))


def _terminate(number: int, frame: object) -> NoReturn:
    raise Terminated


@contextmanager
def _interruptible(cancel: Callable[[], bool]) -> Iterator[None]:
    """Inside, a person's Ctrl-C calls the request off that is under way; once more ends the conversation."""
    if not has_person():
        yield
        return
    called_off = False

    def heard(number: int, frame: object) -> None:
        nonlocal called_off
        if called_off:
            raise Terminated
        called_off = cancel()
        if not called_off:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class _Added:
    """A picture that goes with the next request."""

    title: str
    kept: StoredImage


class Conversation:
    """One conversation; prints answers on stdout, progress and faults on stderr.

    Args:
        agent: Who answers.
        thread: The conversation's name, ``""`` for one that is not kept.
    """

    def __init__(self, agent: VisionGPT, thread: str = "") -> None:
        self._agent = agent
        self._name = thread
        self._thread = thread or _THREAD
        self._waiting: list[_Added] = []
        """Pictures that go with the next request."""
        self._results: list[VisionResult] = []
        self.commands: Mapping[str, Callable[[str], None]] = {
            "/image": self.add_image,
            "/images": self._list_images,
            "/undo": self._undo,
            "/save": self._save,
            "/models": self._list_models,
            "/help": lambda _: say(_HELP),
            "/quit": lambda _: None,
        }

    def greet(self) -> None:
        """Tell a person at the terminal how to begin, or where the conversation had got to."""
        with quiet():
            before = next((one for one in self._agent.threads() if one.thread_id == self._thread), None)
        if before is None:
            say("Add pictures with /image PATH, then say what you want; /help lists the commands.")
            return
        say(f"{self._name} goes on after {before.requests} requests; the last was: {before.request}")
        self._list_images("")
        if before.status in ("waiting", "unfinished"):
            say(f"It is not finished: ask for something else, /undo it, or go on with {self._resuming()}")

    def take(self, line: str) -> bool:
        """Take in a line; returns False where it ends the conversation."""
        word, _, rest = line.partition(" ")
        if word in ("/quit", "/exit"):
            return False
        try:
            if not line:
                return True
            if word in self.commands:
                self.commands[word](rest.strip())
            elif line.startswith("/") and "/" not in word[1:]:
                say(f"there is no command {word}: /help lists them", error=True)
            else:
                self._answer(line)
        except VisionGPTError as fault:  # told, and the conversation goes on
            say(f"visiongpt: {fault}", error=True)
        sys.stdout.flush()
        return True

    def add_image(self, path: str) -> None:
        """Add a picture to the conversation.

        Raises:
            InputError: If it cannot be used.
        """
        from visiongpt_agent.pictures.images import Provenance
        from visiongpt_agent.pictures.sources import Sources
        from visiongpt_agent.pictures.web import is_web_address, shown

        given = path if is_web_address(path) else str(Path(path).expanduser())
        settings = self._agent.settings
        taken = Sources(settings.image_roots, settings.web_images).take(given)
        title = shown(given) if is_web_address(given) else path
        kept = self._agent.store.add(taken, Provenance("user", Path(title).name), name="" if taken is given else title)
        self._waiting.append(_Added(title, kept))
        say(f"${self._count()} is {title}, {kept.width}x{kept.height}")

    def _answer(self, request: str) -> None:
        from visiongpt_agent.request import Request

        asked = Request(request=request, images=[added.kept for added in self._waiting])
        config: RunnableConfig = {"configurable": {"thread_id": self._thread}}
        try:
            with quiet(), _interruptible(lambda: self._agent.cancel(self._thread)):
                result = shown(self._agent.stream(asked, config))
                self._waiting.clear()
                result = approved(self._agent, result)
        except Terminated:
            raise
        except KeyboardInterrupt:  # in place of an approval
            say("\nIt was not carried out: ask for something else, or /undo it.")
            return
        self._results.append(result)
        self._show(result)
        if result.status == "waiting" and self._name:
            say(f"visiongpt: approve it with: {self._resuming()} --approve, or --deny", error=True)

    def _show(self, result: VisionResult) -> None:
        """The answer; for a person the pictures too, a pipe carries answers only."""
        say(result.answer)
        if not sys.stdout.isatty():
            return
        from rich.console import Console

        console = Console()
        drawing = how(console, os.environ)
        for index, image in enumerate(result.images):
            say(f"  {image.name or 'shown'}: {image.title}, {image.width}x{image.height}; /save keeps it")
            if drawing:
                write(draw(result.picture(index), drawing, console.width - 1))

    def _undo(self, _: str) -> None:
        with quiet():
            if not self._state():
                raise InputError("nothing was asked yet: there is nothing to take back")
            given = self._agent.undo(self._thread)
        self._waiting = [*map(self._described, given), *self._waiting]
        del self._results[-1:]
        say(f"The last request is taken back.{' Its pictures go with the next one:' if given else ''}")
        if given:
            self._list_images("")

    def _described(self, kept: StoredImage) -> _Added:
        made = self._agent.store.provenance(kept.id)
        return _Added(made.title if made else "image", kept)

    def _resuming(self) -> str:
        return command_to_resume(self._thread)

    def _image_titles(self) -> list[str]:
        return [f"{entry['title']}, {entry['width']}x{entry['height']}" for entry in self._state().get("images", [])]

    def _state(self) -> Mapping[str, Any]:
        return self._agent.graph.get_state({"configurable": {"thread_id": self._thread}}).values

    def _count(self) -> int:
        return len(self._image_titles()) + len(self._waiting)

    def _list_images(self, _: str) -> None:
        for number, title in enumerate([*self._image_titles(), *(added.title for added in self._waiting)], 1):
            say(f"${number} {title}")
        if not self._count():
            say("no pictures yet: /image PATH adds one")

    def _save(self, folder: str) -> None:
        target = Path(folder).expanduser() if folder else DEFAULT_FOLDER
        check_folder(target)
        self._results = [result.save(target) for result in self._results or self._last()]
        paths = dict.fromkeys(image.path for result in self._results for image in result.images)
        say("\n".join(paths) or "no pictures were made yet")

    def _last(self) -> list[VisionResult]:
        """The result of the last request of a conversation that was taken up again."""
        with quiet(), suppress(VisionGPTError):
            if any(one.thread_id == self._thread and one.status == "done" for one in self._agent.threads()):
                return [self._agent.resume(self._thread)]
        return []

    def _list_models(self, _: str) -> None:
        from visiongpt_agent.settings import format_bytes

        for model in self._agent.pool.resident():
            say(f"{model.card.name} on {model.device}, {format_bytes(model.bytes)}")
        if not self._agent.pool.resident():
            say("none yet: models are loaded when they are first needed")
