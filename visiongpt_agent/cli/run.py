"""``visiongpt run``: one request, one answer."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visiongpt_agent.cli.approval import approved, has_person, shown
from visiongpt_agent.cli.exits import Exit
from visiongpt_agent.cli.output import say
from visiongpt_agent.errors import InputError
from visiongpt_agent.hosting.quiet import quiet

if TYPE_CHECKING:
    from visiongpt_agent.agent import VisionGPT
    from visiongpt_agent.result import VisionResult

DEFAULT_FOLDER = Path("visiongpt-out")

_Approve = Annotated[
    bool | None, typer.Option("--approve/--deny", help="With --resume: whether the steps that wait may run.")
]
_AskBefore = Annotated[
    list[str] | None, typer.Option("--ask-before", metavar="TOOL", help="Ask before this tool runs; repeatable.")
]
_Export = Annotated[
    list[str] | None,
    typer.Option("--export", metavar="FORMAT", help="Write the regions too: coco, yolo, labelme or labelstudio."),
]
_Append = Annotated[
    bool, typer.Option("--append", help="With --export: add to the data set that is there, each thing once.")
]
_Val = Annotated[
    float, typer.Option("--val", metavar="SHARE", help="With --export: hold out this share for validation: 0.2.")
]
_Pages = Annotated[
    str, typer.Option("--pages", metavar="PAGES", help="Pages or frames of files that have several: all, 2, or 1,3-5.")
]
_Text = Annotated[bool, typer.Option("--text", help="Print only the text and codes that were read, whole.")]


def run(
    request: Annotated[
        str | None, typer.Argument(metavar="REQUEST", help="What you want; the pictures are $1, $2, ...")
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="IMG", hidden=True)] = None,
    images: Annotated[list[str] | None, typer.Option("--image", "-i", metavar="IMG", help="A picture.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Where to put pictures that are made.")] = DEFAULT_FOLDER,
    thread: Annotated[str, typer.Option("--thread", metavar="NAME", help="Keep it as a part of a conversation.")] = "",
    resume: Annotated[str, typer.Option("--resume", metavar="NAME", help="Go on with a conversation's request.")] = "",
    approve: _Approve = None,
    ask_before: _AskBefore = None,
    export: _Export = None,
    append: _Append = False,
    val: _Val = 0.0,
    pages: _Pages = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole result as JSON.")] = False,
    as_text: _Text = False,
    trace: Annotated[bool, typer.Option("--trace", help="Tell plan, steps and verdicts on stderr.")] = False,
) -> None:
    """Carry out a request about pictures and print the answer, or go on with one that was interrupted.

    Exit code 0: done; 3: done in part, declined, failed, or it waits; 2: the request or a picture cannot be used.
    """
    wanted = _Wanted(
        request, _in_order(images or [], more or []), thread, resume, approve, tuple(ask_before or ()), pages
    )
    wanted.check()
    if as_json and as_text:
        raise InputError("--json and --text print one thing each: give one of them")
    exports = _Exports(tuple(export or ()), append, val)
    exports.check()
    check_folder(out)
    with quiet():
        result, exported = _carry_out(wanted, out, exports)
    if trace:
        _print_trace(result)
    _print_result(result, exported, as_json=as_json, as_text=as_text)
    if result.status == "waiting":
        _hint("approve it", f"{command_to_resume(result.thread_id)} --approve, or --deny")
    if result.status != "done":
        raise typer.Exit(Exit.NOT_DONE)


def _in_order(options: list[str], more: list[str]) -> list[str]:
    """The pictures as written: ``-i a.jpg b.jpg`` as well as ``-i a.jpg -i b.jpg``."""
    if len(options) > 1 and more:
        raise InputError(f"which picture is {more[0]}? Write -i before each of them")
    return [*options, *more]


@dataclass(frozen=True)
class _Wanted:
    """What the command line asks for; ``resume`` names a conversation to go on with."""

    request: str | None
    images: list[str]
    thread: str
    resume: str
    approve: bool | None
    ask_before: tuple[str, ...]
    pages: str = ""

    @property
    def name(self) -> str:
        return self.resume or self.thread

    def check(self) -> None:
        """Refuse what does not go together.

        Raises:
            InputError: Says what to leave out, or what lacks.
        """
        if self.resume and (self.request or self.images or self.thread):
            raise InputError("--resume goes on with the request that was made: give no other, and no pictures")
        if not self.resume and self.request is None:
            raise InputError("there is no REQUEST: say what you want done, or go on with one by --resume NAME")
        if self.approve is not None and not self.resume:
            raise InputError("--approve and --deny answer a request that waits: name it with --resume NAME")


@dataclass(frozen=True)
class _Exports:
    """The data sets that the regions go to; see :func:`visiongpt_agent.exports.export`."""

    forms: tuple[str, ...]
    append: bool
    val: float

    def check(self) -> None:
        """Refuse what cannot be exported, before any work is done.

        Raises:
            InputError: Says what can.
        """
        from visiongpt_agent.exports import check_format, check_share

        if not self.forms and (self.append or self.val):
            raise InputError("--append and --val go with --export: name the format of the data set")
        for form in self.forms:
            check_format(form)
        check_share(self.val)

    def write(self, result: VisionResult, out: Path) -> list[Path]:
        from visiongpt_agent.exports import export

        if self.forms and not result.regions:
            print("visiongpt: nothing was exported: the request found no regions", file=sys.stderr)
            return []
        return [export(result, form, out, append=self.append, val=self.val) for form in self.forms]


def _carry_out(wanted: _Wanted, out: Path, exports: _Exports) -> tuple[VisionResult, list[Path]]:
    from visiongpt_agent.agent import VisionGPT

    try:
        with closing(VisionGPT(ask_before=wanted.ask_before)) as agent:
            result = _saved(_with_answers(agent, wanted), out, wanted.name)
            return result, exports.write(result, out)
    except KeyboardInterrupt:
        if wanted.name:
            _hint("what is finished is kept; go on", command_to_resume(wanted.name))
        raise


def _with_answers(agent: VisionGPT, wanted: _Wanted) -> VisionResult:
    """The result, with what a person at a terminal answers on the way."""
    from visiongpt_agent.request import Request

    if wanted.resume:
        return approved(agent, shown(agent.stream_resumed(wanted.resume, wanted.approve)))
    # Where nobody can be asked now, the request needs a name to be approved by later.
    made_up = f"run-{secrets.token_hex(4)}" if wanted.ask_before and not has_person() else ""
    name = wanted.thread or made_up
    config: Any = {"configurable": {"thread_id": name}} if name else None
    return approved(
        agent,
        shown(agent.stream(Request(request=wanted.request or "", images=wanted.images, pages=wanted.pages), config)),
    )


def _saved(result: VisionResult, out: Path, name: str) -> VisionResult:
    try:
        return result.save(out)
    except InputError as fault:
        kept = f"; what was done is kept: {command_to_resume(name)} --out FOLDER" if name else ""
        raise InputError(f"{fault}{kept}") from None


def command_to_resume(name: str) -> str:
    return f"visiongpt run --resume {shlex.quote(name)}"


def _hint(what: str, command: str) -> None:
    say(f"visiongpt: {what} with: {command}", error=True)


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


def _print_result(result: VisionResult, exported: list[Path], *, as_json: bool, as_text: bool) -> None:
    if as_text and not result.text:
        say(f"visiongpt: no text was read: {result.answer}", error=True)
    elif as_text:
        say(result.text)
    else:
        say(result.to_json() if as_json else _as_text(result, exported))


def _as_text(result: VisionResult, exported: list[Path]) -> str:
    paths = [image.path for image in result.images]
    lines = [result.answer, *(["Pictures:"] if paths else []), *(f"  {path}" for path in paths)]
    return "\n".join([*lines, *(["Regions:"] if exported else []), *(f"  {folder}" for folder in exported)])


def _print_trace(result: VisionResult) -> None:
    say(f"plan:\n{_indented(result.plan)}\nsteps:", error=True)
    for step in result.steps:
        model = f", {step.model}" if step.model else ""
        say(f"  #{step.id} {step.tool}: {step.verdict} in {step.seconds:.2f} s{model}: {step.told}", error=True)
    for warning in result.warnings:
        say(f"warning: {warning}", error=True)


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
