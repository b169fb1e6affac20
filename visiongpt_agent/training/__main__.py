"""``python -m visiongpt_agent.training``: show the data, train the planner's adapter, or train it on."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from visiongpt_agent.training.records import Records

app = typer.Typer(help="The training of the small planner.", no_args_is_help=True)
HeldOutFiles = Annotated[
    list[Path] | None,
    typer.Option("--held-out", help="JSON lines of requests and plans that must not be trained on; may be repeated."),
]


@app.command()
def show(
    rows: Annotated[int, typer.Option(help="How many rows.")] = 1,
    requests: Annotated[int, typer.Option(help="How many requests of each.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the stream.")] = 0,
    held_out: HeldOutFiles = None,
) -> None:
    """Print training data as JSON lines."""
    records = _records(seed, held_out)
    for number in range(rows):
        catalogue, examples = records.row(number)
        print(json.dumps({"catalogue": [str(signature) for signature in catalogue.signatures]}))
        for example in itertools.islice(examples, requests):
            record = {"images": example.images, "request": example.request, "plan": str(example.plan)}
            print(json.dumps(record, ensure_ascii=False))


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="The adapter's folder.")],
    base: Annotated[
        Path | None, typer.Option(help="The base model, a GGUF file or a folder of transformers; pulled by default.")
    ] = None,
    held_out: HeldOutFiles = None,
    steps: Annotated[int, typer.Option(help="Optimiser steps.")] = 2000,
    minutes: Annotated[float, typer.Option(help="The most minutes.")] = 60.0,
    rows: Annotated[int, typer.Option(help="Rows of a step.")] = 16,
    workers: Annotated[int, typer.Option(help="Processes that make data.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the data and the adapter's start.")] = 0,
    device: Annotated[str, typer.Option(help="Where to train.")] = "cuda",
) -> None:
    """Train the adapter; some minutes on a GPU."""
    from visiongpt_agent.training.base_model import load_base, pulled_base
    from visiongpt_agent.training.fine_tuning import FineTuningSettings, fine_tune

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model, tokenizer = load_base(base or pulled_base(), device)
    settings = FineTuningSettings(steps=steps, minutes=minutes, rows=rows, workers=workers, seed=seed)
    fine_tune(model, tokenizer, _records(seed, held_out), settings, out)


@app.command()
def refine(
    out: Annotated[Path, typer.Option(help="The refined adapter's folder.")],
    adapter: Annotated[Path, typer.Option(help="The folder of the adapter to begin with.")],
    base: Annotated[
        Path | None, typer.Option(help="The base model, a GGUF file or a folder of transformers; pulled by default.")
    ] = None,
    drill: Annotated[
        list[str] | None,
        typer.Option(help="A file of examples/, by its name, to learn above all; may be repeated. All by default."),
    ] = None,
    held_out: HeldOutFiles = None,
    minutes: Annotated[float, typer.Option(help="How long, after the survey.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the data.")] = 0,
) -> None:
    """Train an adapter on with more examples, on the CPU."""
    from visiongpt_agent.training.base_model import load_base, pulled_base
    from visiongpt_agent.training.examples import examples_about, subjects
    from visiongpt_agent.training.lora import LowRankAdapter
    from visiongpt_agent.training.refining import RefiningSettings
    from visiongpt_agent.training.refining import refine as refined

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    records = _records(seed, held_out)
    drilled = records.allowed(example for subject in drill or subjects() for example in examples_about(subject))
    model, tokenizer = load_base(base or pulled_base(), "cpu")
    read = LowRankAdapter.read(adapter, model)
    refined(model, tokenizer, read, records, drilled, RefiningSettings(minutes=minutes, seed=seed), out)


def _records(seed: int, held_out: list[Path] | None) -> Records:
    from visiongpt_agent.graphs.planning.prompt import trained_signatures
    from visiongpt_agent.training.records import HeldOut, Records

    lines = [line for path in held_out or () for line in path.read_text(encoding="utf-8").splitlines()]
    own = trained_signatures()
    return Records(own, seed, HeldOut(json.loads(line) for line in lines))


if __name__ == "__main__":
    app()
