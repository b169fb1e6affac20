"""``visiongpt run``: one request, one answer."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from visiongpt_agent.cli.background import in_background
from visiongpt_agent.cli.exits import Exit
from visiongpt_agent.cli.progress import StepDisplay
from visiongpt_agent.cli.quiet import quiet
from visiongpt_agent.errors import InputError

if TYPE_CHECKING:
    from visiongpt_agent.agent import Event
    from visiongpt_agent.result import VisionResult

DEFAULT_FOLDER = Path("visiongpt-out")


def run(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="What you want; the pictures are $1, $2, ...")],
    more: Annotated[list[str] | None, typer.Argument(metavar="IMG", hidden=True)] = None,
    images: Annotated[list[str] | None, typer.Option("--image", "-i", metavar="IMG", help="A picture.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to put pictures that are made.")] = DEFAULT_FOLDER,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Tell plan, steps and verdicts on stderr.")] = False,
) -> None:
    """Carry out a request about pictures and print the answer.

    Exit code 0: done; 3: done in part, declined or failed; 2: the request or a picture cannot be used.
    """
    check_folder(out)
    with quiet():
        result = _carry_out(request, _in_order(images or [], more or []), out)
    if trace:
        _print_trace(result)
    print(result.to_json() if as_json else _as_text(result))
    if result.status != "done":
        raise typer.Exit(Exit.NOT_DONE)


def _in_order(options: list[str], more: list[str]) -> list[str]:
    """The pictures as written: ``-i a.jpg b.jpg`` as well as ``-i a.jpg -i b.jpg``."""
    if len(options) > 1 and more:
        raise InputError(f"which picture is {more[0]}? Write -i before each of them")
    return [*options, *more]


def _carry_out(request: str, images: list[str], out: Path) -> VisionResult:
    from visiongpt_agent.agent import Request, VisionGPT

    with closing(VisionGPT()) as agent, StepDisplay() as display:
        event: Event = {}
        for event in in_background(agent.stream(Request(request=request, images=images))):
            display.show(event)
        return event["result"].save(out)


def check_folder(folder: Path) -> None:
    """Refuse a folder that pictures could not be written to before any work is done; makes nothing.

    Raises:
        InputError: If it is a file, or it or the folder that it would be made in may not be written.
    """
    nearest = next((place for place in (folder, *folder.absolute().parents) if place.exists()), Path("/"))
    if not nearest.is_dir():
        raise InputError(f"{nearest} is a file: name a folder for the pictures")
    if not os.access(nearest, os.W_OK):
        raise InputError(f"{nearest} may not be written: name another folder for the pictures")


def _as_text(result: VisionResult) -> str:
    paths = [image.path for image in result.images]
    return "\n".join([result.answer, *(["Pictures:"] if paths else []), *(f"  {path}" for path in paths)])


def _print_trace(result: VisionResult) -> None:
    print(f"plan:\n{_indented(result.plan)}\nsteps:", file=sys.stderr)
    for step in result.steps:
        model = f", {step.model}" if step.model else ""
        print(f"  #{step.id} {step.tool}: {step.verdict} in {step.seconds:.2f} s{model}: {step.told}", file=sys.stderr)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
