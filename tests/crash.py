"""One request in a process of its own that can be killed at any moment, and what goes on with it in another."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableConfig

from tests.scripted import ScriptedChat
from visiongpt_agent import StateError, VisionGPT, sample_photo
from visiongpt_agent.result import VisionResult
from visiongpt_agent.settings import Settings

THREAD: Final = "portrait"
TOOLS: Final = ("adjust_image", "detect_objects", "crop_regions", "stylize_image", "transform_image")
PLAN: Final = """#1 = adjust_image(image=$1, contrast=1.2)
#2 = detect_objects(image=#1, query="person")
#3 = crop_regions(image=#1, regions=#2)
#4 = stylize_image(image=#3, style="oil painting")
#5 = transform_image(image=#4, rotate=90)"""


class Log(BaseCallbackHandler):
    """Writes a line when a tool begins and when it ends; what is written outlives the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[Any, str] = {}

    def write(self, what: str) -> None:
        handle = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
        os.write(handle, f"{time.monotonic():.4f} {what}\n".encode())
        os.close(handle)

    def on_tool_start(self, serialized: dict[str, Any], input_str: str, *, run_id: Any, **_: Any) -> None:
        self._names[run_id] = serialized["name"]
        self.write(f"begins {serialized['name']}")

    def on_tool_end(self, output: Any, *, run_id: Any, **_: Any) -> None:
        self.write(f"ends {self._names[run_id]}")


def begin(folder: Path) -> None:
    """Make the request; the log says when it is handed to the agent."""
    log = Log(folder / "log")
    agent = _agent(folder)
    log.write("begins")
    config = RunnableConfig(configurable={"thread_id": THREAD}, callbacks=[log])
    _tell(
        agent.invoke({"request": "crop to the person, paint, turn", "images": [sample_photo("astronaut")]}, config),
        folder,
    )
    log.write("ends")


def go_on(folder: Path) -> None:
    """Go on with it; where it was killed before anything was kept, make it again."""
    log = Log(folder / "log")
    agent = _agent(folder)
    log.write("resumed")
    try:
        result = agent.resume(THREAD, config=RunnableConfig(callbacks=[log]))
    except StateError:
        log.write("nothing-kept")
        begin(folder)
    else:
        _tell(result, folder)


def _agent(folder: Path) -> VisionGPT:
    settings = Settings.load()
    chat = ScriptedChat(script=[PLAN, "done"])
    return VisionGPT(chat, settings=Settings(home=settings.home, state=folder / "state", weights=settings.weights))


def _tell(result: VisionResult, folder: Path) -> None:
    saved = result.save(folder / "out")
    files = {Path(image.path).name: _hash(Path(image.path)) for image in saved.images}
    account: Mapping[str, Any] = {
        "answer": result.answer,
        "status": result.status,
        "steps": [[step.tool, step.verdict] for step in result.steps],
        "images": [image.id for image in result.images],
        "files": files,
    }
    (folder / "result.json").write_text(json.dumps(account))


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
