"""No words of a language model become a path or an address: a tool opens nothing that they name."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import ToolException
from PIL import Image
from pydantic import ValidationError

from visiongpt_agent.errors import InputError
from visiongpt_agent.pictures.images import ImageStore, decode
from visiongpt_agent.plan import Kind, Value
from visiongpt_agent.pool import ModelPool
from visiongpt_agent.regions import Regions
from visiongpt_agent.tools import catalog
from visiongpt_agent.tools.base import ToolSpec

QUICK = ("adjust_image", "blur_regions", "crop_regions", "generate_image", "read_codes", "recolor_regions")
_WATCHED: list[list[tuple[str, str]]] = []
_EVENTS = ("open", "socket.getaddrinfo", "socket.connect", "subprocess.Popen", "os.system", "os.listdir", "os.scandir")


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if _WATCHED and event in _EVENTS:
        for kept in _WATCHED:
            kept.append((event, " ".join(map(str, args))))


sys.addaudithook(_watch)


@contextmanager
def watching() -> Iterator[list[tuple[str, str]]]:
    """What this process opens, asks the network for and starts meanwhile."""
    seen: list[tuple[str, str]] = []
    _WATCHED.append(seen)
    try:
        yield seen
    finally:
        _WATCHED.remove(seen)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture and regions that no tool may reach."""
    folder = tmp_path_factory.mktemp("PLANTED7F3A")
    Image.new("RGB", (64, 48), "red").save(folder / "planted7f3a.png")
    (folder / "planted7f3a.npz").write_bytes(Regions.clipped((64, 48), [(1, 1, 9, 9)], ["a"], [0.9]).to_bytes())
    return folder


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> ImageStore:
    return ImageStore(tmp_path_factory.mktemp("store"))


def hostile_words(outside: Path) -> list[str]:
    folder = str(outside)
    up = "../" * 12
    return [
        f"{folder}/planted7f3a.png",
        f"{up}{folder.lstrip('/')}/planted7f3a.png",
        f"img-{up}{folder.lstrip('/')}/planted7f3a",
        f"reg-{up}{folder.lstrip('/')}/planted7f3a",
        f"file://{folder}/planted7f3a.png",
        "img-0123456789abcdef",
        "reg-0123456789abcdef",
        "img-0123456789abcdef\n",
        "IMG-0123456789ABCDEF",
        "http://127.0.0.1:9/PLANTED7F3A.png",
        "https://PLANTED7F3A.example/x.png?q=1",
        "data:image/png;base64,AAAA",
        "~/PLANTED7F3A.png",
        "$(cat PLANTED7F3A)",
        "%s%n{0.__class__}",
        "\0PLANTED7F3A",
    ]


def right_arguments(spec: ToolSpec, image: str, regions: str) -> dict[str, Value | list[str]]:
    values: dict[str, Value | list[str]] = {}
    for argument in spec.signature.arguments:
        if Kind.IMAGE in argument.kinds:
            values[argument.name] = image
        elif Kind.REGIONS in argument.kinds:
            values[argument.name] = regions
        elif argument.required:
            values[argument.name] = argument.choices[0] if argument.choices else "red"
    return values


def call(spec: ToolSpec, store: ImageStore, pool: ModelPool, args: dict[str, Any]) -> str:
    try:
        return str(spec.bind(store, pool).invoke(args))
    except (ToolException, ValidationError) as fault:
        return str(fault)


def wordy(spec: ToolSpec) -> list[tuple[str, bool]]:
    """The arguments that take words or references, and whether as a list."""
    found = []
    for argument in spec.signature.arguments:
        if {Kind.IMAGE, Kind.REGIONS, Kind.STRING} & set(argument.kinds):
            found.append((argument.name, False))
        if Kind.STRINGS in argument.kinds:
            found.append((argument.name, True))
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in sorted(catalog())]
)
def test_no_word_is_opened(
    name: str, outside: Path, inside: ImageStore, pool: ModelPool, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = catalog()[name]
    picture = inside.add(photo("chelsea").resize((64, 48)))
    regions = inside.add_regions(Regions.clipped((64, 48), [(8, 8, 40, 40)], ["cat"], [0.9]))
    right = right_arguments(spec, picture.id, regions)
    call(spec, inside, pool, right)  # loads models and libraries
    assert wordy(spec), "every tool takes something"

    with watching() as seen:
        for argument, many in wordy(spec):
            words_here = hostile_words(outside)
            if Kind.STRING in spec.signature.argument(argument).kinds or many:  # type: ignore[union-attr]
                words_here = words_here[::5]  # each of them makes the tool work
            for words in words_here:
                call(spec, inside, pool, {**right, argument: [words] if many else words})

    assert not [event for event in seen if "planted7f3a" in event[1].lower()]
    assert not [event for event in seen if event[0] in ("socket.getaddrinfo", "socket.connect", "os.system")]
    written = [args for event, args in seen if event == "open" and _writes(args)]
    assert not [args for args in written if not args.startswith((str(inside.folder), "/dev/null", "/dev/shm"))]


def _writes(args: str) -> bool:
    """Whether an ``open`` event, its arguments joined, is one that writes."""
    mode = args.rsplit(" ", 2)[-2]
    return any(letter in mode for letter in "wax+")


def test_the_watch_sees_what_is_opened(tmp_path: Path) -> None:
    with watching() as seen:
        (tmp_path / "planted7f3a.txt").write_text("x")
        with socket.socket() as one:
            one.connect_ex(("127.0.0.1", 9))
    assert [event for event in seen if event[0] == "open" and "planted7f3a.txt" in event[1] and _writes(event[1])]
    assert [event for event in seen if event[0] == "socket.connect"]


# -------------------------------------------------------------------------------------------------- doors for others


@pytest.mark.parametrize("with_folder", [False, True])
def test_names_that_a_larger_agent_gives_are_looked_up_only(
    with_folder: bool, outside: Path, inside: ImageStore, tmp_path: Path
) -> None:
    from visiongpt_agent.langchain.pictures import Pictures

    Image.new("RGB", (4, 4)).save(tmp_path / "own.png")
    (tmp_path / "link.png").symlink_to(outside / "planted7f3a.png")
    pictures = Pictures(inside, {"given": Image.new("RGB", (4, 4))}, tmp_path if with_folder else None)
    words = [*hostile_words(outside), "link.png", "../own.png", str(tmp_path / "own.png"), "own.png/", "."]
    with watching() as seen:
        for word in words:
            with pytest.raises(InputError):
                pictures.find(word)
    assert not [event for event in seen if event[0] == "open" and "planted7f3a" in event[1].lower()]
    assert pictures.find("given").startswith("img-")


def test_the_http_door_takes_data_only(outside: Path) -> None:
    pytest.importorskip("fastapi", reason="the HTTP door needs the extra [serve]")
    from visiongpt_agent.serve.intake import inline_picture

    with watching() as seen:
        for word in hostile_words(outside):
            with pytest.raises(InputError):
                decode(inline_picture(word))
    assert not [event for event in seen if "planted7f3a" in event[1].lower()]
