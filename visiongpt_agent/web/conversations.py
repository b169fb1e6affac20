"""The conversations of the page: one for each tab, each with an agent and a store of its own over shared models.

What a conversation made goes when it ends: its tab was closed, or it was idle too long. No conversation ends because of
others: where as many are open as may be, a newcomer is told to come back.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from visiongpt_agent.agent import VisionGPT
from visiongpt_agent.errors import InputError, VisionGPTError
from visiongpt_agent.pictures.images import Provenance, StoredImage, decode
from visiongpt_agent.request import Pointed, Request
from visiongpt_agent.result import VisionResult

_THREAD: Final = "page"
_NAME_LENGTH: Final = 60


class FullError(VisionGPTError):
    """As many conversations are open as may be."""


@dataclass(frozen=True)
class PageLimits:
    """What one tab, and all of them together, may ask for.

    Attributes:
        picture_bytes: Largest file.
        picture_pixels: Most pixels of a picture.
        upload_seconds: Time that a file may take to arrive.
        pictures: Most pictures that a person may add to a conversation.
        conversations: Most conversations at a time; beyond, no new one begins.
        at_once: Requests carried out side by side; others wait.
        idle_seconds: After this time without a request a conversation ends; one under way does not.
        unused_seconds: The same for a conversation that has neither a request nor a picture.
        closed_seconds: After this time a conversation whose tab was closed ends; a phone may drop and come back.
    """

    picture_bytes: int = 20 * 2**20
    picture_pixels: int = 40_000_000
    upload_seconds: float = 60.0
    pictures: int = 12
    conversations: int = 40
    at_once: int = 2
    idle_seconds: float = 3600.0
    unused_seconds: float = 300.0
    closed_seconds: float = 120.0


@dataclass(frozen=True)
class Picture:
    """A picture as the page shows it: its name ``$k``, its file's name or its tool's, its id in the store."""

    name: str
    title: str
    id: str
    width: int
    height: int
    regions: tuple[Mapping[str, Any], ...] = ()


@dataclass
class StepShown:
    """A step as the page shows it while it runs and after."""

    id: int
    call: str
    verdict: str = ""
    seconds: float = 0.0
    told: str = ""


@dataclass
class Turn:
    """One request as the page shows it.

    ``added`` are the titles of the pictures that came with it, ``loading`` those of models on their way into memory.
    """

    number: int
    request: str
    added: tuple[str, ...] = ()
    pointed: tuple[Pointed, ...] = ()
    plan: str = ""
    steps: list[StepShown] = field(default_factory=list)
    loading: list[str] = field(default_factory=list)
    result: VisionResult | None = None
    fault: str = ""
    waiting: bool = False
    stopped: bool = False


@dataclass(frozen=True)
class _Added:
    """A picture that a person added and that goes with the next request."""

    picture: Picture
    stored: StoredImage


class Conversation:
    """What one tab talks about."""

    def __init__(self, agent: VisionGPT, limits: PageLimits, slots: threading.Semaphore) -> None:
        self.key = secrets.token_urlsafe(16)
        self.turns: list[Turn] = []
        self.limits = limits
        self.tab = ""
        self._agent = agent
        self._touched = time.monotonic()
        self._left: float | None = None
        self._slots = slots
        self._waiting: list[_Added] = []
        self._titles: dict[str, str] = {}
        self._regions: dict[str, tuple[Mapping[str, Any], ...]] = {}
        self._shown: set[str] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._closed = False

    def add(self, data: bytes, title: str) -> None:
        """Take in a picture; it goes with the next request.

        Raises:
            InputError: If it is too large, no picture, or one too many.
        """
        self.touch()
        title = PurePath(title.replace("\\", "/")).name[:_NAME_LENGTH] or "picture"
        limits = self.limits
        if len(data) > limits.picture_bytes:
            raise InputError(too_large(title, limits))
        by_person = sum(entry["origin"] == "user" for entry in self._entries()) + len(self._waiting)
        if by_person >= limits.pictures:
            raise InputError(
                f"{title} is one too many: a conversation takes {limits.pictures} pictures; begin a new one"
            )
        image = decode(data, name=title)
        if image.width * image.height > limits.picture_pixels:
            raise InputError(
                f"{title} has {image.width}x{image.height} pixels; up to {limits.picture_pixels // 10**6} million are "
                "taken: make it smaller"
            )
        stored = self._agent.store.add(image, Provenance("user", title))
        name = f"${len(self._entries()) + len(self._waiting) + 1}"
        self._waiting.append(_Added(Picture(name, title, stored.id, stored.width, stored.height), stored))
        self._shown.add(stored.id)

    def pictures(self) -> list[Picture]:
        """All pictures, in the order of their names, with the regions last found on each."""
        named = [
            Picture(
                name := f"${number}",
                self._titles.get(name, entry["title"].replace("_", " ")),
                entry["id"],
                entry["width"],
                entry["height"],
                self._regions.get(name, ()),
            )
            for number, entry in enumerate(self._entries(), 1)
        ]
        return [*named, *(added.picture for added in self._waiting)]

    def looked_at(self) -> str:
        """The picture that the last result found regions on, ``""`` where it found none."""
        result = self.turns[-1].result if self.turns else None
        return next((found.of for found in result.regions if found.items), "") if result else ""

    def png(self, key: str) -> bytes:
        """A picture of this conversation as a PNG file.

        Raises:
            InputError: If the conversation has no such picture.
        """
        import io

        if key not in self._shown:
            raise InputError("this conversation has no such picture")
        buffer = io.BytesIO()
        self._agent.store.open(key).save(buffer, "PNG", compress_level=3)
        return buffer.getvalue()

    def ask(self, request: str, pointed: Sequence[Pointed] = ()) -> Iterator[Turn]:
        """Carry out a request; yields the turn each time that there is something new to show."""
        self.touch()
        if not self._lock.acquire(blocking=False):
            return  # the same tab is at it already
        try:
            self._stop.clear()
            turn = Turn(len(self.turns) + 1, request.strip(), self._new_titles(), tuple(pointed))
            self.turns.append(turn)
            yield from self._in_turn(turn)
        finally:
            self._lock.release()
            self._touched = time.monotonic()
            if self._closed:
                self._remove()

    def stop(self) -> None:
        """Call off the request under way; what it achieved is told."""
        self._stop.set()
        self._agent.cancel(_THREAD)

    def _in_turn(self, turn: Turn) -> Iterator[Turn]:
        turn.waiting = True
        while not self._slots.acquire(timeout=0.2):
            yield turn
            if self._stop.is_set():
                turn.waiting, turn.stopped = False, True
                yield turn
                return
        turn.waiting = False
        try:
            yield turn
            yield from self._carry_out(turn)
        except VisionGPTError as fault:
            turn.fault = str(fault)
            yield turn
        finally:
            self._slots.release()

    def _carry_out(self, turn: Turn) -> Iterator[Turn]:
        waiting = list(self._waiting)
        asked = Request(request=turn.request, images=[added.stored for added in waiting], pointed=turn.pointed)
        config: Any = {"configurable": {"thread_id": _THREAD}}
        for event in self._agent.stream(asked, config):
            if plan := event.get("plan"):
                turn.plan = plan
                turn.steps = [StepShown(number, call) for number, call in enumerate(_calls(plan), 1)]
            elif finished := event.get("finished"):
                _tick_off(turn, finished)
            elif result := event.get("result"):
                turn.result = result
                self._keep(result, waiting)
            elif started := event.get("started"):
                _step(turn, started["id"]).verdict = "running"
            elif load := event.get("loading"):
                turn.loading.append(str(load["title"]))
            elif load := event.get("loaded"):
                turn.loading = [title for title in turn.loading if title != load["title"]]
            yield turn

    def _keep(self, result: VisionResult, waiting: Sequence[_Added]) -> None:
        self._waiting = [added for added in self._waiting if added not in waiting]
        self._titles |= {added.picture.name: added.picture.title for added in waiting}
        self._shown |= {image.id for image in result.images} | {entry["id"] for entry in self._entries()}
        for name in {found.of for found in result.regions}:
            items = [dict(item) for found in result.regions if found.of == name for item in found.items]
            self._regions[name] = tuple({str(item["box"]): item for item in items}.values())

    def _entries(self) -> list[Any]:
        state = self._agent.graph.get_state({"configurable": {"thread_id": _THREAD}}).values
        return list(state.get("images", []))

    def _new_titles(self) -> tuple[str, ...]:
        return tuple(added.picture.title for added in self._waiting)

    def touch(self) -> None:
        """Note that its owner is there."""
        self._touched, self._left = time.monotonic(), None

    def leave(self) -> None:
        """Note that its tab was closed."""
        self._left = time.monotonic()

    def is_over(self) -> bool:
        """Whether its owner left a while ago, or has let it idle too long."""
        now = time.monotonic()
        if self._left is not None:
            return now - self._left >= self.limits.closed_seconds
        used = bool(self.turns or self._waiting)
        idle = self.limits.idle_seconds if used else min(self.limits.idle_seconds, self.limits.unused_seconds)
        return not self._lock.locked() and now - self._touched >= idle

    def close(self) -> None:
        """Stop, and remove what was made; a request under way removes it when it ends."""
        self._closed = True
        self.stop()
        if self._lock.acquire(blocking=False):
            try:
                self._remove()
            finally:
                self._lock.release()

    def _remove(self) -> None:
        self._agent.close()
        self._agent.store.close()  # an agent leaves a store that it was given to whoever gave it


class Conversations:
    """All conversations of a server.

    Args:
        make_agent: Makes an agent for a conversation; those agents share one pool of models.
        limits: What they may ask for.
    """

    def __init__(self, make_agent: Callable[[], VisionGPT], limits: PageLimits) -> None:
        self.limits = limits
        self._make_agent = make_agent
        self._open: dict[str, Conversation] = {}
        self._slots = threading.BoundedSemaphore(limits.at_once)
        self._lock = threading.Lock()

    def begin(self, tab: str = "") -> Conversation:
        """A new conversation, for the tab of this id.

        Raises:
            FullError: If as many are open as may be.
        """
        self.sweep()
        with self._lock:
            if len(self._open) >= self.limits.conversations:
                raise FullError(
                    f"all {self.limits.conversations} places are taken: reload the page in some minutes, when others "
                    "have left"
                )
            conversation = Conversation(self._make_agent(), self.limits, self._slots)
            conversation.tab = tab
            self._open[conversation.key] = conversation
        return conversation

    def get(self, key: str) -> Conversation:
        """The conversation with this key.

        Raises:
            InputError: If it has ended.
        """
        with self._lock:
            conversation = self._open.get(key)
        if conversation is None:
            raise InputError("there is no such conversation, or it has ended: reload the page to begin a new one")
        return conversation

    def end(self, key: str) -> None:
        with self._lock:
            conversation = self._open.pop(key, None)
        if conversation is not None:
            conversation.close()

    def tab_closed(self, tab: str) -> None:
        """Its conversations end in a while, unless the tab comes back."""
        with self._lock:
            for conversation in self._open.values():
                if conversation.tab == tab:
                    conversation.leave()

    def sweep(self) -> None:
        """End those whose time is over."""
        with self._lock:
            over = [key for key, each in self._open.items() if each.is_over()]
        for key in over:
            self.end(key)

    def close(self) -> None:
        with self._lock:
            keys = list(self._open)
        for key in keys:
            with suppress(OSError):
                self.end(key)

    def __len__(self) -> int:
        return len(self._open)


def too_large(title: str, limits: PageLimits) -> str:
    """What a person is told of a file over the limit."""
    return f"{title} is larger than {limits.picture_bytes // 2**20} MB, the most that is taken: make it smaller"


def _calls(plan: str) -> list[str]:
    from visiongpt_agent.plan import parse_plan

    parsed = parse_plan(plan)
    return [] if parsed.control else [proposal.call() for proposal in parsed]


def _tick_off(turn: Turn, finished: Mapping[str, Any]) -> None:
    step = _step(turn, finished["id"])
    step.verdict, step.seconds, step.told = finished["verdict"], finished["seconds"], finished["told"]


def _step(turn: Turn, number: int) -> StepShown:
    step = next((step for step in turn.steps if step.id == number), None)
    if step is None:
        step = StepShown(number, "")
        turn.steps.append(step)
    return step
